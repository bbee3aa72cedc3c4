//! Where log lines go: a file that is appended to, or standard output.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};

/// Opens the file at `path` so that each write lands whole behind all others; makes it, readable by
/// its group, where there is none.
///
/// # Errors
///
/// When it can be neither opened nor made.
pub fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// Standard output without the lock and the line buffer that the standard library puts before it.
///
/// # Errors
///
/// When it is closed, or no descriptor is left.
pub fn standard_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Says something on standard output, where no log is in the way. Nobody listening is no reason to
/// fail.
pub fn say(line: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(line).and_then(|()| out.flush());
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
