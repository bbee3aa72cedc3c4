//! Since when a peer is waited for, and for how long that may go on.

use base::Moment;
use message::Limits;
use std::time::Duration;

/// Two waits that never count at once: for the peer to send, and for it to take what is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// `NEVER` while nobody waits for bytes of the peer.
    waiting_since: Moment,
    /// `NEVER` while nothing is stuck that the peer should take.
    write_deadline: Moment,
}

impl Clock {
    /// A clock that waits for the first byte of a connection accepted `now`.
    pub(crate) const fn new(now: Moment) -> Self {
        Self { waiting_since: now, write_deadline: Moment::NEVER }
    }

    /// Something is expected of the peer, from `now` on unless it was already.
    pub(crate) fn wait(&mut self, now: Moment) {
        if self.waiting_since == Moment::NEVER {
            self.waiting_since = now;
        }
    }

    /// Nothing is expected of the peer any more.
    pub(crate) fn stop(&mut self) {
        self.waiting_since = Moment::NEVER;
    }

    /// How long something has been expected.
    pub(crate) fn waited(&self, now: Moment) -> Duration {
        now.since(self.waiting_since)
    }

    /// The peer takes no more of what is written to it.
    pub(crate) fn block(&mut self, now: Moment, limits: &Limits) {
        if !self.is_blocked() {
            self.write_deadline = now.after(limits.write_stall_time);
        }
    }

    /// The peer took some of it.
    pub(crate) fn progress(&mut self, now: Moment, limits: &Limits) {
        if self.is_blocked() {
            self.write_deadline = now.after(limits.write_stall_time);
        }
    }

    /// The peer took all of it, and can be expected only now to send something.
    pub(crate) fn unblock(&mut self, now: Moment) {
        if self.is_blocked() {
            self.write_deadline = Moment::NEVER;
            if self.waiting_since != Moment::NEVER {
                self.waiting_since = now;
            }
        }
    }

    /// Whether the peer has to take something before it is asked for anything.
    pub(crate) fn is_blocked(&self) -> bool {
        self.write_deadline != Moment::NEVER
    }

    /// When the wait is over that `patience` is the limit of.
    pub(crate) fn deadline(&self, patience: Duration) -> Moment {
        if self.is_blocked() { self.write_deadline } else { self.waiting_since.after(patience) }
    }
}

/// How much content came, and how long it had to be waited for. Time in which nobody asked for
/// more is not the client's fault and does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Bytes so far, with their framing.
    pub(crate) bytes: u64,
    waited: Duration,
}

impl Pace {
    /// Nothing has come yet.
    pub(crate) const NEW: Self = Self { bytes: 0, waited: Duration::ZERO };

    /// `bytes` have come after a wait.
    pub(crate) fn came(&mut self, bytes: usize, waited: Duration) {
        self.bytes += bytes as u64;
        self.waited += waited;
    }

    /// How long to wait for the next byte: until it has been quiet for too long, or until so much
    /// time has been spent that the whole was too slow, whichever is first.
    pub(crate) fn patience(&self, limits: &Limits) -> Duration {
        let paid_ms = self.bytes.saturating_mul(1000).checked_div(limits.body_rate_min);
        let allowed = limits.body_idle_time.max(Duration::from_millis(paid_ms.unwrap_or(u64::MAX)));
        limits.body_idle_time.min(allowed.saturating_sub(self.waited))
    }
}
