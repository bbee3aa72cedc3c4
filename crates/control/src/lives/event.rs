//! What happens on a connection, beside what is asked on it.

use super::{Ends, Name, peer_of, words_of};
use std::net::IpAddr;

/// Bits of a time: nine years of microseconds.
const SINCE_BITS: u32 = 48;

/// Words of an event.
pub(super) const EVENT_WORDS: usize = 8;

/// Something that has happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in microseconds since the machine started.
    pub when_us: u64,
    /// On which connection of its loop.
    pub connection: Name,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was accepted, from there.
    Accepted(Ends),
    /// Its first bytes were there so many microseconds after it was asked for, as the kernel has
    /// measured: one round trip, and the client's own time.
    Arrived(u32),
    /// Nothing had come of its client when it was accepted.
    Silent,
    /// A balancer has said who the client is.
    Introduced(IpAddr),
    /// Hands were shaken by TLS.
    Shaken {
        /// Whether a ticket was shown, which spares most of it.
        is_resumed: bool,
        /// The version, as it is written on the wire.
        version: u16,
        /// The cipher suite, in the same way.
        suite: u16,
    },
    /// What the kernel knew of the way to the client by then.
    Way(Way),
    /// It has ended.
    Ended {
        /// How, as this server sees it.
        ending: Ending,
        /// Who was the first to say goodbye, as the kernel sees it.
        first: First,
        /// Where its two ends were.
        ends: Ends,
        /// Since when it was there, in microseconds since the machine started.
        since_us: u64,
        /// The requests that were answered on it.
        requests: u32,
    },
}

/// What a kernel knows of the way to a client (`struct tcp_info` of <linux/tcp.h>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The time of a round trip, smoothed, in microseconds.
    pub rtt_us: u32,
    /// The shortest one.
    pub min_rtt_us: u32,
    /// Segments that were sent, and how many of them more than once.
    pub segments: u32,
    /// Those that were sent more than once.
    pub again: u32,
    /// Milliseconds in which there was something to send.
    pub busy_ms: u32,
    /// Those of them in which the client had no room for it.
    pub rwnd_limited_ms: u32,
    /// Those in which this side had no room for more.
    pub sndbuf_limited_ms: u32,
    /// Segments that were held to be lost.
    pub lost: u32,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident: $($name:ident $number:literal $words:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = $words] $name,)*
        }

        impl $type {
            const fn number(self) -> u8 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            const fn of(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The same in words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

words! {
    /// How a connection has ended, as this server sees it.
    Ending:
    ByClient 0 "the client closed it, or was gone";
    ByServer 1 "the server closed it after its last answer";
    Late 2 "its time was over";
    Broken 3 "an answer could not be sent";
    Unwanted 4 "it made room for another, or the worker ends";
    Shut 5 "the client said goodbye after the server had";
    Cut 6 "the rest of an answer could not be had";
}

words! {
    /// Who was the first to say goodbye, as the kernel sees it.
    First:
    Nobody 0 "the kernel does not say who was first";
    Client 1 "the client's FIN came first";
    Server 2 "this server's FIN went first";
    Cut 4 "this server cut it off with a RST";
    Reset 3 "it was cut off: by a RST, or nothing was heard of the client any more";
}

/// The words of what has happened.
pub(super) fn pack(what: What) -> [u64; 5] {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    match what {
        What::Accepted((peer, port)) => {
            let [high, low] = words_of(peer.ip());
            [1, high, low, u64::from(peer.port()), u64::from(port)]
        }
        What::Shaken { is_resumed, version, suite } => {
            [2, u64::from(is_resumed), u64::from(version), u64::from(suite), 0]
        }
        What::Way(way) => [
            3,
            pair(way.rtt_us, way.min_rtt_us),
            pair(way.segments, way.again),
            pair(way.busy_ms, way.rwnd_limited_ms),
            pair(way.sndbuf_limited_ms, way.lost),
        ],
        What::Ended { ending, first, ends: (peer, port), since_us, requests } => {
            let [high, low] = words_of(peer.ip());
            let how = u32::from(peer.port()) << 16
                | u32::from(first.number()) << 8
                | u32::from(ending.number());
            [4, pair(how, requests), high, low, since_us | u64::from(port) << SINCE_BITS]
        }
        What::Arrived(us) => [6, u64::from(us), 0, 0, 0],
        What::Silent => [7, 0, 0, 0, 0],
        What::Introduced(client) => {
            let [high, low] = words_of(client);
            [5, high, low, 0, 0]
        }
    }
}

/// The event in the words of a record.
pub(super) fn unpack(words: &[u64; EVENT_WORDS]) -> Option<Event> {
    let [_, when_us, connection, tag, one, two, three, four] = *words;
    let pair = |word: u64| (word as u32, (word >> 32) as u32);
    let what = match tag {
        1 => What::Accepted((peer_of(one, two, three as u16), four as u16)),
        2 => What::Shaken { is_resumed: one == 1, version: two as u16, suite: three as u16 },
        3 => {
            let ((rtt_us, min_rtt_us), (segments, again)) = (pair(one), pair(two));
            let ((busy_ms, rwnd_limited_ms), (sndbuf_limited_ms, lost)) = (pair(three), pair(four));
            What::Way(Way {
                rtt_us,
                min_rtt_us,
                segments,
                again,
                busy_ms,
                rwnd_limited_ms,
                sndbuf_limited_ms,
                lost,
            })
        }
        4 => {
            let (how, requests) = pair(one);
            What::Ended {
                ending: Ending::of(how as u8)?,
                first: First::of((how >> 8) as u8)?,
                ends: (peer_of(two, three, (how >> 16) as u16), (four >> SINCE_BITS) as u16),
                since_us: four & ((1 << SINCE_BITS) - 1),
                requests,
            }
        }
        5 => What::Introduced(peer_of(one, two, 0).ip()),
        6 => What::Arrived(one as u32),
        7 => What::Silent,
        _ => return None,
    };
    Some(Event { when_us, connection: Name(connection), what })
}
