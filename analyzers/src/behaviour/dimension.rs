//! The dimensions of what is usual, each of which can be left out to see what it is worth.

/// Names of all of them, in their order.
pub const DIMENSIONS: [&str; 15] = [
    "rates",
    "endpoints",
    "order",
    "sizes",
    "objects",
    "owners",
    "changes",
    "hours",
    "destinations",
    "days",
    "peers",
    "customs",
    "models",
    "epochs",
    "classes",
];

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Dimension {
    /// Calls in a minute, ten and an hour.
    Rates,
    /// Endpoints called so far.
    Endpoints,
    /// Which operation follows which.
    Order,
    /// Bytes of answers.
    Sizes,
    /// Objects of a task that nothing had shown.
    Objects,
    /// To whom objects were shown.
    Owners,
    /// Objects changed that a task had not met.
    Changes,
    /// Hours of the day.
    Hours,
    /// Where things are sent.
    Destinations,
    /// Sums of days, for slow growth.
    Days,
    /// Those that are alike.
    Peers,
    /// Scopes, fields and amounts at each endpoint.
    Customs,
    /// Rounds and tokens of models.
    Models,
    /// Versions, models, tools and prompts.
    Epochs,
    /// Data classes that it was given.
    Classes,
}

/// Which are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimensions(u16);

impl Dimensions {
    /// All but those that are named.
    pub(crate) fn without(names: &[String]) -> Self {
        let out = DIMENSIONS.iter().enumerate();
        let out = out.filter(|(_, name)| names.iter().any(|n| n == *name));
        Self(!out.fold(0, |bits, (at, _)| bits | 1 << at))
    }

    pub(crate) fn has(self, dimension: Dimension) -> bool {
        self.0 >> dimension as u8 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_out_its_dimension_alone() {
        let all = Dimensions::without(&["order".to_owned(), "epochs".to_owned()]);
        assert!(!all.has(Dimension::Order) && !all.has(Dimension::Epochs));
        assert!(all.has(Dimension::Rates) && all.has(Dimension::Models) && all.has(Dimension::Hours));
    }
}
