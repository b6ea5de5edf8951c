//! Reading of an intent policy: TOML whose every mistake is told with its place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::action::{Http, What};
use super::fields::{self, Fields};
use super::{Agent, Budget, Forbid, Goal, Limit, Mode, Per, Permit, Policies, Price, key_of};
use crate::condition::{self, Condition};
use crate::finding::Severity;
use crate::identity::PrincipalKind;
use crate::inventory::declared::HostGlob;
use crate::inventory::declared::file::{Mistakes, Section, parse};
use crate::spec::Problem;

/// Of one file.
const AGENTS: usize = 1024;
/// Of one agent.
const PERMITS: usize = 512;
const BUDGETS: usize = 64;

/// Distinct objects that a budget may allow: they are remembered one by one.
pub(super) const OBJECTS: f64 = 4096.0;

const TOP: [&str; 3] = ["policy", "agent", "price"];
const POLICY: [&str; 4] = ["name", "owner", "mode", "severity"];
const AGENT: [&str; 12] = [
    "name", "client", "id", "claim", "registry", "kind", "mode", "severity", "host", "goal", "forbid",
    "budget",
];
const GOAL: [&str; 5] = ["name", "host", "permit", "budget", "sequence"];
const PERMIT: [&str; 14] = [
    "id",
    "allow",
    "tools",
    "prompts",
    "resources",
    "skills",
    "operations",
    "models",
    "host",
    "when",
    "after",
    "before",
    "at_most",
    "at_most_once",
];
const FORBID: [&str; 11] = [
    "id",
    "what",
    "tools",
    "prompts",
    "resources",
    "skills",
    "operations",
    "models",
    "host",
    "when",
    "severity",
];
const BUDGET: [&str; 10] = [
    "id", "of", "per", "calls", "objects", "bytes", "tokens", "cost", "amount", "sum",
];
const SEQUENCE: [&str; 1] = ["steps"];
const PRICE: [&str; 4] = ["model", "input", "output", "cached"];

/// A key with names, and what it makes of each.
type Named = (&'static str, fn(String) -> What);

type Item<'d> = Spanned<DeValue<'d>>;

/// Adds what a text declares.
///
/// # Errors
///
/// Every mistake in it.
pub(super) fn add(to: &mut Policies, file: &str, text: &str) -> Result<(), Vec<Problem>> {
    let mut reader = Reader {
        text,
        file,
        mistakes: Mistakes::new(text),
        mode: Mode::Observe,
        severity: Severity::Medium,
        costs: None,
    };
    let (agents, prices) = reader.read(to);
    match reader.mistakes.finish() {
        found if found.is_empty() => {
            to.agents.extend(agents);
            to.prices.extend(prices);
            to.files += 1;
            Ok(())
        }
        found => Err(found),
    }
}

struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    mistakes: Mistakes<'t>,
    mode: Mode,
    severity: Severity,
    /// Where the first budget of costs stands.
    costs: Option<usize>,
}

/// A permit with the names of what it refers to, as they stand in the file.
struct Loose {
    permit: Permit,
    after: Vec<(usize, String)>,
    before: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> u32 {
        let at = at.min(self.text.len());
        1 + self.text.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() as u32
    }

    fn read(&mut self, known: &Policies) -> (Vec<Agent>, Vec<Price>) {
        let root = parse(self.text, &mut self.mistakes);
        let root = root.get_ref();
        for (key, _) in root {
            if !TOP.contains(&key.get_ref().as_ref()) {
                self.mistakes.push(
                    key.span().start,
                    crate::inventory::declared::file::unknown("section", key.get_ref(), &TOP),
                );
            }
        }
        if let Some((key, value)) = root.iter().find(|(key, _)| key.get_ref() == "policy") {
            match value.get_ref() {
                DeValue::Table(table) => {
                    let mut section =
                        Section::new(("policy", key.span().start, table), &POLICY, &mut self.mistakes);
                    section.text("name");
                    section.text("owner");
                    let (mode, severity) = (mode(&mut section), severity(&mut section));
                    self.mode = mode.unwrap_or(self.mode);
                    self.severity = severity.unwrap_or(self.severity);
                }
                _ => self.mistakes.push(
                    key.span().start,
                    "`policy` is a section; write [policy] and its keys below",
                ),
            }
        }
        let prices: Vec<_> = self.list(root, "price").into_iter().collect();
        let prices: Vec<Price> = prices
            .into_iter()
            .filter_map(|(at, table)| self.price(at, table))
            .collect();
        let tables = self.list(root, "agent");
        if tables.is_empty() && prices.is_empty() && self.mistakes.is_empty() {
            self.mistakes.push(
                0,
                "there is no agent; write [[agent]] and below it whom it is about (client, id, claim, registry or kind)",
            );
        }
        if tables.len() > AGENTS {
            self.mistakes.push(
                tables[AGENTS].0,
                format!("more than {AGENTS} agents; write a second file"),
            );
        }
        let mut agents: Vec<Agent> = Vec::new();
        for (at, table) in tables.into_iter().take(AGENTS) {
            let agent = self.agent(at, table);
            let same = known
                .agents
                .iter()
                .chain(&agents)
                .find(|other| other.name == agent.name);
            if let Some(other) = same.filter(|_| !agent.name.is_empty()) {
                let what = format!(
                    "agent `{}` is declared in {}:{} too; give it another name, or put both together",
                    agent.name, other.file, other.line
                );
                self.mistakes.push(at, what);
            }
            agents.push(agent);
        }
        if let Some(at) = self.costs
            && prices.is_empty()
            && known.prices.is_empty()
        {
            self.mistakes.push(
                at,
                "budget.cost needs prices; write e.g. [[price]] with model = \"gpt-4o*\", input = 2.5 and output = 10.0 (for a million tokens)",
            );
        }
        (agents, prices)
    }

    /// The tables of `[[name]]` within a table.
    fn list<'d>(&mut self, table: &'d DeTable<'_>, name: &str) -> Vec<(usize, &'d DeTable<'d>)> {
        let mut out = Vec::new();
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else {
            return out;
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.mistakes.push(
                key.span().start,
                format!("`{name}` is a list of sections; write it with two brackets: [[…{name}]]"),
            );
            return out;
        };
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => out.push((item.span().start, table)),
                _ => self.mistakes.push(
                    item.span().start,
                    format!("`{name}` is a list of sections; write [[…{name}]] and its keys below"),
                ),
            }
        }
        out.sort_by_key(|(at, _)| *at);
        out
    }

    fn agent(&mut self, at: usize, table: &DeTable<'_>) -> Agent {
        let mut section = Section::new(("agent", at, table), &AGENT, &mut self.mistakes);
        let mut texts = |key: &'static str| -> Vec<(usize, String)> {
            section
                .texts(key)
                .into_iter()
                .map(|(at, text)| (at, text.to_owned()))
                .collect()
        };
        let (clients, ids, claims, registry, kinds) = (
            texts("client"),
            texts("id"),
            texts("claim"),
            texts("registry"),
            texts("kind"),
        );
        let (mode, severity) = (mode(&mut section), severity(&mut section));
        let name = section.text("name").map(|(_, name)| name.to_owned());
        if name.is_none() && !section.has("name") {
            section
                .mistakes
                .push(at, "agent.name is missing; write what people call it");
        }
        if clients.len() + ids.len() + claims.len() + registry.len() + kinds.len() == 0 {
            section.mistakes.push(
                at,
                "agent says not whom it is about; write client (a name as `tapline agents` shows it), id, claim (\"azp=…\"), \
                 registry (a name in inventory.agents) or kind",
            );
        }
        for (at, id) in &ids {
            if crate::id::Id::parse(id).is_none() {
                let what = format!("agent.id `{}` is no id of 24 hexadecimal digits", shown(id));
                section.mistakes.push(*at, what);
            }
        }
        let mut wanted = Vec::new();
        for (at, claim) in &claims {
            match claim.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
                    wanted.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => section.mistakes.push(
                    *at,
                    "agent.claim is no claim and value; write e.g. \"azp=refund-agent\", where * stands for any text",
                ),
            }
        }
        let mut meant = Vec::new();
        for (at, kind) in &kinds {
            const KINDS: [PrincipalKind; 4] = [
                PrincipalKind::AiAgent,
                PrincipalKind::Service,
                PrincipalKind::Human,
                PrincipalKind::Unknown,
            ];
            match KINDS.iter().find(|k| k.name() == kind) {
                Some(kind) => meant.push(*kind),
                None => section.mistakes.push(
                    *at,
                    format!(
                        "agent.kind is \"{}\"; it may be ai_agent, service, human or unknown",
                        shown(kind)
                    ),
                ),
            }
        }
        let plain = |list: Vec<(usize, String)>| list.into_iter().map(|(_, text)| text).collect();
        let mut agent = Agent {
            name: name.unwrap_or_default(),
            file: self.file.to_owned(),
            line: self.line(at),
            ids: plain(ids),
            clients: plain(clients),
            claims: wanted,
            registry: plain(registry),
            kinds: meant,
            mode: mode.unwrap_or(self.mode),
            severity: severity.unwrap_or(self.severity),
            goals: Vec::new(),
            permits: Vec::new(),
            forbids: Vec::new(),
            budgets: Vec::new(),
        };
        let hosts = self.hosts(("agent", at, table), &AGENT);
        let mut loose: Vec<Loose> = Vec::new();
        let mut goals = Vec::new();
        let mut sequences: Vec<Vec<(usize, String)>> = Vec::new();
        let mut budgets: Vec<(usize, usize, &DeTable<'_>)> = Vec::new();
        for (at, table) in self.list(table, "goal") {
            let number = goals.len();
            let mut section = Section::new(("goal", at, table), &GOAL, &mut self.mistakes);
            let name = section.text("name").map(|(_, name)| name.to_owned());
            if name.is_none() && !section.has("name") {
                section.mistakes.push(
                    at,
                    "goal.name is missing; write what the agent is to reach, in words",
                );
            }
            let own = self.hosts(("goal", at, table), &GOAL);
            let hosts = if own.is_empty() { &hosts } else { &own };
            let permits = self.list(table, "permit");
            if permits.is_empty() {
                self.mistakes.push(
                    at,
                    "this goal permits nothing; write [[agent.goal.permit]] with an id and what is allowed",
                );
            }
            for (at, table) in permits {
                if loose.len() >= PERMITS {
                    self.mistakes.push(
                        at,
                        format!("more than {PERMITS} permits of one agent; use * in them"),
                    );
                    break;
                }
                let mut permit = self.permit(at, table, hosts);
                permit.permit.goal = number;
                if let Some(other) = loose.iter().find(|other| other.permit.id == permit.permit.id) {
                    let what = format!(
                        "another permit of this agent is called `{}` too, in line {}",
                        other.permit.id, other.permit.line
                    );
                    self.mistakes.push(at, what);
                }
                loose.push(permit);
            }
            for (at, table) in self.list(table, "sequence") {
                let mut section = Section::new(("sequence", at, table), &SEQUENCE, &mut self.mistakes);
                let steps: Vec<(usize, String)> = section
                    .texts("steps")
                    .into_iter()
                    .map(|(at, text)| (at, text.to_owned()))
                    .collect();
                if steps.len() < 2 {
                    section.mistakes.push(
                        at,
                        "sequence.steps needs two ids of permits or more, in the order in which they may be done",
                    );
                }
                sequences.push(steps);
            }
            for (at, table) in self.list(table, "budget") {
                budgets.push((number, at, table));
            }
            goals.push(Goal {
                name: name.unwrap_or_default(),
            });
        }
        // A sequence is a short way to write what each step comes after.
        for steps in sequences {
            for pair in steps.windows(2) {
                let (at, step) = &pair[1];
                match loose.iter_mut().find(|l| l.permit.id == *step) {
                    Some(known) => known.after.push(pair[0].clone()),
                    None => self.no_permit(*at, "sequence.steps", step, &loose),
                }
            }
            if let Some((at, first)) = steps.first()
                && !loose.iter().any(|l| l.permit.id == *first)
            {
                self.no_permit(*at, "sequence.steps", first, &loose);
            }
        }
        for number in 0..loose.len() {
            for (list, name) in [(true, "permit.after"), (false, "permit.before")] {
                let wanted = match list {
                    true => std::mem::take(&mut loose[number].after),
                    false => std::mem::take(&mut loose[number].before),
                };
                for (at, id) in wanted {
                    if !loose.iter().any(|l| l.permit.id == id) {
                        self.no_permit(at, name, &id, &loose);
                        continue;
                    }
                    if id == loose[number].permit.id {
                        self.mistakes.push(at, format!("{name} names the permit itself"));
                        continue;
                    }
                    let permit = &mut loose[number].permit;
                    let to = if list {
                        &mut permit.after
                    } else {
                        &mut permit.before
                    };
                    if !to.contains(&id) {
                        to.push(id);
                    }
                }
            }
        }
        if let Some(circle) = circle(&loose) {
            self.mistakes.push(
                at,
                format!("the order of this agent goes in a circle, so that none of it can be done: {circle}"),
            );
        }
        for (number, at, table) in budgets {
            let budget = self.budget(at, table, Some(number), &loose);
            agent.budgets.extend(budget);
        }
        for (at, table) in self.list(table, "budget") {
            let budget = self.budget(at, table, None, &loose);
            agent.budgets.extend(budget);
        }
        if agent.budgets.len() > BUDGETS {
            self.mistakes
                .push(at, format!("more than {BUDGETS} budgets of one agent"));
        }
        let mut ids: Vec<&str> = Vec::new();
        for budget in &agent.budgets {
            if ids.contains(&budget.id.as_str()) || loose.iter().any(|l| l.permit.id == budget.id) {
                self.mistakes
                    .push(at, format!("two rules of this agent are called `{}`", budget.id));
            }
            ids.push(&budget.id);
        }
        for (at, table) in self.list(table, "forbid") {
            let forbid = self.forbid(at, table, &hosts);
            agent.forbids.extend(forbid);
        }
        if goals.is_empty()
            && agent.forbids.is_empty()
            && agent.budgets.is_empty()
            && self.mistakes.is_empty()
        {
            self.mistakes.push(
                at,
                "this agent has no goal, so nothing would be permitted; write [[agent.goal]] and [[agent.goal.permit]]",
            );
        }
        for one in loose {
            agent.permits.push(one.permit);
        }
        agent.goals = goals;
        agent
    }

    fn no_permit(&mut self, at: usize, key: &str, id: &str, loose: &[Loose]) {
        let known: Vec<&str> = loose.iter().map(|l| l.permit.id.as_str()).collect();
        let near = match crate::nearest(id, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "this agent has none".to_owned(),
            None => format!(
                "there are {}",
                known.iter().take(12).copied().collect::<Vec<_>>().join(", ")
            ),
        };
        self.mistakes.push(
            at,
            format!("{key}: no permit of this agent is called `{}`; {near}", shown(id)),
        );
    }

    fn hosts(
        &mut self,
        (name, at, table): (&'static str, usize, &DeTable<'_>),
        keys: &'static [&'static str],
    ) -> Vec<HostGlob> {
        let mut section = Section::new((name, at, table), keys, &mut self.mistakes);
        let found: Vec<(usize, String)> = section
            .texts("host")
            .into_iter()
            .map(|(at, text)| (at, text.to_owned()))
            .collect();
        let mut out = Vec::new();
        for (at, text) in found {
            match HostGlob::parse(&text) {
                Ok(host) => out.push(host),
                Err(wrong) => self.mistakes.push(at, format!("{name}.host {wrong}")),
            }
        }
        out
    }

    /// What a rule is about. `paths`: the key with methods and paths.
    fn what(
        &mut self,
        (name, at, table): (&'static str, usize, &DeTable<'_>),
        keys: &'static [&'static str],
        paths: &'static str,
    ) -> Vec<What> {
        let mut out = Vec::new();
        let mut section = Section::new((name, at, table), keys, &mut self.mistakes);
        for (at, text) in section.texts(paths) {
            match Http::parse(text) {
                Ok(http) => out.push(What::Http(http)),
                Err(wrong) => section.mistakes.push(at, format!("{name}.{paths} {wrong}")),
            }
        }
        const SORTS: [Named; 6] = [
            ("tools", What::Tool),
            ("prompts", What::Prompt),
            ("resources", What::Resource),
            ("skills", What::Skill),
            ("operations", What::Operation),
            ("models", What::Model),
        ];
        for (key, make) in SORTS {
            for (_, text) in section.texts(key) {
                out.push(make(text.to_owned()));
            }
        }
        if out.is_empty() && !section.has(paths) && !SORTS.iter().any(|(key, _)| section.has(key)) {
            section.mistakes.push(
                at,
                format!(
                    "this {name} names nothing; write {paths} = [\"GET /v1/orders/{{id}}\"], or tools, prompts, resources, skills, \
                     operations or models"
                ),
            );
        }
        out
    }

    /// The id of a rule: what findings call it.
    fn id(
        &mut self,
        (name, at, table): (&'static str, usize, &DeTable<'_>),
        keys: &'static [&'static str],
    ) -> String {
        let mut section = Section::new((name, at, table), keys, &mut self.mistakes);
        let found = section.text("id").map(|(at, id)| (at, id.to_owned()));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        match found {
            Some((_, id)) if id.len() <= 100 && id.chars().all(plain) => id,
            Some((at, _)) => {
                let what = "must be 1 to 100 letters, digits, dashes, dots, underscores or slashes";
                self.mistakes.push(at, format!("{name}.id {what}"));
                String::new()
            }
            None => {
                self.mistakes.push(
                    at,
                    format!("this {name} has no id; give it one that stays, such as id = \"read-order\""),
                );
                String::new()
            }
        }
    }

    fn condition(&mut self, table: &DeTable<'_>, name: &str) -> Option<(Condition, String)> {
        let (_, item) = table.iter().find(|(key, _)| key.get_ref() == "when")?;
        let DeValue::String(text) = item.get_ref() else {
            self.mistakes.push(
                item.span().start,
                format!("{name}.when must be a text, in quotes"),
            );
            return None;
        };
        match condition::read(&Fields, text) {
            Ok(condition) => {
                let wording = text.split_whitespace().collect::<Vec<_>>().join(" ");
                Some((condition, wording))
            }
            Err(wrong) => {
                let at = within(self.text, item, text, wrong.at);
                self.mistakes.push(at, wrong.what);
                None
            }
        }
    }

    fn permit(&mut self, at: usize, table: &DeTable<'_>, inherited: &[HostGlob]) -> Loose {
        let what = self.what(("permit", at, table), &PERMIT, "allow");
        let id = self.id(("permit", at, table), &PERMIT);
        let own = self.hosts(("permit", at, table), &PERMIT);
        let hosts = if own.is_empty() { inherited.to_vec() } else { own };
        if hosts.is_empty() && !table.iter().any(|(key, _)| key.get_ref() == "host") {
            self.mistakes.push(
                at,
                "this permit names no host, and neither does its goal or agent; write host = \"api.example.com\", or \"*\" for all",
            );
        }
        let when = self.condition(table, "permit");
        let mut section = Section::new(("permit", at, table), &PERMIT, &mut self.mistakes);
        let mut texts = |key: &'static str| -> Vec<(usize, String)> {
            section
                .texts(key)
                .into_iter()
                .map(|(at, text)| (at, text.to_owned()))
                .collect()
        };
        let (after, before) = (texts("after"), texts("before"));
        let once = self.flag(table, "permit", "at_most_once");
        let most = self.number(table, "permit", "at_most");
        let at_most = match (once, most) {
            (Some(true), Some((at, _))) => {
                self.mistakes.push(
                    at,
                    "permit.at_most and permit.at_most_once say the same; leave one out",
                );
                None
            }
            (Some(true), None) => Some(1),
            (_, Some((at, most))) => {
                if most < 1.0 || most.fract() != 0.0 || most > 65_535.0 {
                    self.mistakes
                        .push(at, "permit.at_most must be a whole number from 1 to 65535");
                }
                Some(most as u32)
            }
            _ => None,
        };
        let (when, wording) = match when {
            Some((when, wording)) => (Some(when), wording),
            None => (None, String::new()),
        };
        Loose {
            permit: Permit {
                key: key_of(&id),
                id,
                goal: 0,
                line: self.line(at),
                what,
                hosts,
                needs: when.as_ref().map(fields::needs).unwrap_or_default(),
                when,
                wording,
                after: Vec::new(),
                before: Vec::new(),
                at_most,
            },
            after,
            before,
        }
    }

    fn forbid(&mut self, at: usize, table: &DeTable<'_>, inherited: &[HostGlob]) -> Option<Forbid> {
        let what = self.what(("forbid", at, table), &FORBID, "what");
        let id = self.id(("forbid", at, table), &FORBID);
        let own = self.hosts(("forbid", at, table), &FORBID);
        let mut hosts = if own.is_empty() { inherited.to_vec() } else { own };
        if hosts.is_empty() {
            hosts.push(HostGlob::any());
        }
        let when = self.condition(table, "forbid");
        let mut section = Section::new(("forbid", at, table), &FORBID, &mut self.mistakes);
        let severity = severity(&mut section);
        let (when, wording) = match when {
            Some((when, wording)) => (Some(when), wording),
            None => (None, String::new()),
        };
        Some(Forbid {
            id,
            line: self.line(at),
            what,
            hosts,
            needs: when.as_ref().map(fields::needs).unwrap_or_default(),
            when,
            wording,
            severity,
        })
    }

    fn budget(
        &mut self,
        at: usize,
        table: &DeTable<'_>,
        goal: Option<usize>,
        loose: &[Loose],
    ) -> Option<Budget> {
        let mut section = Section::new(("budget", at, table), &BUDGET, &mut self.mistakes);
        let per = match section.text("per") {
            Some((_, "task")) => Some(Per::Task),
            Some((_, "hour")) => Some(Per::Hour),
            Some((_, "day")) => Some(Per::Day),
            Some((at, other)) => {
                let what = format!("budget.per is \"{}\"; it may be task, hour or day", shown(other));
                section.mistakes.push(at, what);
                None
            }
            None => {
                section.mistakes.push(
                    at,
                    "budget.per is missing; it may be \"task\", \"hour\" or \"day\"",
                );
                None
            }
        };
        let of: Vec<(usize, String)> = section
            .texts("of")
            .into_iter()
            .map(|(at, text)| (at, text.to_owned()))
            .collect();
        let sum = section.text("sum").map(|(at, text)| (at, text.to_owned()));
        let id = self.id(("budget", at, table), &BUDGET);
        for (at, id) in &of {
            if !loose.iter().any(|l| l.permit.id == *id) {
                self.no_permit(*at, "budget.of", id, loose);
            }
        }
        let mut limits = Vec::new();
        for limit in Limit::ALL {
            let Some((at, most)) = self.number(table, "budget", limit.name()) else {
                continue;
            };
            if most < 0.0 || !most.is_finite() {
                self.mistakes
                    .push(at, format!("budget.{} must be zero or more", limit.name()));
            }
            if limit == Limit::Objects && most > OBJECTS {
                self.mistakes.push(
                    at,
                    format!("budget.objects may be at most {OBJECTS}: they are remembered one by one; limit calls or bytes instead"),
                );
            }
            if limit == Limit::Cost {
                self.costs = self.costs.or(Some(at));
            }
            limits.push((limit, most));
        }
        if limits.is_empty() {
            self.mistakes.push(
                at,
                "this budget limits nothing; write calls, objects, bytes, tokens, cost or amount and how much",
            );
        }
        let has_amount = limits.iter().any(|(limit, _)| *limit == Limit::Amount);
        let sum = match (has_amount, sum) {
            (true, Some((at, path))) => {
                let names: Vec<String> = path.split('.').map(str::to_owned).collect();
                if names.len() < 2 || names[0] != "args" || names.iter().any(String::is_empty) {
                    self.mistakes
                        .push(at, "budget.sum must be an argument, such as \"args.amount\"");
                }
                names
            }
            (true, None) => {
                self.mistakes.push(
                    at,
                    "budget.amount needs to know what is added up; write e.g. sum = \"args.amount\"",
                );
                Vec::new()
            }
            (false, Some((at, _))) => {
                self.mistakes.push(
                    at,
                    "budget.sum says what amount adds up; write amount = … as well",
                );
                Vec::new()
            }
            (false, None) => Vec::new(),
        };
        Some(Budget {
            key: key_of(&id),
            id,
            line: self.line(at),
            goal,
            of: of.into_iter().map(|(_, id)| id).collect(),
            per: per?,
            limits,
            sum,
        })
    }

    fn price(&mut self, at: usize, table: &DeTable<'_>) -> Option<Price> {
        let mut section = Section::new(("price", at, table), &PRICE, &mut self.mistakes);
        let model = section.text("model").map(|(_, model)| model.to_owned());
        if model.is_none() {
            section
                .mistakes
                .push(at, "price.model is missing; * stands for any text");
        }
        let mut tokens = |key: &'static str| -> Option<f64> {
            let (at, price) = self.number(table, "price", key)?;
            if price < 0.0 || !price.is_finite() {
                self.mistakes
                    .push(at, format!("price.{key} must be zero or more"));
            }
            Some(price)
        };
        let (input, output, cached) = (tokens("input"), tokens("output"), tokens("cached"));
        let (Some(input), Some(output)) = (input, output) else {
            self.mistakes
                .push(at, "a price needs input and output: what a million tokens cost");
            return None;
        };
        Some(Price {
            model: model?,
            input,
            output,
            cached: cached.unwrap_or(input),
        })
    }

    fn number(&mut self, table: &DeTable<'_>, name: &str, key: &str) -> Option<(usize, f64)> {
        let (_, item) = table.iter().find(|(known, _)| known.get_ref() == key)?;
        let at = item.span().start;
        let number = match item.get_ref() {
            DeValue::Integer(number) => {
                i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                    .ok()
                    .map(|n| n as f64)
            }
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.mistakes
                .push(at, format!("{name}.{key} must be a number, without quotes"));
        }
        number.map(|number| (at, number))
    }

    fn flag(&mut self, table: &DeTable<'_>, name: &str, key: &str) -> Option<bool> {
        let (_, item) = table.iter().find(|(known, _)| known.get_ref() == key)?;
        match item.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.mistakes
                    .push(item.span().start, format!("{name}.{key} must be true or false"));
                None
            }
        }
    }
}

fn mode(section: &mut Section<'_, '_, '_>) -> Option<Mode> {
    match section.text("mode")? {
        (_, "observe") => Some(Mode::Observe),
        (_, "enforce") => Some(Mode::Enforce),
        (at, other) => {
            let what = format!("is \"{}\"; it may be observe or enforce", shown(other));
            section.wrong(at, "mode", &what);
            None
        }
    }
}

fn severity(section: &mut Section<'_, '_, '_>) -> Option<Severity> {
    let (at, word) = section.text("severity")?;
    let found = Severity::ALL.into_iter().find(|s| s.name() == word);
    if found.is_none() {
        let what = format!(
            "is \"{}\"; it may be info, low, medium, high or critical",
            shown(word)
        );
        section.wrong(at, "severity", &what);
    }
    found
}

/// A text of the file as it is quoted in a message.
fn shown(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A circle in the order of permits, in words.
fn circle(loose: &[Loose]) -> Option<String> {
    let at = |id: &str| loose.iter().position(|l| l.permit.id == id);
    // What can be done is taken out again and again; what is left waits for itself.
    let mut left: Vec<usize> = (0..loose.len()).collect();
    loop {
        let before = left.len();
        let waits = left.clone();
        left.retain(|n| {
            let after = &loose[*n].permit.after;
            after.iter().filter_map(|id| at(id)).any(|a| waits.contains(&a))
        });
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            let names: Vec<&str> = left
                .iter()
                .take(8)
                .map(|n| loose[*n].permit.id.as_str())
                .collect();
            return Some(names.join(", "));
        }
    }
}

/// The byte of the file where byte `at` of a text stands. Where a text has escapes, that of its beginning.
fn within(file: &str, item: &Item<'_>, text: &str, at: usize) -> usize {
    let span = item.span();
    let raw = file.get(span.clone()).unwrap_or_default();
    for quotes in ["'''", "\"\"\"", "'", "\""] {
        let Some(inner) = raw.strip_prefix(quotes) else {
            continue;
        };
        // A line break right behind three quotes is no part of the text.
        let cut = inner.len() - inner.trim_start_matches('\r').trim_start_matches('\n').len();
        for skipped in [0, cut] {
            let begins = quotes.len() + skipped;
            if raw[begins..].starts_with(text) {
                return span.start + begins + at;
            }
        }
    }
    span.start
}
