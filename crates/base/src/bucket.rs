//! How much of something a client may use, and how fast it comes back: a bucket in one number.
//!
//! The number is the time at which the bucket will be full again (GCRA, ITU-T I.371): each use
//! moves it on by what the use costs, and it may lie so far ahead as the bucket is deep. A bucket
//! that has not been used for a while needs no memory: any time that is past says "full".

use crate::Moment;
use std::{num::NonZero, time::Duration};

/// Ticks in which buckets count: a sixteenth of a microsecond, so that rates of a million a second
/// are exact enough. 55 bits hold 71 years of them.
const TICKS_PER_MS: u64 = 16_000;

/// The rate at which a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    count: NonZero<u64>,
    period_ticks: u64,
    depth_ticks: u64,
}

/// What came of taking from a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was there; the bucket is full again then.
    Given(u64),
    /// It is not there yet, but will be after this time.
    Refused(Duration),
}

impl Bucket {
    /// A bucket that gets `count` units in each `period` and holds `burst` of them.
    #[must_use]
    pub fn new(count: NonZero<u64>, period: Duration, burst: u64) -> Self {
        let period_ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let period_ticks = period_ms.saturating_mul(TICKS_PER_MS);
        let empty = Self { count, period_ticks, depth_ticks: 0 };
        Self { depth_ticks: empty.cost_ticks(burst), ..empty }
    }

    /// Takes `amount` now from the bucket that is full again at `full_at`, if it holds that much.
    #[must_use]
    pub fn take(self, full_at: u64, now: u64, amount: u64) -> Taken {
        let (full_at, usable_at) = self.reserve(full_at, now, amount);
        match usable_at.checked_sub(now) {
            None | Some(0) => Taken::Given(full_at),
            Some(wait) => Taken::Refused(Duration::from_millis(wait.div_ceil(TICKS_PER_MS))),
        }
    }

    /// Takes `amount` whether it is there or not; tells when the bucket is full again, and when the
    /// amount will have been there. Who keeps to that time has a place in a fair queue.
    #[must_use]
    pub fn reserve(self, full_at: u64, now: u64, amount: u64) -> (u64, u64) {
        let full_at = full_at.max(now).saturating_add(self.cost_ticks(amount));
        (full_at, full_at.saturating_sub(self.depth_ticks))
    }

    fn cost_ticks(self, amount: u64) -> u64 {
        amount.saturating_mul(self.period_ticks).div_ceil(self.count.get())
    }
}

/// A moment in the ticks that buckets count in.
#[must_use]
pub fn ticks(moment: Moment) -> u64 {
    moment.0.saturating_mul(TICKS_PER_MS)
}

/// The first moment that is not before `ticks`.
#[must_use]
pub fn moment(ticks: u64) -> Moment {
    Moment(ticks.div_ceil(TICKS_PER_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bucket(count: u64, period_s: u64, burst: u64) -> Bucket {
        Bucket::new(NonZero::new(count).unwrap(), Duration::from_secs(period_s), burst)
    }

    /// How many of those that come at these moments are let through.
    fn given(bucket: Bucket, moments: impl IntoIterator<Item = u64>) -> u64 {
        let mut full_at = 0;
        let mut given = 0;
        for moment in moments {
            if let Taken::Given(then) = bucket.take(full_at, ticks(Moment(moment)), 1) {
                full_at = then;
                given += 1;
            }
        }
        given
    }

    #[test]
    fn no_more_comes_through_than_the_burst_and_what_fills_up() {
        fn check(bucket: Bucket, last_ms: u64, expect: u64) {
            assert_eq!(given(bucket, 5_000..=5_000 + last_ms), expect, "{bucket:?}, {last_ms} ms");
        }
        check(bucket(20, 1, 1), 0, 1);
        check(bucket(20, 1, 1), 999, 20);
        check(bucket(20, 1, 2), 1_000, 22);
        check(bucket(20, 1, 40), 1_000, 60);
        check(bucket(100, 60, 10), 60_000, 110);
        check(bucket(1, 3_600, 1), 3_599_999, 1);
        check(bucket(1, 3_600, 1), 3_600_000, 2);
        check(bucket(1_000_000, 1, 1_000), 1_000, 1_001);
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        let slow = bucket(6, 60, 1);
        let Taken::Given(full_at) = slow.take(0, ticks(Moment(1_000)), 1) else { panic!() };
        let wait = |now| slow.take(full_at, ticks(Moment(now)), 1);
        assert_eq!(wait(1_000), Taken::Refused(Duration::from_secs(10)));
        assert_eq!(wait(10_999), Taken::Refused(Duration::from_millis(1)));
        assert!(matches!(wait(11_000), Taken::Given(_)));
    }

    #[test]
    fn a_reservation_waits_for_those_before_it() {
        let rate = bucket(1_000, 1, 100);
        let now = ticks(Moment(7));
        let (full_at, usable_at) = rate.reserve(0, now, 100);
        assert_eq!(usable_at, now);
        let (full_at, usable_at) = rate.reserve(full_at, now, 50);
        assert_eq!(moment(usable_at), Moment(57));
        assert_eq!(moment(rate.reserve(full_at, now, 50).1), Moment(107));
    }

    proptest! {
        #[test]
        fn nothing_overflows(
            count in 1u64..,
            period_s: u64,
            burst: u64,
            full: u64,
            now: u64,
            n: u64,
        ) {
            let bucket = bucket(count, period_s, burst);
            let _ = bucket.take(full, now, n);
            prop_assert!(bucket.reserve(full, now, n).0 >= now);
        }
    }
}
