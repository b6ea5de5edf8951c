//! Schema Objects to [`Schemas`] (OpenAPI 2.0, 3.0: Schema Object; 3.1: JSON Schema 2020-12).
//!
//! Every schema of the document is read once, whatever refers to it, from a list of those still to be read: there is no
//! recursion, and a schema that contains itself ends where it was met before.

use std::collections::BTreeMap;

use super::document::{Cursor, Is, NodeId};
use super::problem::{clip, shown};
use super::reader::Reader;
use super::schema::{Additional, Schema, SchemaId, Schemas, Types};

/// Values of an enumeration that are kept; of longer lists, none.
const VALUES: usize = 256;

/// Schemas of one document.
#[derive(Debug, Default)]
pub(crate) struct SchemaReader<'d> {
    pub(crate) schemas: Schemas,
    known: BTreeMap<NodeId, SchemaId>,
    left: Vec<(SchemaId, Cursor<'d>)>,
    /// Schemas beyond the limit.
    pub(crate) dropped: u64,
}

impl<'d> SchemaReader<'d> {
    /// The schema that a node stands for, with all that it refers to.
    pub(crate) fn read(&mut self, at: Cursor<'d>, reader: &mut Reader<'d>) -> Option<SchemaId> {
        let id = self.intern(at, reader);
        self.run(reader);
        id
    }

    /// A schema made of others, such as the fields of a form.
    pub(crate) fn object(&mut self, fields: Vec<(String, bool, Option<SchemaId>)>) -> SchemaId {
        let mut schema = Schema {
            types: Types::OBJECT,
            ..Schema::default()
        };
        for (name, required, id) in fields {
            if required {
                schema.required.insert(name.clone());
            }
            let id = id.unwrap_or_else(|| self.schemas.push(Schema::default()));
            schema.properties.insert(name, id);
        }
        self.schemas.push(schema)
    }

    fn run(&mut self, reader: &mut Reader<'d>) {
        while let Some((id, at)) = self.left.pop() {
            let schema = self.schema(at, reader);
            self.schemas.table[id.0 as usize] = schema;
        }
    }

    /// The number of a schema; it is read later.
    fn intern(&mut self, at: Cursor<'d>, reader: &mut Reader<'d>) -> Option<SchemaId> {
        // Beside a reference, OpenAPI 3.1 has other keywords count; before it they were ignored, but written.
        let alone = at.get("$ref").is_some_and(|r| r.is() == Is::Text)
            && !at
                .fields()
                .any(|f| matches!(f.key, "type" | "properties" | "required" | "allOf" | "nullable"));
        let at = if alone { reader.resolve(at)? } else { at };
        if let Some(known) = self.known.get(&at.node) {
            return Some(*known);
        }
        if self.schemas.len() >= reader.limits.schemas {
            if self.dropped == 0 {
                let limit = reader.limits.schemas;
                reader.problems.at(at, || {
                    format!("more than {limit} schemas; the others allow everything")
                });
            }
            self.dropped += 1;
            return None;
        }
        let id = self.schemas.push(Schema::default());
        self.known.insert(at.node, id);
        self.left.push((id, at));
        Some(id)
    }

    fn schema(&mut self, at: Cursor<'d>, reader: &mut Reader<'d>) -> Schema {
        let mut schema = Schema::default();
        match at.is() {
            Is::Map => {}
            // JSON Schema 2020-12 section 4.3.2: `true` allows everything.
            Is::Bool => return schema,
            _ => {
                reader.expected(at, "schema", "an object");
                return schema;
            }
        }
        if at.get("$ref").is_some_and(|r| r.is() == Is::Text)
            && let Some(target) = reader.resolve(at)
        {
            schema.all_of.extend(self.intern(target, reader));
        }
        self.types(at, &mut schema, reader);
        schema.nullable = reader.flag(at, "nullable") || reader.flag(at, "x-nullable");
        schema.format = reader.text(at, "format").map(|f| clip(f, 64));
        schema.read_only = reader.flag(at, "readOnly");
        schema.write_only = reader.flag(at, "writeOnly");
        schema.deprecated = reader.flag(at, "deprecated");
        schema.sensitive = sensitive(at);
        enumeration(at, &mut schema, reader);
        self.properties(at, &mut schema, reader);
        for key in ["items", "prefixItems"] {
            if let Some(items) = at.get(key) {
                let of = if items.is() == Is::List {
                    items.items().collect()
                } else {
                    vec![items]
                };
                for item in of {
                    schema.items.extend(self.intern(item, reader));
                }
            }
        }
        if schema.types == Types::ARRAY && at.get("items").is_none() && at.get("prefixItems").is_none() {
            reader
                .problems
                .at(at, || "an array without `items`; say what it holds".to_owned());
        }
        for part in reader.list(at, "allOf") {
            schema.all_of.extend(self.intern(part, reader));
        }
        for key in ["oneOf", "anyOf"] {
            let mut group = Vec::new();
            for part in reader.list(at, key) {
                group.extend(self.intern(part, reader));
            }
            if !group.is_empty() {
                schema.one_of.push(group);
            }
        }
        schema
    }

    fn properties(&mut self, at: Cursor<'d>, schema: &mut Schema, reader: &mut Reader<'d>) {
        for field in reader.object(at, "properties") {
            let name = clip(field.key, 256);
            // Draft 3 had `required` on the property.
            if let Some(flag) = field.value.get("required").filter(|r| r.is() == Is::Bool) {
                let shown_name = shown(field.key);
                reader.problems.at_key(flag, || {
                    format!("`required` of an object is a list of names; add `{shown_name}` to the one of the object")
                });
                if flag.bool() == Some(true) {
                    schema.required.insert(name.clone());
                }
            }
            if let Some(id) = self.intern(field.value, reader) {
                schema.properties.insert(name, id);
            }
        }
        if at.get("required").is_some_and(|r| r.is() != Is::Bool) {
            let names = reader.texts(at, "required");
            schema.required.extend(names.into_iter().map(|n| clip(n, 256)));
        }
        if let Some(other) = at.get("additionalProperties") {
            schema.additional = match (other.is(), other.bool()) {
                (_, Some(true)) => Additional::Any,
                (_, Some(false)) => Additional::Closed,
                (Is::Map, _) => self
                    .intern(other, reader)
                    .map_or(Additional::Any, Additional::Schema),
                _ => {
                    reader.expected(other, "additionalProperties", "true, false or a schema");
                    Additional::Unsaid
                }
            };
        }
        if schema.additional == Additional::Closed && at.get("patternProperties").is_some() {
            schema.additional = Additional::Any;
        }
        if schema.types.is_any() && at.get("properties").is_some() {
            schema.types = Types::OBJECT;
        }
    }

    fn types(&mut self, at: Cursor<'d>, schema: &mut Schema, reader: &mut Reader<'d>) {
        let Some(value) = at.get("type") else { return };
        let names: Vec<Cursor<'d>> = if value.is() == Is::List {
            value.items().collect()
        } else {
            vec![value]
        };
        for name in names {
            // `type: null` in YAML is the null, and means it.
            if name.is() == Is::Null {
                schema.types = schema.types | Types::NULL;
                continue;
            }
            let Some(text) = reader.as_text(name, "type") else {
                continue;
            };
            if let Some(one) = Types::named(text) {
                schema.types = schema.types | one;
                continue;
            }
            let lower = text.to_ascii_lowercase();
            let (meant, right) = match lower.as_str() {
                "int" | "int32" | "int64" | "long" => (Types::INTEGER, "integer"),
                "float" | "double" | "decimal" => (Types::NUMBER, "number"),
                "bool" => (Types::BOOLEAN, "boolean"),
                "str" | "text" | "date" | "datetime" | "date-time" | "uuid" => (Types::STRING, "string"),
                "dict" | "map" | "hash" => (Types::OBJECT, "object"),
                "list" => (Types::ARRAY, "array"),
                // OpenAPI 2.0, Parameter Object and Response Object.
                "file" => {
                    schema.types = schema.types | Types::STRING;
                    schema.format = Some("binary".to_owned());
                    continue;
                }
                other => (Types::named(other).unwrap_or_default(), other),
            };
            let found = shown(text);
            reader.problems.at(name, || {
                if meant.is_any() {
                    format!(
                        "`{found}` is no type; write one of null, boolean, integer, number, string, array, object"
                    )
                } else {
                    format!("`{found}` is no type; write `{right}`")
                }
            });
            schema.types = schema.types | meant;
        }
    }
}

fn enumeration<'d>(at: Cursor<'d>, schema: &mut Schema, reader: &mut Reader<'d>) {
    let mut values: Vec<Cursor<'d>> = reader.list(at, "enum");
    values.extend(at.get("const"));
    if values.len() > VALUES {
        return;
    }
    for value in values {
        let text = match value.is() {
            Is::Text => value.text().unwrap_or("").to_owned(),
            Is::Number => value.number().unwrap_or("").to_owned(),
            Is::Bool => (value.bool() == Some(true)).to_string(),
            Is::Null => {
                schema.nullable = true;
                continue;
            }
            _ => continue,
        };
        schema.enumeration.push(clip(&text, 128));
    }
}

/// What the author says about sensitivity, by the extensions in use.
fn sensitive(at: Cursor<'_>) -> Option<String> {
    let keys = ["x-pii", "x-sensitive", "x-data-classification", "x-data-class"];
    let value = keys.iter().find_map(|key| at.get(key))?;
    match value.is() {
        Is::Text => value.text().map(|t| clip(t, 64)),
        Is::Bool => (value.bool() == Some(true)).then(|| "true".to_owned()),
        _ => None,
    }
}
