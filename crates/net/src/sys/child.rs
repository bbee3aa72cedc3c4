//! A child of this process that runs one function and ends.

use super::user;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// What a child ends with where its function panics, as Rust's own processes do.
const PANICKED: u8 = 101;

/// How a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this code.
    Code(u8),
    /// By the signal of that number.
    Signal(i32),
}

/// Runs `work` in a copy of this process and waits for its end. Of the descriptors the copy has
/// those for input, output and errors, and those that are `kept`.
///
/// The copy has this thread only, and what other threads have locked stays locked in it: it is for
/// processes that have none, and for work that takes no lock but the allocator's, which the C
/// library takes care of.
///
/// # Errors
///
/// When there is no memory or no process number for it.
pub(crate) fn run(kept: &[BorrowedFd<'_>], work: impl FnOnce() -> u8) -> io::Result<Ending> {
    run_beside(kept, |_| (), work)
}

/// The same, with something that this process does meanwhile, which is told the child's number.
pub(crate) fn run_beside(
    kept: &[BorrowedFd<'_>],
    meanwhile: impl FnOnce(u32),
    work: impl FnOnce() -> u8,
) -> io::Result<Ending> {
    // SAFETY: both processes go on behind this call with memory of their own. What threads that
    // the child lacks may have left half done is the matter of the documentation above.
    let child = unsafe { libc::fork() };
    if child == 0 {
        close_all_but(kept);
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANICKED);
        // SAFETY: this ends the child here: nothing that its parent has set up for its own end is
        // run, and nothing it holds is used again.
        unsafe { libc::_exit(i32::from(code)) }
    }
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    meanwhile(child.unsigned_abs());
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one integer, which lives until the call returns.
        if unsafe { libc::waitpid(child, &raw mut status, 0) } == child {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(match libc::WIFSIGNALED(status) {
        true => Ending::Signal(libc::WTERMSIG(status)),
        false => Ending::Code(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(PANICKED)),
    })
}

/// Has the kernel ask the child of `command` to end once the thread that starts it has ended. It is
/// put into a group of its own, where a terminal's signals do not reach it.
pub(crate) fn bind_to_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    command.process_group(0);
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // It may have ended before it could be asked to tell.
        match getppid() == Some(parent) {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    };
    // SAFETY: between fork and exec this makes two system calls and nothing else: it takes no lock
    // and asks for no memory.
    unsafe { command.pre_exec(bind) };
}

/// Has the child of `command` find these descriptors open, under the numbers that they have here.
pub(crate) fn pass_on(command: &mut Command, descriptors: Vec<OwnedFd>) {
    let pass_on = move || {
        descriptors.iter().try_for_each(|one| fcntl_setfd(one, FdFlags::empty()))?;
        Ok(())
    };
    // SAFETY: between fork and exec this makes system calls and nothing else: it takes no lock and
    // asks for no memory.
    unsafe { command.pre_exec(pass_on) };
}

/// Has all descriptors but those for input, output and errors be closed in every other program.
pub(crate) fn keep_descriptors() {
    let first = libc::STDERR_FILENO.unsigned_abs() + 1;
    let close_on_exec = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: nothing is closed here.
    if unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, close_on_exec) } == 0 {
        return;
    }
    // Before Linux 5.11, one by one.
    let all = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > libc::STDERR_FILENO) {
        // SAFETY: it is borrowed for one call, which says so if no descriptor has that number.
        let _ = fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC);
    }
}

/// Has the child of `command` be the user of that number, with that group and those `groups`.
pub(crate) fn run_as(command: &mut Command, number: u32, group: u32, groups: Vec<u32>) {
    let become_user = move || {
        if number == 0 || group == 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        user::set_groups(&groups)?;
        user::set_group(group)?;
        user::set_user(number)
    };
    // SAFETY: between fork and exec this makes system calls and nothing else. The C library, which
    // has all threads of a process do the same, finds one.
    unsafe { command.pre_exec(become_user) };
}

/// Closes what the child has no business with: the port of a listener that its parent closes would
/// stay taken.
fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<_> = kept.iter().map(|kept| kept.as_raw_fd().unsigned_abs()).collect();
    kept.sort_unstable();
    let mut next = libc::STDERR_FILENO.unsigned_abs() + 1;
    for last in kept.into_iter().chain([u32::MAX]) {
        if next < last {
            // SAFETY: nothing that owns one of these is used in the child, as its caller has
            // promised. Where the kernel is older than this call, 5.9, they stay.
            unsafe { libc::syscall(libc::SYS_close_range, next, last - 1, 0) };
        }
        next = last.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_child_ends_with_what_its_work_gives_and_leaves_its_parent_alone() {
        let mut word = 1;
        let ending = run(&[], || {
            word = 2;
            7
        });
        assert_eq!((ending.unwrap(), word), (Ending::Code(7), 1));
        // The test's own thread has its words kept back, so this says nothing.
        assert_eq!(run(&[], || panic!("in the child")).unwrap(), Ending::Code(PANICKED));
        assert_eq!(run(&[], || std::process::abort()).unwrap(), Ending::Signal(libc::SIGABRT));
    }

    #[test]
    fn who_is_bound_to_a_process_ends_with_it() {
        use std::io::Read;
        let (mut end, held) = io::pipe().unwrap();
        let ending = run(&[held.as_fd()], || {
            let mut command = Command::new("sleep");
            command.arg("1000").stdout(held.try_clone().unwrap());
            bind_to_parent(&mut command);
            u8::from(command.spawn().is_err())
        });
        assert_eq!(ending.unwrap(), Ending::Code(0));
        drop(held);
        // Nobody holds the other end any more.
        assert_eq!(end.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_command_finds_what_it_was_given_and_is_whom_it_should_be() {
        use std::io::Write;
        let is_root = rustix::process::geteuid().is_root();
        let (given, mut end) = io::pipe().unwrap();
        let number = given.as_raw_fd();
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("read line <&{number}; echo $line $(id -u) $(id -G)"));
        pass_on(&mut command, vec![given.into()]);
        if is_root {
            run_as(&mut command, 4242, 4243, vec![4244]);
        }
        writeln!(end, "hello").unwrap();
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        match is_root {
            true => assert_eq!(said, "hello 4242 4243 4244\n"),
            false => assert!(said.starts_with("hello "), "{said}"),
        }
    }

    #[test]
    fn what_is_kept_is_in_no_other_program() {
        let (own, _other) = io::pipe().unwrap();
        let number = own.as_raw_fd();
        let ending = run(&[own.as_fd()], || {
            let is_open = || {
                let mut command = Command::new("test");
                command.arg("-e").arg(format!("/proc/self/fd/{number}"));
                command.status().unwrap().success()
            };
            fcntl_setfd(&own, FdFlags::empty()).unwrap();
            let before = is_open();
            keep_descriptors();
            u8::from((before, is_open()) != (true, false))
        });
        assert_eq!(ending.unwrap(), Ending::Code(0));
    }

    #[test]
    fn a_child_has_the_descriptors_that_it_was_given() {
        let pipes = [io::pipe().unwrap(), io::pipe().unwrap()];
        let is_open = |pipe: &io::PipeReader| rustix::io::fcntl_getfd(pipe).is_ok();
        let kept = [pipes[1].1.as_fd(), pipes[0].0.as_fd()];
        let ending = run(&kept, || {
            let rest = [is_open(&pipes[0].0), is_open(&pipes[1].0)];
            let written = rustix::io::write(&pipes[1].1, b"x").is_ok();
            u8::from(rest == [true, false] && written)
        });
        assert_eq!(ending.unwrap(), Ending::Code(1));
    }
}
