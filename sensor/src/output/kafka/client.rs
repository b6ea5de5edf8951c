//! The connection to the brokers: what librdkafka reports, and how that reads to a person.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer as _, ProducerContext};

use super::publisher::now_ms;
use super::token::Tokens;

pub(super) type Producer = BaseProducer<Context>;

/// The fate of one record: its number, and why it was not delivered.
pub(super) type Report = (u64, Result<(), RDKafkaErrorCode>);

/// How librdkafka is set up, with what it asks the program for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) native: ClientConfig,
    /// Where tokens come from, when it logs in with them.
    pub(super) tokens: Option<Tokens>,
}

impl Options {
    /// Whether the program hands over tokens. librdkafka's client for topics cannot be handed any.
    pub(super) fn needs_tokens(&self) -> bool {
        matches!(self.tokens, Some(Tokens::File { .. } | Tokens::Nowhere))
    }
}

/// What librdkafka tells between two polls.
#[derive(Default)]
pub(super) struct Context {
    reports: Mutex<Vec<Report>>,
    complaints: Mutex<Complaints>,
    /// The operator asked for librdkafka's own log with the option `debug`.
    verbose: bool,
    tokens: Option<Tokens>,
    /// Why there is no new token.
    no_token: Mutex<Option<String>>,
}

/// How long a cause stands: librdkafka says the same of the same connection again only after 30 seconds, however often it fails.
const STANDS: Duration = Duration::from_secs(35);

#[derive(Default)]
struct Complaints {
    /// The latest that names a cause, and when it was said; kept over those that only say that nothing answers.
    cause: Option<(RDKafkaErrorCode, String, Instant)>,
    nobody_answers: bool,
    fatal: bool,
}

impl Complaints {
    /// Forgets what would have been said again were it still so.
    fn forget_what_is_over(&mut self) {
        self.cause.take_if(|(_, _, said)| said.elapsed() > STANDS);
    }
}

impl Context {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            verbose: options.native.get("debug").is_some(),
            tokens: options.tokens.clone(),
            ..Self::default()
        }
    }

    pub(super) fn take_reports(&self) -> Vec<Report> {
        std::mem::take(&mut self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn complaints(&self) -> std::sync::MutexGuard<'_, Complaints> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection said what is wrong with it since it was last good.
    pub(super) fn complains(&self) -> bool {
        let complaints = self.complaints();
        complaints.cause.is_some() || complaints.nobody_answers
    }

    /// Whether no broker at all answers, or lets the sensor in. One of several that is away is no reason to stop: its partitions move to
    /// another.
    pub(super) fn is_cut_off(&self) -> bool {
        let complaints = self.complaints();
        let refused = |code: &RDKafkaErrorCode| {
            matches!(code, RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)
        };
        complaints.nobody_answers || complaints.cause.as_ref().is_some_and(|(code, ..)| refused(code))
    }

    /// The connection is good: what it said before is over.
    pub(super) fn is_good(&self) {
        let mut complaints = self.complaints();
        complaints.cause = None;
        complaints.nobody_answers = false;
    }

    /// Why there is no new token; the one at hand may hold for a while.
    pub(super) fn token_trouble(&self) -> Option<String> {
        self.no_token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the producer can do no more and has to be made anew.
    pub(super) fn is_fatal(&self) -> bool {
        self.complaints().fatal
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let taken = (self.tokens.as_ref().unwrap_or(&Tokens::Nowhere)).take(config, now_ms());
        let mut trouble = self.no_token.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = taken.as_ref().err().cloned();
        Ok(taken?)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if self.verbose {
            crate::message::info(&format!("librdkafka: {level:?} {facility} {message}"));
        }
    }

    fn error(&self, error: ClientError, reason: &str) {
        let mut complaints = self.complaints();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => complaints.nobody_answers = true,
            Some(code) => {
                complaints.fatal |= code == RDKafkaErrorCode::Fatal;
                let weight = |code| match code {
                    RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL => 2,
                    RDKafkaErrorCode::Resolve => 1,
                    _ => 0,
                };
                complaints.forget_what_is_over();
                let old = complaints.cause.as_ref().map_or(0, |(code, ..)| weight(*code));
                if weight(code) >= old {
                    complaints.cause = Some((code, reason.to_owned(), Instant::now()));
                }
            }
            None => {}
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Box<u64>) {
        let fate = match result {
            Ok(_) => {
                self.is_good();
                Ok(())
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((*number, fate));
    }
}

pub(super) fn producer(options: &Options) -> Result<Producer, ClientError> {
    Producer::from_config_and_context(&options.native, Context::new(options))
}

/// Waits until a broker answers. The error is a message for people: which address, what to check.
pub(super) fn reach(producer: &Producer, brokers: &str, at_most: Duration) -> Result<(), String> {
    let deadline = Instant::now() + at_most;
    let context = producer.client().context();
    {
        let mut complaints = context.complaints();
        complaints.forget_what_is_over();
        (complaints.nobody_answers, complaints.fatal) = (false, false);
    }
    let mut given_up_at = deadline;
    // What librdkafka wants before it connects: a token, for one.
    producer.poll(Duration::ZERO);
    loop {
        let slice = Duration::from_millis(300).min(at_most);
        let answer = producer.client().fetch_metadata(None, slice);
        // Takes all that was said meanwhile, which is much when nothing answers; without a time it would take one thing. A refused
        // connection makes the request return early, so it is a pause as well.
        producer.poll(Duration::from_millis(50));
        let now = Instant::now();
        if answer.is_ok() {
            context.is_good();
            return Ok(());
        }
        // Once all of them failed and it is known why, one more round is enough. On a busy machine the reason may come late.
        let settled = {
            let complaints = context.complaints();
            complaints.nobody_answers && complaints.cause.is_some()
        };
        if settled {
            given_up_at = given_up_at.min(now + Duration::from_millis(1500));
        }
        if now >= given_up_at {
            return Err(explain(context, brokers, true));
        }
    }
}

/// `never`: no broker ever answered, so that a connection that closes did so in its handshake.
fn explain(context: &Context, brokers: &str, never: bool) -> String {
    let complaints = context.complaints();
    let Some((code, text, _)) = &complaints.cause else {
        return format!(
            "no Kafka broker answers at {brokers}: no reply in time; check address, firewall and whether \
             the listener there speaks the configured security_protocol"
        );
    };
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if let Some((_, why)) = text.split_once("acquire SASL OAUTHBEARER token: ") {
        return format!("there is no token to log in to Kafka at {brokers}: {why}");
    }
    let advice = if *code == RDKafkaErrorCode::Authentication
        || has(&[
            "sasl authentication",
            "saslauthenticate",
            "sasl handshake",
            "saslhandshake",
        ]) {
        match &context.tokens {
            Some(_) => {
                "the broker refuses the login; check who issued the token, for whom (audience), and the clocks"
            }
            None => "the broker refuses the login; check sasl_mechanism, sasl_username and the password",
        }
    } else if has(&["hostname mismatch", "ip address mismatch"]) {
        "the broker's certificate is for another host name; connect by the name in the certificate"
    } else if has(&["certificate verify failed", "certificate could not be verified"]) {
        "the broker's certificate cannot be trusted: it is not signed by an authority in tls_ca, or it \
         is for another host name than the one connected to"
    } else if has(&["certificate required", "bad certificate", "client cert"]) {
        "the broker wants a client certificate it knows; check tls_certificate and tls_key"
    } else if *code == RDKafkaErrorCode::SSL
        || has(&["ssl handshake"])
        || (never && has(&["ssl connection closed"]))
    {
        "the TLS handshake fails; check security_protocol and whether the port speaks TLS"
    } else if *code == RDKafkaErrorCode::Resolve || has(&["failed to resolve"]) {
        "the host name is not known; check its spelling and the name service"
    } else if has(&["connection refused"]) {
        "nothing listens there; check that the broker runs, and host and port"
    } else {
        "check that the broker runs, address and port, and that security_protocol fits the listener"
    };
    format!("no Kafka broker answers at {brokers}: {advice} ({})", plain(text))
}

/// Why records are not delivered: what the connection said since the last time it was asked, else what became of the
/// record.
pub(super) fn reason(producer: &Producer, brokers: &str, code: RDKafkaErrorCode) -> String {
    let context = producer.client().context();
    let is_known = {
        let mut complaints = context.complaints();
        complaints.forget_what_is_over();
        complaints.cause.is_some()
    };
    if is_known {
        return explain(context, brokers, false);
    }
    match code {
        RDKafkaErrorCode::MessageTimedOut
        | RDKafkaErrorCode::PurgeQueue
        | RDKafkaErrorCode::PurgeInflight
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::RequestTimedOut => {
            format!(
                "no Kafka broker at {brokers} confirmed a record in time; check the brokers' health and the network"
            )
        }
        // What a broker answers whose disk is full or broken, before it gives the disk up.
        RDKafkaErrorCode::Unknown | RDKafkaErrorCode::KafkaStorageError => {
            format!(
                "the Kafka broker at {brokers} cannot store records ({code}); see its log, its disk may be full"
            )
        }
        _ => ClientError::MessageProduction(code).to_string(),
    }
}

/// librdkafka's text without the thread it came from and without internal counts.
fn plain(text: &str) -> &str {
    let text = text.rsplit_once(" (after ").map_or(text, |(text, _)| text);
    text.trim_end_matches(':')
}
