//! How long a conversation with an application may take: until it is told that there is no answer
//! yet, until its next word is too late, and until nobody asks any more whether it took the
//! request.

use crate::watch::{Place, Watch};
use base::Moment;
use config::plan::Php;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Sleep, sleep};

/// Time that an application may go on that has said all that is wanted of it, so that its
/// connection can be kept.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Time in which it turns out that an application has hung up by a connection that was kept,
/// without having taken the request.
const UNTAKEN_TIME: Duration = Duration::from_millis(100);

/// The patience with one answer.
pub(crate) struct Patience<'c> {
    /// Time for each word.
    time: Duration,
    /// When it is told that there is no answer yet; `None` once it has been.
    slow_at: Option<Moment>,
    /// When the next word is too late.
    late_at: Moment,
    /// Whether that is so whatever is said till then.
    is_short: bool,
    /// Wakes at the first of these times, once somebody waits.
    watch: &'c Watch,
    place: Option<Place>,
}

/// What the time has come for.
pub(crate) enum Due {
    /// To tell that there is no answer yet.
    Slow,
    /// To end the conversation.
    Late,
}

impl<'c> Patience<'c> {
    /// With an answer of `php` that is begun to be waited for.
    pub(crate) fn new(php: &Php, watch: &'c Watch) -> Self {
        let now = net::clock::now();
        Self {
            time: php.time,
            slow_at: Some(now.after(php.slow)),
            late_at: now.after(php.time),
            is_short: false,
            watch,
            place: None,
        }
    }

    /// There was a word: the next one has all the time again, where that is not short.
    pub(crate) fn renew(&mut self) {
        if !self.is_short {
            self.late_at = net::clock::now().after(self.time);
        }
    }

    /// All has been said that is wanted.
    pub(crate) fn shorten(&mut self) {
        if !self.is_short {
            (self.is_short, self.slow_at) = (true, None);
            self.late_at = net::clock::now().after(DISCARD_TIME);
        }
    }

    /// Whether all has been said that is wanted, and the rest was waited for.
    pub(crate) fn is_over(&self) -> bool {
        self.is_short && net::clock::now() >= self.late_at
    }

    /// Waits for the next thing that is due.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Due> {
        let now = net::clock::now();
        if now >= self.late_at {
            return Poll::Ready(Due::Late);
        }
        if self.slow_at.take_if(|slow_at| now >= *slow_at).is_some() {
            return Poll::Ready(Due::Slow);
        }
        let next = self.slow_at.map_or(self.late_at, |slow_at| slow_at.min(self.late_at));
        self.watch.wait(&mut self.place, next, context.waker());
        Poll::Pending
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.place.into_iter().for_each(|place| self.watch.leave(place));
    }
}

/// The end of a request that is held back for a moment, where it goes by a connection that was
/// kept.
#[derive(Default)]
pub(crate) struct Holding {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Holding {
    /// Holds back, if the connection was used.
    pub(crate) fn new(is_used: bool) -> Self {
        Self { timer: is_used.then(|| Box::pin(sleep(UNTAKEN_TIME))) }
    }

    /// Whether it does.
    pub(crate) fn is_on(&self) -> bool {
        self.timer.is_some()
    }

    /// Whether it does still: not once the answer has begun, or it has done so for long enough.
    pub(crate) fn goes_on(&mut self, has_begun: bool, context: &mut Context<'_>) -> bool {
        if has_begun || self.poll(context).is_ready() {
            self.timer = None;
        }
        self.is_on()
    }

    /// Waits until it has done so for long enough.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Ready(()), |timer| timer.as_mut().poll(context))
    }
}
