//! The sink against a real broker. Starting one is part of the test: it fails when that fails.

#[path = "../../../tests/support/broker.rs"]
mod broker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use analyzers::Severity;
use base64::Engine as _;
use tempfile::TempDir;

use self::broker::{Broker, Seen, shared};
use super::*;
use crate::output::record::Topic;

fn config(bootstrap: &str, prefix: &str, spool: &TempDir) -> KafkaConfig {
    KafkaConfig {
        brokers: bootstrap.to_owned(),
        topic_prefix: prefix.to_owned(),
        sensor: "test".to_owned(),
        spool_dir: Some(spool.path().join("spool")),
        connect_timeout: Duration::from_secs(60),
        ..KafkaConfig::default()
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Finding number `n`; every tenth is another revision of one id.
fn finding(n: usize) -> Record {
    let (id, revision) = if n.is_multiple_of(10) {
        (0, n / 10 + 1)
    } else {
        (n, 1)
    };
    let severities = [Severity::Info, Severity::Low, Severity::Medium, Severity::High];
    Record {
        topic: Topic::Findings,
        key: format!("f{id}"),
        value: Some(
            format!(r#"{{"v":1,"id":"f{id}","revision":{revision},"n":{n},"text":"é ✓"}}"#).into_bytes(),
        ),
        severity: Some(severities[n % 4]),
        kind: Some("rate_anomaly".to_owned()),
        principal_kind: Some("service"),
        time_ns: 1_700_000_000_000_000_000 + n as u64,
        subject: format!("GET api.example /orders/{n}"),
    }
}

/// An address where nothing listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

fn publish(config: &KafkaConfig, records: impl IntoIterator<Item = Record>) -> (Delivery, Vec<String>) {
    let mut sink = KafkaSink::start(config, Mode::Replay).expect("a good configuration");
    for record in records {
        sink.send(record);
    }
    let delivery = sink.finish(Duration::from_secs(60));
    (delivery, sink.warnings())
}

fn values(seen: &[Seen]) -> Vec<String> {
    seen.iter().filter_map(|record| record.value.clone()).collect()
}

fn wanted(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let value = |n| String::from_utf8(finding(n).value.unwrap_or_default()).expect("UTF-8");
    numbers.into_iter().map(value).collect()
}

#[test]
fn records_read_back_exactly_as_they_were_sent() {
    let (broker, spool) = (shared(), folder());
    let state = |topic, key: &str, value: Option<&str>| Record {
        topic,
        key: key.to_owned(),
        value: value.map(|value| value.as_bytes().to_vec()),
        severity: None,
        kind: None,
        ..finding(1)
    };
    let mut records: Vec<Record> = (0..500).map(finding).collect();
    records.push(state(Topic::Inventory, "e1", Some(r#"{"v":1,"id":"e1"}"#)));
    records.push(state(Topic::Agents, "p1", None));
    records.push(state(Topic::Health, "test", Some(r#"{"v":1}"#)));
    let (delivery, warnings) = publish(&config(broker.bootstrap(), "exact", &spool), records.clone());
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        delivery,
        Delivery {
            delivered: 503,
            ..Delivery::default()
        }
    );
    assert!(delivery.complete());

    for topic in topics::ALL {
        let name = format!("exact.{}", topic.name());
        let seen = broker.read(&name);
        let sent: Vec<Seen> = records
            .iter()
            .filter(|record| record.topic == topic)
            .map(|record| Seen {
                key: record.key.clone(),
                value: record
                    .value
                    .clone()
                    .map(|value| String::from_utf8(value).expect("UTF-8")),
                headers: headers::pairs(record, "test")
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            })
            .collect();
        assert_eq!(seen, sent, "{name}");
        assert!(
            broker.codecs(&name).iter().all(|codec| *codec == 4),
            "{name} is not zstd"
        );
    }
    let first = &broker.read("exact.findings")[1];
    assert_eq!(first.header("ce_specversion"), "1.0");
    assert_eq!(first.header("ce_type"), "tapline.finding.v1");
    assert_eq!(first.header("ce_source"), "urn:tapline:sensor:test");
    assert_eq!(first.header("ce_id"), "f1.1");
    assert_eq!(first.header("ce_time"), "2023-11-14T22:13:20.000000001Z");
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("severity"), "low");
    assert_eq!(first.header("kind"), "rate_anomaly");
    assert_eq!(first.header("principal_kind"), "service");
    // Nothing waits, so nothing lies there.
    let left: Vec<_> = std::fs::read_dir(spool.path().join("spool"))
        .expect("the spool")
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".seg"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn topics_are_made_with_the_cleanup_they_need_and_wrong_ones_are_told() {
    let (broker, spool) = (shared(), folder());
    let config = config(broker.bootstrap(), "policy", &spool);
    let (_, warnings) = publish(&config, []);
    assert_eq!(warnings, [""; 0]);
    let client = config.client().expect("a good configuration");
    let policies = topics::policies(&client, "policy");
    let wanted = [
        ("policy.agents", "compact"),
        ("policy.findings", "delete"),
        ("policy.health", "delete"),
        ("policy.inventory", "compact"),
    ];
    let wanted: BTreeMap<_, _> = wanted
        .into_iter()
        .map(|(name, policy)| (name.to_owned(), policy.to_owned()))
        .collect();
    assert_eq!(policies, wanted);

    topics::create_for_test(&client, "wrong.inventory", "delete");
    let (_, warnings) = publish(
        &KafkaConfig {
            topic_prefix: "wrong".to_owned(),
            ..config
        },
        [],
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("wrong.inventory has cleanup.policy=delete"),
        "{warnings:?}"
    );
}

#[test]
fn a_broker_killed_in_mid_stream_gets_every_record_once_and_in_order() {
    let (broker, spool) = (Broker::up(&[]), folder());
    let config = KafkaConfig {
        queue_records: 500,
        ..config(broker.bootstrap(), "killed", &spool)
    };
    let mut sink = KafkaSink::start(&config, Mode::Replay).expect("a good configuration");
    let total = 20_000;
    std::thread::scope(|scope| {
        let sink = &sink;
        scope.spawn(move || {
            for n in 0..total {
                sink.send(finding(n));
                if n % 100 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        while sink.so_far().0 < 2000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        broker.kill();
        assert!(sink.so_far().0 < total as u64, "too late to be a test");
        std::thread::sleep(Duration::from_secs(3));
        broker.start();
    });
    let delivery = sink.finish(Duration::from_secs(120));
    assert!(delivery.complete(), "{delivery:?} {:?}", sink.warnings());
    assert_eq!(delivery.delivered + delivery.found, total as u64, "{delivery:?}");
    assert!(delivery.unspooled > 0, "the spool was not needed: {delivery:?}");
    assert_eq!(delivery.redelivered, 0, "there was no earlier run");
    assert_eq!(values(&broker.read("killed.findings")), wanted(0..total));
}

#[test]
fn what_a_dead_broker_left_unconfirmed_reaches_the_topic_once_with_the_next_run() {
    let (broker, spool) = (Broker::up(&[]), folder());
    let config = KafkaConfig {
        queue_records: 2000,
        ..config(broker.bootstrap(), "cut", &spool)
    };
    let mut sink = KafkaSink::start(&config, Mode::Replay).expect("a good configuration");
    let total = 10_000;
    for n in 0..total {
        sink.send(finding(n));
        if n == 5000 {
            while sink.so_far().0 < 3000 {
                std::thread::sleep(Duration::from_millis(1));
            }
            broker.kill();
        }
    }
    let delivery = sink.finish(Duration::from_secs(2));
    assert!(delivery.spooled > 0 && delivery.dropped == 0, "{delivery:?}");
    let warnings = sink.warnings();
    let interrupted = |text: &String| text.contains("is interrupted: no Kafka broker");
    assert!(warnings.iter().any(interrupted), "{warnings:?}");
    assert!(
        !warnings.iter().any(|text| text.contains("Purge")),
        "{warnings:?}"
    );
    assert_eq!(
        delivery.delivered + delivery.spooled,
        total as u64,
        "{delivery:?}"
    );
    broker.start();
    let (next, warnings) = publish(&config, (total..total + 10).map(finding));
    assert!(next.complete(), "{next:?} {warnings:?}");
    assert_eq!(
        next.delivered + next.found,
        delivery.spooled + 10,
        "{next:?} {warnings:?}"
    );
    assert_eq!(values(&broker.read("cut.findings")), wanted(0..total + 10));
}

#[test]
fn records_perhaps_sent_are_looked_for_before_they_are_sent_again() {
    let (broker, spool) = (shared(), folder());
    let config = config(broker.bootstrap(), "perhaps", &spool);
    let (delivery, _) = publish(&config, (0..100).map(finding));
    assert_eq!(delivery.delivered, 100);
    // As if the answers to these had never come: half of them are in the topic, half are not.
    let dir = config.spool_dir.clone().expect("a spool");
    let mut left = Spool::open(&dir, 1 << 20).expect("the spool opens");
    let since = 1_700_000_000_000;
    let records: Vec<(Record, u64)> = (50..150).map(|n| (finding(n), since)).collect();
    left.prepend(&records).expect("the spool takes them");
    drop(left);
    let (next, warnings) = publish(&config, (150..160).map(finding));
    assert_eq!(warnings, [""; 0]);
    // The ten new ones may go by way of the spool, behind those that waited.
    assert_eq!((next.delivered, next.found), (60, 50), "{next:?}");
    assert!(next.complete(), "{next:?}");
    assert_eq!(values(&broker.read("perhaps.findings")), wanted(0..160));
}

#[test]
fn a_broker_that_is_never_there_is_told_and_the_next_run_delivers_in_order_and_once() {
    let (broker, spool) = (shared(), folder());
    let away = KafkaConfig {
        connect_timeout: Duration::from_secs(5),
        ..config(&nowhere(), "away", &spool)
    };
    for run in 0..2 {
        let begun = Instant::now();
        let (delivery, warnings) = publish(&away, (run * 300..run * 300 + 300).map(finding));
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let waiting = (run as u64 + 1) * 300;
        assert_eq!(
            delivery,
            Delivery {
                spooled: waiting,
                ..Delivery::default()
            }
        );
        assert!(!delivery.complete());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        for word in [
            away.brokers.as_str(),
            "nothing listens there",
            "wait in the spool",
        ] {
            assert!(warnings[0].contains(word), "`{}` lacks `{word}`", warnings[0]);
        }
    }
    let there = config(broker.bootstrap(), "away", &spool);
    let (delivery, warnings) = publish(&there, (600..700).map(finding));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(delivery.delivered, 700);
    // What arrives while the spool is emptied goes behind it, so more than the 600 may come out of it.
    assert!(delivery.redelivered >= 600 && delivery.complete(), "{delivery:?}");
    assert_eq!(values(&broker.read("away.findings")), wanted(0..700));
    let (delivery, _) = publish(&there, []);
    assert_eq!(delivery, Delivery::default());
}

#[test]
fn a_broker_that_comes_late_gets_everything_in_the_same_run() {
    let (broker, spool) = (Broker::up(&[]), folder());
    broker.kill();
    let config = KafkaConfig {
        connect_timeout: Duration::from_secs(1),
        ..config(broker.bootstrap(), "late", &spool)
    };
    let mut sink = KafkaSink::start(&config, Mode::Live).expect("a good configuration");
    assert_eq!(sink.warnings().len(), 1);
    for n in 0..1000 {
        sink.send(finding(n));
    }
    broker.start();
    let until = Instant::now() + Duration::from_secs(90);
    while sink.so_far().0 < 1000 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let delivery = sink.finish(Duration::from_secs(30));
    assert!(
        delivery.complete() && delivery.delivered == 1000,
        "{delivery:?} {:?}",
        sink.warnings()
    );
    assert_eq!(values(&broker.read("late.findings")), wanted(0..1000));
}

#[test]
fn a_record_too_large_is_counted_and_the_rest_goes_on() {
    let (broker, spool) = (shared(), folder());
    let mut records: Vec<Record> = (0..20).map(finding).collect();
    records[10].value = Some(vec![b'x'; 2 << 20]);
    let (delivery, warnings) = publish(&config(broker.bootstrap(), "large", &spool), records);
    let wanted_delivery = Delivery {
        delivered: 19,
        dropped: 1,
        dropped_refused: 1,
        ..Delivery::default()
    };
    assert_eq!(delivery, wanted_delivery);
    assert!(
        warnings.len() == 1 && warnings[0].contains("refused for good"),
        "{warnings:?}"
    );
    assert_eq!(
        values(&broker.read("large.findings")),
        wanted((0..20).filter(|n| *n != 10))
    );
}

#[test]
fn without_a_spool_what_cannot_be_delivered_is_counted() {
    let spool = folder();
    let config = KafkaConfig {
        spool_dir: None,
        connect_timeout: Duration::from_secs(1),
        queue_records: 10,
        ..config(&nowhere(), "none", &spool)
    };
    let (delivery, warnings) = publish(&config, (0..100).map(finding));
    assert_eq!(
        delivery,
        Delivery {
            dropped: 100,
            dropped_unkept: 100,
            ..Delivery::default()
        }
    );
    assert!(warnings[0].contains("no spool"), "{warnings:?}");
}

fn secured(broker: &Broker, prefix: &str, spool: &TempDir) -> KafkaConfig {
    KafkaConfig {
        security_protocol: "sasl_ssl".to_owned(),
        tls_ca: Some(broker.setting("ca").into()),
        sasl_mechanism: Some("SCRAM-SHA-512".to_owned()),
        sasl_username: Some(broker.setting("sasl_username").to_owned()),
        sasl_password: Some(Secret(broker.setting("sasl_password").to_owned())),
        connect_timeout: Duration::from_secs(40),
        ..config(broker.setting("sasl_bootstrap"), prefix, spool)
    }
}

#[test]
fn tls_with_scram_plain_or_client_certificate_delivers() {
    let broker = shared();
    let check = |prefix: &str, change: &dyn Fn(&mut KafkaConfig)| {
        let spool = folder();
        let mut config = secured(broker, prefix, &spool);
        change(&mut config);
        let (delivery, warnings) = publish(&config, (0..50).map(finding));
        assert_eq!(warnings, [""; 0], "{prefix}");
        assert_eq!(delivery.delivered, 50, "{prefix}");
        assert_eq!(
            values(&broker.read(&format!("{prefix}.findings"))),
            wanted(0..50),
            "{prefix}"
        );
    };
    check("scram", &|_| {});
    check("plain", &|config| {
        config.sasl_mechanism = Some("PLAIN".to_owned())
    });
    let file = folder();
    let path = file.path().join("password");
    std::fs::write(&path, format!("{}\n", broker.setting("sasl_password"))).expect("a file");
    check("file", &|config| {
        config.sasl_password = None;
        config.sasl_password_file = Some(path.clone());
    });
    check("mtls", &|config| {
        config.brokers = broker.setting("mtls_bootstrap").to_owned();
        config.security_protocol = "ssl".to_owned();
        config.tls_certificate = Some(broker.setting("client_certificate").into());
        config.tls_key = Some(broker.setting("client_key").into());
        config.sasl_mechanism = None;
        config.sasl_username = None;
        config.sasl_password = None;
    });
}

#[test]
fn a_token_of_a_file_delivers_and_topics_that_are_missing_are_named() {
    let (broker, spool, place) = (shared(), folder(), folder());
    let file = place.path().join("token");
    // As the broker of the tests takes them, without a signature (RFC 7515 appendix A.5).
    let ends = super::publisher::now_ms() / 1000 + 600;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"sub":"tapline","iat":1700000000,"exp":{ends}}}"#);
    let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
    let config = KafkaConfig {
        sasl_mechanism: Some("OAUTHBEARER".to_owned()),
        sasl_username: None,
        sasl_password: None,
        oauth_token_file: Some(file.clone()),
        ..secured(broker, "token", &spool)
    };
    let (_, warnings) = publish(
        &KafkaConfig {
            connect_timeout: Duration::from_secs(1),
            ..config.clone()
        },
        [],
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for word in [
        "there is no token to log in to Kafka",
        "No such file",
        "wait in the spool",
    ] {
        assert!(warnings[0].contains(word), "`{}` lacks `{word}`", warnings[0]);
    }
    std::fs::write(&file, &token).expect("a file");
    let (_, warnings) = publish(&config, []);
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(
        warnings[1].contains("token.inventory is missing")
            && warnings[1].contains("cleanup.policy=compact (deploy/topics.sh)"),
        "{warnings:?}"
    );
    let plain = self::config(broker.bootstrap(), "token", &spool)
        .client()
        .expect("a good configuration");
    for topic in topics::ALL {
        topics::create_for_test(&plain, &topics::name("token", topic), topics::cleanup(topic));
    }
    let (delivery, warnings) = publish(&config, (0..50).map(finding));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(delivery.delivered, 50);
    assert_eq!(values(&broker.read("token.findings")), wanted(0..50));
    assert_eq!(config.try_out().expect("a good configuration"), Ok(()));
}

#[test]
fn wrong_password_authority_or_name_fail_with_a_plain_message() {
    let broker = shared();
    let check = |name: &str, wanted: &str, change: &dyn Fn(&mut KafkaConfig)| {
        let spool = folder();
        let mut config = secured(broker, "refused", &spool);
        change(&mut config);
        let (delivery, warnings) = publish(&config, (0..5).map(finding));
        assert_eq!(delivery.spooled, 5, "{name}");
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        assert!(warnings[0].contains(wanted), "{name}: {}", warnings[0]);
        assert!(!warnings[0].contains("canary"), "{name}: {}", warnings[0]);
    };
    check("wrong password", "refuses the login", &|config| {
        config.sasl_password = Some(Secret("wrong-canary".to_owned()));
    });
    check("unknown authority", "cannot be trusted", &|config| {
        config.tls_ca = Some(broker.setting("other_ca").into());
    });
    // The certificate is for localhost, so the very same broker under another name is refused.
    let port = broker
        .setting("sasl_bootstrap")
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    check("wrong host name", "host name", &|config| {
        config.brokers = format!("127.0.0.1:{port}");
    });
    check("no TLS", "security_protocol", &|config| {
        config.security_protocol = "sasl_plaintext".to_owned();
    });
}
