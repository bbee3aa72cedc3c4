//! Records that one thread writes and another process reads, without a lock or a wait.
//!
//! The first word of a record is its sequence. One that is odd, or another one in a second look
//! than in the first, says that the record was changing meanwhile.

use std::{
    cell::Cell,
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
        fence,
    },
};

/// Records in a ring: the newest is written in the place of the oldest.
#[derive(Debug)]
pub(super) struct Ring<const WORDS: usize> {
    records: &'static [[AtomicU64; WORDS]],
    next: Cell<usize>,
}

impl<const WORDS: usize> Ring<WORDS> {
    /// One in these words, which are all 0 in the beginning. It goes on behind the newest record,
    /// which has the most in its second word.
    pub(super) fn new(words: &'static [AtomicU64]) -> Self {
        let records = words.as_chunks().0;
        let newest = written(records).enumerate().max_by_key(|(_, record)| record[1].load(Relaxed));
        let next = newest.map_or(0, |(at, _)| (at + 1) % records.len());
        Self { records, next: Cell::new(next) }
    }

    /// The records that were ever written.
    pub(super) fn written(&self) -> impl Iterator<Item = &'static [AtomicU64; WORDS]> {
        written(self.records)
    }

    /// Writes the next record: where.
    pub(super) fn put(&self, values: impl Iterator<Item = u64>) -> usize {
        let at = self.next.get();
        if let Some(record) = self.records.get(at) {
            self.next.set((at + 1) % self.records.len());
            write(record, values);
        }
        at
    }

    /// The record at that place.
    pub(super) fn get(&self, at: usize) -> Option<&'static [AtomicU64; WORDS]> {
        self.records.get(at)
    }
}

impl<const WORDS: usize> Default for Ring<WORDS> {
    fn default() -> Self {
        Self { records: &[], next: Cell::new(0) }
    }
}

/// Those of these records that were ever written, each of which came before the next one: so what
/// was never used is not touched.
pub(super) fn written<const WORDS: usize>(
    records: &'static [[AtomicU64; WORDS]],
) -> impl Iterator<Item = &'static [AtomicU64; WORDS]> {
    records.iter().take_while(|record| record[0].load(Relaxed) != 0)
}

/// Writes `values` behind the sequence of a record, as many as there are.
pub(super) fn write<const WORDS: usize>(
    record: &[AtomicU64; WORDS],
    values: impl Iterator<Item = u64>,
) {
    let sequence = &record[0];
    // One that a process has died at stays odd until it is used again.
    let before = sequence.load(Relaxed) | 1;
    sequence.store(before, Relaxed);
    fence(Release);
    let rest = record.iter().skip(1);
    rest.zip(values).for_each(|(word, value)| word.store(value, Relaxed));
    sequence.store(before.wrapping_add(1), Release);
}

/// Where records of one kind stand among the words of a loop.
#[derive(Clone, Copy)]
pub(super) struct Part<const WORDS: usize> {
    pub(super) start: usize,
    pub(super) records: usize,
}

impl<const WORDS: usize> Part<WORDS> {
    /// Records that are copied at once: those behind them may never have been written.
    const AT_ONCE: usize = 128;

    /// The word behind them.
    pub(super) const fn end(self) -> usize {
        self.start + self.records * WORDS
    }

    /// What is in those of the loop whose words begin at `start`, as `unpack` finds. They are
    /// looked at twice, so that what was changing meanwhile is known.
    pub(super) fn found<T>(
        self,
        start: usize,
        mut look: impl FnMut(usize, usize) -> Vec<u64>,
        unpack: impl Fn(&[u64; WORDS]) -> Option<T>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        for at in (0..self.records).step_by(Self::AT_ONCE) {
            let count = Self::AT_ONCE.min(self.records - at) * WORDS;
            let mut copy = || look(start + self.start + at * WORDS, count);
            let (words, again) = (copy(), copy());
            found.extend(whole(&words, &again).filter_map(&unpack));
            // Each was written before the one behind it was for the first time.
            if words.last_chunk::<WORDS>().is_none_or(|last| last[0] == 0) {
                break;
            }
        }
        found
    }
}

/// The records in words that were looked at, and then once `again`: those that were written, and
/// did not change meanwhile.
fn whole<'w, const WORDS: usize>(
    words: &'w [u64],
    again: &'w [u64],
) -> impl Iterator<Item = &'w [u64; WORDS]> {
    let pairs = words.as_chunks::<WORDS>().0.iter().zip(again.as_chunks::<WORDS>().0);
    let is_whole = |(record, again): &(&[u64; WORDS], &[u64; WORDS])| {
        record[0] == again[0] && record[0] != 0 && record[0].is_multiple_of(2)
    };
    pairs.filter(is_whole).map(|(record, _)| record)
}
