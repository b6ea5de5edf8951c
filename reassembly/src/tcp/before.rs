//! What was sent on the same addresses before a flow began, to tell late copies of it from what the flow carries.
//!
//! A host keeps such segments away from the next connection for minutes (RFC 9293 section 3.6.1); here, the next one begins
//! with its SYN, that anybody can send, and a copy of a request would be read as another request of it.

use super::stream::Stream;

/// Sequence numbers of the two sides of an earlier flow: where each ended, and how many came before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    sides: [Option<(u32, u32)>; 2],
}

impl Before {
    /// What the flow with these directions used; none when it carried nothing.
    pub(crate) fn of(sides: &[Stream; 2]) -> Option<Self> {
        let used = |s: &Stream| {
            let len = s.next.checked_sub(s.begin()).filter(|_| s.started)?;
            // The SYN in front takes a number too, and what goes once around leaves none to tell anything by.
            #[expect(clippy::cast_possible_truncation, reason = "serial number arithmetic")]
            u32::try_from(len + 1).ok().map(|len| (s.next as u32, len))
        };
        let carried = sides.iter().any(|s| s.delivered + s.lost > 0);
        carried.then(|| Self {
            sides: [used(&sides[0]), used(&sides[1])],
        })
    }

    /// Whether a segment of `side` stands in what was sent then.
    pub(crate) fn holds(&self, side: usize, seq: u32) -> bool {
        self.sides[side].is_some_and(|(end, len)| end.wrapping_sub(seq) <= len)
    }
}
