//! What is known of a server: its tools, resources and prompts with how often each was called, who calls, which revisions it
//! speaks, and the definitions of its tools as they were first seen and are now.

use std::collections::{BTreeMap, BTreeSet};

use reassembly::Timestamp;
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::revision::Revision;
use super::session::Software;
use crate::id::Id;
use crate::store::Row;

/// Tools, resources and prompts told apart, each.
const NAMES: usize = 512;

/// Clients and callers told apart, each.
const WHO: usize = 128;

/// Definitions of one tool that are not told again: a server may show another one to another caller.
const KNOWN: usize = 8;

/// Callers to whom a tool was shown, told apart.
const SHOWN: usize = 16;

/// Parts of all definitions; beyond that, hashes alone are kept.
const PARTS: usize = 4096;

/// Lists that were read and need not be read again while they are the same.
const LISTS: usize = 16;

/// A tool of a server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) definition: Option<Box<Definition>>,
    /// Hashes of definitions seen, in the order in which they came.
    known: Vec<Id>,
    /// Seeded hashes of principals that it was shown to.
    shown: Vec<u64>,
    /// Since when the definition is as it is.
    #[serde(with = "crate::store::nanos")]
    since: Timestamp,
    /// What the server called its version then. It says hello before it lists its tools, so that its own is the new one by the
    /// time a change is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// A server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) id: Id,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) software: Option<Software>,
    pub(crate) revisions: BTreeSet<Revision>,
    pub(crate) tools: BTreeMap<String, Tool>,
    pub(crate) resources: BTreeMap<String, u64>,
    pub(crate) prompts: BTreeMap<String, u64>,
    pub(crate) clients: BTreeMap<String, u64>,
    pub(crate) callers: BTreeMap<String, u64>,
    pub(crate) exchanges: u64,
    /// Names that were not taken at the ceilings.
    pub(crate) given_up: u64,
    #[serde(with = "crate::store::nanos")]
    pub(crate) first: Timestamp,
    #[serde(with = "crate::store::nanos")]
    pub(crate) last: Timestamp,
    /// Of lists that were read.
    #[serde(skip)]
    lists: Vec<(u64, u64)>,
    /// Parts of all definitions.
    #[serde(skip)]
    weight: Option<usize>,
}

impl Row for Server {
    fn worth(&self) -> (bool, Timestamp) {
        (self.exchanges > 1, self.last)
    }
}

/// A definition that is not as it was.
#[derive(Debug)]
pub(crate) struct Replaced {
    pub(crate) tool: String,
    pub(crate) renamed_from: Option<String>,
    pub(crate) before: Box<Definition>,
    pub(crate) after: Box<Definition>,
    pub(crate) since: Timestamp,
    pub(crate) calls: u64,
    /// What the server called its version when `before` was first seen.
    pub(crate) version: Option<String>,
}

/// Definitions as a server gave them out.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// With names fit to be shown.
    pub(crate) tools: Vec<(String, Definition)>,
    /// It is all that the server has.
    pub(crate) complete: bool,
}

impl Server {
    pub(crate) fn new(id: Id, host: String, path: String, ts: Timestamp) -> Self {
        Self {
            id,
            host,
            path,
            software: None,
            revisions: BTreeSet::new(),
            tools: BTreeMap::new(),
            resources: BTreeMap::new(),
            prompts: BTreeMap::new(),
            clients: BTreeMap::new(),
            callers: BTreeMap::new(),
            exchanges: 0,
            given_up: 0,
            first: ts,
            last: ts,
            lists: Vec::new(),
            weight: None,
        }
    }

    /// The tool of this name, made when there is room.
    pub(crate) fn tool(&mut self, name: &str) -> Option<&mut Tool> {
        if !self.tools.contains_key(name) {
            if self.tools.len() >= NAMES {
                self.given_up += 1;
                return None;
            }
            self.tools.insert(name.to_owned(), Tool::default());
        }
        self.tools.get_mut(name)
    }

    /// Counts a read of a resource: for the template that has it, where one was listed.
    pub(crate) fn read(&mut self, address: &str) {
        let template = match self.resources.contains_key(address) {
            true => None,
            false => self.resources.keys().find(|t| covers(t, address)).cloned(),
        };
        self.name(false, template.as_deref().unwrap_or(address), 1);
    }

    /// A call that was counted already has failed. A name that nothing else shows is none of the server's tools.
    pub(crate) fn tool_failed(&mut self, name: &str) {
        let Some(tool) = self.tools.get_mut(name) else {
            return;
        };
        tool.failed += 1;
        if tool.definition.is_none() && tool.failed >= tool.calls {
            self.tools.remove(name);
        }
    }

    /// A call of a resource or a prompt that was counted already has failed.
    pub(crate) fn take_back(&mut self, prompt: bool, name: &str) {
        let map = if prompt {
            &mut self.prompts
        } else {
            &mut self.resources
        };
        let covering = map
            .keys()
            .find(|known| *known == name || covers(known, name))
            .cloned();
        if let Some(count) = covering.and_then(|name| map.get_mut(&name)) {
            *count = count.saturating_sub(1);
        }
    }

    /// A template of addresses was listed: what was read of it before counts for it.
    pub(crate) fn template(&mut self, template: &str) {
        if self.resources.contains_key(template) {
            return;
        }
        let mut reads = 0;
        self.resources.retain(|address, count| {
            let own = covers(template, address);
            reads += if own { *count } else { 0 };
            !own
        });
        self.name(false, template, reads);
    }

    /// Counts a resource or a prompt, `by` calls.
    pub(crate) fn name(&mut self, prompt: bool, name: &str, by: u64) {
        let map = if prompt {
            &mut self.prompts
        } else {
            &mut self.resources
        };
        self.given_up += u64::from(!bump(map, name, by, NAMES));
    }

    /// Counts who called. A client says who it is also when it is refused; whom the server refuses is no caller of it.
    pub(crate) fn met(&mut self, client: Option<&str>, caller: &str, refused: bool) {
        if let Some(client) = client {
            bump(&mut self.clients, client, 1, WHO);
        }
        if !refused {
            bump(&mut self.callers, caller, 1, WHO);
        }
    }

    /// Whether a list with this hash was read for this caller lately, so that it holds nothing new.
    pub(crate) fn has_read(&mut self, list: u64, caller: u64) -> bool {
        if self.lists.contains(&(list, caller)) {
            return true;
        }
        if self.lists.len() >= LISTS {
            self.lists.remove(0);
        }
        self.lists.push((list, caller));
        false
    }

    /// Takes definitions over: those that are first seen are trusted, those that are not as they were are given back.
    pub(crate) fn learn(&mut self, list: List, caller: u64, ts: Timestamp) -> Vec<Replaced> {
        let listed: BTreeSet<String> = list.tools.iter().map(|(name, _)| name.clone()).collect();
        let mut replaced = Vec::new();
        let version = self.software.as_ref().and_then(|s| s.version.clone());
        for (name, mut definition) in list.tools {
            let weight = *self.weight.get_or_insert_with(|| {
                let all = self.tools.values().filter_map(|t| t.definition.as_deref());
                all.map(Definition::weight).sum()
            });
            if weight + definition.weight() > PARTS {
                definition.strip();
            }
            let unknown = self.tools.get(&name).is_none_or(|tool| tool.definition.is_none());
            let old = (unknown && list.complete)
                .then(|| self.renamed(&definition, &listed, caller))
                .flatten();
            let Some(tool) = self.tool(&name) else { continue };
            if !tool.shown.contains(&caller) && tool.shown.len() < SHOWN {
                tool.shown.push(caller);
            }
            if tool.known.contains(&definition.hash) {
                continue;
            }
            if tool.known.len() >= KNOWN {
                tool.known.remove(1);
            }
            tool.known.push(definition.hash);
            let (after, calls, since) = (Box::new(definition), tool.calls, tool.since);
            let before = tool.definition.replace(after.clone());
            tool.since = ts;
            let told = std::mem::replace(&mut tool.version, version.clone());
            self.weight = self
                .weight
                .map(|w| (w + after.weight()).saturating_sub(before.as_ref().map_or(0, |b| b.weight())));
            let (before, renamed_from, since, calls, version) = match (before, old) {
                (Some(before), _) => (before, None, since, calls, told),
                (None, Some(old)) => {
                    let Some(gone) = self.tools.get(&old) else {
                        continue;
                    };
                    let Some(before) = gone.definition.clone() else {
                        continue;
                    };
                    (before, Some(old), gone.since, gone.calls, gone.version.clone())
                }
                (None, None) => continue,
            };
            replaced.push(Replaced {
                tool: name,
                renamed_from,
                before,
                after,
                since,
                calls,
                version,
            });
        }
        replaced
    }

    /// The tool that this one was before: shown to the same caller, no longer in the list, with the same parameters.
    fn renamed(&self, definition: &Definition, listed: &BTreeSet<String>, caller: u64) -> Option<String> {
        let mut best: Option<(f64, &String)> = None;
        for (name, tool) in &self.tools {
            let Some(before) = tool.definition.as_deref() else {
                continue;
            };
            if listed.contains(name) || !tool.shown.contains(&caller) || definition.parameters() < 2 {
                continue;
            }
            let likeness = before.likeness(definition);
            if likeness >= 0.8 && best.is_none_or(|(most, _)| likeness > most) {
                best = Some((likeness, name));
            }
        }
        best.map(|(_, name)| name.clone())
    }

    /// Adds what another row knows of the same server.
    pub(crate) fn absorb(&mut self, other: Self) {
        let newer = other.last > self.last;
        if other.software.is_some() && (newer || self.software.is_none()) {
            self.software = other.software;
        }
        self.revisions.extend(other.revisions);
        for (name, theirs) in other.tools {
            let Some(tool) = self.tool(&name) else { continue };
            tool.calls += theirs.calls;
            tool.failed += theirs.failed;
            if theirs.definition.is_some() && (tool.definition.is_none() || theirs.since > tool.since) {
                tool.definition = theirs.definition;
                tool.since = theirs.since;
                tool.version = theirs.version;
            }
            for hash in theirs.known {
                if !tool.known.contains(&hash) && tool.known.len() < KNOWN {
                    tool.known.push(hash);
                }
            }
            for caller in theirs.shown {
                if !tool.shown.contains(&caller) && tool.shown.len() < SHOWN {
                    tool.shown.push(caller);
                }
            }
        }
        for (name, calls) in other.resources {
            self.name(false, &name, calls);
        }
        for (name, calls) in other.prompts {
            self.name(true, &name, calls);
        }
        for (map, theirs) in [
            (&mut self.clients, other.clients),
            (&mut self.callers, other.callers),
        ] {
            for (name, count) in theirs {
                bump(map, &name, count, WHO);
            }
        }
        self.exchanges += other.exchanges;
        self.given_up += other.given_up;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.weight = None;
    }

    pub(crate) fn view(&self) -> super::ServerView {
        let software = self.software.as_ref();
        super::ServerView {
            id: self.id.to_string(),
            host: self.host.clone(),
            path: self.path.clone(),
            name: software.map(|s| s.name.clone()),
            version: software.and_then(|s| s.version.clone()),
            revisions: self.revisions.iter().map(ToString::to_string).collect(),
            tools: self
                .tools
                .iter()
                .map(|(name, tool)| super::ToolView {
                    name: name.clone(),
                    calls: tool.calls,
                    failed: tool.failed,
                    definition: tool.definition.as_ref().map(|d| d.hash.to_string()),
                    read_only: tool.definition.as_ref().is_some_and(|d| d.read_only()),
                })
                .collect(),
            resources: self.resources.clone(),
            prompts: self.prompts.clone(),
            clients: self.clients.clone(),
            callers: self.callers.clone(),
            exchanges: self.exchanges,
            first_seen: self.first,
            last_seen: self.last,
        }
    }
}

/// Whether a template (RFC 6570) has this address. An expression stands for one segment, with `+`, `/` or `*` for all that follow.
fn covers(template: &str, address: &str) -> bool {
    if !template.contains('{') {
        return false;
    }
    let mut parts = address.split('/');
    for segment in template.split('/') {
        let Some(part) = parts.next() else { return false };
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if name.starts_with(['+', '/']) || name.ends_with('*') => return !part.is_empty(),
            Some(_) if part.is_empty() => return false,
            Some(_) => {}
            None if segment != part => return false,
            None => {}
        }
    }
    parts.next().is_none()
}

fn bump(map: &mut BTreeMap<String, u64>, name: &str, by: u64, most: usize) -> bool {
    if let Some(count) = map.get_mut(name) {
        *count += by;
        return true;
    }
    let room = map.len() < most;
    if room {
        map.insert(name.to_owned(), by);
    }
    room
}
