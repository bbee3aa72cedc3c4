//! A connection's share of what its client may be sent, where that is limited.
//!
//! The bytes of the next step are reserved before they may be sent, and no reservation comes before
//! one that was made earlier. So the connections of a client stand in a queue, and none is passed
//! over because another one's turn always comes first.

use crate::core::Core;
use base::Moment;
use config::plan::Bandwidth;
use control::{Counter, clients::Room};
use std::net::IpAddr;

/// What one answer may still be sent of the step that is reserved.
pub(crate) struct Share {
    bandwidth: &'static Bandwidth,
    client: IpAddr,
    reserved_bytes: u64,
    usable_at: Moment,
}

impl Share {
    /// The share of an answer to `client`.
    pub(crate) fn new(bandwidth: &'static Bandwidth, client: IpAddr) -> Self {
        Self { bandwidth, client, reserved_bytes: 0, usable_at: Moment(0) }
    }

    /// How many of the `left` bytes may be sent now; `None` before [`Share::usable_at`].
    pub(crate) fn usable_bytes(&mut self, left: u64, core: &Core, now: Moment) -> Option<usize> {
        if self.reserved_bytes == 0 {
            let Bandwidth { number, bucket, step_bytes, .. } = *self.bandwidth;
            let step = left.min(step_bytes);
            let (usable_at, room) = core.clients.reserve(number, self.client, bucket, step, now);
            core.count_many(Counter::Uncounted, u64::from(room == Room::None));
            (self.reserved_bytes, self.usable_at) = (step, usable_at);
        }
        (self.usable_at <= now).then(|| usize::try_from(self.reserved_bytes).unwrap_or(usize::MAX))
    }

    /// So many bytes were sent.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.reserved_bytes = self.reserved_bytes.saturating_sub(bytes as u64);
    }

    /// When the step that is reserved may be sent.
    pub(crate) fn usable_at(&self) -> Moment {
        self.usable_at
    }
}
