//! What an endpoint takes and gives, learned from what goes by: parameters, fields of bodies, their types and how often they are
//! there.
//!
//! ```text
//! exchange ─▶ params    names in query, head and cookies
//!          └▶ content ─▶ tokens ─▶ walk ─▶ outline   met before: one count more
//!             what form     signs    grammar └▶ body     else: facts by field ─▶ values
//!                                                         └▶ drift   what is not as it was learned
//! ```
//!
//! Requests teach only when they were accepted: what a server refused is not what it takes. Everything is a sum over exchanges,
//! so neither their order nor where they were seen matters, as long as no bound is reached; behind one, what is rare makes way and
//! what is common stays exact. Values are looked at in the first exchanges and then in a share of them that their ids choose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod tokens;
mod walk;

mod content;

pub(crate) mod body;
mod outline;
mod stored;
mod values;

mod params;

pub(crate) mod drift;
mod view;

#[cfg(test)]
mod tests;

pub use content::Form;
pub use params::ParameterPlace;
pub use values::Format;
pub use view::{
    BodyView, FEW, FieldType, FieldView, ParameterView, Presence, REQUIRED, ShapeView, Side, Step,
    ValuesView, wilson,
};

use body::{Body, Moment, SHARE};
use drift::{Caller, Watch};
use params::Parameters;
use reassembly::{Flags, Message};

use super::endpoint::Seen;
use super::face::Face;

/// Statuses told apart.
const STATUSES: usize = 32;

/// The shape of one endpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Shape {
    #[serde(default, skip_serializing_if = "Parameters::is_unused")]
    parameters: Parameters,
    /// Sorted by side and form, of which there are twenty.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::store::tight"
    )]
    bodies: Vec<(Side, Form, Body)>,
    /// Sorted.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::store::tight"
    )]
    statuses: Vec<(u16, u32)>,
    #[serde(default, skip_serializing_if = "is_zero")]
    unreadable: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watch: Option<Box<Watch>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Shape {
    /// Takes one exchange. `status` is how it ended, `callers` how many there are of this endpoint; `face` takes what is new of
    /// its answers.
    pub(crate) fn observe(&mut self, seen: &Seen<'_>, status: Option<u16>, callers: usize, face: &mut Face) {
        let exchange = seen.exchange;
        let moment = Moment {
            at: u32::try_from(seen.ts.seconds()).unwrap_or(u32::MAX),
            in_share: seen.exchange_id.short().is_multiple_of(SHARE),
            seed: seen.learn.seed,
            names: seen.names,
            crowded: seen.crowded,
        };
        let caller = Caller {
            id: seen.identity.id.short(),
            of: callers,
            seen,
        };
        if let Some(status) = status {
            self.count_status(status);
        }
        // Content that could not be decoded is not what its type says.
        let readable = !exchange.flags.contains(Flags::OPAQUE);
        if let Some(request) = exchange
            .request
            .as_ref()
            .filter(|_| status.is_some_and(|s| s < 400))
        {
            let learned = self.watch.as_ref().is_some_and(|watch| watch.learned > 0);
            let mut news = Vec::new();
            self.parameters.observe(request, moment, learned, &mut news);
            if !news.is_empty() {
                drift::parameters(&mut self.watch, &mut self.parameters, &news, moment.at, &caller);
            }
            if readable {
                self.body(Side::Request, &request.message, moment, &caller, face);
            }
        }
        if let (Some(response), Some(status)) = (&exchange.response, status)
            && readable
            && matches!(status, 200..=599)
        {
            self.body(
                Side::Response((status / 100) as u8),
                &response.message,
                moment,
                &caller,
                face,
            );
        }
        drift::review(self, seen.learn, moment.at);
    }

    /// The face of one answer.
    pub(crate) fn face_of(message: &Message, seen: &Seen<'_>) -> Face {
        let mut face = Face::default();
        let content = content::of(
            message.field("content-type"),
            &message.body,
            message.body_is_whole(),
        );
        let Some(content) = content.filter(|_| !message.body.is_empty()) else {
            return face;
        };
        let moment = Moment {
            at: 0,
            in_share: false,
            seed: seen.learn.seed,
            names: seen.names,
            crowded: seen.crowded,
        };
        if let Some(notes) = Body::default().observe(&content, moment) {
            face.take((Side::Response(2), content.form), &notes.fresh);
        }
        face
    }

    fn count_status(&mut self, status: u16) {
        match self.statuses.binary_search_by_key(&status, |(s, _)| *s) {
            Ok(at) => self.statuses[at].1 = self.statuses[at].1.saturating_add(1),
            Err(at) if self.statuses.len() < STATUSES => {
                self.statuses.reserve_exact(1);
                self.statuses.insert(at, (status, 1));
            }
            Err(_) => {}
        }
    }

    fn body(
        &mut self,
        side: Side,
        message: &Message,
        moment: Moment<'_>,
        caller: &Caller<'_>,
        face: &mut Face,
    ) {
        if message.body.is_empty() {
            return;
        }
        let Some(content) = content::of(
            message.field("content-type"),
            &message.body,
            message.body_is_whole(),
        ) else {
            return;
        };
        let key = (side, content.form);
        let at = match self
            .bodies
            .binary_search_by_key(&key, |(side, form, _)| (*side, *form))
        {
            Ok(at) => at,
            Err(at) => {
                let mut body = Body::default();
                match body.observe(&content, moment) {
                    Some(notes) => face.take(key, &notes.fresh),
                    None => {
                        self.unreadable = self.unreadable.saturating_add(1);
                        return;
                    }
                }
                self.bodies.reserve_exact(1);
                self.bodies.insert(at, (key.0, key.1, body));
                drift::new_body(&mut self.watch, key, moment.at, moment.at, caller);
                return;
            }
        };
        let Some((_, _, body)) = self.bodies.get_mut(at) else {
            return;
        };
        let before = body.exchanges;
        match body.observe(&content, moment) {
            None => self.unreadable = self.unreadable.saturating_add(1),
            Some(notes) => {
                face.take(key, &notes.fresh);
                if body.learned > 0 {
                    drift::fields(&mut self.watch, key, body, &notes, moment.at, caller);
                } else if before < drift::NEW_BODY_WATCHED {
                    drift::new_body(&mut self.watch, key, body.first, moment.at, caller);
                }
            }
        }
    }

    /// Takes over what was seen of another endpoint that is this one.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.parameters.absorb(other.parameters);
        for (side, form, theirs) in other.bodies {
            match self.bodies.iter_mut().find(|(s, f, _)| (*s, *f) == (side, form)) {
                Some((_, _, mine)) => mine.absorb(theirs),
                None => {
                    self.bodies.reserve_exact(1);
                    self.bodies.push((side, form, theirs));
                }
            }
        }
        self.bodies.sort_by_key(|(side, form, _)| (*side, *form));
        let mut statuses: BTreeMap<u16, u32> = self.statuses.drain(..).collect();
        for (status, count) in other.statuses {
            let sum = statuses.entry(status).or_default();
            *sum = sum.saturating_add(count);
        }
        self.statuses = statuses.into_iter().take(STATUSES).collect();
        self.statuses.shrink_to_fit();
        self.unreadable = self.unreadable.saturating_add(other.unreadable);
        if let Some(theirs) = other.watch {
            match &mut self.watch {
                Some(mine) => mine.absorb(*theirs),
                None => self.watch = Some(theirs),
            }
        }
    }

    /// Fields and parameters: what takes its memory.
    pub(crate) fn fields(&self) -> usize {
        let fields: usize = self.bodies.iter().map(|(_, _, body)| body.fields.len()).sum();
        fields + self.parameters.len()
    }

    /// Fields and parameters given up because there were too many, and bodies that cannot be read.
    pub(crate) fn unlearned(&self) -> (u64, u64) {
        let fields: u64 = self
            .bodies
            .iter()
            .map(|(_, _, body)| u64::from(body.given_up))
            .sum();
        (
            fields + u64::from(self.parameters.given_up),
            self.unreadable.into(),
        )
    }

    /// What is not as it was learned and is to be told now.
    pub(crate) fn take_drift(&mut self) -> Option<Box<drift::Drift>> {
        self.watch.as_mut()?.due.take()
    }

    pub(crate) fn view(&self) -> ShapeView {
        ShapeView {
            requests: self.parameters.requests.into(),
            parameters: view::parameters(&self.parameters),
            bodies: self
                .bodies
                .iter()
                .map(|(side, form, body)| view::body(body, *side, *form))
                .collect(),
            statuses: self
                .statuses
                .iter()
                .map(|(status, count)| (*status, u64::from(*count)))
                .collect(),
            unreadable: self.unreadable.into(),
            given_up: self.parameters.given_up.into(),
        }
    }
}
