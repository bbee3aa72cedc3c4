//! The last requests of a process, as they came but for their secrets: for whoever wants to know
//! what another config would do with them. They are in memory only.
//!
//! ```text
//!   a loop │ slot │ slot │ …      slot │ sequence │ when │ listener │ who │ lengths │ head │
//! ```
//!
//! A loop writes to slots of its own, one after the other. A sequence that is odd, or another one
//! after a look than before, says that a slot was changing meanwhile. A busy loop puts down one
//! request for each tick of its clock, so that the cost does not grow with the load.

use base::Moment;
use std::{
    array,
    cell::Cell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
        fence,
    },
};

/// Requests of all processes of a server that are wanted.
pub const REQUESTS_MAX: usize = 1_000;

/// Slots of a loop at least, however many loops there are.
const SLOTS_MIN: usize = 128;

/// Words of a slot: 1 KiB, the head of a request among them.
const SLOT_WORDS: usize = 128;
const HEAD_AT: usize = 6;
const HEAD_BYTES: usize = (SLOT_WORDS - HEAD_AT) * size_of::<u64>();

/// Milliseconds for each request of a busy loop: a tick of the clock on common kernels.
const TICK_MS: u64 = 4;

/// Requests that may come at once after a time of rest: a page with all that belongs to it.
const BURST: u64 = 64;

/// What the names of fields have in them whose values are nobody's to see: passwords, cookies, and
/// whatever else lets somebody in. In lower case, by their first letters.
const SECRETS: [(u8, &[&[u8]]); 9] = [
    (b'a', &[b"auth", b"assertion"]),
    (b'c', &[b"cookie", b"credential", b"csrf"]),
    (b'j', &[b"jwt"]),
    (b'k', &[b"key"]),
    (b'o', &[b"otp"]),
    (b'p', &[b"pass"]),
    (b's', &[b"secret", b"session", b"signature"]),
    (b't', &[b"token"]),
    (b'x', &[b"xsrf"]),
];

/// Where in [`SECRETS`] those with a letter stand: one more than that, or 0 where there are none.
const BY_LETTER: [u8; 256] = {
    let (mut table, mut at) = ([0; 256], 0);
    while at < SECRETS.len() {
        let letter = SECRETS[at].0;
        (table[letter as usize], table[letter.to_ascii_uppercase() as usize]) =
            (at as u8 + 1, at as u8 + 1);
        at += 1;
    }
    table
};

/// What such a value is replaced by; credentials by those of a user without name and password.
const HIDDEN: &[u8] = b"-";
const HIDDEN_CREDENTIALS: &[u8] = b"Basic Og==";

/// The slots of a process. The default one has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recents {
    words: &'static [AtomicU64],
    loops: usize,
}

/// The slots of one loop. The default one takes nothing.
#[derive(Debug)]
pub struct Recent {
    slots: &'static [[AtomicU64; SLOT_WORDS]],
    next: Cell<usize>,
    /// When all requests so far are paid for, one for each tick.
    paid_at: Cell<u64>,
}

/// The first line of a request, and the host that it is for.
#[derive(Clone, Copy, Debug)]
pub struct Line<'l> {
    /// Its method.
    pub method: &'l str,
    /// Its path, with the escapes.
    pub path: &'l str,
    /// Its query.
    pub query: Option<&'l str>,
    /// Its version, `HTTP/1.1`.
    pub version: &'l str,
    /// Its host.
    pub host: &'l str,
    /// The port behind that, with its colon.
    pub port: &'l str,
}

/// Where a request has come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct From {
    /// Who has sent it; `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    /// A number that stands for the address that it came in by.
    pub listener: u64,
}

/// A request that was put down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When.
    pub when: Moment,
    /// Where from.
    pub from: From,
    /// Whether something of it is left out, for want of room.
    pub is_cut: bool,
    /// Its head, without the values of secret fields; nothing where even its first line had no
    /// room.
    pub head: Vec<u8>,
}

impl Recents {
    /// How many words the slots of so many loops have, where all processes together have
    /// `loops_in_all`.
    #[must_use]
    pub const fn words(loops: usize, loops_in_all: usize) -> usize {
        let loops_in_all = if loops_in_all == 0 { 1 } else { loops_in_all };
        let slots = REQUESTS_MAX.div_ceil(loops_in_all);
        loops * if slots < SLOTS_MIN { SLOTS_MIN } else { slots } * SLOT_WORDS
    }

    /// The slots in these words, which are all 0 in the beginning, for so many loops.
    #[must_use]
    pub const fn new(words: &'static [AtomicU64], loops: usize) -> Self {
        Self { words, loops }
    }

    /// The slots of the loop number `at`.
    #[must_use]
    pub fn recent(&self, at: usize) -> Recent {
        let (slots, _) = self.words.as_chunks();
        let each = (slots.len() / self.loops.max(1)).max(1);
        let slots = slots.chunks_exact(each).nth(at).unwrap_or_default();
        // One without slots never wants any.
        let paid_at = if slots.is_empty() { u64::MAX } else { 0 };
        Recent { slots, next: Cell::new(0), paid_at: Cell::new(paid_at) }
    }

    /// The requests in all slots, in no order, but for those that are being written.
    pub fn requests(&self) -> impl Iterator<Item = Request> + use<> {
        self.words.as_chunks().0.iter().filter_map(read)
    }
}

impl Default for Recent {
    fn default() -> Self {
        Recents::default().recent(0)
    }
}

impl Recent {
    /// Whether a request that comes now is to be put down.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: Moment) -> bool {
        self.paid_at.get() <= now.0 + BURST * TICK_MS
    }

    /// Puts down a request with these fields. Only the loop itself calls this.
    pub fn put<'f>(
        &self,
        now: Moment,
        from: From,
        line: Line<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    ) {
        self.paid_at.set(self.paid_at.get().max(now.0).saturating_add(TICK_MS));
        let Some(slot) = self.slots.get(self.next.get()) else { return };
        self.next.set((self.next.get() + 1) % self.slots.len());
        let mut head = Head { bytes: [0; HEAD_BYTES], length: 0, is_cut: false };
        head.write(line, fields);
        let (kind, high, low) = match from.peer {
            None => (0, 0, 0),
            Some(IpAddr::V4(address)) => (1, 0, u64::from(address.to_bits())),
            Some(IpAddr::V6(address)) => {
                (2, (address.to_bits() >> 64) as u64, address.to_bits() as u64)
            }
        };
        let lengths = (head.length as u64) << 8 | u64::from(head.is_cut) << 4 | kind;
        let [sequence, rest @ ..] = slot;
        // One that a process has died at stays odd until it is used again.
        let before = sequence.load(Relaxed) | 1;
        sequence.store(before, Relaxed);
        fence(Release);
        let (text, _) = head.bytes.as_chunks();
        let text = text
            .iter()
            .take(head.length.div_ceil(size_of::<u64>()))
            .map(|bytes| u64::from_ne_bytes(*bytes));
        let values = [now.0, from.listener, high, low, lengths].into_iter().chain(text);
        rest.iter().zip(values).for_each(|(word, value)| word.store(value, Relaxed));
        sequence.store(before.wrapping_add(1), Release);
    }
}

/// Room for the head of a request.
struct Head {
    bytes: [u8; HEAD_BYTES],
    length: usize,
    is_cut: bool,
}

impl Head {
    fn write<'f>(&mut self, line: Line<'_>, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) {
        const END: &[u8] = b"\r\n";
        let Line { method, path, query, version, host, port } = line;
        let mark = if query.is_some() { "?" } else { "" };
        let (query, name) = (query.unwrap_or(""), if host.is_empty() { "" } else { "\r\nHost: " });
        let first = [method, " ", path, mark, query, " ", version, name, host, port, "\r\n"];
        if !self.put(&first.map(str::as_bytes), END.len()) {
            return;
        }
        for (name, value) in fields.filter(|(name, _)| !name.eq_ignore_ascii_case(b"host")) {
            let value = if is_secret(name) { hidden(name) } else { value };
            self.put(&[name, b": ", value, END], END.len());
        }
        self.put(&[END], 0);
    }

    /// Appends all of `parts` where there is room for them and for what must follow, or nothing.
    fn put(&mut self, parts: &[&[u8]], spare: usize) -> bool {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if self.length + length + spare > self.bytes.len() {
            self.is_cut = true;
            return false;
        }
        for part in parts {
            let end = self.length + part.len();
            self.bytes[self.length..end].copy_from_slice(part);
            self.length = end;
        }
        true
    }
}

/// Whether the value of a field of that name is nobody's to see.
fn is_secret(name: &[u8]) -> bool {
    name.iter().enumerate().any(|(at, letter)| {
        let Some(found) = BY_LETTER[usize::from(*letter)].checked_sub(1) else { return false };
        let (_, parts) = SECRETS[usize::from(found)];
        let rest = name.get(at..).unwrap_or_default();
        let begins = |part: &&[u8]| {
            rest.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part))
        };
        parts.iter().any(begins)
    })
}

/// What is put down instead. That credentials were given is worth knowing: whoever gave some was
/// let in, as a rule.
fn hidden(name: &[u8]) -> &'static [u8] {
    if name.eq_ignore_ascii_case(b"authorization") { HIDDEN_CREDENTIALS } else { HIDDEN }
}

/// The request in a slot, if there is one and it stays as it is meanwhile.
fn read(slot: &[AtomicU64; SLOT_WORDS]) -> Option<Request> {
    let sequence = slot[0].load(Acquire);
    let words: [u64; SLOT_WORDS] = array::from_fn(|at| slot[at].load(Relaxed));
    fence(Acquire);
    if sequence == 0 || sequence % 2 == 1 || slot[0].load(Relaxed) != sequence {
        return None;
    }
    let [_, when, listener, high, low, lengths, head @ ..] = words;
    let peer = match lengths & 0xf {
        0 => None,
        1 => Some(Ipv4Addr::from_bits(low as u32).into()),
        _ => Some(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into()),
    };
    let mut head: Vec<_> = head.iter().flat_map(|word| word.to_ne_bytes()).collect();
    head.truncate(usize::try_from(lengths >> 8).unwrap_or(0));
    let is_cut = lengths >> 4 & 1 == 1;
    Some(Request { when: Moment(when), from: From { peer, listener }, is_cut, head })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const FROM: From = From { peer: None, listener: 7 };

    fn recents(loops: usize) -> Recents {
        let words: Vec<_> = (0..Recents::words(loops, loops)).map(|_| AtomicU64::new(0)).collect();
        Recents::new(words.leak(), loops)
    }

    fn line<'l>(path: &'l str, query: Option<&'l str>) -> Line<'l> {
        Line { method: "GET", path, query, version: "HTTP/1.1", host: "a.example", port: ":80" }
    }

    fn put(recent: &Recent, now: u64, path: &str) {
        recent.put(Moment(now), FROM, line(path, None), [].into_iter());
    }

    fn text(request: &Request) -> &str {
        std::str::from_utf8(&request.head).unwrap()
    }

    #[test]
    fn a_request_comes_back_without_its_secrets() {
        let recents = recents(2);
        let peers =
            [None, Some("192.0.2.1".parse().unwrap()), Some("2001:db8::1".parse().unwrap())];
        let recent = recents.recent(1);
        let fields: [(&[u8], &[u8]); 8] = [
            (b"HOST", b"other"),
            (b"Accept", b"*/*"),
            (b"authorization", b"Basic c2VjcmV0"),
            (b"Proxy-Authorization", b"Basic c2VjcmV0"),
            (b"COOKIE", b"secret"),
            (b"X-Api-Key", b"secret"),
            (b"X-CSRF-Token", b"secret"),
            (b"X-Empty", b""),
        ];
        for (at, peer) in peers.into_iter().enumerate() {
            let from = From { peer, listener: u64::MAX };
            recent.put(Moment(at as u64), from, line("/a%20b", Some("c=d")), fields.into_iter());
        }
        let mut found: Vec<_> = recents.requests().collect();
        found.sort_by_key(|request| request.when);
        let from = found.iter().map(|request| request.from.peer);
        assert!(from.eq(peers), "{found:?}");
        assert_eq!(
            text(&found[2]),
            "GET /a%20b?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\n\
             authorization: Basic Og==\r\nProxy-Authorization: -\r\nCOOKIE: -\r\nX-Api-Key: -\r\n\
             X-CSRF-Token: -\r\nX-Empty: \r\n\r\n"
        );
        assert!(!found[2].is_cut && found[2].from.listener == u64::MAX);
    }

    #[test]
    fn what_is_too_long_is_left_out_and_that_is_marked() {
        let recents = recents(1);
        let recent = recents.recent(0);
        let long = vec![b'x'; HEAD_BYTES];
        let fields: [(&[u8], &[u8]); 3] = [(b"A", b"1"), (b"B", &long), (b"C", b"2")];
        recent.put(Moment(1), FROM, line("/", None), fields.into_iter());
        let path = "/x".repeat(HEAD_BYTES / 2);
        put(&recent, 2, &path);
        let found: Vec<_> = recents.requests().collect();
        let head = "GET / HTTP/1.1\r\nHost: a.example:80\r\nA: 1\r\nC: 2\r\n\r\n";
        assert_eq!((text(&found[0]), found[0].is_cut), (head, true));
        assert_eq!((text(&found[1]), found[1].is_cut), ("", true));
        // To the last byte.
        let rest = HEAD_BYTES - text(&found[0]).len() + "A: 1\r\nC: 2\r\n".len();
        for (more, is_cut) in [(0, false), (1, true)] {
            let path = format!("/{}", "y".repeat(rest + more));
            put(&recent, 3, &path);
            let last = recents.requests().last().unwrap();
            assert_eq!(
                (last.is_cut, last.head.len()),
                (is_cut, if is_cut { 0 } else { HEAD_BYTES })
            );
        }
    }

    #[test]
    fn a_busy_loop_puts_down_some_and_one_at_rest_all() {
        let recents = recents(1);
        let recent = recents.recent(0);
        let ask = |now| {
            let is_due = recent.is_due(Moment(now));
            if is_due {
                put(&recent, now, "/");
            }
            u64::from(is_due)
        };
        let at_once: u64 = (0..1000).map(|_| ask(1_000)).sum();
        assert_eq!(at_once, BURST + 1);
        let busy: u64 = (0..100_000).map(|at| ask(1_000 + at / 100)).sum();
        assert!((240..=260).contains(&busy), "{busy} in a second");
        let calm: u64 = (0..100).map(|at| ask(10_000 + at * 10)).sum();
        assert_eq!(calm, 100);
        assert!(!Recent::default().is_due(Moment(1)));
    }

    #[test]
    fn the_last_ones_stay() {
        let recents = recents(1);
        let recent = recents.recent(0);
        (0..3_500).for_each(|at| put(&recent, at, &format!("/{at}")));
        let times: Vec<_> = recents.requests().map(|request| request.when.0).collect();
        let newest = *times.iter().max().unwrap();
        let oldest = *times.iter().min().unwrap();
        assert_eq!((times.len(), oldest, newest), (REQUESTS_MAX, 2_500, 3_499));
        assert_eq!(Recents::words(1, 64), SLOTS_MIN * SLOT_WORDS);
    }

    #[test]
    fn what_is_being_written_is_nobodys_to_read() {
        let recents = recents(1);
        let recent = recents.recent(0);
        put(&recent, 1, "/");
        let sequence = &recents.words[0];
        sequence.fetch_add(1, Relaxed);
        assert_eq!(recents.requests().count(), 0, "its process has died at it");
        (0..REQUESTS_MAX).for_each(|at| put(&recent, at as u64, "/"));
        assert_eq!(recents.requests().count(), REQUESTS_MAX);

        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let recent = recents.recent(0);
                for at in 0..200_000 {
                    let letter = ["a", "b", "c"][at % 3];
                    put(&recent, at as u64, &format!("/{}", letter.repeat(100)));
                }
            });
            while !writer.is_finished() {
                for request in recents.requests().filter(|request| request.head.len() > 100) {
                    let path = &request.head[5..105];
                    assert!(path.iter().all(|byte| *byte == path[0]), "torn");
                }
            }
        });
    }
}
