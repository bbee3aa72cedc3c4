//! What one loop owns and lends to its connections.

pub(crate) use crate::tick::Tick;
use crate::{
    account::Account,
    checks::Checks,
    counted::Counted,
    due::Due,
    ids::{self, Ids},
    kept::Kept,
    loads::Loads,
    log::{Incident, Log},
    pool::Pool,
    record::{About, End, On, Record},
    records::Records,
    signs::Sign,
    spans::Spans,
    turned_away::TurnedAway,
    watch::Watch,
};
use access::Verdicts;
use base::{Held, Moment};
use config::plan::Plan;
use control::{
    Clients, Counter, Life, Present, Recent, Row, Tally, Trail,
    counters::Protocol,
    recent::{From, Line},
    tally::{Kind, Verdict},
};
use handle::{
    Tools,
    admin::Board,
    files::{Cache, Folders},
    live::Changes,
    php::cache::Answers,
};
use http1::Date29;
use message::{Output, Request, RequestId, Version};
use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    os::fd::OwnedFd,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tls::Sites;
use tokio::sync::Notify;

/// Bytes that one read takes from a socket, if that much has come, beside an unfinished head.
const READ_BYTES: usize = 48 * 1024;

/// Bytes of an output buffer that are kept for the next connection.
const OUTPUT_BYTES_KEPT: usize = 512 * 1024;

/// Bytes of room for what an application is told that are kept for the next one.
const WORDS_BYTES_KEPT: usize = 8 * 1024;

/// How often it is looked at how much was sent of an answer that goes on.
const SO_FAR_EACH: Duration = Duration::from_secs(1);

/// One loop's belongings. Nothing in it is shared with another loop but the table of clients and
/// what is behind an `Arc`, and none of that is touched for a request without a limit.
pub(crate) struct Core {
    pub(crate) plan: &'static Plan,
    files: RefCell<(Folders, Cache)>,
    pub(crate) verdicts: RefCell<Verdicts>,
    pub(crate) watch: Watch,
    /// The same for conversations with applications.
    pub(crate) talks: Watch,
    pub(crate) log: RefCell<Log>,
    /// The spans of exchanges, where somebody wants them.
    pub(crate) spans: Option<RefCell<Spans>>,
    pub(crate) pool: Arc<Pool>,
    /// The passwords that it is checking for this loop.
    pub(crate) checks: Checks,
    /// How many requests are with each application.
    pub(crate) loads: Loads,
    pub(crate) held: Held,
    /// The connections to them that wait for a request.
    pub(crate) kept: Kept,
    /// The answers of applications that are kept.
    pub(crate) answers: Answers,
    pub(crate) clients: Clients,
    /// Whose certificates are shown to whom, where TLS is spoken.
    pub(crate) sites: Option<&'static Sites>,
    pub(crate) turned_away: TurnedAway,
    counters: Row,
    tally: Tally,
    /// What shows this loop to whoever watches over it.
    pub(crate) trail: Trail,
    recent: Recent,
    pub(crate) life: Life,
    /// What stands for each listener among the last requests.
    listeners: Vec<u64>,
    /// What pages hear of, where they follow their files.
    changes: Option<Arc<Changes>>,
    /// Where it is shown how the server is, if it is here.
    board: Option<Arc<Board>>,
    /// Whether somebody wants to know how long answers take, whether any exchange has a line in a
    /// log, and whether the clock is read for that or for anything else.
    is_timed: bool,
    is_logged: bool,
    is_clocked: bool,
    /// What the clocks said when the last turn began.
    ticked: Cell<Tick>,
    /// When the clock was read last, and in which stretch of the loop's work.
    read: Cell<(Option<u64>, u64)>,
    untimed: Cell<Untimed>,
    ids: RefCell<Ids>,
    scratch: RefCell<Option<Box<Scratch>>>,
    /// Room for what one of them is told.
    words: Cell<Vec<u8>>,
    date: RefCell<(i64, Date29)>,
    /// When it looks next at what waits.
    pub(crate) due: Rc<Due>,
    /// Told when a connection has gone.
    pub(crate) emptied: Notify,
    /// Set once: idle connections close after their next answer.
    is_draining: Cell<bool>,
    /// Set once: idle connections close, busy ones close after their answer.
    pub(crate) is_stopping: Cell<bool>,
    /// Set once: all connections end, whatever is under way.
    pub(crate) is_cut: Cell<bool>,
}

/// Answers of one label that were given in a turn which began then, and whose time is not put down
/// yet.
#[derive(Clone, Copy, Default)]
struct Untimed {
    label: usize,
    began_us: u64,
    count: u64,
}

/// What a loop shares with others: pool, what is known of applications, table of clients,
/// certificates, what pages hear of (the changes of files, or how the server is), and the way of
/// spans.
pub(crate) type Lent =
    (Arc<Pool>, Applications, Clients, Option<&'static Sites>, News, Option<Arc<OwnedFd>>);

/// What loops share of applications.
#[derive(Clone)]
pub(crate) struct Applications {
    /// How many requests are with each.
    pub(crate) loads: Loads,
    /// The answers of theirs that are kept.
    pub(crate) answers: Answers,
    /// The connections to them that wait for a request.
    pub(crate) kept: Kept,
    /// How much of their answers is in memory.
    pub(crate) held: Held,
}

/// What pages hear of, where there are any that do.
pub(crate) type News = (Option<Arc<Changes>>, Option<Arc<Board>>);

/// Room for one turn of one connection. An idle connection holds none of it.
pub(crate) struct Scratch {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Output,
    /// The fields of a head of HTTP/2.
    pub(crate) block: http2::Block,
    /// Empty until TLS is spoken.
    pub(crate) records: Records,
}

impl Core {
    pub(crate) fn new(
        plan: &'static Plan,
        folders: Folders,
        cache: Cache,
        (log, due): (Log, Rc<Due>),
        sign: Sign,
        (pool, applications, clients, sites, (changes, board), spans): Lent,
    ) -> Self {
        let Applications { loads, answers, kept, held } = applications;
        let Sign { row: counters, trail, tally, recent, life } = sign;
        let (is_timed, is_logged) = (plan.admin.is_some(), !log.is_off());
        let is_clocked = is_timed || is_logged || spans.is_some();
        Self {
            plan,
            files: RefCell::new((folders, cache)),
            verdicts: RefCell::default(),
            watch: Watch::new(&due),
            talks: Watch::new(&due),
            log: RefCell::new(log),
            spans: spans.map(|way| RefCell::new(Spans::new(way, &due))),
            pool,
            checks: Checks::default(),
            loads,
            kept,
            held,
            answers,
            clients,
            sites,
            turned_away: TurnedAway::new(&due),
            counters,
            tally,
            trail,
            recent,
            life,
            listeners: plan.listen.iter().map(|listen| listen.address.number()).collect(),
            changes,
            board,
            is_timed,
            is_logged,
            is_clocked,
            ticked: Cell::new(Tick::read()),
            read: Cell::default(),
            untimed: Cell::default(),
            ids: RefCell::new(Ids::new()),
            scratch: RefCell::default(),
            words: Cell::default(),
            date: RefCell::new((i64::MIN, *b"Thu, 01 Jan 1970 00:00:00 GMT")),
            due,
            emptied: Notify::new(),
            is_draining: Cell::new(false),
            is_stopping: Cell::new(false),
            is_cut: Cell::new(false),
        }
    }

    /// From now on, connections are told that their end is near.
    pub(crate) fn drain(&self) {
        self.is_draining.set(true);
        self.kept.end();
        self.watch.wake_all();
    }

    /// From now on there are no connections; each has its say before it ends.
    pub(crate) fn cut(&self) {
        self.is_cut.set(true);
        self.watch.wake_all();
    }

    /// Whether an answer that begins now is the last of its connection, which `must_leave` or not.
    pub(crate) fn is_parting(&self, must_leave: bool) -> bool {
        must_leave || self.is_draining.get()
    }

    /// The port of the listener of that number, as the config has it; 0 where that names none.
    pub(crate) fn port(&self, listener: usize) -> u16 {
        let address = self.plan.listen.get(listener).and_then(|listen| listen.address.tcp());
        address.map_or(0, |address| address.port())
    }

    /// Whether TLS is spoken with those who come in by the listener of that number.
    pub(crate) fn speaks_tls(&self, listener: usize) -> bool {
        self.plan.listen.get(listener).is_some_and(|listen| listen.tls)
    }

    pub(crate) fn now(&self) -> Moment {
        net::clock::now()
    }

    pub(crate) fn tick(&self) -> Tick {
        let tick = self.ticked.get().next();
        self.ticked.set(tick);
        tick
    }

    /// Puts down that the loop has not come to a stop.
    pub(crate) fn get_on(&self) {
        self.counters.get_on();
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.counters.add(counter, 1);
    }

    pub(crate) fn count_many(&self, counter: Counter, amount: u64) {
        if amount > 0 {
            self.counters.add(counter, amount);
        }
    }

    /// Counts what a limit said of a request that is put down by that label.
    pub(crate) fn count_limit(&self, label: usize, verdict: Verdict) {
        self.tally.limit(label, verdict);
    }

    /// Puts down in the error log what went wrong.
    pub(crate) fn report(&self, incident: &Incident<'_>) {
        let dropped = self.log.borrow_mut().report(incident, self.now());
        self.count_many(Counter::LinesDropped, dropped);
    }

    /// Keeps what is asked for whoever wants to know what another config would make of it; of many
    /// requests, some.
    #[inline]
    pub(crate) fn keep(&self, request: &Request<'_>, from: (Option<IpAddr>, usize), now: Moment) {
        if self.recent.is_due(now) {
            self.keep_it(request, from, now);
        }
    }

    #[cold]
    fn keep_it(
        &self,
        request: &Request<'_>,
        (peer, listener): (Option<IpAddr>, usize),
        now: Moment,
    ) {
        let Request { version, method, host, port, path, query, fields, .. } = *request;
        // What is asked once more for a comparison is written as HTTP/1 has it.
        let version = version.min(Version::Http11).as_str();
        let method = method.as_str();
        let line = Line { method, path, query, version, host, port };
        let from = From { peer, listener: self.listeners.get(listener).copied().unwrap_or(0) };
        let fields = fields.lines().iter().map(|line| (line.name, line.value));
        self.recent.put(now, from, line, fields);
    }

    /// Puts down what happened: one line in the log of `account` and some counts.
    pub(crate) fn record(&self, account: Account, about: About<'_>, on: On, end: &End) {
        self.count(Counter::Requests);
        self.tally.add(account.label, end.status.0, end.bytes);
        match self.times_each() || on.began_us == 0 {
            true => self.time(account.label, Kind::AtOnce, end.us),
            false => self.time_soon(account.label, on.began_us),
        }
        self.tell_answered(on, (about, account.label), end);
        if let Some(span) = self.begin_span(account, about, on) {
            self.end_span(&span, (None, false), end);
        }
        if self.is_logged {
            let tick = self.ticked.get();
            let dropped = self.log.borrow_mut().record(account.log, about, end, tick);
            self.count_many(Counter::LinesDropped, dropped);
        }
    }

    /// As [`Core::record`], for an answer whose line was begun when its head was sent.
    pub(crate) fn record_begun(&self, record: &Record, end: &End) {
        self.count(Counter::Requests);
        let rest = end.bytes.saturating_sub(record.so_far.bytes);
        self.tally.add(record.account.label, end.status.0, rest);
        self.time(record.account.label, Kind::First, record.first_us);
        self.time(record.account.label, Kind::Whole, end.us);
        self.tell_finished(record, end);
        if let Some(span) = &record.span {
            self.end_span(span, (Some(record.first_us), record.is_cut), end);
        }
        if let Some(line) = &record.line {
            let log = record.account.log;
            let now = self.ticked.get().now;
            let dropped = self.log.borrow_mut().complete(log, line, end, now);
            self.count_many(Counter::LinesDropped, dropped);
        }
    }

    /// Counts what was `sent` by now of an answer that goes on, once in a while.
    #[inline]
    pub(crate) fn count_sent(&self, record: &mut Record, sent: impl FnOnce(u64) -> u64) {
        let now = self.ticked.get().now;
        if now < record.so_far.at.after(SO_FAR_EACH) {
            return;
        }
        record.so_far.at = now;
        let more = sent(record.bytes).saturating_sub(record.so_far.bytes);
        record.so_far.bytes += more;
        self.tally.send(record.account.label, more);
    }

    /// Puts down how long an answer has taken, if somebody wants to know.
    #[inline]
    fn time(&self, label: usize, kind: Kind, us: u64) {
        if self.is_timed {
            self.tally.time(label, kind, (us, 1));
        }
    }

    /// Whether somebody is told of an answer by itself how long it has taken. Else that of all that
    /// are given in one turn is put down when they leave together: to read the clock takes longer
    /// than all else that is put down.
    #[inline]
    fn times_each(&self) -> bool {
        self.is_logged || self.spans.is_some() || self.life.is_wanted()
    }

    /// How long an answer has taken that began then; where nobody is told of it by itself, to the
    /// last tick of the clock.
    #[inline]
    pub(crate) fn answered_us(&self, began_us: u64) -> u64 {
        let now_us = match self.times_each() {
            true => self.clock_us(),
            false => self.now().0 * 1_000,
        };
        now_us.saturating_sub(began_us)
    }

    /// Has the time put down of an answer that began then, when it leaves.
    #[inline]
    fn time_soon(&self, label: usize, began_us: u64) {
        let Untimed { count, .. } = match self.untimed.get() {
            one if one.count == 0 || (one.label, one.began_us) == (label, began_us) => one,
            _ => {
                self.settle_times();
                Untimed::default()
            }
        };
        self.untimed.set(Untimed { label, began_us, count: count + 1 });
    }

    /// Puts down the time of answers that leave now.
    #[inline]
    pub(crate) fn settle_times(&self) {
        let Untimed { label, began_us, count } = self.untimed.take();
        if count > 0 && self.is_timed {
            let us = self.read_us().saturating_sub(began_us);
            self.tally.time(label, Kind::AtOnce, (us, count));
        }
    }

    /// One exchange more is under way beyond its turn, until what this returns is dropped.
    pub(crate) fn under_way(&self, label: Option<usize>) -> Counted {
        let own = label.map(|label| self.tally.under_way(label));
        Counted::new(label, self.counters.under_way(), own)
    }

    /// One connection more speaks that, until what this returns is dropped.
    pub(crate) fn speaks(&self, protocol: Protocol) -> Present {
        self.counters.speaks(protocol)
    }

    /// Counts a connection that was accepted at the listener of that number.
    pub(crate) fn count_accepted(&self, listener: usize) {
        self.count(Counter::Connections);
        let label = self.plan.listener_labels.get(listener);
        label.iter().for_each(|label| self.tally.accept(**label));
    }

    /// The id of the exchange that begins with `request`, or with bytes that are none, where the
    /// plan gives ids.
    #[inline]
    pub(crate) fn id(&self, request: Option<(&Request<'_>, Option<IpAddr>)>) -> Option<RequestId> {
        self.plan.request_id.as_ref()?;
        let ids = &mut *self.ids.borrow_mut();
        match request {
            Some((request, peer)) => ids::of(self.plan, request, peer, ids),
            None => Some(ids.next()),
        }
    }

    /// Closes files that nobody has asked for in a while.
    pub(crate) fn sweep_files(&self, now: Moment) {
        self.due.by(self.files.borrow_mut().1.sweep(now));
    }

    /// Lends `work` what handlers may use.
    pub(crate) fn with_tools<T>(&self, tick: Tick, work: impl FnOnce(&mut Tools<'_>) -> T) -> T {
        let (folders, cache) = &mut *self.files.borrow_mut();
        let Tick { now, wall } = tick;
        let wall_seconds = wall.seconds;
        let (counters, answers) = (&self.counters, &self.answers);
        let (changes, board) = (self.changes.as_ref(), self.board.as_ref());
        work(&mut Tools { folders, cache, now, wall_seconds, counters, answers, changes, board })
    }

    /// Microseconds, for the durations of answers; zero while nobody reads them.
    pub(crate) fn clock_us(&self) -> u64 {
        if self.is_clocked { self.read_us() } else { 0 }
    }

    /// The same, whoever reads them. What is told of a connection is told by this, too: an exchange
    /// that begins in the same stretch began after it.
    pub(crate) fn read_us(&self) -> u64 {
        let us = net::clock::precise_us();
        self.read.set((self.counters.stretch(), us));
        us
    }

    /// The same for the beginning of an exchange: where the loop has not waited since the clock was
    /// read last, as where one answer follows another, that was when this one's turn began.
    #[inline]
    pub(crate) fn turn_us(&self) -> u64 {
        match self.read.get() {
            (Some(stretch), us) if Some(stretch) == self.counters.stretch() => us,
            _ => self.clock_us(),
        }
    }

    /// The value of `Date`, worked out once a second.
    pub(crate) fn date(&self, Tick { wall, .. }: Tick) -> Date29 {
        let seconds = wall.seconds;
        let mut date = self.date.borrow_mut();
        if date.0 != seconds {
            date.0 = seconds;
            date.1.copy_from_slice(message::date::format(seconds).as_bytes());
        }
        date.1
    }

    /// Room for what an application is told; [`Core::give_words_back`] takes it back.
    pub(crate) fn words(&self) -> Vec<u8> {
        self.words.take()
    }

    /// Takes that room back for the next application.
    pub(crate) fn give_words_back(&self, words: Vec<u8>) {
        if words.capacity() <= WORDS_BYTES_KEPT {
            self.words.set(words);
        }
    }

    /// Room for a turn; [`Core::give_back`] takes it back.
    pub(crate) fn scratch(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().take().unwrap_or_else(|| {
            let input = vec![0; READ_BYTES + self.plan.limits.head_bytes_max];
            let (output, block, records) = Default::default();
            Box::new(Scratch { input, output, block, records })
        })
    }

    /// Takes the room back for the next turn; what a burst made it grow to is let go.
    pub(crate) fn give_back(&self, mut scratch: Box<Scratch>) {
        scratch.output.clear();
        if scratch.output.bytes().capacity() > OUTPUT_BYTES_KEPT {
            scratch.output = Output::default();
        }
        *self.scratch.borrow_mut() = Some(scratch);
    }
}
