//! How well instructions to agents are told from texts that ask people for something, on a corpus of the project's own.

use super::{Judgement, Setting, judge};

fn look(text: &str) -> Judgement {
    let (setting, text) = match text.strip_prefix("label|") {
        Some(text) => (Setting::Label, text),
        None => (Setting::Text, text),
    };
    judge(text, setting)
}

include!("corpus_data.rs");

/// A page around a text, so that it is a foreign body in one.
fn around(text: &str) -> String {
    format!(
        "Opening hours\n\nThe museum is open from Tuesday to Sunday, 10 am to 6 pm. Tickets are sold at the desk and online.\n\n{text}\n\nGroups of more than ten are asked to book ahead. The café on the first floor serves lunch until 3 pm."
    )
}

#[test]
fn instructions_are_found_and_ordinary_texts_are_not() {
    let (mut found, mut sent) = (0, 0);
    for text in INSTRUCTIONS {
        let label = text.strip_prefix("label|");
        let forms = match label {
            Some(_) => vec![(*text).to_owned()],
            None => vec![(*text).to_owned(), around(text)],
        };
        for form in forms {
            sent += 1;
            let judgement = look(&form);
            match judgement.is_strong() {
                true => found += 1,
                false => println!(
                    "  missed {} {}{:?}: {text}",
                    judgement.score,
                    if judgement.quoted { "quoted " } else { "" },
                    judgement.features.names()
                ),
            }
        }
    }
    let (mut alarms, mut harmless) = (0, 0);
    for text in ORDINARY {
        let label = text.strip_prefix("label|");
        let forms = match label {
            Some(_) => vec![(*text).to_owned()],
            None => vec![(*text).to_owned(), around(text)],
        };
        for form in forms {
            harmless += 1;
            let judgement = look(&form);
            if judgement.is_strong() {
                alarms += 1;
                println!(
                    "  alarm {} {:?}: {text}",
                    judgement.score,
                    judgement.features.names()
                );
            }
        }
    }
    let (recall, precision) = (
        f64::from(found) / f64::from(sent),
        f64::from(found) / f64::from(found + alarms),
    );
    println!(
        "{found} of {sent} instructions ({} texts), recall {recall:.3}; {alarms} alarms on {harmless} ordinary texts ({}), precision {precision:.3}",
        INSTRUCTIONS.len(),
        ORDINARY.len()
    );
    assert!(INSTRUCTIONS.len() >= 60 && ORDINARY.len() >= 150);
    assert!(recall >= 0.9 && precision >= 0.98, "{recall} {precision}");
}
