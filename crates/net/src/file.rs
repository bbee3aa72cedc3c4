//! Reading and sending the content of open files, with and without waiting for the disk.

use crate::{Stat, file_system, random, stat, sys};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Advice, AtFlags, CWD, Mode, OFlags, fadvise, open, openat, sendfile, unlinkat};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, pwrite, retry_on_intr};
use rustix::param::page_size;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;

/// How far apart the bytes are that stand for a range where the kernel has no cachestat: the disk
/// is read in steps of at least this many bytes, so what lies between them is seldom missing.
const PROBE_STEP_BYTES: usize = 16 * 1024;

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

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => out.write_str("not in memory"),
            Self::Failed(error) => write!(out, "file system: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

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

/// What the file is now.
///
/// # Errors
///
/// When the file system fails.
pub fn stat(file: BorrowedFd<'_>) -> io::Result<Stat> {
    Ok(stat::of(file)?)
}

/// Whether `range` can be sent without waiting for a disk. One that the file does not reach to the
/// end of cannot: whoever reads it finds that out.
///
/// Costs two system calls: cachestat counts the pages in memory, and reading the last byte without
/// waiting tells that they have arrived and are not merely on their way. Before Linux 6.5 every
/// 16 KiB are probed instead, which can miss a page in between. A file system in memory always is;
/// one that cannot tell (overlayfs) never is, so after `read_ahead` send and do not ask again.
#[must_use]
pub fn is_resident(file: BorrowedFd<'_>, range: Range<u64>) -> bool {
    is_in_memory(file, range, is_resident_by_probes)
}

/// Whether that seems to be so, for who asks often, and before it matters: where the kernel has no
/// cachestat, only the two ends are probed.
#[must_use]
pub fn seems_resident(file: BorrowedFd<'_>, range: Range<u64>) -> bool {
    is_in_memory(file, range, |file, first, last| {
        let has_ends = [first, last].into_iter().all(|offset| probe(file, offset) == Ok(1));
        has_ends || is_memory_until(file, last)
    })
}

fn is_in_memory(
    file: BorrowedFd<'_>,
    range: Range<u64>,
    by_probes: impl Fn(BorrowedFd<'_>, u64, u64) -> bool,
) -> bool {
    let Some(last) = range.end.checked_sub(1).filter(|&last| last >= range.start) else {
        return true;
    };
    let page_bytes = page_size() as u64;
    let pages = last / page_bytes - range.start / page_bytes + 1;
    match sys::pages_cached(file, range.start, range.end - range.start) {
        Ok(cached) if cached >= pages => !matches!(probe(file, last), Err(Errno::AGAIN) | Ok(0)),
        Ok(_) => is_memory_until(file, last),
        Err(_) => by_probes(file, range.start, last),
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

/// A new file in the folder `path` that has no name, so that nothing is left of it once it is
/// closed. May block.
///
/// # Errors
///
/// What keeps it from being made.
pub fn nameless(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(path, flags, Mode::from_raw_mode(0o600)) {
        // Not every file system makes such files: layers of containers did not before Linux 6.1.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => unnamed(path),
        made => Ok(made?),
    }
}

/// The same of one that has a name for a moment, which nobody can guess.
fn unnamed(path: &Path) -> io::Result<OwnedFd> {
    let number = u64::from_le_bytes(random::bytes()?);
    let path = path.join(format!(".gannet-{number:016x}"));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let file = openat(CWD, &path, flags, Mode::from_raw_mode(0o600))?;
    unlinkat(CWD, &path, AtFlags::empty())?;
    Ok(file)
}

/// Writes all of `bytes` from `offset` on. May block: for the pool.
///
/// # Errors
///
/// That the disk is full, or whatever else is wrong with it.
pub fn write(file: BorrowedFd<'_>, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = retry_on_intr(|| pwrite(file, bytes, offset))?;
        if count == 0 {
            return Err(Errno::NOSPC.into());
        }
        bytes = &bytes[count..];
        offset += count as u64;
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

fn is_resident_by_probes(file: BorrowedFd<'_>, first: u64, last: u64) -> bool {
    let mut offsets = (first..last).step_by(PROBE_STEP_BYTES).chain([last]);
    offsets.all(|offset| probe(file, offset) == Ok(1)) || is_memory_until(file, last)
}

/// Whether a file is in memory by its kind, and reaches to the byte at `last`.
fn is_memory_until(file: BorrowedFd<'_>, last: u64) -> bool {
    file_system::is_memory(file) && probe(file, last) != Ok(0)
}

fn probe(file: BorrowedFd<'_>, offset: u64) -> Result<usize, Errno> {
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    retry_on_intr(|| preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    const SIZE: u64 = 300_000;

    /// A file whose bytes tell their offset, on the disk and perhaps in memory.
    fn file() -> File {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..SIZE).map(|offset| offset as u8).collect();
        file.write_all(&content).unwrap();
        file.sync_all().unwrap();
        file
    }

    /// The same, with the kernel asked to forget its content, which memory does not do.
    fn cold() -> File {
        let file = file();
        let is_memory = file_system::is_memory(file.as_fd());
        // It keeps what is still on its way to the disk.
        loop {
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            if is_memory || !matches!(sys::pages_cached(file.as_fd(), 0, SIZE), Ok(1..)) {
                return file;
            }
            std::thread::yield_now();
        }
    }

    /// Whether the file system can tell what is in memory; overlayfs cannot, and is then taken
    /// for a disk that has read nothing.
    fn can_tell(file: &File) -> bool {
        file_system::is_memory(file.as_fd()) || probe(file.as_fd(), 0) != Err(Errno::OPNOTSUPP)
    }

    fn check_read_now(file: &File, offset: u64, length: usize, is_in_memory: bool) {
        let mut buffer = vec![0; length];
        let outcome = read_now(file.as_fd(), &mut buffer, offset);
        if is_in_memory && can_tell(file) {
            let expect: Vec<u8> = (offset..SIZE).take(length).map(|offset| offset as u8).collect();
            assert_eq!(buffer[..outcome.unwrap()], expect);
        } else {
            assert!(matches!(outcome, Err(ReadError::WouldBlock)));
        }
    }

    /// Both the count of the kernel and the probes of older kernels have to say so.
    fn check_resident(file: &File, range: Range<u64>, is_in_memory: bool) {
        let expect = is_in_memory && can_tell(file);
        let by_probes = is_resident_by_probes(file.as_fd(), range.start, range.end - 1);
        assert_eq!(by_probes, expect, "{range:?}");
        assert_eq!(is_resident(file.as_fd(), range.clone()), expect, "{range:?}");
        assert!(!expect || seems_resident(file.as_fd(), range.clone()), "{range:?}");
    }

    #[test]
    fn what_has_no_name_is_written_and_read_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for make in [nameless, unnamed] {
            let file = make(folder.path()).unwrap();
            write(file.as_fd(), b"hello", 3).unwrap();
            let mut room = [1; 9];
            assert_eq!(read(file.as_fd(), &mut room, 0).unwrap(), 8);
            assert_eq!(&room, b"\0\0\0hello\x01");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn reads_at_an_offset_and_up_to_the_end() {
        let file = file();
        for (offset, length) in [(0, 3), (65, 2), (SIZE - 1, 9), (SIZE, 9), (SIZE + 9, 9)] {
            let mut buffer = vec![0; length];
            let count = read(file.as_fd(), &mut buffer, offset).unwrap();
            let expect: Vec<u8> = (offset..SIZE).take(length).map(|offset| offset as u8).collect();
            assert_eq!(buffer[..count], expect);
            check_read_now(&file, offset, length, true);
        }
    }

    #[test]
    fn what_is_not_in_memory_is_neither_waited_for_nor_resident_until_it_is_read_ahead() {
        let file = cold();
        let is_memory = file_system::is_memory(file.as_fd());
        check_resident(&file, 0..SIZE, is_memory);
        assert_eq!(seems_resident(file.as_fd(), 0..SIZE), is_memory);
        // To look has the disk begin, and a quick one is done before the kernel looks again.
        let is_read = || read_now(cold().as_fd(), &mut [0; 100], 200_000).is_ok();
        assert_eq!((0..100).all(|_| is_read()), is_memory);

        read_ahead(file.as_fd(), 0..SIZE).unwrap();
        check_read_now(&file, 200_000, 100, true);
        for range in [0..SIZE, 1_000..70_000, 0..1, SIZE - 1..SIZE] {
            check_resident(&file, range, true);
        }
        assert!(is_resident(file.as_fd(), 5..5));
    }

    #[test]
    fn a_gap_in_the_middle_of_what_is_in_memory_is_noticed() {
        let file = cold();
        // No reading ahead, so that only what is asked for comes into memory.
        fadvise(&file, 0, None, Advice::Random).unwrap();
        for range in [0..100_000, 200_000..SIZE] {
            let mut buffer = vec![0; (range.end - range.start) as usize];
            read(file.as_fd(), &mut buffer, range.start).unwrap();
            check_resident(&file, range, true);
        }
        check_resident(&file, 0..SIZE, file_system::is_memory(file.as_fd()));
    }

    #[test]
    fn a_range_past_the_end_of_a_truncated_file_ends_early() {
        let file = file();
        file.set_len(10).unwrap();
        read_ahead(file.as_fd(), 0..SIZE).unwrap();
        check_resident(&file, 0..10, true);
        check_resident(&file, 0..SIZE, false);
        // All of its pages are there, and a byte is not.
        check_resident(&file, 0..11, false);
        assert!(!seems_resident(file.as_fd(), 0..11));
    }

    #[test]
    fn a_file_goes_out_from_its_offset_until_the_socket_is_full() {
        let file = file();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = listener.accept().unwrap().0;
        let send = |offset, count| send_file(socket.as_fd(), file.as_fd(), offset, count);
        assert_eq!(send(65, 3).unwrap(), 3);
        let mut got = [0; 3];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(got, [65, 66, 67]);
        assert_eq!(send(SIZE - 1, 100).unwrap(), 1);
        assert_eq!(send(SIZE, 100).unwrap(), 0);

        socket.set_nonblocking(true).unwrap();
        let full = (0..10_000).find_map(|_| send(0, SIZE as usize).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(peer);
        let gone = (0..10_000).find_map(|_| send(0, SIZE as usize).err()).unwrap();
        assert!(matches!(gone.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
    }
}
