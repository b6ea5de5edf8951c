//! Reads intent policies: files in which people say what agents are there for.
//!
//! They are configuration: a mistake in one stops the run, because half of what was meant is not what was meant.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use analyzers::intent::Policies;
use analyzers::intent::signature::{self, PublicKey};
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

/// Reads the policies and says what they hold.
///
/// # Errors
///
/// A file that cannot be read; every mistake in one; one that is not signed as it must be.
pub(crate) fn load(config: &Config, more: &[PathBuf]) -> anyhow::Result<Policies> {
    let (policies, notes) = quietly(config, more)?;
    notes.iter().for_each(|note| message::info(note));
    Ok(policies)
}

/// Reads the policies; gives what they hold, in words.
///
/// # Errors
///
/// As above.
pub(crate) fn quietly(config: &Config, more: &[PathBuf]) -> anyhow::Result<(Policies, Vec<String>)> {
    let mut policies = Policies::default();
    let mut notes = Vec::new();
    let keys = trusted(config)?;
    for path in paths(config, more) {
        notes.push(add(&mut policies, &path, &keys)?);
    }
    Ok((policies, notes))
}

/// The keys that are trusted.
///
/// # Errors
///
/// One that cannot be read, or is none.
fn trusted(config: &Config) -> anyhow::Result<Vec<PublicKey>> {
    let mut keys = Vec::new();
    for text in &config.intent.trusted_keys {
        let path = Path::new(text);
        let read = match path.exists() {
            true => crate::regular::read_to_string(path)
                .with_context(|| format!("cannot read the public key {text} (intent.trusted_keys)"))?,
            false => text.clone(),
        };
        let key = PublicKey::read(&read).map_err(|wrong| {
            // What is no file may be anything, also a key that should not be there.
            let name = if path.exists() {
                text.as_str()
            } else {
                "an entry that is no file"
            };
            anyhow::anyhow!("{name} (intent.trusted_keys) cannot be used: {wrong}")
        })?;
        keys.push(key);
    }
    Ok(keys)
}

/// The file of the signature of a policy.
pub(crate) fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Whether a trusted key signed a policy; gives its short name.
///
/// # Errors
///
/// Why the policy is refused.
pub(crate) fn verified(path: &Path, text: &str, keys: &[PublicKey]) -> anyhow::Result<String> {
    let name = path.display();
    let beside = signature_of(path);
    let signature = match crate::regular::read_to_string(&beside) {
        Ok(signature) => signature,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
            "the intent policy {name} is refused: it is not signed, and intent.trusted_keys is set; \
             `tapline intent sign {name} --key KEY` writes {}",
            beside.display()
        ),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the signature {}", beside.display()));
        }
    };
    signature::verify(text, &signature, keys).map_err(|wrong| {
        anyhow::anyhow!(
            "the intent policy {name} is refused, for its signature {} does not count: {wrong}",
            beside.display()
        )
    })
}

/// Reads a policy; gives what it holds, in words.
fn add(policies: &mut Policies, path: &Path, keys: &[PublicKey]) -> anyhow::Result<String> {
    let name = path.display().to_string();
    let text = read(path)?;
    let signed = match keys {
        [] => String::new(),
        keys => format!(", signed by {}", verified(path, &text, keys)?),
    };
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
    Ok(format!("{name}: {}{signed}", parts.join(", ")))
}

/// The text of a policy.
///
/// # Errors
///
/// When it cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let mut bytes = Vec::new();
    crate::regular::open(path)
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
