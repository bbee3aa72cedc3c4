//! How a process becomes another program and leaves it what it holds: the number of the process,
//! its children and its descriptors stay, and no signal is lost in between.
#![allow(unsafe_code, reason = "no safe wrapper of these calls exists")]

use rustix::{
    fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd},
};
use std::{
    ffi::{CString, OsStr, OsString},
    io::{self, ErrorKind},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    ptr,
};

/// Descriptors that a program which is started next finds open. Once this is dropped they are this
/// process's own again.
#[derive(Debug)]
pub struct Heirlooms<'d>(Vec<BorrowedFd<'d>>);

/// Has the next program find `descriptors` open, under the numbers that they have.
///
/// # Errors
///
/// One of them is none.
pub fn leave<'d>(descriptors: Vec<BorrowedFd<'d>>) -> io::Result<Heirlooms<'d>> {
    crate::failpoint::call()?;
    let heirlooms = Heirlooms(descriptors);
    heirlooms.0.iter().try_for_each(|one| fcntl_setfd(one, FdFlags::empty()))?;
    Ok(heirlooms)
}

impl Drop for Heirlooms<'_> {
    fn drop(&mut self) {
        for one in &self.0 {
            let _ = fcntl_setfd(one, FdFlags::CLOEXEC);
        }
    }
}

/// Takes the descriptors of those `numbers`, which the program before has left, all or none. They
/// are left to nobody else.
///
/// # Errors
///
/// One of the numbers is of no descriptor, or of one that was opened here or taken before.
pub fn take(numbers: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    check(numbers)?;
    let own = |&number: &RawFd| {
        // SAFETY: the descriptor is open and not close-on-exec, as was just seen. Whatever this
        // program opens is, so it has come from the program before and nobody here owns it; the
        // next line makes it so that it cannot be taken twice.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(&descriptor, FdFlags::CLOEXEC).map(|()| descriptor)
    };
    Ok(numbers.iter().map(own).collect::<Result<_, Errno>>()?)
}

/// Copies of the descriptors of those `numbers`, which the program before has left. They stay as
/// they are, for that program to be gone back to, until they are closed by [`close`].
///
/// # Errors
///
/// As [`take`].
pub fn copy(numbers: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    check(numbers)?;
    let copy = |&number: &RawFd| {
        crate::failpoint::call()?;
        // SAFETY: it is borrowed for one call, and open, as was just seen.
        Ok(fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(number) }, 3)?)
    };
    numbers.iter().map(copy).collect()
}

/// Closes those of which there are copies.
pub fn close(numbers: &[RawFd]) {
    for number in numbers {
        drop(take(&[*number]));
    }
}

/// Becomes the program before, of which that number was left; returns only if it cannot.
pub fn return_to(program: RawFd, words: &[OsString]) -> io::Error {
    if let Err(error) = check(&[program]) {
        return error;
    }
    // SAFETY: it is open, as was just seen, and nobody here closes it.
    let program = unsafe { BorrowedFd::borrow_raw(program) };
    // That program has no use for it once it runs.
    let _ = fcntl_setfd(program, FdFlags::CLOEXEC);
    become_program(program, words)
}

/// Checks that these numbers are of descriptors that were left, each of another one.
fn check(numbers: &[RawFd]) -> io::Result<()> {
    for (at, &number) in numbers.iter().enumerate() {
        if number <= 2 || numbers.iter().take(at).any(|&other| other == number) {
            return Err(ErrorKind::InvalidInput.into());
        }
        // SAFETY: it is borrowed for one call, which says so if no descriptor has that number.
        let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
        if flags.contains(FdFlags::CLOEXEC) {
            return Err(ErrorKind::InvalidInput.into());
        }
    }
    Ok(())
}

/// Has signals wait until [`release_signals`], in whatever program this process runs then.
pub fn hold_signals() {
    set_signals(libc::SIG_BLOCK);
}

/// Has signals come that have waited.
pub fn release_signals() {
    set_signals(libc::SIG_UNBLOCK);
}

/// Goes on as another program, with these words; it finds no descriptors but those that were left
/// to it, and those of standard input and output. It returns only where that cannot be.
pub fn become_program(program: BorrowedFd<'_>, words: &[OsString]) -> io::Error {
    if let Err(error) = crate::failpoint::call() {
        return error;
    }
    let text = |word: &OsStr| CString::new(word.as_bytes());
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let words: Result<Vec<_>, _> = words.iter().map(|word| text(word)).collect();
    let (Ok(path), Ok(words)) = (CString::new(path), words) else {
        return ErrorKind::InvalidInput.into();
    };
    let ends = words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>();
    // SAFETY: the path and each word end with a zero byte and the list with a null pointer, and all
    // of them outlive the call.
    unsafe { libc::execv(path.as_ptr(), ends.as_ptr()) };
    io::Error::last_os_error()
}

fn set_signals(how: libc::c_int) {
    let mut all = MaybeUninit::uninit();
    // SAFETY: sigfillset fills the set that it is given; the other call reads it, and writes
    // nothing where it is given a null pointer.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(how, all.as_ptr(), ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed;
    use std::{
        os::fd::AsFd,
        process::{Command, Stdio},
    };

    #[test]
    fn what_is_left_is_found_by_the_next_program_only() {
        let memory = sealed::bytes(c"test", b"inside").unwrap();
        let read = || {
            let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
            let output = Command::new("cat").arg(path).stderr(Stdio::null()).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(read(), "");
        let heirlooms = leave(vec![memory.as_fd()]).unwrap();
        assert_eq!(read(), "inside");
        drop(heirlooms);
        assert_eq!(read(), "");
    }

    #[test]
    fn only_what_was_left_is_taken_and_only_once() {
        let memory = sealed::bytes(c"test", b"inside").unwrap();
        let number = memory.as_raw_fd();
        assert!(take(&[number]).is_err(), "it is this program's own");
        // As the program before leaves it, and is no more.
        drop(leave(vec![memory.as_fd()]).map(std::mem::forget));
        std::mem::forget(memory);
        assert!(take(&[number, number]).is_err());
        assert!(take(&[number, 9999]).is_err());
        assert!(take(&[1]).is_err());
        let taken = take(&[number]).unwrap();
        assert_eq!(sealed::read(taken[0].as_fd(), 100).unwrap(), b"inside");
        assert!(take(&[number]).is_err());
    }

    #[test]
    fn what_is_copied_stays_for_the_program_before() {
        let memory = sealed::bytes(c"test", b"inside").unwrap();
        let number = memory.as_raw_fd();
        assert!(copy(&[number]).is_err(), "it is this program's own");
        drop(leave(vec![memory.as_fd()]).map(std::mem::forget));
        std::mem::forget(memory);
        for _ in 0..2 {
            let copied = copy(&[number]).unwrap();
            assert_eq!(sealed::read(copied[0].as_fd(), 100).unwrap(), b"inside");
        }
        let error = return_to(number, &["test".into()]);
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC), "{error}");
        // SAFETY: nobody else has it.
        drop(leave(vec![unsafe { BorrowedFd::borrow_raw(number) }]).map(std::mem::forget));
        close(&[number]);
        assert!(copy(&[number]).is_err());
    }

    #[test]
    fn what_is_no_program_is_not_become() {
        let memory = sealed::bytes(c"test", b"inside").unwrap();
        let error = become_program(memory.as_fd(), &["test".into()]);
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC), "{error}");
    }

    #[test]
    fn a_signal_waits_while_signals_are_held() {
        let pending = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            status.lines().any(|line| line.starts_with("SigBlk:") && !line.ends_with("0000"))
        };
        assert!(!pending());
        hold_signals();
        assert!(pending());
        release_signals();
        assert!(!pending());
    }
}
