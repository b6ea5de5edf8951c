//! Which environment an exchange belongs to: production, staging, development …, as the configuration says.

use std::net::IpAddr;

use reassembly::FlowRef;

use super::pattern::HostGlob;
use crate::network::Networks;

/// One rule: all conditions that it has must hold, each for one of its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvironmentRule {
    /// The label.
    pub name: String,
    /// Names of capture interfaces.
    pub interface: Vec<String>,
    /// VLAN ids.
    pub vlan: Vec<u16>,
    /// VXLAN or GENEVE network identifiers.
    pub vni: Vec<u32>,
    /// Networks of the server, in CIDR form.
    pub cidr: Vec<String>,
    /// Globs of hosts.
    pub host: Vec<String>,
}

/// A rule as it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    name: String,
    vlan: Vec<u16>,
    vni: Vec<u32>,
    networks: Option<Networks>,
    hosts: Vec<HostGlob>,
}

/// All rules, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environments(Vec<Rule>);

impl Environments {
    /// Rules that can hold on this capture. `interface`: where frames come from, when that is known; rules for others
    /// never hold, and what cannot be read matches nothing (the sensor checks it when it reads its configuration).
    #[must_use]
    pub fn new(rules: &[EnvironmentRule], interface: Option<&str>) -> Self {
        let here = |rule: &&EnvironmentRule| {
            rule.interface.is_empty() || interface.is_some_and(|own| rule.interface.iter().any(|i| i == own))
        };
        let rule = |rule: &EnvironmentRule| Rule {
            name: rule.name.clone(),
            vlan: rule.vlan.clone(),
            vni: rule.vni.clone(),
            networks: (!rule.cidr.is_empty()).then(|| Networks::parse(&rule.cidr).0),
            hosts: rule.host.iter().filter_map(|h| HostGlob::parse(h).ok()).collect(),
        };
        let sound = |rule: &&EnvironmentRule| rule.host.iter().all(|host| HostGlob::parse(host).is_ok());
        Self(rules.iter().filter(here).filter(sound).map(rule).collect())
    }

    /// The label of the first rule that holds.
    pub(crate) fn of(&self, flow: &FlowRef, host: &str) -> Option<&str> {
        let server: IpAddr = flow.server.ip();
        let one_of =
            |list: &[u32], own: Option<u32>| list.is_empty() || own.is_some_and(|own| list.contains(&own));
        let holds = |rule: &&Rule| {
            (rule.vlan.is_empty() || flow.vlan.is_some_and(|own| rule.vlan.contains(&own)))
                && one_of(&rule.vni, flow.vni)
                && rule
                    .networks
                    .as_ref()
                    .is_none_or(|networks| networks.contains(server))
                && (rule.hosts.is_empty() || rule.hosts.iter().any(|glob| glob.matches(host)))
        };
        self.0.iter().find(holds).map(|rule| rule.name.as_str())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
