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

/// Classes of data that an endpoint carries, sorted.
pub(crate) fn classes(endpoint: &Known) -> Vec<&str> {
    let mut all = names(&endpoint.value["data_classes"]);
    all.extend(names(&endpoint.value["request_data_classes"]));
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

/// What a request may carry, one word each: where a parameter stands, its name and its types.
pub(crate) fn parameters(endpoint: &Known) -> Vec<String> {
    typed(&endpoint.value["parameters"], &["in", "place"], &["name", "path"])
}

/// What bodies hold, one word each: direction, path of the field and its types.
pub(crate) fn fields(endpoint: &Known) -> Vec<String> {
    typed(
        &endpoint.value["fields"],
        &["in", "direction", "body"],
        &["path", "name"],
    )
}

fn typed(list: &Value, places: &[&str], own: &[&str]) -> Vec<String> {
    let one = |item: &Value| {
        let first = |among: &[&str]| among.iter().find_map(|field| text(item, field));
        let name = first(own)?;
        let types = match &item["types"] {
            Value::Null => text(item, "type").into_iter().collect(),
            types => names(types).into_iter().map(str::to_owned).collect::<Vec<_>>(),
        };
        let place = first(places).map_or(String::new(), |place| format!("{place} "));
        let types = if types.is_empty() {
            String::new()
        } else {
            format!(": {}", types.join("|"))
        };
        Some(format!("{place}{name}{types}"))
    };
    list.as_array().into_iter().flatten().filter_map(one).collect()
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
