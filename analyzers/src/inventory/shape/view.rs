//! The shape of an endpoint as it is shown and published.

use std::borrow::Cow;

use reassembly::Timestamp;

use super::body::{Body, ELEMENT, KEY};
use super::content::Form;
use super::params::{KINDS, ParameterPlace, Parameters};
use super::values::Format;
use super::walk::Kind;

/// The least share of its object in which a field that is required is: the lower bound of Wilson's interval.
pub const REQUIRED: f64 = 0.9;

/// Objects below which nothing can be said to be required, and what is said is provisional: with fewer, Wilson's lower bound is
/// below [`REQUIRED`] even if each one had the field.
pub const FEW: u64 = 35;

/// A field in fewer of its objects than this is data where others of that object are.
const RARE: f64 = 0.05;

/// Types of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FieldType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a point and an exponent.
    Integer,
    /// Any other number.
    Number,
    /// A text.
    String,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl FieldType {
    /// The name in JSON Schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Object => "object",
            Self::Array => "array",
        }
    }
}

impl From<Kind> for FieldType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Null => Self::Null,
            Kind::Boolean => Self::Boolean,
            Kind::Integer => Self::Integer,
            Kind::Number => Self::Number,
            Kind::String => Self::String,
            Kind::Object => Self::Object,
            Kind::Array => Self::Array,
        }
    }
}

/// How often something was there, of the times it could have been.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Presence {
    /// Exchanges that had it.
    pub seen: u64,
    /// Exchanges, read to their end, in which each object that could have it did.
    pub every: u64,
    /// Exchanges that could have had it.
    pub of: u64,
    /// Lower bound of the share (Wilson, 95 %), of exchanges in which each object that could have it did.
    pub low: f64,
    /// Upper bound of the share of exchanges that had it anywhere.
    pub high: f64,
}

impl Presence {
    fn new(seen: u32, every: u32, some: u32, of: u32) -> Self {
        Self {
            seen: seen.into(),
            every: every.min(of).into(),
            of: of.into(),
            low: wilson(every.min(of), of).0,
            high: wilson(some.min(of), of).1,
        }
    }

    /// Whether it is always there, as far as that can be said.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.low >= REQUIRED
    }

    /// Whether it is required and was never missing.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.is_required() && self.every == self.of
    }

    /// Whether too little was seen to say so.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.of < FEW
    }
}

/// Whether what was there so often is required.
pub(super) fn is_required(every: u32, of: u32) -> bool {
    wilson(every.min(of), of).0 >= REQUIRED
}

/// Wilson's interval for a share, at 95 % (Wilson 1927, with z = 1.96).
#[must_use]
pub fn wilson(hits: u32, of: u32) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.96;
    let (n, p) = (f64::from(of), f64::from(hits) / f64::from(of));
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    let low = if hits == 0 { 0.0 } else { (middle - half) / whole };
    let high = if hits == of { 1.0 } else { (middle + half) / whole };
    (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
}

/// What is known of the values of a field or parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValuesView {
    /// The form that nearly all texts have.
    pub format: Option<Format>,
    /// The words that the texts are, when these are few, often met and nobody's.
    pub words: Vec<String>,
    /// Bounds of the numbers, outward to powers of ten.
    pub numbers: Option<(f64, f64)>,
    /// Least and greatest length of a text, in bytes as written.
    pub length: Option<(u64, u64)>,
    /// Least and greatest number of elements.
    pub elements: Option<(u64, u64)>,
}

impl From<super::values::Values> for ValuesView {
    fn from(values: super::values::Values) -> Self {
        Self {
            format: values.format(),
            words: values.words(),
            numbers: values.numbers(),
            length: values.length(),
            elements: values.elements(),
        }
    }
}

/// A parameter of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterView {
    /// Where it stands.
    pub place: ParameterPlace,
    /// Its name; `{key}` for all whose names are data. Names of header fields are in lower case.
    pub name: String,
    /// How often it was there, of accepted requests.
    pub presence: Presence,
    /// Requests that had it more than once.
    pub repeated: u64,
    /// Types with the number of requests, most met first. Of a header and a cookie nothing but text is known.
    pub types: Vec<(FieldType, u64)>,
    /// Its values.
    pub values: ValuesView,
    /// First request that had it.
    pub first_seen: Timestamp,
    /// Last request that had it.
    pub last_seen: Timestamp,
}

/// A step from a value to one in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The property of this name.
    Name(String),
    /// Any property: the names of this object are data.
    Key,
    /// Any element of an array.
    Element,
}

/// A field of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldView {
    /// The way to it from the whole body; empty for that itself.
    pub steps: Vec<Step>,
    /// How often it was there, of exchanges in which the object was that it belongs to.
    pub presence: Presence,
    /// Types with the number of exchanges, most met first. One exchange may show several.
    pub types: Vec<(FieldType, u64)>,
    /// Its values.
    pub values: ValuesView,
    /// First exchange that had it.
    pub first_seen: Timestamp,
    /// Last exchange that had it.
    pub last_seen: Timestamp,
}

impl FieldView {
    /// The way to it in one text: names joined by dots, `[]` for elements, `{key}` for names that are data.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Element => {
                    path.push_str(ELEMENT);
                    continue;
                }
                _ if !path.is_empty() => path.push('.'),
                _ => {}
            }
            path.push_str(match step {
                Step::Name(name) => name,
                _ => KEY,
            });
        }
        path
    }

    /// Whether it belongs to an object and is always there. Elements, values by key and the body itself are neither required nor
    /// optional.
    #[must_use]
    pub fn is_required(&self) -> bool {
        matches!(self.steps.last(), Some(Step::Name(_))) && self.presence.is_required()
    }
}

/// Whose bodies they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Side {
    /// Of accepted requests.
    Request,
    /// Of responses with a status of this class: `2` for 200 to 299.
    Response(u8),
}

impl Side {
    /// `request`, `response 2xx`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Request => "request".to_owned(),
            Self::Response(class) => format!("response {class}xx"),
        }
    }
}

/// The bodies that go one way in one form.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyView {
    /// Whose they are.
    pub side: Side,
    /// In what form they are written.
    pub form: Form,
    /// Exchanges read.
    pub exchanges: u64,
    /// Of these, cut off: they show what is there and never what is not.
    pub cut: u64,
    /// Fields, the one before those in it; the first is the body itself.
    pub fields: Vec<FieldView>,
    /// Fields that were given up or taken for data because there were too many.
    pub given_up: u64,
}

/// What an endpoint takes and gives, as learned from traffic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShapeView {
    /// Accepted requests: what parameters are counted of.
    pub requests: u64,
    /// Parameters, sorted by place and name.
    pub parameters: Vec<ParameterView>,
    /// Bodies, sorted by side and form.
    pub bodies: Vec<BodyView>,
    /// Responses by status, sorted.
    pub statuses: Vec<(u16, u64)>,
    /// Bodies that are not what their type says.
    pub unreadable: u64,
    /// Parameters given up because there were too many.
    pub given_up: u64,
}

impl ShapeView {
    /// The body of responses with a status of this class, by the form met most.
    #[must_use]
    pub fn response(&self, class: u8) -> Option<&BodyView> {
        let of = self
            .bodies
            .iter()
            .filter(|body| body.side == Side::Response(class));
        of.max_by_key(|body| body.exchanges)
    }
}

pub(super) fn time(seconds: u32) -> Timestamp {
    Timestamp(u64::from(seconds) * 1_000_000_000)
}

pub(super) fn parameters(all: &Parameters) -> Vec<ParameterView> {
    let all = all.settled();
    let mut views = Vec::new();
    for parameter in all.sorted() {
        let mut types: Vec<(FieldType, u64)> = KINDS
            .into_iter()
            .zip(parameter.kinds)
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (kind.into(), count.into()))
            .collect();
        if types.is_empty() {
            types.push((FieldType::String, parameter.seen.into()));
        }
        types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        views.push(ParameterView {
            place: parameter.place,
            name: parameter.name.to_string(),
            presence: Presence::new(parameter.seen, parameter.seen, parameter.seen, all.requests),
            repeated: parameter.repeated.into(),
            types,
            values: parameter.values().into(),
            first_seen: time(parameter.times.0),
            last_seen: time(parameter.times.1),
        });
    }
    views
}

pub(super) fn body(body: &Body, side: Side, form: Form) -> BodyView {
    let settled = body.settled();
    let body = folded(&settled);
    // Children after their parent and sorted by name, so that the order in which they came does not show.
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); body.fields.len()];
    for at in 1..body.fields.len() {
        children[usize::from(body.fields[at].parent)].push(at);
    }
    for below in &mut children {
        below.sort_by(|a, b| body.name(*a).cmp(body.name(*b)));
    }
    let mut fields = Vec::new();
    let mut open: Vec<(usize, Vec<Step>)> = (!body.fields.is_empty())
        .then(|| (0, Vec::new()))
        .into_iter()
        .collect();
    while let Some((at, steps)) = open.pop() {
        if body.fields[at].seen() == 0 {
            continue;
        }
        for child in children[at].iter().rev() {
            let mut steps = steps.clone();
            steps.push(match body.name(*child) {
                ELEMENT => Step::Element,
                KEY => Step::Key,
                name => Step::Name(name.to_owned()),
            });
            open.push((*child, steps));
        }
        fields.push(field(&body, at, steps));
    }
    BodyView {
        side,
        form,
        exchanges: body.exchanges.into(),
        cut: body.cut.into(),
        fields,
        given_up: body.given_up.into(),
    }
}

/// With rare names of an object that has data for names among these.
fn folded(body: &Body) -> Cow<'_, Body> {
    let mut maps = vec![false; body.fields.len()];
    for at in 1..body.fields.len() {
        if body.name(at) == KEY && body.fields[at].seen() > 0 {
            maps[usize::from(body.fields[at].parent)] = true;
        }
    }
    if !maps.contains(&true) {
        return Cow::Borrowed(body);
    }
    let rare = |at: usize| {
        let (field, parent) = (&body.fields[at], usize::from(body.fields[at].parent));
        at > 0 && maps[parent] && f64::from(field.seen()) < RARE * f64::from(body.fields[parent].objects)
    };
    Cow::Owned(body.rebuilt(|at| Some(if rare(at) { KEY } else { body.name(at) })))
}

fn field(body: &Body, at: usize, steps: Vec<Step>) -> FieldView {
    let field = &body.fields[at];
    let parent = &body.fields[usize::from(field.parent)];
    let of = match steps.last() {
        None => body.exchanges - body.cut,
        Some(Step::Element) => parent.some,
        Some(_) => parent.objects,
    };
    let mut types: Vec<(FieldType, u64)> = Kind::ALL
        .into_iter()
        .map(|kind| (kind.into(), u64::from(field.of_kind(kind))))
        .filter(|(_, count)| *count > 0)
        .collect();
    types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    FieldView {
        presence: Presence::new(field.seen(), field.every, field.some, of),
        types,
        values: body.values(at).into(),
        first_seen: time(field.first),
        last_seen: time(field.last),
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_as_published() {
        // Values of Brown, Cai and DasGupta 2001 and of R's `binom.wilson`.
        for (hits, of, low, high) in [
            (0, 10, 0.0, 0.2775),
            (5, 10, 0.2366, 0.7634),
            (10, 10, 0.7225, 1.0),
            (81, 263, 0.2553, 0.3662),
        ] {
            let (a, b) = wilson(hits, of);
            assert!(
                (a - low).abs() < 5e-4 && (b - high).abs() < 5e-4,
                "{hits} of {of}: {a} {b}"
            );
        }
        let few = FEW as u32;
        assert!(is_required(few, few) && !is_required(few - 1, few - 1));
        assert!(is_required(99, 100) && !is_required(93, 100));
    }
}
