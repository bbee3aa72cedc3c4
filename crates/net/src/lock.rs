//! Files by which processes take turns, on one machine or by a folder that several share. Who has
//! one and dies has it no more.

use rustix::{
    fd::OwnedFd,
    fs::{CWD, FlockOperation, Mode, OFlags, flock, openat},
    io::Errno,
};
use std::{io, path::Path};

/// Takes the lock of the file `path`, which is made where it is not there, and waits for whoever
/// has it. It is given back when what is returned is dropped.
///
/// # Errors
///
/// The file cannot be made, or locks are not known where it lies.
pub fn take(path: &Path) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(()) => return Ok(file),
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
        let first = take(&path).unwrap();
        let (sender, taken) = mpsc::channel();
        let other = thread::spawn(move || sender.send(take(&path).is_ok()).unwrap());
        assert!(taken.try_recv().is_err());
        drop(first);
        assert!(taken.recv().unwrap());
        other.join().unwrap();
        assert!(take(Path::new("/no/such/folder/lock")).is_err());
    }
}
