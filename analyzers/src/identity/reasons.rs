//! What sort of caller a principal is: reasons with weights, and what follows from them.
//!
//! A reason is a named sign that speaks for one kind with a weight between 0 and 1, the chance that a caller with this sign alone is
//! of that kind. Reasons of one kind add up as independent signs do (noisy or). That a caller is a machine says nothing against its
//! being an agent, since every agent is a machine: so agents are told apart from people first, and services are what is left of
//! machines. Nothing here is proof: a client may say of itself what it likes.

use serde::{Deserialize, Serialize};

use super::PrincipalKind;

/// One sign of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What it is, fit to be shown.
    pub what: String,
    /// What it speaks for.
    pub kind: PrincipalKind,
    /// Weight in percent.
    pub weight: u8,
    /// A credential or a greeting said it: it holds for all calls, however few carry it.
    pub lasting: bool,
}

impl Reason {
    pub(crate) fn of(what: impl Into<String>, kind: PrincipalKind, weight: u8) -> Self {
        Self {
            what: what.into(),
            kind,
            weight,
            lasting: false,
        }
    }

    pub(crate) fn lasting(what: impl Into<String>, kind: PrincipalKind, weight: u8) -> Self {
        Self {
            lasting: true,
            ..Self::of(what, kind, weight)
        }
    }
}

/// Below this nothing is said of the kind.
const LEAST: f64 = 0.25;

/// The kind that reasons tell, and how sure that is. `share` is how much of the calls a reason was seen in.
pub(crate) fn judge<'a>(reasons: impl Iterator<Item = (&'a Reason, f64)>) -> (PrincipalKind, f64) {
    let (mut agent, mut service, mut human) = (1.0, 1.0, 1.0);
    for (reason, share) in reasons {
        // What was seen in half of the calls counts whole: agents speak to models and to APIs by turns.
        let share = if reason.lasting {
            1.0
        } else {
            (share * 2.0).min(1.0)
        };
        let left = 1.0 - f64::from(reason.weight.min(99)) / 100.0 * share;
        match reason.kind {
            PrincipalKind::AiAgent => agent *= left,
            PrincipalKind::Service => service *= left,
            PrincipalKind::Human => human *= left,
            PrincipalKind::Unknown => {}
        }
    }
    let (agent, service, human) = (1.0 - agent, 1.0 - service, 1.0 - human);
    let against = |own: f64, other: f64| own * (1.0 - other / 2.0);
    if agent >= LEAST && agent >= human && agent + 0.2 >= service {
        (PrincipalKind::AiAgent, against(agent, human))
    } else if human >= LEAST && human > service.max(agent) {
        (PrincipalKind::Human, against(human, service.max(agent)))
    } else if service >= LEAST {
        (PrincipalKind::Service, against(service, human))
    } else {
        (PrincipalKind::Unknown, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PrincipalKind::{AiAgent, Human, Service, Unknown};

    fn kind(reasons: &[(PrincipalKind, u8, bool, f64)]) -> (PrincipalKind, f64) {
        let made: Vec<_> = reasons
            .iter()
            .map(|(kind, weight, lasting, share)| {
                let reason = Reason {
                    lasting: *lasting,
                    ..Reason::of("x", *kind, *weight)
                };
                (reason, *share)
            })
            .collect();
        judge(made.iter().map(|(reason, share)| (reason, *share)))
    }

    #[test]
    fn an_agent_is_a_machine_and_a_person_is_not() {
        assert_eq!(kind(&[]), (Unknown, 0.0));
        assert_eq!(kind(&[(Service, 10, false, 1.0)]), (Unknown, 0.0));
        let (told, score) = kind(&[(AiAgent, 88, false, 1.0), (Service, 85, true, 1.0)]);
        assert_eq!(told, AiAgent);
        assert!(
            (score - 0.88).abs() < 1e-9,
            "a machine's grant takes nothing away"
        );
        let (told, score) = kind(&[(AiAgent, 88, false, 1.0), (Human, 80, true, 1.0)]);
        assert_eq!(told, AiAgent);
        assert!(score < 0.6, "signs of a person do: {score}");
        assert_eq!(
            kind(&[(Service, 50, false, 1.0), (Human, 80, true, 1.0)]).0,
            Human
        );
        assert_eq!(
            kind(&[(Service, 85, true, 1.0), (AiAgent, 40, false, 1.0)]).0,
            Service
        );
    }

    #[test]
    fn what_is_seen_once_in_a_hundred_calls_makes_no_agent() {
        assert_eq!(
            kind(&[(AiAgent, 88, false, 0.01), (Human, 80, true, 1.0)]).0,
            Human
        );
        assert_eq!(
            kind(&[(AiAgent, 88, true, 0.01), (Human, 80, true, 1.0)]).0,
            AiAgent
        );
        assert_eq!(
            kind(&[(AiAgent, 88, false, 0.5), (Human, 80, true, 1.0)]).0,
            AiAgent
        );
    }
}
