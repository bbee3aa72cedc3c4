//! How fast content has to come.

use message::Limits;
use std::time::Duration;

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
