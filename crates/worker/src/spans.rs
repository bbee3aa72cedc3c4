//! Spans of exchanges that are over: gathered by a loop, and handed to the process that sends them,
//! which is never waited for.

use crate::due::Due;
use base::Moment;
use net::channel;
use otlp::{Begun, End, whole};
use std::{
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// Bytes of spans that are handed over at once: what the kernel has room for in one piece, so that
/// the channel holds as many as it can.
const BATCH_BYTES: usize = 12 * 1024;

/// Bytes of spans that wait at most until there is room in it.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// How long spans are gathered.
const GATHER_TIME: Duration = Duration::from_millis(500);

/// The spans of one loop that are not handed over.
pub(crate) struct Spans {
    channel: Arc<OwnedFd>,
    waiting: Vec<u8>,
    /// How many bytes have to wait for some to be handed over.
    due_bytes: usize,
    /// When the oldest of them was added.
    since: Moment,
    due: Rc<Due>,
}

impl Spans {
    /// None yet, for whoever reads at the other end of `channel`. The loop looks at them by `due`.
    pub(crate) fn new(channel: Arc<OwnedFd>, due: &Rc<Due>) -> Self {
        let (since, due) = (Moment::NEVER, Rc::clone(due));
        Self { channel, waiting: Vec::new(), due_bytes: BATCH_BYTES, since, due }
    }

    /// Adds one that is over; returns how many had to be dropped.
    pub(crate) fn add(&mut self, span: &Begun, end: &End, now: Moment) -> u64 {
        if self.waiting.is_empty() {
            self.since = now;
            self.due.by(now.after(GATHER_TIME));
        }
        span.finish(&mut self.waiting, end);
        if self.waiting.len() < self.due_bytes { 0 } else { self.hand_over() }
    }

    /// Hands over what has waited long enough; returns how many had to be dropped.
    pub(crate) fn sweep(&mut self, now: Moment) -> u64 {
        let due = self.since.after(GATHER_TIME);
        let dropped = if !self.waiting.is_empty() && due <= now { self.hand_over() } else { 0 };
        if !self.waiting.is_empty() {
            self.due.by(due);
        }
        dropped
    }

    /// Hands over all that there is room for; returns how many had to be dropped.
    fn hand_over(&mut self) -> u64 {
        let mut start = 0;
        while let (1.., length) = whole(&self.waiting[start..], BATCH_BYTES)
            && let batch = &self.waiting[start..start + length]
            && channel::send(self.channel.as_fd(), batch, &[], false).is_ok()
        {
            start += length;
        }
        self.waiting.drain(..start);
        self.due_bytes = self.waiting.len() + BATCH_BYTES;
        if self.waiting.len() <= WAITING_BYTES_MAX { 0 } else { self.give_up() }
    }

    /// Hands over all, for there will be no more; returns how many there is no room for.
    pub(crate) fn close(&mut self) -> u64 {
        self.hand_over() + self.give_up()
    }

    fn give_up(&mut self) -> u64 {
        let (count, _) = whole(&self.waiting, usize::MAX);
        self.waiting.clear();
        self.due_bytes = BATCH_BYTES;
        count
    }
}
