//! Reading and sending the content of open files, with and without waiting for the disk.

use crate::{file_system, sys};
use rustix::fd::BorrowedFd;
use rustix::fs::{Advice, fadvise, sendfile};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, retry_on_intr};
use rustix::param::page_size;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;

/// How far apart the bytes are that stand for a range where the kernel has no cachestat: the disk
/// is read in steps of at least this many bytes, so what lies between them is seldom missing.
const PROBE_STEP_BYTES: u64 = 16 * 1024;

/// How much of a file is read at a time to bring it into memory.
const READ_AHEAD_BUFFER_BYTES: usize = 64 * 1024;

/// Why bytes could not be read without waiting.
#[derive(Debug)]
pub enum ReadError {
    /// They are not in memory, or their file system cannot tell: read them on the pool.
    WouldBlock,
    /// The disk or the file system failed.
    Failed(io::Error),
}

/// Reads what is in memory of the bytes from `offset` on. Never waits for a disk.
///
/// A count below the length of `buffer` means that the file ends there or that the rest is not in
/// memory; 0 means that the file ends at `offset` or before.
///
/// # Errors
///
/// See [`ReadError`].
pub fn read_now(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
    let mut slices = [IoSliceMut::new(buffer)];
    match retry_on_intr(|| preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT)) {
        Ok(count) => Ok(count),
        Err(Errno::OPNOTSUPP) if file_system::is_memory(file) => {
            read(file, buffer, offset).map_err(ReadError::Failed)
        }
        Err(Errno::AGAIN | Errno::OPNOTSUPP) => Err(ReadError::WouldBlock),
        Err(other) => Err(ReadError::Failed(other.into())),
    }
}

/// Reads the bytes from `offset` on; 0 means that the file ends there. May block: for the pool.
///
/// # Errors
///
/// When the disk or the file system fails.
pub fn read(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| pread(file, &mut *buffer, offset))?)
}

/// Whether `range`, which lies within the file, can be sent without waiting for a disk.
///
/// Costs two system calls: cachestat counts the pages in memory, and reading the last byte without
/// waiting tells that they have arrived and are not merely on their way. Before Linux 6.5 every
/// 16 KiB are probed instead, which can miss a page in between. A file system in memory always is;
/// one that cannot tell (overlayfs) never is, so after `read_ahead` send and do not ask again.
#[must_use]
pub fn is_resident(file: BorrowedFd<'_>, range: Range<u64>) -> bool {
    let Some(last) = range.end.checked_sub(1).filter(|&last| last >= range.start) else {
        return true;
    };
    let page_bytes = page_size() as u64;
    let pages = last / page_bytes - range.start / page_bytes + 1;
    match sys::pages_cached(file, range.start, range.end - range.start) {
        Ok(cached) if cached >= pages => has_byte_now(file, last),
        Ok(_) => file_system::is_memory(file),
        Err(_) => {
            let step = usize::try_from(PROBE_STEP_BYTES).unwrap_or(usize::MAX);
            range.step_by(step).chain([last]).all(|offset| has_byte_now(file, offset))
        }
    }
}

/// Brings `range` into memory, where it stays until the kernel needs the room. Blocks: for the
/// pool.
///
/// # Errors
///
/// When the disk or the file system fails; a file that ends early is no error.
pub fn read_ahead(file: BorrowedFd<'_>, range: Range<u64>) -> io::Result<()> {
    // One request for all of it, where the reads below would have the disk seek between them. An
    // advice that a file system does not take costs only that.
    let length = NonZeroU64::new(range.end.saturating_sub(range.start));
    if length.is_some() {
        let _ = fadvise(file, range.start, length, Advice::WillNeed);
    }
    let mut scratch = [0; READ_AHEAD_BUFFER_BYTES];
    let mut offset = range.start;
    while offset < range.end {
        let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        match read(file, &mut scratch[..wanted.min(READ_AHEAD_BUFFER_BYTES)], offset)? {
            0 => break,
            count => offset += count as u64,
        }
    }
    Ok(())
}

/// Sends up to `count` bytes from `offset` on, and tells how many the socket took; 0 means that
/// the file ends there. Waits for the disk when they are not in memory, never for the peer when
/// the socket is nonblocking.
///
/// # Errors
///
/// `WouldBlock` when the socket is full, else what happened to the peer or to the disk.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    Ok(retry_on_intr(|| sendfile(socket, file, Some(&mut offset.clone()), count))?)
}

/// Whether the byte at `offset` can be read at once. Who cannot read without waiting cannot tell;
/// then the page count has to do, or the disk is asked on the pool.
fn has_byte_now(file: BorrowedFd<'_>, offset: u64) -> bool {
    matches!(read_now(file, &mut [0], offset), Ok(1))
}
