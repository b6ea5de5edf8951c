//! SOAP 1.1 and 1.2 over HTTP: the action of the request, or the first element of its body.
//!
//! Sources: W3C Note "SOAP 1.1" section 6.1.1 (`SOAPAction`), RFC 3902 section 3 (parameter `action`), WS-I Basic Profile 1.1 R2744.

use super::{Call, operation_name};
use reassembly::Request;

/// Bytes of an envelope looked at.
const LOOKED_AT: usize = 16 * 1024;

/// The call in a POST.
pub(super) fn detect(request: &Request, kind: &str, key: &[u8; 32]) -> Option<Call> {
    let new = starts_with(kind, "application/soap+xml");
    let old = starts_with(kind, "text/xml") || starts_with(kind, "application/xml");
    if !new && !old {
        return None;
    }
    let named = match request.message.field("soapaction") {
        Some(action) => Some(action),
        None if new => parameter(kind, "action"),
        None => None,
    };
    let body = &request.message.body[..request.message.body.len().min(LOOKED_AT)];
    let envelope = memchr::memmem::find(body, b"nvelope").is_some();
    if !new && named.is_none() && !envelope {
        return None;
    }
    let action = named.map(|a| a.trim().trim_matches('"')).and_then(last_part);
    let name = match action {
        Some(action) => action.to_owned(),
        None if envelope => first_element(body)?,
        None => return None,
    };
    Some(Call {
        protocol: "soap",
        method: operation_name(key, &name),
        name: None,
        client: None,
    })
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|t| t.eq_ignore_ascii_case(start))
}

fn parameter<'k>(kind: &'k str, wanted: &str) -> Option<&'k str> {
    kind.split(';').skip(1).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// `urn:shop#GetOrder`, `http://shop.example/orders/GetOrder`: the last part is the operation.
fn last_part(action: &str) -> Option<&str> {
    let action = action.trim_end_matches('/');
    let last = action.rsplit(['/', '#', ':']).next().unwrap_or("");
    (!last.is_empty()).then_some(last)
}

/// The local name of the first element within `Body`.
fn first_element(envelope: &[u8]) -> Option<String> {
    let mut inside = false;
    let mut rest = envelope;
    while let Some(at) = memchr::memchr(b'<', rest) {
        rest = &rest[at + 1..];
        let end = rest
            .iter()
            .position(|b| matches!(b, b'>' | b' ' | b'/' | b'\n' | b'\r' | b'\t'))?;
        let name = &rest[..end];
        if name.first().is_none_or(|b| matches!(b, b'?' | b'!')) {
            continue;
        }
        let local = name.rsplit(|b| *b == b':').next().unwrap_or(name);
        if inside {
            return std::str::from_utf8(local)
                .ok()
                .filter(|n| !n.is_empty())
                .map(str::to_owned);
        }
        inside = local == b"Body";
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use reassembly::Timestamp;
    use reassembly::build::ExchangeBuilder;

    fn of(fields: &str, body: &str) -> Option<String> {
        let head = format!("POST /soap HTTP/1.1\nHost: a\n{fields}");
        let exchange = ExchangeBuilder::new(Timestamp(1)).request(&head, body).build();
        let request = exchange.request.unwrap();
        let kind = request.message.field("content-type").unwrap_or("").to_owned();
        detect(&request, &kind, &[7; 32]).map(|c| c.operation())
    }

    #[test]
    fn the_action_or_the_first_element_is_the_operation() {
        let envelope = r#"<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Header><a:Token/></s:Header><s:Body><m:GetOrder xmlns:m="y"><id>7</id></m:GetOrder></s:Body></s:Envelope>"#;
        for (fields, body, expected) in [
            (
                "Content-Type: text/xml\nSOAPAction: \"urn:shop#PlaceOrder\"\n",
                envelope,
                Some("PlaceOrder"),
            ),
            (
                "Content-Type: text/xml; charset=utf-8\nSOAPAction: \"\"\n",
                envelope,
                Some("GetOrder"),
            ),
            (
                "Content-Type: application/soap+xml; action=\"http://shop.example/orders/Cancel\"\n",
                envelope,
                Some("Cancel"),
            ),
            ("Content-Type: application/soap+xml\n", envelope, Some("GetOrder")),
            ("Content-Type: text/xml\n", "<order><id>7</id></order>", None),
            ("Content-Type: application/json\n", "{}", None),
            ("Content-Type: text/xml\n", "<s:Envelope><s:Body>", None),
        ] {
            assert_eq!(of(fields, body).as_deref(), expected, "{fields}");
        }
    }
}
