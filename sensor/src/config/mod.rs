//! The configuration file. One table ([`keys`]) gives every key its type, default, range and meaning; reading,
//! checking, `tapline config default` and docs/configuration.md all follow from it.

pub(crate) mod units;

pub(crate) mod keys;
mod parse;
mod show;
mod value;

pub(crate) use keys::Config;
pub(crate) use parse::{Mistakes, check, is_section, load, place, set};
pub(crate) use show::{default_file, differing, in_force};
pub(crate) use value::quoted;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use reassembly::Limits;

use crate::output;
use crate::output::kafka::KafkaConfig;
use crate::store::BackupSettings;

/// The key in force when none is set. It is in the source, so it protects nothing.
pub(crate) fn is_default_hash_key(config: &Config) -> bool {
    config.privacy.hash_key.is_empty() && config.privacy.hash_key_file.as_os_str().is_empty()
}

/// Memory that is not divided: the program itself, what lies between its threads, and what is remembered to find things sooner.
const BESIDE: u64 = 96 << 20;

/// The least that is divided.
const LEAST: u64 = 64 << 20;

/// How `limits.memory` is divided, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Division {
    pub(crate) flows: usize,
    pub(crate) learned: analyzers::settings::Room,
}

impl Config {
    /// The parts of `limits.memory`: of what is left by the program and by records that wait for Kafka, flows have two fourteenths, what is
    /// learned of APIs four, of callers five, and findings three.
    pub(crate) fn division(&self) -> Division {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let limits = &self.limits;
        let others = [self.kafka.queue_bytes.0, limits.history.0, limits.fragments.0];
        let others = others.iter().fold(BESIDE, |sum, more| sum.saturating_add(*more));
        let left = limits.memory.0.saturating_sub(others).max(LEAST);
        let flows = match limits.flow_memory.0 {
            0 => left / 14 * 2,
            set => set.min(left / 2),
        };
        let part = (left - flows) / 12;
        Division {
            flows: count(flows),
            learned: analyzers::settings::Room {
                apis: count(part * 4),
                callers: count(part * 5),
                findings: count(part * 3),
            },
        }
    }

    /// Ceilings of reassembly.
    pub(crate) fn reassembly_limits(&self) -> Limits {
        let l = &self.limits;
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Limits {
            flows: count(l.flows),
            memory: self.division().flows,
            idle: l.idle,
            reorder_wait: l.reorder_wait,
            held_per_flow: count(l.held_per_flow.0),
            held_total: count(l.held_total.0),
            head: count(l.head.0),
            body_capture: count(l.body_capture.0),
            body_capture_total: count(l.body_capture_total.0),
            decoded: l.decoded.0,
            pipelined: count(l.pipelined),
            streams: count(l.streams),
            key_by_vlan: l.key_by_vlan,
            key_by_vni: l.key_by_vni,
            tunnels: reassembly::TunnelPorts {
                vxlan: self.tunnels.vxlan_ports.clone(),
                geneve: self.tunnels.geneve_ports.clone(),
            },
            fragments_total: count(l.fragments.0),
            fragment_wait: l.fragment_wait,
            duplicate_window: l.duplicate_window,
            checksums: match self.wire.checksums.as_str() {
                "ignore" => reassembly::Checksums::Ignore,
                "count" => reassembly::Checksums::Count,
                "verify" => reassembly::Checksums::Verify,
                _ => reassembly::Checksums::Sample,
            },
            history: count(l.history.0),
            rooms: 0,
        }
    }

    /// Settings of the analysis; reads the hash key's file when one is named.
    ///
    /// # Errors
    ///
    /// When that file cannot be read or holds no key.
    pub(crate) fn analysis_settings(&self) -> anyhow::Result<analyzers::Settings> {
        let lower = |names: &[String]| names.iter().map(|n| n.to_ascii_lowercase()).collect();
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let mut settings = analyzers::Settings {
            sensor_name: self.sensor.name.clone(),
            sensor_version: env!("CARGO_PKG_VERSION").into(),
            token_max_lifetime: self.token.max_lifetime,
            token_leeway: self.token.leeway,
            credential_max_age: self.token.credential_max_age,
            identity_order: (self.identity.order.iter())
                .filter_map(|name| analyzers::identity::Evidence::parse(name))
                .collect(),
            trusted_proxies: self.identity.trusted_proxies.clone(),
            agent_claims: self.identity.agent_claims.clone(),
            api_key_headers: lower(&self.identity.api_key_headers),
            session_cookies: self.identity.session_cookies.clone(),
            shared_egress: self.identity.shared_egress.clone(),
            llm_allowed: self.llm.allowed.clone(),
            llm_client_ja4: self.llm.client_ja4.clone(),
            national_ids: self.classes.national_ids.clone(),
            learn_exchanges: self.learning.exchanges,
            learn_period: self.learning.period,
            leave_out: self.learning.leave_out.clone(),
            storm_window: self.findings.storm_window,
            storm_caller: self.findings.storm_caller,
            storm_kind: self.findings.storm_kind,
            thresholds: analyzers::settings::Thresholds {
                task_objects: self.detection.task_objects,
                sequence_bits: self.detection.sequence_bits,
                off_hours_calls: self.detection.off_hours_calls,
                retry_failures: self.detection.retry_failures,
                volume_bytes: self.detection.volume_bytes.0,
                changed_objects: self.detection.changed_objects,
                unknown_paths: self.detection.unknown_paths,
            },
            orphan_after: self.inventory.orphan_after,
            silent_after: self.inventory.silent_after,
            max_endpoints: count(self.limits.endpoints),
            max_principals: count(self.limits.principals),
            max_findings: count(self.limits.findings),
            room: self.division().learned,
            ..analyzers::Settings::default()
        };
        if let Some(key) = self.hash_key()? {
            settings.hash_key = key;
        }
        Ok(settings)
    }

    /// How copies of the store are made beside it.
    pub(crate) fn backups(&self) -> BackupSettings {
        BackupSettings {
            every: self.store.backup_every,
            keep: self.store.backups,
            rate: self.store.write_rate.0,
        }
    }

    /// Settings of the Kafka sink; `None` when no broker is named.
    pub(crate) fn kafka(&self) -> Option<KafkaConfig> {
        (!self.kafka.brokers.trim().is_empty()).then(|| self.kafka_settings())
    }

    /// Settings of the Kafka sink, also without a broker.
    pub(crate) fn kafka_settings(&self) -> KafkaConfig {
        let k = &self.kafka;
        let text = |t: &String| (!t.is_empty()).then(|| t.clone());
        let path = |t: &PathBuf| (!t.as_os_str().is_empty()).then(|| t.clone());
        let secret =
            (!k.sasl_password.is_empty()).then(|| output::kafka::Secret(k.sasl_password.reveal().into()));
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        KafkaConfig {
            brokers: k.brokers.clone(),
            topic_prefix: k.topic_prefix.clone(),
            sensor: self.sensor.name.clone(),
            client_id: k.client_id.clone(),
            security_protocol: k.security_protocol.clone(),
            tls_ca: path(&k.tls_ca),
            tls_certificate: path(&k.tls_certificate),
            tls_key: path(&k.tls_key),
            sasl_mechanism: text(&k.sasl_mechanism),
            sasl_username: text(&k.sasl_username),
            sasl_password: secret,
            sasl_password_file: path(&k.sasl_password_file),
            oauth_token_file: path(&k.oauth_token_file),
            queue_records: count(k.queue_records),
            queue_bytes: count(k.queue_bytes.0),
            spool_dir: Some(path(&k.spool_dir).unwrap_or_else(|| self.default_spool())),
            spool_bytes: k.spool_bytes.0,
            connect_timeout: k.connect_timeout,
            finish_timeout: k.finish_timeout,
            options: k.options.clone(),
        }
    }

    /// Where records wait for these brokers when no place is named. Records for one cluster must not go to
    /// another, so each has a folder of its own.
    fn default_spool(&self) -> PathBuf {
        let folder = if self.store.directory.as_os_str().is_empty() {
            let set = |name| {
                std::env::var_os(name)
                    .filter(|v| !v.is_empty())
                    .map(PathBuf::from)
            };
            set("XDG_STATE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".local/state")))
                .map_or_else(
                    || PathBuf::from("tapline-spool"),
                    |state| state.join("tapline/spool"),
                )
        } else {
            self.store.directory.join("spool")
        };
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || ".-".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = self.kafka.brokers.chars().map(plain).take(100).collect();
        folder.join(format!("{name}_{}", self.kafka.topic_prefix))
    }

    fn hash_key(&self) -> anyhow::Result<Option<[u8; 32]>> {
        if !self.privacy.hash_key.is_empty() {
            return Ok(value::hash_key(self.privacy.hash_key.reveal()));
        }
        if self.privacy.hash_key_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let path = &self.privacy.hash_key_file;
        let name = path.display();
        let text = crate::regular::read_to_string(path)
            .with_context(|| format!("cannot read the hash key in {name} (privacy.hash_key_file)"))?;
        match value::hash_key(text.trim()) {
            Some(key) => Ok(Some(key)),
            None => bail!(
                "{name} (privacy.hash_key_file) must hold 64 hexadecimal digits and nothing else; put such a key in a file of its own: openssl rand -hex 32 > FILE"
            ),
        }
    }
}

/// Keys that differ between two configurations: section, name, and both values as TOML with secrets masked.
pub(crate) fn differences(
    before: &Config,
    after: &Config,
) -> Vec<(&'static str, &'static str, String, String)> {
    let all = keys::KEYS.iter();
    all.map(|key| (key.section, key.name, (key.show)(before), (key.show)(after)))
        .filter(|(_, _, before, after)| before != after)
        .collect()
}

/// The configuration in `path`, or the defaults.
///
/// # Errors
///
/// Every mistake in the file at once.
pub(crate) fn from_file(path: Option<&Path>) -> Result<Config, Mistakes> {
    path.map_or_else(|| Ok(Config::default()), load)
}
