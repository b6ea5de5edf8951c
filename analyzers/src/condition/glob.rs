//! Patterns as people write them for hosts, paths and names: `*` stands for any letters, `?` for one.

/// Whether `text` is of the form of `pattern`. The work is at most the product of the two lengths.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// The same without regard to case, for hosts and methods.
#[must_use]
pub fn matches_any_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_lowercase(), &text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_any_case};

    #[test]
    fn stars_and_question_marks_stand_for_letters() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*.acme.example", "orders.acme.example", true),
            ("*.acme.example", "acme.example", false),
            ("/v?/orders", "/v1/orders", true),
            ("/v?/orders", "/v10/orders", false),
            ("/v1/*/items", "/v1/orders/7/items", true),
            ("*a*b", "xaxxab", true),
            ("*a*b", "xaxxba", false),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
        assert!(matches_any_case("Orders.*", "orders.acme"));
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let text = "a".repeat(2000);
        assert!(!matches(&format!("{}b", "a*".repeat(500)), &text));
    }
}
