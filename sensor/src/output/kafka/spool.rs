//! Records that wait on disk for the broker, oldest first.
//!
//! ```text
//! spool/lock                      held by the process that uses the folder
//! spool/progress                  three numbers: confirmed below, perhaps sent below, since when
//! spool/00…0042-0.seg             entries; a file goes when its last entry is confirmed
//!
//! entry = length u32 · CRC-32 of the body u32 · body        (little endian)
//! body  = serial u64 · perhaps sent at u64 · rank u8 · head length u32 · head (JSON) · value
//! ```
//!
//! Every entry has a serial number, and the serial numbers are the order: the files may be
//! rewritten or come in any order, and `progress` stays true. Appending writes an entry with one
//! system call, so a killed process leaves at most one torn entry at the end of one file; it is
//! counted and skipped. What is written here is what would have gone to the topic and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use analyzers::Severity;

use crate::output::record::{Record, Topic};

const MAGIC: &[u8; 8] = b"TAPSPL1\n";
const ENTRY_HEAD: u64 = 8;
/// No entry is longer: librdkafka itself takes no larger message.
const LONGEST_ENTRY: u32 = 1 << 30;
/// Serial of the first entry ever; room below it for records that go to the front.
const FIRST_SERIAL: u64 = 1 << 62;
/// Ranks that [`rank`] gives.
pub(super) const RANKS: usize = 7;
/// Entries by which the mark "perhaps sent" runs ahead, so that it is not written for each one.
const SENT_AHEAD: u64 = 1024;

/// Where an entry lies, and what is needed to decide about it without reading it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    segment: u64,
    offset: u64,
    length: u32,
    rank: u8,
    /// Time, in milliseconds since 1970, from which on it may have reached the topic.
    perhaps_sent: Option<u64>,
    /// It was there when the spool was opened.
    earlier: bool,
}

impl Entry {
    /// Bytes it takes in its file.
    fn size(&self) -> u64 {
        ENTRY_HEAD + u64::from(self.length)
    }
}

/// One file of entries.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    bytes: u64,
    live: usize,
    live_bytes: u64,
}

impl Segment {
    /// Bytes of entries that are confirmed or shed.
    fn dead_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.live_bytes + MAGIC.len() as u64)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    confirmed_below: u64,
    sent_below: u64,
    sent_since: u64,
}

/// The head of an entry's body: the record without its value.
#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    topic: String,
    key: String,
    severity: Option<Severity>,
    kind: Option<String>,
    principal_kind: Option<String>,
    time_ns: u64,
    subject: String,
    tombstone: bool,
}

/// A bounded queue on disk.
#[derive(Debug)]
pub(super) struct Spool {
    dir: PathBuf,
    cap: u64,
    _lock: File,
    entries: BTreeMap<u64, Entry>,
    segments: BTreeMap<u64, Segment>,
    /// Bytes of live entries by rank.
    by_rank: [u64; RANKS],
    next_segment: u64,
    /// The segment that is appended to.
    writer: Option<(u64, File)>,
    unsynced: bool,
    next_serial: u64,
    /// The next entry to be read is the first one from here on.
    cursor: u64,
    progress: Progress,
    saved: Progress,
    /// Entries lost to a torn or damaged file, found at opening.
    pub(super) torn: u64,
    /// Records given up because the spool was full.
    pub(super) shed: u64,
}

impl Spool {
    /// Opens or creates the spool in `dir`, which may take `cap` bytes.
    pub(super) fn open(dir: &Path, cap: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock =
            private(OpenOptions::new().write(true).create(true).truncate(false)).open(dir.join("lock"))?;
        take(&lock)?;
        let progress = read_progress(&dir.join("progress"))?;
        let mut spool = Self {
            dir: dir.to_owned(),
            cap,
            _lock: lock,
            entries: BTreeMap::new(),
            segments: BTreeMap::new(),
            by_rank: [0; RANKS],
            next_segment: 0,
            writer: None,
            unsynced: false,
            next_serial: FIRST_SERIAL.max(progress.confirmed_below),
            cursor: 0,
            progress,
            saved: progress,
            torn: 0,
            shed: 0,
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for file in fs::read_dir(dir)? {
            let path = file?.path();
            match path.extension().and_then(|end| end.to_str()) {
                Some("seg") => files.push(path),
                // Left by a process that was killed while it rewrote a file; the original is whole.
                Some("part") => fs::remove_file(&path)?,
                _ => {}
            }
        }
        files.sort();
        for path in files {
            spool.load(path)?;
        }
        spool.cursor = spool.first().unwrap_or(spool.next_serial);
        Ok(spool)
    }

    /// Entries not yet confirmed.
    pub(super) fn pending(&self) -> usize {
        self.entries.len()
    }

    /// Adds a record at the end. `false`: the spool is full of what matters more, and it was shed.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<bool> {
        let serial = self.next_serial;
        let body = encode(record, serial, None);
        let need = ENTRY_HEAD + body.len() as u64 + MAGIC.len() as u64;
        if !self.make_room(need, rank(record))? {
            self.shed += 1;
            return Ok(false);
        }
        let roll = (self.cap / 16).clamp(64 << 10, 16 << 20);
        if let Some((number, _)) = &self.writer
            && self
                .segments
                .get(number)
                .is_some_and(|segment| segment.bytes >= roll)
        {
            self.sync()?;
            self.writer = None;
        }
        if self.writer.is_none() {
            let (number, file) = self.create_segment(serial)?;
            self.writer = Some((number, file));
        }
        let Some((number, file)) = &mut self.writer else {
            return Ok(false);
        };
        let number = *number;
        let Some(segment) = self.segments.get_mut(&number) else {
            return Ok(false);
        };
        let entry = frame(&body);
        if let Err(error) = file.write_all(&entry) {
            // A part of the entry may have been written; what follows must not land behind it.
            let cut = file.set_len(segment.bytes);
            self.writer = None;
            return Err(cut.err().unwrap_or(error));
        }
        let place = Entry {
            segment: number,
            offset: segment.bytes,
            length: body.len() as u32,
            rank: rank(record),
            perhaps_sent: None,
            earlier: false,
        };
        segment.bytes += entry.len() as u64;
        self.insert(serial, place);
        self.next_serial += 1;
        self.unsynced = true;
        Ok(true)
    }

    /// Puts records before everything that waits, in the order given. They were on their way when
    /// the broker went, so each comes with the time from which on it may have reached the topic.
    /// Over the cap, what matters least is shed, from these and from the rest alike.
    pub(super) fn prepend(&mut self, records: &[(Record, u64)]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.sync()?;
        let front = self.first().unwrap_or(self.next_serial);
        let first = front - records.len() as u64;
        // Serials below `front` come to life again, so confirmed entries that carry them have to
        // be gone from the disk first.
        self.drop_confirmed()?;
        self.progress.confirmed_below = first;
        self.cursor = first;
        self.save()?;
        let bodies: Vec<(u64, Vec<u8>, u8, u64)> = (first..)
            .zip(records)
            .map(|(serial, (record, since))| {
                (serial, encode(record, serial, Some(*since)), rank(record), *since)
            })
            .collect();
        let (number, mut file) = self.create_segment(first)?;
        let mut offset = MAGIC.len() as u64;
        for (serial, body, rank, since) in &bodies {
            let entry = frame(body);
            file.write_all(&entry)?;
            let place = Entry {
                segment: number,
                offset,
                length: body.len() as u32,
                rank: *rank,
                perhaps_sent: Some(*since),
                earlier: false,
            };
            offset += entry.len() as u64;
            if let Some(segment) = self.segments.get_mut(&number) {
                segment.bytes = offset;
            }
            self.insert(*serial, place);
        }
        file.sync_all()?;
        self.make_room(0, u8::MAX)?;
        Ok(())
    }

    /// Makes sure that what was appended outlives a power failure.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced
            && let Some((_, file)) = &self.writer
        {
            file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The next record in order, marked on disk as perhaps sent before it is handed out. An entry
    /// that can no longer be read is counted as torn and passed over.
    pub(super) fn next(&mut self, now_ms: u64) -> io::Result<Option<(u64, Record)>> {
        loop {
            let Some((&serial, &entry)) = self.entries.range(self.cursor..).next() else {
                return Ok(None);
            };
            if serial >= self.progress.sent_below {
                let fresh = self.progress.sent_below <= self.progress.confirmed_below;
                if fresh || self.progress.sent_since == 0 {
                    self.progress.sent_since = now_ms;
                }
                self.progress.sent_below = serial + SENT_AHEAD;
                self.save()?;
            }
            self.cursor = serial + 1;
            match self.read(&entry) {
                Ok(record) => return Ok(Some((serial, record))),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.torn += 1;
                    self.confirm(serial);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads everything not confirmed again from the first one on.
    pub(super) fn rewind(&mut self) {
        self.cursor = self.first().unwrap_or(self.next_serial);
    }

    /// Entries that may have reached the topic already, with the time from which on.
    pub(super) fn uncertain(&self) -> Vec<(u64, u64)> {
        self.entries
            .iter()
            .filter_map(|(&serial, entry)| {
                let marked = (serial < self.progress.sent_below).then_some(self.progress.sent_since);
                let since = match (entry.perhaps_sent, marked) {
                    (Some(one), Some(other)) => one.min(other),
                    (one, other) => one.or(other)?,
                };
                Some((serial, since))
            })
            .collect()
    }

    /// The record with this serial, without moving on.
    pub(super) fn get(&self, serial: u64) -> io::Result<Option<Record>> {
        self.entries
            .get(&serial)
            .map(|entry| self.read(entry))
            .transpose()
    }

    /// The broker has it: it will not be read again. Says whether an earlier run left it here.
    pub(super) fn confirm(&mut self, serial: u64) -> bool {
        let Some(entry) = self.entries.remove(&serial) else {
            return false;
        };
        self.by_rank[usize::from(entry.rank)] -= entry.size();
        if let Some(segment) = self.segments.get_mut(&entry.segment) {
            segment.live -= 1;
            segment.live_bytes -= entry.size();
        }
        self.progress.confirmed_below = self.first().unwrap_or(self.next_serial);
        entry.earlier
    }

    /// Writes down what was confirmed and removes the files that hold nothing else.
    pub(super) fn save(&mut self) -> io::Result<()> {
        if self.entries.is_empty() {
            self.progress.sent_below = 0;
            self.progress.sent_since = 0;
        }
        if self.progress != self.saved {
            let Progress {
                confirmed_below,
                sent_below,
                sent_since,
            } = self.progress;
            let text = format!("{confirmed_below} {sent_below} {sent_since}\n");
            replace(&self.dir.join("progress"), text.as_bytes())?;
            self.saved = self.progress;
        }
        let writer = self.writer.as_ref().map(|(number, _)| *number);
        let empty: Vec<u64> = self
            .segments
            .iter()
            .filter(|(number, segment)| {
                segment.live == 0 && (Some(**number) != writer || self.entries.is_empty())
            })
            .map(|(number, _)| *number)
            .collect();
        for number in empty {
            if Some(number) == writer {
                self.writer = None;
                self.unsynced = false;
            }
            if let Some(segment) = self.segments.remove(&number) {
                fs::remove_file(&segment.path)?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, serial: u64, entry: Entry) {
        self.by_rank[usize::from(entry.rank)] += entry.size();
        if let Some(segment) = self.segments.get_mut(&entry.segment) {
            segment.live += 1;
            segment.live_bytes += entry.size();
        }
        self.entries.insert(serial, entry);
    }

    fn first(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(&serial, _)| serial)
    }

    /// Bytes of all files.
    fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    /// Sheds the lowest rank first, and of that the oldest, until `need` more bytes fit. Never
    /// sheds what outranks `rank`, nor what is on its way. `false` when that does not make room.
    fn make_room(&mut self, need: u64, rank: u8) -> io::Result<bool> {
        let over = (self.bytes() + need).saturating_sub(self.cap);
        if over == 0 {
            return Ok(true);
        }
        self.save()?; // what is confirmed may free enough
        let over = (self.bytes() + need).saturating_sub(self.cap);
        if over == 0 {
            return Ok(true);
        }
        // Confirmed entries in files that hold others too take room as well.
        let spare: u64 = self.segments.values().map(Segment::dead_bytes).sum();
        let below: u64 = self.by_rank.iter().take(usize::from(rank) + 1).sum();
        if below + spare < over {
            return Ok(false);
        }
        // Some more than is needed, so that files are not rewritten for every record.
        let goal = over.max(self.cap / 32);
        let mut order: Vec<(u8, u64)> = self
            .entries
            .range(self.cursor..)
            .filter(|(_, entry)| entry.rank <= rank)
            .map(|(&serial, entry)| (entry.rank, serial))
            .collect();
        order.sort_unstable();
        let (mut freed, mut touched, mut victims) = (0, BTreeSet::new(), Vec::new());
        for (_, serial) in order {
            if freed >= goal {
                break;
            }
            let entry = self.entries[&serial];
            freed += entry.size();
            touched.insert(entry.segment);
            victims.push(serial);
        }
        if freed + spare < over {
            return Ok(false);
        }
        for serial in &victims {
            self.confirm(*serial);
        }
        self.shed += victims.len() as u64;
        touched.extend(self.with_dead());
        self.sync()?;
        for number in touched {
            self.rewrite(number)?;
        }
        self.save()?;
        Ok(self.bytes() + need <= self.cap)
    }

    fn with_dead(&self) -> Vec<u64> {
        let partly = self
            .segments
            .iter()
            .filter(|(_, segment)| segment.dead_bytes() > 0);
        partly.map(|(&number, _)| number).collect()
    }

    fn drop_confirmed(&mut self) -> io::Result<()> {
        for number in self.with_dead() {
            self.rewrite(number)?;
        }
        Ok(())
    }

    /// Writes a file anew with only what is live in it.
    fn rewrite(&mut self, number: u64) -> io::Result<()> {
        if self.writer.as_ref().is_some_and(|(writer, _)| *writer == number) {
            self.writer = None;
            self.unsynced = false;
        }
        let Some(segment) = self.segments.get(&number) else {
            return Ok(());
        };
        let path = segment.path.clone();
        if segment.live == 0 {
            self.segments.remove(&number);
            return fs::remove_file(path);
        }
        let old = File::open(&path)?;
        let mut bytes = MAGIC.to_vec();
        for entry in self.entries.values_mut().filter(|entry| entry.segment == number) {
            let mut whole = vec![0; ENTRY_HEAD as usize + entry.length as usize];
            old.read_exact_at(&mut whole, entry.offset)?;
            entry.offset = bytes.len() as u64;
            bytes.extend_from_slice(&whole);
        }
        replace(&path, &bytes)?;
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.bytes = bytes.len() as u64;
        }
        Ok(())
    }

    fn create_segment(&mut self, serial: u64) -> io::Result<(u64, File)> {
        for copy in 0_u32.. {
            let path = self.dir.join(format!("{serial:020}-{copy}.seg"));
            match private(OpenOptions::new().append(true).create_new(true)).open(&path) {
                Ok(mut file) => {
                    let mut begin = || {
                        file.write_all(MAGIC)?;
                        File::open(&self.dir)?.sync_all()
                    };
                    if let Err(error) = begin() {
                        // A full disk takes names long after it takes no bytes, and each attempt would leave one.
                        let _ = fs::remove_file(&path);
                        return Err(error);
                    }
                    let number = self.next_segment;
                    self.next_segment += 1;
                    let bytes = MAGIC.len() as u64;
                    let segment = Segment {
                        path,
                        bytes,
                        live: 0,
                        live_bytes: 0,
                    };
                    self.segments.insert(number, segment);
                    return Ok((number, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("no free name for a spool file"))
    }

    /// Takes the entries of a file into the index, up to the first that is not whole.
    fn load(&mut self, path: PathBuf) -> io::Result<()> {
        let bytes = fs::read(&path)?;
        let number = self.next_segment;
        self.next_segment += 1;
        let segment = Segment {
            path,
            bytes: bytes.len() as u64,
            live: 0,
            live_bytes: 0,
        };
        self.segments.insert(number, segment);
        let mut offset = MAGIC.len();
        // A file without its first bytes was being created when the process was killed.
        let known = bytes.starts_with(MAGIC);
        if !known {
            self.torn += u64::from(!bytes.is_empty());
            offset = bytes.len();
        }
        while offset < bytes.len() {
            let Some(body) = whole_entry(&bytes[offset..]) else {
                self.torn += 1;
                break;
            };
            let length = body.len() as u32;
            let Some((serial, perhaps_sent, rank)) = fixed_part(body) else {
                self.torn += 1;
                break;
            };
            self.next_serial = self.next_serial.max(serial + 1);
            if serial >= self.progress.confirmed_below && !self.entries.contains_key(&serial) {
                let offset = offset as u64;
                let place = Entry {
                    segment: number,
                    offset,
                    length,
                    rank,
                    perhaps_sent,
                    earlier: true,
                };
                self.insert(serial, place);
            }
            offset += ENTRY_HEAD as usize + body.len();
        }
        // A torn tail stays until the file goes and counts: the cap is about the disk.
        if let Some(segment) = self.segments.get(&number)
            && segment.live == 0
        {
            fs::remove_file(&segment.path)?;
            self.segments.remove(&number);
        }
        Ok(())
    }

    fn read(&self, entry: &Entry) -> io::Result<Record> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged spool entry");
        let segment = self.segments.get(&entry.segment).ok_or_else(damaged)?;
        let mut whole = vec![0; ENTRY_HEAD as usize + entry.length as usize];
        File::open(&segment.path)?
            .read_exact_at(&mut whole, entry.offset)
            .map_err(|error| {
                if error.kind() == io::ErrorKind::UnexpectedEof {
                    damaged()
                } else {
                    error
                }
            })?;
        whole_entry(&whole).and_then(decode).ok_or_else(damaged)
    }
}

/// What is shed first: health, then state that the next run states again, then findings by severity.
pub(super) fn rank(record: &Record) -> u8 {
    match (record.topic, record.severity) {
        (Topic::Health, _) => 0,
        (Topic::Inventory | Topic::Agents, _) => 1,
        (Topic::Findings, None | Some(Severity::Info)) => 2,
        (Topic::Findings, Some(Severity::Low)) => 3,
        (Topic::Findings, Some(Severity::Medium)) => 4,
        (Topic::Findings, Some(Severity::High)) => 5,
        (Topic::Findings, Some(Severity::Critical)) => 6,
    }
}

fn encode(record: &Record, serial: u64, perhaps_sent: Option<u64>) -> Vec<u8> {
    let head = Head {
        topic: record.topic.name().to_owned(),
        key: record.key.clone(),
        severity: record.severity,
        kind: record.kind.clone(),
        principal_kind: record.principal_kind.map(str::to_owned),
        time_ns: record.time_ns,
        subject: record.subject.clone(),
        tombstone: record.value.is_none(),
    };
    // Strings and numbers always have a JSON form.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let value = record.value.as_deref().unwrap_or_default();
    let mut body = Vec::with_capacity(21 + head.len() + value.len());
    body.extend_from_slice(&serial.to_le_bytes());
    body.extend_from_slice(&perhaps_sent.unwrap_or(0).to_le_bytes());
    body.push(rank(record));
    body.extend_from_slice(&(head.len() as u32).to_le_bytes());
    body.extend_from_slice(&head);
    body.extend_from_slice(value);
    body
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(ENTRY_HEAD as usize + body.len());
    entry.extend_from_slice(&(body.len() as u32).to_le_bytes());
    entry.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    entry.extend_from_slice(body);
    entry
}

/// The body of the entry that `bytes` starts with, when all of it is there and undamaged.
fn whole_entry(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?);
    let crc = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    if length > LONGEST_ENTRY {
        return None;
    }
    let body = bytes.get(8..8 + length as usize)?;
    (crc32fast::hash(body) == crc).then_some(body)
}

fn fixed_part(body: &[u8]) -> Option<(u64, Option<u64>, u8)> {
    let serial = u64::from_le_bytes(*body.first_chunk()?);
    let perhaps_sent = u64::from_le_bytes(*body.get(8..)?.first_chunk()?);
    let rank = *body.get(16).filter(|rank| usize::from(**rank) < RANKS)?;
    Some((serial, (perhaps_sent > 0).then_some(perhaps_sent), rank))
}

fn decode(body: &[u8]) -> Option<Record> {
    let length = u32::from_le_bytes(*body.get(17..)?.first_chunk()?) as usize;
    let head: Head = serde_json::from_slice(body.get(21..21 + length)?).ok()?;
    let topics = [Topic::Findings, Topic::Inventory, Topic::Agents, Topic::Health];
    let kinds = ["ai_agent", "service", "human", "unknown"];
    Some(Record {
        topic: topics.into_iter().find(|topic| topic.name() == head.topic)?,
        key: head.key,
        value: (!head.tombstone).then(|| body[21 + length..].to_vec()),
        severity: head.severity,
        kind: head.kind,
        principal_kind: head
            .principal_kind
            .and_then(|name| kinds.into_iter().find(|kind| *kind == name)),
        time_ns: head.time_ns,
        subject: head.subject,
    })
}

fn read_progress(path: &Path) -> io::Result<Progress> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Progress::default()),
        Err(error) => return Err(error),
    };
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(confirmed_below)), Some(Ok(sent_below)), Some(Ok(sent_since))) => Ok(Progress {
            confirmed_below,
            sent_below,
            sent_since,
        }),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} does not hold three numbers", path.display()),
        )),
    }
}

/// Writes a file so that it is found either as it was or as it shall be.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Takes the lock, waiting a moment for a process that is just ending, or that has forked.
fn take(lock: &File) -> io::Result<()> {
    for _ in 0..40 {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(25)),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ResourceBusy,
        "another process uses this spool",
    ))
}

/// Findings are for the operator's eyes only.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
