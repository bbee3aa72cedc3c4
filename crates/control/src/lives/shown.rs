//! Requests that are under way, each in a place of its own until it is over.

use super::answer::{self, ANSWER_WORDS, Answer};
use super::ring;
use crate::slots::{Slot, Slots};
use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Requests of a loop that are shown at a time. Further ones go untold.
pub(super) const RECORDS: usize = 128;

/// Words behind them, of which the first says where there is room.
pub(super) const HEAD_WORDS: usize = 8;

/// What stands for the number of an answer that is not counted yet.
const NUMBER: u64 = u64::MAX;

/// The places of one loop. The default one has none.
#[derive(Debug, Default)]
pub(super) struct Showcase {
    words: &'static [AtomicU64],
    next: Option<&'static AtomicU64>,
    shown: Cell<u64>,
}

/// A request that is shown; dropping this forgets it.
#[derive(Debug)]
pub struct Shown {
    record: &'static [AtomicU64; ANSWER_WORDS],
    _slot: Slot,
}

impl Showcase {
    /// One in these words, in which nothing is shown that was before.
    pub(super) fn new(words: &'static [AtomicU64]) -> Self {
        let (words, rest) = words.split_at(RECORDS * ANSWER_WORDS);
        let records: &[[AtomicU64; ANSWER_WORDS]] = words.as_chunks().0;
        // What was never used is not touched: it lies behind all that was.
        let used = records.iter().take_while(|record| record[1].load(Relaxed) != 0);
        let left = used.map(|record| record[0].swap(0, Relaxed)).max();
        rest.first().into_iter().for_each(|next| next.store(0, Relaxed));
        Self { words, next: rest.first(), shown: Cell::new(left.unwrap_or(0) / 2) }
    }

    pub(super) fn show(&self, answer: &Answer<'_>) -> Option<Shown> {
        let slots = Slots { words: self.words, slot_words: ANSWER_WORDS, next: self.next? };
        let (slot, words) = slots.take()?;
        let record = words.as_chunks().0.first()?;
        // No other one may pass for it that has its place afterwards.
        self.shown.set(self.shown.get() + 1);
        record[0].store(2 * self.shown.get(), Relaxed);
        let shown = Shown { record, _slot: slot };
        shown.change(answer);
        Some(shown)
    }
}

impl Shown {
    /// It is known by now how it is answered.
    pub fn change(&self, answer: &Answer<'_>) {
        ring::write(self.record, answer::pack(NUMBER, answer).into_iter());
    }
}
