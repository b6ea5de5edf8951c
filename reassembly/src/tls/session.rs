//! A TLS connection whose secrets are at hand: the bytes of both directions in, what was protected out.
//!
//! Knows when which key comes into force in TLS 1.2 (RFC 5246 section 7) and TLS 1.3 (RFC 8446 sections 4 and 7), and how to
//! go on after a loss: the number of the next record is unknown then, so following numbers are tried, and only the right
//! one opens the record. Leaves the cutting into records to [`super::record`], opening them to [`super::protection`], and
//! what the hellos tell of the flow to [`super::hello`].
//!
//! Not read: early data of TLS 1.3 (it is passed over, and said to be missing), renegotiation in TLS 1.2 (nothing is
//! read behind it), suites without authenticated encryption.

use super::hello::Handshake;
use super::keys::{Label, Secrets};
use super::messages::{self, CLIENT_HELLO, FINISHED, KEY_UPDATE, Messages, SERVER_HELLO};
use super::progress::Progress;
use super::protection::{Opener, Suite};
use super::record::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Loss, Record, Records};
use crate::limits::Counters;
use crate::tcp::stream::{Meta, Told};

const TLS13: u16 = 0x0304;
const TLS12: u16 = 0x0303;

/// The random value that makes a server hello a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Numbers tried for the first record behind a loss: records of 16 KiB for 64 MiB, small ones for far less.
const MAX_TRIED: u64 = 4096;
/// The smallest protected record: header, content type and tag.
const SMALLEST: u64 = 22;
/// Bytes of trials that one loss may cost; what has not been found then is not looked for any more.
const TRIALS: usize = 32 << 20;
/// What a trial costs beside the bytes of its record, and what a place costs where one is tried.
const PER_TRIAL: usize = 128;
const PER_PLACE: usize = 1 << 10;
/// Records in a row that do not open although nothing is missing, until the keys are taken for wrong ones.
const MAX_REFUSED: u32 = 32;

/// What comes out of a session, for the direction that was read.
pub(crate) enum Opened<'a> {
    /// Plaintext.
    Text(&'a [u8], Meta),
    /// Plaintext of unknown length is missing.
    Gap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Epoch {
    /// Nothing is protected yet.
    Clear,
    /// Under the handshake keys of TLS 1.3.
    Handshake,
    /// Under the keys of application data; in TLS 1.2 there are no others.
    Application,
}

/// One direction.
struct Side {
    records: Records,
    messages: Messages,
    epoch: Epoch,
    opener: Option<Opener>,
    /// TLS 1.3: the traffic secret in force.
    secret: Vec<u8>,
    /// Number of the next record under this key.
    sequence: u64,
    /// Records that may have been lost before the next.
    missed: u64,
    trials: usize,
    refused: u32,
    /// Plaintext is missing before the next.
    gap: bool,
    progress: Progress,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            records: Records::default(),
            messages: Messages::default(),
            epoch: Epoch::Clear,
            opener: None,
            secret: Vec::new(),
            sequence: 0,
            missed: 0,
            trials: TRIALS,
            refused: 0,
            gap: false,
            progress: Progress::default(),
        }
    }
}

/// A connection being read. Deliberately without `Debug`, for it holds keys.
#[derive(Default)]
pub(crate) struct Session {
    /// What the hellos tell of the flow.
    told: Handshake,
    client_random: Option<[u8; 32]>,
    server_random: [u8; 32],
    suite: Option<Suite>,
    /// The client offered early data.
    early: bool,
    /// Of client and server.
    sides: [Side; 2],
    /// Plaintext has come out.
    opened: bool,
    /// Early data was passed over.
    passed_early: bool,
    /// Something did not open that was there.
    partial: bool,
    /// Room for the plaintext of a record.
    text: Vec<u8>,
}

/// What became of a record.
enum Outcome {
    /// It was read, or may be passed over.
    Done,
    /// It does not open.
    Refused,
    /// Nothing more of the direction can be read.
    Close,
}

/// What a session needs from outside.
pub(crate) struct Context<'a> {
    pub(crate) secrets: &'a Secrets,
    pub(crate) counters: &'a mut Counters,
}

impl Session {
    /// Takes the next bytes of the client or the server.
    pub(crate) fn data(
        &mut self,
        from_client: bool,
        mut bytes: &[u8],
        mut meta: Meta,
        cx: &mut Context<'_>,
        out: &mut dyn FnMut(Opened<'_>),
    ) {
        self.told.data(from_client, bytes);
        let side = usize::from(!from_client);
        // Taken out so that a record can be read while the session changes.
        let mut records = std::mem::take(&mut self.sides[side].records);
        while !bytes.is_empty() {
            let used = records.take(bytes, meta);
            bytes = &bytes[used..];
            meta.offset += used as u64;
            self.read(side, &mut records, cx, out);
        }
        self.sides[side].records = records;
    }

    /// Reads what records have come whole.
    fn read(
        &mut self,
        side: usize,
        records: &mut Records,
        cx: &mut Context<'_>,
        out: &mut dyn FnMut(Opened<'_>),
    ) {
        loop {
            let lost = records.is_lost();
            let outcome = match records.whole() {
                Ok(None) => return,
                Ok(Some(record)) => self.record(side, &record, records.origins(), lost, cx, out),
                Err(()) if lost => Outcome::Refused,
                Err(()) if self.sides[side].epoch == Epoch::Clear => Outcome::Close,
                Err(()) => {
                    // What comes is no record, though nothing is missing.
                    self.lose(side, 0, out);
                    records.not_here();
                    continue;
                }
            };
            let this = &mut self.sides[side];
            match outcome {
                Outcome::Done => {
                    records.done();
                    this.progress.stands_at(records.start());
                }
                Outcome::Refused if lost => records.not_here(),
                Outcome::Refused if this.refused <= MAX_REFUSED => {
                    records.done();
                    this.progress.skips(records.start());
                }
                Outcome::Refused | Outcome::Close => {
                    records.close();
                    self.lacks(side, out);
                    self.partial = true;
                    self.sides[side].forget();
                    if !self.knows(cx.secrets) {
                        self.sides[1 - side].records.close();
                        self.sides[1 - side].forget();
                    }
                    return;
                }
            }
        }
    }

    fn knows(&self, secrets: &Secrets) -> bool {
        self.client_random.is_some_and(|random| secrets.knows(&random))
    }

    fn record(
        &mut self,
        side: usize,
        record: &Record<'_>,
        origins: &[(usize, Meta)],
        lost: bool,
        cx: &mut Context<'_>,
        out: &mut dyn FnMut(Opened<'_>),
    ) -> Outcome {
        let kind = record.header[0];
        let tls13 = self.suite.is_some_and(|s| s.tls13);
        if self.sides[side].epoch == Epoch::Clear && lost {
            // Only what opens proves that a record begins here.
            if !self.begin_protection(side, lost, cx.secrets) {
                return Outcome::Close;
            }
        } else if self.sides[side].epoch == Epoch::Clear {
            match kind {
                HANDSHAKE => {
                    let messages = self.sides[side].messages.push(record.fragment);
                    let understood = messages.iter().all(|message| self.hello(side, message));
                    return if understood { Outcome::Done } else { Outcome::Close };
                }
                // RFC 8446 section 5: in TLS 1.3 it is there for the sake of others, and means nothing.
                // It may come before the answer to a HelloRetryRequest; in TLS 1.2 it never does.
                CHANGE_CIPHER_SPEC if tls13 || self.suite.is_none() => return Outcome::Done,
                CHANGE_CIPHER_SPEC => {
                    // Whatever was lost before was in clear.
                    self.sides[side].gap = false;
                    self.sides[side].missed = 0;
                    return match self.begin_protection(side, lost, cx.secrets) {
                        true => Outcome::Done,
                        false => Outcome::Close,
                    };
                }
                APPLICATION_DATA if self.suite.is_none() && side == 0 && self.early => {
                    self.passes_early(cx);
                    return Outcome::Done;
                }
                APPLICATION_DATA if tls13 => {
                    if !self.begin_protection(side, lost, cx.secrets) {
                        return Outcome::Close;
                    }
                }
                APPLICATION_DATA => return Outcome::Close,
                _ => return Outcome::Done,
            }
        }
        if tls13 && kind != APPLICATION_DATA {
            // Alerts and changes of cipher in clear text change nothing; after a loss they prove nothing.
            return if lost { Outcome::Refused } else { Outcome::Done };
        }
        let mut text = std::mem::take(&mut self.text);
        let opened = self.open(side, record, lost, &mut text);
        let outcome = match opened {
            Some(kind) => {
                self.sides[side].refused = 0;
                self.opened(side, kind, &text, origins, out)
            }
            None if lost && self.sides[side].trials == 0 => {
                cx.counters.tls_refused += 1;
                Outcome::Close
            }
            None if lost => Outcome::Refused,
            None if side == 0 && self.early && self.sides[0].is_fresh() => {
                // RFC 8446 section 4.2.10: what came early is under another key.
                self.passes_early(cx);
                Outcome::Refused
            }
            None => {
                cx.counters.tls_refused += 1;
                self.sides[side].missed += 1;
                self.sides[side].refused += 1;
                self.partial = true;
                self.lacks(side, out);
                Outcome::Refused
            }
        };
        self.text = text;
        outcome
    }

    /// A record of early data, whose secret is not looked for.
    fn passes_early(&mut self, cx: &mut Context<'_>) {
        cx.counters.tls_refused += 1;
        self.passed_early = true;
        self.partial = true;
        self.sides[0].gap = true;
    }

    /// A hello in clear; false when it leads nowhere.
    fn hello(&mut self, side: usize, message: &[u8]) -> bool {
        match (side, message.first()) {
            (0, Some(&CLIENT_HELLO)) => {
                // The second one, after a retry, has the same random value (RFC 8446 section 4.1.2).
                if self.client_random.is_none() {
                    let Some((random, early)) = messages::client_hello(message) else {
                        return false;
                    };
                    self.client_random = Some(random);
                    self.early = early;
                }
                true
            }
            (1, Some(&SERVER_HELLO)) => {
                let Some((random, suite, version)) = messages::server_hello(message) else {
                    return false;
                };
                if random == RETRY {
                    // Early data is over then, too.
                    return true;
                }
                self.server_random = random;
                self.suite = match version {
                    TLS13 => Suite::of(suite, true),
                    TLS12 => Suite::of(suite, false),
                    _ => None,
                };
                self.suite.is_some()
            }
            _ => true,
        }
    }

    /// The direction is protected from here on; false when its keys are not known.
    fn begin_protection(&mut self, side: usize, lost: bool, secrets: &Secrets) -> bool {
        let (Some(suite), Some(random)) = (self.suite, self.client_random) else {
            return false;
        };
        let client = side == 0;
        let this = &mut self.sides[side];
        this.messages = Messages::behind_loss(lost || this.messages.is_broken());
        this.sequence = 0;
        if !suite.tls13 {
            this.epoch = Epoch::Application;
            this.opener = secrets
                .find(&random, Label::Master)
                .and_then(|master| Opener::tls12(suite, master, &random, &self.server_random, client));
            return this.opener.is_some();
        }
        // The secret of application data is needed later, but may not come from another log than this one: it is looked
        // up at once, so that nothing has to be kept of the log.
        let Some(application) = secrets.find(&random, Label::Application { client }) else {
            return false;
        };
        this.secret = application.to_vec();
        match secrets
            .find(&random, Label::Handshake { client })
            .and_then(|secret| Opener::tls13(suite, secret))
        {
            Some(opener) => {
                this.epoch = Epoch::Handshake;
                this.opener = Some(opener);
            }
            None => {
                // The handshake stays closed, and what follows it opens.
                this.epoch = Epoch::Application;
                this.opener = Opener::tls13(suite, application);
            }
        }
        this.opener.is_some()
    }

    /// Opens a record by the number it has, or behind a loss may have. Returns its content type.
    fn open(&mut self, side: usize, record: &Record<'_>, lost: bool, text: &mut Vec<u8>) -> Option<u8> {
        let suite = self.suite?;
        let this = &mut self.sides[side];
        let cost = record.fragment.len() + PER_TRIAL;
        if lost {
            this.trials = this.trials.saturating_sub(PER_PLACE);
        }
        let missed = this.missed.min(MAX_TRIED);
        let uncertain = missed > 0 || lost || this.messages.is_broken();
        let mut tried = |opener: &Opener, from: u64, trials: &mut usize| {
            for sequence in from..=from.saturating_add(missed) {
                if uncertain {
                    if *trials < cost {
                        *trials = 0;
                        return None;
                    }
                    *trials -= cost;
                }
                if let Some(kind) = opener.open(record.header, record.fragment, sequence, text) {
                    return Some((kind, sequence));
                }
            }
            None
        };
        if let Some(opener) = &this.opener
            && let Some((kind, sequence)) = tried(opener, this.sequence, &mut this.trials)
        {
            this.found(sequence);
            if this.epoch == Epoch::Handshake {
                // What is missing before it was of the handshake too.
                this.gap = side == 0 && self.passed_early;
            }
            return Some(kind);
        }
        if !suite.tls13 || !uncertain {
            return None;
        }
        // What is missing may have held the end of the handshake, or a key update.
        let (secret, opener) = this.next_key(suite)?;
        let (kind, sequence) = tried(&opener, 0, &mut this.trials)?;
        if this.epoch == Epoch::Handshake && sequence == 0 {
            this.gap = side == 0 && self.passed_early;
        }
        this.change_key(secret, opener);
        this.found(sequence);
        Some(kind)
    }

    /// A record was opened.
    fn opened(
        &mut self,
        side: usize,
        kind: u8,
        text: &[u8],
        origins: &[(usize, Meta)],
        out: &mut dyn FnMut(Opened<'_>),
    ) -> Outcome {
        let Some(suite) = self.suite else {
            return Outcome::Close;
        };
        match kind {
            APPLICATION_DATA => self.deliver(side, suite, text, origins, out),
            HANDSHAKE if suite.tls13 => {
                let this = &mut self.sides[side];
                for message in this.messages.push(text) {
                    let changes = matches!(
                        (this.epoch, message.first()),
                        (Epoch::Handshake, Some(&FINISHED)) | (Epoch::Application, Some(&KEY_UPDATE))
                    );
                    if changes {
                        // RFC 8446 section 5.1: nothing follows in a record whose message changes the key.
                        let Some((secret, opener)) = this.next_key(suite) else {
                            return Outcome::Close;
                        };
                        this.change_key(secret, opener);
                        break;
                    }
                }
            }
            // A renegotiation, whose secrets belong to other random values.
            CHANGE_CIPHER_SPEC if !suite.tls13 => return Outcome::Close,
            ALERT | HANDSHAKE => {}
            _ => {}
        }
        Outcome::Done
    }

    /// Gives plaintext out in the pieces in which packets brought it.
    fn deliver(
        &mut self,
        side: usize,
        suite: Suite,
        text: &[u8],
        origins: &[(usize, Meta)],
        out: &mut dyn FnMut(Opened<'_>),
    ) {
        if text.is_empty() {
            return;
        }
        self.opened = true;
        let (of_client, of_server) = self.sides.split_at_mut(1);
        let (this, answered) = match side {
            0 => (&mut of_client[0], &of_server[0]),
            _ => (&mut of_server[0], &of_client[0]),
        };
        let (other, read) = (&answered.progress, answered.records.end());
        if std::mem::take(&mut this.gap) {
            this.progress.passes_over();
            out(Opened::Gap);
        }
        let shift = HEADER + suite.explicit_nonce();
        let ends = origins.iter().skip(1).map(|(from, _)| *from).chain([usize::MAX]);
        let mut done = 0;
        for ((_, meta), end) in origins.iter().zip(ends) {
            let end = end.saturating_sub(shift).min(text.len());
            if end <= done {
                continue;
            }
            let told = Told {
                at: other.exactly(meta.other.at).unwrap_or(0),
                received: this.progress.at(meta.other.received).unwrap_or(0),
            };
            let known = told.at != 0 && told.received != 0;
            let meta = Meta {
                offset: this.progress.next(),
                // What was acknowledged and not read yet may hold any plaintext: it may turn out to be lost.
                ack: other.at(meta.ack).filter(|_| meta.ack <= read).unwrap_or(0),
                other: if known { told } else { Told::default() },
                ..*meta
            };
            out(Opened::Text(&text[done..end], meta));
            this.progress.advance(end - done);
            done = end;
        }
    }

    /// The next bytes of a direction were never seen.
    pub(crate) fn gap(&mut self, from_client: bool, len: u64, out: &mut dyn FnMut(Opened<'_>)) {
        self.told.gap(from_client);
        let side = usize::from(!from_client);
        let this = &mut self.sides[side];
        let Some(loss) = this.records.gap(len) else {
            return;
        };
        this.messages = Messages::behind_loss(true);
        match loss {
            Loss::Within => {
                this.missed += 1;
                self.lacks(side, out);
            }
            Loss::Beyond => self.lose(side, len, out),
        }
    }

    /// The framing is lost, and `len` bytes.
    fn lose(&mut self, side: usize, len: u64, out: &mut dyn FnMut(Opened<'_>)) {
        let this = &mut self.sides[side];
        this.missed = this.missed.saturating_add(len / SMALLEST + 2);
        self.lacks(side, out);
    }

    /// Plaintext is missing. The content is told at once when it has had any, else before it gets the first.
    fn lacks(&mut self, side: usize, out: &mut dyn FnMut(Opened<'_>)) {
        let this = &mut self.sides[side];
        let protected = this.epoch != Epoch::Clear;
        if protected && self.opened && !this.gap && this.progress.has_begun() {
            this.progress.passes_over();
            out(Opened::Gap);
        } else {
            this.progress.forget();
            this.gap = true;
        }
    }

    /// Whether nothing more can be read of either direction.
    pub(crate) fn is_over(&self) -> bool {
        self.sides.iter().all(|side| side.records.is_closed())
    }

    /// Whether something was there that could not be opened.
    pub(crate) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether plaintext has come out.
    pub(crate) fn has_opened(&self) -> bool {
        self.opened
    }

    /// What the hellos tell of the flow.
    pub(crate) fn told(&self) -> &Handshake {
        &self.told
    }

    /// Gives the handshake back, to be read on by itself.
    pub(crate) fn into_told(self) -> Handshake {
        self.told
    }

    /// Bytes of memory it takes beside itself.
    pub(crate) fn weight(&self) -> usize {
        let of_side = |side: &Side| {
            let key = if side.opener.is_some() { 1 << 10 } else { 0 };
            side.records.weight() + side.messages.weight() + key + side.progress.weight()
        };
        self.told.weight() + self.text.capacity() + self.sides.iter().map(of_side).sum::<usize>()
    }
}

impl Side {
    /// Whether nothing has been opened yet under the first key of TLS 1.3.
    fn is_fresh(&self) -> bool {
        self.epoch == Epoch::Handshake && self.sequence == 0
    }

    fn found(&mut self, sequence: u64) {
        self.sequence = sequence.saturating_add(1);
        self.missed = 0;
        self.trials = TRIALS;
    }

    /// The key that follows the one in force, with its secret.
    fn next_key(&self, suite: Suite) -> Option<(Vec<u8>, Opener)> {
        let secret = match self.epoch {
            Epoch::Clear => return None,
            Epoch::Handshake => self.secret.clone(),
            Epoch::Application => suite.next_secret(&self.secret)?,
        };
        let opener = Opener::tls13(suite, &secret)?;
        Some((secret, opener))
    }

    fn change_key(&mut self, secret: Vec<u8>, opener: Opener) {
        self.epoch = Epoch::Application;
        self.secret = secret;
        self.opener = Some(opener);
        self.sequence = 0;
        self.messages = Messages::default();
    }

    /// Nothing more is read: keys and memory are given up.
    fn forget(&mut self) {
        self.opener = None;
        self.secret = Vec::new();
        self.messages = Messages::default();
        self.progress.forget();
    }
}
