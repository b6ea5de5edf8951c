//! Credentials followed from their issue to their end: how they are shown, bound, used, shared and taken back.
//!
//! ```text
//! activity ─▶ grant     issue, revocation, logout ─▶ known   a row per credential, by its keyed hash
//!         └─▶ proof     DPoP                      ─▶ one detector a file; its first comment is its page in the manual
//! ```
//!
//! Part of the behaviour stage: what a credential does is told of the principal that shows it. Signatures of proofs are checked with the
//! keys that they carry, those of tokens with the keys that the operator named (`keys`); of others, what a server accepted says more.

mod grant;
mod known;
mod proof;

pub(crate) mod audience_mismatch;
pub(crate) mod credential_never_rotated;
pub(crate) mod credential_shared;
pub(crate) mod expired_token_accepted;
pub(crate) mod forged_token;
pub(crate) mod revoked_credential_accepted;
pub(crate) mod scope_overbroad;
pub(crate) mod scope_unused;
pub(crate) mod sender_constraint_missing;
pub(crate) mod sender_constraint_violated;
pub(crate) mod token_long_lived;
pub(crate) mod token_passthrough;
pub(crate) mod token_replay;

#[cfg(test)]
mod tests;

pub(crate) use known::Known;
pub(crate) use proof::Proofs;

use grant::Event;
pub(crate) use grant::Way;
use known::{Ended, How, Issued};

use crate::behaviour::{Activity, World};
use crate::finding::ledger::Ledger;
use crate::identity::Scheme;
use crate::keys::Verdict;
use crate::store::Store;

/// Looks at one exchange.
pub(crate) fn observe(
    activity: &Activity<'_>,
    rows: &mut Store<Known>,
    proofs: &mut Proofs,
    settled: bool,
    world: &World<'_>,
    ledger: &mut Ledger,
) -> Option<Granted> {
    if let Verdict::Forged(how) = activity.identity.signature {
        // What it says of itself is nobody's word, and what is done with it is nobody's doing.
        forged_token::observe(activity, how, ledger);
        return None;
    }
    let event = grant::read(activity, world.settings);
    used(activity, event.as_ref(), (rows, proofs), settled, world, ledger);
    let granted = match &event {
        Some(Event::Grant(grant)) if grant.access.is_some() => Some(Granted {
            way: grant.way.clone(),
            lifetime: grant.lifetime,
        }),
        _ => None,
    };
    if let Some(event) = event {
        happened(activity, event, rows, ledger);
    }
    granted
}

/// Tokens that were given.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) way: Way,
    /// Seconds, when that is told.
    pub(crate) lifetime: Option<i64>,
}

/// The credential that came with a request.
fn used(
    activity: &Activity<'_>,
    event: Option<&Event>,
    (rows, proofs): (&mut Store<Known>, &mut Proofs),
    settled: bool,
    world: &World<'_>,
    ledger: &mut Ledger,
) {
    let settings = world.settings;
    let Some(credential) = activity
        .identity
        .credential
        .as_ref()
        .filter(|_| activity.accepted())
    else {
        return;
    };
    let row = rows.entry(credential.id, || Known::new(credential.scheme, activity.ts));
    if row.uses == 0 {
        (row.scheme, row.first) = (credential.scheme, activity.ts);
    }
    row.uses += 1;
    row.first = row.first.min(activity.ts);
    row.last = row.last.max(activity.ts);
    row.used_by(activity, settled, world.egress, ledger);
    if grant::begins_session(activity.request.path()) {
        row.revive();
    }
    let issued = row.life().and_then(|life| life.issued);
    token_long_lived::observe(activity, issued, settings, ledger);
    expired_token_accepted::observe(activity, issued, settings, ledger);
    credential_never_rotated::observe(activity, row, settings, ledger);
    if event.is_none() {
        revoked_credential_accepted::observe(activity, row, ledger);
    }
    token_passthrough::observe(activity, row, world.egress, ledger);
    if let Some(token) = &credential.token {
        scope_overbroad::observe(activity, token, ledger);
        audience_mismatch::observe(activity, token, ledger);
    }
    let proof = sender_constraint_violated::observe(activity, credential, row, (settings, proofs), ledger);
    if let Some(proof) = proof {
        token_replay::of_proof(activity, &proof, row, world.seed, ledger);
        sender_constraint_missing::of_proof(activity, credential, ledger);
    } else {
        sender_constraint_missing::observe(activity, credential, ledger);
    }
}

/// What an exchange did to credentials.
fn happened(activity: &Activity<'_>, event: Event, rows: &mut Store<Known>, ledger: &mut Ledger) {
    let scheme = Scheme::Bearer;
    let ts = activity.ts;
    let (id, how) = match event {
        Event::Grant(grant) => {
            token_replay::of_grant(activity, &grant, rows, ledger);
            let Some(access) = grant.access else { return };
            let row = rows.entry(access, || Known::new(scheme, ts));
            row.life_mut().issued = Some(Issued {
                at: i64::try_from(ts.seconds()).unwrap_or(i64::MAX),
                lifetime: grant.lifetime,
            });
            return;
        }
        Event::Revoked(id) => (id, How::Revoked),
        Event::Logout => match &activity.identity.credential {
            Some(credential) => (credential.id, How::Logout),
            None => return,
        },
    };
    let answered = activity.exchange.response.as_ref().map_or(ts, |r| r.message.last);
    rows.entry(id, || Known::new(scheme, ts)).life_mut().ended = Some(Ended {
        how,
        at: answered.max(ts),
        trace: activity.trace(),
    });
}
