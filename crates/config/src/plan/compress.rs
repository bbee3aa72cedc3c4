//! Which content is compressed on the fly, and into what.

use message::Coding;

/// Which content is compressed on the fly, and into what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compress {
    /// The codings that are offered; the first of those that a client likes best is taken. Never
    /// empty, never identity.
    pub codings: Vec<Coding>,
    /// Bytes of content that are worth it at least.
    pub bytes_min: u64,
    /// Bytes of a file that are worth it at most.
    pub bytes_max: u64,
}

impl Default for Compress {
    fn default() -> Self {
        Self {
            codings: vec![Coding::Zstd, Coding::Br, Coding::Gzip],
            bytes_min: 1024,
            bytes_max: 16 * 1024 * 1024,
        }
    }
}
