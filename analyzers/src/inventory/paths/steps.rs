//! A path taken apart: what each segment is by its form alone.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::privacy::segment::{self, Segment, Show};

/// Steps of a path; what lies deeper is `{rest}`.
pub(crate) const DEPTH: usize = 16;

/// File endings of the parts pages are made of; such files are one endpoint per folder and ending.
const STATIC: [&str; 22] = [
    "js", "mjs", "css", "map", "png", "jpg", "jpeg", "gif", "svg", "ico", "webp", "avif", "woff", "woff2",
    "ttf", "eot", "mp4", "webm", "mp3", "wasm", "bmp", "otf",
];

/// What stands in one place of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A name that may be a word of the route or a value.
    Name,
    /// A value of this kind, and nothing else.
    Value(Segment),
    /// Values and words of the route together (`{int}.pdf`, `Keys('{int}')`), or what can be nothing but a word of the
    /// route (`:cancel`, `favicon.ico`).
    Fixed,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step<'p> {
    /// What may be shown of it: the name itself, or its kind in braces.
    pub(crate) shown: Cow<'p, str>,
    pub(crate) form: Form,
    /// The segment as it stood there, decoded.
    pub(crate) text: Cow<'p, str>,
}

/// A path taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Steps<'p> {
    pub(crate) steps: Vec<Step<'p>>,
    /// Bit per place of [`places`]: it holds the name of an object, whatever names turn out to be.
    pub(crate) objects: u32,
    /// For each step the place of [`places`] it comes from.
    pub(crate) places: Vec<u8>,
    /// It is one of the parts a page is made of.
    pub(crate) is_static: bool,
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

impl<'p> Steps<'p> {
    /// Takes a path apart.
    pub(crate) fn of(path: &'p str) -> Self {
        let (places, len, deeper) = places(path);
        let mut out = Self {
            steps: Vec::with_capacity(len + 1),
            places: Vec::with_capacity(len + 1),
            ..Self::default()
        };
        let mut before: Cow<'_, str> = Cow::Borrowed("");
        let mut room = String::new();
        for (place, raw) in places[..len].iter().enumerate() {
            let text = segment::decode(bare(raw));
            let last = place + 1 == len && !deeper;
            out.push(text.clone(), &before, place, last, &mut room);
            before = text;
        }
        if deeper {
            out.fixed("{rest}".into(), DEPTH);
        }
        out
    }

    /// The same for all paths that differ only in values that form alone tells.
    pub(crate) fn hash(&self, seed: u64) -> u64 {
        self.steps.iter().fold(seed, |hash, step| {
            let form = match step.form {
                Form::Name => 1,
                Form::Value(_) => 2,
                Form::Fixed => 3,
            };
            xxh3_64_with_seed(step.shown.as_bytes(), hash.rotate_left(7).wrapping_add(form))
        })
    }

    fn fixed(&mut self, shown: Cow<'p, str>, place: usize) {
        self.step(shown, Form::Fixed, Cow::Borrowed(""), place);
    }

    fn step(&mut self, shown: Cow<'p, str>, form: Form, text: Cow<'p, str>, place: usize) {
        self.steps.push(Step { shown, form, text });
        self.places.push(place as u8);
    }

    fn push(&mut self, text: Cow<'p, str>, before: &str, place: usize, last: bool, room: &mut String) {
        if last && let Some((stem, ending)) = static_file(&text) {
            self.is_static = true;
            let shown = match stem {
                _ if text == "favicon.ico" => text,
                "" => Cow::Borrowed(""),
                _ => format!("{{file}}.{ending}").into(),
            };
            return self.fixed(shown, place);
        }
        // `tasks/42:cancel`: the verb after the colon belongs to the route, and is a step of its own.
        let (name, verb) = segment::verb(&text);
        let verb = verb.map(|verb| format!(":{verb}"));
        if let Some((key, _)) = segment::once(name, b'=')
            && crate::privacy::is_plain_name(key)
        {
            let shown = format!("{key}={{value}}");
            self.fixed(shown.into(), place);
        } else {
            room.clear();
            let kind = segment::show(name, before, Show::Kinds, room);
            if kind.is_object() {
                self.objects |= 1 << place;
            }
            let form = match kind {
                Segment::Literal => Form::Name,
                kind if room == kind.placeholder() => Form::Value(kind),
                _ => Form::Fixed,
            };
            let length = name.len();
            let text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
                Cow::Owned(mut text) => {
                    text.truncate(length);
                    Cow::Owned(text)
                }
            };
            let shown = match (form, &text) {
                (Form::Value(kind), _) => Cow::Borrowed(kind.placeholder()),
                (_, Cow::Borrowed(text)) if room == text => Cow::Borrowed(*text),
                _ => Cow::Owned(room.clone()),
            };
            self.step(shown, form, text, place);
        }
        if let Some(verb) = verb {
            self.fixed(verb.into(), place);
        }
    }
}

/// Stem and ending of the name of a file that pages are made of.
fn static_file(text: &str) -> Option<(&str, &'static str)> {
    let dot = memchr::memrchr(b'.', text.as_bytes())?;
    let (stem, ending) = (&text[..dot], &text[dot + 1..]);
    let known = STATIC.iter().find(|e| ending.eq_ignore_ascii_case(e))?;
    Some((stem, known))
}

/// Appends a step to a template.
pub(crate) fn append(template: &mut String, step: &str) {
    if !step.starts_with(':') {
        template.push('/');
    }
    template.push_str(step);
}

/// A template by which ids are made: parameters are `{}`, whatever they are called, so that an id stays when a name
/// for a parameter is found or another kind of value turns up.
pub(crate) fn bare_template(template: &str) -> Cow<'_, str> {
    if !template.bytes().any(|b| b == b'{') {
        return Cow::Borrowed(template);
    }
    let path = segment::once(template, b'#').map_or(template, |(path, _)| path);
    let mut out = String::with_capacity(template.len());
    for (number, step) in segment::parts(path, b'/').enumerate() {
        if number > 0 {
            out.push('/');
        }
        match step.strip_prefix('{').and_then(|rest| segment::once(rest, b'}')) {
            // A parameter that is the whole step, or has a verb behind it. `{file}.css` and its like are words of the route.
            Some((name, after)) if name != "rest" && (after.is_empty() || after.starts_with(':')) => {
                out.push_str("{}");
                out.push_str(after);
            }
            _ => out.push_str(step),
        }
    }
    out.push_str(&template[path.len()..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template(path: &str) -> String {
        let mut out = String::new();
        for step in Steps::of(path).steps {
            append(&mut out, &step.shown);
        }
        out
    }

    #[test]
    fn one_path_is_enough_for_typed_segments() {
        for (path, expected) in [
            ("/orders/42", "/orders/{int}"),
            (
                "/v1/users/550e8400-e29b-41d4-a716-446655440000",
                "/v1/users/{uuid}",
            ),
            ("/users/alice", "/users/alice"),
            ("/static/app.9f86d081.js", "/static/{file}.js"),
            ("/favicon.ico", "/favicon.ico"),
            ("/tasks/42:cancel", "/tasks/{int}:cancel"),
            ("/a/./b/../c", "/a/c"),
            ("/a//b/", "/a/b"),
            ("/x;jsessionid=1/y", "/x/y"),
            ("/filter/color=red", "/filter/color={value}"),
            (
                "/a/b/c/d/e/f/g/h/a/b/c/d/e/f/g/h/i",
                "/a/b/c/d/e/f/g/h/a/b/c/d/e/f/g/h/{rest}",
            ),
        ] {
            assert_eq!(template(path), expected, "{path}");
        }
    }

    #[test]
    fn objects_are_at_their_places() {
        let steps = Steps::of("/users/42:suspend/orders/a1b2");
        assert_eq!(steps.objects, 0b1010);
        assert_eq!(steps.places, [0, 1, 1, 2, 3]);
        let values: Vec<_> = at_places("/users/42/orders/a1b2", steps.objects).collect();
        assert_eq!(values, ["42", "a1b2"]);
    }

    #[test]
    fn ids_do_not_depend_on_what_a_parameter_is_called() {
        for (template, bare) in [
            ("/users/{int}", "/users/{}"),
            ("/users/{userId}/posts/{param}:pin", "/users/{}/posts/{}:pin"),
            ("/static/{file}.css", "/static/{file}.css"),
            ("/a/{rest}", "/a/{rest}"),
            ("/mcp#tools/call:{name}", "/mcp#tools/call:{name}"),
            ("/plain", "/plain"),
        ] {
            assert_eq!(bare_template(template), bare);
        }
    }

    proptest! {
        #[test]
        fn any_path_has_a_short_template(path in "\\PC{0,300}") {
            let steps = Steps::of(&path);
            prop_assert!(steps.steps.len() <= 2 * DEPTH + 1);
            prop_assert!(template(&path).len() <= 2 * DEPTH * 140);
        }
    }
}
