//! The content of requests: how it comes (RFC 9113 section 6.1), and how much more of it may.

use super::{Connection, Phase, receiving::Step};
use crate::{
    event::Event,
    fault::{Code, Fault},
    frame::{self, Frame},
    limits::CONTENT_BYTES_MIN,
    room,
    stream::{Answer, Key, Stream},
};
use base::Moment;
use message::Output;
use std::mem;

impl Connection {
    /// So many bytes of the content that was told are with whom they are for. More is let in for
    /// those, by [`Connection::widen`].
    pub fn took(&mut self, key: Key, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.untaken =
                stream.untaken.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Lets the peer send more, where what it has sent was taken; to be called when a turn has
    /// taken what it can.
    pub fn widen(&mut self, now: Moment, output: &mut Output) {
        if self.room.is_whole() || self.phase == Phase::Deaf {
            return;
        }
        // Of a request that was answered, nothing is kept.
        let kept = self.streams.iter().filter(|(_, stream)| stream.answer != Answer::Given);
        let untaken = kept.map(|(_, stream)| stream.untaken).sum();
        if let Some(bytes) = self.room.widen(untaken, now) {
            frame::push_window(output.bytes(), 0, bytes);
        }
        let wanted = |stream: &Stream| {
            let may_come = stream.content_due.is_none_or(|due| due > u64::from(stream.grant));
            stream.is_receiving && may_come && stream.answer != Answer::Given
        };
        for (_, stream) in self.streams.iter_mut().filter(|(_, stream)| wanted(stream)) {
            let used = stream.grant + stream.untaken;
            if let Some(bytes) = room::more(self.room.bytes, used) {
                frame::push_window(output.bytes(), stream.id, bytes);
                stream.grant += bytes;
            }
        }
    }

    pub(super) fn data<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
        output: &mut Output,
    ) -> Result<Step<'b>, Fault> {
        let id = frame.stream;
        let part_bytes = mem::take(&mut self.part_bytes);
        if self.is_idle_stream(id) {
            return Err(Fault::protocol("DATA on a stream that has not begun"));
        }
        let flow = Fault::new(Code::FlowControlError, "more content than the window holds");
        let bytes = frame.payload.len() as u32;
        self.room.take(bytes, now).ok_or(flow)?;
        let content = frame.unpadded()?;
        let ends = frame.has(frame::END_STREAM);
        if content.len() < CONTENT_BYTES_MIN && !ends {
            self.calm.idle_frame(now)?;
        }
        let Some(key) = self.streams.find(id) else {
            if self.is_dropped(id) {
                // Who was within the windows could not know; an end there is once.
                if ends || !self.was_let_in(id, bytes) {
                    self.calm.idle_frame(now)?;
                }
                return Ok(Step::Done);
            }
            let fault = Fault::new(Code::StreamClosed, "DATA on a stream that is over");
            return self.cut(id, fault, now, output).map(Step::Event);
        };
        let Some(stream) = self.streams.get_mut(key) else { return Ok(Step::Done) };
        if !stream.is_receiving {
            let fault =
                Fault::new(Code::StreamClosed, "DATA on a stream that the client has ended");
            return self.cut(id, fault, now, output).map(Step::Event);
        }
        let Some(grant) = stream.grant.checked_sub(bytes) else {
            return self.cut(id, flow, now, output).map(Step::Event);
        };
        stream.grant = grant;
        stream.came(content.len().saturating_sub(part_bytes), now);
        if let Some(due) = &mut stream.content_due {
            let Some(left) = due.checked_sub(content.len() as u64) else {
                let fault = Fault::protocol("the content is longer than its length");
                return self.cut(id, fault, now, output).map(Step::Event);
            };
            *due = left;
        }
        stream.untaken += content.len() as u32;
        let is_wanted = stream.answer != Answer::Given;
        if ends && (content.is_empty() || !is_wanted) {
            return self.end_content(key, now, output).map(Step::Event);
        }
        if ends {
            self.ending = Some(key);
            return Ok(Step::Event(Event::Content(key, content)));
        }
        if !is_wanted {
            // Its time has run since the answer, and is one however slowly the rest comes.
            if grant == 0 {
                self.stop_content(key, output);
            }
            return Ok(Step::Done);
        }
        Ok(Step::Event(Event::Content(key, content)))
    }

    /// Part of a frame of content has come: it counts, however slowly the rest comes.
    pub(super) fn note_part(&mut self, part: &Frame<'_>, now: Moment) {
        let came = part.payload.len();
        let bytes = came.saturating_sub(mem::replace(&mut self.part_bytes, came));
        let stream = self.streams.find(part.stream).and_then(|key| self.streams.get_mut(key));
        if let Some(stream) = stream.filter(|_| bytes > 0) {
            stream.came(bytes, now);
        }
    }

    /// The content of a request is complete.
    pub(super) fn end_content<'b>(
        &mut self,
        key: Key,
        now: Moment,
        output: &mut Output,
    ) -> Result<Event<'b>, Fault> {
        let Some(stream) = self.streams.get_mut(key) else { return Ok(Event::Handled) };
        if stream.content_due.is_some_and(|due| due > 0) {
            let id = stream.id;
            let fault = Fault::protocol("the content is shorter than its length");
            return self.cut(id, fault, now, output);
        }
        stream.is_receiving = false;
        stream.clock.stop();
        if stream.answer == Answer::Given {
            self.complete(key);
            return Ok(Event::Handled);
        }
        Ok(Event::End(key))
    }
}
