//! What a request's head says about its sender, gathered in one pass over the fields.

use reassembly::Request;

use crate::privacy::segment;
use crate::settings::Settings;

/// Credentials and other tell-tales as they stand in the head. Borrowed; nothing of it is kept.
#[derive(Debug, Default)]
pub(crate) struct Signals<'a> {
    pub(crate) authorization: Option<&'a str>,
    pub(crate) api_key: Option<&'a str>,
    pub(crate) cookie: Option<Cookie<'a>>,
    pub(crate) query: Option<QueryCredential<'a>>,
    pub(crate) user_agent: &'a str,
    /// The request reached a proxy over TLS (`X-Forwarded-Proto`, `Forwarded`).
    pub(crate) tls_before: bool,
    /// Fields only browsers send.
    pub(crate) browser_fields: bool,
    /// Fields of MCP.
    pub(crate) mcp: bool,
    pub(crate) mcp_method: Option<&'a str>,
    pub(crate) mcp_name: Option<&'a str>,
    /// Fields of SDKs made for language models.
    pub(crate) llm_sdk: bool,
    pub(crate) json: bool,
    /// Cross-origin preflight.
    pub(crate) preflight: bool,
}

/// A cookie that holds a session or a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookie<'a> {
    pub(crate) value: &'a str,
}

/// A credential in the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryCredential<'a> {
    /// The parameter's name, from the built-in list.
    pub(crate) name: &'static str,
    pub(crate) value: &'a str,
    /// A signature over the URL: meant to be there, good for this URL only.
    pub(crate) signature: bool,
}

/// Query parameters that hold credentials, with the least length of a value that can be one.
const QUERY: [(&str, usize); 12] = [
    ("access_token", 8),
    ("api_key", 8),
    ("apikey", 8),
    ("api-key", 8),
    ("auth_token", 8),
    ("id_token", 16),
    ("jwt", 16),
    ("token", 12),
    ("session_token", 8),
    ("client_secret", 8),
    ("subscription-key", 8),
    ("key", 20),
];

/// Signatures of URLs handed out for one use.
const SIGNATURES: [&str; 4] = ["sig", "signature", "x-amz-signature", "x-goog-signature"];

/// Names of session cookies of the common frameworks.
const SESSIONS: [&str; 14] = [
    "session",
    "sessionid",
    "session_id",
    "sid",
    "jsessionid",
    "phpsessid",
    "connect.sid",
    "asp.net_sessionid",
    "laravel_session",
    ".aspnetcore.session",
    ".aspnetcore.cookies",
    "authjs.session-token",
    "sess",
    "cfid",
];

/// Names of cookies that hold tokens.
const TOKENS: [&str; 6] = ["token", "access_token", "id_token", "jwt", "auth", "auth_token"];

/// Built-in names of fields that hold API keys.
const API_KEYS: [&str; 9] = [
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "apikey",
    "x-apikey",
    "x-auth-token",
    "x-access-token",
    "ocp-apim-subscription-key",
    "x-functions-key",
];

impl<'a> Signals<'a> {
    pub(crate) fn gather(request: &'a Request, settings: &Settings) -> Self {
        let mut s = Self::default();
        let own = &settings.api_key_headers;
        for (name, value) in request.message.head.fields() {
            // Dispatch on length and first letter: most fields are none of ours and cost two compares.
            let is = |want: &str| name.eq_ignore_ascii_case(want);
            let first = name.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
            match (first, name.len()) {
                (b'a', 13) if is("authorization") && !value.is_empty() => {
                    s.authorization.get_or_insert(value);
                }
                (b'a', 29 | 30) if is("access-control-request-method") => s.preflight = true,
                (b'a', 15) if is("accept-language") => s.browser_fields = true,
                (b'c', 6) if is("cookie") && s.cookie.is_none() => {
                    s.cookie = session_cookie(value, settings);
                }
                (b'c', 12) if is("content-type") => s.json = is_json(value),
                (b'f', 9) if is("forwarded") => {
                    s.tls_before |= contains_ignore_case(value, "proto=https");
                }
                (b'm', 10 | 8 | 14 | 20) if value.len() <= 1024 && starts_ignore_case(name, "mcp-") => {
                    if is("mcp-method") {
                        s.mcp = true;
                        s.mcp_method = Some(value);
                    } else if is("mcp-name") {
                        s.mcp = true;
                        s.mcp_name = Some(value);
                    } else if is("mcp-session-id") || is("mcp-protocol-version") {
                        s.mcp = true;
                    }
                }
                (b's', 14) if is("sec-fetch-mode") || is("sec-fetch-site") => s.browser_fields = true,
                (b'u', 10) if is("user-agent") => s.user_agent = value,
                (b'x', 17) if is("x-forwarded-proto") => {
                    s.tls_before |= value
                        .split(',')
                        .next()
                        .is_some_and(|v| v.trim().eq_ignore_ascii_case("https"));
                }
                (b'x', 16..) if starts_ignore_case(name, "x-stainless-") => s.llm_sdk = true,
                (b'a', 17 | 14) if is("anthropic-version") || is("anthropic-beta") => s.llm_sdk = true,
                (b'o', 11 | 19) if is("openai-beta") || is("openai-organization") => s.llm_sdk = true,
                (b'x' | b'a' | b'o', 6..=25) if API_KEYS.iter().any(|k| is(k)) && !value.is_empty() => {
                    s.api_key.get_or_insert(value);
                }
                _ if !own.is_empty() && own.iter().any(|k| is(k)) && !value.is_empty() => {
                    s.api_key.get_or_insert(value);
                }
                _ => {}
            }
        }
        if let Some(query) = request.query() {
            s.query = query_credential(query);
        }
        s
    }
}

fn starts_ignore_case(text: &str, prefix: &str) -> bool {
    text.as_bytes()
        .get(..prefix.len())
        .is_some_and(|t| t.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn contains_ignore_case(text: &str, part: &str) -> bool {
    text.as_bytes()
        .windows(part.len())
        .any(|w| w.eq_ignore_ascii_case(part.as_bytes()))
}

/// `application/json` and its relatives.
pub(crate) fn is_json(media_type: &str) -> bool {
    let kind = segment::once(media_type, b';')
        .map_or(media_type, |(before, _)| before)
        .trim_end();
    let tail = |t: &str| {
        kind.len() > t.len()
            && kind.is_char_boundary(kind.len() - t.len())
            && kind[kind.len() - t.len()..].eq_ignore_ascii_case(t)
    };
    tail("/json") || tail("+json")
}

fn query_credential(query: &str) -> Option<QueryCredential<'_>> {
    for pair in segment::parts(query, b'&') {
        let Some((name, value)) = segment::once(pair, b'=') else {
            continue;
        };
        if name.len() > 16 || value.len() < 8 {
            continue;
        }
        let is = |want: &&str| name.eq_ignore_ascii_case(want);
        if let Some((name, least)) = QUERY.iter().find(|(n, _)| is(n))
            && value.len() >= *least
        {
            return Some(QueryCredential {
                name,
                value,
                signature: false,
            });
        }
        if let Some(name) = SIGNATURES.iter().find(|n| is(n))
            && value.len() >= 16
        {
            return Some(QueryCredential {
                name,
                value,
                signature: true,
            });
        }
    }
    None
}

fn session_cookie<'a>(header: &'a str, settings: &Settings) -> Option<Cookie<'a>> {
    let mut token = None;
    for pair in header.split(';').take(64) {
        let Some((name, value)) = pair.trim().split_once('=') else {
            continue;
        };
        let value = value.trim_matches('"');
        if value.len() < 8 {
            continue;
        }
        let plain = name.trim_start_matches("__Host-").trim_start_matches("__Secure-");
        let is = |want: &&str| plain.eq_ignore_ascii_case(want);
        let ending = |end: &str| {
            plain.len() > end.len()
                && plain.is_char_boundary(plain.len() - end.len())
                && plain[plain.len() - end.len()..].eq_ignore_ascii_case(end)
        };
        let own = || {
            settings
                .session_cookies
                .iter()
                .any(|c| plain.eq_ignore_ascii_case(c))
        };
        if SESSIONS.iter().any(&is)
            || ending("_session")
            || ending("-session")
            || ending("sessionid")
            || ending("session-token")
            || own()
        {
            return Some(Cookie { value });
        }
        if token.is_none() && TOKENS.iter().any(is) {
            token = Some(Cookie { value });
        }
    }
    token
}
