//! How often something may happen: "20/s".

use std::{fmt, num::NonZero, time::Duration};

/// So many times in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frequency {
    pub(crate) count: NonZero<u64>,
    pub(crate) period: Duration,
}

/// Periods by the letter that stands for each, in seconds.
const PERIODS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

impl Frequency {
    /// Reads a count, a slash and the first letter of second, minute, hour or day.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let (_, seconds) = PERIODS.iter().find(|(letter, _)| *letter == unit)?;
        Some(Self { count: count.parse().ok()?, period: Duration::from_secs(*seconds) })
    }

    /// How many may come at once where nobody says it: a tenth, so that no period ever sees more
    /// than a tenth above the count.
    pub(crate) fn burst(self) -> u64 {
        (self.count.get() / 10).max(1)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = PERIODS.iter().find(|(_, seconds)| *seconds == self.period.as_secs());
        write!(f, "{}/{}", self.count, period.map_or("?", |(letter, _)| letter))
    }
}
