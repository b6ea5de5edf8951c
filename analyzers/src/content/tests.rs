//! What the detectors of content report, once, and what they do not.

use crate::testing::{Call, Scene, agent_token};
use crate::{Finding, Kind, Severity};

/// Attacks of several sorts, each twice, for what people read.
pub(crate) fn play(scene: &mut Scene) {
    let token = agent_token("prober", 0);
    for _ in 0..2 {
        for target in [
            "/items?title=x%27+or+%271%27%3D%271",
            "/items?host=10.0.0.1%3Bwhoami",
            "/files?file=..%2F..%2F..%2Fetc%2Fpasswd",
        ] {
            scene.send(&Call::get(target).bearer(&token));
        }
    }
}

mod injection_attempt {
    use super::*;

    fn found(scene: &Scene) -> Vec<Finding> {
        scene.found(Kind::InjectionAttempt)
    }

    fn one(call: &Call) -> Vec<(String, Severity)> {
        let mut scene = Scene::new();
        scene.send(call);
        let class = |f: &Finding| (f.observed_text("class").to_owned(), f.severity);
        found(&scene).iter().map(class).collect()
    }

    #[test]
    fn told_once_for_caller_class_and_endpoint_with_a_count() {
        let mut scene = Scene::new();
        for n in 0..5 {
            scene.send(&Call::get(format!("/items?title=x%27+or+%27{n}%27%3D%27{n}")));
        }
        scene.send(&Call::get("/items?title=lamp%27--"));
        let all = found(&scene);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].count, all[0].severity), (6, Severity::Medium));
        assert_eq!(all[0].observed_text("class"), "sql_injection");
        assert_eq!(all[0].observed_text("place"), "query");
        assert_eq!(all[0].observed_text("parameter"), "title");
        assert_eq!(
            scene
                .told
                .iter()
                .filter(|f| f.kind == Kind::InjectionAttempt)
                .count(),
            1
        );
        // Another class, another endpoint, another caller.
        scene.send(&Call::get("/items?title=%7B%7B7*7%7D%7D"));
        scene.send(&Call::get("/carts?title=x%27+or+%271%27%3D%271"));
        scene.send(&Call::get("/items?title=x%27+or+%271%27%3D%271").from("10.0.0.77"));
        assert_eq!(found(&scene).len(), 4);
        scene.wait(86_400);
        scene.send(&Call::get("/items?title=lamp%27--"));
        assert_eq!(found(&scene).len(), 5, "a day later it is told anew");
    }

    #[test]
    fn what_worked_is_worse() {
        let sql = Call::get("/items?title=x%27+or+%271%27%3D%271");
        let class = |name: &str, severity| vec![(name.to_owned(), severity)];
        assert_eq!(one(&sql), class("sql_injection", Severity::Medium));
        assert_eq!(
            one(&sql.clone().status(403)),
            class("sql_injection", Severity::Medium)
        );
        let error = r#"{"error":"SQLSTATE[42000]: Syntax error or access violation"}"#;
        assert_eq!(
            one(&sql.status(500).answer(error)),
            class("sql_injection", Severity::High)
        );
        let wait = Call::get("/items?id=1%20and%20sleep(7)");
        assert_eq!(one(&wait), class("sql_injection", Severity::Medium));
        assert_eq!(
            one(&wait.lasting(7_200_000_000)),
            class("sql_injection", Severity::High)
        );
        let product = Call::get("/hi?name=%7B%7B41*43%7D%7D");
        assert_eq!(
            one(&product.clone().answer("Hi 41*43")),
            class("template_injection", Severity::Medium)
        );
        assert_eq!(
            one(&product.answer("Hi 1763!")),
            class("template_injection", Severity::High)
        );
        let script = Call::get("/hi?name=%3Cscript%3Ealert(1)%3C/script%3E");
        let page = "<p>Hi <script>alert(1)</script></p>";
        assert_eq!(
            one(&script.clone().answer(page).page()),
            class("script_injection", Severity::High)
        );
        assert_eq!(
            one(&script.answer(page)),
            class("script_injection", Severity::Medium),
            "JSON runs nothing"
        );
        let file = Call::get("/files?file=../../../etc/passwd");
        let passwd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/x";
        assert_eq!(
            one(&file.clone().answer(passwd)),
            class("path_traversal", Severity::Critical)
        );
        assert_eq!(one(&file.status(404)), class("path_traversal", Severity::Medium));
        let run = Call::get("/ping?host=x%3Bid").answer("uid=33(www-data) gid=33(www-data)");
        assert_eq!(
            one(&Call::get("/ping?host=10.0.0.1%3Bid")),
            class("command_injection", Severity::Medium)
        );
        drop(run);
        let run = Call::get("/ping?host=10.0.0.1%3Bid").answer("uid=33(www-data) gid=33(www-data)");
        assert_eq!(one(&run), class("command_injection", Severity::Critical));
    }

    #[test]
    fn operators_of_document_databases() {
        let json = |body: &str| {
            Call::new("POST", "/login")
                .field("Content-Type: application/json")
                .body(body)
        };
        for call in [
            json(r#"{"login":"carl","password":{"$ne":null}}"#),
            json(r#"{"login":{ "$gt" : "" },"password":"x"}"#),
            json(r#"{"filter":{"$where":"this.a == 1"}}"#),
            json(r#"{"name":{"$regex":".*"}}"#),
            Call::get("/users?password[$ne]=x"),
            Call::get("/users?email%5B$gt%5D="),
        ] {
            assert_eq!(one(&call)[0].0, "nosql_injection", "{call:?}");
        }
        for call in [
            json(r#"{"price":{"$gt":10},"tags":{"$in":["a"]}}"#),
            json(r#"{"price":"$5","$schema":"https://example.com/s.json"}"#),
            Call::get("/orders?price[$lt]=50&sort=-date"),
            Call::get("/users?name[$eq]=carl"),
        ] {
            assert_eq!(one(&call), [], "{call:?}");
        }
    }

    #[test]
    fn the_path_itself() {
        for path in [
            "/a/../../etc/passwd",
            "/static/%2e%2e/%2e%2e/etc/shadow",
            "/static/..%252f..%252fetc/passwd",
            "/..;/..;/manager/html",
            "/a/..%5c..%5cwin.ini",
        ] {
            let classes: Vec<_> = one(&Call::get(path))
                .into_iter()
                .map(|(class, _)| class)
                .collect();
            assert!(
                classes.contains(&"path_traversal".to_owned()),
                "{path} {classes:?}"
            );
        }
        for path in [
            "/a/../b",
            "/a/./b",
            "/v1..2/x",
            "/a/b..c",
            "/a%20b/c%2Fd",
            "/files/etc/passwd",
        ] {
            assert_eq!(one(&Call::get(path)), [], "{path}");
        }
    }

    #[test]
    fn prompts_are_for_models_to_read_and_results_of_tools_are_no_input() {
        let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"x' or '1'='1"}]}"#;
        let model = Call::new("POST", "/v1/chat/completions")
            .field("Content-Type: application/json")
            .body(body);
        assert_eq!(one(&model), []);
        let tool = |value: &str| Call::tool("find", &format!(r#"{{"name":"{value}"}}"#));
        assert_eq!(one(&tool("x' or '1'='1"))[0].0, "sql_injection");
        assert_eq!(
            one(&tool("carl").answer(r#"{"jsonrpc":"2.0","id":1,"result":{"text":"x' or '1'='1"}}"#)),
            []
        );
    }

    #[test]
    fn behind_a_sentence_it_is_taken_for_an_example() {
        let call = |text: &str| {
            Call::get(format!(
                "/search?q={}",
                text.replace(' ', "+").replace('\'', "%27")
            ))
        };
        assert_eq!(one(&call("why does the login accept ' or 1=1 -- as a name")), []);
        assert_eq!(
            one(&call("why does the login accept ' or 1=1 --")),
            [],
            "the blind spot"
        );
    }

    #[test]
    fn of_many_sorts_in_one_request_a_few_are_told() {
        let target = "/x?a=x%27--&b=%3Bwhoami&c=%7B%7B7*7%7D%7D&d=..%2F..%2Fetc%2Fpasswd&e=%3Cscript%3E&f=%24%7Bjndi:ldap://x%7D";
        assert_eq!(one(&Call::get(target)).len(), 4);
        let many = (0..5000)
            .map(|n| format!("p{n}=x%27--"))
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(one(&Call::get(format!("/x?{many}"))).len(), 1);
    }
}
