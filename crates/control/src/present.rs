//! What there is of something at the moment: one more as long as a value lives.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One of them. Only the thread that the count belongs to has it.
#[derive(Debug, Default)]
pub struct Present(Option<&'static AtomicU64>);

impl Present {
    /// One more in this count, which no other thread writes to; in none where nobody counts.
    pub(crate) fn new(count: Option<&'static AtomicU64>) -> Self {
        count.iter().for_each(|count| change(count, |sum| sum.wrapping_add(1)));
        Self(count)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.iter().for_each(|count| change(count, |sum| sum.wrapping_sub(1)));
    }
}

/// Changes a cell that no other thread writes to.
pub(crate) fn change(cell: &AtomicU64, next: impl Fn(u64) -> u64) {
    cell.store(next(cell.load(Relaxed)), Relaxed);
}
