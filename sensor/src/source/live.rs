//! Network interfaces, through libpcap. Frames are only ever read: nothing here can send one.

use std::time::{Duration, Instant};

use pcap::{Active, Capture, Linktype, Precision};
use reassembly::{LinkType, Packet, Timestamp};

use super::merge::{self, Merge, Next, Port};
use super::{Drops, Losses, Missing, PortLosses, Step};
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
    /// Names of the interfaces.
    pub(crate) interfaces: Vec<String>,
    /// Filter in the language of pcap-filter(7); empty takes everything.
    pub(crate) filter: String,
    /// Bytes kept of each frame.
    pub(crate) snaplen: u32,
    /// Bytes the kernel may hold for each interface.
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
    /// The same frames would come twice.
    #[error("{0}")]
    Twice(String),
    /// Anything else.
    #[error("cannot capture on {name}: {cause}")]
    Other { name: String, cause: String },
}

/// Interfaces that are being captured, as one source.
pub(crate) struct Live {
    taps: Vec<Tap>,
    /// Puts the frames of several in order; one by itself needs none of that.
    merge: Merge,
}

impl Live {
    /// Begins to capture.
    ///
    /// # Errors
    ///
    /// When an interface is missing, named twice or may not be captured, or the filter is wrong.
    pub(crate) fn open(settings: &LiveSettings) -> Result<Self, LiveError> {
        if let Some(why) = twice(&settings.interfaces) {
            return Err(LiveError::Twice(why));
        }
        let names = settings.interfaces.iter();
        let taps = names
            .map(|name| Tap::open(name, settings))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            merge: Merge::new(taps.len()),
            taps,
        })
    }

    /// The next frame, or that none came for a while.
    ///
    /// # Errors
    ///
    /// When the interface can no longer be read, as when it goes away. Of several, the others go on.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Step<'_>, LiveError> {
        if self.taps.len() == 1 {
            return self.taps[0].next();
        }
        match self.merge.next(&mut self.taps, merge::clock) {
            Next::Frame(at) => Ok(self.merge.frame(at).map_or(Step::Idle, Step::Packet)),
            Next::Nothing => {
                std::thread::sleep(NAP);
                Ok(Step::Idle)
            }
            Next::Lost(at, error) => {
                let left = (self.taps.iter().enumerate()).filter(|(at, _)| !self.merge.is_gone(*at));
                let left: Vec<&str> = left.map(|(_, tap)| tap.name.as_str()).collect();
                let goes_on = match left.is_empty() {
                    true => String::new(),
                    false => format!(
                        "; the capture goes on without {}, on {}",
                        self.taps[at].name,
                        left.join(", ")
                    ),
                };
                message::error(&format!("{error}{goes_on}"));
                Ok(Step::Idle)
            }
            Next::End => Ok(Step::End),
        }
    }

    /// A frame that was read before the capture was stopped and not given out yet.
    pub(crate) fn rest(&mut self) -> Option<Packet<'_>> {
        let at = self.merge.rest()?;
        self.merge.frame(at)
    }

    /// Whether one of several ended before the capture did, which was told then.
    pub(crate) fn has_lost_one(&self) -> bool {
        (0..self.taps.len()).any(|at| self.merge.is_gone(at))
    }

    /// The interfaces from which nothing comes. Usually there are none, which costs nothing.
    pub(crate) fn missing(&self) -> Vec<Missing> {
        let taps = self.taps.iter().enumerate();
        taps.filter(|(at, tap)| tap.down.is_some() || self.merge.is_gone(*at))
            .map(|(at, tap)| Missing {
                name: tap.name.clone(),
                gone: self.merge.is_gone(at),
            })
            .collect()
    }

    /// What was dropped so far.
    pub(crate) fn drops(&mut self) -> Losses {
        let mut losses = Losses::default();
        let several = self.taps.len() > 1;
        for (at, tap) in self.taps.iter_mut().enumerate() {
            let drops = tap.drops();
            losses.all.received += drops.received;
            losses.all.kernel += drops.kernel;
            losses.all.interface += drops.interface;
            if several {
                losses.each.push(PortLosses {
                    name: tap.name.clone(),
                    drops,
                    up: tap.down.is_none() && !self.merge.is_gone(at),
                });
            }
        }
        losses
    }
}

/// Why these interfaces cannot be captured together: frames would come twice.
pub(crate) fn twice(names: &[String]) -> Option<String> {
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Some(format!("the interface {name} is named twice; name it once"));
        }
    }
    let any = names.len() > 1 && names.iter().any(|name| name == "any");
    any.then(|| "`any` is all interfaces of this machine, so that others beside it would be captured twice; name `any` or the others".to_owned())
}

/// An interface that is being captured.
struct Tap {
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

impl Tap {
    fn open(name: &str, settings: &LiveSettings) -> Result<Self, LiveError> {
        let name = name.to_owned();
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
    #[inline]
    fn next(&mut self) -> Result<Step<'_>, LiveError> {
        let step = self.poll();
        if matches!(step, Ok(Step::Idle)) {
            std::thread::sleep(NAP);
        }
        step
    }
}

impl Port for Tap {
    #[inline]
    fn poll(&mut self) -> Result<Step<'_>, LiveError> {
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
                Ok(Step::Idle)
            }
            Err(pcap::Error::NoMorePackets) => Ok(Step::End),
            Err(cause) => Err(LiveError::Other {
                name: self.name.clone(),
                cause: plain(&cause),
            }),
        }
    }
}

impl Tap {
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
                    "{} is down, and nothing is captured on it until it is up: sudo ip link set {} up",
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

    /// What was dropped so far.
    fn drops(&mut self) -> Drops {
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
