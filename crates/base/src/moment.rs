//! A point on the monotonic clock in whole milliseconds: what deadlines are counted in.

use std::time::Duration;

/// Milliseconds since some fixed point of this machine's uptime; never runs backwards.
///
/// Rooms without a clock get their `now` as one of these, so a test can be its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// Later than everything: the deadline of what may wait for ever.
    pub const NEVER: Self = Self(u64::MAX);

    /// This moment plus `wait`; `NEVER` when that cannot be told.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(wait_ms))
    }

    /// How long ago `earlier` was; zero when it has not come yet.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_saturate_instead_of_wrapping() {
        assert_eq!(Moment(5).after(Duration::MAX), Moment::NEVER);
        assert_eq!(Moment(5).after(Duration::from_secs(2)), Moment(2005));
        assert_eq!(Moment(5).since(Moment(9)), Duration::ZERO);
    }
}
