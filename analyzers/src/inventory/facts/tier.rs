//! For whom an endpoint is: inferred from what it carries, from where it is called and whether it asks who calls, unless
//! somebody says it.
//!
//! What carries payment, health or secret data is confidential, whoever may call it. What answers clients with public
//! addresses is public. Else it is internal. A load balancer in front of the mirror hides public clients behind its own
//! address: then an override must say it.

use super::Watch;
use crate::finding::words::many;
use crate::inventory::declared::Tier;
use crate::inventory::{DataClass, EndpointView};

/// The tier and its reasons.
pub(crate) fn of(view: &EndpointView, watch: &Watch) -> (&'static str, Vec<String>) {
    let carried: Vec<&str> = view
        .data_classes
        .iter()
        .map(|(class, _)| class.as_str())
        .filter(|class| {
            DataClass::ALL
                .iter()
                .any(|c| c.name() == *class && !c.is_contact())
        })
        .collect();
    if !carried.is_empty() {
        return (
            Tier::Confidential.name(),
            vec![format!("answers with {}", carried.join(", "))],
        );
    }
    let ok = view.status[1];
    let open = view
        .auth
        .iter()
        .find(|(scheme, _)| scheme == "none")
        .map_or(0, |(_, n)| *n);
    let mut reasons = Vec::new();
    if watch.public_ok > 0 {
        reasons.push(format!(
            "answered {} of {} to public addresses",
            watch.public_ok,
            many(ok, "call", "calls")
        ));
        if open == view.exchanges {
            reasons.push("asks for no credential".to_owned());
        }
        return (Tier::Public.name(), reasons);
    }
    if ok == 0 {
        return ("unknown", vec!["no call was answered with success".to_owned()]);
    }
    reasons.push(format!(
        "answered {}, all to private addresses",
        many(ok, "call", "calls")
    ));
    (Tier::Internal.name(), reasons)
}
