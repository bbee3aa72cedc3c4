//! What a connection waits for, for how long, and what follows when that is over.

use crate::{
    connection::{Connection, Parting, Phase},
    event::{Ended, Expiry},
    fault::{Code, Fault},
    frame,
    limits::SLOTS_KEPT,
    stream::{Answer, Key, Stream, Supply},
};
use base::Moment;
use message::{Output, clock::Writing};
use std::time::Duration;

impl Connection {
    /// When [`Connection::expire`] is to be called; `NEVER` if there is nothing to wait for. To be
    /// asked when a turn is over: it settles who is waited for.
    pub fn deadline(&mut self, now: Moment) -> Moment {
        if self.streams.open() == 0 {
            self.streams.shrink();
            self.decoder.settle();
            self.ended.shrink_to(4 * SLOTS_KEPT);
            self.late.shrink_to(4 * SLOTS_KEPT);
        }
        let parted = match self.parting {
            Parting::Announced(since) => since.after(self.limits.linger_time),
            Parting::No | Parting::Final => Moment::NEVER,
        };
        let (is_closing, is_held) = (self.is_closing(), !self.has_read_all);
        if self.phase == Phase::Open && !is_closing {
            match is_held {
                true => {
                    self.clock.stop();
                    self.frame_clock.stop();
                }
                // The last answer may have been given since all was read.
                false if self.streams.open() == 0 => self.clock.wait(now),
                false => {}
            }
        }
        let own = self.clock.deadline(self.patience()).min(self.frame_deadline());
        let mut deadline = own.min(parted).min(self.age_deadline());
        if is_closing {
            return deadline;
        }
        let (limits, is_full) = (self.limits, self.window <= 0);
        let may_send = !is_held && !self.room.is_full();
        for (_, stream) in self.streams.iter_mut() {
            if stream.is_awaited() {
                if may_send && (stream.grant > 0 || stream.untaken == 0) {
                    stream.clock.wait(now)
                } else {
                    stream.pause(now)
                }
            } else if !stream.is_sending() {
                stream.clock.unblock(now);
            } else if is_full || stream.window <= 0 {
                stream.clock.block(now, limits);
            } else {
                stream.clock.hold(now, limits);
            }
            deadline = deadline.min(stream.clock.deadline(stream.patience(limits)));
        }
        deadline
    }

    /// What is to be done `now`, when the deadline may have passed.
    pub fn expire(&mut self, now: Moment, output: &mut Output) -> Expiry {
        if let Parting::Announced(since) = self.parting
            && since.after(self.limits.linger_time) <= now
        {
            self.clock.stop();
            self.part_at_once(output);
        }
        self.expire_streams(now, output);
        if self.age_deadline() <= now {
            self.part(now, output);
        }
        let is_frame_late = self.frame_deadline() <= now;
        if !is_frame_late && now < self.clock.deadline(self.patience()) {
            return Expiry::Nothing;
        }
        if self.clock.is_blocked() {
            self.phase = Phase::Deaf;
            return Expiry::Reset;
        }
        if self.is_closing() || self.phase == Phase::Preface {
            self.phase = Phase::Deaf;
            return Expiry::Close;
        }
        if is_frame_late || self.phase == Phase::Settings {
            let fault = Fault::new(Code::EnhanceYourCalm, "a frame took too long");
            let _ = self.fail(fault, output);
            return Expiry::Broken(fault);
        }
        self.clock.stop();
        self.part_at_once(output);
        Expiry::Nothing
    }

    /// Takes down how writing the output goes, as of `now`.
    pub fn note(&mut self, writing: Writing, now: Moment) {
        self.clock.note(writing, now, self.limits);
        self.frame_clock.note(writing, now, self.limits);
    }

    /// Gives up the streams that wait for a peer which has closed its side: for the rest of their
    /// content, or for a window; and those whose file waits for its disk, if `has_stalled` says
    /// that this has been in vain. What can be sent without any of it goes on.
    pub fn give_up_waiting(&mut self, has_stalled: bool, output: &mut Output) {
        let is_full = self.window <= 0;
        let waits = |stream: &Stream| match stream.answer {
            Answer::Due | Answer::Given => stream.is_receiving,
            Answer::Sourced | Answer::Sending => {
                let is_unsupplied = has_stalled && stream.supply != Supply::AtHand;
                stream.is_sending() && (is_full || stream.window <= 0 || is_unsupplied)
            }
        };
        let keys: Vec<Key> =
            self.streams.iter().filter(|(_, one)| waits(one)).map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.give_up(key, "the client has left", output));
    }

    /// Goes on reading until the peer closes its side or the deadline passes.
    pub fn linger(&mut self, now: Moment) {
        self.phase = Phase::Deaf;
        self.clock.wait(now);
    }

    fn patience(&self) -> Duration {
        match self.phase {
            _ if self.is_closing() => self.limits.linger_time,
            Phase::Open => self.limits.idle_time,
            _ => self.limits.head_time,
        }
    }

    /// Until when a frame that has begun has to be whole.
    fn frame_deadline(&self) -> Moment {
        if self.is_closing() {
            return Moment::NEVER;
        }
        self.frame_clock.deadline(self.limits.head_time)
    }

    /// When a connection is old that has nothing under way, and has not been told so.
    fn age_deadline(&self) -> Moment {
        let is_told = self.parting != Parting::No;
        if is_told || self.phase != Phase::Open || self.streams.open() > 0 {
            return Moment::NEVER;
        }
        self.until
    }

    /// Gives up streams whose peer neither takes its answer nor sends its content.
    fn expire_streams(&mut self, now: Moment, output: &mut Output) {
        let limits = self.limits;
        let is_due = |stream: &Stream| stream.clock.deadline(stream.patience(limits)) <= now;
        let due = self.streams.iter().filter(|(_, stream)| is_due(stream));
        let keys: Vec<Key> = due.map(|(key, _)| key).collect();
        for key in keys {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            if stream.is_awaited() {
                stream.clock.stop();
                self.late.push(key);
                continue;
            }
            self.give_up(key, "the client opens no window for it", output);
        }
    }

    /// Gives a stream up that will never come to its end.
    fn give_up(&mut self, key: Key, reason: &'static str, output: &mut Output) {
        let Some(stream) = self.streams.get(key) else { return };
        let (id, is_given) = (stream.id, stream.answer == Answer::Given);
        if !is_given {
            let unsent_bytes = stream.content.len();
            self.ended.push(Ended { key, unsent_bytes, reason: Some(reason) });
        }
        let code = if is_given { Code::NoError } else { Code::Cancel };
        frame::push_reset(output.bytes(), id, code);
        self.remember_reset(id);
        self.streams.leave(key);
    }
}
