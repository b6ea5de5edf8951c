//! Every key of the configuration, with its type, default, rule and meaning. The comments here are the manual:
//! `tapline config default` and docs/configuration.md print them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use analyzers::inventory::declared::EnvironmentRule;
use toml::Spanned;
use toml::de::DeValue;

use super::value::{Interfaces, Rule, Secret, Setting, Size, Wrong, hash_key};

/// One key of the table.
pub(crate) struct Key {
    /// Section it belongs to.
    pub(crate) section: &'static str,
    /// Name in its section.
    pub(crate) name: &'static str,
    /// Meaning.
    pub(crate) doc: &'static [&'static str],
    /// Type in words.
    pub(crate) type_name: &'static str,
    /// Rule in words; empty when there is none.
    pub(crate) rule: fn() -> String,
    /// Reads a value into the configuration.
    pub(crate) set: fn(&mut Config, &Spanned<DeValue<'_>>) -> Result<(), Vec<Wrong>>,
    /// The value in a configuration, as TOML with secrets masked.
    pub(crate) show: fn(&Config) -> String,
    /// Copies the value from one configuration to another.
    pub(crate) copy: fn(&mut Config, &Config),
}

/// One section of the table.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static [&'static str],
}

macro_rules! keys {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $type:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $value:ty = $default:expr, $rule:expr; )*
        }
    )*) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq)]
            pub(crate) struct $type { $( $(#[doc = $doc])+ pub(crate) $key: $value, )* }
        )*

        /// The configuration, one field a section.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct Config { $( $(#[doc = $section_doc])+ pub(crate) $section: $type, )* }

        impl Default for Config {
            fn default() -> Self {
                Self { $( $section: $type { $( $key: $default, )* }, )* }
            }
        }

        /// Sections in the order of the file.
        pub(crate) const SECTIONS: &[Section] = &[
            $( Section { name: stringify!($section), doc: &[$($section_doc),+] } ),*
        ];

        /// Keys in the order of the file.
        pub(crate) const KEYS: &[Key] = &[
            $($( Key {
                section: stringify!($section),
                name: stringify!($key),
                doc: &[$($doc),+],
                type_name: <$value as Setting>::TYPE,
                rule: || <$value as Setting>::rule_in_words($rule),
                set: |config, value| {
                    config.$section.$key = <$value as Setting>::read(value, $rule)?;
                    Ok(())
                },
                show: |config| Setting::show(&config.$section.$key),
                copy: |to, from| to.$section.$key.clone_from(&from.$section.$key),
            } ),*),*
        ];
    };
}

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const DAY: u64 = 86_400 * SECOND;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

keys! {
    /// This sensor.
    sensor: SensorSection {
        /// Name in findings and health records; it should differ between sensors that publish to one Kafka.
        name: String = "tapline".into(), Rule::Text("1 to 128 printable characters", |t| (1..=128).contains(&t.len()) && !t.chars().any(char::is_control));
    }

    /// Live capture.
    capture: CaptureSection {
        /// Interface to listen on, when `--interface` is not given, or a list of several, such as those that a network tap sends the two
        /// directions to: they are read as one, in the order of their packets. Empty names none.
        interface: Interfaces = Interfaces::default(), Rule::Any;
        /// Only frames that this filter lets through are taken, in the language of pcap-filter(7). Empty takes
        /// all. For tagged frames write `vlan and …`.
        filter: String = String::new(), Rule::Any;
        /// Bytes kept of each frame. The default keeps every frame whole, also those that the card merged.
        snaplen: u64 = 262_144, Rule::Range(96, 262_144);
        /// Memory the kernel may use to hold frames while the sensor is busy, for each interface.
        buffer: Size = Size(64 << 20), Rule::Range(1 << 20, 2047 << 20);
        /// Cores for the threads of a capture, when it takes more than one worker: the first for reassembly, the next for the inventory, the third for
        /// behaviour; with fewer the last one is for the rest. With four workers or more the first is for the reader, and those behind the third for
        /// shards of reassembly. Empty leaves it to the kernel. What cards raise interrupts on is best another core of the same socket.
        cores: Vec<u16> = Vec::new(), Rule::Range(0, 1023);
        /// Whether to take frames that are not addressed to this machine. A mirror port needs it.
        promiscuous: bool = true, Rule::Any;
        /// User that the process becomes once the interface is open, when root starts it. Store, spool, outputs and the files that this
        /// configuration names must be that user's to read and write. Empty stays whoever it is. Capabilities are dropped either way.
        user: String = String::new(), Rule::Any;
        /// Whether the process also has the kernel refuse what it never does once the interface is open: running programs, opening raw
        /// sockets, writing anywhere but in store, spool and outputs (seccomp, Landlock). What the kernel does not have is told.
        confine: bool = true, Rule::Any;
    }

    /// Tunnels that mirrors wrap packets in. ERSPAN, GRE, IP in IP, GTP-U, Teredo and others need no setting.
    tunnels: TunnelsSection {
        /// UDP ports that carry VXLAN.
        vxlan_ports: Vec<u16> = vec![4789, 8472], Rule::Range(1, 65_535);
        /// UDP ports that carry GENEVE.
        geneve_ports: Vec<u16> = vec![6081], Rule::Range(1, 65_535);
        /// UDP ports that a live capture holds open and does not read, when the mirror sends to an address of this very machine, as
        /// those of clouds do. Without that the kernel answers what arrives with ICMP errors. docs/deploy.md tells when.
        hold_ports: Vec<u16> = Vec::new(), Rule::Range(1, 65_535);
    }

    /// What is made of packets, from an interface or from files.
    wire: WireSection {
        /// What is done about wrong checksums of IPv4, TCP and UDP. `"sample"` looks at one packet in 64 and counts,
        /// `"count"` looks at all, `"verify"` drops packets with a wrong one as hosts do, `"ignore"` does not look. On
        /// the very host that sends them, checksums are wrong until the card fills them in: do not verify there.
        checksums: String = "sample".into(), Rule::OneOf(&["ignore", "sample", "count", "verify"]);
        /// Share of TCP flows seen in one direction only, in percent of the last 500, above which the sensor says that
        /// half of the traffic is not mirrored. Zero never says so.
        one_sided_percent: u64 = 20, Rule::Range(0, 100);
    }

    /// Ceilings on what is held in memory. What has to be given up is counted and shown.
    limits: LimitsSection {
        /// TCP flows tracked at once; for a new one another makes way: one that is over, or of which nothing was read,
        /// or the one quiet for longest. Of QUIC and DTLS an eighth as many are tracked beside them.
        flows: u64 = 200_000, Rule::Range(16, 50_000_000);
        /// Memory that the whole process may take, without the buffer of the kernel (`capture.buffer`). It is divided among flows, what
        /// is learned of APIs and of callers, findings, and the rest; what takes more than its part gives up, in this order: bodies
        /// that would be looked at, new flows, then what was not seen for longest. docs/operating.md tells the parts.
        memory: Size = Size(2 << 30), Rule::Range(256 << 20, 1 << 44);
        /// Memory that flows may take with all they hold; zero for a seventh of what is divided of `limits.memory`. Beyond it they
        /// make way in the same order as at `limits.flows`. Those that hold much may take half of it together, those of QUIC and DTLS
        /// an eighth. While those that hold much have three eighths of it, no more is kept of their bodies.
        flow_memory: Size = Size(0), Rule::Range(0, 1 << 40);
        /// Quiet period, in packet time, after which a flow is over.
        idle: Duration = seconds(300), Rule::Range(SECOND, 7 * DAY);
        /// How long bytes wait for earlier ones that are missing. A mirror may deliver the two directions of a
        /// connection that much apart.
        reorder_wait: Duration = Duration::from_millis(250), Rule::Range(0, 60 * SECOND);
        /// Memory held for one direction of a flow while earlier bytes are missing.
        held_per_flow: Size = Size(1 << 20), Rule::Range(4096, 1 << 30);
        /// Memory held for all flows together while earlier bytes are missing.
        held_total: Size = Size(64 << 20), Rule::Range(1 << 20, 64 << 30);
        /// Longest head (start line and fields) of a message.
        head: Size = Size(64 << 10), Rule::Range(1024, 16 << 20);
        /// Bytes of each body that are looked at for personal data, tokens and calls; the rest is only counted.
        body_capture: Size = Size(256 << 10), Rule::Range(0, 64 << 20);
        /// Bytes of bodies held in all unfinished messages together.
        body_capture_total: Size = Size(64 << 20), Rule::Range(1 << 20, 64 << 30);
        /// Bytes that one compressed body may unpack to before unpacking stops. It also stops at 2 MiB and 128 times
        /// what was sent.
        decoded: Size = Size(64 << 20), Rule::Range(64 << 10, 16 << 30);
        /// Requests of one flow that may wait for their responses.
        pipelined: u64 = 256, Rule::Range(1, 65_536);
        /// Streams open at once in one flow of HTTP/2; the oldest makes way.
        streams: u64 = 1024, Rule::Range(1, 1 << 20);
        /// Whether equal addresses in different VLANs are different flows.
        key_by_vlan: bool = false, Rule::Any;
        /// Whether equal addresses in different virtual networks (VXLAN, GENEVE, NVGRE) are different flows.
        key_by_vni: bool = false, Rule::Any;
        /// Memory held for IP fragments while their datagrams are not whole.
        fragments: Size = Size(4 << 20), Rule::Range(128 << 10, 1 << 30);
        /// How long IP fragments wait for each other, in packet time.
        fragment_wait: Duration = seconds(30), Rule::Range(SECOND, 600 * SECOND);
        /// A packet seen again within this time, in packet time, was mirrored twice and is not counted twice. Zero
        /// counts every copy as a retransmission.
        duplicate_window: Duration = Duration::from_millis(50), Rule::Range(0, 10 * SECOND);
        /// Memory for the bytes delivered last, of all flows together. A retransmission is compared with its first copy
        /// while that is among them: 256 KiB are 20 ms at 100 Mbit/s. After that, one that has the bounds of one of the last
        /// four segments of its direction is still told by a digest. More than fits the cache of a core costs speed.
        history: Size = Size(256 << 10), Rule::Range(0, 4 << 30);
        /// Endpoints kept, as far as there is memory for them; the one not seen for longest makes way.
        endpoints: u64 = 20_000, Rule::Range(16, 10_000_000);
        /// Principals kept, as far as there is memory for them; the one not seen for longest makes way.
        principals: u64 = 20_000, Rule::Range(16, 10_000_000);
        /// Findings kept to recognise repeats, as far as there is memory for them; the one not seen for longest makes way.
        findings: u64 = 20_000, Rule::Range(16, 10_000_000);
    }

    /// When enough has been seen of a principal to say what is usual for it. Both must be reached.
    learning: LearningSection {
        /// Exchanges to learn from.
        exchanges: u64 = 200, Rule::Range(1, 1_000_000_000);
        /// Time to learn for, in packet time.
        period: Duration = seconds(86_400), Rule::Range(0, 365 * DAY);
        /// Dimensions of what is usual that are left out, to see what each is worth; docs/detection.md tells.
        leave_out: Vec<String> = Vec::new(), Rule::OneOf(&analyzers::DIMENSIONS);
    }

    /// What leaves the sensor of values that are secret or personal.
    privacy: PrivacySection {
        /// Key of the hashes that stand for credentials and personal data: 64 hexadecimal digits. Sensors with
        /// the same key give the same ids. Without a key of your own, the hashes can be computed by anybody.
        hash_key: Secret = Secret::default(), Rule::Text("64 hexadecimal digits (openssl rand -hex 32)", |t| t.is_empty() || hash_key(t).is_some());
        /// File that holds the hash key instead, readable by the sensor only.
        hash_key_file: PathBuf = PathBuf::new(), Rule::Any;
        /// What is shown in the clear all the same. `"query"` shows, in `--exchanges`, method, host and the whole target
        /// as they were sent: path, query, fragment, user information. Only for captures from a laboratory.
        reveal: Vec<String> = Vec::new(), Rule::OneOf(&["query"]);
    }

    /// Tokens.
    token: TokenSection {
        /// Longest lifetime of a token that is not worth a finding.
        max_lifetime: Duration = seconds(86_400), Rule::Range(SECOND, 3650 * DAY);
        /// Difference of clocks that is forgiven when a token's end is compared with packet time.
        leeway: Duration = seconds(60), Rule::Range(0, DAY);
        /// Longest time that a key or password may be in use before it is a finding; zero for any.
        credential_max_age: Duration = seconds(90 * 86_400), Rule::Range(0, 3650 * DAY);
        /// JSON Web Key Sets (RFC 7517) of those who issue tokens, as files: signatures of tokens are checked with them, and forged
        /// ones told apart. Each is `ISSUER=FILE`, with the issuer as tokens name it (`iss`), or a file alone: then a member
        /// `issuer` beside its `keys` tells whose they are, or else keys are known by their names (`kid`) of eight characters or
        /// more. Nothing is fetched: write a new file when the issuer changes its keys, and start anew. docs/identity.md tells more.
        jwks: Vec<String> = Vec::new(), Rule::Text("a file, or ISSUER=FILE", |t| !t.trim().is_empty());
        /// Issuers whose files hold all of their keys, so that a token of theirs that none of these made is forged. Of others, a
        /// token that names a key which is not in the file is not judged, for issuers change keys.
        jwks_complete: Vec<String> = Vec::new(), Rule::Text("an issuer", |t| !t.trim().is_empty());
    }

    /// How callers are told apart.
    identity: IdentitySection {
        /// What tells whom a request is from, first what is believed first: the first of these that a request shows decides, and
        /// what is not named is not looked at (but for `address`, the last resort). `spiffe` is a workload by its certificate
        /// (`X-Forwarded-Client-Cert`) or JWT-SVID, `actor` who acts for somebody else (`act`, a client that claims to be an
        /// agent), `token` subject and client of a JWT, `web_bot_auth` the key of an HTTP message signature, `session` a session
        /// cookie, `agent_session` that of MCP or of an agent's program, `mcp_client` the name that an MCP client gives itself,
        /// with its address. Empty is the order spiffe, actor, token, web_bot_auth, user_name, access_key, opaque_token, api_key,
        /// session, agent_session, mcp_client, address. docs/identity.md tells more.
        order: Vec<String> = Vec::new(), Rule::OneOf(&analyzers::identity::Evidence::NAMES);
        /// Networks (address/length) of proxies that are believed about the caller behind them: `X-Forwarded-For`, `Forwarded`,
        /// client certificates and JA4. While none is named, addresses told by others are never believed, and client
        /// certificates (`X-Forwarded-Client-Cert`) are believed from everybody, as tokens are.
        trusted_proxies: Vec<String> = Vec::new(), Rule::Text("a network such as 10.1.0.0/16", is_network);
        /// Token claims, each `name=value`, that mark an AI agent, besides the built-in ones.
        agent_claims: Vec<String> = Vec::new(), Rule::Text("of the form name=value", |t| t.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty()));
        /// Names of headers that carry API keys, besides the built-in ones.
        api_key_headers: Vec<String> = Vec::new(), Rule::Text("the name of a header", is_token);
        /// Names of cookies that carry sessions, besides the built-in ones.
        session_cookies: Vec<String> = Vec::new(), Rule::Text("the name of a cookie", is_token);
        /// Networks (address/length) where many callers share an address, or one caller has many: proxies, NAT
        /// gateways, clusters.
        shared_egress: Vec<String> = Vec::new(), Rule::Text("a network such as 10.1.0.0/16", is_network);
    }

    /// Language models.
    llm: LlmSection {
        /// Hosts and providers of language models whose use is in order, and is no `shadow_llm_use`: names of hosts, with at
        /// most one `*` that stands for some characters (`"*.llm.example.com"`), and names of providers as findings give them
        /// (`"openai"`, `"anthropic"`, `"google"`, `"azure"`, `"bedrock"`). Once this says something, calls of models on hosts
        /// that are not named here are told too, whoever runs them.
        allowed: Vec<String> = Vec::new(), Rule::Text("a host, with at most one *, or a provider", |t| !t.is_empty() && t.matches('*').count() <= 1 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"*.-_:".contains(&b)));
        /// JA4 fingerprints of programs that use language models, as you know them. An encrypted connection with one of
        /// these to a host that is not allowed is told, also when its server name is hidden.
        client_ja4: Vec<String> = Vec::new(), Rule::Text("a JA4 fingerprint, as flow records have it", |t| t.len() == 36 && t.matches('_').count() == 2);
    }

    /// What is declared about APIs.
    inventory: InventorySection {
        /// Specifications: OpenAPI 2.0 to 3.2, Postman collections, HTTP Archives. Each is a file, or `HOST=FILE` where it is
        /// served on another host than it says, or says none; several hosts are separated by commas. `--spec` adds to them.
        specs: Vec<String> = Vec::new(), Rule::Text("a file, or HOST=FILE", |t| !t.trim().is_empty());
        /// File with what you know better: owners, tiers, purposes, path templates, names that are no parameters, findings
        /// that are accepted. docs/inventory.md tells its form.
        overrides: PathBuf = PathBuf::new(), Rule::Any;
        /// File that tells who owns which hosts and paths: TOML where its name ends in `.toml`, else lines of a pattern and
        /// its owners.
        owners: PathBuf = PathBuf::new(), Rule::Any;
        /// Registry of AI agents, in TOML: who owns each, what it is for, which scopes and tools it may have, which programs it is
        /// seen with. Once it is set, agents that it does not name are findings (`shadow_agent`). docs/identity.md tells its form.
        agents: PathBuf = PathBuf::new(), Rule::Any;
        /// Covered time after which operations that a specification declares and nobody calls are told: time in which their
        /// host was seen to answer, in slots of ten minutes, less what was lost.
        orphan_after: Duration = seconds(7 * 86_400), Rule::Range(600 * SECOND, 400 * DAY);
        /// Silence after which an endpoint that is called again is told. Its host must have been watched on the days between.
        silent_after: Duration = seconds(30 * 86_400), Rule::Range(2 * DAY, 400 * DAY);
        /// Environments, as sections `[[inventory.environments]]` with `name` and any of `interface`, `vlan`, `vni`, `cidr`
        /// (networks of the server) and `host` (globs), each a value or a list. An exchange belongs to the first of which
        /// every condition holds. The same API in two environments is two endpoints. Of several interfaces captured together all or none
        /// may be in an `interface`.
        environments: Vec<EnvironmentRule> = Vec::new(), Rule::Any;
    }

    /// What becomes of findings.
    findings: FindingsSection {
        /// Findings that somebody answers for, in TOML, each with owner, reason and the last day on which it hides: they are kept
        /// and counted, and not told until that day is over in packet time. `tapline suppress` writes them. docs/findings.md tells
        /// the form.
        suppressions: PathBuf = PathBuf::new(), Rule::Any;
        /// Packet time in which new findings of medium and of high severity have a budget. What goes beyond it is kept, and counted by
        /// one finding (`alert_storm`); critical findings are always told. Zero is no budget.
        storm_window: Duration = seconds(86_400), Rule::Range(0, 365 * DAY);
        /// New findings about one caller that are told in that time, of each of the two severities. Zero is no budget.
        storm_caller: u64 = 20, Rule::Range(0, 1_000_000);
        /// New findings of one kind that are told in that time, of each of the two severities. Zero is no budget.
        storm_kind: u64 = 250, Rule::Range(0, 1_000_000);
    }

    /// From how much on detectors of behaviour tell. `tapline tune` shows what other values would have told.
    detection: DetectionSection {
        /// `bola_enumeration`: objects of one task that nothing had shown to the caller, and that are more than usual.
        task_objects: u64 = 8, Rule::Range(2, 200);
        /// `sequence_anomaly`: bits by which the order of the calls of one task surprises.
        sequence_bits: u64 = 60, Rule::Range(10, 10_000);
        /// `off_hours_activity`: calls of one task in an hour that is not usual.
        off_hours_calls: u64 = 10, Rule::Range(1, 1_000_000);
        /// `retry_storm`: failures of one call in a row without a pause.
        retry_failures: u64 = 8, Rule::Range(2, 100_000);
        /// `data_volume_anomaly`: bytes of an answer below which it is never large.
        volume_bytes: Size = Size(32 << 10), Rule::Range(1, 1 << 40);
        /// `destructive_action_burst`: objects changed in one task that it had not met, and that are more than usual.
        changed_objects: u64 = 3, Rule::Range(1, 50);
        /// `endpoint_discovery_scan`: paths asked for in vain.
        unknown_paths: u64 = 10, Rule::Range(2, 64);
    }

    /// What agents are there for.
    intent: IntentSection {
        /// Intent policies, as files: which goals each agent has, and which actions on which resources these permit, in which
        /// order and within which budgets. Calls of a declared agent that no goal permits are findings (`intent_violation`).
        /// `--intent` adds to them. docs/intent.md tells their form.
        policies: Vec<String> = Vec::new(), Rule::Text("a file", |t| !t.trim().is_empty());
        /// Public keys of those who may sign intent policies, each a file or the key itself, as `tapline intent keygen` writes
        /// them. Once one is named, a policy without a signature of one of these keys beside it (`FILE.sig`, by
        /// `tapline intent sign`) is refused.
        trusted_keys: Vec<String> = Vec::new(), Rule::Text("a file or a public key", |t| !t.trim().is_empty());
    }

    /// Classes of personal and secret data.
    classes: ClassesSection {
        /// Countries whose national numbers are looked for, beside those of the United States: `"au"` (tax file number,
        /// Medicare), `"br"` (CPF), `"ca"` (social insurance number), `"de"` (Steuer-ID), `"es"` (NIF, NIE), `"fr"` (NIR),
        /// `"gb"` (NHS number, national insurance number), `"in"` (Aadhaar, PAN), `"it"` (codice fiscale), `"kr"` (resident
        /// registration number), `"pl"` (PESEL), `"se"` (personnummer), `"sg"` (NRIC, FIN). Name those where you have
        /// customers or staff: each of the others only adds numbers that fit by chance.
        national_ids: Vec<String> = Vec::new(), Rule::OneOf(&analyzers::COUNTRY_CODES);
    }

    /// Where what is learned is kept.
    store: StoreSection {
        /// Folder, when `--store` is not given. Empty keeps nothing.
        directory: PathBuf = PathBuf::new(), Rule::Any;
        /// How often a live capture writes what it learned. A crash loses no more than that.
        snapshot_every: Duration = seconds(60), Rule::Range(SECOND, DAY);
        /// Bytes a second that a live capture writes to the store at most, on average: after a large snapshot the next one waits
        /// for longer. Backups are copied at this rate too. Zero is no bound.
        write_rate: Size = Size(8 << 20), Rule::Range(0, 1 << 40);
        /// How often a copy of the store is made beside it, from which a run goes on when the store is found damaged. What was
        /// learned after the copy is lost then. Each copy takes as much room as the store. Zero makes none.
        backup_every: Duration = seconds(3600), Rule::Range(0, 365 * DAY);
        /// Copies that are kept beside the store.
        backups: u64 = 1, Rule::Range(1, 24);
        /// Days of packet time for which the store remembers how it was, so that `tapline diff` can tell what changed.
        /// Zero remembers nothing.
        history_days: u64 = 90, Rule::Range(0, 3650);
    }

    /// Publishing to Kafka. Topics are the prefix, a dot, and `findings`, `inventory`, `agents`, `health`.
    kafka: KafkaSection {
        /// Brokers to begin with, `host:port`, several separated by commas, when `--kafka` is not given. Empty
        /// publishes nothing.
        brokers: String = String::new(), Rule::Text("host:port, several separated by commas", is_brokers);
        /// What the names of the topics begin with.
        topic_prefix: String = "tapline".into(), Rule::Text("1 to 200 letters, digits, dots, dashes and underscores", is_topic);
        /// How the client calls itself to the broker.
        client_id: String = "tapline".into(), Rule::Any;
        /// How the connection is protected.
        security_protocol: String = "plaintext".into(), Rule::OneOf(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]);
        /// PEM file with the authorities that may have signed the brokers' certificates. Empty takes those of the
        /// system.
        tls_ca: PathBuf = PathBuf::new(), Rule::Any;
        /// PEM file with the client's certificate, when the brokers ask for one.
        tls_certificate: PathBuf = PathBuf::new(), Rule::Any;
        /// PEM file with the key of that certificate.
        tls_key: PathBuf = PathBuf::new(), Rule::Any;
        /// SASL mechanism.
        sasl_mechanism: String = String::new(), Rule::OneOf(&["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]);
        /// SASL user name.
        sasl_username: String = String::new(), Rule::Any;
        /// SASL password.
        sasl_password: Secret = Secret::default(), Rule::Any;
        /// File that holds the SASL password instead, readable by the sensor only.
        sasl_password_file: PathBuf = PathBuf::new(), Rule::Any;
        /// File that holds the token for `OAUTHBEARER` and that somebody renews: what Kubernetes projects, or a manager of secrets writes.
        /// It is read anew when half of the time of the token at hand is over (`exp` of a JWT; any other is read again every half minute), and
        /// the new one is used on the connections that are open. docs/kafka.md tells more.
        oauth_token_file: PathBuf = PathBuf::new(), Rule::Any;
        /// Records that may wait for the broker. A live capture sheds what is over that, lowest severity first.
        queue_records: u64 = 20_000, Rule::Range(16, 10_000_000);
        /// Bytes that may wait for the broker.
        queue_bytes: Size = Size(32 << 20), Rule::Range(64 << 10, 1 << 30);
        /// Folder where records wait on disk while the broker is away. Empty: a folder for these brokers below
        /// `spool` in the store's folder, or below `~/.local/state/tapline/spool` when there is no store.
        spool_dir: PathBuf = PathBuf::new(), Rule::Any;
        /// Most that the spool may hold.
        spool_bytes: Size = Size(256 << 20), Rule::Range(64 << 10, 1 << 40);
        /// How long the brokers may take to answer at start.
        connect_timeout: Duration = seconds(10), Rule::Range(100 * MS, 600 * SECOND);
        /// How long the end of a run waits for outstanding confirmations.
        finish_timeout: Duration = seconds(30), Rule::Range(0, 3600 * SECOND);
        /// Any option of librdkafka by its own name, as a section `[kafka.options]`; these win over the keys above.
        options: BTreeMap<String, String> = BTreeMap::new(), Rule::Any;
    }

    /// Numbers and health over HTTP, of a live capture: `/metrics` for Prometheus, `/healthz`, `/readyz`.
    http: HttpSection {
        /// Address to answer on, when `--listen` is not given, such as `127.0.0.1:9464` or `[::]:9464`. Empty answers nowhere. There
        /// is no password: it tells numbers alone, and whoever reaches it reads them.
        listen: String = String::new(), Rule::Text("an address with a port, such as 127.0.0.1:9464", |t| t.is_empty() || t.parse::<std::net::SocketAddr>().is_ok());
    }

    /// Messages on standard error.
    log: LogSection {
        /// How much is said.
        level: String = "info".into(), Rule::OneOf(&["error", "warn", "info"]);
        /// `"text"` is for people. `"json"` writes one object a line: `time` by the clock, `level`, `message` and what belongs to it.
        format: String = "text".into(), Rule::OneOf(&["text", "json"]);
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(super) fn is_network(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let Ok(address) = address.parse::<std::net::IpAddr>() else {
        return false;
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    length.is_none_or(|l| l.parse::<u8>().is_ok_and(|l| l <= longest))
}

fn is_brokers(text: &str) -> bool {
    let one = |broker: &str| {
        broker
            .trim()
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
    };
    text.is_empty() || text.split(',').all(one)
}

/// Kafka's names of topics have at most 249 of these.
fn is_topic(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
