//! The content of requests on its way to an application that is asked, each of a stream of its own.

use super::{From, Streams, UnderWay};
use crate::{
    job::Done,
    refusal::Trouble,
    turn::{Turn, Waiting, Work},
    upload::{Refused, Upload},
};
use http2::Key;
use message::Status;

impl Streams {
    /// Whether nothing is read until something is done: content is being written to a file, or
    /// would come before it is known who takes it.
    pub(crate) fn is_holding(&self) -> bool {
        self.under_way.iter().any(|exchange| match &exchange.work {
            Work::Upload(upload) => upload.is_writing(),
            Work::Job(_) => self.http.awaits_content(exchange.key),
            Work::Nothing | Work::Source(_) => false,
        })
    }

    /// Takes a piece of the content that an application is to be sent; thrown away where nobody is.
    pub(super) fn take(&mut self, key: Key, piece: &[u8], turn: &mut Turn<'_>, from: &From<'_>) {
        let mut works = self.under_way.iter_mut().filter(|exchange| exchange.key == key);
        let Some(UnderWay { work: Work::Upload(upload), .. }) = works.next() else { return };
        let (status, why) = match upload.take(piece, &turn.core.pool) {
            Ok(()) => return,
            Err(Refused::TooLarge) => (Status::CONTENT_TOO_LARGE, Trouble::TOO_LARGE),
            Err(Refused::Busy) => (Status::SERVICE_UNAVAILABLE, Trouble::BUSY),
        };
        self.refuse_content(key, (status, why), turn, from);
    }

    /// Answers an exchange whose content cannot be taken.
    pub(super) fn refuse_content(
        &mut self,
        key: Key,
        (status, why): (Status, Trouble),
        turn: &mut Turn<'_>,
        from: &From<'_>,
    ) {
        if let Some(upload) = self.take_upload(key) {
            let (exchange, ..) = upload.finish();
            self.resume((key, exchange), Done::Failed(status, why), turn, from);
        }
    }

    /// Asks the application whose request is complete, if one is to be asked.
    pub(super) fn ask(&mut self, key: Key, turn: &mut Turn<'_>, from: &From<'_>) {
        let Some(upload) = self.take_upload(key) else { return };
        let (exchange, question, content) = upload.finish();
        match question.ask(content, from.core) {
            Ok(done) => {
                let work = Work::Job(Box::new(Waiting { done, exchange, is_asked: true }));
                self.hold(key, work, (None, None), turn);
            }
            Err((status, why)) => {
                self.resume((key, exchange), Done::Failed(status, why), turn, from);
            }
        }
    }

    /// The content that is being taken for that exchange, which is not under way meanwhile.
    fn take_upload(&mut self, key: Key) -> Option<Upload> {
        let is_it =
            |exchange: &UnderWay| exchange.key == key && matches!(exchange.work, Work::Upload(_));
        let at = self.under_way.iter().position(is_it)?;
        match self.under_way.swap_remove(at).work {
            Work::Upload(upload) => Some(*upload),
            _ => None,
        }
    }
}
