//! The funnel: packets → flows → exchanges → endpoints, and what was lost on the way, by cause.

use super::page::{Look, Page, bytes, thousands, wrap};
use crate::pipeline::{Run, Stopped};
use crate::source::Drops;

/// Counters that tell of size or of work, not of loss.
const NO_LOSS: &[&str] = &[
    "packets",
    "packet_bytes",
    "tcp_packets",
    "udp_packets",
    "flows",
    "http_flows",
    "http2_flows",
    "proxied_flows",
    "tls_decrypted",
    "payload_bytes",
    "retransmitted_bytes",
    "uncompared_bytes",
    "refused_bytes",
    "reordered",
    "checksums_checked",
    "checksums_unfilled",
    "exchanges",
    "parts",
];

/// What each stage gave, and what it lost, in words.
pub(super) struct Funnel {
    stages: Vec<(&'static str, u64, String, Vec<String>)>,
    /// That the run ended before its input did.
    stopped: Option<String>,
}

impl Funnel {
    /// From a run and what the analysis gave up at its limits; `endpoints` is left out of the short form.
    pub(super) fn new(run: &Run, endpoints: Option<u64>, given_up: &[(&'static str, u64)]) -> Self {
        let counters = &run.counters;
        let mut losses: [Vec<String>; 3] = Default::default();
        if let Some(drops) = &run.drops {
            let mut tell = |drops: &Drops, on: &str| {
                for (count, text) in [
                    (drops.kernel, format!("dropped by the kernel (buffer full){on}")),
                    (drops.interface, format!("dropped by the interface{on}")),
                ] {
                    if count > 0 {
                        losses[0].push(counted(count, &text));
                    }
                }
            };
            match &drops.each[..] {
                [] => tell(&drops.all, ""),
                each => each
                    .iter()
                    .for_each(|port| tell(&port.drops, &format!(" on {}", port.name))),
            }
        }
        // Counters come in the order of the funnel, each stage's own count first.
        let mut stage = 0;
        for (name, text, value) in counters.named() {
            stage = match name {
                "flows" => 1,
                "exchanges" => 2,
                _ => stage,
            };
            if value > 0 && !NO_LOSS.contains(&name) {
                losses[stage].push(counted(value, text));
            }
        }
        if run.incomplete > 0 {
            losses[2].push(counted(run.incomplete, "messages whose end was not seen"));
        }
        let [packets, flows, exchanges] = losses;
        let mut stages = vec![
            ("packets", counters.packets, bytes(counters.packet_bytes), packets),
            (
                "TCP flows",
                counters.flows,
                format!("{} with HTTP", thousands(counters.http_flows)),
                flows,
            ),
            (
                "exchanges",
                counters.exchanges,
                format!("{} of payload in order", bytes(counters.payload_bytes)),
                exchanges,
            ),
        ];
        let lost: Vec<String> = given_up
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| counted(*count, &in_words(name)))
            // What reassembly told already is not lost a second time.
            .filter(|text| !stages.iter().any(|(.., lost)| lost.contains(text)))
            .collect();
        match (endpoints, stages.last_mut()) {
            (Some(endpoints), _) => stages.push(("endpoints", endpoints, String::new(), lost)),
            (None, Some((.., of_exchanges))) => of_exchanges.extend(lost),
            (None, None) => {}
        }
        let stopped = run.stopped.as_ref().map(|s| stopped(run, s));
        Self { stages, stopped }
    }

    /// One line for standard error.
    pub(super) fn line(&self) -> String {
        let counts: Vec<String> = self
            .stages
            .iter()
            .map(|(name, count, ..)| counted(*count, name))
            .collect();
        let lost: Vec<&str> = self
            .stages
            .iter()
            .flat_map(|(.., lost)| lost)
            .map(String::as_str)
            .collect();
        let lost = if !lost.is_empty() {
            lost.join(", ")
        } else if self.stages.first().is_some_and(|(_, packets, ..)| *packets == 0) {
            "no packets".into()
        } else {
            "nothing lost".into()
        };
        let line = format!("{} ({lost})", counts.join(" → "));
        match &self.stopped {
            Some(stopped) => format!("{line}; {stopped}"),
            None => line,
        }
    }

    /// The picture.
    pub(super) fn draw(&self, page: &mut Page) {
        let number = self
            .stages
            .iter()
            .map(|(_, count, ..)| thousands(*count).len())
            .max()
            .unwrap_or(0)
            .max(9);
        for (i, (name, count, note, lost)) in self.stages.iter().enumerate() {
            let arrow = if i == 0 { "  " } else { "▼ " };
            page.text(Look::Dim, &format!("  {arrow}"));
            page.text(Look::Plain, &format!("{name:<10}"));
            page.text(Look::Bold, &format!("{:>number$}", thousands(*count)));
            page.text(Look::Dim, &format!("  {note}"));
            page.newline();
            let indent = 4 + 10 + number + 2;
            let room = page.width.saturating_sub(indent + 2).max(20);
            for (j, line) in wrap(&lost.join(" · "), room).iter().enumerate() {
                page.text(
                    Look::Dim,
                    if i + 1 < self.stages.len() {
                        "  │ "
                    } else {
                        "    "
                    },
                );
                page.text(Look::Plain, &" ".repeat(indent - 4));
                page.text(Look::Yellow, if j == 0 { "– " } else { "  " });
                page.line(Look::Yellow, line);
            }
        }
    }
}

/// How far the run came before a signal stopped it.
pub(super) fn stopped(run: &Run, stopped: &Stopped) -> String {
    let read = stopped.bytes.map_or(String::new(), |(read, all)| {
        format!(", {} of {} bytes", thousands(read), thousands(all))
    });
    let packets = counted(run.counters.packets, "packets");
    format!(
        "stopped by {} after {packets}{read}; what comes after them was not read",
        stopped.signal
    )
}

/// What the analysis gave up, as people say it, after a number.
fn in_words(name: &str) -> String {
    match name {
        "requests_cut_before_a_credential" => "requests lost where a credential may have been".to_owned(),
        "endpoints_refused" => "unproven endpoints not taken (the host has too many)".to_owned(),
        "bodies_unreadable" => "bodies that are not what their type says".to_owned(),
        "fields_given_up" => {
            "fields of bodies given up, or names taken for data (there are too many)".to_owned()
        }
        name => match name.strip_suffix("_evicted") {
            Some(what) => format!("{what} given up at the limit"),
            None => name.replace('_', " "),
        },
    }
}

/// A count and what it counts; one is not several. The noun comes first, or behind an abbreviation (`TCP segments`).
fn counted(count: u64, text: &str) -> String {
    let noun = text
        .split(' ')
        .find(|word| word.starts_with(|c: char| c.is_lowercase()));
    let one = match noun {
        Some("bodies") => Some("body"),
        Some(plural) => plural.strip_suffix('s'),
        None => None,
    };
    let text = match (count, noun, one) {
        (1, Some(noun), Some(one)) => text.replacen(noun, one, 1),
        _ => text.to_owned(),
    };
    format!("{} {text}", thousands(count))
}
