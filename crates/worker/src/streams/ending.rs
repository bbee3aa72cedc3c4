//! Exchanges that end before their time: each has its line, whether its answer had begun or not.

use super::{From, Streams, UnderWay};
use crate::{
    answering::{self, Known, Progress},
    core::Core,
    job::{Done, Suspended},
    record::{About, End, On},
    refusal::Trouble,
    turn::{Turn, Work},
};
use http2::{Ended, Key};
use message::{Slots, Status};
use std::mem;

/// What the line says of an exchange whose connection is over.
const CUT_OFF: &str = "cut off";

impl Streams {
    /// Where an answer is told of whose request was there then.
    pub(super) fn on(&self, key: Key, began_us: u64) -> On {
        let (connection, stream) = (self.name, self.http.number(key));
        On { connection, stream, began_us, is_secure: self.is_secure, port: self.port }
    }

    /// Puts down answers that will never be sent whole, and requests that will have none.
    pub(crate) fn abandon(&mut self, turn: &Turn<'_>, from: &From<'_>) {
        self.fetches.clear();
        for exchange in mem::take(&mut self.under_way) {
            let unsent_bytes = self.http.unsent_bytes(exchange.key);
            self.put_down(exchange, unsent_bytes, Some(CUT_OFF), turn, from);
        }
    }

    /// Says up to where everything is answered, and of what is not that it will not be, as the
    /// server ends.
    pub(crate) fn cut(&mut self, turn: &mut Turn<'_>, from: &From<'_>) {
        self.http.part_at_once(&mut turn.scratch.output);
        let waits = |exchange: &UnderWay| matches!(exchange.work, Work::Job(_) | Work::Upload(_));
        while let Some(at) = self.under_way.iter().position(waits) {
            let UnderWay { key, work, .. } = self.under_way.swap_remove(at);
            let exchange = match work {
                Work::Job(waiting) => waiting.exchange,
                Work::Upload(upload) => upload.finish().0,
                Work::Nothing | Work::Source(_) => continue,
            };
            self.resume((key, exchange), Done::CUT, turn, from);
        }
    }

    /// Counts what has been sent of the answers under way.
    pub(crate) fn count_sent(&mut self, core: &Core) {
        let Self { http, under_way, .. } = self;
        for exchange in under_way {
            if let Some(record) = &mut exchange.record {
                let unsent = || http.unsent_bytes(exchange.key);
                core.count_sent(record, |bytes| bytes.saturating_sub(unsent()));
            }
        }
    }

    /// Puts down the answers that have come to their end of late.
    pub(super) fn put_down_ended(&mut self, turn: &Turn<'_>, from: &From<'_>) {
        while let Some(ended) = self.http.next_ended() {
            self.end(ended, turn, from);
        }
    }

    /// An exchange is over.
    pub(super) fn end(&mut self, ended: Ended, turn: &Turn<'_>, from: &From<'_>) {
        let Ended { key, unsent_bytes, reason } = ended;
        let at = self.under_way.iter().position(|exchange| exchange.key == key);
        if let Some(at) = at {
            let exchange = self.under_way.swap_remove(at);
            self.put_down(exchange, unsent_bytes, reason, turn, from);
        }
    }

    /// Puts down an exchange that is over, with what was sent of its answer.
    pub(super) fn put_down(
        &self,
        exchange: UnderWay,
        unsent_bytes: u64,
        reason: Option<&'static str>,
        turn: &Turn<'_>,
        from: &From<'_>,
    ) {
        let (connection, stream) = (from.name, exchange.stream);
        let (is_secure, port) = (from.secure.is_some(), self.port);
        let on = |began_us| On { connection, stream, began_us, is_secure, port };
        match (exchange.record, exchange.work) {
            (Some(record), _) => {
                let bytes = record.bytes.saturating_sub(unsent_bytes);
                turn.put_down(&record, bytes, reason.or(record.note));
            }
            (None, Work::Job(waiting)) => {
                let asked = (exchange.key, waiting.exchange);
                self.put_down_unanswered(asked, reason, on, turn, from);
            }
            (None, Work::Upload(upload)) => {
                let asked = (exchange.key, upload.finish().0);
                self.put_down_unanswered(asked, reason, on, turn, from);
            }
            (None, Work::Nothing | Work::Source(_)) => {}
        }
    }

    /// Puts down a request whose stream is over before it was answered, where its answer would have
    /// been: somebody may have worked for it.
    fn put_down_unanswered(
        &self,
        (key, exchange): (Key, Suspended),
        reason: Option<&'static str>,
        on: impl Fn(u64) -> On,
        turn: &Turn<'_>,
        from: &From<'_>,
    ) {
        let Suspended { head, id, began_us, ledger, .. } = exchange;
        let mut slots = Slots::new();
        let Some(request) = self.http.reread(key, &head, &mut slots) else { return };
        let left = Done::Failed(Status::CLIENT_LEFT, Trouble::left(reason.unwrap_or(CUT_OFF)));
        let (certificate, done) = (from.certificate().cloned(), Some(Box::new(left)));
        let (from, head, listings) = ((from.client, from.listener), &head[..], None);
        let known = Known { id, from, certificate, done, ledger, head, began_us, listings };
        let (exchange, progress) = answering::answer(turn.core, turn.tick, &request, known);
        if let Progress::Answered(answered) = progress {
            let (status, us) = (answered.response.status, turn.core.answered_us(began_us));
            let end = End { status, bytes: 0, us, reason: answered.note };
            let about = About::exchange(&exchange);
            turn.core.record(answered.account, about, on(began_us), &end);
        }
    }
}
