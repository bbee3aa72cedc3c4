//! What each loop of a process is at: in which phase, and which requests are under way. It alone
//! writes that; whoever has started the process reads it, even when that is gone.
//!
//! ```text
//!   a loop  │ phase │ … │ request │ kept │ kept │ …
//!   request │ lengths │ method │ host │ path │      lengths: 0 where there is none
//! ```
//!
//! Only the request of the turn is written for each exchange, in some ten words of memory that no
//! other thread writes to. One that the turn leaves undone is kept beside it until it is over.

pub mod calls;

use crate::slots::{Slot, Slots};
use calls::Calling;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Words for a loop's own, so that no other one writes to its cache lines.
const HEAD_WORDS: usize = 16;

/// Words of the parts of a request; the rest of a longer one is left out.
const METHOD_WORDS: usize = 2;
const HOST_WORDS: usize = 8;
const PATH_WORDS: usize = 21;
const REQUEST_WORDS: usize = 1 + METHOD_WORDS + HOST_WORDS + PATH_WORDS;

/// Requests of a loop: the one of the turn, and those that are kept. Further ones go untold.
const REQUESTS: usize = 16;

/// Words of a loop's trail, and with those of its calls.
const TRAIL_WORDS: usize = HEAD_WORDS + REQUESTS * REQUEST_WORDS;
const LOOP_WORDS: usize = TRAIL_WORDS + calls::LOOP_WORDS;

/// Where among those of a loop its phase stands, and where there is room for a request to be kept
/// and for a call.
const PHASE: usize = 0;
const NEXT_REQUEST: usize = 1;
const NEXT_CALL: usize = 2;

macro_rules! phases {
    ($($name:ident $words:literal $doc:literal;)*) => {
        /// What a loop does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Phase {
            $(#[doc = $doc] $name,)*
        }

        impl Phase {
            const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it does, in words.
            const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

phases! {
    Rest "between two turns" "No connection's turn.";
    Accepting "while it accepted connections" "Connections come in.";
    Reading "while it read from a connection" "A connection's turn, and no request in it yet.";
    ShakingHands "while it shook hands by TLS" "A client and its site agree on keys.";
    Answering "while it worked out an answer" "A request is answered.";
    Sending "while it sent an answer" "An answer is written.";
    Sweeping "while it looked for what is due" "Deadlines and logs are looked after.";
}

/// The trails of a process, one for each loop. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trails(&'static [AtomicU64]);

/// The trail of one loop. The default one shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trail(&'static [AtomicU64]);

/// A request that is kept; dropping this forgets it.
#[derive(Debug)]
pub struct Kept(#[expect(dead_code, reason = "it forgets when it is dropped")] Slot);

/// What a loop was seen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// In which phase, in words.
    pub phase: &'static str,
    /// The request of its turn, if it was at one.
    pub request: Option<String>,
    /// Those of other turns that were not over.
    pub kept: Vec<String>,
}

impl Trails {
    /// How many words the trails of so many loops have.
    #[must_use]
    pub const fn words(loops: usize) -> usize {
        loops * LOOP_WORDS
    }

    /// The trails in these words, which are all 0 in the beginning.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// The trail of the loop number `at`.
    #[must_use]
    pub fn trail(&self, at: usize) -> Trail {
        Trail(self.0.chunks_exact(LOOP_WORDS).nth(at).unwrap_or_default())
    }
}

impl Trail {
    /// A connection's turn begins.
    #[inline]
    pub fn turn(&self) {
        self.go(Phase::Reading);
        self.forget();
    }

    /// The loop goes over to a phase.
    #[inline]
    pub fn go(&self, phase: Phase) {
        if let Some(word) = self.0.get(PHASE) {
            word.store(phase as u64, Relaxed);
        }
    }

    /// The turn is about this request from now on.
    #[inline]
    pub fn begin(&self, method: &str, host: &str, path: &str) {
        let Some((lengths, text)) = self.request(0).split_first() else { return };
        let (own, rest) = text.split_at(METHOD_WORDS);
        let method = put(own, method);
        let (own, rest) = rest.split_at(HOST_WORDS);
        let host = put(own, host);
        lengths.store(method << 32 | host << 16 | put(rest, path), Relaxed);
    }

    /// The turn is about no request from now on.
    #[inline]
    pub fn forget(&self) {
        if let Some(lengths) = self.request(0).first() {
            lengths.store(0, Relaxed);
        }
    }

    /// Keeps the request of the turn, which is not over with it. `None` where there is no request,
    /// or no room.
    #[must_use]
    pub fn keep(&self) -> Option<Kept> {
        let (lengths, text) = self.request(0).split_first()?;
        if lengths.load(Relaxed) == 0 {
            return None;
        }
        let words = self.0.get(HEAD_WORDS + REQUEST_WORDS..TRAIL_WORDS)?;
        let next = self.0.get(NEXT_REQUEST)?;
        let (slot, room) = Slots { words, slot_words: REQUEST_WORDS, next }.take()?;
        let (kept, copy) = room.split_first()?;
        text.iter().zip(copy).for_each(|(from, to)| to.store(from.load(Relaxed), Relaxed));
        kept.store(lengths.load(Relaxed), Relaxed);
        Some(Kept(slot))
    }

    /// Shows that an application is asked, since so many milliseconds after the machine started:
    /// the id of the request, its method, host and target, and the program that is to answer.
    /// `None` where there is no room.
    #[must_use]
    pub fn call(&self, since_ms: u64, parts: [&str; 5]) -> Option<Calling> {
        calls::show(self.0.get(TRAIL_WORDS..)?, self.0.get(NEXT_CALL)?, since_ms, parts)
    }

    fn request(&self, at: usize) -> &'static [AtomicU64] {
        let start = HEAD_WORDS + at * REQUEST_WORDS;
        self.0.get(start..start + REQUEST_WORDS).unwrap_or_default()
    }
}

impl Seen {
    /// What the words of one loop, which have just been looked at, say.
    #[must_use]
    pub fn of(words: &[u64]) -> Self {
        let phase = words.get(PHASE).and_then(|&phase| usize::try_from(phase).ok());
        let phase = phase.and_then(|phase| Phase::ALL.get(phase)).copied().unwrap_or(Phase::Rest);
        let requests = words.get(HEAD_WORDS..).unwrap_or_default();
        let mut requests = requests.chunks_exact(REQUEST_WORDS).map(request);
        let request = requests.next().flatten();
        let is_at_one = matches!(phase, Phase::Answering | Phase::Sending);
        let mut kept: Vec<_> = requests.flatten().collect();
        if let Some(own) = request.as_ref().filter(|_| is_at_one)
            && let Some(at) = kept.iter().position(|other| other == own)
        {
            // It has come back from the pool, or goes on to be sent.
            kept.swap_remove(at);
        }
        Self { phase: phase.words(), request: request.filter(|_| is_at_one), kept }
    }

    /// All requests that were not over.
    pub fn requests(self) -> impl Iterator<Item = String> {
        self.request.into_iter().chain(self.kept)
    }
}

/// Where in the words of a process those of the loop number `at` are.
#[must_use]
pub const fn place(at: usize) -> (usize, usize) {
    (at * LOOP_WORDS, TRAIL_WORDS)
}

/// Where those of its calls are.
#[must_use]
pub const fn place_of_calls(at: usize) -> (usize, usize) {
    (at * LOOP_WORDS + TRAIL_WORDS, calls::LOOP_WORDS)
}

/// Puts as much of `text` into `words` as there is room for: how many bytes.
#[inline]
fn put(words: &[AtomicU64], text: &str) -> u64 {
    let text = text.as_bytes();
    let text = text.get(..words.len() * size_of::<u64>()).unwrap_or(text);
    let (whole, rest) = text.as_chunks();
    for (word, bytes) in words.iter().zip(whole) {
        word.store(u64::from_ne_bytes(*bytes), Relaxed);
    }
    if let Some(word) = words.get(whole.len()) {
        let mut last = [0; size_of::<u64>()];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        word.store(u64::from_ne_bytes(last), Relaxed);
    }
    text.len() as u64
}

/// The request in these words, if there is one: its method, then host and path.
fn request(words: &[u64]) -> Option<String> {
    let (&lengths, text) = words.split_first()?;
    let (method, rest) = text.split_at_checked(METHOD_WORDS)?;
    let (host, path) = rest.split_at_checked(HOST_WORDS)?;
    let part = |words: &[u64], shift: u32| text_in(words, lengths >> shift & 0xffff);
    let text = || format!("{} {}{}", part(method, 32), part(host, 16), part(path, 0));
    (lengths != 0).then(text)
}

/// The text of so many bytes in these words.
fn text_in(words: &[u64], length: u64) -> String {
    let bytes: Vec<_> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let length = usize::try_from(length).unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..length).unwrap_or(&bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trails(loops: usize) -> Trails {
        let words: Vec<_> = (0..Trails::words(loops)).map(|_| AtomicU64::new(0)).collect();
        Trails::new(words.leak())
    }

    fn look(trails: Trails, at: usize) -> Vec<u64> {
        let (start, count) = place(at);
        trails.0[start..start + count].iter().map(|word| word.load(Relaxed)).collect()
    }

    #[test]
    fn what_is_under_way_is_seen_until_it_is_over() {
        let trails = trails(1);
        let trail = trails.trail(0);
        let seen = || Seen::of(&look(trails, 0));
        let long = "x".repeat(500);
        trail.begin("GET", "localhost", "/");
        assert_eq!(seen().requests().count(), 0, "a turn that is over");
        trail.go(Phase::Answering);
        assert_eq!(seen().request.as_deref(), Some("GET localhost/"));
        let first = trail.keep();
        assert_eq!(seen().requests().count(), 1, "the same is told once");
        trail.begin(&long, &long, &long);
        let cut = format!("{} {}{}", &long[..16], &long[..64], &long[..168]);
        assert_eq!(seen().request, Some(cut));
        trail.begin("OPTIONS", "", "*");
        assert_eq!(seen().requests().collect::<Vec<_>>(), ["OPTIONS *", "GET localhost/"]);
        drop(first);
        trail.forget();
        assert!(trail.keep().is_none());
        trail.go(Phase::Sweeping);
        let phase = "while it looked for what is due";
        assert_eq!(seen(), Seen { phase, request: None, kept: Vec::new() });
    }

    #[test]
    fn there_is_room_for_some_and_no_more() {
        let trails = trails(1);
        let trail = trails.trail(0);
        trail.begin("GET", "a", "/");
        let mut kept: Vec<_> = (0..REQUESTS + 3).map(|_| trail.keep()).collect();
        assert_eq!(kept.iter().flatten().count(), REQUESTS - 1);
        kept.remove(0);
        assert!(trail.keep().is_some());
    }

    #[test]
    fn odd_words_are_no_trouble() {
        for words in [vec![], vec![u64::MAX; 3], vec![u64::MAX; TRAIL_WORDS]] {
            let _ = Seen::of(&words).requests().count();
        }
        let none = Trail::default();
        none.begin("a", "b", "c");
        none.turn();
        assert!(none.keep().is_none() && Trails::default().trail(3).0.is_empty());
    }
}
