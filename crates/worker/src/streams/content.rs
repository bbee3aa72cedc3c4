//! The content of requests on its way to an application that is asked, each of a stream of its own.
//!
//! What comes before it is known who takes it, or while a part before it is written to a file, is
//! kept here and does not count as taken: its client sends no more of it than the windows hold, and
//! nothing else on the connection waits for that.

use super::{From, Streams, UnderWay};
use crate::{
    core::Core,
    job::Done,
    record::On,
    refusal::Trouble,
    turn::{Turn, Waiting, Work},
    upload::{Refused, Upload},
};
use base::Moment;
use control::lives::Waits;
use http2::{Key, limits::WAITING_BYTES_MAX};
use message::Status;
use std::net::IpAddr;

/// Content that is not with whom it is for.
#[derive(Default)]
pub(super) struct Coming {
    /// What has come before it is known who takes it.
    early: Vec<u8>,
    /// Bytes of what waits to be in a file.
    untaken_bytes: usize,
    /// Whether all has come.
    is_whole: bool,
}

impl Coming {
    pub(super) const fn early_bytes(&self) -> usize {
        self.early.len()
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.is_whole
    }
}

impl Streams {
    /// What it waits for, but for the room to send what is there: of several, what is least up to
    /// the client.
    pub(crate) fn waits(&self, now: Moment) -> Waits {
        let all = self.under_way.iter().map(|exchange| match &exchange.share {
            Some(share) if share.usable_at() > now => Waits::Share,
            _ if self.http.is_held_up(exchange.key) => Waits::Window,
            _ => exchange.work.waits(),
        });
        let order = [
            Waits::Application,
            Waits::Disk,
            Waits::Share,
            Waits::Window,
            Waits::Client,
            Waits::Nothing,
        ];
        let place = |waits: &Waits| order.iter().position(|other| other == waits);
        let fetches = self.fetches.iter().map(|_| Waits::Disk);
        let owed = self.http.is_owed().then_some(Waits::Client);
        all.chain(fetches).chain(owed).min_by_key(place).unwrap_or_default()
    }

    /// Shows each exchange under way.
    pub(crate) fn show(&mut self, core: &Core, client: Option<IpAddr>) {
        let Self { http, under_way, .. } = self;
        let (connection, is_secure, port) = (self.name, self.is_secure, self.port);
        for exchange in under_way {
            let (key, stream) = (exchange.key, exchange.stream);
            let on = |began_us| On { connection, stream, began_us, is_secure, port };
            let of = (exchange.record.as_deref(), exchange.work.suspended());
            core.show(&mut exchange.shown, of, (client, on), |head, slots| {
                http.reread(key, head, slots)
            });
        }
    }

    /// Whether a disk is waited for.
    pub(crate) fn waits_for_disk(&self) -> bool {
        let waits = |exchange: &UnderWay| exchange.work.waits() == Waits::Disk;
        !self.fetches.is_empty() || self.under_way.iter().any(waits)
    }

    /// Waits for no disk any more: it has not answered, and the client has left.
    pub(crate) fn give_up_stalled(&mut self) {
        self.has_stalled = self.has_left;
    }

    /// Takes a piece of the content that an application is to be sent; thrown away where nobody is.
    pub(super) fn take(&mut self, key: Key, piece: &[u8], turn: &mut Turn<'_>, from: &From<'_>) {
        let room_bytes = WAITING_BYTES_MAX.saturating_sub(self.waiting_bytes());
        let (upload, coming) = match self.find(key) {
            Some(UnderWay { work: Work::Upload(upload), coming, .. }) => (upload, coming),
            Some(UnderWay { work: Work::Job(_), coming, .. }) => {
                return coming.early.extend_from_slice(piece);
            }
            _ => return self.http.took(key, piece.len()),
        };
        coming.untaken_bytes += piece.len();
        let refused = match upload.take(piece, room_bytes, &turn.core.pool) {
            Ok(()) => return self.settle(key),
            Err(Refused::TooLarge) => {
                let why = Trouble::too_large(upload.question.php());
                (Status::CONTENT_TOO_LARGE, why)
            }
            Err(Refused::Busy) => (Status::SERVICE_UNAVAILABLE, Trouble::BUSY),
        };
        self.refuse_content(key, refused, turn, from);
    }

    /// Content was written to its file, or could not be; what has come meanwhile may be too much
    /// for memory, too.
    pub(super) fn wrote(&mut self, key: Key, is_done: bool, turn: &mut Turn<'_>, from: &From<'_>) {
        if !is_done {
            let refused = (Status::INSUFFICIENT_STORAGE, Trouble::NO_ROOM);
            return self.refuse_content(key, refused, turn, from);
        }
        self.take(key, &[], turn, from);
        if self.find(key).is_some_and(|exchange| exchange.coming.is_whole) {
            self.ask(key, turn, from);
        }
    }

    /// Lets more content come for what does not wait for a file any more.
    fn settle(&mut self, key: Key) {
        let Some(UnderWay { work: Work::Upload(upload), coming, .. }) = self.find(key) else {
            return;
        };
        let taken = coming.untaken_bytes.saturating_sub(upload.unwritten_bytes());
        coming.untaken_bytes -= taken;
        self.http.took(key, taken);
    }

    /// Goes on with content that came before it was known who takes it.
    pub(super) fn bring(
        &mut self,
        key: Key,
        coming: &Coming,
        turn: &mut Turn<'_>,
        from: &From<'_>,
    ) {
        if !coming.early.is_empty() {
            self.take(key, &coming.early, turn, from);
        }
        if coming.is_whole {
            self.ask(key, turn, from);
        }
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
            self.http.took(key, usize::MAX);
            self.resume((key, exchange), Done::Failed(status, why), turn, from);
        }
    }

    /// Asks the application whose request is complete, if one is to be asked: at once, or when its
    /// content is where it shall be, and there is room for the answer.
    pub(super) fn ask(&mut self, key: Key, turn: &mut Turn<'_>, from: &From<'_>) {
        let Some(UnderWay { work, coming, .. }) = self.find(key) else { return };
        coming.is_whole = true;
        if matches!(work, Work::Upload(upload) if upload.is_writing()) {
            return;
        }
        if !self.may_ask() {
            if let Some(UnderWay { work: Work::Upload(upload), .. }) = self.find(key) {
                upload.question.stand_alone();
            }
            return;
        }
        let Some(upload) = self.take_upload(key) else { return };
        let (exchange, question, content) = upload.finish();
        match question.ask(content, from.core) {
            Ok(done) => {
                // Each turn looks at all streams, and need not do the work of each.
                let done = done.into_done().into();
                let work = Work::Job(Box::new(Waiting { done, exchange, is_asked: true }));
                self.hold(key, work, (None, None, 0), turn);
            }
            Err((status, why)) => {
                self.resume((key, exchange), Done::Failed(status, why), turn, from);
            }
        }
    }

    /// The exchange of that stream, where it is under way.
    fn find(&mut self, key: Key) -> Option<&mut UnderWay> {
        self.under_way.iter_mut().find(|exchange| exchange.key == key)
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
