//! What is told of connections, and of what is answered on them, to whoever looks at the server;
//! and the spans of that, for a collector.

use crate::{
    account::Account,
    core::Core,
    record::{About, End, Later, On, Record, Subject, Told},
    socket::Socket,
};
use base::Moment;
use config::plan::Label;
use control::{
    Counter,
    lives::{Answer, Begun, Ending, Ends, First, Name, SLOW_US, Waits, Way, What},
};
use message::{RequestId, TraceContext};
use net::diag::{Path, State};
use otlp::Begun as Span;
use std::{net::IpAddr, os::fd::AsFd};

impl Core {
    /// Another connection has come: what it is called from now on.
    pub(crate) fn tell_begin(&self, socket: &Socket, ends: Option<Ends>) -> Name {
        let Some(ends) = ends.filter(|_| self.life.is_kept()) else { return Name::default() };
        let now_us = self.read_us();
        let name = self.life.begin(now_us, ends);
        if let Some((_, path)) = self.path_of(socket) {
            // The kernel gives a connection on after a while, though nothing has come of it.
            let what = if path.received > 0 { What::Arrived(path.rtt_us) } else { What::Silent };
            self.life.put(now_us, name, what);
        }
        name
    }

    /// What the kernel knows of the way to a client. To ask costs a twentieth of what a connection
    /// with one small answer does, so it is asked only while somebody looks.
    fn path_of(&self, socket: &Socket) -> Option<(State, Path)> {
        if self.life.is_wanted() { Path::of(socket.as_fd()).ok() } else { None }
    }

    /// Whether a client has said that nothing more will come: that was read or, as far as somebody
    /// looks, is there to be read. To be asked before this side says anything that a client who is
    /// gone answers with a reset.
    pub(crate) fn hears_end(&self, socket: &Socket) -> bool {
        let is_there = |(state, _)| state == State::CloseWait;
        if !socket.has_ended() && self.path_of(socket).is_some_and(is_there) {
            socket.note_end();
        }
        socket.has_ended()
    }

    /// Something has happened on a connection now.
    pub(crate) fn tell(&self, connection: Name, what: What) {
        if self.life.is_kept() && connection != Name::default() {
            self.life.put(self.read_us(), connection, what);
        }
    }

    /// A connection waits for that from now on.
    #[inline]
    pub(crate) fn tell_waiting(&self, name: Name, waits: impl FnOnce() -> Waits) {
        if self.life.is_kept() {
            self.life.wait(name, waits());
        }
    }

    /// A connection is about to be closed, after this side has said that.
    pub(crate) fn tell_closed(
        &self,
        socket: &Socket,
        name: Name,
        (ending, says): (Ending, Goodbye),
    ) {
        if !self.life.is_kept() || name == Name::default() {
            return;
        }
        let now_us = net::clock::precise_us();
        let found = self.path_of(socket);
        if let Some((_, path)) = &found {
            self.life.put(now_us, name, What::Way(way(path)));
        }
        let state = found.map(|(state, _)| state);
        if state == Some(State::Closed) && net::socket::was_cut_after_end(socket.as_fd()) {
            socket.note_end();
        }
        let first = first(state, says, socket.has_ended());
        self.life.end(now_us, name, (ending, first));
    }

    /// A request was answered.
    #[inline]
    pub(crate) fn tell_answered(&self, on: On, (about, label): (About<'_>, usize), end: &End) {
        self.life.count(on.connection);
        if self.is_told(on, end) {
            self.tell_answer(on, (about, label), (end.us, Some(end.us)), end);
        }
    }

    /// An answer has begun that will be told of when it is over, too.
    #[inline]
    pub(crate) fn tell_begun(&self, on: On, (about, label): (About<'_>, usize), end: &End) -> Told {
        if !self.life.is_kept() {
            return Told::Never;
        }
        let later = Box::new(Later::new(on, about));
        if self.is_told(on, end) {
            Told::Begun(self.tell_answer(on, (about, label), (end.us, None), end), later)
        } else {
            Told::Later(later)
        }
    }

    /// It is over.
    pub(crate) fn tell_finished(&self, record: &Record, end: &End) {
        if let Told::Begun(_, later) | Told::Later(later) = &record.told {
            self.life.count(later.on.connection);
        }
        match &record.told {
            Told::Begun(begun, later) => self.life.finish(*begun, &self.over(later, record, end)),
            Told::Later(later) if end.us >= SLOW_US || end.reason.is_some() => {
                self.life.answer(&self.over(later, record, end));
            }
            Told::Later(_) | Told::Never => {}
        }
    }

    /// Whether an answer is told of: one that has failed by no fault of a client, or was slow; and
    /// of the others as many as there is room for, while somebody looks.
    #[inline]
    fn is_told(&self, on: On, end: &End) -> bool {
        let is_bad = end.status.0 >= 500 || end.us >= SLOW_US;
        is_bad && self.life.is_kept()
            || self.life.is_wanted() && self.life.admits(began_us(on) + end.us)
    }

    #[cold]
    fn tell_answer(
        &self,
        on: On,
        (about, label): (About<'_>, usize),
        times: (u64, Option<u64>),
        end: &End,
    ) -> Begun {
        let who = (about.client, about.asked(), about.trace(), self.site(label));
        self.life.answer(&told(on, who, times, end))
    }

    /// What is told of an answer that is over, and had begun before.
    #[cold]
    fn over<'a>(&'a self, later: &'a Later, record: &Record, end: &End) -> Answer<'a> {
        let who = (later.client, later.asked(), later.trace, self.site(record.account.label));
        told(later.on, who, (record.first_us, Some(end.us)), end)
    }

    /// The site that is counted by that label.
    pub(crate) fn site(&self, label: usize) -> &str {
        self.plan.labels.get(label).map_or("", |label| &label.site)
    }

    /// The span of an exchange whose answer begins, if somebody wants it.
    #[inline]
    pub(crate) fn begin_span(&self, account: Account, about: About<'_>, on: On) -> Option<Span> {
        self.spans.as_ref()?;
        let trace = about.id.and_then(RequestId::trace).filter(|trace| trace.is_sampled)?;
        self.begin_wanted_span(account, about, trace, on)
    }

    #[cold]
    fn begin_wanted_span(
        &self,
        account: Account,
        about: About<'_>,
        trace: &TraceContext,
        on: On,
    ) -> Option<Span> {
        let Subject::Request(request) = about.subject else { return None };
        let of = self.plan.labels.get(account.label);
        let of = of.map_or(("", ""), |Label { site, route }| (site, route));
        let ago_us = if on.began_us == 0 { 0 } else { net::clock::precise_us() - on.began_us };
        let start_ns = net::clock::precise_wall_ns().saturating_sub(ago_us * 1_000);
        let (is_tls, client) = (on.is_secure, about.client);
        let id = about.id.map_or("", RequestId::as_str);
        Some(Span::new(request, trace, &otlp::About { is_tls, client, id, of, start_ns }))
    }

    /// The exchange of a span is over, and its first byte was sent after so many microseconds,
    /// where that was not at its end.
    pub(crate) fn end_span(&self, span: &Span, (first_us, is_cut): (Option<u64>, bool), end: &End) {
        let Some(spans) = &self.spans else { return };
        let End { status, bytes, us, reason } = *end;
        let end = otlp::End { status, bytes, first_us, us, reason, is_cut };
        let dropped = spans.borrow_mut().add(span, &end, self.now());
        self.count_many(Counter::SpansDropped, dropped);
    }

    /// Hands over those that have waited long enough, or all where there will be no more.
    pub(crate) fn hand_over_spans(&self, now: Option<Moment>) {
        let Some(spans) = &self.spans else { return };
        let mut spans = spans.borrow_mut();
        let dropped = match now {
            Some(now) => spans.sweep(now),
            None => spans.close(),
        };
        self.count_many(Counter::SpansDropped, dropped);
    }
}

/// When it began: what was refused before it was a request, as it was refused.
fn began_us(on: On) -> u64 {
    if on.began_us == 0 { net::clock::precise_us() } else { on.began_us }
}

/// What is told of an answer that has come that far: who asked for what in which trace, of
/// which site, and how long its first and its last byte took.
pub(crate) fn told<'a>(
    on: On,
    (client, asked, trace, site): (Option<IpAddr>, [&'a [u8]; 6], u128, &'a str),
    (first_us, whole_us): (u64, Option<u64>),
    end: &End,
) -> Answer<'a> {
    Answer {
        connection: on.connection,
        stream: on.stream,
        began_us: began_us(on),
        is_secure: on.is_secure,
        port: on.port,
        status: end.status.0,
        bytes: end.bytes,
        first_us,
        whole_us,
        client,
        asked,
        site,
        trace,
        reason: end.reason.unwrap_or(""),
    }
}

/// What this side has said to a client before it closes a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// Nothing.
    Nothing,
    /// That nothing more will come.
    Fin,
    /// The same, when the client had said so before.
    SecondFin,
    /// That all is off.
    Reset,
}

/// Who was the first to say goodbye where a socket is in that state, and its client's goodbye was
/// heard or not.
fn first(state: Option<State>, says: Goodbye, has_ended: bool) -> First {
    match (state, says) {
        (Some(State::Closed), Goodbye::Reset | Goodbye::Nothing) if has_ended => First::Client,
        // A client that is cut off is there until it is closed.
        (Some(State::Closed), Goodbye::Reset) => First::Reset,
        (_, Goodbye::Reset) => First::Cut,
        (_, Goodbye::SecondFin) | (Some(State::CloseWait | State::LastAck), _) => First::Client,
        (_, Goodbye::Fin) => First::Server,
        (_, Goodbye::Nothing) if has_ended => First::Client,
        (Some(State::Closed), Goodbye::Nothing) => First::Reset,
        (Some(_), Goodbye::Nothing) => First::Server,
        (None, Goodbye::Nothing) => First::Nobody,
    }
}

fn way(path: &Path) -> Way {
    let ms = |us: u64| u32::try_from(us / 1_000).unwrap_or(u32::MAX);
    Way {
        rtt_us: path.rtt_us,
        min_rtt_us: path.min_rtt_us,
        segments: path.segments_out,
        again: path.retransmitted,
        busy_ms: ms(path.busy_us),
        rwnd_limited_ms: ms(path.rwnd_limited_us),
        sndbuf_limited_ms: ms(path.sndbuf_limited_us),
        lost: path.lost,
    }
}
