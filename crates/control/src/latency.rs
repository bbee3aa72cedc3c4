//! How long answers take, counted by stretches of time: each is as long as all before it, and where
//! people wait, between a quarter of a second and 17, half of that.

use std::ops::AddAssign;

/// Stretches, the last of which has no end.
pub const STRETCHES: usize = 28;

/// Where all but the last end, in microseconds; what takes exactly so long is in the next.
pub const ENDS_US: [u64; STRETCHES - 1] = {
    let (mut ends, mut at, mut end) = ([0; STRETCHES - 1], 0, 64_u64);
    while at < ends.len() {
        // 64 µs to 67 s.
        ends[at] = end;
        end = match end.is_power_of_two() {
            true if end >= 1 << 18 && end < 1 << 24 => end / 2 * 3,
            true => end * 2,
            false => end / 3 * 4,
        };
        at += 1;
    }
    ends
};

/// The stretch of a time by its number of binary digits and the second of those.
const BY_DIGITS: [u8; 130] = {
    let (mut table, mut place) = ([0; 130], 4);
    while place < table.len() {
        // The longest time with so many digits, of which the second is that.
        let longest = ((1_u128 << (place / 2 - 2)) * (3 + place as u128 % 2) - 1) as u64;
        let mut at = 0;
        while at < ENDS_US.len() && ENDS_US[at] <= longest {
            at += 1;
        }
        table[place] = at as u8;
        place += 1;
    }
    table
};

/// The stretch that a time belongs to.
#[inline]
#[must_use]
pub fn stretch(us: u64) -> usize {
    let digits = u64::BITS - us.leading_zeros();
    let second = us >> digits.saturating_sub(2) & 1;
    usize::from(BY_DIGITS[digits as usize * 2 + second as usize])
}

/// How long answers have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many took a time of each stretch.
    pub counts: [u64; STRETCHES],
    /// Microseconds, all together.
    pub sum_us: u64,
}

/// How long answers have taken that were made and sent at once, and the others: those whose content
/// is sent piece by piece, or that something else had to be waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// To the end, of those that were sent at once.
    pub at_once: Latency,
    /// To the first byte of the others.
    pub first: Latency,
    /// To their end.
    pub whole: Latency,
}

impl Latency {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Those that have come since it was as it was `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let counts = std::array::from_fn(|at| self.counts[at].saturating_sub(before.counts[at]));
        Self { counts, sum_us: self.sum_us.saturating_sub(before.sum_us) }
    }

    /// The time that such a share of them was faster than, as if they lay evenly in each stretch;
    /// `None` where there are none.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let mut left = self.count() as f64 * share;
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let start = at.checked_sub(1).map_or(0, |before| ENDS_US[before]);
            let end = ENDS_US.get(at).copied().unwrap_or(start);
            if left <= *count as f64 {
                return Some(start + ((end - start) as f64 * left / *count as f64) as u64);
            }
            left -= *count as f64;
        }
        None
    }
}

impl Times {
    /// To the first byte, of all.
    #[must_use]
    pub fn to_first_byte(&self) -> Latency {
        let mut all = self.at_once;
        all += self.first;
        all
    }

    /// To the end, of all.
    #[must_use]
    pub fn to_end(&self) -> Latency {
        let mut all = self.at_once;
        all += self.whole;
        all
    }

    /// Each by itself.
    #[must_use]
    pub fn parts(&self) -> [&Latency; 3] {
        [&self.at_once, &self.first, &self.whole]
    }
}

impl AddAssign for Latency {
    fn add_assign(&mut self, other: Self) {
        let pairs = self.counts.iter_mut().zip(other.counts);
        for (own, more) in pairs.chain([(&mut self.sum_us, other.sum_us)]) {
            *own = own.wrapping_add(more);
        }
    }
}

impl AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        self.at_once += other.at_once;
        self.first += other.first;
        self.whole += other.whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_stretch_that_it_is_shorter_than_the_end_of() {
        assert_eq!(
            (ENDS_US[0], ENDS_US[12], ENDS_US[13], ENDS_US[STRETCHES - 2]),
            (64, 262_144, 393_216, 67_108_864)
        );
        let around = |us: &u64| [us - 1, *us, us + 1];
        let ends = ENDS_US[..STRETCHES - 2].iter().flat_map(around);
        for us in [0, 1, 2, 3, 1_000, 67_108_863].into_iter().chain(ends) {
            let at = stretch(us);
            assert!(us < ENDS_US[at] && (at == 0 || us >= ENDS_US[at - 1]), "{us}: {at}");
        }
        for us in [67_108_864, u64::MAX] {
            assert_eq!(stretch(us), STRETCHES - 1);
        }
    }

    /// Where people wait, it says how long.
    #[test]
    fn what_one_answer_took_is_told_to_a_quarter() {
        for us in (300_000..16_000_000).step_by(77_777) {
            let mut latency = Latency::default();
            latency.counts[stretch(us)] = 1;
            for share in [0.5, 0.99] {
                let told = latency.quantile_us(share).unwrap();
                assert!(told.abs_diff(us) * 2 <= us, "{us} µs: {told}");
            }
            let middle = latency.quantile_us(0.5).unwrap();
            assert!(middle.abs_diff(us) * 4 <= us, "{us} µs: {middle}");
        }
    }

    #[test]
    fn what_was_sent_at_once_had_its_first_byte_then() {
        let latency = |at: usize, sum_us| {
            let mut counts = [0; STRETCHES];
            counts[at] = 1;
            Latency { counts, sum_us }
        };
        let times = Times { at_once: latency(0, 1), first: latency(1, 10), whole: latency(2, 100) };
        let (first, whole) = (times.to_first_byte(), times.to_end());
        assert_eq!((first.count(), first.sum_us, whole.count(), whole.sum_us), (2, 11, 2, 101));
        assert_eq!((first.counts[1], whole.counts[1], whole.counts[2]), (1, 0, 1));
    }
}
