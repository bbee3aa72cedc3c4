//! One connection: its state, and the turn of what comes in.

mod receiving;
mod control;
mod content;
mod answering;
mod supply;
mod waiting;

use crate::{
    block::Block,
    calm::Calm,
    event::{Ended, Event},
    fault::{Code, Fault},
    frame::{self, Frame, HEAD_BYTES, MAX_31_BITS, PREFACE},
    hpack::Decoder,
    limits::{FRAME_BYTES_MAX, RESETS_REMEMBERED, STREAMS_MAX, WINDOW_BYTES},
    priority::Priority,
    room::Room,
    stream::{Key, Streams},
};
use base::Moment;
use message::{Limits, Output, Slots, clock::Clock};
use receiving::{HeadBlock, Step};
use std::mem;

/// A server's end of one HTTP/2 connection.
#[derive(Debug)]
pub struct Connection {
    pub(crate) limits: &'static Limits,
    pub(crate) phase: Phase,
    pub(crate) parting: Parting,
    pub(crate) clock: Clock,
    /// Since when a frame is waited for that has begun, whatever else is.
    pub(crate) frame_clock: Clock,
    pub(crate) decoder: Decoder,
    pub(crate) streams: Streams,
    /// A field block whose frames have not all come.
    pub(crate) partial: Option<Box<HeadBlock<'static>>>,
    /// The stream whose content has come to its end with the piece that was told last.
    pub(crate) ending: Option<Key>,
    /// Whether the beginning of a frame has come that is not content.
    pub(crate) is_within_frame: bool,
    /// Bytes of content that have come of a frame which is not whole.
    pub(crate) part_bytes: usize,
    /// Whether all that has come was read, so that the peer is waited for.
    pub(crate) has_read_all: bool,
    /// Bytes that the peer lets us send on all streams together, and on a new one.
    pub(crate) window: i64,
    pub(crate) stream_window: i64,
    /// Bytes of the largest frame that the peer takes.
    pub(crate) frame_bytes_max: usize,
    /// What the peer may send.
    pub(crate) room: Room,
    /// The highest number of a stream that the peer has begun.
    pub(crate) last: u32,
    /// Which of the streams up to that one have begun: the lowest bit is its own.
    pub(crate) begun: u64,
    pub(crate) requests: u32,
    /// From then on the client is told that the end is near: with its next request, or as soon as
    /// no stream is open.
    pub(crate) until: Moment,
    /// Whether the peer has been told our settings, and that our field blocks fill no table.
    pub(crate) has_told_settings: bool,
    pub(crate) has_told_table: bool,
    /// Whether the peer has said that it knows our settings.
    pub(crate) knows_settings: bool,
    /// Counts turns of answers that take turns.
    pub(crate) turn: u32,
    pub(crate) calm: Calm,
    /// Streams that were reset, and how many bytes of content each of them may still have.
    reset_lately: Vec<(u32, u32)>,
    resets: usize,
    /// Priorities of streams that have not begun.
    pub(crate) early: Vec<(u32, Priority)>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) late: Vec<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The client has not said that it speaks HTTP/2.
    Preface,
    /// Its first frame has not come.
    Settings,
    Open,
    /// Nothing is heard any more.
    Deaf,
}

/// How the end of a connection is told, so that no request is lost: first that it is near, and,
/// once the client must know, up to which stream everything is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    No,
    /// Since then.
    Announced(Moment),
    Final,
}

/// Our settings: ENABLE_PUSH is not ours to say; MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE and
/// NO_RFC7540_PRIORITIES (RFC 9218 section 2.1).
const OWN_SETTINGS: [u16; 3] = [3, 6, 9];

/// What a ping carries whose answer ends the parting.
pub(crate) const PARTING_PING: &[u8; 8] = b"parting!";

impl Connection {
    /// A connection that was accepted `now`.
    #[must_use]
    pub fn new(limits: &'static Limits, now: Moment) -> Self {
        let mut frame_clock = Clock::new(now);
        frame_clock.stop();
        Self {
            limits,
            phase: Phase::Preface,
            parting: Parting::No,
            clock: Clock::new(now),
            frame_clock,
            decoder: Decoder::new(),
            streams: Streams::new(),
            partial: None,
            ending: None,
            is_within_frame: false,
            part_bytes: 0,
            has_read_all: false,
            window: WINDOW_BYTES as i64,
            stream_window: WINDOW_BYTES as i64,
            frame_bytes_max: FRAME_BYTES_MAX,
            room: Room::new(now),
            last: 0,
            begun: 0,
            requests: 0,
            until: now.after(limits.connection_time),
            has_told_settings: false,
            has_told_table: false,
            knows_settings: false,
            turn: 0,
            calm: Calm::new(now),
            reset_lately: Vec::new(),
            resets: 0,
            early: Vec::new(),
            ended: Vec::new(),
            late: Vec::new(),
        }
    }

    /// Reads on in `input`, every unread byte, oldest first: how many of them are used up, and what
    /// they mean. To be called until it says `Incomplete`, `Broken` or `Closed`; who stops before
    /// holds back the peer, whose time does not count meanwhile.
    pub fn receive<'b>(
        &mut self,
        input: &'b [u8],
        now: Moment,
        (block, slots): (&'b mut Block, &'b mut Slots<'b>),
        output: &mut Output,
    ) -> (usize, Event<'b>) {
        self.has_read_all = false;
        if let Some(key) = self.ending.take() {
            return match self.end_content(key, now, output) {
                Ok(event) => (0, event),
                Err(fault) => (input.len(), self.fail(fault, output)),
            };
        }
        let mut used = 0;
        let head = loop {
            let rest = &input[used..];
            if self.is_closing() {
                return (input.len(), Event::Closed);
            }
            if self.phase == Phase::Preface {
                match rest.strip_prefix(PREFACE) {
                    Some(_) => {
                        used += PREFACE.len();
                        self.phase = Phase::Settings;
                        self.tell_settings(output);
                    }
                    None if PREFACE.starts_with(rest) => return (used, self.wait(rest, now)),
                    None => {
                        let fault = Fault::protocol("the connection does not begin as HTTP/2 does");
                        return (input.len(), self.fail(fault, output));
                    }
                }
                continue;
            }
            if frame::payload_bytes(rest).is_some_and(|bytes| bytes > FRAME_BYTES_MAX) {
                let fault = Fault::size("a frame is larger than frames may be");
                return (input.len(), self.fail(fault, output));
            }
            let Some(frame) = Frame::parse(rest) else { return (used, self.wait(rest, now)) };
            used += HEAD_BYTES + frame.payload.len();
            let taken = self.take(&frame, now, output);
            // A head that goes on has its time from its first frame on.
            if self.partial.is_none() {
                self.is_within_frame = false;
                self.frame_clock.stop();
            }
            match taken {
                Ok(Step::Done) => {}
                Ok(Step::Event(event)) => return (used, event),
                Ok(Step::Head(head)) => break head,
                Err(fault) => return (input.len(), self.fail(fault, output)),
            }
        };
        match self.take_head(&head, now, (block, slots), output) {
            Ok(event) => (used, event),
            Err(fault) => (input.len(), self.fail(fault, output)),
        }
    }

    /// The number of the stream that has this key; 0 where it is over.
    #[must_use]
    pub fn number(&self, key: Key) -> u32 {
        self.streams.get(key).map_or(0, |stream| stream.id)
    }

    /// Whether the answer to that request has no content, as only its head was asked for.
    #[must_use]
    pub fn is_head(&self, key: Key) -> bool {
        self.streams.get(key).is_some_and(|stream| stream.is_head)
    }

    /// The next request whose content came too slowly; it is to be answered with that.
    pub fn next_late(&mut self) -> Option<Key> {
        self.late.pop()
    }

    /// The next answer, of those that were not given at once, which has come to its end since.
    pub fn next_ended(&mut self) -> Option<Ended> {
        self.ended.pop()
    }

    /// Whether the connection is at rest, with nothing read and nothing owed.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_at_rest() && !self.is_within_frame
    }

    /// Whether it is at rest but for a part of a frame, or of how a connection begins: whoever has
    /// sent no more has asked for nothing yet, and keeps no place by it.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let has_nothing = self.streams.open() == 0 && self.partial.is_none();
        has_nothing && self.phase != Phase::Deaf && !self.clock.is_blocked()
    }

    /// Whether its client has begun something and owes the rest: how a connection begins, or a
    /// frame or a head of which a part has come.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        let has_begun = self.partial.is_some() || self.is_within_frame;
        has_begun || matches!(self.phase, Phase::Preface | Phase::Settings)
    }

    /// Since when it is at rest, if it is and that has been settled by
    /// [`Connection::deadline`]: whatever frames come meanwhile make it no younger.
    #[must_use]
    pub const fn idle_since(&self) -> Moment {
        self.clock.waiting_since()
    }

    /// Tells the peer, in two steps, that no more streams will be answered soon. What is under way
    /// is finished.
    pub fn part(&mut self, now: Moment, output: &mut Output) {
        if self.parting == Parting::No && self.phase != Phase::Deaf {
            self.parting = Parting::Announced(now);
            self.tell_settings(output);
            frame::push_goaway(output.bytes(), MAX_31_BITS, Code::NoError);
            frame::push(output.bytes(), frame::PING, 0, 0, PARTING_PING);
        }
    }

    /// Tells the peer that no more streams are answered from now on. What is under way is finished.
    pub fn part_at_once(&mut self, output: &mut Output) {
        if self.parting != Parting::Final && self.phase != Phase::Deaf {
            self.parting = Parting::Final;
            self.tell_settings(output);
            frame::push_goaway(output.bytes(), self.last, Code::NoError);
        }
    }

    /// Whether the last answer has been given. When the output is written, the caller closes its
    /// side of the connection and goes on reading for a while.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        let has_parted = self.parting == Parting::Final && self.streams.open() == 0;
        self.phase == Phase::Deaf || has_parted
    }

    /// Gives the connection up.
    pub(crate) fn fail<'b>(&mut self, fault: Fault, output: &mut Output) -> Event<'b> {
        self.tell_settings(output);
        frame::push_goaway(output.bytes(), self.last, fault.code);
        self.phase = Phase::Deaf;
        self.partial = None;
        self.clock.stop();
        self.frame_clock.stop();
        Event::Broken(fault)
    }

    /// Gives one stream up; where it was open, its exchange is over.
    pub(crate) fn reset(
        &mut self,
        id: u32,
        fault: Fault,
        now: Moment,
        output: &mut Output,
    ) -> Result<Option<Ended>, Fault> {
        self.calm.reset(now)?;
        frame::push_reset(output.bytes(), id, fault.code);
        self.remember_reset(id);
        let Some(key) = self.streams.find(id) else { return Ok(None) };
        let unsent_bytes = self.unsent_bytes(key);
        self.streams.leave(key);
        Ok(Some(Ended { key, unsent_bytes, reason: Some(fault.reason) }))
    }

    /// A stream has begun that is above all others.
    pub(crate) fn note_begun(&mut self, id: u32) {
        let passed = id.saturating_sub(self.last).div_ceil(2);
        self.begun = self.begun.checked_shl(passed).unwrap_or(0) | 1;
        self.last = id;
    }

    /// Whether that stream has begun, or been passed over; of those long ago, that they have.
    pub(crate) fn has_begun(&self, id: u32) -> bool {
        let passed = self.last.saturating_sub(id) / 2;
        self.begun.checked_shr(passed).is_none_or(|begun| begun & 1 == 1)
    }

    /// Whether nothing but the head of a request can come on that stream, or nothing at all.
    pub(crate) fn is_idle_stream(&self, id: u32) -> bool {
        // What is beyond the last of a GOAWAY may be under way, and is none of ours.
        id.is_multiple_of(2) || (id > self.last && self.parting != Parting::Final)
    }

    /// What is still on its way on that stream, which is about to go, is to be dropped in silence.
    pub(crate) fn remember_reset(&mut self, id: u32) {
        let stream = self.streams.find(id).and_then(|key| self.streams.get(key));
        let reset = (id, stream.map_or(WINDOW_BYTES, |stream| stream.grant));
        match self.reset_lately.get_mut(self.resets % RESETS_REMEMBERED) {
            Some(oldest) => *oldest = reset,
            None => self.reset_lately.push(reset),
        }
        self.resets = self.resets.wrapping_add(1);
    }

    /// Whether what comes on that stream, which is not open, is to be dropped in silence.
    pub(crate) fn is_dropped(&self, id: u32) -> bool {
        id > self.last || self.reset_lately.iter().any(|&(reset, _)| reset == id)
    }

    /// Takes up content of a stream that was reset: whether it may have been under way before that
    /// was known.
    pub(crate) fn was_let_in(&mut self, id: u32, bytes: u32) -> bool {
        let stream = self.reset_lately.iter_mut().find(|(reset, _)| *reset == id);
        let Some((_, grant)) = stream else { return false };
        let left = grant.checked_sub(bytes);
        *grant = left.unwrap_or(0);
        left.is_some()
    }

    /// More bytes are needed than `rest`.
    fn wait<'b>(&mut self, rest: &[u8], now: Moment) -> Event<'b> {
        // Content is waited for by the rules of its stream, and by none that would end others.
        let content = Frame::begun(rest).filter(|frame| frame.kind == frame::DATA);
        let content = content.filter(|_| self.partial.is_none());
        let is_content = content.is_some();
        content.iter().for_each(|part| self.note_part(part, now));
        self.is_within_frame = !(rest.is_empty() || is_content) || self.partial.is_some();
        match self.is_within_frame {
            true => self.frame_clock.wait(now),
            false => self.frame_clock.stop(),
        }
        self.has_read_all = true;
        // Who has nothing under way is idle, whatever frames begin and end meanwhile.
        match self.phase == Phase::Open && self.streams.open() > 0 {
            true => self.clock.stop(),
            false => self.clock.wait(now),
        }
        Event::Incomplete
    }

    /// Tells our settings, which are the first that a client hears.
    fn tell_settings(&mut self, output: &mut Output) {
        if mem::replace(&mut self.has_told_settings, true) {
            return;
        }
        let values = [STREAMS_MAX as u32, self.limits.head_bytes_max as u32, 1];
        let mut payload = [0; 6 * OWN_SETTINGS.len()];
        let settings = OWN_SETTINGS.into_iter().zip(values);
        for (place, (name, value)) in payload.chunks_exact_mut(6).zip(settings) {
            place[..2].copy_from_slice(&name.to_be_bytes());
            place[2..].copy_from_slice(&value.to_be_bytes());
        }
        frame::push(output.bytes(), frame::SETTINGS, 0, 0, &payload);
    }
}
