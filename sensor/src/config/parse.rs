//! Reads a configuration file and finds every mistake in it at once, each with its place.

use std::fmt;
use std::path::Path;

use analyzers::nearest;
use toml::de::{DeTable, DeValue};

use super::keys::{Config, KEYS, KafkaSection, SECTIONS};
use super::value::{Secret, Wrong};
use crate::source::live;

/// A mistake and where it is; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    line: usize,
    column: usize,
    what: String,
}

/// Everything that is wrong with a configuration file.
#[derive(Debug)]
pub(crate) struct Mistakes {
    file: String,
    found: Vec<Mistake>,
    /// The file could not be read at all.
    unreadable: Option<String>,
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cause) = &self.unreadable {
            return write!(f, "cannot read the configuration {}: {cause}", self.file);
        }
        let count = self.found.len();
        write!(
            f,
            "{count} mistake{} in {}",
            if count == 1 { "" } else { "s" },
            self.file
        )?;
        let places: Vec<String> = self
            .found
            .iter()
            .map(|m| format!("{}:{}", m.line, m.column))
            .collect();
        let width = places.iter().map(String::len).max().unwrap_or(0);
        for (mistake, place) in self.found.iter().zip(&places) {
            write!(f, "\n  {place:width$}  {}", mistake.what)?;
        }
        Ok(())
    }
}

/// Reads `path`.
///
/// # Errors
///
/// Every mistake in it.
pub(crate) fn load(path: &Path) -> Result<Config, Mistakes> {
    read(path, false)
}

/// Reads `path`, and looks at the files it names.
///
/// # Errors
///
/// Every mistake in it.
pub(crate) fn check(path: &Path) -> Result<Config, Mistakes> {
    read(path, true)
}

fn read(path: &Path, files: bool) -> Result<Config, Mistakes> {
    let file = path.display().to_string();
    let unreadable = |cause: String| Mistakes {
        file: file.clone(),
        found: Vec::new(),
        unreadable: Some(cause),
    };
    let bytes = crate::regular::read(path).map_err(|e| unreadable(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        unreadable(format!(
            "it is not UTF-8 at byte {}",
            e.utf8_error().valid_up_to()
        ))
    })?;
    parse(&text, files).map_err(|found| Mistakes {
        file,
        found,
        unreadable: None,
    })
}

/// Reads the text of a configuration; with `files`, what is wrong with the files it names is a mistake too.
fn parse(text: &str, files: bool) -> Result<Config, Vec<Mistake>> {
    let mut config = Config::default();
    let mut found: Vec<(usize, String)> = Vec::new();
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |s| s.start);
        found.push((
            at,
            format!("is not TOML here: {}", error.message().trim().replace('\n', ", ")),
        ));
    }
    for (name, value) in root.get_ref() {
        let section = name.get_ref().as_ref();
        let at = name.span().start;
        if !SECTIONS.iter().any(|s| s.name == section) {
            found.push((at, unknown(section, None)));
            continue;
        }
        let DeValue::Table(table) = value.get_ref() else {
            found.push((
                at,
                format!("`{section}` is a section; write [{section}] and its keys below"),
            ));
            continue;
        };
        let sound = found.len();
        for (name, value) in table {
            let key = name.get_ref().as_ref();
            match KEYS.iter().find(|k| k.section == section && k.name == key) {
                None => found.push((name.span().start, unknown(key, Some(section)))),
                Some(known) => {
                    if let Err(wrong) = (known.set)(&mut config, value) {
                        let what = |w: Wrong| (w.at, format!("{section}.{key} {}", w.what));
                        found.extend(wrong.into_iter().map(what));
                    } else if files && let Some(cause) = unreadable_file(section, key, value.get_ref()) {
                        found.push((value.span().start, format!("{section}.{key} {cause}")));
                    } else if files
                        && (section, key) == ("capture", "filter")
                        && let Some(cause) = live::wrong_in_filter(&config.capture.filter)
                    {
                        found.push((value.span().start, format!("{section}.{key} {cause}")));
                    }
                }
            }
        }
        let key_place = |key: &str| {
            table
                .iter()
                .find(|(name, _)| name.get_ref().as_ref() == key)
                .map_or(at, |(name, _)| name.span().start)
        };
        let sound = found.len() == sound;
        found.extend(check_together(section, &config, key_place));
        // A protocol that is no protocol says nothing of the login.
        if section == "kafka" && sound {
            found.extend(check_login(&config.kafka, key_place));
        }
    }
    if found.is_empty() {
        return Ok(config);
    }
    let mut mistakes: Vec<Mistake> = found
        .into_iter()
        .map(|(at, what)| {
            let (line, column) = place(text, at);
            Mistake { line, column, what }
        })
        .collect();
    mistakes.sort();
    mistakes.dedup();
    Err(mistakes)
}

/// Whether there is a section of this name.
pub(crate) fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|section| section.name == name)
}

/// Sets one key from `section.key=value`, with the value as in the file; quotes may be left out.
///
/// # Errors
///
/// What is wrong with it, and what would be right.
pub(crate) fn set(config: &mut Config, assignment: &str) -> Result<(), String> {
    let Some((name, value)) = assignment.split_once('=') else {
        return Err("write KEY=VALUE, e.g. detection.sequence_bits=40".to_owned());
    };
    let (name, value) = (name.trim(), value.trim());
    let full = |key: &super::keys::Key| format!("{}.{}", key.section, key.name);
    let Some(known) = KEYS.iter().find(|key| full(key) == name) else {
        let all: Vec<String> = KEYS.iter().map(full).collect();
        let near = nearest(name, all.iter().map(String::as_str));
        let more = near.map_or_else(
            || "`tapline config default` lists all".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(format!("there is no key `{name}`; {more}"));
    };
    let mut said = String::new();
    for text in [format!("v = {value}"), format!("v = {}", super::quoted(value))] {
        let (root, errors) = DeTable::parse_recoverable(&text);
        let Some((_, value)) = root.get_ref().iter().next().filter(|_| errors.is_empty()) else {
            continue;
        };
        match (known.set)(config, value) {
            Ok(()) => return Ok(()),
            // The first one reads it as it stands.
            Err(wrong) if said.is_empty() => {
                let what: Vec<String> = wrong.into_iter().map(|w| w.what).collect();
                said = format!("{name} {}", what.join(", "));
            }
            Err(_) => {}
        }
    }
    Err(said)
}

/// Why the file that a key names cannot be read.
fn unreadable_file(section: &str, key: &str, value: &DeValue<'_>) -> Option<String> {
    let names_a_file = matches!(
        (section, key),
        ("privacy", "hash_key_file")
            | (
                "kafka",
                "tls_ca" | "tls_certificate" | "tls_key" | "sasl_password_file" | "oauth_token_file"
            )
    );
    let DeValue::String(file) = value else { return None };
    if !names_a_file || file.is_empty() {
        return None;
    }
    let error = crate::regular::read(Path::new(file.as_ref())).err()?;
    Some(format!("names {file}, which cannot be read: {error}"))
}

/// What is wrong only because of two keys together. `place` tells where a key stands, else its section.
fn check_together(section: &str, config: &Config, place: impl Fn(&str) -> usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut twice = |key: &str, value: &Secret, file: &Path| {
        if !value.is_empty() && !file.as_os_str().is_empty() {
            let what = format!("{section}.{key} and {section}.{key}_file are both set; keep one");
            found.push((place(&format!("{key}_file")), what));
        }
    };
    let (memory, flows, queue) = (
        config.limits.memory.0,
        config.limits.flow_memory.0,
        config.kafka.queue_bytes.0,
    );
    match section {
        "limits" if config.limits.history.0.saturating_add(config.limits.fragments.0) > memory / 4 => {
            let what = format!(
                "limits.history and limits.fragments may be a quarter of limits.memory ({} MiB) together at most; lower them, or raise \
                 limits.memory",
                (memory / 4) >> 20
            );
            found.push((place("history"), what));
        }
        "limits" if flows > config.division().flows as u64 => {
            let what = format!(
                "limits.flow_memory may be {} MiB at most with this limits.memory, half of what is divided; lower it, or raise limits.memory",
                config.division().flows >> 20
            );
            found.push((place("flow_memory"), what));
        }
        "limits" | "kafka" if queue > memory / 4 => {
            let what = format!(
                "kafka.queue_bytes may be a quarter of limits.memory ({} MiB) at most; lower it, or raise limits.memory",
                (memory / 4) >> 20
            );
            found.push((place("queue_bytes"), what));
        }
        "privacy" => twice(
            "hash_key",
            &config.privacy.hash_key,
            &config.privacy.hash_key_file,
        ),
        "kafka" => twice(
            "sasl_password",
            &config.kafka.sasl_password,
            &config.kafka.sasl_password_file,
        ),
        _ => {}
    }
    found
}

/// Whether a login is complete, and used. What librdkafka is told directly is left to it.
fn check_login(kafka: &KafkaSection, place: impl Fn(&str) -> usize) -> Option<(usize, String)> {
    let direct = |name: &str| kafka.options.iter().any(|(option, _)| option == name);
    if direct("security.protocol") {
        return None;
    }
    let protocol = &kafka.security_protocol;
    let given = [
        ("sasl_mechanism", !kafka.sasl_mechanism.is_empty()),
        ("sasl_username", !kafka.sasl_username.is_empty()),
        ("sasl_password", !kafka.sasl_password.is_empty()),
        (
            "sasl_password_file",
            !kafka.sasl_password_file.as_os_str().is_empty(),
        ),
        ("oauth_token_file", !kafka.oauth_token_file.as_os_str().is_empty()),
    ];
    if protocol.starts_with("sasl") {
        let chosen =
            !kafka.sasl_mechanism.is_empty() || direct("sasl.mechanism") || direct("sasl.mechanisms");
        let what = format!(
            "kafka.security_protocol is \"{protocol}\", which takes a kafka.sasl_mechanism: \"PLAIN\", \
             \"SCRAM-SHA-256\", \"SCRAM-SHA-512\" or \"OAUTHBEARER\""
        );
        if !chosen {
            return Some((place("security_protocol"), what));
        }
        let by_token = kafka.sasl_mechanism == "OAUTHBEARER";
        let has_file = !kafka.oauth_token_file.as_os_str().is_empty();
        if by_token && !has_file && !direct("enable.sasl.oauthbearer.unsecure.jwt") {
            let what =
                "kafka.sasl_mechanism is \"OAUTHBEARER\", which takes a kafka.oauth_token_file".to_owned();
            return Some((place("sasl_mechanism"), what));
        }
        if has_file && !by_token && !kafka.sasl_mechanism.is_empty() {
            let what = format!(
                "kafka.oauth_token_file is not used while kafka.sasl_mechanism is \"{}\"; write \"OAUTHBEARER\" there",
                kafka.sasl_mechanism
            );
            return Some((place("oauth_token_file"), what));
        }
        let password = given
            .iter()
            .find(|(key, set)| *set && key.starts_with("sasl_password"));
        return password.filter(|_| by_token).map(|(key, _)| {
            let what = format!(
                "kafka.{key} is not used while kafka.sasl_mechanism is \"OAUTHBEARER\"; leave it out"
            );
            (place(key), what)
        });
    }
    let unused = |key: &str, mend: &str| {
        let what = format!("kafka.{key} is not used while kafka.security_protocol is \"{protocol}\"; {mend}");
        Some((place(key), what))
    };
    if let Some((key, _)) = given.into_iter().find(|(_, set)| *set) {
        return unused(key, "write \"sasl_ssl\" there to log in");
    }
    let files = [
        ("tls_ca", &kafka.tls_ca),
        ("tls_certificate", &kafka.tls_certificate),
        ("tls_key", &kafka.tls_key),
    ];
    let (key, _) = files
        .into_iter()
        .find(|(_, file)| !protocol.ends_with("ssl") && !file.as_os_str().is_empty())?;
    unused(key, "write \"ssl\" there to encrypt, or leave it out")
}

fn unknown(name: &str, section: Option<&str>) -> String {
    let full = section.map_or_else(|| name.to_owned(), |s| format!("{s}.{name}"));
    let what = if section.is_some() {
        "key"
    } else {
        "section or key"
    };
    // A key written into the wrong section is more likely than one misspelt beyond recognition.
    let everywhere = KEYS
        .iter()
        .map(|k| format!("{}.{}", k.section, k.name))
        .collect::<Vec<_>>();
    let here: Vec<&str> = match section {
        Some(s) => KEYS.iter().filter(|k| k.section == s).map(|k| k.name).collect(),
        None => SECTIONS.iter().map(|s| s.name).collect(),
    };
    let suggestion = nearest(name, here.iter().copied())
        .map(|n| section.map_or_else(|| n.to_owned(), |s| format!("{s}.{n}")))
        .or_else(|| {
            KEYS.iter()
                .find(|k| k.name == name)
                .map(|k| format!("{}.{}", k.section, k.name))
        })
        .or_else(|| nearest(&full, everywhere.iter().map(String::as_str)).map(str::to_owned));
    match suggestion {
        Some(near) => format!("unknown {what} `{full}`; did you mean `{near}`?"),
        None => format!("unknown {what} `{full}`; `tapline config default` lists all"),
    }
}

/// Line and column of a byte, from 1; columns count characters.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::{Mistakes, parse};

    /// The message for a file with this text.
    fn message(text: &str) -> String {
        match parse(text, false) {
            Ok(_) => "no mistakes".into(),
            Err(found) => Mistakes {
                file: "tapline.toml".into(),
                found,
                unreadable: None,
            }
            .to_string(),
        }
    }

    #[test]
    fn memory_is_divided_and_no_more_than_it() {
        for text in [
            "",
            "limits.memory = \"256MiB\"",
            "limits.memory = \"64GiB\"",
            "limits.memory = \"1GiB\"\nlimits.flow_memory = \"400MiB\"",
            "limits.memory = \"256MiB\"\nkafka.queue_bytes = \"64MiB\"",
        ] {
            let config = parse(text, false).unwrap_or_else(|_| panic!("{}", message(text)));
            let division = config.division();
            let learned = division.learned;
            let parts = [division.flows, learned.apis, learned.callers, learned.findings];
            assert!(parts.iter().all(|part| *part > 4 << 20), "{text}: {parts:?}");
            let all = parts.iter().sum::<usize>() as u64 + config.kafka.queue_bytes.0;
            assert!(all < config.limits.memory.0, "{text}: {all}");
        }
        assert!(message("[limits]\nflow_memory = \"2GiB\"").contains("may be 957 MiB at most"));
        assert!(message("[limits]\nhistory = \"1GiB\"").contains("quarter of limits.memory (512 MiB)"));
        let queue = "[kafka]\nqueue_bytes = \"200MiB\"\n[limits]\nmemory = \"512MiB\"";
        assert!(
            message(queue).contains("quarter of limits.memory (128 MiB)"),
            "{}",
            message(queue)
        );
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        insta::assert_snapshot!(message(
            r#"
colour = true
[capture]
interfce = "eth0"
snaplen = "all"
buffer = "2TB"
[limts]
flows = 1
[limits]
flows = 1
idle = "3 weeks"
gap_byte = 5
[privacy]
hash_key = "5ecre7-in-the-wrong-form"
reveal = ["qery"]
[token]
max_lifetime = 3600
[identity]
agent_claims = ["client_type"]
shared_egress = ["10.0.0.0/33", 7]
[kafka]
brokers = "kafka-1"
security_protocol = "SSL"
sasl_password = "a"
sasl_password_file = "b"
store = "x"
[kafka.options]
linger.ms = 5
acks = [1]
[log]
format = true
"#
        ));
    }

    #[test]
    fn what_is_not_toml_is_told_too() {
        insta::assert_snapshot!(message(
            "[capture\ninterface = eth0\n[limits]\nflows = 1\nflows = 2\n"
        ));
    }

    #[test]
    fn a_login_that_cannot_work_is_told_with_its_place() {
        insta::assert_snapshot!(message(
            "[kafka]\nbrokers = \"a:1\"\nsecurity_protocol = \"sasl_ssl\"\n"
        ));
        insta::assert_snapshot!(message("[kafka]\nbrokers = \"a:1\"\nsasl_password = \"b\"\n"));
        let login = "[kafka]\nsecurity_protocol = \"sasl_ssl\"\nsasl_mechanism =";
        insta::assert_snapshot!(message(&format!("{login} \"OAUTHBEARER\"\n")));
        insta::assert_snapshot!(message(&format!(
            "{login} \"PLAIN\"\noauth_token_file = \"/dev/null\"\n"
        )));
        assert!(
            message("[kafka]\nbrokers = \"a:1\"\ntls_ca = \"/ca.pem\"\n")
                .contains("kafka.tls_ca is not used while")
        );
        for direct in ["sasl.mechanism = \"OAUTHBEARER\"", "security.protocol = \"ssl\""] {
            let text = format!("[kafka]\nsecurity_protocol = \"sasl_ssl\"\n[kafka.options]\n{direct}\n");
            assert!(parse(&text, false).is_ok(), "{direct}");
        }
        let by_file = format!("{login} \"OAUTHBEARER\"\noauth_token_file = \"/does/not/exist\"\n");
        let Err(found) = parse(&by_file, true) else {
            panic!("there is no such file");
        };
        assert!(
            found[0]
                .what
                .contains("names /does/not/exist, which cannot be read"),
            "{found:?}"
        );
    }

    #[test]
    fn no_message_shows_a_secret() {
        let secret = "canary-5ecre7";
        for key in ["privacy.hash_key", "kafka.sasl_password", "privacy.hash_key_file"] {
            let (section, key) = key.split_once('.').unwrap();
            for value in [
                format!("\"{secret}\""),
                format!("[\"{secret}\"]"),
                format!("\"{secret}"),
            ] {
                let said = message(&format!("[{section}]\n{key} = {value}\n"));
                assert!(!said.contains(secret), "{said}");
            }
        }
    }

    #[test]
    fn mistakes_in_environments_have_their_place() {
        insta::assert_snapshot!(message(
            r#"
[[inventory.environments]]
name = "production"
host = ["*.example.com", "https://x"]
[[inventory.environments]]
nam = "staging"
vlan = [30, 5000]
cidr = "10.0.0.0/40"
[[inventory.environments]]
name = "all"
[inventory]
spec = ["x"]
specs = [""]
"#
        ));
        insta::assert_snapshot!(message("[inventory]\nenvironments = [1]\noverrides = [\"a\"]\n"));
    }

    #[test]
    fn environments_are_read_and_shown() {
        let text = "[inventory]\nspecs = [\"a.yaml\", \"h=b.yaml\"]\n[[inventory.environments]]\nname = \"staging\"\n\
                    vlan = 30\nvni = [1, 2]\nhost = \"*.stage.example\"\n[[inventory.environments]]\nname = \"production\"\n\
                    cidr = [\"10.0.0.0/8\"]\ninterface = \"eth0\"\n";
        let config = parse(text, false).unwrap_or_else(|_| panic!("no mistakes"));
        let key = super::KEYS.iter().find(|k| k.name == "environments").unwrap();
        let shown = (key.show)(&config);
        assert_eq!(
            shown,
            "[{ name = \"staging\", vlan = [30], vni = [1, 2], host = [\"*.stage.example\"] }, \
             { name = \"production\", interface = [\"eth0\"], cidr = [\"10.0.0.0/8\"] }]"
        );
        let again = parse(&format!("[inventory]\nenvironments = {shown}\n"), false);
        let again = again.unwrap_or_else(|_| panic!("no mistakes"));
        assert_eq!(again.inventory.environments, config.inventory.environments);
    }

    #[test]
    fn an_interface_is_a_name_and_several_are_a_list() {
        let key = super::KEYS.iter().find(|k| k.name == "interface").unwrap();
        for (written, names, shown) in [
            ("\"\"", &[][..], "\"\""),
            ("[]", &[], "\"\""),
            ("\"eth1\"", &["eth1"], "\"eth1\""),
            ("[\"eth1\"]", &["eth1"], "\"eth1\""),
            ("[\"eth2\", \"eth1\"]", &["eth2", "eth1"], "[\"eth2\", \"eth1\"]"),
        ] {
            let config = parse(&format!("[capture]\ninterface = {written}\n"), false);
            let config = config.unwrap_or_else(|_| panic!("{written}"));
            assert_eq!(config.capture.interface.0, names);
            assert_eq!((key.show)(&config), shown);
        }
        for (written, wanted) in [
            ("[\"a\", \"b\", \"a\"]", "the interface a is named twice"),
            ("[\"any\", \"b\"]", "`any` is all interfaces"),
            ("[\"a\", \"\"]", "an empty name"),
            ("[\"a\", 7]", "a list of texts"),
            ("7", "a text, or a list of texts"),
            ("\"eth0,eth1\"", "several are a list"),
        ] {
            let said = message(&format!("[capture]\ninterface = {written}\n"));
            assert!(
                said.contains("capture.interface") && said.contains(wanted),
                "{said}"
            );
        }
    }

    #[test]
    fn good_values_are_taken() {
        let config = parse(
            "[limits]\nflows = 1_000\nidle = \"2m\"\nbody_capture = 0\nhead = \"1 MiB\"\n\
             [kafka]\nbrokers = \"a:1, b:2\"\n[kafka.options]\nlinger.ms = 5\n\"ssl.key.password\" = \"x\"\n\
             [identity]\nshared_egress = [\"10.0.0.0/8\", \"2001:db8::1\"]\n",
            false,
        )
        .unwrap_or_else(|_| panic!("no mistakes"));
        assert_eq!(config.limits.flows, 1000);
        assert_eq!(config.limits.idle.as_secs(), 120);
        assert_eq!(config.limits.head.0, 1 << 20);
        let options: Vec<_> = config
            .kafka
            .options
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(options, ["linger.ms=5", "ssl.key.password=x"]);
        assert_eq!(config.identity.shared_egress.len(), 2);
    }
}
