//! The content of a request on its way to an application that is asked.

use super::Connection;
use crate::{
    application::Question,
    job::{Done, Suspended},
    refusal::Trouble,
    spill::Content,
    turn::{Turn, Waiting, Work},
    upload::{Refused, Upload},
};
use handle::php::Call;
use message::{Broken, Exchange, Length, Status};
use std::task::{Context, Poll, ready};

/// Bytes behind a request that are read while an application works for it: as long as these are not
/// there, it is noticed that the client leaves.
pub(super) const AHEAD_BYTES: usize = 4096;

impl Connection {
    /// Has an application asked as `call` says, once all content is there.
    pub(super) fn call(
        &mut self,
        call: Call,
        exchange: &Exchange<'_>,
        suspended: Suspended,
        turn: &mut Turn<'_>,
    ) {
        let (ends, is_secure) = (self.socket.ends(), self.secure.is_some());
        let question = Question::new(call, exchange, (ends, is_secure), turn.core);
        if exchange.request.length == Length::Known(0) {
            return self.put((suspended, question, Content::default()), turn);
        }
        turn.pending.work = Work::Upload(Box::new(Upload::new(suspended, question)));
        self.http.proceed(&mut turn.scratch.output);
    }

    /// Takes a piece of the content that an application is to be sent; thrown away where nobody is.
    pub(super) fn take(&mut self, piece: &[u8], turn: &mut Turn<'_>) {
        let Work::Upload(upload) = &mut turn.pending.work else { return };
        match upload.take(piece, usize::MAX, &turn.core.pool) {
            Ok(()) => {}
            Err(Refused::TooLarge) => {
                let why = Trouble::too_large(upload.question.php());
                self.refuse_content(Status::CONTENT_TOO_LARGE, why, turn);
            }
            Err(Refused::Busy) => {
                self.refuse_content(Status::SERVICE_UNAVAILABLE, Trouble::BUSY, turn);
            }
        }
    }

    /// Answers an exchange whose content cannot be taken.
    pub(super) fn refuse_content(&mut self, status: Status, why: Trouble, turn: &mut Turn<'_>) {
        if let Work::Upload(upload) = std::mem::take(&mut turn.pending.work) {
            let (exchange, ..) = upload.finish();
            self.resume(exchange, Done::Failed(status, why), turn);
        }
    }

    /// Looks whether the client is still there that an application works for, as long as little of
    /// it is unread: false when the connection is over.
    pub(super) fn look_after(
        &mut self,
        turn: &mut Turn<'_>,
        context: &mut Context<'_>,
    ) -> Poll<bool> {
        if !turn.is_asking() || turn.unread.len() >= AHEAD_BYTES {
            return Poll::Pending;
        }
        if ready!(self.read(turn, context)) {
            return Poll::Ready(true);
        }
        let Work::Job(waiting) = std::mem::take(&mut turn.pending.work) else {
            turn.break_off(Broken::CUT_OFF.0);
            return Poll::Ready(false);
        };
        self.http.close_after_answer();
        self.resume(waiting.exchange, Done::LEFT, turn);
        Poll::Ready(true)
    }

    /// Asks the application whose request is complete, if one is to be asked.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>) {
        let upload = match std::mem::take(&mut turn.pending.work) {
            Work::Upload(upload) => upload,
            other => return turn.pending.work = other,
        };
        self.put(upload.finish(), turn);
    }

    /// Puts a question to its application.
    fn put(
        &mut self,
        (exchange, question, content): (Suspended, Question, Content),
        turn: &mut Turn<'_>,
    ) {
        match question.ask(content, &self.core) {
            Ok(done) => {
                let waiting = Waiting { done, exchange, is_asked: true };
                turn.pending.work = Work::Job(Box::new(waiting));
            }
            Err((status, why)) => self.resume(exchange, Done::Failed(status, why), turn),
        }
    }
}
