//! Landlock: the folders that a process can reach, whatever the permissions of files say.

use crate::sys::landlock::{self, Handled};
use rustix::fd::AsFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// What may be done with files: <linux/landlock.h>.
mod right {
    pub(super) const WRITE_FILE: u64 = 1 << 1;
    pub(super) const READ_FILE: u64 = 1 << 2;
    pub(super) const READ_FOLDER: u64 = 1 << 3;
    pub(super) const REMOVE_FILE: u64 = 1 << 5;
    pub(super) const MAKE_FOLDER: u64 = 1 << 7;
    pub(super) const MAKE_FILE: u64 = 1 << 8;
    pub(super) const TRUNCATE: u64 = 1 << 14;
}

const READ: u64 = right::READ_FILE | right::READ_FOLDER;
/// That no folders are made where none are wanted is for the filter of system calls to see to.
const WRITE: u64 = READ
    | right::WRITE_FILE
    | right::REMOVE_FILE
    | right::MAKE_FOLDER
    | right::MAKE_FILE
    | right::TRUNCATE;

/// What a kernel with that version of Landlock can forbid; all of it is.
fn handled(version: u32) -> Handled {
    /// To listen and to connect by TCP.
    const NETWORK: u64 = 0b11;
    /// To reach, outside of the walls, abstract Unix sockets and processes by signals.
    const SCOPES: u64 = 0b11;
    // Rights that each version has added: to move files between folders, to cut them off, to give
    // orders to devices.
    let rights = match version {
        0 | 1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    Handled {
        files: (1 << rights) - 1,
        network: if version >= 4 { NETWORK } else { 0 },
        scopes: if version >= 6 { SCOPES } else { 0 },
    }
}

/// Lets this thread, and those that it starts, reach nothing but these folders, files that are
/// read, and ports by TCP. What there is to say about it: the version, and which of them are
/// missing.
pub(super) fn enter(read: &[PathBuf], write: &[PathBuf], ports: &[u16]) -> io::Result<String> {
    let version = landlock::version()?;
    let handled = handled(version);
    let rules = landlock::rule_set(handled)?;
    let read = read.iter().map(|path| (path, READ, OFlags::empty()));
    let write = write.iter().map(|folder| (folder, WRITE, OFlags::DIRECTORY));
    let mut missing = Vec::new();
    for (path, rights, kind) in read.chain(write) {
        match openat(CWD, path, kind | OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(open) => {
                let is_folder = FileType::from_raw_mode(fstat(&open)?.st_mode).is_dir();
                // The others make no sense with a file, and the kernel says so.
                let rights = if is_folder { rights } else { right::READ_FILE };
                landlock::allow(rules.as_fd(), open.as_fd(), rights & handled.files)?;
            }
            Err(error @ (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP)) => {
                missing.push(format!("{}: {error}", path.display()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    for port in ports.iter().filter(|_| handled.network != 0) {
        landlock::allow_port(rules.as_fd(), *port)?;
    }
    landlock::enter(rules.as_fd())?;
    Ok(words(version, &missing))
}

/// What there is to say, with the first few of the folders that are not there.
fn words(version: u32, missing: &[String]) -> String {
    const NAMED_MAX: usize = 3;
    let (named, rest) = missing.split_at(missing.len().min(NAMED_MAX));
    let mut words = format!("ABI {version}");
    if !named.is_empty() {
        words.push_str(&format!(", out of reach: {}", named.join(", ")));
    }
    if !rest.is_empty() {
        words.push_str(&format!(" and {} more", rest.len()));
    }
    words
}

/// The folders within which `folder` must be readable, so that another one may take its place: the
/// kernel's walls stand around the folders of today, whatever bears their names tomorrow. That is
/// the folder around it, and the one around what each link on its path leads to. The root of all
/// folders is never among them.
#[must_use]
pub fn reach(folder: &Path) -> Vec<PathBuf> {
    let links = folder.ancestors().filter(|path| path.is_symlink());
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut found: Vec<_> =
        links.map(real).chain([real(folder)]).map(|folder| around(&folder).to_owned()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn around(folder: &Path) -> &Path {
    folder.parent().filter(|parent| parent.parent().is_some()).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_version_forbids_what_it_knows() {
        for (version, files, network, scopes) in [
            (1, 0x1fff, 0, 0),
            (2, 0x3fff, 0, 0),
            (3, 0x7fff, 0, 0),
            (4, 0x7fff, 3, 0),
            (5, 0xffff, 3, 0),
            (6, 0xffff, 3, 3),
            (9, 0xffff, 3, 3),
        ] {
            assert_eq!(handled(version), Handled { files, network, scopes }, "{version}");
        }
    }

    #[test]
    fn a_few_of_the_folders_that_are_not_there_are_named() {
        let missing = ["/a: gone", "/b: gone", "/c: gone", "/d: gone"].map(str::to_owned);
        for (count, expect) in [
            (0, "ABI 7"),
            (1, "ABI 7, out of reach: /a: gone"),
            (4, "ABI 7, out of reach: /a: gone, /b: gone, /c: gone and 1 more"),
        ] {
            assert_eq!(words(7, &missing[..count]), expect);
        }
    }

    #[test]
    fn a_folder_may_be_replaced_and_a_link_turned() {
        let all = tempfile::tempdir().unwrap();
        let all = all.path().canonicalize().unwrap();
        fs::create_dir_all(all.join("releases/1/public")).unwrap();
        symlink("releases/1", all.join("current")).unwrap();
        let check = |folder: &Path, mut expect: Vec<PathBuf>| {
            expect.sort();
            assert_eq!(reach(folder), expect, "{}", folder.display());
        };
        check(&all.join("releases"), vec![all.clone()]);
        check(&all.join("not-there-yet"), vec![all.clone()]);
        check(&all.join("current"), vec![all.join("releases")]);
        check(&all.join("current/public"), vec![all.join("releases"), all.join("releases/1")]);
        check(Path::new("/usr"), vec!["/usr".into()]);
        check(Path::new("/"), vec!["/".into()]);
    }
}
