//! Why a file could not be found, in the few ways that lead to different answers.

use rustix::io::Errno;
use std::fmt;
use std::io;

/// Why a path beneath a root leads to nothing that may be served.
#[derive(Debug)]
pub enum FindError {
    /// Nothing there: no such name, a name too long, a loop of links, a link that leaves the root,
    /// or something that is neither a file nor a directory. One answer for all, so that nobody can
    /// ask what lies outside.
    NotFound,
    /// It exists, and the server's user may not read it.
    Denied,
    /// It cannot be told without perhaps waiting for a disk: ask again with `Patience::Wait`.
    WouldBlock,
    /// The process or the machine is out of descriptors or memory.
    Exhausted,
    /// The file system failed.
    Failed(io::Error),
}

impl From<Errno> for FindError {
    fn from(errno: Errno) -> Self {
        match errno {
            // INVAL and ILSEQ are what a name earns that its file system cannot spell, and what a
            // NUL inside a path becomes; XDEV is what openat2 calls an escape, NXIO a socket.
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::XDEV
            | Errno::NXIO
            | Errno::NODEV
            | Errno::INVAL
            | Errno::ILSEQ => Self::NotFound,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::AGAIN => Self::WouldBlock,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Exhausted,
            other => Self::Failed(other.into()),
        }
    }
}

impl fmt::Display for FindError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => out.write_str("not found"),
            Self::Denied => out.write_str("permission denied"),
            Self::WouldBlock => out.write_str("not in memory"),
            Self::Exhausted => out.write_str("out of descriptors or memory"),
            Self::Failed(error) => write!(out, "file system: {error}"),
        }
    }
}

impl std::error::Error for FindError {}
