//! Where the secrets go: one exchange or a few for each place.

use super::{Planter, agents, grouped};
use crate::http::{Coding, Framing, Message};
use crate::text::percent;
use crate::time::{MILLI, SECOND, utc};
use crate::wire::{Capture, Conn, Link, Side};

pub(super) const START: u64 = utc(2026, 10, 7, 9, 0);
const HOST: &str = "api.canary.example";

/// The capture in the making.
pub(super) struct Writer {
    capture: Capture,
    pub(super) now: u64,
    port: u16,
}

impl Writer {
    fn conn(&mut self) -> Conn {
        self.port += 1;
        Conn::new(
            ([10, 66, (self.port % 5) as u8, 9], self.port).into(),
            ([10, 66, 200, 1], 80).into(),
        )
    }

    /// Bytes of client and server in turn on a connection of their own.
    fn talk(&mut self, turns: &[&[u8]]) {
        self.now += SECOND;
        let mut conn = self.conn();
        let mut t = conn.open(&mut self.capture, self.now);
        let mut side = Side::Client;
        for turn in turns {
            if !turn.is_empty() {
                t = conn.send(&mut self.capture, t, side, turn) + 4 * MILLI;
            }
            side = side.other();
        }
        conn.close(&mut self.capture, t + 5 * MILLI, Side::Client);
    }

    /// One exchange on a connection of its own.
    pub(super) fn exchange(&mut self, request: &Message, response: &Message) {
        let (sent, received) = (request.encode().bytes(), response.encode().bytes());
        self.talk(&[&sent, &received]);
    }

    /// The same exchange three times, from clients at different addresses, so that what is raised only
    /// after a few sightings is raised.
    pub(super) fn thrice(&mut self, request: &Message, response: &Message) {
        for _ in 0..3 {
            self.exchange(request, response);
        }
    }
}

pub(super) fn get(target: &str) -> Message {
    ask("GET", target)
}

pub(super) fn ask(method: &str, target: &str) -> Message {
    Message::request(method, target)
        .field("Host", HOST)
        .field("User-Agent", "canary-client/1.0")
}

fn ok() -> Message {
    Message::response(200).json(r#"{"ok":true}"#)
}

pub(super) fn plant(p: &mut Planter) -> Capture {
    let mut w = Writer {
        capture: Capture::new(Link::Ethernet),
        now: START,
        port: 41_000,
    };
    request_fields(p, &mut w);
    targets(p, &mut w);
    matrix(p, &mut w);
    request_bodies(p, &mut w);
    responses(p, &mut w);
    rpc(p, &mut w);
    start_lines(p, &mut w);
    upgrades(p, &mut w);
    damaged(p, &mut w);
    agents::definitions(p, &mut w);
    agents::models(p, &mut w);
    agents::credentials(p, &mut w);
    agents::peers(p, &mut w);
    w.capture
}

fn request_fields(p: &mut Planter, w: &mut Writer) {
    let exp = START / SECOND + 3600;
    let values = [
        (
            "Authorization",
            format!("Bearer {}", p.secret("Authorization bearer")),
        ),
        (
            "Authorization",
            format!("Bearer {}", p.jwt("Authorization JWT", exp)),
        ),
        (
            "Authorization",
            format!("Bearer {}", p.jwt("expired JWT", exp - 90_000)),
        ),
        (
            "Authorization",
            format!("bearer   {}", p.secret("Authorization with odd spacing")),
        ),
        (
            "Authorization",
            format!("Basic {}", p.basic("Authorization Basic")),
        ),
        (
            "Authorization",
            format!("Basic {}", p.secret("Basic that is no base64")),
        ),
        (
            "Authorization",
            format!("DPoP {}", p.secret("Authorization DPoP")),
        ),
        (
            "Authorization",
            format!(
                "Digest username=\"{}\", realm=\"canary\", nonce=\"1\", uri=\"/\", response=\"{}\"",
                p.secret("Digest username"),
                p.secret("Digest response")
            ),
        ),
        ("Authorization", p.secret("Authorization without a scheme")),
        ("Authorization", format!("{} x", p.secret("Authorization scheme"))),
        (
            "Proxy-Authorization",
            format!("Basic {}", p.basic("Proxy-Authorization")),
        ),
        ("X-Api-Key", p.secret("X-Api-Key")),
        ("Api-Key", p.secret("Api-Key")),
        ("X-Auth-Token", p.secret("X-Auth-Token")),
        ("X-Amz-Security-Token", p.secret("X-Amz-Security-Token")),
        ("DPoP", p.jwt("DPoP field", exp)),
        (
            "Cookie",
            format!("theme=dark; session={}; a=b", p.secret("session cookie")),
        ),
        ("Cookie", format!("jwt={}", p.jwt("JWT in a cookie", exp))),
        ("Cookie", p.secret("Cookie without a name")),
        ("Cookie", format!("{}=1", p.secret("Cookie name"))),
        (
            "Referer",
            format!("https://app.canary.example/reset?token={}", p.secret("Referer")),
        ),
        (
            "Origin",
            format!("https://u:{}@app.canary.example", p.secret("Origin")),
        ),
        ("User-Agent", format!("agent/2 (key={})", p.secret("User-Agent"))),
        (
            "X-Forwarded-For",
            format!("10.0.0.1, {}", p.secret("X-Forwarded-For")),
        ),
        ("Forwarded", format!("for={}", p.secret("Forwarded"))),
        (
            "Content-Type",
            format!("application/json; key={}", p.secret("Content-Type parameter")),
        ),
        (
            "Accept",
            format!("application/json; key={}", p.secret("Accept parameter")),
        ),
        ("Content-Encoding", p.secret("Content-Encoding")),
        ("Mcp-Session-Id", p.secret("Mcp-Session-Id")),
        ("Mcp-Name", p.secret("Mcp-Name without a body")),
        ("Traceparent", format!("00-{}-1-01", p.secret("Traceparent"))),
        ("Expect", p.secret("Expect")),
    ];
    for (name, value) in values {
        // A second Host, Cookie or User-Agent would be another case; these requests have one of each.
        let mut request = Message::request("GET", "/v1/fields").field("Host", HOST);
        if name != "User-Agent" {
            request = request.field("User-Agent", "canary-client/1.0");
        }
        w.thrice(&request.field(name, value), &ok());
    }
    let name = p.secret("field name");
    w.exchange(&get("/v1/fields").field(&format!("X-{name}"), "1"), &ok());
    let folded = p.secret("folded field");
    let text = format!("GET /v1/folded HTTP/1.1\r\nHost: {HOST}\r\nX-A: b\r\n {folded}\r\n\r\n");
    w.talk(&[text.as_bytes(), &ok().encode().bytes()]);
    for (place, host) in [
        ("Host with user and password", "user:SECRET@api.canary.example"),
        ("Host that is no host", "SECRET api canary"),
        ("Host with a path", "api.canary.example/SECRET"),
        ("Host with a query", "api.canary.example?token=SECRET"),
    ] {
        let host = host.replace("SECRET", &p.secret(place));
        w.exchange(&Message::request("GET", "/v1/host").field("Host", host), &ok());
    }
}

fn targets(p: &mut Planter, w: &mut Writer) {
    let exp = START / SECOND + 3600;
    let email = p.email("e-mail in the path");
    let coded = percent(&p.email("coded e-mail in the path"));
    let twice = percent(&percent(&p.email("twice coded e-mail in the path")));
    let spaced = percent(&grouped(&p.card("card number with spaces in the path"), ' '));
    let list = [
        format!("/v1/items?token={}", p.secret("query value")),
        format!("/v1/items?access_token={}", p.jwt("JWT in the query", exp)),
        format!(
            "/v1/items?a=1&api_key={}&b=2",
            p.secret("query value between others")
        ),
        format!("/v1/items?{}", p.secret("query without a name")),
        format!("/v1/items?{}==", p.secret("query without a name, padded")),
        format!("/v1/items?{}=1", p.secret("query name")),
        format!("/v1/items?a=1;key={}", p.secret("query value after a semicolon")),
        format!(
            "/v1/items?a=1?key={}",
            p.secret("query value after a second mark")
        ),
        format!("/v1/items?filter[{}]=1", p.secret("query name in brackets")),
        format!("/v1/items?email={}", percent(&p.email("e-mail in the query"))),
        format!("/v1/items#access_token={}", p.secret("fragment")),
        format!("/v1/items?x=1#{}", p.secret("fragment after a query")),
        format!(
            "/v1/reset/{}{}",
            p.secret("token in the path"),
            p.secret("token in the path, tail")
        ),
        format!("/v1/session/{}", p.jwt("JWT in the path", exp)),
        format!("/v1/users/{email}/orders"),
        format!("/v1/users/{coded}/orders"),
        format!("/v1/users/{twice}/orders"),
        format!("/v1/cards/{}", p.card("card number in the path")),
        format!("/v1/cards/{spaced}/limits"),
        format!("/v1/accounts/{}", p.iban("IBAN in the path")),
        format!("/v1/persons/{}", p.ssn("SSN in the path")),
        format!("/v1/a;jsessionid={}/b", p.secret("path parameter")),
        format!("/v1/a;{}", p.secret("path parameter without a name")),
        format!(
            "http://user:{}@{HOST}/v1/abs",
            p.secret("password of an absolute target")
        ),
        format!("http://{}@{HOST}/v1/abs", p.secret("user of an absolute target")),
        format!(
            "http://{HOST}/v1/abs?key={}",
            p.secret("query of an absolute target")
        ),
        format!("HTTP://{HOST}#{}", p.secret("fragment of an absolute target")),
        format!(
            "ftp://user:{}@{HOST}/v1/abs",
            p.secret("target of another scheme")
        ),
        format!("//user:{}@{HOST}/v1/abs", p.secret("target without a scheme")),
        format!("/proxy/http://user:{}@{HOST}/", p.secret("URL in the path")),
        format!(
            "/proxy/https%3A%2F%2Fuser%3A{}%40{HOST}",
            p.secret("coded URL in the path")
        ),
        format!("/v1/%74oken%3D{}", p.secret("coded query in the path")),
        format!("mailto:{}", p.email("mailto target")),
        format!("v1/{}?x", p.secret("target without a slash")),
    ];
    for target in list {
        w.thrice(&get(&target), &ok());
    }
    // A walk over people, so that objects themselves are what a finding is about.
    for place in WALK {
        let target = format!("/v1/users/{}", p.email(place));
        w.exchange(&get(&target), &Message::response(403).json("{}"));
    }
}

const WALK: [&str; 8] = [
    "walk over people, a",
    "walk over people, b",
    "walk over people, c",
    "walk over people, d",
    "walk over people, e",
    "walk over people, f",
    "walk over people, g",
    "walk over people, h",
];

/// What a secret may have around it in a target.
const SHAPES: [&str; 36] = [
    "/x/SECRET",
    "/x/SECRET/",
    "/SECRET/x",
    "/reset/SECRET",
    "/x/SECRET.pdf",
    "/x/SECRET.tar.gz",
    "/x/user_SECRET",
    "/x/user-SECRET",
    "/x/user.SECRET",
    "/x/SECRET-user",
    "/x/v1.SECRET",
    "/x/key:SECRET",
    "/x/a:SECRET:b",
    "/x/SECRET:cancel",
    "/x/a,SECRET",
    "/x/U(SECRET)",
    "/x/U('SECRET')",
    "/x/U(Id='SECRET',Lang='en')",
    "/x/('SECRET')",
    "/x/key=SECRET",
    "/x/~SECRET",
    "/x/@SECRET",
    "/x/$SECRET",
    "/x/a!SECRET",
    "/x/*SECRET",
    "/x/a+SECRET",
    "/x/a%26SECRET",
    "/x/[SECRET]",
    "/x/%22SECRET%22",
    "/x/a|SECRET",
    "/x/%2FSECRET",
    "/x/m;p=SECRET",
    "/x/m;SECRET=1",
    "/x?SECRET=1",
    "/x?a[SECRET]=1",
    "/x?a.SECRET=1&SECRET",
];

/// What a secret may have around it in the name of a host.
const HOSTS: [&str; 4] = [
    "SECRET.canary.example",
    "SECRET",
    "api-SECRET.canary.example",
    "SECRET:8443",
];

/// Every kind of secret in every shape.
fn matrix(p: &mut Planter, w: &mut Writer) {
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const BASE62: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const BASE64: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let make = |p: &mut Planter, kind: usize, shape: &str| -> Option<String> {
        Some(match kind {
            0 => p.secret(format!("secret in {shape}")),
            1 => p.card(format!("card number in {shape}")),
            2 => p.iban(format!("IBAN in {shape}")),
            3 => p.ssn(format!("SSN in {shape}")),
            4 => p.email(format!("e-mail in {shape}")),
            5 => p.jwt(format!("JWT in {shape}"), START / SECOND + 3600),
            6 => p.drawn(format!("lower letters in {shape}"), "", LOWER, 32),
            7 => p.drawn(format!("capitals in {shape}"), "", UPPER, 32),
            8 => p.drawn(format!("AWS key id in {shape}"), "AKIA", UPPER, 16),
            9 => p.drawn(format!("Stripe key in {shape}"), "sk_live_", BASE62, 24),
            10 => p.drawn(format!("GitHub token in {shape}"), "ghp_", BASE62, 36),
            11 => p.drawn(
                format!("Telegram token in {shape}"),
                "bot123456789:AA",
                BASE64,
                33,
            ),
            12 => p.drawn(
                format!("hexadecimal digits in {shape}"),
                "",
                "0123456789abcdef",
                32,
            ),
            13 => p.password(format!("password in {shape}")),
            _ => return None,
        })
    };
    for shape in SHAPES {
        for secret in (0..).map_while(|kind| make(p, kind, shape)) {
            w.exchange(&get(&shape.replace("SECRET", &secret)), &ok());
        }
    }
    for shape in HOSTS {
        let place = format!("the host {shape}");
        for secret in (0..).map_while(|kind| make(p, kind, &place)) {
            let host = shape.replace("SECRET", &secret);
            w.exchange(&Message::request("GET", "/v1/host").field("Host", host), &ok());
        }
        let place = format!("the host {shape} of CONNECT");
        for secret in (0..).map_while(|kind| make(p, kind, &place)) {
            let host = shape.replace("SECRET", &secret);
            let text = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            w.talk(&[text.as_bytes(), b"HTTP/1.1 200 Connection established\r\n\r\n"]);
        }
    }
}

fn request_bodies(p: &mut Planter, w: &mut Writer) {
    let json = format!(
        r#"{{"card":"{}","ssn":"{}","iban":"{}","password":"{}","api_key":"{}","email":"{}","nested":{{"{}":[1]}}}}"#,
        p.card("card number in JSON"),
        p.ssn("SSN in JSON"),
        p.iban("IBAN in JSON"),
        p.secret("password in JSON"),
        p.secret("API key in JSON"),
        p.email("e-mail in JSON"),
        p.secret("name of a member in JSON"),
    );
    w.thrice(&ask("POST", "/v1/json").json(json), &ok());
    let form = format!(
        "user={}&password={}&card={}",
        percent(&p.email("e-mail in a form")),
        p.secret("password in a form"),
        p.card("card number in a form"),
    );
    let kind = "application/x-www-form-urlencoded";
    w.exchange(&ask("POST", "/v1/form").content(kind, form), &ok());
    let boundary = p.secret("multipart boundary");
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{}.txt\"\r\n\r\n{}\r\n--{boundary}--\r\n",
        p.secret("multipart file name"),
        p.secret("multipart content"),
    );
    let kind = format!("multipart/form-data; boundary={boundary}");
    w.exchange(&ask("POST", "/v1/upload").content(&kind, body), &ok());
    let text = p.secret("text body");
    w.exchange(&ask("POST", "/v1/text").content("text/plain", text), &ok());
    let broken = format!(r#"{{"password":"{}", broken"#, p.secret("broken JSON"));
    w.exchange(&ask("POST", "/v1/json").json(broken), &ok());
    let trailer = p.secret("request trailer");
    let request = ask("POST", "/v1/trailers")
        .json("[]")
        .framing(Framing::Chunked(8))
        .trailer("X-Token", &trailer);
    w.exchange(&request, &ok());
    let extension = p.secret("chunk extension");
    let text = format!(
        "POST /v1/chunks HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n2;key={extension}\r\n[]\r\n0\r\n\r\n"
    );
    w.talk(&[text.as_bytes(), &ok().encode().bytes()]);
}

fn responses(p: &mut Planter, w: &mut Writer) {
    let fields = [
        (
            "Set-Cookie",
            format!("session={}; HttpOnly", p.secret("Set-Cookie")),
        ),
        (
            "Location",
            format!("https://app.canary.example/cb?code={}", p.secret("Location")),
        ),
        (
            "WWW-Authenticate",
            format!("Bearer realm=\"{}\"", p.secret("WWW-Authenticate")),
        ),
        (
            "Content-Type",
            format!("text/plain; note={}", p.secret("response Content-Type parameter")),
        ),
        ("X-Debug", p.secret("response field of any name")),
        ("ETag", format!("\"{}\"", p.secret("ETag"))),
        ("Server", p.secret("Server")),
        ("Content-Encoding", p.secret("response Content-Encoding")),
    ];
    for (name, value) in fields {
        w.exchange(&get("/v1/answers"), &ok().field(name, value));
    }
    let name = p.secret("response field name");
    w.exchange(&get("/v1/answers"), &ok().field(&format!("X-{name}"), "1"));
    let reason = p.secret("reason phrase");
    let response = ok().start_line(&format!("HTTP/1.1 200 {reason}"));
    w.exchange(&get("/v1/answers"), &response);
    let cards: Vec<String> = (0..CARDS.len())
        .map(|i| format!(r#"{{"pan":"{}"}}"#, p.card(CARDS[i])))
        .collect();
    let body = format!("[{}]", cards.join(","));
    w.thrice(&get("/v1/export"), &Message::response(200).json(body));
    let people = format!(
        r#"{{"ssn":"{}","iban":"{}","email":"{}","token":"{}"}}"#,
        p.ssn("SSN in a response"),
        p.iban("IBAN in a response"),
        p.email("e-mail in a response"),
        p.secret("token in a response"),
    );
    w.thrice(&get("/v1/people"), &Message::response(200).json(people));
    let zipped = format!(r#"{{"password":"{}"}}"#, p.secret("gzip response body"));
    let response = Message::response(200).json(zipped.repeat(4)).coding(Coding::Gzip);
    w.exchange(&get("/v1/zipped"), &response);
    let error = format!(r#"{{"error":"bad key {}"}}"#, p.secret("error body"));
    w.exchange(&get("/v1/errors"), &Message::response(500).json(error));
    let trailer = p.secret("response trailer");
    let response = ok().framing(Framing::Chunked(4)).trailer("X-Token", &trailer);
    w.exchange(&get("/v1/answers"), &response);
    let event = format!("data: {}\n\n", p.secret("server-sent event"));
    let response = Message::response(200).content("text/event-stream", event);
    w.exchange(&get("/v1/events"), &response);
}

const CARDS: [&str; 4] = [
    "card number in a response, a",
    "card number in a response, b",
    "card number in a response, c",
    "card number in a response, d",
];

fn rpc(p: &mut Planter, w: &mut Writer) {
    let exp = START / SECOND + 3600;
    let bearer = format!("Bearer {}", p.jwt("JWT of an MCP client", exp));
    let mut call = |body: String, result: String, name: Option<String>| {
        let mut request = ask("POST", "/mcp")
            .field("Authorization", bearer.as_str())
            .field("MCP-Protocol-Version", "2026-07-28")
            .json(body);
        if let Some(name) = name {
            request = request.field("Mcp-Method", "tools/call").field("Mcp-Name", name);
        }
        w.exchange(&request, &Message::response(200).json(result));
    };
    let arguments = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"pay","arguments":{{"card":"{}","{}":1}}}}}}"#,
        p.card("MCP tool argument"),
        p.secret("name of an MCP tool argument"),
    );
    let result = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{}"}}]}}}}"#,
        p.secret("MCP tool result")
    );
    call(arguments, result, None);
    let uri = format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{{"uri":"db://user:{}@canary/t?token={}"}}}}"#,
        p.secret("password of an MCP resource"),
        p.secret("query of an MCP resource"),
    );
    let error = format!(
        r#"{{"jsonrpc":"2.0","id":2,"error":{{"code":-32000,"message":"{}"}}}}"#,
        p.secret("MCP error message")
    );
    call(uri, error, None);
    let mail = format!(
        r#"{{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{{"name":"{}"}}}}"#,
        p.email("name of an MCP prompt")
    );
    call(mail, r#"{"jsonrpc":"2.0","id":3,"result":{}}"#.into(), None);
    let client = format!(
        r#"{{"jsonrpc":"2.0","id":4,"method":"initialize","params":{{"clientInfo":{{"name":"{}","version":"{}"}}}}}}"#,
        p.email("name of an MCP client"),
        p.secret("version of an MCP client"),
    );
    let server = format!(
        r#"{{"jsonrpc":"2.0","id":4,"result":{{"serverInfo":{{"name":"s","version":"{}"}}}}}}"#,
        p.secret("version of an MCP server")
    );
    call(client, server, None);
    let differs = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"pay"}}"#;
    let name = p.jwt("Mcp-Name that differs from the body", exp);
    call(
        differs.into(),
        r#"{"jsonrpc":"2.0","id":5,"result":{}}"#.into(),
        Some(name),
    );
    let method = format!(
        r#"{{"jsonrpc":"2.0","id":6,"method":"{}"}}"#,
        p.jwt("JSON-RPC method", exp)
    );
    call(method, r#"{"jsonrpc":"2.0","id":6,"result":{}}"#.into(), None);
}

fn start_lines(p: &mut Planter, w: &mut Writer) {
    let answer = ok().encode().bytes();
    let lines = [
        format!("{} /v1/method HTTP/1.1", p.secret("method")),
        format!(
            "GET /v1/version?k={} HTTP/1.7",
            p.secret("target with an odd version")
        ),
        format!("GET /v1/version HTTP/1.1 {}", p.secret("words after the version")),
        format!("GET /v1/version {}", p.secret("version")),
        format!("GET {}", p.secret("start line of two words")),
        p.secret("start line of one word"),
        format!(
            "GET  /v1/two/spaces?k={}  HTTP/1.1",
            p.secret("start line with more spaces")
        ),
        format!("G\u{0}T /v1/nul?k={} HTTP/1.1", p.secret("start line with a NUL")),
        format!(
            "get /v1/lower?k={} http/1.1",
            p.secret("start line in lower case")
        ),
    ];
    for line in lines {
        let text = format!("{line}\r\nHost: {HOST}\r\n\r\n");
        w.talk(&[text.as_bytes(), &answer]);
    }
    for (place, text) in [
        (
            "field without a colon",
            "GET /v1/f HTTP/1.1\r\nHost: api.canary.example\r\nSECRET\r\n\r\n",
        ),
        (
            "field with a space before its colon",
            "GET /v1/f HTTP/1.1\r\nHost: api.canary.example\r\nX-Key : SECRET\r\n\r\n",
        ),
        (
            "Content-Length that is none",
            "POST /v1/f HTTP/1.1\r\nHost: api.canary.example\r\nContent-Length: SECRET\r\n\r\n",
        ),
        (
            "Transfer-Encoding that is none",
            "POST /v1/f HTTP/1.1\r\nHost: api.canary.example\r\nTransfer-Encoding: SECRET\r\n\r\n",
        ),
        (
            "chunk size that is none",
            "POST /v1/f HTTP/1.1\r\nHost: api.canary.example\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n[]\r\n0\r\n\r\n",
        ),
        (
            "bytes smuggled behind a length",
            "POST /v1/f HTTP/1.1\r\nHost: api.canary.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/admin?key=SECRET HTTP/1.1\r\nHost: api.canary.example\r\n\r\n",
        ),
        ("request in HTTP/0.9", "GET /v1/old?key=SECRET\r\n"),
        (
            "lines ended by LF",
            "GET /v1/lf HTTP/1.1\nHost: api.canary.example\nX-Key: SECRET\n\n",
        ),
    ] {
        let text = text.replace("SECRET", &p.secret(place));
        w.talk(&[text.as_bytes(), &answer]);
    }
    for (place, text) in [
        (
            "status that is none",
            "HTTP/1.1 SECRET\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "version of a response",
            "HTTP/SECRET 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        ("response that is none", "SECRET\r\n\r\n"),
        (
            "response with a broken length",
            "HTTP/1.1 200 OK\r\nContent-Length: SECRET\r\n\r\n",
        ),
    ] {
        let text = text.replace("SECRET", &p.secret(place));
        w.talk(&[&get("/v1/answers").encode().bytes(), text.as_bytes()]);
    }
    // A head over every sensible limit, with the secret at its end.
    let long = format!(
        "GET /v1/long?key={} HTTP/1.1\r\nHost: {HOST}\r\nX-Pad: {}\r\nX-Key: {}\r\n\r\n",
        p.secret("target of a head over the limit"),
        "0".repeat(200_000),
        p.secret("end of a head over the limit"),
    );
    w.talk(&[long.as_bytes(), &answer]);
}

fn upgrades(p: &mut Planter, w: &mut Writer) {
    let request = get(&format!("/v1/live?token={}", p.secret("query of an upgrade")))
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .field(
            "Sec-WebSocket-Protocol",
            format!("v1, {}", p.secret("Sec-WebSocket-Protocol")),
        )
        .encode()
        .bytes();
    let response = Message::response(101)
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .encode()
        .bytes();
    let text = p.secret("WebSocket frame");
    let frame = [&[0x81, text.len() as u8][..], text.as_bytes()].concat();
    w.talk(&[&request, &response, b"", &frame]);
    let line = format!("CONNECT user:{}@canary.example:443", p.secret("CONNECT target"));
    let request = format!("{line} HTTP/1.1\r\nHost: canary.example:443\r\n\r\n");
    let inner = format!("tunnel {}\r\n", p.secret("bytes in a tunnel"));
    w.talk(&[
        request.as_bytes(),
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        inner.as_bytes(),
    ]);
    let request = get("/v1/other")
        .field("Connection", "Upgrade")
        .field("Upgrade", p.secret("Upgrade field"))
        .encode()
        .bytes();
    w.talk(&[&request, &ok().encode().bytes()]);
}

fn damaged(p: &mut Planter, w: &mut Writer) {
    // Joined in the middle of a request's head.
    let mut conn = w.conn();
    w.now += SECOND;
    let half = format!(
        "ookie: session={}\r\nAuthorization: Bearer {}\r\n\r\n",
        p.secret("half a head, first line"),
        p.secret("half a head"),
    );
    let t = conn.send(&mut w.capture, w.now, Side::Client, half.as_bytes());
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\nX-Key: {}\r\n\r\n{:>20}",
        p.secret("response without its request"),
        p.secret("body without its request"),
    );
    let t = conn.send(&mut w.capture, t + MILLI, Side::Server, answer.as_bytes());
    // And then half a body of a response to nothing.
    let tail = format!("{}\"}}]", p.secret("bytes between messages"));
    let t = conn.send(&mut w.capture, t + MILLI, Side::Server, tail.as_bytes());
    let request = get(&format!("/v1/after?key={}", p.secret("query after damage")));
    let t = conn.send(&mut w.capture, t + MILLI, Side::Client, &request.encode().bytes());
    conn.send(&mut w.capture, t + MILLI, Side::Server, &ok().encode().bytes());

    // A segment of the head is lost.
    let mut conn = w.conn();
    w.now += SECOND;
    let t = conn.open(&mut w.capture, w.now);
    let request = get(&format!(
        "/v1/lost?key={}",
        p.secret("query of a request with a gap")
    ))
    .field("X-Pad", "p".repeat(900))
    .field("X-Key", p.secret("field after a gap"))
    .encode()
    .bytes();
    let segments = conn.segments(Side::Client, &request, &[300, 600]);
    for (i, segment) in segments.iter().enumerate().filter(|(i, _)| *i != 1) {
        conn.emit(&mut w.capture, t + i as u64 * MILLI, segment);
    }
    conn.send(
        &mut w.capture,
        t + 9 * MILLI,
        Side::Server,
        &ok().encode().bytes(),
    );
    conn.close(&mut w.capture, t + SECOND, Side::Client);

    // Ends in the middle of a head, and of a body.
    let text = format!(
        "POST /v1/cut?key={} HTTP/1.1\r\nHost: {HOST}\r\nX-Key: {}",
        p.secret("target of a head cut off"),
        p.secret("head cut off"),
    );
    w.talk(&[text.as_bytes()]);
    let text = format!(
        "POST /v1/cut HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{{\"password\":\"{}\"",
        p.secret("body cut off"),
    );
    w.talk(&[text.as_bytes()]);

    // A retransmission that differs.
    let mut conn = w.conn();
    w.now += SECOND;
    let t = conn.open(&mut w.capture, w.now);
    let request = get(&format!("/v1/twice?key={}", p.secret("first copy")));
    let segments = conn.segments(Side::Client, &request.encode().bytes(), &[]);
    conn.emit(&mut w.capture, t, &segments[0]);
    let mut other = segments[0].clone();
    let note = format!("GET /v1/twice?key={}", p.secret("second copy"));
    other.payload[..note.len()].copy_from_slice(note.as_bytes());
    conn.emit(&mut w.capture, t + MILLI, &other);
    conn.send(
        &mut w.capture,
        t + 9 * MILLI,
        Side::Server,
        &ok().encode().bytes(),
    );
    conn.close(&mut w.capture, t + SECOND, Side::Client);

    // Answers nobody asked for.
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Key: {}\r\n\r\n[]",
        p.secret("second response to one request"),
    );
    let twice = [ok().encode().bytes(), text.into_bytes()].concat();
    w.talk(&[&get("/v1/answers").encode().bytes(), &twice]);
    let noise = format!("EHLO mail {}\r\n", p.secret("another protocol"));
    w.talk(&[noise.as_bytes(), b"250 ok\r\n"]);
}
