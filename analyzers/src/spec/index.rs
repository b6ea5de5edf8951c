//! Which declared operation a request belongs to, over all specifications.
//!
//! A host leads to the base paths served there, a base path to the paths of a document. Several documents may speak of one
//! host: the longest base path that suits comes first, then the document that was added first. Nothing is copied for each
//! server but its base path.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::model::{Operation, Spec};
use super::paths::{Hit, Paths};
use super::servers::HostPattern;
use super::template;

/// A base path at which the paths of a document are served.
#[derive(Debug, Clone, PartialEq)]
struct Mount {
    base: Vec<String>,
    /// As declared, for templates.
    text: String,
    spec: usize,
    paths: usize,
}

/// All specifications, for looking up requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Index {
    specs: Vec<Spec>,
    paths: Vec<Paths>,
    mounts: Vec<Mount>,
    /// Mounts by host, those with the longest base paths first.
    exact: BTreeMap<String, Vec<usize>>,
    patterns: Vec<(HostPattern, Vec<usize>)>,
    /// Mounts of documents that do not say where they are served.
    anywhere: Vec<usize>,
}

/// A declared operation that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Declared<'a> {
    /// The document.
    pub spec: &'a Spec,
    /// The operation.
    pub operation: &'a Operation,
    /// Number of the document, in the order they were added.
    pub spec_number: usize,
    /// Number of the operation in its document.
    pub operation_number: usize,
    /// The document names this host; otherwise it names none, and is taken to be meant.
    pub names_host: bool,
    base: &'a str,
}

impl Declared<'_> {
    /// The path before those of operations, as declared.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base
    }

    /// The template of the whole path: base path and path of the operation.
    #[must_use]
    pub fn template(&self) -> String {
        format!("{}{}", self.base, self.operation.path)
    }
}

/// What is declared about a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup<'a> {
    /// This operation.
    Operation(Declared<'a>),
    /// The path, with other methods: these.
    OtherMethods(Vec<Declared<'a>>),
    /// The host, not the path. The number is of the first document that speaks of the host.
    OtherPaths(usize),
    /// Nothing: no document speaks of the host.
    Nothing,
}

impl Index {
    /// Adds a document. Where `hosts` are given they are where it is served, whatever it says itself: that is for
    /// documents with relative servers or with none, and for tests of an API on other hosts.
    ///
    /// Returns the number of the document.
    pub fn add(&mut self, spec: Spec, hosts: &[HostPattern]) -> usize {
        let number = self.specs.len();
        let mut groups: BTreeMap<&[usize], Paths> = BTreeMap::new();
        // An empty method would stand for all.
        let named = spec
            .operations
            .iter()
            .enumerate()
            .filter(|(_, o)| !o.method.is_empty());
        for (operation, declared) in named {
            let paths = groups.entry(&declared.servers).or_default();
            paths.insert(&declared.path, &declared.method, operation);
        }
        let mut found: Vec<(Option<HostPattern>, String, usize)> = Vec::new();
        for (servers, paths) in groups {
            let tree = self.paths.len();
            self.paths.push(paths);
            let targets = servers
                .iter()
                .filter_map(|s| spec.servers.get(*s))
                .flat_map(|s| &s.targets);
            let mut bases: Vec<(Option<HostPattern>, String)> = Vec::new();
            for target in targets {
                let mut add = |host: Option<&HostPattern>| {
                    let mount = (host.cloned(), target.base.clone());
                    if !bases.contains(&mount) {
                        bases.push(mount);
                    }
                };
                if hosts.is_empty() {
                    add(target.host.as_ref());
                }
                hosts.iter().for_each(|host| add(Some(host)));
            }
            found.extend(bases.into_iter().map(|(host, base)| (host, base, tree)));
        }
        for (host, base, paths) in found {
            self.mount(host, base, number, paths);
        }
        self.specs.push(spec);
        number
    }

    fn mount(&mut self, host: Option<HostPattern>, text: String, spec: usize, paths: usize) {
        let (base, _) = template::segments(&text);
        let base: Vec<String> = base.into_iter().map(Cow::into_owned).collect();
        let number = self.mounts.len();
        let length = base.len();
        self.mounts.push(Mount {
            base,
            text,
            spec,
            paths,
        });
        let list = match host {
            None => &mut self.anywhere,
            Some(host) if host.is_exact() => self.exact.entry(host.as_str().to_owned()).or_default(),
            Some(host) => {
                let at = self.patterns.iter().position(|(known, _)| *known == host);
                let at = at.unwrap_or_else(|| {
                    self.patterns.push((host, Vec::new()));
                    self.patterns.len() - 1
                });
                &mut self.patterns[at].1
            }
        };
        let place = list.partition_point(|m| self.mounts[*m].base.len() >= length);
        list.insert(place, number);
    }

    /// The documents, in the order they were added.
    #[must_use]
    pub fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// Whether a document names this host.
    #[must_use]
    pub fn names_host(&self, host: &str) -> bool {
        self.exact.contains_key(host) || self.patterns.iter().any(|(pattern, _)| pattern.matches(host))
    }

    /// Whether a document, by its number, names this host.
    #[must_use]
    pub fn is_served_on(&self, number: usize, host: &str) -> bool {
        self.mounts(host)
            .any(|(names_host, mount)| names_host && mount.spec == number)
    }

    /// Whether any document may speak of this host: it names it, or names none.
    #[must_use]
    pub fn speaks_of(&self, host: &str) -> bool {
        !self.anywhere.is_empty() || self.names_host(host)
    }

    /// Mounts for a host: of those who name it, of those whose patterns it suits, of those who name none.
    fn mounts<'a, 'h>(&'a self, host: &'h str) -> impl Iterator<Item = (bool, &'a Mount)> + use<'a, 'h> {
        let exact = self.exact.get(host).into_iter().flatten();
        let patterns = self.patterns.iter().filter(|(pattern, _)| pattern.matches(host));
        let named = exact.chain(patterns.flat_map(|(_, mounts)| mounts));
        let anywhere = self.anywhere.iter().map(|m| (false, &self.mounts[*m]));
        named.map(|m| (true, &self.mounts[*m])).chain(anywhere)
    }

    /// Which operation a request belongs to: method in capitals, host in lower case without default port (as
    /// exchanges have it), path with or without query.
    #[must_use]
    pub fn find(&self, method: &str, host: &str, path: &str) -> Option<Declared<'_>> {
        self.all(method, host, path).next()
    }

    /// All operations that a request belongs to, one a document and base path, the best first.
    pub fn all<'a, 'h>(
        &'a self,
        method: &'h str,
        host: &'h str,
        path: &'h str,
    ) -> impl Iterator<Item = Declared<'a>> + use<'a, 'h> {
        let (segments, slash) = template::segments(path);
        self.mounts(host).filter_map(move |(names_host, mount)| {
            match self.hit(mount, method, slash, &segments)? {
                Hit::Operation(operation) => self.declared(mount, operation, names_host),
                _ => None,
            }
        })
    }

    /// What is declared about a request, and if nothing is, how near it comes to something that is.
    #[must_use]
    pub fn lookup(&self, method: &str, host: &str, path: &str) -> Lookup<'_> {
        let (segments, slash) = template::segments(path);
        let mut others = Vec::new();
        let mut near = None;
        for (names_host, mount) in self.mounts(host) {
            match self.hit(mount, method, slash, &segments) {
                Some(Hit::Operation(operation)) => {
                    if let Some(found) = self.declared(mount, operation, names_host) {
                        return Lookup::Operation(found);
                    }
                }
                Some(Hit::Path(leaves)) if others.is_empty() => {
                    let found = leaves
                        .iter()
                        .filter_map(|l| self.declared(mount, l.operation, names_host));
                    others = found.collect();
                }
                _ => {}
            }
            // A document that names no host says nothing about one where nothing of it is seen.
            if names_host {
                near.get_or_insert(mount.spec);
            }
        }
        match near {
            _ if !others.is_empty() => Lookup::OtherMethods(others),
            Some(spec) => Lookup::OtherPaths(spec),
            None => Lookup::Nothing,
        }
    }

    /// What a mount has for a path; `None` where the path does not begin with its base path.
    fn hit<'a>(&'a self, mount: &Mount, method: &str, slash: bool, path: &[Cow<'_, str>]) -> Option<Hit<'a>> {
        let (base, rest) = path.split_at_checked(mount.base.len())?;
        let below = base.iter().zip(&mount.base).all(|(a, b)| a == b);
        below.then(|| self.paths[mount.paths].find(method, slash && !rest.is_empty(), rest))
    }

    fn declared<'a>(&'a self, mount: &'a Mount, operation: usize, names_host: bool) -> Option<Declared<'a>> {
        let spec = self.specs.get(mount.spec)?;
        Some(Declared {
            spec,
            operation: spec.operations.get(operation)?,
            spec_number: mount.spec,
            operation_number: operation,
            names_host,
            base: &mount.text,
        })
    }
}
