//! Where log lines go: a file that is appended to, standard output or standard error.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Access, FileType as Kind, OFlags, access, fcntl_getfl, fcntl_setfl, fstat, ftruncate},
};
use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

/// What is no file, and lines go there all the same; the last is for trying out a full disk.
const STREAMS: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/null", "/dev/full"];

/// What a pipe or a socket takes in one piece, whoever else writes to it: POSIX's PIPE_BUF.
const PIPE_BYTES: usize = 4096;

/// Something that log lines are written to.
#[derive(Debug)]
pub struct Sink {
    file: File,
    /// Whether its last line has no end.
    is_torn: AtomicBool,
}

/// What lines are appended to.
trait Medium: Write {
    /// Where it ends; `None` where nobody can tell, as of a pipe.
    fn end(&self) -> Option<u64>;

    /// Has it end there.
    fn cut(&self, end: u64) -> io::Result<()>;
}

impl Sink {
    /// Appends lines and returns those that could not be, as the disk is full or nobody reads any
    /// more. In pieces that no other process can come in between, and no line but whole: what has
    /// come of one that did not fit is taken back, or ended before the next.
    pub fn append<'l>(&self, lines: &'l [u8]) -> &'l [u8] {
        let mut is_torn = self.is_torn.load(Ordering::Relaxed);
        let left = append(&mut &self.file, &mut is_torn, lines);
        self.is_torn.store(is_torn, Ordering::Relaxed);
        left
    }
}

impl From<OwnedFd> for Sink {
    fn from(descriptor: OwnedFd) -> Self {
        File::from(descriptor).into()
    }
}

impl From<File> for Sink {
    fn from(file: File) -> Self {
        Self { file, is_torn: AtomicBool::new(false) }
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Medium for &File {
    fn end(&self) -> Option<u64> {
        let stat = fstat(self).ok()?;
        let is_file = Kind::from_raw_mode(stat.st_mode) == Kind::RegularFile;
        u64::try_from(stat.st_size).ok().filter(|_| is_file)
    }

    fn cut(&self, end: u64) -> io::Result<()> {
        // What is not appended would leave a hole.
        match fcntl_getfl(self)?.contains(OFlags::APPEND) {
            true => Ok(ftruncate(self, end)?),
            false => Err(ErrorKind::Unsupported.into()),
        }
    }
}

fn append<'l>(target: &mut impl Medium, is_torn: &mut bool, lines: &'l [u8]) -> &'l [u8] {
    if *is_torn && target.write_all(b"\n").is_ok() {
        *is_torn = false;
    }
    let start = target.end();
    let bytes_max = if start.is_some() { usize::MAX } else { PIPE_BYTES };
    let mut written = 0;
    while let Some(rest @ [_, ..]) = lines.get(written..).filter(|_| !*is_torn) {
        match target.write(whole(rest, bytes_max)) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let is_end = |&byte: &u8| byte == b'\n';
    let ended = lines.iter().take(written).rposition(is_end).map_or(0, |at| at + 1);
    if ended < written {
        let at = |count: usize| Some(start? + count as u64);
        // Unless somebody else has written behind it by now.
        let is_last = start.is_some() && target.end() == at(written);
        *is_torn = !is_last || at(ended).is_none_or(|end| target.cut(end).is_err());
    }
    lines.get(ended..).unwrap_or_default()
}

/// As many of `lines` as `bytes_max` has room for, but one at least.
fn whole(lines: &[u8], bytes_max: usize) -> &[u8] {
    let Some(first) = lines.get(..bytes_max) else { return lines };
    let is_end = |&byte: &u8| byte == b'\n';
    let end = first.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.and_then(|end| lines.get(..=end)).unwrap_or(lines)
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
    open(path, OpenOptions::new().create(true).mode(0o640)).map(Sink::from)
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
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Standard error without the lock of the standard library.
///
/// # Errors
///
/// When it is closed, or no descriptor is left.
pub fn standard_error() -> io::Result<Sink> {
    Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
}

/// Says something on standard output, where no log is in the way. Nobody listening is no reason to
/// fail.
pub fn say(line: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(line).and_then(|()| out.flush());
}

/// The rows and columns of the terminal that standard output is, if it is one.
#[must_use]
pub fn terminal_size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    // One that does not know says 0.
    let sizes = (usize::from(size.ws_row), usize::from(size.ws_col));
    Some(sizes).filter(|(rows, columns)| *rows > 0 && *columns > 0)
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
        let (one, other) = (append_to(&path).unwrap(), append_to(&path).unwrap());
        for (sink, line) in [(&one, b"a\n"), (&other, b"b\n")] {
            assert_eq!(sink.append(line), b"");
        }
        assert_eq!(one.append(b"c\n"), b"");
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
            append_to(Path::new(stream)).unwrap();
        }
    }

    #[test]
    fn lines_are_written_in_pieces_that_stay_whole() {
        for (lines, bytes_max, expect) in [
            ("a\nb\n", 99, "a\nb\n"),
            ("a\nb\n", 4, "a\nb\n"),
            ("a\nb\n", 3, "a\n"),
            ("abc\nd\n", 2, "abc\n"),
            ("abc", 2, "abc"),
        ] {
            let whole = whole(lines.as_bytes(), bytes_max);
            assert_eq!(whole, expect.as_bytes(), "{lines:?} {bytes_max}");
        }
    }

    /// A disk with room for so many bytes, of which another process uses some once it can.
    struct Disk {
        content: Vec<u8>,
        room: usize,
        others: &'static [u8],
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                self.content.extend_from_slice(std::mem::take(&mut self.others));
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.content.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What can be cut, and what cannot.
    struct File(std::cell::RefCell<Disk>, bool);

    impl Write for File {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.get_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Medium for File {
        fn end(&self) -> Option<u64> {
            self.1.then(|| self.0.borrow().content.len() as u64)
        }

        fn cut(&self, end: u64) -> io::Result<()> {
            let mut disk = self.0.borrow_mut();
            disk.room += disk.content.len() - end as usize;
            disk.content.truncate(end as usize);
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_told_and_no_line_is_there_in_part() {
        let check = |is_file, others, steps: &[(usize, &str, &str, &str)]| {
            let disk = Disk { content: Vec::new(), room: 0, others };
            let (mut file, mut is_torn) = (File(disk.into(), is_file), false);
            for (room, lines, lost, content) in steps {
                file.0.get_mut().room += room;
                let left = append(&mut file, &mut is_torn, lines.as_bytes());
                assert_eq!(String::from_utf8_lossy(left), *lost, "{lines}");
                assert_eq!(String::from_utf8_lossy(&file.0.get_mut().content), *content);
            }
        };
        check(
            true,
            b"",
            &[
                (9, "one\ntwo\nthree\nfour\n", "three\nfour\n", "one\ntwo\n"),
                (3, "five\n", "five\n", "one\ntwo\n"),
                (1, "six\nseven\n", "seven\n", "one\ntwo\nsix\n"),
                (9, "eight\n", "", "one\ntwo\nsix\neight\n"),
            ],
        );
        // A pipe, or what another process has written behind.
        let ended: &[_] = &[
            (9, "one\ntwo\nthree\nfour\n", "three\nfour\n", "one\ntwo\nt"),
            (0, "five\n", "five\n", "one\ntwo\nt"),
            (1, "six\nseven\n", "six\nseven\n", "one\ntwo\nt\n"),
            (4, "eight\n", "eight\n", "one\ntwo\nt\neigh"),
            (99, "nine\n", "", "one\ntwo\nt\neigh\nnine\n"),
        ];
        check(false, b"", ended);
        check(true, b"x\n", &[(1, "one\n", "one\n", "ox\n"), (9, "two\n", "", "ox\n\ntwo\n")]);
    }

    #[test]
    fn what_is_not_appended_is_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let file = fs::File::create(&path).unwrap();
        assert!((&file).cut(0).is_err());
        let Sink { file, .. } = append_to(&path).unwrap();
        (&file).cut(0).unwrap();
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
