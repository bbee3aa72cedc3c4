//! Which file systems answer at once from memory, and which may make an event loop wait.

use rustix::fd::BorrowedFd;
use rustix::fs::{FsWord, StatFs, fstatfs};
use rustix::io::Errno;

/// Those that live on local disks or in memory and answer from the page cache and the dentry cache
/// without asking anybody. All others (FUSE, NFS, CIFS, 9p and what is yet to come) may stall on
/// any call, even on a warm file, because they ask a process or another machine first.
const QUICK: [FsWord; 13] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0x2fc1_2fc1, // zfs
    0xf2f5_2010, // f2fs
    0xca45_1a4e, // bcachefs
    0x794c_7630, // overlayfs
    0x7371_7368, // squashfs
    0xe0f5_e1e2, // erofs
    0x9660,      // iso9660
    0x4d44,      // vfat
    TMPFS,
    RAMFS,
];
const TMPFS: FsWord = 0x0102_1994;
const RAMFS: FsWord = 0x8584_58f6;

/// Whether the file system of `file` answers warm requests without waiting for anybody.
pub(crate) fn is_quick(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    fstatfs(file).map(|system| is_one_of(&system, &QUICK))
}

/// Whether the content of `file` lives in memory and nowhere else.
pub(crate) fn is_memory(file: BorrowedFd<'_>) -> bool {
    fstatfs(file).is_ok_and(|system| is_one_of(&system, &[TMPFS, RAMFS]))
}

/// Compares the low 32 bits: some architectures extend the sign of the magic number, some do not.
fn is_one_of(system: &StatFs, magics: &[FsWord]) -> bool {
    magics.iter().any(|&magic| magic as u32 == system.f_type as u32)
}
