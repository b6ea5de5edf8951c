//! What records say of an endpoint, in the words that commands use. The one place that knows under which names facts stand
//! in a record and which of them may be missing there.

use serde_json::Value;

use super::{Known, names};

/// A fact that is one text; nothing where it is not known.
pub(crate) fn text(record: &Value, field: &str) -> Option<String> {
    match &record[field] {
        Value::String(text) if !text.is_empty() && text != "unknown" => Some(text.clone()),
        Value::Bool(flag) => Some(if *flag { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Classes of data that an endpoint carries in either direction, sorted.
pub(crate) fn classes(endpoint: &Known) -> Vec<&str> {
    let mut all = names(&endpoint.value["data_classes"]);
    all.extend(names(&endpoint.value["request_data_classes"]));
    all.extend(names(&endpoint.value["url_data_classes"]));
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether AI agents call it.
pub(crate) fn agent_facing(endpoint: &Known) -> bool {
    endpoint.value["agent_facing"] == Value::Bool(true)
}

/// Whether a specification declares it; nothing when none speaks of its host.
pub(crate) fn documented(endpoint: &Known) -> Option<bool> {
    match endpoint.text("documented") {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// What a request may carry, a word for each type of each parameter.
pub(crate) fn parameters(endpoint: &Known) -> Vec<String> {
    typed(&endpoint.value["parameters"], "name")
}

/// What bodies hold, a word for each type of each field.
pub(crate) fn fields(endpoint: &Known) -> Vec<String> {
    typed(&endpoint.value["fields"], "path")
}

/// `response 2xx items[].id: integer`: so a type that is new is told as one, and a field that is new with its type.
fn typed(list: &Value, own: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    let words = |item: &Value| -> Vec<String> {
        let place = item["in"].as_str().unwrap_or_default();
        let name = item[own].as_str().unwrap_or_default();
        let types = names(&item["types"]).into_iter();
        let name = if name.is_empty() { "as a whole" } else { name };
        types.map(|kind| format!("{place} {name}: {kind}")).collect()
    };
    items.flat_map(words).collect()
}

/// Where something stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: u64,
}

/// Where an endpoint is declared, when its record says so.
pub(crate) fn declared_at(endpoint: &Known) -> Option<Place> {
    let at = &endpoint.value["declared"];
    Some(Place {
        file: at["specification"].as_str()?.to_owned(),
        line: at["line"].as_u64().filter(|line| *line > 0)?,
    })
}
