//! Units of work: what joins calls, what parts them, and what cannot be told.

use super::{FORGOTTEN, Joined, Link, OPEN, PAUSE, Work};
use crate::testing::{Call, Scene, agent_token};

/// An agent and its calls.
struct Agent {
    scene: Scene,
    token: String,
}

impl Agent {
    fn new() -> Self {
        Self {
            scene: Scene::new(),
            token: agent_token("planner", 0),
        }
    }

    /// Each call has a connection of its own, as `Call` numbers them.
    fn send(&mut self, call: Call) -> Joined {
        let call = call.bearer(&self.token);
        self.scene.send(&call).work.expect("a call has a unit")
    }

    fn wait(&mut self, seconds: u64) {
        self.scene.wait(seconds);
    }
}

const LONG: u64 = PAUSE.as_secs() + 60;

fn chat(messages: &[&str]) -> Call {
    let messages: Vec<String> = messages
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let role = if n % 2 == 0 { "user" } else { "assistant" };
            format!(r#"{{"role":"{role}","content":"{text}"}}"#)
        })
        .collect();
    let system = r#"{"role":"system","content":"You help."}"#;
    let body = format!(
        r#"{{"model":"gpt-5","messages":[{system},{}]}}"#,
        messages.join(",")
    );
    Call::new("POST", "/v1/chat/completions")
        .host("llm.example")
        .field("Content-Type: application/json")
        .body(body)
        .answer(r#"{"object":"chat.completion","model":"gpt-5","choices":[{"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#)
}

#[test]
fn a_pause_joins_and_a_longer_one_parts() {
    let mut agent = Agent::new();
    let one = agent.send(Call::get("/orders"));
    assert_eq!((one.link, one.strength), (Link::First, 100));
    agent.wait(20);
    let two = agent.send(Call::get("/customers"));
    assert_eq!((two.unit, two.link), (one.unit, Link::Time));
    assert!(two.strength <= 50, "time alone says little: {two:?}");
    agent.wait(LONG);
    let three = agent.send(Call::get("/orders"));
    assert_eq!(three.link, Link::First);
    assert_ne!(three.unit, one.unit);
}

#[test]
fn one_trace_is_one_unit_however_long_it_takes() {
    let mut agent = Agent::new();
    let trace = |n: u32| format!("traceparent: 00-{n:032x}-00f067aa0ba902b7-01");
    let one = agent.send(Call::get("/orders").field(&trace(7)));
    agent.wait(LONG);
    let two = agent.send(Call::get("/customers").field(&trace(7)));
    assert_eq!((two.unit, two.link), (one.unit, Link::Trace));
    // Many programs begin a trace with each request: another one parts nothing.
    agent.wait(5);
    let three = agent.send(Call::get("/invoices").field(&trace(8)));
    assert_eq!((three.unit, three.link), (one.unit, Link::Time));
    // In time it is forgotten.
    agent.wait(FORGOTTEN.as_secs() + 1);
    assert_eq!(agent.send(Call::get("/x").field(&trace(7))).link, Link::First);
}

#[test]
fn what_an_answer_showed_joins_the_call_that_names_it() {
    let mut agent = Agent::new();
    let one = agent.send(Call::get("/orders").answer(r#"{"orders":[{"id":"ord-7719"},{"id":"ord-7720"}]}"#));
    agent.wait(LONG);
    let two = agent.send(Call::get("/orders/ord-7720"));
    assert_eq!((two.unit, two.link), (one.unit, Link::Handle));
    agent.wait(LONG);
    let other = agent.send(Call::get("/orders/ord-1234"));
    assert_eq!(other.link, Link::First, "nobody had shown that one");
    // Arguments of tools name things as well.
    let one = agent.send(Call::tool("find_customer", "{}").answer(
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"customer_id\": \"c-99812\"}"}]}}"#,
    ));
    agent.wait(LONG);
    let two = agent.send(Call::tool("refund", r#"{"who":{"ref":"c-99812"}}"#));
    assert_eq!((two.unit, two.link), (one.unit, Link::Handle));
}

#[test]
fn a_conversation_goes_on_with_all_that_was_said_before() {
    let mut agent = Agent::new();
    let one = agent.send(chat(&["Where is my order?"]));
    let other = agent.send(chat(&["Write a poem."]));
    assert_eq!(
        other.link,
        Link::First,
        "who talks of something else does something else"
    );
    agent.wait(LONG);
    let on = agent.send(chat(&["Where is my order?", "Which one?", "The last."]));
    assert_eq!((on.unit, on.link), (one.unit, Link::Conversation));
    agent.wait(LONG);
    let new = agent.send(chat(&["Where is my parcel?", "Which one?", "The last."]));
    assert_eq!(new.link, Link::First, "the same system prompt joins nothing");
    let again = agent.send(chat(&["Where is my parcel?", "Which one?", "The last."]));
    assert_ne!(again.link, Link::Conversation, "many ask the same");
    // Marks for caches move and mean nothing.
    let marked = r#"{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Plan it","cache_control":{"type":"ephemeral"}}]}]}"#;
    let moved = r#"{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Plan it"}]},{"role":"assistant","content":"Done"},{"role":"user","content":[{"type":"text","text":"Go on","cache_control":{"type":"ephemeral"}}]}]}"#;
    let messages = |body: &str| {
        Call::new("POST", "/v1/messages")
            .host("llm.example")
            .field("Content-Type: application/json")
            .body(body)
    };
    agent.wait(LONG);
    let one = agent.send(messages(marked));
    agent.wait(LONG);
    let two = agent.send(messages(moved));
    assert_eq!((two.unit, two.link), (one.unit, Link::Conversation));
}

#[test]
fn an_answer_that_is_named_by_its_id_goes_on() {
    let mut agent = Agent::new();
    let call = |more: &str| {
        Call::new("POST", "/v1/responses")
            .host("llm.example")
            .field("Content-Type: application/json")
            .body(format!(r#"{{"model":"gpt-5","input":"Plan."{more}}}"#))
            .answer(r#"{"id":"resp_68af4030592c81938ec0a5fbab4a3e9f","object":"response","model":"gpt-5","output":[]}"#)
    };
    let one = agent.send(call(""));
    agent.wait(LONG);
    let two = agent.send(call(
        r#","previous_response_id":"resp_68af4030592c81938ec0a5fbab4a3e9f""#,
    ));
    assert_eq!((two.unit, two.link), (one.unit, Link::Handle));
}

#[test]
fn a_tool_that_a_model_asked_for_is_of_its_task() {
    let mut agent = Agent::new();
    let asks = chat(&["Refund it"]).answer(
        r#"{"object":"chat.completion","model":"gpt-5","choices":[{"message":{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"refund_order","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
    );
    let one = agent.send(asks);
    agent.wait(LONG);
    let two = agent.send(Call::tool("refund_order", "{}"));
    assert_eq!((two.unit, two.link), (one.unit, Link::Asked));
    agent.wait(LONG);
    assert_eq!(agent.send(Call::tool("list_orders", "{}")).link, Link::First);
}

fn session(id: &str, number: u32) -> Call {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"list","arguments":{{}}}}}}"#
    );
    let call = Call::new("POST", "/mcp")
        .field("Content-Type: application/json")
        .body(body);
    if id.is_empty() {
        call
    } else {
        call.field(&format!("Mcp-Session-Id: {id}"))
    }
}

#[test]
fn sessions_of_one_server_are_units_of_their_own_and_those_of_two_are_not() {
    let mut agent = Agent::new();
    let one = agent.send(session("aaaaaaaa", 1));
    let two = agent.send(session("bbbbbbbb", 1));
    assert_ne!(one.unit, two.unit);
    let on = agent.send(session("aaaaaaaa", 2));
    assert_eq!((on.unit, on.link, on.strength), (one.unit, Link::Session, 100));
    let elsewhere = agent.send(session("cccccccc", 1).host("other.example"));
    assert_eq!(elsewhere.link, Link::Time);
    // Twenty minutes later it is the session that tells.
    agent.wait(20 * 60);
    let late = agent.send(session("bbbbbbbb", 2));
    assert_eq!((late.unit, late.link), (two.unit, Link::Session));
}

#[test]
fn numbers_that_count_on_tell_two_runs_apart() {
    let mut agent = Agent::new();
    let first = agent.send(session("", 7));
    agent.wait(LONG);
    let second = agent.send(session("", 41));
    assert_ne!(first.unit, second.unit);
    let on = agent.send(session("", 8));
    assert_eq!((on.unit, on.link), (first.unit, Link::RpcId));
    let on = agent.send(session("", 42));
    assert_eq!((on.unit, on.link), (second.unit, Link::RpcId));
}

#[test]
fn time_says_less_where_several_units_are_going_on() {
    let mut agent = Agent::new();
    agent.send(session("aaaaaaaa", 1));
    let alone = agent.send(Call::get("/orders")).strength;
    agent.send(session("bbbbbbbb", 1));
    let torn = agent.send(Call::get("/orders")).strength;
    assert!(torn < alone, "{torn} {alone}");
}

#[test]
fn a_program_that_never_rests_has_units_of_an_hour() {
    let mut agent = Agent::new();
    let mut units = std::collections::BTreeSet::new();
    for _ in 0..300 {
        agent.wait(59);
        units.insert(agent.send(Call::get("/health/check")).unit.to_string());
    }
    // 300 minutes.
    assert!((5..=6).contains(&units.len()), "{}", units.len());
    let principal = &agent.scene.principals()[0];
    assert_eq!(principal.work.units, units.len() as u64);
    assert_eq!(principal.work.calls.count, units.len() as u64 - 1);
    assert!(
        (55..=62).contains(&principal.work.calls.p50),
        "{:?}",
        principal.work
    );
}

#[test]
fn principals_share_no_unit() {
    let mut scene = Scene::new();
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut unit = |name: &str| {
        let call = Call::get("/orders").field(trace).bearer(&agent_token(name, 0));
        scene.send(&call).work.unwrap().unit
    };
    assert_ne!(unit("one"), unit("two"));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut agent = Agent::new();
    for n in 0..400_u32 {
        let shown: String = (0..200).map(|id| format!("\"x{n}-{id}\",")).collect();
        let call = session(&format!("session{n}"), n)
            .field(&format!("traceparent: 00-{:032x}-00f067aa0ba902b7-01", n + 1))
            .answer(format!("[{shown}1]"));
        agent.send(call);
    }
    let rows: Vec<_> = agent.scene.analyzer.take_changes().collect();
    let row = rows
        .iter()
        .find(|row| row.table == crate::Table::Principals)
        .unwrap();
    let row: serde_json::Value = serde_json::from_slice(row.value.as_ref().unwrap()).unwrap();
    let work = &row["row"]["work"];
    assert_eq!(work["open"].as_array().unwrap().len(), OPEN);
    assert!(work.to_string().len() < 32 * 1024, "{}", work.to_string().len());
    let read: Work = serde_json::from_value(work.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        *work,
        "as it was after a restart"
    );
}
