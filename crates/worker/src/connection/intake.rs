//! From the socket to the bytes that the protocol room reads: a balancer's header, then TLS, each
//! where it is spoken.

use super::{Connection, content::AHEAD_BYTES};
use crate::{
    admission::{self, Admission, Introduction},
    core::Scratch,
    secure::Intake,
    turn::Turn,
};
use control::{counters::Protocol, lives::What};
use std::{
    os::fd::AsFd,
    task::{Context, Poll, ready},
};

/// Bytes that are read at once where a balancer's header is due before TLS begins.
const HEADER_BYTES: usize = 4096;

impl Connection {
    /// Takes what an idle connection has sent and nobody has looked at, if there is anything:
    /// closing now would lose a request that was on its way.
    pub(super) fn has_request(&mut self, turn: &mut Turn<'_>) -> bool {
        let Scratch { input, records, .. } = &mut *turn.scratch;
        match &mut self.secure {
            Some(secure) if !matches!(self.admission, Admission::HeaderDue) => {
                let about = (turn.core, self.client);
                let intake = secure.receive_now(&self.socket, (input, records), about);
                self.take_in(intake, turn);
            }
            _ => {
                let received = net::socket::receive(self.socket.as_fd(), input);
                turn.unread = 0..received.unwrap_or(0);
            }
        }
        !turn.unread.is_empty()
    }

    /// Lays out what TLS has left undone; whether hands are being shaken.
    pub(super) fn lay_out(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(secure) = &mut self.secure else { return false };
        secure.lay_out(&mut turn.scratch.records);
        secure.is_shaking()
    }

    /// Says to a peer that nobody waits for that nothing more will come.
    pub(super) fn part(&mut self, turn: &mut Turn<'_>) {
        self.hear_end();
        if let Some(secure) = &mut self.secure {
            secure.end_now(&self.socket, &mut turn.scratch.records);
        }
    }

    /// Takes the header that says who the client is, where one is due; false if there will be none.
    pub(super) fn introduce(&mut self, turn: &mut Turn<'_>) -> bool {
        let Admission::HeaderDue = self.admission else { return true };
        let unread = &turn.scratch.input[turn.unread.clone()];
        match admission::introduce(turn.core, self.client, unread) {
            Introduction::NotYet => {}
            Introduction::Malformed => {
                admission::shut_out(turn.core, self.client, admission::MALFORMED);
                return false;
            }
            Introduction::Of(client, bytes, admission, seat) => {
                (self.client, self.admission) = (client, admission);
                client
                    .iter()
                    .for_each(|client| turn.core.tell(self.name, What::Introduced(*client)));
                if let Some(seat) = seat {
                    self.seat = seat;
                }
                turn.unread.start += bytes;
                self.open_rest(turn);
            }
        }
        true
    }

    /// Takes what has come behind a balancer's header for what it is: sealed, where TLS is spoken.
    fn open_rest(&mut self, turn: &mut Turn<'_>) {
        let Some(secure) = &mut self.secure else { return };
        let Scratch { input, records, .. } = &mut *turn.scratch;
        records.put(&input[turn.unread.clone()]);
        turn.unread = 0..0;
        let intake = secure.open(input, records, (turn.core, self.client));
        self.take_in(intake, turn);
    }

    /// Takes in what TLS has made of the peer's bytes; false at their end. What is unread stands in
    /// front of the plain ones.
    fn take_in(&mut self, intake: Intake, turn: &mut Turn<'_>) -> bool {
        match intake {
            Intake::Plain(count) => turn.unread.end += count,
            Intake::End => return false,
            Intake::Over => self.give_up(turn),
            Intake::Foreign(clear) => {
                self.secure = None;
                self.spoken = turn.core.speaks(Protocol::Http1);
                self.may_be_http2 = false;
                self.admission = Admission::InClear;
                let room = &mut turn.scratch.input[turn.unread.end..];
                let count = clear.len().min(room.len());
                room[..count].copy_from_slice(&clear[..count]);
                turn.unread.end += count;
            }
        }
        true
    }

    /// Whether records wait to be sent.
    pub(super) fn has_unsent(&self, turn: &Turn<'_>) -> bool {
        self.secure.is_some() && turn.scratch.records.has_unsent()
    }

    /// Reads what the peer has sent behind what is unread; false at the end, or where it is broken.
    pub(super) fn read(&mut self, turn: &mut Turn<'_>, context: &mut Context<'_>) -> Poll<bool> {
        let unread = turn.unread.clone();
        if !unread.is_empty() {
            turn.scratch.input.copy_within(unread.clone(), 0);
        }
        turn.unread = 0..unread.len();
        let is_asking = turn.is_asking();
        let Scratch { input, records, .. } = &mut *turn.scratch;
        let room = &mut input[unread.len()..];
        let is_there = match &mut self.secure {
            Some(secure) if !matches!(self.admission, Admission::HeaderDue) => {
                let about = (turn.core, self.client);
                let intake =
                    ready!(secure.poll_receive(&self.socket, (room, records), about, context));
                self.take_in(intake, turn)
            }
            secure => {
                // What follows a balancer's header is sealed, and no more than TLS has room for.
                let most = match secure {
                    Some(_) => HEADER_BYTES,
                    None if is_asking => AHEAD_BYTES,
                    None => room.len(),
                };
                let room_bytes = room.len().min(most);
                let count = ready!(self.socket.poll_receive(&mut room[..room_bytes], context));
                turn.unread.end += count;
                count > 0
            }
        };
        turn.began_us = None;
        Poll::Ready(is_there)
    }
}
