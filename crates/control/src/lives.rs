//! What has happened on connections of late, for whoever looks: when each came, shook hands, was
//! answered, and how it ended.
//!
//! ```text
//!   a loop │ event │ event │ …      event │ sequence │ when │ which │ what │ four words more │
//! ```
//!
//! A loop writes to a ring of its own, the newest event in the place of the oldest: one cache line
//! for each, without a lock or a wait. A sequence that is odd, or another one in a second look than
//! in the first, says that an event was changing meanwhile.

use std::{
    cell::Cell,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
        fence,
    },
};

/// Events of a loop that are kept.
const EVENTS: usize = 4096;

/// Words of an event.
const EVENT_WORDS: usize = 8;

/// The rings of a process. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lives(&'static [AtomicU64]);

/// The ring of one loop. The default one takes nothing.
#[derive(Debug, Default)]
pub struct Life {
    events: &'static [[AtomicU64; EVENT_WORDS]],
    next: Cell<usize>,
    connections: Cell<u64>,
}

/// Something that has happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in microseconds since the machine started.
    pub when_us: u64,
    /// On which connection of its loop.
    pub connection: u64,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was accepted, from there.
    Accepted(SocketAddr),
    /// Hands were shaken by TLS, quickly where a ticket was shown.
    Shaken {
        /// Whether one was.
        is_resumed: bool,
    },
    /// A request was answered.
    Answered {
        /// The status.
        status: u16,
        /// Bytes of content.
        bytes: u64,
        /// Microseconds to the first byte, and to the last one.
        first_us: u64,
        /// Those to the last one.
        whole_us: u64,
    },
    /// It has ended.
    Ended(Ending),
}

macro_rules! endings {
    ($($name:ident $number:literal $words:literal;)*) => {
        /// How a connection has ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Ending {
            $(#[doc = $words] $name,)*
        }

        impl Ending {
            const fn number(self) -> u64 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            const fn of(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// How, in words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

endings! {
    ByClient 0 "the client closed it, or was gone";
    ByServer 1 "the server closed it after its last answer";
    Late 2 "its time was over";
    Broken 3 "an answer could not be sent";
    Unwanted 4 "it made room for another, or the worker ends";
}

impl Lives {
    /// How many words the rings of so many loops have.
    #[must_use]
    pub const fn words(loops: usize) -> usize {
        loops * EVENTS * EVENT_WORDS
    }

    /// The rings in these words, which are all 0 in the beginning.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64]) -> Self {
        Self(words)
    }

    /// The ring of the loop number `at`.
    #[must_use]
    pub fn life(&self, at: usize) -> Life {
        let events = self.0.as_chunks().0.chunks_exact(EVENTS).nth(at).unwrap_or_default();
        Life { events, next: Cell::new(0), connections: Cell::new(0) }
    }
}

impl Life {
    /// Another connection: what it is called here.
    pub fn connection(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        self.connections.get()
    }

    /// Whether anybody may ever look.
    #[inline]
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.events.is_empty()
    }

    /// Puts something down. Only the loop itself calls this.
    pub fn put(&self, when_us: u64, connection: u64, what: What) {
        let at = self.next.get();
        let Some([sequence, rest @ ..]) = self.events.get(at) else { return };
        self.next.set((at + 1) % self.events.len());
        let [tag, words @ ..] = pack(what);
        // One that a process has died at stays odd until it is used again.
        let before = sequence.load(Relaxed) | 1;
        sequence.store(before, Relaxed);
        fence(Release);
        let values = [when_us, connection, tag].into_iter().chain(words);
        rest.iter().zip(values).for_each(|(word, value)| word.store(value, Relaxed));
        sequence.store(before.wrapping_add(1), Release);
    }
}

/// All events of each loop in words that have just been looked at, and then once `again`, in no
/// order. One that was changing meanwhile is another one by then, and left out.
#[must_use]
pub fn events(words: &[u64], again: &[u64]) -> Vec<Vec<Event>> {
    let (words, again) = (words.as_chunks::<EVENT_WORDS>().0, again.as_chunks::<EVENT_WORDS>().0);
    let event = |(event, again): (&[u64; EVENT_WORDS], &[u64; EVENT_WORDS])| {
        if event[0] == again[0] { unpack(event) } else { None }
    };
    let loops = words.chunks_exact(EVENTS).zip(again.chunks_exact(EVENTS));
    loops.map(|(words, again)| words.iter().zip(again).filter_map(event).collect()).collect()
}

/// The kind of an event, and its words.
fn pack(what: What) -> [u64; 5] {
    match what {
        What::Accepted(peer) => {
            let ip = match peer.ip() {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            let bits = ip.to_bits();
            [1, (bits >> 64) as u64, bits as u64, u64::from(peer.port()), 0]
        }
        What::Shaken { is_resumed } => [2, u64::from(is_resumed), 0, 0, 0],
        What::Answered { status, bytes, first_us, whole_us } => {
            [3, u64::from(status), bytes, first_us, whole_us]
        }
        What::Ended(ending) => [4, ending.number(), 0, 0, 0],
    }
}

fn unpack(words: &[u64; EVENT_WORDS]) -> Option<Event> {
    let [sequence, when_us, connection, tag, one, two, three, four] = *words;
    if sequence == 0 || sequence % 2 == 1 {
        return None;
    }
    let what = match tag {
        1 => {
            let ip = Ipv6Addr::from_bits(u128::from(one) << 64 | u128::from(two));
            let ip = IpAddr::V6(ip).to_canonical();
            What::Accepted(SocketAddr::new(ip, u16::try_from(three).ok()?))
        }
        2 => What::Shaken { is_resumed: one == 1 },
        3 => {
            let status = u16::try_from(one).ok()?;
            What::Answered { status, bytes: two, first_us: three, whole_us: four }
        }
        4 => What::Ended(Ending::of(one)?),
        _ => return None,
    };
    Some(Event { when_us, connection, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(loops: usize) -> Lives {
        let words: Vec<_> = (0..Lives::words(loops)).map(|_| AtomicU64::new(0)).collect();
        Lives::new(words.leak())
    }

    fn look(lives: Lives) -> Vec<u64> {
        lives.0.iter().map(|word| word.load(Relaxed)).collect()
    }

    #[test]
    fn what_happens_is_seen_by_loop_and_connection() {
        let lives = lives(2);
        let (first, other) = (lives.life(0), lives.life(1));
        let all = [
            What::Accepted("192.0.2.1:4242".parse().unwrap()),
            What::Accepted("[2001:db8::1]:1".parse().unwrap()),
            What::Shaken { is_resumed: true },
            What::Answered { status: 404, bytes: u64::MAX, first_us: 5, whole_us: 6 },
            What::Ended(Ending::Late),
        ];
        let connection = other.connection();
        assert_eq!((connection, other.connection()), (1, 2));
        for (when_us, what) in (7..).zip(all) {
            other.put(when_us, connection, what);
        }
        let (mut words, again) = (look(lives), look(lives));
        let seen = events(&words, &again);
        assert!(seen[0].is_empty() && first.is_kept() && lives.life(2).next.get() == 0);
        let whats: Vec<_> = seen[1].iter().map(|event| event.what).collect();
        assert_eq!((whats, seen[1][4].when_us, seen[1][4].connection), (all.to_vec(), 11, 1));
        // One that is another by now.
        words[EVENTS * EVENT_WORDS] += 2;
        assert_eq!(events(&words, &again)[1].len(), all.len() - 1);
    }

    #[test]
    fn the_newest_take_the_places_of_the_oldest() {
        let lives = lives(1);
        let life = lives.life(0);
        (0..EVENTS as u64 + 3).for_each(|at| life.put(at, 1, What::Ended(Ending::ByClient)));
        let seen = events(&look(lives), &look(lives)).concat();
        let oldest = seen.iter().map(|event| event.when_us).min();
        assert_eq!((seen.len(), oldest), (EVENTS, Some(3)));
        // Where nobody may look, nothing is put down.
        Life::default().put(1, 1, What::Ended(Ending::ByClient));
        assert!(!Life::default().is_kept());
    }

    #[test]
    fn odd_words_are_no_events() {
        for words in [vec![], vec![u64::MAX; 3], vec![u64::MAX - 1; Lives::words(1)]] {
            assert_eq!(events(&words, &words).concat(), []);
        }
    }
}
