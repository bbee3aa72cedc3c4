//! What is kept of certificates that come by themselves: one folder, which only its owner reads.
//!
//! ```text
//!   authority.pem         the local authority: its key and its root
//!   next-authority.pem    the one that takes its place, in the last year of its life
//!   account.pem           the key by which authorities of the world are asked
//!   accounts/HASH         what one of those calls it
//!   sites/HOST.pem        a certificate with its key, and who has issued it
//!   sites/HOST.lock       whose turn it is to ask for that
//!   attempts/HOST         what went wrong of late, and when to try once more
//! ```
//!
//! A file is whole or not there, whenever this process is killed: it is written beside its place,
//! brought to the disk, and moved there.

use base::stable;
use certs::{Attempts, Key, Local, Object};
use config::plan::AUTHORITY_FILE;
use net::stat::Room;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

/// Who may read what is kept: its owner.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

const NEXT_AUTHORITY: &str = "next-authority.pem";
const ACCOUNT: &str = "account.pem";

/// The folder.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    folder: PathBuf,
}

impl Keep {
    /// What is kept in `folder`, which need not be there yet.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The local authority at that time, which is made where there is none yet. One that can be
    /// made but not kept is used all the same, until this process ends: why it is not kept.
    pub(crate) fn local(&self, now: i64) -> Result<(Local, Option<String>), String> {
        let (own, next) = (self.path(AUTHORITY_FILE), self.path(NEXT_AUTHORITY));
        let load = |path: &Path| Local::load(&fs::read(path).ok()?);
        let current = load(&own);
        if let Some(current) = current {
            if !current.is_ending(now) {
                return Ok((current, None));
            }
            if current.is_over(now)
                && let Some(following) = load(&next)
                && fs::rename(&next, &own).is_ok()
            {
                return Ok((following, None));
            }
            if load(&next).is_none() {
                // Where it cannot be made or kept, the current one goes on.
                let _ = made(now).map(|local| self.put_new(&next, &local.pem()));
            }
            return Ok((current, None));
        }
        let local = made(now)?;
        match self.put_new(&own, &local.pem()) {
            Ok(()) => Ok((local, None)),
            // Another process was first.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match load(&own) {
                Some(local) => Ok((local, None)),
                None => Ok((local, Some(explain(&own, "is no authority")))),
            },
            Err(error) => Ok((local, Some(failed(&own, &error)))),
        }
    }

    /// The roots of the local authority that are there, with the names they are known by.
    pub(crate) fn roots(&self) -> Vec<Local> {
        let files = [AUTHORITY_FILE, NEXT_AUTHORITY].map(|name| fs::read(self.path(name)));
        files.into_iter().flatten().filter_map(|text| Local::load(&text)).collect()
    }

    /// Why nothing can be kept, where the folder is not there or only read.
    pub(crate) fn trouble(&self) -> Option<String> {
        let why = match fs::metadata(&self.folder) {
            Ok(found) if !found.is_dir() => "is no folder".to_owned(),
            Ok(_) if Room::of(&self.folder).is_ok_and(|room| room.is_only_read) => {
                advice(&ErrorKind::ReadOnlyFilesystem.into())
            }
            Ok(_) => return None,
            Err(error) => advice(&error),
        };
        Some(explain(&self.folder, &format!("nothing can be kept: {why}")))
    }

    /// What to say of a certificate that is used and cannot be kept, for that reason.
    pub(crate) fn unkept(&self, error: &io::Error) -> String {
        let (folder, why) = (self.folder.display(), advice(error));
        format!(
            "its certificate cannot be kept in {folder}: {why}: until then it is used from memory"
        )
    }

    /// The key by which authorities are asked, as PEM, which is made where there is none yet. One
    /// that can be made but not kept is good for as long as this process lives: why it is not kept.
    pub(crate) fn account(&self) -> Result<(String, Option<String>), String> {
        let path = self.account_path();
        let load = || {
            let text = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
            Key::from_pem(text.as_bytes()).map_err(|error| explain(&path, &error.to_string()))?;
            Ok((text, None))
        };
        if path.exists() {
            return load();
        }
        let text = Key::generate().map_err(|error| error.to_string())?.pem();
        match self.put_new(&path, &text) {
            Ok(()) => Ok((text, None)),
            // Another process was first, or what is there is no folder.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                load().or_else(|why| Ok((text, Some(why))))
            }
            Err(error) => Ok((text, Some(failed(&path, &error)))),
        }
    }

    /// Puts back that key where its file is gone. Another server may have made one meanwhile.
    pub(crate) fn put_account(&self, text: &str) -> io::Result<()> {
        let path = self.account_path();
        self.put_new(&path, text).or_else(|error| if path.exists() { Ok(()) } else { Err(error) })
    }

    /// Where that key lies.
    pub(crate) fn account_path(&self) -> PathBuf {
        self.path(ACCOUNT)
    }

    /// What the authority `url` calls that key.
    pub(crate) fn account_id(&self, url: &str) -> Option<String> {
        let text = fs::read_to_string(self.account_id_path(url)).ok()?;
        Some(text.trim().to_owned()).filter(|id| id.starts_with("https://"))
    }

    /// Waits until nobody else introduces the key to that authority: it may not take one twice at a
    /// time.
    pub(crate) fn introduction(&self, url: &str) -> io::Result<OwnedFd> {
        self.turn(&self.account_id_path(url))
    }

    /// Notes what an authority calls it.
    pub(crate) fn put_account_id(&self, url: &str, id: &str) -> io::Result<()> {
        self.put(&self.account_id_path(url), &format!("{id}\n"))
    }

    /// What went wrong of late with the certificate that is kept at `path`.
    pub(crate) fn attempts(&self, path: &Path) -> Attempts {
        let text = fs::read(self.attempts_path(path)).unwrap_or_default();
        Attempts::read(&text)
    }

    /// Notes that; nothing where nothing did.
    pub(crate) fn put_attempts(&self, path: &Path, attempts: &Attempts) -> io::Result<()> {
        let note = self.attempts_path(path);
        match attempts.failures {
            0 => match fs::remove_file(note) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            _ => self.put(&note, &attempts.write()),
        }
    }

    /// Waits until nobody else asks for the certificate that is kept at `path`; others wait as long
    /// as what is returned is there.
    pub(crate) fn turn(&self, path: &Path) -> io::Result<OwnedFd> {
        folders(path.parent().unwrap_or(&self.folder))?;
        net::lock::take(&path.with_extension("lock"))
    }

    /// Puts a text into the file `path` below the folder, in one step.
    pub(crate) fn put(&self, path: &Path, text: &str) -> io::Result<()> {
        let beside = self.write(path, text)?;
        fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))?;
        settle(path)
    }

    /// The same where nothing is there yet.
    fn put_new(&self, path: &Path, text: &str) -> io::Result<()> {
        let beside = self.write(path, text)?;
        let linked = fs::hard_link(&beside, path);
        let _ = fs::remove_file(&beside);
        linked?;
        settle(path)
    }

    /// Writes a text to the disk, beside where it shall be.
    fn write(&self, path: &Path, text: &str) -> io::Result<PathBuf> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let parent = path.parent().unwrap_or(&self.folder);
        folders(parent)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let beside = parent.join(format!(".{name}.{}.{count}", process::id()));
        // What a process of the same number left when it was killed is nobody's.
        let _ = fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(FILE_MODE).open(&beside)?;
        net::failpoint::hit("keep");
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
        Ok(beside)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn account_id_path(&self, url: &str) -> PathBuf {
        self.folder.join("accounts").join(format!("{:016x}", stable::hash(url.as_bytes())))
    }

    fn attempts_path(&self, path: &Path) -> PathBuf {
        self.folder.join("attempts").join(path.file_stem().unwrap_or_default())
    }
}

/// The certificate that is kept at `path`, with its text; `None` where there is none that is whole.
pub(crate) fn object(path: &Path) -> Option<(Object, Vec<u8>)> {
    let text = fs::read(path).ok()?;
    let object = Object::read(&text)?;
    object.is_sound().then_some((object, text))
}

/// Makes a folder, and those that it is in.
pub(crate) fn folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).recursive(true).create(path)
}

/// A file or a folder, whatever its name: its device, its number there, and since when that is its
/// number, as another one may have it later.
pub(crate) type Identity = (u64, u64, Option<SystemTime>);

/// Which one is there; `None` where there is none.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.created().ok()))
}

fn made(now: i64) -> Result<Local, String> {
    let year = base::Date::of(now).year;
    let name = format!("gannet local authority {year} ({})", net::environment::host());
    Local::make(&name, now).map_err(|error| error.to_string())
}

/// Brings the name of a file to the disk, too.
fn settle(path: &Path) -> io::Result<()> {
    let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
    File::open(parent)?.sync_all()
}

fn explain(path: &Path, why: &str) -> String {
    format!("{}: {why}", path.display())
}

fn failed(path: &Path, error: &io::Error) -> String {
    explain(path, &advice(error))
}

/// What is wrong where something cannot be kept, and what mends it: no authority is to blame.
fn advice(error: &io::Error) -> String {
    let way_out = match error.kind() {
        ErrorKind::ReadOnlyFilesystem => "this machine has it mounted to be read only: remount it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that disk",
        ErrorKind::PermissionDenied => "give that folder to the user that starts gannet",
        _ => return error.to_string(),
    };
    format!("{error}: {way_out}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: i64 = 1_795_906_260;
    const YEAR: i64 = 365 * 86_400;

    #[test]
    fn the_local_authority_stays_and_is_followed_by_another_in_good_time() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(&folder.path().join("below"));
        let (first, trouble) = keep.local(NOW).unwrap();
        assert_eq!(trouble, None);
        let file = folder.path().join("below").join(AUTHORITY_FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, FILE_MODE);
        let again = |now| keep.local(now).unwrap().0.root_pem();
        assert_eq!(again(NOW + 8 * YEAR), first.root_pem());
        assert_eq!(keep.roots().len(), 1);
        let late = NOW + 10 * YEAR - YEAR / 2;
        assert_eq!(again(late), first.root_pem(), "it signs on");
        let roots: Vec<_> = keep.roots().iter().map(Local::root_pem).collect();
        assert_eq!((roots.len(), &roots[0]), (2, &first.root_pem()), "the next can be trusted");
        assert_eq!(again(NOW + 10 * YEAR), roots[1]);
        assert_eq!(keep.roots().len(), 1);
        let names: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing is left over: {names:?}");
    }

    /// O15 of the threats.
    #[test]
    fn what_cannot_be_kept_is_said_and_used_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let keep = Keep::at(&file.join("below"));
        let (_, trouble) = keep.local(NOW).unwrap();
        assert!(trouble.unwrap().contains("authority.pem"));
        let (key, trouble) = keep.account().unwrap();
        assert!(Key::from_pem(key.as_bytes()).is_ok());
        assert!(trouble.unwrap().contains("account.pem"));
        let said = keep.unkept(&ErrorKind::ReadOnlyFilesystem.into());
        assert!(said.contains("below: ") && said.contains("remount it"), "{said}");
    }

    #[test]
    fn accounts_and_attempts_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let (key, trouble) = keep.account().unwrap();
        assert_eq!((keep.account().unwrap().0, trouble), (key, None));
        let url = "https://ca.example/directory";
        assert_eq!(keep.account_id(url), None);
        keep.put_account_id(url, "https://ca.example/account/1").unwrap();
        assert_eq!(keep.account_id(url).as_deref(), Some("https://ca.example/account/1"));
        assert_eq!(keep.account_id("https://other.example/"), None);
        let path = folder.path().join("sites/a.example.pem");
        let mut attempts = Attempts::default();
        keep.put_attempts(&path, &attempts).unwrap();
        attempts.fail("no", None, NOW, 1);
        keep.put_attempts(&path, &attempts).unwrap();
        assert_eq!(keep.attempts(&path), attempts);
        keep.put_attempts(&path, &Attempts::default()).unwrap();
        assert_eq!(keep.attempts(&path), Attempts::default());
    }
}
