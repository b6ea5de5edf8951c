//! Whose calls are whose: token layouts of identity providers, SDKs, command-line agents, renewals, NAT, proxies, delegation.
//!
//! Written from what the providers and the projects document (the layouts are in docs/identity.md), not from what the resolver
//! does. Each caller sends some calls. It is right when all of its calls have one principal that no other caller has, when its kind
//! is the one it should be, and when what is said to have decided it is among the evidence.

use crate::PrincipalKind::{self, AiAgent, Human, Service, Unknown};
use crate::testing::{Call, START, Scene, jwt};
use crate::{PrincipalView, Settings};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const PROXY: &str = "10.200.0.5";
const NAT: &str = "198.51.100.20";

struct Caller {
    name: &'static str,
    kind: PrincipalKind,
    /// Must be among the evidence, or begin a part of it.
    why: &'static str,
    calls: Vec<Call>,
    /// Acts for so many others.
    acts_for: usize,
}

fn caller(name: &'static str, kind: PrincipalKind, why: &'static str, calls: Vec<Call>) -> Caller {
    Caller {
        name,
        kind,
        why,
        calls,
        acts_for: 0,
    }
}

fn get() -> Call {
    Call::get("/orders/7")
}

/// Two calls with tokens of the same claims, the second renewed, from two addresses.
fn renewed(claims: &str) -> Vec<Call> {
    (0..2)
        .map(|n| {
            get()
                .bearer(&token(claims, n))
                .from(["10.1.0.9", "10.77.3.2"][n as usize])
        })
        .collect()
}

/// A token of these claims with times and a number of its own.
fn token(claims: &str, n: u64) -> String {
    let (iat, exp) = (START + n * 600, START + n * 600 + 3600);
    let inner = claims
        .strip_prefix('{')
        .and_then(|c| c.strip_suffix('}'))
        .unwrap();
    jwt(&format!(
        r#"{{{inner},"iat":{iat},"nbf":{iat},"exp":{exp},"jti":"id-{n}-{iat}"}}"#
    ))
}

/// A browser with its own fields.
fn browser(agent: &str) -> Call {
    Call::get("/orders/7")
        .agent(agent)
        .field("Accept-Language: de-DE,de;q=0.9")
        .field("Sec-Fetch-Mode: cors")
        .field("Sec-Fetch-Site: same-origin")
}

fn mcp(method: &str, params: &str) -> Call {
    Call::new("POST", "/mcp")
        .field("Content-Type: application/json")
        .field("Accept: application/json, text/event-stream")
        .body(format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#
        ))
}

/// Identity providers. The layouts are those of access tokens unless it says otherwise.
fn providers() -> Vec<Caller> {
    let of = |name, kind, why, claims: &str| caller(name, kind, why, renewed(claims));
    let mut all = vec![
        of(
            "Auth0, a user",
            Human,
            "subject of a login",
            r#"{"iss":"https://acme.eu.auth0.com/","sub":"auth0|65a1f0c2d3e4b5a6c7d8e9f0","aud":["https://api.acme.example","https://acme.eu.auth0.com/userinfo"],"scope":"read:orders","azp":"Zx81SpectrumClientIdAbcd"}"#,
        ),
        of(
            "Auth0, machine to machine",
            Service,
            "claim gty=client-credentials",
            r#"{"iss":"https://acme.eu.auth0.com/","sub":"M2mClientIdAbcdefgh@clients","aud":"https://api.acme.example","azp":"M2mClientIdAbcdefgh","gty":"client-credentials","scope":"read:orders"}"#,
        ),
        of(
            "Okta, a user",
            Human,
            "claims of a person",
            r#"{"ver":1,"iss":"https://acme.okta.com/oauth2/default","aud":"api://default","cid":"0oa1b2c3d4e5f6g7h8i9","uid":"00u1b2c3d4e5f6g7h8i9","scp":["orders.read"],"auth_time":1773040000,"sub":"jo@acme.example"}"#,
        ),
        of(
            "Okta, a service",
            Service,
            "jwt sub equals client id",
            r#"{"ver":1,"iss":"https://acme.okta.com/oauth2/default","aud":"api://default","cid":"0oaServiceClient00001","scp":["orders.read"],"sub":"0oaServiceClient00001"}"#,
        ),
        of(
            "Entra v1, a user",
            Human,
            "claims of a person",
            r#"{"aud":"api://orders","iss":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","acr":"1","amr":["pwd","mfa"],"appid":"33333333-aaaa-4bbb-8ccc-444444444444","appidacr":"0","family_name":"Roe","given_name":"Mia","ipaddr":"198.51.100.3","oid":"55555555-aaaa-4bbb-8ccc-666666666666","scp":"Orders.Read","sub":"pairwise-subject-1","tid":"11111111-aaaa-4bbb-8ccc-222222222222","unique_name":"mia@acme.example","upn":"mia@acme.example","ver":"1.0"}"#,
        ),
        of(
            "Entra v2, another user",
            Human,
            "claims of a person",
            r#"{"aud":"77777777-aaaa-4bbb-8ccc-888888888888","iss":"https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0","azp":"33333333-aaaa-4bbb-8ccc-444444444444","azpacr":"0","name":"Al Poe","oid":"99999999-aaaa-4bbb-8ccc-666666666666","preferred_username":"al@acme.example","scp":"Orders.Read","sub":"pairwise-subject-2","tid":"11111111-aaaa-4bbb-8ccc-222222222222","ver":"2.0"}"#,
        ),
        of(
            "Entra v2, an application without idtyp",
            Service,
            "jwt sub equals oid, no scp",
            r#"{"aud":"77777777-aaaa-4bbb-8ccc-888888888888","iss":"https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0","azp":"aaaaaaaa-aaaa-4bbb-8ccc-444444444444","azpacr":"1","oid":"bbbbbbbb-aaaa-4bbb-8ccc-666666666666","roles":["Orders.Read.All"],"sub":"bbbbbbbb-aaaa-4bbb-8ccc-666666666666","tid":"11111111-aaaa-4bbb-8ccc-222222222222","ver":"2.0"}"#,
        ),
        of(
            "Entra v1, an application",
            Service,
            "claim idtyp=app",
            r#"{"aud":"api://orders","iss":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","appid":"cccccccc-aaaa-4bbb-8ccc-444444444444","appidacr":"1","idtyp":"app","oid":"dddddddd-aaaa-4bbb-8ccc-666666666666","sub":"dddddddd-aaaa-4bbb-8ccc-666666666666","tid":"11111111-aaaa-4bbb-8ccc-222222222222","ver":"1.0"}"#,
        ),
        of(
            "Entra agent identity, by itself",
            AiAgent,
            "claim xms_act_fct has facet 11",
            r#"{"aud":"f2510d34-8dca-4ab8-a0bc-aaec4d3a3e36","iss":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","appid":"aaaaaaaa-1111-4222-8333-444444444444","appidacr":"2","idtyp":"app","oid":"bbbbbbbb-1111-4222-8333-444444444444","sub":"bbbbbbbb-1111-4222-8333-444444444444","tid":"11111111-aaaa-4bbb-8ccc-222222222222","ver":"1.0","xms_act_fct":"3 9 11","xms_sub_fct":"9 3 11","xms_tnt_fct":"3 9","xms_par_app_azp":"30cf4c22-9985-4ef7-8756-91cc888176bd"}"#,
        ),
        of(
            "Google, a user's id token",
            Human,
            "claims of a person (email)",
            r#"{"iss":"https://accounts.google.com","azp":"1234987819200.apps.googleusercontent.com","aud":"1234987819200.apps.googleusercontent.com","sub":"10769150350006150715113082367","hd":"acme.example","email":"kim@acme.example","email_verified":true}"#,
        ),
        of(
            "Google, a service account's id token",
            Service,
            "account of a service",
            r#"{"aud":"https://orders.acme.example","azp":"112010400000000710080","email":"billing@acme-prod.iam.gserviceaccount.com","email_verified":true,"iss":"https://accounts.google.com","sub":"112010400000000710080"}"#,
        ),
        of(
            "Cognito, a user",
            Human,
            "token of a login session",
            r#"{"sub":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee","cognito:groups":["readers"],"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example","client_id":"57cbishk4j24pabc1234567890","origin_jti":"bbbbbbbb-cccc-4ddd-8eee-ffffffffffff","event_id":"cccccccc-dddd-4eee-8fff-000000000000","token_use":"access","scope":"orders/read","username":"my-test-user"}"#,
        ),
        of(
            "Cognito, machine to machine",
            Service,
            "jwt sub equals client id",
            r#"{"sub":"1example23456789","token_use":"access","scope":"orders/read","iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example","client_id":"1example23456789","version":2}"#,
        ),
        of(
            "Keycloak, a user",
            Human,
            "claims of a person",
            r#"{"iss":"https://sso.acme.example/realms/acme","aud":"account","sub":"8f3c2d10-1111-4a5b-9c6d-7e8f90a1b2c3","typ":"Bearer","azp":"shop-web","session_state":"11112222-3333-4444-8555-666677778888","acr":"1","realm_access":{"roles":["offline_access"]},"scope":"profile email","sid":"11112222-3333-4444-8555-666677778888","email_verified":true,"preferred_username":"lou"}"#,
        ),
        of(
            "Keycloak, a service account",
            Service,
            "account of a service",
            r#"{"iss":"https://sso.acme.example/realms/acme","aud":"account","sub":"9a9b2d10-1111-4a5b-9c6d-7e8f90a1b2c3","typ":"Bearer","azp":"erp-sync","acr":"1","scope":"profile email","clientHost":"10.4.5.6","clientAddress":"10.4.5.6","email_verified":false,"preferred_username":"service-account-erp-sync","client_id":"erp-sync"}"#,
        ),
        of(
            "PingOne, a user",
            Human,
            "claims of a person (auth_time)",
            r#"{"client_id":"0bd9966f-1111-4a5b-9c6d-000000000001","iss":"https://auth.pingone.eu/8c6d0bd9-1111-4a5b-9c6d-000000000002/as","aud":["https://api.acme.example"],"sub":"5d6e7f80-1111-4a5b-9c6d-000000000003","scope":"orders","auth_time":1773040000,"acr":"Single_Factor","sid":"f0f1f2f3-1111-4a5b-9c6d-000000000004","env":"8c6d0bd9-1111-4a5b-9c6d-000000000002","org":"aaaa0bd9-1111-4a5b-9c6d-000000000002","p1.rid":"r-1"}"#,
        ),
        of(
            "PingOne, a worker application",
            Service,
            "token of a client without a subject",
            r#"{"client_id":"0bd9966f-2222-4a5b-9c6d-000000000001","iss":"https://auth.pingone.eu/8c6d0bd9-1111-4a5b-9c6d-000000000002/as","aud":["https://api.pingone.eu"],"env":"8c6d0bd9-1111-4a5b-9c6d-000000000002","org":"aaaa0bd9-1111-4a5b-9c6d-000000000002"}"#,
        ),
        of(
            "PingFederate, a user",
            Human,
            "scope openid",
            r#"{"scope":["openid","profile"],"client_id":"shop_pf","iss":"https://pf.acme.example","aud":"orders","sub":"jdoe"}"#,
        ),
        of(
            "ForgeRock, a user",
            Human,
            "claims of a person (auth_time)",
            r#"{"sub":"(usr!bjensen)","cts":"OAUTH2_STATELESS_GRANT","auditTrackingId":"1f1f-1","subname":"bjensen","iss":"https://am.acme.example/am/oauth2","tokenName":"access_token","token_type":"Bearer","authGrantId":"a-grant","aud":"shopApp","grant_type":"authorization_code","scope":["write"],"auth_time":1773040000,"realm":"/","expires_in":3600}"#,
        ),
        of(
            "ForgeRock, a client",
            Service,
            "claim grant_type=client_credentials",
            r#"{"sub":"(age!stockClient)","cts":"OAUTH2_STATELESS_GRANT","auditTrackingId":"1f1f-2","subname":"stockClient","iss":"https://am.acme.example/am/oauth2","tokenName":"access_token","token_type":"Bearer","authGrantId":"b-grant","aud":"stockClient","grant_type":"client_credentials","scope":["write"],"realm":"/","expires_in":3600}"#,
        ),
        // The blind spot, which counts as wrong: nothing in it says that this is a person.
        of(
            "a user's token with nothing but a subject",
            Human,
            "jwt sub",
            r#"{"iss":"https://id.plain.example","sub":"4711-0815","aud":"orders","client_id":"shop-app"}"#,
        ),
        of(
            "OneLogin, a user",
            Human,
            "scope openid",
            r#"{"sub":"96211734","iss":"https://acme.onelogin.com/oidc/2","aud":"f2f2f2f0-1111-013a-aaaa-0a0b0c0d0e0f","scope":"openid orders"}"#,
        ),
        of(
            "Kubernetes, a service account",
            Service,
            "kubernetes service account",
            r#"{"aud":["https://kubernetes.default.svc"],"iss":"https://kubernetes.default.svc.cluster.local","kubernetes.io":{"namespace":"shop","pod":{"name":"refunds-6c9","uid":"aaaa1111-1111-4a5b-9c6d-000000000001"},"serviceaccount":{"name":"refunds","uid":"bbbb1111-1111-4a5b-9c6d-000000000001"}},"sub":"system:serviceaccount:shop:refunds"}"#,
        ),
        of(
            "GitHub Actions, a job",
            Service,
            "token of a build job",
            r#"{"sub":"repo:acme/shop:ref:refs/heads/main","aud":"https://github.com/acme","iss":"https://token.actions.githubusercontent.com","repository":"acme/shop","actor":"octocat","workflow":"deploy","job_workflow_ref":"acme/shop/.github/workflows/deploy.yml@refs/heads/main","runner_environment":"github-hosted","run_id":"1"}"#,
        ),
        of(
            "GitLab, a job",
            Service,
            "token of a build job",
            r#"{"namespace_id":"72","project_path":"acme/shop","user_login":"sam","user_email":"sam@acme.example","pipeline_id":"574","job_id":"302","ref":"main","iss":"https://gitlab.acme.example","sub":"project_path:acme/shop:ref_type:branch:ref:main","aud":"https://vault.acme.example"}"#,
        ),
        of(
            "Firebase, a user",
            Human,
            "claims of a person (firebase.sign_in_provider)",
            r#"{"iss":"https://securetoken.google.com/acme-shop","aud":"acme-shop","user_id":"XyZ0123456789abcdefghi","sub":"XyZ0123456789abcdefghi","firebase":{"identities":{},"sign_in_provider":"anonymous"}}"#,
        ),
        of(
            "Supabase, the service role",
            Service,
            "claim role=service_role",
            r#"{"iss":"supabase","ref":"abcdefghijklmnop","role":"service_role","sub":"service"}"#,
        ),
        of(
            "actor profile draft, an agent as subject",
            AiAgent,
            "claim sub_profile=ai_agent",
            r#"{"iss":"https://id.acme.example","sub":"agent:stock","client_id":"agent-platform","sub_profile":"ai_agent","scope":"stock:read"}"#,
        ),
        of(
            "a local claim, an agent",
            AiAgent,
            "claim client_type=ai-agent",
            r#"{"iss":"https://id.acme.example","sub":"agent:refund","client_id":"agent-platform","client_type":"ai-agent"}"#,
        ),
        of(
            "a claim of the operator's, an agent",
            AiAgent,
            "claim https://acme.example/kind=robot",
            r#"{"iss":"https://id.acme.example","sub":"r2","https://acme.example/kind":"robot"}"#,
        ),
    ];
    // One person, with tokens of both versions for one application.
    let both = [
        r#"{"aud":"api://orders","iss":"https://sts.windows.net/11111111-aaaa-4bbb-8ccc-222222222222/","appid":"33333333-aaaa-4bbb-8ccc-444444444444","oid":"eeeeeeee-aaaa-4bbb-8ccc-666666666666","scp":"Orders.Read","sub":"pairwise-a","tid":"11111111-aaaa-4bbb-8ccc-222222222222","upn":"noa@acme.example","ver":"1.0"}"#,
        r#"{"aud":"77777777-aaaa-4bbb-8ccc-888888888888","iss":"https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0","azp":"33333333-aaaa-4bbb-8ccc-444444444444","oid":"eeeeeeee-aaaa-4bbb-8ccc-666666666666","scp":"Orders.Read","sub":"pairwise-a","tid":"11111111-aaaa-4bbb-8ccc-222222222222","preferred_username":"noa@acme.example","ver":"2.0"}"#,
    ];
    all.push(caller(
        "Entra v1 and v2, one user",
        Human,
        "claims of a person",
        both.iter()
            .map(|claims| get().bearer(&token(claims, 1)))
            .collect(),
    ));
    all
}

/// Somebody acts for somebody else.
fn delegation() -> Vec<Caller> {
    let acting = |name, kind, why, acts_for, calls| Caller {
        acts_for,
        ..caller(name, kind, why, calls)
    };
    let act = |user: &str, n| {
        let claims = format!(
            r#"{{"iss":"https://id.acme.example","aud":"orders","sub":"{user}","email":"{user}@acme.example","client_id":"assistant-app","act":{{"sub":"agent:assistant","sub_profile":"ai_agent"}}}}"#
        );
        get().bearer(&token(&claims, n))
    };
    let chain = r#"{"iss":"https://id.acme.example","sub":"user-3","act":{"sub":"service:gateway-b","act":{"sub":"service:front"}}}"#;
    let entra = |user: &str| {
        let claims = format!(
            r#"{{"aud":"api://orders","iss":"https://login.microsoftonline.com/11111111-aaaa-4bbb-8ccc-222222222222/v2.0","azp":"ffffffff-1111-4222-8333-444444444444","azpacr":"2","idtyp":"user","oid":"{user}","scp":"Orders.Read","sub":"pw-{user}","tid":"11111111-aaaa-4bbb-8ccc-222222222222","ver":"2.0","xms_act_fct":"3 9 11","xms_sub_fct":"1","xms_par_app_azp":"30cf4c22-9985-4ef7-8756-91cc888176bd"}}"#
        );
        get().bearer(&token(&claims, 0))
    };
    let profile = r#"{"iss":"https://id.acme.example","sub":"user-9","sub_profile":"user","client_id":"travel-agent","client_profile":"ai_agent"}"#;
    let person = r#"{"iss":"https://id.acme.example","sub":"user-1","email":"user-1@acme.example","client_id":"assistant-app"}"#;
    let mesh = |user: &str| {
        let claims = format!(
            r#"{{"iss":"https://id.acme.example","sub":"{user}","email":"{user}@acme.example","client_id":"shop-web"}}"#
        );
        get()
            .bearer(&token(&claims, 0))
            .from(PROXY)
            .field("X-Forwarded-Client-Cert: By=spiffe://acme.example/ns/shop/sa/orders;Hash=0a;URI=spiffe://acme.example/ns/shop/sa/checkout")
    };
    vec![
        acting(
            "act, an agent for two users",
            AiAgent,
            "jwt act.sub",
            2,
            vec![act("user-1", 0), act("user-2", 0), act("user-2", 3)],
        ),
        caller(
            "the first of them, by himself",
            Human,
            "claims of a person",
            renewed(person),
        ),
        acting(
            "act chain of services",
            Service,
            "jwt act.sub, 2 actors",
            1,
            renewed(chain),
        ),
        acting(
            "Entra agent for users",
            AiAgent,
            "claim xms_act_fct has facet 11",
            2,
            vec![
                entra("12121212-aaaa-4bbb-8ccc-666666666666"),
                entra("34343434-aaaa-4bbb-8ccc-666666666666"),
            ],
        ),
        acting(
            "client_profile, an agent with a user's token",
            AiAgent,
            "claim client_profile=ai_agent",
            1,
            renewed(profile),
        ),
        acting(
            "a workload with users' tokens",
            Service,
            "spiffe id of the client certificate",
            2,
            vec![mesh("user-5"), mesh("user-6")],
        ),
    ]
}

/// Workloads and keys.
fn workloads() -> Vec<Caller> {
    let svid = r#"{"sub":"spiffe://acme.example/ns/shop/sa/stock","aud":["orders"]}"#;
    let cert = |id: &str| {
        get().from(PROXY).field(&format!(
            "X-Forwarded-Client-Cert: By=spiffe://acme.example/x/y;Hash=0b;Subject=\"\";URI={id}"
        ))
    };
    let gateway = |user: &str| {
        let claims = format!(
            r#"{{"iss":"https://id.acme.example","sub":"{user}","email":"x@acme.example","client_id":"shop-web"}}"#
        );
        browser(CHROME)
            .bearer(&token(&claims, 0))
            .from(PROXY)
            .field("X-Forwarded-Client-Cert: Hash=0c;URI=spiffe://acme.example/ns/istio-system/sa/istio-ingressgateway-service-account")
    };
    let sigv4 = |n: u32| {
        get().field(&format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE0000001/2026030{n}/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=abcdef{n}"
        ))
    };
    vec![
        caller(
            "SPIFFE, by token and by certificate",
            Service,
            "spiffe id",
            vec![
                get().bearer(&token(svid, 0)),
                cert("spiffe://acme.example/ns/shop/sa/stock"),
                get().bearer(&token(svid, 2)).from("10.66.0.1"),
            ],
        ),
        caller(
            "SPIFFE, another workload behind the proxy",
            Service,
            "spiffe id of the client certificate",
            vec![
                cert("spiffe://acme.example/ns/shop/sa/prices"),
                cert("spiffe://acme.example/ns/shop/sa/prices").from("10.200.0.6"),
            ],
        ),
        caller(
            "SPIFFE, a path of agents",
            AiAgent,
            "spiffe path of agents",
            vec![cert("spiffe://acme.example/ns/ai-agents/sa/refunds")],
        ),
        // Who is no trusted proxy may write what it likes.
        caller(
            "a forged certificate field",
            Service,
            "api key",
            vec![
                get()
                    .field("X-Api-Key: forger-key-000001")
                    .field("X-Forwarded-Client-Cert: URI=spiffe://acme.example/ns/shop/sa/stock"),
            ],
        ),
        caller(
            "a gateway's first user",
            Human,
            "jwt sub",
            vec![gateway("user-21"), gateway("user-21")],
        ),
        caller(
            "a gateway's second user",
            Human,
            "jwt sub",
            vec![gateway("user-22")],
        ),
        caller(
            "AWS signatures of one key",
            Service,
            "sigv4 access key id",
            vec![sigv4(1), sigv4(2)],
        ),
        caller(
            "Basic, one user with a new password",
            Service,
            "basic user name",
            vec![
                get().field("Authorization: Basic c3luYzpvbGQtcGFzc3dvcmQ="),
                get()
                    .field("Authorization: Basic c3luYzpuZXctcGFzc3dvcmQ=")
                    .from("10.9.8.7"),
            ],
        ),
        caller(
            "API key in a field, from two addresses",
            Service,
            "api key",
            vec![
                get().field("X-Api-Key: key-of-erp-0001"),
                get()
                    .field("X-Api-Key: key-of-erp-0001")
                    .from("203.0.113.9")
                    .field("X-Forwarded-For: 1.2.3.4"),
            ],
        ),
        caller(
            "an AWS load balancer's user",
            Human,
            "claims of a person",
            vec![browser(CHROME).from(PROXY).field(&format!(
                "X-Amzn-Oidc-Data: {}",
                token(
                    r#"{"iss":"https://login.acme.example","sub":"alb-user","email":"alb@acme.example"}"#,
                    0
                )
            ))],
        ),
        caller(
            "Web Bot Auth, with a browser's name",
            AiAgent,
            "signs as a bot",
            vec![signed(CHROME, "203.0.113.40"), signed(CHROME, "203.0.113.41")],
        ),
        caller(
            "monitoring that calls itself an agent",
            Service,
            "user agent datadog",
            vec![get().agent("Datadog Agent/7.61.0").from("10.1.0.31")],
        ),
        caller(
            "a health probe",
            Service,
            "user agent kube-probe",
            vec![get().agent("kube-probe/1.31").from("10.1.0.32")],
        ),
    ]
}

fn signed(agent: &str, from: &str) -> Call {
    Call::get("/orders/7")
        .agent(agent)
        .from(from)
        .field("Accept-Language: en-US")
        .field("Signature-Agent: \"https://chatgpt.com\"")
        .field("Signature: sig1=:AAAA:")
        .field(r#"Signature-Input: sig1=("@authority" "signature-agent");created=1773043200;expires=1773043500;keyid="otMqcjr17mGyruktGvJU8oojQTSMHlVm7uO-lrcqbdg";alg="ed25519";nonce="n";tag="web-bot-auth""#)
}

/// SDKs and command-line agents: field names and user agents as they are sent.
fn programs() -> Vec<Caller> {
    let key = |n: u32| format!("X-Api-Key: program-key-{n:06}");
    let agents: [(&str, &str); 22] = [
        ("OpenAI SDK", "OpenAI/Python 2.8.1"),
        ("OpenAI SDK, asynchronous", "AsyncOpenAI/Python 2.8.1"),
        ("Azure OpenAI SDK", "AzureOpenAI/Python 2.8.1"),
        ("Anthropic SDK", "Anthropic/Python 0.74.0"),
        ("Claude Code", "claude-cli/2.0.50 (external, cli)"),
        (
            "Claude Agent SDK",
            "claude-cli/2.0.50 (external, sdk-py, agent-sdk/0.1.10)",
        ),
        ("Claude Code, beside the API", "claude-code/2.0.50"),
        (
            "Codex",
            "codex_cli_rs/0.63.0 (Mac OS 15.1.0; arm64) iTerm.app/3.6.5",
        ),
        ("Gemini CLI", "GeminiCLI/0.18.0/gemini-3-pro (linux; x64; vscode)"),
        ("OpenAI Agents SDK", "Agents/Python 0.6.1"),
        ("Google GenAI SDK", "google-genai-sdk/1.52.0 gl-python/3.13.0"),
        (
            "Google ADK",
            "google-genai-sdk/1.52.0 gl-python/3.13.0 google-adk/1.19.0",
        ),
        (
            "Vercel AI SDK",
            "ai-sdk/openai/2.0.71 ai-sdk/provider-utils/3.0.17 runtime/node.js/22",
        ),
        ("opencode", "opencode/1.0.110 ai-sdk/anthropic/2.0.50"),
        ("LiteLLM", "litellm/1.80.5"),
        (
            "GPTBot",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)",
        ),
        (
            "ChatGPT-User",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
        ),
        (
            "ClaudeBot",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        ),
        (
            "PerplexityBot",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
        ),
        (
            "MistralAI-User",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; MistralAI-User/1.0; +https://docs.mistral.ai/robots)",
        ),
        ("CrewAI", "crewai/1.5.0 python-httpx/0.28.1"),
        ("Firecrawl", "FirecrawlAgent/1.0"),
    ];
    let mut all: Vec<Caller> = (0..)
        .zip(agents)
        .map(|(n, (name, agent))| {
            // The next version, from another address, is the same program with the same key.
            let newer = agent
                .replace("/0.", "/9.")
                .replace("/1.", "/9.")
                .replace("/2.", "/9.");
            caller(
                name,
                AiAgent,
                "user agent ",
                vec![
                    get().agent(agent).field(&key(n)),
                    get().agent(&newer).field(&key(n)).from("10.44.0.4"),
                ],
            )
        })
        .collect();
    for caller in &mut all {
        if caller.calls[0]
            .exchange(1, 1)
            .request
            .unwrap()
            .message
            .field("user-agent")
            .unwrap()
            .starts_with("Mozilla")
        {
            caller.why = "user agent";
        }
    }
    let init = |name: &str| {
        format!(
            r#"{{"protocolVersion":"2025-06-18","capabilities":{{}},"clientInfo":{{"name":"{name}","version":"1"}}}}"#
        )
    };
    let meta = |name: &str| {
        format!(
            r#"{{"name":"search","arguments":{{}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{{"name":"{name}","version":"1"}}}}}}"#
        )
    };
    let session = |id: &str, name: &str| {
        let field = format!("Mcp-Session-Id: {id}");
        vec![
            mcp("initialize", &init(name))
                .agent("node")
                .from(NAT)
                .answer_field(&field),
            mcp("tools/list", "{}").agent("node").from(NAT).field(&field),
            mcp("tools/call", r#"{"name":"search","arguments":{}}"#)
                .agent("node")
                .from(NAT)
                .field(&field),
        ]
    };
    // HTTP+SSE of 2024-11-05: the session is a parameter that the server chose, and the name is said once.
    let early = || {
        vec![
            mcp("initialize", &init("old-inspector"))
                .agent("node")
                .from("10.1.0.44"),
            mcp("tools/list", "{}").agent("node").from("10.1.0.44"),
        ]
    };
    let modern = |name: &str| {
        mcp("tools/call", &meta(name))
            .agent("python-httpx/0.28.1")
            .from(NAT)
            .field("Mcp-Method: tools/call")
            .field("Mcp-Name: search")
            .field("MCP-Protocol-Version: 2026-07-28")
    };
    all.extend([
        caller("a bare node that speaks MCP", AiAgent, "speaks MCP", session("0f0f0f0f-1111-4222-8333-000000000001", "inspector")),
        caller("another one behind the same NAT", AiAgent, "speaks MCP", session("0f0f0f0f-1111-4222-8333-000000000002", "inspector")),
        caller("MCP 2024-11-05 without a credential", AiAgent, "speaks MCP", early()),
        caller("MCP 2026-07-28 without a session", AiAgent, "speaks MCP", vec![modern("planner"), modern("planner")]),
        caller("another client at the same address", AiAgent, "speaks MCP", vec![modern("writer")]),
        caller("Claude Code's own field", AiAgent, "field X-Claude-Code-Session-Id", vec![
            get().agent("node").field("X-Claude-Code-Session-Id: 11112222-aaaa-4bbb-8ccc-000000000001").field("X-Api-Key: claude-code-key-1"),
        ]),
        caller("Codex by its originator", AiAgent, "field originator of Codex", vec![
            get().agent("node").field("originator: codex_cli_rs").field("session_id: 0199aaaa-bbbb").field("X-Api-Key: codex-key-000001"),
        ]),
        caller("an A2A client", AiAgent, "field A2A-Version", vec![
            get().agent("python-httpx/0.28.1").field("A2A-Version: 1.0").field("X-Api-Key: a2a-client-key-1"),
        ]),
        // Callers of 0.x send no field of their own.
        caller("an A2A client of 0.3", AiAgent, "speaks A2A", vec![
            Call::new("POST", "/a2a").agent("python-httpx/0.28.1").field("X-Api-Key: a2a-client-key-2")
                .field("Content-Type: application/json")
                .body(r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":{"role":"user","messageId":"m","parts":[{"kind":"text","text":"a"}]}}}"#),
        ]),
        caller("a program that reads the card of an agent", Service, "user agent python-httpx", vec![
            Call::get("/.well-known/agent-card.json").agent("python-httpx/0.28.1").field("X-Api-Key: a-reader-of-cards-1")
                .answer(r#"{"name":"a","description":"b","version":"1","url":"https://a.example/","protocolVersion":"0.3.0","capabilities":{},"skills":[]}"#),
        ]),
        caller("an agent's program with a machine's token", AiAgent, "user agent claude-cli", vec![
            get().agent("claude-cli/2.0.50 (external, cli)").bearer(&token(
                r#"{"iss":"https://acme.eu.auth0.com/","sub":"ci-agent@clients","azp":"ci-agent","gty":"client-credentials"}"#, 0)),
        ]),
        // Stainless makes SDKs for many: the fields prove an SDK and no more.
        caller("a Stainless SDK of somebody else", Service, "fields of a language model SDK", vec![
            get().agent("Acme/Python 1.0").field("X-Stainless-Lang: python").field("X-Api-Key: stainless-key-1"),
        ]),
        caller("curl at a terminal", Service, "user agent curl", vec![get().agent("curl/8.16.0").field("X-Api-Key: curl-key-00001")]),
        caller("a program nobody knows", Unknown, "client address", vec![get().agent("thing").from("10.1.0.33")]),
    ]);
    all
}

/// What looks like one and is two, or like an agent and is none.
fn near_misses() -> Vec<Caller> {
    let user = |user: &str, n| {
        let claims = format!(
            r#"{{"iss":"https://id.acme.example","sub":"{user}","client_id":"shop-web","sub_profile":"user"}}"#
        );
        browser(CHROME).from(NAT).bearer(&token(&claims, n))
    };
    let session = |id: &str| {
        browser(CHROME)
            .from(NAT)
            .field(&format!("Cookie: theme=dark; sessionid={id}"))
    };
    let opaque = |token: &str| get().agent("acme-app/3.1").from(NAT).bearer(token);
    let cubot = CHROME.replace("Windows NT 10.0; Win64; x64", "Linux; Android 9; CUBOT X19");
    let named = |n: &str| browser(&format!("{CHROME} {n}"));
    let page_key = |from: &str| {
        browser(CHROME)
            .from(from)
            .field("X-Api-Key: public-key-of-a-page")
    };
    let behind = |who: &str| {
        get()
            .agent("acme-tool/1")
            .from(PROXY)
            .field(&format!("X-Forwarded-For: 6.6.6.6, {who}, 10.200.0.9"))
    };
    vec![
        caller(
            "two users of one app and client id: first",
            Human,
            "jwt sub",
            vec![user("nat-1", 0), user("nat-1", 9)],
        ),
        caller(
            "two users of one app and client id: second",
            Human,
            "jwt sub",
            vec![user("nat-2", 0)],
        ),
        caller(
            "two sessions behind one NAT: first",
            Human,
            "session cookie",
            vec![session("aaaaaaaa11111111"), session("aaaaaaaa11111111")],
        ),
        caller(
            "two sessions behind one NAT: second",
            Human,
            "session cookie",
            vec![session("bbbbbbbb22222222")],
        ),
        caller(
            "two opaque tokens behind one NAT: first",
            Unknown,
            "bearer token",
            vec![
                opaque("tok-aaaaaaaaaaaa"),
                opaque("tok-aaaaaaaaaaaa").from("10.3.3.3"),
            ],
        ),
        caller(
            "two opaque tokens behind one NAT: second",
            Unknown,
            "bearer token",
            vec![opaque("tok-bbbbbbbbbbbb")],
        ),
        caller(
            "a telephone called CUBOT",
            Human,
            "browser",
            vec![browser(&cubot).field("Cookie: sessionid=cubotcubotcubot1")],
        ),
        caller(
            "a browser with an agent switcher",
            Human,
            "browser",
            vec![named("UserAgentSwitcher").field("Cookie: sessionid=switcher00000001")],
        ),
        caller(
            "a browser of a bank called Abbot",
            Human,
            "browser",
            vec![named("AbbotBank").field("Cookie: sessionid=abbot00000000001")],
        ),
        caller(
            "a public key in a page: first reader",
            Human,
            "api key of a page",
            vec![page_key("198.51.100.31"), page_key("198.51.100.31")],
        ),
        caller(
            "a public key in a page: second reader",
            Human,
            "api key of a page",
            vec![page_key("198.51.100.32")],
        ),
        caller(
            "a session beside a public key",
            Human,
            "session cookie",
            vec![
                page_key("198.51.100.31").field("Cookie: sessionid=besidekey0000001"),
                page_key("198.51.100.77").field("Cookie: sessionid=besidekey0000001"),
            ],
        ),
        caller(
            "behind a trusted proxy: first",
            Unknown,
            "address told by a trusted proxy",
            vec![behind("203.0.113.50"), behind("203.0.113.50")],
        ),
        caller(
            "behind a trusted proxy: second",
            Unknown,
            "address told by a trusted proxy",
            vec![behind("203.0.113.51")],
        ),
        // Whoever is no trusted proxy cannot become somebody else by a field.
        caller(
            "a forger of addresses",
            Unknown,
            "client address",
            vec![
                get()
                    .agent("acme-tool/1")
                    .from("192.0.2.66")
                    .field("X-Forwarded-For: 203.0.113.50"),
                get()
                    .agent("acme-tool/1")
                    .from("192.0.2.66")
                    .field("X-Forwarded-For: 203.0.113.51"),
            ],
        ),
        caller(
            "one address, one program",
            Service,
            "client address",
            vec![
                get().agent("curl/8.16.0").from("192.0.2.70"),
                get().agent("curl/8.17.0").from("192.0.2.70"),
            ],
        ),
        caller(
            "one address, another program",
            Service,
            "client address",
            vec![get().agent("python-requests/2.32").from("192.0.2.70")],
        ),
        caller(
            "a token with no subject and no client",
            Unknown,
            "token without subject",
            vec![
                get()
                    .agent("acme-tool/1")
                    .bearer(&jwt(r#"{"iss":"https://id.acme.example","scope":"x"}"#)),
            ],
        ),
        caller(
            "the same subject of another issuer",
            Human,
            "jwt sub",
            vec![user("nat-1", 0).to("/orders/8")],
        ),
    ]
}

fn callers() -> Vec<Caller> {
    let mut all: Vec<Caller> = [providers(), delegation(), workloads(), programs(), near_misses()]
        .into_iter()
        .flatten()
        .collect();
    // The last near miss is of another issuer.
    if let Some(last) = all.last_mut() {
        let claims =
            r#"{"iss":"https://id.other.example","sub":"nat-1","client_id":"shop-web","sub_profile":"user"}"#;
        last.calls = vec![browser(CHROME).from(NAT).bearer(&token(claims, 0))];
    }
    all
}

fn settings() -> Settings {
    Settings {
        trusted_proxies: vec!["10.200.0.0/16".into()],
        agent_claims: vec!["https://acme.example/kind=robot".into()],
        ..Settings::default()
    }
}

/// At least 98 of 100 callers have a principal of their own, the right kind, and the reason; and nobody is ever merged with
/// somebody else. The table is printed.
#[test]
fn principals_and_kinds_are_right() {
    let callers = callers();
    let mut scene = Scene::with(settings());
    let ids: Vec<Vec<String>> = callers
        .iter()
        .map(|c| {
            c.calls
                .iter()
                .map(|call| scene.send(call).principal.unwrap())
                .collect()
        })
        .collect();
    let views: Vec<PrincipalView> = scene.principals();
    let (mut right, mut calls, mut calls_right, mut merged) = (0, 0, 0, Vec::new());
    println!(
        "{:<48} {:<9} {:<9} {:>5}  {:<14} evidence",
        "caller", "should be", "is", "score", "decided by"
    );
    for (place, caller) in callers.iter().enumerate() {
        let own = &ids[place];
        let view = views.iter().find(|v| v.id == own[0]).unwrap();
        let one = own.iter().all(|id| *id == own[0]);
        let alone = !ids
            .iter()
            .enumerate()
            .any(|(p, all)| p != place && all.contains(&own[0]));
        if !alone {
            merged.push(caller.name);
        }
        let reasoned = view.evidence.iter().any(|e| e.starts_with(caller.why))
            || view.reasons.iter().any(|(r, _)| r.what.starts_with(caller.why));
        let acts = view.on_behalf_of.len() == caller.acts_for;
        let ok = one && alone && view.kind == caller.kind && reasoned && acts;
        right += usize::from(ok);
        calls += own.len();
        calls_right += if ok { own.len() } else { 0 };
        println!(
            "{:<48} {:<9} {:<9} {:>5.2}  {:<14} {}{}",
            caller.name,
            caller.kind.name(),
            view.kind.name(),
            view.score,
            view.decided_by,
            view.evidence.join("; "),
            if ok { "" } else { "   <-- WRONG" },
        );
    }
    let share = right as f64 / callers.len() as f64;
    println!(
        "{right} of {} callers right ({:.1} %), {calls_right} of {calls} calls",
        callers.len(),
        share * 100.0
    );
    assert_eq!(merged, Vec::<&str>::new(), "two callers with one principal");
    assert!(callers.len() >= 100, "{}", callers.len());
    assert!(share >= 0.98, "{share}");
}

/// What came before makes no difference: each call by itself has the same principal as among all others, in any order.
#[test]
fn a_principal_does_not_depend_on_what_came_before() {
    let callers = callers();
    let calls: Vec<&Call> = callers.iter().flat_map(|c| &c.calls).collect();
    let mut scene = Scene::with(settings());
    let forward: Vec<_> = calls.iter().map(|call| scene.send(call).principal).collect();
    let mut scene = Scene::with(settings());
    let mut backward: Vec<_> = calls
        .iter()
        .rev()
        .map(|call| scene.send(call).principal)
        .collect();
    backward.reverse();
    assert_eq!(forward, backward);
    for (call, principal) in calls.iter().zip(&forward).step_by(7) {
        assert_eq!(Scene::with(settings()).send(call).principal, *principal);
    }
}

/// The order is the operator's: with keys before tokens, a key that several show makes one principal of them.
#[test]
fn the_order_of_evidence_is_the_operators() {
    use super::Evidence;
    let call = |subject: &str| {
        get().field("X-Api-Key: shared-key-00001").bearer(&token(
            &format!(r#"{{"iss":"https://id.acme.example","sub":"{subject}"}}"#),
            0,
        ))
    };
    let sent = |order: Vec<Evidence>| {
        let mut scene = Scene::with(Settings {
            identity_order: order,
            ..Settings::default()
        });
        let ids = ["a", "b"].map(|subject| scene.send(&call(subject)).principal.unwrap());
        (ids[0] == ids[1], scene.principals()[0].decided_by.clone())
    };
    assert_eq!(sent(Vec::new()), (false, "token".to_owned()));
    assert_eq!(
        sent(vec![Evidence::ApiKey, Evidence::Token]),
        (true, "api_key".to_owned())
    );
    assert_eq!(sent(vec![Evidence::UserName]), (true, "address".to_owned()));
}
