//! A folder that is open: what is made in it is made in this very one, whatever bears its name by
//! then, and belongs to whom the folder belongs. Root makes things in folders of others, too, who
//! could have put a link there to what is not theirs.

use crate::process;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{
        AtFlags, CWD, Mode, OFlags, RenameFlags, chownat, fstat, fsync, linkat, mkdirat, openat,
        renameat_with, unlinkat,
    },
    io::Errno,
    process::{Gid, Uid},
};
use std::{ffi::OsStr, fs::File, io, path::Path};

/// What may be done with such a descriptor: it stands for the folder, which need not be readable.
const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Who may do what with files that are made here: their owner.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The folder.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// The folder at `path`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        crate::failpoint::call()?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self(openat(CWD, path, FLAGS, Mode::empty())?))
    }

    /// The same, which is made where it is not there yet, and those that it is in.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn make(path: &Path) -> io::Result<Self> {
        let missing = match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => error,
            found => return found,
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(missing);
        };
        let parent = Self::make(parent)?;
        match mkdirat(&parent.0, name, Mode::RWXU) {
            Ok(()) => {}
            // Another process was first.
            Err(Errno::EXIST) => return Self::open(path),
            Err(errno) => return Err(errno.into()),
        }
        let made = openat(&parent.0, name, FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
        // Whoever owns the folder that it is in may have put another one in its place.
        if fstat(&made)?.st_uid == process::user() {
            parent.give(made.as_fd());
        }
        Ok(Self(made))
    }

    /// Makes a file in it that only its owner reads and writes.
    ///
    /// # Errors
    ///
    /// Something of that name is there, be it a link that leads nowhere; or it cannot be made.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, FILE_MODE)?;
        self.give(file.as_fd());
        Ok(file.into())
    }

    /// Opens a file in it that is there.
    ///
    /// # Errors
    ///
    /// There is none, or it is a link, wherever that leads.
    pub fn existing(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// Has a file in it be called otherwise, in the place of what has that name.
    ///
    /// # Errors
    ///
    /// It cannot be.
    pub fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat_with(&self.0, from, &self.0, to, RenameFlags::empty())?)
    }

    /// The same where nothing has that name yet.
    ///
    /// # Errors
    ///
    /// Something has (`AlreadyExists`), or it cannot be called so.
    pub fn rename_new(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match linkat(&self.0, from, &self.0, to, AtFlags::empty()) {
            // Whatever is left of the first name is nobody's.
            Ok(()) => drop(self.remove(from)),
            Err(Errno::EXIST) => return Err(Errno::EXIST.into()),
            // A file has but one name on some disks, such as those that Windows reads.
            Err(_) => self.rename_once(from, to)?,
        }
        Ok(())
    }

    /// The same where a file has but one name.
    fn rename_once(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE)?)
    }

    /// Removes a file in it.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Brings the names of its files to the disk.
    ///
    /// # Errors
    ///
    /// The disk says no.
    pub fn settle(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(fsync(openat(&self.0, c".", flags, Mode::empty())?)?)
    }

    /// Gives what root has just made in it to its owner: a server that is not root's reads it, too.
    fn give(&self, made: BorrowedFd<'_>) {
        let Ok(own) = fstat(&self.0) else { return };
        if process::is_root() && own.st_uid != 0 {
            let (user, group) = (Uid::from_raw(own.st_uid), Gid::from_raw(own.st_gid));
            // Who has no right to do so is root in its own folder.
            let _ = chownat(made, c"", Some(user), Some(group), AtFlags::EMPTY_PATH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{MetadataExt, chown, symlink},
        path::PathBuf,
    };

    const OTHER: u32 = 4242;

    fn owner(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    /// A folder of another user's where root runs the tests, with what is nobody else's beside it.
    fn theirs() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let all = tempfile::tempdir().unwrap();
        let (theirs, ours) = (all.path().join("theirs"), all.path().join("ours"));
        fs::create_dir(&theirs).unwrap();
        fs::write(&ours, "secret").unwrap();
        if process::is_root() {
            chown(&theirs, Some(OTHER), Some(OTHER)).unwrap();
        }
        (all, theirs, ours)
    }

    #[test]
    fn what_is_made_belongs_to_whom_the_folder_belongs() {
        let (_all, theirs, _) = theirs();
        let expect = owner(&theirs);
        let folder = Folder::make(&theirs.join("a/b")).unwrap();
        folder.create(OsStr::new("file")).unwrap();
        for name in ["a", "a/b", "a/b/file"] {
            let path = theirs.join(name);
            assert_eq!(owner(&path), expect, "{name}");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o077, 0, "{name}");
        }
    }

    #[test]
    fn no_link_has_anything_made_given_away_or_opened() {
        let (all, theirs, ours) = theirs();
        let before = owner(&ours);
        for (name, to) in [("link", &ours), ("nowhere", &all.path().join("new"))] {
            symlink(to, theirs.join(name)).unwrap();
            let folder = Folder::open(&theirs).unwrap();
            assert!(folder.create(OsStr::new(name)).is_err(), "{name}");
            assert!(folder.existing(OsStr::new(name)).is_err(), "{name}");
            // What is there was not made here.
            let below = Folder::make(&theirs.join(name).join("below"));
            assert!(below.is_err() && !all.path().join("new").exists(), "{name}");
        }
        // Nor is what another name leads to, which is there already.
        fs::hard_link(&ours, theirs.join("other-name")).unwrap();
        let folder = Folder::open(&theirs).unwrap();
        assert!(folder.create(OsStr::new("other-name")).is_err());
        folder.existing(OsStr::new("other-name")).unwrap();
        assert_eq!((owner(&ours), &*fs::read(&ours).unwrap()), (before, &b"secret"[..]));
    }

    #[test]
    fn a_name_is_taken_once_where_files_have_one_name_too() {
        let (_all, theirs, _) = theirs();
        let folder = Folder::open(&theirs).unwrap();
        let name = OsStr::new;
        for (number, rename) in [Folder::rename_new, Folder::rename_once].into_iter().enumerate() {
            let to = format!("to-{number}");
            folder.create(name("first")).unwrap();
            rename(&folder, name("first"), name(&to)).unwrap();
            assert!(!theirs.join("first").exists() && theirs.join(&to).exists());
            folder.create(name("second")).unwrap();
            let error = rename(&folder, name("second"), name(&to)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            folder.remove(name("second")).unwrap();
        }
        folder.settle().unwrap();
        assert!(folder.rename_new(name("third"), name("fourth")).is_err(), "there is none");
    }
}
