//! Answers, each with what was asked: all of them while somebody looks, else those that have failed
//! or were slow.

use super::{Name, SLOW_US, peer_of, words_of};
use std::net::IpAddr;

/// Words of an answer: 776 bytes, texts among them.
pub(super) const ANSWER_WORDS: usize = 97;

/// Where its texts stand: first why it failed, which may be known only in the end.
const REASON_AT: usize = 12;
const TEXTS_AT: usize = REASON_AT + (REASON_BYTES + SITE_BYTES) / 8;
const REASON_BYTES: usize = 128;
const SITE_BYTES: usize = 56;

/// Bytes of each of its texts at most: method, host, path, referrer, id and query.
const TEXT_BYTES: [usize; 6] = [16, 64, 160, 64, 64, 128];

/// How a text ends that there was no room for the rest of.
pub const CUT_SHORT: &str = "…";

/// What stands for the end of an answer that is under way.
const UNDER_WAY: u32 = u32::MAX;

/// An answer that is given.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The connection that it is given on, and the stream of that, where it has some.
    pub connection: Name,
    /// The number of the stream; 0 where there are none.
    pub stream: u32,
    /// When its request was there, in microseconds since the machine started.
    pub began_us: u64,
    /// Whether it came by TLS.
    pub is_secure: bool,
    /// The port that it came in by, as the config has it; 0 where that names none.
    pub port: u16,
    /// The status.
    pub status: u16,
    /// Bytes of content.
    pub bytes: u64,
    /// Microseconds to its first byte.
    pub first_us: u64,
    /// Microseconds to its last one; `None` while it is under way.
    pub whole_us: Option<u64>,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// What was asked: method, host, path, referrer, the id of the exchange, and the query.
    pub asked: [&'a [u8]; 6],
    /// The site that it is counted for.
    pub site: &'a str,
    /// The trace that it belongs to; 0 where there is none.
    pub trace: u128,
    /// Why it failed, or was cut off.
    pub reason: &'a str,
}

impl Answer<'_> {
    /// Whether it is over and worth a look: it failed, was refused or cut off, or slow.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        self.whole_us
            .is_some_and(|us| self.status >= 500 || !self.reason.is_empty() || us >= SLOW_US)
    }
}

/// The status of what has none yet.
pub const UNANSWERED: u16 = 0;

/// The same as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which of its loop.
    pub number: u64,
    /// The connection, and its stream.
    pub connection: Name,
    /// The number of the stream; 0 where there are none.
    pub stream: u32,
    /// When its request was there, in microseconds since the machine started.
    pub began_us: u64,
    /// Whether it came by TLS.
    pub is_secure: bool,
    /// The port that it came in by, as the config has it; 0 where that names none.
    pub port: u16,
    /// The status; [`UNANSWERED`] where the answer is waited for.
    pub status: u16,
    /// Bytes of content.
    pub bytes: u64,
    /// Microseconds to its first byte.
    pub first_us: u64,
    /// Microseconds to its last one; `None` while it is under way.
    pub whole_us: Option<u64>,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// What was asked: method, host, path, referrer, the id of the exchange, and the query, each as
    /// far as there was room.
    pub asked: [Vec<u8>; 6],
    /// The site that it is counted for.
    pub site: Vec<u8>,
    /// The trace that it belongs to; 0 where there is none.
    pub trace: u128,
    /// Why it failed, or was cut off.
    pub reason: Vec<u8>,
}

impl Answered {
    /// What tells its exchange from others.
    pub(super) fn exchange(&self) -> (Name, u32, u64, Vec<u8>) {
        let [_, _, path, ..] = &self.asked;
        (self.connection, self.stream, self.began_us, path.clone())
    }

    /// How long it has been under way at that time, in microseconds, if it is.
    #[must_use]
    pub fn under_way_us(&self, now_us: u64) -> Option<u64> {
        self.whole_us.is_none().then(|| now_us.saturating_sub(self.began_us))
    }
}

/// The words of an answer that has that number.
pub(super) fn pack(number: u64, answer: &Answer<'_>) -> [u64; ANSWER_WORDS - 1] {
    let Answer { connection, stream, began_us, status, bytes, first_us, .. } = *answer;
    let mut words = [0; ANSWER_WORDS - 1];
    let (high, low) = answer.client.map(words_of).map_or((0, 0), |[high, low]| (high, low));
    let has_client = u64::from(answer.client.is_some());
    let is_secure = u64::from(answer.is_secure);
    let mut lengths = 0;
    let mut texts = [0; (ANSWER_WORDS - TEXTS_AT) * 8];
    let mut end = 0;
    for (text, most) in answer.asked.into_iter().zip(TEXT_BYTES) {
        let length = put(&mut texts[end..end + most], text, is_character);
        end += length;
        lengths = lengths << 8 | length as u64;
    }
    let (reason, reason_length) = reason_words(answer.reason);
    let mut site = [0; SITE_BYTES];
    let site_length = put(&mut site, answer.site.as_bytes(), is_character) as u64;
    let site = site.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
    // Each half of it stands where a word has room for no more.
    let [port_high, port_low] = answer.port.to_be_bytes().map(u64::from);
    let head = [
        number,
        connection.0,
        began_us,
        u64::from(status)
            | has_client << 16
            | is_secure << 17
            | site_length << 18
            | port_high << 24
            | u64::from(stream) << 32,
        bytes,
        times(first_us, answer.whole_us),
        high,
        low,
        lengths | reason_length << 48 | port_low << 56,
        (answer.trace >> 64) as u64,
        answer.trace as u64,
    ];
    let texts = texts.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
    let all = head.into_iter().chain(reason).chain(site).chain(texts.take(end.div_ceil(8)));
    words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
    words
}

/// The answer in the words of a record.
pub(super) fn unpack(words: &[u64; ANSWER_WORDS]) -> Answered {
    let [_, number, connection, began_us, about, bytes, times, rest @ ..] = words;
    let [high, low, lengths, trace_high, trace_low, rest @ ..] = rest;
    let text: Vec<u8> = rest.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let take = |start: usize, length: u64| {
        let rest = text.get(start..).unwrap_or_default();
        rest[..rest.len().min(length as usize & 0xff)].to_vec()
    };
    let mut start = REASON_BYTES + SITE_BYTES;
    let mut place = TEXT_BYTES.len();
    let asked = std::array::from_fn(|_| {
        place -= 1;
        let text = take(start, lengths >> (8 * place));
        start += text.len();
        text
    });
    let whole = (times >> 32) as u32;
    Answered {
        number: *number,
        connection: Name(*connection),
        stream: (about >> 32) as u32,
        began_us: *began_us,
        is_secure: about >> 17 & 1 == 1,
        port: u16::from_be_bytes([(about >> 24) as u8, (lengths >> 56) as u8]),
        status: *about as u16,
        bytes: *bytes,
        first_us: u64::from(*times as u32),
        whole_us: (whole != UNDER_WAY).then(|| u64::from(whole)),
        client: (about >> 16 & 1 == 1).then(|| peer_of(*high, *low, 0).ip()),
        asked,
        site: take(REASON_BYTES, about >> 18 & 0x3f),
        trace: u128::from(*trace_high) << 64 | u128::from(*trace_low),
        reason: take(0, (lengths >> 48 & 0xff).min(REASON_BYTES as u64)),
    }
}

/// Times of an answer, the longest of which are shown as 71 minutes.
fn times(first_us: u64, whole_us: Option<u64>) -> u64 {
    let short = |us: u64| us.min(u64::from(UNDER_WAY - 1));
    short(first_us) | whole_us.map_or(u64::from(UNDER_WAY), short) << 32
}

fn reason_words(reason: &str) -> ([u64; REASON_BYTES / 8], u64) {
    let mut bytes = [0; REASON_BYTES];
    let length = put(&mut bytes, reason.as_bytes(), |byte| byte == b' ');
    let mut words = bytes.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
    (std::array::from_fn(|_| words.next().unwrap_or(0)), length as u64)
}

/// Puts a text where there is this room for it; returns how long it is there. Where it is too long
/// it ends before a byte of that kind, and with [`CUT_SHORT`].
fn put(room: &mut [u8], text: &[u8], begins: impl Fn(u8) -> bool) -> usize {
    if let Some(place) = room.get_mut(..text.len()) {
        place.copy_from_slice(text);
        return text.len();
    }
    let most = room.len().saturating_sub(CUT_SHORT.len());
    let end = (0..=most).rev().find(|&at| begins(text[at])).unwrap_or(most);
    room[..end].copy_from_slice(&text[..end]);
    let length = end + CUT_SHORT.len();
    room[end..length].copy_from_slice(CUT_SHORT.as_bytes());
    length
}

/// Whether a character begins with that byte of UTF-8.
const fn is_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_ends_with_a_whole_character_or_word_and_a_mark() {
        let mut room = [0; 12];
        for (text, expect) in [
            ("", ""),
            ("/twelve-long", "/twelve-long"),
            ("/thirteen-long", "/thirteen…"),
            ("/twelve-ö-long", "/twelve-…"),
            ("/eight-ö-long", "/eight-ö…"),
        ] {
            let length = put(&mut room, text.as_bytes(), is_character);
            assert_eq!(str::from_utf8(&room[..length]), Ok(expect));
        }
        let length = put(&mut room, b"two words and more", |byte| byte == b' ');
        assert_eq!(str::from_utf8(&room[..length]), Ok("two words…"));
        // What is no UTF-8, or has no words, is cut all the same.
        let length = put(&mut room, &[0x80; 20], is_character);
        assert_eq!((length, &room[9..]), (12, CUT_SHORT.as_bytes()));
    }
}
