//! Fields of a body as JSON Schema 2020-12, which is that of OpenAPI 3.1, and as an example for those who have no schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::inventory::shape::{BodyView, FieldType, FieldView, Format, Presence, Step, ValuesView};

/// A field with those below it.
#[derive(Debug, Default)]
struct Node<'a> {
    field: Option<&'a FieldView>,
    properties: BTreeMap<&'a str, Node<'a>>,
    key: Option<Box<Node<'a>>>,
    element: Option<Box<Node<'a>>>,
}

fn tree(body: &BodyView) -> Node<'_> {
    let mut root = Node::default();
    for field in &body.fields {
        let mut node = &mut root;
        for step in &field.steps {
            node = match step {
                Step::Name(name) => node.properties.entry(name).or_default(),
                Step::Key => node.key.get_or_insert_default(),
                Step::Element => node.element.get_or_insert_default(),
            };
        }
        node.field = Some(field);
    }
    root
}

/// The schema of a body.
pub(super) fn schema(body: &BodyView) -> Value {
    of(&tree(body))
}

/// The schema of values of these types.
pub(super) fn of_values(types: &[(FieldType, u64)], values: &ValuesView) -> Map<String, Value> {
    let mut names: Vec<&str> = types.iter().map(|(t, _)| t.name()).collect();
    // A number may be whole.
    if names.contains(&"number") {
        names.retain(|name| *name != "integer");
    }
    names.sort_unstable();
    let mut out = Map::new();
    match names.as_slice() {
        [] => {}
        [one] => {
            out.insert("type".to_owned(), json!(one));
        }
        many => {
            out.insert("type".to_owned(), json!(many));
        }
    }
    match values.format {
        Some(Format::Binary) => {
            out.insert("contentMediaType".to_owned(), json!("application/octet-stream"));
        }
        // No reader has them.
        Some(format @ (Format::Digits | Format::Jwt)) => {
            out.insert("x-tapline-format".to_owned(), json!(format.name()));
        }
        None => {}
        Some(format) => {
            out.insert("format".to_owned(), json!(format.name()));
        }
    }
    // Not `enum`: the next word may be the first of its kind.
    if !values.words.is_empty() {
        out.insert("x-tapline-values".to_owned(), json!(values.words));
    }
    out
}

/// How often something is there, in an extension.
pub(super) fn presence(presence: &Presence) -> Value {
    let round = |share: f64| (share * 1000.0).round() / 1000.0;
    json!([round(presence.low), round(presence.high)])
}

fn of(node: &Node<'_>) -> Value {
    let mut out = match node.field {
        Some(field) => of_values(&field.types, &field.values),
        None => Map::new(),
    };
    if let Some(field) = node.field
        && matches!(field.steps.last(), Some(Step::Name(_)))
        && !field.presence.is_constant()
    {
        out.insert("x-tapline-presence".to_owned(), presence(&field.presence));
    }
    if !node.properties.is_empty() {
        let properties: Map<String, Value> = node
            .properties
            .iter()
            .map(|(name, node)| ((*name).to_owned(), of(node)))
            .collect();
        let is_required = |node: &&Node<'_>| node.field.is_some_and(|field| field.presence.is_constant());
        let required: Vec<&str> = node
            .properties
            .iter()
            .filter(|(_, n)| is_required(n))
            .map(|(name, _)| *name)
            .collect();
        out.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            out.insert("required".to_owned(), json!(required));
        }
    }
    if let Some(key) = &node.key {
        out.insert("additionalProperties".to_owned(), of(key));
    }
    let is_array = node
        .field
        .is_some_and(|field| field.types.iter().any(|(kind, _)| *kind == FieldType::Array));
    match &node.element {
        Some(element) => drop(out.insert("items".to_owned(), of(element))),
        // None was seen in it.
        None if is_array => drop(out.insert("items".to_owned(), json!({}))),
        None => {}
    }
    Value::Object(out)
}

/// An example of a body: every field with a value that stands for its type.
pub(super) fn example(body: &BodyView) -> Value {
    example_of(&tree(body))
}

fn example_of(node: &Node<'_>) -> Value {
    let Some(field) = node.field else {
        return Value::Null;
    };
    let kind = field
        .types
        .iter()
        .map(|(t, _)| *t)
        .find(|t| *t != FieldType::Null);
    match kind {
        Some(FieldType::Object) => {
            let mut object: Map<String, Value> = node
                .properties
                .iter()
                .map(|(name, node)| ((*name).to_owned(), example_of(node)))
                .collect();
            if let Some(key) = &node.key {
                object.insert("key".to_owned(), example_of(key));
            }
            Value::Object(object)
        }
        Some(FieldType::Array) => {
            Value::Array(node.element.iter().map(|element| example_of(element)).collect())
        }
        Some(kind) => scalar(kind, &field.values),
        None => Value::Null,
    }
}

/// A value that stands for a type.
pub(super) fn scalar(kind: FieldType, values: &ValuesView) -> Value {
    match kind {
        FieldType::Boolean => json!(true),
        FieldType::Integer => json!(0),
        FieldType::Number => json!(0.5),
        FieldType::String => match (&values.words.first(), values.format) {
            (Some(word), _) => json!(word),
            (None, Some(format)) => json!(of_format(format)),
            (None, None) => json!("string"),
        },
        FieldType::Object => json!({}),
        FieldType::Array => json!([]),
        FieldType::Null => Value::Null,
    }
}

/// A text of a format that is nobody's.
fn of_format(format: Format) -> &'static str {
    match format {
        Format::Date => "2000-01-01",
        Format::DateTime => "2000-01-01T00:00:00Z",
        Format::Uuid => "00000000-0000-0000-0000-000000000000",
        Format::Email => "user@example.com",
        Format::Uri => "https://example.com/",
        Format::Ipv4 => "192.0.2.1",
        Format::Ipv6 => "2001:db8::1",
        Format::Digits => "0",
        Format::Jwt | Format::Binary => "string",
    }
}
