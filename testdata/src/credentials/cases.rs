//! The captures: what is wrong, and beside it what is nearly so.

use super::sign::{ISSUER, KEY, Key, hash, shared};
use super::{Call, Case, START, Tape};
use crate::rng::Rng;
use crate::text::base64url;

/// The issuer's key, that of the token's holder, and that of somebody else.
const OF_ISSUER: u8 = 1;
const OF_HOLDER: u8 = 2;
const OF_OTHER: u8 = 3;

/// A principal is learned after five calls.
const LEARNING: &str = "[learning]\nexchanges = 5\nperiod = \"1s\"\n";

/// Every capture.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut all = proofs();
    all.extend(lives());
    all.extend(scopes());
    all.extend(holders());
    all.extend(secrets());
    all.extend(forged());
    all
}

fn case(name: &'static str, found: &'static [&'static str], play: impl FnOnce(&mut Tape)) -> Case {
    let mut tape = Tape::new();
    play(&mut tape);
    Case {
        name,
        found,
        settings: String::new(),
        keys: None,
        pcap: tape.pcap(),
    }
}

impl Case {
    fn set(mut self, settings: &str) -> Self {
        self.settings.push_str(settings);
        self
    }
}

/// A token of the issuer for an agent, good for an hour.
fn token(name: &str, more: &str) -> String {
    lasting(name, START - 60, START + 3540, more)
}

fn lasting(name: &str, from: u64, until: u64, more: &str) -> String {
    signed(&claims(name, from, until, more))
}

fn signed(claims: &str) -> String {
    Key::of(OF_ISSUER).sign(&format!(r#"{{"alg":"ES256","kid":"{KEY}"}}"#), claims)
}

fn claims(name: &str, from: u64, until: u64, more: &str) -> String {
    format!(
        r#"{{"iss":"{ISSUER}","sub":"{name}","client_id":"{name}","client_type":"ai-agent","aud":"https://api.acme.example","iat":{from},"exp":{until}{more}}}"#
    )
}

/// DPoP (RFC 9449): each of the ways in which a proof may be wrong, and what is nearly so.
mod dpop {
    use super::*;

    /// A proof, and how it may be wrong.
    pub(super) struct Proof {
        pub(super) alg: &'static str,
        pub(super) shown: u8,
        pub(super) signer: u8,
        pub(super) more: String,
        pub(super) method: &'static str,
        pub(super) url: &'static str,
        pub(super) at: u64,
        pub(super) id: String,
        pub(super) token: String,
    }

    /// A token that is bound to its holder's key.
    pub(super) fn bound() -> String {
        let thumbprint = Key::of(OF_HOLDER).thumbprint();
        token("refund-agent", &format!(r#","cnf":{{"jkt":"{thumbprint}"}}"#))
    }

    impl Proof {
        /// A good one, for the next call.
        pub(super) fn next(tape: &Tape, token: &str) -> Self {
            Self {
                alg: "ES256",
                shown: OF_HOLDER,
                signer: OF_HOLDER,
                more: String::new(),
                method: "POST",
                url: "https://api.acme.example/v1/refunds",
                at: tape.next(),
                id: format!("proof-{}", tape.next()),
                token: token.to_owned(),
            }
        }

        pub(super) fn field(&self) -> String {
            let header = format!(
                r#"{{"typ":"dpop+jwt","alg":"{}","jwk":{}}}"#,
                self.alg,
                Key::of(self.shown).jwk(&self.more)
            );
            let claims = format!(
                r#"{{"jti":"{}","htm":"{}","htu":"{}","iat":{},"ath":"{}"}}"#,
                self.id,
                self.method,
                self.url,
                self.at,
                hash(&self.token)
            );
            Key::of(self.signer).sign(&header, &claims)
        }
    }

    pub(super) fn call(token: &str) -> Call {
        Call::post("/v1/refunds", r#"{"order":7}"#).field("Authorization", format!("DPoP {token}"))
    }

    /// A good call.
    pub(super) fn good(tape: &Tape, token: &str) -> Call {
        call(token).field("DPoP", Proof::next(tape, token).field())
    }
}

use dpop::{Proof, bound};

/// A call between two good ones whose proof is changed; and the same where the server refuses it, as it should.
fn changed(
    [name, refused]: [&'static str; 2],
    found: &'static [&'static str],
    change: impl Fn(&mut Proof),
) -> [Case; 2] {
    let play = |status: u16| {
        let change = &change;
        move |tape: &mut Tape| {
            let token = bound();
            tape.send(&dpop::good(tape, &token));
            let mut proof = Proof::next(tape, &token);
            change(&mut proof);
            tape.send(&dpop::call(&token).field("DPoP", proof.field()).status(status));
            tape.send(&dpop::good(tape, &token));
        }
    };
    [case(name, found, play(200)), case(refused, &[], play(401))]
}

fn proofs() -> Vec<Case> {
    let mut all = Vec::new();
    all.push(case("dpop-good", &[], |tape| {
        for _ in 0..4 {
            tape.send(&dpop::good(tape, &bound()));
        }
    }));
    all.extend(changed(
        ["dpop-htm", "dpop-htm-refused"],
        &["sender_constraint_violated wrong_method"],
        |proof| proof.method = "GET",
    ));
    all.extend(changed(
        ["dpop-htu", "dpop-htu-refused"],
        &["sender_constraint_violated wrong_url"],
        |proof| proof.url = "https://api.acme.example/v1/orders",
    ));
    all.extend(changed(
        ["dpop-iat", "dpop-iat-refused"],
        &["sender_constraint_violated stale"],
        |proof| proof.at -= 3600,
    ));
    all.extend(changed(
        ["dpop-jti", "dpop-jti-refused"],
        &["token_replay proof"],
        |proof| proof.id = format!("proof-{}", START + 1),
    ));
    all.extend(changed(
        ["dpop-without-jti", "dpop-without-jti-refused"],
        &["sender_constraint_violated unreadable"],
        |proof| proof.id.clear(),
    ));
    all.extend(changed(
        ["dpop-ath", "dpop-ath-refused"],
        &["sender_constraint_violated wrong_token"],
        |proof| proof.token = "another token".to_owned(),
    ));
    all.extend(changed(
        ["dpop-thumbprint", "dpop-thumbprint-refused"],
        &["sender_constraint_violated wrong_key"],
        |proof| (proof.shown, proof.signer) = (OF_OTHER, OF_OTHER),
    ));
    all.extend(changed(
        ["dpop-signature", "dpop-signature-refused"],
        &["sender_constraint_violated bad_signature"],
        |proof| proof.signer = OF_OTHER,
    ));
    all.extend(changed(
        ["dpop-alg-none", "dpop-alg-none-refused"],
        &["sender_constraint_violated alg_none"],
        |proof| proof.alg = "none",
    ));
    all.extend(changed(
        ["dpop-private-key", "dpop-private-key-refused"],
        &["sender_constraint_violated private_key"],
        |proof| proof.more = format!(r#""d":"{}","#, Key::of(OF_HOLDER).private()),
    ));
    for (name, found, status) in [
        ("dpop-missing", &["sender_constraint_violated no_proof"][..], 200),
        ("dpop-missing-refused", &[], 401),
    ] {
        all.push(case(name, found, |tape| {
            let token = bound();
            tape.send(&dpop::good(tape, &token));
            tape.send(&dpop::call(&token).status(status));
        }));
    }
    for (name, found, status) in [
        (
            "dpop-malformed",
            &["sender_constraint_violated unreadable"][..],
            200,
        ),
        ("dpop-malformed-refused", &[], 401),
    ] {
        all.push(case(name, found, |tape| {
            let token = bound();
            tape.send(&dpop::good(tape, &token));
            let proof = Proof::next(tape, &token).field();
            let cut = proof.rsplit_once('.').map_or("", |(before, _)| before);
            tape.send(&dpop::call(&token).field("DPoP", cut).status(status));
        }));
    }
    all.push(case("dpop-near", &[], |tape| {
        let token = bound();
        // Four minutes off; a path that a proxy put a prefix before; another spelling of the host.
        for change in [
            |proof: &mut Proof| proof.at -= 240,
            |proof: &mut Proof| proof.url = "https://api.acme.example/public/v1/refunds",
            |proof: &mut Proof| proof.url = "https://API.acme.example:443/v1/refunds?x=1",
        ] {
            let mut proof = Proof::next(tape, &token);
            change(&mut proof);
            tape.send(&dpop::call(&token).field("DPoP", proof.field()));
        }
    }));
    // A plain token where others are bound.
    for (name, found, get) in [
        (
            "bound-elsewhere",
            &["sender_constraint_missing plain_bearer"][..],
            false,
        ),
        ("bound-elsewhere-near", &[], true),
    ] {
        all.push(case(name, found, |tape| {
            let token = bound();
            for _ in 0..10 {
                tape.send(&dpop::good(tape, &token));
            }
            let plain = super::cases::token("stock-agent", "");
            tape.send(&match get {
                true => Call::get("/v1/refunds").bearer(&plain),
                false => Call::post("/v1/refunds", "{}").bearer(&plain),
            });
        }));
    }
    all.push(case(
        "bound-to-nothing",
        &["sender_constraint_missing not_bound"],
        |tape| {
            let plain = super::cases::token("stock-agent", "");
            tape.send(&dpop::good(tape, &plain));
        },
    ));
    all
}

/// From issue to end.
fn lives() -> Vec<Case> {
    let orders = |token: &str| Call::get("/v1/orders").bearer(token);
    let mut all = vec![
        case("long-lived", &["token_long_lived over_30_days"], |tape| {
            tape.send(&orders(&lasting("a", START, START + 40 * 86_400, "")));
        }),
        case("long-lived-without-end", &["token_long_lived no_exp"], |tape| {
            tape.send(&orders(&signed(&format!(
                r#"{{"iss":"{ISSUER}","sub":"a","iat":{START}}}"#
            ))));
        }),
        case("long-lived-near", &[], |tape| {
            tape.send(&orders(&lasting("a", START, START + 86_400, "")));
            tape.send(&orders(&lasting("b", START, START + 40 * 86_400, "")).status(401));
        }),
        case("expired", &["expired_token_accepted"], |tape| {
            tape.send(&orders(&lasting("a", START - 3600, START - 600, "")));
        }),
        case("expired-near", &[], |tape| {
            tape.send(&orders(&lasting("a", START - 3600, START - 30, "")));
            tape.send(&orders(&lasting("b", START - 3600, START - 600, "")).status(401));
        }),
        case("expired-opaque", &["expired_token_accepted"], |tape| {
            tape.send(
                &Call::form("/oauth/token", "grant_type=client_credentials&client_id=a")
                    .answer(r#"{"access_token":"opaque-access-token-0001","expires_in":300}"#),
            );
            tape.send(&orders("opaque-access-token-0001"));
            tape.wait(900);
            tape.send(&orders("opaque-access-token-0001"));
        }),
        case("expired-opaque-near", &[], |tape| {
            tape.send(
                &Call::form("/oauth/token", "grant_type=client_credentials&client_id=a")
                    .answer(r#"{"access_token":"opaque-access-token-0001","expires_in":3600}"#),
            );
            tape.wait(900);
            tape.send(&orders("opaque-access-token-0001"));
        }),
    ];
    for (name, found, seconds) in [
        ("never-rotated", &["credential_never_rotated"][..], 3700),
        ("never-rotated-near", &[], 3500),
    ] {
        let made = case(name, found, |tape| {
            tape.send(&orders("opaque-access-token-0002"));
            tape.wait(seconds);
            tape.send(&orders("opaque-access-token-0002"));
        });
        all.push(made.set("[token]\ncredential_max_age = \"1h\"\n"));
    }
    let logout = |tape: &mut Tape, held: &Call| {
        tape.send(held);
        let mut leave = held.clone();
        (leave.method, leave.target) = ("POST", "/logout".to_owned());
        tape.send(&leave);
        tape.wait(60);
    };
    let session = Call::get("/v1/account").field("Cookie", "session=0123456789abcdef0123");
    all.push(case("logout", &["revoked_credential_accepted"], |tape| {
        logout(tape, &session);
        tape.send(&session);
    }));
    all.push(case("logout-near", &[], |tape| {
        logout(tape, &session);
        tape.send(&session.clone().status(401));
        let mut again = session.clone();
        (again.method, again.target) = ("POST", "/login".to_owned());
        tape.send(&again);
        tape.send(&session);
    }));
    let revoked = |tape: &mut Tape, status: u16| {
        tape.send(&orders("opaque-access-token-0003"));
        tape.send(&Call::form("/oauth/revoke", "token=opaque-access-token-0003").answer(""));
        tape.wait(60);
        tape.send(&orders("opaque-access-token-0003").status(status));
    };
    all.push(case("revoked", &["revoked_credential_accepted"], |tape| {
        revoked(tape, 200)
    }));
    all.push(case("revoked-near", &[], |tape| {
        revoked(tape, 401);
        tape.send(&orders("opaque-access-token-0004"));
    }));

    let code = |from: &'static str| {
        Call::form(
            "/oauth/token",
            "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA&client_id=a",
        )
        .from(from)
        .answer(r#"{"access_token":"opaque-access-token-0005","expires_in":3600}"#)
    };
    all.push(case("code-twice", &["token_replay code"], |tape| {
        tape.send(&code("10.30.7.21"));
        tape.wait(300);
        tape.send(&code("10.66.0.9"));
    }));
    all.push(case("code-twice-near", &[], |tape| {
        // Again within a minute, as when an answer was lost.
        tape.send(&code("10.30.7.21"));
        tape.wait(5);
        tape.send(&code("10.30.7.21"));
    }));
    let renew = |old: &str, new: &str| {
        Call::form(
            "/oauth/token",
            &format!("grant_type=refresh_token&refresh_token={old}"),
        )
        .answer(&format!(
            r#"{{"access_token":"opaque-access-token-0006","refresh_token":"{new}","expires_in":3600}}"#
        ))
    };
    all.push(case("refresh-twice", &["token_replay refresh_token"], |tape| {
        tape.send(&renew("refresh-token-0001", "refresh-token-0002"));
        tape.wait(300);
        tape.send(&renew("refresh-token-0001", "refresh-token-0003"));
    }));
    all.push(case("refresh-twice-near", &[], |tape| {
        tape.send(&renew("refresh-token-0001", "refresh-token-0001"));
        tape.wait(300);
        tape.send(&renew("refresh-token-0001", "refresh-token-0001"));
        tape.send(&renew("refresh-token-0004", "refresh-token-0005"));
        tape.wait(300);
        tape.send(&renew("refresh-token-0005", "refresh-token-0006"));
    }));
    all
}

/// What tokens allow, and for whom they are.
fn scopes() -> Vec<Case> {
    let orders = |scopes: &str| {
        Call::get("/v1/orders/7").bearer(&token("stock-agent", &format!(r#","scope":"{scopes}""#)))
    };
    let many: Vec<String> = (0..21).map(|n| format!("read:part{n}")).collect();
    let few = many[..20].join(" ");
    let many = many.join(" ");
    let mut all = vec![
        case("scope-wildcard", &["scope_overbroad wildcard"], |tape| {
            tape.send(&orders("read:orders *"))
        }),
        case("scope-admin", &["scope_overbroad admin"], |tape| {
            tape.send(&orders("read:orders admin:org"))
        }),
        case("scope-many", &["scope_overbroad many"], move |tape| {
            tape.send(&orders(&many))
        }),
        case("scope-near", &[], move |tape| {
            tape.send(&orders(
                "read:orders Directory.Read.All administrative-areas:read",
            ));
            tape.send(&orders(&few));
            tape.send(&orders("*").status(403));
        }),
    ];
    // Somebody else's calls make the names known that a scope may be of.
    let watched = |tape: &mut Tape, changes: bool| {
        let other = token("crm-agent", "");
        tape.send(&Call::new("PUT", "/v1/customers/7").json("{}").bearer(&other));
        let own = token("stock-agent", r#","scope":"read:orders write:customers""#);
        for n in 0..40 {
            if changes && n == 2 {
                tape.send(&Call::new("PUT", "/v1/customers/8").json("{}").bearer(&own));
            }
            tape.send(&Call::get("/v1/orders/7").bearer(&own));
        }
    };
    all.push(case("scope-unused", &["scope_unused"], |tape| watched(tape, false)).set(LEARNING));
    all.push(case("scope-unused-near", &[], |tape| watched(tape, true)).set(LEARNING));

    let audience = |tape: &mut Tape, last: &str, status: u16| {
        let own = token("stock-agent", "");
        for _ in 0..8 {
            tape.send(&Call::get("/v1/orders/7").bearer(&own));
        }
        let claims = claims("stock-agent", START - 60, START + 3540, "");
        let foreign = signed(&claims.replace(r#""https://api.acme.example""#, last));
        tape.send(&Call::get("/v1/orders/7").bearer(&foreign).status(status));
    };
    all.push(
        case("audience", &["audience_mismatch"], |tape| {
            audience(tape, r#""https://mail.acme.example""#, 200);
        })
        .set(LEARNING),
    );
    all.push(
        case("audience-near", &[], |tape| {
            audience(
                tape,
                r#"["https://mail.acme.example","https://api.acme.example"]"#,
                200,
            );
            audience(tape, r#""https://mail.acme.example""#, 401);
        })
        .set(LEARNING),
    );
    all
}

/// Who has a credential.
fn holders() -> Vec<Case> {
    let orders = |token: &str| Call::get("/v1/orders/7").bearer(token);
    let through = |tape: &mut Tape, own: bool| {
        let given = token("support-copilot", "");
        for _ in 0..2 {
            tape.send(&Call::tool("look_up", "{}", "3 orders").bearer(&given));
            let shown = match own {
                true => token("mcp-server", ""),
                false => given.clone(),
            };
            tape.send(&orders(&shown).from("10.10.2.31").with("Go-http-client/1.1"));
        }
    };
    vec![
        case("shared", &["credential_shared"], |tape| {
            let token = token("stock-agent", "");
            for n in 0..6 {
                tape.send(&orders(&token));
                if n > 3 {
                    tape.send(&orders(&token).from("198.51.100.9").with("curl/8.9.0"));
                }
            }
        }),
        case("shared-near", &[], |tape| {
            let token = token("stock-agent", "");
            for _ in 0..6 {
                tape.send(&orders(&token));
            }
            // It moves within its network and stays there; and moves house after a pause.
            tape.send(&orders(&token).from("10.30.7.22"));
            tape.wait(1800);
            for _ in 0..3 {
                tape.send(&orders(&token).from("10.31.0.5"));
            }
        }),
        // The token is used from another address with another program, which is a finding of its own.
        case(
            "passthrough",
            &["credential_shared", "token_passthrough"],
            |tape| through(tape, false),
        ),
        case("passthrough-near", &[], |tape| through(tape, true)),
    ]
}

/// Secrets where they do not belong.
fn secrets() -> Vec<Case> {
    let mut rng = Rng::named(7, "credentials");
    const LETTERS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789";
    let key = format!("ghp_{}", rng.text(LETTERS, 36));
    let model = |text: &str, answer: &str| {
        Call::post(
            "/v1/chat/completions",
            &format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":"{text}"}}]}}"#),
        )
        .at("llm.acme.example", "10.10.2.41")
        .bearer(&token("stock-agent", ""))
        .answer(&format!(
            r#"{{"id":"c","object":"chat.completion","model":"gpt-4o","choices":[{{"index":0,"message":{{"role":"assistant","content":"{answer}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}}}"#
        ))
    };
    let tool = |arguments: &str, result: &str| {
        Call::tool("deploy", arguments, result).bearer(&token("stock-agent", ""))
    };
    let placeholder = "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    vec![
        case("secret-in-url", &["weak_auth in_url"], |tape| {
            tape.send(&Call::get("/v1/orders?access_token=opaque-access-token-0007"));
        }),
        case("secret-in-url-near", &[], |tape| {
            let signature = base64url(&[7; 32]);
            tape.send(&Call::get(&format!("/v1/files/7?sig={signature}&se=2026-10-06")));
        }),
        case("secret-in-prompt", &["secret_in_traffic"], |tape| {
            tape.send(&model(&format!("Deploy with {key} please"), "Done."));
        }),
        case("secret-in-answer", &["secret_in_traffic"], |tape| {
            tape.send(&model("What is the key?", &format!("It is {key}.")));
        }),
        case("secret-in-tool-arguments", &["secret_in_traffic"], |tape| {
            tape.send(&tool(&format!(r#"{{"note":"use {key}"}}"#), "done"));
        }),
        case("secret-in-tool-result", &["secret_in_traffic"], |tape| {
            tape.send(&tool("{}", &format!("the key is {key}")));
        }),
        case("secret-near", &[], |tape| {
            tape.send(&model(&format!("Write {placeholder} there"), "Done: sk-..."));
            tape.send(&model("Use AKIAIOSFODNN7EXAMPLE as in the documents", "I did."));
            tape.send(&tool(
                &format!(r#"{{"note":"use {placeholder}"}}"#),
                "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            ));
        }),
    ]
}

/// Tokens of an issuer whose keys are known.
fn forged() -> Vec<Case> {
    let keys = || {
        format!(
            r#"{{"keys":[{}]}}"#,
            Key::of(OF_ISSUER).jwk(&format!(r#""kid":"{KEY}","use":"sig","#))
        )
    };
    let settings = |complete: bool| {
        let all = match complete {
            true => format!("jwks_complete = [\"{ISSUER}\"]\n"),
            false => String::new(),
        };
        format!("[token]\njwks = [\"{ISSUER}=KEYS\"]\n{all}")
    };
    let keyed = |complete: bool, made: Case| Case {
        keys: Some(keys()),
        settings: settings(complete),
        ..made
    };
    let claims = |name: &str| claims(name, START - 60, START + 3540, "");
    let orders = |token: &str| Call::get("/v1/orders/7").bearer(token);
    let unsigned = format!(
        "{}.{}.",
        base64url(br#"{"alg":"none"}"#),
        base64url(claims("admin").as_bytes())
    );
    let own = token("stock-agent", "");
    let altered = {
        let (input, signature) = own.rsplit_once('.').unwrap_or_default();
        let head = input.split('.').next().unwrap_or("");
        format!("{head}.{}.{signature}", base64url(claims("admin").as_bytes()))
    };
    let confused = shared(Key::of(OF_ISSUER).pem().as_bytes(), &claims("admin"));
    let elsewhere = Key::of(OF_OTHER).sign(r#"{"alg":"ES256","kid":"acme-2026-11"}"#, &claims("admin"));
    let stranger = Key::of(OF_OTHER).sign(
        r#"{"alg":"ES256","kid":"x"}"#,
        &claims("admin").replace(ISSUER, "https://else.example"),
    );
    let with = |token: &str, status: u16| {
        let (own, token) = (own.clone(), token.to_owned());
        move |tape: &mut Tape| {
            tape.send(&orders(&own));
            tape.send(&orders(&token).from("10.66.0.9").status(status));
        }
    };
    vec![
        keyed(
            false,
            case(
                "forged-unsigned",
                &["forged_token unsigned"],
                with(&unsigned, 200),
            ),
        ),
        keyed(
            false,
            case(
                "forged-altered",
                &["forged_token bad_signature"],
                with(&altered, 200),
            ),
        ),
        keyed(
            false,
            case(
                "forged-confusion",
                &["forged_token key_confusion"],
                with(&confused, 200),
            ),
        ),
        keyed(
            true,
            case(
                "forged-no-key",
                &["forged_token no_such_key"],
                with(&elsewhere, 200),
            ),
        ),
        // Refused, as it should be: somebody tries.
        keyed(
            false,
            case(
                "forged-refused",
                &["forged_token bad_signature"],
                with(&altered, 401),
            ),
        ),
        keyed(true, case("forged-near-true", &[], with(&own, 200))),
        // A key that came after the file was written; an issuer of whom nothing is known.
        keyed(false, case("forged-near-new-key", &[], with(&elsewhere, 200))),
        keyed(true, case("forged-near-stranger", &[], with(&stranger, 200))),
        // Without keys, a token without a signature is all that can be told.
        case("unsigned", &["weak_auth alg_none"], with(&unsigned, 200)),
        case("unsigned-near", &[], with(&unsigned, 401)),
    ]
}
