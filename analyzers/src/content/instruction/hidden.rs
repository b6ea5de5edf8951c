//! Text that people do not see and programs read: letters of the tags block, zero-width signs as bits, comments and styles of HTML.
//!
//! Sources: Unicode 16 section 23.9 (tag characters); Boucher and Anderson, "Trojan Source" (2021), for bidirectional controls.

/// What was hidden.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) text: String,
    /// The way of hiding has no other use.
    pub(super) certain: bool,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Pieces read of one text.
const PIECES: usize = 32;

/// Bytes of one piece.
const PIECE: usize = 4096;

/// Everything hidden in a text.
pub(super) fn find(text: &str) -> Vec<Hidden> {
    let mut all = Vec::new();
    if !text.is_ascii() {
        tags(text, &mut all);
        unseen(text, &mut all);
    }
    if text.contains("<!--") || text.contains("style") || text.contains("hidden") {
        comments(text, &mut all);
        styles(text, &mut all);
    }
    all.truncate(PIECES);
    all
}

/// Letters of the tags block, which show nothing; flags of countries are made of a few of them behind a black flag.
fn tags(text: &str, all: &mut Vec<Hidden>) {
    let mut run = String::new();
    let mut from = 0;
    let mut flag = false;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match u32::from(letter) {
            0x1f3f4 => flag = true,
            code @ 0xe0020..=0xe007e => {
                if run.is_empty() {
                    from = at;
                }
                run.extend(char::from_u32(code - 0xe0000).filter(|_| run.len() < PIECE));
            }
            _ => {
                if run.len() > 8 || run.len() > 2 && !flag {
                    all.push(Hidden {
                        text: std::mem::take(&mut run),
                        certain: true,
                        from,
                        to: at,
                    });
                }
                run.clear();
                flag = false;
            }
        }
    }
}

/// Signs without width between the letters of words: their letters are put together again.
fn unseen(text: &str, all: &mut Vec<Hidden>) {
    let is_unseen = |c: char| matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Right-to-left languages and emoji have use for a few.
    let many = text.chars().filter(|c| is_unseen(*c)).take(16).count();
    if many < 4 {
        return;
    }
    let plain: String = text.chars().filter(|c| !is_unseen(*c)).take(PIECE).collect();
    all.push(Hidden {
        text: plain,
        certain: false,
        from: 0,
        to: text.len(),
    });
}

fn comments(text: &str, all: &mut Vec<Hidden>) {
    for (at, _) in text.match_indices("<!--").take(PIECES) {
        let rest = &text[at + 4..];
        let end = rest.find("-->").unwrap_or(rest.len());
        let end = (0..=end.min(PIECE))
            .rev()
            .find(|n| rest.is_char_boundary(*n))
            .unwrap_or(0);
        if end > 16 {
            all.push(Hidden {
                text: rest[..end].to_owned(),
                certain: false,
                from: at,
                to: at + 4 + end,
            });
        }
    }
}

/// Elements that a style or an attribute keeps from being seen.
fn styles(text: &str, all: &mut Vec<Hidden>) {
    const UNSEEN: [&str; 11] = [
        "display:none",
        "visibility:hidden",
        "font-size:0",
        "font-size:1px",
        "opacity:0",
        "color:white",
        "color:#fff",
        "color:transparent",
        "left:-9999",
        "text-indent:-9999",
        "clip:rect(0",
    ];
    for (at, _) in text.match_indices('<').take(4096) {
        let rest = &text[at..];
        let Some(end) = rest.bytes().take(512).position(|b| b == b'>') else {
            continue;
        };
        let element = &rest[..end];
        if !element.contains("style") && !element.contains("hidden") {
            continue;
        }
        let tight: String = element
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
            .to_lowercase();
        let hides = UNSEEN.iter().any(|s| {
            // `opacity:0.8` shows.
            let behind = tight
                .find(s)
                .map(|n| tight[n + s.len()..].chars().next().unwrap_or(' '));
            behind.is_some_and(|c| c != '.' && (!s.ends_with('0') || !c.is_ascii_digit()))
        }) || element.ends_with(" hidden")
            || element.contains("aria-hidden=\"true\"");
        if !hides {
            continue;
        }
        let inner = &rest[end + 1..];
        let stop = inner.find('<').unwrap_or(inner.len());
        let stop = (0..=stop.min(PIECE))
            .rev()
            .find(|n| inner.is_char_boundary(*n))
            .unwrap_or(0);
        if stop > 16 {
            all.push(Hidden {
                text: inner[..stop].to_owned(),
                certain: false,
                from: at,
                to: at + end + 1 + stop,
            });
        }
        if all.len() >= PIECES {
            return;
        }
    }
}
