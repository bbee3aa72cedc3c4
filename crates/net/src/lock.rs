//! Files by which processes take turns, on one machine or by a folder that several share. Who has
//! one and dies has it no more, and nobody waits without end for one who lives.

use crate::folder::Folder;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Time between two looks whether a lock is free. The kernel would tell, but waits without end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Takes the lock of the file `path`, which is made where it is not there and then belongs to whom
/// its folder belongs, and waits for whoever has it, for so long. It is given back when what is
/// returned is dropped.
///
/// # Errors
///
/// The file cannot be made, or is a link, or locks are not known where it lies; whoever has it has
/// had it for all that time (`TimedOut`), be it that he was stopped or hangs.
pub fn take(path: &Path, time: Duration) -> io::Result<File> {
    let file = open(path)?;
    let begun = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) if begun.elapsed() >= time => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(Errno::WOULDBLOCK) => thread::park_timeout(LOOK_INTERVAL),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Opens that file, or makes it.
fn open(path: &Path) -> io::Result<File> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let folder = Folder::open(parent)?;
    match folder.create(name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => folder.existing(name),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::symlink, sync::mpsc, thread};

    #[test]
    fn a_link_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("target"), folder.path().join("lock"));
        for _ in 0..2 {
            symlink(&target, &path).unwrap();
            assert!(take(&path, LOOK_INTERVAL).is_err());
            std::fs::remove_file(&path).unwrap();
            // Once it leads nowhere, and once to a file.
            std::fs::write(&target, "").unwrap();
        }
    }

    #[test]
    fn one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let long = Duration::from_secs(600);
        let first = take(&path, long).unwrap();
        let late = take(&path, LOOK_INTERVAL * 2).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut, "whoever has it keeps it");
        let (sender, taken) = mpsc::channel();
        let other = thread::spawn(move || sender.send(take(&path, long).is_ok()).unwrap());
        assert!(taken.try_recv().is_err());
        drop(first);
        assert!(taken.recv().unwrap());
        other.join().unwrap();
        assert!(take(Path::new("/no/such/folder/lock"), long).is_err());
    }
}
