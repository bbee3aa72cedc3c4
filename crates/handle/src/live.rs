//! Tells the pages that are open in a browser that a file has changed, for `gannet PATH --live`.
//!
//! ```text
//!  files ─► net::changes ─► Changes ─► stream of each page (`/.gannet/live`) ─► its script
//! ```

use config::plan::LIVE_PATH;
use message::{Body, Broken, Response, Shared, Source, Status, response::Line};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// What runs in the page.
const SCRIPT: &str = include_str!("live/live.js");

/// All that has changed since the server started, for all loops.
pub struct Changes(Mutex<State>);

struct State {
    /// The number of the last change.
    number: u64,
    /// The number of the last change that asks for the page to be loaded anew.
    page: u64,
    /// Signs of life so far.
    beats: u64,
    is_over: bool,
    /// Those who wait for the next change.
    wakers: Vec<Waker>,
}

/// What a change asks of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To load its style sheets anew.
    Style,
    /// To be loaded anew itself.
    Page,
}

impl Changes {
    /// Nothing has changed yet. Changes are numbered from the moment of the start, `first`, in
    /// milliseconds, so that a page can tell that the server was started anew since it was loaded.
    #[must_use]
    pub fn new(first: u64) -> Self {
        let (number, page) = (first, first);
        Self(Mutex::new(State { number, page, beats: 0, is_over: false, wakers: Vec::new() }))
    }

    /// The number of the last change.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.lock().number
    }

    /// Tells all pages of a change.
    pub fn note(&self, change: Change) {
        let mut state = self.lock();
        state.number += 1;
        if change == Change::Page {
            state.page = state.number;
        }
        state.wake();
    }

    /// Has all streams say something, which finds out who has gone.
    pub fn beat(&self) {
        let mut state = self.lock();
        state.beats += 1;
        state.wake();
    }

    /// Ends all streams: the server is about to stop.
    pub fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// Answers what a page asks for below [`LIVE_PATH`]: `rest` is what follows it.
pub(crate) fn answer(rest: &[u8], changes: Option<&Arc<Changes>>) -> Response {
    let (media_type, body) = match (rest, changes) {
        (b"live", Some(changes)) => {
            ("text/event-stream", Body::Stream(Box::new(Stream::new(changes))))
        }
        (b"live.js", Some(_)) => {
            let script = Shared::from(SCRIPT.as_bytes());
            ("text/javascript; charset=utf-8", Body::Bytes(script))
        }
        _ => return Response::empty(Status::NOT_FOUND),
    };
    let response = Response::empty(Status::OK)
        .with(Line::fixed("content-type", media_type))
        .with(Line::fixed("cache-control", "no-store"));
    Response { body, ..response }
}

/// The element that has a page listen to changes after the one of this number.
#[must_use]
pub fn script_element(number: u64) -> String {
    format!("\n<script src=\"{LIVE_PATH}live.js?{number}\"></script>\n")
}

/// The changes as one page hears of them (HTML, section 9.2, server-sent events).
struct Stream {
    changes: Arc<Changes>,
    /// The last change that was told; `None` before the first word.
    told: Option<u64>,
    beats: u64,
}

impl Stream {
    fn new(changes: &Arc<Changes>) -> Self {
        Self { changes: Arc::clone(changes), told: None, beats: changes.lock().beats }
    }
}

impl Source for Stream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        let mut state = self.changes.lock();
        let number = state.number;
        let event = match self.told {
            _ if state.is_over => return Poll::Ready(None),
            // Half a second after the stream breaks, the page asks for another one.
            None => format!("retry: 500\nevent: number\ndata: {number}\n\n"),
            Some(told) if told < state.page => format!("event: page\ndata: {number}\n\n"),
            Some(told) if told < number => format!("event: style\ndata: {number}\n\n"),
            Some(_) if self.beats < state.beats => ":\n\n".to_owned(),
            Some(_) => {
                // A stream that is asked again has a new waker, or the same one once more.
                state.wakers.retain(|waker| !waker.will_wake(context.waker()));
                state.wakers.push(context.waker().clone());
                return Poll::Pending;
            }
        };
        self.told = Some(number);
        self.beats = state.beats;
        Poll::Ready(Some(Ok(event.into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next word of a stream; empty while there is none, "end" at its end.
    fn next(stream: &mut Stream) -> String {
        match stream.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(piece)) => String::from_utf8(piece.unwrap()).unwrap(),
            Poll::Ready(None) => "end".to_owned(),
            Poll::Pending => String::new(),
        }
    }

    #[test]
    fn a_page_hears_of_every_change_once() {
        let changes = Arc::new(Changes::new(7));
        let mut stream = Stream::new(&changes);
        let mut check = |change: &dyn Fn(), expect: &str| {
            change();
            assert_eq!(next(&mut stream), expect);
            assert_eq!(next(&mut stream), if expect == "end" { "end" } else { "" });
        };
        check(&|| {}, "retry: 500\nevent: number\ndata: 7\n\n");
        check(&|| changes.note(Change::Style), "event: style\ndata: 8\n\n");
        check(&|| changes.note(Change::Page), "event: page\ndata: 9\n\n");
        check(
            &|| {
                changes.note(Change::Page);
                changes.note(Change::Style);
            },
            "event: page\ndata: 11\n\n",
        );
        check(&|| changes.beat(), ":\n\n");
        check(&|| {}, "");
        check(&|| changes.end(), "end");
    }

    #[test]
    fn those_who_wait_are_woken_once_each() {
        let changes = Arc::new(Changes::new(0));
        let mut streams = [Stream::new(&changes), Stream::new(&changes)];
        for _ in 0..3 {
            streams.iter_mut().for_each(|stream| drop(next(stream)));
        }
        assert_eq!(changes.lock().wakers.len(), 1, "the same waker is kept once");
        changes.note(Change::Page);
        assert!(changes.lock().wakers.is_empty());
    }
}
