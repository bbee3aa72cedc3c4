//! What a connection begins with, before its first request: perhaps who its client is, and perhaps
//! that it speaks HTTP/2.

use super::Connection;
use crate::{
    admission::{self, Admission, Introduction},
    streams::Streams,
    turn::Turn,
};

impl Connection {
    /// Takes the header that says who the client is, where one is due; false if there will be none.
    pub(super) fn introduce(&mut self, turn: &mut Turn<'_>) -> bool {
        let Admission::HeaderDue = self.admission else { return true };
        let unread = &turn.scratch.input[turn.unread.clone()];
        match admission::introduce(turn.core, self.client, unread) {
            Introduction::NotYet => {}
            Introduction::Malformed => {
                admission::shut_out(turn.core, self.client, admission::MALFORMED);
                return false;
            }
            Introduction::Of(client, bytes, admission, seat) => {
                (self.client, self.admission) = (client, admission);
                if let Some(seat) = seat {
                    self.seat = seat;
                }
                turn.unread.start += bytes;
            }
        }
        true
    }

    /// Whether what has come is the beginning of HTTP/2, which is gone over to, or may be.
    pub(super) fn recognize(&mut self, turn: &mut Turn<'_>) -> bool {
        /// As much of HTTP/2's beginning as tells it from HTTP/1.1.
        const BYTES: usize = "PRI * HTTP/2".len();
        let unread = &turn.scratch.input[turn.unread.clone()];
        let begins = unread.len() >= BYTES && http2::PREFACE[..BYTES] == unread[..BYTES];
        if begins {
            let streams = Streams::new(&turn.core.plan.limits, turn.tick.now);
            self.streams = Some(Box::new(streams));
        }
        self.may_be_http2 = unread.len() < BYTES && http2::PREFACE.starts_with(unread);
        begins
    }
}
