//! Which revision of MCP is spoken.
//!
//! A revision is named by its day, and newer ones have such names too, so the name is kept and not a list of those that are known.
//! What names none is told by its form: a stream that begins with the event `endpoint` is that of 2024-11-05, a session without
//! the field `MCP-Protocol-Version` counts as 2025-03-26 (Streamable HTTP, "Protocol Version Header"), the field `Mcp-Method` came
//! with 2026-07-28.

use serde::{Deserialize, Serialize};

/// The name of a revision, `2025-06-18`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Revision {
    year: u16,
    month: u8,
    day: u8,
}

impl Serialize for Revision {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.year, self.month, self.day).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a revision"))
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Revision {
    /// The first: HTTP with server-sent events, two paths.
    pub(crate) const HTTP_SSE: Self = Self::new(2024, 11, 5);
    /// Streamable HTTP, sessions, batches.
    pub(crate) const STREAMABLE: Self = Self::new(2025, 3, 26);
    /// Without sessions, with methods and names in fields.
    pub(crate) const STATELESS: Self = Self::new(2026, 7, 28);

    const fn new(year: u16, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// Reads a name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bytes = text.as_bytes();
        let form = bytes.len() == 10
            && bytes.iter().enumerate().all(|(at, b)| match at {
                4 | 7 => *b == b'-',
                _ => b.is_ascii_digit(),
            });
        if !form {
            return None;
        }
        let found = Self::new(
            text[..4].parse().ok()?,
            text[5..7].parse().ok()?,
            text[8..].parse().ok()?,
        );
        let real = found.year >= 2024 && (1..=12).contains(&found.month) && (1..=31).contains(&found.day);
        real.then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_days() {
        for name in [
            "2024-11-05",
            "2025-03-26",
            "2025-06-18",
            "2025-11-25",
            "2026-07-28",
            "2031-01-01",
        ] {
            assert_eq!(Revision::parse(name).unwrap().to_string(), name);
        }
        for other in [
            "",
            "2025",
            "2025-13-01",
            "2025-06-1x",
            "DRAFT-2025",
            "2025-06-00",
            "1999-01-01",
            "２025-6-18",
        ] {
            assert_eq!(Revision::parse(other), None, "{other}");
        }
        assert!(Revision::HTTP_SSE < Revision::STREAMABLE && Revision::STREAMABLE < Revision::STATELESS);
    }
}
