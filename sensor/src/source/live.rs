//! A network interface, through libpcap. Frames are only ever read: nothing here can send one.

use std::time::{Duration, Instant};

use pcap::{Active, Capture, Linktype, Precision};
use reassembly::{LinkType, Packet, Timestamp};

use super::{Drops, Step};
use crate::message;

/// How long the kernel may keep frames back before it hands them over.
const HAND_OVER: Duration = Duration::from_millis(20);
/// How long to sleep when there are no frames. libpcap itself would wait for the next frame however long that
/// takes, and through signals, so that a quiet interface could not be left. Ten gigabits a second fill six
/// megabytes in this time.
const NAP: Duration = Duration::from_millis(5);
/// How often it is looked whether an interface without frames is up.
const LOOK: Duration = Duration::from_secs(1);

/// What to capture, and how.
#[derive(Debug, Clone)]
pub(crate) struct LiveSettings {
    /// Interface name.
    pub(crate) interface: String,
    /// Filter in the language of pcap-filter(7); empty takes everything.
    pub(crate) filter: String,
    /// Bytes kept of each frame.
    pub(crate) snaplen: u32,
    /// Bytes the kernel may hold.
    pub(crate) buffer: u64,
    /// Whether to take frames meant for others.
    pub(crate) promiscuous: bool,
}

/// Why an interface could not be captured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    /// No such interface.
    #[error("there is no interface {name}; this machine has {known}")]
    Missing { name: String, known: String },
    /// Not allowed.
    #[error(
        "not allowed to capture on {name}; run as root, or allow the program once: sudo setcap cap_net_raw+ep {program}"
    )]
    NotAllowed { name: String, program: String },
    /// The filter is wrong.
    #[error("the filter `{filter}` is not right: {cause}; its language is described in pcap-filter(7)")]
    Filter { filter: String, cause: String },
    /// Anything else.
    #[error("cannot capture on {name}: {cause}")]
    Other { name: String, cause: String },
}

/// An interface that is being captured.
pub(crate) struct Live {
    name: String,
    capture: Capture<Active>,
    link: LinkType,
    nanoseconds: bool,
    drops: Drops,
    /// When it was last looked whether the interface is up.
    looked: Instant,
    /// No frame came the last time.
    idle: bool,
    /// Since when it is down.
    down: Option<Instant>,
    /// libpcap counts in 32 bits; the last reading tells by how much to go on.
    last: (u32, u32, u32),
}

impl Live {
    /// Begins to capture.
    ///
    /// # Errors
    ///
    /// When the interface is missing, may not be captured, or the filter is wrong.
    pub(crate) fn open(settings: &LiveSettings) -> Result<Self, LiveError> {
        let name = settings.interface.clone();
        let open = |precision: Precision| {
            Capture::from_device(name.as_str())?
                .promisc(settings.promiscuous)
                .snaplen(i32::try_from(settings.snaplen).unwrap_or(i32::MAX))
                .buffer_size(i32::try_from(settings.buffer).unwrap_or(i32::MAX))
                .timeout(i32::try_from(HAND_OVER.as_millis()).unwrap_or(100))
                .precision(precision)
                .open()?
                .setnonblock()
        };
        let (mut capture, nanoseconds) = match open(Precision::Nano) {
            Ok(capture) => (capture, true),
            // Some interfaces stamp no finer than microseconds; what else is wrong shows again.
            Err(_) => match open(Precision::Micro) {
                Ok(capture) => (capture, false),
                Err(cause) => return Err(why_not(&name, &cause)),
            },
        };
        if !settings.filter.is_empty() {
            capture
                .filter(&settings.filter, true)
                .map_err(|cause| LiveError::Filter {
                    filter: settings.filter.clone(),
                    cause: plain(&cause),
                })?;
        }
        let link = LinkType(u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX));
        Ok(Self {
            name,
            capture,
            // libpcap's own number for raw IP differs from the one of the file formats.
            link: if link == LinkType(12) { LinkType::RAW } else { link },
            nanoseconds,
            drops: Drops::default(),
            looked: Instant::now(),
            idle: false,
            down: None,
            last: (0, 0, 0),
        })
    }

    /// The next frame, or that none came for a while.
    ///
    /// # Errors
    ///
    /// When the interface can no longer be read, as when it goes away.
    pub(crate) fn next(&mut self) -> Result<Step<'_>, LiveError> {
        let unit = if self.nanoseconds { 1 } else { 1000 };
        if self.idle || self.down.is_some() {
            self.idle = false;
            self.look();
        }
        match self.capture.next_packet() {
            Ok(packet) => {
                let header = packet.header;
                let seconds = u64::try_from(header.ts.tv_sec).unwrap_or(0);
                let fraction = u64::try_from(header.ts.tv_usec).unwrap_or(0);
                Ok(Step::Packet(Packet {
                    ts: Timestamp(seconds * 1_000_000_000 + fraction * unit),
                    link: self.link,
                    data: packet.data,
                    wire_len: header.len,
                    frame: 0,
                }))
            }
            Err(pcap::Error::TimeoutExpired) => {
                self.idle = true;
                std::thread::sleep(NAP);
                Ok(Step::Idle)
            }
            Err(pcap::Error::NoMorePackets) => Ok(Step::End),
            Err(cause) => Err(LiveError::Other {
                name: self.name.clone(),
                cause: plain(&cause),
            }),
        }
    }

    /// Says when the interface goes down, and when it is up again: libpcap waits for that without a word.
    fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let up = is_up(&self.name);
        match self.down {
            None if up == Some(false) => {
                self.down = Some(self.looked);
                message::warn(&format!(
                    "{} is down, and nothing is captured until it is up: sudo ip link set {} up",
                    self.name, self.name
                ));
            }
            Some(since) if up == Some(true) => {
                self.down = None;
                message::warn(&format!(
                    "{} is up again after {} s, of which nothing was seen",
                    self.name,
                    since.elapsed().as_secs()
                ));
            }
            _ => {}
        }
    }

    /// The name of the interface, while it is down.
    pub(crate) fn down(&self) -> Option<&str> {
        self.down.map(|_| self.name.as_str())
    }

    /// What was dropped so far.
    pub(crate) fn drops(&mut self) -> Drops {
        if let Ok(stat) = self.capture.stats() {
            let grow = |total: &mut u64, last: &mut u32, seen: u32| {
                *total += u64::from(seen.wrapping_sub(*last));
                *last = seen;
            };
            grow(&mut self.drops.received, &mut self.last.0, stat.received);
            grow(&mut self.drops.kernel, &mut self.last.1, stat.dropped);
            grow(&mut self.drops.interface, &mut self.last.2, stat.if_dropped);
        }
        self.drops
    }
}

/// What is wrong with a filter, as far as that can be told without an interface.
pub(crate) fn wrong_in_filter(filter: &str) -> Option<String> {
    // What a filter may say depends on what the interface puts before packets: Ethernet mostly, else a cooked header (`any`), plain IP or
    // Wi-Fi.
    let kinds = [
        Linktype::ETHERNET,
        Linktype::LINUX_SLL2,
        Linktype(12),
        Linktype::IEEE802_11_RADIOTAP,
    ];
    let mut wrong = None;
    for kind in kinds {
        match Capture::dead(kind).and_then(|dead| dead.compile(filter, true).map(drop)) {
            Ok(()) => return None,
            Err(cause) => {
                wrong.get_or_insert(cause);
            }
        }
    }
    wrong.map(|cause| {
        format!(
            "is not a filter: {}; its language is described in pcap-filter(7)",
            plain(&cause)
        )
    })
}

/// Whether an interface is up; nothing when that cannot be told, as of `any`.
fn is_up(name: &str) -> Option<bool> {
    let flags = std::fs::read_to_string(format!("/sys/class/net/{name}/flags")).ok()?;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).ok()?;
    // IFF_UP of netdevice(7).
    Some(flags & 1 == 1)
}

/// Names of the interfaces of this machine, sorted.
pub(crate) fn interfaces() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir("/sys/class/net")
        .map(|entries| {
            entries
                .filter_map(Result::ok)
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    if names.is_empty() {
        names = pcap::Device::list()
            .unwrap_or_default()
            .into_iter()
            .map(|d| d.name)
            .collect();
    }
    names.sort();
    names
}

fn why_not(name: &str, cause: &pcap::Error) -> LiveError {
    let text = plain(cause);
    let known = interfaces();
    let lower = text.to_ascii_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") || lower.contains("cap_net") {
        return LiveError::NotAllowed {
            name: name.into(),
            program: std::env::current_exe().map_or("tapline".into(), |p| p.display().to_string()),
        };
    }
    if name != "any" && !known.iter().any(|k| k == name) {
        let known = if known.is_empty() {
            "none that can be seen".into()
        } else {
            known.join(", ")
        };
        return LiveError::Missing {
            name: name.into(),
            known,
        };
    }
    LiveError::Other {
        name: name.into(),
        cause: text,
    }
}

fn plain(cause: &pcap::Error) -> String {
    match cause {
        pcap::Error::PcapError(text) => text.trim_end_matches(['.', '\n']).to_owned(),
        other => other.to_string(),
    }
}
