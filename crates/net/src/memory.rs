//! Memory that all loops share, or all processes of a server.

use crate::sys;
use rustix::{
    fd::{AsRawFd, BorrowedFd, OwnedFd},
    fs::{
        MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate,
        memfd_create, open,
    },
    io::pread,
};
use std::{
    ffi::CStr,
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    sync::atomic::AtomicU64,
};

/// What keeps memory as long as it is: one that shrinks would end whoever has it mapped.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW);

/// `count` words, all 0, at the beginning of a page. They cost memory only once they are touched,
/// and stay until the process ends.
///
/// # Errors
///
/// The machine has no such amount of address space to give.
pub fn shared_words(count: usize) -> io::Result<&'static [AtomicU64]> {
    sys::shared_words(count)
}

/// A descriptor of `count` words, all 0, that other processes can be given; `name` is what the
/// kernel shows of it.
///
/// # Errors
///
/// The machine has no such amount to give, or no descriptor is left.
pub fn share(name: &CStr, count: usize) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    let bytes = count.checked_mul(size_of::<AtomicU64>()).ok_or(ErrorKind::OutOfMemory)?;
    let memory = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&memory, bytes as u64)?;
    fcntl_add_seals(&memory, SEALS)?;
    Ok(memory)
}

/// The words behind a descriptor that [`share`] made. They stay mapped until the process ends, and
/// are in no core dump of it: keys may be among them, and addresses of clients.
///
/// # Errors
///
/// It is something else, or there is no address space left.
pub fn shared(memory: BorrowedFd<'_>) -> io::Result<&'static [AtomicU64]> {
    crate::failpoint::call()?;
    if !fcntl_get_seals(memory)?.contains(SEALS) {
        return Err(ErrorKind::InvalidData.into());
    }
    let bytes = fstat(memory)?.st_size.unsigned_abs();
    let bytes = usize::try_from(bytes).map_err(|_| ErrorKind::OutOfMemory)?;
    sys::mapped_words(memory, bytes / size_of::<AtomicU64>())
}

/// Another descriptor of the same memory, by which nobody writes to it.
///
/// # Errors
///
/// There is no `/proc`, or no descriptor is left.
pub fn read_only(memory: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// How many words there are behind a descriptor that [`share`] made.
///
/// # Errors
///
/// It is none.
pub fn size(memory: BorrowedFd<'_>) -> io::Result<usize> {
    let words = fstat(memory)?.st_size.unsigned_abs() / size_of::<u64>() as u64;
    Ok(usize::try_from(words).unwrap_or(usize::MAX))
}

/// A number that this memory has and no other that is there, whoever holds it.
///
/// # Errors
///
/// It is none.
pub fn number(memory: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(fstat(memory)?.st_ino)
}

/// Puts `value` into the word number `at` of what [`share`] made, without mapping it.
///
/// # Errors
///
/// There is no such word.
pub fn put(memory: BorrowedFd<'_>, at: usize, value: u64) -> io::Result<()> {
    let start = at as u64 * size_of::<u64>() as u64;
    File::from(memory.try_clone_to_owned()?).write_all_at(&value.to_ne_bytes(), start)
}

/// What the words behind a descriptor that [`share`] made are now, `count` of them from number
/// `start` on or as many as there are, without mapping them.
///
/// # Errors
///
/// It is something else.
pub fn look(memory: BorrowedFd<'_>, start: usize, count: usize) -> io::Result<Vec<u64>> {
    let left = size(memory)?.saturating_sub(start);
    let mut words = vec![[0; size_of::<u64>()]; left.min(count)];
    let start = start as u64 * size_of::<u64>() as u64;
    let (bytes, mut done) = (words.as_flattened_mut(), 0);
    while done < bytes.len() {
        match pread(memory, &mut bytes[done..], start + done as u64)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            more => done += more,
        }
    }
    Ok(words.into_iter().map(u64::from_ne_bytes).collect())
}

/// Gives back the memory that code lies in which this process has run. What goes on running is in
/// memory again at once; what only a start needs stays out.
pub fn give_back_code() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, end) in maps.lines().filter_map(code) {
        // Where this fails, it stays in memory.
        let _ = sys::let_go_of_code(start, end - start);
    }
}

/// Where the mapping of a line of `/proc/self/maps` begins and ends, if it is one of a file's code,
/// which nobody can write to.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()? == "r-xp" && words.nth(3)?.starts_with('/');
    let number = |text| usize::from_str_radix(text, 16).ok();
    number(start).zip(number(end)).filter(|(start, end)| is_code && start < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_was_given_back_is_there_when_it_is_run() {
        let resident = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("RssFile:")).unwrap();
            line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let before = resident();
        give_back_code();
        assert!(resident() < before);
        assert_eq!(code("1000-3000 r-xp 0 08:01 5 /bin/gannet"), Some((0x1000, 0x3000)));
        assert_eq!(code("1000-3000 r-xp 0 00:00 0 [vdso]"), None);
        assert_eq!(code("1000-3000 rwxp 0 08:01 5 /bin/gannet"), None);
        assert_eq!(code("1000-3000 r-xp 0 00:00 0"), None);
    }
    use std::{os::fd::AsFd, sync::atomic::Ordering};

    #[test]
    fn words_are_zero_and_keep_what_is_put_there() {
        let words = shared_words(100_000).unwrap();
        assert!(words.len() == 100_000 && words.as_ptr().addr().is_multiple_of(4096));
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        words[99_999].store(7, Ordering::Relaxed);
        std::thread::spawn(|| assert_eq!(words[99_999].load(Ordering::Relaxed), 7)).join().unwrap();
        assert_eq!(shared_words(0).unwrap().len(), 0);
    }

    #[test]
    fn words_behind_a_descriptor_are_the_same_for_all() {
        let memory = share(c"test", 1000).unwrap();
        let (one, other) = (shared(memory.as_fd()).unwrap(), shared(memory.as_fd()).unwrap());
        assert_eq!(size(memory.as_fd()).unwrap(), 1000);
        assert!(one.len() == 1000 && one.as_ptr() != other.as_ptr());
        one[999].store(7, Ordering::Relaxed);
        assert_eq!(other[999].load(Ordering::Relaxed), 7);
        assert_eq!(look(memory.as_fd(), 998, 9999).unwrap(), [0, 7]);
        let reading = read_only(memory.as_fd()).unwrap();
        assert_eq!(look(reading.as_fd(), 999, 1).unwrap(), [7]);
        assert!(File::from(reading).write_at(b"x", 0).is_err());
        assert!(File::from(memory).set_len(8).is_err(), "it never shrinks");
        assert_eq!(shared(share(c"test", 0).unwrap().as_fd()).unwrap().len(), 0);
    }

    #[test]
    fn what_might_shrink_is_not_mapped() {
        let memory = memfd_create(c"test", MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&memory, 4096).unwrap();
        assert!(shared(memory.as_fd()).is_err());
    }

    #[test]
    fn more_than_there_is_is_refused() {
        assert!(shared_words(usize::MAX).is_err());
        assert!(shared_words(usize::MAX / 8).is_err());
    }
}
