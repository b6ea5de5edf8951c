//! What each of these reports, and above all what it does not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::testing::signing::{by_p256, p256_jwk};
use crate::testing::{Call, START, Scene, agent_token, jwt, jwt_with};
use crate::{Kind, Settings, Severity};

fn severities(scene: &Scene, kind: Kind) -> Vec<Severity> {
    scene.found(kind).iter().map(|f| f.severity).collect()
}

fn reasons(scene: &Scene, kind: Kind) -> Vec<String> {
    let mut all: Vec<_> = scene
        .found(kind)
        .iter()
        .map(|f| f.observed_text("reason").to_owned())
        .collect();
    all.sort();
    all
}

mod sender_constraint {
    use super::*;

    /// The key of the token's holder, and another one.
    const OWN: u8 = 2;
    const OTHER: u8 = 5;

    /// The thumbprint of the holder's key, worked out apart from what is tested (RFC 7638 section 3).
    fn thumbprint() -> String {
        let jwk: serde_json::Value = serde_json::from_str(&p256_jwk(OWN, "")).unwrap();
        let text = |name: &str| jwk[name].as_str().unwrap();
        let members = format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            text("x"),
            text("y")
        );
        URL_SAFE_NO_PAD.encode(Sha256::digest(members))
    }

    fn bound() -> String {
        jwt(&format!(
            r#"{{"iss":"https://auth.example","sub":"a","client_id":"a","sub_profile":"service","iat":{START},"exp":{},"cnf":{{"jkt":"{}"}}}}"#,
            START + 3600,
            thumbprint()
        ))
    }

    /// A proof of a request, and how it may be wrong.
    struct Made<'a> {
        alg: &'a str,
        /// Whose key it shows.
        key: u8,
        /// More members of that key.
        more: &'a str,
        /// Who signs.
        signer: u8,
        method: &'a str,
        url: &'a str,
        at: u64,
        id: &'a str,
        token: &'a str,
    }

    impl Made<'_> {
        fn field(&self) -> String {
            let jwk = p256_jwk(self.key, self.more);
            let header = format!(r#"{{"typ":"dpop+jwt","alg":"{}","jwk":{jwk}}}"#, self.alg);
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(self.token));
            let claims = format!(
                r#"{{"jti":"{}","htm":"{}","htu":"{}","iat":{},"ath":"{hash}"}}"#,
                self.id, self.method, self.url, self.at
            );
            format!("DPoP: {}", by_p256(self.signer, &header, &claims))
        }
    }

    fn good(token: &str) -> Made<'_> {
        Made {
            alg: "ES256",
            key: OWN,
            more: "",
            signer: OWN,
            method: "POST",
            url: "https://api.example/orders",
            at: START,
            id: "n-1",
            token,
        }
    }

    fn call(token: &str, scheme: &str) -> Call {
        Call::new("POST", "/orders")
            .field(&format!("Authorization: {scheme} {token}"))
            .body("{}")
    }

    fn told(call: Call) -> Vec<String> {
        let mut scene = Scene::new();
        scene.send(&call);
        let mut all = reasons(&scene, Kind::SenderConstraintViolated);
        all.extend(reasons(&scene, Kind::SenderConstraintMissing));
        all
    }

    /// The eight ways of RFC 9449 in which a proof may be wrong, and others; each alone gives its own finding and no other one.
    #[test]
    fn each_way_to_be_wrong_is_told_alone() {
        let token = bound();
        let free = agent_token("b", 0);
        let with = |made: &Made<'_>| call(&token, "DPoP").field(&made.field());
        for (name, call, want) in [
            ("as it should be", with(&good(&token)), ""),
            ("no proof", call(&token, "Bearer"), "no_proof"),
            ("no proof either", call(&token, "DPoP"), "no_proof"),
            (
                "another url",
                with(&Made {
                    url: "https://api.example/users",
                    ..good(&token)
                }),
                "wrong_url",
            ),
            (
                "another host",
                with(&Made {
                    url: "https://users.example/orders",
                    ..good(&token)
                }),
                "wrong_url",
            ),
            (
                "another method",
                with(&Made {
                    method: "GET",
                    ..good(&token)
                }),
                "wrong_method",
            ),
            (
                "of the day before",
                with(&Made {
                    at: START - 86_400,
                    ..good(&token)
                }),
                "stale",
            ),
            (
                "of the day after",
                with(&Made {
                    at: START + 86_400,
                    ..good(&token)
                }),
                "stale",
            ),
            (
                "four minutes off",
                with(&Made {
                    at: START - 240,
                    ..good(&token)
                }),
                "",
            ),
            (
                "for another token",
                with(&Made {
                    token: &free,
                    ..good(&token)
                }),
                "wrong_token",
            ),
            (
                "by another key",
                with(&Made {
                    key: OTHER,
                    signer: OTHER,
                    ..good(&token)
                }),
                "wrong_key",
            ),
            (
                "signed by another key than it shows",
                with(&Made {
                    signer: OTHER,
                    ..good(&token)
                }),
                "bad_signature",
            ),
            (
                "changed after it was signed",
                call(&token, "DPoP").field(&{
                    let field = good(&token).field();
                    let (input, _) = field.rsplit_once('.').unwrap();
                    format!("{input}.{}", "A".repeat(86))
                }),
                "bad_signature",
            ),
            (
                "with the private key in it",
                with(&Made {
                    more: r#""d":"AAAA","#,
                    ..good(&token)
                }),
                "private_key",
            ),
            (
                "signed by an algorithm that nobody knows",
                with(&Made {
                    alg: "ES999",
                    ..good(&token)
                }),
                "",
            ),
            (
                "without a key",
                call(&token, "DPoP").field(&format!(
                    "DPoP: {}",
                    jwt_with(r#"{"typ":"dpop+jwt","alg":"ES256"}"#, "{}")
                )),
                "unreadable",
            ),
            (
                "not signed",
                with(&Made {
                    alg: "none",
                    ..good(&token)
                }),
                "alg_none",
            ),
            (
                "no proof at all",
                call(&token, "DPoP").field("DPoP: x.y.z"),
                "unreadable",
            ),
            (
                "a token that is bound to nothing",
                call(&free, "DPoP").field(&good(&free).field()),
                "not_bound",
            ),
            (
                "a proof beside a bearer token that asks for none",
                call(&free, "Bearer").field("DPoP: 1"),
                "",
            ),
        ] {
            assert_eq!(told(call.clone()).join(" "), want, "{name}");
            assert_eq!(told(call.status(401)).join(" "), "", "{name}, refused");
        }
    }

    #[test]
    fn a_host_that_a_proxy_renamed_is_doubted_only_where_others_named_it() {
        let token = bound();
        let far = |id: &'static str| {
            let made = Made {
                url: "https://public.example/orders",
                id,
                ..good(&token)
            };
            call(&token, "DPoP").field(&made.field())
        };
        let mut renamed = Scene::new();
        for id in ["a", "b", "c"] {
            renamed.send(&far(id));
        }
        assert_eq!(
            severities(&renamed, Kind::SenderConstraintViolated),
            [Severity::Low]
        );
        let mut named = Scene::new();
        named.send(&call(&token, "DPoP").field(&good(&token).field()));
        named.send(&far("a"));
        assert_eq!(
            severities(&named, Kind::SenderConstraintViolated),
            [Severity::Medium]
        );
        let mut forwarded = Scene::new();
        forwarded.send(&far("a").field("X-Forwarded-Host: public.example"));
        assert_eq!(forwarded.words(), Vec::<String>::new());
    }

    #[test]
    fn a_proof_that_comes_twice() {
        let token = bound();
        let proof = |id| {
            let made = Made { id, ..good(&token) };
            call(&token, "DPoP").field(&made.field())
        };
        let mut scene = Scene::new();
        for id in ["a", "b", "c"] {
            scene.send(&proof(id));
        }
        assert_eq!(scene.words(), Vec::<String>::new());
        scene.send(&proof("b").status(401));
        assert_eq!(scene.words(), Vec::<String>::new(), "refused, as it should be");
        scene.send(&proof("b").from("10.0.0.66"));
        assert_eq!(reasons(&scene, Kind::TokenReplay), ["proof"]);
        assert_eq!(severities(&scene, Kind::TokenReplay), [Severity::High]);
    }

    #[test]
    fn one_exchange_seen_on_both_sides_of_a_proxy_is_no_replay() {
        let token = bound();
        let call = call(&token, "DPoP").field(&good(&token).field());
        let mut scene = Scene::new();
        // The inner exchange ends first; both are of one moment.
        for from in ["10.0.0.7", "10.0.0.5"] {
            scene.sent += 1;
            let exchange = call
                .clone()
                .from(from)
                .exchange(START * 1_000_000_000, scene.sent);
            scene.analyzer.observe(&exchange);
        }
        assert_eq!(scene.found(Kind::TokenReplay).len(), 0);
    }

    #[test]
    fn a_flood_of_proofs_is_checked_within_a_budget() {
        let token = bound();
        let mut scene = Scene::new();
        let made = |id: &str, signer: u8, at: u64| {
            let made = Made {
                id,
                signer,
                at,
                ..good(&token)
            };
            call(&token, "DPoP").field(&made.field())
        };
        let ids: Vec<String> = (0..2_100).map(|n| format!("n{n}")).collect();
        for (n, id) in ids.iter().enumerate() {
            let exchange = made(id, OWN, START).exchange(START * 1_000_000_000, n as u32);
            scene.analyzer.observe(&exchange);
        }
        let unchecked = |scene: &Scene| {
            let all = scene.analyzer.counters();
            all.iter()
                .find(|(name, _)| *name == "proofs_unchecked")
                .map(|(_, n)| *n)
        };
        assert_eq!(unchecked(&scene), Some(100));
        scene.wait(1);
        scene.send(&made("forged", OTHER, START));
        assert_eq!(reasons(&scene, Kind::SenderConstraintViolated), ["bad_signature"]);
        assert_eq!(unchecked(&scene), Some(100));
    }

    #[test]
    fn proofs_are_remembered_within_bounds() {
        let token = bound();
        let mut scene = Scene::new();
        let ids: Vec<String> = (0..200).map(|n| format!("n{n}")).collect();
        for id in &ids {
            let made = Made {
                id,
                at: scene.now / 1_000_000_000,
                ..good(&token)
            };
            scene.send(&call(&token, "DPoP").field(&made.field()));
        }
        let again = |id: &str, scene: &mut Scene| {
            let made = Made {
                id,
                at: scene.now / 1_000_000_000,
                ..good(&token)
            };
            scene.send(&call(&token, "DPoP").field(&made.field()));
        };
        again("n0", &mut scene);
        assert_eq!(scene.found(Kind::TokenReplay).len(), 0, "forgotten by then");
        again("n199", &mut scene);
        assert_eq!(scene.found(Kind::TokenReplay).len(), 1);
    }

    #[test]
    fn a_certificate_that_a_proxy_names() {
        let thumbprint = thumbprint();
        let hash = URL_SAFE_NO_PAD.decode(&thumbprint).unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = jwt(&format!(
            r#"{{"sub":"a","exp":{},"cnf":{{"x5t#S256":"{thumbprint}"}}}}"#,
            START + 3600
        ));
        let call = |field: &str| Call::new("POST", "/orders").bearer(&token).field(field);
        let own = format!(
            "X-Forwarded-Client-Cert: By=spiffe://a/b;Hash={hex};Subject=\"CN=x\",Hash={}",
            "0".repeat(64)
        );
        assert_eq!(told(call(&own)), Vec::<String>::new());
        assert_eq!(told(call("X-Request-Id: 1")), Vec::<String>::new());
        assert_eq!(
            told(call("X-Forwarded-Client-Cert: Hash=short")),
            Vec::<String>::new()
        );
        let other = format!("X-Forwarded-Client-Cert: By=spiffe://a/b;Hash={}", "0".repeat(64));
        assert_eq!(told(call(&other)), ["wrong_certificate"]);
    }

    #[test]
    fn a_plain_token_where_others_are_bound() {
        let plain = agent_token("plain", 0);
        let post = |token: &str| Call::new("POST", "/orders").bearer(token).body("{}");
        let mut scene = Scene::new();
        scene.send(&post(&plain));
        assert_eq!(
            scene.found(Kind::SenderConstraintMissing).len(),
            0,
            "nothing is bound here"
        );
        let token = bound();
        let ids: Vec<String> = (0..10).map(|n| format!("n{n}")).collect();
        for id in &ids {
            let made = Made { id, ..good(&token) };
            scene.send(&call(&token, "DPoP").field(&made.field()));
        }
        scene.send(&Call::get("/orders").bearer(&plain));
        scene.send(&post(&plain).status(401));
        scene.send(&post(&plain).host("other.example"));
        assert_eq!(
            scene.found(Kind::SenderConstraintMissing).len(),
            0,
            "it reads, or is refused, or elsewhere"
        );
        scene.send(&post(&plain));
        assert_eq!(reasons(&scene, Kind::SenderConstraintMissing), ["plain_bearer"]);
        assert_eq!(severities(&scene, Kind::SenderConstraintMissing), [Severity::Low]);
    }
}

mod grants {
    use super::*;

    fn asks(form: &str) -> Call {
        Call::new("POST", "/oauth/token")
            .host("auth.example")
            .field("Content-Type: application/x-www-form-urlencoded")
            .body(form)
            .status(400)
            .answer(r#"{"error":"invalid_grant"}"#)
    }

    fn gets(form: &str, answer: &str) -> Call {
        asks(form).status(200).answer(answer)
    }

    const TOKENS: &str = r#"{"access_token":"opaque-access-0001","token_type":"Bearer","expires_in":3600}"#;

    #[test]
    fn ways_to_ask_for_tokens_are_told() {
        let mut scene = Scene::new();
        let ways = [
            (
                "grant_type=client_credentials&client_id=billing&client_secret=bbbbbbbb",
                "client_credentials secret_post Some(\"billing\") 2 Some(3600)",
            ),
            (
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=tttttttt&client_assertion=eyJhbGciOiJub25lIn0.e30.x1",
                "token_exchange assertion None 2 Some(3600)",
            ),
            (
                "grant_type=password&username=ann&password=hunter2hunter2",
                "password none None 2 Some(3600)",
            ),
            (
                "grant_type=urn:example:own&client_id=4539578763621486",
                "other none",
            ),
        ];
        for (form, _) in ways.iter().chain(&ways) {
            scene.send(&gets(form, TOKENS));
        }
        scene.send(&asks("grant_type=refresh_token&refresh_token=rrrrrrrr"));
        let told: Vec<String> = scene
            .principals()
            .into_iter()
            .flat_map(|p| p.grants)
            .map(|g| {
                format!(
                    "{} {} {:?} {} {:?}",
                    g.grant, g.client_auth, g.client, g.exchanges, g.lifetime
                )
            })
            .collect();
        assert_eq!(told.len(), ways.len(), "what was refused is no grant: {told:?}");
        for (form, wanted) in ways {
            assert!(
                told.iter().any(|told| told.starts_with(wanted)),
                "{form}: {told:?}"
            );
        }
        assert!(!told.concat().contains("4539578763621486"), "{told:?}");
    }

    #[test]
    fn an_opaque_token_ends_when_its_issuer_said() {
        let mut scene = Scene::new();
        scene.send(&gets(
            "grant_type=client_credentials&client_id=a&client_secret=bbbbbbbb",
            TOKENS,
        ));
        let used = Call::get("/orders").bearer("opaque-access-0001");
        let unknown = Call::get("/orders").bearer("opaque-access-0002");
        scene.send(&used);
        scene.send(&unknown);
        scene.wait(3600);
        scene.send(&used);
        assert_eq!(
            scene.found(Kind::ExpiredTokenAccepted).len(),
            0,
            "within the leeway"
        );
        scene.wait(400);
        scene.send(&used.clone().status(401));
        scene.send(&unknown);
        assert_eq!(
            scene.found(Kind::ExpiredTokenAccepted).len(),
            0,
            "refused, or not known"
        );
        scene.send(&used);
        assert_eq!(severities(&scene, Kind::ExpiredTokenAccepted), [Severity::High]);
    }

    #[test]
    fn an_opaque_token_may_live_too_long() {
        let month = TOKENS.replace("3600", &(40 * 86_400).to_string());
        let mut scene = Scene::new();
        scene.send(&gets("grant_type=client_credentials", &month));
        scene.send(&Call::get("/orders").bearer("opaque-access-0001"));
        assert_eq!(severities(&scene, Kind::TokenLongLived), [Severity::Medium]);
        let mut short = Scene::new();
        short.send(&gets("grant_type=client_credentials", TOKENS));
        short.send(&Call::get("/orders").bearer("opaque-access-0001"));
        assert_eq!(short.found(Kind::TokenLongLived).len(), 0);
    }

    #[test]
    fn a_refresh_token_that_was_replaced() {
        let form = "grant_type=refresh_token&refresh_token=refresh-0001";
        let rotated =
            r#"{"access_token":"opaque-access-0002","refresh_token":"refresh-0002","expires_in":600}"#;
        let kept = r#"{"access_token":"opaque-access-0002","refresh_token":"refresh-0001","expires_in":600}"#;
        let thief = |call: Call| call.from("198.51.100.9");
        for (name, calls, want) in [
            (
                "kept",
                vec![gets(form, kept), gets(form, kept), thief(gets(form, kept))],
                vec![],
            ),
            (
                "an answer was lost",
                vec![gets(form, rotated), gets(form, rotated)],
                vec![],
            ),
            (
                "accepted again",
                vec![gets(form, rotated), thief(gets(form, rotated))],
                vec![Severity::High],
            ),
            (
                "tried by another",
                vec![gets(form, rotated), thief(asks(form))],
                vec![Severity::Medium],
            ),
            (
                "refused to its owner",
                vec![gets(form, rotated), asks(form)],
                vec![],
            ),
            (
                "wrong from the start",
                vec![asks(form), thief(asks(form))],
                vec![],
            ),
        ] {
            let mut scene = Scene::new();
            for call in calls {
                scene.send(&call);
                scene.wait(5);
            }
            assert_eq!(severities(&scene, Kind::TokenReplay), want, "{name}");
        }
        let mut late = Scene::new();
        late.send(&gets(form, rotated));
        late.wait(120);
        late.send(&gets(form, rotated));
        assert_eq!(
            severities(&late, Kind::TokenReplay),
            [Severity::High],
            "no lost answer any more"
        );
    }

    #[test]
    fn codes_and_assertions_are_good_for_one_use() {
        let code = "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA";
        let assertion = "grant_type=client_credentials&client_assertion=eyJhbGciOi.eyJpc3Mi.c2ln";
        for (form, what, severity) in [
            (code, "code", Severity::High),
            (assertion, "assertion", Severity::Medium),
        ] {
            let mut scene = Scene::new();
            scene.send(&gets(form, TOKENS));
            assert_eq!(scene.found(Kind::TokenReplay).len(), 0);
            scene.wait(300);
            scene.send(&gets(form, TOKENS));
            assert_eq!(reasons(&scene, Kind::TokenReplay), [what]);
            assert_eq!(severities(&scene, Kind::TokenReplay), [severity]);
        }
        // A form of that name that asks for nothing of the kind.
        let mut scene = Scene::new();
        for _ in 0..2 {
            scene.wait(300);
            scene.send(&gets("code=SplxlOBeZQQYbYS6WxSbIA&lang=de", TOKENS));
        }
        assert_eq!(scene.found(Kind::TokenReplay).len(), 0);
    }

    #[test]
    fn what_was_taken_back_is_accepted() {
        let token = agent_token("a", 0);
        let used = Call::get("/orders").bearer(&token);
        let revoke = Call::new("POST", "/oauth/revoke")
            .host("auth.example")
            .field("Content-Type: application/x-www-form-urlencoded")
            .body(format!("token={token}&token_type_hint=access_token"));
        let cookie = Call::get("/orders").field("Cookie: session=abcdefgh12345678");
        let logout = |call: &Call| call.clone().to("/logout");
        let login = |call: &Call| call.clone().to("/login");
        for (name, calls, want) in [
            (
                "revoked",
                vec![used.clone(), revoke.clone(), used.clone()],
                vec![Severity::High],
            ),
            (
                "revoked and refused",
                vec![used.clone(), revoke.clone(), used.clone().status(401)],
                vec![],
            ),
            (
                "the server would not revoke it",
                vec![used.clone(), revoke.clone().status(503), used.clone()],
                vec![],
            ),
            (
                "a session that was left",
                vec![cookie.clone(), logout(&cookie), cookie.clone()],
                vec![Severity::High],
            ),
            (
                "a token that was left",
                vec![used.clone(), logout(&used), used.clone()],
                vec![Severity::Medium],
            ),
            (
                "in again",
                vec![cookie.clone(), logout(&cookie), login(&cookie), cookie.clone()],
                vec![],
            ),
            (
                "left twice",
                vec![cookie.clone(), logout(&cookie), logout(&cookie)],
                vec![],
            ),
        ] {
            let mut scene = Scene::new();
            for call in calls {
                scene.send(&call);
                scene.wait(30);
            }
            assert_eq!(
                severities(&scene, Kind::RevokedCredentialAccepted),
                want,
                "{name}"
            );
        }
        let mut under_way = Scene::new();
        for call in [&used, &revoke, &used, &used] {
            under_way.send(call);
        }
        assert_eq!(
            under_way.found(Kind::RevokedCredentialAccepted).len(),
            0,
            "within seconds"
        );
    }
}

mod credential_never_rotated {
    use super::*;

    fn after(days: u64, call: &Call, settings: Settings) -> Vec<Severity> {
        let mut scene = Scene::with(settings);
        for _ in 0..=days {
            scene.send(call);
            scene.wait(86_400);
        }
        severities(&scene, Kind::CredentialNeverRotated)
    }

    #[test]
    fn keys_that_are_too_old() {
        let key = Call::get("/a").field("X-Api-Key: 0123456789abcdef");
        let password = Call::get("/a").field("Authorization: Basic YWRtaW46aHVudGVyMg==");
        let endless = Call::get("/a").bearer(&jwt(r#"{"sub":"a"}"#));
        let cookie = Call::get("/a").field("Cookie: session=abcdefgh12345678");
        let query = Call::get("/a?api_key=0123456789abcdef");
        let settings = Settings::default;
        assert_eq!(after(89, &key, settings()), []);
        assert_eq!(after(91, &key, settings()), [Severity::Low]);
        assert_eq!(after(91, &password, settings()), [Severity::Low]);
        assert_eq!(after(91, &query, settings()), [Severity::Medium]);
        assert_eq!(
            after(91, &endless, settings()),
            [],
            "it tells itself that it never ends"
        );
        assert_eq!(after(91, &cookie, settings()), []);
        assert_eq!(after(91, &key.clone().status(401), settings()), []);
        let any = Settings {
            credential_max_age: std::time::Duration::ZERO,
            ..settings()
        };
        assert_eq!(after(91, &key, any), []);
    }

    #[test]
    fn a_password_that_was_changed_is_another() {
        let mut scene = Scene::new();
        for day in 0..120 {
            let password = URL_SAFE_NO_PAD.encode(format!("admin:hunter{}", day / 60));
            scene.send(&Call::get("/a").field(&format!("Authorization: Basic {password}==")));
            scene.wait(86_400);
        }
        assert_eq!(scene.found(Kind::CredentialNeverRotated).len(), 0);
    }
}

mod token_passthrough {
    use super::*;

    const SERVER: &str = "10.5.0.20";

    fn tool(token: &str) -> Call {
        Call::tool("search_orders", "{}")
            .host("mcp.example")
            .at(SERVER)
            .bearer(token)
    }

    fn behind(token: &str) -> Call {
        Call::get("/orders")
            .host("orders.example")
            .at("10.9.0.1")
            .from(SERVER)
            .bearer(token)
    }

    #[test]
    fn a_token_that_went_through() {
        let token = agent_token("a", 0);
        let mut scene = Scene::new();
        scene.send(&tool(&token));
        scene.send(&behind(&token).status(401));
        assert_eq!(scene.found(Kind::TokenPassthrough).len(), 0, "refused");
        scene.send(&behind(&token));
        assert_eq!(severities(&scene, Kind::TokenPassthrough), [Severity::High]);
        assert_eq!(scene.found(Kind::TokenPassthrough)[0].evidence.len(), 2);
    }

    #[test]
    fn quiet_when_it_did_not() {
        let (token, own) = (agent_token("a", 0), agent_token("mcp-server", 0));
        let egress = Settings {
            shared_egress: vec!["10.5.0.0/16".into()],
            ..Settings::default()
        };
        let quiet = Settings::default;
        for (name, settings, calls) in [
            ("a token of its own", quiet(), vec![tool(&token), behind(&own)]),
            (
                "from elsewhere",
                quiet(),
                vec![tool(&token), behind(&token).from("10.0.0.5")],
            ),
            (
                "a proxy before the server",
                quiet(),
                vec![
                    tool(&token),
                    tool(&token).from(SERVER).at("10.5.0.21").host("inner.example"),
                ],
            ),
            (
                "one host",
                quiet(),
                vec![tool(&token), behind(&token).host("mcp.example")],
            ),
            (
                "one address",
                quiet(),
                vec![tool(&token), behind(&token).at(SERVER)],
            ),
            (
                "on one machine",
                quiet(),
                vec![tool(&token).from(SERVER), behind(&token)],
            ),
            ("an address of many", egress, vec![tool(&token), behind(&token)]),
            (
                "no MCP",
                quiet(),
                vec![Call::get("/x").at(SERVER).bearer(&token), behind(&token)],
            ),
        ] {
            let mut scene = Scene::with(settings);
            for call in calls {
                scene.send(&call);
            }
            assert_eq!(scene.found(Kind::TokenPassthrough).len(), 0, "{name}");
        }
    }
}

mod audience_mismatch {
    use super::*;

    fn token(audience: &str) -> String {
        jwt(&format!(
            r#"{{"sub":"a","aud":{audience},"exp":{}}}"#,
            START + 86_400 * 9
        ))
    }

    fn learned() -> Scene {
        let mut scene = Scene::new();
        let (own, both) = (
            token(r#""https://api.example""#),
            token(r#"["https://api.example","account"]"#),
        );
        for n in 0..202 {
            scene.send(&Call::get("/a").bearer(if n % 3 == 0 { &both } else { &own }));
            scene.wait(600);
        }
        scene
    }

    #[test]
    fn a_token_for_somebody_else() {
        let mut scene = learned();
        let other = token(r#""https://users.example""#);
        scene.send(&Call::get("/a").bearer(&other).status(401));
        scene.send(&Call::get("/a").bearer(&token(r#"["https://users.example","account"]"#)));
        scene.send(&Call::get("/a").bearer(&token("[]")));
        scene.send(&Call::get("/a").bearer(&other).host("new.example"));
        assert_eq!(scene.found(Kind::AudienceMismatch).len(), 0);
        scene.send(&Call::get("/a").bearer(&other));
        assert_eq!(severities(&scene, Kind::AudienceMismatch), [Severity::Medium]);
    }

    #[test]
    fn a_host_with_an_audience_for_each_customer_is_not_judged() {
        let mut scene = Scene::new();
        for n in 0..400 {
            let audience = format!(r#""tenant-{}""#, n % 40);
            scene.send(&Call::get("/a").bearer(&token(&audience)));
            scene.wait(600);
        }
        scene.send(&Call::get("/a").bearer(&token(r#""https://users.example""#)));
        assert_eq!(scene.found(Kind::AudienceMismatch).len(), 0);
    }
}

mod scopes {
    use super::*;

    fn token(name: &str, more: &str) -> String {
        jwt(&format!(
            r#"{{"iss":"https://auth.example","sub":"{name}","client_id":"{name}","exp":{},{more}}}"#,
            START + 86_400 * 30
        ))
    }

    const AGENT: &str = r#""client_type":"ai-agent""#;

    #[test]
    fn scopes_that_allow_everything() {
        let service = r#""sub_profile":"service""#;
        let many: Vec<String> = (0..21).map(|n| format!("read:x{n}")).collect();
        for (claims, want) in [
            (format!(r#"{AGENT},"scope":"*""#), vec![Severity::High]),
            (
                format!(r#"{service},"scp":"Files.ReadWrite.All""#),
                vec![Severity::Medium],
            ),
            (format!(r#"{service},"scp":"Files.Read.All""#), vec![]),
            (format!(r#"{AGENT},"roles":["admin"]"#), vec![Severity::High]),
            (
                format!(r#"{AGENT},"scope":"{}""#, many.join(" ")),
                vec![Severity::Medium],
            ),
            (
                format!(r#"{AGENT},"scope":"read:orders write:orders openid""#),
                vec![],
            ),
            (AGENT.to_owned(), vec![]),
        ] {
            let mut scene = Scene::new();
            let token = token("a", &claims);
            scene.send(&Call::get("/a").bearer(&token).status(403));
            assert_eq!(severities(&scene, Kind::ScopeOverbroad), [], "{claims}");
            scene.send(&Call::get("/a").bearer(&token));
            assert_eq!(severities(&scene, Kind::ScopeOverbroad), want, "{claims}");
        }
    }

    #[test]
    fn a_person_may_be_an_administrator() {
        let token = jwt(&format!(
            r#"{{"iss":"https://auth.example","sub":"7","azp":"shop","email":"x","preferred_username":"x","auth_time":{START},"exp":{},"roles":["admin"]}}"#,
            START + 3600
        ));
        let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let mut scene = Scene::new();
        scene.send(
            &Call::get("/a")
                .bearer(&token)
                .agent(browser)
                .field("Sec-Fetch-Mode: cors")
                .field("Accept-Language: en"),
        );
        assert_eq!(severities(&scene, Kind::ScopeOverbroad), []);
    }

    /// Scopes that nobody needs, by name.
    fn unused(scene: &Scene) -> Vec<String> {
        let found = scene.found(Kind::ScopeUnused);
        let scopes = found
            .iter()
            .flat_map(|f| f.observed["scopes"].as_array().cloned().unwrap_or_default());
        scopes
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect()
    }

    /// A host with orders, users and reports, and an agent that reads orders over days.
    fn days(scopes: &str, more: &[Call]) -> Scene {
        let mut scene = Scene::new();
        let other = token("other", r#""sub_profile":"service""#);
        for path in ["/v1/users/7", "/v1/reports", "/v1/orders/9"] {
            scene.send(&Call::get(path).bearer(&other));
        }
        let token = token("a", &format!(r#"{AGENT},"scope":"{scopes}""#));
        for n in 0..300 {
            scene.send(&Call::get(format!("/v1/orders/{}", 1000 + n % 50)).bearer(&token));
            if n % 100 == 50 {
                for call in more {
                    scene.send(&call.clone().bearer(&token));
                }
            }
            scene.wait(600);
        }
        scene
    }

    #[test]
    fn scopes_that_are_not_used() {
        let scene = days(
            "openid read:orders write:orders read:users Reports.ReadWrite.All read:invoices",
            &[],
        );
        assert_eq!(
            unused(&scene),
            ["write:orders", "read:users", "Reports.ReadWrite.All"]
        );
        let found = &scene.found(Kind::ScopeUnused)[0];
        assert_eq!(found.severity, Severity::Low);
        assert_eq!(found.observed_number("exercised"), 1);
        assert_eq!(found.observed_number("not_judged"), 2);
        assert!(found.support["seconds"].as_u64().unwrap() >= 86_400);
    }

    #[test]
    fn what_is_exercised_is_never_told() {
        let more = [
            Call::new("PUT", "/v1/orders/7").body("{}"),
            Call::get("/v1/users/7"),
            Call::new("POST", "/v1/reports").body("{}"),
        ];
        let scene = days("read:orders write:orders read:users Reports.ReadWrite.All", &more);
        assert_eq!(unused(&scene), Vec::<String>::new());
        let refused = [Call::get("/v1/users/7").status(403)];
        assert_eq!(unused(&days("read:orders read:users", &refused)), ["read:users"]);
    }

    #[test]
    fn it_is_closed_when_they_are_used() {
        let mut scene = days("read:orders read:users", &[]);
        assert_eq!(unused(&scene), ["read:users"]);
        let token = token("a", &format!(r#"{AGENT},"scope":"read:orders read:users""#));
        for _ in 0..300 {
            scene.send(&Call::get("/v1/users/7").bearer(&token));
        }
        let status = scene.found(Kind::ScopeUnused)[0].status;
        assert_eq!(status, crate::Status::Closed);
    }

    #[test]
    fn nothing_is_told_while_there_is_little_to_go_by() {
        let mut scene = Scene::new();
        let token = token("a", &format!(r#"{AGENT},"scope":"read:orders read:users""#));
        scene.send(&Call::get("/v1/users/7").bearer(&agent_token("other", 0)));
        for n in 0..180 {
            scene.send(&Call::get(format!("/v1/orders/{n}")).bearer(&token));
        }
        assert_eq!(scene.found(Kind::ScopeUnused).len(), 0);
    }
}

/// What is remembered, and what is given up for it.
mod memory {
    use super::*;
    use crate::Table;

    #[test]
    fn tokens_that_nobody_has_do_not_push_out_those_in_use() {
        let revoke = |token: &str| {
            Call::new("POST", "/oauth/revoke")
                .field("Content-Type: application/x-www-form-urlencoded")
                .body(format!("token={token}"))
        };
        let mut scene = Scene::with(Settings {
            max_principals: 50,
            ..Settings::default()
        });
        let own = Call::get("/v1/orders/7").bearer("opaque-access-0001");
        scene.send(&own);
        scene.send(&revoke("opaque-access-0001"));
        for n in 0..2_000 {
            scene.send(&revoke(&format!("made-up-token-{n:05}")));
        }
        let counters = scene.analyzer.counters();
        let evicted = counters.iter().find(|(name, _)| *name == "credentials_evicted");
        assert!(evicted.is_some_and(|(_, n)| *n > 1_000), "{evicted:?}");
        scene.wait(60);
        scene.send(&own);
        assert_eq!(
            severities(&scene, Kind::RevokedCredentialAccepted),
            [Severity::High]
        );
    }

    /// Everything that a row can hold, of a token that is used as widely as can be.
    #[test]
    fn a_row_has_a_ceiling() {
        let token = agent_token("a", 0);
        let deep = format!("/{}", ["orders"; 400].join("/"));
        let mut scene = Scene::new();
        let row = |scene: &mut Scene| {
            let rows = scene.analyzer.take_changes();
            rows.filter(|change| change.table == Table::Credentials)
                .filter_map(|change| change.value)
                .map(|value| value.len())
                .max()
                .unwrap_or(0)
        };
        let mut sizes = Vec::new();
        for round in 0..4u32 {
            for n in 0..100u32 {
                let n = round * 100 + n;
                let proof = by_p256(
                    2,
                    &format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, p256_jwk(2, "")),
                    &format!(r#"{{"jti":"{n}","htm":"POST","htu":"https://api.example/","iat":{START}}}"#),
                );
                let call = match n % 2 {
                    0 => Call::tool("look_up", "{}"),
                    _ => Call::new("POST", deep.as_str()),
                };
                scene.send(
                    &call
                        .host(&format!("{}.example", "a".repeat(200)))
                        .at(&format!("10.9.{}.{}", n / 100, n % 100))
                        .from(&format!("10.{}.{}.7", n % 7, n % 100))
                        .field(&format!("Authorization: DPoP {token}"))
                        .field(&format!("DPoP: {proof}")),
                );
            }
            sizes.push(row(&mut scene));
        }
        let (first, last) = (sizes[1], sizes[3]);
        assert!((4_000..12_288).contains(&last), "{sizes:?}");
        assert!(last < first + first / 20, "it comes to rest: {sizes:?}");
    }
}

/// Tokens of an issuer whose keys are known.
mod forged {
    use std::sync::Arc;

    use super::*;
    use crate::keys::{KeySet, Keys};
    use crate::testing::signing::{jwks, token};
    use crate::{Finding, PrincipalKind};

    fn settings(complete: bool) -> Settings {
        let (mut set, _) = KeySet::read(&jwks(), Some("https://auth.example")).unwrap();
        if complete {
            assert!(set.declare_complete());
        }
        let mut keys = Keys::default();
        keys.add(set);
        Settings {
            keys: Arc::new(keys),
            ..Settings::default()
        }
    }

    fn claims(more: &str) -> String {
        format!(
            r#"{{"iss":"https://auth.example","sub":"refund-agent","client_id":"refund-agent","client_type":"ai-agent","aud":"https://api.example","scope":"read:orders","iat":{START},"exp":{}{more}}}"#,
            START + 3600
        )
    }

    fn good() -> String {
        token("ES256", r#","kid":"p256-1""#, &claims(""), b"")
    }

    /// The claims of another under the signature of a true token.
    fn bad() -> String {
        let (input, signature) = {
            let token = good();
            let (input, signature) = token.rsplit_once('.').unwrap();
            (input.to_owned(), signature.to_owned())
        };
        let head = input.split('.').next().unwrap();
        let claims = URL_SAFE_NO_PAD.encode(claims(r#","roles":["admin"]"#));
        format!("{head}.{claims}.{signature}")
    }

    fn get(token: &str) -> Call {
        Call::get("/v1/orders/7").bearer(token)
    }

    fn found(calls: &[Call], complete: bool) -> Vec<Finding> {
        let mut scene = Scene::with(settings(complete));
        for call in calls {
            scene.send(call);
        }
        scene.findings()
    }

    #[test]
    fn each_way_to_forge_is_told_once_and_nothing_else_is() {
        let unsigned = token("none", "", &claims(""), b"");
        let new_key = token("ES256", r#","kid":"p256-9""#, &claims(""), b"");
        let stranger = jwt(r#"{"iss":"https://else.example","sub":"x","exp":1999999999}"#);
        for (name, token, complete, want) in [
            ("true", good(), true, None),
            ("forged", bad(), false, Some("bad_signature")),
            ("not signed", unsigned, false, Some("unsigned")),
            ("by a key that is not known", new_key.clone(), false, None),
            ("by a key that is not there", new_key, true, Some("no_such_key")),
            ("of an issuer that is not known", stranger, true, None),
        ] {
            let told = |status| {
                let calls = [
                    get(&token).status(status),
                    get(&token).status(status).to("/v1/orders/8"),
                ];
                found(&calls, complete)
                    .into_iter()
                    .filter(|f| !matches!(f.kind, Kind::TokenLongLived))
                    .map(|f| {
                        (
                            f.kind.name(),
                            f.severity,
                            f.observed_text("reason").to_owned(),
                            f.count,
                        )
                    })
                    .collect::<Vec<_>>()
            };
            let kind = "forged_token";
            let of = |severity: Severity| {
                want.map(|reason| (kind, severity, reason.to_owned(), 2))
                    .into_iter()
                    .collect::<Vec<_>>()
            };
            assert_eq!(told(200), of(Severity::Critical), "{name}");
            assert_eq!(told(401), of(Severity::Low), "{name}, refused");
            assert_eq!(told(503), of(Severity::Low)[..0], "{name}, neither");
        }
    }

    #[test]
    fn who_shows_a_forged_token_is_not_the_one_it_names() {
        for status in [200, 401] {
            let mut scene = Scene::with(settings(false));
            for _ in 0..3 {
                scene.send(&get(&good()));
            }
            let own = scene.principals().remove(0);
            assert!(
                own.evidence.contains(&"signature verified".to_owned()),
                "{:?}",
                own.evidence
            );
            // From the very machine, with the very program.
            let forger = scene
                .send(&get(&bad()).status(status).to("/v1/admin/users"))
                .principal;
            let nobody = scene.send(&Call::get("/health")).principal;
            assert_ne!(forger.as_deref(), Some(own.id.as_str()));
            assert_ne!(forger, nobody, "nor one who shows nothing");
            let all = scene.principals();
            let same = all.iter().find(|p| p.id == own.id).unwrap();
            assert_eq!(
                (same.exchanges, same.endpoints.len()),
                (3, 1),
                "it has learned nothing"
            );
            let forger = all.iter().find(|p| Some(&p.id) == forger.as_ref()).unwrap();
            assert!(
                forger.evidence.contains(&"its token is forged".to_owned()),
                "{:?}",
                forger.evidence
            );
            assert_ne!(forger.kind, PrincipalKind::AiAgent, "its claims are not believed");
            assert_eq!(
                (&forger.name, &forger.subject, forger.credentials),
                (&Some("python-requests".into()), &None, 1)
            );
        }
    }

    #[test]
    fn what_a_forged_token_says_is_learned_by_nobody() {
        let mut scene = Scene::with(Settings {
            learn_exchanges: 5,
            learn_period: std::time::Duration::from_secs(1),
            ..settings(false)
        });
        let other = bad();
        for _ in 0..10 {
            scene.send(&get(&other));
        }
        // Its audience is none of the host's, and its revocation is nobody's.
        let body = format!("token={}", good());
        let revoke = Call::new("POST", "/oauth/revoke")
            .field("Content-Type: application/x-www-form-urlencoded")
            .body(body);
        scene.send(&revoke.bearer(&other));
        scene.wait(60);
        scene.send(&get(&good()));
        let kinds: Vec<_> = scene.findings().iter().map(|f| f.kind.name()).collect();
        assert_eq!(
            kinds,
            ["forged_token", "new_agent"],
            "whom it named was never here"
        );
    }

    #[test]
    fn a_page_that_is_open_to_all_lets_in_no_forger() {
        let mut scene = Scene::with(settings(false));
        scene.send(&Call::get("/v1/news"));
        scene.send(&get(&bad()).to("/v1/news"));
        assert_eq!(severities(&scene, Kind::ForgedToken), [Severity::Low]);
    }

    #[test]
    fn who_is_known_by_something_else_stays_so_and_is_marked() {
        let mut scene = Scene::with(settings(false));
        let key = |path: &str| Call::get(path).field("X-Api-Key: 0123456789abcdef").over_tls();
        let own = scene.send(&key("/a")).principal;
        let forging = scene.send(&key("/b").bearer(&bad())).principal;
        assert_eq!(own, forging);
        let evidence = scene
            .found(Kind::ForgedToken)
            .remove(0)
            .principal
            .unwrap()
            .evidence;
        assert!(
            evidence.contains(&"its token is forged".to_owned()),
            "{evidence:?}"
        );
    }

    /// Ten thousand forged tokens that name the agent, all refused: one finding, no work without end, and the agent is as it was.
    #[test]
    fn a_flood_of_forged_tokens() {
        let mut scene = Scene::with(settings(false));
        scene.send(&get(&good()));
        let own = scene.principals().remove(0);
        let (input, _) = {
            let token = good();
            let (input, code) = token.rsplit_once('.').unwrap();
            (input.to_owned(), code.to_owned())
        };
        let mut at = scene.now;
        for n in 0..10_000u32 {
            at += 100_000;
            let code = URL_SAFE_NO_PAD.encode([n.to_le_bytes(); 16].concat());
            let call = get(&format!("{input}.{code}")).status(401).to("/v1/admin/users");
            let call = call.host(&format!("h{n}.example"));
            scene.analyzer.observe(&call.exchange(at, n));
        }
        let counters = scene.analyzer.counters();
        let unchecked = counters
            .iter()
            .find(|(name, _)| *name == "tokens_unchecked")
            .unwrap()
            .1;
        assert_eq!(unchecked, 8_900, "a thousand at once, and a hundred a second");
        let all = scene.principals();
        let same = all.iter().find(|p| p.id == own.id).unwrap();
        assert_eq!(same.exchanges, 1);
        assert_eq!(all.len(), 2, "one more for all of it");
        let told: Vec<_> = scene
            .found(Kind::ForgedToken)
            .iter()
            .map(|f| (f.severity, f.count))
            .collect();
        assert_eq!(told, [(Severity::Low, 1_100)]);
    }

    #[test]
    fn a_token_that_a_proxy_puts_beside_may_be_signed_by_the_proxy() {
        let beside = |token: &str| {
            let mut scene = Scene::with(settings(true));
            scene.send(&Call::get("/a").field(&format!("X-Amzn-Oidc-Data: {token}")));
            (
                scene.principals().remove(0).decided_by.clone(),
                scene.findings().len(),
            )
        };
        let by_proxy = token("ES256", r#","kid":"of-the-proxy""#, &claims(""), b"");
        assert_eq!(beside(&by_proxy).0, "token");
        assert_eq!(
            beside(&bad()).0,
            "address",
            "but not one that names a key which did not sign it"
        );
    }
}
