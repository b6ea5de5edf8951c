//! The one helper through which tests send exchanges to an analyzer.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reassembly::build::ExchangeBuilder;
use reassembly::{Ambiguities, App, Exchange, Flags, Flow, Timestamp, Tls};

use crate::{Analyzer, EndpointView, Finding, Kind, Labels, PrincipalView, Settings};

/// 2026-03-09T08:00:00Z.
pub(crate) const START: u64 = 1_773_043_200;

/// A request and its answer, in few words.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: &'static str,
    target: String,
    host: String,
    fields: String,
    client: String,
    server: String,
    body: String,
    status: u16,
    answer: String,
    answer_fields: String,
    ambiguities: [Ambiguities; 2],
    flags: Flags,
    tls: bool,
    /// Nanoseconds until it is answered.
    lasts: Option<u64>,
}

impl Call {
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            host: "api.example".into(),
            fields: "User-Agent: python-requests/2.32\n".into(),
            client: "10.0.0.5".into(),
            server: "10.9.9.9".into(),
            body: String::new(),
            status: 200,
            answer: r#"{"ok":true}"#.into(),
            answer_fields: "Content-Type: application/json\n".into(),
            ambiguities: [Ambiguities::empty(); 2],
            flags: Flags::empty(),
            tls: false,
            lasts: None,
        }
    }

    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// A tool call over MCP.
    pub(crate) fn tool(name: &str, arguments: &str) -> Self {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        );
        Self::new("POST", "/mcp")
            .field("Content-Type: application/json")
            .body(body)
    }

    pub(crate) fn field(mut self, line: &str) -> Self {
        self.fields.push_str(line);
        self.fields.push('\n');
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.field(&format!("Authorization: Bearer {token}"))
    }

    pub(crate) fn agent(mut self, user_agent: &str) -> Self {
        self.fields = self.fields.replace("python-requests/2.32", user_agent);
        self
    }

    pub(crate) fn from(mut self, client: &str) -> Self {
        self.client = client.into();
        self
    }

    /// The server's address.
    pub(crate) fn at(mut self, server: &str) -> Self {
        self.server = server.into();
        self
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// The same call of another target.
    pub(crate) fn to(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn answer(mut self, body: impl Into<String>) -> Self {
        self.answer = body.into();
        self
    }

    /// Answered with a page.
    pub(crate) fn html(mut self) -> Self {
        self.answer_fields = "Content-Type: text/html\n".into();
        self
    }

    pub(crate) fn answer_field(mut self, line: &str) -> Self {
        self.answer_fields.push_str(line);
        self.answer_fields.push('\n');
        self
    }

    /// An answer in HTML.
    pub(crate) fn page(mut self) -> Self {
        self.answer_fields = "Content-Type: text/html; charset=utf-8\n".into();
        self
    }

    /// The media type of the answer, in place of JSON.
    pub(crate) fn answer_type(mut self, kind: &str) -> Self {
        self.answer_fields = self.answer_fields.replace("application/json", kind);
        self
    }

    /// A response that receivers may read differently.
    pub(crate) fn ambiguous_answer(mut self, ambiguities: Ambiguities) -> Self {
        self.ambiguities[1] = ambiguities;
        self.flags.insert(Flags::AMBIGUOUS);
        self
    }

    pub(crate) fn ambiguous(mut self, ambiguities: Ambiguities) -> Self {
        self.ambiguities[0] = ambiguities;
        self.flags.insert(Flags::AMBIGUOUS);
        self
    }

    pub(crate) fn flags(mut self, flags: Flags) -> Self {
        self.flags.insert(flags);
        self
    }

    /// Decrypted out of TLS.
    pub(crate) fn over_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Answered after so many nanoseconds.
    pub(crate) fn lasting(&self, nanoseconds: u64) -> Self {
        let mut call = self.clone();
        call.lasts = Some(nanoseconds);
        call
    }

    pub(crate) fn exchange(&self, at: u64, number: u32) -> Exchange {
        let head = format!(
            "{} {} HTTP/1.1\nHost: {}\n{}",
            self.method, self.target, self.host, self.fields
        );
        let answer = format!("HTTP/1.1 {} X\n{}", self.status, self.answer_fields);
        let client: IpAddr = self.client.parse().unwrap();
        let port = 20_000 + (number % 40_000) as u16;
        let server = SocketAddr::new(self.server.parse().unwrap(), 80);
        let mut builder = ExchangeBuilder::new(Timestamp(at));
        if self.tls {
            builder = builder.over_tls();
        }
        builder
            .between(SocketAddr::new(client, port), server)
            .in_flow(Timestamp(at - 1), 0)
            .request(&head, self.body.as_bytes())
            .response(&answer, self.answer.as_bytes())
            .flags(self.flags)
            .waited(self.lasts.unwrap_or(5_000_000))
            .ambiguities(self.ambiguities[0], self.ambiguities[1])
            .build()
    }
}

/// A token with these claims, and a signature nobody checks.
pub(crate) fn jwt(claims: &str) -> String {
    jwt_with(r#"{"alg":"RS256"}"#, claims)
}

pub(crate) fn jwt_with(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2lnbmF0dXJl", encode(header), encode(claims))
}

/// A token of an agent that ends an hour after [`START`] plus `hours`.
pub(crate) fn agent_token(name: &str, hours: u64) -> String {
    let (iat, exp) = (START + hours * 3600, START + hours * 3600 + 3600);
    jwt(&format!(
        r#"{{"iss":"https://auth.example","sub":"{name}","client_id":"{name}","client_type":"ai-agent","iat":{iat},"exp":{exp}}}"#
    ))
}

/// An analyzer and its clock.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) analyzer: Analyzer,
    /// Nanoseconds since 1970.
    pub(crate) now: u64,
    pub(crate) sent: u32,
    pub(crate) told: Vec<Finding>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            analyzer: Analyzer::new(settings),
            now: START * 1_000_000_000,
            sent: 0,
            told: Vec::new(),
        }
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += seconds * 1_000_000_000;
    }

    /// Sends a call, one second after the one before.
    pub(crate) fn send(&mut self, call: &Call) -> Labels {
        self.wait(1);
        self.sent += 1;
        let labels = self.analyzer.observe(&call.exchange(self.now, self.sent));
        self.told.extend(std::iter::from_fn(|| self.analyzer.poll()));
        labels
    }

    /// Sends a call, during which its server sends others, which are complete before it is: one every ten milliseconds.
    pub(crate) fn nested(&mut self, call: &Call, inner: &[Call]) -> Labels {
        self.wait(1);
        let step = 10_000_000;
        for (n, inner) in inner.iter().enumerate() {
            self.sent += 1;
            self.observe(
                inner
                    .lasting(step / 2)
                    .exchange(self.now + (n as u64 + 1) * step, self.sent),
            );
        }
        self.sent += 1;
        let outer = call
            .lasting((inner.len() as u64 + 2) * step)
            .exchange(self.now, self.sent);
        self.now = outer.completed.0;
        self.observe(outer)
    }

    /// Gives an exchange to the analyzer.
    pub(crate) fn observe(&mut self, exchange: Exchange) -> Labels {
        let labels = self.analyzer.observe(&exchange);
        self.told.extend(std::iter::from_fn(|| self.analyzer.poll()));
        labels
    }

    /// A connection that cannot be read but for its hello.
    pub(crate) fn encrypted(&mut self, client: &str, name: Option<&str>, ja4: Option<&str>) {
        let call = Call::get("/").from(client).at("203.0.113.9");
        self.ended(&call, |flow| {
            flow.app = App::Tls;
            flow.tls = Some(Tls {
                sni: name.map(Into::into),
                ja4: ja4.map(Into::into),
                ..Tls::default()
            });
        });
    }

    /// A connection of HTTP that ends, as it would be for this call but for what `but` changes.
    pub(crate) fn ended(&mut self, call: &Call, but: impl FnOnce(&mut Flow)) {
        self.wait(1);
        self.sent += 1;
        let mut flow = Flow {
            flow: call.exchange(self.now, self.sent).flow,
            end: Timestamp(self.now),
            packets: 9,
            bytes: (900, 9000),
            lost: (0, 0),
            data_packets: (3, 3),
            first_data: (None, None),
            turns: 1,
            exchanges: 0,
            conflicts: Vec::new(),
            conflict_count: 0,
            tunnel: None,
            app: App::Http1,
            tls: None,
            flags: Flags::empty(),
        };
        but(&mut flow);
        self.analyzer.observe_flow(&flow);
        self.told.extend(std::iter::from_fn(|| self.analyzer.poll()));
    }

    /// All endpoints.
    pub(crate) fn endpoints(&self) -> Vec<EndpointView> {
        self.analyzer.endpoints().collect()
    }

    /// All principals.
    pub(crate) fn principals(&self) -> Vec<PrincipalView> {
        self.analyzer.principals().collect()
    }

    /// All findings, latest revisions.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.analyzer.findings().collect()
    }

    /// Findings of a kind, latest revisions.
    pub(crate) fn found(&self, kind: Kind) -> Vec<Finding> {
        self.analyzer.findings().filter(|f| f.kind == kind).collect()
    }

    /// Kinds and severities of all findings, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut all: Vec<_> = self
            .analyzer
            .findings()
            .map(|f| format!("{} {}", f.kind.name(), f.severity.name()))
            .collect();
        all.sort();
        all
    }
}

/// Keys made for tests, from nothing but a number, and what they sign.
pub(crate) mod signing {
    use std::sync::OnceLock;

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, Mac};
    use p256::ecdsa::signature::Signer;
    use rsa::pkcs8::{EncodePublicKey, LineEnding};
    use rsa::rand_core::{CryptoRng, RngCore};
    use rsa::traits::PublicKeyParts;
    use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
    use sha2::{Digest, Sha256, Sha384, Sha512};

    /// Numbers that follow from a seed.
    #[derive(Debug)]
    pub(crate) struct Numbers(blake3::OutputReader);

    impl Numbers {
        pub(crate) fn new(seed: u64) -> Self {
            Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
        }
    }

    impl RngCore for Numbers {
        fn next_u32(&mut self) -> u32 {
            rsa::rand_core::impls::next_u32_via_fill(self)
        }

        fn next_u64(&mut self) -> u64 {
            rsa::rand_core::impls::next_u64_via_fill(self)
        }

        fn fill_bytes(&mut self, dest: &mut [u8]) {
            self.0.fill(dest);
        }

        fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
            self.fill_bytes(dest);
            Ok(())
        }
    }

    impl CryptoRng for Numbers {}

    /// The one RSA key of the tests.
    pub(crate) fn rsa_key() -> &'static RsaPrivateKey {
        static KEY: OnceLock<RsaPrivateKey> = OnceLock::new();
        KEY.get_or_init(|| RsaPrivateKey::new(&mut Numbers::new(1), 2048).unwrap())
    }

    /// Its public part, as servers keep it.
    pub(crate) fn rsa_pem() -> String {
        let key = rsa_key().to_public_key();
        key.to_public_key_pem(LineEnding::LF).unwrap()
    }

    pub(crate) fn p256_key(seed: u8) -> p256::ecdsa::SigningKey {
        p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()
    }

    fn p384_key() -> p384::ecdsa::SigningKey {
        p384::ecdsa::SigningKey::from_slice(&[3; 48]).unwrap()
    }

    fn ed25519_key() -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&[4; 32])
    }

    fn text(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The public key of P-256 as a JSON Web Key, with more members before it.
    pub(crate) fn p256_jwk(seed: u8, more: &str) -> String {
        let point = p256_key(seed).verifying_key().to_encoded_point(false);
        format!(
            r#"{{{more}"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#,
            text(point.x().unwrap()),
            text(point.y().unwrap())
        )
    }

    /// The public keys, named after their algorithms.
    pub(crate) fn jwks() -> String {
        let rsa = rsa_key();
        let p384 = p384_key().verifying_key().to_encoded_point(false);
        format!(
            r#"{{"keys":[
  {{"kty":"RSA","kid":"rsa-1","n":"{}","e":"{}"}},
  {},
  {{"kty":"EC","kid":"p384-1","crv":"P-384","x":"{}","y":"{}"}},
  {{"kty":"OKP","kid":"ed-1","crv":"Ed25519","x":"{}"}}
]}}"#,
            text(&rsa.n().to_bytes_be()),
            text(&rsa.e().to_bytes_be()),
            p256_jwk(2, r#""kid":"p256-1","#),
            text(p384.x().unwrap()),
            text(p384.y().unwrap()),
            text(ed25519_key().verifying_key().as_bytes()),
        )
    }

    /// The name of the key that signs by an algorithm.
    pub(crate) fn kid(alg: &str) -> &'static str {
        match alg {
            "ES256" => "p256-1",
            "ES384" => "p384-1",
            "EdDSA" => "ed-1",
            _ => "rsa-1",
        }
    }

    /// The signature of a text by an algorithm, with the keys of [`jwks`]; `shared` is the key of HMAC.
    pub(crate) fn signature(alg: &str, input: &str, shared: &[u8]) -> Vec<u8> {
        let bytes = input.as_bytes();
        let rng = &mut Numbers::new(9);
        match alg {
            "RS256" => rsa_key()
                .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(bytes))
                .unwrap(),
            "RS384" => rsa_key()
                .sign(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(bytes))
                .unwrap(),
            "RS512" => rsa_key()
                .sign(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(bytes))
                .unwrap(),
            "PS256" => rsa_key()
                .sign_with_rng(rng, Pss::new::<Sha256>(), &Sha256::digest(bytes))
                .unwrap(),
            "PS384" => rsa_key()
                .sign_with_rng(rng, Pss::new::<Sha384>(), &Sha384::digest(bytes))
                .unwrap(),
            "PS512" => rsa_key()
                .sign_with_rng(rng, Pss::new::<Sha512>(), &Sha512::digest(bytes))
                .unwrap(),
            "ES256" => {
                let made: p256::ecdsa::Signature = p256_key(2).sign(bytes);
                made.to_vec()
            }
            "ES384" => {
                let made: p384::ecdsa::Signature = p384_key().sign(bytes);
                made.to_vec()
            }
            "EdDSA" => ed25519_key().sign(bytes).to_vec(),
            "HS256" => {
                let mut mac = Hmac::<Sha256>::new_from_slice(shared).unwrap();
                mac.update(bytes);
                mac.finalize().into_bytes().to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// A token with these members in its header, signed.
    pub(crate) fn token(alg: &str, header: &str, claims: &str, shared: &[u8]) -> String {
        let header = format!(r#"{{"alg":"{alg}"{header}}}"#);
        let input = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
        let signature = signature(alg, &input, shared);
        format!("{input}.{}", text(&signature))
    }

    /// A token signed by a key of P-256.
    pub(crate) fn by_p256(seed: u8, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
        let made: p256::ecdsa::Signature = p256_key(seed).sign(input.as_bytes());
        format!("{input}.{}", text(&made.to_vec()))
    }
}
