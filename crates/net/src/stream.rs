//! Where log lines go: a file that is appended to, standard output or standard error.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
};

/// Something that log lines are written to.
#[derive(Debug)]
pub struct Sink(File);

/// What a pipe or a socket takes in one piece, whoever else writes to it: POSIX's PIPE_BUF.
const PIPE_BYTES: usize = 4096;

impl Sink {
    /// How many bytes a write may have for no other process's to come in between.
    #[must_use]
    pub fn whole_bytes(&self) -> usize {
        let is_file = self.0.metadata().is_ok_and(|metadata| metadata.is_file());
        if is_file { usize::MAX } else { PIPE_BYTES }
    }
}

impl From<OwnedFd> for Sink {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens the file at `path` so that each write lands whole behind all others; makes it, readable by
/// its group, where there is none.
///
/// # Errors
///
/// When it can be neither opened nor made.
pub fn append_to(path: &Path) -> io::Result<Sink> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path).map(Sink)
}

/// Standard output without the lock and the line buffer that the standard library puts before it.
///
/// # Errors
///
/// When it is closed, or no descriptor is left.
pub fn standard_output() -> io::Result<Sink> {
    Ok(Sink(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
}

/// Standard error without the lock of the standard library.
///
/// # Errors
///
/// When it is closed, or no descriptor is left.
pub fn standard_error() -> io::Result<Sink> {
    Ok(Sink(File::from(io::stderr().as_fd().try_clone_to_owned()?)))
}

/// Says something on standard output, where no log is in the way. Nobody listening is no reason to
/// fail.
pub fn say(line: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(line).and_then(|()| out.flush());
}

/// Whether a person sees standard error.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Says something on standard error, unless whoever reads it would have to be waited for.
pub fn try_to_tell(line: &[u8]) {
    let mut errors = io::stderr();
    let mut ready = [PollFd::new(&errors, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_ready = poll(&mut ready, Some(&now)).is_ok_and(|count| count > 0);
    // A pipe that is ready has room for a page. Of what is longer, the rest may be waited for, once
    // in the life of an attempt to load a config, and only if somebody reads at all.
    if is_ready {
        let _ = errors.write_all(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lines_of_two_writers_stand_behind_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let (mut one, mut other) = (append_to(&path).unwrap(), append_to(&path).unwrap());
        one.write_all(b"a\n").unwrap();
        other.write_all(b"b\n").unwrap();
        one.write_all(b"c\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a\nb\nc\n");
    }
}
