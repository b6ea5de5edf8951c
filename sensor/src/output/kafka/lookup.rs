//! Answers one question: which of these records are in the topic already?
//!
//! A producer that never heard the answer to what it sent cannot know, and its next life has
//! another producer id, so the broker cannot tell a repetition from a new record either. Their
//! CloudEvents ids are unique, so the end of the topic says it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Context, Options};

impl ConsumerContext for Context {}

/// Clocks of sensor and broker may differ, when the topic is set to the broker's time.
const MARGIN_MS: u64 = 10 * 60 * 1000;

/// How long a single answer may take, and how long nothing may come from a broker that librdkafka complains about: nothing is published
/// meanwhile.
const ANSWER: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_secs(3);

/// The ids among `wanted` (topic to ids) found in records written since `since_ms`.
pub(super) fn present(
    options: &Options,
    wanted: &BTreeMap<String, BTreeSet<String>>,
    since_ms: u64,
    at_most: Duration,
) -> Result<BTreeSet<String>, ClientError> {
    let mut config = options.native.clone();
    config
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        // librdkafka wants a name even where, as here, no group is joined and nothing is committed.
        .set("group.id", "tapline-lookup");
    let consumer: BaseConsumer<Context> =
        BaseConsumer::from_config_and_context(&config, Context::new(options))?;
    // What librdkafka wants before it connects: a token, for one. No partition is assigned, so no record can come.
    let _ = consumer.poll(Duration::ZERO);
    let deadline = Instant::now() + at_most;
    let since = i64::try_from(since_ms.saturating_sub(MARGIN_MS)).unwrap_or(i64::MAX);
    let mut found = BTreeSet::new();
    // One topic after the other: the end of a partition is told by its number alone.
    for (topic, ids) in wanted {
        let mut open = assign(&consumer, topic, since, at_most.min(ANSWER))?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            if heard.elapsed() > QUIET && consumer.client().context().complains() {
                return Err(ClientError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown));
            }
            if Instant::now() >= deadline {
                return Err(ClientError::MessageConsumption(
                    RDKafkaErrorCode::OperationTimedOut,
                ));
            }
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    found.extend(event_id(&message).filter(|id| ids.contains(id)));
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Err(error),
                None => {}
            }
        }
    }
    Ok(found)
}

/// Starts reading every partition of a topic at the first record since then; returns the
/// partitions that have one.
fn assign(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    since: i64,
    at_most: Duration,
) -> Result<BTreeSet<i32>, ClientError> {
    let metadata = consumer.fetch_metadata(Some(topic), at_most)?;
    let mut times = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        times.add_partition_offset(topic, partition.id(), Offset::Offset(since))?;
    }
    let starts = consumer.offsets_for_times(times, at_most)?;
    let mut open = BTreeSet::new();
    let mut assignment = TopicPartitionList::new();
    for start in starts.elements() {
        if let offset @ Offset::Offset(_) = start.offset() {
            assignment.add_partition_offset(topic, start.partition(), offset)?;
            open.insert(start.partition());
        }
    }
    consumer.assign(&assignment)?;
    Ok(open)
}

fn event_id(message: &BorrowedMessage<'_>) -> Option<String> {
    let mut headers = message.headers()?.iter();
    let id = headers.find(|header| header.key == "ce_id")?.value?;
    std::str::from_utf8(id).ok().map(str::to_owned)
}

/// What librdkafka goes on from by itself.
fn is_passing(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                // Concerns the group, which is not used.
                | RDKafkaErrorCode::GroupAuthorizationFailed
        )
    )
}
