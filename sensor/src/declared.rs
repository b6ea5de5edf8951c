//! Files in which people declare their APIs: specifications, overrides, owners.
//!
//! A specification was written by somebody else, and often breaks its own rules: what is wrong is told, and the rest is
//! used. Overrides and owners are configuration: a mistake there stops the run, as one in the configuration does.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use analyzers::inventory::Declared;
use analyzers::inventory::declared::{
    Agents, EnvironmentRule, Environments, Overrides, Owners, Suppressions,
};
use analyzers::spec::{self, HostPattern, Index, Limits, Problem, Spec};
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::message;

/// Problems of one specification that a run tells; `tapline config check` tells all that were kept.
const TOLD: usize = 20;

/// The key that names the file of suppressions.
const SUPPRESSIONS: &str = "findings.suppressions";

/// Bytes of overrides or owners; no list that people keep by hand has more.
const LARGEST: u64 = 16 << 20;

/// A specification as it is asked for: `[HOST[,HOST]…=]FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpecFile {
    /// Where it is served, whatever it says itself; empty when it is to be believed.
    pub(crate) hosts: Vec<String>,
    pub(crate) path: PathBuf,
}

impl SpecFile {
    /// What stands before a sign of equality is a host, unless there is a file of the whole name.
    pub(crate) fn parse(text: &str) -> Self {
        let (hosts, path) = match text.split_once('=') {
            Some((hosts, path)) if !hosts.contains('/') && !path.is_empty() && !Path::new(text).exists() => {
                (hosts, path)
            }
            _ => ("", text),
        };
        let hosts = hosts.split(',').map(str::trim).filter(|h| !h.is_empty());
        Self {
            hosts: hosts.map(str::to_owned).collect(),
            path: path.into(),
        }
    }
}

/// The specifications of a configuration and of the command line.
pub(crate) fn spec_files(config: &Config, more: &[String]) -> Vec<SpecFile> {
    let all = config.inventory.specs.iter().chain(more);
    all.map(|text| SpecFile::parse(text)).collect()
}

/// Every file that is read here, with what it is, for those who must not overwrite it.
pub(crate) fn files(config: &Config, more: &[String]) -> Vec<(&'static str, PathBuf)> {
    let specs = spec_files(config, more)
        .into_iter()
        .map(|spec| ("the specification", spec.path));
    let named = [
        ("the overrides (inventory.overrides)", &config.inventory.overrides),
        ("the owners (inventory.owners)", &config.inventory.owners),
        ("the agents (inventory.agents)", &config.inventory.agents),
        (
            "the suppressions (findings.suppressions)",
            &config.findings.suppressions,
        ),
    ];
    let named = named.into_iter().filter(|(_, path)| !path.as_os_str().is_empty());
    specs
        .chain(named.map(|(what, path)| (what, path.clone())))
        .collect()
}

/// The files of a run, as its store remembers them: by their full names, since who asks later may stand elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    /// As for `--spec`.
    specs: Vec<String>,
    overrides: PathBuf,
    owners: PathBuf,
    #[serde(default)]
    agents: PathBuf,
    #[serde(default)]
    suppressions: PathBuf,
}

impl Noted {
    /// What a run was given.
    pub(crate) fn of(config: &Config, more: &[String]) -> Self {
        let full = |path: &Path| {
            if path.as_os_str().is_empty() {
                PathBuf::new()
            } else {
                std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
            }
        };
        let specs = spec_files(config, more).into_iter().map(|spec| {
            let path = full(&spec.path).display().to_string();
            match spec.hosts.is_empty() {
                true => path,
                false => format!("{}={path}", spec.hosts.join(",")),
            }
        });
        Self {
            specs: specs.collect(),
            overrides: full(&config.inventory.overrides),
            owners: full(&config.inventory.owners),
            agents: full(&config.inventory.agents),
            suppressions: full(&config.findings.suppressions),
        }
    }
}

impl Noted {
    /// The overrides file; empty when there was none.
    pub(crate) fn overrides(&self) -> &Path {
        &self.overrides
    }

    /// The file of suppressions; empty when there was none.
    pub(crate) fn suppressions(&self) -> &Path {
        &self.suppressions
    }
}

/// Reads the files of an earlier run as they are now, with the hosts that were given for each specification. What cannot be
/// read any more is told, and the rest is used.
pub(crate) fn reload(noted: &Noted) -> (Declared, Vec<Vec<String>>) {
    let (mut out, mut hosts) = (Declared::default(), Vec::new());
    let without = |error: anyhow::Error| {
        message::warn(&format!(
            "{error:#}; the last run had it, and what it says is missing here (--config and --spec name others)"
        ));
    };
    for spec in &noted.specs {
        let mut config = Config::default();
        config.inventory.specs = vec![spec.clone()];
        match add_specs(&mut out.specs, &config, &[], Tell::Nothing) {
            Ok(()) => hosts.push(SpecFile::parse(spec).hosts),
            Err(error) => without(error),
        }
    }
    match own(&noted.overrides, "inventory.overrides", |_, text| {
        Overrides::read(text)
    }) {
        Ok(overrides) => out.overrides = overrides,
        Err(error) => without(error),
    }
    match own(&noted.owners, "inventory.owners", Owners::read) {
        Ok(owners) => out.owners = owners,
        Err(error) => without(error),
    }
    match own(&noted.agents, "inventory.agents", |_, text| Agents::read(text)) {
        Ok(agents) => out.agents = agents,
        Err(error) => without(error),
    }
    match own(&noted.suppressions, SUPPRESSIONS, |_, text| {
        Suppressions::read(text)
    }) {
        Ok(suppressions) => out.suppressions = suppressions,
        Err(error) => without(error),
    }
    (out, hosts)
}

/// How much is told of what is wrong with specifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Nothing: the run that learned with it has told.
    Nothing,
    /// The first problems of each, and what was loaded.
    Some,
    /// The same, of files of which others may be in force: one that declares nothing would switch off what is compared, so it is a mistake.
    Anew,
    /// All, and one that declares nothing is a mistake.
    All,
}

/// Reads everything that is declared. `interfaces` are where frames come from, when that is known.
///
/// # Errors
///
/// A file that cannot be read; mistakes in overrides or owners; an environment that some of several interfaces belong to.
pub(crate) fn load(
    config: &Config,
    more: &[String],
    interfaces: &[String],
    tell: Tell,
) -> anyhow::Result<Declared> {
    let mut specs = Index::default();
    add_specs(&mut specs, config, more, tell)?;
    let overrides = own(&config.inventory.overrides, "inventory.overrides", |_, text| {
        Overrides::read(text)
    })?;
    let owners = own(&config.inventory.owners, "inventory.owners", Owners::read)?;
    let agents = own(&config.inventory.agents, "inventory.agents", |_, text| {
        Agents::read(text)
    })?;
    let suppressions = own(&config.findings.suppressions, SUPPRESSIONS, |_, text| {
        Suppressions::read(text)
    })?;
    Ok(Declared {
        specs,
        overrides,
        owners,
        agents,
        suppressions,
        environments: environments(&config.inventory.environments, interfaces)?,
    })
}

/// Where exchanges take place. Of several interfaces it is not kept which one a packet came in on (those of a network tap carry one direction
/// each, and an exchange has both), so that a rule is about all of them or none.
fn environments(rules: &[EnvironmentRule], interfaces: &[String]) -> anyhow::Result<Environments> {
    for rule in rules.iter().filter(|rule| !rule.interface.is_empty()) {
        let (named, others): (Vec<_>, Vec<_>) =
            interfaces.iter().partition(|name| rule.interface.contains(name));
        if let ([one, ..], [other, ..]) = (&named[..], &others[..]) {
            anyhow::bail!(
                "inventory.environments: `{}` is what comes in on {one} and not on {other}, and of interfaces captured together that is not told \
                 apart; name all of them in it, tell it by vlan, vni, cidr or host, or run a sensor for each interface",
                rule.name
            );
        }
    }
    Ok(Environments::new(rules, interfaces.first().map(String::as_str)))
}

/// Reads the specifications.
fn add_specs(specs: &mut Index, config: &Config, more: &[String], tell: Tell) -> anyhow::Result<()> {
    let limits = Limits::default();
    for file in spec_files(config, more) {
        let name = file.path.display().to_string();
        let bytes = read(&file.path, limits.bytes as u64 + 1)
            .with_context(|| format!("cannot read the specification {name}"))?;
        let spec = spec::read(&name, &bytes, &limits);
        if spec.operations.is_empty() && matches!(tell, Tell::Anew | Tell::All) {
            let first = spec.problems.first();
            let first = first.map(|problem| format!(" ({name}:{problem})"));
            bail!(
                "{name} declares no operation, so nothing would be compared with it{}; mend it, or take it out of inventory.specs",
                first.unwrap_or_default()
            );
        }
        if tell != Tell::Nothing {
            report(&spec, &file, tell);
        }
        let hosts: Vec<_> = file.hosts.iter().map(|host| HostPattern::new(host)).collect();
        specs.add(spec, &hosts);
    }
    Ok(())
}

fn read(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    crate::regular::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads one of the operator's own files; nothing where none is named.
fn own<T: Default>(
    path: &Path,
    key: &str,
    parse: impl FnOnce(&str, &str) -> Result<T, Vec<Problem>>,
) -> anyhow::Result<T> {
    if path.as_os_str().is_empty() {
        return Ok(T::default());
    }
    let name = path.display().to_string();
    let bytes = read(path, LARGEST + 1).with_context(|| format!("cannot read {name} ({key})"))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{name} ({key}) is larger than 16 MiB");
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        anyhow::anyhow!("{name} ({key}) is not UTF-8 at byte {at}")
    })?;
    parse(&name, &text).map_err(|mistakes| {
        let count = mistakes.len();
        let mut said = format!(
            "{count} mistake{} in {name} ({key})",
            if count == 1 { "" } else { "s" }
        );
        let places: Vec<String> = mistakes
            .iter()
            .map(|m| format!("{}:{}", m.line, m.column))
            .collect();
        let width = places.iter().map(String::len).max().unwrap_or(0);
        for (mistake, place) in mistakes.iter().zip(&places) {
            said.push_str(&format!("\n  {place:width$}  {}", mistake.message));
        }
        anyhow::anyhow!(said)
    })
}

/// Says what a specification gave, and what is wrong with it.
fn report(spec: &Spec, file: &SpecFile, tell: Tell) {
    let most = if tell == Tell::All { usize::MAX } else { TOLD };
    for problem in spec.problems.iter().take(most) {
        message::warn(&format!("{}:{problem}", spec.name));
    }
    let untold = spec.problems.len().saturating_sub(most) as u64 + spec.problems_dropped;
    if untold > 0 {
        message::warn(&format!("{}: {untold} more problems are not shown", spec.name));
    }
    let count = spec.operations.len();
    if count == 0 {
        message::warn(&format!(
            "{} declares no operation, so nothing is compared with it",
            spec.name
        ));
        return;
    }
    message::info(&format!(
        "{}: {count} operation{} of {}, {}",
        spec.name,
        if count == 1 { "" } else { "s" },
        spec.kind.name(),
        places(spec, file)
    ));
}

/// Where a specification says that it is served, in words.
fn places(spec: &Spec, file: &SpecFile) -> String {
    let mut hosts: Vec<&str> = if file.hosts.is_empty() {
        let targets = spec.servers.iter().flat_map(|server| &server.targets);
        targets.filter_map(|t| Some(t.host.as_ref()?.as_str())).collect()
    } else {
        file.hosts.iter().map(String::as_str).collect()
    };
    hosts.sort_unstable();
    hosts.dedup();
    match hosts.as_slice() {
        [] => format!(
            "on no host that it names: say where it is served with HOST={}",
            file.path.display()
        ),
        [one] => format!("on {one}"),
        [first, rest @ ..] if rest.len() > 3 => format!("on {first} and {} other hosts", rest.len()),
        all => format!("on {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_sign_of_equality_is_a_host() {
        let check = |text: &str, hosts: &[&str], path: &str| {
            let file = SpecFile::parse(text);
            assert_eq!(file.hosts, hosts, "{text}");
            assert_eq!(file.path, Path::new(path), "{text}");
        };
        check("openapi.yaml", &[], "openapi.yaml");
        check(
            "api.example.com=openapi.yaml",
            &["api.example.com"],
            "openapi.yaml",
        );
        check(
            "a.example, *.b.example:8080=x/y.json",
            &["a.example", "*.b.example:8080"],
            "x/y.json",
        );
        check("specs/a=b.yaml", &[], "specs/a=b.yaml");
        check("a=", &[], "a=");
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a=b.yaml");
        std::fs::write(&odd, "").unwrap();
        check(odd.to_str().unwrap(), &[], odd.to_str().unwrap());
    }
}
