//! What values a specification allows, as far as traffic can be held against it.
//!
//! Schemas lie in one table and refer to each other by number, so that a schema that contains itself is a loop of
//! numbers and nothing is ever expanded. [`Schemas::shape`] puts together what `allOf`, `oneOf` and `anyOf` say about one
//! level, which is what a comparison needs: it walks down the value that was seen, not down the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::BitOr;

/// A schema of [`Schemas`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub(crate) u32);

/// A set of JSON types. The empty one stands for any type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Types(u8);

impl Types {
    /// Any type.
    pub const ANY: Self = Self(0);
    /// `null`.
    pub const NULL: Self = Self(1);
    /// `true` and `false`.
    pub const BOOLEAN: Self = Self(2);
    /// Numbers without a fraction.
    pub const INTEGER: Self = Self(4);
    /// Numbers, those without a fraction too.
    pub const NUMBER: Self = Self(8);
    /// Strings.
    pub const STRING: Self = Self(16);
    /// Arrays.
    pub const ARRAY: Self = Self(32);
    /// Objects.
    pub const OBJECT: Self = Self(64);

    const NAMES: [(Self, &str); 7] = [
        (Self::NULL, "null"),
        (Self::BOOLEAN, "boolean"),
        (Self::INTEGER, "integer"),
        (Self::NUMBER, "number"),
        (Self::STRING, "string"),
        (Self::ARRAY, "array"),
        (Self::OBJECT, "object"),
    ];

    /// The type of a name of JSON Schema.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(types, _)| *types)
    }

    /// Whether nothing is said about the type.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.0 == 0
    }

    /// Whether a value of one type is allowed: any of the set, and integers where numbers are.
    #[must_use]
    pub fn allows(self, one: Self) -> bool {
        self.is_any() || self.0 & one.0 != 0 || one == Self::INTEGER && self.0 & Self::NUMBER.0 != 0
    }

    /// The names of the types, in the order of the constants.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(types, _)| self.0 & types.0 != 0)
            .map(|(_, name)| name)
    }

    /// Types that are in both; where there is none, those of the first, since a contradiction allows nothing and is
    /// a slip of the author.
    fn and(self, other: Self) -> Self {
        let widen = |t: Self| {
            if t.0 & Self::NUMBER.0 != 0 {
                t.0 | Self::INTEGER.0
            } else {
                t.0
            }
        };
        match (self.is_any(), other.is_any()) {
            (true, _) => other,
            (_, true) => self,
            _ => match widen(self) & widen(other) {
                0 => self,
                both => Self(both),
            },
        }
    }

    fn or(self, other: Self) -> Self {
        if self.is_any() || other.is_any() {
            Self::ANY
        } else {
            self | other
        }
    }
}

impl BitOr for Types {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::fmt::Debug for Types {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.write_str(if names.is_empty() { "any" } else { "" })?;
        f.write_str(&names.join("|"))
    }
}

/// What is said of properties that are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Additional {
    /// Nothing: they are allowed.
    #[default]
    Unsaid,
    /// They must not be there.
    Closed,
    /// They are allowed, and meant to be there.
    Any,
    /// They are of this schema: a map.
    Schema(SchemaId),
}

/// One schema, as written (OpenAPI, Schema Object; JSON Schema 2020-12).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// Types it allows.
    pub types: Types,
    /// `null` is allowed besides (`nullable`, `x-nullable`).
    pub nullable: bool,
    /// `format`, which says more about the type.
    pub format: Option<String>,
    /// Values it allows (`enum`, `const`), none for any; long lists are left out.
    pub enumeration: Vec<String>,
    /// Properties that are listed.
    pub properties: BTreeMap<String, SchemaId>,
    /// Properties that must be there.
    pub required: BTreeSet<String>,
    /// Properties that are not listed.
    pub additional: Additional,
    /// What an array holds, at any place.
    pub items: Vec<SchemaId>,
    /// All of these must hold as well.
    pub all_of: Vec<SchemaId>,
    /// One or more of these must hold as well (`oneOf`, `anyOf`; each list is a group).
    pub one_of: Vec<Vec<SchemaId>>,
    /// Only in responses.
    pub read_only: bool,
    /// Only in requests.
    pub write_only: bool,
    /// Marked as deprecated.
    pub deprecated: bool,
    /// What the author says about its sensitivity (`x-pii`, `x-sensitive`, `x-data-classification`).
    pub sensitive: Option<String>,
}

/// What is allowed on one level, put together from all schemas that have a say in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape<'a> {
    /// Types it allows.
    pub types: Types,
    /// Formats of its types.
    pub formats: BTreeSet<&'a str>,
    /// Values it allows; `None` for any.
    pub enumeration: Option<BTreeSet<&'a str>>,
    /// Properties, with the schemas that speak of each. A value that suits one of them is as declared.
    pub properties: BTreeMap<&'a str, Vec<SchemaId>>,
    /// Properties that must be there.
    pub required: BTreeSet<&'a str>,
    /// Schemas of properties that are not listed.
    pub additional: Vec<SchemaId>,
    /// Properties that are not listed are forbidden.
    pub closed: bool,
    /// Properties that are not listed are meant to be there.
    pub open: bool,
    /// What an array holds.
    pub items: Vec<SchemaId>,
    /// Marked as deprecated.
    pub deprecated: bool,
    /// What the author says about its sensitivity.
    pub sensitive: Option<&'a str>,
    /// Some of what is said was too much to look at; then more is allowed than this shows.
    pub partial: bool,
}

impl Shape<'_> {
    /// Whether it is an object about whose properties nothing is said: any name may come.
    #[must_use]
    pub fn is_free_object(&self) -> bool {
        let object = self.types.allows(Types::OBJECT) && !self.types.is_any();
        object && !self.closed && (self.open || self.properties.is_empty())
    }
}

/// The schemas of a specification.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schemas {
    pub(crate) table: Vec<Schema>,
}

/// Schemas looked at for one level.
const VISITS: usize = 2048;
/// Levels of `allOf` and its like in each other.
const NESTED: usize = 24;

impl Schemas {
    /// The schema of a number of this specification.
    #[must_use]
    pub fn get(&self, id: SchemaId) -> Option<&Schema> {
        self.table.get(id.0 as usize)
    }

    /// Number of schemas.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn push(&mut self, schema: Schema) -> SchemaId {
        self.table.push(schema);
        SchemaId(self.table.len() as u32 - 1)
    }

    /// What is allowed where any of these schemas may hold.
    #[must_use]
    pub fn shape(&self, ids: &[SchemaId]) -> Shape<'_> {
        let mut visits = VISITS;
        let mut above = Vec::new();
        self.any(ids, &mut above, &mut visits).unwrap_or_default()
    }

    fn any<'a>(
        &'a self,
        ids: &[SchemaId],
        above: &mut Vec<SchemaId>,
        visits: &mut usize,
    ) -> Option<Shape<'a>> {
        let mut shapes = ids.iter().filter_map(|id| self.one(*id, above, visits));
        let first = shapes.next()?;
        Some(shapes.fold(first, Shape::or))
    }

    /// `None` for what is being looked at already: it says nothing more.
    fn one<'a>(&'a self, id: SchemaId, above: &mut Vec<SchemaId>, visits: &mut usize) -> Option<Shape<'a>> {
        let schema = self.get(id)?;
        if above.contains(&id) {
            return None;
        }
        if *visits == 0 || above.len() >= NESTED {
            return Some(Shape {
                partial: true,
                ..Shape::default()
            });
        }
        *visits -= 1;
        let mut shape = Shape::own(schema);
        above.push(id);
        for part in &schema.all_of {
            if let Some(part) = self.one(*part, above, visits) {
                shape = shape.and(part);
            }
        }
        for group in &schema.one_of {
            if let Some(group) = self.any(group, above, visits) {
                shape = shape.and(group);
            }
        }
        above.pop();
        shape.allow_null(schema);
        Some(shape)
    }
}

impl<'a> Shape<'a> {
    fn own(schema: &'a Schema) -> Self {
        let enumeration = &schema.enumeration;
        Self {
            types: schema.types,
            formats: schema.format.as_deref().into_iter().collect(),
            enumeration: (!enumeration.is_empty()).then(|| enumeration.iter().map(String::as_str).collect()),
            properties: schema
                .properties
                .iter()
                .map(|(name, id)| (name.as_str(), vec![*id]))
                .collect(),
            required: schema.required.iter().map(String::as_str).collect(),
            additional: match schema.additional {
                Additional::Schema(id) => vec![id],
                _ => Vec::new(),
            },
            closed: schema.additional == Additional::Closed,
            open: matches!(schema.additional, Additional::Any | Additional::Schema(_)),
            items: schema.items.clone(),
            deprecated: schema.deprecated,
            sensitive: schema.sensitive.as_deref(),
            partial: false,
        }
    }

    fn allow_null(&mut self, schema: &Schema) {
        if schema.nullable && !self.types.is_any() {
            self.types = self.types | Types::NULL;
        }
    }

    fn absorb(&mut self, other: &mut Self) {
        for (name, mut ids) in std::mem::take(&mut other.properties) {
            let known = self.properties.entry(name).or_default();
            ids.retain(|id| !known.contains(id));
            known.append(&mut ids);
        }
        self.additional.append(&mut other.additional);
        self.items.append(&mut other.items);
        self.formats.append(&mut other.formats);
        self.sensitive = self.sensitive.or(other.sensitive);
        self.partial |= other.partial;
    }

    /// Both hold. Properties of either may be there, although `additionalProperties: false` in one of them would, to
    /// the letter, forbid those of the other (JSON Schema 2020-12 section 10.3.2.3): nobody means that.
    fn and(mut self, mut other: Self) -> Self {
        self.absorb(&mut other);
        self.types = self.types.and(other.types);
        self.required.append(&mut other.required);
        self.enumeration = match (self.enumeration, other.enumeration) {
            (Some(a), Some(b)) => Some(a.intersection(&b).copied().collect()),
            (a, b) => a.or(b),
        };
        self.open |= other.open;
        self.closed = (self.closed || other.closed) && !self.open;
        self.deprecated |= other.deprecated;
        self
    }

    /// One of them holds.
    fn or(mut self, mut other: Self) -> Self {
        self.absorb(&mut other);
        self.types = self.types.or(other.types);
        self.required = self.required.intersection(&other.required).copied().collect();
        self.enumeration = match (self.enumeration, other.enumeration) {
            (Some(a), Some(b)) => Some(a.union(&b).copied().collect()),
            _ => None,
        };
        self.open |= other.open;
        self.closed &= other.closed;
        self.deprecated &= other.deprecated;
        self
    }
}
