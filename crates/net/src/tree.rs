//! One folder held by its descriptor, and the only calls that open anything beneath it.

use crate::stat::{self, Identity, Kind};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};
use rustix::io::{Errno, retry_on_intr};

/// A folder: what is opened through it lies beneath it, whatever its content or others do.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The folder itself; renaming it or replacing it by another does not change what is served.
    pub(crate) directory: OwnedFd,
    /// Which one it is.
    pub(crate) identity: Identity,
    /// Its absolute path without links, without a slash at the end (empty for `/`).
    pub(crate) real: Vec<u8>,
    /// Its absolute path as the operator typed it: links in the tree may be spelled like that.
    pub(crate) typed: Vec<u8>,
}

/// `NONBLOCK` so that a FIFO opens at once, `NOCTTY` so that no terminal takes over the process.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

impl Tree {
    /// Opens `inner` if that needs no disk and crosses no mount: else `AGAIN` or `XDEV`.
    pub(crate) fn open_now(&self, inner: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(inner, READ, BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::CACHED)
    }

    /// Opens `inner`, through links that stay beneath the folder: `XDEV` when one does not.
    pub(crate) fn open_wait(&self, inner: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_checked(inner, BENEATH)
    }

    /// Opens `inner`, which contains no link: `LOOP` when it does.
    pub(crate) fn open_straight(&self, inner: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_checked(inner, BENEATH | ResolveFlags::NO_SYMLINKS)
    }

    /// What the link at `inner` says, `None` when no link lies there; no link is followed.
    pub(crate) fn link(&self, inner: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let seen = self.open(
            inner,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            BENEATH | ResolveFlags::NO_SYMLINKS,
        )?;
        match readlinkat(seen, c"", Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            // What an empty path on a descriptor means that is not a link.
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks before it opens: devices are found on mounts of their own, which only this way leads
    /// to, and merely opening one can act (a tape rewinds, a watchdog starts to count).
    fn open_checked(&self, inner: &[u8], resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let seen = self.open(inner, OFlags::PATH | OFlags::CLOEXEC, resolve)?;
        match stat::of(seen.as_fd())?.kind {
            Kind::Other => Err(Errno::NXIO),
            Kind::File | Kind::Directory => self.open(inner, READ, resolve),
        }
    }

    fn open(&self, inner: &[u8], flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        retry_on_intr(|| openat2(&self.directory, inner, flags, Mode::empty(), resolve))
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}
