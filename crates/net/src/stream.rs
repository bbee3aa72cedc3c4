//! Where log lines go: a file that is appended to, standard output or standard error.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Access, OFlags, access, fcntl_getfl, fcntl_setfl},
};
use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
};

/// What is no file, and lines go there all the same; the last is for trying out a full disk.
const STREAMS: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/null", "/dev/full"];

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
/// When it can be neither opened nor made, or is something that might make a writer wait, such as
/// a pipe.
pub fn append_to(path: &Path) -> io::Result<Sink> {
    crate::failpoint::call()?;
    open(path, OpenOptions::new().create(true).mode(0o640)).map(Sink)
}

/// Whether [`append_to`] would succeed now; makes nothing.
///
/// # Errors
///
/// What it would fail with.
pub fn check(path: &Path) -> io::Result<()> {
    let is_missing =
        fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if !is_missing {
        return open(path, &mut OpenOptions::new()).map(drop);
    }
    let folder = path.parent().unwrap_or(path);
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
        let cause = io::Error::from(errno);
        io::Error::new(
            cause.kind(),
            format!("no file can be made in {}: {cause}", folder.display()),
        )
    })
}

/// Opens a file for appending; never waits for somebody to open its other end.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let is_stream = STREAMS.iter().any(|stream| path == Path::new(stream));
    if let Ok(there) = fs::symlink_metadata(path)
        && let Some(what) = other_than_file(there.file_type()).filter(|_| !is_stream)
    {
        return Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a file")));
    }
    // What stands there may be another thing by now.
    let follow = if is_stream { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | follow;
    let file = options.append(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if is_stream {
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    }
    Ok(file)
}

/// What is to be said of what is no file.
fn other_than_file(kind: FileType) -> Option<&'static str> {
    match () {
        () if kind.is_file() => None,
        // Who may make one there could have this user write anywhere.
        () if kind.is_symlink() => Some("a symbolic link"),
        () if kind.is_dir() => Some("a folder"),
        () if kind.is_fifo() => Some("a pipe"),
        () if kind.is_socket() => Some("a socket"),
        () => Some("a device"),
    }
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
    use rustix::fs::{CWD, Mode, mkfifoat};
    use std::os::unix::net::UnixListener;

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

    #[test]
    fn what_is_checked_can_be_opened_and_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        assert!(check(&path).is_ok() && !path.exists());
        drop(append_to(&path).unwrap());
        assert!(check(&path).is_ok());
        assert!(check(&path.join("a.log")).is_err() && check(&path.with_file_name("a/b")).is_err());
        for stream in ["/dev/null", "/dev/stdout"] {
            append_to(Path::new(stream)).unwrap().write_all(b"").unwrap();
        }
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let _socket = UnixListener::bind(&socket).unwrap();
        for (path, what) in [
            (pipe.as_path(), "it is a pipe, not a file"),
            (&socket, "it is a socket, not a file"),
            (folder.path(), "it is a folder, not a file"),
            (Path::new("/dev/zero"), "it is a device, not a file"),
        ] {
            assert_eq!(append_to(path).unwrap_err().to_string(), what);
            assert_eq!(check(path).unwrap_err().to_string(), what);
        }
    }
}
