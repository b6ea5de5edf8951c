//! From a path to its template.
//!
//! Segments are typed by form alone, so one path is enough to know that `42` is an `{int}`. What form
//! cannot tell (`/users/alice`) is told by number: when one place has had more literal names than a route
//! has words, all of them become `{param}`. Names are counted only on paths that a server answered as
//! known, so a scanner adds none; and the count is of distinct names, so the order does not matter.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::privacy::segment::{self, Segment, Show};

/// Segments of a template; what lies deeper is `{rest}`.
const DEPTH: usize = 16;

/// Literal names below a plural noun (`/users/…`) before they become `{param}`.
const BELOW_COLLECTION: usize = 24;

/// Literal names anywhere else.
const ELSEWHERE: usize = 150;

/// Operations of one RPC endpoint.
const OPERATIONS: usize = 512;

/// Literal names kept per host, over all places.
const PER_HOST: usize = 4096;

/// Words that are routes wherever they stand, never somebody's name.
const RESERVED: [&str; 16] = [
    "me", "self", "search", "export", "import", "bulk", "batch", "health", "login", "logout", "token", "new",
    "all", "count", "status", "current",
];

/// File endings of the parts pages are made of; such files are one endpoint per folder and ending.
const STATIC: [&str; 22] = [
    "js", "mjs", "css", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "avif", "woff", "woff2",
    "ttf", "eot", "mp4", "webm", "mp3", "wasm", "bmp", "otf",
];

/// A path with its segments told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Templated {
    pub(crate) template: String,
    /// Literal names, each with the length of the template before it.
    pub(crate) literals: Vec<(usize, usize)>,
    /// Bit per place of [`places`]: it holds the name of an object.
    pub(crate) objects: u32,
    /// It is one of the parts a page is made of.
    pub(crate) is_static: bool,
}

/// What one host's paths have taught.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    /// Distinct literal names by the template before them.
    known: BTreeMap<String, BTreeSet<String>>,
    /// Templates after which names are `{param}`, with the number of names that decided it.
    merged: BTreeMap<String, usize>,
    count: usize,
}

/// The segments of a path that count: not the empty ones, with `.` and `..` resolved.
fn places(path: &str) -> ([&str; DEPTH], usize, bool) {
    let mut out = [""; DEPTH];
    let mut len = 0usize;
    let mut deeper = 0usize;
    for raw in segment::parts(path, b'/') {
        // A dot may be sent encoded, and a parameter may follow: servers resolve both.
        let name = bare(raw);
        let name = if name.contains('%') {
            segment::decode(name)
        } else {
            Cow::Borrowed(name)
        };
        match name.as_ref() {
            "" if raw.is_empty() => {}
            "." => {}
            ".." if deeper > 0 => deeper -= 1,
            ".." => len = len.saturating_sub(1),
            _ if len < DEPTH && deeper == 0 => {
                out[len] = raw;
                len += 1;
            }
            _ => deeper += 1,
        }
    }
    (out, len, deeper > 0)
}

/// The decoded segments at the places marked in `mask`, in order.
pub(crate) fn at_places(path: &str, mask: u32) -> impl Iterator<Item = Cow<'_, str>> {
    let (places, len, _) = places(path);
    (0..len)
        .filter(move |place| mask & (1 << place) != 0)
        .map(move |place| segment::decode(bare(places[place])))
}

/// A segment without its `;name=value` parameters.
fn bare(raw: &str) -> &str {
    segment::once(raw, b';').map_or(raw, |(before, _)| before)
}

impl Names {
    /// The template of a path, as far as names are known.
    pub(crate) fn template(&self, path: &str) -> Templated {
        let (places, len, deeper) = places(path);
        let mut out = Templated {
            template: String::with_capacity(path.len() + 8),
            literals: Vec::new(),
            objects: 0,
            is_static: false,
        };
        let mut before = Cow::Borrowed("");
        for (place, raw) in places[..len].iter().enumerate() {
            let name = segment::decode(bare(raw));
            let start = out.template.len();
            out.template.push('/');
            let last = place + 1 == len && !deeper;
            self.push(&mut out, &name, &before, (place, start, last));
            before = name;
        }
        if deeper {
            out.template.push_str("/{rest}");
        }
        if out.template.is_empty() {
            out.template.push('/');
        }
        out
    }

    fn push(
        &self,
        out: &mut Templated,
        name: &str,
        before: &str,
        (place, start, last): (usize, usize, bool),
    ) {
        if last
            && let Some(dot) = memchr::memrchr(b'.', name.as_bytes())
            && let (stem, ending) = (&name[..dot], &name[dot + 1..])
            && let Some(known) = STATIC.iter().find(|e| ending.eq_ignore_ascii_case(e))
        {
            out.is_static = true;
            if name == "favicon.ico" {
                out.template.push_str(name);
            } else if !stem.is_empty() {
                out.template.push_str("{file}.");
                out.template.push_str(known);
            }
            return;
        }
        // `tasks/42:cancel`: the verb after the colon belongs to the route.
        let (name, verb) = segment::verb(name);
        if let Some((key, _)) = segment::once(name, b'=')
            && crate::privacy::is_plain_name(key)
        {
            out.template.push_str(key);
            out.template.push_str("={value}");
            return;
        }
        let from = out.template.len();
        let kind = segment::show(name, before, Show::Kinds, &mut out.template);
        if kind == Segment::Literal
            && (RESERVED.contains(&name) || !self.merged.contains_key(&out.template[..start]))
        {
            out.literals.push((start, from));
        } else {
            if kind == Segment::Literal {
                out.template.truncate(from);
                out.template.push_str(kind.placeholder());
            }
            if kind.is_object() || kind == Segment::Literal {
                out.objects |= 1 << place;
            }
        }
        if let Some(verb) = verb {
            out.template.push(':');
            out.template.push_str(verb);
        }
    }

    /// Remembers the literal names of a path that a server knows. True when that merged names, so that
    /// templates made before no longer hold.
    pub(crate) fn learn(&mut self, path: &Templated) -> bool {
        let mut merged = false;
        for (before, from) in &path.literals {
            let prefix = &path.template[..*before];
            let name = path.template[*from..].split('/').next().unwrap_or("");
            if RESERVED.contains(&name) || self.merged.contains_key(prefix) {
                continue;
            }
            let names = self.known.entry(prefix.to_owned()).or_default();
            if names.insert(name.to_owned()) {
                self.count += 1;
                let full = names.len() > limit(prefix) || self.count > PER_HOST;
                if full {
                    self.merge(prefix.to_owned());
                    merged = true;
                }
            }
        }
        merged
    }

    /// Remembers an RPC operation; false when there are too many to tell apart.
    pub(crate) fn learn_operation(&mut self, template: &str, operation: &str) -> bool {
        let names = self.known.entry(format!("{template}#")).or_default();
        if names.contains(operation) {
            return true;
        }
        if names.len() >= OPERATIONS || self.count >= PER_HOST {
            return false;
        }
        self.count += 1;
        names.insert(operation.to_owned())
    }

    /// Whether an operation may have a template of its own.
    pub(crate) fn has_room_for_operation(&self, template: &str, operation: &str) -> bool {
        self.known
            .get(&format!("{template}#"))
            .is_none_or(|n| n.contains(operation) || n.len() < OPERATIONS)
            && self.count < PER_HOST
    }

    /// Makes one place a parameter and joins what was known below its names, which may make further
    /// places parameters.
    fn merge(&mut self, prefix: String) {
        let mut todo = vec![prefix];
        while let Some(prefix) = todo.pop() {
            let names = self.known.remove(&prefix).unwrap_or_default();
            self.count = self.count.saturating_sub(names.len());
            self.merged.insert(prefix.clone(), names.len());
            let below: Vec<String> = self
                .known
                .range(format!("{prefix}/")..)
                .map(|(k, _)| k)
                .chain(self.merged.range(format!("{prefix}/")..).map(|(k, _)| k))
                .take_while(|_| true)
                .filter(|key| self.rename(&prefix, key).is_some())
                .cloned()
                .collect();
            for old in below {
                let Some(new) = self.rename(&prefix, &old) else {
                    continue;
                };
                if let Some(count) = self.merged.remove(&old) {
                    let names = self.known.remove(&new).unwrap_or_default();
                    self.count = self.count.saturating_sub(names.len());
                    self.merged.insert(new.clone(), count.max(names.len()));
                }
                let Some(names) = self.known.remove(&old) else {
                    continue;
                };
                if self.merged.contains_key(&new) {
                    self.count = self.count.saturating_sub(names.len());
                    continue;
                }
                let known = self.known.entry(new.clone()).or_default();
                for name in names {
                    if !known.insert(name) {
                        self.count = self.count.saturating_sub(1);
                    }
                }
                if known.len() > limit(&new) && !todo.contains(&new) {
                    todo.push(new);
                }
            }
        }
    }

    /// The template once the name after `prefix` is a parameter; nothing when that does not change it.
    fn rename(&self, prefix: &str, template: &str) -> Option<String> {
        let rest = template.strip_prefix(prefix)?.strip_prefix('/')?;
        let name = rest.split(['/', '#']).next().unwrap_or("");
        let (name, verb) = name.split_once(':').unwrap_or((name, ""));
        let literal =
            !name.is_empty() && !name.contains('{') && !RESERVED.contains(&name) && name != "favicon.ico";
        literal.then(|| {
            format!(
                "{prefix}/{{param}}{}{verb}{}",
                if verb.is_empty() { "" } else { ":" },
                &rest[name.len() + if verb.is_empty() { 0 } else { verb.len() + 1 }..]
            )
        })
    }

    /// The template that replaces one made before names were merged, when it is another.
    pub(crate) fn renamed(&self, template: &str) -> Option<String> {
        let mut current = Cow::Borrowed(template);
        // Prefixes come in order, shorter before longer, so one pass reaches the end.
        for prefix in self.merged.keys() {
            if let Some(new) = self.rename(prefix, &current) {
                current = Cow::Owned(new);
            }
        }
        match current {
            Cow::Owned(new) if new != template => Some(new),
            _ => None,
        }
    }

    /// Places that are parameters because of the number of names there, with that number.
    #[cfg(test)]
    pub(crate) fn merged(&self) -> &BTreeMap<String, usize> {
        &self.merged
    }
}

/// How many names a place may have: few below a plural noun, many where routes usually branch.
fn limit(prefix: &str) -> usize {
    let last = prefix.rsplit('/').next().unwrap_or("");
    let plural = last.len() > 3 && last.ends_with('s') && !last.ends_with("ss") && !last.ends_with("us");
    if plural && !last.contains('{') {
        BELOW_COLLECTION
    } else {
        ELSEWHERE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_path_is_enough_for_typed_segments() {
        let names = Names::default();
        for (path, want) in [
            ("/", "/"),
            ("", "/"),
            ("//orders//42/", "/orders/{int}"),
            ("/a/./b/../c", "/a/c"),
            ("/../../etc", "/etc"),
            ("/login/%2e%2e/legacy/refunds", "/legacy/refunds"),
            ("/login/.%2E/%2e/legacy", "/legacy"),
            ("/login/..;/legacy", "/legacy"),
            (
                "/v1/users/7d444840-9dc0-11d1-b245-5ffdce74fad2",
                "/v1/users/{uuid}",
            ),
            ("/Orders/ord_1a2b3c/items", "/Orders/{slug}/items"),
            ("/tasks/42:cancel", "/tasks/{int}:cancel"),
            ("/v1/message:send", "/v1/message:send"),
            ("/assets/app.3f2a1b.js", "/assets/{file}.js"),
            ("/favicon.ico", "/favicon.ico"),
            ("/files/bill-december-2023.txt", "/files/{slug}.txt"),
            ("/p;jsessionid=1/x", "/p/x"),
            ("/u/Ann%20Lee", "/u/{name}"),
            ("/u/id=7/x", "/u/id={value}/x"),
            ("/odata/Keys('a8Kd93jLq0ZxPw72')", "/odata/Keys('{token}')"),
            ("/odata/Users(42)/orders", "/odata/Users({int})/orders"),
            (
                "/bot123456789:AAHdqTcvCH1vGWJxf/sendMessage",
                "/{token}/sendMessage",
            ),
            ("/cards/4111111111111111.pdf", "/cards/{card}.pdf"),
            ("/getUserById/user_profiles", "/getUserById/user_profiles"),
            (
                "/.well-known/openid-configuration",
                "/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(names.template(path).template, want, "{path}");
        }
        let deep = names.template(&"/a".repeat(40)).template;
        assert!(deep.ends_with("/a/{rest}") && deep.len() < 60);
    }

    #[test]
    fn object_places_give_their_values_back() {
        let templated = Names::default().template("/users/42/orders/ord_1a2b");
        let values: Vec<_> = at_places("//users/42/orders/ord_1a2b", templated.objects).collect();
        assert_eq!(values, ["42", "ord_1a2b"]);
    }

    #[test]
    fn many_names_below_a_collection_become_a_parameter() {
        let mut names = Names::default();
        let mut merged = false;
        for n in 0..40u8 {
            let name = format!(
                "/users/{}{}/posts",
                (b'a' + n / 8) as char,
                (b'a' + n % 8) as char
            );
            let templated = names.template(&name);
            merged |= names.learn(&templated);
        }
        assert!(merged);
        assert_eq!(
            names.template("/users/alice/posts").template,
            "/users/{param}/posts"
        );
        assert_eq!(names.template("/users/me/posts").template, "/users/me/posts");
        assert_eq!(
            names.renamed("/users/alice/posts").as_deref(),
            Some("/users/{param}/posts")
        );
        assert_eq!(names.renamed("/users/me/posts"), None);
        assert!(names.known.contains_key("/users/{param}"));
        assert_eq!(names.merged()["/users"], 25);
    }

    #[test]
    fn names_per_host_are_bounded() {
        let mut names = Names::default();
        for a in 0..60u32 {
            for b in 0..200u32 {
                let word = |n: u32| {
                    format!(
                        "{}{}",
                        char::from(b'a' + (n % 26) as u8),
                        char::from(b'a' + (n / 26) as u8)
                    )
                };
                let path = format!("/{}/{}/{}", word(a), word(b), word(a ^ b));
                let templated = names.template(&path);
                names.learn(&templated);
            }
        }
        assert!(names.known.values().map(BTreeSet::len).sum::<usize>() <= PER_HOST + 1);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut picks in proptest::collection::vec((0..30u8, 0..4u8), 0..120), seed in 0..1000usize) {
            let learn = |picks: &[(u8, u8)]| {
                let mut names = Names::default();
                let paths: Vec<String> = picks.iter().map(|(a, b)| format!("/users/n{}/{}", (b'a' + a) as char, ["posts", "likes", "x", "y"][*b as usize])).collect();
                for path in &paths {
                    let templated = names.template(path);
                    names.learn(&templated);
                }
                paths.iter().map(|p| names.template(p).template).collect::<BTreeSet<_>>()
            };
            let first = learn(&picks);
            if !picks.is_empty() {
                let by = seed % picks.len();
                picks.rotate_left(by);
                picks.reverse();
            }
            prop_assert_eq!(first, learn(&picks));
        }

        #[test]
        fn any_path_has_a_short_template(path in "\\PC{0,300}") {
            let templated = Names::default().template(&path);
            prop_assert!(templated.template.starts_with('/'));
            prop_assert!(templated.template.len() <= 16 * 140 + 16);
        }
    }
}
