//! Names of path parameters and operations, made of the words around them.

/// A path of OpenAPI with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPath {
    /// `/orders/{orderId}`.
    pub(super) path: String,
    /// Name and kind (`int`, `uuid`, …) of each parameter, in order.
    pub(super) parameters: Vec<(String, String)>,
}

/// The pieces of a template: texts and kinds in braces.
pub(super) fn pieces(template: &str) -> Vec<Result<&str, &str>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}').map(|at| open + at) else {
            break;
        };
        if open > 0 {
            pieces.push(Ok(&rest[..open]));
        }
        pieces.push(Err(&rest[open + 1..close]));
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Ok(rest));
    }
    pieces
}

/// What two templates have in common that no reader of OpenAPI tells apart: texts, and that something stands between them.
pub(super) fn signature(template: &str) -> String {
    pieces(template)
        .into_iter()
        .map(|piece| piece.unwrap_or("{}"))
        .collect()
}

/// Names each parameter after the noun before it.
pub(super) fn named(template: &str) -> NamedPath {
    let mut path = String::new();
    let mut parameters: Vec<(String, String)> = Vec::new();
    for piece in pieces(template) {
        match piece {
            Ok(text) => path.push_str(text),
            Err(kind) => {
                let name = name(&path, kind);
                let taken = |name: &str| parameters.iter().any(|(n, _)| n == name);
                let name = match taken(&name) {
                    false => name,
                    true => (2..)
                        .map(|n| format!("{name}{n}"))
                        .find(|name| !taken(name))
                        .unwrap_or(name),
                };
                path.push('{');
                path.push_str(&name);
                path.push('}');
                parameters.push((name, kind.to_owned()));
            }
        }
    }
    NamedPath { path, parameters }
}

/// The name of a parameter of a kind behind a path.
fn name(before: &str, kind: &str) -> String {
    // `user={value}` has its name.
    if let Some((_, key)) = before.strip_suffix('=').and_then(|key| key.rsplit_once('/')) {
        return camel(key).unwrap_or_else(|| "value".to_owned());
    }
    let noun = before
        .split('/')
        .rev()
        .find(|part| !part.is_empty() && !part.contains('{'))
        .and_then(camel)
        .map(|noun| singular(&noun));
    let direct = before.ends_with('/') && !before.trim_end_matches('/').ends_with('}');
    let suffix = match kind {
        "int" | "uuid" | "ulid" | "objectid" | "slug" | "hex" | "token" | "param" | "long" => "id",
        "datetime" => "time",
        kind => kind,
    };
    match noun {
        Some(noun) if direct && suffix == "id" => format!("{noun}Id"),
        Some(noun) if direct && matches!(suffix, "name" | "file") => format!("{noun}{}", capital(suffix)),
        _ => camel(suffix).unwrap_or_else(|| "value".to_owned()),
    }
}

/// Letters and digits of a text as one word in camel case; nothing when there is no letter.
pub(super) fn camel(text: &str) -> Option<String> {
    let mut out = String::new();
    for word in text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        if out.is_empty() {
            let all_capitals = word.bytes().all(|b| !b.is_ascii_lowercase());
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_lowercase());
            out.extend(first);
            out.push_str(&if all_capitals {
                letters.as_str().to_ascii_lowercase()
            } else {
                letters.as_str().to_owned()
            });
        } else {
            out.push_str(&capital(word));
        }
    }
    out.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(out)
}

pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// One of what a noun in plural names.
fn singular(noun: &str) -> String {
    const SAME: [&str; 8] = [
        "news", "series", "status", "address", "analysis", "sms", "gps", "access",
    ];
    let lower = noun.to_ascii_lowercase();
    if SAME.iter().any(|same| lower.ends_with(same)) || lower.ends_with("ss") || lower.len() < 4 {
        return noun.to_owned();
    }
    let cut = |n: usize| noun[..noun.len() - n].to_owned();
    match lower.as_str() {
        w if w.ends_with("people") => format!("{}erson", cut(5)),
        w if w.ends_with("statuses") || w.ends_with("addresses") => cut(2),
        w if w.ends_with("ies") => format!("{}y", cut(3)),
        w if ["ches", "shes", "xes", "sses", "zes"]
            .iter()
            .any(|end| w.ends_with(end)) =>
        {
            cut(2)
        }
        w if w.ends_with('s') => cut(1),
        _ => noun.to_owned(),
    }
}

/// The name of an operation: its method and the words of its path.
pub(super) fn operation(method: &str, path: &str) -> String {
    let mut out = method.to_ascii_lowercase();
    for piece in pieces(path) {
        let (text, by) = match piece {
            Ok(text) => (text, ""),
            Err(name) => (name, "By"),
        };
        if let Some(word) = camel(text) {
            out.push_str(by);
            out.push_str(&capital(&word));
        } else {
            out.extend(text.chars().filter(char::is_ascii_alphanumeric));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_named_after_the_noun_before_them() {
        for (template, want) in [
            ("/orders/{int}", "/orders/{orderId}"),
            (
                "/v1/user-profiles/{uuid}/addresses/{int}",
                "/v1/user-profiles/{userProfileId}/addresses/{addressId}",
            ),
            ("/companies/{slug}", "/companies/{companyId}"),
            ("/{int}", "/{id}"),
            ("/orders/{int}/{int}", "/orders/{orderId}/{id}"),
            ("/orders/{int}/{int}/{int}", "/orders/{orderId}/{id}/{id2}"),
            ("/reports/{date}", "/reports/{date}"),
            ("/people/{email}", "/people/{email}"),
            ("/people/{param}", "/people/{personId}"),
            ("/tasks/{int}:cancel", "/tasks/{taskId}:cancel"),
            ("/x/user={value}/y", "/x/user={user}/y"),
            ("/assets/{file}.js", "/assets/{assetFile}.js"),
            ("/a/{rest}", "/a/{rest}"),
            ("/status/{int}", "/status/{statusId}"),
            ("/boxes/{int}/batches/{int}", "/boxes/{boxId}/batches/{batchId}"),
            ("/", "/"),
        ] {
            assert_eq!(named(template).path, want, "{template}");
        }
    }

    #[test]
    fn operations_are_named_by_method_and_path() {
        assert_eq!(
            operation("GET", "/orders/{orderId}/lines"),
            "getOrdersByOrderIdLines"
        );
        assert_eq!(operation("POST", "/"), "post");
        assert_eq!(signature("/a/{int}/b"), signature("/a/{uuid}/b"));
    }
}
