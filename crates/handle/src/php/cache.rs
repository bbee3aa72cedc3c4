//! Answers of programs that are kept for a moment, for visitors whom nothing tells apart.
//!
//! ```text
//!            ┌─ kept: fresh, or stale while somebody asks ──► the answer
//!  request ─►├─ nobody asks ─► Errand: asks, keeps what comes, and lets those go on who wait
//!            ├─ somebody asks ─► waits
//!            └─ not to be kept, or not for everybody ─► asks for itself
//! ```
//!
//! What a program could tell visitors apart by is part of the key, unless the standard has it say
//! `Vary` (RFC 9111 section 4.1) and no browser sends the same: see `LEFT_OUT`.

mod stored;
mod term;

use super::Call;
use crate::Tools;
use base::Moment;
use config::plan::{Compress, Php};
use control::kept::{Keeping, Of};
use fastcgi::Head;
use message::{Exchange, Field, Fields, Length, Method, Response, Status};
use std::{
    collections::{HashMap, VecDeque},
    mem, ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use stored::Stored;

pub use term::Term;

/// Bytes of content that are kept of one answer at most: what a loop compresses in passing.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Time for which a page is asked for by each visitor alone whose answer was not to be kept, and
/// one that is too large, or comes too slowly, to be kept.
const APART_TIME: Duration = Duration::from_secs(2);
const UNFIT_TIME: Duration = Duration::from_secs(60);

/// Bytes of book-keeping for an answer: its places in the table and in the line.
const SLOT_BYTES: usize = size_of::<(Key, Slot)>() + size_of::<Stored>() + 2 * size_of::<Key>();

/// Fields that are not part of the key. They are those that every visitor's browser sends, each in
/// its own words, and that speak of the connection or of what the client has kept.
const LEFT_OUT: [&str; 23] = [
    "accept-encoding",
    "cache-control",
    "connection",
    "dnt",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "pragma",
    "priority",
    "range",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-real-ip",
];

type Key = Arc<[u8]>;

/// Goes on with a request that waits for what somebody else has asked.
pub type Waiter = Box<dyn FnOnce() -> bool + Send>;

/// The answers that a process keeps, of each application by its number.
#[derive(Clone)]
pub struct Answers {
    states: Arc<[Mutex<State>]>,
    /// Where it is seen how many there are, and of what use.
    keeping: Keeping,
}

#[derive(Default)]
struct State {
    keeping: Keeping,
    slots: HashMap<Key, Slot>,
    /// The keys of `slots`, the next to go in front.
    line: VecDeque<Key>,
    bytes: usize,
}

/// What is known of one page.
struct Slot {
    /// What its site is counted by.
    label: usize,
    answer: Option<Arc<Stored>>,
    asking: Asking,
    /// When a stale answer is to be asked for anew.
    ask_at: Moment,
    /// Until then everybody asks alone.
    apart_until: Moment,
    /// Whether the page has changed since somebody asked: what comes of that is not kept.
    is_over: bool,
    bytes: usize,
    was_used: bool,
}

/// Whether the application is being asked for a page.
#[derive(Default)]
enum Asking {
    #[default]
    Nobody,
    /// Somebody asks, and these wait.
    Somebody(Vec<Waiter>),
    /// It takes so long that nobody is to wait for it.
    Long,
}

/// Somebody's right to ask for a page, and duty to let those go on who wait for it: at the latest
/// when it is dropped.
pub struct Errand {
    answers: Answers,
    php: &'static Php,
    key: Key,
    path: Option<Vec<u8>>,
    is_renewal: bool,
}

/// What comes of a request that would have a program asked.
pub enum Joined {
    /// It waits until its waiter is called, and looks again for what is kept.
    Waits,
    /// It asks for all who come meanwhile.
    Yours(Errand),
    /// It asks for itself.
    Apart,
}

impl Answers {
    /// None yet, for so many applications.
    #[must_use]
    pub fn new(count: usize, keeping: Keeping) -> Self {
        let state = || State { keeping, ..State::default() };
        Self { states: (0..count).map(|_| Mutex::new(state())).collect(), keeping }
    }

    /// Whether somebody is to be asked for what `call` is about.
    pub fn join(
        &self,
        call: &Call,
        exchange: &Exchange<'_>,
        now: Moment,
        waiter: impl FnOnce() -> Waiter,
    ) -> Joined {
        let Some(key) = key(call.php, exchange) else { return Joined::Apart };
        let joined = match exchange.request.method {
            Method::Get => self.join_others(call, key.into(), now, waiter),
            _ => Joined::Apart,
        };
        match &joined {
            // It is counted when it goes on: until then it may leave.
            Joined::Waits => {}
            // There is an older answer, which is counted when it is given.
            Joined::Yours(errand) if errand.is_renewal => {}
            Joined::Yours(_) | Joined::Apart => {
                self.keeping.change(label(call.php), Of::Misses, 1);
            }
        }
        joined
    }

    fn join_others(
        &self,
        call: &Call,
        key: Key,
        now: Moment,
        waiter: impl FnOnce() -> Waiter,
    ) -> Joined {
        let php = call.php;
        let Some(mut state) = self.lock(php) else { return Joined::Apart };
        let slot = state.slot(&key, label(php));
        if slot.kept(now).is_some() {
            // It has come since that was looked for.
            drop(state);
            self.go_on(php, waiter());
            return Joined::Waits;
        }
        if now < slot.apart_until {
            return Joined::Apart;
        }
        match &mut slot.asking {
            Asking::Somebody(waiters) => {
                waiters.push(waiter());
                return Joined::Waits;
            }
            Asking::Long => return Joined::Apart,
            Asking::Nobody => slot.asking = Asking::Somebody(Vec::new()),
        }
        let is_renewal = slot.kept(now).is_some();
        state.trim(php);
        drop(state);
        let (answers, path) = (self.clone(), call.path.clone());
        Joined::Yours(Errand { answers, php, key, path, is_renewal })
    }

    /// Does away with what is kept of the page that `exchange` is about, in whatever form it was
    /// asked for: something was done to it (RFC 9111 section 4.4).
    fn forget(&self, php: &Php, exchange: &Exchange<'_>) {
        let Some(mut state) = self.lock(php) else { return };
        let (page, mut changed) = (page(exchange), Vec::new());
        for (_, slot) in state.slots.iter_mut().filter(|(key, _)| key.starts_with(&page)) {
            let before = slot.figures();
            slot.replace(None);
            slot.is_over = slot.is_asked();
            changed.push((slot.label, before, slot.figures()));
        }
        changed.into_iter().for_each(|(label, before, after)| state.settle(label, before, after));
    }

    /// Lets somebody go on who has waited, if only for this, and may have left.
    fn go_on(&self, php: &Php, waiter: Waiter) {
        if waiter() {
            self.keeping.change(label(php), Of::Waited, 1);
        }
    }

    fn lock(&self, php: &Php) -> Option<MutexGuard<'_, State>> {
        let state = self.states.get(php.application.number)?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The answer that is kept for `exchange`, and the path whose guards have to let it in as well.
pub(super) fn kept(
    php: &'static Php,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &Tools<'_>,
) -> Option<(Response, Option<Vec<u8>>)> {
    let key = key(php, exchange)?;
    let answer = {
        let mut state = tools.answers.lock(php)?;
        let slot = state.slots.get_mut(&key[..])?;
        let answer = slot.kept(tools.now)?;
        slot.was_used = true;
        answer
    };
    let of = if tools.now < answer.fresh_until { Of::Hits } else { Of::Stale };
    tools.answers.keeping.change(label(php), of, 1);
    let response = answer.response(compress, exchange.request, tools.now);
    Some((response, answer.path.clone()))
}

/// What the site of `php` is counted by.
fn label(php: &Php) -> usize {
    php.cache.map_or(0, |cache| cache.label)
}

/// Whatever was done to a page by a method that may change it, and was done, leaves nothing of it
/// that is kept.
pub(super) fn changed(php: &Php, status: Status, exchange: &Exchange<'_>, tools: &Tools<'_>) {
    let is_safe = matches!(
        exchange.request.method,
        Method::Get | Method::Head | Method::Options | Method::Trace
    );
    if !is_safe && matches!(status.0, 200..=399) {
        let all = [Some(php), php.whole.as_deref()].into_iter().flatten();
        let keeping = all.filter(|php| php.cache.is_some());
        keeping.for_each(|php| tools.answers.forget(php, exchange));
    }
}

/// What is told of where the answer of a program comes from (RFC 9211).
pub(super) fn said_of(php: &Php, exchange: &Exchange<'_>) -> Option<&'static str> {
    php.cache?;
    let is_for_all = key(php, exchange).is_some();
    Some(if is_for_all { "gannet; fwd=miss" } else { "gannet; fwd=bypass" })
}

/// The fields that a program is told of that is asked for everybody: of those that are no part of
/// the key only what names the browser and the trace. So it can answer with no less than the page
/// as it is, and nobody's words are on it that others would not have asked with.
#[must_use]
pub fn asked<'h>(fields: &Fields<'h>) -> Vec<Field<'h>> {
    const TOLD: [&str; 4] = ["host", "traceparent", "tracestate", "user-agent"];
    let is_told =
        |line: &&Field<'_>| is_in_key(line.name) || TOLD.iter().any(|name| is(line.name, name));
    fields.lines().iter().filter(is_told).copied().collect()
}

fn is(name: &[u8], other: &str) -> bool {
    name.eq_ignore_ascii_case(other.as_bytes())
}

/// Whether a field of that name tells pages apart.
fn is_in_key(name: &[u8]) -> bool {
    let start = name.get(..4).unwrap_or_default();
    !is(start, "sec-") && !LEFT_OUT.iter().any(|other| is(name, other))
}

/// What tells the page that is asked for from all others, where it may be the same for everybody
/// who asks so: nothing says who asks, or brings along content.
fn key(php: &Php, exchange: &Exchange<'_>) -> Option<Vec<u8>> {
    php.cache?;
    let request = exchange.request;
    let is_read = matches!(request.method, Method::Get | Method::Head);
    if !is_read || request.length != Length::Known(0) || exchange.user.is_some() {
        return None;
    }
    let mut key = page(exchange);
    key.extend_from_slice(&ptr::from_ref(php).addr().to_le_bytes());
    for line in request.fields.lines() {
        if ["authorization", "cookie"].iter().any(|name| is(line.name, name)) {
            return None;
        }
        if is_in_key(line.name) {
            push(&mut key, &line.name.to_ascii_lowercase());
            push(&mut key, line.value);
        }
    }
    Some(key)
}

/// What the keys of a page begin with, whoever asks for it.
fn page(exchange: &Exchange<'_>) -> Vec<u8> {
    let request = exchange.request;
    let mut page = Vec::with_capacity(256);
    page.extend_from_slice(&exchange.listener.to_le_bytes());
    for text in [request.host, request.port, request.path] {
        push(&mut page, text.as_bytes());
    }
    push(&mut page, exchange.path_bytes());
    for query in [request.query, exchange.query()] {
        push(&mut page, &[u8::from(query.is_some())]);
        push(&mut page, query.unwrap_or_default().as_bytes());
    }
    page
}

/// Adds a text so that none can be taken for the end of another.
fn push(key: &mut Vec<u8>, text: &[u8]) {
    key.extend_from_slice(&text.len().to_le_bytes());
    key.extend_from_slice(text);
}

impl State {
    fn slot(&mut self, key: &Key, label: usize) -> &mut Slot {
        self.slots.entry(Arc::clone(key)).or_insert_with(|| {
            let bytes = SLOT_BYTES + key.len();
            self.bytes += bytes;
            self.keeping.change(label, Of::Bytes, bytes.cast_signed());
            self.line.push_back(Arc::clone(key));
            Slot {
                label,
                answer: None,
                asking: Asking::Nobody,
                ask_at: Moment(0),
                apart_until: Moment(0),
                is_over: false,
                bytes,
                was_used: false,
            }
        })
    }

    /// Lets go what was not asked for lately, until the rest is within the bound; nothing that is
    /// asked for just now.
    fn trim(&mut self, php: &Php) {
        let bytes_max = php.cache.map_or(0, |cache| cache.bytes_max);
        for _ in 0..2 * self.line.len() {
            if self.bytes <= bytes_max {
                return;
            }
            let Some(key) = self.line.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            if mem::take(&mut slot.was_used) || slot.is_asked() {
                self.line.push_back(key);
                continue;
            }
            let (label, figures) = (slot.label, slot.figures());
            self.slots.remove(&key);
            self.settle(label, figures, [0, 0]);
        }
    }

    /// Puts down that one has other figures than before.
    fn settle(&mut self, label: usize, before: [usize; 2], after: [usize; 2]) {
        self.bytes = self.bytes - before[1] + after[1];
        for (at, of) in [Of::Pages, Of::Bytes].into_iter().enumerate() {
            let by = after[at].cast_signed() - before[at].cast_signed();
            self.keeping.change(label, of, by);
        }
    }
}

impl Slot {
    fn is_asked(&self) -> bool {
        !matches!(self.asking, Asking::Nobody)
    }

    /// The answer, if it may be given: a stale one only where another is on its way, or was asked
    /// for in vain just now.
    fn kept(&self, now: Moment) -> Option<Arc<Stored>> {
        let answer = self.answer.as_ref()?;
        let is_renewed = self.is_asked() || now < self.ask_at;
        let until = if is_renewed { answer.stale_until } else { answer.fresh_until };
        (now < until).then(|| Arc::clone(answer))
    }

    /// How many answers it has, and how many bytes.
    fn figures(&self) -> [usize; 2] {
        [usize::from(self.answer.is_some()), self.bytes]
    }

    fn replace(&mut self, answer: Option<Arc<Stored>>) {
        let bytes = |answer: Option<&Arc<Stored>>| answer.map_or(0, |answer| answer.bytes());
        self.bytes = self.bytes - bytes(self.answer.as_ref()) + bytes(answer.as_ref());
        self.answer = answer;
    }
}

impl Errand {
    /// Whether an older answer is there, so that nobody waits.
    #[must_use]
    pub fn is_renewal(&self) -> bool {
        self.is_renewal
    }

    /// For how long an answer with that head may be kept, if it may; the time is in seconds since
    /// 1970.
    #[must_use]
    pub fn term(&self, head: &Head, wall_seconds: i64) -> Option<Term> {
        self.php.cache.and_then(|cache| Term::of(head, cache, wall_seconds))
    }

    /// Keeps the whole answer for its term, unless the page has changed meanwhile.
    pub fn keep(&self, head: &Head, content: &[u8], term: Term, now: Moment) {
        let answer = Stored::new(head, content, self.path.clone(), term, now);
        self.change(|slot| {
            if !slot.is_over {
                slot.replace(Some(Arc::new(answer)));
            }
        });
    }

    /// The answer is not to be kept: for a while everybody asks alone. An older one is given on
    /// where it is the program's fault that there is no other.
    pub fn part(&self, is_failure: bool, now: Moment) {
        self.part_for(APART_TIME, is_failure, now);
    }

    /// The answer is too large to be kept, or comes too slowly: so will the next one be.
    pub fn part_for_long(&self, now: Moment) {
        self.part_for(UNFIT_TIME, false, now);
    }

    fn part_for(&self, time: Duration, is_failure: bool, now: Moment) {
        self.change(|slot| {
            slot.apart_until = now.after(time);
            slot.ask_at = now.after(time);
            if !is_failure {
                slot.replace(None);
            }
        });
    }

    /// Nobody waits for the answer any longer.
    pub fn release(&self) {
        self.wake(Asking::Long);
    }

    fn change(&self, work: impl FnOnce(&mut Slot)) {
        let Some(mut state) = self.answers.lock(self.php) else { return };
        let slot = state.slot(&self.key, label(self.php));
        let (label, before) = (slot.label, slot.figures());
        work(slot);
        let after = slot.figures();
        state.settle(label, before, after);
        state.trim(self.php);
    }

    /// Lets those go on who wait.
    fn wake(&self, next: Asking) {
        let asking = {
            let Some(mut state) = self.answers.lock(self.php) else { return };
            let slot = state.slot(&self.key, label(self.php));
            let asking = mem::replace(&mut slot.asking, next);
            slot.is_over &= slot.is_asked();
            state.trim(self.php);
            asking
        };
        if let Asking::Somebody(waiters) = asking {
            waiters.into_iter().for_each(|waiter| self.answers.go_on(self.php, waiter));
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.wake(Asking::Nobody);
    }
}

#[cfg(test)]
mod tests;
