//! What comes of requests for pages that are kept for a moment, and how many are: a row for each
//! label, which all loops of a process change.

use base::pack::{Packer, Unpacker};
use std::{
    ops::AddAssign,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Words of a row: a cache line.
pub(crate) const ROW_WORDS: usize = 8;

/// What a row has a figure of, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Requests answered with a page that was fresh.
    Hits,
    /// Requests answered with an older one, while another was on its way or not to be had.
    Stale,
    /// Requests that a program was asked to answer.
    Misses,
    /// Requests that waited for what somebody else had asked for.
    Waited,
    /// Pages that are kept.
    Pages,
    /// Memory that they take.
    Bytes,
}

/// The rows of a process. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keeping(&'static [AtomicU64]);

/// What a label has had of that, and has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// See [`Of::Hits`].
    pub hits: u64,
    /// See [`Of::Stale`].
    pub stale: u64,
    /// See [`Of::Misses`].
    pub misses: u64,
    /// See [`Of::Waited`].
    pub waited: u64,
    /// See [`Of::Pages`].
    pub pages: u64,
    /// See [`Of::Bytes`].
    pub bytes: u64,
}

impl Keeping {
    pub(crate) const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// There is so much more of something, or less.
    pub fn change(&self, label: usize, of: Of, by: isize) {
        if let Some(cell) = self.0.get(label * ROW_WORDS + of as usize) {
            cell.fetch_add(by as u64, Relaxed);
        }
    }
}

impl Kept {
    pub(crate) fn of(row: &[u64; ROW_WORDS]) -> Self {
        let [hits, stale, misses, waited, pages, bytes, ..] = *row;
        Self { hits, stale, misses, waited, pages, bytes }
    }

    /// What is left of it once its process is gone.
    #[must_use]
    pub fn past(self) -> Self {
        Self { pages: 0, bytes: 0, ..self }
    }

    fn parts(&mut self) -> [&mut u64; 6] {
        let Self { hits, stale, misses, waited, pages, bytes } = self;
        [hits, stale, misses, waited, pages, bytes]
    }

    pub(crate) fn pack(mut self, out: &mut Packer) {
        let is_any = self != Self::default();
        out.byte(u8::from(is_any));
        if is_any {
            self.parts().into_iter().for_each(|part| out.number(*part));
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let mut kept = Self::default();
        if from.flag()? {
            for part in kept.parts() {
                *part = from.number()?;
            }
        }
        Some(kept)
    }
}

impl AddAssign for Kept {
    fn add_assign(&mut self, mut other: Self) {
        for (own, more) in self.parts().into_iter().zip(other.parts()) {
            *own = own.wrapping_add(*more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_found_where_it_was_put() {
        let words: Vec<_> = (0..2 * ROW_WORDS).map(|_| AtomicU64::new(0)).collect();
        let words = &*words.leak();
        let keeping = Keeping::new(words);
        for (of, by) in [
            (Of::Hits, 1),
            (Of::Stale, 2),
            (Of::Misses, 3),
            (Of::Waited, 4),
            (Of::Pages, 5),
            (Of::Bytes, 7),
        ] {
            keeping.change(1, of, by);
            // Of what is not there nothing is counted.
            keeping.change(2, of, by);
            Keeping::default().change(0, of, by);
        }
        keeping.change(1, Of::Bytes, -1);
        let looked: Vec<_> = words.iter().map(|word| word.load(Relaxed)).collect();
        let mut rows = looked.as_chunks().0.iter().map(Kept::of);
        assert_eq!(rows.next(), Some(Kept::default()));
        let kept = Kept { hits: 1, stale: 2, misses: 3, waited: 4, pages: 5, bytes: 6 };
        assert_eq!(rows.next(), Some(kept));
        let mut twice = kept.past();
        twice += kept;
        assert_eq!((twice.hits, twice.waited, twice.pages, twice.bytes), (2, 8, 5, 6));
    }
}
