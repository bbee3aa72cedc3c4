//! Since when a peer is waited for, and for how long that may go on.

use crate::limits::Limits;
use base::Moment;
use std::{mem, time::Duration};

/// Two waits that never count at once: for the peer to send, and for it to take what is written.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// `NEVER` while nobody waits for bytes of the peer.
    waiting_since: Moment,
    taking: Taking,
}

/// How the peer takes what is written to it.
///
/// It has an account of time, `write_stall_time` when it is full. Being waited for costs as much as
/// it lasts; each byte that is taken pays for as long as it may take at the least rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taking {
    /// It has everything.
    Done,
    /// It is waited for, until then at most.
    Due(Moment),
    /// We are not ready to send more, which costs it nothing; it has so much time left.
    Held(Duration),
}

/// How writing to a peer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// The peer has all of it: only now it can be expected to send something.
    Done,
    /// The peer takes no more.
    Blocked,
    /// There is more, but it waits for something else than the peer: a disk, or its turn. That time
    /// never counts as the peer's.
    Held,
    /// The peer took so many bytes since this was last told, but not all of it.
    Progress(u64),
}

impl Clock {
    /// A clock that waits for the first byte of a connection accepted `now`.
    #[must_use]
    pub const fn new(now: Moment) -> Self {
        Self { waiting_since: now, taking: Taking::Done }
    }

    /// Something is expected of the peer, from `now` on unless it was already.
    pub fn wait(&mut self, now: Moment) {
        if self.waiting_since == Moment::NEVER {
            self.waiting_since = now;
        }
    }

    /// Nothing is expected of the peer any more.
    pub fn stop(&mut self) {
        self.waiting_since = Moment::NEVER;
    }

    /// Since when something is expected; `NEVER` while nothing is.
    #[must_use]
    pub const fn waiting_since(&self) -> Moment {
        self.waiting_since
    }

    /// How long something has been expected.
    #[must_use]
    pub fn waited(&self, now: Moment) -> Duration {
        now.since(self.waiting_since)
    }

    /// Takes down how writing goes, as of `now`.
    pub fn note(&mut self, writing: Writing, now: Moment, limits: &Limits) {
        match writing {
            Writing::Done => self.unblock(now),
            Writing::Blocked => self.block(now, limits),
            Writing::Held => self.hold(now, limits),
            Writing::Progress(bytes) => self.progress(now, bytes, limits),
        }
    }

    /// The peer takes no more of what is written to it.
    pub fn block(&mut self, now: Moment, limits: &Limits) {
        match self.taking {
            Taking::Done => self.taking = Taking::Due(now.after(limits.write_stall_time)),
            Taking::Held(left) => self.taking = Taking::Due(now.after(left)),
            Taking::Due(_) => {}
        }
    }

    /// There is more to write, but it is not the peer that it waits for.
    pub fn hold(&mut self, now: Moment, limits: &Limits) {
        match self.taking {
            Taking::Done => self.taking = Taking::Held(limits.write_stall_time),
            Taking::Due(until) => self.taking = Taking::Held(until.since(now)),
            Taking::Held(_) => {}
        }
    }

    /// The peer took `bytes` of it.
    pub fn progress(&mut self, now: Moment, bytes: u64, limits: &Limits) {
        let full = limits.write_stall_time;
        let paid = match (bytes, limits.write_rate_min) {
            (0, _) => Duration::ZERO,
            (_, 0) => full,
            (_, rate) => Duration::from_millis(bytes.saturating_mul(1000).div_ceil(rate)),
        };
        match &mut self.taking {
            Taking::Done => {}
            Taking::Due(until) => *until = until.after(paid).min(now.after(full)),
            Taking::Held(left) => *left = left.saturating_add(paid).min(full),
        }
    }

    /// The peer took all of it, and can be expected only now to send something.
    pub fn unblock(&mut self, now: Moment) {
        if self.is_blocked() {
            self.taking = Taking::Done;
            if self.waiting_since != Moment::NEVER {
                self.waiting_since = now;
            }
        }
    }

    /// Whether the peer has to take something before it is asked for anything.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.taking != Taking::Done
    }

    /// When the wait is over that `patience` is the limit of.
    #[must_use]
    pub fn deadline(&self, patience: Duration) -> Moment {
        match self.taking {
            Taking::Done => self.waiting_since.after(patience),
            Taking::Due(until) => until,
            Taking::Held(_) => Moment::NEVER,
        }
    }
}

/// How much content came, and how long it had to be waited for. Time in which nobody asked for
/// more is not the client's fault and does not count.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes so far, with their framing.
    pub bytes: u64,
    waited_ms: u64,
    /// Waits since the last byte that were interrupted.
    quiet_ms: u64,
}

impl Pace {
    /// Nothing has come yet.
    pub const NEW: Self = Self { bytes: 0, waited_ms: 0, quiet_ms: 0 };

    /// `bytes` have come after a wait.
    pub fn came(&mut self, bytes: usize, waited: Duration) {
        self.bytes += bytes as u64;
        self.waited_ms += millis(waited) + mem::take(&mut self.quiet_ms);
    }

    /// Nothing has come in a wait that is interrupted for a reason of ours.
    pub fn paused(&mut self, waited: Duration) {
        self.quiet_ms += millis(waited);
    }

    /// How long to wait for the next byte: until it has been quiet for too long, or until so much
    /// time has been spent that the whole was too slow, whichever is first.
    #[must_use]
    pub fn patience(&self, limits: &Limits) -> Duration {
        let paid_ms = self.bytes.saturating_mul(1000).checked_div(limits.body_rate_min);
        let idle_ms = millis(limits.body_idle_time);
        let allowed_ms = idle_ms.max(paid_ms.unwrap_or(u64::MAX)).saturating_sub(self.waited_ms);
        Duration::from_millis(idle_ms.min(allowed_ms).saturating_sub(self.quiet_ms))
    }
}

/// What moments are told in.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
