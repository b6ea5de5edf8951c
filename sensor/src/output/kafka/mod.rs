//! Publishes records to Kafka, each confirmed by the broker or kept on disk until it is.
//!
//! ```text
//! send ─▶ queue ─▶ publisher ─▶ librdkafka ─▶ broker
//!         bounded   one thread      │ confirmed, record by record
//!                     ▲  │          ▼
//!                     └─ spool: what is not confirmed, oldest first
//! ```
//!
//! **Once.** A record leaves the sensor's hands only when the broker confirms it. While a run lasts,
//! librdkafka repeats what it got no answer for, and the idempotent producer lets the broker tell
//! a repetition. A record whose answer never came before the end of a run, or the death of the
//! process, is marked as perhaps sent in the spool, and the next run looks for its id at the end of
//! the topic before it sends it again. What remains: when the sensor may not read the topic, or
//! retention has removed the record meanwhile, such a record is sent again. Consumers that upsert
//! by id are not concerned.
//!
//! **Order.** What waits is older than what comes: while anything is in the spool, new records go
//! behind it. So the order holds for each key, also across runs.
//!
//! **Killed.** Records in memory, those not yet confirmed and not yet in the spool, die with a process
//! that is killed; a replay is simply run again and gives the same ids.

mod client;
mod config;
mod headers;
mod lookup;
mod publisher;
mod queue;
mod spool;
mod token;
mod topics;

#[cfg(test)]
mod tests;

pub(crate) use config::{KafkaConfig, Secret, check_option};

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::publisher::Publisher;
use self::queue::Queue;
use self::spool::Spool;
use super::record::Record;
use crate::status::KafkaWork;

/// What is wrong with the configuration, or with the files it names. A broker that does not answer
/// is not among it: records wait in the spool then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KafkaError {
    /// The list of brokers cannot be read.
    #[error("kafka.brokers: {0}")]
    Brokers(String),
    /// librdkafka does not know an option or does not take its value.
    #[error("kafka: {}{reason}", if name.is_empty() { String::new() } else { format!("option {name}: ") })]
    Option {
        /// librdkafka's name of the option; empty when it complains about several together.
        name: String,
        /// Its own words.
        reason: String,
    },
    /// A file that the configuration names cannot be read.
    #[error("kafka.{key}: cannot read {}: {error}", file.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The spool cannot be used.
    #[error("kafka.spool_dir: cannot use {}: {error}", dir.display())]
    Spool {
        /// The folder.
        dir: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The publishing thread could not be started.
    #[error("cannot start the thread that publishes to Kafka: {0}")]
    Thread(io::Error),
}

/// Whether the caller can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Reading files: waits when the queue is full and loses nothing.
    Replay,
    /// Capturing: never waits, sheds what matters least.
    Live,
}

/// What became of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Delivery {
    /// Confirmed by the broker, those out of the spool included.
    pub(crate) delivered: u64,
    /// Of these, out of the spool.
    pub(crate) unspooled: u64,
    /// Of those, left there by earlier runs.
    pub(crate) redelivered: u64,
    /// Found in the topic already, delivered by an earlier attempt whose answer never came.
    pub(crate) found: u64,
    /// Waiting in the spool now.
    pub(crate) spooled: u64,
    /// Given up, for whatever cause: the sum of the following.
    pub(crate) dropped: u64,
    /// Shed because the queue in memory was full (live only).
    pub(crate) dropped_queue: u64,
    /// Shed because the spool was full.
    pub(crate) dropped_spool: u64,
    /// Refused by the broker for good, because of their size for one.
    pub(crate) dropped_refused: u64,
    /// Not confirmed, and there was no spool, or it could not be written.
    pub(crate) dropped_unkept: u64,
    /// Entries of the spool that were torn or damaged, by a power failure for one.
    pub(crate) torn: u64,
}

impl Delivery {
    /// Whether every record given to this run, and every one that waited, is with the broker.
    pub(crate) fn complete(&self) -> bool {
        self.spooled == 0 && self.dropped == 0 && self.torn == 0
    }
}

/// What sink and publishing thread both see.
#[derive(Default)]
struct Shared {
    delivered: AtomicU64,
    spooled: AtomicU64,
    /// A broker answers.
    up: AtomicBool,
    spool_failed: AtomicBool,
    /// Given up at the spool, refused for good, neither confirmed nor kept; entries of the spool that were damaged.
    dropped_spool: AtomicU64,
    dropped_refused: AtomicU64,
    dropped_unkept: AtomicU64,
    torn: AtomicU64,
    warnings: Mutex<Vec<String>>,
}

impl Shared {
    fn warn(&self, text: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody may be reading them; the first ones tell the story.
        if warnings.len() < 100 {
            warnings.push(text);
        }
    }
}

/// A running sink.
pub(crate) struct KafkaSink {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    mode: Mode,
    sent: AtomicU64,
    thread: Option<JoinHandle<Delivery>>,
}

/// How long [`KafkaSink::settle`] waits, and how long without anything being confirmed.
const SETTLE: Duration = Duration::from_secs(5);
const SETTLE_IDLE: Duration = Duration::from_secs(1);

impl KafkaSink {
    /// Starts with nothing that an earlier process may have sent.
    #[cfg(test)]
    pub(crate) fn start(config: &KafkaConfig, mode: Mode) -> Result<Self, KafkaError> {
        Self::start_after(config, mode, &[])
    }

    /// Checks the configuration, opens the spool and asks the broker for an answer. First sent is what an earlier process may
    /// have sent, each with the time, in milliseconds since 1970, from which on it may have: unless it is in its topic already.
    ///
    /// A broker that cannot be reached is told by [`Self::warnings`]; the sink works all the same, on its spool, and goes on trying.
    ///
    /// # Errors
    ///
    /// Only for what the operator has to correct in the configuration.
    pub(crate) fn start_after(
        config: &KafkaConfig,
        mode: Mode,
        perhaps_sent: &[(Record, u64)],
    ) -> Result<Self, KafkaError> {
        let client = config.client()?;
        let mut spool = match &config.spool_dir {
            Some(dir) => {
                let opened = Spool::open(dir, config.spool_bytes);
                Some(opened.map_err(|error| KafkaError::Spool {
                    dir: dir.clone(),
                    error,
                })?)
            }
            None => None,
        };
        if let (Some(spool), Some(dir)) = (&mut spool, &config.spool_dir) {
            spool.prepend(perhaps_sent).map_err(|error| KafkaError::Spool {
                dir: dir.clone(),
                error,
            })?;
        }
        let queue = Arc::new(Queue::new(config.queue_records, config.queue_bytes));
        let shared = Arc::new(Shared::default());
        let mut publisher = Publisher::new(
            config.clone(),
            client,
            mode,
            spool,
            Arc::clone(&queue),
            Arc::clone(&shared),
        )?;
        publisher.connect(config.connect_timeout);
        let held = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("kafka".to_owned())
            .spawn(move || {
                // Also when the thread panics, nobody waits for it.
                let _abandon = Abandon(held);
                publisher.run()
            })
            .map_err(KafkaError::Thread)?;
        Ok(Self {
            queue,
            shared,
            mode,
            sent: AtomicU64::new(0),
            thread: Some(thread),
        })
    }

    /// Messages for people since the last call: an unreachable broker, a topic that is not as it
    /// should be, records that were refused.
    pub(crate) fn warnings(&self) -> Vec<String> {
        std::mem::take(
            &mut self
                .shared
                .warnings
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Hands over a record. In replay this waits when the queue is full; live it never does.
    pub(crate) fn send(&self, record: Record) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        match self.mode {
            Mode::Replay => self.queue.push_waiting(record),
            Mode::Live => self.queue.push_shedding(record),
        }
    }

    /// Records confirmed, waiting in the spool, and shed at the queue so far.
    pub(crate) fn so_far(&self) -> (u64, u64, u64) {
        let delivered = self.shared.delivered.load(Ordering::Relaxed);
        let spooled = self.shared.spooled.load(Ordering::Relaxed);
        (delivered, spooled, self.queue.shed())
    }

    /// How it goes on, for those who ask.
    pub(crate) fn work(&self) -> KafkaWork {
        let (delivered, spooled, queue_full) = self.so_far();
        let (queued, queued_bytes) = self.queue.held();
        let shared = &self.shared;
        let read = |of: &AtomicU64| of.load(Ordering::Relaxed);
        KafkaWork {
            up: shared.up.load(Ordering::Relaxed),
            delivered,
            spooled,
            queued: queued as u64,
            queued_bytes: queued_bytes as u64,
            shed: [
                queue_full,
                read(&shared.dropped_spool),
                read(&shared.dropped_refused),
                read(&shared.dropped_unkept),
            ],
            torn: read(&shared.torn),
            spool_failed: shared.spool_failed.load(Ordering::Relaxed),
        }
    }

    /// Waits a little until what was sent so far is confirmed, so that [`Self::so_far`] tells how it went.
    pub(crate) fn settle(&self) {
        let start = Instant::now();
        let (mut last, mut moved) = (self.so_far(), start);
        let sent = self.sent.load(Ordering::Relaxed);
        while last.0 + last.2 < sent && start.elapsed() < SETTLE && moved.elapsed() < SETTLE_IDLE {
            std::thread::sleep(Duration::from_millis(5));
            let now = self.so_far();
            if now != last {
                (last, moved) = (now, Instant::now());
            }
        }
    }

    /// Waits until everything is confirmed, at most for `at_most`; the rest goes to the spool.
    pub(crate) fn finish(&mut self, at_most: Duration) -> Delivery {
        self.queue.close(Instant::now() + at_most);
        let Some(thread) = self.thread.take() else {
            return Delivery::default();
        };
        match thread.join() {
            Ok(delivery) => delivery,
            Err(_) => {
                self.shared
                    .warn("the thread that publishes to Kafka ended early".to_owned());
                Delivery {
                    dropped: 1,
                    dropped_unkept: 1,
                    ..Delivery::default()
                }
            }
        }
    }
}

impl Drop for KafkaSink {
    /// A sink dropped without [`KafkaSink::finish`] keeps what it holds in the spool, without waiting.
    fn drop(&mut self) {
        self.finish(Duration::ZERO);
    }
}

struct Abandon(Arc<Queue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
