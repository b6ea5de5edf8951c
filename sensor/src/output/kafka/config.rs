//! What the operator may set about Kafka, and how that becomes librdkafka's options.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError as ClientError;

use super::client::Options;
use super::token::Tokens;
use super::{KafkaError, client};

/// A value that is used and never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The `[kafka]` section of the configuration.
#[derive(Clone, PartialEq)]
pub(crate) struct KafkaConfig {
    /// `host:port`, several separated by commas.
    pub(crate) brokers: String,
    /// Topics are this, a dot, and `findings`, `inventory`, `agents`, `health`.
    pub(crate) topic_prefix: String,
    /// Name of the sensor, the source of every event.
    pub(crate) sensor: String,
    /// How the client calls itself to the broker.
    pub(crate) client_id: String,
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub(crate) security_protocol: String,
    /// PEM file with the authorities that may have signed the brokers' certificates.
    pub(crate) tls_ca: Option<PathBuf>,
    /// PEM file with the client's certificate.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    pub(crate) tls_key: Option<PathBuf>,
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`.
    pub(crate) sasl_mechanism: Option<String>,
    /// User name for SASL.
    pub(crate) sasl_username: Option<String>,
    /// Password for SASL.
    pub(crate) sasl_password: Option<Secret>,
    /// File that holds the password for SASL, read at start.
    pub(crate) sasl_password_file: Option<PathBuf>,
    /// File that holds the token for OAUTHBEARER, read each time that one is needed.
    pub(crate) oauth_token_file: Option<PathBuf>,
    /// Records waiting for or on their way to the broker.
    pub(crate) queue_records: usize,
    /// Bytes waiting for or on their way to the broker.
    pub(crate) queue_bytes: usize,
    /// Where records wait on disk while the broker is away; `None` keeps none.
    pub(crate) spool_dir: Option<PathBuf>,
    /// Most that the spool may hold.
    pub(crate) spool_bytes: u64,
    /// How long the broker may take to answer at start.
    pub(crate) connect_timeout: Duration,
    /// How long the end of a run waits for outstanding confirmations.
    pub(crate) finish_timeout: Duration,
    /// Any option of librdkafka, by its own name; these win over what is set above.
    pub(crate) options: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            topic_prefix: "tapline".to_owned(),
            sensor: "tapline".to_owned(),
            client_id: "tapline".to_owned(),
            security_protocol: "plaintext".to_owned(),
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
            sasl_password_file: None,
            oauth_token_file: None,
            queue_records: 20_000,
            queue_bytes: 32 << 20,
            spool_dir: None,
            spool_bytes: 256 << 20,
            connect_timeout: Duration::from_secs(10),
            finish_timeout: Duration::from_secs(30),
            options: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("topic_prefix", &self.topic_prefix)
            .field("sensor", &self.sensor)
            .field("client_id", &self.client_id)
            .field("security_protocol", &self.security_protocol)
            .field("tls_ca", &self.tls_ca)
            .field("tls_certificate", &self.tls_certificate)
            .field("tls_key", &self.tls_key)
            .field("sasl_mechanism", &self.sasl_mechanism)
            .field("sasl_username", &self.sasl_username)
            .field("sasl_password", &self.sasl_password)
            .field("sasl_password_file", &self.sasl_password_file)
            .field("oauth_token_file", &self.oauth_token_file)
            .field("queue_records", &self.queue_records)
            .field("queue_bytes", &self.queue_bytes)
            .field("spool_dir", &self.spool_dir)
            .field("spool_bytes", &self.spool_bytes)
            .field("connect_timeout", &self.connect_timeout)
            .field("finish_timeout", &self.finish_timeout)
            // Values may be passwords: `sasl.password` can be given here too.
            .field("options", &self.options.keys())
            .finish()
    }
}

impl KafkaConfig {
    /// librdkafka's options for this configuration, checked by librdkafka.
    pub(super) fn client(&self) -> Result<Options, KafkaError> {
        self.check_brokers()?;
        let kilobytes = (self.queue_bytes / 1024).clamp(1, 2_097_151);
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("security.protocol", &self.security_protocol)
            // A retried batch is told from a new one by the broker, and order holds.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            // The default of Java clients: the same key goes to the same partition for both.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            // The sink bounds what is under way by itself; these only must not be smaller.
            .set(
                "queue.buffering.max.messages",
                self.queue_records.clamp(1, 10_000_000).to_string(),
            )
            .set(
                "queue.buffering.max.kbytes",
                (kilobytes * 2).min(2_147_483_647).to_string(),
            )
            // librdkafka keeps trying. A record given up after a timeout might be in the topic all the
            // same, so a time limit is applied once only, at the end of a run.
            .set("message.timeout.ms", "0")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            .set("topic.metadata.propagation.max.ms", "10000")
            .set("allow.auto.create.topics", "false");
        if self.security_protocol.to_ascii_lowercase().contains("ssl") {
            client.set("ssl.endpoint.identification.algorithm", "https");
        }
        let files = [
            ("ssl.ca.location", "tls_ca", &self.tls_ca),
            (
                "ssl.certificate.location",
                "tls_certificate",
                &self.tls_certificate,
            ),
            ("ssl.key.location", "tls_key", &self.tls_key),
        ];
        for (option, key, file) in files {
            if let Some(file) = file {
                crate::regular::open(file).map_err(|error| KafkaError::File {
                    key,
                    file: file.clone(),
                    error,
                })?;
                client.set(option, file.to_string_lossy());
            }
        }
        if let Some(mechanism) = &self.sasl_mechanism {
            client.set("sasl.mechanisms", mechanism);
        }
        if let Some(user) = &self.sasl_username {
            client.set("sasl.username", user);
        }
        if let Some(Secret(password)) = &self.password()? {
            client.set("sasl.password", password);
        }
        for (name, value) in &self.options {
            if name == "transactional.id" {
                return Err(KafkaError::Option {
                    name: name.clone(),
                    reason: "the sensor does not use transactions; leave it out".to_owned(),
                });
            }
            let is_off = |off: &[&str]| off.iter().any(|off| value.eq_ignore_ascii_case(off));
            let unchecked = match name.as_str() {
                "enable.ssl.certificate.verification" => is_off(&["false", "0", "f"]),
                "ssl.endpoint.identification.algorithm" => is_off(&["none", ""]),
                _ => false,
            };
            if unchecked {
                return Err(KafkaError::Option {
                    name: name.clone(),
                    reason: "the broker's certificate and host name are always checked; leave it out, and name the authority that signed it \
                             in kafka.tls_ca"
                        .to_owned(),
                });
            }
            client.set(name, value);
        }
        match client.create_native_config() {
            Ok(_) => {
                let tokens = self.tokens(&client);
                Ok(Options {
                    native: client,
                    tokens,
                })
            }
            Err(error) => Err(option_error(error)),
        }
    }

    /// Where tokens come from, when these options log in with them.
    fn tokens(&self, client: &ClientConfig) -> Option<Tokens> {
        let mechanism = (client.get("sasl.mechanism")).or_else(|| client.get("sasl.mechanisms"))?;
        if !mechanism.eq_ignore_ascii_case("OAUTHBEARER") {
            return None;
        }
        let is_unsecured = (client.get("enable.sasl.oauthbearer.unsecure.jwt")).is_some_and(|v| v == "true");
        Some(match &self.oauth_token_file {
            Some(file) => Tokens::File {
                file: file.clone(),
                name: (self.sasl_username.clone()).unwrap_or_else(|| self.client_id.clone()),
            },
            None if is_unsecured => Tokens::Unsecured,
            None => Tokens::Nowhere,
        })
    }

    /// Whether librdkafka takes these options, and the files they name can be read.
    pub(crate) fn check(&self) -> Result<(), KafkaError> {
        self.client().map(drop)
    }

    /// What a sink does at its start, up to the answer of a broker. The outer error is the operator's to correct; the
    /// inner one says in words why no broker answers.
    pub(crate) fn try_out(&self) -> Result<Result<(), String>, KafkaError> {
        let producer = client::producer(&self.client()?).map_err(option_error)?;
        Ok(client::reach(&producer, &self.brokers, self.connect_timeout))
    }

    /// Topics that are there and have another cleanup than they should, each with what that means.
    pub(crate) fn look_at_topics(&self) -> Result<Vec<(String, String)>, KafkaError> {
        let client = self.client()?;
        // One that does not answer was told already.
        if self.try_out()?.is_err() {
            return Ok(Vec::new());
        }
        Ok(super::topics::look(
            &client,
            &self.topic_prefix,
            self.connect_timeout,
        ))
    }

    /// What librdkafka says of these settings together, without asking any broker.
    pub(crate) fn check_together(&self) -> Result<(), KafkaError> {
        let nobody = Self {
            // A place to begin with is wanted, and none is ever asked: the documentation's own address.
            brokers: "192.0.2.1:9".to_owned(),
            ..self.clone()
        };
        let mut options = nobody.client()?;
        options.native.remove("bootstrap.servers");
        client::producer(&options).map(drop).map_err(option_error)
    }

    fn password(&self) -> Result<Option<Secret>, KafkaError> {
        let Some(file) = &self.sasl_password_file else {
            return Ok(self.sasl_password.clone());
        };
        match crate::regular::read_to_string(file) {
            Ok(text) => Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))),
            Err(error) => Err(KafkaError::File {
                key: "sasl_password_file",
                file: file.clone(),
                error,
            }),
        }
    }

    fn check_brokers(&self) -> Result<(), KafkaError> {
        let wrong = |reason: String| Err(KafkaError::Brokers(reason));
        if self.brokers.trim().is_empty() {
            return wrong("it is empty; give at least one host:port".to_owned());
        }
        for broker in self.brokers.split(',').map(str::trim) {
            let port = broker
                .rsplit_once(':')
                .map(|(host, port)| (host, port.parse::<u16>()));
            match port {
                Some((host, Ok(1..))) if !host.is_empty() => {}
                _ => return wrong(format!("`{broker}` is not host:port")),
            }
        }
        Ok(())
    }
}

/// What is wrong with one option by itself, in words that show no secret.
pub(crate) fn check_option(name: &str, value: &str) -> Result<(), String> {
    if name == "transactional.id" {
        return Err("the sensor does not use transactions; leave it out".to_owned());
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(error) => match option_error(error) {
            KafkaError::Option { reason, .. } => Err(reason),
            other => Err(other.to_string()),
        },
    }
}

/// Turns librdkafka's complaint about an option into one that names it and shows no secret.
pub(super) fn option_error(error: ClientError) -> KafkaError {
    let (name, reason) = match error {
        ClientError::ClientConfig(_, reason, name, _) => (name, reason),
        // Checks across options come when the client is made; the text names the options.
        ClientError::ClientCreation(reason) => (String::new(), reason),
        other => (String::new(), other.to_string()),
    };
    let hidden = ["password", "secret", "pem", "jaas", "oauthbearer.config"];
    let reason = if hidden.iter().any(|word| name.contains(word)) {
        "librdkafka does not accept its value".to_owned()
    } else {
        reason
    };
    KafkaError::Option { name, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> KafkaConfig {
        KafkaConfig {
            brokers: "127.0.0.1:9092".to_owned(),
            ..KafkaConfig::default()
        }
    }

    fn complaint(change: impl FnOnce(&mut KafkaConfig)) -> String {
        let mut config = config();
        change(&mut config);
        config.client().expect_err("must be refused").to_string()
    }

    #[test]
    fn a_good_configuration_is_accepted_and_options_win() {
        let mut config = config();
        config.options.insert("linger.ms".to_owned(), "7".to_owned());
        let client = config.client().expect("a good configuration");
        assert_eq!(client.native.get("linger.ms"), Some("7"));
        assert_eq!(client.native.get("acks"), Some("all"));
        assert_eq!(client.native.get("enable.idempotence"), Some("true"));
    }

    #[test]
    fn mistakes_are_named() {
        let check = |got: String, wanted: &[&str]| {
            for word in wanted {
                assert!(got.contains(word), "`{got}` lacks `{word}`");
            }
        };
        check(
            complaint(|c| c.brokers = String::new()),
            &["kafka.brokers", "empty"],
        );
        check(
            complaint(|c| c.brokers = "kafka-1".to_owned()),
            &["kafka.brokers", "`kafka-1`"],
        );
        check(complaint(|c| c.brokers = "a:9092,b:x".to_owned()), &["`b:x`"]);
        let option = |name: &str, value: &str| {
            let (name, value) = (name.to_owned(), value.to_owned());
            complaint(move |c| drop(c.options.insert(name, value)))
        };
        check(option("linger.mss", "1"), &["linger.mss"]);
        check(option("linger.ms", "soon"), &["linger.ms"]);
        check(
            option("transactional.id", "x"),
            &["transactional.id", "transactions"],
        );
        for (name, off) in [
            ("enable.ssl.certificate.verification", "False"),
            ("ssl.endpoint.identification.algorithm", "none"),
        ] {
            check(option(name, off), &[name, "always checked", "kafka.tls_ca"]);
        }
        check(
            complaint(|c| c.security_protocol = "tls".to_owned()),
            &["security.protocol"],
        );
        let missing = |c: &mut KafkaConfig| c.tls_ca = Some("/does/not/exist.pem".into());
        check(complaint(missing), &["tls_ca", "/does/not/exist.pem"]);
    }

    #[test]
    fn passwords_are_never_shown() {
        let mut config = config();
        config.sasl_password = Some(Secret("hunter2-canary".to_owned()));
        config
            .options
            .insert("sasl.password".to_owned(), "hunter2-canary".to_owned());
        config
            .options
            .insert("ssl.key.pem".to_owned(), "hunter2-canary".to_owned());
        assert!(!format!("{config:?}").contains("canary"));
        if let Err(error) = config.client() {
            assert!(!error.to_string().contains("canary"));
            assert!(!format!("{error:?}").contains("canary"));
        }
    }
}
