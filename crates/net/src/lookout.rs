//! Whether files have changed that are not below one folder, whatever they are behind: links, a
//! network, a mount that comes and goes. They are looked at again and again.
//!
//! A thread of its own looks, as a look may have to wait for a disk that does not answer; and that
//! thread has another one do so, which it leaves with the file that does not.

use crate::{aside::Aside, clock::wall, succession::hold_signals};
use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};
use std::{
    collections::{HashMap, HashSet},
    io, mem,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, TryRecvError},
    },
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

/// How long a look at one file may take before the others are looked at without it.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// So many files are waited for at most that do not answer, as each takes a thread: then no more is
/// asked of the file systems that they were on.
const STALLED_MAX: usize = 32;

/// A thread that looks.
#[derive(Debug)]
pub struct Lookout {
    /// What to look at, where the thread has not seen that yet.
    files: Arc<Mutex<Option<Vec<PathBuf>>>>,
    thread: Thread,
}

/// What is looked at.
#[derive(Default)]
struct Watch {
    list: Arc<[PathBuf]>,
    files: Vec<Watched>,
    /// Who looks, as that may never end.
    aside: Aside,
}

/// A file that is looked at.
#[derive(Default)]
struct Watched {
    /// What it was found to be, once it was.
    found: Option<Mark>,
    /// Whether it has changed, and nobody was told since.
    is_due: bool,
    /// What a look will come to that was not answered.
    late: Option<Receiver<Vec<Mark>>>,
}

/// Some of the files, which are looked at one after the other.
struct Pass {
    list: Arc<[PathBuf]>,
    which: Vec<usize>,
    /// How many were looked at.
    done: AtomicUsize,
}

/// What makes a file another one: device, number, length, and when it was changed.
type Mark = Option<(u32, u32, u64, u64, i64, u32)>;

/// A file system, by its numbers.
type Device = (u32, u32);

impl Lookout {
    /// Looks at no file yet. `tell` is told once for each list of files that is set, be it the same
    /// as before, then each time that one of them has changed and is the same at the next look,
    /// however restless others are; when one does not answer, which holds up the others for
    /// seconds only, and when it does so again; when the clock of the wall was set by more than an
    /// hour, and once a day in any case. The thread ends when it says false.
    ///
    /// # Errors
    ///
    /// There can be no thread.
    pub fn new(tell: impl FnMut() -> bool + Send + 'static) -> io::Result<Self> {
        let files = Arc::new(Mutex::new(None));
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
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
        self.thread.unpark();
    }
}

fn look(files: &Mutex<Option<Vec<PathBuf>>>, mut tell: impl FnMut() -> bool) {
    let mut watch = Watch::default();
    let (mut is_list_due, mut told) = (false, (Instant::now(), wall().seconds));
    loop {
        let new = files.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_new = new.is_some();
        new.into_iter().for_each(|list| watch.set(list));
        if watch.list.is_empty() {
            thread::park();
            continue;
        }
        let has_rested = watch.look() | mem::take(&mut is_list_due);
        if is_new {
            is_list_due = true;
        } else {
            let silence = told.0.elapsed();
            let was_set = was_set(silence, wall().seconds - told.1);
            if has_rested || was_set || silence >= SILENCE {
                told = (Instant::now(), wall().seconds);
                if !tell() {
                    return;
                }
            }
        }
        let period = PERIOD + TIME_OF_FILE * u32::try_from(watch.list.len()).unwrap_or(u32::MAX);
        thread::park_timeout(period);
    }
}

impl Watch {
    /// Looks at these files from now on.
    fn set(&mut self, list: Vec<PathBuf>) {
        let known = self.list.iter().cloned().zip(mem::take(&mut self.files));
        let mut known: HashMap<PathBuf, Watched> = known.collect();
        self.files = list.iter().map(|path| known.remove(path).unwrap_or_default()).collect();
        self.list = list.into();
    }

    /// Looks at all files but those that wait for a disk; whether one has changed and come to rest,
    /// or does not answer, or does so again.
    fn look(&mut self) -> bool {
        let mut is_due = false;
        for file in &mut self.files {
            file.late.take_if(|late| late.try_recv() != Err(TryRecvError::Empty));
        }
        loop {
            let which = self.awake();
            let done = AtomicUsize::new(0);
            let pass = Arc::new(Pass { list: Arc::clone(&self.list), which, done });
            let stalled = self.files.iter().filter(|file| file.late.is_some()).count();
            // It gets on as long as it comes to another file.
            let mut before = None;
            let gets_on = || {
                let done = pass.done.load(Ordering::Relaxed);
                before.replace(done) != Some(done)
            };
            // Whether it does is asked twice.
            let patience = ANSWER_TIME / (2 * (1 + stalled as u32));
            let looked_at = Arc::clone(&pass);
            match self.aside.ask(move || looked_at.marks(), patience, gets_on) {
                Ok(marks) => {
                    for (number, mark) in pass.which.iter().zip(marks) {
                        is_due |= self.files[*number].look(mark);
                    }
                    return is_due;
                }
                Err(late) => {
                    let at = pass.which.get(pass.done.load(Ordering::Relaxed));
                    let Some(file) = at.and_then(|at| self.files.get_mut(*at)) else {
                        return is_due;
                    };
                    // When it answers, that is told, too.
                    (file.late, file.is_due, is_due) = (Some(late), true, true);
                }
            }
        }
    }

    /// Which files are worth a look: those that do not wait for a disk, nor are likely to.
    fn awake(&self) -> Vec<usize> {
        let stalled: Vec<_> = self.files.iter().filter(|file| file.late.is_some()).collect();
        // Where the file of a link lies may be another file system than before, so one that does
        // not answer says little of those beside it; many do.
        let is_full = stalled.len() >= STALLED_MAX;
        let devices: HashSet<Device> = stalled.into_iter().filter_map(Watched::device).collect();
        let may_stall =
            |file: &Watched| is_full && file.device().is_none_or(|one| devices.contains(&one));
        let is_awake = |file: &Watched| file.late.is_none() && !may_stall(file);
        let files = self.files.iter().enumerate();
        files.filter_map(|(number, file)| is_awake(file).then_some(number)).collect()
    }
}

impl Watched {
    /// Takes down what it is found to be; whether it has changed and come to rest.
    fn look(&mut self, found: Mark) -> bool {
        let is_same = self.found.replace(found).is_none_or(|before| before == found);
        let has_rested = is_same && self.is_due;
        self.is_due = !is_same;
        has_rested
    }

    /// Which file system it is on, as far as is known.
    fn device(&self) -> Option<Device> {
        self.found.flatten().map(|(major, minor, ..)| (major, minor))
    }
}

impl Pass {
    /// What the files are, until nobody waits for that any more.
    fn marks(self: Arc<Self>) -> Vec<Mark> {
        let mut marks = Vec::with_capacity(self.which.len());
        for number in &self.which {
            marks.push(mark(&self.list[*number]));
            self.done.fetch_add(1, Ordering::Relaxed);
            if Arc::strong_count(&self) == 1 {
                break;
            }
        }
        marks
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
