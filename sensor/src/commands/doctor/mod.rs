//! `tapline doctor`: what this machine and configuration need, and how to mend what is missing.

mod host;
mod interface;
mod user;

use std::path::Path;

use crate::args::DoctorArgs;
use crate::config::{self, Config};
use crate::cores::Cores;
use crate::exit::{Failure, Status};
use crate::jwks;
use crate::message;
use crate::source::hold;
use crate::source::live::{Live, LiveError, LiveSettings, interfaces};
use crate::store::{self, Store};

/// How one point of the examination came out.
enum Outcome {
    Good(String),
    /// It works, but not as it should.
    Doubtful(String, String),
    /// It does not work; the second text says how to mend it.
    Bad(String, String),
}

use Outcome::{Bad, Doubtful, Good};

/// A point of the examination, with its name.
type Point = (&'static str, Outcome);

pub(super) fn doctor(args: &DoctorArgs) -> Result<Status, Failure> {
    let mut points: Vec<Point> = Vec::new();
    // Whose files these have to be is told by the configuration itself, which is read before its user is become.
    let plain = args.config.as_deref().map(config::load);
    let name = match &plain {
        Some(Ok(config)) => config.capture.user.clone(),
        _ => String::new(),
    };
    let user = user::become_for_files(&name, &mut points);
    let config = match args
        .config
        .as_deref()
        .map_or_else(|| Ok(Config::default()), config::check)
    {
        Ok(config) => {
            let said = args.config.as_deref().map_or_else(
                || "none given, so the defaults hold".to_owned(),
                |file| format!("{} has no mistakes", file.display()),
            );
            points.push(("configuration", Good(said)));
            config
        }
        Err(mistakes) => {
            let file = args
                .config
                .as_deref()
                .unwrap_or(Path::new("FILE"))
                .display()
                .to_string();
            points.push((
                "configuration",
                Bad(mistakes.to_string(), format!("tapline config check {file}")),
            ));
            Config::default()
        }
    };
    points.push(("hash key", hash_key(&config)));
    if !config.token.jwks.is_empty() {
        points.push(("keys of issuers", keys(&config)));
    }
    let interfaces_asked = match args.interface.is_empty() {
        true => config.capture.interface.0.clone(),
        false => args.interface.clone(),
    };
    points.push((
        "interfaces",
        match interfaces() {
            names if names.is_empty() => {
                Bad("this machine has none that can be seen".into(), "ip link".into())
            }
            names => Good(names.join(", ")),
        },
    ));
    // Interface and address are opened before rights are given away, and nothing else is.
    drop(user);
    points.push(("capture", capture(&interfaces_asked, &config)));
    if args.config.is_some() && interfaces_asked.is_empty() {
        points.push((
            "interface",
            Doubtful(
                "the configuration names none, and without one `tapline capture` does not begin".into(),
                "set capture.interface to the one that the mirror comes in on (ip link), or give it with -i"
                    .into(),
            ),
        ));
    }
    if let Err(why) = Cores::new(&config.capture.cores) {
        points.push((
            "cores",
            Bad(why, "nproc, then set capture.cores, or leave it out".into()),
        ));
    }
    match hold::hold(&config.tunnels.hold_ports) {
        Ok(held) => drop(held),
        Err(why) => points.push((
            "tunnels",
            Doubtful(
                format!("{why:#}, perhaps a capture that is running"),
                "ss -lunp, and stop what has it, or leave it out of tunnels.hold_ports".into(),
            ),
        )),
    }
    points.extend(user::listen(&config.http.listen));
    for name in &interfaces_asked {
        points.extend(interface::points(name, &config, config.capture.snaplen));
    }
    let mut config = config;
    if let Some(dir) = &args.store {
        config.store.directory.clone_from(dir);
    }
    if let Some(brokers) = &args.kafka {
        config.kafka.brokers.clone_from(brokers);
    }
    let user = user::become_for_files(&name, &mut Vec::new());
    points.push(("store", store_point(&config, &name)));
    points.push(("kafka", kafka(&config)));
    points.extend(topics(&config));
    drop(user);
    host::clock(&config, &mut points);
    host::disks(&config, &mut points);
    host::limits(&mut points);
    host::memory(&config, &mut points);

    let mut text = String::new();
    let mut bad = 0;
    let mut notes = 0;
    for (name, outcome) in &points {
        let (mark, said, mend) = match outcome {
            Good(_) if !args.all => continue,
            Good(said) => ("ok  ", said, None),
            Doubtful(said, mend) => {
                notes += 1;
                ("note", said, Some(mend))
            }
            Bad(said, mend) => {
                bad += 1;
                ("FAIL", said, Some(mend))
            }
        };
        let said = message::clean(said).replace('\n', &format!("\n{:21}", ""));
        text.push_str(&format!("{mark}  {name:<14} {said}\n"));
        if let Some(mend) = mend.filter(|m| !m.is_empty()) {
            text.push_str(&format!("{:21}mend: {}\n", "", message::clean(mend)));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&match (bad, notes) {
        (0, 0) => "Ready.\n".to_owned(),
        (0, 1) => "Ready, with 1 note.\n".to_owned(),
        (0, notes) => format!("Ready, with {notes} notes.\n"),
        (1, _) => "1 point needs mending.\n".to_owned(),
        (bad, _) => format!("{bad} points need mending.\n"),
    });
    crate::commands::print(&text)?;
    Ok(if bad == 0 { Status::Done } else { Status::Usage })
}

fn hash_key(config: &Config) -> Outcome {
    if let Err(error) = config.analysis_settings() {
        return Bad(format!("{error:#}"), String::new());
    }
    if config::is_default_hash_key(config) {
        return Doubtful(
            "the built-in one, which everybody knows: hashes of credentials can be guessed".into(),
            "openssl rand -hex 32 > /etc/tapline.key && chmod 600 /etc/tapline.key, then set privacy.hash_key_file".into(),
        );
    }
    Good("your own".into())
}

fn keys(config: &Config) -> Outcome {
    match jwks::load(config) {
        Ok(_) => Good("tokens are checked with them".into()),
        Err(error) => Bad(format!("{error:#}"), String::new()),
    }
}

fn capture(interfaces: &[String], config: &Config) -> Outcome {
    let asked = !interfaces.is_empty();
    // The loopback interface is always there, so it shows whether capturing is allowed at all.
    let names = if asked { interfaces } else { &["lo".to_owned()] };
    let settings = LiveSettings {
        interfaces: names.to_owned(),
        filter: config.capture.filter.clone(),
        snaplen: u32::try_from(config.capture.snaplen).unwrap_or(u32::MAX),
        buffer: config.capture.buffer.0,
        // Looking must change nothing on the interface.
        promiscuous: false,
    };
    match Live::open(&settings) {
        Ok(_) if asked => Good(format!("allowed on {}", names.join(", "))),
        Ok(_) => Good("allowed (tried on lo; name an interface with -i or capture.interface)".into()),
        Err(error) => {
            let mend = match &error {
                LiveError::NotAllowed { program, .. } => {
                    format!("sudo setcap cap_net_raw+ep {program}")
                }
                LiveError::Missing { .. } => "ip link, then name one of these with -i".into(),
                LiveError::Filter { .. } => "man 7 pcap-filter".into(),
                LiveError::Twice(_) => "tapline capture -i with each interface once".into(),
                LiveError::Other { name, .. } => format!("sudo ip link set {name} up"),
            };
            Bad(error.to_string(), mend)
        }
    }
}

fn store_point(config: &Config, user: &str) -> Outcome {
    let dir = &config.store.directory;
    let owner = if user.is_empty() { "$(id -un)" } else { user };
    if dir.as_os_str().is_empty() {
        return Good("none asked for (--store DIR or store.directory keeps what is learned)".into());
    }
    if dir.exists() && !dir.is_dir() {
        return Bad(
            format!("{} (store.directory) is no folder", dir.display()),
            "set store.directory to a folder of the sensor's own".into(),
        );
    }
    if !dir.exists() {
        return match writable(dir) {
            Ok(()) => Good(format!("{} will be made", dir.display())),
            Err(cause) => Bad(
                format!("cannot make the store {}: {cause}", dir.display()),
                format!("sudo install -d -o {owner} {}", dir.display()),
            ),
        };
    }
    if let Err(cause) = writable(dir) {
        return Bad(
            format!("cannot write to the store {}: {cause}", dir.display()),
            format!("sudo chown -R {owner} {}", dir.display()),
        );
    }
    if !Store::database(dir).exists() && !dir.join("backup").exists() {
        return Good(format!("{} can be written", dir.display()));
    }
    // Damage shows only when everything is read.
    match store::examine(dir) {
        Ok(report) if report.good => {}
        Ok(report) => return Bad(report.problems.join("; "), report.mend),
        Err(error) => {
            let mend = error.mend();
            return Bad(error.to_string(), mend);
        }
    }
    let settings = config.analysis_settings().unwrap_or_default();
    match Store::open_to_read(dir).and_then(|store| store.for_key(&settings.hash_key)) {
        Ok(_) => Good(format!("{} can be written", dir.display())),
        Err(error) => Bad(error.to_string(), error.mend()),
    }
}

/// Whether files can be made in a folder, or in the next one above it that is there. Nothing is left behind.
fn writable(dir: &Path) -> std::io::Result<()> {
    let there = dir.ancestors().find(|dir| dir.is_dir()).unwrap_or(Path::new("."));
    let file = there.join(format!(".tapline-doctor-{}", std::process::id()));
    let made = std::fs::File::create_new(&file).map(|_| ());
    let _ = std::fs::remove_file(file);
    made
}

/// Whether replay and capture could publish: their own start, up to the answer of a broker.
fn kafka(config: &Config) -> Outcome {
    let Some(kafka) = config.kafka() else {
        return Good("none asked for (--kafka BROKERS or kafka.brokers publishes)".into());
    };
    match kafka.try_out() {
        Ok(Ok(())) => Good(format!("{} answers", kafka.brokers)),
        Ok(Err(why)) => {
            let first = kafka.brokers.split(',').next().unwrap_or("").trim();
            let (host, port) = first.rsplit_once(':').unwrap_or((first, "9092"));
            // Of a login or a certificate that is refused, the message itself says what to look at.
            let unheard = why.contains("nothing listens") || why.contains("no reply in time");
            let mend = if unheard {
                format!("check with: nc -vz {host} {port}")
            } else {
                String::new()
            };
            Bad(why, mend)
        }
        Err(error) => Bad(error.to_string(), String::new()),
    }
}

/// Topics that are there and are not as they should be; those that are missing are made by the first run.
fn topics(config: &Config) -> Vec<Point> {
    let Some(kafka) = config.kafka() else {
        return Vec::new();
    };
    let said = kafka.look_at_topics().unwrap_or_default();
    let point = |(topic, said): (String, String)| {
        let policy = match said.contains("anything but compact") {
            true => "compact",
            false => "delete",
        };
        let brokers = &kafka.brokers;
        let mend = format!(
            "kafka-configs.sh --bootstrap-server {brokers} --alter --topic {topic} --add-config cleanup.policy={policy}"
        );
        ("topics", Doubtful(said, mend))
    };
    said.into_iter().map(point).collect()
}
