//! Each sort of rule, what breaks it, and what looks alike and is fine.

use std::sync::Arc;

use serde_json::json;

use super::Policies;
use crate::testing::{Call, START, Scene, agent_token};
use crate::{Finding, Kind, Labels, Settings, Severity};

const HOST: &str = "orders.acme.example";

/// A scene in which a policy is in force.
fn scene(policy: &str) -> Scene {
    let mut intents = Policies::default();
    if let Err(wrong) = intents.add("intent.toml", policy) {
        panic!("{wrong:#?}");
    }
    Scene::with(Settings {
        intents: Arc::new(intents),
        ..Settings::default()
    })
}

/// An agent `refund` with these goals, on one host, enforced.
fn refunds(rest: &str) -> Scene {
    scene(&format!(
        "[[agent]]\nname = 'refunds'\nclient = 'refund'\nmode = 'enforce'\nseverity = 'high'\nhost = '{HOST}'\n{rest}"
    ))
}

fn by(name: &str, call: Call) -> Call {
    call.host(HOST).bearer(&agent_token(name, 0))
}

fn get(path: &str) -> Call {
    by("refund", Call::get(path))
}

fn post(path: &str, body: &str) -> Call {
    by(
        "refund",
        Call::new("POST", path)
            .field("Content-Type: application/json")
            .body(body),
    )
}

fn tool(name: &str, arguments: &str) -> Call {
    by("refund", Call::tool(name, arguments))
}

/// Verdict and reason.
fn said(labels: &Labels) -> String {
    let verdict = labels.intent.as_ref().expect("it is judged");
    match verdict.inside {
        true => format!("in by {}", verdict.rule),
        false => format!("out by {}: {}", verdict.rule, verdict.reason),
    }
}

fn violations(scene: &Scene) -> Vec<Finding> {
    let mut all = scene.found(Kind::IntentViolation);
    all.retain(|f| f.observed["basis"] == "policy");
    all
}

fn only(scene: &Scene) -> Finding {
    let all = violations(scene);
    assert_eq!(
        all.len(),
        1,
        "{:#?}",
        all.iter().map(|f| &f.explanation).collect::<Vec<_>>()
    );
    all[0].clone()
}

const ORDERS: &str = "[[agent.goal]]\nname = 'Pay back'\n\
    [[agent.goal.permit]]\nid = 'read'\nallow = 'GET /v1/orders/{id}'\n\
    [[agent.goal.permit]]\nid = 'refund'\nallow = 'POST /v1/refunds'\nwhen = 'args.amount <= 1000'\nafter = 'read'\nat_most = 2\n";

#[test]
fn what_no_goal_permits_is_told_once_with_numbers() {
    let mut scene = refunds(ORDERS);
    assert_eq!(said(&scene.send(&get("/v1/orders/17"))), "in by read");
    assert_eq!(violations(&scene).len(), 0);
    assert_eq!(
        said(&scene.send(&get("/v1/customers/17"))),
        "out by nothing-permits: not_permitted"
    );
    scene.send(&get("/v1/customers/18"));
    scene.send(&by("refund", Call::new("DELETE", "/v1/orders/17")));
    let found = only(&scene);
    assert_eq!((found.severity, found.count), (Severity::High, 3));
    assert_eq!(found.observed["agent"], "refunds");
    assert_eq!(
        found.observed["action"],
        "GET orders.acme.example/v1/customers/{int}"
    );
    assert_eq!(found.expected["permits"], json!(["read", "refund"]));
    assert_eq!(found.expected["policy"], "intent.toml:1");
    assert_eq!(found.support["calls"], 4);
    assert_eq!(
        found.observed["actions"].as_array().unwrap().len(),
        2,
        "{:?}",
        found.observed
    );
    // What came before is evidence too.
    assert!(
        found.evidence.len() >= 2 && found.filter.contains("tcp"),
        "{}",
        found.filter
    );
}

#[test]
fn nobody_else_is_judged() {
    let mut scene = refunds(ORDERS);
    let labels = scene.send(&by("stock", Call::get("/v1/customers/17")));
    assert_eq!(labels.intent, None);
    // A program's own name names nobody.
    let labels = scene.send(&Call::get("/v1/customers/17").host(HOST).agent("refund"));
    assert_eq!(labels.intent, None);
    assert_eq!(violations(&scene).len(), 0);
}

#[test]
fn callers_are_known_by_id_claim_registry_and_kind() {
    let goal = "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'p'\nallow = 'GET /a'\n";
    let call = by("refund", Call::get("/a"));
    let id = Scene::new().send(&call).principal.unwrap();
    for whom in [
        format!("id = '{id}'"),
        "claim = 'client_id=ref*'".to_owned(),
        "claim = 'client_type=ai-agent'".to_owned(),
        "kind = 'ai_agent'".to_owned(),
        "client = ['other', 're*nd']".to_owned(),
    ] {
        let mut scene = scene(&format!("[[agent]]\nname = 'x'\nhost = '*'\n{whom}\n{goal}"));
        assert_eq!(said(&scene.send(&call)), "in by p", "{whom}");
        let stranger = Call::get("/a").host(HOST).agent("Mozilla/5.0 Firefox/130");
        assert_eq!(scene.send(&stranger).intent, None, "{whom}");
    }
    for whom in [
        "claim = 'client_id=other'",
        "kind = 'service'",
        "client = 'x'",
        "registry = 'r'",
    ] {
        let mut scene = scene(&format!("[[agent]]\nname = 'x'\nhost = '*'\n{whom}\n{goal}"));
        assert_eq!(scene.send(&call).intent, None, "{whom}");
    }
}

#[test]
fn one_who_is_named_is_not_one_of_a_kind() {
    let goal = "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'p'\nhost = '*'\n";
    let mut scene = scene(&format!(
        "[[agent]]\nname = 'all'\nkind = 'ai_agent'\n{goal}allow = 'GET /a'\n\
         [[agent]]\nname = 'refunds'\nclient = 'refund'\n{goal}allow = 'GET /b'\n"
    ));
    assert_eq!(said(&scene.send(&get("/b"))), "in by p");
    assert_eq!(
        said(&scene.send(&get("/a"))),
        "out by nothing-permits: not_permitted"
    );
    assert_eq!(said(&scene.send(&by("other", Call::get("/a")))), "in by p");
}

#[test]
fn paths_are_held_against_what_was_sent() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n\
         [[agent.goal.permit]]\nid = 'order'\nallow = ['GET /v1/orders/{id}', 'GET,PUT /v1/items/{int}']\n\
         [[agent.goal.permit]]\nid = 'files'\nallow = 'GET /files/**'\n\
         [[agent.goal.permit]]\nid = 'report'\nallow = '* /reports/r-*.pdf'\n",
    );
    for (call, inside) in [
        (get("/v1/orders/17"), true),
        (get("/v1/orders/17/"), true),
        (get("/v1//orders/17?x=1"), true),
        (by("refund", Call::new("HEAD", "/v1/orders/17")), true),
        (by("refund", Call::new("PUT", "/v1/items/4")), true),
        (get("/v1/items/four"), false),
        (get("/v1/orders"), false),
        (get("/v1/orders/17/notes"), false),
        (get("/v1/orders/.."), false),
        (get("/v1/orders/%2e%2e"), false),
        (get("/v1/orders/..%2f..%2fadmin"), false),
        (get("/V1/orders/17"), false),
        (get("/files/a/b/c"), true),
        (get("/files/a/../../admin"), false),
        (get("/reports/r-7.pdf"), true),
        (by("refund", Call::new("DELETE", "/reports/r-7.pdf")), true),
        (get("/reports/q-7.pdf"), false),
        (get("/v1/orders/17").host("evil.example"), false),
    ] {
        let labels = scene.send(&call);
        assert_eq!(labels.intent.as_ref().unwrap().inside, inside, "{call:?}");
    }
    let reasons: Vec<_> = violations(&scene)
        .iter()
        .map(|f| f.observed["reason"].clone())
        .collect();
    assert!(reasons.contains(&json!("resource")), "{reasons:?}");
}

#[test]
fn conditions_are_about_all_that_is_said() {
    let mut scene = refunds(ORDERS);
    scene.send(&get("/v1/orders/17"));
    for (body, wanted) in [
        (r#"{"amount":1000}"#, "in by refund"),
        (r#"{"amount":1000.5}"#, "out by refund: condition"),
        (r#"{"amount":"5000"}"#, "out by refund: condition"),
        (r#"{"amount":[5,5000]}"#, "out by refund: condition"),
        (r#"{"amount":5,"amount":5000}"#, "out by refund: condition"),
        (r#"[{"amount":5},{"amount":5000}]"#, "out by refund: condition"),
        (r#"{"total":5}"#, "out by refund: condition"),
        (r#"{"amount":5"#, "out by refund: condition"),
        ("", "out by refund: condition"),
    ] {
        assert_eq!(said(&scene.send(&post("/v1/refunds", body))), wanted, "{body}");
    }
    let double = post("/v1/refunds?amount=5000", r#"{"amount":5}"#);
    assert_eq!(said(&scene.send(&double)), "out by refund: condition");
    let found = only(&scene);
    assert_eq!(found.observed["values"]["args.amount"], 1000.5);
    assert_eq!(
        found.expected["permitted"],
        "POST /v1/refunds, when args.amount <= 1000, after read, at most 2 times in a task"
    );
}

#[test]
fn what_could_not_be_read_is_told_as_that() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'p'\nallow = 'POST /a'\nwhen = 'not (args.amount > 1000)'\n",
    );
    assert_eq!(said(&scene.send(&post("/a", r#"{"amount":7}"#))), "in by p");
    let long = format!(r#"{{"pad":"{}","amount":5000}}"#, "x".repeat(70_000));
    assert_eq!(said(&scene.send(&post("/a", &long))), "out by p: unreadable");
    let found = only(&scene);
    assert_eq!((found.severity, found.confidence), (Severity::Medium, 0.5));
}

#[test]
fn numbers_of_people_do_not_leave() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'p'\nallow = 'POST /a'\n\
         when = 'args.ssn < 5 and args.name = \"x\" and args.pin = 4 and hour >= 0'\n",
    );
    scene.send(&post("/a", r#"{"ssn":123456789,"name":"Ann Meyer","pin":1234}"#));
    let text = serde_json::to_string(&only(&scene).observed).unwrap();
    for secret in ["123456789", "Ann", "1234"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(
        text.contains("\"hour\":8") && text.contains("a text of 9 letters"),
        "{text}"
    );
}

#[test]
fn a_step_comes_after_another_of_the_same_task() {
    let mut scene = refunds(ORDERS);
    let refund = post("/v1/refunds", r#"{"amount":7}"#);
    assert_eq!(said(&scene.send(&refund)), "out by refund: order");
    let found = only(&scene);
    assert_eq!(found.observed["out_of_order"], json!(["read"]));
    assert!(
        found.explanation.contains("only after read"),
        "{}",
        found.explanation
    );
    // A refused look is none.
    scene.send(&get("/v1/orders/17").status(404));
    assert_eq!(said(&scene.send(&refund)), "out by refund: order");
    scene.send(&get("/v1/orders/17"));
    assert_eq!(said(&scene.send(&refund)), "in by refund");
    // Another task begins anew.
    scene.wait(2 * 3600);
    assert_eq!(said(&scene.send(&refund)), "out by refund: order");
}

#[test]
fn a_step_may_be_done_so_often_in_a_task() {
    let mut scene = refunds(ORDERS);
    let refund = post("/v1/refunds", r#"{"amount":7}"#);
    scene.send(&get("/v1/orders/17"));
    assert_eq!(said(&scene.send(&refund.clone().status(503))), "in by refund");
    assert_eq!(said(&scene.send(&refund)), "in by refund");
    assert_eq!(said(&scene.send(&refund)), "in by refund");
    assert_eq!(said(&scene.send(&refund)), "out by refund: repeated");
    scene.wait(2 * 3600);
    scene.send(&get("/v1/orders/17"));
    assert_eq!(said(&scene.send(&refund)), "in by refund");
}

#[test]
fn sequences_and_what_must_not_have_come_yet() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'Buy'\n\
         [[agent.goal.permit]]\nid = 'cart'\nallow = 'POST /cart'\nbefore = 'ship'\n\
         [[agent.goal.permit]]\nid = 'pay'\nallow = 'POST /pay'\nat_most_once = true\n\
         [[agent.goal.permit]]\nid = 'ship'\nallow = 'POST /ship'\n\
         [[agent.goal.sequence]]\nsteps = ['cart', 'pay', 'ship']\n",
    );
    let step = |path: &str| post(path, "{}");
    assert_eq!(said(&scene.send(&step("/cart"))), "in by cart");
    assert_eq!(said(&scene.send(&step("/ship"))), "out by ship: order");
    assert_eq!(said(&scene.send(&step("/pay"))), "in by pay");
    assert_eq!(said(&scene.send(&step("/pay"))), "out by pay: repeated");
    assert_eq!(said(&scene.send(&step("/ship"))), "in by ship");
    assert_eq!(said(&scene.send(&step("/cart"))), "out by cart: order");
}

#[test]
fn budgets_are_for_tasks_hours_and_days() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n\
         [[agent.goal.permit]]\nid = 'read'\nallow = 'GET /v1/orders/{id}'\n\
         [[agent.goal.permit]]\nid = 'refund'\nallow = 'POST /v1/refunds'\n\
         [[agent.goal.budget]]\nid = 'orders-a-task'\nof = 'read'\nobjects = 3\nper = 'task'\n\
         [[agent.goal.budget]]\nid = 'money'\nof = 'refund'\namount = 1000\nsum = 'args.items.amount'\nper = 'day'\n\
         [[agent.budget]]\nid = 'pace'\ncalls = 12\nper = 'hour'\n",
    );
    for n in [1, 2, 3, 3, 2, 1] {
        assert_eq!(said(&scene.send(&get(&format!("/v1/orders/{n}")))), "in by read");
    }
    assert_eq!(
        said(&scene.send(&get("/v1/orders/4"))),
        "out by orders-a-task: budget"
    );
    let found = only(&scene);
    assert_eq!(
        (&found.observed["used"], &found.expected["at_most"]),
        (&json!(4), &json!(3))
    );
    // Signs do not take money out of the sum, and what the server refuses is not spent.
    let refund = post("/v1/refunds", r#"{"items":[{"amount":-400},{"amount":"400"}]}"#);
    assert_eq!(said(&scene.send(&refund.clone().status(422))), "in by refund");
    assert_eq!(said(&scene.send(&refund)), "in by refund");
    assert_eq!(said(&scene.send(&refund)), "out by money: budget");
    scene.wait(2 * 3600);
    assert_eq!(said(&scene.send(&refund)), "out by money: budget");
    scene.wait(86_400);
    assert_eq!(said(&scene.send(&refund)), "in by refund");
    for n in 0..20 {
        scene.send(&get(&format!("/v1/orders/{}", n % 3)));
    }
    let pace = violations(&scene)
        .into_iter()
        .find(|f| f.observed["rule"] == "pace")
        .unwrap();
    assert_eq!(pace.expected["per"], "hour");
}

#[test]
fn bytes_are_budgeted() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'read'\nallow = 'GET /dump'\n\
         [[agent.goal.budget]]\nid = 'bytes'\nbytes = 10_000\nper = 'hour'\n",
    );
    let call = get("/dump").answer("x".repeat(6000));
    assert_eq!(said(&scene.send(&call)), "in by read");
    assert_eq!(said(&scene.send(&call)), "out by bytes: budget");
}

#[test]
fn tokens_and_costs_of_models_are_budgeted() {
    let policy = |limit: &str| {
        format!(
            "[[price]]\nmodel = 'gpt-*'\ninput = 2.0\noutput = 10.0\n[[agent]]\nname = 'x'\nclient = 'refund'\nhost = '*'\n\
             [[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'ask'\nmodels = 'gpt-4*'\n\
             [[agent.goal.budget]]\nid = 'b'\nper = 'day'\n{limit}\n"
        )
    };
    let ask = |model: &str| {
        by("refund", Call::new("POST", "/v1/chat/completions"))
            .field("Content-Type: application/json")
            .body(format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#))
            .answer(format!(
                r#"{{"id":"c","object":"chat.completion","model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":"x"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":1000,"completion_tokens":500,"total_tokens":1500}}}}"#
            ))
    };
    // 0.007 a call.
    for limit in ["tokens = 3000", "cost = 0.015"] {
        let mut scene = scene(&policy(limit));
        assert_eq!(said(&scene.send(&ask("gpt-4o"))), "in by ask", "{limit}");
        assert_eq!(said(&scene.send(&ask("gpt-4o"))), "in by ask", "{limit}");
        assert_eq!(said(&scene.send(&ask("gpt-4o"))), "out by b: budget", "{limit}");
        assert_eq!(
            said(&scene.send(&ask("o3"))),
            "out by nothing-permits: not_permitted"
        );
    }
}

#[test]
fn tools_are_judged_one_by_one_and_keeping_house_is_in_order() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'look'\ntools = 'look_*'\n\
         [[agent.goal.permit]]\nid = 'refund'\ntools = 'refund'\nwhen = 'args.amount <= 100'\nafter = 'look'\n",
    );
    let rpc = |body: &str| {
        by(
            "refund",
            Call::new("POST", "/mcp")
                .field("Content-Type: application/json")
                .body(body),
        )
    };
    for setup in [
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
    ] {
        assert_eq!(said(&scene.send(&rpc(setup))), "in by session-setup");
    }
    assert_eq!(said(&scene.send(&tool("look_up", r#"{"id":7}"#))), "in by look");
    assert_eq!(
        said(&scene.send(&tool("refund", r#"{"amount":70}"#))),
        "in by refund"
    );
    assert_eq!(
        said(&scene.send(&tool("refund", r#"{"amount":700}"#))),
        "out by refund: condition"
    );
    assert_eq!(
        said(&scene.send(&tool("delete", "{}"))),
        "out by nothing-permits: not_permitted"
    );
    let batch = r#"[{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"look_up","arguments":{}}},
        {"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"refund","arguments":{"amount":5000}}}]"#;
    assert_eq!(said(&scene.send(&rpc(batch))), "out by refund: condition");
    // Listing is not keeping house of what is not permitted.
    let other = rpc(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).host("other.example");
    assert_eq!(said(&scene.send(&other)), "out by nothing-permits: not_permitted");
}

#[test]
fn the_path_of_an_rpc_does_not_permit_its_operations() {
    let permit = "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'p'\n";
    for (what, inside) in [
        ("allow = 'POST /mcp'", false),
        ("allow = 'POST /mcp#*'", true),
        ("allow = 'POST /mcp#tools/call:look_up'", true),
        ("operations = 'tools/call:look_*'", true),
        ("allow = 'POST /mcp#tools/call:x'", false),
    ] {
        let mut scene = refunds(&format!("{permit}{what}\n"));
        let labels = scene.send(&tool("look_up", "{}"));
        assert_eq!(labels.intent.unwrap().inside, inside, "{what}");
    }
}

#[test]
fn operations_of_graphql_are_told_apart() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'q'\noperations = 'query:*'\nwhen = 'args.first <= 50'\n",
    );
    let ask = |body: &str| post("/graphql", body);
    let query =
        r#"{"query":"query Orders($first: Int) { orders(first: $first) { id } }","variables":{"first":20}}"#;
    assert_eq!(said(&scene.send(&ask(query))), "in by q");
    assert_eq!(
        said(&scene.send(&ask(&query.replace("20", "2000")))),
        "out by q: condition"
    );
    let mutation = r#"{"query":"mutation { payInvoice(id: 3) { ok } }"}"#;
    assert_eq!(
        said(&scene.send(&ask(mutation))),
        "out by nothing-permits: not_permitted"
    );
}

#[test]
fn prohibitions_go_before_permits() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'all'\nallow = '* /**'\n\
         [[agent.forbid]]\nid = 'no-export'\nwhat = 'GET /export/**'\nseverity = 'critical'\n\
         [[agent.forbid]]\nid = 'nights'\nwhat = 'POST /**'\nwhen = 'hour < 8 or hour >= 18'\n\
         [[agent.forbid]]\nid = 'cards'\nwhat = '* /**'\nwhen = \"answer.classes has 'card'\"\n",
    );
    assert_eq!(said(&scene.send(&post("/a", "{}"))), "in by all");
    assert_eq!(
        said(&scene.send(&get("/export/all"))),
        "out by no-export: forbidden"
    );
    assert_eq!(only(&scene).severity, Severity::Critical);
    let card = get("/b").answer(r#"{"card_number":"4539578763621486"}"#);
    assert_eq!(said(&scene.send(&card)), "out by cards: forbidden");
    scene.now = (START + 14 * 3600) * 1_000_000_000;
    assert_eq!(said(&scene.send(&post("/a", "{}"))), "out by nights: forbidden");
}

#[test]
fn parameters_of_a_path_can_be_asked_for() {
    let mut scene = refunds(
        "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'eu'\nallow = 'GET /v1/{region}/orders/{id}'\n\
         when = \"path.region in ['eu', 'uk'] and path.id.startsWith('ord-')\"\n",
    );
    assert_eq!(said(&scene.send(&get("/v1/eu/orders/ord-7"))), "in by eu");
    assert_eq!(
        said(&scene.send(&get("/v1/us/orders/ord-7"))),
        "out by eu: condition"
    );
    assert_eq!(
        said(&scene.send(&get("/v1/eu/orders/17"))),
        "out by eu: condition"
    );
}

#[test]
fn a_policy_may_be_tried_out_and_refused_attempts_weigh_less() {
    let goal = "[[agent.goal]]\nname = 'g'\n[[agent.goal.permit]]\nid = 'p'\nallow = 'GET /a'\n";
    for (mode, status, wanted) in [
        ("observe", 200, Severity::Low),
        ("observe", 403, Severity::Info),
        ("enforce", 200, Severity::Critical),
        ("enforce", 403, Severity::High),
        ("enforce", 404, Severity::Info),
    ] {
        let mut scene = scene(&format!(
            "[policy]\nmode = '{mode}'\nseverity = 'critical'\n[[agent]]\nname = 'x'\nclient = 'refund'\nhost = '*'\n{goal}"
        ));
        scene.send(&get("/b").status(status));
        assert_eq!(only(&scene).severity, wanted, "{mode} {status}");
    }
}

#[test]
fn a_violation_comes_back_as_another_episode_of_the_same_finding() {
    let mut scene = refunds(ORDERS);
    scene.send(&get("/v1/customers/17"));
    scene.wait(3600);
    scene.send(&get("/v1/customers/17"));
    let told: Vec<_> = scene
        .told
        .iter()
        .filter(|f| f.kind == Kind::IntentViolation)
        .map(|f| (f.revision, f.count))
        .collect();
    assert_eq!(told, [(1, 1), (2, 2)]);
}

#[test]
fn a_restart_in_between_changes_nothing() {
    let calls = |n: u64| match n % 5 {
        0 => get("/v1/orders/17"),
        1 | 2 => post("/v1/refunds", r#"{"amount":400}"#),
        3 => get("/v1/customers/4"),
        _ => post("/v1/refunds", r#"{"amount":4000}"#),
    };
    let policy = format!(
        "{}[[agent.goal.budget]]\nid = 'money'\nof = 'refund'\namount = 1500\nsum = 'args.amount'\nper = 'hour'\n",
        ORDERS.replace("at_most = 2", "at_most = 30")
    );
    let mut whole = refunds(&policy);
    let mut first = refunds(&policy);
    for n in 0..23 {
        whole.send(&calls(n));
        first.send(&calls(n));
    }
    let mut second = refunds(&policy);
    for change in first.analyzer.take_changes() {
        if let Some(value) = change.value {
            second
                .analyzer
                .restore(change.table, &change.key, &value)
                .unwrap();
        }
    }
    (second.now, second.sent) = (first.now, first.sent);
    let mut reasons = Vec::new();
    for n in 23..60 {
        let (a, b) = (whole.send(&calls(n)), second.send(&calls(n)));
        assert_eq!(a.intent, b.intent, "{n}");
        reasons.push(said(&a));
    }
    assert!(reasons.iter().any(|r| r == "out by money: budget"), "{reasons:?}");
    assert_eq!(violations(&whole), violations(&second));
}

#[test]
fn findings_read_as_sentences() {
    let mut scene = refunds(&format!(
        "{ORDERS}[[agent.goal.budget]]\nid = 'money'\nof = 'refund'\namount = 1500\nsum = 'args.amount'\nper = 'hour'\n\
         [[agent.forbid]]\nid = 'no-export'\nwhat = 'GET /export/**'\n"
    ));
    scene.send(&post("/v1/refunds", r#"{"amount":7}"#));
    scene.send(&get("/v1/orders/17"));
    scene.send(&post("/v1/refunds", r#"{"amount":5000}"#));
    scene.send(&post("/v1/refunds", r#"{"amount":900}"#));
    scene.send(&post("/v1/refunds", r#"{"amount":900}"#));
    scene.send(&post("/v1/refunds", r#"{"amount":900}"#));
    scene.send(&get("/export/all"));
    scene.send(&get("/v1/customers/4"));
    scene.send(&get("/v1/orders/17").host("other.example"));
    let mut told: Vec<String> = scene
        .told
        .iter()
        .filter(|f| f.kind == Kind::IntentViolation)
        .map(|f| format!("{} {} {}", f.severity.name(), f.revision, f.explanation))
        .collect();
    told.sort();
    insta::assert_snapshot!(told.join("\n"));
}

fn mistakes(text: &str) -> String {
    match Policies::default().add("intent.toml", text) {
        Ok(()) => "no mistakes".to_owned(),
        Err(found) => found
            .iter()
            .map(|p| format!("{}:{}: {}", p.line, p.column, p.message))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    insta::assert_snapshot!(mistakes(
        r#"
[policy]
mode = "block"
colour = "red"

[[agnet]]

[[agent]]
name = "a"
kind = "robot"
claim = "azp"
id = "zz"

[[agent.goal]]
name = "g"

[[agent.goal.permit]]
id = "two words"
allow = ["/v1/orders", "get /x", "GTE /x", "GET x", "GET /x?y=1", "GET /a/**/b", "GET /a{b"]

[[agent.goal.permit]]
id = "read"
host = "https://a.example/x"
tools = "x"
when = '''
args.amount <= 5
and hots = "x"'''
after = ["raed", "read"]
at_most = 0

[[agent.goal.permit]]
id = "read"
host = "*"
at_most = 2
at_most_once = true

[[agent.goal.sequence]]
steps = ["read"]

[[agent.goal.budget]]
per = "week"
id = "b"
calls = "many"

[[agent.goal.budget]]
id = "c"
per = "day"
amount = 7
objects = 90000
cost = 5

[[agent]]
name = "a"
"#
    ));
}

#[test]
fn what_is_no_policy_is_told() {
    for (text, wanted) in [
        ("", "1:1: there is no agent; write [[agent]]"),
        ("[agent]\nname = 'x'\n", "write it with two brackets"),
        ("[[agent]\n", "is not TOML here"),
        ("[[agent]]\nname='x'\nclient='x'\n", "this agent has no goal"),
        (
            "[[agent]]\nname='x'\nclient='x'\n[[agent.goal]]\nname='g'\n",
            "this goal permits nothing",
        ),
        (
            "[[agent]]\nname='x'\nclient='x'\n[[agent.goal]]\nname='g'\n[[agent.goal.permit]]\nid='p'\ntools='x'\n",
            "this permit names no host",
        ),
        (
            "[[agent]]\nname='x'\nclient='x'\nhost='*'\n[[agent.goal]]\nname='g'\n[[agent.goal.permit]]\nid='p'\ntools='x'\nafter='q'\n\
             [[agent.goal.permit]]\nid='q'\ntools='y'\nafter='p'\n",
            "goes in a circle, so that none of it can be done: p, q",
        ),
    ] {
        let said = mistakes(text);
        assert!(said.contains(wanted), "{text}\n{said}");
    }
}

#[test]
fn agents_of_several_files_have_names_of_their_own() {
    let text = "[[agent]]\nname='x'\nclient='x'\nhost='*'\n[[agent.goal]]\nname='g'\n[[agent.goal.permit]]\nid='p'\ntools='x'\n";
    let mut policies = Policies::default();
    policies.add("one.toml", text).unwrap();
    let wrong = policies.add("two.toml", text).unwrap_err();
    assert!(
        wrong[0].message.contains("declared in one.toml:1 too"),
        "{}",
        wrong[0].message
    );
    assert_eq!(policies.counts(), [1, 1, 1, 0, 0]);
}

proptest::proptest! {
    /// Whatever stands in a policy, it is read or told, and a mistake has a place in the file.
    #[test]
    fn no_text_is_too_odd(parts in proptest::collection::vec(0..24_usize, 0..24)) {
        const PARTS: [&str; 24] = [
            "[[agent]]\n", "[[agent.goal]]\n", "[[agent.goal.permit]]\n", "[[agent.goal.budget]]\n", "[[agent.forbid]]\n",
            "[[agent.goal.sequence]]\n", "[[price]]\n", "[policy]\n", "name = 'x'\n", "client = 'x'\n", "host = '*'\n",
            "id = 'p'\n", "allow = 'GET /{a}/**'\n", "tools = ['x']\n", "when = 'args.a <= 5 and'\n", "after = 'p'\n",
            "per = 'day'\n", "calls = 1e3\n", "amount = -0x10\n", "sum = 'args.a'\n", "steps = ['p', 'q']\n", "mode = 7\n",
            "what = '* /x'\n", "at_most = 3\n",
        ];
        let text: String = parts.iter().map(|n| PARTS[*n]).collect();
        if let Err(found) = Policies::default().add("p", &text) {
            let lines = text.lines().count() as u32 + 1;
            proptest::prop_assert!(!found.is_empty());
            proptest::prop_assert!(found.iter().all(|p| (1..=lines).contains(&p.line)));
        }
    }
}
