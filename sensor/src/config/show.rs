//! The configuration in writing: a file with every key, what is in force, and the page of the manual.

use std::fmt::Write as _;

#[cfg(test)]
use super::keys::Key;
use super::keys::{Config, KEYS, SECTIONS};

/// A file with every key, commented out, its meaning above it.
pub(crate) fn default_file() -> String {
    let mut out = String::from(
        "# Configuration of tapline. Every key is here with its default; take away the # to set one.\n\
         # Check with: tapline config check FILE\n",
    );
    let defaults = Config::default();
    for section in SECTIONS {
        out.push('\n');
        for line in section.doc {
            let _ = writeln!(out, "#{line}");
        }
        let _ = writeln!(out, "[{}]", section.name);
        for key in KEYS.iter().filter(|k| k.section == section.name) {
            for line in key.doc {
                let _ = writeln!(out, "# {}", line.trim());
            }
            let rule = (key.rule)().replace('`', "");
            let comma = if rule.is_empty() { "" } else { ", " };
            let _ = writeln!(out, "# ({}{comma}{rule})", key.type_name);
            let _ = writeln!(out, "#{} = {}", key.name, (key.show)(&defaults));
        }
    }
    out
}

/// Keys that differ from their defaults, by section and name, as TOML with secrets masked.
pub(crate) fn differing(config: &Config) -> std::collections::BTreeMap<String, String> {
    let defaults = Config::default();
    let shown = KEYS
        .iter()
        .map(|key| (key, (key.show)(config), (key.show)(&defaults)));
    shown
        .filter(|(_, value, default)| value != default)
        .map(|(key, value, _)| (format!("{}.{}", key.section, key.name), value))
        .collect()
}

/// What is in force, secrets masked; keys that differ from their default are marked.
pub(crate) fn in_force(config: &Config) -> String {
    let mut out = String::new();
    let defaults = Config::default();
    for (i, section) in SECTIONS.iter().enumerate() {
        let _ = writeln!(out, "{}[{}]", if i == 0 { "" } else { "\n" }, section.name);
        for key in KEYS.iter().filter(|k| k.section == section.name) {
            let (value, default) = ((key.show)(config), (key.show)(&defaults));
            let mark = if value == default {
                String::new()
            } else {
                format!("  # default: {default}")
            };
            let _ = writeln!(out, "{} = {value}{mark}", key.name);
        }
    }
    out
}

/// The page of the manual.
#[cfg(test)]
pub(crate) fn manual() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         The configuration is a TOML file, given as `--config FILE`. Every key has a default, so a file holds only what\n\
         differs. Options of the command line win over the file.\n\n\
         ```\n\
         tapline config default > tapline.toml    # every key with its meaning and default\n\
         tapline config check tapline.toml        # every mistake at once, with line and column\n\
         tapline config show tapline.toml         # what is in force; secrets are masked\n\
         ```\n\n\
         Sizes are whole numbers of bytes or texts such as `\"64MiB\"`; times are texts such as `\"250ms\"`, `\"90s\"`, `\"10m\"`,\n\
         `\"24h\"` or `\"7d\"`.\n",
    );
    let defaults = Config::default();
    for section in SECTIONS {
        let _ = write!(out, "\n## {}\n\n{}\n", section.name, joined(section.doc));
        for key in KEYS.iter().filter(|k| k.section == section.name) {
            let _ = write!(
                out,
                "\n### `{}.{}`\n\n{}\n\n{}\n",
                key.section,
                key.name,
                joined(key.doc),
                facts(key, &defaults)
            );
        }
    }
    out
}

#[cfg(test)]
fn facts(key: &Key, defaults: &Config) -> String {
    let rule = (key.rule)();
    let rule = if rule.is_empty() {
        String::new()
    } else {
        format!("; {rule}")
    };
    format!(
        "- type: {}{rule}\n- default: `{}`",
        key.type_name,
        (key.show)(defaults)
    )
}

#[cfg(test)]
fn joined(doc: &[&str]) -> String {
    doc.iter().map(|l| l.trim()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{default_file, in_force, manual};
    use crate::config::Config;

    /// With TAPLINE_WRITE_DOCS=1 in the environment, the page is written instead of compared.
    #[test]
    fn the_page_of_the_manual_is_in_step() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        if std::env::var_os("TAPLINE_WRITE_DOCS").is_some() {
            std::fs::create_dir_all(page.parent().unwrap()).unwrap();
            std::fs::write(&page, manual()).unwrap();
        }
        let found = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(
            found == manual(),
            "docs/configuration.md is out of step with sensor/src/config/keys.rs; write it anew with:\n\
             TAPLINE_WRITE_DOCS=1 cargo test -p tapline manual_is_in_step"
        );
    }

    #[test]
    fn the_default_file_means_the_defaults_also_without_its_comment_signs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tapline.toml");
        let uncommented: String = default_file()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if key.split_once(" = ").is_some_and(|(k, _)| !k.contains(' ')) => {
                    format!("{key}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        for text in [default_file(), uncommented] {
            std::fs::write(&path, &text).unwrap();
            let read = crate::config::load(&path).unwrap_or_else(|m| panic!("{m}\n{text}"));
            assert_eq!(read, Config::default());
        }
    }

    #[test]
    fn secrets_are_masked() {
        let mut config = Config::default();
        config.privacy.hash_key = "canary-5ecre7".into();
        config.kafka.sasl_password = "canary-5ecre7".into();
        config
            .kafka
            .options
            .insert("ssl.key.password".into(), "canary-5ecre7".into());
        let shown = in_force(&config);
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(shown.matches("(hidden)").count(), 3, "{shown}");
        assert!(!format!("{:?}", config.privacy).contains("canary"));
    }
}
