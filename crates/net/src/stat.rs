//! What is known of a file without reading it.

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, makedev, statx};
use rustix::io::Errno;

/// A file's description. Two that are equal describe the same unchanged content: any write moves
/// `changed`, which no unprivileged call can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Length of the content in bytes.
    pub size: u64,
    /// Which file it is.
    pub identity: Identity,
    /// When the content last changed, as far as its owner tells (mtime).
    pub modified: Time,
    /// When the content or the description last changed, as the kernel tells (ctime).
    pub changed: Time,
}

/// What lies at a path; links are followed before anyone asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A FIFO, a socket, a device, or a link nobody followed: never served.
    Other,
}

/// Names one file of this machine, as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Number of the device (of the subvolume, on btrfs) that holds the file.
    pub device: u64,
    /// Number of the file there.
    pub inode: u64,
}

/// A time stamp of a file system, counted from 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Whole seconds since the epoch, negative before it.
    pub seconds: i64,
    /// Nanoseconds past that second, below 1,000,000,000.
    pub nanos: u32,
}

const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME);

/// Describes the file behind an open descriptor, of any kind (`O_PATH` as well).
pub(crate) fn of(file: BorrowedFd<'_>) -> Result<Stat, Errno> {
    statx(file, c"", AtFlags::EMPTY_PATH, WANTED).map(|raw| Stat::from(&raw))
}

/// Describes what lies at `path` below `directory`.
pub(crate) fn at(
    directory: BorrowedFd<'_>,
    path: &[u8],
    links: AtFlags,
) -> Result<(Stat, FileType), Errno> {
    let raw = statx(directory, path, links | AtFlags::NO_AUTOMOUNT, WANTED)?;
    Ok((Stat::from(&raw), file_type(&raw)))
}

fn file_type(raw: &Statx) -> FileType {
    FileType::from_raw_mode(raw.stx_mode.into())
}

impl From<&Statx> for Stat {
    fn from(raw: &Statx) -> Self {
        Self {
            kind: match file_type(raw) {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Directory,
                _ => Kind::Other,
            },
            size: raw.stx_size,
            identity: Identity {
                device: makedev(raw.stx_dev_major, raw.stx_dev_minor),
                inode: raw.stx_ino,
            },
            modified: Time { seconds: raw.stx_mtime.tv_sec, nanos: raw.stx_mtime.tv_nsec },
            changed: Time { seconds: raw.stx_ctime.tv_sec, nanos: raw.stx_ctime.tv_nsec },
        }
    }
}
