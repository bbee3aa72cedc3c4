//! The streams of a connection: slots that are used again and again.

use crate::{
    limits::{SLOTS_KEPT, STREAMS_MAX, WINDOW_BYTES},
    priority::Priority,
};
use base::Moment;
use message::{
    Body, FileRange, Limits, Part, Shared,
    clock::{Clock, Pace},
    response::Line,
};
use std::{iter, mem, time::Duration, vec};

/// Which slot a stream has. It is the stream's as long as that is open.
pub type Key = usize;

/// One open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Its number; 0 where the slot is free.
    pub(crate) id: u32,
    /// Whether more may come from the peer.
    pub(crate) is_receiving: bool,
    /// Whether content followed its head.
    pub(crate) has_content: bool,
    /// Whether its client sends content only when it is asked to.
    pub(crate) expects_continue: bool,
    /// Bytes of content that are still to come, where that was told.
    pub(crate) content_due: Option<u64>,
    /// Bytes that the peer may send before it is allowed more.
    pub(crate) grant: u32,
    /// Bytes of content that have come and are not with whom they are for.
    pub(crate) untaken: u32,
    pub(crate) answer: Answer,
    /// Whether the answer is one to HEAD.
    pub(crate) is_head: bool,
    pub(crate) priority: Priority,
    /// When it had its turn last, among others that take turns.
    pub(crate) turn: u32,
    /// Bytes that the peer lets us send.
    pub(crate) window: i64,
    /// Bytes that may be sent where the answer is paced.
    pub(crate) allowance: u64,
    /// What is to be sent.
    pub(crate) content: Content,
    pub(crate) supply: Supply,
    /// Bytes in front of it that were read from a file because that had to be waited for, or are
    /// being read.
    pub(crate) fetched: u64,
    /// What is told behind that.
    pub(crate) trailers: Vec<Line>,
    pub(crate) clock: Clock,
    /// How fast its content comes.
    pub(crate) pace: Pace,
}

/// How far the answer to a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has not begun.
    Due,
    /// Its content is being sent; more of it comes from a source.
    Sourced,
    /// The rest of its content is here.
    Sending,
    /// It has been sent.
    Given,
}

/// Whether the content in front can be sent without waiting for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// It can, as far as is known.
    AtHand,
    /// It cannot, and nobody reads it yet.
    Wanted,
    /// It is being read.
    Asked,
}

/// Content that waits to be sent.
#[derive(Debug)]
pub(crate) enum Content {
    One(Option<Part>),
    Many(Option<Part>, vec::IntoIter<Part>),
}

impl Content {
    pub(crate) const NONE: Self = Self::One(None);

    /// The content of an answer; that of a stream comes piece by piece.
    pub(crate) fn of(body: Body) -> Self {
        match body {
            Body::Empty | Body::Stream(_) => Self::NONE,
            Body::Bytes(bytes) => Self::One(Some(Part::Bytes(bytes))),
            Body::File(file) => Self::One(Some(Part::File(file))),
            Body::Parts(parts) => {
                let mut parts = parts.into_iter();
                Self::Many(parts.find(|part| !part.is_empty()), parts)
            }
        }
    }

    /// Bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        let front = |part: &Option<Part>| part.as_ref().map_or(0, Part::len);
        match self {
            Self::One(part) => front(part),
            Self::Many(part, rest) => {
                front(part) + rest.as_slice().iter().map(Part::len).sum::<u64>()
            }
        }
    }

    /// Bytes of the part in front; zero where none is left.
    pub(crate) fn front_bytes(&self) -> u64 {
        match self {
            Self::One(part) | Self::Many(part, _) => part.as_ref().map_or(0, Part::len),
        }
    }

    /// The part in front, where that is one of a file.
    pub(crate) fn front_file(&self) -> Option<&FileRange> {
        match self {
            Self::One(Some(Part::File(file))) | Self::Many(Some(Part::File(file)), _) => Some(file),
            _ => None,
        }
    }

    /// Puts bytes that were read from the file in front in the place of as many of its own.
    pub(crate) fn put_fetched(&mut self, bytes: Vec<u8>) {
        let (Self::One(front) | Self::Many(front, _)) = self;
        let Some(file) = front.take() else { return };
        let rest = file.slice(bytes.len() as u64..u64::MAX);
        let behind = match mem::replace(self, Self::NONE) {
            Self::One(_) => Vec::new().into_iter(),
            Self::Many(_, parts) => parts,
        };
        let parts: Vec<Part> =
            iter::once(rest).filter(|part| !part.is_empty()).chain(behind).collect();
        *self = Self::Many(Some(Part::Bytes(Shared::from(bytes))), parts.into_iter());
    }

    /// Takes so many bytes off the front, which are not more than the front part has.
    pub(crate) fn take(&mut self, bytes: u64) -> Option<Part> {
        let (Self::One(front) | Self::Many(front, _)) = self;
        let part = front.take()?;
        if part.len() <= bytes {
            if let Self::Many(front, rest) = self {
                *front = rest.find(|part| !part.is_empty());
            }
            return Some(part);
        }
        let taken = part.slice(0..bytes);
        *front = Some(part.slice(bytes..u64::MAX));
        Some(taken)
    }
}

impl Stream {
    /// Whether there is something to send that neither windows nor pace forbid.
    pub(crate) fn is_ready(&self) -> bool {
        let has_content = self.content.front_bytes() > 0;
        match self.answer {
            Answer::Sourced | Answer::Sending if has_content => {
                self.window > 0 && self.allowance > 0 && self.supply == Supply::AtHand
            }
            // Only its end is left.
            Answer::Sending => true,
            _ => false,
        }
    }

    /// Its place among those that are ready (RFC 9218 section 10): the most urgent ones are first,
    /// of those the oldest, and then the ones in turn that can be used in part.
    pub(crate) fn order(&self) -> (u8, bool, u32) {
        let Priority { urgency, is_incremental } = self.priority;
        (urgency, is_incremental, if is_incremental { self.turn } else { self.id })
    }

    /// Whether content is waited for, to be answered by what it says.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_receiving && self.answer == Answer::Due && !self.expects_continue
    }

    /// So many bytes of its content have come.
    pub(crate) fn came(&mut self, bytes: usize, now: Moment) {
        // Who sends content does not wait to be asked for it.
        self.expects_continue = false;
        if self.is_awaited() {
            self.pace.came(bytes, self.clock.waited(now));
            self.clock.stop();
        }
    }

    /// Its content is not waited for: what is not read cannot come.
    pub(crate) fn pause(&mut self, now: Moment) {
        self.pace.paused(self.clock.waited(now));
        self.clock.stop();
    }

    /// How long the peer is waited for when it shall send content.
    pub(crate) fn patience(&self, limits: &Limits) -> Duration {
        if self.is_awaited() { self.pace.patience(limits) } else { limits.body_idle_time }
    }

    /// Whether more could be sent if the peer let us.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(self.answer, Answer::Sourced | Answer::Sending) && self.content.front_bytes() > 0
    }
}

/// All slots.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Stream>,
    open: usize,
}

impl Streams {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), open: 0 }
    }

    /// How many are open.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// Opens a stream; `None` where there are too many.
    #[inline]
    pub(crate) fn enter(&mut self, id: u32, window: i64, now: Moment) -> Option<Key> {
        if self.open == STREAMS_MAX {
            return None;
        }
        let free = self.slots.iter().position(|slot| slot.id == 0);
        let key = free.unwrap_or(self.slots.len());
        let mut clock = Clock::new(now);
        clock.stop();
        let stream = Stream {
            id,
            is_receiving: true,
            has_content: true,
            expects_continue: false,
            content_due: None,
            grant: WINDOW_BYTES,
            untaken: 0,
            answer: Answer::Due,
            is_head: false,
            priority: Priority::default(),
            turn: 0,
            window,
            allowance: u64::MAX,
            content: Content::NONE,
            supply: Supply::AtHand,
            fetched: 0,
            trailers: Vec::new(),
            clock,
            pace: Pace::NEW,
        };
        match self.slots.get_mut(key) {
            Some(slot) => *slot = stream,
            None => self.slots.push(stream),
        }
        self.open += 1;
        Some(key)
    }

    /// Frees the slot of a stream that is over.
    pub(crate) fn leave(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key)
            && slot.id != 0
        {
            (slot.id, slot.content, slot.answer) = (0, Content::NONE, Answer::Given);
            slot.trailers = Vec::new();
            self.open -= 1;
        }
    }

    /// The open stream of that number.
    pub(crate) fn find(&self, id: u32) -> Option<Key> {
        self.slots.iter().position(|slot| slot.id == id)
    }

    /// The open stream in that slot.
    pub(crate) fn get(&self, key: Key) -> Option<&Stream> {
        self.slots.get(key).filter(|slot| slot.id != 0)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Stream> {
        self.slots.get_mut(key).filter(|slot| slot.id != 0)
    }

    /// All open streams.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Stream)> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.id != 0)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut Stream)> {
        self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.id != 0)
    }

    /// Lets go of slots that a burst made, when none is open.
    pub(crate) fn shrink(&mut self) {
        if self.slots.len() > SLOTS_KEPT {
            self.slots = Vec::new();
        }
    }
}
