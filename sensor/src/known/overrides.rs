//! Changes to the overrides file: a section for an endpoint is found or added, and everything else in the file, comments
//! and order included, stays as it is.

use std::fmt::Write as _;

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value, value};

/// The endpoint that a section is about, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) host: String,
    /// None: every method.
    pub(crate) method: Option<String>,
    pub(crate) path: String,
}

/// What is to be set. What is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) owner: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) purpose: Option<String>,
    /// Kinds of findings to be accepted, besides those that are.
    pub(crate) accept: Vec<String>,
    pub(crate) reason: Option<String>,
    /// A date.
    pub(crate) until: Option<String>,
    /// Names of keys to be taken out.
    pub(crate) unset: Vec<String>,
}

/// What was changed, for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// The file as it is to be.
    pub(crate) text: String,
    /// Lines that say what differs; empty when nothing does.
    pub(crate) said: Vec<String>,
}

/// Why the file cannot be changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EditError {
    /// It is no TOML, at this byte.
    #[error("is not TOML here: {what}")]
    NotToml { at: usize, what: String },
    /// `endpoint` or `keep` has another form than sections.
    #[error("`{name}` is there and no list of sections; write [[{name}]]")]
    NoSections { name: &'static str },
    /// A date that the calendar does not have.
    #[error("`{text}` is no date; write e.g. 2027-06-30")]
    NoDate { text: String },
}

fn document(text: &str) -> Result<DocumentMut, EditError> {
    text.parse::<DocumentMut>().map_err(|e| EditError::NotToml {
        at: e.span().map_or(0, |s| s.start),
        what: e.message().trim().replace('\n', ", "),
    })
}

fn sections<'d>(
    document: &'d mut DocumentMut,
    name: &'static str,
) -> Result<&'d mut ArrayOfTables, EditError> {
    document
        .entry(name)
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or(EditError::NoSections { name })
}

fn text_of<'t>(table: &'t Table, key: &str) -> Option<&'t str> {
    table.get(key)?.as_str()
}

/// Sets facts of an endpoint.
///
/// # Errors
///
/// When the file has another form.
pub(crate) fn set(text: &str, section: &Section, change: &Change) -> Result<Done, EditError> {
    let mut document = document(text)?;
    let all = sections(&mut document, "endpoint")?;
    let is_it = |table: &Table| {
        text_of(table, "host").is_some_and(|host| host.eq_ignore_ascii_case(&section.host))
            && text_of(table, "path") == Some(&section.path)
            && text_of(table, "method").map(str::to_uppercase) == section.method
    };
    // Of several sections of the same words the last one holds.
    let found = (0..all.len())
        .rev()
        .find(|&place| all.get(place).is_some_and(is_it));
    let mut said = Vec::new();
    let place = match found {
        Some(place) => place,
        None => {
            let mut table = Table::new();
            table.insert("host", value(&section.host));
            if let Some(method) = &section.method {
                table.insert("method", value(method));
            }
            table.insert("path", value(&section.path));
            all.push(table);
            all.len() - 1
        }
    };
    let Some(table) = all.get_mut(place) else {
        return Ok(Done::default());
    };
    for key in &change.unset {
        if let Some(was) = table.remove(key) {
            said.push(format!("- {key} = {}", shown(&was)));
        }
    }
    for (key, new) in [
        ("owner", &change.owner),
        ("tier", &change.tier),
        ("environment", &change.environment),
        ("purpose", &change.purpose),
        ("reason", &change.reason),
    ] {
        if let Some(new) = new {
            put(table, key, value(new), &mut said);
        }
    }
    if !change.accept.is_empty() {
        let mut kinds: Vec<String> = table
            .get("accept")
            .and_then(Item::as_array)
            .into_iter()
            .flatten()
            .filter_map(|kind| kind.as_str().map(str::to_owned))
            .collect();
        for kind in &change.accept {
            if !kinds.contains(kind) {
                kinds.push(kind.clone());
            }
        }
        put(table, "accept", value(kinds.iter().collect::<Array>()), &mut said);
    }
    if let Some(until) = &change.until {
        let date: toml_edit::Datetime = until
            .parse()
            .map_err(|_| EditError::NoDate { text: until.clone() })?;
        if date.date.is_none() || date.time.is_some() {
            return Err(EditError::NoDate { text: until.clone() });
        }
        put(table, "until", value(date), &mut said);
    }
    if found.is_none() {
        if said.is_empty() {
            // The template itself may be all that is to be said.
            said.push("  (its path says what is a parameter)".to_owned());
        }
        said.insert(0, format!("+ [[endpoint]] {}", in_words(section)));
    } else if !said.is_empty() {
        said.insert(0, format!("  [[endpoint]] {}", in_words(section)));
    }
    Ok(Done {
        text: document.to_string(),
        said,
    })
}

/// Adds a path of which the names stay names.
///
/// # Errors
///
/// When the file has another form.
pub(crate) fn keep(text: &str, host: &str, path: &str) -> Result<Done, EditError> {
    let mut document = document(text)?;
    let all = sections(&mut document, "keep")?;
    let there = all.iter().any(|table| {
        text_of(table, "host").is_some_and(|own| own.eq_ignore_ascii_case(host))
            && text_of(table, "path") == Some(path)
    });
    let mut said = Vec::new();
    if !there {
        let mut table = Table::new();
        table.insert("host", value(host));
        table.insert("path", value(path));
        all.push(table);
        said.push(format!("+ [[keep]] {host}{path}"));
    }
    Ok(Done {
        text: document.to_string(),
        said,
    })
}

fn in_words(section: &Section) -> String {
    let mut text = String::new();
    if let Some(method) = &section.method {
        let _ = write!(text, "{method} ");
    }
    let _ = write!(text, "{}{}", section.host, section.path);
    text
}

fn shown(item: &Item) -> String {
    item.to_string().trim().to_owned()
}

/// Sets a key; what stands beside the old value, such as a comment, stays.
fn put(table: &mut Table, key: &str, new: Item, said: &mut Vec<String>) {
    let bare = |item: &Item| match item.as_value() {
        Some(value) => value.clone().decorated("", "").to_string(),
        None => shown(item),
    };
    let wanted = bare(&new);
    match table.get_mut(key) {
        Some(old) if bare(old) == wanted => {}
        Some(old) => {
            said.push(format!("- {key} = {}", bare(old)));
            said.push(format!("+ {key} = {wanted}"));
            match (old.as_value().map(Value::decor).cloned(), new) {
                (Some(decor), Item::Value(mut value)) => {
                    *value.decor_mut() = decor;
                    *old = Item::Value(value);
                }
                (_, new) => *old = new,
            }
        }
        None => {
            said.push(format!("+ {key} = {wanted}"));
            table.insert(key, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(method: Option<&str>) -> Section {
        Section {
            host: "api.example.com".into(),
            method: method.map(str::to_owned),
            path: "/users/{name}".into(),
        }
    }

    fn owner(name: &str) -> Change {
        Change {
            owner: Some(name.into()),
            ..Change::default()
        }
    }

    const FILE: &str = "# Ours.\n\n[[keep]]  # never\nhost = \"api.example.com\"\npath = \"/users/admin\"\n\n\
                        # People.\n[[endpoint]]\npath = \"/users/{name}\"   # a parameter\nhost = \"API.example.com\"\n\
                        owner = \"team-a\"  # since May\ntier = \"internal\"\n\n[[endpoint]]\nhost = \"*\"\n\
                        path = \"/healthz\"\n# the end\n";

    #[test]
    fn comments_and_order_stay() {
        let done = set(FILE, &section(None), &owner("team-b")).unwrap();
        assert_eq!(done.text, FILE.replace("\"team-a\"", "\"team-b\""));
        assert_eq!(
            done.said,
            [
                "  [[endpoint]] api.example.com/users/{name}",
                "- owner = \"team-a\"",
                "+ owner = \"team-b\""
            ]
        );
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let done = set(FILE, &section(None), &owner("team-a")).unwrap();
        assert_eq!((done.text.as_str(), done.said.len()), (FILE, 0));
        let done = keep(FILE, "api.example.com", "/users/admin").unwrap();
        assert_eq!((done.text.as_str(), done.said.len()), (FILE, 0));
    }

    #[test]
    fn a_section_of_its_own_is_added_at_the_end() {
        let change = Change {
            accept: vec!["missing_auth".into()],
            reason: Some("behind \"mTLS\"".into()),
            until: Some("2027-06-30".into()),
            ..Change::default()
        };
        let done = set(FILE, &section(Some("GET")), &change).unwrap();
        let added = "\n[[endpoint]]\nhost = \"api.example.com\"\nmethod = \"GET\"\npath = \"/users/{name}\"\n\
                     reason = 'behind \"mTLS\"'\naccept = [\"missing_auth\"]\nuntil = 2027-06-30\n";
        assert!(done.text.contains(added), "{}", done.text);
        // Once more, and another kind.
        let more = Change {
            accept: vec!["missing_auth".into(), "weak_auth".into()],
            ..Change::default()
        };
        let again = set(&done.text, &section(Some("GET")), &more).unwrap();
        assert!(
            again.text.contains("accept = [\"missing_auth\", \"weak_auth\"]"),
            "{}",
            again.text
        );
        let less = Change {
            unset: vec!["accept".into(), "until".into()],
            ..Change::default()
        };
        let less = set(&again.text, &section(Some("GET")), &less).unwrap();
        assert!(
            !less.text.contains("accept") && !less.text.contains("until"),
            "{}",
            less.text
        );
    }

    #[test]
    fn an_empty_file_is_begun() {
        let done = set("", &section(None), &owner("team-a")).unwrap();
        assert_eq!(
            done.text.trim_start(),
            "[[endpoint]]\nhost = \"api.example.com\"\npath = \"/users/{name}\"\nowner = \"team-a\"\n"
        );
        let done = keep("", "api.example.com", "/users/admin").unwrap();
        assert_eq!(
            done.text.trim_start(),
            "[[keep]]\nhost = \"api.example.com\"\npath = \"/users/admin\"\n"
        );
    }

    #[test]
    fn a_file_of_another_form_is_left_alone() {
        assert!(matches!(
            set("endpoint = 1\n", &section(None), &owner("a")),
            Err(EditError::NoSections { name: "endpoint" })
        ));
        assert!(matches!(
            set("[[endpoint]\n", &section(None), &owner("a")),
            Err(EditError::NotToml { .. })
        ));
        for text in ["soon", "2027-02-31", "10:00:00"] {
            let change = Change {
                until: Some(text.into()),
                ..Change::default()
            };
            assert!(
                matches!(set("", &section(None), &change), Err(EditError::NoDate { .. })),
                "{text}"
            );
        }
    }
}
