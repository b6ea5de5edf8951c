//! The capture file: frames in time order, as pcap or pcapng.

use std::net::IpAddr;

/// Link layer of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Ethernet (link type 1); a connection may add VLAN tags.
    Ethernet,
    /// Linux cooked capture, version 1 (link type 113).
    Sll,
    /// Linux cooked capture, version 2 (link type 276).
    Sll2,
    /// Bare IP packets (link type 101).
    RawIp,
}

impl Link {
    /// Number of the link type in the file.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Ethernet => 1,
            Self::RawIp => 101,
            Self::Sll => 113,
            Self::Sll2 => 276,
        }
    }

    /// An IP packet in this link layer's frame. `macs` are destination and source.
    pub(super) fn frame(self, ip: &[u8], macs: ([u8; 6], [u8; 6]), vlans: &[u16]) -> Vec<u8> {
        let ether_type: u16 = if ip.first().is_some_and(|b| b >> 4 == 6) {
            0x86dd
        } else {
            0x0800
        };
        let mut out = Vec::with_capacity(ip.len() + 24);
        match self {
            Self::RawIp => {}
            Self::Ethernet => {
                out.extend_from_slice(&macs.0);
                out.extend_from_slice(&macs.1);
                for (i, vlan) in vlans.iter().enumerate() {
                    // The outer of two tags is a service tag (IEEE 802.1ad).
                    let tpid: u16 = if i + 1 < vlans.len() { 0x88a8 } else { 0x8100 };
                    out.extend_from_slice(&tpid.to_be_bytes());
                    out.extend_from_slice(&vlan.to_be_bytes());
                }
                out.extend_from_slice(&ether_type.to_be_bytes());
            }
            Self::Sll => {
                out.extend_from_slice(&[0, 0, 0, 1, 0, 6]);
                out.extend_from_slice(&macs.1);
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&ether_type.to_be_bytes());
            }
            Self::Sll2 => {
                out.extend_from_slice(&ether_type.to_be_bytes());
                out.extend_from_slice(&[0, 0, 0, 0, 0, 2, 0, 1, 0, 6]);
                out.extend_from_slice(&macs.1);
                out.extend_from_slice(&[0, 0]);
            }
        }
        out.extend_from_slice(ip);
        out
    }
}

/// Resolution of the times in a pcap file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Microseconds, magic `a1b2c3d4`.
    Microseconds,
    /// Nanoseconds, magic `a1b23c4d`.
    Nanoseconds,
}

/// One captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// The bytes, whole.
    pub bytes: Vec<u8>,
}

/// Frames on their way to a file.
#[derive(Debug, Clone)]
pub struct Capture {
    link: Link,
    frames: Vec<Frame>,
    snap_len: u32,
}

impl Capture {
    /// An empty capture.
    #[must_use]
    pub fn new(link: Link) -> Self {
        Self {
            link,
            frames: Vec::new(),
            snap_len: 262_144,
        }
    }

    /// Cuts every frame to this length in the file, as a capture with a short snap length does.
    #[must_use]
    pub fn with_snap_len(mut self, bytes: u32) -> Self {
        self.snap_len = bytes;
        self
    }

    /// The link layer.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// Adds a frame of any content.
    pub fn push(&mut self, at: u64, bytes: Vec<u8>) {
        self.frames.push(Frame { at, bytes });
    }

    /// Adds an IP packet in this capture's link layer.
    pub fn push_ip(&mut self, at: u64, ip: &[u8], source: IpAddr, to: IpAddr, vlans: &[u16]) {
        let bytes = self.link.frame(ip, (mac(to), mac(source)), vlans);
        self.push(at, bytes);
    }

    /// The frames in the order of the file: by time, then in the order added.
    #[must_use]
    pub fn frames(&self) -> Vec<&Frame> {
        let mut order: Vec<&Frame> = self.frames.iter().collect();
        order.sort_by_key(|frame| frame.at);
        order
    }

    /// Frames so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is no frame yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    fn cut<'a>(&self, frame: &'a Frame) -> &'a [u8] {
        &frame.bytes[..frame.bytes.len().min(self.snap_len as usize)]
    }

    /// The capture as a pcap file, little endian.
    #[must_use]
    pub fn pcap(&self, resolution: Resolution) -> Vec<u8> {
        let (magic, unit) = match resolution {
            Resolution::Microseconds => (0xa1b2_c3d4_u32, 1000),
            Resolution::Nanoseconds => (0xa1b2_3c4d_u32, 1),
        };
        let mut out = Vec::new();
        out.extend_from_slice(&magic.to_le_bytes());
        out.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&self.snap_len.to_le_bytes());
        out.extend_from_slice(&self.link.number().to_le_bytes());
        for frame in self.frames() {
            let bytes = self.cut(frame);
            let word = |n: u64| (n as u32).to_le_bytes();
            out.extend_from_slice(&word(frame.at / 1_000_000_000));
            out.extend_from_slice(&word(frame.at % 1_000_000_000 / unit));
            out.extend_from_slice(&word(bytes.len() as u64));
            out.extend_from_slice(&word(frame.bytes.len() as u64));
            out.extend_from_slice(bytes);
        }
        out
    }

    /// The capture as a pcapng file, little endian, one interface, times in nanoseconds.
    #[must_use]
    pub fn pcapng(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let padded = body.len().next_multiple_of(4);
            let len = (padded as u32 + 12).to_le_bytes();
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&len);
            out.extend_from_slice(body);
            out.resize(out.len() + padded - body.len(), 0);
            out.extend_from_slice(&len);
        };
        let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        section.extend_from_slice(&[1, 0, 0, 0]);
        section.extend_from_slice(&u64::MAX.to_le_bytes()); // section length not stated
        block(0x0a0d_0d0a, &section);
        let mut interface = (self.link.number() as u16).to_le_bytes().to_vec();
        interface.extend_from_slice(&[0, 0]);
        interface.extend_from_slice(&self.snap_len.to_le_bytes());
        // Option if_tsresol (9): 10^-9 s; then the end of options.
        interface.extend_from_slice(&[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        block(1, &interface);
        for frame in self.frames() {
            let bytes = self.cut(frame);
            let mut body = 0_u32.to_le_bytes().to_vec();
            for word in [
                (frame.at >> 32) as u32,
                frame.at as u32,
                bytes.len() as u32,
                frame.bytes.len() as u32,
            ] {
                body.extend_from_slice(&word.to_le_bytes());
            }
            body.extend_from_slice(bytes);
            block(6, &body);
        }
        out
    }
}

/// A locally administered MAC address for an IP address, the same every time.
fn mac(addr: IpAddr) -> [u8; 6] {
    let tail: [u8; 4] = match addr {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let o = v6.octets();
            [o[1], o[5], o[14], o[15]]
        }
    };
    [0x02, 0x1a, tail[0], tail[1], tail[2], tail[3]]
}
