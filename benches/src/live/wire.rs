//! What happens on the interfaces: frames sent at a pace, recorded, and listened for.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pcap::{Active, Capture, Direction, Precision};

/// Sends frames so that no more go out than a rate allows.
pub(super) struct Sender {
    capture: Capture<Active>,
    started: Instant,
    /// Bytes a second.
    rate: f64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

impl Sender {
    pub(super) fn open(interface: &str, mbit: &str) -> Result<Self, String> {
        let mbit: f64 = mbit.parse().map_err(|_| format!("{mbit} is no rate"))?;
        let capture = Capture::from_device(interface)
            .and_then(Capture::open)
            .map_err(|error| format!("{interface}: {error}"))?;
        Ok(Self {
            capture,
            started: Instant::now(),
            rate: mbit * 1e6 / 8.0,
            frames: 0,
            bytes: 0,
        })
    }

    pub(super) fn send(&mut self, frame: &[u8]) -> Result<(), String> {
        // Ahead of time by more than a tick of the scheduler: wait, so that the other side may have the processor.
        let due = Duration::from_secs_f64(self.bytes as f64 / self.rate);
        let ahead = due.saturating_sub(self.started.elapsed());
        if ahead > Duration::from_micros(500) {
            std::thread::sleep(ahead);
        }
        self.capture
            .sendpacket(frame)
            .map_err(|error| format!("frame {} was not sent: {error}", self.frames))?;
        self.frames += 1;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn tell(&self) {
        let micros = self.elapsed().as_micros();
        println!("frames={} bytes={} micros={micros}", self.frames, self.bytes);
    }
}

/// Sends the frames of a capture for so many seconds, or to its end.
///
/// # Errors
///
/// A capture or an interface that cannot be opened, a frame that cannot be sent.
pub fn send(interface: &str, capture: &str, mbit: &str, seconds: &str) -> Result<(), String> {
    let mut file = Capture::from_file(capture).map_err(|error| format!("{capture}: {error}"))?;
    let mut sender = Sender::open(interface, mbit)?;
    let most = Duration::from_secs(seconds.parse().map_err(|_| format!("{seconds} is no time"))?);
    while sender.elapsed() < most
        && let Ok(packet) = file.next_packet()
    {
        sender.send(packet.data)?;
    }
    sender.tell();
    Ok(())
}

/// Set by SIGTERM.
fn stop() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
        .map_err(|error| error.to_string())?;
    Ok(stop)
}

/// Writes every frame that comes in at an interface to a file, packed, until it is told to stop.
///
/// # Errors
///
/// An interface that cannot be read, a file that cannot be written, a frame that was lost.
pub fn record(interface: &str, file: &str) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{interface}: {error}");
    let mut capture = Capture::from_device(interface)
        .map_err(|error| wrong(&error))?
        .buffer_size(256 << 20)
        .timeout(20)
        .precision(Precision::Nano)
        .open()
        .and_then(Capture::setnonblock)
        .map_err(|error| wrong(&error))?;
    let stop = stop()?;
    let failed = |error: std::io::Error| format!("{file}: {error}");
    let out = File::create(file).map_err(failed)?;
    let mut out = zstd::Encoder::new(out, 1).map_err(failed)?;
    let mut header = Vec::from(0xa1b2_3c4d_u32.to_le_bytes());
    header.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(262_144_u32.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    out.write_all(&header).map_err(failed)?;
    println!("recording");
    let mut frames = 0_u64;
    loop {
        let Ok(packet) = capture.next_packet() else {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        let (head, data) = (packet.header, packet.data);
        for number in [
            head.ts.tv_sec as u32,
            head.ts.tv_usec as u32,
            head.caplen,
            head.len,
        ] {
            out.write_all(&number.to_le_bytes()).map_err(failed)?;
        }
        out.write_all(data).map_err(failed)?;
        frames += 1;
    }
    out.finish().map_err(failed)?;
    let lost = capture.stats().map_or(0, |stats| stats.dropped);
    println!("frames={frames} lost={lost}");
    Ok(())
}

/// Counts frames that come in at an interface until it is told to stop: none may, at the sender's side of a mirror.
///
/// # Errors
///
/// An interface that cannot be read.
pub fn listen(interface: &str) -> Result<(), String> {
    let wrong = |error: pcap::Error| format!("{interface}: {error}");
    let mut capture = Capture::from_device(interface)
        .map_err(wrong)?
        .timeout(20)
        .open()
        .and_then(Capture::setnonblock)
        .map_err(wrong)?;
    capture.direction(Direction::In).map_err(wrong)?;
    let stop = stop()?;
    let mut frames = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        match capture.next_packet() {
            Ok(_) => frames += 1,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    println!("heard={frames}");
    Ok(())
}
