use super::*;
use crate::inventory::declared::{Overrides, Owners};
use crate::spec::{Index, Limits, read};
use crate::testing::{Call, Scene};
use reassembly::Flags;

fn scene(spec: &str, overrides: &str) -> Scene {
    let mut specs = Index::default();
    if !spec.is_empty() {
        specs.add(read("shop.yaml", spec.as_bytes(), &Limits::default()), &[]);
    }
    let declared = Declared {
        specs,
        overrides: Overrides::read(overrides).unwrap(),
        owners: Owners::default(),
        ..Declared::default()
    };
    Scene::with(crate::Settings {
        declared: declared.into(),
        ..crate::Settings::default()
    })
}

fn facts(scene: &Scene, template: &str) -> Facts {
    let all = scene.endpoints();
    all.into_iter().find(|e| e.template == template).unwrap().facts
}

const SPEC: &str = "openapi: 3.0.3\ninfo: {title: x, version: '1', x-owner: shop}\nservers: [{url: 'http://api.example'}]\npaths:\n  /orders:\n    get: {operationId: listOrders, deprecated: true}\n";

#[test]
fn what_is_declared_comes_before_what_is_inferred() {
    let mut scene = scene(
        SPEC,
        "[[endpoint]]\nhost = \"api.example\"\npath = \"/users\"\ntier = \"confidential\"\npurpose = \"who is who\"\nowner = \"hr\"\nenvironment = \"production\"\n",
    );
    for path in ["/orders", "/users", "/other"] {
        scene.send(&Call::get(path));
    }
    scene.send(&Call::get("/elsewhere").host("b.example"));
    let orders = facts(&scene, "/orders");
    assert_eq!((orders.documented, orders.deprecated), (Documented::Yes, true));
    assert_eq!(
        orders.declared,
        Some(Place {
            specification: "shop.yaml".into(),
            line: 6,
            operation: Some("listOrders".into())
        })
    );
    assert_eq!(
        (orders.owner.as_deref(), orders.owner_source),
        (Some("shop"), Some("specification"))
    );
    assert_eq!(
        (orders.tier, orders.purpose.as_str()),
        ("internal", "list orders")
    );
    let users = facts(&scene, "/users");
    assert_eq!(
        (users.documented, users.tier, users.purpose.as_str()),
        (Documented::No, "confidential", "who is who")
    );
    assert_eq!(
        (
            users.owner.as_deref(),
            users.owner_source,
            users.environment.as_deref()
        ),
        (Some("hr"), Some("override"), Some("production"))
    );
    assert_eq!(facts(&scene, "/other").owner, None);
    assert_eq!(facts(&scene, "/elsewhere").documented, Documented::Unknown);
}

#[test]
fn the_tier_follows_from_callers_and_data() {
    let mut scene = scene("", "");
    scene.send(&Call::get("/inner"));
    scene.send(&Call::get("/outer"));
    scene.send(&Call::get("/outer").from("203.0.113.9"));
    scene.send(&Call::get("/refused").from("203.0.113.9"));
    scene.send(&Call::get("/refused").from("203.0.113.9").status(500));
    scene.send(&Call::get("/broken").status(500));
    for card in ["4539578763610216", "4539578763611214", "4539578763612212"] {
        scene.send(
            &Call::get("/pay")
                .from("203.0.113.9")
                .answer(format!(r#"{{"card_number":"{card}"}}"#)),
        );
    }
    let tier = |template: &str| {
        let facts = facts(&scene, template);
        (facts.tier, facts.tier_reasons.join("; "))
    };
    assert_eq!(
        tier("/inner"),
        ("internal", "answered 1 call, all to private addresses".into())
    );
    assert_eq!(
        tier("/outer"),
        (
            "public",
            "answered 1 of 2 calls to public addresses; asks for no credential".into()
        )
    );
    assert_eq!(
        tier("/broken"),
        ("unknown", "no call was answered with success".into())
    );
    assert_eq!(tier("/pay"), ("confidential", "answers with card".into()));
}

#[test]
fn addresses_of_the_internet_are_told_from_others() {
    for (address, want) in [
        ("8.8.8.8", true),
        ("10.1.2.3", false),
        ("172.31.0.1", false),
        ("172.32.0.1", true),
        ("192.168.1.1", false),
        ("100.64.0.1", false),
        ("100.128.0.1", true),
        ("127.0.0.1", false),
        ("169.254.1.1", false),
        ("2a00:1450::1", true),
        ("fd00::1", false),
        ("fe80::1", false),
        ("::1", false),
        ("::ffff:10.0.0.1", false),
    ] {
        assert_eq!(is_public(address.parse().unwrap()), want, "{address}");
    }
}

/// Field.md R08: the score falls when packets are lost.
#[test]
fn confidence_falls_with_loss_and_rises_with_what_was_watched() {
    let confidence = |lost_of_100: u64, days: u64| {
        let mut scene = scene("", "");
        for n in 0..100u64 {
            // An exchange of which a packet is missing is seen in part, or not at all.
            if n < lost_of_100 / 4 {
                continue;
            }
            // A request without a credential of which bytes are missing is not counted for anybody.
            let mut call = Call::get("/orders").bearer("opaque-token-of-nobody-1234");
            if n < lost_of_100 {
                call = call.flags(Flags::GAP);
            }
            scene.send(&call);
            scene.wait(days * 864);
        }
        facts(&scene, "/orders").confidence
    };
    let falling: Vec<f64> = [0, 1, 5, 20, 60]
        .iter()
        .map(|lost| confidence(*lost, 1))
        .collect();
    assert!(falling.windows(2).all(|pair| pair[0] > pair[1]), "{falling:?}");
    let rising: Vec<f64> = [0, 2, 4, 7].iter().map(|days| confidence(0, *days)).collect();
    assert!(rising.windows(2).all(|pair| pair[0] < pair[1]), "{rising:?}");
    assert!(rising[3] > 0.9 && falling[4] < 0.4, "{rising:?} {falling:?}");
    let mut scene = scene("", "");
    scene.send(
        &Call::get("/once")
            .bearer("opaque-token-of-nobody-1234")
            .flags(Flags::GAP),
    );
    let once = facts(&scene, "/once");
    assert_eq!(once.confidence, 0.0);
    assert_eq!(
        once.confidence_reasons,
        ["1 exchange", "1 of 1 exchange not seen whole", "watched on 1 day"]
    );
}

#[test]
fn days_are_the_same_in_whatever_order_they_come() {
    let mut forth = Watch::default();
    let mut back = Watch::default();
    let mut parts = [Watch::default(), Watch::default()];
    for day in 0..900u32 {
        forth.add_day(day);
        back.add_day(899 - day);
        parts[(day % 2) as usize].add_day(day);
    }
    let [mut sum, other] = parts;
    sum.absorb(&other);
    assert_eq!(forth, back);
    assert_eq!(forth, sum);
    assert_eq!((forth.days(), forth.days[0]), (DAYS as u64, 500));
}

#[test]
fn callers_are_counted_by_kind() {
    let mut scene = scene("", "");
    scene.send(&Call::get("/a").bearer(&crate::testing::agent_token("one", 0)));
    scene.send(&Call::get("/a").bearer(&crate::testing::agent_token("two", 0)));
    scene.send(&Call::get("/a").bearer("opaque-token-of-nobody-1234"));
    let all = scene.endpoints();
    let kinds: Vec<_> = all[0]
        .callers_by_kind
        .iter()
        .map(|(k, n)| (k.as_str(), *n))
        .collect();
    assert_eq!(
        (all[0].callers, all[0].agents, all[0].facts.agent_facing),
        (3, 2, true)
    );
    assert_eq!(kinds.iter().map(|(_, n)| n).sum::<u64>(), 3);
    assert!(kinds.contains(&("ai_agent", 2)), "{kinds:?}");
}
