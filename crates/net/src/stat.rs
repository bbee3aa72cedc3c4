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

/// The room of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that anybody may still fill, and all of them.
    pub free_bytes: u64,
    /// All of them.
    pub bytes: u64,
    /// Files that may still be made.
    pub free_files: u64,
    /// All files that there may be; 0 where there is no such number.
    pub files: u64,
    /// Whether nothing can be written there, as it is mounted so.
    pub is_only_read: bool,
}

impl Room {
    /// That of the file system that `path` is on.
    ///
    /// # Errors
    ///
    /// It is not there, or may not be looked at.
    pub fn of(path: &std::path::Path) -> std::io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Self {
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_files: found.f_favail,
            files: found.f_files,
            is_only_read: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_disk_is_what_df_shows() {
        let room = Room::of(std::path::Path::new("/")).unwrap();
        let output = std::process::Command::new("df").args(["-B1", "--output=size", "/"]).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(text.lines().nth(1).unwrap().trim(), room.bytes.to_string());
        assert!(room.free_bytes <= room.bytes && room.free_files <= room.files);
        assert!(Room::of(std::path::Path::new("/proc")).is_ok_and(|room| !room.is_only_read));
        assert!(Room::of(std::path::Path::new("/nowhere")).is_err());
    }
}
