//! What proxies say of the caller behind them: `X-Forwarded-Client-Cert` of Envoy, `X-Forwarded-For`, `Forwarded` (RFC 7239).

use std::net::IpAddr;

use crate::network::Networks;

/// Longest field that is looked at, and most elements of it.
const LONGEST: usize = 8 * 1024;
const ELEMENTS: usize = 16;

/// The SPIFFE id of the workload that calls, from `X-Forwarded-Client-Cert`.
///
/// Each proxy appends an element for its own peer, so the last one is the most trustworthy. A gateway only passes on what others
/// ask: its own element is passed over for the one before. Where there is no other, that is said beside it.
pub(super) fn spiffe_of_certificate(field: &str) -> Option<(&str, bool)> {
    let mut found = None;
    for element in split(field.get(..LONGEST.min(field.len()))?, b',')
        .into_iter()
        .rev()
    {
        let uri = split(element, b';').into_iter().find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            let value = value.trim().trim_matches('"');
            (key.eq_ignore_ascii_case("uri") && is_spiffe(value)).then_some(value)
        });
        let Some(uri) = uri else { continue };
        if !is_gateway(uri) {
            return Some((uri, false));
        }
        found = found.or(Some((uri, true)));
    }
    found
}

/// `spiffe://trust-domain/path` (SPIFFE-ID, section 2): lower-case trust domain, a path, at most 2048 bytes.
pub(super) fn is_spiffe(text: &str) -> bool {
    text.strip_prefix("spiffe://").is_some_and(|rest| {
        rest.len() <= 2040
            && rest.split_once('/').is_some_and(|(domain, path)| {
                !domain.is_empty()
                    && domain
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b))
                    && !path.is_empty()
                    && path
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b))
            })
    })
}

/// A workload that stands between others, by the last part of its name.
fn is_gateway(id: &str) -> bool {
    let name = id.rsplit('/').next().unwrap_or("");
    ["gateway", "ingress", "egress", "proxy", "waypoint"]
        .iter()
        .any(|word| name.contains(word))
}

/// Parts of a field between separators that do not stand in quotes.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut out, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b if b == separator && !quoted => {
                if out.len() + 1 >= ELEMENTS {
                    break;
                }
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

/// The address of the caller behind trusted proxies: of those in the field the last that is not a trusted proxy's itself. What
/// stands before it was chosen by whoever sent the request.
pub(super) fn client_behind(field: &str, is_rfc7239: bool, trusted: &Networks) -> Option<IpAddr> {
    let field = field.get(..LONGEST.min(field.len()))?;
    let address = |text: &str| {
        let text = match is_rfc7239 {
            false => text.trim(),
            true => split(text, b';').into_iter().find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                key.trim()
                    .eq_ignore_ascii_case("for")
                    .then(|| value.trim().trim_matches('"'))
            })?,
        };
        without_port(text)
    };
    // From the right: a field with very many elements is one that its sender made up.
    let all = field.rsplit(',').take(ELEMENTS);
    let mut nearest = None;
    for text in all {
        let found = address(text)?;
        nearest = Some(found);
        if !trusted.contains(found) {
            break;
        }
    }
    nearest
}

fn without_port(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('[') {
        return inner.split(']').next()?.parse().ok();
    }
    text.parse()
        .ok()
        .or_else(|| text.rsplit_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workload_is_the_last_that_is_no_gateway() {
        let check = |field: &str, want: Option<&str>| {
            let want = want.map(|id| (id, id.ends_with("ingressgateway")));
            assert_eq!(spiffe_of_certificate(field), want, "{field}");
        };
        let refund = "spiffe://acme.example/ns/shop/sa/refunds";
        check(
            "By=spiffe://acme.example/ns/b/sa/b;Hash=00ff;Subject=\"CN=a,O=x;y\";URI=spiffe://acme.example/ns/shop/sa/refunds",
            Some(refund),
        );
        check(
            "Hash=1;URI=spiffe://acme.example/ns/shop/sa/refunds,Hash=2;URI=spiffe://acme.example/ns/istio/sa/ingressgateway",
            Some(refund),
        );
        check(
            "URI=spiffe://acme.example/ns/x/sa/forged,URI=spiffe://acme.example/ns/shop/sa/refunds",
            Some(refund),
        );
        check(
            "Hash=2;URI=spiffe://acme.example/ns/istio/sa/ingressgateway",
            Some("spiffe://acme.example/ns/istio/sa/ingressgateway"),
        );
        check("Hash=2;Subject=\"URI=spiffe://acme.example/a\"", None);
        check("URI=https://acme.example/a", None);
        check("URI=spiffe://acme.example", None);
        check("", None);
        check(&"URI=x,".repeat(10_000), None);
    }

    #[test]
    fn the_address_is_the_last_that_no_trusted_proxy_has() {
        let trusted = Networks::parse(&["10.0.0.0/8".into()]).0;
        let check = |field: &str, rfc: bool, want: Option<&str>| {
            let want = want.map(|w| w.parse().unwrap());
            assert_eq!(client_behind(field, rfc, &trusted), want, "{field}");
        };
        check("203.0.113.7", false, Some("203.0.113.7"));
        check("198.51.100.1, 203.0.113.7, 10.0.0.2", false, Some("203.0.113.7"));
        check("10.1.1.1, 10.0.0.2", false, Some("10.1.1.1"));
        check("203.0.113.7:4711", false, Some("203.0.113.7"));
        check("[2001:db8::1]:80", false, Some("2001:db8::1"));
        check("unknown", false, None);
        check(
            "for=198.51.100.1, for=\"203.0.113.7:80\";proto=https",
            true,
            Some("203.0.113.7"),
        );
        check("proto=https", true, None);
    }
}
