//! What a loop asks applications at the moment, so that it can be said which of them is at what.
//!
//! ```text
//!   call │ since │ lengths │ id │ method │ host │ target │ script │   since: 0 where none is
//! ```

use super::{put, text_in};
use crate::slots::{Slot, Slots};
use base::Moment;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Calls of a loop that are shown at a time. Further ones go untold.
const CALLS: usize = 64;

/// Where in a call the id, the method, the host, the target and the program stand, and in how many
/// words; the rest of a longer one is left out.
const PARTS: [(usize, usize); 5] = [(2, 8), (10, 2), (12, 8), (20, 24), (44, 24)];

/// Words of a call.
const CALL_WORDS: usize = 68;

/// Bits of the length of a part among the lengths.
const LENGTH_BITS: usize = 12;

/// Words of a loop.
pub(super) const LOOP_WORDS: usize = CALLS * CALL_WORDS;

/// A request that an application is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Since when, in milliseconds since the machine started.
    pub since_ms: u64,
    /// Its id; empty where it has none.
    pub id: String,
    /// Its method.
    pub method: String,
    /// The host that it is for, or the first 64 bytes of it.
    pub host: String,
    /// Its path and query, or the first 192 bytes of it.
    pub target: String,
    /// The program that is to answer, or the first 192 bytes of its path.
    pub script: String,
}

impl Call {
    /// How long it has lasted at that time, in microseconds.
    #[must_use]
    pub fn age_us(&self, now: Moment) -> u64 {
        now.0.saturating_sub(self.since_ms).saturating_mul(1000)
    }
}

/// A call that is shown; dropping this forgets it.
#[derive(Debug)]
pub struct Calling(#[expect(dead_code, reason = "it forgets when it is dropped")] Slot);

/// Shows in these words of a loop that an application is asked, since so many milliseconds: the
/// id, the method, the host, the target and the program; `next` is where there is room. `None`
/// where there is none.
pub(super) fn show(
    words: &'static [AtomicU64],
    next: &'static AtomicU64,
    since_ms: u64,
    parts: [&str; 5],
) -> Option<Calling> {
    let (slot, call) = Slots { words, slot_words: CALL_WORDS, next }.take()?;
    let [since, lengths, ..] = call else { return None };
    let mut told = 0;
    for (part, (at, count)) in parts.into_iter().zip(PARTS) {
        told = told << LENGTH_BITS | put(call.get(at..at + count)?, part);
    }
    lengths.store(told, Relaxed);
    since.store(since_ms.max(1), Relaxed);
    Some(Calling(slot))
}

/// The calls in the words of a loop that were the same at two looks, one right after the other: no
/// other one may have taken the place of one of them meanwhile.
#[must_use]
pub fn seen(first: &[u64], second: &[u64]) -> Vec<Call> {
    let pairs = first.chunks_exact(CALL_WORDS).zip(second.chunks_exact(CALL_WORDS));
    pairs.filter(|(first, second)| first == second).filter_map(|(words, _)| call(words)).collect()
}

fn call(words: &[u64]) -> Option<Call> {
    let [since_ms @ (1..), lengths, ..] = *words else { return None };
    let part = |number: usize| {
        let (at, count) = PARTS[number];
        let words = words.get(at..at + count)?;
        let shift = LENGTH_BITS * (PARTS.len() - 1 - number);
        Some(text_in(words, lengths >> shift & ((1 << LENGTH_BITS) - 1)))
    };
    let (id, method, host) = (part(0)?, part(1)?, part(2)?);
    Some(Call { since_ms, id, method, host, target: part(3)?, script: part(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a loop, and the one that says where there is room.
    fn words() -> (&'static [AtomicU64], &'static AtomicU64) {
        let words = (0..=LOOP_WORDS).map(|_| AtomicU64::new(0)).collect::<Vec<_>>().leak();
        let (next, words) = words.split_first().unwrap();
        (words, next)
    }

    fn look(words: &[AtomicU64]) -> Vec<u64> {
        words.iter().map(|word| word.load(Relaxed)).collect()
    }

    #[test]
    fn a_call_is_seen_as_long_as_it_lasts() {
        let (words, next) = words();
        let before = look(words);
        let first = show(words, next, 7, ["3f0b", "GET", "a.test", "/a?b", "/srv/a.php"]);
        let long = "x".repeat(500);
        let _second = show(words, next, 0, ["", &long, &long, &long, &long]);
        let after = look(words);
        assert_eq!(seen(&before, &after), [], "what has just come may be half there");
        let all = seen(&after, &after);
        let part = |text: &str| text.to_owned();
        let (target, script) = (part("/a?b"), part("/srv/a.php"));
        let (id, method, host) = (part("3f0b"), part("GET"), part("a.test"));
        let expect = Call { since_ms: 7, id, method, host, target, script };
        assert_eq!((all.len(), &all[0]), (2, &expect));
        let Call { since_ms, method, host, target, script, .. } = &all[1];
        assert_eq!(*since_ms, 1);
        assert_eq!([method, host, target, script].map(String::len), [16, 64, 192, 192]);
        drop(first);
        assert_eq!(seen(&look(words), &look(words)).len(), 1);
    }

    #[test]
    fn there_is_room_for_some_and_no_more() {
        let (words, next) = words();
        let parts = ["", "GET", "", "/", "/a.php"];
        let mut calls: Vec<_> = (0..CALLS + 3).map(|_| show(words, next, 1, parts)).collect();
        assert_eq!(calls.iter().flatten().count(), CALLS);
        calls.remove(0);
        assert!(show(words, next, 1, parts).is_some());
    }

    #[test]
    fn odd_words_are_no_trouble() {
        for words in [vec![], vec![u64::MAX; 3], vec![u64::MAX; LOOP_WORDS]] {
            let _ = seen(&words, &words);
        }
    }
}
