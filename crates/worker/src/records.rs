//! Room for the records of TLS: lent for one turn of a connection, as the rest of its room is.

use crate::socket::Socket;
use net::socket;
use std::io;
use tls::Outgoing;

/// Bytes that one read takes from a socket. As much is always free where plain bytes go.
pub(crate) const READ_BYTES: usize = tls::UNREAD_BYTES_MAX;

/// Room for records, lent for one turn.
#[derive(Default)]
pub(crate) struct Records {
    /// What has come, and how much of it there is.
    pub(crate) sealed: Vec<u8>,
    pub(crate) count: usize,
    pub(crate) output: Outgoing,
    /// Plain bytes that are gathered for a record.
    pub(crate) plain: Vec<u8>,
}

impl Records {
    /// Adds bytes that have come.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(self.sealed.len() - self.count)];
        self.sealed[self.count..self.count + bytes.len()].copy_from_slice(bytes);
        self.count += bytes.len();
    }

    /// Whether records wait to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.output.is_empty()
    }

    /// Sends them: how many bytes the socket took.
    pub(crate) fn send(&mut self, socket: &Socket) -> io::Result<usize> {
        let count = socket.write(|socket| socket::send(socket, self.output.unsent()))?;
        self.output.advance(count);
        Ok(count)
    }
}
