//! The topics: made when missing, with the cleanup each of them needs, and looked at when there.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;

use super::client::{Context, Options, Producer};
use crate::output::record::Topic;

pub(super) const ALL: [Topic; 4] = [Topic::Findings, Topic::Inventory, Topic::Agents, Topic::Health];

/// The full name of a topic.
pub(super) fn name(prefix: &str, topic: Topic) -> String {
    if prefix.is_empty() {
        topic.name().to_owned()
    } else {
        format!("{prefix}.{}", topic.name())
    }
}

/// `compact` keeps the last record of each key for good, `delete` every record for a while.
pub(super) fn cleanup(topic: Topic) -> &'static str {
    match topic {
        Topic::Findings | Topic::Health => "delete",
        Topic::Inventory | Topic::Agents => "compact",
    }
}

/// Makes the topics that are missing, and returns a line of warning for whatever is not as it
/// should be. Partitions, replicas and retention of new topics are the broker's defaults.
pub(super) fn ensure(producer: &Producer, config: &Options, prefix: &str, at_most: Duration) -> Vec<String> {
    if config.needs_tokens() {
        return missing(producer, prefix, at_most);
    }
    // Reports about an administrative connection say the same as those about the producer.
    let admin = match AdminClient::from_config_and_context(&config.native, Context::new(config)) {
        Ok(admin) => admin,
        Err(error) => return vec![format!("the Kafka topics were not checked: {error}")],
    };
    let options = AdminOptions::new()
        .request_timeout(Some(at_most))
        .operation_timeout(Some(at_most));
    let names = ALL.map(|topic| name(prefix, topic));
    let mut warnings = Vec::new();

    let existing = match admin.inner().fetch_metadata(None, at_most) {
        Ok(metadata) => metadata
            .topics()
            .iter()
            .map(|topic| topic.name().to_owned())
            .filter(|name| names.contains(name))
            .collect::<Vec<_>>(),
        Err(error) => return vec![format!("the Kafka topics were not checked: {error}")],
    };
    let missing: Vec<NewTopic<'_>> = ALL
        .iter()
        .zip(&names)
        .filter(|(_, name)| !existing.contains(name))
        .map(|(topic, name)| {
            NewTopic::new(name, -1, TopicReplication::Fixed(-1)).set("cleanup.policy", cleanup(*topic))
        })
        .collect();
    if !missing.is_empty() {
        match block_on(admin.create_topics(&missing, &options)) {
            Ok(results) => {
                for (name, code) in results.into_iter().filter_map(Result::err) {
                    if code != RDKafkaErrorCode::TopicAlreadyExists {
                        warnings.push(format!(
                            "the topic {name} is missing and could not be created: {}; create it, or \
                             allow the sensor to",
                            ClientError::AdminOp(code)
                        ));
                    }
                }
            }
            Err(error) => warnings.push(format!("the Kafka topics could not be created: {error}")),
        }
    }

    warnings.extend(
        policies_amiss(&admin, &existing, prefix, &options)
            .into_iter()
            .map(|(_, said)| said),
    );
    warnings
}

/// The topics that are missing, as the producer hears of them: librdkafka's client for topics asks for a token in a way that its
/// binding does not answer.
fn missing(producer: &Producer, prefix: &str, at_most: Duration) -> Vec<String> {
    let metadata = match producer.client().fetch_metadata(None, at_most) {
        Ok(metadata) => metadata,
        Err(error) => return vec![format!("the Kafka topics were not checked: {error}")],
    };
    let is_there = |name: &String| metadata.topics().iter().any(|topic| topic.name() == name);
    (ALL.map(|topic| (topic, name(prefix, topic))).into_iter())
        .filter(|(_, name)| !is_there(name))
        .map(|(topic, name)| {
            format!(
                "the topic {name} is missing, and while it logs in with a token the sensor creates none; create it with cleanup.policy={} \
                 (deploy/topics.sh)",
                cleanup(topic)
            )
        })
        .collect()
}

/// Of these topics those that have another cleanup than they should, with what that means. Nothing is made or changed.
pub(super) fn look(config: &Options, prefix: &str, at_most: Duration) -> Vec<(String, String)> {
    if config.needs_tokens() {
        return Vec::new();
    }
    let Ok(admin) = AdminClient::from_config_and_context(&config.native, Context::new(config)) else {
        return Vec::new();
    };
    let options = AdminOptions::new()
        .request_timeout(Some(at_most))
        .operation_timeout(Some(at_most));
    let Ok(metadata) = admin.inner().fetch_metadata(None, at_most) else {
        return Vec::new();
    };
    let names = ALL.map(|topic| name(prefix, topic));
    let existing: Vec<String> = (metadata.topics().iter())
        .map(|topic| topic.name().to_owned())
        .filter(|name| names.contains(name))
        .collect();
    policies_amiss(&admin, &existing, prefix, &options)
}

fn policies_amiss(
    admin: &AdminClient<Context>,
    existing: &[String],
    prefix: &str,
    options: &AdminOptions,
) -> Vec<(String, String)> {
    let mut amiss = Vec::new();
    let there: Vec<ResourceSpecifier<'_>> = existing
        .iter()
        .map(|name| ResourceSpecifier::Topic(name))
        .collect();
    if !there.is_empty() {
        // Without the right to read settings there is nothing to compare; writing may work still.
        let settings = block_on(admin.describe_configs(&there, options)).unwrap_or_default();
        for resource in settings.into_iter().flatten() {
            let rdkafka::admin::OwnedResourceSpecifier::Topic(found) = &resource.specifier else {
                continue;
            };
            let policy = resource
                .get("cleanup.policy")
                .and_then(|entry| entry.value.as_deref());
            let wanted = ALL
                .into_iter()
                .find(|topic| name(prefix, *topic) == *found)
                .map(cleanup);
            if let (Some(policy), Some(wanted)) = (policy, wanted) {
                amiss.extend(compare(found, policy, wanted).map(|said| (found.clone(), said)));
            }
        }
    }
    amiss
}

fn compare(name: &str, policy: &str, wanted: &str) -> Option<String> {
    let compacted = policy.split(',').any(|word| word.trim() == "compact");
    match wanted {
        "compact" if !compacted => Some(format!(
            "the topic {name} has cleanup.policy={policy}; with anything but compact the state of what \
             does not change is lost when the retention time is over"
        )),
        "delete" if compacted => Some(format!(
            "the topic {name} has cleanup.policy={policy}; compaction keeps only the last revision of \
             a record"
        )),
        _ => None,
    }
}

/// Runs one future on this thread; the administrative calls are the only ones there are.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut task = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The cleanup policy of every topic with this prefix.
#[cfg(test)]
pub(super) fn policies(config: &Options, prefix: &str) -> std::collections::BTreeMap<String, String> {
    let admin = AdminClient::from_config_and_context(&config.native, Context::new(config)).expect("a client");
    let names = ALL.map(|topic| name(prefix, topic));
    let topics: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let answer = block_on(admin.describe_configs(&topics, &AdminOptions::new())).expect("an answer");
    answer
        .into_iter()
        .map(|resource| {
            let resource = resource.expect("a topic");
            let policy = resource
                .get("cleanup.policy")
                .and_then(|entry| entry.value.clone());
            let rdkafka::admin::OwnedResourceSpecifier::Topic(name) = resource.specifier else {
                panic!("not a topic");
            };
            (name, policy.expect("a policy"))
        })
        .collect()
}

/// Makes a topic as an operator might have made it.
#[cfg(test)]
pub(super) fn create_for_test(config: &Options, name: &str, policy: &str) {
    let admin = AdminClient::from_config_and_context(&config.native, Context::new(config)).expect("a client");
    let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1)).set("cleanup.policy", policy);
    for result in block_on(admin.create_topics(&[topic], &AdminOptions::new())).expect("an answer") {
        result.expect("a new topic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_cleanup_policy_is_told() {
        assert_eq!(compare("t", "compact", "compact"), None);
        assert_eq!(compare("t", "compact,delete", "compact"), None);
        assert_eq!(compare("t", "delete", "delete"), None);
        assert!(compare("t", "delete", "compact").is_some_and(|text| text.contains("t has")));
        assert!(compare("t", "compact", "delete").is_some());
    }

    #[test]
    fn names_have_the_prefix() {
        assert_eq!(name("tapline", Topic::Findings), "tapline.findings");
        assert_eq!(name("", Topic::Health), "health");
    }
}
