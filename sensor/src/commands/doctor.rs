//! `tapline doctor`: what this machine and configuration need, and how to mend what is missing.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use crate::args::DoctorArgs;
use crate::config::{self, Config};
use crate::exit::{Failure, Status};
use crate::source::live::{Live, LiveError, LiveSettings, interfaces};
use crate::store::Store;

/// How one point of the examination came out.
enum Outcome {
    Good(String),
    /// It works, but not as it should.
    Doubtful(String, String),
    /// It does not work; the second text says how to mend it.
    Bad(String, String),
}

use Outcome::{Bad, Doubtful, Good};

pub(super) fn doctor(args: &DoctorArgs) -> Result<Status, Failure> {
    let mut points: Vec<(&str, Outcome)> = Vec::new();
    let config = match config::from_file(args.config.as_deref()) {
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
    let interface = args
        .interface
        .clone()
        .unwrap_or_else(|| config.capture.interface.clone());
    points.push((
        "interfaces",
        match interfaces() {
            names if names.is_empty() => {
                Bad("this machine has none that can be seen".into(), "ip link".into())
            }
            names => Good(names.join(", ")),
        },
    ));
    points.push(("capture", capture(&interface, &config)));
    let store = args
        .store
        .as_ref()
        .map_or_else(|| config.store.directory.clone(), |dir| dir.display().to_string());
    points.push(("store", store_point(&store)));
    let brokers = args.kafka.clone().unwrap_or_else(|| config.kafka.brokers.clone());
    points.push(("kafka", kafka(&brokers, config.kafka.connect_timeout)));

    let mut text = String::new();
    let mut bad = 0;
    for (name, outcome) in &points {
        let (mark, said, mend) = match outcome {
            Good(said) => ("ok  ", said, None),
            Doubtful(said, mend) => ("note", said, Some(mend)),
            Bad(said, mend) => {
                bad += 1;
                ("FAIL", said, Some(mend))
            }
        };
        text.push_str(&format!(
            "{mark}  {name:<14} {}\n",
            said.replace('\n', &format!("\n{:21}", ""))
        ));
        if let Some(mend) = mend.filter(|m| !m.is_empty()) {
            text.push_str(&format!("{:21}mend: {mend}\n", ""));
        }
    }
    text.push_str(&match bad {
        0 => "\nReady.\n".to_owned(),
        1 => "\n1 point needs mending.\n".to_owned(),
        n => format!("\n{n} points need mending.\n"),
    });
    super::print(&text)?;
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

fn capture(interface: &str, config: &Config) -> Outcome {
    let asked = !interface.is_empty();
    // The loopback interface is always there, so it shows whether capturing is allowed at all.
    let name = if asked { interface } else { "lo" };
    let settings = LiveSettings {
        interface: name.into(),
        filter: config.capture.filter.clone(),
        snaplen: u32::try_from(config.capture.snaplen).unwrap_or(u32::MAX),
        buffer: config.capture.buffer.0,
        // Looking must change nothing on the interface.
        promiscuous: false,
    };
    match Live::open(&settings) {
        Ok(_) if asked => Good(format!("allowed on {name}")),
        Ok(_) => Good("allowed (tried on lo; name an interface with -i or capture.interface)".into()),
        Err(error) => {
            let mend = match &error {
                LiveError::NotAllowed { program, .. } => {
                    format!("sudo setcap cap_net_raw,cap_net_admin+ep {program}")
                }
                LiveError::Missing { .. } => "ip link, then name one of these with -i".into(),
                LiveError::Filter { .. } => "man 7 pcap-filter".into(),
                LiveError::Other { .. } => format!("sudo ip link set {name} up"),
            };
            Bad(error.to_string(), mend)
        }
    }
}

fn store_point(dir: &str) -> Outcome {
    if dir.is_empty() {
        return Good("none asked for (--store DIR or store.directory keeps what is learned)".into());
    }
    let existed = Path::new(dir).exists();
    match Store::open(Path::new(dir)) {
        Ok(store) => {
            drop(store);
            if !existed {
                // Looking must leave nothing behind.
                let _ = std::fs::remove_dir_all(dir);
            }
            Good(format!("{dir} can be written"))
        }
        Err(error) => Bad(error.to_string(), format!("sudo install -d -o $(id -un) {dir}")),
    }
}

/// Whether any broker answers to a connection. Signing in is tried by replay and capture themselves.
fn kafka(brokers: &str, patience: Duration) -> Outcome {
    if brokers.is_empty() {
        return Good("none asked for (--kafka BROKERS or kafka.brokers publishes)".into());
    }
    let mut failed = Vec::new();
    for broker in brokers.split(',').map(str::trim) {
        let addresses = match broker.to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => {
                failed.push(format!("{broker}: {error}"));
                continue;
            }
        };
        let mut last = None;
        for address in addresses {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(_) => return Good(format!("{broker} answers")),
                Err(error) => last = Some(error),
            }
        }
        failed.push(format!(
            "{broker}: {}",
            last.map_or_else(|| "has no address".into(), |e| e.to_string())
        ));
    }
    let first = brokers.split(',').next().unwrap_or("").trim();
    let (host, port) = first.rsplit_once(':').unwrap_or((first, "9092"));
    Bad(
        format!("no broker answers: {}", failed.join("; ")),
        format!("check with: nc -vz {host} {port}"),
    )
}
