//! What the language means; each vocabulary has tests of its own.

use serde_json::{Value, json};

use super::{Condition, Sort, Vocabulary, read};

/// Everything is there, and of any sort.
struct Open;

impl Vocabulary for Open {
    fn look_up(&self, _: &[String]) -> Result<Sort, String> {
        Ok(Sort::Open)
    }

    fn example(&self) -> &'static str {
        "a = 1"
    }
}

fn condition(text: &str) -> Condition {
    read(&Open, text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

#[test]
fn every_value_of_a_list_counts_when_something_is_permitted() {
    let record =
        json!({"args": {"amount": [5, 100_000], "to": ["a.internal", "b.internal"], "n": "17", "none": []}});
    for (text, every, some) in [
        ("args.amount <= 1000", false, true),
        ("not (args.amount > 1000)", false, true),
        ("args.amount in [5]", false, true),
        ("args.amount != 5", false, true),
        ("not args.amount = 5", false, true),
        ("args.to.endsWith('.internal')", true, true),
        ("args.to matches '*.internal'", true, true),
        ("args.n <= 17", true, true),
        ("args.n < 17", false, false),
        ("args.none <= 1", false, false),
        ("args.missing <= 1", false, false),
        ("args.missing != 1", true, true),
        ("args.amount", true, true),
    ] {
        let condition = condition(text);
        assert_eq!(condition.holds_for_all(&record), every, "all: {text}");
        assert_eq!(condition.holds_for_some(&record), some, "some: {text}");
    }
}

#[test]
fn texts_that_are_no_numbers_are_none() {
    for text in ["0x10", "1 000", "inf", "NaN", "", "1e999", "١"] {
        let record: Value = json!({"args": {"n": text}});
        assert!(!condition("args.n < 5").holds_for_all(&record), "{text}");
        assert!(!condition("args.n >= 5").holds_for_all(&record), "{text}");
    }
}

#[test]
fn the_signs_of_cel_are_understood() {
    let record = json!({"a": 1, "b": "x"});
    for (text, wanted) in [
        ("a == 1 && b == \"x\"", true),
        ("a == 2 || !(b == \"y\")", true),
        ("!a", false),
        ("a != 1", false),
    ] {
        assert_eq!(condition(text).holds(&record), wanted, "{text}");
    }
}
