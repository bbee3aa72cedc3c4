//! Counters: one row for each thread that counts, written by it alone and read by anybody.

use crate::present::{Present, change};
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($name:ident $label:literal $doc:literal;)*) => {
        /// Everything that is counted. A new counter is one line here and one call elsewhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $(#[doc = $doc] $name,)*
        }

        impl Counter {
            /// All counters, in the order they are shown.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in reports, in snake case.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// What is counted, in a sentence.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self {
                    $(Self::$name => $doc,)*
                }
            }
        }
    };
}

counters! {
    Connections "connections" "Connections accepted.";
    Requests "requests" "Requests answered, refused ones among them.";
    Refused "refused" "Messages that were refused as malformed, ambiguous, too large or too slow.";
    Evicted "evicted" "Idle connections closed to make room for new ones.";
    TurnedAway "turned_away" "Connections answered 503 because a limit of connections was reached.";
    ShutOut "shut_out" "Connections closed without an answer for want of a PROXY protocol header.";
    Handshakes "handshakes" "Times that hands were shaken by TLS, resumed sessions among them.";
    HandshakesResumed "handshakes_resumed" "TLS handshakes that a ticket of the client has spared most of.";
    HandshakesFailed "handshakes_failed" "Connections that TLS could not be spoken on, or not to their end.";
    HandshakesNameless "handshakes_nameless" "Failed TLS handshakes that asked for a name that no site with TLS has.";
    HandshakesRefused "handshakes_refused" "Failed TLS handshakes that the client has refused, as it does not trust the certificate, say.";
    HandshakesUncertified "handshakes_uncertified" "Failed TLS handshakes in which the client has shown no certificate, or none that is let in.";
    HandshakesIncompatible "handshakes_incompatible" "Failed TLS handshakes that had no version, cipher, signature or protocol in common.";
    Exhausted "exhausted" "Times that accepting paused because descriptors or memory ran out.";
    Limited "limited" "Requests answered 429 as their client asks too often.";
    LimitedOnTrial "limited_on_trial" "Requests beyond a limit that is only on trial.";
    Uncounted "uncounted" "Times that the table of clients had no room to keep account of one.";
    Panics "panics" "Faults of ours that ended one exchange or restarted a loop.";
    TemplatesFailed "templates_failed" "Pages whose template failed, and that a built-in page stood in for.";
    PagesLoaded "pages_loaded" "Pages that were looked up on a disk, as no loop that was asked had them in memory.";
    PagesFromMemory "pages_from_memory" "Times that a loop had the page in memory that was asked for, and the disk had no other.";
    PagesDropped "pages_dropped" "Pages that loops have let go of to have room for others.";
    PagesCompressed "pages_compressed" "Forms of pages that were compressed for a client, and kept.";
    Asked "applications_asked" "Requests that an application was asked to answer.";
    AskedInVain "applications_failed" "Requests that an application was asked and has not answered, or not to the end.";
    LinesDropped "log_lines_dropped" "Access-log lines given up because the log could not take them.";
    SpansSent "spans_sent" "Spans that the collector has taken.";
    SpansDropped "spans_dropped" "Spans given up because the collector could not be reached in time, or has refused them.";
    Sweeps "loop_looks" "Times that a loop with connections has looked for what is due.";
    LagUs "loop_lag_us" "Microseconds that loops came late to look for what is due, all together.";
}

/// The name in reports of the bytes of pages that loops have in memory.
pub const PAGES_BYTES: &str = "pages_bytes";

/// Words of a row: whole cache lines that no other thread writes to. The last one is its beat, the
/// one before the number of exchanges that are under way, those before it the connections of each
/// [`Protocol`], and the one before those the bytes of pages that it has in memory.
const ROW_WORDS: usize = row_words(Counter::ALL.len());

/// The lowest bit of a beat: whether the thread is at work, and not waiting for something to do.
const AT_WORK: u64 = 1;

/// The rows of a worker process. Whoever shares the memory can read them while it lives and after.
/// The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows(&'static [AtomicU64]);

/// One thread's counters. The default one counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row(&'static [AtomicU64]);

impl Rows {
    /// Rows beside those of the loops: one for each thread that writes logs.
    pub const WRITERS: usize = 3;

    /// How many words the rows of a process with so many loops have.
    #[must_use]
    pub const fn words(loops: usize) -> usize {
        (Self::WRITERS + loops) * ROW_WORDS
    }

    /// The rows in these words, which are all 0 in the beginning.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// The row number `at`; those of the writers go first.
    #[must_use]
    pub fn row(&self, at: usize) -> Row {
        Row(self.0.chunks_exact(ROW_WORDS).nth(at).unwrap_or_default())
    }

    /// What all rows together have counted.
    #[must_use]
    pub fn total(&self, counter: Counter) -> u64 {
        self.0.chunks_exact(ROW_WORDS).map(|row| Row(row).get(counter)).sum()
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1, as far as is known.
    Http1,
    /// The same over TLS, or TLS whose hands are still being shaken.
    SecureHttp1,
    /// HTTP/2.
    Http2,
    /// The same over TLS.
    SecureHttp2,
}

impl Protocol {
    /// All of them, in the order of their words.
    pub const ALL: [Self; 4] = [Self::Http1, Self::SecureHttp1, Self::Http2, Self::SecureHttp2];

    /// The one of that version, with TLS or without.
    #[must_use]
    pub const fn of(is_http2: bool, is_secure: bool) -> Self {
        match (is_http2, is_secure) {
            (false, false) => Self::Http1,
            (false, true) => Self::SecureHttp1,
            (true, false) => Self::Http2,
            (true, true) => Self::SecureHttp2,
        }
    }

    /// What it is called, and whether TLS is spoken.
    #[must_use]
    pub const fn words(self) -> (&'static str, bool) {
        match self {
            Self::Http1 => ("http1", false),
            Self::SecureHttp1 => ("http1", true),
            Self::Http2 => ("http2", false),
            Self::SecureHttp2 => ("http2", true),
        }
    }
}

/// Words at the end of a row, before which the counters stand.
const OTHER_WORDS: usize = 3 + Protocol::ALL.len();

/// Where in a row of so many words the number of exchanges under way stands, where the connections
/// of the first protocol, and where the bytes of pages.
const fn under_way_at(width: usize) -> usize {
    width - 2
}

const fn protocols_at(width: usize) -> usize {
    under_way_at(width) - Protocol::ALL.len()
}

const fn held_at(width: usize) -> usize {
    protocols_at(width) - 1
}

/// What rows come to together whose words have just been looked at, in the order of
/// [`Counter::ALL`].
#[must_use]
pub fn totals(words: &[u64]) -> Vec<u64> {
    let rows = words.chunks_exact(ROW_WORDS);
    let total = |at| rows.clone().filter_map(|row| row.get(at)).sum();
    (0..Counter::ALL.len()).map(total).collect()
}

/// The same for rows of another program that counts what has these `names`, in this order: what
/// has no name here is left out.
#[must_use]
pub fn totals_by_name(words: &[u64], names: &[String]) -> Vec<u64> {
    let rows = words.chunks_exact(row_words(names.len()).max(1));
    let total = |counter: &Counter| {
        let at = names.iter().position(|name| name == counter.label());
        at.map_or(0, |at| rows.clone().filter_map(|row| row.get(at)).sum())
    };
    Counter::ALL.iter().map(total).collect()
}

/// What each loop has counted of `counter`, in rows of a program that counts what has these names.
#[must_use]
pub fn of_loops(words: &[u64], names: &[String], counter: Counter) -> Vec<u64> {
    let at = names.iter().position(|name| name == counter.label());
    let loops = words.chunks_exact(row_words(names.len()).max(1)).skip(Rows::WRITERS);
    loops.map(|row| at.and_then(|at| row.get(at)).copied().unwrap_or(0)).collect()
}

const fn row_words(counters: usize) -> usize {
    (counters + OTHER_WORDS).next_multiple_of(16)
}

/// How many exchanges are under way with each loop, in rows of a program that counts what has these
/// names.
#[must_use]
pub fn under_way(words: &[u64], names: &[String]) -> u64 {
    let width = row_words(names.len());
    sum_of_loops(words, width, under_way_at(width))
}

/// How many connections of each protocol there are, in the order of [`Protocol::ALL`], in such
/// rows.
#[must_use]
pub fn protocols(words: &[u64], names: &[String]) -> [u64; Protocol::ALL.len()] {
    let width = row_words(names.len());
    std::array::from_fn(|at| sum_of_loops(words, width, protocols_at(width) + at))
}

/// The bytes of pages that loops have in memory, in such rows.
#[must_use]
pub fn held(words: &[u64], names: &[String]) -> u64 {
    let width = row_words(names.len());
    sum_of_loops(words, width, held_at(width))
}

/// The sum of the words at that place of the rows of loops.
fn sum_of_loops(words: &[u64], width: usize, at: usize) -> u64 {
    let loops = words.chunks_exact(width).skip(Rows::WRITERS);
    loops.filter_map(|row| row.get(at)).fold(0, |sum, count| sum.wrapping_add(*count))
}

/// The beat of each loop in rows whose words have just been looked at, where it is at work: the
/// same one a while later means that it hangs.
pub fn beats(words: &[u64]) -> impl Iterator<Item = Option<u64>> {
    let loops = words.chunks_exact(ROW_WORDS).skip(Rows::WRITERS);
    loops.map(|row| row.last().copied().filter(|beat| beat & AT_WORK != 0))
}

impl Row {
    /// Adds `amount`. Only the row's own thread calls this, so a plain load and store will do.
    pub fn add(&self, counter: Counter, amount: u64) {
        if let Some(cell) = self.0.get(counter as usize) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }

    /// One exchange more is under way beyond its turn, until what this returns is dropped.
    #[must_use]
    pub fn under_way(&self) -> Present {
        Present::new(self.0.get(under_way_at(ROW_WORDS)))
    }

    /// One connection more speaks that, until what this returns is dropped.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> Present {
        Present::new(self.0.get(protocols_at(ROW_WORDS) + protocol as usize))
    }

    /// Puts down that the thread has so many bytes of pages in memory.
    pub fn hold(&self, bytes: usize) {
        self.0.get(held_at(ROW_WORDS)).iter().for_each(|cell| change(cell, |_| bytes as u64));
    }

    /// Puts down that the thread has something to do.
    pub fn wake(&self) {
        self.beat(|beat| (beat + 2) | AT_WORK);
    }

    /// Puts down that it waits for something to do.
    pub fn rest(&self) {
        self.beat(|beat| (beat + 2) & !AT_WORK);
    }

    /// Puts down that it gets on.
    pub fn get_on(&self) {
        self.beat(|beat| beat + 2);
    }

    /// What tells one stretch of work from another: it is another one once the thread has waited
    /// for something to do. `None` where nobody counts.
    #[inline]
    #[must_use]
    pub fn stretch(&self) -> Option<u64> {
        self.0.get(ROW_WORDS - 1).map(|beat| beat.load(Ordering::Relaxed))
    }

    fn beat(&self, next: impl Fn(u64) -> u64) {
        self.0.get(ROW_WORDS - 1).iter().for_each(|cell| change(cell, &next));
    }

    /// The value at this moment.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_cell_and_a_label_of_its_own() {
        let words: Vec<_> = (0..Rows::words(1)).map(|_| AtomicU64::new(0)).collect();
        let rows = Rows::new(words.leak());
        let row = rows.row(Rows::WRITERS);
        for (index, &counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counter as usize, index);
            row.add(counter, index as u64 + 1);
            assert_eq!((row.get(counter), rows.row(0).get(counter)), (index as u64 + 1, 0));
            rows.row(0).add(counter, 1);
            assert_eq!(rows.total(counter), index as u64 + 2);
            let looked: Vec<_> = rows.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
            assert_eq!(totals(&looked)[index], index as u64 + 2);
        }
        let looked: Vec<_> = rows.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let mut names: Vec<_> = Counter::ALL.iter().map(|one| one.label().to_owned()).collect();
        assert_eq!(totals_by_name(&looked, &names), totals(&looked));
        names.swap(0, 1);
        names[2] = "of_another_program".to_owned();
        let (named, all) = (totals_by_name(&looked, &names), totals(&looked));
        assert_eq!((named[0], named[1], named[2]), (all[1], all[0], 0));
        assert_eq!(totals_by_name(&looked, &[]), vec![0; all.len()]);
        assert_eq!(of_loops(&looked, &names, Counter::Connections), [2]);
        assert!(of_loops(&looked, &[], Counter::Connections).iter().all(|&count| count == 0));
        rows.row(Rows::WRITERS + 1).add(Counter::Requests, 1);
        assert_eq!(Row::default().get(Counter::Requests), 0);
        let mut labels: Vec<_> = Counter::ALL.iter().map(|counter| counter.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Counter::ALL.len());
    }

    #[test]
    fn who_is_at_work_beats_and_who_rests_need_not() {
        let words: Vec<_> = (0..Rows::words(2)).map(|_| AtomicU64::new(0)).collect();
        let rows = Rows::new(words.leak());
        let look = || {
            let words: Vec<_> = rows.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
            beats(&words).collect::<Vec<_>>()
        };
        let row = rows.row(Rows::WRITERS + 1);
        assert_eq!(look(), [None, None]);
        row.wake();
        let first = look();
        assert!(first[0].is_none() && first[1].is_some() && look() == first);
        row.get_on();
        assert_ne!(look(), first);
        let stretch = row.stretch();
        assert!(
            stretch.is_some() && row.stretch() == stretch && Row::default().stretch().is_none()
        );
        row.rest();
        assert_eq!(look(), [None, None]);
        assert_ne!(row.stretch(), stretch);
        let names: Vec<_> = Counter::ALL.iter().map(|one| one.label().to_owned()).collect();
        let count = || {
            let words: Vec<_> = rows.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
            under_way(&words, &names)
        };
        let (one, other) = (row.under_way(), rows.row(Rows::WRITERS).under_way());
        assert_eq!(count(), 2);
        drop(one);
        assert_eq!(count(), 1);
        drop((other, Row::default().under_way()));
        assert_eq!(count(), 0);
        let spoken = || {
            let words: Vec<_> = rows.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
            protocols(&words, &names)
        };
        let mut one = row.speaks(Protocol::of(false, true));
        let other = rows.row(Rows::WRITERS).speaks(Protocol::SecureHttp1);
        assert_eq!((spoken(), count()), ([0, 2, 0, 0], 0));
        one = {
            drop(one);
            row.speaks(Protocol::of(true, true))
        };
        assert_eq!(spoken(), [0, 1, 0, 1]);
        drop((one, other, Row::default().speaks(Protocol::Http1)));
        assert_eq!(spoken(), [0; 4]);
        row.hold(9);
        rows.row(Rows::WRITERS).hold(7);
        row.hold(2);
        let words: Vec<_> = rows.0.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        assert_eq!((held(&words, &names), count(), spoken()), (9, 0, [0; 4]));
        assert!(Counter::ALL.iter().all(|&counter| rows.total(counter) == 0));
    }
}
