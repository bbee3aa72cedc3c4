//! Sealed bytes on their way to a peer.

use crate::SEALED_BYTES_MAX;

/// Records that are sealed before any of them is sent.
const RECORDS: usize = 8;

/// Room for them, and for what a handshake may have to say beside.
const ROOM_BYTES: usize = RECORDS * SEALED_BYTES_MAX;

/// Sealed bytes that have not been sent, and room for more of them.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Outgoing {
    /// What has not been sent.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether everything has been sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `count` bytes have been sent.
    pub fn advance(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Begins anew with what was left unsent in another turn.
    pub fn lay_out(&mut self, left: &[u8]) {
        (self.start, self.end) = (0, 0);
        self.push(left);
    }

    /// Adds bytes that are sealed already.
    pub fn push(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Whether there is room for one more record.
    #[must_use]
    pub fn takes_record(&self) -> bool {
        self.end + SEALED_BYTES_MAX <= ROOM_BYTES
    }

    /// Plain bytes that there is room for, once they are sealed.
    #[must_use]
    pub fn plain_bytes_max(&self) -> usize {
        ROOM_BYTES.saturating_sub(self.end) / SEALED_BYTES_MAX * crate::RECORD_BYTES_MAX
    }

    /// Where more can be written: `wanted` bytes at least.
    pub(crate) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let wanted = (self.end + wanted).max(ROOM_BYTES);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// Says something else in the place of the last byte.
    pub(crate) fn amend(&mut self, byte: u8) {
        let end = self.end.saturating_sub(1);
        self.bytes.get_mut(end).into_iter().for_each(|last| *last = byte);
    }

    /// So many bytes were written there.
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_in_order() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.is_empty() && outgoing.takes_record());
        assert_eq!(outgoing.plain_bytes_max(), RECORDS * crate::RECORD_BYTES_MAX);
        outgoing.push(b"abc");
        outgoing.push(&[b'd'; ROOM_BYTES]);
        assert!(!outgoing.takes_record() && outgoing.plain_bytes_max() == 0);
        outgoing.advance(2);
        assert!(outgoing.unsent().starts_with(b"cdd"));
        outgoing.advance(usize::MAX / 2);
        assert!(outgoing.is_empty() && outgoing.takes_record());
        outgoing.push(b"x");
        outgoing.lay_out(b"left");
        assert_eq!(outgoing.unsent(), b"left");
    }
}
