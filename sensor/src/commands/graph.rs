//! `tapline agents graph`: who calls which tools and endpoints, what these have others call, and which data is there.
//!
//! ```text
//! principal ─calls▶ tool, endpoint ─causes▶ endpoint ─carries▶ data class
//!           ─acts for▶ principal
//! ```
//!
//! The graph is made first and then written in one of three forms, so that all of them show the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::agents::{kind_of, one};
use crate::args::{AgentsGraphArgs, GraphFormat};
use crate::exit::{Failure, Status};
use crate::known::{Known, Source, facts, names};
use crate::message;

/// Servers behind one another that are followed.
const HOPS: usize = 6;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Principal,
    Tool,
    Endpoint,
    Class,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Tool => "tool",
            Self::Endpoint => "endpoint",
            Self::Class => "data_class",
        }
    }
}

/// A node, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    sort: Sort,
    label: String,
    /// Host of an endpoint, kind of a principal.
    group: String,
}

/// What joins two nodes.
#[derive(Debug, Clone, Default, PartialEq)]
struct Edge {
    exchanges: u64,
    /// Calls by what shows that the one caused the other.
    causes: BTreeMap<String, u64>,
    /// Sum of confidences over calls.
    sure: f64,
    /// Names of those who called.
    by: BTreeSet<String>,
}

impl Edge {
    fn confidence(&self) -> f64 {
        (self.sure / self.exchanges.max(1) as f64 * 100.0).round() / 100.0
    }

    /// Nothing but the time joins them.
    fn is_a_guess(&self) -> bool {
        !self.causes.is_empty() && self.causes.keys().all(|cause| cause == "time")
    }
}

/// What an edge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    Calls,
    Causes,
    Carries,
    ActsFor,
}

impl Says {
    fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Causes => "causes",
            Self::Carries => "carries",
            Self::ActsFor => "acts_for",
        }
    }
}

#[derive(Debug, Default)]
struct Graph {
    nodes: BTreeMap<String, Node>,
    edges: BTreeMap<(String, String, Says), Edge>,
}

pub(super) fn graph(args: &AgentsGraphArgs) -> Result<Status, Failure> {
    let source = Source::store(&args.store, &args.declared)?;
    let all: Vec<Known> = source.principals().collect();
    let wanted: Vec<Known> = match &args.principal {
        Some(asked) => vec![one(&source, asked)?],
        None => {
            let is = |p: &&Known| match args.kind.as_slice() {
                [] => p.text("kind") == "ai_agent",
                kinds => kinds.iter().any(|kind| kind == p.text("kind")),
            };
            all.iter().filter(is).cloned().collect()
        }
    };
    if wanted.is_empty() {
        let what = if args.kind.is_empty() {
            "AI agent"
        } else {
            "caller of this kind"
        };
        message::info(&format!(
            "the store knows no {what}; `tapline agents` lists all callers, and --kind service draws services"
        ));
    }
    let endpoints: BTreeMap<String, Known> =
        source.endpoints().map(|e| (e.text("id").to_owned(), e)).collect();
    let graph = Graph::of(&wanted, &all, &endpoints, args.least);
    super::print(&match args.format {
        GraphFormat::Dot => graph.dot(),
        GraphFormat::Mermaid => graph.mermaid(),
        GraphFormat::Json => format!("{}\n", graph.json()),
    })
}

impl Graph {
    fn of(wanted: &[Known], all: &[Known], endpoints: &BTreeMap<String, Known>, least: f64) -> Self {
        let mut graph = Self::default();
        let by_id: BTreeMap<&str, &Known> = all.iter().map(|p| (p.text("id"), p)).collect();
        let mut by_subject: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
        for principal in all.iter().filter(|p| !p.text("subject").is_empty()) {
            by_subject
                .entry(principal.text("subject"))
                .or_default()
                .push(principal);
        }
        for principal in wanted {
            let id = graph.principal(principal);
            for used in &principal.uses {
                if let Some(endpoint) = endpoints.get(&used.id).filter(|e| !is_housekeeping(e)) {
                    let to = graph.endpoint(endpoint);
                    graph.join(&id, &to, Says::Calls).exchanges += used.exchanges;
                }
            }
            // What these have others call, and what those have others call: each leads on from where it ends.
            let mut next: Vec<(&Known, Option<&str>)> = vec![(principal, None)];
            let mut told: BTreeSet<(String, String, String)> = BTreeSet::new();
            for _ in 0..HOPS {
                for (caller, at) in std::mem::take(&mut next) {
                    for edge in caller.value["reaches"].as_array().into_iter().flatten() {
                        let text = |field: &str| edge[field].as_str().unwrap_or_default();
                        let (through, to, by) = (text("through"), text("endpoint"), text("by"));
                        let sure = edge["confidence"].as_f64().unwrap_or(0.0);
                        let (Some(first), Some(last)) = (endpoints.get(through), endpoints.get(to)) else {
                            continue;
                        };
                        let key = (
                            caller.text("id").to_owned(),
                            through.to_owned(),
                            format!("{to} {by}"),
                        );
                        if sure < least || at.is_some_and(|at| at != through) || !told.insert(key) {
                            continue;
                        }
                        let (first, last) = (graph.endpoint(first), graph.endpoint(last));
                        if at.is_none() {
                            // What it calls is there even when the call itself was refused.
                            graph.join(&id, &first, Says::Calls);
                        }
                        let known = by_id.get(by).copied();
                        let name = known.map_or_else(|| by.to_owned(), short_name);
                        graph.join(&first, &last, Says::Causes).add(edge, name, sure);
                        if let Some(edge_to) = endpoints.get(to)
                            && let Some(known) = known
                        {
                            next.push((known, Some(edge_to.text("id"))));
                        }
                    }
                }
            }
            for (party, count) in parties(principal) {
                for person in by_subject.get(party).into_iter().flatten().take(4) {
                    let to = graph.principal(person);
                    if to != id {
                        graph.join(&id, &to, Says::ActsFor).exchanges += count;
                    }
                }
            }
        }
        graph
    }

    fn principal(&mut self, principal: &Known) -> String {
        let id = principal.text("id").to_owned();
        let node = || Node {
            sort: Sort::Principal,
            label: message::clean(&short_name(principal)),
            group: kind_of(principal).1.to_owned(),
        };
        self.nodes.entry(id.clone()).or_insert_with(node);
        id
    }

    /// An endpoint with the data that it carries.
    fn endpoint(&mut self, endpoint: &Known) -> String {
        let id = endpoint.text("id").to_owned();
        if self.nodes.contains_key(&id) {
            return id;
        }
        let template = endpoint.text("template");
        let tool = template.split_once("#tools/call:").map(|(_, tool)| tool);
        let node = Node {
            sort: if tool.is_some() {
                Sort::Tool
            } else {
                Sort::Endpoint
            },
            label: message::clean(&match tool {
                Some(tool) => tool.to_owned(),
                None => format!("{} {template}", endpoint.text("method")),
            }),
            group: message::clean(endpoint.text("host")),
        };
        self.nodes.insert(id.clone(), node);
        for class in facts::classes(endpoint) {
            let class_id = format!("class:{class}");
            let node = || Node {
                sort: Sort::Class,
                label: class.to_owned(),
                group: String::new(),
            };
            self.nodes.entry(class_id.clone()).or_insert_with(node);
            self.join(&id, &class_id, Says::Carries);
        }
        id
    }

    fn join(&mut self, from: &str, to: &str, says: Says) -> &mut Edge {
        self.edges
            .entry((from.to_owned(), to.to_owned(), says))
            .or_default()
    }

    fn json(&self) -> Value {
        let nodes = self.nodes.iter().map(|(id, node)| {
            let mut value = json!({"id": id, "kind": node.sort.name(), "label": node.label});
            match node.sort {
                Sort::Principal => {
                    value["principal_kind"] = json!(node.group.replace("AI agent", "ai_agent"))
                }
                Sort::Tool | Sort::Endpoint => value["host"] = json!(node.group),
                Sort::Class => {}
            }
            value
        });
        let edges = self.edges.iter().map(|((from, to, says), edge)| {
            let mut value = json!({"from": from, "to": to, "kind": says.name()});
            if edge.exchanges > 0 {
                value["exchanges"] = json!(edge.exchanges);
            }
            if *says == Says::Causes {
                value["causes"] = json!(edge.causes);
                value["confidence"] = json!(edge.confidence());
                value["by"] = json!(edge.by);
            }
            value
        });
        json!({"v": 1, "nodes": nodes.collect::<Vec<_>>(), "edges": edges.collect::<Vec<_>>()})
    }

    /// Nodes of one sort by group.
    fn groups(&self, sorts: &[Sort]) -> BTreeMap<&str, Vec<(&str, &Node)>> {
        let mut groups: BTreeMap<&str, Vec<(&str, &Node)>> = BTreeMap::new();
        for (id, node) in self.nodes.iter().filter(|(_, node)| sorts.contains(&node.sort)) {
            groups.entry(&node.group).or_default().push((id, node));
        }
        for nodes in groups.values_mut() {
            nodes.sort_by(|a, b| (a.1.sort, &a.1.label).cmp(&(b.1.sort, &b.1.label)));
        }
        groups
    }

    /// For Graphviz ("The DOT Language").
    fn dot(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut out = String::from(
            "digraph tapline {\n  rankdir=LR;\n  fontname=\"sans-serif\";\n  node [shape=box, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n",
        );
        for (kind, nodes) in self.groups(&[Sort::Principal]) {
            let shape = if kind == "AI agent" { "hexagon" } else { "ellipse" };
            for (id, node) in nodes {
                let label = quoted(&format!("{}\n{kind}", node.label)).replace('\n', "\\n");
                let _ = writeln!(out, "  {} [label={label}, shape={shape}];", quoted(id));
            }
        }
        for (number, (host, nodes)) in self.groups(&[Sort::Tool, Sort::Endpoint]).into_iter().enumerate() {
            let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label={};", quoted(host));
            for (id, node) in nodes {
                let shape = if node.sort == Sort::Tool {
                    ", shape=component"
                } else {
                    ""
                };
                let _ = writeln!(out, "    {} [label={}{shape}];", quoted(id), quoted(&node.label));
            }
            out.push_str("  }\n");
        }
        for (_, nodes) in self.groups(&[Sort::Class]) {
            for (id, node) in nodes {
                let _ = writeln!(
                    out,
                    "  {} [label={}, shape=note];",
                    quoted(id),
                    quoted(&node.label)
                );
            }
        }
        for ((from, to, says), edge) in &self.edges {
            let style = match says {
                Says::Causes if edge.is_a_guess() => ", style=dashed",
                Says::Causes => ", style=bold",
                Says::Carries => ", style=dotted",
                Says::Calls | Says::ActsFor => "",
            };
            let label = quoted(&edge_label(*says, edge));
            let _ = writeln!(
                out,
                "  {} -> {} [label={label}{style}];",
                quoted(from),
                quoted(to)
            );
        }
        out.push_str("}\n");
        out
    }

    /// For Markdown ("Mermaid, flowchart").
    fn mermaid(&self) -> String {
        let quoted = |text: &str| {
            let mut out = String::from("\"");
            for c in text.chars() {
                // Signs that mean something there are written as entities.
                match c {
                    '"' | '#' | '<' | '>' | '&' | '`' | ';' | '[' | ']' | '{' | '}' | '|' | '\\' | '*'
                    | '_' => {
                        let _ = write!(out, "#{};", u32::from(c));
                    }
                    _ => out.push(c),
                }
            }
            out.push('"');
            out
        };
        let numbers: BTreeMap<&str, usize> = self
            .nodes
            .keys()
            .enumerate()
            .map(|(n, id)| (id.as_str(), n))
            .collect();
        let place = |id: &str| format!("n{}", numbers.get(id).copied().unwrap_or(0));
        let mut out = String::from("flowchart LR\n");
        for (kind, nodes) in self.groups(&[Sort::Principal]) {
            for (id, node) in nodes {
                let label = quoted(&format!("{} ({kind})", node.label));
                let _ = match kind {
                    "AI agent" => writeln!(out, "  {}{{{{{label}}}}}", place(id)),
                    _ => writeln!(out, "  {}([{label}])", place(id)),
                };
            }
        }
        for (number, (host, nodes)) in self.groups(&[Sort::Tool, Sort::Endpoint]).into_iter().enumerate() {
            let _ = writeln!(out, "  subgraph h{number}[{}]", quoted(host));
            for (id, node) in nodes {
                let label = quoted(&node.label);
                let _ = match node.sort {
                    Sort::Tool => writeln!(out, "    {}[[{label}]]", place(id)),
                    _ => writeln!(out, "    {}[{label}]", place(id)),
                };
            }
            out.push_str("  end\n");
        }
        for (_, nodes) in self.groups(&[Sort::Class]) {
            for (id, node) in nodes {
                let _ = writeln!(out, "  {}[/{}/]", place(id), quoted(&node.label));
            }
        }
        for ((from, to, says), edge) in &self.edges {
            let arrow = match says {
                Says::Causes if !edge.is_a_guess() => "==>",
                Says::Causes | Says::Carries => "-.->",
                Says::Calls | Says::ActsFor => "-->",
            };
            let label = match edge_label(*says, edge) {
                label if label.is_empty() => String::new(),
                label => format!("|{}|", quoted(&label)),
            };
            let _ = writeln!(out, "  {} {arrow}{label} {}", place(from), place(to));
        }
        out
    }
}

impl Edge {
    fn add(&mut self, edge: &Value, by: String, sure: f64) {
        let calls = edge["exchanges"].as_u64().unwrap_or(0);
        self.exchanges += calls;
        self.sure += sure * calls as f64;
        self.by.insert(message::clean(&by));
        for cause in names(&edge["causes"]) {
            *self.causes.entry(cause.to_owned()).or_default() += edge["causes"][cause].as_u64().unwrap_or(0);
        }
    }
}

/// Whether an endpoint is of the protocol of MCP itself: sessions, lists, notifications. Every client calls it, and it tells nothing of
/// what is done.
fn is_housekeeping(endpoint: &Known) -> bool {
    const DOES: [&str; 4] = ["tools/call", "resources/read", "prompts/get", "batch"];
    let operation = endpoint
        .text("template")
        .split_once('#')
        .map(|(_, operation)| operation);
    endpoint.text("protocol") == "mcp"
        && operation.is_some_and(|operation| !DOES.iter().any(|does| operation.starts_with(does)))
}

/// A name, or the sort of caller and the first letters of its id.
fn short_name(principal: &Known) -> String {
    match principal.value["name"].as_str() {
        Some(name) => name.to_owned(),
        None => {
            let id = principal.text("id");
            format!("{} {}", kind_of(principal).1, id.get(..8).unwrap_or(id))
        }
    }
}

/// Subjects for whom a principal acts, with counts.
fn parties(principal: &Known) -> Vec<(&str, u64)> {
    let Value::Object(map) = &principal.value["on_behalf_of"] else {
        return Vec::new();
    };
    map.iter()
        .map(|(id, count)| (id.as_str(), count.as_u64().unwrap_or(0)))
        .collect()
}

fn edge_label(says: Says, edge: &Edge) -> String {
    match says {
        Says::Calls if edge.exchanges > 0 => edge.exchanges.to_string(),
        Says::Causes => {
            let causes: Vec<&str> = edge.causes.keys().map(String::as_str).collect();
            let by: Vec<&str> = edge.by.iter().map(String::as_str).take(2).collect();
            let sure = edge.confidence();
            format!(
                "{} by {}, {} ({sure:.2})",
                edge.exchanges,
                by.join(", "),
                causes.join(", ")
            )
        }
        Says::ActsFor => "acts for".to_owned(),
        Says::Calls | Says::Carries => String::new(),
    }
}
