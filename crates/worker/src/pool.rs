//! The bounded pool of threads for work that may block: cold disks, listings, passwords.
//!
//! Work is queued in lanes, and no lane gets all of the threads: a root on a dead network disk
//! stalls itself, never the others, and who tries passwords holds up nobody but those who do, too.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Jobs of one folder, or of all spills, that may wait for a thread; more are turned away with 503.
const FOLDER_WAITING_MAX: usize = 1024;

/// Passwords that may wait for a thread; more are turned away with 503. Each takes its time, so a
/// long queue would answer those who have given up.
const PASSWORDS_WAITING_MAX: usize = 64;

/// What the error log says of a job that is turned away.
pub(crate) const POOL_IS_FULL: &str = "too much work waits for the pool of threads";

/// How long a thread waits for work before it ends. For a loop that is alone in its process again,
/// the kernel finds descriptors without counting who else uses them.
const IDLE_TIME: Duration = Duration::from_secs(2);

type Work = Box<dyn FnOnce() + Send>;

/// What work stands in line with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// What reads the folder of this number.
    Folder(usize),
    /// What writes and reads what memory is too dear for.
    Spill,
    /// What checks passwords, of whatever site: it is the processor they share.
    Passwords,
}

impl Lane {
    fn waiting_max(self) -> usize {
        match self {
            Self::Folder(_) | Self::Spill => FOLDER_WAITING_MAX,
            Self::Passwords => PASSWORDS_WAITING_MAX,
        }
    }
}

/// Threads that start when there is work for them, up to a bound.
pub(crate) struct Pool {
    state: Mutex<State>,
    work_came: Condvar,
    threads_max: usize,
    passwords_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Lane, Work)>,
    /// Jobs under way and waiting, by lane; lanes without any are not in it.
    loads: Vec<Load>,
    threads: usize,
    idle: usize,
}

struct Load {
    lane: Lane,
    running: usize,
    waiting: usize,
}

impl Pool {
    /// A pool of at most `threads_max` threads, none of them started yet, of which at most
    /// `passwords_max` check passwords at a time.
    pub(crate) fn new(threads_max: usize, passwords_max: usize) -> Arc<Self> {
        let threads_max = threads_max.max(2);
        let passwords_max = passwords_max.clamp(1, threads_max - 1);
        let (state, work_came) = (Mutex::default(), Condvar::new());
        Arc::new(Self { state, work_came, threads_max, passwords_max })
    }

    /// Queues the `work` in `lane`, which is asked for only if there is room for it; false if too
    /// much of it waits already or no thread can be had.
    pub(crate) fn submit(self: &Arc<Self>, lane: Lane, work: impl FnOnce() -> Work) -> bool {
        let mut state = self.lock();
        let load = state.load(lane);
        if load.waiting >= lane.waiting_max() {
            return false;
        }
        load.waiting += 1;
        state.queue.push_back((lane, work()));
        let spare = state.idle;
        if state.queue.len() > spare && state.threads < self.threads_max {
            state.threads += 1;
            drop(state);
            if self.spawn().is_err() {
                let mut state = self.lock();
                state.threads -= 1;
                if state.threads == 0 {
                    state.queue.clear();
                    state.loads.clear();
                    return false;
                }
            }
        }
        self.work_came.notify_one();
        true
    }

    fn spawn(self: &Arc<Self>) -> io::Result<thread::JoinHandle<()>> {
        let pool = Arc::clone(self);
        thread::Builder::new().name("gannet-pool".to_owned()).spawn(move || pool.serve())
    }

    /// A thread's life: takes work until there has been none for a while.
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if let Some((lane, work)) = state.take(|lane| self.share(lane)) {
                drop(state);
                // What panics here has lost its answer, which its connection notices; the thread
                // goes on.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                state = self.lock();
                state.finish(lane);
                continue;
            }
            state.idle += 1;
            let waited = self.work_came.wait_timeout(state, IDLE_TIME);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = again;
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    /// The threads that one lane may have.
    fn share(&self, lane: Lane) -> usize {
        match lane {
            Lane::Folder(_) | Lane::Spill => self.threads_max / 2,
            Lane::Passwords => self.passwords_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(&mut self, lane: Lane) -> &mut Load {
        let at = self.loads.iter().position(|load| load.lane == lane).unwrap_or_else(|| {
            self.loads.push(Load { lane, running: 0, waiting: 0 });
            self.loads.len() - 1
        });
        &mut self.loads[at]
    }

    /// The oldest work whose lane has a thread left of its `share`.
    fn take(&mut self, share: impl Fn(Lane) -> usize) -> Option<(Lane, Work)> {
        let loads = &self.loads;
        let may_run =
            |lane: Lane| loads.iter().all(|load| load.lane != lane || load.running < share(lane));
        let at = self.queue.iter().position(|(lane, _)| may_run(*lane))?;
        let (lane, work) = self.queue.remove(at)?;
        let load = self.load(lane);
        load.waiting -= 1;
        load.running += 1;
        Some((lane, work))
    }

    fn finish(&mut self, lane: Lane) {
        self.load(lane).running -= 1;
        self.loads.retain(|load| load.running + load.waiting > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Fills `lane` with `count` jobs that wait for the sender to go; how many it took.
    fn fill(pool: &Arc<Pool>, lane: Lane, count: usize) -> (usize, mpsc::Sender<()>) {
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let job = |_: &usize| {
            let held = Arc::clone(&held);
            let wait = move || {
                let _ = held.lock().unwrap().recv();
            };
            pool.submit(lane, || Box::new(wait))
        };
        ((0..count).filter(job).count(), release)
    }

    /// Waits until a job of `lane` is done.
    fn is_served(pool: &Arc<Pool>, lane: Lane) {
        let (done, wait) = mpsc::channel();
        assert!(pool.submit(lane, || Box::new(move || done.send(()).unwrap())));
        wait.recv_timeout(Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn a_lane_that_stalls_leaves_threads_to_the_others() {
        let check = |lane| {
            let pool = Pool::new(4, 9);
            let (taken, _release) = fill(&pool, lane, 8);
            assert_eq!(taken, 8);
            is_served(&pool, Lane::Folder(1));
        };
        check(Lane::Folder(0));
        check(Lane::Passwords);
    }

    #[test]
    fn what_panics_takes_no_thread_with_it_and_too_much_is_turned_away() {
        let check = |lane: Lane| {
            let pool = Pool::new(2, 1);
            assert!(pool.submit(lane, || Box::new(|| panic!("on purpose"))));
            let (taken, release) = fill(&pool, lane, lane.waiting_max() + 100);
            let most = lane.waiting_max() + 1;
            assert!((most - 2..=most).contains(&taken), "{taken} of {lane:?}");
            drop(release);
            is_served(&pool, Lane::Folder(1));
        };
        check(Lane::Folder(0));
        check(Lane::Passwords);
    }
}
