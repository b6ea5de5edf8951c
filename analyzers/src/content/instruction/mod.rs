//! Instructions in a text: how much of it speaks to the program that reads it, and wants something done.
//!
//! A text for people tells, describes, and at times asks them for something. A text that is to take an agent over has to do more: it
//! speaks to a program or of "the user", puts aside what was said before or claims to come first, asks for a deed with a target,
//! wants it done in silence or as agreed, takes the form of a message of the system, or hides. None of that decides alone. Each is a
//! feature with a weight, and the best run of a few sentences counts; what stands in quotation marks beside words about
//! attacks is told about and not told.

mod hidden;
mod lexicon;
mod marks;

#[cfg(test)]
mod corpus;

use std::borrow::Cow;

use lexicon::*;

/// Bytes of one text looked at.
const TEXT: usize = 48 * 1024;

/// Sentences that are weighed together.
const WINDOW: usize = 5;

/// Words of one sentence looked at.
const WORDS: usize = 80;

/// From this on a text is told about.
pub(super) const STRONG: u16 = 46;

/// From this on it is noted.
pub(super) const WEAK: u16 = 34;

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// A field that holds a label or a short value: subject, name, title.
    Label,
    /// Anything else.
    Text,
}

/// What speaks for an instruction, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Features(u32);

macro_rules! features {
    ($($name:ident = $bit:expr, $weight:expr, $text:expr;)*) => {
        impl Features { $(const $name: Self = Self(1 << $bit);)* }
        /// Weight in tenths, and the name in records.
        const FEATURES: &[(Features, u16, &str)] = &[$((Features::$name, $weight, $text)),*];
    };
}

features! {
    OVERRIDE = 0, 34, "override";
    MARKER = 1, 30, "role_marker";
    ADDRESSED = 2, 32, "addressed_to_model";
    FIRST = 3, 22, "comes_first";
    DIRECTIVE = 4, 16, "new_directive";
    DEED = 5, 14, "deed";
    TARGET = 6, 10, "target";
    SECRECY = 7, 22, "secrecy";
    CONSENTED = 8, 18, "claimed_consent";
    PRESSED = 9, 3, "urgency";
    HAUL = 10, 18, "asks_for_data";
    USER = 11, 12, "speaks_of_user";
    FOREIGN = 12, 14, "foreign_body";
    HIDDEN = 13, 34, "hidden";
    LINK = 14, 40, "link_with_data";
    CODED = 15, 22, "coded";
    MEANWHILE = 16, 16, "in_passing";
    TASKED = 17, 12, "task_note";
    TAGGED = 18, 18, "framed";
    AUTHOR = 19, 10, "authority";
    FREEDOM = 20, 14, "free_hand";
    TEMPLATE = 21, 42, "chat_template";
}

impl Features {
    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What a text with this feature does, in words.
    pub(super) fn in_words(name: &str) -> &str {
        match name {
            "override" => "puts aside what was said before",
            "role_marker" => "takes the form of a message of the system",
            "addressed_to_model" => "speaks to a program",
            "comes_first" => "claims to come first",
            "new_directive" => "gives new orders",
            "deed" => "asks for a deed",
            "target" => "names a target",
            "secrecy" => "wants nobody told or asked",
            "claimed_consent" => "says that it is agreed already",
            "urgency" => "presses",
            "asks_for_data" => "asks for data of others",
            "speaks_of_user" => "speaks of the user",
            "foreign_body" => "stands where a value belongs",
            "hidden" => "is hidden from people",
            "link_with_data" => "has a link that carries data out",
            "coded" => "asks for something to be decoded",
            "in_passing" => "wants it done in passing",
            "task_note" => "is put as a task",
            "framed" => "is framed as an order",
            "authority" => "claims authority",
            "chat_template" => "has the marks of a chat's template",
            _ => "leaves details to the reader",
        }
    }

    fn weight(self) -> u16 {
        FEATURES
            .iter()
            .filter(|(f, ..)| self.has(*f))
            .map(|(_, weight, _)| weight)
            .sum()
    }

    /// The names of all, in the order of the table.
    pub(super) fn names(self) -> Vec<&'static str> {
        FEATURES
            .iter()
            .filter(|(f, ..)| self.has(*f))
            .map(|(.., name)| *name)
            .collect()
    }
}

/// What a text comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Sum of the weights, in tenths.
    pub(super) score: u16,
    pub(super) features: Features,
    /// It is told about, in quotes or as an example.
    pub(super) quoted: bool,
    /// Where the sentences are that count.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Judgement {
    /// An instruction, and not one that is only told about.
    pub(super) fn is_strong(&self) -> bool {
        self.score >= STRONG && !self.quoted
    }
}

/// A sentence.
#[derive(Debug, Clone, Default)]
struct Sentence {
    from: usize,
    to: usize,
    features: Features,
    /// Of these, those that stand in quotation marks.
    within: Features,
    teaches: u8,
}

/// What an instruction needs at the least; a text without any of it is none.
fn may_be(sorts: u32, text: &str) -> bool {
    let act = sorts & (SEND | ACT) != 0;
    let aim = sorts & (IGNORE | MODEL | PERSON | CONSENT | TELL | SECRET) != 0;
    act && (aim || text.contains("://") || text.contains('@') || text.contains("TODO"))
        || sorts & IGNORE != 0 && sorts & ORDER != 0
        || sorts & MODEL != 0
}

/// Judges a text.
pub(super) fn judge(text: &str, setting: Setting) -> Judgement {
    let text = match text.char_indices().find(|(at, _)| *at >= TEXT) {
        Some((at, _)) => &text[..at],
        None => text,
    };
    let mut best = Judgement::default();
    // What is hidden is read for itself, and counts as hidden.
    for hidden in hidden::find(text) {
        let inner = weigh(&hidden.text, Setting::Text);
        let mut features = inner.features;
        if hidden.certain || features.weight() >= 14 {
            features.add(Features::HIDDEN);
        }
        let score = features.weight();
        if score > best.score {
            best = Judgement {
                score,
                features,
                // An article on attacks shows how it is done.
                quoted: !hidden.certain && teaches_around(text, hidden.from, hidden.to),
                from: hidden.from,
                to: hidden.to,
            };
        }
    }
    let open = weigh(text, setting);
    if open.score > best.score && !(open.quoted && best.is_strong()) {
        best = open;
    }
    best
}

/// Whether the words before and behind a place speak about attacks.
fn teaches_around(text: &str, from: usize, to: usize) -> bool {
    let near = |at: usize, back: bool| {
        let end = if back {
            at.saturating_sub(160)
        } else {
            (at + 160).min(text.len())
        };
        let (start, end) = if back { (end, at) } else { (at, end) };
        let inside = |n: &usize| text.is_char_boundary(*n);
        let start = (start..=end).find(inside).unwrap_or(end);
        let end = (start..=end).rev().find(inside).unwrap_or(start);
        let low = text[start..end].to_lowercase();
        words(&low, &mut None)
            .iter()
            .filter(|w| w.sorts & TEACH != 0)
            .count()
    };
    near(from.min(text.len()), true) + near(to.min(text.len()), false) >= 1
}

fn weigh(text: &str, setting: Setting) -> Judgement {
    let sentences = sentences(text, setting);
    let mut best = Judgement::default();
    for at in 0..sentences.len() {
        if sentences[at].features == Features::default() {
            continue;
        }
        let mut features = Features::default();
        let mut within = Features::default();
        let mut end = at;
        for (n, sentence) in sentences[at..].iter().take(WINDOW).enumerate() {
            if sentence.features == Features::default() && n > 0 {
                continue;
            }
            // Far apart they are of another matter.
            if sentence.from > sentences[end].to + 240 {
                break;
            }
            features.add(sentence.features);
            within.add(sentence.within);
            end = at + n;
        }
        // A word on attacks before or behind, and it is an example.
        let near = sentences[at.saturating_sub(2)..sentences.len().min(end + 3)].iter();
        let teaches: u32 = near.map(|s| u32::from(s.teaches)).sum();
        let mut score = features.weight();
        let mut quoted = false;
        if teaches > 0 && score > 0 {
            let bare = features.without(within).weight();
            quoted = bare < STRONG && (within != Features::default() || teaches >= 2)
                || teaches >= 3 && bare < STRONG + 30;
        } else if within != Features::default() && features.without(within).weight() < WEAK {
            // In quotes without a word on attacks: half of it.
            score = score * 2 / 3;
        }
        let order = |score: u16, quoted: bool| (score >= STRONG && !quoted, score);
        if order(score, quoted) > order(best.score, best.quoted) {
            best = Judgement {
                score,
                features,
                quoted,
                from: sentences[at].from,
                to: sentences[end].to,
            };
        }
    }
    best
}

/// A word and what it is.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    sorts: u32,
    /// It stands in quotation marks.
    within: bool,
}

/// The sentences of a text that have anything to say.
fn sentences(text: &str, setting: Setting) -> Vec<Sentence> {
    let parted = parted(text);
    let text = &*parted;
    let lower = text.to_lowercase();
    // Letters whose lower case is longer are rare; places are then near enough.
    let low = lower.as_str();
    let mut all = Vec::new();
    let mut within = None;
    let mut from = 0;
    let mut open = 0;
    for to in ends(low) {
        let piece = &low[from..to];
        let raw = text.get(from..to).unwrap_or(piece);
        // A quotation is no longer than a few sentences, and ends with its paragraph.
        open = if within.is_some() { open + 1 } else { 0 };
        if open > 3 || piece.starts_with('\n') || low[..from].ends_with('\n') {
            within = None;
        }
        if let Some(sentence) = sentence(piece, raw, from, &mut within, setting) {
            all.push(sentence);
        }
        from = to;
        if all.len() > 2048 {
            break;
        }
    }
    all
}

/// `External_Ignore` is two words: what was put behind a name is read as what it is.
fn parted(text: &str) -> Cow<'_, str> {
    if !text.contains('_') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let joint =
            letter == '_' && before.is_alphanumeric() && letters.peek().is_some_and(|c| c.is_uppercase());
        out.push(if joint && !before.is_uppercase() {
            ' '
        } else {
            letter
        });
        before = letter;
    }
    out.into()
}

/// The name of a `name: value` line, and the value without the quote that YAML puts around it.
fn unkeyed(low: &str) -> (Option<&str>, &str) {
    let line = low.trim_start_matches(|c: char| c.is_whitespace() || c == '-');
    let length = line
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    if length == 0 || length > 24 {
        return (None, low);
    }
    match line[length..].strip_prefix(": ") {
        Some(value)
            if sorts(&line[..length]) & (MODEL | AUTHORITY | URGENT | ORDER | TASK) == 0
                && !matches!(
                    &line[..length],
                    "todo" | "note" | "ps" | "reminder" | "remember" | "step"
                ) =>
        {
            let value = value.trim_start();
            (
                Some(&line[..length]),
                value.strip_prefix(['\'', '"']).unwrap_or(value),
            )
        }
        _ => (None, low),
    }
}

/// Where sentences end: behind `.`, `!`, `?` and a space, at an empty line, before an item of a list or a headline. A line that is
/// only folded goes on.
fn ends(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut ends = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        let end = match bytes[at] {
            b'.' | b'!' | b'?' => {
                next.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b')'))
                    && at - from > 4
            }
            b'\n' => {
                let rest = &bytes[at + 1..];
                let skip = rest.iter().take_while(|b| matches!(**b, b' ' | b'\t')).count();
                match rest.get(skip) {
                    None | Some(b'\n' | b'-' | b'*' | b'#' | b'<' | b'>' | b'|' | b'[' | b'0'..=b'9') => true,
                    // `key: value` on a line of its own.
                    Some(_) => {
                        let line = &rest[skip..rest.len().min(skip + 32)];
                        let word = line
                            .iter()
                            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                            .count();
                        word > 0 && line.get(word) == Some(&b':')
                    }
                }
            }
            b'>' => next.is_some_and(|b| b == b'\n'),
            0xe3 => bytes.get(at + 1..at + 3) == Some(&[0x80, 0x82]),
            _ => false,
        };
        at += 1;
        if end {
            while at < bytes.len() && (bytes[at] & 0xc0) == 0x80 {
                at += 1;
            }
            ends.push(at);
            from = at;
        }
    }
    if from < bytes.len() {
        ends.push(bytes.len());
    }
    ends
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '\'' | '’' | '_')
}

/// The words of a sentence. `within` is the quotation mark that is open, over sentences.
fn words<'a>(text: &'a str, within: &mut Option<char>) -> Vec<Word<'a>> {
    let mut all = Vec::new();
    let mut start = None;
    let mut before = ' ';
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map_or(' ', |(_, c)| *c);
        // An apostrophe between letters is of the word; else it quotes. A hyphen between letters joins.
        let joins = matches!(letter, '\'' | '’') && before.is_alphanumeric() && next.is_alphanumeric()
            || letter == '-' && before.is_alphabetic() && next.is_alphabetic();
        let part = letter.is_alphanumeric() || letter == '_' || joins;
        if part && start.is_none() {
            start = Some(at);
        }
        if !part {
            if let Some(from) = start.take() {
                push(&mut all, &text[from..at], within.is_some());
            }
            quote(letter, before, next, within);
        }
        before = letter;
        if all.len() >= WORDS {
            break;
        }
    }
    if let Some(from) = start {
        push(&mut all, &text[from..], within.is_some());
    }
    all
}

fn push<'a>(all: &mut Vec<Word<'a>>, text: &'a str, within: bool) {
    let mut sorts = match text.contains('’') {
        true => sorts(&text.replace('’', "'")),
        false => sorts(text),
    };
    if sorts == 0 && text.contains('-') {
        sorts = text.split('-').fold(0, |all, part| all | lexicon::sorts(part));
    }
    all.push(Word { text, sorts, within });
}

/// Opens or closes a quotation.
fn quote(letter: char, before: char, next: char, within: &mut Option<char>) {
    match (letter, *within) {
        ('"', Some('"'))
        | ('”', Some('“'))
        | ('»', Some('«'))
        | ('“', Some('„'))
        | ('’', Some('‘'))
        | ('`', Some('`')) => *within = None,
        ('\'', Some('\'')) if !next.is_alphanumeric() => *within = None,
        ('"' | '“' | '„' | '«' | '‘' | '`', None) => *within = Some(letter),
        ('\'', None) if !before.is_alphanumeric() && next.is_alphanumeric() => *within = Some(letter),
        _ => {}
    }
}

/// Whether words of these sorts stand in this order, each at most `gap` words behind the one before.
fn row(words: &[Word<'_>], sorts: &[u32], gap: usize) -> Option<usize> {
    let (first, rest) = sorts.split_first()?;
    'start: for (at, word) in words.iter().enumerate() {
        if word.sorts & first == 0 {
            continue;
        }
        let mut last = at;
        for sort in rest {
            let end = words.len().min(last + 2 + gap);
            match (last + 1..end).find(|n| words[*n].sorts & sort != 0) {
                Some(found) => last = found,
                None => continue 'start,
            }
        }
        return Some(at);
    }
    None
}

/// What a sentence says.
fn sentence(
    low: &str,
    raw: &str,
    from: usize,
    within: &mut Option<char>,
    setting: Setting,
) -> Option<Sentence> {
    let (key, value) = unkeyed(low);
    let setting = match key {
        Some(key) if super::passages::is_label(key) => Setting::Label,
        _ => setting,
    };
    let whole = low;
    let low = value;
    let words = words(low, within);
    let sorts = words.iter().fold(0, |all, w| all | w.sorts);
    // Most sentences lack one of the sorts that are asked for.
    let row = |words: &[Word<'_>], asked: &[u32], gap| {
        asked
            .iter()
            .all(|sort| sorts & sort != 0)
            .then(|| row(words, asked, gap))
            .flatten()
    };
    let teaches = words.iter().filter(|w| w.sorts & TEACH != 0).count() as u8;
    let marked = marks::role(raw, whole);
    let link = marks::link(raw);
    if words.len() < 2 && marked.is_none() && link.is_none() {
        return None;
    }
    let mut found = Sentence {
        from,
        to: from + whole.len(),
        teaches,
        ..Sentence::default()
    };
    let quoted_share = words.iter().filter(|w| w.within).count() * 2 > words.len();
    let mut add = |feature: Features, at: Option<usize>| {
        found.features.add(feature);
        let inside = at.map_or(quoted_share, |at| words.get(at).is_some_and(|w| w.within));
        if inside {
            found.within.add(feature);
        }
    };
    match marked {
        Some(marks::Role::Template) => add(Features::TEMPLATE, None),
        Some(marks::Role::Speaker) => add(Features::MARKER, None),
        Some(marks::Role::Framed) => add(Features::TAGGED, None),
        None => {}
    }
    if link.is_some() {
        add(Features::LINK, None);
    }
    if !may_be(sorts, raw) && marked.is_none() && !low.is_ascii() {
        foreign_script(low, &mut add);
    }
    if sorts & PASSING != 0 && in_passing(low) {
        add(Features::MEANWHILE, None);
    }
    let trimmed = low.trim_start_matches(|c: char| !is_word(c));
    if [
        "todo:",
        "todo -",
        "action required:",
        "action item:",
        "p.s.",
        "ps:",
        "next step:",
        "step 1:",
        "task:",
    ]
    .iter()
    .any(|s| trimmed.starts_with(s))
        || glued(raw)
    {
        add(Features::TASKED, None);
    }
    const CORE: u32 = SEND | ACT | IGNORE | MODEL | TELL | CONSENT | ORDER | NEW | AUTHORITY | HUSH;
    if sorts & CORE == 0 && marked.is_none() && link.is_none() && low.is_ascii() {
        return (found.features != Features::default() || teaches > 0).then_some(found);
    }
    // Puts aside what was said.
    for object in [
        &[IGNORE, PRIOR, ORDER][..],
        &[IGNORE, ALL, ORDER],
        &[IGNORE, YOU, ORDER],
        &[IGNORE, PRIOR, TASK],
    ] {
        if let Some(at) = row(&words, object, 3) {
            add(Features::OVERRIDE, Some(at));
        }
    }
    // `ignore everything above`
    if let Some(at) = row(&words, &[IGNORE, ALL, PRIOR], 2) {
        add(Features::OVERRIDE, Some(at));
    }
    // `forget what you were told`, `the directions above no longer apply`
    let told = |w: &Word<'_>| {
        matches!(
            w.text,
            "told" | "instructed" | "taught" | "gesagt" | "dicho" | "dit"
        )
    };
    if sorts & IGNORE != 0
        && sorts & (YOU | PRIOR) != 0
        && words.iter().any(told)
        && let Some(at) = words.iter().position(|w| w.sorts & IGNORE != 0)
    {
        add(Features::OVERRIDE, Some(at));
    }
    let lapsed = |w: &Word<'_>| {
        matches!(
            w.text,
            "apply" | "valid" | "applies" | "obsolete" | "revoked" | "void"
        )
    };
    if sorts & PRIOR != 0
        && sorts & NOT != 0
        && words.iter().any(lapsed)
        && let Some(at) = row(&words, &[PRIOR, ORDER], 1)
    {
        add(Features::OVERRIDE, Some(at));
    }
    // `do not follow the instructions above`
    if let Some(at) = row(&words, &[NOT, ACT, PRIOR, ORDER], 2).or(row(&words, &[NOT, ACT, ORDER, PRIOR], 2))
    {
        add(Features::OVERRIDE, Some(at));
    }
    if let Some(at) = row(&words, &[NEW, ORDER], 1) {
        let strong = row(&words, &[NEW, ORDER, MODEL | IGNORE], 4).is_some()
            || row(&words, &[NEW, ORDER, DUTY], 4).is_some();
        if strong || low.trim_end().ends_with(':') {
            add(Features::DIRECTIVE, Some(at));
        }
    }
    if let Some(at) = addressed(&words, low) {
        add(Features::ADDRESSED, Some(at));
    }
    if sorts & (BEFORE | TASK | DUTY) != 0
        && let Some(at) = comes_first(&words)
    {
        add(Features::FIRST, Some(at));
    }
    // In silence: `without telling the user`, `do not mention this to anybody`, `no need to confirm`.
    let mute = row(&words, &[NOT, TELL], 2)
        .filter(|at| silent(&words[*at..]) && !is_yours(&words[*at..words.len().min(at + 8)]))
        .or_else(|| row(&words, &[TELL, PERSON, NOT], 2))
        .or_else(|| {
            let skips = |w: &Word<'_>| matches!(w.text, "skip" | "omit" | "bypass" | "waive");
            let at = words.iter().position(skips)?;
            words[at..]
                .iter()
                .take(4)
                .any(|w| w.sorts & TELL != 0)
                .then_some(at)
        });
    if let Some(at) = mute {
        add(Features::SECRECY, Some(at));
    }
    if sorts & HUSH != 0 && sorts & (SEND | ACT) != 0 {
        add(Features::SECRECY, None);
    }
    // `it is already agreed`, `the user has approved this`
    let agreed = row(&words, &[ALREADY, CONSENT], 3).filter(|at| {
        let conditional = words[..*at].iter().any(|w| {
            matches!(
                w.text,
                "if" | "once" | "when" | "unless" | "whether" | "after" | "wenn" | "si" | "until"
            )
        });
        !conditional
            && (words[*at..].iter().any(|w| {
                matches!(
                    w.text,
                    "already" | "bereits" | "déjà" | "ya" | "già" | "já" | "уже" | "schon"
                )
            }) || words[..*at].iter().any(|w| w.sorts & PERSON != 0))
    });
    if let Some(at) = agreed.or_else(|| {
        words
            .iter()
            .position(|w| w.text.starts_with("pre-a") && w.sorts & CONSENT != 0)
    }) {
        add(Features::CONSENTED, Some(at));
    }
    let signed = [
        "signed off",
        "signed this off",
        "gave permission",
        "given permission",
        "gave consent",
        "given consent",
        "given their ok",
        "knows about it",
        "is aware of this",
        "has consented",
        "have consented",
    ];
    if sorts & PERSON != 0 && signed.iter().any(|phrase| low.contains(phrase)) {
        add(Features::CONSENTED, None);
    }
    // What is read elsewhere is to be done.
    if [
        "do what it says",
        "follow the steps there",
        "follow its instructions",
        "follow the instructions in",
        "execute the instructions",
        "do as it says",
        "carry out the instructions",
    ]
    .iter()
    .any(|phrase| low.contains(phrase))
    {
        add(Features::DIRECTIVE, None);
    }
    if sorts & URGENT != 0 {
        add(
            Features::PRESSED,
            words.iter().position(|w| w.sorts & URGENT != 0),
        );
    }
    let deed = deed(&words, low);
    if let Some((at, bound)) = deed {
        let target = marks::target(raw);
        // People are asked for deeds of their own in every manual; those with a target, or out of nowhere, are others.
        if target.is_some()
            || sorts & (PERSON | MODEL | SECRET) != 0
            || setting == Setting::Label
            || bound && sorts & (YOU | MODEL) != 0
        {
            add(Features::DEED, Some(at));
        }
        if target.is_some_and(|strong| strong || sorts & SEND != 0) {
            add(Features::TARGET, Some(at));
        }
        if setting == Setting::Label && words.len() >= 4 {
            add(Features::FOREIGN, Some(at));
        }
        if let Some(haul) = haul(&words[at..]) {
            add(Features::HAUL, Some(at + haul));
        }
    }
    if let Some(at) = of_user(&words) {
        add(Features::USER, Some(at));
    }
    if sorts & AUTHORITY != 0
        && (row(&words, &[AUTHORITY, ORDER], 2).is_some()
            || low.contains("system message")
            || low.contains("system notice")
            || low.contains("system update")
            || low.contains("system override")
            || low.contains("maintenance mode")
            || low.contains("developer mode"))
    {
        add(Features::AUTHOR, None);
    }
    // `fill them in yourself`, `use your best judgement`
    if sorts & FREE != 0
        && ((low.contains("fill ")
            && (low.contains("yourself")
                || low.contains("without asking")
                || low.contains("fill them in")
                || low.contains("make up")))
            || low.contains("best judgement")
            || low.contains("best judgment")
            || low.contains("plausible value"))
    {
        add(Features::FREEDOM, None);
    }
    if marks::coded(raw)
        && (low.contains("decode")
            || low.contains("base64")
            || low.contains("dekodier")
            || low.contains("rot13"))
    {
        add(Features::CODED, None);
    }
    (found.features != Features::default() || teaches > 0).then_some(found)
}

/// Whom not to tell, or that nobody need be asked.
fn silent(rest: &[Word<'_>]) -> bool {
    let end = rest.len().min(9);
    let near = &rest[..end];
    if rest.len() <= 2
        && matches!(
            near.first().map(|w| w.text),
            Some("without" | "ohne" | "sans" | "sin" | "senza" | "sem" | "без")
        )
    {
        return true;
    }
    near.iter().any(|w| {
        w.sorts & PERSON != 0
            || matches!(
                w.text,
                "further"
                    | "additional"
                    | "confirmation"
                    | "hesitation"
                    | "approval"
                    | "anything"
                    | "this"
                    | "it"
                    | "questions"
                    | "again"
                    | "any"
            )
    }) && near.iter().any(|w| {
        matches!(
            w.text,
            "without"
                | "don't"
                | "dont"
                | "never"
                | "not"
                | "no"
                | "ohne"
                | "nicht"
                | "sans"
                | "sin"
                | "senza"
                | "sem"
                | "não"
                | "non"
                | "ne"
                | "zonder"
                | "не"
                | "без"
                | "nie"
                | "niemals"
                | "nunca"
        )
    }) && !matches!(near.first().map(|w| w.text), Some("cannot" | "can't"))
}

/// Whether a program is spoken to: named before a sign, or as who must do something.
fn addressed(words: &[Word<'_>], low: &str) -> Option<usize> {
    for (at, word) in words.iter().enumerate().filter(|(_, w)| w.sorts & MODEL != 0) {
        let before = at.checked_sub(1).map(|b| &words[b]);
        let after = words.get(at + 1);
        let starts = at == 0
            || words[..at].iter().all(|w| {
                w.sorts & (MODEL | URGENT | POLITE) != 0
                    || matches!(
                        w.text,
                        "to" | "note"
                            | "for"
                            | "the"
                            | "hey"
                            | "hi"
                            | "hello"
                            | "dear"
                            | "any"
                            | "all"
                            | "an"
                            | "attn"
                            | "message"
                            | "notice"
                            | "language"
                            | "large"
                            | "instructions"
                            | "hinweis"
                            | "den"
                            | "die"
                            | "für"
                            | "à"
                            | "para"
                            | "per"
                            | "l"
                            | "el"
                            | "il"
                            | "o"
                    )
            });
        // `Assistant, please …`, `Note to the AI: …`, `Hello agent!`
        let end = find_after(low, words, at);
        let signed = low.get(end..).is_some_and(|rest| {
            rest.trim_start()
                .starts_with([',', ':', '!', ';', '—', '–', ')', ']', '>'])
        });
        if (starts || at <= 1) && signed && at < 10 {
            return Some(at);
        }
        // `processed by an automated agent`, `read by an AI`
        let handled = words[..at]
            .iter()
            .rposition(|w| w.text == "by")
            .filter(|by| at - by <= 3)
            .is_some_and(|by| {
                by.checked_sub(1).is_some_and(|b| {
                    matches!(
                        words[b].text,
                        "processed"
                            | "read"
                            | "parsed"
                            | "handled"
                            | "seen"
                            | "summarised"
                            | "summarized"
                            | "analysed"
                            | "analyzed"
                            | "viewed"
                    )
                })
            });
        if handled && words.iter().any(|w| matches!(w.text, "if" | "this" | "these")) {
            return Some(at);
        }
        // `let the model know`
        if words[..at]
            .iter()
            .rev()
            .take(2)
            .any(|w| matches!(w.text, "let" | "instruct"))
        {
            return Some(at);
        }
        // `the assistant must`, `AI agents should`, `for the assistant`
        if after.is_some_and(|w| {
            matches!(
                w.text,
                "must"
                    | "should"
                    | "shall"
                    | "needs"
                    | "has"
                    | "muss"
                    | "soll"
                    | "doit"
                    | "debe"
                    | "deve"
                    | "moet"
                    | "должен"
                    | "is"
            ) && (w.text != "has" && w.text != "is"
                || words.get(at + 2).is_some_and(|w| {
                    matches!(
                        w.text,
                        "to" | "required" | "instructed" | "ordered" | "hereby" | "requested"
                    )
                }))
        }) && words
            .iter()
            .skip(at)
            .any(|w| w.sorts & (SEND | ACT | IGNORE | NOT) != 0)
        {
            // Agents may be people, and models anything.
            let machine = !matches!(word.text, "agent" | "agents" | "model" | "models")
                || before.is_some_and(|w| w.sorts & MODEL != 0)
                || words
                    .iter()
                    .any(|w| matches!(w.text, "user" | "user's" | "users"));
            if machine {
                return Some(at);
            }
        }
        // `Agent instructions:`
        if starts
            && after.is_some_and(|w| w.sorts & ORDER != 0)
            && low
                .get(find_after(low, words, at + 1)..)
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        {
            return Some(at);
        }
        if before.is_some_and(|w| matches!(w.text, "the" | "any" | "all" | "an"))
            && words.get(at.wrapping_sub(2)).is_some_and(|w| {
                matches!(
                    w.text,
                    "for" | "to" | "attention" | "instructs" | "directs" | "requires"
                )
            })
            && words[..at].iter().any(|w| {
                w.sorts & (ORDER | NEW | URGENT) != 0
                    || matches!(w.text, "note" | "message" | "attention" | "memo" | "notice")
            })
        {
            return Some(at);
        }
        // `if you are an AI`, `you, Claude`, `as an AI agent you`, `you are now a … assistant`
        let you = words[..at]
            .iter()
            .rposition(|w| w.sorts & YOU != 0)
            .filter(|you| at - you <= 4);
        if you.is_some_and(|you| {
            let between = &words[you + 1..at];
            let plain = between.iter().all(|w| {
                matches!(
                    w.text,
                    "are"
                        | "an"
                        | "a"
                        | "the"
                        | "now"
                        | "be"
                        | "as"
                        | "to"
                        | "language"
                        | "large"
                        | "automated"
                        | "autonomous"
                        | "êtes"
                        | "bist"
                        | "eres"
                        | "sei"
                        | "un"
                        | "una"
                        | "eine"
                        | "ein"
                        | "reading"
                        | "is"
                )
            });
            plain && (at - you > 1 || word.text != "agent")
        }) {
            return Some(at);
        }
        // `AI agents reading this`, `assistant processing this ticket`
        let reading = |w: &Word<'_>| {
            matches!(
                w.text,
                "reading" | "processing" | "handling" | "viewing" | "parsing"
            )
        };
        let after = after
            .filter(|w| reading(w) || words.get(at + 2).is_none_or(|w| !reading(w)))
            .or(words.get(at + 2));
        let at_reader = words
            .iter()
            .skip(at + 1)
            .position(reading)
            .filter(|n| *n <= 1)
            .map(|n| at + 2 + n);
        if at_reader
            .and_then(|n| words.get(n))
            .is_some_and(|w| matches!(w.text, "this" | "these" | "the"))
        {
            return Some(at);
        }
        if after.is_some_and(|w| {
            matches!(
                w.text,
                "reading" | "processing" | "handling" | "that" | "who" | "viewing" | "parsing" | "working"
            )
        }) && words.get(at + 2).is_some_and(|w| {
            matches!(
                w.text,
                "this" | "these" | "the" | "reads" | "processes" | "read" | "process" | "handles" | "on"
            )
        }) {
            return Some(at);
        }
    }
    None
}

/// Where a word ends in its sentence.
fn find_after(low: &str, words: &[Word<'_>], at: usize) -> usize {
    let start = low.as_ptr() as usize;
    words[at].text.as_ptr() as usize - start + words[at].text.len()
}

/// `before you can solve the task`, `before answering`, `first you must`, `after that go on with the original task`.
fn comes_first(words: &[Word<'_>]) -> Option<usize> {
    for sorts in [&[BEFORE, REPLY][..], &[BEFORE, ACT, TASK], &[BEFORE, YOU, TASK]] {
        if let Some(at) = row(words, sorts, 3)
            && !words[at..]
                .iter()
                .take(5)
                .any(|w| matches!(w.text, "questions" | "calls"))
        {
            return Some(at);
        }
    }
    // Of the task that the reader was given.
    let given = words.iter().position(|w| w.sorts & TASK != 0).filter(|at| {
        let around = &words[at.saturating_sub(4)..words.len().min(at + 7)];
        around.iter().any(|w| {
            matches!(
                w.text,
                "original"
                    | "gave"
                    | "given"
                    | "initial"
                    | "current"
                    | "ursprüngliche"
                    | "originale"
                    | "initiale"
            )
        }) && around.iter().any(|w| {
            w.sorts & (YOU | REPLY | PERSON) != 0
                || matches!(
                    w.text,
                    "user's" | "continue" | "resume" | "return" | "complete" | "solve" | "then"
                )
        })
    });
    given.or_else(|| row(words, &[DUTY, YOU, DUTY, ACT | SEND], 1))
}

/// A deed that is ordered: a verb where an imperative stands, or behind `must`. With whether it is bound to the reader by a duty.
fn deed(words: &[Word<'_>], low: &str) -> Option<(usize, bool)> {
    let mut fresh = true;
    for (at, word) in words.iter().enumerate() {
        let order = word.sorts & (SEND | ACT) != 0;
        let next = words.get(at + 1);
        if order
            && fresh
            && next.is_some_and(|w| {
                !matches!(
                    w.text,
                    "is" | "are"
                        | "was"
                        | "were"
                        | "has"
                        | "have"
                        | "will"
                        | "by"
                        | "of"
                        | "from"
                        | "and"
                        | "or"
                        | "and/or"
                        | "address"
                        | "center"
                        | "centre"
                        | "support"
                        | "number"
                        | "id"
                        | "status"
                        | "history"
                        | "service"
                        | "services"
                )
            })
        {
            return Some((at, false));
        }
        // `you must send`, `make sure to delete`, `proceed to wire`, `your task is to send`
        let duty = at.checked_sub(1).map(|b| words[b].text);
        let ordered = match duty {
            Some("must" | "should" | "shall" | "muss" | "müssen" | "sollst") => true,
            Some("to") => words[..at].iter().rev().skip(1).take(4).any(|w| {
                matches!(
                    w.text,
                    "sure"
                        | "needs"
                        | "ought"
                        | "supposed"
                        | "need"
                        | "required"
                        | "proceed"
                        | "task"
                        | "instructed"
                        | "remember"
                        | "have"
                        | "want"
                        | "is"
                        | "obligated"
                        | "asked"
                        | "directed"
                        | "goal"
                        | "order"
                )
            }),
            _ => false,
        };
        if order && ordered {
            return Some((at, true));
        }
        // What may come before an imperative leaves its place open; so does a sign.
        let end = find_after(low, words, at);
        let signed = low.get(end..).is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.starts_with([':', ',', ';', '—', '–', '(', ')', '>', ']', '*', '#'])
        });
        fresh = (fresh
            && (word.sorts & (POLITE | URGENT | DUTY | AUTHORITY) != 0
                || matches!(word.text, "it" | "that" | "this" | "once" | "p" | "s" | "you"))
            && word.sorts & TELL == 0)
            || signed
            || fresh
                && (word.text.len() > 4 && word.text.ends_with("ly")
                    || word.text.bytes().all(|b| b.is_ascii_digit()))
            || matches!(
                word.text,
                "please"
                    | "kindly"
                    | "bitte"
                    | "and"
                    | "then"
                    | "favor"
                    | "пожалуйста"
                    | "und"
                    | "et"
                    | "y"
                    | "e"
                    | "и"
            );
        if at > 40 {
            break;
        }
    }
    None
}

/// Whether it is the reader's own.
fn is_yours(words: &[Word<'_>]) -> bool {
    words.iter().any(|w| {
        matches!(
            w.text,
            "your" | "ihr" | "ihre" | "votre" | "su" | "vos" | "seu" | "sua"
        )
    })
}

/// Whether data is asked for that is not the reader's own: `the full customer profile`, `all case details`.
fn haul(words: &[Word<'_>]) -> Option<usize> {
    if words.first().is_none_or(|w| {
        w.sorts & SEND == 0
            && !matches!(
                w.text,
                "include"
                    | "reveal"
                    | "print"
                    | "output"
                    | "repeat"
                    | "append"
                    | "use"
                    | "copy"
                    | "export"
                    | "give"
                    | "provide"
                    | "insert"
                    | "add"
                    | "list"
                    | "concatenate"
                    | "collect"
                    | "compile"
                    | "gather"
                    | "combine"
                    | "extract"
                    | "reply"
                    | "respond"
                    | "attach"
                    | "upload"
            )
    }) {
        return None;
    }
    let end = words.len().min(24);
    let secret = words[..end].iter().position(|w| w.sorts & SECRET != 0)?;
    let whole = words[..secret + 1].iter().any(|w| w.sorts & (ALL | PERSON) != 0)
        || words[secret..end].iter().any(|w| {
            matches!(
                w.text,
                "seen" | "collected" | "gathered" | "retrieved" | "know" | "conversation" | "session"
            )
        });
    let strong = matches!(
        words[secret].text,
        "password"
            | "passwords"
            | "credentials"
            | "prompt"
            | "secret"
            | "secrets"
            | "keys"
            | "conversation"
            | "inbox"
            | "passport"
    );
    ((whole || strong) && !is_yours(&words[..secret])).then_some(secret)
}

/// Whether somebody is spoken of as the one for whom the reader works.
fn of_user(words: &[Word<'_>]) -> Option<usize> {
    words.iter().enumerate().position(|(at, w)| {
        let third = matches!(
            w.text,
            "user"
                | "user's"
                | "utilisateur"
                | "l'utilisateur"
                | "benutzer"
                | "benutzers"
                | "nutzer"
                | "nutzers"
                | "usuario"
                | "utente"
                | "dell'utente"
                | "l'utente"
                | "usuário"
                | "пользователя"
                | "пользователь"
                | "пользователю"
        );
        let named = matches!(
            w.text,
            "customer's"
                | "traveller's"
                | "traveler's"
                | "guest's"
                | "patient's"
                | "cardholder's"
                | "member's"
                | "subscriber's"
                | "employee's"
                | "requester"
                | "reader"
        );
        let the = at.checked_sub(1).is_some_and(|b| {
            matches!(
                words[b].text,
                "the"
                    | "l"
                    | "le"
                    | "den"
                    | "der"
                    | "des"
                    | "dem"
                    | "el"
                    | "al"
                    | "del"
                    | "lo"
                    | "o"
                    | "do"
                    | "this"
                    | "your"
                    | "dell"
            )
        });
        let article = third
            && (the
                || matches!(
                    w.text,
                    "l'utilisateur"
                        | "l'utente"
                        | "dell'utente"
                        | "пользователя"
                        | "пользователь"
                        | "пользователю"
                ));
        (article || named && the) && words.iter().any(|w| w.sorts & (SEND | ACT | CONSENT) != 0)
    })
}

/// Phrases by which a deed is slipped in while something else is done.
fn in_passing(low: &str) -> bool {
    const PHRASES: [&str; 35] = [
        "while you are in here",
        "while you're in here",
        "while you are at it",
        "while you're at it",
        "while you have",
        "while processing",
        "while handling",
        "once you have read this",
        "when summarizing",
        "when summarising",
        "when answering",
        "when replying",
        "when you process this",
        "when processing this",
        "when handling this",
        "after reading this",
        "as soon as you read",
        "upon reading this",
        "when you read this",
        "the person handling",
        "whoever handles",
        "whoever is handling",
        "whoever processes",
        "from now on",
        "as part of processing",
        "as part of this task",
        "as part of your task",
        "using your tools",
        "use your tools",
        "you have access to",
        "in your reply",
        "in your answer",
        "in your response",
        "in your summary",
        "in your final",
    ];
    PHRASES.iter().any(|phrase| low.contains(phrase))
}

/// Whether a sentence is stuck to the one before without a space: `accordingly.TODO`, `USATODO:`.
fn glued(raw: &str) -> bool {
    raw.contains("TODO:")
        && !raw.trim_start().starts_with("TODO:")
        && raw
            .find("TODO:")
            .is_some_and(|at| raw[..at].ends_with(char::is_alphanumeric))
}

/// Languages without spaces.
fn foreign_script(low: &str, add: &mut impl FnMut(Features, Option<usize>)) {
    const ASIDE: [&str; 8] = ["忽略", "无视", "無視", "忘记", "忘掉", "무시", "تجاهل", "忘れ"];
    const SAID: [&str; 12] = [
        "指令",
        "指示",
        "提示",
        "命令",
        "规则",
        "規則",
        "说明",
        "지시",
        "명령",
        "التعليمات",
        "تعليمات",
        "要求",
    ];
    const SENT: [&str; 12] = [
        "发送",
        "發送",
        "转账",
        "汇款",
        "转发",
        "送信",
        "送って",
        "送金",
        "보내",
        "전송",
        "أرسل",
        "删除",
    ];
    const READER: [&str; 8] = [
        "助手",
        "助理",
        "智能体",
        "アシスタント",
        "エージェント",
        "인공지능",
        "어시스턴트",
        "المساعد",
    ];
    const HUSH: [&str; 8] = [
        "不要告诉",
        "不要通知",
        "不得告知",
        "无需确认",
        "伝えない",
        "知らせない",
        "알리지",
        "لا تخبر",
    ];
    let any = |list: &[&str]| list.iter().any(|w| low.contains(w));
    if any(&ASIDE) && any(&SAID) {
        add(Features::OVERRIDE, None);
    }
    if any(&READER) {
        add(Features::ADDRESSED, None);
    }
    if any(&HUSH) {
        add(Features::SECRECY, None);
    }
    if any(&SENT) {
        add(Features::DEED, None);
        if marks::target(low).is_some() {
            add(Features::TARGET, None);
        }
    }
}
