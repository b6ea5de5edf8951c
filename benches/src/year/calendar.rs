//! Which days are free, and how much there is to do on the others.

/// 2026-01-05T00:00:00Z, a Monday, in nanoseconds.
pub const START: u64 = 1_767_571_200_000_000_000;

/// A day, in nanoseconds.
pub const DAY: u64 = 86_400_000_000_000;

/// Days of a year on which offices are closed, counted from the first Monday: Easter, May, summer and autumn holidays, Christmas.
const HOLIDAYS: [(u64, u64); 7] = [
    (88, 92),
    (116, 117),
    (129, 130),
    (140, 141),
    (271, 272),
    (299, 300),
    (353, 363),
];

/// The last working day of each month, counted the same way.
const MONTH_ENDS: [u64; 12] = [25, 53, 85, 115, 144, 176, 207, 238, 268, 298, 329, 352];

/// The days on which clocks are set, there and back.
const SUMMER: (u64, u64) = (83, 293);

/// The calendar of the company.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calendar;

impl Calendar {
    fn of_year(day: u64) -> u64 {
        day % 364
    }

    pub(crate) fn is_free(self, day: u64) -> bool {
        day % 7 >= 5 || self.is_holiday(day)
    }

    fn is_holiday(self, day: u64) -> bool {
        let day = Self::of_year(day);
        HOLIDAYS
            .iter()
            .any(|(from, until)| (*from..*until).contains(&day))
    }

    pub(crate) fn is_after_holidays(self, day: u64) -> bool {
        !self.is_holiday(day) && day.checked_sub(1).is_some_and(|before| self.is_holiday(before))
    }

    pub(crate) fn is_month_end(self, day: u64) -> bool {
        MONTH_ENDS.contains(&Self::of_year(day))
    }

    pub(crate) fn is_summer(self, day: u64) -> bool {
        (SUMMER.0..SUMMER.1).contains(&Self::of_year(day))
    }

    pub(crate) fn summer_time_turns(self, day: u64) -> bool {
        [SUMMER.0, SUMMER.1].contains(&Self::of_year(day))
    }

    /// How much there is to do, as a factor: less in summer, more and more before Christmas, and a little more each month.
    pub(crate) fn season(self, day: u64) -> f64 {
        let growth = 1.0 + day as f64 * 0.0008;
        let day = Self::of_year(day);
        let shape = match day {
            180..=235 => 0.75,
            310..=352 => 1.0 + (day - 310) as f64 / 42.0,
            _ => 1.0,
        };
        growth * shape
    }
}
