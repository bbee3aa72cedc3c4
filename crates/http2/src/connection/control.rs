//! What the frames do that are about the connection, windows and priorities (RFC 9113 sections 6.3
//! and 6.5 to 6.9, RFC 9218 section 7.1).

use super::{Connection, PARTING_PING, Parting, Phase, receiving::Step};
use crate::{
    fault::{Code, Fault},
    frame::{self, Frame, MAX_31_BITS},
    limits::EARLY_PRIORITIES_MAX,
    priority::Priority,
};
use base::Moment;
use message::Output;

/// What the widest window may hold, and one more.
const WINDOW_MAX: i64 = MAX_31_BITS as i64;
const MAX_NEXT: u32 = MAX_31_BITS + 1;

/// The setting of what the window of a stream holds at first.
const INITIAL_WINDOW_SIZE: u16 = 4;

const TOO_WIDE: Fault = Fault::new(Code::FlowControlError, "a window is too wide");

impl Connection {
    pub(super) fn settings<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
        output: &mut Output,
    ) -> Result<Step<'b>, Fault> {
        if frame.stream != 0 {
            return Err(Fault::protocol("SETTINGS on a stream"));
        }
        if frame.has(frame::ACK) {
            self.knows_settings = true;
            return match frame.payload {
                [] => {
                    self.room.acknowledged(now);
                    self.calm.idle_frame(now).map(|()| Step::Done)
                }
                _ => Err(Fault::size("a SETTINGS frame that acknowledges says something")),
            };
        }
        let (settings, []) = frame.payload.as_chunks::<6>() else {
            return Err(Fault::size("SETTINGS has a part of a setting"));
        };
        let (mut window, mut widest) = (None, 0);
        for setting in settings {
            let name = u16::from_be_bytes([setting[0], setting[1]]);
            let value = frame::number(&setting[2..]);
            self.set(name, value)?;
            if name == INITIAL_WINDOW_SIZE {
                (window, widest) = (Some(value), widest.max(value));
            }
        }
        if let Some(window) = window {
            self.set_windows(window, widest)?;
        }
        self.phase = Phase::Open;
        self.calm.idle_frame(now)?;
        frame::push(output.bytes(), frame::SETTINGS, frame::ACK, 0, &[]);
        Ok(Step::Done)
    }

    /// One setting of the peer (RFC 9113 section 6.5.2, RFC 9218 section 2.1).
    fn set(&mut self, name: u16, value: u32) -> Result<(), Fault> {
        match (name, value) {
            (2 | 9, 2..) => Err(Fault::protocol("a setting is neither 0 nor 1")),
            (INITIAL_WINDOW_SIZE, MAX_NEXT..) => Err(TOO_WIDE),
            (5, 0x4000..0x100_0000) => {
                self.frame_bytes_max = value as usize;
                Ok(())
            }
            (5, _) => Err(Fault::protocol("a setting's frame size cannot be")),
            // Our encoder fills no table, however large it may be; pushes and tunnels are not ours.
            _ => Ok(()),
        }
    }

    /// The windows of streams hold so much from now on, after they have held as much as `widest`
    /// within the same frame. All of its settings together are one walk through the streams.
    fn set_windows(&mut self, window: u32, widest: u32) -> Result<(), Fault> {
        let before = std::mem::replace(&mut self.stream_window, i64::from(window));
        let (change, most) = (i64::from(window) - before, i64::from(widest) - before);
        for (_, stream) in self.streams.iter_mut() {
            if stream.window + most > WINDOW_MAX {
                return Err(TOO_WIDE);
            }
            stream.window += change;
        }
        Ok(())
    }

    pub(super) fn ping<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
        output: &mut Output,
    ) -> Result<Step<'b>, Fault> {
        if frame.payload.len() != 8 {
            return Err(Fault::size("PING has not eight bytes"));
        }
        if frame.stream != 0 {
            return Err(Fault::protocol("PING on a stream"));
        }
        self.calm.idle_frame(now)?;
        if !frame.has(frame::ACK) {
            frame::push(output.bytes(), frame::PING, frame::ACK, 0, frame.payload);
        } else if frame.payload == PARTING_PING && matches!(self.parting, Parting::Announced(_)) {
            self.part_at_once(output);
        }
        Ok(Step::Done)
    }

    /// Who says so begins no more streams, and closes the connection itself when it has all.
    pub(super) fn goaway<'b>(&mut self, frame: &Frame<'b>, now: Moment) -> Result<Step<'b>, Fault> {
        if frame.stream != 0 {
            return Err(Fault::protocol("GOAWAY on a stream"));
        }
        if frame.payload.len() < 8 {
            return Err(Fault::size("GOAWAY is too short"));
        }
        self.calm.idle_frame(now).map(|()| Step::Done)
    }

    pub(super) fn window_update<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
        output: &mut Output,
    ) -> Result<Step<'b>, Fault> {
        let id = frame.stream;
        if frame.payload.len() != 4 {
            return Err(Fault::size("WINDOW_UPDATE has not four bytes"));
        }
        if id != 0 && self.is_idle_stream(id) {
            return Err(Fault::protocol("WINDOW_UPDATE on a stream that has not begun"));
        }
        self.calm.update(now)?;
        let bytes = frame::number(frame.payload) & MAX_31_BITS;
        let window = match self.streams.find(id) {
            _ if id == 0 => &mut self.window,
            Some(key) => match self.streams.get_mut(key) {
                Some(stream) => &mut stream.window,
                None => return Ok(Step::Done),
            },
            None => return Ok(Step::Done),
        };
        *window += i64::from(bytes);
        let fault = match bytes {
            0 => Fault::protocol("a window is widened by nothing"),
            _ if *window > WINDOW_MAX => TOO_WIDE,
            _ => return Ok(Step::Done),
        };
        match id {
            0 => Err(fault),
            _ => self.cut(id, fault, now, output).map(Step::Event),
        }
    }

    /// The priorities of RFC 7540 are not followed, but have to be sound.
    pub(super) fn priority<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
        output: &mut Output,
    ) -> Result<Step<'b>, Fault> {
        let id = frame.stream;
        if id == 0 {
            return Err(Fault::protocol("PRIORITY on no stream"));
        }
        self.calm.idle_frame(now)?;
        let fault = if frame.payload.len() != 5 {
            Fault::size("PRIORITY has not five bytes")
        } else if frame::number(frame.payload) & MAX_31_BITS == id {
            Fault::protocol("a stream depends on itself")
        } else {
            return Ok(Step::Done);
        };
        match self.streams.find(id) {
            Some(_) => self.cut(id, fault, now, output).map(Step::Event),
            // There is no stream that could be reset.
            None => Err(fault),
        }
    }

    /// RFC 9218 section 7.1.
    pub(super) fn priority_update<'b>(
        &mut self,
        frame: &Frame<'b>,
        now: Moment,
    ) -> Result<Step<'b>, Fault> {
        if frame.stream != 0 {
            return Err(Fault::protocol("PRIORITY_UPDATE on a stream"));
        }
        let Some((id, value)) = frame.payload.split_first_chunk::<4>() else {
            return Err(Fault::size("PRIORITY_UPDATE is too short"));
        };
        let id = frame::number(id) & MAX_31_BITS;
        if id.is_multiple_of(2) {
            return Err(Fault::protocol("PRIORITY_UPDATE of a stream that a client cannot begin"));
        }
        self.calm.idle_frame(now)?;
        let priority = Priority::parse(value);
        if let Some(key) = self.streams.find(id) {
            self.streams.get_mut(key).into_iter().for_each(|stream| stream.priority = priority);
        } else if id > self.last {
            let last = self.last;
            self.early.retain(|(early, _)| *early != id && *early > last);
            if self.early.len() < EARLY_PRIORITIES_MAX {
                self.early.push((id, priority));
            }
        }
        Ok(Step::Done)
    }
}
