//! A folder of the server's own, in which whole files appear at once or not at all.
//!
//! Everything here blocks: for the pool. Several processes may share a folder.

use rustix::fs::OFlags;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// What the names of whole files end in, and those of files that are being written. Nothing else in
/// the folder is ever touched.
const WHOLE: &str = ".form";
const BEGUN: &str = ".new";

/// After one part of this many of its bound has been written, a shelf is looked through, and left
/// with so much room as that.
const SHARE: u64 = 16;

/// A folder of files that are named by their owner and bounded together.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    bytes_max: u64,
    /// Bytes written since it was last looked through.
    written: AtomicU64,
    /// The number of the next file that is begun.
    next: AtomicU64,
}

impl Shelf {
    /// The shelf in `folder`, of at most `bytes_max` bytes; what is there stays.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let (written, next) = (AtomicU64::new(0), AtomicU64::new(0));
        let shelf = Self { folder: folder.to_owned(), bytes_max, written, next };
        crate::failpoint::call()?;
        let (begun, _) = shelf.begin()?;
        fs::remove_file(begun)?;
        shelf.prune()?;
        Ok(shelf)
    }

    /// The content of the file `name`, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let path = self.folder.join(format!("{name}{WHOLE}"));
        let file = OpenOptions::new().read(true).custom_flags(no_follow()).open(path)?;
        let mut content = Vec::new();
        file.take(bytes_max).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Writes the file `name`, a word without slashes and dots, in place of another of its name.
    ///
    /// # Errors
    /// It cannot be written; then nothing of it is there.
    pub fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let (begun, mut file) = self.begin()?;
        crate::failpoint::hit("shelf");
        let whole = self.folder.join(format!("{name}{WHOLE}"));
        let done = parts.iter().try_for_each(|part| file.write_all(part));
        if let Err(error) = done.and_then(|()| fs::rename(&begun, whole)) {
            // What cannot be removed now is removed when the shelf is next looked through.
            let _ = fs::remove_file(begun);
            return Err(error);
        }
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.bytes_max / SHARE {
            self.written.store(0, Ordering::Relaxed);
            self.prune()?;
        }
        Ok(())
    }

    /// A new file that no other thread or process writes, and where it is.
    fn begin(&self) -> io::Result<(PathBuf, File)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{}-{number}{BEGUN}", process::id()));
        // One of an earlier process that had this id and was killed.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((path, file))
    }

    /// Removes the oldest files, so that there is room for the next ones.
    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_ours =
                name.to_str().is_some_and(|name| name.ends_with(WHOLE) || name.ends_with(BEGUN));
            // Another process may have removed it meanwhile.
            let Some(about) = entry.metadata().ok().filter(|about| is_ours && about.is_file())
            else {
                continue;
            };
            bytes += about.len();
            files.push((about.mtime(), about.mtime_nsec(), about.len(), entry.path()));
        }
        files.sort_unstable();
        let goal = self.bytes_max - self.bytes_max / SHARE;
        for (_, _, size, path) in files {
            if bytes <= goal {
                break;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= size;
            }
        }
        Ok(())
    }
}

/// A name that is a link is none of ours.
fn no_follow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_kept_and_strangers_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), [0; 5000]).unwrap();
        fs::write(folder.path().join("1-1.new"), [0; 5000]).unwrap();
        let shelf = Shelf::open(folder.path(), 16_000).unwrap();
        for number in 0..100 {
            shelf.write(&format!("{number}"), &[&[1; 400], &[2; 600]]).unwrap();
            let sizes = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
            let sizes = sizes.map(|entry| entry.metadata().unwrap().len());
            assert!(sizes.sum::<u64>() <= 16_000 + 5000, "{number}");
        }
        assert_eq!(shelf.read("99", 1 << 20).unwrap(), [vec![1; 400], vec![2; 600]].concat());
        assert_eq!(shelf.read("99", 3).unwrap(), [1; 3]);
        assert!(shelf.read("0", 1 << 20).is_err());
        assert!(
            !folder.path().join("1-1.new").exists() && folder.path().join("notes.txt").exists()
        );
        // Another process finds it.
        let again = Shelf::open(folder.path(), 16_000).unwrap();
        assert_eq!(again.read("99", 1 << 20).unwrap().len(), 1000);
    }

    #[test]
    fn links_are_not_followed_and_a_folder_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 16_000).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("x.form")).unwrap();
        assert!(shelf.read("x", 1 << 20).is_err());
        shelf.write("x", &[b"mine"]).unwrap();
        assert_eq!(shelf.read("x", 1 << 20).unwrap(), b"mine");
        assert!(Shelf::open(&folder.path().join("none"), 16_000).is_err());
    }
}
