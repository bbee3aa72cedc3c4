//! Finding and reading what a path names: on the loop as far as nothing blocks, else on the pool.

use super::folder::{self, Folder};
use crate::listing::{Entry, Listing, View};
use base::Held;
use content::media_type;
use message::{Body, Coding, FileRange, OpenFile, Shared};
use net::{FindError, Found, Kind, Stat, file::ReadError};
use std::{
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    sync::Arc,
};

pub(super) use net::Patience;

/// Files up to this many bytes are read whole and may be kept in memory; larger ones are sent from
/// their descriptor.
pub(super) const CONTENT_BYTES_MAX: u64 = 64 * 1024;

/// The same for who has to have the bytes of a file to send it, as with TLS or HTTP/2: reading them
/// again and again costs more than all else there.
const NEEDED_BYTES_MAX: u64 = 256 * 1024;

/// One file takes no larger part of a cache's bound than this.
pub(super) const CACHE_PART: usize = 32;

/// What the names of precompressed siblings end in, beside the name of the original.
pub(super) const SIBLINGS: [(Coding, &[u8]); 3] =
    [(Coding::Br, b".br"), (Coding::Zstd, b".zst"), (Coding::Gzip, b".gz")];

/// Names of a folder that are looked at for a listing; it shows as many as it says itself.
const ENTRIES_READ_MAX: usize = 100_000;

/// A sibling counts as made from its original when it is no older than this, in seconds: unpacking
/// and checking out write both in any order.
const SIBLING_LAG_SECONDS: i64 = 2;

/// What a path turned out to be.
pub(super) enum Loaded {
    Page(Page),
    Folder,
    Missing,
    Denied,
    /// No descriptors or no memory left.
    Exhausted,
    Failed,
}

/// What is known of a page's precompressed siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Siblings {
    /// Nothing: the client takes no coding, so nobody asked.
    Unasked,
    /// There are none, since the folder holds none for any page.
    Absent,
    /// Those that there are were sought one by one.
    Sought,
}

/// How a page is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// What is known of its siblings.
    pub(super) looked: Siblings,
    /// Bytes of a form at most that are wanted in memory, rather than a descriptor of it.
    pub(super) bytes_max: u64,
}

impl Wish {
    /// Large files as descriptors, which the kernel sends by itself.
    pub(super) const fn new(looked: Siblings) -> Self {
        Self { looked, bytes_max: CONTENT_BYTES_MAX }
    }

    /// For who needs the bytes, and a cache that holds so many.
    pub(super) fn in_memory(looked: Siblings, cache_bytes_max: usize) -> Self {
        let part = (cache_bytes_max / CACHE_PART) as u64;
        Self { looked, bytes_max: part.clamp(CONTENT_BYTES_MAX, NEEDED_BYTES_MAX) }
    }
}

/// A file with its precompressed siblings.
pub(super) struct Page {
    pub(super) plain: Content,
    pub(super) siblings: Vec<(Coding, Content)>,
    /// How they came to be known.
    pub(super) looked: Siblings,
    /// Whether an index name that comes before this one did not exist.
    pub(super) passed_over: bool,
    /// Whether the file system answers without stalling, so that a loop may ask it again.
    pub(super) is_quick: bool,
    pub(super) media_type: &'static str,
}

/// A file's content, and the path below the root that leads to it.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
    pub(super) bytes: Bytes,
}

#[derive(Debug)]
pub(super) enum Bytes {
    Memory(Vec<u8>),
    Open(OpenFile),
}

impl Content {
    /// The content as a body that is sent once.
    pub(super) fn into_body(self) -> Body {
        match self.bytes {
            Bytes::Memory(bytes) => Body::Bytes(Shared::from(bytes)),
            Bytes::Open(file) => {
                Body::File(FileRange { file: Rc::new(file), range: 0..self.stat.size })
            }
        }
    }
}

/// Loads `path`; `None` when that would block and patience is short.
pub(super) fn attempt(
    folder: &Folder,
    path: &[u8],
    wish: Wish,
    patience: Patience,
) -> Option<Loaded> {
    match load(folder, path, wish, patience) {
        Ok(loaded) => Some(loaded),
        Err(FindError::WouldBlock) => None,
        Err(error) => Some(error.into()),
    }
}

impl From<FindError> for Loaded {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound => Self::Missing,
            FindError::Denied => Self::Denied,
            FindError::Exhausted => Self::Exhausted,
            FindError::WouldBlock | FindError::Failed(_) => Self::Failed,
        }
    }
}

/// Loads `path`, however long that takes.
pub(super) fn wait(folder: &Folder, path: &[u8], wish: Wish) -> Loaded {
    net::failpoint::hit("load");
    attempt(folder, path, wish, Patience::Wait).unwrap_or(Loaded::Failed)
}

/// What lies in the folder `path`, in order, hidden files and sources left out.
pub(super) fn list(
    folder: &Folder,
    path: &[u8],
    view: View,
    held: &Held,
) -> Result<Listing, FindError> {
    let listed = folder.root.list(path, ENTRIES_READ_MAX)?;
    let shown = listed.entries.into_iter().filter(|entry| folder::is_shown(&entry.name));
    let entries: Vec<_> = shown
        .map(|entry| Entry {
            is_directory: entry.stat.kind == Kind::Directory,
            size: entry.stat.size,
            modified: entry.stat.modified.seconds,
            name: entry.name,
        })
        .collect();
    let found = entries.len() + listed.more;
    Ok(Listing::new(view, path, entries, found, held))
}

fn load(folder: &Folder, path: &[u8], wish: Wish, patience: Patience) -> Result<Loaded, FindError> {
    if !path.ends_with(b"/") {
        let found = match folder.root.find(path, patience) {
            // What is in a folder may be for all although its names are for its owner alone.
            Err(FindError::Denied) if is_folder(folder, path) => return Ok(Loaded::Folder),
            found => found?,
        };
        return match found.stat.kind {
            Kind::Directory => Ok(Loaded::Folder),
            _ => page(folder, path.to_vec(), found, false, wish, patience),
        };
    }
    for (position, index) in folder.index.iter().enumerate() {
        let file = [path, index.as_bytes()].concat();
        match folder.root.find(&file, patience) {
            Ok(found) if found.stat.kind == Kind::File => {
                return page(folder, file, found, position > 0, wish, patience);
            }
            Ok(_) | Err(FindError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    let found = folder.root.find(path, patience)?;
    Ok(if found.stat.kind == Kind::Directory { Loaded::Folder } else { Loaded::Missing })
}

fn is_folder(folder: &Folder, path: &[u8]) -> bool {
    folder.root.stat(path).is_ok_and(|stat| stat.kind == Kind::Directory)
}

fn page(
    folder: &Folder,
    path: Vec<u8>,
    found: Found,
    passed_over: bool,
    wish: Wish,
    patience: Patience,
) -> Result<Loaded, FindError> {
    let Wish { looked, bytes_max } = wish;
    let media_type = media_type::of(&path);
    let mut siblings = Vec::new();
    if looked == Siblings::Sought && media_type::is_compressible(media_type) {
        for (coding, ending) in SIBLINGS {
            let sibling = [&path[..], ending].concat();
            match folder.root.find(&sibling, patience) {
                Ok(other) if is_current(&other.stat, &found.stat) => {
                    siblings
                        .push((coding, content((folder, bytes_max), sibling, other, patience)?));
                }
                Ok(_) | Err(FindError::NotFound | FindError::Denied) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let is_quick = found.is_quick;
    let plain = content((folder, bytes_max), path, found, patience)?;
    Ok(Loaded::Page(Page { plain, siblings, looked, passed_over, is_quick, media_type }))
}

/// Whether `sibling` can have been made from `original` as it is now.
fn is_current(sibling: &Stat, original: &Stat) -> bool {
    let lag = original.modified.seconds.saturating_sub(sibling.modified.seconds);
    sibling.kind == Kind::File && lag <= SIBLING_LAG_SECONDS
}

/// Reads without waiting; what is not there yet is a reason to ask the pool.
fn read_now(file: BorrowedFd<'_>, room: &mut [u8], offset: u64) -> Result<usize, FindError> {
    net::file::read_now(file, room, offset).map_err(|error| match error {
        ReadError::WouldBlock => FindError::WouldBlock,
        ReadError::Failed(error) => FindError::Failed(error),
    })
}

fn content(
    (folder, bytes_max): (&Folder, u64),
    path: Vec<u8>,
    found: Found,
    patience: Patience,
) -> Result<Content, FindError> {
    let Found { file, stat, is_quick } = found;
    if stat.size > bytes_max {
        let file = OpenFile::new(Arc::new(file), !is_quick, folder.id);
        return Ok(Content { path, stat, bytes: Bytes::Open(file) });
    }
    let size = usize::try_from(stat.size).unwrap_or(usize::MAX);
    let mut bytes = vec![0; size];
    let mut read = 0;
    while read < size {
        let rest = &mut bytes[read..];
        let count = match patience {
            Patience::Now => read_now(file.as_fd(), rest, read as u64)?,
            Patience::Wait => {
                net::file::read(file.as_fd(), rest, read as u64).map_err(FindError::Failed)?
            }
        };
        if count == 0 {
            // The file became shorter since it was looked at: what is there is what it is now.
            bytes.truncate(read);
            break;
        }
        read += count;
    }
    let stat = Stat { size: bytes.len() as u64, ..stat };
    Ok(Content { path, stat, bytes: Bytes::Memory(bytes) })
}
