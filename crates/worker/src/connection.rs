//! One connection: moves bytes between its socket and the protocol room, and waits for either.
//!
//! ```text
//!            ┌────────── write what is left ◄─────────────┐
//!            ▼                                            │
//!   read ─► receive ─► Request ─► flow::answer ─► respond ┤
//!    ▲       │ Incomplete              └ job ─► pool ─────┘
//!    └───────┘
//! ```

use crate::{
    admission::{self, Admission, Introduction, TOO_MANY},
    core::Core,
    flow::{self, Judged, Outcome, SERVER_LOG},
    job::Done,
    log::{Incident, Kind},
    pool::POOL_IS_FULL,
    record::{About, End, Record, Subject},
    sending::{self, Written},
    share::Share,
    socket::Socket,
    turn::{Held, Pending, Turn, Work},
    watch::Place,
};
use access::Ledger;
use base::Moment;
use control::{Counter, Seat};
use http1::{Event, Expiry, Refusal, Slots};
use message::{Body, Method, Request, RequestId, Response, Status, response::Line};
use std::{
    future::Future,
    net::IpAddr,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// A connection and everything it needs; a future that ends with it.
pub(crate) struct Connection {
    socket: Socket,
    http: http1::Connection,
    core: Rc<Core>,
    /// None on a Unix socket.
    client: Option<IpAddr>,
    /// The listener that it came in by: its place in the plan.
    listener: usize,
    place: Option<Place>,
    has_shut: bool,
    held: Option<Box<Held>>,
    admission: Admission,
    seat: Seat,
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let core = Rc::clone(&this.core);
        let place = *this.place.get_or_insert_with(|| core.watch.enter(context.waker().clone()));
        let tick = core.tick();
        let must_leave = core.is_stopping.get() || core.watch.is_evicted(place);
        let is_idle = this.is_idle();
        let mut scratch = core.scratch();
        let mut turn = Turn::begin(&core, &mut scratch, this.held.take(), tick);
        let asks = is_idle && core.is_parting(must_leave) && this.has_request(&mut turn);
        if asks || (must_leave && !is_idle) {
            this.http.close_after_answer();
        }
        let has_work = asks || !must_leave || !is_idle;
        let polled = match has_work && this.expire(&mut turn) {
            true => this.run(&mut turn, context),
            false => Poll::Ready(()),
        };
        if polled.is_pending() {
            this.held = turn.keep();
            let idle_since = if this.is_idle() { tick.now } else { Moment::NEVER };
            let usable_at = this.held.as_ref().map(|held| held.pending.usable_at(tick.now));
            let deadline = this.http.deadline().min(usable_at.unwrap_or(Moment::NEVER));
            core.watch.set(place, deadline, idle_since);
        } else {
            turn.abandon();
        }
        core.give_back(scratch);
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
        core: Rc<Core>,
    ) -> Self {
        let http = http1::Connection::new(&core.plan.limits, core.now());
        Self {
            socket,
            http,
            core,
            client,
            listener,
            place: None,
            has_shut: false,
            held: None,
            admission,
            seat,
        }
    }

    /// Takes what an idle connection has sent and nobody has looked at, if there is anything:
    /// closing now would lose a request that was on its way.
    fn has_request(&self, turn: &mut Turn<'_>) -> bool {
        let received = net::socket::receive(self.socket.as_fd(), &mut turn.scratch.input);
        turn.unread = 0..received.unwrap_or(0);
        !turn.unread.is_empty()
    }

    /// Whether nothing is under way that closing would spoil.
    fn is_idle(&self) -> bool {
        self.held.is_none() && self.http.is_idle()
    }

    /// Acts on a deadline that has passed; false if the connection is over.
    fn expire(&mut self, turn: &mut Turn<'_>) -> bool {
        if !turn.scratch.output.is_empty() && self.http.deadline() <= turn.tick.now {
            let taken = sending::taken(&self.socket, &mut turn.pending.queued, 0);
            self.http.write_progress(turn.tick.now, taken);
        }
        match self.http.expire(turn.tick.now) {
            Expiry::Nothing => true,
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
                // Where even this fails, closing does what is left to do.
                let _ = net::socket::reset_on_close(self.socket.as_fd());
                false
            }
        }
    }

    /// Works until nothing is left but to wait for the peer or the pool; ready when it is over.
    fn run(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if !ready!(self.write(turn, context)) {
                return Poll::Ready(());
            }
            if turn.is_working() {
                ready!(self.work(turn, context));
                continue;
            }
            turn.complete_record();
            if !self.introduce(turn) {
                return Poll::Ready(());
            }
            self.receive(turn);
            if !turn.scratch.output.is_empty() || turn.is_working() {
                continue;
            }
            if self.http.is_closing() && !self.lingers(turn) {
                return Poll::Ready(());
            }
            if ready!(self.read(turn, context)) == 0 {
                return Poll::Ready(());
            }
        }
    }

    /// Writes what is waiting; false when the connection is broken.
    fn write(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<bool> {
        if turn.scratch.output.is_empty() {
            return Poll::Ready(true);
        }
        let Turn { core, scratch, pending, tick, .. } = turn;
        let Pending { fetch, share, .. } = pending;
        let waits = (fetch, share, tick.now);
        match sending::write(&self.socket, &mut scratch.output, waits, core, context) {
            Written::All => {
                pending.queued = 0;
                self.http.write_done(tick.now);
                Poll::Ready(true)
            }
            Written::Blocked { by_peer: true, bytes } => {
                let taken = sending::taken(&self.socket, &mut pending.queued, bytes);
                self.http.write_progress(tick.now, taken);
                self.http.write_blocked(tick.now);
                Poll::Pending
            }
            Written::Blocked { by_peer: false, bytes } => {
                pending.queued += bytes as u64;
                self.http.write_held(tick.now);
                Poll::Pending
            }
            Written::Failed => {
                // What was promised cannot be sent; an end in good order would pass for all of it.
                let _ = net::socket::reset_on_close(self.socket.as_fd());
                Poll::Ready(false)
            }
        }
    }

    /// Goes on with the exchange under way.
    fn work(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<()> {
        match &mut turn.pending.work {
            Work::Nothing => {}
            Work::Source(source) => {
                let output = &mut turn.scratch.output;
                match ready!(source.poll_next(context)) {
                    Some(Ok(piece)) => {
                        turn.pending.count_content(piece.len() as u64);
                        self.http.stream(&piece, output);
                        return Poll::Ready(());
                    }
                    Some(Err(_)) => self.http.abort_stream(),
                    None => self.http.finish_stream(output),
                }
                turn.pending.work = Work::Nothing;
            }
            Work::Job { done, .. } => {
                let done = ready!(Pin::new(done).poll(context)).ok();
                let work = std::mem::take(&mut turn.pending.work);
                let Work::Job { head, id, began_us, ledger, log, .. } = work else {
                    return Poll::Ready(());
                };
                let mut slots = Slots::new();
                match (self.http.reread(&head, &mut slots), done) {
                    (Some(request), Some(done)) => {
                        self.answer((&request, id), Some((done, ledger)), &head, began_us, turn);
                    }
                    // The pool lost the job: ours, and not the client's, to mend.
                    (request, _) => {
                        let subject = match &request {
                            Some(request) => Subject::Request(request),
                            None => Subject::Refused(&head),
                        };
                        let about = self.about(id, subject);
                        self.send_error(Status::INTERNAL_SERVER_ERROR, (about, log), None, turn);
                    }
                }
            }
        }
        Poll::Ready(())
    }

    /// Takes the header that says who the client is, where one is due; false if there will be none.
    fn introduce(&mut self, turn: &mut Turn<'_>) -> bool {
        let Admission::HeaderDue = self.admission else { return true };
        let unread = &turn.scratch.input[turn.unread.clone()];
        match admission::introduce(turn.core, self.client, unread) {
            Introduction::NotYet => {}
            Introduction::Malformed => {
                admission::shut_out(turn.core, self.client, admission::MALFORMED);
                return false;
            }
            Introduction::Of(client, bytes, admission, seat) => {
                (self.client, self.admission) = (client, admission);
                if let Some(seat) = seat {
                    self.seat = seat;
                }
                turn.unread.start += bytes;
            }
        }
        true
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
            let mut slots = Slots::new();
            let unread = &input[turn.unread.clone()];
            let (used, event) = self.http.receive(unread, turn.tick.now, &mut slots);
            turn.unread.start += used;
            match event {
                Event::Incomplete | Event::Closed => break,
                Event::Content(_) | Event::End => {}
                Event::Refused(refusal) => self.refuse(refusal, &unread[used..], turn),
                Event::Request(request) => {
                    let head = &unread[used - self.http.head_bytes()..used];
                    let id = turn.core.id(Some((&request, self.client)));
                    self.answer((&request, id), None, head, turn.began_us, turn);
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
        resumed: Option<(Done, Ledger)>,
        head: &[u8],
        began_us: u64,
        turn: &mut Turn<'_>,
    ) {
        if let Admission::OneTooMany = self.admission {
            turn.core.count(Counter::TurnedAway);
            self.http.close_after_answer();
            let about = self.about(id, Subject::Request(request));
            let status = Status::SERVICE_UNAVAILABLE;
            turn.core.report(&Incident::of(Kind::TurnedAway, TOO_MANY, about, status));
            return self.send_error(status, (about, SERVER_LOG), Some(TOO_MANY), turn);
        }
        let from = (self.client, self.listener);
        let Judged { outcome, client, user, ledger, note } =
            flow::answer(turn.core, turn.tick, (request, id), from, resumed);
        let about = About { client, id, user: user.as_deref(), subject: Subject::Request(request) };
        match outcome {
            Outcome::Waiting(job, log) => match job.submit(turn.core) {
                Ok(done) => {
                    let head = head.to_vec();
                    turn.pending.work = Work::Job { done, head, id, began_us, ledger, log };
                }
                Err(Some(done)) => {
                    self.answer((request, id), Some((*done, ledger)), head, began_us, turn);
                }
                Err(None) => {
                    let status = Status::SERVICE_UNAVAILABLE;
                    turn.core.report(&Incident::of(Kind::Busy, POOL_IS_FULL, about, status));
                    self.send_error(status, (about, log), None, turn);
                }
            },
            Outcome::Answered { response, bandwidth, log, .. } => {
                turn.pending.share =
                    bandwidth.zip(client).map(|(limit, client)| Share::new(limit, client));
                let status = response.status;
                let (bytes, is_sent_at_once) = match &response.body {
                    _ if request.method == Method::Head => (0, true),
                    Body::Empty => (0, true),
                    Body::Bytes(bytes) => (bytes.as_slice().len() as u64, true),
                    Body::File(_) | Body::Parts(_) | Body::Stream(_) => {
                        (response.body.len().unwrap_or(0), false)
                    }
                };
                let output = &mut turn.scratch.output;
                if let Some(source) =
                    self.http.respond(response, &turn.core.date(turn.tick), output)
                {
                    turn.pending.work = Work::Source(source);
                }
                if is_sent_at_once {
                    let end = End { status, bytes, us: turn.elapsed_us(began_us), reason: note };
                    flow::record(turn.core, log, about, &end);
                } else {
                    let line = turn.core.log.borrow_mut().begin(log, about, status.0);
                    turn.pending.record = Some(Record { log, line, status, bytes, began_us, note });
                }
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal, unread: &[u8], turn: &mut Turn<'_>) {
        let about = self.about(turn.core.id(None), Subject::Refused(unread));
        let response = flow::refuse(turn.core, refusal, about);
        let end = End {
            status: response.status,
            bytes: response.body.len().unwrap_or(0),
            us: 0,
            reason: Some(refusal.reason()),
        };
        self.http.respond(response, &turn.core.date(turn.tick), &mut turn.scratch.output);
        flow::record(turn.core, SERVER_LOG, about, &end);
    }

    fn send_error(
        &mut self,
        status: Status,
        (about, log): (About<'_>, usize),
        reason: Option<&'static str>,
        turn: &mut Turn<'_>,
    ) {
        let mut response = Response::empty(status);
        if status == Status::SERVICE_UNAVAILABLE {
            response.lines.push(Line::fixed("retry-after", "1"));
        }
        let mut response = filter::error_page::apply(response);
        flow::mark(turn.core.plan, about.id, &mut response);
        let bytes = response.body.len().unwrap_or(0);
        self.http.respond(response, &turn.core.date(turn.tick), &mut turn.scratch.output);
        flow::record(turn.core, log, about, &End { status, bytes, us: 0, reason });
    }

    fn about<'a>(&self, id: Option<RequestId>, subject: Subject<'a>) -> About<'a> {
        let client = match subject {
            Subject::Request(request) => flow::client(self.core.plan, request, self.client),
            Subject::Refused(_) => Ok(self.client),
        };
        About { client: client.unwrap_or(self.client), id, user: None, subject }
    }

    /// Says with a FIN that nothing more will come, and whether to go on reading, lest what the
    /// peer still sends destroys the last answer on its way.
    fn lingers(&mut self, turn: &Turn<'_>) -> bool {
        if !self.http.linger(turn.tick.now) {
            return false;
        }
        if !self.has_shut {
            self.has_shut = true;
            // Where this fails, reading finds the end.
            let _ = net::socket::finish(self.socket.as_fd());
        }
        true
    }

    /// Reads what the peer has sent behind what is unread; zero at the end, or where it is broken.
    fn read(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<usize> {
        let unread = turn.unread.clone();
        turn.scratch.input.copy_within(unread.clone(), 0);
        turn.unread = 0..unread.len();
        let room = &mut turn.scratch.input[unread.len()..];
        let count = ready!(self.socket.poll_receive(room, context));
        turn.unread.end += count;
        turn.began_us = turn.core.clock_us();
        Poll::Ready(count)
    }
}
