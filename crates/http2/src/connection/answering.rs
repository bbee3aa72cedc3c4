//! Answers: heads at once, content as far as the peer's windows go, in the order of priorities.

use crate::{
    connection::Connection,
    event::{Ended, Given},
    fault::{Code, Fault},
    frame::{self, HEAD_BYTES},
    hpack,
    request::{self, Head},
    stream::{Answer, Content, Key, Supply},
};
use base::Moment;
use message::{Body, FileRange, Output, Request, Response, Slots, Status, response::Line};
use std::mem;

/// A date in the form of a `date` field.
type Date29 = [u8; 29];

/// Bytes of content that are sent behind their head at once, however urgent others are.
const PROMPT_BYTES_MAX: u64 = 16 * 1024;

/// Bytes of a frame at most, however large the peer would take it: others wait for its end.
const CONTENT_BYTES_MAX: u64 = 256 * 1024;

/// The interim answer that asks for content.
const CONTINUE: Status = Status(100);

/// The interim answer that says what may be fetched meanwhile.
const EARLY_HINTS: Status = Status(103);

/// Room for what is not among the prepared fields of a usual head.
const HEAD_ROOM_BYTES: usize = 128;

impl Connection {
    /// Reads the fields of a request again that were told with it, for an answer that comes later;
    /// `None` for any other bytes. Where its stream is over, it is one of unknown length.
    pub fn reread<'b>(
        &self,
        key: Key,
        fields: &'b [u8],
        slots: &'b mut Slots<'b>,
    ) -> Option<Request<'b>> {
        let ends = self.streams.get(key).is_some_and(|stream| !stream.has_content);
        match request::parse(fields, ends, self.limits, slots) {
            Head::Request(request, _) => Some(request),
            Head::Refused(_) | Head::Malformed(_) => None,
        }
    }

    /// Asks for the content of a request, if its client waits for that (RFC 9110 section 10.1.1).
    pub fn proceed(&mut self, key: Key, output: &mut Output) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if mem::take(&mut stream.expects_continue) {
            let out = output.bytes();
            let start = begin_head(&mut self.has_told_table, out);
            hpack::status(CONTINUE, out);
            frame_head((stream.id, 0, self.frame_bytes_max), start, out);
        }
    }

    /// Tells the client what it may fetch while the answer is awaited (RFC 8297).
    pub fn hint(&mut self, key: Key, lines: &[Line], output: &mut Output) {
        let Some(stream) = self.streams.get_mut(key).filter(|one| one.answer == Answer::Due) else {
            return;
        };
        let out = output.bytes();
        let start = begin_head(&mut self.has_told_table, out);
        hpack::status(EARLY_HINTS, out);
        hpack::lines(lines, out);
        frame_head((stream.id, 0, self.frame_bytes_max), start, out);
    }

    /// Answers a request. Where the answer `is_paced`, its content waits to be allowed.
    pub fn respond(
        &mut self,
        key: Key,
        response: Response,
        (date, now, is_paced): (&Date29, Moment, bool),
        output: &mut Output,
    ) -> Given {
        let Some(stream) = self.streams.get_mut(key) else { return Given::Whole };
        debug_assert!(stream.answer == Answer::Due, "nobody asked");
        stream.clock.stop();
        let length = response.body.len();
        let has_content = !(stream.is_head || response.status.is_bodiless() || length == Some(0));
        let id = stream.id;
        let flags = if has_content { 0 } else { frame::END_STREAM };
        let out = output.bytes();
        let start = begin_head(&mut self.has_told_table, out);
        push_fields(&response, date, out);
        frame_head((id, flags, self.frame_bytes_max), start, out);
        if !has_content {
            self.finish(key, now, output);
            return Given::Whole;
        }
        if let Body::Stream(source) = response.body {
            stream.answer = Answer::Sourced;
            stream.allowance = if is_paced { 0 } else { u64::MAX };
            return Given::From(source);
        }
        stream.content = Content::of(response.body);
        stream.answer = Answer::Sending;
        let room = stream.window.min(self.window).max(0) as u64;
        let bytes = stream.content.front_bytes();
        let is_short = bytes <= PROMPT_BYTES_MAX && bytes <= room && Some(bytes) == length;
        // Whether a file has to be waited for is not known yet.
        let is_prompt = is_short && stream.content.front_file().is_none();
        if is_paced {
            stream.allowance = 0;
        } else if is_prompt {
            self.send(key, u64::MAX, now, output);
            return Given::Whole;
        }
        Given::Later
    }

    /// Adds frames of content that the peer has room for to the output, the most urgent ones first,
    /// until they have `bytes_max` bytes or more: how many they have. Of the part of a file that is
    /// next of a stream, `at_hand` says how many bytes can be sent without waiting for its disk;
    /// where that is none, the stream waits for [`Connection::supply`], and others do not.
    pub fn produce(
        &mut self,
        bytes_max: u64,
        now: Moment,
        at_hand: &mut dyn FnMut(&FileRange) -> u64,
        output: &mut Output,
    ) -> u64 {
        let mut made = 0;
        if self.streams.open() == 0 || self.is_closing() {
            return 0;
        }
        while made < bytes_max {
            let Some(key) = self.most_urgent() else { break };
            made += self.send_turn(key, bytes_max - made, now, at_hand, output);
        }
        made
    }

    /// Whether a stream waits for the next piece of its content.
    #[must_use]
    pub fn is_hungry(&self, key: Key) -> bool {
        self.streams.get(key).is_some_and(|stream| {
            stream.answer == Answer::Sourced && stream.content.front_bytes() == 0
        })
    }

    /// Whether a stream has content that could be sent, had its client not used up the window.
    #[must_use]
    pub fn is_held_up(&self, key: Key) -> bool {
        self.streams
            .get(key)
            .is_some_and(|stream| stream.is_sending() && (self.window <= 0 || stream.window <= 0))
    }

    /// The next piece of a hungry stream's content.
    pub fn stream(&mut self, key: Key, piece: Vec<u8>) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.content = Content::of(Body::Bytes(piece.into()));
        }
    }

    /// A hungry stream's content has come to its end.
    pub fn finish_stream(&mut self, key: Key) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.answer = Answer::Sending;
        }
    }

    /// What is told behind the content of an answer (RFC 9110 section 6.5), where it has any: said
    /// before the answer is given or, if its content comes from a source, before that has ended.
    pub fn trail(&mut self, key: Key, trailers: Vec<Line>) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.trailers = trailers;
        }
    }

    /// A hungry stream's source is broken, or its exchange is: it is cut off.
    pub fn abort_stream(&mut self, key: Key, output: &mut Output) {
        if let Some(stream) = self.streams.get(key) {
            let id = stream.id;
            frame::push_reset(output.bytes(), id, Code::InternalError);
            self.remember_reset(id);
            self.streams.leave(key);
        }
    }

    /// Refuses a request for which nothing has been done: its client may try again. Returns what
    /// breaks the connection, if this is one stream too many that is reset.
    pub fn refuse(&mut self, key: Key, now: Moment, output: &mut Output) -> Option<Fault> {
        let id = self.streams.get(key)?.id;
        let fault = Fault::new(Code::RefusedStream, "requests that wait take too much memory");
        let fault = self.reset(id, fault, now, output).err()?;
        let _ = self.fail(fault, output);
        Some(fault)
    }

    /// Bytes of an answer's content that have not been sent.
    #[must_use]
    pub fn unsent_bytes(&self, key: Key) -> u64 {
        self.streams.get(key).map_or(0, |stream| stream.content.len())
    }

    /// Bytes of content that wait in a paced stream that has used up what it was allowed.
    #[must_use]
    pub fn unpaced_bytes(&self, key: Key) -> Option<u64> {
        let stream = self.streams.get(key)?;
        let bytes = stream.content.len();
        (stream.allowance == 0 && bytes > 0).then_some(bytes)
    }

    /// Allows a paced stream to send so much.
    pub fn allow(&mut self, key: Key, bytes: u64) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.allowance = stream.allowance.saturating_add(bytes);
        }
    }

    /// The stream whose content is sent next.
    fn most_urgent(&self) -> Option<Key> {
        let ready = self.streams.iter().filter(|(_, stream)| {
            stream.is_ready() && (self.window > 0 || stream.content.front_bytes() == 0)
        });
        ready.min_by_key(|(_, stream)| stream.order()).map(|(key, _)| key)
    }

    /// Sends of a stream until it is another one's turn.
    fn send_turn(
        &mut self,
        key: Key,
        bytes_max: u64,
        now: Moment,
        at_hand: &mut dyn FnMut(&FileRange) -> u64,
        output: &mut Output,
    ) -> u64 {
        let mut made = 0;
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn;
        while let Some(stream) = self.streams.get_mut(key) {
            let is_incremental = stream.priority.is_incremental;
            let has_room = self.window > 0 || stream.content.front_bytes() == 0;
            if !stream.is_ready() || !has_room || made >= bytes_max {
                break;
            }
            let most = stream.content.front_file().map_or(u64::MAX, &mut *at_hand);
            if most == 0 {
                stream.supply = Supply::Wanted;
                break;
            }
            stream.turn = turn;
            made += self.send(key, most, now, output);
            if self.streams.get(key).is_none_or(|stream| stream.answer == Answer::Given) {
                self.ended.push(Ended { key, unsent_bytes: 0, reason: None });
                break;
            }
            if is_incremental {
                break;
            }
        }
        made
    }

    /// Sends one frame of a stream that is ready: the bytes that it has, of which so many can be
    /// had at once, and behind the last of them what is told behind all.
    fn send(&mut self, key: Key, at_hand: u64, now: Moment, output: &mut Output) -> u64 {
        let Some(stream) = self.streams.get_mut(key) else { return 0 };
        let room = stream.window.min(self.window).max(0) as u64;
        let most = room.min(self.frame_bytes_max as u64).min(CONTENT_BYTES_MAX).min(at_hand);
        let bytes = stream.content.front_bytes().min(most).min(stream.allowance);
        let part = stream.content.take(bytes);
        let ends = stream.answer == Answer::Sending && stream.content.front_bytes() == 0;
        let trailers = if ends { mem::take(&mut stream.trailers) } else { Vec::new() };
        if bytes > 0 || trailers.is_empty() {
            let flags = if ends && trailers.is_empty() { frame::END_STREAM } else { 0 };
            let head = frame::head(frame::DATA, flags, stream.id, bytes as usize);
            output.bytes().extend_from_slice(&head);
            part.into_iter().for_each(|part| output.push(part));
        }
        if !trailers.is_empty() {
            let out = output.bytes();
            let start = begin_head(&mut self.has_told_table, out);
            hpack::lines(&trailers, out);
            frame_head((stream.id, frame::END_STREAM, self.frame_bytes_max), start, out);
        }
        stream.fetched = stream.fetched.saturating_sub(bytes);
        stream.window -= bytes as i64;
        self.window -= bytes as i64;
        if stream.allowance != u64::MAX {
            stream.allowance -= bytes;
        }
        stream.clock.progress(now, bytes, self.limits);
        self.calm.sent(bytes as u32, ends);
        if ends {
            self.finish(key, now, output);
        }
        HEAD_BYTES as u64 + bytes
    }

    /// The answer is complete; content that is still to come is dropped, if it is little.
    fn finish(&mut self, key: Key, now: Moment, output: &mut Output) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.answer = Answer::Given;
        stream.clock.unblock(now);
        let is_little = stream.content_due.is_none_or(|due| due <= u64::from(stream.grant));
        match stream.is_receiving {
            false => self.complete(key),
            // Who waits to be asked for content need not send it.
            true if is_little && stream.grant > 0 && !stream.expects_continue => {
                stream.clock.wait(now);
            }
            true => self.stop_content(key, output),
        }
    }

    /// A stream has come to its end on both sides.
    pub(crate) fn complete(&mut self, key: Key) {
        self.calm.completed();
        self.streams.leave(key);
    }

    /// Asks for no more content of a request that has been answered.
    pub(crate) fn stop_content(&mut self, key: Key, output: &mut Output) {
        if let Some(stream) = self.streams.get(key) {
            let id = stream.id;
            frame::push_reset(output.bytes(), id, Code::NoError);
            self.remember_reset(id);
            self.streams.leave(key);
        }
    }
}

/// Appends room for the head of a frame, and what is said before the first field: where it begins.
fn begin_head(has_told_table: &mut bool, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    if !mem::replace(has_told_table, true) {
        hpack::no_table(out);
    }
    start
}

/// Appends the field block of an answer's head.
#[inline]
fn push_fields(response: &Response, date: &Date29, out: &mut Vec<u8>) {
    let prepared = response.prepared.as_deref().map_or(&b""[..], |prepared| {
        let is_revalidated = response.status == Status::NOT_MODIFIED;
        prepared.http2(is_revalidated, hpack::lines)
    });
    out.reserve(HEAD_ROOM_BYTES + prepared.len());
    hpack::status(response.status, out);
    hpack::date(date, out);
    out.extend_from_slice(prepared);
    if let Some(standing) = response.standing {
        out.extend_from_slice(standing.http2(false, hpack::lines));
    }
    hpack::lines(&response.lines, out);
    if let Some(length) = response.body.len()
        && !response.status.is_bodiless()
    {
        hpack::content_length(length, out);
    }
}

/// Makes frames of the field block at the end of `out`, behind room for the head of the first one
/// at `start`.
fn frame_head((id, flags, bytes_max): (u32, u8, usize), start: usize, out: &mut Vec<u8>) {
    let payload_bytes = out.len() - start - HEAD_BYTES;
    if payload_bytes <= bytes_max {
        let flags = flags | frame::END_HEADERS;
        let head = frame::head(frame::HEADERS, flags, id, payload_bytes);
        return out[start..start + HEAD_BYTES].copy_from_slice(&head);
    }
    let block = out.split_off(start + HEAD_BYTES);
    out.truncate(start);
    let frames = block.len().div_ceil(bytes_max);
    for (at, payload) in block.chunks(bytes_max).enumerate() {
        let (kind, own) = if at == 0 { (frame::HEADERS, flags) } else { (frame::CONTINUATION, 0) };
        let end = if at + 1 == frames { frame::END_HEADERS } else { 0 };
        frame::push(out, kind, own | end, id, payload);
    }
}
