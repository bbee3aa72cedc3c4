//! What is kept of certificates that come by themselves: one folder, which only its owner reads.
//!
//! ```text
//!   authority.pem         the local authority: its key and its root
//!   next-authority.pem    the one that takes its place, in the last year of its life
//!   old-authority.pem     the one before
//!   account.pem           the key by which authorities of the world are asked
//!   accounts/HASH         what one of those calls it
//!   accounts/HASH.pause   until when one of those wants to be left alone, and why
//!   sites/HOST.pem        a certificate with its key, and who has issued it
//!   sites/HOST.lock       whose turn it is to ask for that
//!   attempts/HOST         what went wrong of late, and when to try once more
//! ```
//!
//! A file is whole or not there, whenever this process is killed: it is written beside its place,
//! brought to the disk, and moved there. What root makes is its owner's whose folder it is in: a
//! server that is not root's reads it, too.

mod authority;

use base::stable;
use certs::{Attempts, Key, Object, Term};
use config::plan::{Issuing, file_of};
use net::{folder::Folder, stat::Room};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, ErrorKind, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const ACCOUNT: &str = "account.pem";
const ACCOUNTS: &str = "accounts";
const ATTEMPTS: &str = "attempts";
const SITES: &str = "sites";

/// How notes of who wants to be left alone end.
pub(crate) const PAUSE: &str = "pause";

/// Seconds that whoever has a turn may take: longer than all that is done in one, unless a program
/// of the operator's is slow. Then others go on without.
const TURN_SECONDS: u64 = 15 * 60;

/// How old what is written beside its place may become. By then it is nobody's: whoever has written
/// it was killed.
const BESIDE_SECONDS: i64 = 60 * 60;

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

    /// Why nothing can be kept, where the folder is not there or only read.
    pub(crate) fn trouble(&self) -> Option<String> {
        let why = match fs::metadata(&self.folder) {
            Ok(found) if !found.is_dir() => "is no folder".to_owned(),
            Ok(_) if Room::of(&self.folder).is_ok_and(|room| room.is_only_read) => {
                advice(&ErrorKind::ReadOnlyFilesystem.into())
            }
            // Who may not look into it knows nothing of what is there.
            Ok(_) => match fs::read_dir(&self.folder) {
                Ok(_) => return None,
                Err(error) => {
                    let why = format!("this user cannot read it: {error}");
                    return Some(explain(&self.folder, &why));
                }
            },
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

    /// What an authority calls a key: `whom` is both, as [`introduced`] says it.
    pub(crate) fn account_id(&self, whom: &str) -> Option<String> {
        let text = fs::read_to_string(self.noted(whom)).ok()?;
        Some(text.trim().to_owned()).filter(|id| id.starts_with("https://"))
    }

    /// Waits until nobody else introduces that key to that authority: it may not take one twice at
    /// a time.
    pub(crate) fn introduction(&self, whom: &str) -> io::Result<File> {
        self.turn(&self.noted(whom))
    }

    /// Notes what an authority calls it.
    pub(crate) fn put_account_id(&self, whom: &str, id: &str) -> io::Result<()> {
        self.put(&self.noted(whom), &format!("{id}\n"))
    }

    /// Whether `whom` wants to be left alone, an authority with one certificate or with all.
    pub(crate) fn pause(&self, whom: &str) -> Attempts {
        Attempts::read(&fs::read(self.pause_path(whom)).unwrap_or_default())
    }

    /// Where that is noted.
    pub(crate) fn pause_path(&self, whom: &str) -> PathBuf {
        self.noted(whom).with_extension(PAUSE)
    }

    /// What went wrong of late with the certificate that is kept at `path`.
    pub(crate) fn attempts(&self, path: &Path) -> Attempts {
        let text = fs::read(self.attempts_path(path)).unwrap_or_default();
        Attempts::read(&text)
    }

    /// Writes such a note; there is none where nothing went wrong.
    pub(crate) fn note(&self, note: &Path, attempts: &Attempts) -> io::Result<()> {
        match attempts.failures {
            0 => match fs::remove_file(note) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            _ => self.put(note, &attempts.write()),
        }
    }

    /// Waits until nobody else asks for the certificate that is kept at `path`; others wait as long
    /// as what is returned is there, though not for ever: who has stopped holds nobody up.
    pub(crate) fn turn(&self, path: &Path) -> io::Result<File> {
        self.turn_within(path, net::failpoint::number("turn", TURN_SECONDS))
    }

    /// The same within so many seconds.
    pub(crate) fn turn_within(&self, path: &Path, seconds: u64) -> io::Result<File> {
        Folder::make(path.parent().unwrap_or(&self.folder))?;
        net::lock::take(&path.with_extension("lock"), Duration::from_secs(seconds))
    }

    /// Removes what others have left beside its place that were killed.
    pub(crate) fn sweep(&self, now: i64) {
        // A link leads to what was never written here.
        let is_own = |folder: &PathBuf| fs::symlink_metadata(folder).is_ok_and(|one| one.is_dir());
        let below = [SITES, ACCOUNTS, ATTEMPTS].map(|name| self.path(name)).into_iter();
        let folders = below.filter(is_own).chain([self.folder.clone()]).map(fs::read_dir);
        for entry in folders.flatten().flatten().flatten() {
            let is_beside = entry.file_name().as_encoded_bytes().starts_with(b".");
            let is_old = |found: fs::Metadata| found.mtime() < now - BESIDE_SECONDS;
            if is_beside && entry.metadata().is_ok_and(is_old) {
                // What cannot be removed now can be next time.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Puts a text into the file `path` below the folder, in one step.
    pub(crate) fn put(&self, path: &Path, text: &str) -> io::Result<()> {
        self.put_by(Folder::rename, path, text)
    }

    /// The same where nothing is there yet.
    fn put_new(&self, path: &Path, text: &str) -> io::Result<()> {
        self.put_by(Folder::rename_new, path, text)
    }

    fn put_by(&self, rename: Rename, path: &Path, text: &str) -> io::Result<()> {
        let folder = Folder::make(path.parent().unwrap_or(&self.folder))?;
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let beside = write(&folder, text)?;
        rename(&folder, &beside, name).inspect_err(|_| drop(folder.remove(&beside)))?;
        folder.settle()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where what is known of `whom` is noted.
    fn noted(&self, whom: &str) -> PathBuf {
        self.path(ACCOUNTS).join(format!("{:016x}", stable::hash(whom.as_bytes())))
    }

    /// Where it is noted what went wrong with the certificate that is kept at `path`.
    pub(crate) fn attempts_path(&self, path: &Path) -> PathBuf {
        self.path(ATTEMPTS).join(path.file_stem().unwrap_or_default())
    }
}

/// An authority to which a key is introduced: each of them calls each key something else.
pub(crate) fn introduced(url: &str, thumbprint: &str) -> String {
    format!("{url} {thumbprint}")
}

/// The certificate that is kept at `path`, with its text; `None` where there is none that is whole.
pub(crate) fn object(path: &Path) -> Option<(Object, Vec<u8>)> {
    let text = fs::read(path).ok()?;
    let object = Object::read(&text)?;
    object.is_sound().then_some((object, text))
}

/// Why it is not known whether there is a certificate at `path`, where that is so.
pub(crate) fn unreadable(path: &Path) -> Option<String> {
    let error = File::open(path).err().filter(|error| {
        // Where a folder is missing or is none, there is no certificate.
        !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    })?;
    let way_out = "ask as the user that starts gannet, or as root";
    Some(explain(path, &format!("{error}: {way_out}")))
}

/// The best of those that are kept for `hosts`, whose place is `path`: the one that is there, or
/// where it is not for all of them, the one for most, which may be kept since another one of the
/// hosts was first. `None` where none is for any.
pub(crate) fn best(path: &Path, hosts: &[Box<str>]) -> Option<(Object, Vec<u8>)> {
    let own = object(path);
    if own.as_ref().is_some_and(|(object, _)| object.covers(hosts)) {
        return own;
    }
    let places = hosts.iter().map(|host| path.with_file_name(file_of(host)));
    let others = places.filter(|place| place != path).filter_map(|place| object(&place));
    let all = own.into_iter().chain(others);
    let missing = |(object, _): &(Object, Vec<u8>)| object.missing(hosts).len();
    // Of those for as many the first.
    all.filter(|found| missing(found) < hosts.len()).min_by_key(missing)
}

/// From when until when a certificate holds, where it is the one that is wanted: for all of these
/// hosts, of an authority that is asked.
pub(crate) fn term(object: &Object, hosts: &[Box<str>], issuing: &Issuing) -> Option<Term> {
    let is_asked = issuing.authorities.iter().any(|one| one.url == object.authority);
    if is_asked && object.covers(hosts) { object.term() } else { None }
}

/// How what is written beside its place gets there.
type Rename = fn(&Folder, &OsStr, &OsStr) -> io::Result<()>;

/// Writes a text to the disk, in that folder, under a name that nobody else ever takes.
fn write(folder: &Folder, text: &str) -> io::Result<OsString> {
    // On another machine that shares the folder a process may have the same number.
    let number = u64::from_ne_bytes(net::random::bytes()?);
    // The name of what it becomes may be as long as names can be.
    let beside = OsString::from(format!(".{number:016x}"));
    let mut file = folder.create(&beside)?;
    net::failpoint::hit("keep");
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(folder.remove(&beside)))?;
    Ok(beside)
}

/// A file or a folder, whatever its name: its device, its number there, and since when that is its
/// number, as another one may have it later.
pub(crate) type Identity = (u64, u64, Option<SystemTime>);

/// Which one is there; `None` where there is none.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.created().ok()))
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
    use config::plan::Authority;

    const NOW: i64 = 1_795_906_260;

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

    /// Whoever owns the folder could have root give away what is not theirs.
    #[test]
    fn a_link_in_the_place_of_a_lock_gives_nothing_away() {
        const OTHER: u32 = 4242;
        let (folder, ours) =
            (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let sites = folder.path().join(SITES);
        fs::create_dir(&sites).unwrap();
        std::os::unix::fs::chown(&sites, Some(OTHER), Some(OTHER)).unwrap();
        std::os::unix::fs::symlink(ours.path(), sites.join("a.example.lock")).unwrap();
        let owner = || fs::metadata(ours.path()).unwrap().uid();
        let (keep, before) = (Keep::at(folder.path()), owner());
        assert!(keep.turn_within(&sites.join("a.example.pem"), 0).is_err());
        assert_eq!(owner(), before);
        keep.turn_within(&sites.join("b.example.pem"), 0).unwrap();
        assert_eq!(fs::metadata(sites.join("b.example.lock")).unwrap().uid(), OTHER);
    }

    #[test]
    fn accounts_and_attempts_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let (key, trouble) = keep.account().unwrap();
        assert_eq!((keep.account().unwrap().0, trouble), (key, None));
        let whom = introduced("https://ca.example/directory", "one key");
        assert_eq!(keep.account_id(&whom), None);
        keep.put_account_id(&whom, "https://ca.example/account/1").unwrap();
        assert_eq!(keep.account_id(&whom).as_deref(), Some("https://ca.example/account/1"));
        for (url, key) in
            [("https://ca.example/directory", "another"), ("https://b.example/", "one key")]
        {
            assert_eq!(keep.account_id(&introduced(url, key)), None);
        }
        let pause = Attempts::paused("too many", Duration::from_secs(60), NOW);
        keep.note(&keep.pause_path(&whom), &pause).unwrap();
        assert_eq!((keep.pause(&whom), keep.pause("another")), (pause, Attempts::default()));
        assert!(keep.account_id(&whom).is_some());
        keep.note(&keep.pause_path(&whom), &Attempts::default()).unwrap();
        assert_eq!(keep.pause(&whom), Attempts::default());
        let path = folder.path().join("sites/a.example.pem");
        let (mut attempts, note) = (Attempts::default(), keep.attempts_path(&path));
        keep.note(&note, &attempts).unwrap();
        attempts.fail("no", None, NOW, 1);
        keep.note(&note, &attempts).unwrap();
        assert_eq!(keep.attempts(&path), attempts);
        keep.note(&note, &Attempts::default()).unwrap();
        assert_eq!(keep.attempts(&path), Attempts::default());
    }

    #[test]
    fn a_certificate_for_some_of_the_hosts_is_better_than_none() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let hosts = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<_>>();
        let path = |host: &str| folder.path().join(SITES).join(file_of(host));
        let put = |names: &[&str]| {
            let pem = certs::stand_in(&hosts(names), NOW).unwrap();
            let authority = "https://ca.example/directory".to_owned();
            let object = Object { authority, issued: NOW, window: None, is_early: false, pem };
            keep.put(&path(names[0]), &object.write()).unwrap();
            object
        };
        let found = |names: &[&str]| {
            best(&path(names[0]), &hosts(names)).map(|(object, text)| {
                assert_eq!(Object::read(&text).as_ref(), Some(&object));
                object
            })
        };
        assert_eq!(found(&["a.example"]), None);
        let one = put(&["a.example"]);
        assert_eq!(found(&["a.example", "www.a.example"]), Some(one.clone()), "a name has come");
        assert_eq!(found(&["www.a.example", "a.example"]), Some(one.clone()), "and is the first");
        assert_eq!(found(&["b.example"]), None);
        let both = put(&["*.a.example", "a.example"]);
        let wanted = ["a.example", "www.a.example", "*.a.example"];
        assert_eq!(found(&wanted), Some(both), "it is for more of them");
        assert_eq!(found(&["a.example"]), Some(one.clone()));
        let asked = |url: &str| Authority { url: url.to_owned(), ..Authority::default() };
        let term = |url, names: &[&str]| {
            let authorities = vec![asked("https://b.example/"), asked(url)];
            let issuing = Issuing { authorities, ..Issuing::default() };
            term(&one, &hosts(names), &issuing)
        };
        assert_eq!(term("https://ca.example/directory", &["a.example"]), one.term());
        assert_eq!(term("https://ca.example/directory", &wanted), None, "another name");
        assert_eq!(term("https://c.example/", &["a.example"]), None, "nobody asks there");
    }

    #[test]
    fn what_somebody_has_left_who_was_killed_goes_after_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let path = folder.path().join("sites/a.example.pem");
        keep.put(&path, "text").unwrap();
        let beside = Folder::open(path.parent().unwrap()).unwrap();
        let left = path.with_file_name(write(&beside, "half of").unwrap());
        let written = fs::metadata(&left).unwrap().mtime();
        keep.sweep(written + BESIDE_SECONDS);
        assert!(left.exists(), "somebody may be at it");
        keep.sweep(written + BESIDE_SECONDS + 1);
        assert!(path.exists() && !left.exists());
        // Nothing that a link leads to was ever written here.
        let other = tempfile::tempdir().unwrap();
        let theirs = other.path().join(".theirs");
        fs::write(&theirs, "text").unwrap();
        std::os::unix::fs::symlink(other.path(), folder.path().join(ATTEMPTS)).unwrap();
        keep.sweep(i64::MAX);
        assert!(theirs.exists());
    }

    #[test]
    fn the_longest_host_can_be_kept_and_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let host = [&["a"; 126][..], &["b"]].concat().join(".");
        let path = folder.path().join(SITES).join(file_of(&host));
        keep.put(&path, "text").unwrap();
        assert!(host.len() == 253 && fs::read(&path).unwrap() == b"text");
        keep.turn_within(&path, 0).unwrap();
        let note = keep.attempts_path(&path);
        keep.note(&note, &Attempts::paused("no", Duration::ZERO, NOW)).unwrap();
        assert_eq!(keep.attempts(&path).failures, 1);
    }
}
