//! The catalogue: what every kind of finding is called, how much it matters, which entries of public
//! catalogues it belongs to, and what to do about it.
//!
//! One table. Ids are qualified by edition, since the lists renumber: OWASP API Security Top 10 (2023), Top 10
//! for Agentic Applications (2026), Non-Human Identities Top 10 (2025), LLM Top 10 (2025); MITRE ATLAS and
//! ATT&CK ids do not change.

use super::{Finding, Kind, Severity};
use crate::behaviour::{
    agent_identity_mismatch, agent_on_human_token, bola_enumeration, code_exec_tool_call, credential_shared,
    endpoint_discovery_scan, env_crossing, expired_token_accepted, human_use_of_nhi, missing_auth, new_agent,
    new_endpoint_for_principal, rate_anomaly, request_smuggling_indicator, secret_in_traffic,
    sensitive_data_exposure, sensitive_data_to_llm, shadow_agent, shadow_llm_use, stale_principal_active,
    system_prompt_exposure, token_long_lived, weak_auth,
};
use crate::inventory::compare::{orphan, shadow, undocumented, zombie};
use crate::inventory::posture::{
    cleartext_api, cors_misconfig, debug_endpoint, graphql_introspection, missing_cache_control,
    missing_rate_limit, property_overexposure, trace_enabled, unowned_endpoint, verbose_error,
    version_disclosure,
};
use crate::inventory::shape::drift;
use crate::mcp::{
    mcp_header_body_mismatch, mcp_unauthenticated, tool_definition_changed, tool_hint_violated,
};

/// One kind of finding.
#[derive(Debug)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// Its stable name.
    pub name: &'static str,
    /// One line for people.
    pub title: &'static str,
    /// Severity when the detector says nothing else.
    pub severity: Severity,
    /// Why it matters, in one sentence.
    pub impact: &'static str,
    /// The finding in words: who did what, where and how often.
    pub(crate) explain: fn(&Finding) -> String,
    /// Catalogue name to ids.
    pub mapping: &'static [(&'static str, &'static [&'static str])],
    /// Id of the playbook.
    pub playbook: &'static str,
    /// What to do, in order.
    pub steps: &'static [&'static str],
}

/// Every kind, in the order of [`Kind`].
pub const CATALOGUE: [Entry; 44] = [
    Entry {
        kind: Kind::MissingAuth,
        name: "missing_auth",
        title: "Endpoint answers without a credential",
        severity: Severity::Medium,
        impact: "Whoever can reach the server can do the same and is not named in its logs.",
        explain: missing_auth::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("atlas", &["AML.T0132"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-MISSING-AUTH",
        steps: &[
            "Open the evidence with the filter and check that the request really carries no credential (client certificates are not visible here).",
            "Ask the owner of the endpoint whether it is meant to be public; if so, accept the finding.",
            "Otherwise require authentication on the route, at the gateway first if the service takes longer.",
            "List who called it without a credential since it was first seen, and what was returned to them.",
            "If personal or card data was returned to strangers, start the incident process for data exposure.",
        ],
    },
    Entry {
        kind: Kind::WeakAuth,
        name: "weak_auth",
        title: "Credential shown in a way that gives it away",
        severity: Severity::Medium,
        impact: "Whoever reads it on the way, or makes one like it, can act as this caller.",
        explain: weak_auth::explain,
        mapping: &[
            ("owasp_api", &["API2:2023", "API8:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI4:2025", "NHI2:2025"]),
            ("atlas", &["AML.T0055"]),
            ("attack", &["T1552"]),
        ],
        playbook: "PB-WEAK-AUTH",
        steps: &[
            "Read the reason in the finding: Basic or key over cleartext, token without signature, or credential in the URL.",
            "For a token without signature: make the server refuse `alg` none now, and look through its logs for forged subjects.",
            "For a credential in the URL: move it to a header, then rotate it; proxies and logs on the way have a copy.",
            "For Basic or a key over cleartext: serve the endpoint over TLS only, then rotate the credential.",
            "Confirm with the next capture that the finding does not return.",
        ],
    },
    Entry {
        kind: Kind::TokenLongLived,
        name: "token_long_lived",
        title: "Token without an end, or with one too far away",
        severity: Severity::Medium,
        impact: "A stolen token of this kind lets a thief in until somebody notices and revokes it.",
        explain: token_long_lived::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI7:2025"]),
            ("atlas", &["AML.T0012"]),
            ("attack", &["T1550.001"]),
        ],
        playbook: "PB-TOKEN-LIFETIME",
        steps: &[
            "Find the issuer's settings for this client.",
            "Set a lifetime of an hour or less for agents and services, with refresh.",
            "Make the server refuse tokens without `exp`.",
            "Revoke the long-lived tokens that are out there.",
        ],
    },
    Entry {
        kind: Kind::ExpiredTokenAccepted,
        name: "expired_token_accepted",
        title: "Token accepted after its end",
        severity: Severity::High,
        impact: "The server does not check when tokens end, so a stolen one works for good.",
        explain: expired_token_accepted::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("atlas", &["AML.T0132"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-EXPIRED-TOKEN",
        steps: &[
            "Compare the clocks of the sensor and of the server; the finding states how late the token was.",
            "Check that the server (or its gateway) verifies `exp`, and that no cache keeps answers of earlier verifications.",
            "Fix the verification and confirm that the same token is answered with 401.",
            "Look for other principals with the same finding on this host: verification is usually missing for all.",
        ],
    },
    Entry {
        kind: Kind::CredentialShared,
        name: "credential_shared",
        title: "One credential used by several clients",
        severity: Severity::High,
        impact: "Two clients with one credential mean that it was copied, lent or stolen, and nobody can tell whose calls are whose.",
        explain: credential_shared::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI9:2025"]),
            ("atlas", &["AML.T0091"]),
            ("attack", &["T1078", "T1539"]),
        ],
        playbook: "PB-CREDENTIAL-SHARED",
        steps: &[
            "Identify both client addresses; if they are one machine behind two exits, add their network to `shared_egress`.",
            "If the second client is not known, revoke the credential now and invalidate its sessions.",
            "Review what the second client called: the evidence lists the first and the deciding exchange.",
            "Give every workload a credential of its own, bound to the sender (mTLS or DPoP) where possible.",
        ],
    },
    Entry {
        kind: Kind::BolaEnumeration,
        name: "bola_enumeration",
        title: "One principal walking through objects",
        severity: Severity::High,
        impact: "Asking for one id after another is how data of other owners is taken when nothing checks who owns an object.",
        explain: bola_enumeration::explain,
        mapping: &[
            ("owasp_api", &["API1:2023"]),
            ("owasp_agentic", &["ASI02:2026", "ASI03:2026"]),
            ("owasp_nhi", &["NHI5:2025"]),
            ("atlas", &["AML.T0085.001"]),
            ("attack", &["T1119", "T1087"]),
        ],
        playbook: "PB-BOLA",
        steps: &[
            "Check with the owner of the principal whether a job was meant to read these objects.",
            "If not, suspend the credential, or limit its rate if it serves customers.",
            "Test whether the principal may read an object of another owner; if it may, the endpoint lacks an object-level check.",
            "List the objects that were answered with 2xx: these are what has to be reported.",
            "Add the check of ownership; replace counting ids by random ones.",
        ],
    },
    Entry {
        kind: Kind::RateAnomaly,
        name: "rate_anomaly",
        title: "Many more calls than is usual for the principal",
        severity: Severity::Medium,
        impact: "Bursts like this are runaway agents, retry loops or stolen credentials, and they cost money and capacity.",
        explain: rate_anomaly::explain,
        mapping: &[
            ("owasp_api", &["API4:2023"]),
            ("owasp_agentic", &["ASI08:2026", "ASI10:2026"]),
            ("owasp_llm", &["LLM10:2025"]),
            ("atlas", &["AML.T0034.002", "AML.T0029"]),
            ("attack", &["T1499.003"]),
        ],
        playbook: "PB-RATE",
        steps: &[
            "See which endpoints the calls went to (the principal's profile lists them).",
            "Ask the owner: a release, a migration or a retry loop explains most of these.",
            "For a runaway agent, stop the run and set a limit per principal at the gateway.",
            "For an unexplained burst, treat the credential as stolen until shown otherwise.",
        ],
    },
    Entry {
        kind: Kind::EndpointDiscoveryScan,
        name: "endpoint_discovery_scan",
        title: "One client looking for endpoints",
        severity: Severity::Medium,
        impact: "Such a search comes before an attack: what answers it is tried next.",
        explain: endpoint_discovery_scan::explain,
        mapping: &[
            ("owasp_api", &["API9:2023", "API8:2023"]),
            ("atlas", &["AML.T0006", "AML.T0116"]),
            ("attack", &["T1595.003"]),
        ],
        playbook: "PB-SCAN",
        steps: &[
            "Check whether the client is your own scanner.",
            "Otherwise block the address, or the credential when one was shown.",
            "Look at what the client was answered with 2xx: those paths are reachable and known to it.",
            "Remove or protect what should not be reachable.",
        ],
    },
    Entry {
        kind: Kind::NewEndpointForPrincipal,
        name: "new_endpoint_for_principal",
        title: "Principal calls what it never called",
        severity: Severity::Low,
        impact: "A caller that leaves its ways may have been misled, taken over or given more rights than it needs.",
        explain: new_endpoint_for_principal::explain,
        mapping: &[
            ("owasp_api", &["API5:2023"]),
            ("owasp_agentic", &["ASI02:2026", "ASI10:2026"]),
            ("owasp_nhi", &["NHI5:2025"]),
            ("owasp_llm", &["LLM06:2025"]),
            ("atlas", &["AML.T0085"]),
            ("attack", &["T1526"]),
        ],
        playbook: "PB-NEW-ENDPOINT",
        steps: &[
            "Check whether the principal's software changed on that day.",
            "Check that the principal needs this endpoint; remove the scope if it does not.",
            "For an agent, read what it was told just before (documents and tool results may carry instructions).",
            "Accept the finding when the use is right.",
        ],
    },
    Entry {
        kind: Kind::SensitiveDataExposure,
        name: "sensitive_data_exposure",
        title: "Personal or card data in responses",
        severity: Severity::Medium,
        impact: "Each caller, log and cache on the way now holds data whose loss has to be reported.",
        explain: sensitive_data_exposure::explain,
        mapping: &[
            ("owasp_api", &["API3:2023", "API8:2023"]),
            ("owasp_llm", &["LLM02:2025"]),
            ("atlas", &["AML.T0057"]),
            ("attack", &["T1213"]),
        ],
        playbook: "PB-SENSITIVE-DATA",
        steps: &[
            "Confirm on one response that the data is what the class says.",
            "Find out which callers need it; mask it (first six and last four digits of a card) for the others.",
            "Leave the field out of the response where no caller needs it.",
            "Record the endpoint in the data register (PCI DSS scope for cards, GDPR Art. 30 for personal data).",
        ],
    },
    Entry {
        kind: Kind::RequestSmugglingIndicator,
        name: "request_smuggling_indicator",
        title: "Request that two receivers may frame differently",
        severity: Severity::High,
        impact: "When a proxy and the server disagree where a request ends, one caller's bytes are answered as another caller's request.",
        explain: request_smuggling_indicator::explain,
        mapping: &[("owasp_api", &["API8:2023"]), ("attack", &["T1190", "T1001"])],
        playbook: "PB-SMUGGLING",
        steps: &[
            "Look at the raw head of the request with the filter.",
            "Find out which proxies stand before the server and how each reads such a head.",
            "Configure the first of them to refuse it with 400 (RFC 9112 sections 6.1 and 6.3).",
            "Look at the responses on the same connection for answers that belong to another request.",
        ],
    },
    Entry {
        kind: Kind::ShadowEndpoint,
        name: "shadow_endpoint",
        title: "Endpoint that no specification declares",
        severity: Severity::Low,
        impact: "What is in no specification is in no review, no test and no gateway policy, and nobody knows that it has to be protected.",
        explain: shadow::explain,
        mapping: &[
            ("owasp_api", &["API9:2023"]),
            ("owasp_agentic", &["ASI04:2026"]),
            ("atlas", &["AML.T0132"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-SHADOW",
        steps: &[
            "Ask the owner of the host which service answers this path, and since when.",
            "If it is meant to be there, add it to the specification and have it reviewed like the others.",
            "If it is not, take the route away at the gateway first, then in the service.",
            "Look at who called it and what was returned: the record of the endpoint lists callers, credentials and data classes.",
            "If it is known and stays out of the specification, accept the finding in the overrides file, with the reason and a day.",
        ],
    },
    Entry {
        kind: Kind::UndocumentedParameter,
        name: "undocumented_parameter",
        title: "Operation takes parameters that it does not declare",
        severity: Severity::Low,
        impact: "Parameters outside the contract are not validated by anything that follows it, and are how hidden functions and mass assignment come in.",
        explain: undocumented::explain_parameter,
        mapping: &[
            ("owasp_api", &["API9:2023"]),
            ("owasp_agentic", &["ASI04:2026"]),
            ("atlas", &["AML.T0132"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-UNDOCUMENTED",
        steps: &[
            "See in the service whether it reads the parameters at all; many servers pass over what they do not know.",
            "If it does, declare them with type and limits, or remove them.",
            "If it does not, tell the clients that send them.",
            "Have the gateway refuse what is not declared, if it can.",
        ],
    },
    Entry {
        kind: Kind::UndocumentedStatus,
        name: "undocumented_status",
        title: "Operation answers with a status that it does not declare",
        severity: Severity::Low,
        impact: "Clients and agents that were made from the specification do not know what such an answer means.",
        explain: undocumented::explain_status,
        mapping: &[("owasp_api", &["API9:2023"]), ("owasp_agentic", &["ASI08:2026"])],
        playbook: "PB-UNDOCUMENTED",
        steps: &[
            "Open the evidence and see when the service answers so.",
            "Declare the status with what it carries, or have the service answer with one that is declared.",
            "Make the clients from the specification anew.",
        ],
    },
    Entry {
        kind: Kind::ZombieEndpoint,
        name: "zombie_endpoint",
        title: "Endpoint that should be gone still answers",
        severity: Severity::Low,
        impact: "What was given up is no longer patched or watched, and is where attackers look first.",
        explain: zombie::explain,
        mapping: &[
            ("owasp_api", &["API9:2023"]),
            ("owasp_nhi", &["NHI1:2025"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-ZOMBIE",
        steps: &[
            "Read the reason in the finding: past its end, deprecated, superseded by a newer version, or called after long silence.",
            "List who still calls it (the record of the endpoint has its callers) and move them to what replaces it.",
            "Compare what it asks of callers with what its successor asks: credentials, rate limits, validation.",
            "Take the route away once nobody calls it, at the gateway first; answer 410 for a while.",
            "Confirm with the next capture that it answers no more.",
        ],
    },
    Entry {
        kind: Kind::OrphanEndpoint,
        name: "orphan_endpoint",
        title: "Declared operations that nobody calls",
        severity: Severity::Info,
        impact: "What is served and used by nobody is attack surface for nothing, and a specification that promises what is not there misleads.",
        explain: orphan::explain,
        mapping: &[("owasp_api", &["API9:2023"])],
        playbook: "PB-ORPHAN",
        steps: &[
            "Check the covered time in the finding: operations of month's end or year's end are called seldom.",
            "Ask the owner which of the listed operations are still meant to be there.",
            "Take the others away, in the service and in the specification.",
        ],
    },
    Entry {
        kind: Kind::SchemaDrift,
        name: "schema_drift",
        title: "Endpoint no longer takes or gives what it did",
        severity: Severity::Info,
        impact: "Clients that rely on the old contract break, and a field that nobody reviewed may hand out what it should not.",
        explain: drift::explain,
        mapping: &[
            ("owasp_api", &["API9:2023", "API10:2023"]),
            ("owasp_agentic", &["ASI04:2026", "ASI08:2026"]),
            ("atlas", &["AML.T0099"]),
            ("attack", &["T1565.002"]),
        ],
        playbook: "PB-SCHEMA-DRIFT",
        steps: &[
            "Read the changes in the finding, the breaking ones first, and open the evidence with the filter.",
            "Ask the owner of the endpoint whether a release on that day explains them; if so, accept the finding and change the specification.",
            "For a field that was removed or has another type, tell the owners of the clients that call the endpoint.",
            "For a field or parameter that was added, check that it may leave the service and that the service checks what it takes.",
            "For a change that nobody released, treat the service as tampered with until shown otherwise.",
        ],
    },
    Entry {
        kind: Kind::CleartextApi,
        name: "cleartext_api",
        title: "Credentials reach a host in the clear",
        severity: Severity::Medium,
        impact: "Whoever sees the packets can take the credential and act as its owner.",
        explain: cleartext_api::explain,
        mapping: &[
            ("owasp_api", &["API8:2023"]),
            ("owasp_agentic", &["ASI07:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("attack", &["T1040", "T1557"]),
        ],
        playbook: "PB-CLEARTEXT",
        steps: &[
            "Find out where TLS ends before this host: the addresses in the evidence tell on which leg the credential was seen.",
            "If the leg crosses a network that others can listen to, serve the host over TLS there, with a redirect and HSTS for browsers.",
            "If a proxy ends TLS in front, let it set `X-Forwarded-Proto`; then the finding says so and weighs less.",
            "Rotate credentials that went over the internet in the clear.",
        ],
    },
    Entry {
        kind: Kind::CorsMisconfig,
        name: "cors_misconfig",
        title: "Pages of strangers may call with the visitor's credentials",
        severity: Severity::Medium,
        impact: "A page that a signed-in person visits can read and change what they may, without their doing.",
        explain: cors_misconfig::explain,
        mapping: &[
            ("owasp_api", &["API8:2023"]),
            ("owasp_agentic", &["ASI07:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("attack", &["T1557"]),
        ],
        playbook: "PB-CORS",
        steps: &[
            "Look at `Origin` and `Access-Control-Allow-Origin` of the evidence.",
            "Replace the reflection by a list of the origins that need credentials; compare whole origins, not endings.",
            "Do not allow the origin `null` with credentials.",
            "Leave `Access-Control-Allow-Credentials` out where no page needs it.",
        ],
    },
    Entry {
        kind: Kind::VerboseError,
        name: "verbose_error",
        title: "Errors tell how the server is built",
        severity: Severity::Medium,
        impact: "Names of files, libraries and tables tell an attacker what to try next.",
        explain: verbose_error::explain,
        mapping: &[
            ("owasp_api", &["API8:2023"]),
            ("owasp_agentic", &["ASI07:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-VERBOSE-ERROR",
        steps: &[
            "Switch off debug mode and detailed errors where the host serves others than its developers.",
            "Answer errors with a number and a short text, and keep the trace in the log under that number.",
            "For an error of a database, check that values are bound and not put into the text of the query.",
            "Confirm with the next capture that the finding does not return.",
        ],
    },
    Entry {
        kind: Kind::DebugEndpoint,
        name: "debug_endpoint",
        title: "What was made for developers answers",
        severity: Severity::Medium,
        impact: "It gives out secrets, memory or the shape of the program to whoever finds the path.",
        explain: debug_endpoint::explain,
        mapping: &[
            ("owasp_api", &["API8:2023", "API9:2023"]),
            ("owasp_nhi", &["NHI2:2025"]),
            ("attack", &["T1190", "T1552"]),
        ],
        playbook: "PB-DEBUG-ENDPOINT",
        steps: &[
            "Check with the filter what the path gave out, and to whom.",
            "Close the path at the gateway now; then switch the feature off, or bind it to an address of operators.",
            "Rotate what was in it: keys in an environment file or a dump are known to whoever asked.",
            "Search for the same path on the other hosts of the same software.",
        ],
    },
    Entry {
        kind: Kind::GraphqlIntrospection,
        name: "graphql_introspection",
        title: "GraphQL server tells its whole schema",
        severity: Severity::Low,
        impact: "The schema names every query and field, also those that no page uses.",
        explain: graphql_introspection::explain,
        mapping: &[("owasp_api", &["API8:2023", "API9:2023"]), ("attack", &["T1190"])],
        playbook: "PB-INTROSPECTION",
        steps: &[
            "Ask the owner whether the API is meant to be explored by strangers; if so, accept the finding.",
            "Switch introspection off in production, or allow it to developers alone.",
            "Check that every field of the schema has its own check of who may read it.",
        ],
    },
    Entry {
        kind: Kind::MissingCacheControl,
        name: "missing_cache_control",
        title: "Sensitive answers may be kept by caches",
        severity: Severity::Low,
        impact: "A shared cache or a shared computer can give one person's data to the next.",
        explain: missing_cache_control::explain,
        mapping: &[("owasp_api", &["API8:2023"]), ("attack", &["T1213"])],
        playbook: "PB-CACHE-CONTROL",
        steps: &[
            "Answer with `Cache-Control: no-store` where the data is sensitive.",
            "Take `public` and `s-maxage` out of such answers first.",
            "Check the rules of the CDN and of proxies in front: they may cache whatever the answer says.",
        ],
    },
    Entry {
        kind: Kind::TraceEnabled,
        name: "trace_enabled",
        title: "Server sends requests back",
        severity: Severity::Low,
        impact: "What proxies add to a request, credentials too, comes back to whoever asks.",
        explain: trace_enabled::explain,
        mapping: &[("owasp_api", &["API8:2023"]), ("attack", &["T1190"])],
        playbook: "PB-TRACE",
        steps: &[
            "Switch the method `TRACE` off in the web server (`TraceEnable off`, `limit_except`) or at the gateway.",
            "Check which fields proxies on the way add to requests.",
            "Find out who sent `TRACE`: no application needs it.",
        ],
    },
    Entry {
        kind: Kind::VersionDisclosure,
        name: "version_disclosure",
        title: "Answers name the software and its version",
        severity: Severity::Info,
        impact: "It tells whoever looks which known weaknesses to try.",
        explain: version_disclosure::explain,
        mapping: &[("owasp_api", &["API8:2023"]), ("attack", &["T1190"])],
        playbook: "PB-VERSION",
        steps: &[
            "Look the version up: if it has known weaknesses, update it. That is what counts.",
            "Leave the version out (`server_tokens off`, `ServerTokens Prod`, `expose_php = Off`).",
            "Let the gateway remove such fields for all servers behind it.",
        ],
    },
    Entry {
        kind: Kind::MissingRateLimit,
        name: "missing_rate_limit",
        title: "Nothing slowed a caller at its peak",
        severity: Severity::Low,
        impact: "Whoever wants to guess, copy or exhaust can go on as fast as the server answers.",
        explain: missing_rate_limit::explain,
        mapping: &[
            ("owasp_api", &["API4:2023"]),
            ("owasp_agentic", &["ASI08:2026"]),
            ("owasp_llm", &["LLM10:2025"]),
            ("attack", &["T1499"]),
        ],
        playbook: "PB-RATE-LIMIT",
        steps: &[
            "Check whether a limit exists that was not reached; if so, accept the finding.",
            "Limit by caller, and by address where there is none, at the gateway; answer 429 with `Retry-After`.",
            "Where credentials are tried, limit by account as well, far below what a person needs.",
            "Look at the caller of the evidence: a job may be meant, a guesser not.",
        ],
    },
    Entry {
        kind: Kind::PropertyOverexposure,
        name: "property_overexposure",
        title: "Responses carry more of people than their caller needs",
        severity: Severity::Medium,
        impact: "What a caller does not need it can still lose, log or pass on to a model.",
        explain: property_overexposure::explain,
        mapping: &[
            ("owasp_api", &["API3:2023"]),
            ("owasp_llm", &["LLM02:2025"]),
            ("attack", &["T1213"]),
        ],
        playbook: "PB-OVEREXPOSURE",
        steps: &[
            "Ask the owner of the caller which fields it uses.",
            "Leave the others out: by a scope, by a view for agents, or by fields that the caller must ask for.",
            "Mask what is only needed to recognise (last four digits).",
            "For an agent, check where its context is kept and which models read it.",
        ],
    },
    Entry {
        kind: Kind::UnownedOrUnclassifiedEndpoint,
        name: "unowned_or_unclassified_endpoint",
        title: "Nobody is named who answers for an endpoint",
        severity: Severity::Low,
        impact: "What nobody owns nobody repairs, and its findings reach nobody.",
        explain: unowned_endpoint::explain,
        mapping: &[("owasp_api", &["API9:2023"])],
        playbook: "PB-OWNER",
        steps: &[
            "Find the team by the host and by who deploys it.",
            "Add the host or the path to the owner map, or `x-owner` to the specification.",
            "Say for whom the endpoint is (`tier`) in the overrides.",
            "If nobody wants it, retire it.",
        ],
    },
    Entry {
        kind: Kind::ToolDefinitionChanged,
        name: "tool_definition_changed",
        title: "Tool is no longer what it was said to be",
        severity: Severity::Low,
        impact: "A model does what the description of a tool says; who can change the description after it was approved speaks to the model.",
        explain: tool_definition_changed::explain,
        mapping: &[
            ("owasp_api", &["API10:2023", "API9:2023"]),
            ("owasp_agentic", &["ASI04:2026"]),
            ("owasp_nhi", &["NHI3:2025"]),
            ("owasp_llm", &["LLM03:2025"]),
            ("atlas", &["AML.T0109", "AML.T0110"]),
            ("attack", &["T1199"]),
        ],
        playbook: "PB-TOOL-CHANGED",
        steps: &[
            "Read what was introduced: instructions, unseen characters, addresses and names of other tools have no place in a description.",
            "Ask for the new definition from the server (`tools/list`) and compare it with the one that was approved.",
            "If nobody announced it, or it holds instructions, take the server out of the agents' configuration now and look through the calls since then.",
            "Pin the hash of the approved definition where the client can.",
            "If the change is right, accept the finding; the new definition counts as known from now on.",
        ],
    },
    Entry {
        kind: Kind::McpUnauthenticated,
        name: "mcp_unauthenticated",
        title: "MCP server does what strangers ask",
        severity: Severity::Medium,
        impact: "Whoever reaches the server can use its tools and whatever the server itself may do, and is not named in any log.",
        explain: mcp_unauthenticated::explain,
        mapping: &[
            ("owasp_api", &["API2:2023", "API8:2023"]),
            ("owasp_agentic", &["ASI07:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("atlas", &["AML.T0132"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-MCP-AUTH",
        steps: &[
            "Check with the filter that the call carries no credential (client certificates are not visible here).",
            "Have the server answer 401 with `WWW-Authenticate` and its resource metadata, as the section on authorization of MCP says.",
            "Bind it to addresses that need it until then; a server on a workstation belongs on loopback.",
            "List the tools that were called without a credential and what they returned.",
        ],
    },
    Entry {
        kind: Kind::McpHeaderBodyMismatch,
        name: "mcp_header_body_mismatch",
        title: "Fields and body of a call say different things",
        severity: Severity::High,
        impact: "A gateway that allows calls by their fields lets another call through than the one that the server does.",
        explain: mcp_header_body_mismatch::explain,
        mapping: &[
            ("owasp_api", &["API2:2023", "API8:2023"]),
            ("owasp_agentic", &["ASI07:2026", "ASI04:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("atlas", &["AML.T0132"]),
            ("attack", &["T1190"]),
        ],
        playbook: "PB-MCP-MISMATCH",
        steps: &[
            "See in the finding whether the server did it; if so, it does not compare the fields with the body, as it must.",
            "Update the server, or have it refuse such requests with 400 and code -32020.",
            "Find out what the caller is: a client with a fault shows the same difference every time, an attacker other ones.",
            "Look at the rules of the gateway that rest on these fields, and at what the caller got past them.",
        ],
    },
    Entry {
        kind: Kind::ToolHintViolated,
        name: "tool_hint_violated",
        title: "Tool that says it only reads changes data",
        severity: Severity::High,
        impact: "Clients let such tools run without asking anybody.",
        explain: tool_hint_violated::explain,
        mapping: &[
            ("owasp_api", &["API10:2023"]),
            ("owasp_agentic", &["ASI02:2026", "ASI04:2026"]),
            ("owasp_nhi", &["NHI3:2025"]),
            ("atlas", &["AML.T0110"]),
            ("attack", &["T1199"]),
        ],
        playbook: "PB-TOOL-HINT",
        steps: &[
            "Look at both exchanges: the call of the tool, and what its server sent while it was at work.",
            "Ask who runs the server what that request is for; a log entry or a token is harmless, data of users is not.",
            "Take the tool from the list of those that run without being asked about.",
            "Have the server leave `readOnlyHint` out, or the tool only read.",
        ],
    },
    Entry {
        kind: Kind::ShadowLlmUse,
        name: "shadow_llm_use",
        title: "Language model used that nobody allowed",
        severity: Severity::Low,
        impact: "What is sent to a provider without a contract is out of the house, and nobody reviews what comes back.",
        explain: shadow_llm_use::explain,
        mapping: &[
            ("owasp_api", &["API9:2023", "API10:2023"]),
            ("owasp_agentic", &["ASI04:2026"]),
            ("owasp_nhi", &["NHI3:2025"]),
            ("owasp_llm", &["LLM03:2025"]),
            ("atlas", &["AML.T0040", "AML.T0096"]),
            ("attack", &["T1102", "T1567"]),
        ],
        playbook: "PB-SHADOW-LLM",
        steps: &[
            "Find out who runs the caller, and what it uses the model for.",
            "If the provider is in order, add its host or name to `llm.allowed`, so that only others are told.",
            "If it is not, block the host at the egress, and offer the provider or gateway that is.",
            "For calls in clear, look at what was sent: the findings `sensitive_data_to_llm` and `secret_in_traffic` name it.",
            "Rotate the provider's key if it was bought outside the company.",
        ],
    },
    Entry {
        kind: Kind::SensitiveDataToLlm,
        name: "sensitive_data_to_llm",
        title: "Sensitive data sent to a language model",
        severity: Severity::Medium,
        impact: "What a provider was sent it may keep, and a contract, a law or a card scheme may forbid that it was sent.",
        explain: sensitive_data_to_llm::explain,
        mapping: &[
            ("owasp_api", &["API10:2023"]),
            ("owasp_agentic", &["ASI02:2026"]),
            ("owasp_llm", &["LLM02:2025"]),
            ("atlas", &["AML.T0057", "AML.T0086"]),
            ("attack", &["T1567"]),
        ],
        playbook: "PB-DATA-TO-LLM",
        steps: &[
            "Confirm on the evidence that the data is what the class says.",
            "Ask whether the contract with the provider covers such data, and whether it keeps what it is sent.",
            "Mask or leave out the values before the prompt is made: a model seldom needs them.",
            "Record the provider as a processor of this data, or stop sending it.",
            "If cards were sent, the provider is in the scope of PCI DSS: stop first.",
        ],
    },
    Entry {
        kind: Kind::SecretInTraffic,
        name: "secret_in_traffic",
        title: "Secret in a prompt, an answer or the data of a tool",
        severity: Severity::High,
        impact: "Prompts and results are logged, kept and repeated by models, so whoever reads one of these holds the key.",
        explain: secret_in_traffic::explain,
        mapping: &[
            ("owasp_api", &["API8:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI2:2025"]),
            ("owasp_llm", &["LLM02:2025"]),
            ("atlas", &["AML.T0055", "AML.T0098"]),
            ("attack", &["T1552"]),
        ],
        playbook: "PB-SECRET",
        steps: &[
            "Rotate the secret now: it is in logs of both sides and of what lies between.",
            "Find where it came into the conversation: a file that was read, a variable of the environment, a person.",
            "Give tools their credentials on the server's side, so that no model ever sees them.",
            "Search the logs of the provider and of the gateway, and have them deleted.",
        ],
    },
    Entry {
        kind: Kind::SystemPromptExposure,
        name: "system_prompt_exposure",
        title: "Language model gives its system prompt away",
        severity: Severity::Medium,
        impact: "Who knows the instructions of a system knows its limits, its tools and whatever secret was put there.",
        explain: system_prompt_exposure::explain,
        mapping: &[
            ("owasp_api", &["API3:2023"]),
            ("owasp_llm", &["LLM07:2025"]),
            ("atlas", &["AML.T0056"]),
        ],
        playbook: "PB-SYSTEM-PROMPT",
        steps: &[
            "Take whatever is secret out of the prompt: keys, names of people, prices, rules that must not be known.",
            "Check rights in the code around the model and not in its instructions.",
            "Look at what the caller asked for before: an extraction is seldom one question.",
            "Filter answers that repeat the prompt, at the gateway.",
        ],
    },
    Entry {
        kind: Kind::CodeExecToolCall,
        name: "code_exec_tool_call",
        title: "Tool that runs code or commands called",
        severity: Severity::Medium,
        impact: "What a model was talked into, such a tool does with the rights of whoever runs it.",
        explain: code_exec_tool_call::explain,
        mapping: &[
            ("owasp_agentic", &["ASI05:2026", "ASI02:2026"]),
            ("owasp_llm", &["LLM05:2025"]),
            ("atlas", &["AML.T0050", "AML.T0053"]),
            ("attack", &["T1059"]),
        ],
        playbook: "PB-CODE-TOOL",
        steps: &[
            "Check with the owner of the agent that it is meant to run code.",
            "Make sure that it runs in a sandbox without network and without credentials.",
            "Ask a person before commands that change something.",
            "Take the tool away from agents that read what strangers write.",
            "Accept the finding where this is the agent's purpose.",
        ],
    },
    Entry {
        kind: Kind::NewAgent,
        name: "new_agent",
        title: "AI agent that was never seen before",
        severity: Severity::Low,
        impact: "An agent that nobody knows has access that nobody decided on.",
        explain: new_agent::explain,
        mapping: &[
            ("owasp_api", &["API9:2023"]),
            ("owasp_agentic", &["ASI10:2026"]),
            ("atlas", &["AML.T0103"]),
        ],
        playbook: "PB-NEW-AGENT",
        steps: &[
            "Read in the agents record why it counts as an agent, and which endpoints and tools it calls (`tapline agents show ID`).",
            "Ask the owner of its client id or credential who runs it and what for.",
            "If it is meant to be there, write it into the registry of agents with owner, purpose, scopes and tools.",
            "If nobody knows it, revoke its credential and look through what it was given.",
        ],
    },
    Entry {
        kind: Kind::ShadowAgent,
        name: "shadow_agent",
        title: "AI agent that the registry does not name",
        severity: Severity::Medium,
        impact: "Nobody answers for what it does, and nobody would notice if it did something else.",
        explain: shadow_agent::explain,
        mapping: &[
            ("owasp_api", &["API9:2023"]),
            ("owasp_agentic", &["ASI10:2026"]),
            ("atlas", &["AML.T0103"]),
        ],
        playbook: "PB-SHADOW-AGENT",
        steps: &[
            "Find who runs it: its name, addresses and programs are in the agents record.",
            "Check that what it calls fits a purpose that somebody approved.",
            "Write it into the registry of agents, or revoke its credential.",
            "Where agents get their credentials, ask for registration first.",
        ],
    },
    Entry {
        kind: Kind::AgentIdentityMismatch,
        name: "agent_identity_mismatch",
        title: "What a caller says of itself does not agree",
        severity: Severity::Medium,
        impact: "Whoever copies only a part of an identity gives away that it is not their own.",
        explain: agent_identity_mismatch::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI07:2026", "ASI10:2026"]),
            ("owasp_nhi", &["NHI4:2025"]),
            ("atlas", &["AML.T0073", "AML.T0074"]),
            ("attack", &["T1036"]),
        ],
        playbook: "PB-AGENT-MISMATCH",
        steps: &[
            "Read which two statements contradict each other, and look at the exchanges with the filter.",
            "Ask the owner whether the agent was rebuilt with another program; if so, correct the registry.",
            "Otherwise compare addresses and times with earlier calls of the same credential.",
            "Rotate the credential when the calls do not come from where the agent runs.",
        ],
    },
    Entry {
        kind: Kind::AgentOnHumanToken,
        name: "agent_on_human_token",
        title: "Agent shows a person's token as its own",
        severity: Severity::Low,
        impact: "What the agent does is logged as what the person did, with all the rights the person has.",
        explain: agent_on_human_token::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI10:2025"]),
            ("atlas", &["AML.T0012"]),
            ("attack", &["T1078"]),
        ],
        playbook: "PB-AGENT-HUMAN-TOKEN",
        steps: &[
            "Find whose token it is and which program shows it.",
            "Give the agent a client of its own, and let it exchange the person's token for one that names both (RFC 8693, `act`).",
            "Narrow its scopes to what the agent needs.",
            "Where a browser uses the same identity, end that session: a token was copied out of it.",
        ],
    },
    Entry {
        kind: Kind::HumanUseOfNhi,
        name: "human_use_of_nhi",
        title: "Person uses the token of a machine",
        severity: Severity::Medium,
        impact: "What people do with it cannot be told from what the program does, and it goes with them when they leave.",
        explain: human_use_of_nhi::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI10:2025"]),
            ("atlas", &["AML.T0012"]),
            ("attack", &["T1078"]),
        ],
        playbook: "PB-HUMAN-NHI",
        steps: &[
            "Find who made the calls: address and time are in the evidence.",
            "Give people accounts of their own for what they did.",
            "Rotate the secret of the machine: it lies on somebody's disk now.",
            "Keep secrets of machines where only the machine can read them.",
        ],
    },
    Entry {
        kind: Kind::StalePrincipalActive,
        name: "stale_principal_active",
        title: "Principal that should be gone is back",
        severity: Severity::Medium,
        impact: "Access that nobody uses is access that nobody watches.",
        explain: stale_principal_active::explain,
        mapping: &[
            ("owasp_api", &["API2:2023"]),
            ("owasp_agentic", &["ASI10:2026"]),
            ("owasp_nhi", &["NHI1:2025"]),
            ("atlas", &["AML.T0012"]),
            ("attack", &["T1078"]),
        ],
        playbook: "PB-STALE-PRINCIPAL",
        steps: &[
            "Ask its owner whether it was meant to come back.",
            "If it should be gone, revoke its credentials now and look through what it did.",
            "If it is needed now and then, write that into the registry of agents, and give it short-lived credentials.",
        ],
    },
    Entry {
        kind: Kind::EnvCrossing,
        name: "env_crossing",
        title: "One credential accepted in two environments",
        severity: Severity::Medium,
        impact: "Whoever takes it from a test system has the key to production.",
        explain: env_crossing::explain,
        mapping: &[
            ("owasp_api", &["API8:2023"]),
            ("owasp_agentic", &["ASI03:2026"]),
            ("owasp_nhi", &["NHI8:2025"]),
            ("attack", &["T1078"]),
        ],
        playbook: "PB-ENV-CROSSING",
        steps: &[
            "Find which of the two environments the credential was made for.",
            "Make the other one refuse it: an issuer and an audience for each environment.",
            "Rotate it, and look for where the test system keeps it.",
            "Confirm with the next capture that the finding does not return.",
        ],
    },
];

impl Kind {
    /// The catalogue's entry.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        &CATALOGUE[self as usize]
    }

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        CATALOGUE.iter().find(|e| e.name == name).map(|e| e.kind)
    }

    /// Every kind, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        CATALOGUE.iter().map(|e| e.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_names_are_what_records_hold() {
        for (place, entry) in CATALOGUE.iter().enumerate() {
            assert_eq!(entry.kind as usize, place);
            assert_eq!(serde_json::to_value(entry.kind).unwrap(), entry.name);
            assert_eq!(Kind::parse(entry.name), Some(entry.kind));
            assert!(entry.steps.len() >= 3 && !entry.title.is_empty());
            assert!(entry.impact.ends_with('.'), "{}", entry.name);
        }
        assert_eq!(Kind::parse("nothing"), None);
    }

    #[test]
    fn ids_name_their_edition() {
        for (catalogue, ids) in CATALOGUE.iter().flat_map(|e| e.mapping) {
            for id in *ids {
                let good = match *catalogue {
                    "owasp_api" => id.starts_with("API") && id.ends_with(":2023"),
                    "owasp_agentic" => id.starts_with("ASI") && id.ends_with(":2026"),
                    "owasp_nhi" => id.starts_with("NHI") && id.ends_with(":2025"),
                    "owasp_llm" => id.starts_with("LLM") && id.ends_with(":2025"),
                    "atlas" => id.starts_with("AML.T"),
                    "attack" => id.starts_with('T'),
                    _ => false,
                };
                assert!(good, "{catalogue} {id}");
            }
        }
    }
}
