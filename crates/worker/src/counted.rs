//! An exchange that is counted as long as it is under way.

use control::Present;

/// One that is under way beyond its turn: among all of its loop, and among those with its label
/// where that is known.
pub(crate) struct Counted {
    pub(crate) label: Option<usize>,
    _among: (Present, Option<Present>),
}

impl Counted {
    /// One that is counted there.
    pub(crate) fn new(label: Option<usize>, all: Present, own: Option<Present>) -> Self {
        Self { label, _among: (all, own) }
    }
}
