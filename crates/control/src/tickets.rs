//! The keys of session tickets: made by whoever starts the workers, and read by all of their loops,
//! so that a client which comes back need not care who serves it now.
//!
//! ```text
//!   the newest key's number │ since when it is there │ … │ key │ key │ key │ key
//!
//!   key: its number, then itself
//! ```
//!
//! A key takes the place of the one that is [`KEYS`] older. Its number goes last, and is looked at
//! before and after the key is read: a half of one and a half of another are never taken for a key.

use base::Moment;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Keys that tickets are taken by: the newest, which makes them, and those before it.
const KEYS: usize = 4;

const KEY_WORDS: usize = KEY_BYTES / size_of::<u64>();

/// Words of a key with its number, and those before the first of them.
const SLOT_WORDS: usize = 8;
const HEAD_WORDS: usize = 8;

/// The keys in memory that is shared. The default ones are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct TicketKeys(&'static [AtomicU64]);

/// A key and its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketKey {
    /// From 1; 0 is none.
    pub number: u64,
    /// The key itself.
    pub key: [u8; KEY_BYTES],
}

impl TicketKeys {
    /// How many words they have.
    pub const WORDS: usize = HEAD_WORDS + KEYS * SLOT_WORDS;

    /// The keys in these words, which are all 0 in the beginning.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// The key that tickets are made with, if there is one yet.
    #[must_use]
    pub fn newest(&self) -> Option<TicketKey> {
        self.find(self.0.first()?.load(Ordering::Acquire))
    }

    /// The key of that number, as long as tickets are taken by it.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<TicketKey> {
        let (own, words) = self.slot(number).filter(|_| number > 0)?;
        if own.load(Ordering::Acquire) != number {
            return None;
        }
        let mut key = [0; KEY_BYTES];
        let (parts, _) = key.as_chunks_mut();
        for (part, word) in parts.iter_mut().zip(words) {
            *part = word.load(Ordering::Acquire).to_ne_bytes();
        }
        (own.load(Ordering::Acquire) == number).then_some(TicketKey { number, key })
    }

    /// Since when tickets are made with the newest key, whichever process has made that.
    #[must_use]
    pub fn since(&self) -> Moment {
        Moment(self.0.get(1).map_or(0, |since| since.load(Ordering::Acquire)))
    }

    /// Makes tickets with `key` from `now` on. Only one process may do so.
    pub fn rotate(&self, key: &[u8; KEY_BYTES], now: Moment) {
        let [newest, since, ..] = self.0 else { return };
        let number = newest.load(Ordering::Acquire) + 1;
        let Some((own, words)) = self.slot(number) else { return };
        own.store(0, Ordering::SeqCst);
        let (parts, _) = key.as_chunks();
        for (word, part) in words.iter().zip(parts) {
            word.store(u64::from_ne_bytes(*part), Ordering::SeqCst);
        }
        own.store(number, Ordering::SeqCst);
        since.store(now.0, Ordering::SeqCst);
        newest.store(number, Ordering::SeqCst);
    }

    fn slot(&self, number: u64) -> Option<(&'static AtomicU64, &'static [AtomicU64])> {
        let at = usize::try_from(number % KEYS as u64).unwrap_or(0);
        let start = HEAD_WORDS + at * SLOT_WORDS;
        self.0.get(start..start + 1 + KEY_WORDS)?.split_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_taken_by_the_newest_keys_and_no_others() {
        let words: Vec<_> = (0..TicketKeys::WORDS).map(|_| AtomicU64::new(0)).collect();
        let keys = TicketKeys::new(words.leak());
        assert!(keys.newest().is_none() && keys.find(0).is_none());
        for number in 1..10u8 {
            keys.rotate(&[number; KEY_BYTES], Moment(number.into()));
            let known = |at: u64| keys.find(at).is_some_and(|key| key.key == [at as u8; KEY_BYTES]);
            let newest = u64::from(number);
            assert_eq!(keys.since(), Moment(newest));
            assert!(keys.newest().is_some_and(|key| key.number == newest));
            for at in 1..=newest + 1 {
                let is_taken = at <= newest && at + KEYS as u64 > newest;
                assert_eq!(known(at), is_taken, "key {at} of {newest}");
            }
        }
    }

    #[test]
    fn where_there_is_no_memory_there_are_no_keys() {
        TicketKeys::default().rotate(&[1; KEY_BYTES], Moment(1));
        assert!(TicketKeys::default().newest().is_none());
    }
}
