//! The bounded pool of threads for work that may block: cold disks, listings.
//!
//! Work is queued by folder, and one folder gets at most half of the threads: a root on a dead
//! network disk stalls itself, never the others.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Jobs that may wait for a thread, for each folder; more are turned away with 503.
const QUEUE_MAX: usize = 1024;

/// What the error log says of a job that is turned away.
pub(crate) const POOL_IS_FULL: &str = "too many jobs wait for the disk";

/// How long a thread waits for work before it ends.
const IDLE_TIME: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// Threads that start when there is work for them, up to a bound.
pub(crate) struct Pool {
    state: Mutex<State>,
    work_came: Condvar,
    threads_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(usize, Work)>,
    /// Jobs under way and waiting, by folder; folders without any are not in it.
    folders: Vec<Load>,
    threads: usize,
    idle: usize,
}

struct Load {
    folder: usize,
    running: usize,
    waiting: usize,
}

impl Pool {
    /// A pool of at most `threads_max` threads, none of them started yet.
    pub(crate) fn new(threads_max: usize) -> Arc<Self> {
        let threads_max = threads_max.max(2);
        Arc::new(Self { state: Mutex::default(), work_came: Condvar::new(), threads_max })
    }

    /// Queues `work` on `folder`; false if too much of it waits already or no thread can be had.
    pub(crate) fn submit(self: &Arc<Self>, folder: usize, work: Work) -> bool {
        let mut state = self.lock();
        let load = state.load(folder);
        if load.waiting >= QUEUE_MAX {
            return false;
        }
        load.waiting += 1;
        state.queue.push_back((folder, work));
        let spare = state.idle;
        if state.queue.len() > spare && state.threads < self.threads_max {
            state.threads += 1;
            drop(state);
            if self.spawn().is_err() {
                let mut state = self.lock();
                state.threads -= 1;
                if state.threads == 0 {
                    state.queue.clear();
                    state.folders.clear();
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
            if let Some((folder, work)) = state.take(self.threads_max / 2) {
                drop(state);
                // What panics here has lost its answer, which its connection notices; the thread
                // goes on.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                state = self.lock();
                state.finish(folder);
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(&mut self, folder: usize) -> &mut Load {
        let at = self.folders.iter().position(|load| load.folder == folder).unwrap_or_else(|| {
            self.folders.push(Load { folder, running: 0, waiting: 0 });
            self.folders.len() - 1
        });
        &mut self.folders[at]
    }

    /// The oldest work whose folder has a thread left of its `share`.
    fn take(&mut self, share: usize) -> Option<(usize, Work)> {
        let folders = &self.folders;
        let may_run = |folder: usize| {
            folders.iter().all(|load| load.folder != folder || load.running < share)
        };
        let at = self.queue.iter().position(|(folder, _)| may_run(*folder))?;
        let (folder, work) = self.queue.remove(at)?;
        let load = self.load(folder);
        load.waiting -= 1;
        load.running += 1;
        Some((folder, work))
    }

    fn finish(&mut self, folder: usize) {
        self.load(folder).running -= 1;
        self.folders.retain(|load| load.running + load.waiting > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_stalled_folder_leaves_half_of_the_pool_to_the_others() {
        let pool = Pool::new(4);
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..8 {
            let held = Arc::clone(&held);
            assert!(pool.submit(
                0,
                Box::new(move || {
                    let _ = held.lock().unwrap().recv();
                })
            ));
        }
        let (done, wait) = mpsc::channel();
        assert!(pool.submit(1, Box::new(move || done.send(()).unwrap())));
        wait.recv_timeout(Duration::from_secs(10)).unwrap();
        drop(release);
    }

    #[test]
    fn what_panics_takes_no_thread_with_it_and_too_much_is_turned_away() {
        let pool = Pool::new(2);
        assert!(pool.submit(0, Box::new(|| panic!("on purpose"))));
        let (release, held) = mpsc::channel::<()>();
        assert!(pool.submit(
            0,
            Box::new(move || {
                let _ = held.recv();
            })
        ));
        let mut queued = 0;
        while pool.submit(0, Box::new(|| {})) {
            queued += 1;
        }
        assert!((QUEUE_MAX - 2..=QUEUE_MAX).contains(&queued), "{queued}");
        drop(release);
        let (done, wait) = mpsc::channel();
        assert!(pool.submit(1, Box::new(move || done.send(()).unwrap())));
        wait.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
