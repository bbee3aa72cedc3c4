//! The queue of a socket that listens: who waits there to be accepted; and who found no room.

use crate::{
    diag::{Diag, number32},
    sys,
};
use rustix::fd::BorrowedFd;
use std::{fs, io};

/// The queue of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Connections that wait to be accepted.
    pub waiting: u64,
    /// How many may.
    pub waiting_max: u64,
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
            // For one that listens the kernel puts its queue where else segments are counted.
            waiting: u64::from(number32(&info, 24).unwrap_or(0)),
            waiting_max: u64::from(number32(&info, 28).unwrap_or(0)),
        })
    }
}

impl Diag {
    /// The queue of this socket, which listens at a path.
    ///
    /// # Errors
    ///
    /// The kernel does not tell, or it is another kind of socket.
    pub fn queue(&self, socket: BorrowedFd<'_>) -> io::Result<Queue> {
        let node = rustix::fs::fstat(socket)?.st_ino;
        let (waiting, waiting_max) = self.queue_of(node as u32)?;
        Ok(Queue { waiting: waiting.into(), waiting_max: waiting_max.into() })
    }
}

/// What never came to be accepted: at any queue of this machine, or rather of its network
/// namespace, since that has been there. The kernel's count for each socket is of no use: it holds
/// every first ACK to one that waits for the first bytes of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How often a connection found no room in the queue it came to.
    pub overflows: u64,
    /// How often one was dropped there, for that or for want of memory or a way back.
    pub drops: u64,
}

impl Lost {
    /// So far.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn so_far() -> io::Result<Self> {
        // By this name it is also where a service sees of `/proc` only what is about processes.
        let text = fs::read_to_string("/proc/self/net/netstat")?;
        Self::read(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// What a table says that has the names of some counts in a line, and the counts in the next.
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
        let (names, counts) = (lines.next()?, lines.next()?);
        let count = |wanted: &str| {
            let mut pairs = names.split_ascii_whitespace().zip(counts.split_ascii_whitespace());
            pairs.find(|(name, _)| *name == wanted)?.1.parse().ok()
        };
        Some(Self { overflows: count("ListenOverflows")?, drops: count("ListenDrops")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream},
        os::{
            fd::AsFd,
            unix::net::{UnixListener, UnixStream},
        },
    };

    #[test]
    fn those_who_wait_are_seen_until_they_are_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let queue = || Queue::of(listener.as_fd()).unwrap();
        let before = queue();
        assert!(before.waiting == 0 && before.waiting_max > 0);
        let _clients = [0; 3].map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        assert_eq!(queue(), Queue { waiting: 3, ..before });
        let _first = listener.accept().unwrap();
        assert_eq!(queue(), Queue { waiting: 2, ..before });
    }

    #[test]
    fn of_a_unix_socket_another_part_of_the_kernel_tells() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(Queue::of(listener.as_fd()).is_err());
        let diag = Diag::open().unwrap();
        let queue = || diag.queue(listener.as_fd()).unwrap();
        let before = queue();
        assert!(before.waiting == 0 && before.waiting_max > 0);
        let _clients = [0; 3].map(|_| UnixStream::connect(&path).unwrap());
        assert_eq!(queue(), Queue { waiting: 3, ..before });
        let _first = listener.accept().unwrap();
        assert_eq!(queue(), Queue { waiting: 2, ..before });
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(diag.queue(tcp.as_fd()).is_err());
    }

    #[test]
    fn what_is_lost_is_found_by_its_name() {
        Lost::so_far().unwrap();
        let text = "IpExt: A\nIpExt: 1\nTcpExt: SyncookiesSent ListenOverflows ListenDrops\n\
                    TcpExt: 1 22 333\n";
        assert_eq!(Lost::read(text), Some(Lost { overflows: 22, drops: 333 }));
        for text in [
            "",
            "TcpExt: A",
            "TcpExt: A B\nTcpExt: 1 2",
            "TcpExt: ListenOverflows ListenDrops\nTcpExt: 1 x",
        ] {
            assert_eq!(Lost::read(text), None, "{text:?}");
        }
    }
}
