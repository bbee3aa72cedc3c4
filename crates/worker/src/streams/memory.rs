//! How much memory the exchanges of one connection take: requests that wait for their answers, and
//! answers that wait for their windows. Who would have it take more waits until there is room.
//!
//! What is kept for all clients, such as files, counts for nobody. Answers that are made for one
//! exchange count: listings, pages of templates, what applications say.

use super::{Streams, UnderWay};
use crate::{core::Core, turn::Work};
use http2::limits::{ANSWERS_BYTES_MAX, ASKED_BYTES};
use std::task::Context;

impl Streams {
    /// Bytes of memory that requests take which wait for what answers them.
    pub(super) fn waiting_bytes(&self) -> usize {
        let bytes = self.under_way.iter().map(|exchange| match &exchange.work {
            Work::Job(waiting) => waiting.exchange.head.len() + exchange.coming.early_bytes(),
            Work::Upload(upload) => upload.memory_bytes(),
            // Its request is gone: what it holds is an answer.
            Work::Nothing | Work::Source(_) => 0,
        });
        bytes.sum()
    }

    /// Bytes of memory that answers take, and may come to take which are asked for.
    fn answers_bytes(&self) -> usize {
        let bytes = self.under_way.iter().map(|exchange| match &exchange.work {
            // Whoever waits for the next piece has taken all there is.
            Work::Source(source) if self.http.is_hungry(exchange.key) => source.memory_bytes(),
            Work::Source(source) => {
                let bytes = source.memory_bytes() + self.unsent_bytes(exchange);
                bytes.max(ASKED_BYTES)
            }
            Work::Job(waiting) if waiting.is_asked => ASKED_BYTES,
            Work::Nothing => exchange.answer_bytes,
            Work::Job(_) | Work::Upload(_) => 0,
        });
        bytes.sum()
    }

    /// Bytes of the piece of a source that waits to be sent.
    fn unsent_bytes(&self, exchange: &UnderWay) -> usize {
        usize::try_from(self.http.unsent_bytes(exchange.key)).unwrap_or(usize::MAX)
    }

    /// Whether there is room for what an application says.
    pub(super) fn may_ask(&self) -> bool {
        self.answers_bytes() + ASKED_BYTES <= ANSWERS_BYTES_MAX
    }

    /// Has the next listing made, where there is room for it; true if there is some for what an
    /// application is to be asked.
    pub(super) fn use_room(&mut self, core: &Core, context: &mut Context<'_>) -> bool {
        if self.under_way.is_empty() {
            return false;
        }
        if self.listings.is_waiting() && self.answers_bytes() < ANSWERS_BYTES_MAX {
            self.listings.begin(core, context);
        }
        let is_due = |exchange: &UnderWay| match &exchange.work {
            Work::Upload(upload) => exchange.coming.is_whole() && !upload.is_writing(),
            _ => false,
        };
        self.under_way.iter().any(is_due) && self.may_ask()
    }
}
