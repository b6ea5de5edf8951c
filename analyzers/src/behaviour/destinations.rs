//! Where something may be sent: e-mail addresses, hosts of links, bank accounts and wallets, as they stand in bodies and arguments. Each
//! becomes a keyed hash; nothing else is kept of it.
//!
//! A bank account is a word of the form of an IBAN (ISO 13616: country, two check digits, up to thirty letters and digits); its check digits
//! are not asked for, since what matters is whether it is the same one again.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::id::Seed;
use crate::marks::Marks;

/// Destinations taken of one text.
const MOST: usize = 256;

/// Bytes of the authority of a link.
const AUTHORITY: usize = 256;

/// Letters and digits of the shortest account.
const ACCOUNT: usize = 14;

/// Bytes of one text that are looked at.
const SEARCHED: usize = 1 << 20;

/// What stands before a host. Made once: making a needle takes longer than most searches.
static SCHEME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"://"));
static ESCAPED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br":\/\/"));
static WWW: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"www."));

/// Letters, digits and signs of the name in an e-mail address, and of the name of a host.
fn in_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-')
}

fn in_host(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')
}

/// What no user, host or port of a link has.
fn ends_authority(b: &u8) -> bool {
    b.is_ascii_whitespace() || b"/?#\"'<>\\".contains(b)
}

/// Collects hashes of destinations.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    seed: Seed,
    found: &'a mut Vec<u64>,
}

impl<'a> Collector<'a> {
    /// `found` is emptied first.
    pub(super) fn new(seed: Seed, found: &'a mut Vec<u64>) -> Self {
        found.clear();
        Self { seed, found }
    }

    fn add(&mut self, sort: u8, value: &[u8]) {
        if self.found.len() >= MOST {
            return;
        }
        let mut text = [0u8; 128];
        let len = value.len().min(text.len() - 1);
        text[0] = sort;
        text[1..=len].copy_from_slice(&value[..len]);
        text[1..=len].make_ascii_lowercase();
        let hash = self.seed.hash(&text[..=len]);
        if !self.found.contains(&hash) {
            self.found.push(hash);
        }
    }

    /// The host of the authority that begins at the start of a text (RFC 3986 section 3.2); one without a dot, or that begins with
    /// one, is none.
    fn host(&mut self, text: &[u8]) {
        let authority = text
            .iter()
            .take(AUTHORITY)
            .take_while(|b| !ends_authority(b))
            .count();
        // Somebody's name and password may stand before it.
        let begin = memchr::memrchr(b'@', &text[..authority]).map_or(0, |at| at + 1);
        let text = &text[begin..authority];
        let len = text.iter().take_while(|b| in_host(**b)).count();
        let host = text[..len].trim_ascii_end();
        let host = host.strip_suffix(b".").unwrap_or(host);
        let bare = match host.get(..4) {
            Some(start) if start.eq_ignore_ascii_case(b"www.") => &host[4..],
            _ => host,
        };
        if bare.contains(&b'.') && bare.first().is_some_and(u8::is_ascii_alphanumeric) {
            self.add(b'h', bare);
        }
    }

    /// Takes what stands in a text: addresses and links. Accounts of a text are in its words.
    pub(super) fn text(&mut self, text: &[u8]) {
        let text = &text[..text.len().min(SEARCHED)];
        // Nothing of that sort is without a dot.
        if memchr::memchr(b'.', text).is_none() {
            return;
        }
        for at in memchr::memchr_iter(b'@', text) {
            let before = &text[at.saturating_sub(64)..at];
            if SCHEME
                .find_iter(before)
                .any(|link| !before[link + 3..].iter().any(ends_authority))
            {
                // Who uses a link, and not where a letter goes.
                continue;
            }
            let name = before.iter().rev().take_while(|b| in_name(**b)).count();
            let host = text[at + 1..]
                .iter()
                .take(128)
                .take_while(|b| in_host(**b))
                .count();
            let domain = text[at + 1..at + 1 + host]
                .strip_suffix(b".")
                .unwrap_or(&text[at + 1..at + 1 + host]);
            if name > 0 && domain.contains(&b'.') {
                self.add(b'e', &text[at - name..at + 1 + domain.len()]);
            }
        }
        for at in SCHEME.find_iter(text) {
            self.host(&text[at + 3..]);
        }
        // As JSON may have it.
        for at in ESCAPED.find_iter(text) {
            self.host(&text[at + 5..]);
        }
        for at in WWW.find_iter(text) {
            let before = at.checked_sub(1).map_or(b' ', |at| text[at]);
            if !in_host(before) && before != b'/' && before != b'@' {
                self.host(&text[at..]);
            }
        }
    }

    /// Takes the accounts among the words of a text.
    pub(super) fn words(&mut self, text: &[u8], marks: &Marks) {
        let mut at = 0;
        while let Some((start, end)) = marks.next_word_of(ACCOUNT, at) {
            at = end;
            if let Some(word) = text.get(start..end) {
                self.account(word);
            }
        }
    }

    /// Takes a value by itself, which may also be a host without anything before it.
    pub(super) fn value(&mut self, value: &[u8]) {
        // Most values are numbers and short words: addresses and hosts have a dot, and accounts are long.
        let dotted = memchr::memchr(b'.', value).is_some();
        if !dotted && value.len() < ACCOUNT {
            return;
        }
        if dotted {
            self.text(value);
        }
        for word in value.split(|b| !b.is_ascii_alphanumeric()) {
            self.account(word);
        }
        if !dotted {
            return;
        }
        let host = value.split(|b| *b == b'/').next().unwrap_or(value);
        let last = host.rsplit(|b| *b == b'.').next().unwrap_or(host);
        let is_host = host.len() >= 4
            && host.contains(&b'.')
            && host.iter().all(|b| in_host(*b))
            && last.len() >= 2
            && last.iter().all(u8::is_ascii_alphabetic);
        // `report.pdf` has the form of a host, and so have names of classes: one dot alone asks for something behind it, or for `www.`.
        let path = value.len() > host.len();
        if is_host && (path || host.iter().filter(|b| **b == b'.').count() >= 2) {
            self.host(host);
        }
    }

    fn account(&mut self, word: &[u8]) {
        if word.len() < ACCOUNT {
            return;
        }
        let iban = (ACCOUNT..=34).contains(&word.len())
            && word[..2].iter().all(u8::is_ascii_uppercase)
            && word[2..4].iter().all(u8::is_ascii_digit)
            && word.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        let wallet = match word {
            [b'0', b'x', rest @ ..] => rest.len() == 40 && rest.iter().all(u8::is_ascii_hexdigit),
            [b'b', b'c', b'1', rest @ ..] => {
                (25..=60).contains(&rest.len())
                    && rest.iter().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
            }
            _ => false,
        };
        if iban || wallet {
            self.add(b'a', word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, whole: bool) -> usize {
        let mut found = Vec::new();
        let mut collector = Collector::new(Seed::new(&[3; 32]), &mut found);
        match whole {
            true => collector.value(text.as_bytes()),
            false => {
                collector.text(text.as_bytes());
                let mut marks = Marks::default();
                marks.read(text.as_bytes());
                collector.words(text.as_bytes(), &marks);
            }
        }
        found.len()
    }

    #[test]
    fn destinations_are_read_wherever_they_stand() {
        for (text, count) in [
            ("write to ann.lee+x@mail.example.org.", 1),
            ("see https://a.example/x and http:\\/\\/b.example\\/y", 2),
            ("https://user:pw@c.example:8443/ is c", 1),
            ("www.one.example, www.ONE.example", 1),
            (
                r#"{"iban":"DE89370400440532013000","n":"12345678901234567890"}"#,
                1,
            ),
            ("0x52908400098527886E0F7030069857D2E4169EE7", 1),
            // The shortest there is.
            ("pay NO9386011117947 now", 1),
            ("a@b, https://localhost/, 1.5, v2.0", 0),
        ] {
            assert_eq!(of(text, false), count, "{text}");
        }
    }

    #[test]
    fn a_value_alone_may_be_a_host() {
        for (value, count) in [
            ("www.one.example", 1),
            ("one.example/path", 1),
            ("api.one.example", 1),
            ("report.pdf", 0),
            ("3.14", 0),
            ("GB29NWBK60161331926819", 1),
            ("e.g.", 0),
        ] {
            assert_eq!(of(value, true), count, "{value}");
        }
    }

    /// A name before a host is skipped once, however many there seem to be.
    #[test]
    fn names_before_hosts_without_end_are_read_in_one_go() {
        let text = format!("http://{}.example.org", "a@".repeat(500_000));
        assert!(of(&text, false) <= 1);
        assert!(of(&format!("://{}", "x.y@".repeat(250_000)), true) <= 2);
        assert_eq!(of("see https://one.example and a@mail.example", false), 2);
    }

    #[test]
    fn the_same_destination_is_the_same_however_it_is_written() {
        let hash = |text: &str| {
            let mut found = Vec::new();
            Collector::new(Seed::new(&[3; 32]), &mut found).value(text.as_bytes());
            found
        };
        assert_eq!(hash("https://WWW.One.example/a"), hash("one.example/b"));
        assert_ne!(hash("one.example/b"), hash("two.example/b"));
    }
}
