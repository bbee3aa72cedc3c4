//! What each site and route has had: a row for each of their labels, and such rows for each loop,
//! which it alone writes to.
//!
//! ```text
//!   a loop │ row │ row │ …     row │ answers by class of status │ bytes │      a cache line
//! ```

use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Classes of statuses: 1xx to 5xx.
pub const CLASSES: usize = 5;

/// Words of a row: its classes, its bytes, and nothing to the end of the cache line.
const ROW_WORDS: usize = 8;

/// Where in a row its bytes stand.
const BYTES: usize = CLASSES;

/// The rows of a process. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tallies {
    words: &'static [AtomicU64],
    labels: usize,
}

/// The rows of one loop. The default one counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally(&'static [AtomicU64]);

/// What a label has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The answers of each class, 1xx first.
    pub classes: [u64; CLASSES],
    /// The bytes of content that they have sent.
    pub bytes: u64,
}

impl Tallies {
    /// How many words the rows of so many loops have, each for so many labels.
    #[must_use]
    pub const fn words(loops: usize, labels: usize) -> usize {
        loops * labels * ROW_WORDS
    }

    /// The rows in these words, which are all 0 in the beginning, for so many labels.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64], labels: usize) -> Self {
        Self { words, labels }
    }

    /// The rows of the loop number `at`.
    #[must_use]
    pub fn tally(&self, at: usize) -> Tally {
        let mut loops = self.words.chunks_exact((self.labels * ROW_WORDS).max(1));
        Tally(loops.nth(at).unwrap_or_default())
    }
}

impl Tally {
    /// Counts an answer. Only the loop itself calls this, so plain loads and stores will do.
    #[inline]
    pub fn add(&self, label: usize, status: u16, bytes: u64) {
        let rows = self.0.get(label * ROW_WORDS..).unwrap_or_default();
        let Some(row) = rows.first_chunk::<ROW_WORDS>() else { return };
        let class = usize::from(status / 100).clamp(1, CLASSES) - 1;
        for (at, amount) in [(class, 1), (BYTES, bytes)] {
            row[at].store(row[at].load(Relaxed).wrapping_add(amount), Relaxed);
        }
    }
}

impl Counts {
    /// The answers of all classes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.classes.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let pairs = self.classes.iter_mut().zip(other.classes);
        for (own, more) in pairs.chain([(&mut self.bytes, other.bytes)]) {
            *own = own.wrapping_add(more);
        }
    }
}

/// What each of so many labels has had, in all rows whose words have just been looked at.
#[must_use]
pub fn totals(words: &[u64], labels: usize) -> Vec<Counts> {
    let mut all = vec![Counts::default(); labels];
    for rows in words.chunks_exact((labels * ROW_WORDS).max(1)) {
        for (total, row) in all.iter_mut().zip(rows.as_chunks::<ROW_WORDS>().0) {
            let [one, two, three, four, five, bytes, ..] = *row;
            *total += Counts { classes: [one, two, three, four, five], bytes };
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_counts_for_itself_and_all_together_are_the_total() {
        let words: Vec<_> = (0..Tallies::words(2, 3)).map(|_| AtomicU64::new(0)).collect();
        let tallies = Tallies::new(words.leak(), 3);
        let (one, other) = (tallies.tally(0), tallies.tally(1));
        one.add(0, 200, 10);
        one.add(2, 404, 5);
        other.add(2, 499, 1);
        other.add(2, 101, 0);
        // What is no status, or no label, does not go astray.
        other.add(1, 0, 0);
        other.add(1, 999, 0);
        other.add(3, 200, 7);
        tallies.tally(2).add(0, 200, 7);
        Tally::default().add(0, 200, 7);
        let looked: Vec<_> = tallies.words.iter().map(|word| word.load(Relaxed)).collect();
        let counts = |classes, bytes| Counts { classes, bytes };
        let expect =
            [counts([0, 1, 0, 0, 0], 10), counts([1, 0, 0, 0, 1], 0), counts([1, 0, 0, 2, 0], 6)];
        assert_eq!(totals(&looked, 3), expect);
        assert_eq!(expect[2].requests(), 3);
        assert_eq!(totals(&looked, 0), []);
        assert_eq!(totals(&[], 2), [Counts::default(); 2]);
    }
}
