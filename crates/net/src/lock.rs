//! Files by which processes take turns, on one machine or by a folder that several share. Who has
//! one and dies has it no more, and nobody waits without end for one who lives.

use rustix::{
    fd::OwnedFd,
    fs::{CWD, FlockOperation, Mode, OFlags, flock, openat},
    io::Errno,
};
use std::{
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Time between two looks whether a lock is free. The kernel would tell, but waits without end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Takes the lock of the file `path`, which is made where it is not there, and waits for whoever
/// has it, for so long. It is given back when what is returned is dropped.
///
/// # Errors
///
/// The file cannot be made, or locks are not known where it lies; whoever has it has had it for all
/// that time (`TimedOut`), be it that he was stopped or hangs.
pub fn take(path: &Path, time: Duration) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if begun.elapsed() >= time => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(Errno::WOULDBLOCK) => thread::park_timeout(LOOK_INTERVAL),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    #[test]
    fn one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let long = Duration::from_secs(600);
        let first = take(&path, long).unwrap();
        let late = take(&path, LOOK_INTERVAL * 2).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut, "whoever has it keeps it");
        let (sender, taken) = mpsc::channel();
        let other = thread::spawn(move || sender.send(take(&path, long).is_ok()).unwrap());
        assert!(taken.try_recv().is_err());
        drop(first);
        assert!(taken.recv().unwrap());
        other.join().unwrap();
        assert!(take(Path::new("/no/such/folder/lock"), long).is_err());
    }
}
