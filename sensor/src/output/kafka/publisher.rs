//! The thread that publishes: takes from queue and spool, gives to librdkafka, hears what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, PurgeConfig};

use super::client::{self, Options, Producer};
use super::config::option_error;
use super::queue::{Queue, weight};
use super::spool::Spool;
use super::{Delivery, KafkaConfig, KafkaError, Mode, Shared, headers, lookup, topics};
use crate::output::record::{Record, Topic};

/// With a full window and no confirmation for this long, records go to the spool.
const STALL: Duration = Duration::from_secs(1);
/// Records that are under way and that nobody confirms for this long go to the spool, and that is told: librdkafka itself would go on trying
/// for ever, without a word. Sooner when it said that nobody answers or lets the sensor in.
const SILENT: Duration = Duration::from_secs(10);
const SILENT_CUT_OFF: Duration = Duration::from_secs(2);
/// Records moved from the queue to the spool between two looks at the broker.
const DIVERT_BATCH: usize = 512;
/// How often confirmations out of the spool are written down.
const SAVE_EVERY: Duration = Duration::from_millis(200);
/// How often it is tried to find out what was delivered, before it is sent again.
const LOOKUPS: u32 = 5;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// A record on its way to the broker.
struct InFlight {
    origin: Origin,
    weight: usize,
    sent_ms: u64,
}

enum Origin {
    /// Out of the queue; kept here until it is confirmed.
    Queue(Record),
    /// Out of the spool, which keeps it.
    Spool(u64),
}

enum Link {
    Up,
    Down { retry_at: Instant, wait: Duration },
}

pub(super) struct Publisher {
    config: KafkaConfig,
    client: Options,
    mode: Mode,
    spool: Option<Spool>,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    producer: Producer,
    link: Link,
    /// By the number each record got when it was sent, so in order.
    in_flight: BTreeMap<u64, InFlight>,
    in_flight_bytes: usize,
    next_number: u64,
    /// Not delivered, and librdkafka has given up: to be kept.
    returned: BTreeMap<u64, InFlight>,
    last_confirmed: Instant,
    last_saved: Instant,
    /// It was told that nobody answers or confirms, and not yet that somebody does again.
    interrupted: bool,
    /// Why there was no new token, as it was told last.
    told_of_token: Option<String>,
    /// A broker answered at some time.
    was_up: bool,
    /// No more records come.
    ends: bool,
    /// Attempts in a row to find out what was delivered before.
    lookups_failed: u32,
    spool_failed: bool,
    topics: BTreeMap<Topic, String>,
    delivery: Delivery,
}

impl Publisher {
    pub(super) fn new(
        config: KafkaConfig,
        client: Options,
        mode: Mode,
        spool: Option<Spool>,
        queue: Arc<Queue>,
        shared: Arc<Shared>,
    ) -> Result<Self, KafkaError> {
        let producer = client::producer(&client).map_err(option_error)?;
        let topics = topics::ALL
            .map(|topic| (topic, topics::name(&config.topic_prefix, topic)))
            .into();
        let now = Instant::now();
        Ok(Self {
            config,
            client,
            mode,
            spool,
            queue,
            shared,
            producer,
            link: Link::Down {
                retry_at: now,
                wait: RETRY_FIRST,
            },
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            next_number: 0,
            returned: BTreeMap::new(),
            last_confirmed: now,
            last_saved: now,
            interrupted: false,
            told_of_token: None,
            was_up: false,
            ends: false,
            lookups_failed: 0,
            spool_failed: false,
            topics,
            delivery: Delivery::default(),
        })
    }

    /// Tries to reach a broker and prepares for publishing. What goes wrong becomes a warning, once.
    pub(super) fn connect(&mut self, at_most: Duration) -> bool {
        let patience = self.config.connect_timeout.max(Duration::from_secs(5));
        let reached = client::reach(&self.producer, &self.config.brokers, at_most).and_then(|()| {
            for warning in topics::ensure(&self.producer, &self.client, &self.config.topic_prefix, patience) {
                self.shared.warn(warning);
            }
            self.settle_uncertain(patience)
        });
        if let Err(text) = reached {
            let (wait, first) = match self.link {
                Link::Down { wait, .. } => (wait, wait == RETRY_FIRST),
                Link::Up => (RETRY_FIRST, true),
            };
            if first {
                let fate = match &self.spool {
                    Some(_) => "records wait in the spool",
                    None => "there is no spool, so records that cannot be delivered are lost",
                };
                self.shared.warn(format!("{text}; {fate}"));
                self.told_of_token = self.producer.client().context().token_trouble();
            }
            self.interrupted = true;
            let wait = (wait * 2).min(RETRY_LAST);
            self.link = Link::Down {
                retry_at: Instant::now() + wait,
                wait,
            };
            return false;
        }
        self.link = Link::Up;
        self.was_up = true;
        self.last_confirmed = Instant::now();
        self.tell_again();
        true
    }

    /// Says why there is no new token, once for each cause. The connection goes on for as long as the token at hand holds, so this is in
    /// time mostly.
    fn tell_token_trouble(&mut self) {
        let trouble = self.producer.client().context().token_trouble();
        if let Some(why) = &trouble
            && self.told_of_token != trouble
        {
            self.shared
                .warn(format!("there is no new token for Kafka: {why}"));
            self.told_of_token = trouble;
        }
    }

    /// Says that what was interrupted goes on.
    fn tell_again(&mut self) {
        let context = self.producer.client().context();
        context.is_good();
        if context.token_trouble().is_none() {
            self.told_of_token = None;
        }
        if std::mem::take(&mut self.interrupted) {
            let waiting = self.spool.as_ref().map_or(0, Spool::pending);
            self.shared.warn(format!(
                "Kafka at {} takes records again; {waiting} waited in the spool and are delivered first",
                self.config.brokers
            ));
        }
    }

    /// Confirms what the topic already holds of the records that may have been sent before. An error is a reason to try again later:
    /// a broker that answers and cannot be read from is about to go, or has just come.
    fn settle_uncertain(&mut self, patience: Duration) -> Result<(), String> {
        let Some(spool) = &mut self.spool else {
            return Ok(());
        };
        let uncertain = spool.uncertain();
        let Some(since) = uncertain.iter().map(|(_, since)| *since).min() else {
            return Ok(());
        };
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut serials = Vec::new();
        for (serial, _) in uncertain {
            // An entry that cannot be read is dealt with when its turn comes.
            if let Ok(Some(record)) = spool.get(serial) {
                let id = headers::event_id(&record);
                wanted
                    .entry(self.topics[&record.topic].clone())
                    .or_default()
                    .insert(id.clone());
                serials.push((serial, id));
            }
        }
        let patience = patience.max(Duration::from_secs(30));
        let present = match lookup::present(&self.client, &wanted, since, patience) {
            Ok(present) => present,
            Err(error) => {
                self.lookups_failed += 1;
                let text = format!(
                    "{} records may have been delivered before, and the topic could not be read to find out ({error})",
                    serials.len()
                );
                let never = matches!(
                    error.rdkafka_error_code(),
                    Some(
                        RDKafkaErrorCode::TopicAuthorizationFailed
                            | RDKafkaErrorCode::ClusterAuthorizationFailed
                    )
                );
                if !never && self.lookups_failed < LOOKUPS {
                    return Err(text);
                }
                self.shared.warn(format!("{text}; they are sent again"));
                BTreeSet::new()
            }
        };
        self.lookups_failed = 0;
        for (serial, id) in serials {
            if present.contains(&id) {
                spool.confirm(serial);
                self.delivery.found += 1;
            }
        }
        spool.rewind();
        let saved = spool.save();
        self.check_spool(saved);
        Ok(())
    }

    /// Publishes until the queue is closed and everything is confirmed or the deadline has passed.
    pub(super) fn run(mut self) -> Delivery {
        loop {
            self.retry();
            let sent = self.fill();
            let moved = self.divert();
            self.hear(if sent + moved > 0 {
                Duration::ZERO
            } else {
                Duration::from_millis(10)
            });
            self.save_now_and_then();
            if let Some(deadline) = self.queue.deadline() {
                // One that was there and went may be back, and the next look at it is up to half a minute away.
                if !std::mem::replace(&mut self.ends, true)
                    && self.was_up
                    && matches!(self.link, Link::Down { .. })
                {
                    self.renew();
                    self.connect(Duration::from_secs(1));
                }
                let empty = self.queue.is_empty();
                let down = matches!(self.link, Link::Down { .. });
                let spooled = self.spool.as_ref().map_or(0, Spool::pending);
                let done = empty && self.in_flight.is_empty() && (spooled == 0 || down);
                // In replay without a spool, what the broker did not take is given up here.
                if done || Instant::now() >= deadline || (down && self.spool.is_none()) {
                    break;
                }
            } else if sent + moved == 0 && self.in_flight.is_empty() {
                self.queue.wait(Duration::from_millis(100));
            }
        }
        self.close()
    }

    fn retry(&mut self) {
        if let Link::Down { retry_at, .. } = self.link
            && Instant::now() >= retry_at
            && self.queue.deadline().is_none()
        {
            let config = &self.config;
            let named = [
                &config.sasl_password_file,
                &config.oauth_token_file,
                &config.tls_ca,
                &config.tls_certificate,
                &config.tls_key,
            ];
            if self.producer.client().context().is_fatal() || named.into_iter().any(Option::is_some) {
                self.renew();
            }
            // Short, because the queue is not emptied meanwhile.
            self.connect(Duration::from_secs(1));
        }
    }

    /// Makes a producer anew, with what the files of the configuration hold now: a password or certificate that ran out may have been
    /// replaced.
    fn renew(&mut self) {
        // A file that is just being replaced may not be there; the next attempt finds it.
        if let Ok(client) = self.config.client() {
            self.client = client;
        }
        if let Ok(producer) = client::producer(&self.client) {
            self.producer = producer;
        }
    }

    /// Nobody confirms what is under way: that is told, and where there is a spool it waits there.
    fn consider_silence(&mut self) {
        let silence = match self.producer.client().context().is_cut_off() {
            true => SILENT_CUT_OFF,
            false => SILENT,
        };
        let is_silent = !self.in_flight.is_empty() && self.last_confirmed.elapsed() > silence;
        // At the end of a run all the time that there is is given to the broker.
        if !is_silent || !matches!(self.link, Link::Up) || self.queue.deadline().is_some() {
            return;
        }
        let code = RDKafkaErrorCode::MessageTimedOut;
        if self.spool.is_some() {
            let reason = client::reason(&self.producer, &self.config.brokers, code);
            self.fall(&reason);
        } else if !self.interrupted {
            let reason = client::reason(&self.producer, &self.config.brokers, code);
            self.shared.warn(format!(
                "publishing to Kafka is interrupted: {reason}; there is no spool, so records wait in memory as far as there is room"
            ));
            self.interrupted = true;
        }
    }

    fn window_full(&self) -> bool {
        self.in_flight.len() >= self.config.queue_records.max(1)
            || self.in_flight_bytes >= self.config.queue_bytes.max(1)
    }

    /// Gives librdkafka what there is room for, the spool first.
    fn fill(&mut self) -> usize {
        let mut sent = 0;
        while matches!(self.link, Link::Up) && !self.window_full() && sent < 1000 {
            let next = match &mut self.spool {
                Some(spool) if spool.pending() > 0 => {
                    let next = spool.next(now_ms());
                    match next {
                        Ok(Some((serial, record))) => Some((Origin::Spool(serial), record)),
                        Ok(None) => None,
                        Err(error) => {
                            self.check_spool(Err(error));
                            None
                        }
                    }
                }
                _ => self
                    .queue
                    .pop()
                    .map(|record| (Origin::Queue(record.clone()), record)),
            };
            let Some((origin, record)) = next else { break };
            if !self.give(origin, &record) {
                break;
            }
            sent += 1;
        }
        sent
    }

    /// `false` when librdkafka takes no more for the moment.
    fn give(&mut self, origin: Origin, record: &Record) -> bool {
        let number = self.next_number;
        self.next_number += 1;
        let headers = headers::headers(record, &self.config.sensor);
        let mut message = BaseRecord::with_opaque_to(&self.topics[&record.topic], Box::new(number))
            .key(record.key.as_str())
            .headers(headers);
        if let Some(value) = &record.value {
            message = message.payload(value.as_slice());
        }
        let flight = InFlight {
            origin,
            weight: weight(record),
            sent_ms: now_ms(),
        };
        match self.producer.send(message) {
            Ok(()) => {
                if self.in_flight.is_empty() {
                    self.last_confirmed = Instant::now();
                }
                self.in_flight_bytes += flight.weight;
                self.in_flight.insert(number, flight);
                true
            }
            Err((ClientError::MessageProduction(code), _)) if is_final(code) => {
                self.refuse(flight, code);
                true
            }
            Err((error, _)) => {
                self.returned.insert(number, flight);
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    self.fall(&error.to_string());
                } else if self.in_flight.is_empty() {
                    // Nothing under way, and no room: only its options can explain that.
                    self.fall("librdkafka's own queue is too small");
                } else {
                    self.fall_back_when_drained();
                }
                false
            }
        }
    }

    /// A record that found no room goes back to where it came from, before everything else.
    fn fall_back_when_drained(&mut self) {
        while !self.in_flight.is_empty() && self.last_confirmed.elapsed() < STALL {
            self.hear(Duration::from_millis(20));
        }
        if matches!(self.link, Link::Up) {
            self.fall("librdkafka's own queue is full");
        }
    }

    /// Moves records from the queue to the spool while they cannot go straight to the broker.
    fn divert(&mut self) -> usize {
        let down = matches!(self.link, Link::Down { .. });
        let stalled = self.window_full() && self.last_confirmed.elapsed() > STALL;
        let Some(spool) = &mut self.spool else {
            // Live, the queue itself sheds. A replay must not wait for ever.
            let hopeless = down || self.last_confirmed.elapsed() > self.config.finish_timeout;
            let mut dropped = 0;
            if self.mode == Mode::Replay && (down || stalled) && hopeless {
                while self.queue.pop().is_some() {
                    dropped += 1;
                }
            }
            self.delivery.dropped_unkept += dropped;
            return dropped as usize;
        };
        if !(down || stalled || spool.pending() > 0) {
            return 0;
        }
        let mut moved = 0;
        let mut result = Ok(());
        while moved < DIVERT_BATCH {
            let Some(record) = self.queue.pop() else {
                break;
            };
            moved += 1;
            if let Err(error) = spool.append(&record) {
                self.delivery.dropped_unkept += 1;
                result = Err(error);
            }
        }
        if moved > 0 {
            let synced = spool.sync();
            self.check_spool(result.and(synced));
        }
        moved
    }

    /// Serves librdkafka and takes what it reports.
    fn hear(&mut self, at_most: Duration) {
        // With nothing under way there is nothing to wait for.
        let at_most = if self.in_flight.is_empty() {
            Duration::ZERO
        } else {
            at_most
        };
        self.producer.poll(at_most);
        let (mut trouble, mut confirmed) = (None, false);
        for (number, fate) in self.producer.client().context().take_reports() {
            let Some(flight) = self.in_flight.remove(&number) else {
                continue;
            };
            self.in_flight_bytes -= flight.weight;
            match fate {
                Ok(()) => {
                    self.last_confirmed = Instant::now();
                    confirmed = true;
                    self.delivery.delivered += 1;
                    self.shared.delivered.fetch_add(1, Ordering::Relaxed);
                    if let (Origin::Spool(serial), Some(spool)) = (&flight.origin, &mut self.spool) {
                        self.delivery.unspooled += 1;
                        self.delivery.redelivered += u64::from(spool.confirm(*serial));
                    }
                }
                Err(code) if is_final(code) => self.refuse(flight, code),
                Err(code) => {
                    self.returned.insert(number, flight);
                    trouble = Some(code);
                }
            }
        }
        if confirmed {
            self.tell_again();
        }
        self.tell_token_trouble();
        if let Some(code) = trouble
            && matches!(self.link, Link::Up)
        {
            let reason = client::reason(&self.producer, &self.config.brokers, code);
            self.fall(&reason);
        } else if self.producer.client().context().is_fatal() && matches!(self.link, Link::Up) {
            self.fall("librdkafka cannot go on with this producer");
        }
        self.consider_silence();
    }

    /// A record that no attempt will deliver.
    fn refuse(&mut self, flight: InFlight, code: RDKafkaErrorCode) {
        if self.delivery.dropped_refused == 0 {
            self.shared.warn(format!(
                "a record was refused for good: {}",
                ClientError::MessageProduction(code)
            ));
        }
        self.delivery.dropped_refused += 1;
        if let (Origin::Spool(serial), Some(spool)) = (flight.origin, &mut self.spool) {
            spool.confirm(serial);
        }
    }

    /// The link is of no use as it is: takes everything back, to begin anew after a while.
    fn fall(&mut self, reason: &str) {
        self.shared
            .warn(format!("publishing to Kafka is interrupted: {reason}"));
        self.interrupted = true;
        self.link = Link::Down {
            retry_at: Instant::now() + RETRY_FIRST,
            wait: RETRY_FIRST,
        };
        self.take_back();
    }

    /// Has librdkafka return what is not confirmed, and keeps it in the spool, in order, before what
    /// came later.
    fn take_back(&mut self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let until = Instant::now() + Duration::from_secs(5);
        while !self.in_flight.is_empty() && Instant::now() < until {
            self.hear(Duration::from_millis(20));
        }
        // librdkafka reports on every record it purges; a producer that does not is replaced.
        self.returned.append(&mut self.in_flight);
        self.in_flight_bytes = 0;
        let returned = std::mem::take(&mut self.returned);
        let records: Vec<(Record, u64)> = returned
            .into_values()
            .filter_map(|flight| match flight.origin {
                Origin::Queue(record) => Some((record, flight.sent_ms)),
                Origin::Spool(_) => None,
            })
            .collect();
        match &mut self.spool {
            Some(spool) => {
                let kept = spool.prepend(&records);
                spool.rewind();
                if kept.is_err() {
                    self.delivery.dropped_unkept += records.len() as u64;
                }
                self.check_spool(kept);
            }
            None => self.delivery.dropped_unkept += records.len() as u64,
        }
        self.renew();
    }

    fn save_now_and_then(&mut self) {
        let shared = Arc::clone(&self.shared);
        let tell = |place: &AtomicU64, count| place.store(count, Ordering::Relaxed);
        let up = matches!(self.link, Link::Up) && !self.interrupted;
        shared.up.store(up, Ordering::Relaxed);
        shared.spool_failed.store(self.spool_failed, Ordering::Relaxed);
        tell(&shared.dropped_refused, self.delivery.dropped_refused);
        tell(&shared.dropped_unkept, self.delivery.dropped_unkept);
        if let Some(spool) = &self.spool {
            tell(&shared.dropped_spool, spool.shed);
            tell(&shared.torn, spool.torn);
        }
        if let Some(spool) = &mut self.spool {
            self.shared
                .spooled
                .store(spool.pending() as u64, Ordering::Relaxed);
            let drained = spool.pending() == 0;
            if drained || self.last_saved.elapsed() >= SAVE_EVERY {
                self.last_saved = Instant::now();
                let saved = spool.save();
                self.check_spool(saved);
            }
        }
    }

    fn check_spool(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && !self.spool_failed
        {
            self.spool_failed = true;
            let dir = self.config.spool_dir.as_deref().unwrap_or_else(|| "".as_ref());
            self.shared
                .warn(format!("the spool {} cannot be used: {error}", dir.display()));
        }
    }

    fn close(mut self) -> Delivery {
        if !self.in_flight.is_empty() || !self.returned.is_empty() {
            self.take_back();
        }
        self.link = Link::Down {
            retry_at: Instant::now(),
            wait: RETRY_FIRST,
        };
        while let Some(record) = self.queue.pop() {
            let kept = match &mut self.spool {
                Some(spool) => spool.append(&record).map(|_| true),
                None => Ok(false),
            };
            self.delivery.dropped_unkept += u64::from(!matches!(kept, Ok(true)));
            self.check_spool(kept.map(drop));
        }
        if let Some(spool) = &mut self.spool {
            let saved = spool.sync().and_then(|()| spool.save());
            self.delivery.spooled = spool.pending() as u64;
            self.delivery.dropped_spool = spool.shed;
            self.delivery.torn = spool.torn;
            self.shared
                .spooled
                .store(self.delivery.spooled, Ordering::Relaxed);
            self.check_spool(saved);
        }
        self.delivery.dropped_queue = self.queue.shed();
        self.delivery.dropped = self.delivery.dropped_queue
            + self.delivery.dropped_spool
            + self.delivery.dropped_refused
            + self.delivery.dropped_unkept;
        self.delivery
    }
}

/// Errors that concern this record alone and would come again.
fn is_final(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::InvalidRecord
    )
}

/// The clock, for what concerns delivery alone; nothing of it enters a record.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
