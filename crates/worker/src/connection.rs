//! One connection: moves bytes between its socket and the protocol room, and waits for either.
//! Between the two TLS may be spoken, which neither of them has to know of.
//!
//! ```text
//!            ┌────────── write what is left ◄─────────────┐
//!            ▼                                            │
//!   read ─► receive ─► Request ─► flow::answer ─► respond ┤
//!    ▲       │ Incomplete              └ job ─► pool ─────┘
//!    └───────┘
//! ```

mod answer;
mod content;
mod intake;
mod refusing;
mod many;
mod ending;

use crate::{
    admission::Admission,
    answering::{self, Known, Progress},
    core::{Core, Scratch},
    job::Done,
    refusal::Trouble,
    secure::Secure,
    sending::{self, Peer, Written},
    socket::Socket,
    streams::Streams,
    telling::Goodbye,
    turn::{Held, Pending, Turn, Work},
    watch::Place,
};
use access::Ledger;
use base::Moment;
use control::{
    Counter, Present, Seat,
    counters::Protocol,
    lives::{Ending, Name},
    trail::Phase,
};
use http1::Event;
use message::{Request, RequestId, Slots, Status, clock::Writing};
use std::{
    future::Future,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// A connection and everything it needs; a future that ends with it.
pub(crate) struct Connection {
    socket: Socket,
    secure: Option<Box<Secure>>,
    http: http1::Connection,
    /// Its exchanges, once it has turned out to speak HTTP/2.
    streams: Option<Box<Streams>>,
    /// Whether it may still turn out so.
    may_be_http2: bool,
    core: Rc<Core>,
    /// None on a Unix socket.
    client: Option<IpAddr>,
    /// The listener that it came in by: its place in the plan.
    listener: usize,
    place: Option<Place>,
    /// What this side has said before its end.
    goodbye: Goodbye,
    /// Whether the peer has closed its side, with answers still to be sent to it.
    has_ended: bool,
    held: Option<Box<Held>>,
    /// When to look whether the client is still there, as a disk is waited for; `NEVER` while none
    /// is.
    look_at: Moment,
    admission: Admission,
    seat: Seat,
    /// Counts it by what is spoken on it.
    spoken: Present,
    /// What it is called in what is told of its life, and how that ends.
    name: Name,
    ending: Ending,
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let core = Rc::clone(&this.core);
        core.trail.turn();
        let place = *this.place.get_or_insert_with(|| core.watch.enter(context.waker().clone()));
        let tick = core.tick();
        let must_leave = core.is_stopping.get() || core.watch.is_evicted(place);
        let is_idle = this.is_idle();
        let mut scratch = core.scratch();
        let mut turn = Turn::begin(&core, &mut scratch, tick);
        if let Some(held) = this.held.take() {
            turn.take_up(*held);
        }
        let is_shaking = this.lay_out(&mut turn);
        let has_work = match this.streams {
            Some(_) => this.part_streams(&mut turn, place, must_leave),
            None => {
                let asks = is_idle && core.is_parting(must_leave) && this.has_request(&mut turn);
                if asks || (must_leave && !is_idle && !is_shaking) {
                    this.http.close_after_answer();
                }
                asks || !must_leave || !is_idle
            }
        };
        let polled = if core.is_cut.get() {
            this.cut(&mut turn, context);
            Poll::Ready(())
        } else if !has_work {
            this.ending = Ending::Unwanted;
            Poll::Ready(())
        } else if !this.expire(&mut turn) {
            this.ending = Ending::Late;
            Poll::Ready(())
        } else if !this.look_after_stalled(&mut turn) {
            Poll::Ready(())
        } else {
            this.run(&mut turn, context)
        };
        if polled.is_pending() {
            turn.count_sent();
            this.streams.iter_mut().for_each(|streams| streams.count_sent(&core));
            this.held = turn.keep();
            this.secure.iter_mut().for_each(|secure| secure.keep(&turn.scratch.records));
            let usable_at = this.held.as_ref().map(|held| held.pending.usable_at(tick.now));
            this.look_at = this.next_look(tick.now);
            let deadline = this.deadline(tick.now).min(this.look_at);
            let deadline = deadline.min(usable_at.unwrap_or(Moment::NEVER));
            let idle_since = this.evictable_since(tick.now);
            core.watch.set(place, deadline, idle_since);
            core.tell_waiting(this.name, || this.waits(tick.now));
            this.show();
        } else {
            if this.ending != Ending::Unwanted
                && let Some(secure) = &this.secure
            {
                secure.part(&turn.scratch.records, &core, this.client);
            }
            if is_idle {
                this.part(&mut turn);
            }
            turn.abandon();
            this.abandon_streams(&turn);
        }
        // Of what could not leave.
        core.settle_times();
        core.give_back(scratch);
        core.trail.go(Phase::Rest);
        polled
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.core.watch.leave(place);
            if self.core.is_parting(false) {
                self.core.emptied.notify_one();
            }
        }
        self.core.tell_closed(&self.socket, self.name, (self.ending(), self.goodbye));
        if std::thread::panicking() {
            self.core.count(Counter::Panics);
        }
    }
}

impl Connection {
    pub(crate) fn new(
        socket: Socket,
        (client, listener): (Option<IpAddr>, usize),
        (seat, admission): (Seat, Admission),
        (name, now): (Name, Moment),
        core: Rc<Core>,
    ) -> Self {
        let limits = &core.plan.limits;
        let http = http1::Connection::new(limits, now);
        let secure = core.speaks_tls(listener).then(|| {
            let until = now.after(limits.handshake_time);
            Box::new(Secure::new(listener, until, name))
        });
        let spoken = core.speaks(Protocol::of(false, secure.is_some()));
        let may_be_http2 = core.plan.listen.get(listener).is_some_and(|listen| listen.http2);
        Self {
            socket,
            secure,
            http,
            streams: None,
            may_be_http2,
            core,
            client,
            listener,
            place: None,
            goodbye: Goodbye::Nothing,
            has_ended: false,
            held: None,
            look_at: Moment::NEVER,
            admission,
            seat,
            spoken,
            name,
            ending: Ending::ByClient,
        }
    }

    /// Works until nothing is left but to wait for the peer or the pool; ready when it is over.
    fn run(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.streams.is_some() {
                return self.run_streams(turn, context);
            }
            let written = self.write(turn, context);
            if written.is_pending() {
                turn.pending.work.let_go();
            }
            if !ready!(written) {
                self.ending = Ending::Broken;
                return Poll::Ready(());
            }
            if turn.is_working() {
                let stays = match self.work(turn, context) {
                    Poll::Ready(()) => true,
                    Poll::Pending => ready!(self.look_after(turn, context)),
                };
                if !stays {
                    return Poll::Ready(());
                }
                continue;
            }
            turn.complete_record();
            if !self.introduce(turn) {
                return Poll::Ready(());
            }
            if self.may_be_http2 && self.recognize(turn) {
                continue;
            }
            self.receive(turn);
            if !turn.scratch.output.is_empty() || turn.is_working() || self.has_unsent(turn) {
                continue;
            }
            if self.http.is_closing() && !self.lingers(turn) {
                if self.ending != Ending::Cut && !self.socket.has_ended() {
                    self.ending = Ending::ByServer;
                }
                return Poll::Ready(());
            }
            // What TLS has to say comes before what it waits for.
            if self.has_unsent(turn) {
                continue;
            }
            if !ready!(self.read(turn, context)) {
                // Content that is not all there will never be.
                self.refuse_content(Status::CLIENT_LEFT, Trouble::LEFT, turn);
                self.part(turn);
                return Poll::Ready(());
            }
        }
    }

    /// Writes what is waiting; false when the connection is broken.
    fn write(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<bool> {
        if turn.scratch.output.is_empty() && !self.has_unsent(turn) {
            return Poll::Ready(true);
        }
        let Turn { core, scratch, pending, tick, .. } = turn;
        core.trail.go(Phase::Sending);
        core.settle_times();
        let Scratch { output, records, .. } = &mut **scratch;
        let secure = self.secure.as_deref_mut();
        let is_last = self.streams.is_none() && self.http.is_closing();
        let mut peer = Peer { socket: &self.socket, secure, records, is_last };
        let Pending { fetch, share, .. } = pending;
        let waits = (fetch, share, tick.now);
        match sending::write(&mut peer, output, waits, core, context) {
            Written::All => {
                pending.queued = 0;
                let now = tick.now;
                self.note(Writing::Done, now);
                Poll::Ready(true)
            }
            Written::Blocked { by_peer: true, bytes } => {
                let taken = sending::taken(&self.socket, &mut pending.queued, bytes);
                let now = tick.now;
                self.note(Writing::Progress(taken), now);
                self.note(Writing::Blocked, now);
                Poll::Pending
            }
            Written::Blocked { by_peer: false, bytes } => {
                pending.queued += bytes as u64;
                let now = tick.now;
                self.note(Writing::Held, now);
                Poll::Pending
            }
            Written::Failed => {
                // What was promised cannot be sent; an end in good order would pass for all of it.
                self.reset();
                Poll::Ready(false)
            }
        }
    }

    /// Goes on with the exchange under way.
    fn work(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<()> {
        match &mut turn.pending.work {
            Work::Nothing => {}
            Work::Source(_) => return self.stream(turn, context),
            Work::Upload(upload) => {
                if ready!(upload.poll_written(context)).is_err() {
                    self.refuse_content(Status::INSUFFICIENT_STORAGE, Trouble::NO_ROOM, turn);
                }
            }
            Work::Job(waiting) => {
                let done = ready!(waiting.done.poll(context));
                if let Done::Early(lines, next) = done {
                    self.http.hint(&lines, &mut turn.scratch.output);
                    waiting.done.go_on(next);
                    return Poll::Ready(());
                }
                if let Work::Job(waiting) = std::mem::take(&mut turn.pending.work) {
                    self.resume(waiting.exchange, done, turn);
                }
                if let Work::Source(_) = turn.pending.work {
                    // What is there of its content leaves with the head.
                    let _ = self.work(turn, context);
                }
            }
        }
        Poll::Ready(())
    }

    /// Lets the protocol room read what has come, and answers each request in it, until an answer
    /// has to wait or enough is written.
    fn receive(&mut self, turn: &mut Turn<'_>) {
        if let Admission::HeaderDue = self.admission {
            return;
        }
        let input = std::mem::take(&mut turn.scratch.input);
        let output_bytes_max = turn.core.plan.limits.output_bytes_max;
        while turn.scratch.output.memory_bytes() <= output_bytes_max {
            if turn.unread.is_empty() && self.http.waits(turn.tick.now) {
                break;
            }
            let mut slots = Slots::new();
            let unread = &input[turn.unread.clone()];
            // The request is large, and stays where it was written down.
            let (used, ref event) = self.http.receive(unread, turn.tick.now, &mut slots);
            turn.unread.start += used;
            match event {
                Event::Incomplete | Event::Closed => break,
                Event::Content(piece) => {
                    self.take(piece, turn);
                    if turn.is_working() {
                        break;
                    }
                }
                Event::End => {
                    self.ask(turn);
                    if turn.is_working() {
                        break;
                    }
                }
                Event::Refused(refusal) => self.refuse(*refusal, &unread[used..], turn),
                Event::Dropped(refusal) => self.tell_dropped(*refusal, &unread[used..], turn),
                Event::Request(request) => {
                    let head = &unread[used - self.http.head_bytes()..used];
                    let id = turn.core.id(Some((request, self.client)));
                    if let Admission::InClear = self.admission {
                        self.refuse_clear(request, id, turn);
                        break;
                    }
                    let came = (head, turn.began_us());
                    self.answer((request, id), None, Ledger::default(), came, turn);
                    if turn.is_busy() {
                        break;
                    }
                }
            }
        }
        turn.scratch.input = input;
    }

    /// Answers a request, or has the pool do what its answer waits for.
    fn answer(
        &mut self,
        (request, id): (&Request<'_>, Option<RequestId>),
        mut done: Option<Box<Done>>,
        ledger: Ledger,
        (head, began_us): (&[u8], u64),
        turn: &mut Turn<'_>,
    ) {
        let Request { method, host, path, .. } = request;
        turn.core.trail.begin(method.as_str(), host, path);
        turn.core.trail.go(Phase::Answering);
        let from = (self.client, self.listener);
        if done.is_none() {
            (turn.pending.kept, turn.pending.shown) = (None, None);
            turn.core.keep(request, from, turn.tick.now);
        }
        let misdirects = self.secure.as_ref().is_some_and(|one| one.misdirects(host, turn.core));
        if misdirects && done.is_none() {
            done = Done::failed(Status::MISDIRECTED_REQUEST, Trouble::OTHER_NAME);
        }
        if let Admission::OneTooMany = self.admission {
            turn.core.count(Counter::TurnedAway);
            self.http.close_after_answer();
            done = Done::failed(Status::SERVICE_UNAVAILABLE, Trouble::ONE_TOO_MANY);
        }
        let certificate = self.secure.as_ref().and_then(|one| one.certificate().cloned());
        let known = Known { id, from, certificate, done, ledger, head, began_us, listings: None };
        match answering::answer(turn.core, turn.tick, request, known) {
            (exchange, Progress::Answered(answered)) => {
                self.send(answered, &exchange, began_us, turn);
            }
            (exchange, Progress::Calling(call, suspended)) => {
                self.call(*call, &exchange, suspended, turn);
            }
            (_, Progress::Waiting(waiting)) => turn.pending.work = Work::Job(waiting),
        }
    }
}
