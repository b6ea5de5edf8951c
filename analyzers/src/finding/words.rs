//! What the explanations of all kinds have in common: who, where, how many, how long.
//!
//! An explanation is made when a finding is given out, from the finding's own fields and from nothing else, so
//! its numbers are those of the record that it stands in.

use serde_json::Value;

use super::{Finding, Resource};
use crate::identity::{BY_ADDRESS, PrincipalKind};
use crate::inventory::DataClass;

/// `1 call`, `2 calls`.
pub(crate) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A length of time in the two largest units that it has: `45 s`, `3 min 47 s`, `1 h 42 min`, `2 d 3 h`.
pub(crate) fn span(seconds: u64) -> String {
    let (large, small, units) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, seconds % 60, ("min", "s")),
        3_600..86_400 => (seconds / 3_600, seconds % 3_600 / 60, ("h", "min")),
        _ => (seconds / 86_400, seconds % 86_400 / 3_600, ("d", "h")),
    };
    match small {
        0 => format!("{large} {}", units.0),
        _ => format!("{large} {} {small} {}", units.0, units.1),
    }
}

/// The text with its first letter in upper case, as a sentence begins.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// What a data class is called, by its name in records.
pub(crate) fn class_title(name: &str) -> &'static str {
    let class = DataClass::ALL.iter().find(|c| c.name() == name);
    class.map_or("personal data", |c| c.title())
}

/// A number of bytes as people say it.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

/// The share as a whole percentage.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

impl Finding {
    /// The caller: its kind, and its name or its id.
    pub(crate) fn who(&self) -> String {
        let Some(principal) = &self.principal else {
            return "somebody".to_owned();
        };
        let kind = match principal.kind {
            PrincipalKind::AiAgent => "AI agent",
            PrincipalKind::Service => "service",
            PrincipalKind::Human => "person",
            PrincipalKind::Unknown => "client",
        };
        let name = principal.name.as_ref().unwrap_or(&principal.id);
        match self.evidence.last() {
            // Without a credential the address says more than the name of a program.
            Some(last) if principal.evidence.first().is_some_and(|e| e == BY_ADDRESS) => {
                format!("{kind} {name} at {}", without_port(&last.client))
            }
            _ => format!("{kind} {name}"),
        }
    }

    /// `GET api.example/orders/{int}`, or the host alone.
    pub(crate) fn place(&self) -> String {
        self.resource.place()
    }

    /// The host of the resource.
    pub(crate) fn host(&self) -> &str {
        self.resource.host.as_deref().unwrap_or("")
    }

    /// A whole number seen.
    pub(crate) fn observed_number(&self, name: &str) -> u64 {
        self.observed.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// A word seen.
    pub(crate) fn observed_text(&self, name: &str) -> &str {
        self.observed.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether something was so.
    pub(crate) fn observed_flag(&self, name: &str) -> bool {
        self.observed.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Words seen.
    pub(crate) fn observed_list(&self, name: &str) -> Vec<&str> {
        let list = self.observed.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The status of the deciding answer, in words.
    pub(crate) fn answer(&self) -> String {
        match self.observed_number("status") {
            0 => "was not seen to answer".to_owned(),
            status => format!("answered {status}"),
        }
    }

    /// Seconds from the first exchange concerned to the last.
    pub(crate) fn seconds(&self) -> u64 {
        self.last_seen.saturating_sub(self.first_seen) / 1_000_000_000
    }
}

impl Resource {
    fn place(&self) -> String {
        let host = self.host.as_deref().unwrap_or("");
        let path = self.template.as_deref().unwrap_or("");
        match &self.method {
            Some(method) => format!("{method} {host}{path}"),
            None => format!("{host}{path}"),
        }
    }
}

fn without_port(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(ip, _)| ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_read_as_people_say_them() {
        assert_eq!(many(1, "call", "calls"), "1 call");
        assert_eq!(many(0, "call", "calls"), "0 calls");
        let spans = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (227, "3 min 47 s"),
            (6_141, "1 h 42 min"),
            (86_400, "1 d"),
            (180_000, "2 d 2 h"),
        ];
        for (seconds, words) in spans {
            assert_eq!(span(seconds), words);
        }
        assert_eq!(sentence("service erp"), "Service erp");
        assert_eq!(sentence(""), "");
        assert_eq!(without_port("[2001:db8::1]:80"), "[2001:db8::1]");
    }
}
