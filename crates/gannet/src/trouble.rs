//! Why a verb failed, in words for whoever typed it.

/// Why a verb failed: what to say, and the exit code (2 for what the operator typed, else 1).
pub(crate) struct Trouble {
    pub(crate) exit_code: u8,
    /// Whether it is only that a port is taken.
    pub(crate) is_taken: bool,
    pub(crate) message: String,
}

impl Trouble {
    pub(crate) fn new(exit_code: u8, message: String) -> Self {
        Self { exit_code, is_taken: false, message }
    }

    /// Adds the place of a config file that led to it, if there is one.
    pub(crate) fn said_at(mut self, place: &str) -> Self {
        if !place.is_empty() {
            self.message.push_str(&format!(" ({place})"));
        }
        self
    }
}
