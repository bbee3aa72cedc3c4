//! What the clocks said when a turn began.

use base::Moment;
use net::clock::{self, Wall};

/// What they said: read once, good for all that the turn does.
#[derive(Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) now: Moment,
    pub(crate) wall: Wall,
}

impl Tick {
    pub(crate) fn read() -> Self {
        Self { now: clock::now(), wall: clock::wall() }
    }

    /// What they say now. Both move with the ticks of one timer: if the one has not, the other has
    /// not either.
    pub(crate) fn next(self) -> Self {
        let now = clock::now();
        if now == self.now { self } else { Self { now, wall: clock::wall() } }
    }
}
