//! `tapline tune`: what would have been told under other settings, by replaying captures under both.
//!
//! Each configuration has a run of its own over the same files, from nothing, with no store and no output. Findings are the same when
//! they have the same id.

use std::collections::{BTreeMap, BTreeSet};

use analyzers::finding::CATALOGUE;
use analyzers::{Analyzer, Finding, Severity};
use serde_json::{Value, json};

use crate::args::TuneArgs;
use crate::config::{self, Config};
use crate::declared::{self, Tell};
use crate::desk::{Desk, DeskSettings, HashKey};
use crate::exit::{Failure, Status};
use crate::jwks;
use crate::known::from_analyzer;
use crate::output::Outputs;
use crate::pipeline;
use crate::records::Rfc3339;
use crate::signals::Stop;
use crate::source::file::{Inputs, Progress};
use crate::summary::page::{Cell, Column, Look, Page, thousands};

/// Confidence from which on findings are counted, in hundredths.
const STEPS: [u32; 11] = [0, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95];
/// Findings gained or lost that are listed.
const MOST: usize = 40;
/// What may be set: what bears on findings and reads no file.
const SECTIONS: [&str; 5] = ["detection", "learning", "findings", "token", "limits"];

/// What one configuration told.
struct Told {
    exchanges: u64,
    /// By id, the latest revision of each.
    findings: BTreeMap<String, Finding>,
    /// Findings that are held back by a budget, and that suppressions hide.
    held: usize,
    hidden: usize,
}

pub(super) fn tune(args: &TuneArgs) -> Result<Status, Failure> {
    let now = config::from_file(args.config.as_deref()).map_err(Failure::usage)?;
    let mut change = now.clone();
    for setting in &args.set {
        let allowed = setting.split(['.', '=']).next().unwrap_or_default().trim();
        if config::is_section(allowed) && !SECTIONS.contains(&allowed) {
            return Err(Failure::usage(anyhow::anyhow!(
                "--set {setting}: `{allowed}` does not bear on what is told; it may be a key of {}",
                SECTIONS.join(", ")
            )));
        }
        config::set(&mut change, setting)
            .map_err(|what| Failure::usage(anyhow::anyhow!("--set {setting}: {what}")))?;
    }
    let stop = Stop::on_signals();
    let least = args.min_severity.map_or(Severity::Info, Into::into);
    let (before, status) = told(args, &now, &stop)?;
    let (after, other) = match args.set.is_empty() {
        true => (None, Status::Done),
        false => told(args, &change, &stop).map(|(after, status)| (Some(after), status))?,
    };
    let status = status.max(other);
    if stop.asked() {
        // Half of a history compares with nothing.
        return Ok(stop.by().1);
    }
    let seen = Compared {
        args,
        least,
        before,
        after,
    };
    super::print(&match args.json {
        true => format!("{}\n", seen.json()),
        false => seen.page(),
    })?;
    Ok(status)
}

/// Replays the files under one configuration.
fn told(args: &TuneArgs, config: &Config, stop: &Stop) -> Result<(Told, Status), Failure> {
    let mut learning = config.analysis_settings().map_err(Failure::usage)?;
    learning.declared = declared::load(config, &args.spec, &[], Tell::Nothing)
        .map_err(Failure::usage)?
        .into();
    learning.keys = jwks::load(config).map_err(Failure::usage)?.into();
    let hash_key = learning.hash_key;
    let settings = DeskSettings {
        reveal: false,
        sensor: config.sensor.name.clone(),
        live: false,
        hash_key: HashKey(hash_key),
        one_sided_percent: 0,
        snapshot_every: config.store.snapshot_every,
        write_rate: 0,
        history_days: 0,
        destination: None,
        board: None,
    };
    let desk = Desk::new(Analyzer::new(learning), Outputs::default(), None, settings);
    let progress = Progress::default();
    let inputs = Inputs::open(&args.files, 1 << 20, &progress, stop);
    if let Some(why) = inputs.unreadable() {
        return Err(Failure::input(anyhow::anyhow!("{}", why.join("\n"))));
    }
    let limits = config.reassembly_limits();
    let (run, desk) = pipeline::replay(inputs, None, limits, &[], desk, 1, stop).map_err(Failure::input)?;
    run.damage.iter().for_each(|damage| crate::message::error(damage));
    let analyzer = desk.analyzer();
    let status = match run.damage.is_empty() {
        true => Status::Done,
        false => Status::Input,
    };
    let told = Told {
        exchanges: run.counters.exchanges,
        findings: analyzer.findings().map(|f| (f.id.clone(), f)).collect(),
        held: analyzer.held_findings().len(),
        hidden: analyzer.hidden_findings().len(),
    };
    Ok((told, status))
}

/// What was told before and after.
struct Compared<'a> {
    args: &'a TuneArgs,
    least: Severity,
    before: Told,
    after: Option<Told>,
}

impl Compared<'_> {
    fn is_wanted(&self, finding: &Finding) -> bool {
        finding.severity >= self.least && finding.confidence >= self.args.min_confidence
    }

    /// The findings that count.
    fn of<'t>(&'t self, told: &'t Told) -> impl Iterator<Item = &'t Finding> + 't {
        told.findings.values().filter(|finding| self.is_wanted(finding))
    }

    /// Those that `one` has and `other` has not, the worst and surest first.
    fn only<'t>(&'t self, one: &'t Told, other: &'t Told) -> Vec<&'t Finding> {
        let there = |finding: &Finding| other.findings.get(&finding.id).is_some_and(|f| self.is_wanted(f));
        let mut all: Vec<&Finding> = self.of(one).filter(|finding| !there(finding)).collect();
        all.sort_by(|a, b| {
            let rank = |f: &Finding| (f.severity, (f.confidence * 100.0).round() as u32);
            rank(b)
                .cmp(&rank(a))
                .then_with(|| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)))
        });
        all
    }

    fn gained(&self) -> Vec<&Finding> {
        self.after
            .as_ref()
            .map_or_else(Vec::new, |after| self.only(after, &self.before))
    }

    fn lost(&self) -> Vec<&Finding> {
        self.after
            .as_ref()
            .map_or_else(Vec::new, |after| self.only(&self.before, after))
    }

    /// Findings of each kind that was told by either, in the order of the catalogue.
    fn kinds(&self) -> Vec<(&'static str, [u64; 4])> {
        let count = |all: &mut dyn Iterator<Item = &Finding>| {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            all.for_each(|finding| *counts.entry(finding.kind.name()).or_default() += 1);
            counts
        };
        let now = count(&mut self.of(&self.before));
        let then = self
            .after
            .as_ref()
            .map(|after| count(&mut self.of(after)))
            .unwrap_or_default();
        let gained = count(&mut self.gained().into_iter());
        let lost = count(&mut self.lost().into_iter());
        let of = |counts: &BTreeMap<&str, u64>, name| counts.get(name).copied().unwrap_or(0);
        let told: BTreeSet<&str> = now.keys().chain(then.keys()).copied().collect();
        let names = CATALOGUE
            .iter()
            .map(|entry| entry.name)
            .filter(|name| told.contains(name));
        names
            .map(|name| {
                (
                    name,
                    [
                        of(&now, name),
                        of(&then, name),
                        of(&gained, name),
                        of(&lost, name),
                    ],
                )
            })
            .collect()
    }

    /// How many have at least each confidence: all, and those of medium severity and higher.
    fn sweep(&self, told: &Told) -> Vec<(u32, u64, u64)> {
        let at_least = |step: u32| {
            let sure = |f: &&Finding| (f.confidence * 100.0).round() as u32 >= step;
            let all = self.of(told).filter(sure);
            all.fold((step, 0, 0), |(step, all, medium), f| {
                (step, all + 1, medium + u64::from(f.severity >= Severity::Medium))
            })
        };
        STEPS.iter().map(|step| at_least(*step)).collect()
    }

    fn json(&self) -> Value {
        let record = |finding: &&Finding| from_analyzer::finding(finding).value;
        let kinds = self
            .kinds()
            .into_iter()
            .map(|(kind, [now, change, gained, lost])| match self.after {
                Some(_) => {
                    json!({"kind": kind, "now": now, "change": change, "gained": gained, "lost": lost})
                }
                None => json!({"kind": kind, "now": now}),
            });
        let sweep = |told: &Told| {
            let row = |(step, all, medium)| json!({"confidence": f64::from(step) / 100.0, "findings": all, "medium_and_higher": medium});
            self.sweep(told).into_iter().map(row).collect::<Vec<Value>>()
        };
        let totals = |told: &Told| json!({"findings": self.of(told).count(), "held_back": told.held, "suppressed": told.hidden, "by_confidence": sweep(told)});
        json!({
            "v": 1,
            "set": self.args.set,
            "exchanges": self.before.exchanges,
            "now": totals(&self.before),
            "change": self.after.as_ref().map(totals),
            "kinds": kinds.collect::<Vec<Value>>(),
            "gained": self.gained().iter().map(record).collect::<Vec<Value>>(),
            "lost": self.lost().iter().map(record).collect::<Vec<Value>>(),
        })
    }

    fn page(&self) -> String {
        let mut page = Page::for_stdout();
        let files = match self.args.files.as_slice() {
            [one] => crate::source::file::name_of(one),
            all => format!("{} files", all.len()),
        };
        let what = format!("{files}, {} exchanges", thousands(self.before.exchanges));
        page.heading("Tune", &what);
        let mut fact = |name: &str, text: &str| {
            page.text(Look::Dim, &format!("  {name:<8}"));
            page.rest_wrapped(Look::Plain, 10, text);
        };
        let config = self.args.config.as_ref();
        fact(
            "now",
            &config.map_or("the defaults".to_owned(), |path| path.display().to_string()),
        );
        if self.after.is_some() {
            fact("change", &self.args.set.join(", "));
        }
        let mut only = Vec::new();
        if self.least > Severity::Info {
            only.push(format!("{} and higher", self.least.name()));
        }
        if self.args.min_confidence > 0.0 {
            only.push(format!("confidence of {:.2} and more", self.args.min_confidence));
        }
        if !only.is_empty() {
            fact("only", &only.join(", "));
        }
        self.kind_table(&mut page);
        if self.after.is_some() {
            list(&mut page, "Gained", &self.gained());
            list(&mut page, "Lost", &self.lost());
        }
        self.sweep_table(&mut page);
        page.finish()
    }

    fn kind_table(&self, page: &mut Page) {
        const COLUMNS: [Column; 5] = [
            Column::text("kind", 20),
            Column::number("now"),
            Column::number("change"),
            Column::number("gained"),
            Column::number("lost"),
        ];
        let shown = if self.after.is_some() { 5 } else { 2 };
        let kinds = self.kinds();
        page.heading("Findings", "");
        let row = |name: &str, look: Look, [now, change, gained, lost]: [u64; 4]| {
            let zero = |look: Look, count: u64| match count {
                0 => Cell::new(Look::Dim, "·"),
                count => Cell::new(look, thousands(count)),
            };
            let cells = [
                Cell::new(look, name),
                zero(look, now),
                zero(look, change),
                zero(Look::Yellow, gained),
                zero(Look::Cyan, lost),
            ];
            cells.into_iter().take(shown).collect::<Vec<Cell>>()
        };
        let mut rows: Vec<Vec<Cell>> = kinds
            .iter()
            .map(|(name, counts)| row(name, Look::Plain, *counts))
            .collect();
        let all = kinds.iter().fold([0; 4], |mut sum, (_, counts)| {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            sum
        });
        rows.push(row("all", Look::Bold, all));
        page.table(&COLUMNS[..shown], &rows);
        let beside = |told: &Told| {
            format!(
                "{} held back by budgets, {} suppressed",
                thousands(told.held as u64),
                thousands(told.hidden as u64)
            )
        };
        let told = [Some(&self.before), self.after.as_ref()];
        if told.iter().flatten().any(|told| told.held + told.hidden > 0) {
            page.wrapped(
                Look::Dim,
                2,
                &format!("Beside these, now: {}.", beside(&self.before)),
            );
            if let Some(after) = &self.after {
                page.wrapped(Look::Dim, 2, &format!("Under the change: {}.", beside(after)));
            }
        }
    }

    fn sweep_table(&self, page: &mut Page) {
        const COLUMNS: [Column; 5] = [
            Column::text("confidence", 13),
            Column::number("now"),
            Column::number("medium+"),
            Column::number("change"),
            Column::number("medium+"),
        ];
        let shown = if self.after.is_some() { 5 } else { 3 };
        page.heading(
            "By confidence",
            "findings that are left when less sure ones are not told",
        );
        let now = self.sweep(&self.before);
        let then = self.after.as_ref().map(|after| self.sweep(after));
        let row = |(place, (step, all, medium)): (usize, &(u32, u64, u64))| {
            let name = match step {
                0 => "any".to_owned(),
                step => format!("at least {:.2}", f64::from(*step) / 100.0),
            };
            let mut cells = vec![
                Cell::new(Look::Plain, name),
                Cell::count(Look::Plain, *all),
                Cell::count(Look::Plain, *medium),
            ];
            if let Some((_, all, medium)) = then.as_ref().and_then(|then| then.get(place)) {
                cells.extend([Cell::count(Look::Plain, *all), Cell::count(Look::Plain, *medium)]);
            }
            cells
        };
        let rows: Vec<Vec<Cell>> = now.iter().enumerate().map(row).collect();
        page.table(&COLUMNS[..shown], &rows);
    }
}

/// Findings, one line each.
fn list(page: &mut Page, title: &str, all: &[&Finding]) {
    const COLUMNS: [Column; 6] = [
        Column::text("severity", 8),
        Column::text("kind", 14),
        Column::number("conf"),
        Column::text("who", 12),
        Column::text("since (UTC)", 16).spare(1),
        Column::text("id", 24),
    ];
    if all.is_empty() {
        page.heading(title, "none");
        return;
    }
    page.heading(title, &thousands(all.len() as u64));
    let row = |finding: &&Finding| {
        let look = super::inventory::severity_look(finding.severity as usize);
        let who = finding
            .principal
            .as_ref()
            .map(|p| p.name.as_deref().unwrap_or(&p.id));
        let who = who.or(finding.resource.host.as_deref()).unwrap_or_default();
        vec![
            Cell::new(look, finding.severity.name()),
            Cell::new(Look::Plain, finding.kind.name()),
            Cell::new(Look::Plain, format!("{:.2}", finding.confidence)),
            Cell::new(Look::Plain, who),
            Cell::new(Look::Dim, Rfc3339(finding.first_seen).minute()),
            Cell::new(Look::Dim, finding.id.as_str()),
        ]
    };
    let rows: Vec<Vec<Cell>> = all.iter().take(MOST).map(row).collect();
    page.table(&COLUMNS, &rows);
    if all.len() > MOST {
        page.wrapped(
            Look::Dim,
            2,
            &format!("and {} more; --json has all", all.len() - MOST),
        );
    }
}
