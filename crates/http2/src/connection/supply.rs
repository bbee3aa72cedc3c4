//! Content that is not at hand: a stream whose file waits for its disk waits alone.

use super::Connection;
use crate::{
    limits::{FETCH_BYTES_MAX, FETCH_BYTES_MIN, FETCHED_BYTES_MAX},
    stream::{Key, Supply},
};
use message::FileRange;

impl Connection {
    /// The most urgent stream that [`Connection::produce`] has passed over, as its content was not
    /// at hand, and which part of its file to read for it; once for each. `None` where there is
    /// none, or too much that was read is still to be sent.
    pub fn next_wanted(&mut self) -> Option<(Key, FileRange)> {
        let wanted = self.streams.iter().filter(|(_, one)| one.supply == Supply::Wanted);
        let (key, _) = wanted.min_by_key(|(_, one)| one.order())?;
        let fetched: u64 = self.streams.iter().map(|(_, one)| one.fetched).sum();
        let left = FETCHED_BYTES_MAX.saturating_sub(fetched).min(FETCH_BYTES_MAX);
        if left < FETCH_BYTES_MIN {
            return None;
        }
        let window = self.window;
        let stream = self.streams.get_mut(key)?;
        let may_go = (window.min(stream.window).max(0) as u64).min(stream.allowance);
        let bytes = may_go.clamp(FETCH_BYTES_MIN, left);
        let mut part = stream.content.front_file()?.clone();
        part.range.end = part.range.end.min(part.range.start.saturating_add(bytes));
        stream.supply = Supply::Asked;
        stream.fetched = part.range.end - part.range.start;
        Some((key, part))
    }

    /// The part of its file that a stream wants cannot be asked for yet: it counts for nothing, and
    /// others have their turn.
    pub fn pass_over(&mut self, key: Key) {
        self.streams.get_mut(key).into_iter().for_each(|stream| stream.fetched = 0);
    }

    /// A stream that was passed over wants that part again.
    pub fn want(&mut self, key: Key) {
        self.streams.get_mut(key).into_iter().for_each(|stream| stream.supply = Supply::Wanted);
    }

    /// The part of its file that a stream has waited for: all bytes of it.
    pub fn supply(&mut self, key: Key, bytes: Vec<u8>) {
        if let Some(stream) = self.streams.get_mut(key) {
            debug_assert!(stream.fetched == bytes.len() as u64, "other bytes were asked for");
            stream.supply = Supply::AtHand;
            stream.content.put_fetched(bytes);
        }
    }
}
