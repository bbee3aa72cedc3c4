//! Shows how the server is, to an operator and to programs of theirs.
//!
//! ```text
//!   request ─► Board ── is asked ─► whoever knows ── Status ─► Board ─► answer of each who waits
//! ```
//!
//! Nothing is found out unless somebody looks, and what is found out is for all who look.

use control::{lives, status::Status as Server};
use dashboard::{Format, Looks, Stories, Tops, Wanted};
use message::{
    Body, Broken, Exchange, Fields, Name, Response, Shared, Source, Status, response::Line,
};
use net::{
    diag::{Diag, SOCKETS_MAX, Socket, State},
    memory,
};
use std::{
    collections::BTreeMap,
    io,
    ops::BitOrAssign,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Those who follow how the server is, at a time.
const VIEWERS_MAX: usize = 16;

/// How many sockets are in each state is told for so long to those who follow: until they look at
/// the sockets once more, where they do so every other second; and for so many times as long as it
/// took to count them, so that this takes half a percent of a processor, however many there are.
const COUNTED_US: u64 = 2_500_000;
const COUNTING_PAUSE: u64 = 200;

/// What is known of the server, and who waits to know more.
pub struct Board {
    state: Mutex<Known>,
    /// What the kernel is asked by for the sockets of the server, or why it cannot be.
    diag: io::Result<Diag>,
    /// The file of its config, as a command names it.
    config: String,
}

/// How many sockets are in each state.
type States = Vec<(String, u64)>;

/// How many were when they were counted last, if the kernel told, and until when that is told.
#[derive(Default)]
struct Counted {
    states: Option<States>,
    until_us: u64,
}

/// What is to be found out with the next look at the server, beside what it tells.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// How many sockets are in each state now.
    states: bool,
    /// What was asked.
    answers: bool,
    /// What has happened on each connection.
    stories: bool,
}

#[derive(Default)]
struct Known {
    /// How the server was when it was last asked; `None` where it did not say.
    server: Option<Arc<Server>>,
    /// What has happened on its connections, and what was asked most, as it was when somebody
    /// looked closely.
    stories: Arc<Stories>,
    tops: Tops,
    /// How its connections were when somebody looked at them.
    looks: Arc<Mutex<Looks>>,
    /// The same as those see it who follow it, and how often it was made for them.
    news: Arc<Vec<u8>>,
    told: u64,
    /// Whether what is put next is for them: what somebody else looks at is no news to them, as
    /// each of them would have to be told of it.
    is_due: bool,
    /// How often it was asked.
    number: u64,
    /// Whether somebody wants it to be asked, and who is to be told so.
    is_wanted: bool,
    /// What those want to see who wait.
    look: Look,
    counted: Counted,
    asker: Option<Waker>,
    waiting: Vec<Waker>,
    viewers: usize,
    /// Whether the server serves whoever comes.
    is_ready: bool,
}

impl Counted {
    /// What was found from `start_us` to `end_us`.
    fn new(states: Option<States>, start_us: u64, end_us: u64) -> Self {
        let pause_us = COUNTING_PAUSE * end_us.saturating_sub(start_us);
        Self { states, until_us: end_us + pause_us.max(COUNTED_US) }
    }
}

impl BitOrAssign for Look {
    fn bitor_assign(&mut self, other: Self) {
        self.states |= other.states;
        self.answers |= other.answers;
        self.stories |= other.stories;
    }
}

impl Board {
    /// One on which the kernel's sockets are shown, too, or why it does not tell; of a server with
    /// the config in that file.
    #[must_use]
    pub fn new(diag: io::Result<Diag>, config: String) -> Self {
        Self { state: Mutex::default(), diag, config }
    }

    /// The sockets at the addresses of the server, those one by one that are wanted.
    fn sockets(&self, server: &Server, wanted: &Wanted) -> Vec<u8> {
        let addresses = dashboard::addresses(server);
        let is_ours = |one: &Socket| dashboard::is_of(one, &addresses);
        let start_us = net::clock::precise_us();
        let found = self.diag.as_ref().map_err(io::Error::to_string).and_then(|diag| {
            let all = diag.sockets((&addresses, wanted.needs_paths()), is_ours);
            Ok((all.map_err(|error| error.to_string())?, diag))
        });
        let (all, diag) = match found {
            Ok(found) => found,
            Err(why) => return dashboard::untold(&why),
        };
        let now_us = net::clock::precise_us();
        let mut counts = BTreeMap::new();
        all.iter().for_each(|socket| *counts.entry(socket.state).or_default() += 1);
        let mut state = self.lock();
        // There may be more than are found.
        if all.len() < SOCKETS_MAX {
            state.counted = Counted::new(Some(by_state(&counts)), start_us, now_us);
        }
        let (stories, looks) = (Arc::clone(&state.stories), Arc::clone(&state.looks));
        drop(state);
        let ask = |socket: &Socket| diag.path(socket);
        let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
        dashboard::sockets(&all, (&stories, &mut looks), (wanted, ask), now_us)
    }

    /// How many there are in each state, if the kernel tells.
    fn states(&self, server: &Server) -> Option<States> {
        let addresses = dashboard::addresses(server);
        let is_ours = |one: &Socket| dashboard::is_of(one, &addresses);
        Some(by_state(&self.diag.as_ref().ok()?.states(&addresses, is_ours).ok()?))
    }

    /// What is asked most, and what went wrong.
    fn requests(&self) -> Vec<u8> {
        self.lock().tops.json(net::clock::precise_us(), &self.config)
    }

    /// Whether the server serves whoever comes.
    pub fn set_ready(&self, is_ready: bool) {
        self.lock().is_ready = is_ready;
    }

    /// How the server is now, with the memory in which its workers put down the lives of their
    /// connections; or that it does not say.
    pub fn put(&self, server: Option<(Server, Vec<OwnedFd>)>) {
        let (mut server, lives) = server.unzip();
        let mut state = self.lock();
        let (look, is_due) = (std::mem::take(&mut state.look), std::mem::take(&mut state.is_due));
        if let Some(server) = &mut server
            && (look.states || is_due)
        {
            let start_us = net::clock::precise_us();
            if look.states || state.counted.until_us <= start_us {
                let states = self.states(server);
                state.counted = Counted::new(states, start_us, net::clock::precise_us());
            }
            server.sockets.clone_from(&state.counted.states);
        }
        state.number += 1;
        state.server = server.map(Arc::new);
        if let Some(lives) = lives.filter(|_| look.answers || is_due) {
            state.look_closely(&lives, look.stories);
        }
        if is_due {
            state.tell();
        }
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// Waits until somebody wants to know how the server is; whether closely.
    pub fn poll_wanted(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if std::mem::take(&mut state.is_wanted) {
            return Poll::Ready(state.look.answers || state.viewers > 0);
        }
        state.asker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether anybody follows how the server is.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.lock().viewers > 0
    }

    /// Those who follow how the server is want to know it once more, if there are any.
    pub fn tick(&self) {
        let mut state = self.lock();
        if state.viewers > 0 {
            state.is_due = true;
            state.want();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Looks at what was asked, in the memory of each worker, and at what has happened on each
    /// connection where somebody wants its story.
    fn look_closely(&mut self, lives: &[OwnedFd], with_stories: bool) {
        let mut all = Vec::new();
        let mut numbers = Vec::new();
        for memory in lives.iter().map(AsFd::as_fd) {
            let look = |start, count| memory::look(memory, start, count).unwrap_or_default();
            let seen = lives::seen(memory::size(memory).unwrap_or(0), look, with_stories);
            let number = memory::number(memory).unwrap_or(0);
            self.tops.take(number, &seen);
            numbers.push(number);
            all.extend(seen);
        }
        self.tops.keep(&numbers);
        if with_stories {
            self.stories = Arc::new(Stories::of(all));
        }
    }

    /// Tells those who follow how the server is.
    fn tell(&mut self) {
        let news = self.server.as_ref().map(|server| {
            let json = dashboard::json(server);
            [b"data: ", json.trim_ascii_end(), b"\n\n"].concat()
        });
        self.news = Arc::new(news.unwrap_or_default());
        self.told += 1;
    }

    fn want(&mut self) {
        self.is_wanted = true;
        self.asker.take().into_iter().for_each(Waker::wake);
    }

    /// Waits for what is put next.
    fn wait(&mut self, context: &Context<'_>) {
        self.waiting.retain(|waker| !waker.will_wake(context.waker()));
        self.waiting.push(context.waker().clone());
    }
}

fn by_state(counts: &BTreeMap<State, u64>) -> States {
    let count = |state: &State| (state.word().to_owned(), counts.get(state).copied().unwrap_or(0));
    State::ALL.iter().map(count).collect()
}

/// Answers what is asked below the address of `admin`.
pub(crate) fn answer(exchange: &Exchange<'_>, board: Option<&Arc<Board>>) -> Response {
    let Some(board) = board else { return Response::empty(Status::NOT_FOUND) };
    let format = format(&exchange.request.fields);
    let report = |look: Look, make: Make| {
        let board = Arc::clone(board);
        Body::Stream(Box::new(Report { board, wanted: None, look, make }))
    };
    let (states, answers) =
        (Look { states: true, ..Look::default() }, Look { answers: true, ..Look::default() });
    let text = |text: &'static str| Body::Bytes(Shared::from(text.as_bytes()));
    let (status, media_type, body) = match exchange.path_bytes() {
        b"/metrics" => {
            let make = move |server: &Server, _: &Board| dashboard::metrics(server, format);
            (Status::OK, format.media_type(), report(states, Box::new(make)))
        }
        b"/status" => {
            (Status::OK, JSON, report(states, Box::new(|server, _| dashboard::json(server))))
        }
        b"/sockets" => {
            if let Some(fault) = Wanted::fault(exchange.query()) {
                let (status, body) = (Status::BAD_REQUEST, Body::Bytes(fault.into_bytes().into()));
                return dressed(status, TEXT, body);
            }
            let wanted = Wanted::of(exchange.query());
            let make = move |server: &Server, board: &Board| board.sockets(server, &wanted);
            (Status::OK, JSON, report(Look { stories: true, ..answers }, Box::new(make)))
        }
        b"/requests" => (Status::OK, JSON, report(answers, Box::new(|_, board| board.requests()))),
        b"/healthz" => (Status::OK, TEXT, text("ok\n")),
        b"/readyz" if board.lock().is_ready => (Status::OK, TEXT, text("ready\n")),
        b"/readyz" => (Status::SERVICE_UNAVAILABLE, TEXT, text("not ready\n")),
        b"/events" => match Stream::new(board) {
            Some(stream) => (Status::OK, "text/event-stream", Body::Stream(Box::new(stream))),
            None => (Status::SERVICE_UNAVAILABLE, TEXT, text("enough follow already\n")),
        },
        path => match dashboard::page(path) {
            Some((media_type, bytes)) => (Status::OK, media_type, Body::Bytes(Shared::from(bytes))),
            None => return Response::empty(Status::NOT_FOUND),
        },
    };
    dressed(status, media_type, body)
}

/// An answer with the fields that all of them have.
fn dressed(status: Status, media_type: &'static str, body: Body) -> Response {
    let fields = FIELDS.map(|(name, value)| Line::fixed(name, value));
    let response = Response::empty(status).with(Line::fixed("content-type", media_type));
    let response = fields.into_iter().fold(response, Response::with);
    Response { body, ..response }
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What no page may do: load anything from elsewhere, or be a part of another site's page.
const FIELDS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

/// How a client wants figures: most understand only the older text.
fn format(fields: &Fields<'_>) -> Format {
    const OPEN: &[u8] = b"application/openmetrics-text";
    let accepts = fields.get(Name::Accept).unwrap_or_default();
    match accepts.windows(OPEN.len()).any(|part| part.eq_ignore_ascii_case(OPEN)) {
        true => Format::Open,
        false => Format::Plain,
    }
}

/// Makes an answer of how the server is.
type Make = Box<dyn Fn(&Server, &Board) -> Vec<u8>>;

/// An answer for which the server is asked how it is.
struct Report {
    board: Arc<Board>,
    /// The number of the answer that is waited for; `None` before the first word.
    wanted: Option<u64>,
    /// What it is about.
    look: Look,
    make: Make,
}

impl Source for Report {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        let mut state = self.board.lock();
        let look = self.look;
        let wanted = *self.wanted.get_or_insert_with(|| {
            state.look |= look;
            state.want();
            state.number + 1
        });
        if wanted == u64::MAX {
            return Poll::Ready(None);
        }
        if state.number < wanted {
            state.wait(context);
            return Poll::Pending;
        }
        let server = state.server.clone();
        drop(state);
        self.wanted = Some(u64::MAX);
        Poll::Ready(Some(
            server.map(|server| (self.make)(&server, &self.board)).ok_or(Broken::CUT_OFF),
        ))
    }
}

/// How the server is, again and again (HTML, section 9.2, server-sent events).
struct Stream {
    board: Arc<Board>,
    /// The number of the news that it was told last.
    told: u64,
    has_begun: bool,
}

impl Stream {
    /// One more, unless there are too many.
    fn new(board: &Arc<Board>) -> Option<Self> {
        let mut state = board.lock();
        if state.viewers == VIEWERS_MAX {
            return None;
        }
        state.viewers += 1;
        state.is_due = true;
        state.want();
        Some(Self { board: Arc::clone(board), told: state.told, has_begun: false })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.board.lock().viewers -= 1;
    }
}

impl Source for Stream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        let mut state = self.board.lock();
        if !self.has_begun {
            self.has_begun = true;
            // Who loses sight of the server looks for it again after a second.
            return Poll::Ready(Some(Ok(b"retry: 1000\n\n".to_vec())));
        }
        if state.told == self.told {
            state.wait(context);
            return Poll::Pending;
        }
        self.told = state.told;
        let news = Arc::clone(&state.news);
        drop(state);
        // An event without data would be none.
        let nothing = || b"event: untold\ndata: -\n\n".to_vec();
        Poll::Ready(Some(Ok(if news.is_empty() { nothing() } else { news.to_vec() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn next(source: &mut impl Source) -> Option<Option<Result<String, Broken>>> {
        match source.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => None,
            Poll::Ready(piece) => {
                Some(piece.map(|piece| piece.map(|bytes| String::from_utf8(bytes).unwrap())))
            }
        }
    }

    fn board() -> Arc<Board> {
        Arc::new(Board::new(Err(io::ErrorKind::PermissionDenied.into()), String::new()))
    }

    fn is_wanted(board: &Board) -> bool {
        board.poll_wanted(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn server(pid: u64) -> Option<(Server, Vec<OwnedFd>)> {
        Some((Server { pid, ..Server::default() }, Vec::new()))
    }

    #[test]
    fn the_server_is_asked_once_for_all_who_wait() {
        let board = board();
        let report = || Report {
            board: Arc::clone(&board),
            wanted: None,
            look: Look::default(),
            make: Box::new(|server, _| server.pid.to_string().into_bytes()),
        };
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert!(board.poll_wanted(&mut Context::from_waker(&waker)).is_pending());
        let (mut one, mut other) = (report(), report());
        assert_eq!((next(&mut one), next(&mut other)), (None, None));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(is_wanted(&board) && !is_wanted(&board));
        board.put(server(7));
        for source in [&mut one, &mut other] {
            assert_eq!(next(source), Some(Some(Ok("7".to_owned()))));
            assert_eq!(next(source), Some(None));
        }
        let mut late = report();
        assert_eq!(next(&mut late), None, "what was known before is no answer");
        board.put(None);
        assert_eq!(next(&mut late), Some(Some(Err(Broken::CUT_OFF))));
    }

    #[test]
    fn who_follows_is_told_once_for_each_tick_and_nobody_is_asked_for_nobody() {
        let board = board();
        board.tick();
        assert!(!is_wanted(&board));
        let mut stream = Stream::new(&board).unwrap();
        assert!(is_wanted(&board));
        assert_eq!(next(&mut stream), Some(Some(Ok("retry: 1000\n\n".to_owned()))));
        assert_eq!(next(&mut stream), None);
        board.put(server(7));
        let Some(Some(Ok(event))) = next(&mut stream) else { panic!("no event") };
        assert!(event.starts_with("data: {") && event.ends_with("}\n\n"), "{event}");
        assert!(event.contains("\"pid\":7,") && event.lines().count() == 2, "{event}");
        // What others look at is no news: who follows may look at more for each, and would drive
        // itself.
        let mut other = Report {
            board: Arc::clone(&board),
            wanted: None,
            look: Look { answers: true, ..Look::default() },
            make: Box::new(|server, _| server.pid.to_string().into_bytes()),
        };
        assert_eq!(next(&mut other), None);
        assert!(is_wanted(&board));
        board.put(server(8));
        assert_eq!(next(&mut other), Some(Some(Ok("8".to_owned()))));
        assert_eq!(next(&mut stream), None);
        board.tick();
        assert!(is_wanted(&board));
        board.put(None);
        assert_eq!(next(&mut stream), Some(Some(Ok("event: untold\ndata: -\n\n".to_owned()))));
        let others: Vec<_> = (1..VIEWERS_MAX).map(|_| Stream::new(&board).unwrap()).collect();
        assert!(Stream::new(&board).is_none());
        drop((stream, others));
        assert!(Stream::new(&board).is_some());
    }

    /// What it has not read is not kept for it.
    #[test]
    fn who_reads_late_is_told_how_the_server_is_by_then() {
        let board = board();
        let mut stream = Stream::new(&board).unwrap();
        assert_eq!(next(&mut stream), Some(Some(Ok("retry: 1000\n\n".to_owned()))));
        for pid in 1..=100 {
            board.tick();
            board.put(server(pid));
        }
        let Some(Some(Ok(event))) = next(&mut stream) else { panic!("no event") };
        assert!(event.contains("\"pid\":100,"), "{event}");
        assert_eq!(next(&mut stream), None);
    }

    #[test]
    fn sockets_that_the_kernel_does_not_tell_are_not_none() {
        let text = board().sockets(&Server::default(), &Wanted::default());
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\"left_out\":null,\"untold\":\"permission denied\""), "{text}");
    }
}
