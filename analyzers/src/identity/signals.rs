//! What a request's head says about its sender, gathered in one pass over the fields.

use reassembly::{Request, Response};

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
    /// Fields of A2A.
    pub(crate) a2a: bool,
    pub(crate) a2a_version: Option<&'a str>,
    /// The exchange calls an agent over A2A.
    pub(crate) calls_agent: bool,
    /// Fields of SDKs made for language models.
    pub(crate) llm_sdk: bool,
    pub(crate) json: bool,
    /// Cross-origin preflight.
    pub(crate) preflight: bool,
    /// `X-Forwarded-Client-Cert` of a proxy that ended TLS.
    pub(crate) client_cert: Option<&'a str>,
    /// A token that a proxy puts beside the caller's own credentials.
    pub(crate) forwarded_token: Option<&'a str>,
    /// `X-Forwarded-For`, or else `Forwarded`: whether it is the latter.
    pub(crate) forwarded_for: Option<(&'a str, bool)>,
    /// The request came through a proxy that says so.
    pub(crate) via: bool,
    pub(crate) signature_input: Option<&'a str>,
    pub(crate) signature_agent: Option<&'a str>,
    /// `Mcp-Session-Id` of the request, or else of the answer that makes it.
    pub(crate) mcp_session: Option<&'a str>,
    /// A session of an agent's own program: Claude Code, Codex.
    pub(crate) agent_session: Option<&'a str>,
    /// What an MCP client calls itself in this very message.
    pub(crate) mcp_client: Option<&'a str>,
    /// It is said once, for the messages that follow.
    pub(crate) mcp_begins: bool,
    /// `X-Stainless-Lang`: the language of an SDK.
    pub(crate) sdk_lang: Option<&'a str>,
    /// Fields of programs that are agents: `A2A-Version`, Claude Code's, Codex's.
    pub(crate) agent_field: Option<&'static str>,
    /// Fields that a browser sends and a page cannot set (Fetch metadata).
    pub(crate) fetch_metadata: bool,
    /// JA4 of the caller's TLS, as a proxy told it.
    pub(crate) ja4: Option<&'a str>,
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

/// Fields in which proxies hand on a token of the caller: AWS load balancers, Google's and Cloudflare's identity-aware proxies,
/// oauth2-proxy, and the workload's own token of WIMSE (draft-ietf-wimse-s2s-protocol).
const TOKEN_FIELDS: [&str; 5] = [
    "x-amzn-oidc-data",
    "x-goog-iap-jwt-assertion",
    "cf-access-jwt-assertion",
    "x-forwarded-access-token",
    "workload-identity-token",
];

/// Fields in which proxies hand on the JA4 of the caller.
const JA4: [&str; 3] = ["x-ja4", "cloudfront-viewer-ja4-fingerprint", "x-ja4-fingerprint"];

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
                    s.via = true;
                    s.forwarded_for.get_or_insert((value, true));
                }
                (b'v', 3) if is("via") => s.via = true,
                (b'x', 15) if is("x-forwarded-for") => {
                    s.via = true;
                    if s.forwarded_for.is_none_or(|(_, rfc)| rfc) {
                        s.forwarded_for = Some((value, false));
                    }
                }
                (b'x', 23) if is("x-forwarded-client-cert") => {
                    s.client_cert.get_or_insert(value);
                }
                (b's', 15) if is("signature-input") => s.signature_input = Some(value),
                (b's', 15) if is("signature-agent") => s.signature_agent = Some(value),
                (b'a', 11) if is("a2a-version") => {
                    s.agent_field = Some("field A2A-Version");
                    s.a2a = true;
                    s.a2a_version = Some(value.trim()).filter(|v| !v.is_empty() && v.len() <= 16);
                }
                (b'a', 14) if is("a2a-extensions") => s.a2a = true,
                (b'x', 16) if is("x-a2a-extensions") => s.a2a = true,
                (b'o', 10) if is("originator") && starts_ignore_case(value, "codex_") => {
                    s.agent_field = Some("field originator of Codex");
                }
                (b's', 10) if is("session_id") && value.len() >= 8 => s.agent_session = Some(value),
                (b'x', 24) if is("x-claude-code-session-id") => {
                    s.agent_field = Some("field X-Claude-Code-Session-Id");
                    s.agent_session = Some(value);
                }
                (b'x', 16) if is("x-stainless-lang") => {
                    s.llm_sdk = true;
                    s.sdk_lang = Some(value);
                }
                (b'x' | b'c', 5 | 17 | 33) if JA4.iter().any(|k| is(k)) => s.ja4 = Some(value),
                (b'x' | b'c' | b'w', 16 | 23 | 24) if TOKEN_FIELDS.iter().any(|k| is(k)) => {
                    s.forwarded_token.get_or_insert(value);
                }
                (b'm', 10 | 8 | 14 | 20) if value.len() <= 1024 && starts_ignore_case(name, "mcp-") => {
                    if is("mcp-method") {
                        s.mcp = true;
                        s.mcp_method = Some(value);
                    } else if is("mcp-name") {
                        s.mcp = true;
                        s.mcp_name = Some(value);
                    } else if is("mcp-session-id") {
                        s.mcp = true;
                        s.mcp_session = Some(value);
                    } else if is("mcp-protocol-version") {
                        s.mcp = true;
                    }
                }
                (b's', 14) if is("sec-fetch-mode") || is("sec-fetch-site") => {
                    s.browser_fields = true;
                    s.fetch_metadata = true;
                }
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

    /// Adds the session that the answer makes: what is said in the very exchange.
    pub(crate) fn answered(&mut self, response: Option<&'a Response>) {
        if self.mcp_session.is_none() && (self.mcp || self.json) {
            self.mcp_session = response.and_then(|r| r.message.field("mcp-session-id"));
        }
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
