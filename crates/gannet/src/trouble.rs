//! Why a verb failed, in words for whoever typed it.

use base::text::visible;

/// Why a verb failed: what to say, and the exit code (2 for what the operator typed, else 1).
pub(crate) struct Trouble {
    pub(crate) exit_code: u8,
    pub(crate) message: String,
}

impl Trouble {
    pub(crate) fn new(exit_code: u8, message: String) -> Self {
        Self { exit_code, message }
    }

    /// One that names what was typed, such as a path, in which there may be anything.
    pub(crate) fn typed(message: &str) -> Self {
        Self::new(2, visible(message))
    }
}

impl From<supervisor::Fault> for Trouble {
    fn from(fault: supervisor::Fault) -> Self {
        Self::new(1, fault.message)
    }
}
