//! Reads a capture back and holds its checksums against the RFCs, so that the writer is not its own judge
//! only: lengths and sums are worked out from the bytes.

use std::net::IpAddr;

use super::packet::{pseudo_header, sum};

/// What a frame turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// IPv4 or IPv6 with TCP, every length and checksum right.
    Valid,
    /// Something else, with no checksum known here.
    Other,
    /// Broken; the text says where.
    Broken(&'static str),
}

/// Times and bytes of the frames of a little-endian pcap file, or nothing when it is none.
#[must_use]
pub fn frames_of_pcap(file: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?)) };
    let unit = match word(0)? {
        0xa1b2_c3d4 => 1000,
        0xa1b2_3c4d => 1,
        _ => return None,
    };
    let mut frames = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let time = u64::from(word(at)?) * 1_000_000_000 + u64::from(word(at + 4)?) * unit;
        let len = word(at + 8)? as usize;
        frames.push((time, file.get(at + 16..at + 16 + len)?));
        at += 16 + len;
    }
    Some(frames)
}

/// Checks an Ethernet frame.
#[must_use]
pub fn check_frame(frame: &[u8]) -> Checked {
    let mut at = 12;
    let mut kind = be16(frame, at);
    while matches!(kind, Some(0x8100 | 0x88a8)) {
        at += 4;
        kind = be16(frame, at);
    }
    let ip = frame.get(at + 2..).unwrap_or(&[]);
    match kind {
        Some(0x0800) => check_v4(ip),
        Some(0x86dd) => check_v6(ip),
        _ => Checked::Other,
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn check_v4(ip: &[u8]) -> Checked {
    if ip.len() < 40 || usize::from(be16(ip, 2).unwrap_or(0)) != ip.len() {
        return Checked::Broken("IPv4 length");
    }
    if sum(&ip[..20], 0) != 0xffff {
        return Checked::Broken("IPv4 checksum");
    }
    if ip[9] != 6 {
        return Checked::Other;
    }
    let addr = |at: usize| IpAddr::from([ip[at], ip[at + 1], ip[at + 2], ip[at + 3]]);
    check_tcp(&ip[20..], addr(12), addr(16))
}

fn check_v6(ip: &[u8]) -> Checked {
    if ip.len() < 60 || usize::from(be16(ip, 4).unwrap_or(0)) + 40 != ip.len() {
        return Checked::Broken("IPv6 length");
    }
    let addr = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&ip[at..at + 16]);
        IpAddr::from(octets)
    };
    let (mut next, mut at) = (ip[6], 40);
    while matches!(next, 0 | 44 | 60) {
        let len = if next == 44 {
            8
        } else {
            8 * (usize::from(ip.get(at + 1).copied().unwrap_or(0)) + 1)
        };
        next = ip.get(at).copied().unwrap_or(59);
        at += len;
    }
    match (next, ip.get(at..)) {
        (6, Some(segment)) => check_tcp(segment, addr(8), addr(24)),
        _ => Checked::Other,
    }
}

fn check_tcp(segment: &[u8], from: IpAddr, to: IpAddr) -> Checked {
    let header = segment.get(12).map_or(0, |b| usize::from(b >> 4) * 4);
    if header < 20 || header > segment.len() {
        return Checked::Broken("TCP header length");
    }
    if sum(segment, pseudo_header(from, to, segment.len())) != 0xffff {
        return Checked::Broken("TCP checksum");
    }
    Checked::Valid
}
