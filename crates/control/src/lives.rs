//! What connections are, and what has happened on them of late, for whoever looks.
//!
//! ```text
//!   who looks │ a loop │ …     a loop │ connections │ events │ answers │ troubles │ under way │
//! ```
//!
//! A connection that is there has a place with what is known of it, however long ago it came, and
//! the number of its requests. What happens once on each, how it came and how it ended, is an event
//! in a ring. What is asked is put down only while somebody looks, and no faster than it can be
//! looked at, or where it failed or was slow: a request that is answered as it should be costs one
//! count and one look at a word. What is under way while somebody looks has a place, too, until it
//! is over.

mod answer;
mod event;
mod ring;
mod shown;

pub use answer::{Answer, Answered, CUT_SHORT, UNANSWERED};
pub use event::{Ending, Event, First, Way, What};
pub use shown::Shown;

use answer::ANSWER_WORDS;
use event::EVENT_WORDS;
use ring::{Part, Ring};
use shown::Showcase;
use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    mem,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Connections of a loop that have a place at a time; of others only their beginning is told, and
/// what is answered.
const PLACES: usize = 16 * 1024;

/// Words of a place, of which one counts the requests, and one says what is waited for.
const PLACE_WORDS: usize = 8;
const REQUESTS: usize = 6;
const WAITS: usize = 7;

/// Events and answers of a loop that are kept, and answers that went wrong, however many came after
/// them that did not.
const EVENTS: usize = 4 * 1024;
const ANSWERS: usize = 1024;
const TROUBLES: usize = 256;

/// Microseconds in which there is room for one answer more: those of a second fill the ring.
const ANSWER_US: u64 = 1_000_000 / ANSWERS as u64;

/// Words before those of the loops: whether somebody looks, on a line of its own.
const HEAD_WORDS: usize = 8;

/// Where the records of each kind stand among the words of a loop, and how many words it has.
const PLACES_PART: Part<PLACE_WORDS> = Part { start: 0, records: PLACES };
const EVENTS_PART: Part<EVENT_WORDS> = Part { start: PLACES_PART.end(), records: EVENTS };
const ANSWERS_PART: Part<ANSWER_WORDS> = Part { start: EVENTS_PART.end(), records: ANSWERS };
const TROUBLES_PART: Part<ANSWER_WORDS> = Part { start: ANSWERS_PART.end(), records: TROUBLES };
const SHOWN_PART: Part<ANSWER_WORDS> = Part { start: TROUBLES_PART.end(), records: shown::RECORDS };
const LOOP_WORDS: usize = SHOWN_PART.end() + shown::HEAD_WORDS;

/// Bits of a name that say which place it has; all of them where it has none.
const PLACE_BITS: u32 = 16;
const NO_PLACE: u64 = (1 << PLACE_BITS) - 1;

/// An answer that took longer is put down though nobody looks.
pub const SLOW_US: u64 = 1_000_000;

/// The memory of a process. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lives(&'static [AtomicU64]);

/// What one loop writes. The default one takes nothing.
#[derive(Debug, Default)]
pub struct Life {
    wanted: Option<&'static AtomicU64>,
    places: &'static [[AtomicU64; PLACE_WORDS]],
    /// Places that were left, and how many were ever taken.
    free: RefCell<Vec<u16>>,
    taken: Cell<usize>,
    connections: Cell<u64>,
    events: Ring<EVENT_WORDS>,
    answers: Ring<ANSWER_WORDS>,
    troubles: Ring<ANSWER_WORDS>,
    answered: Cell<u64>,
    showcase: Showcase,
    /// Until when the room that there is for answers is used up.
    filled_us: Cell<u64>,
}

/// What a connection is called in what is told of its loop. The default one is that of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u64);

impl Default for Name {
    fn default() -> Self {
        Self(NO_PLACE)
    }
}

/// The two ends of a connection: where its client is, and the port of this side that it came in by.
/// Connections from one port of a client to several of this side are different ones.
pub type Ends = (SocketAddr, u16);

/// Where an answer was put down that is under way.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    at: usize,
    number: u64,
}

/// What is known of a connection that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub connection: Name,
    /// Where its two ends are.
    pub ends: Ends,
    /// Since when, in microseconds since the machine started.
    pub since_us: u64,
    /// The requests that were answered on it.
    pub requests: u64,
    /// What it waits for.
    pub waits: Waits,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// The next request.
    #[default]
    Nothing,
    /// The rest of what the client has begun: a handshake of TLS, a request, its content.
    Client,
    /// A window of HTTP/2 that the client has not opened any further.
    Window,
    /// An application, or whatever else makes an answer.
    Application,
    /// What the pool does: a disk, or a password that is checked.
    Disk,
    /// The time at which its client may be sent more.
    Share,
}

impl Waits {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Client, Self::Window, Self::Application, Self::Disk, Self::Share];
}

/// What was found of one loop, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The connections that are there.
    pub known: Vec<Known>,
    /// What has happened.
    pub events: Vec<Event>,
    /// What was answered.
    pub answers: Vec<Answered>,
    /// Of that, what failed or was slow; it is known for longer.
    pub troubles: Vec<Answered>,
    /// What is under way, as far as it is shown.
    pub under_way: Vec<Answered>,
}

impl Seen {
    /// Takes each answer that is known, once, and what has none yet.
    pub fn take_answers(&mut self) -> Vec<Answered> {
        let known: HashSet<_> = self.answers.iter().map(|answer| answer.number).collect();
        self.troubles.retain(|answer| !known.contains(&answer.number));
        let told: HashSet<_> = self.answers.iter().map(Answered::exchange).collect();
        self.under_way.retain(|answer| !told.contains(&answer.exchange()));
        let mut all = mem::take(&mut self.answers);
        all.append(&mut self.troubles);
        all.append(&mut self.under_way);
        all
    }

    /// Each answer that is known, once, and what has none yet.
    pub fn all_answers(&self) -> impl Iterator<Item = &Answered> {
        let known: HashSet<_> = self.answers.iter().map(|answer| answer.number).collect();
        let older = self.troubles.iter().filter(move |answer| !known.contains(&answer.number));
        let told: HashSet<_> = self.answers.iter().map(Answered::exchange).collect();
        let rest = self.under_way.iter().filter(move |one| !told.contains(&one.exchange()));
        self.answers.iter().chain(older).chain(rest)
    }
}

impl Lives {
    /// The word that says whether somebody wants to see each answer: 0 where nobody does.
    pub const WANTED: usize = 0;

    /// How many words so many loops need.
    #[must_use]
    pub const fn words(loops: usize) -> usize {
        if loops == 0 { 0 } else { HEAD_WORDS + loops * LOOP_WORDS }
    }

    /// What is in these words, which are all 0 in the beginning.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// What the loop number `at` writes. One that is started anew goes on behind what is there: no
    /// name is another one's, and what comes is newer than what whoever looks has seen.
    #[must_use]
    pub fn life(&self, at: usize) -> Life {
        let loops = self.0.get(HEAD_WORDS..).unwrap_or_default();
        let Some(own) = loops.chunks_exact(LOOP_WORDS).nth(at) else { return Life::default() };
        let (places, rest) = own.split_at(PLACES * PLACE_WORDS);
        let (events, rest) = rest.split_at(EVENTS * EVENT_WORDS);
        let (answers, rest) = rest.split_at(ANSWERS * ANSWER_WORDS);
        let (troubles, shown) = rest.split_at(TROUBLES * ANSWER_WORDS);
        let (places, events, answers) =
            (places.as_chunks().0, Ring::new(events), Ring::new(answers));
        let named = ring::written(places).map(|record| &record[1]);
        let named = named.chain(events.written().map(|record| &record[2]));
        let connections = named.map(|name| name.load(Relaxed) >> PLACE_BITS).max();
        let answered = answers.written().map(|record| record[1].load(Relaxed)).max();
        Life {
            wanted: self.0.get(Self::WANTED),
            places,
            connections: Cell::new(connections.unwrap_or(0)),
            events,
            answers,
            troubles: Ring::new(troubles),
            answered: Cell::new(answered.unwrap_or(0)),
            showcase: Showcase::new(shown),
            ..Life::default()
        }
    }
}

impl Life {
    /// Whether anybody may ever look.
    #[inline]
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.wanted.is_some()
    }

    /// Whether somebody looks, and wants to see each answer.
    #[inline]
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.wanted.is_some_and(|wanted| wanted.load(Relaxed) != 0)
    }

    /// Whether there is room for an answer that is given now, while somebody looks: for as many as
    /// the ring holds at once, and then for as many each second. Of more, most would be gone before
    /// they are looked at; they are numbered, so that it is known how many there were.
    #[must_use]
    pub fn admits(&self, now_us: u64) -> bool {
        let start_us = now_us.saturating_sub(ANSWERS as u64 * ANSWER_US);
        let filled_us = self.filled_us.get().max(start_us) + ANSWER_US;
        let is_room = filled_us <= now_us;
        match is_room {
            true => self.filled_us.set(filled_us),
            false => self.answered.set(self.answered.get() + 1),
        }
        is_room
    }

    /// Another connection has come, from there: what it is called here.
    pub fn begin(&self, when_us: u64, (peer, own_port): Ends) -> Name {
        self.connections.set(self.connections.get() + 1);
        let place = self.free.borrow_mut().pop().map(usize::from).unwrap_or(self.taken.get());
        let bits = if place < self.places.len() { place as u64 } else { NO_PLACE };
        let name = Name(self.connections.get() << PLACE_BITS | bits);
        if let Some(record) = self.places.get(place) {
            self.taken.set(self.taken.get().max(place + 1));
            let [high, low] = words_of(peer.ip());
            let ports = u64::from(peer.port()) | u64::from(own_port) << 16;
            let values = [name.0, high, low, ports, when_us, 0, 0];
            ring::write(record, values.into_iter());
        }
        self.put(when_us, name, What::Accepted((peer, own_port)));
        name
    }

    /// One request more was answered on it.
    #[inline]
    pub fn count(&self, name: Name) {
        if let Some(place) = self.places.get(name.place()) {
            let requests = &place[REQUESTS];
            requests.store(requests.load(Relaxed) + 1, Relaxed);
        }
    }

    /// From now on it waits for that.
    #[inline]
    pub fn wait(&self, name: Name, waits: Waits) {
        if let Some(place) = self.places.get(name.place()) {
            place[WAITS].store(waits as u64, Relaxed);
        }
    }

    /// It is over.
    pub fn end(&self, when_us: u64, name: Name, (ending, first): (Ending, First)) {
        let Some(record) = self.places.get(name.place()) else { return };
        let word = |at: usize| record[at].load(Relaxed);
        let ends = ends_of(word(2), word(3), word(4));
        let requests = u32::try_from(word(REQUESTS)).unwrap_or(u32::MAX);
        let what = What::Ended { ending, first, ends, since_us: word(5), requests };
        self.put(when_us, name, what);
        ring::write(record, [0].into_iter());
        self.free.borrow_mut().push(name.place() as u16);
    }

    /// Something has happened. Only the loop itself calls this.
    pub fn put(&self, when_us: u64, connection: Name, what: What) {
        if self.is_kept() {
            let values = [when_us, connection.0].into_iter().chain(event::pack(what));
            self.events.put(values);
        }
    }

    /// An answer is given, or has begun to be.
    pub fn answer(&self, answer: &Answer<'_>) -> Begun {
        let number = self.answered.get() + 1;
        self.answered.set(number);
        let words = answer::pack(number, answer);
        if answer.is_trouble() {
            self.troubles.put(words.into_iter());
        }
        let at = self.answers.put(words.into_iter());
        Begun { at, number }
    }

    /// Shows a request that is under way, for as long as what this returns is kept. `None` where
    /// there is no room.
    #[must_use]
    pub fn show(&self, answer: &Answer<'_>) -> Option<Shown> {
        self.showcase.show(answer)
    }

    /// It is over, as is told now.
    pub fn finish(&self, begun: Begun, answer: &Answer<'_>) {
        let words = answer::pack(begun.number, answer);
        if answer.is_trouble() {
            self.troubles.put(words.into_iter());
        }
        let record = self.answers.get(begun.at);
        // A newer one may stand there by now.
        if let Some(record) = record.filter(|record| record[1].load(Relaxed) == begun.number) {
            ring::write(record, words.into_iter());
        }
    }
}

impl Name {
    const fn place(self) -> usize {
        (self.0 & NO_PLACE) as usize
    }
}

/// What is found of each loop in a memory of so many words, of which `look` copies so many from a
/// number on; unless `is_all`, only what was answered. What is changing is left out.
pub fn seen(
    words: usize,
    mut look: impl FnMut(usize, usize) -> Vec<u64>,
    is_all: bool,
) -> Vec<Seen> {
    let loops = words.saturating_sub(HEAD_WORDS) / LOOP_WORDS;
    let starts = (0..loops).map(|at| HEAD_WORDS + at * LOOP_WORDS);
    let of_loop = |start| {
        let mut seen = Seen {
            answers: ANSWERS_PART.found(start, &mut look, |words| Some(answer::unpack(words))),
            troubles: TROUBLES_PART.found(start, &mut look, |words| Some(answer::unpack(words))),
            ..Seen::default()
        };
        if is_all {
            seen.known = PLACES_PART.found(start, &mut look, known);
            seen.events = EVENTS_PART.found(start, &mut look, event::unpack);
            seen.under_way =
                SHOWN_PART.found(start, &mut look, |words| Some(answer::unpack(words)));
        }
        seen
    };
    starts.map(of_loop).collect()
}

/// The connection that has a place, if one has.
fn known(words: &[u64; PLACE_WORDS]) -> Option<Known> {
    let [_, name, high, low, ports, since_us, requests, waits] = *words;
    let ends = ends_of(high, low, ports);
    let waits = Waits::ALL.get(waits as usize).copied().unwrap_or_default();
    (name != 0).then_some(Known { connection: Name(name), ends, since_us, requests, waits })
}

/// An address as two words, one of IPv4 as IPv6 has it.
fn words_of(ip: IpAddr) -> [u64; 2] {
    let ip = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    [(ip.to_bits() >> 64) as u64, ip.to_bits() as u64]
}

fn ends_of(high: u64, low: u64, ports: u64) -> Ends {
    (peer_of(high, low, ports as u16), (ports >> 16) as u16)
}

fn peer_of(high: u64, low: u64, port: u16) -> SocketAddr {
    let ip = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    SocketAddr::new(IpAddr::V6(ip).to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(loops: usize) -> Lives {
        let words: Vec<_> = (0..Lives::words(loops)).map(|_| AtomicU64::new(0)).collect();
        Lives::new(words.leak())
    }

    /// What is found in these words.
    fn seen_in(words: &[u64]) -> Vec<Seen> {
        seen(words.len(), |start, count| words[start..start + count].to_vec(), true)
    }

    fn seen_of(lives: Lives) -> Vec<Seen> {
        seen_in(&lives.0.iter().map(|word| word.load(Relaxed)).collect::<Vec<_>>())
    }

    fn ends() -> Ends {
        ("192.0.2.1:4242".parse().unwrap(), 443)
    }

    #[test]
    fn what_is_known_of_a_connection_stays_however_much_is_asked() {
        let lives = lives(2);
        let (first, life) = (lives.life(0), lives.life(1));
        let name = life.begin(7, ends());
        let other = life.begin(8, ("[2001:db8::1]:1".parse().unwrap(), 80));
        (0..10_001).for_each(|_| life.count(name));
        life.wait(name, Waits::Share);
        // What is nobody's is put down nowhere.
        life.count(Name::default());
        let events = [
            What::Arrived(1_234),
            What::Silent,
            What::Introduced("192.0.2.9".parse().unwrap()),
            What::Shaken { is_resumed: true, version: 0x304, suite: 0x1301 },
            What::Way(Way { rtt_us: 5, lost: u32::MAX, ..Way::default() }),
        ];
        events.into_iter().for_each(|what| life.put(9, name, what));
        let found = seen_of(lives);
        assert!(found[0] == Seen::default() && first.is_kept() && !lives.life(2).is_kept());
        let (connection, requests, waits) = (name, 10_001, Waits::Share);
        let known = Known { connection, ends: ends(), since_us: 7, requests, waits };
        assert_eq!((found[1].known.len(), found[1].known[0]), (2, known));
        life.end(20, name, (Ending::Late, First::Server));
        life.end(21, other, (Ending::ByClient, First::Nobody));
        let found = seen_of(lives);
        assert!(found[1].known.is_empty());
        let whats: Vec<_> = found[1].events.iter().map(|event| event.what).collect();
        assert_eq!(whats[2..7], events);
        let (ending, first) = (Ending::Late, First::Server);
        let ended = What::Ended { ending, first, ends: ends(), since_us: 7, requests: 10_001 };
        assert_eq!((whats[7], found[1].events[7].connection), (ended, name));
        // Its place is another one's by then.
        let next = life.begin(22, ends());
        assert!(next.place() == other.place() && next != other);
    }

    #[test]
    fn an_answer_comes_back_as_it_was_given_and_then_as_it_ended() {
        let lives = lives(1);
        let life = lives.life(0);
        let long = [b'x'; 500];
        let answer = Answer {
            connection: life.begin(7, ends()),
            stream: 3,
            began_us: 50,
            is_secure: true,
            port: 0x1f90,
            status: 404,
            bytes: u64::MAX,
            first_us: 5,
            whole_us: None,
            client: Some("192.0.2.1".parse().unwrap()),
            asked: [b"GET", b"a.example", &long, b"", b"id", b"b=c"],
            site: "a site",
            trace: u128::MAX - 7,
            reason: "",
        };
        let begun = life.answer(&answer);
        let found = |lives| seen_of(lives).remove(0).answers;
        let one = found(lives).remove(0);
        assert_eq!((one.number, one.stream, one.status, one.whole_us), (1, 3, 404, None));
        assert_eq!((one.client, one.asked[2].len(), one.bytes), (answer.client, 160, u64::MAX));
        assert_eq!((&*one.asked[1], &*one.asked[4]), (&b"a.example"[..], &b"id"[..]));
        assert_eq!((&*one.asked[5], &*one.site), (&b"b=c"[..], &b"a site"[..]));
        assert!(one.trace == answer.trace && one.is_secure && one.port == 0x1f90);
        let over = Answer { bytes: 9, whole_us: Some(u64::MAX), reason: "cut off", ..answer };
        life.finish(begun, &over);
        let one = found(lives).remove(0);
        assert_eq!((one.bytes, &*one.reason, &*one.asked[0]), (9, &b"cut off"[..], &b"GET"[..]));
        assert!(one.whole_us.is_some_and(|us| us > 4_000_000_000));
        // One whose place is another's is left as it is.
        (0..ANSWERS).for_each(|_| _ = life.answer(&Answer { client: None, ..answer }));
        life.finish(begun, &Answer { reason: "late", ..over });
        assert!(found(lives).iter().all(|one| one.reason.is_empty() && one.client.is_none()));
        // What went wrong is known on, each once.
        let one = seen_of(lives).remove(0);
        let reasons: Vec<_> = one.troubles.iter().map(|one| &one.reason[..]).collect();
        assert_eq!(reasons, [&b"cut off"[..], b"late"]);
        assert_eq!(one.all_answers().count(), ANSWERS + 2);
        let whole_us = Some(SLOW_US);
        life.answer(&Answer { whole_us, ..answer });
        let one = seen_of(lives).remove(0);
        assert_eq!((one.troubles.len(), one.all_answers().count()), (3, ANSWERS + 2));
    }

    #[test]
    fn what_is_under_way_is_shown_until_it_is_over() {
        let lives = lives(1);
        let life = lives.life(0);
        let connection = life.begin(7, ends());
        let answer = Answer {
            connection,
            stream: 0,
            began_us: 50,
            is_secure: false,
            port: 0,
            status: UNANSWERED,
            bytes: 0,
            first_us: 0,
            whole_us: None,
            client: None,
            asked: [b"GET", b"a.example", b"/hangs", b"", b"id", b""],
            site: "a site",
            trace: 0,
            reason: "",
        };
        let shown: Vec<_> = (0..shown::RECORDS).filter_map(|_| life.show(&answer)).collect();
        assert!(shown.len() == shown::RECORDS && life.show(&answer).is_none());
        drop(shown);
        assert_eq!(seen_of(lives)[0].under_way, []);
        let shown = life.show(&answer).unwrap();
        let one = seen_of(lives).remove(0).under_way.remove(0);
        assert_eq!(
            (one.status, &*one.asked[2], one.under_way_us(60)),
            (0, &b"/hangs"[..], Some(10))
        );
        // Its answer has begun, and is told of as all of them: once.
        shown.change(&Answer { status: 200, ..answer });
        life.answer(&Answer { status: 200, ..answer });
        let mut one = seen_of(lives).remove(0);
        assert_eq!((one.under_way[0].status, one.all_answers().count()), (200, 1));
        assert_eq!(one.take_answers().len(), 1);
        // A loop that is started anew shows nothing of the one before.
        assert_eq!(seen_of(lives)[0].under_way.len(), 1);
        let life = lives.life(0);
        assert_eq!(seen_of(lives)[0].under_way, []);
        assert!(life.show(&answer).is_some_and(|_| seen_of(lives)[0].under_way.len() == 1));
    }

    #[test]
    fn no_more_answers_are_put_down_than_can_be_looked_at() {
        let life = lives(1).life(0);
        let admitted = |us: std::ops::Range<u64>| us.filter(|&us| life.admits(us)).count();
        let now = 60_000_000;
        // As many at once as there is room for, then as many as leave it in that time.
        assert_eq!(admitted(now..now + 5_000), ANSWERS + 5);
        assert_eq!(admitted(now + 5_000..now + 1_005_000), ANSWERS);
        // Whatever was not used long ago is no more room than that.
        let later = now + 3_600_000_000;
        assert!((0..2 * ANSWERS).filter(|_| life.admits(later)).count() == ANSWERS);
        // All of them are numbered.
        let numbered = 5_000 + 1_000_000 + 2 * ANSWERS as u64 - (3 * ANSWERS as u64 + 5);
        assert_eq!(life.answered.get(), numbered);
    }

    #[test]
    fn a_loop_that_is_started_anew_goes_on_behind_the_one_before() {
        let lives = lives(1);
        let answer = Answer {
            connection: Name::default(),
            stream: 0,
            began_us: 1,
            is_secure: false,
            port: 0,
            status: 502,
            bytes: 0,
            first_us: 1,
            whole_us: Some(1),
            client: None,
            asked: [b""; 6],
            site: "a site",
            trace: 0,
            reason: "",
        };
        let before = lives.life(0);
        let first = before.begin(1, ends());
        before.end(2, first, (Ending::ByServer, First::Server));
        (0..ANSWERS + 3).for_each(|_| _ = before.answer(&answer));
        let after = lives.life(0);
        assert_ne!(after.begin(3, ends()), first, "the story of one is not another's");
        after.answer(&answer);
        let found = seen_of(lives).remove(0);
        let mut numbers: Vec<_> = found.answers.iter().map(|answer| answer.number).collect();
        numbers.sort_unstable();
        let newest = ANSWERS as u64 + 4;
        assert!(
            numbers.into_iter().eq(newest - ANSWERS as u64 + 1..=newest),
            "the oldest gave way"
        );
        assert_eq!(found.events.len(), 3);
    }

    #[test]
    fn the_newest_take_the_places_of_the_oldest_and_some_have_none() {
        let lives = lives(1);
        let life = lives.life(0);
        let names: Vec<_> = (0..PLACES as u64 + 3).map(|at| life.begin(at, ends())).collect();
        let found = seen_of(lives).remove(0);
        let oldest = found.events.iter().map(|event| event.when_us).min();
        assert_eq!((found.known.len(), found.events.len()), (PLACES, EVENTS));
        assert_eq!(oldest, Some((PLACES + 3 - EVENTS) as u64));
        let last = names[names.len() - 1];
        life.count(last);
        life.end(1, last, (Ending::ByClient, First::Client));
        assert_eq!(seen_of(lives)[0].known.len(), PLACES);
        // Whether somebody looks is for another process to say.
        assert!(!life.is_wanted());
        lives.0[0].store(1, Relaxed);
        assert!(life.is_wanted());
        // Where nobody may look, nothing is put down.
        let none = Life::default();
        none.end(1, none.begin(1, ends()), (Ending::ByClient, First::Client));
        assert!(!none.is_kept() && !none.is_wanted());
    }

    #[test]
    fn odd_words_are_nothing() {
        for words in [vec![], vec![u64::MAX; 3], vec![u64::MAX; Lives::words(1)]] {
            assert!(seen_in(&words).iter().all(|one| *one == Seen::default()));
        }
        let words = vec![u64::MAX - 1; Lives::words(1)];
        assert!(seen_in(&words)[0].events.is_empty());
    }
}
