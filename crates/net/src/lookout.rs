//! Whether files have changed that are not below one folder, whatever they are behind: links, a
//! network, a mount that comes and goes. They are looked at again and again.
//!
//! A thread of its own looks, as a look may have to wait for a disk that does not answer.

use crate::{clock::wall, succession::hold_signals};
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};
use std::{
    io, mem,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Time between two looks, and as much more for each file that there is to look at.
const PERIOD: Duration = Duration::from_millis(500);
const TIME_OF_FILE: Duration = Duration::from_micros(500);

/// How long it may be silent where nothing changes.
const SILENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// By how much the clock of the wall has to be set to matter: what depends on it lives for days.
const SET_SECONDS: u64 = 60 * 60;

/// A thread that looks.
#[derive(Debug)]
pub struct Lookout {
    files: Arc<Mutex<Files>>,
    thread: Thread,
}

/// What to look at.
#[derive(Debug, Default)]
struct Files {
    list: Vec<PathBuf>,
    /// Whether the thread has not seen it yet.
    is_new: bool,
}

/// A file that is looked at.
struct Watched {
    mark: Mark,
    /// Whether it has changed, and nobody was told since.
    is_due: bool,
}

/// What makes a file another one: device, number, length, and when it was changed.
type Mark = Option<(u32, u32, u64, u64, i64, u32)>;

impl Lookout {
    /// Looks at no file yet. `tell` is told once for each list of files that is set, be it the same
    /// as before, then each time that one of them has changed and is the same at the next look,
    /// however restless others are; when the clock of the wall was set by more than an hour, and
    /// once a day in any case. The thread ends when it says false.
    ///
    /// # Errors
    ///
    /// There can be no thread.
    pub fn new(tell: impl FnMut() -> bool + Send + 'static) -> io::Result<Self> {
        let files = Arc::new(Mutex::new(Files::default()));
        let list = Arc::clone(&files);
        let thread = thread::Builder::new().name("gannet-lookout".to_owned());
        let work = move || {
            // They are for the thread that does something about them.
            hold_signals();
            look(&list, tell);
        };
        let thread = thread.spawn(work)?.thread().clone();
        Ok(Self { files, thread })
    }

    /// Looks at these files from now on.
    pub fn set(&self, files: Vec<PathBuf>) {
        let files = Files { list: files, is_new: true };
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        self.thread.unpark();
    }
}

fn look(files: &Mutex<Files>, mut tell: impl FnMut() -> bool) {
    let mut watched: Vec<Watched> = Vec::new();
    let (mut is_list_due, mut told) = (false, (Instant::now(), wall().seconds));
    loop {
        let (list, is_new) = {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            (files.list.clone(), mem::take(&mut files.is_new))
        };
        if list.is_empty() {
            thread::park();
            continue;
        }
        if is_new {
            let as_found = |path| Watched { mark: mark(path), is_due: false };
            (watched, is_list_due) = (list.iter().map(as_found).collect(), true);
        } else {
            let mut has_rested = mem::take(&mut is_list_due);
            for (path, file) in list.iter().zip(&mut watched) {
                has_rested |= file.look(mark(path));
            }
            let silence = told.0.elapsed();
            let was_set = was_set(silence, wall().seconds - told.1);
            if has_rested || was_set || silence >= SILENCE {
                told = (Instant::now(), wall().seconds);
                if !tell() {
                    return;
                }
            }
        }
        let period = PERIOD + TIME_OF_FILE * u32::try_from(list.len()).unwrap_or(u32::MAX);
        thread::park_timeout(period);
    }
}

impl Watched {
    /// Takes down what it is found to be; whether it has changed and come to rest.
    fn look(&mut self, found: Mark) -> bool {
        let is_same = mem::replace(&mut self.mark, found) == found;
        let has_rested = is_same && self.is_due;
        self.is_due = !is_same;
        has_rested
    }
}

/// Whether the clock of the wall was set, by which so many seconds have passed in that time.
fn was_set(time: Duration, seconds: i64) -> bool {
    let real = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_sub(real).unsigned_abs() > SET_SECONDS
}

/// What the file at `path` is now; links are followed.
fn mark(path: &PathBuf) -> Mark {
    let wanted = StatxFlags::INO | StatxFlags::SIZE | StatxFlags::CTIME;
    let Statx { stx_dev_major, stx_dev_minor, stx_ino, stx_size, stx_ctime, .. } =
        statx(CWD, path, AtFlags::empty(), wanted).ok()?;
    Some((stx_dev_major, stx_dev_minor, stx_ino, stx_size, stx_ctime.tv_sec, stx_ctime.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink, sync::mpsc};

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        for (time, seconds, expect) in [
            (10, 10, false),
            (10, 9, false),
            (86_400, 86_000, false),
            (10, 3_611, true),
            (10, -3_591, true),
            (10, 1_800_000_000, true),
            (u64::MAX, i64::MIN, true),
        ] {
            assert_eq!(was_set(Duration::from_secs(time), seconds), expect, "{time} {seconds}");
        }
    }

    #[test]
    fn what_changes_behind_a_link_is_told_and_what_does_not_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("one"), "1").unwrap();
        fs::write(path("two"), "2").unwrap();
        symlink("one", path("current")).unwrap();
        let (sender, told) = mpsc::channel();
        let lookout = Lookout::new(move || sender.send(()).is_ok()).unwrap();
        lookout.set(vec![path("current"), path("absent")]);
        told.recv().unwrap();
        assert!(told.recv_timeout(PERIOD * 3).is_err(), "nothing has changed");
        // Whoever sets a list may know an older state of its files.
        lookout.set(vec![path("current"), path("absent")]);
        told.recv().unwrap();
        symlink("two", path("next")).unwrap();
        fs::rename(path("next"), path("current")).unwrap();
        told.recv().unwrap();
        fs::write(path("absent"), "3").unwrap();
        told.recv().unwrap();
        fs::remove_file(path("two")).unwrap();
        told.recv().unwrap();
    }

    /// A tenant who touches a file of his own all the time holds up nobody else's.
    #[test]
    fn a_file_that_never_rests_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["restless", "other"] {
            fs::write(path(name), "0").unwrap();
        }
        let (stop, is_stopped) = mpsc::channel::<()>();
        let restless = path("restless");
        let touching = thread::spawn(move || {
            let mut written = 0;
            while is_stopped.recv_timeout(PERIOD / 20) == Err(mpsc::RecvTimeoutError::Timeout) {
                written += 1;
                fs::write(&restless, "1".repeat(written)).unwrap();
            }
        });
        let (sender, told) = mpsc::channel();
        let lookout = Lookout::new(move || sender.send(()).is_ok()).unwrap();
        lookout.set(vec![path("restless"), path("other")]);
        told.recv_timeout(PERIOD * 20).expect("the list is told of");
        fs::write(path("other"), "changed").unwrap();
        told.recv_timeout(PERIOD * 20).expect("so is who has changed and rests");
        drop(stop);
        touching.join().unwrap();
    }
}
