//! What the keys of a file tell of tokens: vectors of the RFCs, and tokens signed here.

use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL_SAFE;
use proptest::prelude::*;
use reassembly::Timestamp;
use rsa::pkcs8::EncodePublicKey;
use rsa::traits::PublicKeyParts;

use super::*;
use crate::id::Id;
use crate::testing::signing::{jwks, kid, p256_jwk, rsa_key, rsa_pem, token};

const ISSUER: &str = "https://auth.example";

fn set(text: &str, issuer: Option<&str>) -> KeySet {
    let (set, problems) = KeySet::read(text, issuer).unwrap();
    assert_eq!(problems, [], "{text}");
    set
}

fn keys(text: &str, issuer: Option<&str>) -> Keys {
    let mut keys = Keys::default();
    keys.add(set(text, issuer));
    keys
}

fn complete(text: &str) -> Keys {
    let mut set = set(text, Some(ISSUER));
    assert!(set.declare_complete());
    let mut keys = Keys::default();
    keys.add(set);
    keys
}

fn judge_of(keys: &Keys, issuer: &str, token: &str, others: bool) -> (Verdict, u32) {
    let (input, signature) = parted(token).unwrap();
    let header = URL_SAFE.decode(input.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let signed = Signed {
        issuer,
        algorithm: header["alg"].as_str().unwrap_or(""),
        key: header["kid"].as_str(),
        input,
        signature,
    };
    let mut work = 0;
    (keys.judge(signed, others, &mut work), work)
}

fn judge(keys: &Keys, token: &str) -> Verdict {
    judge_of(keys, ISSUER, token, false).0
}

/// RFC 7515 appendices A.1, A.2 and A.3, RFC 8037 appendix A.4.
#[test]
fn signatures_of_the_rfcs() {
    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let vectors = [
        (
            r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ),
        (
            r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
            format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"),
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg".to_owned(),
        ),
    ];
    for (key, token) in vectors {
        let keys = complete(&format!(r#"{{"keys":[{key}]}}"#));
        assert_eq!(judge(&keys, &token), Verdict::Verified, "{token:.40}");
        // One bit of it.
        let (input, made) = parted(&token).unwrap();
        let mut bytes = signature(made).unwrap();
        bytes[5] ^= 1;
        let other = format!("{input}.{}", URL_SAFE.encode(bytes));
        assert_eq!(
            judge(&keys, &other),
            Verdict::Forged(Forgery::NoKey),
            "{token:.40}"
        );
    }
}

#[test]
fn every_algorithm_tells_the_true_from_the_forged() {
    let keys = keys(&jwks(), Some(ISSUER));
    for alg in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ] {
        let named = format!(r#","kid":"{}""#, kid(alg));
        let good = token(alg, &named, r#"{"sub":"maria"}"#, b"");
        assert_eq!(judge(&keys, &good), Verdict::Verified, "{alg}");
        assert_eq!(
            judge(&keys, &token(alg, "", "{}", b"")),
            Verdict::Verified,
            "{alg} without a name"
        );
        // Another subject under the same signature.
        let (input, signature) = parted(&good).unwrap();
        let head = input.split('.').next().unwrap();
        let other = format!("{head}.{}.{signature}", URL_SAFE.encode(r#"{"sub":"admin"}"#));
        assert_eq!(judge(&keys, &other), Verdict::Forged(Forgery::Signature), "{alg}");
        // The signature cut off, or of rubbish.
        for rubbish in ["", "!", "AAAA", "c2lnbmF0dXJl"] {
            let want = match rubbish {
                "" => Forgery::Unsigned,
                _ => Forgery::Signature,
            };
            let cut = format!("{input}.{rubbish}");
            assert_eq!(judge(&keys, &cut), Verdict::Forged(want), "{alg} {rubbish}");
        }
    }
}

#[test]
fn what_names_no_known_key_is_forged_only_where_all_are_known() {
    let some = keys(&jwks(), Some(ISSUER));
    let all = complete(&jwks());
    let new = token("RS256", r#","kid":"rsa-2""#, "{}", b"");
    let foreign = format!("{}x", token("RS256", r#","kid":"rsa-2""#, "{}", b""));
    let unsigned = token("none", "", "{}", b"");
    let unnamed = format!("{}A", &unsigned);
    for (what, token, of_some, of_all) in [
        (
            "a new key",
            &new,
            Verdict::Unverified,
            Verdict::Forged(Forgery::NoKey),
        ),
        (
            "another key",
            &foreign,
            Verdict::Unverified,
            Verdict::Forged(Forgery::NoKey),
        ),
        (
            "no signature",
            &unsigned,
            Verdict::Forged(Forgery::Unsigned),
            Verdict::Forged(Forgery::Unsigned),
        ),
        (
            "`none` with a signature",
            &unnamed,
            Verdict::Forged(Forgery::Unsigned),
            Verdict::Forged(Forgery::Unsigned),
        ),
    ] {
        assert_eq!(judge(&some, token), of_some, "{what}");
        assert_eq!(judge(&all, token), of_all, "{what}");
        assert_eq!(
            judge_of(&all, "https://else.example", token, false).0,
            Verdict::Unknown,
            "{what}"
        );
        assert_eq!(
            judge_of(&all, "https://auth.example/", token, false).0,
            of_all,
            "{what}"
        );
    }
    let mut both = complete(&jwks());
    both.add(set(&jwks(), Some(ISSUER)));
    assert_eq!(
        judge(&both, &new),
        Verdict::Unverified,
        "another file of it is not whole"
    );
    assert_eq!(
        judge_of(&all, ISSUER, &new, true).0,
        Verdict::Unverified,
        "a proxy may have signed"
    );
    // An algorithm that is not known says nothing.
    let odd = format!("{}.e30.AAAA", URL_SAFE.encode(r#"{"alg":"ES512"}"#));
    assert_eq!(judge(&all, &odd), Verdict::Unverified);
}

/// RFC 8725 section 2.1.
#[test]
fn a_public_key_taken_for_a_shared_one() {
    let some = keys(&jwks(), Some(ISSUER));
    let pem = rsa_pem();
    for secret in [pem.as_str(), pem.trim_end()] {
        let forged = token("HS256", r#","kid":"rsa-1""#, "{}", secret.as_bytes());
        assert_eq!(judge(&some, &forged), Verdict::Forged(Forgery::Confusion));
    }
    let der = rsa_key().to_public_key().to_public_key_der().unwrap();
    let forged = token("HS256", "", "{}", der.as_bytes());
    assert_eq!(judge(&some, &forged), Verdict::Forged(Forgery::Confusion));
    // A shared key that the file does not have.
    let other = token("HS256", "", "{}", b"a secret of the issuer");
    assert_eq!(judge(&some, &other), Verdict::Unverified);
    // The file has it.
    let k = URL_SAFE.encode("a secret of the issuer");
    let shared = keys(
        &format!(r#"{{"keys":[{{"kty":"oct","k":"{k}"}}]}}"#),
        Some(ISSUER),
    );
    assert_eq!(judge(&shared, &other), Verdict::Verified);
}

#[test]
fn keys_of_nobody_are_known_by_telling_names() {
    let short = keys(&format!(r#"{{"keys":[{}]}}"#, p256_jwk(2, r#""kid":"1","#)), None);
    let long = keys(
        &format!(r#"{{"keys":[{}]}}"#, p256_jwk(2, r#""kid":"2026-03-signing","#)),
        None,
    );
    let good = token("ES256", r#","kid":"2026-03-signing""#, "{}", b"");
    let bad = |name: &str| {
        let made = token("ES256", &format!(r#","kid":"{name}""#), "{}", b"");
        made.replace(".e30.", ".e31.")
    };
    assert_eq!(judge(&long, &good), Verdict::Verified);
    assert_eq!(
        judge(&long, &bad("2026-03-signing")),
        Verdict::Forged(Forgery::Signature)
    );
    assert_eq!(judge(&long, &bad("another-name")), Verdict::Unknown);
    assert_eq!(
        judge(&short, &bad("1")),
        Verdict::Unknown,
        "a name that many have"
    );
    assert_eq!(judge(&long, &token("none", "", "{}", b"")), Verdict::Unknown);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place_and_without_its_values() {
    let n = URL_SAFE.encode(rsa_key().n().to_bytes_be());
    let text = format!(
        r#"{{"issuer":"https://own.example","keys":[
  {{"kty":"RSA","kid":"a","n":"{n}","e":"AQAB","d":"secretsecretsecret"}},
  {{"kty":"RSA","kid":"b","n":"secret!","e":"AQAB"}},
  {{"kty":"EC","crv":"P-521","x":"secret","y":"secret"}},
  {{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}},
  {{"kty":"RSA","n":"{}","e":"AQAB"}},
  {{"kid":"c"}},
  "secretsecret",
  {{"kty":"RSA","use":"enc","n":"!","e":"!"}}
]}}"#,
        URL_SAFE.encode([0xff; 64]),
    );
    let (mut set, problems) = KeySet::read(&text, None).unwrap();
    let places: Vec<u32> = problems.iter().map(|p| p.line).collect();
    assert_eq!(places, [2, 3, 4, 5, 6, 7, 8], "{problems:?}");
    let words: String = problems.iter().map(ToString::to_string).collect();
    assert!(!words.contains("secret"), "{words}");
    assert_eq!((set.len(), set.issuer()), (1, Some("https://own.example")));
    assert!(!set.declare_complete(), "keys of it are left out");
    assert!(!format!("{set:?}").contains("secret"));
    for (text, line) in [
        ("", 1),
        ("[]", 1),
        (r#"{"kty":"RSA"}"#, 1),
        (r#"{"keys":{}}"#, 1),
        (r#"{"keys":[]}"#, 1),
        ("{\n\"keys\":[{\"kty\":\"EC\"}]}", 2),
        ("{\n\n\"keys\":[{\"kty\":", 3),
    ] {
        let problems = KeySet::read(text, None).unwrap_err();
        assert_eq!(problems[0].line, line, "{text}: {problems:?}");
    }
}

#[test]
fn work_on_a_token_is_bounded() {
    let many: Vec<String> = (1..=200).map(|seed| p256_jwk(seed, "")).collect();
    let keys = complete(&format!(r#"{{"keys":[{}]}}"#, many.join(",")));
    let forged = token("ES256", r#","kid":"x""#, "{}", b"").replace(".e30.", ".e31.");
    let (verdict, work) = judge_of(&keys, ISSUER, &forged, false);
    assert_eq!((verdict, work), (Verdict::Forged(Forgery::NoKey), TRIES as u32));
    // Forms of public keys that are tried as shared ones cost, too.
    let shared = token("HS256", "", "{}", b"guessed");
    let (verdict, work) = judge_of(&keys, ISSUER, &shared, false);
    assert_eq!(
        (verdict, work),
        (Verdict::Forged(Forgery::NoKey), 1 + 2 * TRIES as u32)
    );
}

#[test]
fn a_token_is_checked_once_and_a_flood_within_a_budget() {
    let mut set = set(&jwks(), Some(ISSUER));
    assert!(set.declare_complete());
    let mut all = Keys::default();
    all.add(set);
    let mut checker = Checker::new(std::sync::Arc::new(all));
    let good = token("ES256", r#","kid":"p256-1""#, "{}", b"");
    let (input, signature) = parted(&good).unwrap();
    let mut show = |id: u64, signature: &str, status: u16, second: u64| {
        let signed = Signed {
            issuer: ISSUER,
            algorithm: "ES256",
            key: Some("p256-1"),
            input,
            signature,
        };
        let moment = Moment {
            ts: Timestamp(second * 1_000_000_000),
            status: Some(status),
        };
        let id = Id::of(&[&id.to_le_bytes()]);
        let verdict = checker.verdict(id, signed, false, moment);
        (verdict, checker.unchecked())
    };
    let forged = Verdict::Forged(Forgery::Signature);
    let bad = "AAAA";
    // A flood of tokens that are refused uses up its own time …
    for id in 0..1000 {
        assert_eq!(show(id, bad, 401, 1), (forged, 0), "{id}");
    }
    assert_eq!(show(1000, bad, 401, 1), (Verdict::Unchecked, 1));
    // … what is known stays so, and what is let in is looked at.
    assert_eq!(show(7, bad, 401, 1), (forged, 1));
    assert_eq!(show(2000, signature, 200, 1), (Verdict::Verified, 1));
    for id in 3000..3000 + 3999 {
        assert_eq!(show(id, bad, 200, 1).0, forged, "{id}");
    }
    assert_eq!(show(9000, bad, 200, 1), (Verdict::Unchecked, 2));
    // Time goes on, and a clock that goes back gives none.
    assert_eq!(show(9000, bad, 200, 0).0, Verdict::Unchecked);
    assert_eq!(show(9000, bad, 200, 2).0, forged);
    for id in 10_000..10_000 + 50_000 {
        show(id, bad, 200, id);
    }
    let (recent, older) = checker.remembered();
    assert!(recent <= 16_384 && older <= 16_384, "{recent} and {older}");
}

#[test]
fn a_budget_follows_the_clock_of_the_packets() {
    let at = |second: u64| Timestamp(second * 1_000_000_000);
    let mut budget = Budget::new(2);
    assert!(budget.allows(at(1_000)));
    budget.spend(20);
    assert!(!budget.allows(at(1_000)) && !budget.allows(at(970)));
    assert!(budget.allows(at(1_001)), "two more");
    budget.spend(2);
    // Another capture, of the day before: its time counts from its beginning.
    assert!(!budget.allows(at(100)));
    assert!(budget.allows(at(101)));
    budget.spend(3);
    assert!(!budget.allows(at(101)), "what was overdrawn is paid back first");
    assert!(budget.allows(at(102)));
    // No more is saved up than for ten seconds.
    assert!(budget.allows(at(90_000)));
    budget.spend(20);
    assert!(!budget.allows(at(90_000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_a_file_of_keys_or_is_told(text in ".{0,200}", more in "[\\[\\]{}\",:a-z0-9]{0,200}") {
        for text in [text.as_str(), more.as_str(), &format!("{{\"keys\":[{more}]}}"), &format!("{{\"keys\":[{{\"kty\":\"EC\",{more}")] {
            let _ = KeySet::read(text, None);
        }
    }

    #[test]
    fn any_token_is_judged(
        alg in prop::sample::select(vec!["RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256", "none", "", "x"]),
        kid in prop::option::of("(rsa-1|p256-1|p384-1|ed-1|.{0,9})"),
        input in ".{0,60}",
        signature in "[A-Za-z0-9_+/=.-]{0,400}",
        others: bool,
        issuer in prop::sample::select(vec![ISSUER, "", "x"]),
    ) {
        use std::sync::OnceLock;
        static BOTH: OnceLock<[Keys; 2]> = OnceLock::new();
        for keys in BOTH.get_or_init(|| [complete(&jwks()), keys(&jwks(), None)]) {
            let token = Signed { issuer, algorithm: alg, key: kid.as_deref(), input: &input, signature: &signature };
            let mut work = 0;
            let verdict = keys.judge(token, others, &mut work);
            prop_assert!(work <= 10 * TRIES as u32 + 1);
            prop_assert_ne!(verdict, Verdict::Verified);
        }
    }

    #[test]
    fn any_key_is_read_or_told(
        kty in prop::sample::select(vec!["RSA", "EC", "OKP", "oct", "x"]),
        crv in prop::sample::select(vec!["P-256", "P-384", "Ed25519", "x"]),
        a in prop::collection::vec(any::<u8>(), 0..80),
        b in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let (a, b) = (URL_SAFE.encode(a), URL_SAFE.encode(b));
        let member = |name: &str| Some(match name {
            "kty" => kty,
            "crv" => crv,
            "n" | "x" | "k" => a.as_str(),
            "e" | "y" => b.as_str(),
            _ => return None,
        });
        if let Ok(key) = Public::read(member) {
            for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256"] {
                let _ = key.verifies(Algorithm::parse(alg).unwrap(), b"x", &[0; 64]);
            }
            let _ = key.written();
        }
    }
}
