//! The end of a connection, in time and without harm to the last answer.

use super::Connection;
use crate::{
    admission::{self, Admission},
    job::Done,
    sending,
    streams::Streams,
    telling::Goodbye,
    turn::{Pending, Turn, Work},
};
use base::Moment;
use control::lives::{Ending, Waits};
use http1::Expiry;
use message::clock::Writing;
use std::{
    mem,
    os::fd::AsFd,
    task::{Context, Poll},
};

impl Connection {
    /// Acts on a deadline that has passed; false if the connection is over.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) -> bool {
        let must_give_way = self.is_evicted(turn) && self.http.owes_head_since().is_some();
        if self.deadline(turn.tick.now) > turn.tick.now && !must_give_way {
            return true;
        }
        let is_sending = !turn.scratch.output.is_empty() || self.has_unsent(turn);
        if is_sending {
            let taken = sending::taken(&self.socket, &mut turn.pending.queued, 0);
            self.note(Writing::Progress(taken), turn.tick.now);
        }
        if self.streams.is_some() {
            return self.expire_streams(turn);
        }
        let expiry = match must_give_way {
            true => self.http.give_way(),
            false => self.http.expire(turn.tick.now),
        };
        match expiry {
            Expiry::Nothing => self.deadline(turn.tick.now) > turn.tick.now,
            Expiry::Refuse(refusal) => {
                let unread = turn.scratch.input[turn.unread.clone()].to_vec();
                self.refuse(refusal, &unread, turn);
                true
            }
            Expiry::Close => {
                if let Admission::HeaderDue = self.admission {
                    admission::shut_out(turn.core, self.client, admission::LATE);
                }
                false
            }
            Expiry::Reset => {
                self.reset();
                false
            }
        }
    }

    /// When to look whether the client is still there, should nothing happen until then: only where
    /// a disk is waited for does nothing else find that out.
    pub(super) fn next_look(&self, now: Moment) -> Moment {
        let pending = self.held.as_deref().map(|held| &held.pending);
        let waits =
            |pending: &Pending| pending.fetch.is_under_way() || pending.work.waits() == Waits::Disk;
        let is_waiting = pending.is_some_and(waits)
            || self.streams.as_deref().is_some_and(Streams::waits_for_disk);
        if is_waiting { now.after(self.core.plan.limits.linger_time) } else { Moment::NEVER }
    }

    /// Gives up what has waited for a disk all the time that whoever has left is given; false if
    /// the connection is over. A disk that does not answer would keep its place for ever.
    pub(super) fn look_after_stalled(&mut self, turn: &mut Turn<'_>) -> bool {
        if turn.tick.now < self.look_at || !net::socket::has_left(self.socket.as_fd()) {
            return true;
        }
        if turn.pending.fetch.is_under_way() {
            // What was promised will not be sent.
            self.reset();
            return false;
        }
        if let Some(streams) = &mut self.streams {
            streams.give_up_stalled();
            return true;
        }
        self.http.close_after_answer();
        match mem::take(&mut turn.pending.work) {
            Work::Job(waiting) => self.resume(waiting.exchange, Done::LEFT, turn),
            Work::Upload(upload) => self.resume(upload.finish().0, Done::LEFT, turn),
            Work::Nothing | Work::Source(_) => {}
        }
        true
    }

    /// Says with a FIN that nothing more will come, and whether to go on reading, lest what the
    /// peer still sends destroys the last answer on its way.
    pub(super) fn lingers(&mut self, turn: &mut Turn<'_>) -> bool {
        let lingers = self.http.linger(turn.tick.now);
        self.hear_end();
        if let Some(secure) = &mut self.secure
            && secure.end(&mut turn.scratch.records)
        {
            // Once that is sent, this is asked again.
            return true;
        }
        if !lingers {
            return false;
        }
        self.say_goodbye();
        true
    }

    /// Takes notice of a goodbye that has come, before anything is said by TLS that undoes it.
    pub(super) fn hear_end(&self) {
        if self.secure.is_some() {
            self.core.hears_end(&self.socket);
        }
    }

    /// How it has ended, as this server sees it.
    pub(super) fn ending(&self) -> Ending {
        match (self.ending, self.goodbye) {
            // It has heard the client say goodbye, too, but that was asked for.
            (Ending::ByClient, Goodbye::Fin) => Ending::ByServer,
            (ending, _) => ending,
        }
    }

    /// Says, once, that nothing more will come.
    pub(super) fn say_goodbye(&mut self) {
        if self.goodbye == Goodbye::Nothing {
            self.goodbye = match self.core.hears_end(&self.socket) {
                true => Goodbye::SecondFin,
                false => Goodbye::Fin,
            };
            // Where this fails, reading finds the end.
            let _ = net::socket::finish(self.socket.as_fd());
        }
    }

    /// Has its end be a fault that the peer cannot miss.
    pub(super) fn reset(&mut self) {
        self.goodbye = Goodbye::Reset;
        // Where even this fails, closing does what is left to do.
        let _ = net::socket::reset_on_close(self.socket.as_fd());
    }

    /// Ends with what is under way, as the server does: who has no answer yet is told that there is
    /// none, where it takes that at once.
    pub(super) fn cut(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) {
        self.ending = Ending::Unwanted;
        if !self.cut_streams(turn) {
            let work = mem::take(&mut turn.pending.work);
            self.http.close_after_answer();
            match work {
                Work::Job(waiting) => self.resume(waiting.exchange, Done::CUT, turn),
                Work::Upload(upload) => self.resume(upload.finish().0, Done::CUT, turn),
                Work::Nothing | Work::Source(_) => turn.pending.work = work,
            }
        }
        let is_written = self.write(turn, context) == Poll::Ready(true);
        if is_written && !turn.is_working() {
            turn.complete_record();
        }
        if turn.pending.record.is_some() {
            // A client that cannot tell the end from the length has to see a fault.
            self.reset();
        }
    }
}
