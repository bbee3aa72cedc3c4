//! Which content is compressed on the fly, into what, and where it is kept.

use message::Coding;
use std::path::PathBuf;

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

/// Where compressed forms of files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressCache {
    /// Bytes of memory, all event loops together; zero makes no forms.
    pub memory_bytes_max: usize,
    /// A folder in which they outlive the process; absolute.
    pub folder: Option<PathBuf>,
    /// Bytes of that folder.
    pub disk_bytes_max: u64,
}

impl Default for CompressCache {
    fn default() -> Self {
        Self { memory_bytes_max: 64 << 20, folder: None, disk_bytes_max: 1 << 30 }
    }
}
