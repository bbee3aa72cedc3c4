//! The exchanges of one HTTP/2 connection: many at once, each with what it waits for.
//!
//! An answer that is ready is given while its request is read, and leaves nothing here. What waits
//! for a job, a source or its turn is kept in `under_way` until it is over.

mod content;
mod feeding;
mod fetching;
mod refusing;
mod memory;
mod ending;

use crate::{
    admission::Admission,
    answering::{self, Known, Progress},
    application::Question,
    core::Core,
    counted::Counted,
    flow::Answered,
    job::{Done, Suspended},
    listings::Listings,
    record::{About, End, Record, SoFar},
    refusal::Trouble,
    secure::Secure,
    sending,
    share::Share,
    showing::Showing,
    socket::Socket,
    turn::{Turn, Work, label_of},
    upload::Upload,
};
use access::Ledger;
use base::Moment;
use content::Coming;
use control::{
    Counter,
    lives::Name,
    trail::{Kept, Phase},
};
use http2::{Event, Expiry, Given, Key, limits::WAITING_BYTES_MAX};
use message::{Body, Exchange, Length, Limits, Method, Request, RequestId, Slots, Status};
use std::{
    mem,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

/// Bytes of content that are put into the output before it is written.
const FILL_BYTES: u64 = 256 * 1024;

/// Whom a connection's requests come from.
pub(crate) struct From<'a> {
    /// What the connection is called in what is told of it.
    pub(crate) name: Name,
    pub(crate) client: Option<IpAddr>,
    pub(crate) listener: usize,
    pub(crate) admission: &'a Admission,
    pub(crate) core: &'a Rc<Core>,
    pub(crate) socket: &'a Socket,
    /// The TLS that is spoken with it, if any is.
    pub(crate) secure: Option<&'a Secure>,
}

impl From<'_> {
    /// Whom the certificate of the client is of, where it had to show one.
    fn certificate(&self) -> Option<&Arc<str>> {
        self.secure.and_then(Secure::certificate)
    }
}

/// One connection's protocol, and its exchanges.
pub(crate) struct Streams {
    pub(crate) http: http2::Connection,
    /// The connection's name in what is told of its life, whether TLS is spoken on it, and the
    /// port that it came in by.
    name: Name,
    is_secure: bool,
    port: u16,
    under_way: Vec<UnderWay>,
    /// The listings that some of them wait for.
    listings: Listings,
    /// Parts of files that are read for some of them.
    fetches: Vec<fetching::Fetch>,
    /// Whether the protocol room has read all that has come.
    has_read_all: bool,
    /// Whether the peer has left, so that nothing that takes long is worth its while.
    pub(crate) has_left: bool,
    /// Whether it has, and a disk was waited for in vain since.
    has_stalled: bool,
}

/// An exchange that was not answered at once.
struct UnderWay {
    key: Key,
    /// The number of its stream, which is told of it when that is over.
    stream: u32,
    work: Work,
    record: Option<Box<Record>>,
    share: Option<Share>,
    /// Bytes of memory that its answer takes and nobody else's does, where it is all there.
    answer_bytes: usize,
    /// Its content that is not with whom it is for.
    coming: Coming,
    /// What shows it to whoever looks at the server, and to whoever watches over the loop.
    shown: Option<Showing>,
    _kept: Option<Kept>,
    /// What counts it as one that is under way.
    _counted: Counted,
}

/// What is known when an answer is given.
struct Giving {
    key: Key,
    began_us: u64,
}

impl Streams {
    pub(crate) fn new(
        limits: &'static Limits,
        (name, is_secure, port): (Name, bool, u16),
        now: Moment,
    ) -> Self {
        let http = http2::Connection::new(limits, now);
        let (under_way, listings, fetches) = (Vec::new(), Listings::default(), Vec::new());
        let (has_read_all, has_left, has_stalled) = (true, false, false);
        Self {
            http,
            name,
            is_secure,
            port,
            under_way,
            listings,
            fetches,
            has_read_all,
            has_left,
            has_stalled,
        }
    }

    /// Whether all that has come is read, but for a frame that is not whole.
    pub(crate) fn has_read_all(&self) -> bool {
        self.has_read_all
    }

    /// Whether nothing is under way that closing would spoil.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.http.is_idle()
    }

    /// Whether closing would spoil nothing but a part of a frame that has come.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.under_way.is_empty() && self.http.is_at_rest()
    }

    /// When this connection is to be looked at again, whoever wakes it before.
    pub(crate) fn deadline(&mut self, now: Moment) -> Moment {
        let shares = self.under_way.iter().filter_map(|exchange| exchange.share.as_ref());
        let usable_at = shares.map(Share::usable_at).filter(|&usable_at| usable_at > now).min();
        if self.under_way.is_empty() {
            (self.under_way, self.listings) = (Vec::new(), Listings::default());
            self.fetches = Vec::new();
        }
        self.http.deadline(now).min(usable_at.unwrap_or(Moment::NEVER))
    }

    /// Reads what has come, answers what can be answered, and fills the output; true if there is
    /// more to be put into it once it is written.
    pub(crate) fn work(
        &mut self,
        turn: &mut Turn<'_>,
        from: &From<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        self.receive(turn, from);
        self.listings.take(context);
        self.go_on(turn, from, context);
        self.take_fetched(turn, from, context);
        let (now, output) = (turn.tick.now, &mut turn.scratch.output);
        self.http.widen(now, output);
        let room = FILL_BYTES.saturating_sub(output.len());
        let made = self.http.produce(room, now, &mut |part| sending::at_hand(part, now), output);
        let has_fetched = self.fetch(turn, from, context);
        if self.has_left {
            self.http.give_up_waiting(self.has_stalled, &mut turn.scratch.output);
        }
        self.put_down_ended(turn, from);
        let may_ask = self.use_room(turn.core, context);
        let hungry = |exchange: &UnderWay| {
            matches!(exchange.work, Work::Source(_)) && self.http.is_hungry(exchange.key)
        };
        let may_go_on = may_ask || has_fetched || !self.has_read_all || made >= room;
        may_go_on || (made > 0 && self.under_way.iter().any(hungry))
    }

    /// Acts on a deadline that has passed.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_>, from: &From<'_>) -> Expiry {
        let expiry = self.http.expire(turn.tick.now, &mut turn.scratch.output);
        self.put_down_ended(turn, from);
        while let Some(key) = self.http.next_late() {
            self.refuse_content(key, (Status::REQUEST_TIMEOUT, Trouble::LATE), turn, from);
        }
        if let Expiry::Broken(fault) = expiry {
            refusing::refuse(turn, from, fault.reason);
            self.abandon(turn, from);
        }
        expiry
    }

    /// Lets the protocol room read what has come, until enough is to be written.
    fn receive(&mut self, turn: &mut Turn<'_>, from: &From<'_>) {
        let input = mem::take(&mut turn.scratch.input);
        let mut block = mem::take(&mut turn.scratch.block);
        let output_bytes_max = turn.core.plan.limits.output_bytes_max;
        self.has_read_all = false;
        while !self.has_read_all && turn.scratch.output.memory_bytes() <= output_bytes_max {
            let mut slots = Slots::new();
            let (unread, now) = (&input[turn.unread.clone()], turn.tick.now);
            let room = (&mut block, &mut slots);
            let (used, event) = self.http.receive(unread, now, room, &mut turn.scratch.output);
            turn.unread.start += used;
            match event {
                Event::Incomplete | Event::Closed => self.has_read_all = true,
                Event::Handled => {}
                Event::Content(key, piece) => self.take(key, piece, turn, from),
                Event::End(key) => self.ask(key, turn, from),
                Event::Request(key, request, head) => {
                    let id = turn.core.id(Some((&request, from.client)));
                    let began_us = turn.began_us();
                    let asked = (&request, id, head);
                    self.answer(
                        asked,
                        None,
                        Ledger::default(),
                        &Giving { key, began_us },
                        turn,
                        from,
                    );
                }
                Event::Refused(key, refused) => self.turn_down(key, refused, turn, from),
                Event::Malformed(reason) => refusing::refuse(turn, from, reason),
                Event::Cut(ended) => self.end(ended, turn, from),
                Event::Broken(fault) => {
                    refusing::refuse(turn, from, fault.reason);
                    self.abandon(turn, from);
                }
            }
        }
        (turn.scratch.input, turn.scratch.block) = (input, block);
    }

    /// Answers a request, or keeps it until it can be answered.
    fn answer(
        &mut self,
        (request, id, head): (&Request<'_>, Option<RequestId>, &[u8]),
        mut done: Option<Box<Done>>,
        ledger: Ledger,
        giving: &Giving,
        turn: &mut Turn<'_>,
        from: &From<'_>,
    ) {
        let Request { method, host, path, .. } = request;
        turn.core.trail.begin(method.as_str(), host, path);
        turn.core.trail.go(Phase::Answering);
        let is_new = done.is_none();
        if from.secure.is_some_and(|secure| secure.misdirects(host, turn.core)) {
            let misdirected = Done::failed(Status::MISDIRECTED_REQUEST, Trouble::OTHER_NAME);
            done = done.or(misdirected);
        }
        if let Admission::OneTooMany = from.admission {
            turn.core.count(Counter::TurnedAway);
            self.http.part(turn.tick.now, &mut turn.scratch.output);
            done = Done::failed(Status::SERVICE_UNAVAILABLE, Trouble::ONE_TOO_MANY);
        }
        let Giving { key, began_us } = *giving;
        let origin = (from.client, from.listener);
        if is_new {
            turn.core.keep(request, origin, turn.tick.now);
        }
        let listings = Some(&mut self.listings);
        let certificate = from.certificate().cloned();
        let known = Known { id, from: origin, certificate, done, ledger, head, began_us, listings };
        let (exchange, progress) = answering::answer(turn.core, turn.tick, request, known);
        let work = match progress {
            Progress::Answered(answered) => return self.give(answered, &exchange, giving, turn),
            _ if is_new && self.waiting_bytes() > WAITING_BYTES_MAX => {
                return self.send_back(key, turn, from);
            }
            Progress::Waiting(waiting) => Work::Job(waiting),
            Progress::Calling(call, suspended) => {
                let way = (from.socket.ends(), from.secure.is_some());
                let question = Question::new(*call, &exchange, way, turn.core);
                Work::Upload(Box::new(Upload::new(suspended, question)))
            }
        };
        let is_asking = matches!(work, Work::Upload(_));
        self.hold(key, work, (None, None, 0), turn);
        if is_asking && request.length == Length::Known(0) {
            self.ask(key, turn, from);
        } else if is_asking {
            self.http.proceed(key, &mut turn.scratch.output);
        }
    }

    /// Has the protocol room write an answer down, and puts down that it was given.
    fn give(
        &mut self,
        answered: Answered,
        exchange: &Exchange<'_>,
        &Giving { key, began_us }: &Giving,
        turn: &mut Turn<'_>,
    ) {
        let Answered { response, bandwidth, account, note, .. } = answered;
        let share = bandwidth.zip(exchange.client).map(|(limit, client)| Share::new(limit, client));
        let (status, is_head) = (response.status, exchange.request.method == Method::Head);
        let bytes = match &response.body {
            _ if is_head => 0,
            // It is counted as it comes.
            Body::Stream(_) => 0,
            body => body.len().unwrap_or(0),
        };
        let date = turn.core.date(turn.tick);
        let how = (&date, turn.tick.now, share.is_some());
        let on = self.on(key, began_us);
        let answer_bytes = response.body.memory_bytes();
        let given = self.http.respond(key, response, how, &mut turn.scratch.output);
        let about = About::exchange(exchange);
        let work = match given {
            Given::Whole => {
                let us = turn.core.answered_us(began_us);
                let end = End { status, bytes, us, reason: note };
                return turn.core.record(account, about, on, &end);
            }
            Given::Later => Work::Nothing,
            Given::From(source) => Work::Source(source),
        };
        let line = turn.core.log.borrow_mut().begin(account.log, about, (status.0, turn.tick.wall));
        let first_us = turn.elapsed_us(began_us);
        let end = End { status, bytes, us: first_us, reason: note };
        let told = turn.core.tell_begun(on, (about, account.label), &end);
        let span = turn.core.begin_span(account, about, on);
        let so_far = SoFar::from(turn.tick.now);
        let record = Some(Box::new(Record {
            account,
            line,
            status,
            bytes,
            so_far,
            began_us,
            told,
            span,
            first_us,
            note,
            is_cut: false,
        }));
        self.hold(key, work, (record, share, answer_bytes), turn);
    }

    /// Keeps an exchange until what it waits for is there.
    fn hold(
        &mut self,
        key: Key,
        work: Work,
        (record, share, answer_bytes): (Option<Box<Record>>, Option<Share>, usize),
        turn: &Turn<'_>,
    ) {
        let kept = turn.core.trail.keep();
        let counted = turn.core.under_way(work.label().or_else(|| label_of(record.as_deref())));
        self.under_way.push(UnderWay {
            key,
            stream: self.http.number(key),
            work,
            record,
            share,
            answer_bytes,
            coming: Coming::default(),
            shown: None,
            _kept: kept,
            _counted: counted,
        });
    }

    /// Goes on with whatever waited for something that may be there by now.
    fn go_on(&mut self, turn: &mut Turn<'_>, from: &From<'_>, context: &mut Context<'_>) {
        let mut at = 0;
        while let Some(exchange) = self.under_way.get_mut(at) {
            match &mut exchange.work {
                Work::Nothing => {}
                Work::Job(waiting) => {
                    let mut polled = waiting.done.poll(context);
                    let is_vain = self.has_stalled || (self.has_left && waiting.is_asked);
                    if polled.is_pending() && is_vain {
                        polled = Poll::Ready(Done::LEFT);
                    }
                    if let Poll::Ready(Done::Early(lines, next)) = polled {
                        self.http.hint(exchange.key, &lines, &mut turn.scratch.output);
                        waiting.done.go_on(next);
                        continue;
                    }
                    if let Poll::Ready(done) = polled {
                        let UnderWay { key, work, coming, .. } = self.under_way.swap_remove(at);
                        if let Work::Job(waiting) = work {
                            let exchange = (key, waiting.exchange);
                            self.resume(exchange, done, turn, from);
                        }
                        self.bring(key, &coming, turn, from);
                        continue;
                    }
                }
                Work::Upload(upload) if upload.is_writing() => {
                    if let Poll::Ready(written) = upload.poll_written(context) {
                        let key = exchange.key;
                        self.wrote(key, written.is_ok(), turn, from);
                        continue;
                    }
                    if self.has_stalled {
                        let (key, left) = (exchange.key, (Status::CLIENT_LEFT, Trouble::LEFT));
                        self.refuse_content(key, left, turn, from);
                        continue;
                    }
                }
                Work::Upload(_) if exchange.coming.is_whole() => {
                    let key = exchange.key;
                    if self.may_ask() {
                        self.ask(key, turn, from);
                        continue;
                    }
                }
                Work::Upload(_) => {}
                Work::Source(_) => self.feed(at, turn, from, context),
            }
            self.allow(at, turn);
            at += 1;
        }
    }

    /// Goes on with an exchange for which something has been done.
    fn resume(
        &mut self,
        (key, exchange): (Key, Suspended),
        done: Done,
        turn: &mut Turn<'_>,
        from: &From<'_>,
    ) {
        let Suspended { head, id, began_us, ledger, .. } = exchange;
        let mut slots = Slots::new();
        let Some(request) = self.http.reread(key, &head, &mut slots) else {
            debug_assert!(false, "a head that was read once can be read again");
            return self.http.abort_stream(key, &mut turn.scratch.output);
        };
        let giving = Giving { key, began_us };
        let asked = (&request, id, &head[..]);
        self.answer(asked, Some(Box::new(done)), ledger, &giving, turn, from);
    }
}
