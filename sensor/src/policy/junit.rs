//! Violations as JUnit XML, which CI systems show as tests: a suite for each rule, a failed case for each violation, and
//! one that passed where there is none.

use std::fmt::Write as _;

use super::{Judged, Policy};

/// The report of a check.
pub(crate) fn report(policy: &Policy, judged: &Judged) -> String {
    let failures = judged.violations().count();
    let tests: usize = judged.outcomes.iter().map(|o| o.violations.len().max(1)).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">",
        escaped(&format!("tapline check {}", policy.file))
    );
    for (rule, outcome) in policy.rules.iter().zip(&judged.outcomes) {
        let count = outcome.violations.len();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{count}\" errors=\"0\" skipped=\"0\">",
            escaped(&rule.id),
            count.max(1)
        );
        let class = escaped(&rule.id);
        if count == 0 {
            let name = format!("{} ({} looked at)", rule.title, outcome.looked_at);
            let _ = writeln!(
                out,
                "    <testcase classname=\"{class}\" name=\"{}\"/>",
                escaped(&name)
            );
        }
        for violation in &outcome.violations {
            let text = if rule.help.is_empty() {
                violation.message(rule)
            } else {
                format!("{}\n{}", violation.message(rule), rule.help)
            };
            let _ = writeln!(
                out,
                "    <testcase classname=\"{class}\" name=\"{}\">\n      <failure message=\"{}\" type=\"{}\">{}</failure>\n    \
                 </testcase>",
                // The id keeps cases apart whose names were cut or hidden alike.
                escaped(&format!("{} [{}]", violation.name, violation.subject)),
                escaped(&rule.title),
                rule.severity,
                escaped(&text)
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for attributes and elements. What XML 1.0 cannot hold at all (section 2.2) is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_breaks_out_of_the_xml() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{1b}[2J\u{ffff}\n"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}[2J\u{fffd}\n"
        );
    }
}
