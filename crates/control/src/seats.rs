//! The connections that a process has counted: when it dies, whoever has started it takes them off
//! the counts again.
//!
//! ```text
//!   words │ cursor │ seat │ seat │ …      a seat: 0 free │ 1 counted in all │ n counted at word n
//! ```
//!
//! A seat is taken after its connection was counted, and freed before that is taken off. A process
//! that dies in between leaves one too many on the count, never one too few.

use std::sync::atomic::{AtomicU64, Ordering};

/// Seats that are looked at before a connection goes without one.
const TRIES: usize = 64;

/// A connection that is counted in all, and at no client.
const OF_NOBODY: u64 = 1;

/// The seats of a process. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seats(&'static [AtomicU64]);

impl Seats {
    /// The word of the first seat.
    pub const FIRST: usize = 1;

    /// How many words the seats for so many connections have: twice as many seats, so that a free
    /// one is near.
    #[must_use]
    pub const fn words(connections_max: usize) -> usize {
        Self::FIRST + connections_max.saturating_mul(2)
    }

    /// The seats in these words, which are all 0 in the beginning.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// Takes a seat for a connection that is counted at the word `place` of the table of clients.
    pub(crate) fn take(&self, place: Option<usize>) -> Option<&'static AtomicU64> {
        let (cursor, seats) = self.0.split_first()?;
        let value = place.map_or(OF_NOBODY, |place| place as u64);
        let start = cursor.fetch_add(1, Ordering::Relaxed) as usize;
        (0..TRIES.min(seats.len())).find_map(|step| {
            let seat = seats.get(start.wrapping_add(step) % seats.len())?;
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            seat.compare_exchange(0, value, success, failure).is_ok().then_some(seat)
        })
    }
}

/// The words of the table of clients at which somebody was counted whose seats these are; `None`
/// for one who was counted in all only.
pub(crate) fn taken(seats: &[u64]) -> impl Iterator<Item = Option<usize>> {
    seats
        .iter()
        .filter(|&&seat| seat != 0)
        .map(|&seat| if seat == OF_NOBODY { None } else { usize::try_from(seat).ok() })
}
