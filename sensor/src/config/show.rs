//! The configuration in writing: a file with every key, what is in force, and the page of the manual.

use std::fmt::Write as _;

use super::keys::{Config, KEYS, Key, SECTIONS};

/// A file with every key, commented out, its meaning above it.
pub(crate) fn default_file() -> String {
    let mut out = String::from(
        "# Configuration of tapline. Every key is here with its default; take away the # to set one.\n\
         # Check with: tapline config check FILE\n",
    );
    let defaults = Config::default();
    for section in SECTIONS {
        let _ = write!(out, "\n");
        for line in section.doc {
            let _ = writeln!(out, "#{line}");
        }
        let _ = writeln!(out, "[{}]", section.name);
        for key in KEYS.iter().filter(|k| k.section == section.name) {
            for line in key.doc {
                let _ = writeln!(out, "# {}", line.trim());
            }
            let rule = (key.rule)();
            if !rule.is_empty() {
                let _ = writeln!(out, "# ({})", rule.replace('`', ""));
            }
            let _ = writeln!(out, "#{} = {}", key.name, (key.show)(&defaults));
        }
    }
    out
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

fn joined(doc: &[&str]) -> String {
    doc.iter().map(|l| l.trim()).collect::<Vec<_>>().join("\n")
}
