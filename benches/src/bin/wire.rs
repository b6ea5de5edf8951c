//! Reads a pcap file and does decoding, reassembly and HTTP alone, `wire FILE`, or also what the inventory learns of each
//! exchange, `wire FILE inventory`; or the first with so many threads for shards, `wire FILE shards N`, between the one that reads and one that
//! puts events in order. Prints what it found and how long that took.
//!
//! Made for measuring: the file is read into one buffer piece by piece, and exchanges are counted and dropped. Findings are
//! dropped too.

use std::fs::File;
use std::io::Read;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use analyzers::{Analyzer, Settings};
use reassembly::shards::{Dealer, Merge, Piece, Work};
use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};

/// The sensor's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes read at once: they stay in the cache of a core until they are looked at.
const PIECE: usize = 256 << 10;

/// Longest frame taken for real, as in libpcap.
const MAX_FRAME: usize = 262_144;

/// What flows may take when nothing is configured.
fn limits() -> Limits {
    Limits {
        memory: 274 << 20,
        ..Limits::default()
    }
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let found = || Found {
        exchanges: 0,
        whole: 0,
        inventory: None,
    };
    let here = |inventory| {
        let found = Found { inventory, ..found() };
        Sink::Here(Box::new(Reassembler::new(limits())), found)
    };
    let (path, sink) = match args.as_slice() {
        [path] => (path, here(None)),
        [path, stage] if stage == "inventory" => {
            let mut analyzer = Analyzer::new(Settings::default());
            analyzer.forget_changes();
            (path, here(Some(analyzer)))
        }
        [path, shards, number] if shards == "shards" => {
            let number = number.to_str().and_then(|n| n.parse().ok()).unwrap_or(1);
            (path, Sink::Shards(Box::new(Sharded::start(number, found()))))
        }
        _ => {
            eprintln!("usage: wire FILE.pcap [inventory | shards N]");
            return ExitCode::from(2);
        }
    };
    match run(path, sink) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("wire: {}: {why}", path.display());
            ExitCode::from(3)
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

struct Found {
    exchanges: u64,
    whole: u64,
    inventory: Option<Analyzer>,
}

impl Found {
    #[inline]
    fn event(&mut self, event: &Event) {
        if let Event::Exchange(e) = event {
            self.exchanges += 1;
            self.whole += u64::from(e.request.is_some() && e.response.is_some());
            if let Some(analyzer) = &mut self.inventory {
                std::hint::black_box(analyzer.take_inventory(e));
                while analyzer.poll().is_some() {}
            }
        }
    }
}

/// Where packets go.
enum Sink {
    Here(Box<Reassembler>, Found),
    Shards(Box<Sharded>),
}

impl Sink {
    #[inline]
    fn push(&mut self, packet: &Packet<'_>) {
        match self {
            Self::Here(reassembler, found) => {
                reassembler.push(packet);
                while let Some(event) = reassembler.poll() {
                    found.event(&event);
                }
            }
            Self::Shards(sharded) => sharded.push(packet),
        }
    }

    fn finish(self) -> Found {
        match self {
            Self::Here(mut reassembler, mut found) => {
                reassembler.finish();
                while let Some(event) = reassembler.poll() {
                    found.event(&event);
                }
                if let Some(analyzer) = &mut found.inventory {
                    analyzer.finish();
                }
                found
            }
            Self::Shards(sharded) => sharded.finish(),
        }
    }
}

/// Threads for shards and one that counts, as the sensor has them.
struct Sharded {
    dealer: Dealer,
    shards: Vec<SyncSender<Work>>,
    done: Receiver<Work>,
    rounds: SyncSender<()>,
    counter: JoinHandle<Found>,
}

impl Sharded {
    fn start(shards: usize, mut found: Found) -> Self {
        let dealer = Dealer::new(limits(), shards);
        let (give_back, done) = channel();
        let (rounds, to_merge) = sync_channel(8);
        let (mut senders, mut pieces): (Vec<_>, Vec<Receiver<Piece>>) = (Vec::new(), Vec::new());
        for mut shard in dealer.shards() {
            let (sender, tasks) = sync_channel::<Work>(8);
            let (to, from) = sync_channel(4);
            let give_back = give_back.clone();
            std::thread::spawn(move || {
                for work in tasks {
                    let done = shard.work(work, &mut |piece| to.send(piece).unwrap_or(()));
                    give_back.send(done).unwrap_or(());
                }
            });
            senders.push(sender);
            pieces.push(from);
        }
        let counter = std::thread::spawn(move || {
            let mut merge = Merge::new(pieces.len());
            while to_merge.recv().is_ok() {
                merge.begin();
                loop {
                    while let Some(shard) = merge.waits_for() {
                        let Ok(piece) = pieces[shard].recv() else {
                            return found;
                        };
                        merge.put(shard, piece);
                    }
                    let Some(event) = merge.poll() else { break };
                    found.event(&event);
                }
            }
            found
        });
        Self {
            dealer,
            shards: senders,
            done,
            rounds,
            counter,
        }
    }

    #[inline]
    fn push(&mut self, packet: &Packet<'_>) {
        if !self.dealer.has_room_for(packet.ts) {
            while let Ok(work) = self.done.try_recv() {
                self.dealer.give_back(work);
            }
            let all = self.dealer.deal(false);
            self.send(all);
        }
        self.dealer.push(packet);
    }

    fn send(&self, all: Vec<Work>) {
        for (shard, work) in self.shards.iter().zip(all) {
            shard.send(work).unwrap_or(());
        }
        self.rounds.send(()).unwrap_or(());
    }

    fn finish(mut self) -> Found {
        let all = self.dealer.finish();
        self.send(all);
        drop((self.shards, self.rounds));
        self.counter.join().unwrap_or(Found {
            exchanges: 0,
            whole: 0,
            inventory: None,
        })
    }
}

fn run(path: &std::ffi::OsStr, mut sink: Sink) -> std::io::Result<String> {
    let begin = Instant::now();
    let mut file = File::open(path)?;
    let mut header = [0; 24];
    file.read_exact(&mut header)?;
    let unit = match u32_at(&header, 0) {
        0xa1b2_c3d4 => 1000,
        0xa1b2_3c4d => 1,
        _ => return Err(std::io::Error::other("not a little-endian pcap file")),
    };
    let link = LinkType(u32_at(&header, 20) & 0xffff);
    let mut buffer = vec![0; PIECE + MAX_FRAME + 16];
    let (mut from, mut to, mut frame) = (0, 0, 0);
    let mut bytes = header.len() as u64;
    loop {
        while to - from >= 16 {
            let record = &buffer[from..to];
            let captured = u32_at(record, 8) as usize;
            if captured > MAX_FRAME {
                return Err(std::io::Error::other(format!("frame {} is damaged", frame + 1)));
            }
            let Some(data) = record.get(16..16 + captured) else {
                break;
            };
            frame += 1;
            let ts = u64::from(u32_at(record, 0)) * 1_000_000_000 + u64::from(u32_at(record, 4)) * unit;
            sink.push(&Packet {
                ts: Timestamp(ts),
                link,
                data,
                wire_len: u32_at(record, 12),
                frame,
            });
            from += 16 + captured;
        }
        buffer.copy_within(from..to, 0);
        to -= from;
        from = 0;
        let end = (to + PIECE).min(buffer.len());
        let more = file.read(&mut buffer[to..end])?;
        if more == 0 {
            break;
        }
        to += more;
        bytes += more as u64;
    }
    let Found {
        exchanges,
        whole,
        inventory,
    } = sink.finish();
    let seconds = begin.elapsed().as_secs_f64();
    let endpoints = inventory.map(|analyzer| format!(", {} endpoints", analyzer.endpoint_count()));
    Ok(format!(
        "{exchanges} exchanges ({whole} whole), {frame} packets, {bytes} bytes{} in {seconds:.3} s",
        endpoints.unwrap_or_default()
    ))
}
