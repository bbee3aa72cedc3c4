//! Places that one loop takes and leaves, in words that others read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Some places of so many words each. The first word of one is 0 while nobody has it.
pub(crate) struct Slots {
    pub(crate) words: &'static [AtomicU64],
    pub(crate) slot_words: usize,
    /// The number of the place that is looked at first: the one that was left last.
    pub(crate) next: &'static AtomicU64,
}

/// Stands for a place where none is free.
const NONE: u64 = u64::MAX;

/// A place that was taken; dropping this leaves it.
#[derive(Debug)]
pub(crate) struct Slot {
    first: &'static AtomicU64,
    next: &'static AtomicU64,
    number: usize,
}

impl Slots {
    /// A free place with its words, if there is one. Whoever takes it has its first word say so.
    pub(crate) fn take(&self) -> Option<(Slot, &'static [AtomicU64])> {
        let next = self.next.load(Relaxed);
        if next == NONE {
            return None;
        }
        let count = self.words.len() / self.slot_words;
        let next = usize::try_from(next).unwrap_or(0).min(count);
        let is_free = |number: &usize| {
            let first = self.words.get(number * self.slot_words);
            first.is_some_and(|first| first.load(Relaxed) == 0)
        };
        let Some(number) = (next..count).chain(0..next).find(is_free) else {
            self.next.store(NONE, Relaxed);
            return None;
        };
        self.next.store(number as u64 + 1, Relaxed);
        let words = self.words.chunks_exact(self.slot_words).nth(number)?;
        Some((Slot { first: words.first()?, next: self.next, number }, words))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.first.store(0, Relaxed);
        self.next.store(self.number as u64, Relaxed);
    }
}
