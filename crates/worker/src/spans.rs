//! Spans of exchanges that are over: gathered by a loop, and handed to the process that sends them,
//! which is never waited for.

use base::Moment;
use net::channel;
use otlp::{Begun, End, whole};
use std::{
    os::fd::{AsFd, OwnedFd},
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
}

impl Spans {
    /// None yet, for whoever reads at the other end of `channel`.
    pub(crate) fn new(channel: Arc<OwnedFd>) -> Self {
        Self { channel, waiting: Vec::new(), due_bytes: BATCH_BYTES, since: Moment::NEVER }
    }

    /// Whether none waits to be handed over.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds one that is over; returns how many had to be dropped.
    pub(crate) fn add(&mut self, span: &Begun, end: &End, now: Moment) -> u64 {
        if self.is_empty() {
            self.since = now;
        }
        span.finish(&mut self.waiting, end);
        if self.waiting.len() < self.due_bytes { 0 } else { self.hand_over() }
    }

    /// Hands over what has waited long enough; returns how many had to be dropped.
    pub(crate) fn sweep(&mut self, now: Moment) -> u64 {
        let is_due = !self.is_empty() && now.since(self.since) >= GATHER_TIME;
        if is_due { self.hand_over() } else { 0 }
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
