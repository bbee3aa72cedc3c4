//! What this process was given: how many descriptors it may hold, which signals it shall ignore.

use crate::sys;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    fs::{FileType, Mode, OFlags, fstat, open},
    io::Errno,
    process::{
        DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions,
        WaitOptions, getppid, getrlimit, kill_process_group, nice, pidfd_open, pidfd_send_signal,
        set_dumpable_behavior, setrlimit, waitid, waitpid,
    },
};
use std::{
    env,
    ffi::CStr,
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{self, Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// What a process is given whose work is the least urgent.
const NICE_MOST: i32 = 19;

/// What the kernel says behind the path of a program whose file was replaced.
const REPLACED: &str = " (deleted)";

/// A process that this one has started, or another that is no more, however soon its number is
/// somebody else's. The descriptor can be read from once the process has ended.
#[derive(Debug)]
pub struct Handle(OwnedFd);

impl From<OwnedFd> for Handle {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

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

    /// Its number; `None` once nobody can mistake it for another's, as it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.as_raw_fd())).ok()?;
        let pid = about.lines().find_map(|line| line.strip_prefix("Pid:"))?;
        pid.trim().parse().ok()
    }

    /// How it has ended, in words; `None` as long as it has not. Only its parent is told more than
    /// that it has.
    ///
    /// # Errors
    ///
    /// The kernel says no.
    pub fn ending(&self) -> io::Result<Option<String>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = match waitid(WaitId::PidFd(self.0.as_fd()), options) {
            Err(Errno::CHILD) => return Ok(self.has_ended().then(|| "ended".to_owned())),
            status => status?,
        };
        Ok(status.map(|status| match (status.terminating_signal(), status.exit_status()) {
            (Some(signal), _) => format!("was ended by signal {signal}"),
            (None, Some(code)) => format!("ended with exit code {code}"),
            (None, None) => "ended".to_owned(),
        }))
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// Waits until it has ended, for that time at most; whether it has.
    #[must_use]
    pub fn ends_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).ok();
            let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut ready, left.as_ref()) {
                Err(Errno::INTR) => {}
                outcome => return outcome.is_ok_and(|count| count > 0),
            }
        }
    }

    /// Has it end once its clients have gone elsewhere.
    pub fn quit(&self) {
        let _ = pidfd_send_signal(&self.0, Signal::QUIT);
    }

    /// Whether a signal has stopped it, until another tells it to go on.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(self.0.as_fd()), options).is_ok_and(|status| status.is_some())
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

    /// Has all of the group that it has led end, once they have finished what they are at, whether
    /// it has ended or not. Kernels before 6.9 know a group only by its number, which may be
    /// another's once its parent knows that the process has ended: then they are left alone.
    pub fn quit_group(&self) {
        self.signal_group(Signal::QUIT);
    }

    /// Ends all of that group at once.
    pub fn kill_group(&self) {
        self.signal_group(Signal::KILL);
    }

    fn signal_group(&self, signal: Signal) {
        // Mostly nobody is left.
        let sent = sys::signal_group(self.as_fd(), signal);
        if sent.is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
            let number = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
            let _ = number.map(|number| kill_process_group(number, signal));
        }
    }
}

/// Has the child that `command` starts asked to end as soon as the thread has ended that starts it,
/// however that comes about. It hears nothing of the signals of a terminal.
pub fn bind_to_parent(command: &mut Command) {
    sys::child::bind_to_parent(command);
}

/// Has all that this process starts find none of the descriptors that are open here, whoever has
/// opened them, but for input, output and errors and what is passed on to it by name.
pub fn keep_descriptors() {
    sys::child::keep_descriptors();
}

/// Has the child that `command` starts find these descriptors open, under the numbers that they
/// have here.
pub fn pass_on(command: &mut Command, descriptors: Vec<OwnedFd>) {
    sys::child::pass_on(command, descriptors);
}

/// Has the child that `command` starts be the user of that number, with that group and those
/// further `groups`, without this process's power. Only root can do that, and nobody becomes root
/// so.
pub fn run_as(command: &mut Command, number: u32, group: u32, groups: Vec<u32>) {
    sys::child::run_as(command, number, group, groups);
}

/// A pipe whose writers never wait: what does not fit is lost.
///
/// # Errors
///
/// Descriptors have run out.
pub fn overflow() -> io::Result<(OwnedFd, OwnedFd)> {
    crate::failpoint::call()?;
    let (own, other) = io::pipe()?;
    rustix::io::ioctl_fionbio(&other, true)?;
    Ok((own.into(), other.into()))
}

/// Keeps what this process has in memory out of core dumps, and from whoever is the same user.
/// Another program that it starts has nothing to do with that.
///
/// # Errors
///
/// The kernel says no.
pub fn keep_private() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Bounds what this process may use of the machine, lets others go first, and keeps what it reads
/// out of core dumps: for work on what somebody else has written, keys among it.
///
/// # Errors
///
/// The kernel says no.
pub fn confine(cpu_seconds: u64, memory_bytes: u64) -> io::Result<()> {
    crate::failpoint::call()?;
    let limits = [(Resource::Cpu, cpu_seconds), (Resource::As, memory_bytes), (Resource::Core, 0)];
    for (resource, most) in limits {
        let maximum = getrlimit(resource).maximum;
        let most = Some(maximum.map_or(most, |maximum| maximum.min(most)));
        setrlimit(resource, Rlimit { current: most, maximum: most })?;
    }
    keep_private()?;
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

/// Where the program lay that this process runs, by the path that it was started by, which may be a
/// link; another file may have taken its place since.
///
/// # Errors
///
/// There is no `/proc`.
pub fn program_path() -> io::Result<PathBuf> {
    let word = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let folders = env::var_os("PATH").unwrap_or_default();
    let typed: Vec<_> = match word.components().count() {
        1 if word.is_relative() => env::split_paths(&folders).map(|at| at.join(&word)).collect(),
        _ => vec![word],
    };
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let own = identity(Path::new("/proc/self/exe"));
    let mut typed = typed.iter().filter_map(|path| path::absolute(path).ok());
    // Whoever starts a program may give it any name.
    if let Some(path) = typed.find(|path| own.is_some() && identity(path) == own) {
        return Ok(path);
    }
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
/// It is not there, not for this user, or no file.
pub fn program_at(path: &Path) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    // A pipe would have this process wait for somebody to write to it.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

/// The user that this process runs as; 0 is root.
#[must_use]
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The group that this process runs as.
#[must_use]
pub fn group() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Makes the folder `path` for this user alone, if it is not there; false where it is somebody
/// else's, or others may write there.
#[must_use]
pub fn own_folder(path: &Path) -> bool {
    let _ = fs::DirBuilder::new().mode(0o700).create(path);
    fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == user() && found.mode() & 0o022 == 0)
}

/// The process that this one is a child of: another one once that has ended.
#[must_use]
pub fn parent() -> i32 {
    Pid::as_raw(getppid())
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

/// The groups of this process, its own among them.
#[must_use]
pub fn groups() -> Vec<u32> {
    let others = rustix::process::getgroups().unwrap_or_default();
    others.into_iter().map(rustix::process::Gid::as_raw).chain([group()]).collect()
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
    use rustix::fs::{CWD, mkfifoat};
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::CommandExt,
        process::{Command, Stdio},
    };

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

    /// What the end of a process that is nobody's child here looks like.
    #[test]
    fn the_end_of_another_processs_child_is_noticed() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let handle = Handle::of(line.trim().parse().unwrap()).unwrap();
        assert!(!handle.has_ended());
        assert_eq!(handle.ending().unwrap(), None);
        assert!(!handle.ends_within(Duration::from_millis(1)));
        handle.kill();
        assert!(handle.ends_within(Duration::from_secs(60)));
        assert_eq!(handle.ending().unwrap().as_deref(), Some("ended"));
        shell.wait().unwrap();
        assert_eq!(handle.ending().unwrap().as_deref(), Some("ended"));
    }

    #[test]
    fn a_process_has_its_number_as_long_as_it_is_there() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let handle = Handle::of(child.id()).unwrap();
        assert_eq!(handle.pid(), Some(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(handle.pid(), None);
    }

    /// What is left of it is found though its first process is gone and forgotten.
    #[test]
    fn a_group_is_known_by_who_has_led_it() {
        let group = || {
            let mut command = Command::new("sh");
            command.args(["-c", "sleep 60 & echo $!; read end"]).process_group(0);
            let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let handle = Handle::of(shell.id()).unwrap();
            (shell, handle, Handle::of(line.trim().parse().unwrap()).unwrap())
        };
        let (mut shell, handle, other) = group();
        shell.kill().unwrap();
        while !handle.has_ended() {
            std::thread::yield_now();
        }
        assert!(!other.has_ended());
        let is_forgotten = sys::signal_group(handle.as_fd(), Signal::CONT).is_ok();
        if is_forgotten {
            shell.wait().unwrap();
        }
        handle.kill_group();
        while !other.has_ended() {
            std::thread::yield_now();
        }
        shell.wait().unwrap();
    }

    #[test]
    fn who_writes_to_a_pipe_that_overflows_never_waits() {
        use std::io::{Read, Write};
        let (own, other) = overflow().unwrap();
        let mut other = fs::File::from(other);
        let mut sent = 0;
        let error = loop {
            match other.write(&[b'x'; 4096]) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(other);
        assert_eq!(fs::File::from(own).read_to_end(&mut Vec::new()).unwrap(), sent);
    }

    #[test]
    fn a_program_is_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
        for path in [&*pipe, folder.path(), Path::new("/dev/null")] {
            let error = program_at(path).unwrap_err();
            assert!(error.to_string().contains("no regular file"), "{}: {error}", path.display());
        }
        program_at(&env::current_exe().unwrap()).unwrap();
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
