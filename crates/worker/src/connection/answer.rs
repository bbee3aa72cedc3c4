//! Answers on their way to the protocol room, and the lines that say that they were given.

use super::Connection;
use crate::{
    flow::Answered,
    job::{Done, Suspended},
    record::{About, End, On, Record, SoFar},
    refusal,
    share::Share,
    turn::{Turn, Work},
};
use control::lives::Ending;
use message::{Body, Broken, Exchange, Method, Slots, Status};
use std::task::{Context, Poll};

/// Bytes of content that are put together for one call where they are there.
const TOGETHER_BYTES: usize = 64 * 1024;

impl Connection {
    /// Where an answer is told of whose request was there then.
    pub(super) fn on(&self, began_us: u64) -> On {
        let (is_secure, port) = (self.secure.is_some(), self.core.port(self.listener));
        On { connection: self.name, stream: 0, began_us, is_secure, port }
    }

    /// Goes on with an exchange for which something has been done.
    pub(super) fn resume(&mut self, exchange: Suspended, done: Done, turn: &mut Turn<'_>) {
        let Suspended { head, id, began_us, ledger, .. } = exchange;
        let mut slots = Slots::new();
        let Some(request) = self.http.reread(&head, &mut slots) else {
            debug_assert!(false, "a head that was read once can be read again");
            let response = refusal::bare(Status::INTERNAL_SERVER_ERROR);
            self.http.respond(response, &turn.core.date(turn.tick), &mut turn.scratch.output);
            return;
        };
        self.answer((&request, id), Some(Box::new(done)), ledger, (&head, began_us), turn);
    }

    /// Has the protocol room write an answer down, and puts down that it was given.
    pub(super) fn send(
        &mut self,
        answered: Answered,
        exchange: &Exchange<'_>,
        began_us: u64,
        turn: &mut Turn<'_>,
    ) {
        let Answered { response, bandwidth, account, note, .. } = answered;
        turn.pending.share =
            bandwidth.zip(exchange.client).map(|(limit, client)| Share::new(limit, client));
        let status = response.status;
        let (bytes, is_sent_at_once) = match &response.body {
            _ if exchange.request.method == Method::Head => (0, true),
            Body::Empty => (0, true),
            Body::Bytes(bytes) => (bytes.as_slice().len() as u64, true),
            Body::File(_) | Body::Parts(_) => (response.body.len().unwrap_or(0), false),
            // It is counted as it comes.
            Body::Stream(_) => (0, false),
        };
        let output = &mut turn.scratch.output;
        if let Some(source) = self.http.respond(response, &turn.core.date(turn.tick), output) {
            turn.pending.work = Work::Source(source);
        }
        let about = About::exchange(exchange);
        if is_sent_at_once {
            let us = turn.core.answered_us(began_us);
            let end = End { status, bytes, us, reason: note };
            turn.core.record(account, about, self.on(began_us), &end);
        } else {
            let line =
                turn.core.log.borrow_mut().begin(account.log, about, (status.0, turn.tick.wall));
            let first_us = turn.elapsed_us(began_us);
            let end = End { status, bytes, us: first_us, reason: note };
            let on = self.on(began_us);
            let told = turn.core.tell_begun(on, (about, account.label), &end);
            let span = turn.core.begin_span(account, about, on);
            turn.pending.record = Some(Box::new(Record {
                account,
                line,
                status,
                bytes,
                so_far: SoFar::from(turn.tick.now),
                began_us,
                told,
                span,
                first_us,
                note,
                is_cut: false,
            }));
        }
    }

    /// Writes down what is there of an answer's content, perhaps to its end: it leaves together.
    pub(super) fn stream(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<()> {
        while let Work::Source(source) = &mut turn.pending.work {
            let output = &mut turn.scratch.output;
            match source.poll_next(context) {
                Poll::Pending if output.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(piece))) => {
                    turn.pending.count_content(piece.len() as u64);
                    self.http.stream(piece, &mut turn.scratch.output);
                    if turn.scratch.output.memory_bytes() >= TOGETHER_BYTES {
                        break;
                    }
                }
                Poll::Ready(Some(Err(Broken(reason)))) => {
                    self.http.abort_stream();
                    self.secure.iter_mut().for_each(|secure| secure.cut());
                    turn.break_off(reason);
                    self.ending = Ending::Cut;
                    // A client that cannot tell the end from the length has to see a fault.
                    self.reset();
                    turn.pending.work = Work::Nothing;
                }
                Poll::Ready(None) => {
                    self.http.finish_stream(output);
                    turn.pending.work = Work::Nothing;
                }
            }
        }
        Poll::Ready(())
    }
}
