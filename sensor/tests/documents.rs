//! The documents speak of files, make targets and options that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod support;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// README and every page in `docs/`.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec![
        ("README.md".to_owned(), read("README.md")),
        ("ARCHITECTURE.md".to_owned(), read("ARCHITECTURE.md")),
    ];
    for entry in fs::read_dir(root().join("docs")).expect("docs/") {
        let name = format!("docs/{}", entry.expect("an entry").file_name().to_string_lossy());
        if name.ends_with(".md") {
            pages.push((name.clone(), read(&name)));
        }
    }
    pages.sort();
    pages
}

/// What stands between backquotes on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The targets of links, without anchors and addresses of the web.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.is_empty() && !target.contains("://")).then_some(target)
    })
}

/// Commands that begin with `program`, in code blocks and between backquotes, with continued lines joined.
fn commands(text: &str, program: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut in_block = false;
    for line in joined.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.push(line.to_owned());
        } else {
            found.extend(quoted(line).map(str::to_owned));
        }
    }
    found
        .iter()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip_while(|w| *w == "sudo" || *w == "|");
            (words.next() == Some(program)).then(|| words.collect::<Vec<_>>().join(" "))
        })
        .collect()
}

#[test]
fn every_path_of_the_architecture_exists() {
    let text = read("ARCHITECTURE.md");
    let paths: BTreeSet<&str> = quoted(&text)
        .filter(|q| q.contains('/') && !q.contains(|c: char| c.is_whitespace() || c == ':'))
        .collect();
    assert!(paths.len() >= 20, "the map names few paths: {paths:?}");
    let missing: Vec<_> = paths.iter().filter(|p| !root().join(p).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names {missing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    for (name, text) in pages() {
        let folder = root().join(&name).parent().expect("a folder").to_owned();
        for link in links(&text) {
            assert!(folder.join(link).exists(), "{name} links to {link}");
        }
    }
}

#[test]
fn every_make_target_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', ' ', '.', '#']))
        .filter_map(|line| line.split_once(':').map(|(name, _)| name.trim()))
        .collect();
    let mut seen = 0;
    for (name, text) in pages() {
        for command in commands(&text, "make") {
            for target in command.split_whitespace() {
                assert!(targets.contains(target), "{name}: there is no `make {target}`");
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "README tells of no make target");
}

#[test]
fn every_option_of_tapline_is_in_its_help() {
    let mut seen = 0;
    for (name, text) in pages() {
        for command in commands(&text, "tapline") {
            let words: Vec<&str> = command.split_whitespace().collect();
            // The summary begins with name and version, and a message with `tapline:`.
            let Some(subcommand) = words.first().filter(|w| w.starts_with(char::is_alphabetic)) else {
                continue;
            };
            let mut help = support::tapline(&[*subcommand, "--help"]);
            assert!(help.status.success(), "{name}: tapline has no `{subcommand}`");
            let below = words.get(1).filter(|word| word.starts_with(char::is_alphabetic));
            if let (true, Some(below)) = (["config", "agents", "audit", "store"].contains(subcommand), below)
            {
                help = support::tapline(&[*subcommand, *below, "--help"]);
                assert!(help.status.success(), "{name}: no `tapline {command}`");
            }
            let help = String::from_utf8(help.stdout).expect("text");
            let known: BTreeSet<&str> = help
                .split(|c: char| c.is_whitespace() || c == ',')
                .filter(|w| w.starts_with('-'))
                .collect();
            // What is in single quotes is a filter; a `-` alone is a stream.
            for word in words.iter().filter(|w| w.starts_with('-') && **w != "-") {
                let option = word.split('=').next().unwrap_or(word);
                assert!(
                    known.contains(option),
                    "{name}: `tapline {subcommand}` has no option {option}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 10, "the pages show few options: {seen}");
}

#[test]
fn every_option_named_by_itself_is_some_command_s() {
    let mut known = BTreeSet::new();
    for command in [
        "replay",
        "capture",
        "inventory",
        "show",
        "explain",
        "findings",
        "suppress",
        "tune",
        "agents",
        "agents graph",
        "access-review",
        "diff",
        "check",
        "accept",
        "override",
        "export",
        "intent generate",
        "intent check",
        "intent sign",
        "doctor",
        "audit verify",
        "audit show",
        "store check",
        "store backup",
        "store compact",
        "store export",
        "schema",
        "config",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = support::tapline(&words);
        let help = String::from_utf8(help.stdout).expect("text");
        known.extend(
            help.split(|c: char| c.is_whitespace() || c == ',')
                .filter(|w| w.starts_with("--"))
                .map(str::to_owned),
        );
    }
    let mut seen = 0;
    for (name, text) in pages() {
        for option in quoted(&text).filter(|q| q.starts_with("--")) {
            let option = option.split_whitespace().next().unwrap_or(option);
            assert!(
                known.contains(option),
                "{name}: no command has an option {option}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 5, "the pages name few options: {seen}");
}

#[test]
fn every_kind_of_finding_is_on_its_page_as_the_catalogue_has_it() {
    // Long lines are wrapped in the page.
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = read("docs/findings.md");
    for entry in &analyzers::finding::CATALOGUE {
        let heading = format!("## `{}`\n", entry.name);
        let (_, section) = page
            .split_once(&heading)
            .unwrap_or_else(|| panic!("no page of {}", entry.name));
        let section = flat(section.split("\n## ").next().unwrap_or(""));
        let said = [entry.title, entry.impact, entry.playbook];
        for text in said.iter().chain(entry.steps) {
            assert!(section.contains(&flat(text)), "{}: {text}", entry.name);
        }
    }
}

/// Holds a text against the block of the README that begins like it: the block's lines are in it, in order, some left out
/// where it has dots.
fn shown_in_the_readme(begins: &str, printed: &str) {
    let readme = read("README.md");
    let shown = readme
        .split("```\n")
        .find(|block| block.starts_with(begins))
        .unwrap_or_else(|| panic!("no block begins with {begins}"));
    let (mut left, mut left_out) = (printed.lines(), false);
    for line in shown.lines() {
        if line.trim() == "…" {
            left_out = true;
            continue;
        }
        let found = if left_out && !line.is_empty() {
            left.any(|l| l == line)
        } else {
            left.next() == Some(line) || (left_out && line.is_empty())
        };
        assert!(found, "not in what it prints, or not there: {line}");
        left_out = left_out && line.is_empty();
    }
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(arguments)
        .current_dir(root())
        .env_remove("COLUMNS")
        .output()
        .expect("the binary runs");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_readme_shows_what_the_demo_prints() {
    shown_in_the_readme("tapline 0", &printed(&["replay", "testdata/demo.pcap"]));
}

#[test]
fn the_readme_shows_what_changed() {
    let store = support::folder("documents-readme").display().to_string();
    printed(&[
        "replay",
        "testdata/demo.pcap",
        "--config",
        "testdata/demo.toml",
        "--store",
        &store,
    ]);
    shown_in_the_readme(
        "What changed",
        &printed(&["diff", "--store", &store, "--since", "today"]),
    );
}
