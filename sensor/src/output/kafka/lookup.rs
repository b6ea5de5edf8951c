//! Answers one question: which of these records are in the topic already?
//!
//! A producer that never heard the answer to what it sent cannot know, and its next life has
//! another producer id, so the broker cannot tell a repetition from a new record either. Their
//! CloudEvents ids are unique, so the end of the topic says it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::Context;

impl ConsumerContext for Context {}

/// Clocks of sensor and broker may differ, when the topic is set to the broker's time.
const MARGIN_MS: u64 = 10 * 60 * 1000;

/// The ids among `wanted` (topic to ids) found in records written since `since_ms`.
pub(super) fn present(
    config: &ClientConfig,
    wanted: &BTreeMap<String, BTreeSet<String>>,
    since_ms: u64,
    at_most: Duration,
) -> Result<BTreeSet<String>, ClientError> {
    let mut config = config.clone();
    config.set("enable.partition.eof", "true").set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Context> =
        BaseConsumer::from_config_and_context(&config, Context::new(&config))?;
    let deadline = Instant::now() + at_most;
    let since = i64::try_from(since_ms.saturating_sub(MARGIN_MS)).unwrap_or(i64::MAX);
    let mut times = TopicPartitionList::new();
    for topic in wanted.keys() {
        let metadata = consumer.fetch_metadata(Some(topic), at_most)?;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            times.add_partition_offset(topic, partition.id(), Offset::Offset(since))?;
        }
    }
    let starts = consumer.offsets_for_times(times, at_most)?;
    let mut open = 0;
    let mut assignment = TopicPartitionList::new();
    for start in starts.elements() {
        // No record since then: there is nothing to read.
        if let offset @ Offset::Offset(_) = start.offset() {
            assignment.add_partition_offset(start.topic(), start.partition(), offset)?;
            open += 1;
        }
    }
    if open == 0 {
        return Ok(BTreeSet::new());
    }
    consumer.assign(&assignment)?;
    let mut found = BTreeSet::new();
    // The end of a partition comes by number only, which several topics share: ends are counted. A
    // partition that goes on growing may end twice, but nobody else writes these ids.
    let mut ends = 0;
    while ends < open {
        if Instant::now() >= deadline {
            return Err(ClientError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let id = message.headers().and_then(|headers| {
                    let mut all = headers.iter();
                    let id = all.find(|header| header.key == "ce_id")?.value?;
                    std::str::from_utf8(id).ok().map(str::to_owned)
                });
                if let (Some(id), Some(ids)) = (id, wanted.get(message.topic()))
                    && ids.contains(&id)
                {
                    found.insert(id);
                }
            }
            Some(Err(ClientError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => return Err(error),
            None => {}
        }
    }
    Ok(found)
}

/// What librdkafka goes on from by itself.
fn is_passing(error: &ClientError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
        )
    )
}
