//! Room for content that the peer sends: as much as can be on its way (bandwidth times delay), and
//! no more than we take.

use crate::limits::{WINDOW_BYTES, WINDOW_BYTES_MAX};
use base::Moment;
use std::time::Duration;

/// What the peer may send on all streams together, and how wide the windows of streams are.
#[derive(Debug)]
pub(crate) struct Room {
    /// Bytes that each window holds.
    pub(crate) bytes: u32,
    /// Bytes that may be sent before more is allowed.
    grant: u32,
    /// Since when the peer fills the room.
    since: Moment,
    /// When our settings were told; `NEVER` once they are acknowledged.
    told: Moment,
    /// How long that took.
    round_trip: Duration,
}

impl Room {
    pub(crate) const fn new(now: Moment) -> Self {
        let (bytes, round_trip) = (WINDOW_BYTES, Duration::ZERO);
        Self { bytes, grant: bytes, since: now, told: now, round_trip }
    }

    /// The peer has acknowledged our settings.
    pub(crate) fn acknowledged(&mut self, now: Moment) {
        if self.told != Moment::NEVER {
            (self.round_trip, self.told) = (now.since(self.told), Moment::NEVER);
        }
    }

    /// Takes up what has come; `None` if it is more than was allowed.
    pub(crate) fn take(&mut self, bytes: u32, now: Moment) -> Option<()> {
        if self.grant == self.bytes {
            self.since = now;
        }
        self.grant = self.grant.checked_sub(bytes)?;
        Some(())
    }

    /// Whether as much may be sent as ever.
    pub(crate) const fn is_whole(&self) -> bool {
        self.grant == self.bytes
    }

    /// Whether nothing more may be sent.
    pub(crate) const fn is_full(&self) -> bool {
        self.grant == 0
    }

    /// How much more may be sent, while so many bytes that have come are not taken yet; `None`
    /// where that is not worth a word. Half of the room was filled: if that took less time than two
    /// round trips, and most of it is taken already, there is too little of it for the way to the
    /// peer, and it is doubled.
    pub(crate) fn widen(&mut self, untaken: u32, now: Moment) -> Option<u32> {
        more(self.bytes, self.grant + untaken)?;
        if untaken <= self.bytes / 4 && now.since(self.since) < 2 * self.round_trip {
            self.bytes = self.bytes.saturating_mul(2).min(WINDOW_BYTES_MAX);
        }
        let bytes = more(self.bytes, self.grant + untaken)?;
        self.grant += bytes;
        Some(bytes)
    }
}

/// How much is missing in a window that holds so many `bytes` of which some are `used`; `None`
/// where it is less than half.
pub(crate) fn more(bytes: u32, used: u32) -> Option<u32> {
    bytes.checked_sub(used).filter(|&free| free > bytes / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The room that a peer comes to have which sends `bytes` each millisecond, as far as it may,
    /// and hears what it may after so long.
    fn room(round_trip_ms: u64, bytes: u32, untaken: u32) -> u32 {
        let mut room = Room::new(Moment(0));
        room.acknowledged(Moment(round_trip_ms));
        let mut updates = Vec::new();
        let mut allowed = WINDOW_BYTES;
        for now in round_trip_ms..20_000 {
            updates.retain(|&(at, more)| {
                let is_there = at <= now;
                allowed += if is_there { more } else { 0 };
                !is_there
            });
            let sent = bytes.min(allowed);
            allowed -= sent;
            room.take(sent, Moment(now)).unwrap();
            let more = room.widen(untaken, Moment(now));
            updates.extend(more.map(|more| (now + round_trip_ms, more)));
        }
        room.bytes
    }

    #[test]
    fn it_grows_to_what_the_way_holds() {
        // Of two MB a second, 200 KB are on their way.
        assert_eq!(room(100, 2000, 0), 16 * WINDOW_BYTES);
        assert_eq!(room(20, 2000, 0), 4 * WINDOW_BYTES);
        assert_eq!(room(0, 10_000, 0), WINDOW_BYTES, "there is no delay to make up for");
        assert_eq!(room(1000, 2000, 0), WINDOW_BYTES_MAX);
        assert_eq!(room(100, 2000, 20_000), WINDOW_BYTES, "it is we who are slow");
    }
}
