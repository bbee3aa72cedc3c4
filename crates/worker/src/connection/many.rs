//! A connection that has turned out to speak HTTP/2, with many exchanges at once; and what is asked
//! of connections whichever version they speak.

use super::Connection;
use crate::{
    admission::Admission,
    record::On,
    secure::Secure,
    streams::{self, Streams},
    telling::Goodbye,
    turn::{Held, Turn},
    watch::Place,
};
use base::Moment;
use control::{counters, lives::Waits};
use http2::Expiry;
use message::clock::Writing;
use std::{
    task::{Context, Poll, ready},
    time::Duration,
};
use tls::Protocol;

/// How often the output of a connection may be filled before others of its loop get a turn.
const FILLS_MAX: u32 = 4;

/// How long the rest of a head may be owed before its connection counts as an idle one: a client
/// that means it needs a round trip or two.
const HEAD_GRACE: Duration = Duration::from_secs(1);

impl Connection {
    /// When this connection is to be looked at again, whoever wakes it before.
    pub(super) fn deadline(&mut self, now: Moment) -> Moment {
        let secure =
            self.secure.as_ref().filter(|_| !matches!(self.admission, Admission::HeaderDue));
        let secure = secure.map_or(Moment::NEVER, |secure| secure.deadline());
        let protocol = match &mut self.streams {
            Some(streams) => streams.deadline(now),
            None => self.http.deadline(),
        };
        protocol.min(secure)
    }

    /// Whether nothing is under way that closing would spoil.
    pub(super) fn is_idle(&self) -> bool {
        let is_idle = |streams: &Streams| streams.is_idle();
        let is_quiet = self.secure.as_ref().is_none_or(|secure| secure.is_idle());
        let is_at_rest = self.streams.as_deref().map_or_else(|| self.http.is_idle(), is_idle);
        self.held.is_none() && is_at_rest && is_quiet
    }

    /// Since when it is idle, so that its place may be given to somebody else; `NEVER` while it may
    /// not. Whoever owes the rest of a head counts as idle after a while. Of HTTP/2, a part of a
    /// frame keeps none, nor do frames that ask for nothing make it any younger.
    pub(super) fn evictable_since(&self, now: Moment) -> Moment {
        if self.streams.is_none() && self.is_idle() {
            return self.http.idle_since().min(now);
        }
        let owes_nothing = |held: &Held| held.output.is_empty() && held.pending.is_nothing();
        let is_quiet = self.secure.as_ref().is_none_or(|secure| secure.is_at_rest());
        let is_at_rest = is_quiet && self.held.as_deref().is_none_or(owes_nothing);
        match &self.streams {
            None if is_at_rest => {
                let owed = self.http.owes_head_since();
                owed.map_or(Moment::NEVER, |since| since.after(HEAD_GRACE))
            }
            Some(streams) if is_at_rest && streams.is_at_rest() => {
                streams.http.idle_since().min(now)
            }
            None | Some(_) => Moment::NEVER,
        }
    }

    /// What it waits for, but for the room to send what is there.
    pub(super) fn waits(&self, now: Moment) -> Waits {
        let is_shaking = self.secure.as_ref().is_some_and(|secure| secure.is_shaking());
        if is_shaking || matches!(self.admission, Admission::HeaderDue) {
            return Waits::Client;
        }
        let is_owed = self.secure.as_ref().is_some_and(|secure| secure.is_owed());
        match self.streams.as_ref().map_or_else(|| self.waits_alone(now), |all| all.waits(now)) {
            Waits::Nothing if is_owed => Waits::Client,
            waits => waits,
        }
    }

    /// The same where there is one exchange at a time.
    fn waits_alone(&self, now: Moment) -> Waits {
        let Some(Held { input, output, pending }) = self.held.as_deref() else {
            return if self.http.is_idle() { Waits::Nothing } else { Waits::Client };
        };
        let has_begun = output.is_empty() && !input.is_empty();
        match pending.work.waits() {
            _ if pending.usable_at(now) != Moment::NEVER => Waits::Share,
            Waits::Nothing if pending.fetch.is_under_way() => Waits::Disk,
            Waits::Nothing if has_begun && pending.is_nothing() => Waits::Client,
            waits => waits,
        }
    }

    /// Shows what is under way, if somebody looks.
    #[inline]
    pub(super) fn show(&mut self) {
        if self.core.life.is_wanted() {
            self.show_under_way();
        }
    }

    #[cold]
    fn show_under_way(&mut self) {
        let Self { core, client, streams, held, http, name, secure, listener, .. } = self;
        if let Some(streams) = streams {
            return streams.show(core, *client);
        }
        let Some(held) = held.as_deref_mut() else { return };
        let (is_secure, port) = (secure.is_some(), core.port(*listener));
        let on = |began_us| On { connection: *name, stream: 0, began_us, is_secure, port };
        let of = (held.pending.record.as_deref(), held.pending.work.suspended());
        core.show(&mut held.pending.shown, of, (*client, on), |head, slots| {
            http.reread(head, slots)
        });
    }

    /// Tells the peer where the end is near; there always is something to be done.
    pub(super) fn part_streams(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
        must_leave: bool,
    ) -> bool {
        let output = &mut turn.scratch.output;
        match &mut self.streams {
            Some(streams) if turn.core.watch.is_evicted(place) => streams.http.part_at_once(output),
            Some(streams) if turn.core.is_parting(must_leave) => {
                streams.http.part(turn.tick.now, output);
            }
            _ => {}
        }
        true
    }

    /// Does `work` with the exchanges of HTTP/2, if that is spoken; it is told whom they come from.
    fn with_streams<T>(
        &mut self,
        work: impl FnOnce(&mut Streams, &streams::From<'_>) -> T,
    ) -> Option<T> {
        let streams = self.streams.as_deref_mut()?;
        let from = streams::From {
            name: self.name,
            client: self.client,
            listener: self.listener,
            admission: &self.admission,
            core: &self.core,
            socket: &self.socket,
            secure: self.secure.as_deref(),
        };
        Some(work(streams, &from))
    }

    /// Puts down what is under way on a connection that is over.
    pub(super) fn abandon_streams(&mut self, turn: &Turn<'_>) {
        self.with_streams(|streams, from| streams.abandon(turn, from));
    }

    /// Ends with the exchanges of HTTP/2, if that is spoken.
    pub(super) fn cut_streams(&mut self, turn: &mut Turn<'_>) -> bool {
        self.with_streams(|streams, from| streams.cut(turn, from)).is_some()
    }

    /// Acts on a deadline of HTTP/2 that has passed; false if the connection is over.
    pub(super) fn expire_streams(&mut self, turn: &mut Turn<'_>) -> bool {
        let expiry = self.with_streams(|streams, from| streams.expire(turn, from));
        if expiry == Some(Expiry::Reset) {
            self.reset();
        }
        matches!(expiry, Some(Expiry::Nothing | Expiry::Broken(_)))
    }

    /// Works as [`Connection::run`] does, with many exchanges at once: what has come is read and
    /// answered though not all of the output is written.
    pub(super) fn run_streams(
        &mut self,
        turn: &mut Turn<'_>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut fills = 0;
        loop {
            let worked = self.with_streams(|streams, from| {
                let has_more = streams.work(turn, from, context);
                let has_unread = !streams.has_read_all();
                (has_more, has_unread, streams.http.is_closing())
            });
            let Some((has_more, has_unread, is_closing)) = worked else {
                return Poll::Ready(());
            };
            match self.write(turn, context) {
                Poll::Ready(false) => return Poll::Ready(()),
                Poll::Ready(true) if has_more && fills < FILLS_MAX => {
                    fills += 1;
                    continue;
                }
                Poll::Ready(true) if has_more => {
                    // The others of the loop have a turn.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Nobody is there, or the place is wanted.
                Poll::Ready(true) if is_closing && (self.has_ended || self.is_evicted(turn)) => {
                    return Poll::Ready(());
                }
                Poll::Ready(true) if is_closing => {
                    self.finish_streams(turn);
                    if self.has_unsent(turn) {
                        continue;
                    }
                }
                Poll::Ready(true) => {}
                Poll::Pending => {
                    let waiting = turn.scratch.output.memory_bytes();
                    if waiting > turn.core.plan.limits.output_bytes_max {
                        return Poll::Pending;
                    }
                    if has_unread {
                        continue;
                    }
                }
            }
            if self.has_ended {
                return Poll::Pending;
            }
            if !ready!(self.read(turn, context)) {
                if self.is_idle() || is_closing {
                    return Poll::Ready(());
                }
                // What it has asked for and is ready is sent all the same, and then that was all.
                self.has_ended = true;
                if let Some(streams) = &mut self.streams {
                    streams.has_left = true;
                    streams.http.part_at_once(&mut turn.scratch.output);
                }
            }
        }
    }

    /// Whether this connection has been chosen to make room.
    pub(super) fn is_evicted(&self, turn: &Turn<'_>) -> bool {
        self.place.is_some_and(|place| turn.core.watch.is_evicted(place))
    }

    /// Says that nothing more will come, with TLS where that is spoken and with a FIN, and goes on
    /// reading for a while.
    fn finish_streams(&mut self, turn: &mut Turn<'_>) {
        self.hear_end();
        let Some(streams) = self.streams.as_mut().filter(|_| self.goodbye == Goodbye::Nothing)
        else {
            return;
        };
        streams.http.linger(turn.tick.now);
        let ends = |secure: &mut Box<Secure>| secure.end(&mut turn.scratch.records);
        // Once that is sent, this is called again.
        if !self.secure.as_mut().is_some_and(ends) {
            self.say_goodbye();
        }
    }

    /// Nothing more can be said or heard by TLS.
    pub(super) fn give_up(&mut self, turn: &mut Turn<'_>) {
        let now = turn.tick.now;
        let gone = self.with_streams(|streams, from| {
            turn.scratch.output.clear();
            streams.abandon(turn, from);
            streams.http.linger(now);
        });
        if gone.is_none() {
            self.http.close_after_answer();
        }
    }

    /// Whether HTTP/2 is spoken, which is gone over to: that is chosen where there is TLS; else
    /// what has come is its beginning, or may be.
    pub(super) fn recognize(&mut self, turn: &mut Turn<'_>) -> bool {
        /// As much of HTTP/2's beginning as tells it from HTTP/1.1.
        const BYTES: usize = "PRI * HTTP/2".len();
        if let Admission::HeaderDue = self.admission {
            return false;
        }
        let unread = &turn.scratch.input[turn.unread.clone()];
        let (is_spoken, may_be) = match self.secure.as_ref().map(|secure| secure.protocol()) {
            Some(chosen) => (chosen == Some(Protocol::Http2), chosen.is_none()),
            None => (
                unread.len() >= BYTES && http2::PREFACE[..BYTES] == unread[..BYTES],
                unread.len() < BYTES && http2::PREFACE.starts_with(unread),
            ),
        };
        if is_spoken {
            let port = turn.core.port(self.listener);
            let about = (self.name, self.secure.is_some(), port);
            let streams = Streams::new(&turn.core.plan.limits, about, turn.tick.now);
            self.streams = Some(Box::new(streams));
            self.spoken = turn.core.speaks(counters::Protocol::of(true, self.secure.is_some()));
        }
        self.may_be_http2 = may_be;
        is_spoken
    }

    /// Tells the protocol room how writing goes.
    pub(super) fn note(&mut self, writing: Writing, now: Moment) {
        match &mut self.streams {
            None => self.http.note(writing, now),
            Some(streams) => streams.http.note(writing, now),
        }
    }
}
