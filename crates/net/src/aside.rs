//! A thread for what may have to wait for a disk that does not answer, so that nobody else has to.

use crate::succession::hold_signals;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

/// What may wait for the thread; while so much does, more is left undone.
const JOBS_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The way to the thread, which is started with the first thing to do.
#[derive(Debug, Default)]
pub struct Aside {
    sender: Option<SyncSender<Job>>,
    /// What is to be done has a part in it.
    busy: Arc<()>,
}

impl Aside {
    /// Has `job` done behind all others. Where there can be no thread it is done here.
    pub fn run(&mut self, job: impl FnOnce() + Send + 'static) {
        if self.sender.is_none() {
            let (sender, jobs) = sync_channel::<Job>(JOBS_MAX);
            let work = move || {
                // They are for the thread that does something about them.
                hold_signals();
                jobs.iter().for_each(|job| job());
            };
            match thread::Builder::new().name("gannet-aside".to_owned()).spawn(work) {
                Ok(_) => self.sender = Some(sender),
                Err(_) => return job(),
            }
        }
        if let Some(sender) = &self.sender {
            let busy = Arc::clone(&self.busy);
            let job = move || {
                job();
                drop(busy);
            };
            let _ = sender.try_send(Box::new(job));
        }
    }

    /// What `job` comes to. Where it has not within `patience`, nor `gets_on` says that another
    /// wait is worth it, the thread is left alone with it, and another one does what follows.
    ///
    /// # Errors
    ///
    /// It may never come: where it will be if it does.
    pub fn ask<A: Send + 'static>(
        &mut self,
        job: impl FnOnce() -> A + Send + 'static,
        patience: Duration,
        mut gets_on: impl FnMut() -> bool,
    ) -> Result<A, Receiver<A>> {
        let (told, answer) = channel();
        self.run(move || drop(told.send(job())));
        loop {
            match answer.recv_timeout(patience) {
                Ok(found) => return Ok(found),
                Err(RecvTimeoutError::Timeout) if gets_on() => {}
                Err(_) => {
                    *self = Self::default();
                    return Err(answer);
                }
            }
        }
    }

    /// Whether all is done that there was to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.busy) == 1
    }

    /// Waits until it is, for so long at most.
    pub fn settle(&self, time: Duration) {
        if let Some(sender) = &self.sender {
            let (last, over) = channel::<()>();
            let _ = sender.try_send(Box::new(move || drop(last)));
            let _ = over.recv_timeout(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_in_its_order_and_nobody_waits_for_what_hangs() {
        let (told, hears) = channel();
        let mut aside = Aside::default();
        aside.settle(Duration::MAX);
        for number in 0..3 {
            let told = told.clone();
            aside.run(move || told.send(number).unwrap());
        }
        aside.settle(Duration::MAX);
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
        let (go_on, hangs) = channel::<()>();
        aside.run(move || _ = hangs.recv());
        aside.settle(Duration::from_millis(10));
        assert!(!aside.is_idle());
        for number in 0..1000 {
            let told = told.clone();
            aside.run(move || told.send(number).unwrap());
        }
        // There is no room to wait in.
        aside.settle(Duration::MAX);
        drop((go_on, told));
        let done = hears.iter().count();
        assert!((JOBS_MAX - 2..=JOBS_MAX).contains(&done), "{done}");
        aside.settle(Duration::MAX);
        assert!(aside.is_idle());
    }

    #[test]
    fn who_does_not_answer_is_left_alone_unless_it_gets_on() {
        let patience = Duration::from_millis(1);
        let mut aside = Aside::default();
        let (go_on, hangs) = channel();
        let late = aside.ask(move || hangs.recv(), patience, || false).unwrap_err();
        assert_eq!(aside.ask(|| 1, Duration::MAX, || false).unwrap(), 1, "by another thread");
        go_on.send(2).unwrap();
        assert_eq!(late.recv().unwrap(), Ok(2));
        assert!(late.recv().is_err(), "and that was all");
        let (go_on, hangs) = channel();
        let mut waits = 0;
        let gets_on = || {
            waits += 1;
            (waits < 3) || go_on.send(waits).is_ok()
        };
        assert_eq!(aside.ask(move || hangs.recv(), patience, gets_on).unwrap(), Ok(3));
    }
}
