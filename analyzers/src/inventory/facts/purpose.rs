//! What an endpoint is for, in a verb and a noun, as its method and the words of its path tell.

/// Words at the beginning of a path that say nothing of what it is about.
const FRAME: [&str; 14] = [
    "api", "apis", "rest", "v", "public", "internal", "private", "gateway", "services", "service", "svc",
    "web", "app", "odata",
];

/// Last words of a path that are what is done.
const VERBS: [&str; 62] = [
    "accept",
    "activate",
    "add",
    "approve",
    "archive",
    "assign",
    "authorize",
    "block",
    "bulk",
    "calculate",
    "cancel",
    "check",
    "clone",
    "close",
    "complete",
    "confirm",
    "copy",
    "count",
    "create",
    "deactivate",
    "delete",
    "disable",
    "download",
    "enable",
    "execute",
    "export",
    "generate",
    "import",
    "invite",
    "lock",
    "login",
    "logout",
    "merge",
    "move",
    "pause",
    "preview",
    "process",
    "publish",
    "query",
    "refresh",
    "refund",
    "register",
    "reject",
    "release",
    "remove",
    "reset",
    "restart",
    "restore",
    "resume",
    "retry",
    "revoke",
    "run",
    "search",
    "send",
    "start",
    "stop",
    "submit",
    "sync",
    "unlock",
    "update",
    "upload",
    "validate",
];

/// What an endpoint is for; empty when nothing tells.
pub(crate) fn of(method: &str, template: &str) -> String {
    let (path, operation) = template.split_once('#').unwrap_or((template, ""));
    if !operation.is_empty() {
        return of_operation(operation);
    }
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let [service, name] = parts.as_slice()
        && service.contains('.')
        && name.starts_with(|c: char| c.is_ascii_uppercase())
    {
        // gRPC: `/package.Service/Method`.
        return words(name);
    }
    let mut verb = None;
    if let Some(last) = parts.pop() {
        let (name, behind) = match last.split_once(':') {
            Some((name, behind)) if !name.is_empty() => (name, Some(behind)),
            _ => (last, None),
        };
        verb = behind.filter(|b| !b.is_empty() && !b.contains('{')).map(words);
        parts.push(name);
    }
    let named = |part: &&&str| !part.starts_with('{');
    if verb.is_none()
        && let Some(last) = parts.last().filter(named)
        && let text = words(last)
        && text.split(' ').next().is_some_and(|first| VERBS.contains(&first))
    {
        verb = Some(text);
        parts.pop();
    }
    let is_item = parts.last().is_some_and(|last| last.starts_with('{'));
    let nouns: Vec<String> = parts
        .iter()
        .filter(|part| !part.contains('{') && !is_frame(part))
        .map(|part| words(part))
        .filter(|word| !word.is_empty())
        .collect();
    let Some(noun) = nouns.last() else {
        return verb.unwrap_or_default();
    };
    let plural = single(noun) != *noun;
    let acts = verb.is_some();
    let verb = verb.unwrap_or_else(|| {
        match method {
            "GET" if is_item || !plural => "read",
            "GET" => "list",
            "HEAD" => "check",
            "POST" if is_item || !plural => "submit",
            "POST" => "create",
            "PUT" => "replace",
            "PATCH" => "update",
            "DELETE" => "delete",
            "OPTIONS" => "ask for the options of",
            _ => "call",
        }
        .to_owned()
    });
    // What is done to one of them, or makes one.
    let one = is_item || (method == "POST" && !acts);
    let mut out = format!("{verb} {}", if one { single(noun) } else { noun.clone() });
    // `/users/{id}/orders`: orders of a user.
    let below = parts
        .iter()
        .rposition(|part| !part.contains('{') && words(part) == *noun);
    if let Some(below) = below
        && below > 0
        && parts[below - 1].starts_with('{')
        && let Some(above) = nouns.len().checked_sub(2).map(|at| &nouns[at])
    {
        out.push_str(&format!(" of {}", single(above)));
    }
    out
}

/// `tools/call:search`, `orders.create`, `message/send`.
fn of_operation(operation: &str) -> String {
    match operation.split_once(':') {
        Some(("tools/call", tool)) => format!("call tool {tool}"),
        Some(("prompts/get", prompt)) => format!("read prompt {prompt}"),
        Some((what, name)) => format!("{} {name}", words(what)),
        None => {
            let parts: Vec<String> = operation
                .split(['/', '.'])
                .map(words)
                .filter(|w| !w.is_empty())
                .collect();
            match parts.as_slice() {
                [.., noun, verb] => format!("{verb} {noun}"),
                [one] => one.clone(),
                [] => String::new(),
            }
        }
    }
}

/// `api`, `v1`, `2024-01-01`, `en-us`: no noun.
fn is_frame(part: &str) -> bool {
    let version = part
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let date = part.starts_with(|c: char| c.is_ascii_digit());
    let locale = part.len() == 5 && matches!(part.as_bytes()[2], b'-' | b'_');
    version || date || locale || FRAME.iter().any(|f| part.eq_ignore_ascii_case(f))
}

/// A name as words: `order_items`, `orderItems` and `order-items` are all `order items`.
fn words(name: &str) -> String {
    let stem = name
        .rsplit_once('.')
        .map_or(name, |(stem, end)| if end.len() <= 5 { stem } else { name });
    let mut out = String::with_capacity(stem.len() + 4);
    let mut before = ' ';
    for c in stem.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && before.is_lowercase() {
                out.push(' ');
            }
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        before = c;
    }
    out.trim_end().to_owned()
}

/// The singular of a noun, as far as English has rules for it.
fn single(noun: &str) -> String {
    let cut = |n: usize| noun[..noun.len() - n].to_owned();
    let ends = |end: &str| noun.len() > end.len() + 1 && noun.ends_with(end);
    if ends("ies") {
        format!("{}y", cut(3))
    } else if ["sses", "xes", "ches", "shes", "zes"].iter().any(|end| ends(end)) {
        cut(2)
    } else if ends("s")
        && !["ss", "us", "is", "news", "data", "status"]
            .iter()
            .any(|end| noun.ends_with(end))
    {
        cut(1)
    } else {
        noun.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn methods_and_paths_tell_what_is_done_to_what() {
        for (method, template, want) in [
            ("GET", "/orders", "list orders"),
            ("GET", "/api/v1/orders/{int}", "read order"),
            ("POST", "/v2/payments", "create payment"),
            ("PUT", "/categories/{id}", "replace category"),
            ("PATCH", "/order_items/{id}", "update order item"),
            ("DELETE", "/boxes/{id}", "delete box"),
            ("DELETE", "/sessions", "delete sessions"),
            ("GET", "/users/{id}/orders", "list orders of user"),
            ("GET", "/users/{id}/orders/{int}", "read order of user"),
            ("GET", "/users/{id}/avatar", "read avatar of user"),
            ("POST", "/orders/{id}/cancel", "cancel order"),
            ("POST", "/orders/{id}:cancel", "cancel order"),
            ("GET", "/orders/search", "search orders"),
            ("POST", "/login", "login"),
            ("POST", "/auth/login", "login auth"),
            ("GET", "/status", "read status"),
            ("GET", "/", ""),
            ("GET", "/v1/{id}", ""),
            ("HEAD", "/reports/{slug}.csv", "check report"),
            ("POST", "/shop.v1.Orders/ListOrders", "list orders"),
            ("POST", "/mcp#tools/call:search", "call tool search"),
            ("POST", "/mcp#tools/list", "list tools"),
            ("POST", "/rpc#orders.create", "create orders"),
            ("POST", "/getUserById", "submit get user by id"),
        ] {
            assert_eq!(of(method, template), want, "{method} {template}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_template_is_read_without_a_panic(template in "\\PC{0,60}") {
            let _ = of("GET", &template);
        }
    }
}
