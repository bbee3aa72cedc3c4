//! Connections over a limit: each is answered at once, and kept a moment longer to hear it.

use crate::{due::Due, socket::Socket};
use base::Moment;
use http1::Date29;
use net::socket::{finish, receive, send_more};
use std::{cell::RefCell, collections::VecDeque, io::IoSlice, os::fd::AsFd, rc::Rc};

/// Connections that are kept at most; the oldest of them goes first.
const KEPT_MAX: usize = 64;

/// Bytes of a request that are read to be dropped, at the beginning and at the end.
const DROPPED_BYTES: usize = 16 * 1024;

/// The answer, around its date.
const HEAD: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nserver: gannet\r\ndate: ";
const REST: &[u8] = b"\r\ncontent-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\ncontent-length: 21\r\nretry-after: 1\r\n\
    connection: close\r\n\r\ntoo many connections\n";

/// Bytes of the answer's content.
pub(crate) const CONTENT_BYTES: u64 = 21;

/// Those that have been answered and are not closed yet, oldest first.
///
/// Closing a socket that holds unread bytes resets the connection, and the reset may overtake the
/// answer. So they are read first, and what comes later finds the socket still open for a while.
/// None of this takes a task, or more than a fixed number of descriptors.
pub(crate) struct TurnedAway {
    kept: RefCell<VecDeque<(Moment, Socket)>>,
    due: Rc<Due>,
}

impl TurnedAway {
    /// None yet. The loop looks at them by `due`.
    pub(crate) fn new(due: &Rc<Due>) -> Self {
        Self { kept: RefCell::default(), due: Rc::clone(due) }
    }

    /// Answers 503 on `peer`, which is closed at `until` at the latest.
    pub(crate) fn answer(&self, peer: Socket, date: &Date29, until: Moment) {
        drop_unread(&peer);
        let answer = [HEAD, date, REST].map(IoSlice::new);
        // The send buffer of a new connection has room for this. Where sending fails, there is
        // nobody left to be told.
        if send_more(peer.as_fd(), &answer, false).is_err() || finish(peer.as_fd()).is_err() {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((until, peer));
        self.due.by(until);
    }

    /// Closes those whose time has come.
    pub(crate) fn sweep(&self, now: Moment) {
        let mut kept = self.kept.borrow_mut();
        while let Some((until, peer)) = kept.front()
            && *until <= now
        {
            drop_unread(peer);
            kept.pop_front();
        }
        self.due.by(kept.front().map_or(Moment::NEVER, |(until, _)| *until));
    }

    /// Closes all of them, for their descriptors.
    pub(crate) fn close_all(&self) {
        self.kept.borrow_mut().clear();
    }
}

fn drop_unread(peer: &Socket) {
    // Nothing there, or nobody: all the same to whoever drops it.
    let _ = receive(peer.as_fd(), &mut [0; DROPPED_BYTES]);
}
