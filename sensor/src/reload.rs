//! The configuration read anew while a capture goes on (SIGHUP): in a thread of its own, so that no packet waits for it, and as a
//! whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use analyzers::Settings;

use crate::args::RunArgs;
use crate::audit::InForce;
use crate::config::keys::KEYS;
use crate::config::{Config, differences};
use crate::declared::{self, Noted, Tell};
use crate::message;
use crate::{intent, jwks};

/// Sections whose keys come into force at once; what others say is for the next start.
const AT_ONCE: [&str; 9] = [
    "classes",
    "detection",
    "findings",
    "identity",
    "intent",
    "inventory",
    "learning",
    "llm",
    "token",
];

/// Reading takes longer than files do.
const LONG: Duration = Duration::from_secs(30);

/// What comes into force.
pub(crate) struct Reloaded {
    pub(crate) settings: Arc<Settings>,
    /// What the store notes of the files.
    pub(crate) noted: Noted,
    /// What the audit trail notes.
    pub(crate) in_force: InForce,
}

/// What became of reading it.
pub(crate) enum Heard {
    Taken(Box<Reloaded>),
    /// Why not.
    Refused(String),
}

/// What was read, and the configuration that it was read from.
type Read = Result<(Config, Settings, Noted, InForce), String>;

/// Waits for the signal, and for what it asks for.
pub(crate) struct Reload {
    asked: Arc<AtomicBool>,
    args: RunArgs,
    interfaces: Vec<String>,
    config: Config,
    running: Arc<Settings>,
    reading: Option<JoinHandle<Read>>,
    /// When that began, until it was told that it takes long.
    since: Option<Instant>,
}

impl Reload {
    /// On SIGHUP; `config` and `running` are in force.
    pub(crate) fn on_hangup(
        args: &RunArgs,
        interfaces: &[String],
        config: &Config,
        running: Settings,
    ) -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        if signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&asked)).is_err() {
            message::warn("cannot listen for SIGHUP; the configuration is read at the start only");
        }
        Self {
            asked,
            args: args.clone(),
            interfaces: interfaces.to_owned(),
            config: config.clone(),
            running: Arc::new(running),
            reading: None,
            since: None,
        }
    }

    /// What is to come into force now, when anything is. Never waits.
    pub(crate) fn poll(&mut self) -> Option<Heard> {
        if self.reading.is_none() && self.asked.swap(false, Ordering::Relaxed) {
            let (args, interfaces) = (self.args.clone(), self.interfaces.clone());
            self.reading = Some(std::thread::spawn(move || read(&args, &interfaces)));
            self.since = Some(Instant::now());
        }
        if self.reading.is_some() && self.since.is_some_and(|since| since.elapsed() >= LONG) {
            self.since = None;
            message::warn(
                "reading the configuration anew takes long, and until it ends the one of before stays in force: a file that it names may be a \
                 pipe, or on a disk that does not answer",
            );
        }
        let reading = self.reading.take_if(|reading| reading.is_finished())?;
        let read = reading.join().unwrap_or_else(|_| {
            Err("reading it stopped because of a defect in tapline; please report it".to_owned())
        });
        match read {
            Ok((config, settings, noted, in_force)) => {
                let taken = self.take(&config, settings, noted, in_force);
                Some(Heard::Taken(Box::new(taken)))
            }
            Err(why) => {
                message::error(&format!(
                    "the configuration was not taken over, and the one of before stays in force: {why}"
                ));
                Some(Heard::Refused(why))
            }
        }
    }

    fn take(&mut self, config: &Config, settings: Settings, noted: Noted, in_force: InForce) -> Reloaded {
        let changed = differences(&self.config, config);
        let (now, later): (Vec<_>, Vec<_>) = changed
            .into_iter()
            .partition(|(section, ..)| AT_ONCE.contains(section));
        let list = |of: &[(&str, &str, String, String)]| {
            let one = |(section, name, before, after): &(&str, &str, String, String)| {
                format!("{section}.{name} = {after} (was {before})")
            };
            of.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let changes = match now.as_slice() {
            [] => "no key that comes into force at once has changed".to_owned(),
            now => list(now),
        };
        message::info(&format!(
            "configuration, specifications and policies were read anew and are in force: {changes}"
        ));
        if !later.is_empty() {
            message::warn(&format!("for the next start only: {}", list(&later)));
        }
        // What is for the next start is told again as long as it is.
        for key in KEYS.iter().filter(|key| AT_ONCE.contains(&key.section)) {
            (key.copy)(&mut self.config, config);
        }
        self.running = Arc::new(settings.while_running(&self.running));
        Reloaded {
            settings: Arc::clone(&self.running),
            noted,
            // What is for the next start is not in force.
            in_force: in_force.with(&self.config),
        }
    }
}

/// The files of the operator that are in force: what each is, and where it lies.
pub(crate) fn files(args: &RunArgs, config: &Config) -> impl Iterator<Item = (&'static str, PathBuf)> {
    (args.config.iter())
        .map(|path| ("the configuration", path.clone()))
        .chain(declared::files(config, &args.spec))
        .chain(jwks::files(config))
        .chain(intent::files(config, &args.intent))
}

fn read(args: &RunArgs, interfaces: &[String]) -> Read {
    let said = |error: anyhow::Error| format!("{error:#}");
    let config = args.config().map_err(|mistakes| mistakes.to_string())?;
    let mut settings = config.analysis_settings().map_err(said)?;
    settings.declared = declared::load(&config, &args.spec, interfaces, Tell::Anew)
        .map_err(said)?
        .into();
    settings.keys = jwks::load(&config).map_err(said)?.into();
    settings.intents = intent::load(&config, &args.intent).map_err(said)?.into();
    let noted = Noted::of(&config, &args.spec);
    let in_force = InForce::of(&config, files(args, &config));
    Ok((config, settings, noted, in_force))
}
