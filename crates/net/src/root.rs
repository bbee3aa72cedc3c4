//! A folder that is served, and the promise that nothing outside of it is ever read.

use crate::fault::FindError;
use crate::permission::{PASS, READ};
use crate::stat::{Kind, Stat};
use crate::tree::Tree;
use crate::way::{self, Way};
use crate::{file_system, identity, links, permission, process, stat};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A folder that is served, with the trees outside of it that its links may lead into.
#[derive(Debug)]
pub struct Root {
    /// The folder itself comes first.
    trees: Vec<Tree>,
    is_quick: bool,
}

/// Whether a caller can wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// No: an event loop asks. What is not in memory is `FindError::WouldBlock`.
    Now,
    /// Yes: the pool asks.
    Wait,
}

/// An open file or directory beneath a root.
#[derive(Debug)]
pub struct Found {
    /// Open for reading.
    pub file: OwnedFd,
    /// Its description, taken from the open descriptor: the two can never disagree.
    pub stat: Stat,
    /// Whether its file system answers warm reads without waiting for anybody.
    pub is_quick: bool,
}

/// Why a folder cannot be served.
#[derive(Debug)]
pub struct RootError {
    /// The folder as it was asked for.
    pub path: PathBuf,
    /// The part of its path that is at fault: what does not exist, what is not a folder, or what
    /// may not be searched.
    pub component: PathBuf,
    /// What the kernel said.
    pub cause: io::Error,
}

impl Root {
    /// Opens the folder `path`, and `links`: the folders outside that links in it may lead into.
    ///
    /// The folder stays the one it is now, even when another takes its name. May block.
    ///
    /// # Errors
    ///
    /// When one of the folders does not exist, is no folder or may not be searched, or when the
    /// kernel (older than Linux 5.6) or the container around it has no openat2.
    pub fn open(path: &Path, links: &[PathBuf]) -> Result<Self, RootError> {
        let paths = std::iter::once(path).chain(links.iter().map(PathBuf::as_path));
        let trees = paths.map(open_tree).collect::<Result<Vec<_>, _>>()?;
        let is_quick = trees.first().is_some_and(|tree| {
            // Linux 5.6 to 5.11 can keep a path beneath a folder but not keep off the disk.
            tree.open_now(b".").is_ok() && file_system::is_quick(tree.as_fd()) == Ok(true)
        });
        Ok(Self { trees, is_quick })
    }

    /// Whether `Patience::Now` can ever succeed. If not, the file system may stall on any call
    /// (FUSE, NFS, CIFS, 9p), and everything about this root belongs to the pool.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// Whether the path that this folder was opened by still leads to it: it may have been built
    /// anew, or be a link that was turned. False too where the answer is not in memory, so that
    /// asking never waits for a disk; always true for a root that is not quick.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.trees.first().is_none_or(|tree| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let there = || openat2(CWD, &tree.typed, flags, Mode::empty(), ResolveFlags::CACHED);
            let is_it = |there: OwnedFd| {
                stat::of(there.as_fd()).is_ok_and(|there| there.identity == tree.identity)
            };
            !self.is_quick || there().is_ok_and(is_it)
        })
    }

    /// The path of the folder that was opened, without links; ends without a slash.
    #[must_use]
    pub fn real(&self) -> &[u8] {
        self.trees.first().map_or(b"", |tree| &tree.real)
    }

    /// Whether both are the same folders. Two that are open at a time and are not the same one have
    /// not the same identity.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.trees.iter().map(|tree| tree.identity).eq(other.trees.iter().map(|tree| tree.identity))
    }

    /// How many descriptors it holds.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.trees.len()
    }

    /// Opens what lies at `path`, in normal form with a slash in front; one at the end asks for a
    /// directory. With `Patience::Now` two system calls that never wait for a disk.
    ///
    /// # Errors
    ///
    /// See [`FindError`]; `WouldBlock` only to who cannot wait.
    pub fn find(&self, path: &[u8], patience: Patience) -> Result<Found, FindError> {
        let root = self.trees.first().ok_or(FindError::NotFound)?;
        let inner = inner(path);
        let file = match patience {
            Patience::Now if !self.is_quick => return Err(FindError::WouldBlock),
            Patience::Now => root.open_now(inner).map_err(|errno| match errno {
                Errno::XDEV => FindError::WouldBlock,
                other => other.into(),
            })?,
            Patience::Wait => self.open_wait(root, path).map_err(|errno| match errno {
                // Somebody holds a lease on the file and was not quick to give it up.
                Errno::AGAIN => FindError::Failed(errno.into()),
                other => other.into(),
            })?,
        };
        let stat = stat::of(file.as_fd())?;
        let is_directory = stat.kind == Kind::Directory;
        if stat.kind == Kind::Other || path.ends_with(b"/") && !is_directory {
            return Err(FindError::NotFound);
        }
        let is_quick = match patience {
            Patience::Now => true,
            Patience::Wait => self.is_quick && file_system::is_quick(file.as_fd()) == Ok(true),
        };
        Ok(Found { file, stat, is_quick })
    }

    /// Describes what lies at `path` without opening it: one system call, to learn whether what
    /// `find` once opened is unchanged. It follows links anywhere, so it must not decide what is
    /// served: what it describes differently has to be found again. Does not wait for a disk as
    /// long as the names are in memory, which those of a file in use are, and the root is quick.
    ///
    /// # Errors
    ///
    /// See [`FindError`]; never `WouldBlock`.
    pub fn stat(&self, path: &[u8]) -> Result<Stat, FindError> {
        let root = self.trees.first().ok_or(FindError::NotFound)?;
        Ok(stat::at(root.as_fd(), inner(path), AtFlags::empty())?.0)
    }

    /// What lies at `path` by a link that leads out of the folder, and out of all that links may
    /// lead into: why `find` does not find it. For whoever may know; may block.
    #[must_use]
    pub fn outside(&self, path: &[u8]) -> Option<PathBuf> {
        let place = links::place(&self.trees, path).ok()?;
        let place = PathBuf::from(OsString::from_vec(place));
        let is_inside = |tree: &Tree| place.starts_with(OsStr::from_bytes(&tree.real));
        (!self.trees.iter().any(is_inside) && place.exists()).then_some(place)
    }

    fn open_wait(&self, root: &Tree, path: &[u8]) -> Result<OwnedFd, Errno> {
        match root.open_wait(inner(path)) {
            // The kernel met a link that leaves the folder, or one with ".." in it while something
            // was being renamed: links are then followed step by step.
            Err(Errno::XDEV | Errno::AGAIN) => links::open(&self.trees, path),
            opened => opened,
        }
    }
}

/// The path below the folder's descriptor: no slash in front, which the kernel would take for an
/// absolute path, and never empty.
fn inner(path: &[u8]) -> &[u8] {
    match path.iter().position(|&byte| byte != b'/') {
        Some(start) => &path[start..],
        None => b".",
    }
}

fn open_tree(path: &Path) -> Result<Tree, RootError> {
    let fault = |component: &Path, cause: io::Error| RootError {
        path: path.to_owned(),
        component: component.to_owned(),
        cause,
    };
    let real = path.canonicalize().map_err(|cause| fault(&culprit(path), cause))?;
    let typed = std::path::absolute(path).map_err(|cause| fault(path, cause))?;
    let directory = open(&real, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| fault(&real, errno.into()))?;
    // Tells whether the kernel knows openat2, and whether we may search the folder.
    openat2(&directory, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH)
        .map_err(|errno| fault(&real, errno.into()))?;
    let identity =
        stat::of(directory.as_fd()).map_err(|errno| fault(&real, errno.into()))?.identity;
    Ok(Tree { directory, identity, real: text(real), typed: text(typed) })
}

fn text(path: PathBuf) -> Vec<u8> {
    let mut text = OsString::from(path).into_vec();
    while text.ends_with(b"/") {
        text.pop();
    }
    text
}

/// The first part of the way to `path` that is at fault; for one that may not be looked at, the
/// folder that forbids it.
fn culprit(path: &Path) -> PathBuf {
    let Way { mut parts, end } = way::to(path);
    let Some((part, error)) = end else { return path.into() };
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
            parts.pop().unwrap_or_else(|| ".".into())
        }
        _ => part,
    }
}

impl From<&RootError> for FindError {
    fn from(error: &RootError) -> Self {
        Errno::from_io_error(&error.cause).unwrap_or(Errno::IO).into()
    }
}

impl fmt::Display for RootError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, component) = (self.path.display(), self.component.display());
        if self.component != self.path {
            write!(out, "{path}: ")?;
        }
        match Errno::from_io_error(&self.cause) {
            Some(Errno::NOENT) => write!(out, "{component} does not exist"),
            Some(Errno::NOTDIR) => write!(out, "{component} is not a folder"),
            Some(Errno::ACCESS) => {
                let user = identity::name(process::user());
                write!(out, "{user} may not enter {component}")?;
                // What lies in the folder itself is to be listed as well.
                let is_whole = self.path.canonicalize().is_ok_and(|real| real == self.component);
                let wanted = if is_whole { READ | PASS } else { PASS };
                let cure = permission::own_cure(&self.component, wanted);
                cure.map_or(Ok(()), |cure| write!(out, " ({cure})"))
            }
            Some(Errno::NOSYS | Errno::PERM) => {
                write!(
                    out,
                    "{component}: no openat2 here; it needs Linux 5.6, allowed by the container"
                )
            }
            _ => write!(out, "{component}: {}", self.cause),
        }
    }
}

impl std::error::Error for RootError {}

#[cfg(test)]
mod tests;
