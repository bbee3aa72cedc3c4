//! Changes of the files below a folder, told a burst at a time (inotify).
//!
//! A build that writes a thousand files is one burst: it lasts until nothing has happened for a
//! moment. What comes and goes within it, such as the scratch files of editors, is not told.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

/// How long nothing may happen before a burst counts as over: while it is one of few changes, as
/// when a file is saved, and when it has become one of many, as when a site is built, which takes
/// its time between two files.
const QUIET_TIME: Duration = Duration::from_millis(100);
const QUIET_TIME_OF_MANY: Duration = Duration::from_millis(500);

/// Changes that are few.
const FEW: usize = 5;

/// How long a burst may last; what goes on is the next one.
const BURST_TIME: Duration = Duration::from_secs(5);

/// How often a folder is looked for that has gone, as a build may make it anew.
const ABSENCE_TIME: Duration = Duration::from_millis(250);

/// Folders that are watched at most; the kernel's own limit may be lower.
const FOLDERS_MAX: usize = 16_384;

/// Paths of one burst that are told one by one; of more it is only said that they are many.
const PATHS_MAX: usize = 4096;

/// Bytes of events that one read takes.
const EVENT_BYTES: usize = 16 * 1024;

const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// A folder whose changes are told, with all folders below it. Links are not followed.
pub struct Watcher {
    root: PathBuf,
    /// Whether a name matters. A folder whose name does not is left out with all that is in it.
    is_wanted: fn(&[u8]) -> bool,
    inotify: OwnedFd,
    /// The watched folders by the kernel's numbers, as paths below the root; none while the root
    /// is not there.
    folders: HashMap<i32, PathBuf>,
    folders_max: usize,
    limit: Option<Limit>,
}

/// Why not all folders are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// They are more than are watched at most.
    Folders,
    /// The kernel allows this user no more watches.
    Kernel,
}

/// What has changed since the last burst.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Burst {
    /// Paths below the root; empty where they are too many, or where nobody knows.
    pub paths: Vec<PathBuf>,
}

/// What has happened so far in a burst.
#[derive(Default)]
struct Events {
    by_path: HashMap<PathBuf, Event>,
    /// Too much has happened to be told one by one, or some of it was lost.
    is_whole: bool,
}

/// What has happened to one name.
struct Event {
    /// It was not there before.
    is_new: bool,
    is_there: bool,
}

impl Watcher {
    /// Begins to watch `root` and the folders below it whose names are wanted. May block.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or the user has no watches left.
    pub fn new(root: &Path, is_wanted: fn(&[u8]) -> bool) -> io::Result<Self> {
        Self::bounded(root, is_wanted, FOLDERS_MAX)
    }

    fn bounded(root: &Path, is_wanted: fn(&[u8]) -> bool, folders_max: usize) -> io::Result<Self> {
        let inotify = create()?;
        let (root, folders) = (root.to_path_buf(), HashMap::new());
        let mut watcher = Self { root, is_wanted, inotify, folders, folders_max, limit: None };
        watcher.add(PathBuf::new())?;
        Ok(watcher)
    }

    /// Why not all folders are watched, where they are not.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// How many folders are watched.
    #[must_use]
    pub fn folders(&self) -> usize {
        self.folders.len()
    }

    /// Waits for the next burst and its end; `None` when nothing has changed for `patience`.
    ///
    /// # Errors
    ///
    /// The kernel tells nothing more.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<Burst>> {
        let give_up = Instant::now() + patience;
        loop {
            let mut events = Events::default();
            while events.is_empty() {
                let left = give_up.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                self.watch_again(&mut events)?;
                let pause = if self.folders.is_empty() { left.min(ABSENCE_TIME) } else { left };
                if events.is_empty() && is_readable(&self.inotify, pause)? {
                    self.read(&mut events)?;
                }
            }
            let end = Instant::now() + BURST_TIME;
            while Instant::now() < end && is_readable(&self.inotify, events.quiet_time())? {
                self.read(&mut events)?;
            }
            if let Some(burst) = events.into_burst() {
                return Ok(Some(burst));
            }
        }
    }

    /// Looks for a root that has gone.
    fn watch_again(&mut self, events: &mut Events) -> io::Result<()> {
        if self.folders.is_empty() && fs::symlink_metadata(&self.root).is_ok_and(|m| m.is_dir()) {
            self.inotify = create()?;
            self.add(PathBuf::new())?;
            events.is_whole = true;
        }
        Ok(())
    }

    /// Watches `folder` and what is below it.
    fn add(&mut self, folder: PathBuf) -> io::Result<()> {
        let flags =
            CHANGES | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW | WatchFlags::EXCL_UNLINK;
        let mut pending = vec![folder];
        while let Some(folder) = pending.pop() {
            if self.folders.len() >= self.folders_max {
                self.limit = Some(Limit::Folders);
                return Ok(());
            }
            // Joining an empty path would add a slash.
            let is_root = folder.as_os_str().is_empty();
            let path = if is_root { self.root.clone() } else { self.root.join(&folder) };
            match inotify::add_watch(&self.inotify, &path, flags) {
                Ok(number) => drop(self.folders.insert(number, folder.clone())),
                Err(error) if is_root => return Err(error.into()),
                Err(Errno::NOSPC | Errno::NOMEM) => {
                    self.limit = Some(Limit::Kernel);
                    return Ok(());
                }
                // It has gone already, or is not for this user to read.
                Err(_) => continue,
            }
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let inside = entries.filter(|entry| {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                is_folder && (self.is_wanted)(entry.file_name().as_bytes())
            });
            pending.extend(inside.map(|entry| folder.join(entry.file_name())));
        }
        Ok(())
    }

    /// Takes in what the kernel has to tell.
    fn read(&mut self, events: &mut Events) -> io::Result<()> {
        let mut room = vec![MaybeUninit::uninit(); EVENT_BYTES];
        let mut told = Vec::new();
        let mut reader = Reader::new(&self.inotify, &mut room);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    told.push((event.wd(), event.events(), name.map(PathBuf::from)));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        for (number, what, name) in told {
            self.take(number, what, name, events)?;
        }
        Ok(())
    }

    /// Takes in one event.
    fn take(
        &mut self,
        number: i32,
        what: ReadFlags,
        name: Option<PathBuf>,
        events: &mut Events,
    ) -> io::Result<()> {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            events.is_whole = true;
            return self.add(PathBuf::new());
        }
        let Some(folder) = self.folders.get(&number) else { return Ok(()) };
        let Some(name) = name else {
            // It has gone; a root may come back.
            if folder.as_os_str().is_empty() {
                self.folders.clear();
                events.is_whole = true;
            } else if what.contains(ReadFlags::IGNORED) {
                self.folders.remove(&number);
            }
            return Ok(());
        };
        if !(self.is_wanted)(name.as_os_str().as_bytes()) {
            return Ok(());
        }
        let path = folder.join(name);
        let comes = what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        let goes = what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
        if comes && what.contains(ReadFlags::ISDIR) {
            self.add(path.clone())?;
        }
        events.note(path, comes, goes);
        Ok(())
    }
}

impl Events {
    fn is_empty(&self) -> bool {
        self.by_path.is_empty() && !self.is_whole
    }

    fn quiet_time(&self) -> Duration {
        let are_few = self.by_path.len() <= FEW && !self.is_whole;
        if are_few { QUIET_TIME } else { QUIET_TIME_OF_MANY }
    }

    fn note(&mut self, path: PathBuf, comes: bool, goes: bool) {
        if self.by_path.len() >= PATHS_MAX {
            self.is_whole = true;
            self.by_path.clear();
        }
        let event = self.by_path.entry(path).or_insert(Event { is_new: comes, is_there: true });
        event.is_there = !goes;
    }

    /// What is left of it when it is over; `None` if that is nothing.
    fn into_burst(self) -> Option<Burst> {
        if self.is_whole {
            return Some(Burst::default());
        }
        let left = self.by_path.into_iter().filter(|(_, event)| !event.is_new || event.is_there);
        let mut paths: Vec<PathBuf> = left.map(|(path, _)| path).collect();
        paths.sort_unstable();
        (!paths.is_empty()).then_some(Burst { paths })
    }
}

fn create() -> io::Result<OwnedFd> {
    Ok(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)
}

/// Waits for something to read.
fn is_readable(inotify: &OwnedFd, patience: Duration) -> io::Result<bool> {
    let patience = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&patience)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wanted(name: &[u8]) -> bool {
        !name.starts_with(b".") && !name.ends_with(b"~")
    }

    /// What is told of what `change` does in a folder with a few files.
    fn check(change: impl FnOnce(&Path), expect: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir_all(root.join(".git/objects")).unwrap();
        fs::write(root.join("a/b/page.html"), "old").unwrap();
        fs::write(root.join("style.css"), "old").unwrap();
        let mut watcher = Watcher::new(&root, is_wanted).unwrap();
        assert_eq!((watcher.folders(), watcher.limit()), (3, None));
        change(&root);
        // A change that is always told ends the wait for those that are not.
        fs::write(root.join("z-end"), "").unwrap();
        let mut paths = Vec::new();
        while !paths.contains(&PathBuf::from("z-end")) {
            let burst = watcher.wait(Duration::from_secs(20)).unwrap().unwrap();
            paths.extend(burst.paths);
        }
        let end = paths.pop();
        assert_eq!(end, Some(PathBuf::from("z-end")));
        assert_eq!(paths, expect.iter().map(PathBuf::from).collect::<Vec<_>>());
    }

    #[test]
    fn what_has_changed_is_told() {
        check(|root| fs::write(root.join("a/b/page.html"), "new").unwrap(), &["a/b/page.html"]);
        check(|root| fs::remove_file(root.join("style.css")).unwrap(), &["style.css"]);
        check(
            |root| {
                fs::create_dir_all(root.join("new/below")).unwrap();
                fs::write(root.join("new/below/page.html"), "").unwrap();
            },
            &["new"],
        );
        check(|root| fs::write(root.join(".git/index"), "").unwrap(), &[]);
        check(|root| fs::write(root.join(".git/objects/1"), "").unwrap(), &[]);
    }

    /// As vim does it with a backup, as sed does it, and as those do it that write beside the file.
    #[test]
    fn how_an_editor_saves_a_file_makes_no_difference() {
        let save = |scratch: &'static str, backup: &'static str| {
            move |root: &Path| {
                let css = root.join("style.css");
                fs::write(root.join("4913"), "").unwrap();
                fs::remove_file(root.join("4913")).unwrap();
                if !backup.is_empty() {
                    fs::rename(&css, root.join(backup)).unwrap();
                }
                fs::write(root.join(scratch), "new").unwrap();
                fs::rename(root.join(scratch), &css).unwrap();
            }
        };
        check(save("style.css.tmp", "style.css~"), &["style.css"]);
        check(save("sedx7Ay1", ""), &["style.css"]);
        check(save(".style.css.swp", ""), &["style.css"]);
    }

    #[test]
    fn a_folder_that_is_new_or_was_moved_is_watched_too() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        fs::create_dir_all(root.join("old")).unwrap();
        let mut watcher = Watcher::new(&root, is_wanted).unwrap();
        let mut check = |path: &str| {
            let burst = watcher.wait(Duration::from_secs(20)).unwrap().unwrap();
            assert!(burst.paths.contains(&path.into()), "{path}: {burst:?}");
        };
        fs::create_dir(root.join("new")).unwrap();
        check("new");
        fs::write(root.join("new/page.html"), "").unwrap();
        check("new/page.html");
        fs::rename(root.join("old"), root.join("moved")).unwrap();
        check("moved");
        fs::write(root.join("moved/page.html"), "").unwrap();
        check("moved/page.html");
    }

    /// As builds do it that begin with a clean output folder.
    #[test]
    fn a_root_that_is_made_anew_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("site");
        fs::create_dir(&root).unwrap();
        let mut watcher = Watcher::new(&root, is_wanted).unwrap();
        let mut wait = || watcher.wait(Duration::from_secs(20)).unwrap().unwrap();
        fs::remove_dir(&root).unwrap();
        assert_eq!(wait(), Burst::default());
        fs::create_dir(&root).unwrap();
        assert_eq!(wait(), Burst::default());
        fs::write(root.join("page.html"), "").unwrap();
        assert_eq!(wait().paths, [PathBuf::from("page.html")]);
    }

    #[test]
    fn more_folders_than_are_watched_at_most_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b/c")).unwrap();
        let watched = |folders_max| {
            let watcher = Watcher::bounded(folder.path(), is_wanted, folders_max).unwrap();
            (watcher.folders(), watcher.limit())
        };
        assert_eq!(watched(4), (4, None));
        assert_eq!(watched(3), (3, Some(Limit::Folders)));
    }

    #[test]
    fn a_thousand_files_are_one_burst() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(folder.path(), is_wanted).unwrap();
        for number in 0..1000 {
            fs::write(folder.path().join(format!("{number}.html")), "").unwrap();
        }
        let burst = watcher.wait(Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(burst.paths.len(), 1000);
        assert_eq!(watcher.wait(Duration::from_millis(1)).unwrap(), None);
    }
}
