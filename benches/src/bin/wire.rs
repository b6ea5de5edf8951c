//! Reads a pcap file and does decoding, reassembly and HTTP alone, `wire FILE`, or also what the inventory learns of each
//! exchange, `wire FILE inventory`. Prints what it found and how long that took.
//!
//! Made for measuring: the file is read into one buffer piece by piece, and exchanges are counted and dropped. Findings are
//! dropped too.

use std::fs::File;
use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;

use analyzers::{Analyzer, Settings};
use reassembly::{Event, Limits, LinkType, Packet, Reassembler, Timestamp};

/// The sensor's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes read at once: they stay in the cache of a core until they are looked at.
const PIECE: usize = 256 << 10;

/// Longest frame taken for real, as in libpcap.
const MAX_FRAME: usize = 262_144;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let (path, inventory) = match args.as_slice() {
        [path] => (path, None),
        [path, stage] if stage == "inventory" => (path, Some(Analyzer::new(Settings::default()))),
        _ => {
            eprintln!("usage: wire FILE.pcap [inventory]");
            return ExitCode::from(2);
        }
    };
    match run(path, inventory) {
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
    fn take(&mut self, reassembler: &mut Reassembler) {
        while let Some(event) = reassembler.poll() {
            if let Event::Exchange(e) = event {
                self.exchanges += 1;
                self.whole += u64::from(e.request.is_some() && e.response.is_some());
                if let Some(analyzer) = &mut self.inventory {
                    std::hint::black_box(analyzer.take_inventory(&e));
                    while analyzer.poll().is_some() {}
                }
            }
        }
    }
}

fn run(path: &std::ffi::OsStr, mut inventory: Option<Analyzer>) -> std::io::Result<String> {
    if let Some(analyzer) = &mut inventory {
        analyzer.forget_changes();
    }
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
    let mut reassembler = Reassembler::new(Limits::default());
    let mut found = Found {
        exchanges: 0,
        whole: 0,
        inventory,
    };
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
            reassembler.push(&Packet {
                ts: Timestamp(ts),
                link,
                data,
                wire_len: u32_at(record, 12),
                frame,
            });
            found.take(&mut reassembler);
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
    reassembler.finish();
    found.take(&mut reassembler);
    if let Some(analyzer) = &mut found.inventory {
        analyzer.finish();
    }
    let seconds = begin.elapsed().as_secs_f64();
    let Found {
        exchanges,
        whole,
        inventory,
    } = found;
    let endpoints = inventory.map(|analyzer| format!(", {} endpoints", analyzer.endpoint_count()));
    Ok(format!(
        "{exchanges} exchanges ({whole} whole), {frame} packets, {bytes} bytes{} in {seconds:.3} s",
        endpoints.unwrap_or_default()
    ))
}
