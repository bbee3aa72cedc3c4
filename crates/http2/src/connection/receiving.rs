//! What the frames of requests do (RFC 9113 sections 6.1, 6.2, 6.4 and 6.10).

use crate::{
    block::Block,
    connection::{Connection, Parting, Phase},
    event::{Ended, Event},
    fault::{Code, Fault},
    frame::{self, Frame},
    limits::{BLOCK_HEADS_MAX, CONTINUATIONS_MAX, STREAMS_MAX},
    priority::Priority,
    request::{self, Head},
    stream::{Answer, Key},
};
use base::Moment;
use message::{Length, Method, Name, Output, Slots};
use std::borrow::Cow;

/// What became of a frame.
pub(crate) enum Step<'b> {
    Done,
    Event(Event<'b>),
    /// A head is complete.
    Head(HeadBlock<'b>),
}

/// A field block, whole or with more frames to come.
#[derive(Debug)]
pub(crate) struct HeadBlock<'b> {
    stream: u32,
    /// Whether the head ends the stream.
    ends: bool,
    coded: Cow<'b, [u8]>,
    continuations: u32,
}

impl Connection {
    /// Takes one frame.
    #[inline]
    pub(crate) fn take<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
        output: &mut Output,
    ) -> Result<Step<'b>, Fault> {
        if let Some(partial) = &self.partial
            && (frame.kind != frame::CONTINUATION || frame.stream != partial.stream)
        {
            return Err(Fault::protocol("a field block is interrupted"));
        }
        if self.phase == Phase::Settings && (frame.kind != frame::SETTINGS || frame.has(frame::ACK))
        {
            return Err(Fault::protocol("the first frame is not SETTINGS"));
        }
        match frame.kind {
            frame::HEADERS => self.headers(frame),
            frame::DATA => self.data(frame, now, output),
            frame::WINDOW_UPDATE => self.window_update(frame, now, output),
            frame::RST_STREAM => self.rst_stream(frame, now),
            frame::SETTINGS => self.settings(frame, now, output),
            frame::PING => self.ping(frame, now, output),
            frame::CONTINUATION => self.continuation(frame),
            frame::PRIORITY => self.priority(frame, now, output),
            frame::PRIORITY_UPDATE => self.priority_update(frame, now),
            frame::PUSH_PROMISE => Err(Fault::protocol("a client promises a push")),
            frame::GOAWAY => self.goaway(frame, now),
            _ => self.calm.idle_frame(now).map(|()| Step::Done),
        }
    }

    /// Takes a head that is complete: the beginning of a stream, or the end of its content.
    pub(crate) fn take_head<'b>(
        &mut self,
        head: &HeadBlock<'_>,
        now: Moment,
        (block, slots): (&'b mut Block, &'b mut Slots<'b>),
        output: &mut Output,
    ) -> Result<Event<'b>, Fault> {
        let HeadBlock { stream: id, ends, coded, .. } = head;
        block.clear(self.limits);
        self.decoder.decode(coded, block)?;
        block.finish();
        if block.overflow().is_some() {
            self.calm.idle_frame(now)?;
        }
        if *id <= self.last {
            return self.trailers(head, block, now, output);
        }
        if self.parting == Parting::Final {
            // The client knows, or will, that this stream was not looked at.
            return self.calm.idle_frame(now).map(|()| Event::Handled);
        }
        self.note_begun(*id);
        self.make_room(output);
        let Some(key) = self.streams.enter(*id, self.stream_window, now) else {
            // Who cannot know yet how many there may be has broken no limit (section 6.5.2).
            match self.knows_settings {
                true => self.calm.reset(now)?,
                false => self.calm.idle_frame(now)?,
            }
            frame::push_reset(output.bytes(), *id, Code::RefusedStream);
            self.remember_reset(*id);
            return Ok(Event::Handled);
        };
        self.clock.stop();
        self.requests = self.requests.saturating_add(1);
        if self.requests >= self.limits.requests_max || now >= self.until {
            self.part(now, output);
        }
        self.open(key, *ends, now, (block, slots), output)
    }

    /// Where all slots are taken, frees one whose answer has been given and whose content is waited
    /// for by nobody.
    fn make_room(&mut self, output: &mut Output) {
        if self.streams.open() < STREAMS_MAX {
            return;
        }
        let given = self.streams.iter().find(|(_, one)| one.answer == Answer::Given);
        if let Some(key) = given.map(|(key, _)| key) {
            self.stop_content(key, output);
        }
    }

    /// Reads the head that has opened a stream.
    fn open<'b>(
        &mut self,
        key: Key,
        ends: bool,
        now: Moment,
        (block, slots): (&'b Block, &'b mut Slots<'b>),
        output: &mut Output,
    ) -> Result<Event<'b>, Fault> {
        let early = self.early_priority(key);
        let Some(stream) = self.streams.get_mut(key) else { return Ok(Event::Handled) };
        stream.is_receiving = !ends;
        stream.has_content = !ends;
        let fields = block.as_bytes();
        let head = match block.overflow() {
            Some(refusal) => Head::Refused(refusal),
            None => request::parse(fields, ends, self.limits, slots),
        };
        match head {
            Head::Request(request, priority) => {
                stream.is_head = request.method == Method::Head;
                stream.priority = early.unwrap_or(priority);
                stream.expects_continue = !ends && request.fields.contains(Name::Expect);
                if let Length::Known(length) = request.length {
                    stream.content_due = Some(length);
                }
                Ok(Event::Request(key, request, fields))
            }
            Head::Refused(refusal) => {
                stream.is_head = request::is_head(fields);
                Ok(Event::Refused(key, refusal))
            }
            Head::Malformed(reason) => {
                let id = stream.id;
                self.reset(id, Fault::protocol(reason), now, output)?;
                Ok(Event::Malformed(reason))
            }
        }
    }

    /// The priority that was told of a stream before it began.
    fn early_priority(&mut self, key: Key) -> Option<Priority> {
        if self.early.is_empty() {
            return None;
        }
        let id = self.streams.get(key)?.id;
        let at = self.early.iter().position(|(early, _)| *early == id)?;
        Some(self.early.swap_remove(at).1)
    }

    /// Fields behind the content, which are looked through and dropped.
    fn trailers<'b>(
        &mut self,
        head: &HeadBlock<'_>,
        block: &Block,
        now: Moment,
        output: &mut Output,
    ) -> Result<Event<'b>, Fault> {
        let id = head.stream;
        let Some(key) = self.streams.find(id) else {
            if self.is_dropped(id) {
                return self.calm.idle_frame(now).map(|()| Event::Handled);
            }
            return Err(match self.has_begun(id) {
                true => Fault::new(Code::StreamClosed, "HEADERS on a stream that is over"),
                false => Fault::protocol("a stream has a lower number than one before"),
            });
        };
        let is_receiving = self.streams.get(key).is_some_and(|stream| stream.is_receiving);
        let fault = if !is_receiving {
            Fault::new(Code::StreamClosed, "HEADERS on a stream that the client has ended")
        } else if !head.ends {
            Fault::protocol("trailers do not end their stream")
        } else if block.overflow().is_some() || !request::are_trailers(block.as_bytes()) {
            Fault::protocol("a trailer field is malformed")
        } else {
            return self.end_content(key, now, output);
        };
        self.cut(id, fault, now, output)
    }

    fn headers<'b>(&mut self, frame: &Frame<'b>) -> Result<Step<'b>, Fault> {
        let (coded, depends_on) = frame.block()?;
        if frame.stream.is_multiple_of(2) {
            return Err(Fault::protocol("HEADERS on a stream that a client cannot begin"));
        }
        if depends_on == Some(frame.stream) {
            return Err(Fault::protocol("a stream depends on itself"));
        }
        let (stream, ends) = (frame.stream, frame.has(frame::END_STREAM));
        if frame.has(frame::END_HEADERS) {
            let coded = Cow::Borrowed(coded);
            return Ok(Step::Head(HeadBlock { stream, ends, coded, continuations: 0 }));
        }
        let coded = Cow::Owned(coded.to_vec());
        self.partial = Some(Box::new(HeadBlock { stream, ends, coded, continuations: 0 }));
        Ok(Step::Done)
    }

    fn continuation<'b>(&mut self, frame: &Frame<'b>) -> Result<Step<'b>, Fault> {
        let Some(mut partial) = self.partial.take() else {
            return Err(Fault::protocol("CONTINUATION of nothing"));
        };
        partial.continuations += 1;
        let bytes = partial.coded.len() + frame.payload.len();
        let bytes_max = BLOCK_HEADS_MAX * self.limits.head_bytes_max;
        if partial.continuations > CONTINUATIONS_MAX || bytes > bytes_max {
            return Err(Fault::new(
                Code::EnhanceYourCalm,
                "a field block does not come to its end",
            ));
        }
        partial.coded.to_mut().extend_from_slice(frame.payload);
        if frame.has(frame::END_HEADERS) {
            return Ok(Step::Head(*partial));
        }
        self.partial = Some(partial);
        Ok(Step::Done)
    }

    fn rst_stream<'b>(&mut self, frame: &Frame<'b>, now: Moment) -> Result<Step<'b>, Fault> {
        if frame.payload.len() != 4 {
            return Err(Fault::size("RST_STREAM has not four bytes"));
        }
        if self.is_idle_stream(frame.stream) {
            return Err(Fault::protocol("RST_STREAM on a stream that has not begun"));
        }
        let Some(key) = self.streams.find(frame.stream) else {
            return self.calm.idle_frame(now).map(|()| Step::Done);
        };
        let has_begun = self.streams.get(key).is_some_and(|one| one.answer != Answer::Due);
        self.calm.cancel(has_begun, now)?;
        let unsent_bytes = self.unsent_bytes(key);
        self.streams.leave(key);
        let reason = Some("the client does not want it any more");
        Ok(Step::Event(Event::Cut(Ended { key, unsent_bytes, reason })))
    }

    /// Gives a stream up, and tells that its exchange is over.
    pub(super) fn cut<'b>(
        &mut self,
        id: u32,
        fault: Fault,
        now: Moment,
        output: &mut Output,
    ) -> Result<Event<'b>, Fault> {
        let ended = self.reset(id, fault, now, output)?;
        Ok(ended.map_or(Event::Handled, Event::Cut))
    }
}
