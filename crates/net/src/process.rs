//! What this process was given: how many descriptors it may hold, which signals it shall ignore.

use crate::sys;
use rustix::{
    fd::{AsFd, OwnedFd},
    process::{
        Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitOptions, getrlimit,
        nice, pidfd_open, pidfd_send_signal, setrlimit, waitid, waitpid,
    },
};
use std::{
    ffi::CStr,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
};

/// What a process is given whose work is the least urgent.
const NICE_MOST: i32 = 19;

/// What the kernel says behind the path of a program whose file was replaced.
const REPLACED: &str = " (deleted)";

/// A process that this one has started, however soon another gets its number.
#[derive(Debug)]
pub struct Handle(OwnedFd);

impl Handle {
    /// The child of that number, which has not been waited for yet.
    ///
    /// # Errors
    ///
    /// There is none, or descriptors have run out.
    pub fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        crate::failpoint::call()?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// How it has ended, in words; `None` as long as it has not.
    ///
    /// # Errors
    ///
    /// It is not a child of this process, or was waited for before.
    pub fn ending(&self) -> io::Result<Option<String>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.0.as_fd()), options)?;
        Ok(status.map(|status| match (status.terminating_signal(), status.exit_status()) {
            (Some(signal), _) => format!("was ended by signal {signal}"),
            (None, Some(code)) => format!("ended with exit code {code}"),
            (None, None) => "ended".to_owned(),
        }))
    }

    /// Ends it as a program ends itself that finds a fault in itself: where it is so arranged, what
    /// it was at is kept for whoever looks for that fault.
    pub fn abort(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::ABORT);
    }

    /// Asks it to end.
    pub fn stop(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::TERM);
    }

    /// Ends it at once, if it has not ended yet.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::KILL);
    }
}

/// Has the child that `command` starts asked to end as soon as the thread has ended that starts it,
/// however that comes about. It hears nothing of the signals of a terminal.
pub fn bind_to_parent(command: &mut Command) {
    sys::child::bind_to_parent(command);
}

/// Bounds what this process may use of the machine, and lets others go first: for work on what
/// somebody else has written.
///
/// # Errors
///
/// The kernel says no.
pub fn confine(cpu_seconds: u64, memory_bytes: u64) -> io::Result<()> {
    crate::failpoint::call()?;
    for (resource, most) in [(Resource::Cpu, cpu_seconds), (Resource::As, memory_bytes)] {
        let maximum = getrlimit(resource).maximum;
        let most = Some(maximum.map_or(most, |maximum| maximum.min(most)));
        setrlimit(resource, Rlimit { current: most, maximum: most })?;
    }
    nice(NICE_MOST)?;
    Ok(())
}

/// The program that this process runs, as it was when it started.
///
/// # Errors
///
/// There is no `/proc`.
pub fn program() -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    fs::File::open("/proc/self/exe").map(OwnedFd::from)
}

/// A child of this process that has ended and that nobody has waited for yet.
#[must_use]
pub fn ended_child() -> Option<u32> {
    sys::ended_child().ok().flatten()
}

/// Takes notice of the end of a child, so that the kernel may forget it.
pub fn forget_child(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // One that is gone already is what is wanted.
    let _ = pid.map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
}

/// Where the program lay that this process runs; another file may have taken its place since.
///
/// # Errors
///
/// There is no `/proc`.
pub fn program_path() -> io::Result<PathBuf> {
    let path = fs::read_link("/proc/self/exe")?.into_os_string().into_string();
    // A path that is no text is found as long as nobody replaces it.
    Ok(path.map_or_else(PathBuf::from, |path| {
        PathBuf::from(path.strip_suffix(REPLACED).unwrap_or(&path))
    }))
}

/// The program that lies at `path` now, which is not run yet.
///
/// # Errors
///
/// It is not there, or not for this user.
pub fn program_at(path: &Path) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    fs::File::open(path).map(OwnedFd::from)
}

/// The user that this process runs as; 0 is root.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Makes the folder `path` for this user alone, if it is not there; false where it is somebody
/// else's, or others may write there.
#[must_use]
pub fn own_folder(path: &Path) -> bool {
    let _ = fs::DirBuilder::new().mode(0o700).create(path);
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == user() && found.mode() & 0o022 == 0)
}

/// Names this process, for those who list processes.
pub fn set_name(name: &CStr) {
    // It is for eyes only.
    let _ = rustix::thread::set_name(name);
}

/// Raises the number of descriptors this process may have open to what the administrator allows,
/// and returns the number in force.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let in_force = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { before };
    in_force.unwrap_or(u64::MAX)
}

/// Whether this process was started to ignore the signal of that number, as `nohup` does with
/// SIGHUP.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status) & 1_u64.checked_shl(signal.unsigned_abs().wrapping_sub(1)).unwrap_or(0) != 0
}

/// Whether this process may do whatever it likes on this machine.
#[must_use]
pub fn is_root() -> bool {
    user() == 0
}

/// Finds that this process has one thread.
///
/// # Errors
///
/// It has more; what concerns a thread and those that it starts would not reach them all.
pub(crate) fn check_single_thread() -> io::Result<()> {
    crate::failpoint::call()?;
    // Where there is no /proc it cannot be told, and the caller's own order has to do.
    match fs::read_dir("/proc/self/task").map_or(1, Iterator::count) {
        1 => Ok(()),
        count => Err(io::Error::other(format!("this process has {count} threads already"))),
    }
}

/// The set of ignored signals in the text of `/proc/PID/status`, the lowest bit for signal 1.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_limit_is_what_the_administrator_allows() {
        let in_force = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current.unwrap_or(u64::MAX), in_force);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn a_child_that_has_ended_is_found_until_it_is_forgotten() {
        let pid = Command::new("true").spawn().unwrap().id();
        let is_there = || ended_child().is_some();
        while !is_there() {
            std::thread::yield_now();
        }
        // Other tests have children, too.
        let state = || fs::read_to_string(format!("/proc/{pid}/stat"));
        while !state().unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        forget_child(pid);
        assert!(state().is_err());
        forget_child(pid);
    }

    #[test]
    fn ignored_signals_are_read_from_the_kernels_words() {
        let status = "Name:\tgannet\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored(status), 1 << 12 | 1);
        assert_eq!(ignored(""), 0);
        // Rust's runtime ignores SIGPIPE, 13, and nothing else.
        assert!(is_ignored(13));
        assert!(!is_ignored(2));
        assert!(!is_ignored(0));
    }
}
