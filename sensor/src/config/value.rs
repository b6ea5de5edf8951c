//! The types a key may have: how each is read from TOML, checked, and shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use analyzers::inventory::declared::EnvironmentRule;
use toml::Spanned;
use toml::de::DeValue;

use super::units;
use crate::output;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself, for whoever has to use it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether none is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "Secret(none)"
        } else {
            "Secret(set)"
        })
    }
}

/// What a value must be, besides of its type.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Anything of the type.
    Any,
    /// Numbers, bytes, or nanoseconds from … to ….
    Range(u64, u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What the function accepts, for texts and each text of a list; the words say what that is.
    Text(&'static str, fn(&str) -> bool),
}

/// What is wrong with a value, and where in the file.
pub(crate) struct Wrong {
    pub(crate) at: usize,
    pub(crate) what: String,
}

/// A type of values.
pub(crate) trait Setting: Sized {
    /// The type in words.
    const TYPE: &'static str;
    /// Reads a value; what is wrong is said without the key's name.
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>>;
    /// The value as TOML, secrets masked.
    fn show(&self) -> String;
    /// The rule in words; empty when there is none.
    fn rule_in_words(rule: Rule) -> String {
        match rule {
            Rule::Any => String::new(),
            Rule::Range(from, to) => format!("{from} to {to}"),
            Rule::OneOf(words) => words
                .iter()
                .map(|w| format!("`\"{w}\"`"))
                .collect::<Vec<_>>()
                .join(", "),
            Rule::Text(says, _) => says.into(),
        }
    }
}

fn wrong<T>(value: &Spanned<DeValue<'_>>, what: String) -> Result<T, Vec<Wrong>> {
    Err(vec![Wrong {
        at: value.span().start,
        what,
    }])
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn not_a<T: Setting>(value: &Spanned<DeValue<'_>>) -> Vec<Wrong> {
    vec![Wrong {
        at: value.span().start,
        what: format!("is {}; it must be {}", type_of(value.get_ref()), T::TYPE),
    }]
}

/// Every element of a list, or all that is wrong with any of them.
fn each<'v, T>(
    items: impl Iterator<Item = &'v Spanned<DeValue<'v>>>,
    read: impl Fn(&'v Spanned<DeValue<'v>>) -> Result<T, Vec<Wrong>>,
) -> Result<Vec<T>, Vec<Wrong>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in items {
        match read(item) {
            Ok(value) => good.push(value),
            Err(wrong) => bad.extend(wrong),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let DeValue::Integer(digits) = value else {
        return None;
    };
    i128::from_str_radix(&digits.as_str().replace('_', ""), digits.radix()).ok()
}

fn in_range<T: Setting>(value: &Spanned<DeValue<'_>>, number: i128, rule: Rule) -> Result<u64, Vec<Wrong>> {
    let (from, to) = if let Rule::Range(from, to) = rule {
        (from, to)
    } else {
        (0, u64::MAX)
    };
    match u64::try_from(number) {
        Ok(n) if (from..=to).contains(&n) => Ok(n),
        _ => wrong(
            value,
            format!(
                "is out of range; it must be {}",
                T::rule_in_words(Rule::Range(from, to))
            ),
        ),
    }
}

fn text_by_rule(value: &Spanned<DeValue<'_>>, text: &str, rule: Rule) -> Result<(), Vec<Wrong>> {
    match rule {
        Rule::OneOf(words) if !words.contains(&text) => {
            let near = analyzers::nearest(text, words.iter().copied())
                .map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
            let words: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
            wrong(
                value,
                format!("is \"{text}\"; it must be one of {}{near}", words.join(", ")),
            )
        }
        // What was written is not repeated: it may be a secret in the wrong place.
        Rule::Text(says, right) if !right(text) => wrong(value, format!("is not right; it must be {says}")),
        _ => Ok(()),
    }
}

/// A text as TOML has it, on one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Setting for String {
    const TYPE: &'static str = "a text";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let DeValue::String(text) = value.get_ref() else {
            return Err(not_a::<Self>(value));
        };
        text_by_rule(value, text, rule)?;
        Ok(text.to_string())
    }
    fn show(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const TYPE: &'static str = "a text";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        <String as Setting>::read(value, rule).map(Self::from)
    }
    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for Secret {
    const TYPE: &'static str = "a text";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let DeValue::String(text) = value.get_ref() else {
            return Err(not_a::<Self>(value));
        };
        text_by_rule(value, text, rule)?;
        Ok(Self(text.to_string()))
    }
    fn show(&self) -> String {
        if self.is_empty() {
            "\"\"".into()
        } else {
            "\"(hidden)\"".into()
        }
    }
}

impl Setting for bool {
    const TYPE: &'static str = "true or false";
    fn read(value: &Spanned<DeValue<'_>>, _: Rule) -> Result<Self, Vec<Wrong>> {
        match value.get_ref() {
            DeValue::Boolean(b) => Ok(*b),
            _ => Err(not_a::<Self>(value)),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    const TYPE: &'static str = "a whole number";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        match integer(value.get_ref()) {
            Some(number) => in_range::<Self>(value, number, rule),
            None => Err(not_a::<Self>(value)),
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Size {
    const TYPE: &'static str = "a size such as \"64MiB\"";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let number = match value.get_ref() {
            DeValue::String(text) => match units::size(text) {
                Ok(bytes) => i128::from(bytes),
                Err(what) => return wrong(value, format!("is wrong: {what}")),
            },
            other => match integer(other) {
                Some(number) => number,
                None => return Err(not_a::<Self>(value)),
            },
        };
        in_range::<Self>(value, number, rule).map(Self)
    }
    fn show(&self) -> String {
        quoted(&units::show_size(self.0))
    }
    fn rule_in_words(rule: Rule) -> String {
        match rule {
            Rule::Range(from, to) => {
                format!("{} to {}", units::show_size(from), units::show_size(to))
            }
            _ => String::new(),
        }
    }
}

impl Setting for Duration {
    const TYPE: &'static str = "a time such as \"250ms\", \"10m\" or \"24h\"";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let DeValue::String(text) = value.get_ref() else {
            return Err(not_a::<Self>(value));
        };
        match units::duration(text) {
            Ok(span) => {
                let nanos = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX);
                in_range::<Self>(value, nanos, rule).map(Duration::from_nanos)
            }
            Err(what) => wrong(value, format!("is wrong: {what}")),
        }
    }
    fn show(&self) -> String {
        quoted(&units::show_duration(*self))
    }
    fn rule_in_words(rule: Rule) -> String {
        let show = |nanos| units::show_duration(Duration::from_nanos(nanos));
        match rule {
            Rule::Range(from, to) => format!("{} to {}", show(from), show(to)),
            _ => String::new(),
        }
    }
}

impl Setting for Vec<String> {
    const TYPE: &'static str = "a list of texts";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let DeValue::Array(items) = value.get_ref() else {
            return Err(not_a::<Self>(value));
        };
        each(items.iter(), |item| match item.get_ref() {
            DeValue::String(text) => text_by_rule(item, text, rule).map(|()| text.to_string()),
            other => wrong(
                item,
                format!("holds {}; it must be a list of texts", type_of(other)),
            ),
        })
    }
    fn show(&self) -> String {
        format!(
            "[{}]",
            self.iter().map(|t| quoted(t)).collect::<Vec<_>>().join(", ")
        )
    }
    fn rule_in_words(rule: Rule) -> String {
        match <String as Setting>::rule_in_words(rule) {
            words if words.is_empty() => words,
            words => format!("each {words}"),
        }
    }
}

/// Interfaces: one text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Interfaces(pub(crate) Vec<String>);

impl Setting for Interfaces {
    const TYPE: &'static str = "a text, or a list of texts";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let names = match value.get_ref() {
            DeValue::Array(_) => <Vec<String> as Setting>::read(value, rule)?,
            DeValue::String(name) if name.is_empty() => Vec::new(),
            DeValue::String(name) => vec![name.to_string()],
            _ => return Err(not_a::<Self>(value)),
        };
        if names.iter().any(|name| name.contains([',', ' ', '\t'])) {
            return wrong(
                value,
                "is no name of an interface; several are a list: [\"eth1\", \"eth2\"]".into(),
            );
        }
        if names.iter().any(String::is_empty) {
            return wrong(value, "has an empty name in its list; leave it out".into());
        }
        match crate::source::live::twice(&names) {
            Some(why) => wrong(value, format!("is not right: {why}")),
            None => Ok(Self(names)),
        }
    }
    fn show(&self) -> String {
        match &self.0[..] {
            [] => quoted(""),
            [one] => quoted(one),
            several => Setting::show(&several.to_vec()),
        }
    }
}

impl Setting for Vec<u16> {
    const TYPE: &'static str = "a list of whole numbers";
    fn read(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Self, Vec<Wrong>> {
        let DeValue::Array(items) = value.get_ref() else {
            return Err(not_a::<Self>(value));
        };
        each(items.iter(), |item| {
            let number = <u64 as Setting>::read(item, rule)?;
            Ok(u16::try_from(number).unwrap_or(u16::MAX))
        })
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
    fn rule_in_words(rule: Rule) -> String {
        format!("each {}", <u64 as Setting>::rule_in_words(rule))
    }
}

impl Setting for BTreeMap<String, String> {
    const TYPE: &'static str = "a section of texts, numbers and true or false";
    fn read(value: &Spanned<DeValue<'_>>, _: Rule) -> Result<Self, Vec<Wrong>> {
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            return Err(not_a::<Self>(value));
        }
        let (mut options, mut bad) = (Vec::new(), Vec::new());
        flatten(value, String::new(), &mut options, &mut bad);
        for (at, name, text) in &options {
            if let Err(why) = output::kafka::check_option(name, text) {
                let what = format!("has `{name}`, which is not right: {why}");
                bad.push(Wrong { at: *at, what });
            }
        }
        if bad.is_empty() {
            Ok(options.into_iter().map(|(_, name, text)| (name, text)).collect())
        } else {
            Err(bad)
        }
    }
    /// The values may be secrets, such as a password, so that only their names are shown.
    fn show(&self) -> String {
        let items: Vec<String> = self
            .keys()
            .map(|name| format!("{} = \"(hidden)\"", quoted(name)))
            .collect();
        if items.is_empty() {
            "{}".into()
        } else {
            format!("{{ {} }}", items.join(", "))
        }
    }
}

/// Collects options with their places; `linger.ms = 5` is a table in TOML, and an option named `linger.ms` here.
fn flatten(
    value: &Spanned<DeValue<'_>>,
    name: String,
    options: &mut Vec<(usize, String, String)>,
    bad: &mut Vec<Wrong>,
) {
    let text = match value.get_ref() {
        DeValue::Table(table) => {
            for (part, item) in table {
                let part = part.get_ref();
                let full = if name.is_empty() {
                    part.to_string()
                } else {
                    format!("{name}.{part}")
                };
                flatten(item, full, options, bad);
            }
            return;
        }
        DeValue::String(text) => text.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Integer(_) => integer(value.get_ref()).map_or(String::new(), |n| n.to_string()),
        DeValue::Float(number) => number.as_str().to_owned(),
        other => {
            let what = format!(
                "has {} for {name}; it must be a text, a number, true or false",
                type_of(other)
            );
            let at = value.span().start;
            return bad.push(Wrong { at, what });
        }
    };
    options.push((value.span().start, name, text));
}

/// Rules for environments: tables whose values are single ones or lists.
impl Setting for Vec<EnvironmentRule> {
    const TYPE: &'static str = "a list of sections with name, interface, vlan, vni, cidr, host";
    fn read(value: &Spanned<DeValue<'_>>, _: Rule) -> Result<Self, Vec<Wrong>> {
        let DeValue::Array(items) = value.get_ref() else {
            return Err(not_a::<Self>(value));
        };
        each(items.iter(), environment)
    }
    fn show(&self) -> String {
        let rules: Vec<String> = self
            .iter()
            .map(|rule| {
                let texts = |list: &[String]| list.iter().map(|t| quoted(t)).collect::<Vec<_>>();
                let mut keys = vec![format!("name = {}", quoted(&rule.name))];
                let mut key = |name: &str, values: Vec<String>| {
                    if !values.is_empty() {
                        keys.push(format!("{name} = [{}]", values.join(", ")));
                    }
                };
                key("interface", texts(&rule.interface));
                key("vlan", rule.vlan.iter().map(ToString::to_string).collect());
                key("vni", rule.vni.iter().map(ToString::to_string).collect());
                key("cidr", texts(&rule.cidr));
                key("host", texts(&rule.host));
                format!("{{ {} }}", keys.join(", "))
            })
            .collect();
        format!("[{}]", rules.join(", "))
    }
}

const ENVIRONMENT: [&str; 6] = ["name", "interface", "vlan", "vni", "cidr", "host"];

fn environment(item: &Spanned<DeValue<'_>>) -> Result<EnvironmentRule, Vec<Wrong>> {
    let at = item.span().start;
    let DeValue::Table(table) = item.get_ref() else {
        return wrong(
            item,
            "must hold sections; write [[inventory.environments]] and its keys below".into(),
        );
    };
    let mut rule = EnvironmentRule::default();
    let mut bad = Vec::new();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let text = Rule::Text("a text of 1 to 64 printable characters", |t| {
            (1..=64).contains(&t.len()) && !t.chars().any(char::is_control)
        });
        let host = Rule::Text("a host, or a glob such as *.example.com", is_host_glob);
        let network = Rule::Text("a network such as 10.1.0.0/16", super::keys::is_network);
        let done = match name {
            "name" => <String as Setting>::read(value, text).map(|name| rule.name = name),
            "interface" => one_or_more(value, text).map(|list| rule.interface = list),
            "host" => one_or_more(value, host).map(|list| rule.host = list),
            "cidr" => one_or_more(value, network).map(|list| rule.cidr = list),
            "vlan" => numbers(value, Rule::Range(0, 4095))
                .map(|list| rule.vlan = list.iter().map(|n| *n as u16).collect()),
            "vni" => numbers(value, Rule::Range(0, 0xff_ffff))
                .map(|list| rule.vni = list.iter().map(|n| *n as u32).collect()),
            _ => {
                let near = analyzers::nearest(name, ENVIRONMENT.into_iter()).map_or_else(
                    || ENVIRONMENT.join(", "),
                    |near| format!("did you mean `{near}`?"),
                );
                let what = format!("has the unknown key `{name}`; {near}");
                bad.push(Wrong {
                    at: key.span().start,
                    what,
                });
                Ok(())
            }
        };
        if let Err(found) = done {
            bad.extend(found.into_iter().map(|w| Wrong {
                what: format!("has {name}, which {}", w.what),
                ..w
            }));
        }
    }
    let named = table.iter().any(|(key, _)| key.get_ref() == "name");
    let limited = table.iter().any(|(key, _)| key.get_ref() != "name");
    if !named {
        let what = "has a section without a name; write name = \"production\"".to_owned();
        bad.push(Wrong { at, what });
    }
    if !limited {
        let what = "has a section without a condition; write interface, vlan, vni, cidr or host (host = \"*\" for all)";
        bad.push(Wrong {
            at,
            what: what.to_owned(),
        });
    }
    if bad.is_empty() { Ok(rule) } else { Err(bad) }
}

fn is_host_glob(text: &str) -> bool {
    analyzers::inventory::declared::is_host_glob(text)
}

/// A text, or a list of them.
fn one_or_more(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Vec<String>, Vec<Wrong>> {
    match value.get_ref() {
        DeValue::Array(_) => <Vec<String> as Setting>::read(value, rule),
        _ => <String as Setting>::read(value, rule).map(|one| vec![one]),
    }
}

/// A number, or a list of them.
fn numbers(value: &Spanned<DeValue<'_>>, rule: Rule) -> Result<Vec<u64>, Vec<Wrong>> {
    match value.get_ref() {
        DeValue::Array(items) => each(items.iter(), |item| <u64 as Setting>::read(item, rule)),
        _ => <u64 as Setting>::read(value, rule).map(|one| vec![one]),
    }
}

/// 32 bytes from 64 hexadecimal digits.
pub(crate) fn hash_key(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(key)
}
