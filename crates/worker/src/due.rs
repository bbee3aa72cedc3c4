//! When a loop looks next at what waits. Whoever puts something down that is due earlier says so
//! here; nobody else wakes a loop that rests.

use base::Moment;
use net::clock;
use std::{cell::Cell, time::Duration};
use tokio::{sync::Notify, time::timeout};

/// How much later the clock of deadlines may say what time it is: a tick of the kernel's at most.
const TICK: Duration = Duration::from_millis(4);

/// How much later than it should a timer may go off with nothing in its way.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// When that is.
pub(crate) struct Due {
    at: Cell<Moment>,
    is_sooner: Notify,
}

impl Due {
    /// Nothing waits.
    pub(crate) fn new() -> Self {
        Self { at: Cell::new(Moment::NEVER), is_sooner: Notify::new() }
    }

    /// Has the loop look at that moment or before it.
    #[inline]
    pub(crate) fn by(&self, moment: Moment) {
        if moment < self.at.get() {
            self.at.set(moment);
            self.is_sooner.notify_one();
        }
    }

    /// When that is, for all that was said.
    pub(crate) fn at(&self) -> Moment {
        self.at.get()
    }

    /// What was said so far has been looked at, and this is when the next of it is due.
    pub(crate) fn next(&self, moment: Moment) {
        self.at.set(moment);
    }

    /// Waits until then, and at least until `earliest`; how many microseconds too late it is.
    pub(crate) async fn wait(&self, earliest: Moment) -> u64 {
        loop {
            // What is due before that makes no difference.
            let at = self.at().max(earliest);
            self.at.set(at);
            if at == Moment::NEVER {
                self.is_sooner.notified().await;
                continue;
            }
            let (pause, began_us) = (at.since(clock::now()) + TICK, clock::precise_us());
            if timeout(pause, self.is_sooner.notified()).await.is_err() {
                return late_us(clock::precise_us() - began_us, pause);
            }
        }
    }
}

/// How much later than after `pause` it is after so many microseconds; that the timer itself
/// rounds up to milliseconds, and the kernel to its ticks, is nobody's delay.
fn late_us(us: u64, pause: Duration) -> u64 {
    let pause_us = u64::try_from((pause + TIMER_SLACK).as_micros()).unwrap_or(u64::MAX);
    us.saturating_sub(pause_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::{Future, poll_fn},
        pin::pin,
        task::Poll,
        time::Instant,
    };
    use tokio::runtime::Builder;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_loop_looks_when_the_first_thing_is_due_and_not_again_at_once() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (due, now, began) = (Due::new(), clock::now(), Instant::now());
            due.by(now.after(MINUTE));
            let mut wait = pin!(due.wait(now));
            let is_over = poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_ready()));
            assert!(!is_over.await);
            due.by(now.after(2 * MINUTE));
            assert_eq!(due.at(), now.after(MINUTE), "that is later");
            due.by(now);
            wait.await;
            assert!(began.elapsed() < MINUTE, "{:?}", began.elapsed());
            due.next(Moment::NEVER);
            due.by(now);
            let earliest = clock::now().after(Duration::from_millis(50));
            due.wait(earliest).await;
            assert!(clock::now() >= earliest, "it has looked a moment ago");
        });
    }
}
