//! The queue of a socket that listens: who waits there to be accepted, and who was dropped.

use crate::sys;
use rustix::fd::BorrowedFd;
use std::io;

/// The queue of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Connections that wait to be accepted.
    pub waiting: u64,
    /// How many may.
    pub waiting_max: u64,
    /// Connections that were dropped, mostly as there were too many.
    pub dropped: u64,
}

impl Queue {
    /// The one of this socket, which listens by TCP.
    ///
    /// # Errors
    ///
    /// It is another kind of socket.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let info = sys::tcp_info(socket)?;
        Ok(Self {
            // For one that listens the kernel puts its queue where else these are.
            waiting: u64::from(info.tcpi_unacked),
            waiting_max: u64::from(info.tcpi_sacked),
            dropped: u64::from(sys::socket_drops(socket)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream},
        os::{fd::AsFd, unix::net::UnixListener},
    };

    #[test]
    fn those_who_wait_are_seen_until_they_are_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let queue = || Queue::of(listener.as_fd()).unwrap();
        let before = queue();
        assert!(before.waiting == 0 && before.waiting_max > 0 && before.dropped == 0);
        let _clients = [0; 3].map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        assert_eq!(queue(), Queue { waiting: 3, ..before });
        let _first = listener.accept().unwrap();
        assert_eq!(queue(), Queue { waiting: 2, ..before });
    }

    #[test]
    fn a_unix_socket_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        assert!(Queue::of(listener.as_fd()).is_err());
    }
}
