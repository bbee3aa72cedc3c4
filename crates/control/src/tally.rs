//! What each site and route has had: a row for each of their labels, and such rows for each loop,
//! which it alone writes to. Behind them there are those that all loops share.
//!
//! ```text
//!   a loop │ row │ row │ …
//!   row    │ answers by class of status │ bytes │ times │ times │ times │ verdicts of limits │
//!          │ under way │ accepted │ …
//!   times  │ all together │ how many of each stretch │    at once, to first byte, to the end
//!   shared │ row │ row │ … what is kept for a moment
//! ```
//!
//! An answer that is sent at once is one more in its class, its bytes, and its time: words of two
//! cache lines.

use crate::{
    kept::{self, Keeping, Kept},
    latency::{Latency, STRETCHES, Times, stretch},
    present::{Present, change},
};
use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Classes of statuses: 1xx to 5xx.
pub const CLASSES: usize = 5;

/// Words of a row, whole cache lines.
const ROW_WORDS: usize = 104;

/// Where in a row its bytes stand, and the times of each kind.
const BYTES: usize = CLASSES;
const TIMES: usize = CLASSES + 1;

/// Words of the times of one kind: their sum, then the stretches.
const KIND_WORDS: usize = 1 + STRETCHES;

/// Where the verdicts of limits stand, behind the times of three kinds.
const LIMITS: usize = TIMES + 3 * KIND_WORDS;

/// Verdicts that limits come to.
pub const VERDICTS: usize = 2;

/// Where the exchanges stand that are under way, and the connections that were accepted.
const UNDER_WAY: usize = LIMITS + VERDICTS;
const ACCEPTED: usize = UNDER_WAY + 1;

/// What a limit says of a request that comes too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered 429.
    Refused,
    /// It would be, if the limit were not only on trial.
    OnTrial,
}

/// Which time of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To its end, where it is sent at once.
    AtOnce,
    /// To its first byte, where not.
    First,
    /// To its end, where not.
    Whole,
}

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
    /// How long they have taken, where that is measured.
    pub times: Times,
    /// Those of them that came too soon for a limit, by its [`Verdict`].
    pub limits: [u64; VERDICTS],
    /// Exchanges that are under way beyond their turn.
    pub under_way: u64,
    /// Connections that were accepted: of an address, at the label of its own.
    pub accepted: u64,
    /// What came of keeping pages for a moment: of a site, at the label of its own.
    pub kept: Kept,
}

impl Tallies {
    /// How many words the rows of so many loops have, each for so many labels.
    #[must_use]
    pub const fn words(loops: usize, labels: usize) -> usize {
        loops * labels * ROW_WORDS + labels * kept::ROW_WORDS
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

    /// The rows that all loops share.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        Keeping::new(self.words.chunks_exact((self.labels * ROW_WORDS).max(1)).remainder())
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

    /// Counts bytes of an answer that goes on, under the same terms.
    pub fn send(&self, label: usize, bytes: u64) {
        let word = self.0.get(label * ROW_WORDS + BYTES);
        word.iter().for_each(|word| change(word, |count| count.wrapping_add(bytes)));
    }

    /// Counts what a limit said of one, under the same terms.
    pub fn limit(&self, label: usize, verdict: Verdict) {
        let word = self.0.get(label * ROW_WORDS + LIMITS + verdict as usize);
        word.iter().for_each(|word| change(word, |count| count.wrapping_add(1)));
    }

    /// One exchange more is under way, until what this returns is dropped.
    #[must_use]
    pub fn under_way(&self, label: usize) -> Present {
        Present::new(self.0.get(label * ROW_WORDS + UNDER_WAY))
    }

    /// Counts a connection that was accepted, under the same terms.
    #[inline]
    pub fn accept(&self, label: usize) {
        let word = self.0.get(label * ROW_WORDS + ACCEPTED);
        word.iter().for_each(|word| change(word, |count| count.wrapping_add(1)));
    }

    /// Counts how long each of so many took, under the same terms.
    #[inline]
    pub fn time(&self, label: usize, kind: Kind, (us, count): (u64, u64)) {
        let start = label * ROW_WORDS + TIMES + kind as usize * KIND_WORDS;
        let Some(words) = self.0.get(start..start + KIND_WORDS) else { return };
        for (at, amount) in [(0, us.wrapping_mul(count)), (1 + stretch(us), count)] {
            words[at].store(words[at].load(Relaxed).wrapping_add(amount), Relaxed);
        }
    }
}

impl Counts {
    /// What is left of it once its process is gone.
    #[must_use]
    pub fn past(self) -> Self {
        Self { kept: self.kept.past(), under_way: 0, ..self }
    }

    /// The answers of all classes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.classes.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let counts = [&mut self.bytes, &mut self.under_way, &mut self.accepted];
        let own = self.classes.iter_mut().chain(&mut self.limits).chain(counts);
        let counts = [other.bytes, other.under_way, other.accepted];
        let more = other.classes.into_iter().chain(other.limits).chain(counts);
        own.zip(more).for_each(|(own, more)| *own = own.wrapping_add(more));
        self.times += other.times;
        self.kept += other.kept;
    }
}

/// What each of so many labels has had, in all rows whose words have just been looked at.
#[must_use]
pub fn totals(words: &[u64], labels: usize) -> Vec<Counts> {
    let mut all = vec![Counts::default(); labels];
    let loops = words.chunks_exact((labels * ROW_WORDS).max(1));
    for (total, row) in all.iter_mut().zip(loops.remainder().as_chunks().0) {
        total.kept = Kept::of(row);
    }
    for rows in loops {
        for (total, row) in all.iter_mut().zip(rows.as_chunks::<ROW_WORDS>().0) {
            let [one, two, three, four, five, bytes, rest @ ..] = row;
            let (times, rest) = rest.as_chunks();
            let (limits, rest) = rest.split_first_chunk().unwrap_or((&[0; VERDICTS], &[]));
            let [under_way, accepted] = rest.first_chunk().copied().unwrap_or_default();
            let mut kinds = times.iter().map(latency);
            let mut next = || kinds.next().unwrap_or_default();
            let times = Times { at_once: next(), first: next(), whole: next() };
            let classes = [one, two, three, four, five].map(|count| *count);
            let (bytes, limits, kept) = (*bytes, *limits, Kept::default());
            *total += Counts { classes, bytes, times, limits, under_way, accepted, kept };
        }
    }
    all
}

fn latency(words: &[u64; KIND_WORDS]) -> Latency {
    let [sum_us, counts @ ..] = *words;
    Latency { counts, sum_us }
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
        one.send(2, 4);
        one.send(3, 4);
        // What is no status, or no label, does not go astray.
        other.add(1, 0, 0);
        other.add(1, 999, 0);
        other.add(3, 200, 7);
        tallies.tally(2).add(0, 200, 7);
        Tally::default().add(0, 200, 7);
        tallies.keeping().change(1, kept::Of::Hits, 3);
        let looked: Vec<_> = tallies.words.iter().map(|word| word.load(Relaxed)).collect();
        let counts = |classes, bytes| Counts { classes, bytes, ..Counts::default() };
        let mut expect =
            [counts([0, 1, 0, 0, 0], 10), counts([1, 0, 0, 0, 1], 0), counts([1, 0, 0, 2, 0], 10)];
        expect[1].kept.hits = 3;
        assert_eq!(totals(&looked, 3), expect);
        assert_eq!(expect[2].requests(), 3);
        assert_eq!(totals(&looked, 0), []);
        assert_eq!(totals(&[], 2), [Counts::default(); 2]);
    }

    #[test]
    fn verdicts_of_limits_are_counted_beside_the_answers() {
        let words: Vec<_> = (0..Tallies::words(2, 2)).map(|_| AtomicU64::new(0)).collect();
        let tallies = Tallies::new(words.leak(), 2);
        for verdict in [Verdict::Refused, Verdict::Refused, Verdict::OnTrial] {
            tallies.tally(0).limit(1, verdict);
        }
        tallies.tally(1).limit(1, Verdict::OnTrial);
        tallies.tally(1).limit(2, Verdict::OnTrial);
        let looked: Vec<_> = tallies.words.iter().map(|word| word.load(Relaxed)).collect();
        let expect = Counts { limits: [2, 2], ..Counts::default() };
        assert_eq!(totals(&looked, 2), [Counts::default(), expect]);
    }

    #[test]
    fn what_is_under_way_is_there_until_it_is_over_and_accepted_ones_stay() {
        let words: Vec<_> = (0..Tallies::words(2, 2)).map(|_| AtomicU64::new(0)).collect();
        let tallies = Tallies::new(words.leak(), 2);
        let look = || {
            let words: Vec<_> = tallies.words.iter().map(|word| word.load(Relaxed)).collect();
            totals(&words, 2)
        };
        let (one, other) = (tallies.tally(0).under_way(1), tallies.tally(1).under_way(1));
        tallies.tally(0).accept(0);
        tallies.tally(1).accept(0);
        let expect = |under_way| {
            let accepted = Counts { accepted: 2, ..Counts::default() };
            [accepted, Counts { under_way, ..Counts::default() }]
        };
        assert_eq!(look(), expect(2));
        // Whoever has died is at nothing any more.
        assert_eq!(look().into_iter().map(Counts::past).collect::<Vec<_>>(), expect(0));
        drop((one, Tally::default().under_way(0)));
        assert_eq!(look(), expect(1));
        drop(other);
        assert_eq!(look(), expect(0));
    }

    #[test]
    fn times_are_counted_by_their_kind_and_by_nothing_else() {
        let words: Vec<_> = (0..Tallies::words(1, 2)).map(|_| AtomicU64::new(0)).collect();
        let tallies = Tallies::new(words.leak(), 2);
        let tally = tallies.tally(0);
        for (kind, us) in [(Kind::AtOnce, 5), (Kind::First, 70), (Kind::Whole, u64::MAX - 2)] {
            tally.time(1, kind, (us, 1));
            tally.time(1, kind, (1, 2));
        }
        tally.time(2, Kind::Whole, (9, 1));
        Tally::default().time(0, Kind::AtOnce, (9, 1));
        let looked: Vec<_> = tallies.words.iter().map(|word| word.load(Relaxed)).collect();
        let [none, some] = totals(&looked, 2)[..] else { panic!() };
        assert_eq!((none, some.requests(), some.bytes), (Counts::default(), 0, 0));
        let sums = some.times.parts().map(|latency| (latency.count(), latency.sum_us));
        assert_eq!(sums, [(3, 7), (3, 72), (3, u64::MAX)]);
        assert_eq!(some.times.first.counts[..2], [2, 1]);
        assert_eq!(some.times.whole.counts[STRETCHES - 1], 1);
    }
}
