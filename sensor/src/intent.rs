//! Reads intent policies: files in which people say what agents are there for.
//!
//! They are configuration: a mistake in one stops the run, because half of what was meant is not what was meant.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use analyzers::intent::Policies;
use analyzers::spec::Problem;
use anyhow::{Context as _, bail};

use crate::config::Config;
use crate::message;

/// Bytes of a policy; what people review has a few thousand.
const LARGEST: u64 = 4 << 20;

/// The policies of a configuration and of the command line.
fn paths<'a>(config: &'a Config, more: &'a [PathBuf]) -> impl Iterator<Item = PathBuf> + use<'a> {
    let named = config.intent.policies.iter().map(PathBuf::from);
    named.chain(more.iter().cloned())
}

/// Every file that is read here, with what it is, for those who must not overwrite it.
pub(crate) fn files(config: &Config, more: &[PathBuf]) -> Vec<(&'static str, PathBuf)> {
    paths(config, more)
        .map(|path| ("the intent policy", path))
        .collect()
}

/// Reads the policies.
///
/// # Errors
///
/// A file that cannot be read; every mistake in one.
pub(crate) fn load(config: &Config, more: &[PathBuf]) -> anyhow::Result<Policies> {
    let mut policies = Policies::default();
    for path in paths(config, more) {
        add(&mut policies, &path)?;
    }
    Ok(policies)
}

/// Reads a policy and says what it holds.
fn add(policies: &mut Policies, path: &Path) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let text = read(path)?;
    let before = policies.counts();
    policies
        .add(&name, &text)
        .map_err(|mistakes| anyhow::anyhow!(told(&name, &mistakes)))?;
    let now = policies.counts();
    let [agents, goals, permits, budgets, forbids] = std::array::from_fn(|n| now[n] - before[n]);
    let mut parts = vec![
        many(agents, "agent"),
        many(goals, "goal"),
        many(permits, "permit"),
    ];
    parts.extend((budgets > 0).then(|| many(budgets, "budget")));
    parts.extend((forbids > 0).then(|| many(forbids, "prohibition")));
    message::info(&format!("{name}: {}", parts.join(", ")));
    Ok(())
}

/// The text of a policy.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read the intent policy {name}"))?;
    if bytes.len() as u64 > LARGEST {
        bail!("the intent policy {name} is larger than 4 MiB");
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("the intent policy {name} is not UTF-8 at byte {at}")
    })
}

/// What is wrong with a policy, in words.
pub(crate) fn told(name: &str, mistakes: &[Problem]) -> String {
    let mut said = format!("{} in {name}", many(mistakes.len(), "mistake"));
    let places: Vec<String> = mistakes
        .iter()
        .map(|m| format!("{}:{}", m.line, m.column))
        .collect();
    let width = places.iter().map(String::len).max().unwrap_or(0);
    for (mistake, place) in mistakes.iter().zip(&places) {
        said.push_str(&format!("\n  {place:width$}  {}", mistake.message));
    }
    said
}

/// `1 agent`, `2 agents`.
pub(crate) fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
