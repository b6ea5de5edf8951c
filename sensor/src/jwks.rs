//! Reads the key sets of those who issue tokens (`token.jwks`).
//!
//! What is wrong with a key is told with its place, and the rest is used. A file that is no key set stops the run: who names one wants
//! tokens to be checked. Nothing of a key is ever told, for some files hold private ones.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use analyzers::keys::{KeySet, Keys};
use analyzers::spec::Problem;
use anyhow::{Context as _, bail};

use crate::config::Config;
use crate::message;

/// Bytes of a file; key sets have a few thousand.
const LARGEST: u64 = 1 << 20;

/// Problems of one file that are told.
const TOLD: usize = 20;

/// A key set as it is asked for: `[ISSUER=]FILE`.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    issuer: Option<&'a str>,
    path: &'a Path,
}

impl<'a> Named<'a> {
    /// What stands before the last sign of equality is the issuer, unless there is a file of the whole name.
    fn parse(text: &'a str) -> Self {
        match text.rsplit_once('=') {
            Some((issuer, path)) if !path.is_empty() && !Path::new(text).exists() => Self {
                issuer: Some(issuer.trim()).filter(|issuer| !issuer.is_empty()),
                path: Path::new(path.trim()),
            },
            _ => Self {
                issuer: None,
                path: Path::new(text),
            },
        }
    }
}

/// Every file that is read here, with what it is, for those who must not overwrite it.
pub(crate) fn files(config: &Config) -> impl Iterator<Item = (&'static str, PathBuf)> {
    let named = config.token.jwks.iter().map(|text| Named::parse(text));
    named.map(|file| ("the keys (token.jwks)", file.path.to_owned()))
}

/// Reads the files.
///
/// # Errors
///
/// A file that cannot be read or is no key set; an issuer of `token.jwks_complete` without a file.
pub(crate) fn load(config: &Config) -> anyhow::Result<Keys> {
    let mut keys = Keys::default();
    let mut issuers: Vec<String> = Vec::new();
    for text in &config.token.jwks {
        let file = Named::parse(text);
        let name = file.path.display().to_string();
        let (mut set, problems) = match KeySet::read(&read(file.path, &name)?, file.issuer) {
            Ok(read) => read,
            Err(problems) => bail!("{}", told(&name, &problems)),
        };
        for problem in problems.iter().take(TOLD) {
            message::warn(&format!("{name}:{problem}"));
        }
        let untold = problems.len().saturating_sub(TOLD);
        if untold > 0 {
            message::warn(&format!("{name}: {untold} more problems are not shown"));
        }
        let issuer = set.issuer().map(str::to_owned);
        let complete = |issuer: &String| config.token.jwks_complete.contains(issuer);
        if issuer.as_ref().is_some_and(complete) && !set.declare_complete() {
            message::warn(&format!(
                "{name} does not count as complete (token.jwks_complete), for something of it is left out"
            ));
        }
        let count = set.len();
        message::info(&format!(
            "{name}: {count} key{} {}",
            if count == 1 { "" } else { "s" },
            match &issuer {
                Some(issuer) => format!("of {issuer}"),
                None => "of no issuer that is named; write ISSUER=FILE to say whose they are".to_owned(),
            }
        ));
        issuers.extend(issuer);
        keys.add(set);
    }
    if let Some(unknown) = config
        .token
        .jwks_complete
        .iter()
        .find(|issuer| !issuers.contains(issuer))
    {
        bail!(
            "token.jwks_complete names {unknown}, and token.jwks has no file of that issuer; write {unknown}=FILE there"
        );
    }
    Ok(keys)
}

fn read(path: &Path, name: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let file =
        crate::regular::open(path).with_context(|| format!("cannot read the keys in {name} (token.jwks)"))?;
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read the keys in {name} (token.jwks)"))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{name} (token.jwks) is larger than 1 MiB; a key set is a few kilobytes");
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{name} (token.jwks) is not UTF-8 at byte {at}")
    })
}

fn told(name: &str, problems: &[Problem]) -> String {
    let mut said = format!("no key of {name} (token.jwks) can be used");
    for problem in problems.iter().take(TOLD) {
        said.push_str(&format!("\n  {problem}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_last_sign_of_equality_is_an_issuer() {
        for (text, issuer, path) in [
            ("keys.json", None, "keys.json"),
            (
                "https://auth.example/=keys.json",
                Some("https://auth.example/"),
                "keys.json",
            ),
            (
                "https://auth.example/?realm=a = k/x.json",
                Some("https://auth.example/?realm=a"),
                "k/x.json",
            ),
            ("=keys.json", None, "keys.json"),
            ("a=", None, "a="),
        ] {
            let want = Named {
                issuer,
                path: Path::new(path),
            };
            assert_eq!(Named::parse(text), want, "{text}");
        }
    }
}
