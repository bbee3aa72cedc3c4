//! What an application says, on its way from the socket to the stage that its answer is at.

use super::{Failure, Stage, Talk, WHOLE_BYTES_MAX};
use crate::log::Kind;
use fastcgi::{Event, Head};
use message::room;
use net::socket::{self, Received};
use std::{
    io, mem,
    os::fd::BorrowedFd,
    task::{Context, Poll, ready},
};

/// Records that are read in one call, and bytes of what stands between their content.
const TURNS: usize = 16;
const BETWEEN_BYTES: usize = 512;

/// Bytes of the record that ends an answer.
const END_BYTES: usize = 16;

impl Talk<'_> {
    /// Takes what has come: content to the end of that which is there, as far as it can be told
    /// where it ends; the rest to what is unread.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Received>> {
        let Self { socket, answer, stage, content, input, .. } = self;
        let is_wanted = matches!(stage, Stage::Gathering(..) | Stage::Passing(_));
        if is_wanted
            && input.is_empty()
            && let Some(course) = answer.course()
        {
            match stage {
                Stage::Passing(_) if content.capacity() == 0 => {
                    *content = room::take();
                }
                Stage::Gathering(_, Head { length: None, .. }) => {
                    content.reserve_exact((WHOLE_BYTES_MAX + 1).saturating_sub(content.len()));
                }
                _ => {}
            }
            let (start, room_bytes) = (content.len(), content.capacity() - content.len());
            if room_bytes > 0 {
                let turns = course.turns(room_bytes).take(TURNS);
                // Where there is room for all content, what ends the answer follows it.
                let end_bytes = match stage {
                    Stage::Gathering(..) if content.capacity() <= WHOLE_BYTES_MAX => END_BYTES,
                    _ => 0,
                };
                let gaps_bytes: usize = turns.clone().map(|(_, gap_bytes)| gap_bytes).sum();
                let mut between = [0; BETWEEN_BYTES];
                let between_bytes = between.len().min(gaps_bytes + end_bytes);
                let call = |socket: BorrowedFd<'_>| {
                    let room = (&mut *content, &mut between[..between_bytes]);
                    socket::receive_by_turns(socket, room, turns.clone())
                };
                let received = ready!(socket.poll_read(call, context))?;
                let between = &between[..received.aside_bytes];
                *input = answer.follow(&course, (content, start), between);
                return Poll::Ready(Ok(received));
            }
        }
        if input.capacity() < room::BYTES {
            let mut room = room::take();
            room.append(input);
            *input = room;
        }
        let call = |socket: BorrowedFd<'_>| socket::receive_more(socket, &mut *input);
        socket.poll_read(call, context)
    }

    /// Gives back rooms in which there is nothing.
    pub(super) fn leave_rooms(&mut self) {
        if self.input.is_empty() {
            room::give_back(mem::take(&mut self.input));
        }
        if self.content.is_empty() && matches!(self.stage, Stage::Passing(_)) {
            room::give_back(mem::take(&mut self.content));
        }
    }

    /// Takes in what came; true once the answer is complete.
    pub(super) async fn understand(&mut self) -> Result<bool, Failure> {
        let (input, mut at) = (mem::take(&mut self.input), 0);
        let is_over = loop {
            let (used, event) = match self.answer.receive(&input[at..]) {
                Ok(received) => received,
                Err(fault) => {
                    self.put().await?;
                    return Err(fault.into());
                }
            };
            at += used;
            match event {
                Event::Incomplete => break false,
                Event::End => {
                    self.is_over = at == input.len() && self.answer.is_over();
                    break true;
                }
                Event::Stderr(line) => {
                    self.asked.report(self.core, Kind::Stderr, &String::from_utf8_lossy(&line));
                }
                Event::Early(lines) => self.hint(lines)?,
                Event::Head(head) => self.begin(head, input.len() - at)?,
                Event::Content(piece) => self.take(piece, input.len() - at),
            }
        };
        self.input = input;
        self.input.drain(..at);
        match &self.stage {
            Stage::Gathering(..) if self.content.len() > WHOLE_BYTES_MAX => self.pass_on().await?,
            _ => self.put().await?,
        }
        self.leave_rooms();
        Ok(is_over)
    }

    /// Takes a piece of content, with at most so many bytes behind it.
    fn take(&mut self, piece: &[u8], bytes: usize) {
        match self.stage {
            Stage::Head(_) | Stage::Discarding => {}
            Stage::Gathering(..) => self.content.extend_from_slice(piece),
            Stage::Passing(_) => {
                if self.content.capacity() == 0 {
                    self.content.reserve_exact(piece.len() + bytes);
                }
                self.content.extend_from_slice(piece);
            }
        }
    }
}
