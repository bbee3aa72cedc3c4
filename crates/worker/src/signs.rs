//! What shows the loops of a process to whoever has started it, in memory that both see.

use control::{Life, Lives, Recent, Recents, Row, Rows, Tallies, Tally, Trail, Trails};

/// The signs of all loops. The default ones are nobody's to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signs {
    /// What is counted: [`Rows::words`] of so many loops.
    pub rows: Rows,
    /// What each loop is at: [`Trails::words`] of so many loops.
    pub trails: Trails,
    /// What each site and route has had: [`Tallies::words`] of so many loops.
    pub tallies: Tallies,
    /// The last requests: [`Recents::words`] of so many loops.
    pub recents: Recents,
    /// The lives of connections: [`Lives::words`] of so many loops, or none.
    pub lives: Lives,
}

/// Those of one loop.
pub(crate) struct Sign {
    /// What it counts.
    pub(crate) row: Row,
    /// What it is at.
    pub(crate) trail: Trail,
    /// What it counts of each site and route.
    pub(crate) tally: Tally,
    /// What it was asked last.
    pub(crate) recent: Recent,
    /// The lives of its connections.
    pub(crate) life: Life,
}

impl Signs {
    /// Those of the loop of that number.
    pub(crate) fn of(&self, number: usize) -> Sign {
        Sign {
            row: self.rows.row(Rows::WRITERS + number),
            trail: self.trails.trail(number),
            tally: self.tallies.tally(number),
            recent: self.recents.recent(number),
            life: self.lives.life(number),
        }
    }
}
