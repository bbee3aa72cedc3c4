//! What a connected socket can do beyond the standard library.

use crate::sys;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown, sockopt,
};
use std::io::{self, IoSlice};
use std::time::Duration;

/// Takes what has come, as much as `room` holds; zero at the end.
///
/// The plain system call, without the C library's points of cancellation around it.
///
/// # Errors
///
/// `WouldBlock` when nothing has come, else what happened to the peer.
pub fn receive(socket: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    let (_, count) = retry_on_intr(|| recv(socket, &mut *room, RecvFlags::empty()))?;
    Ok(count)
}

/// What was taken from a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes in all; none at the end.
    pub bytes: usize,
    /// How many of them stand aside.
    pub aside_bytes: usize,
    /// Whether there was room for more, so that the socket is empty now.
    pub is_all: bool,
}

impl Received {
    /// The end.
    pub const NOTHING: Self = Self { bytes: 0, aside_bytes: 0, is_all: true };

    /// So many bytes in one place, of those that there was room for.
    #[must_use]
    pub const fn of(bytes: usize, room_bytes: usize) -> Self {
        Self { bytes, aside_bytes: 0, is_all: bytes < room_bytes }
    }
}

/// As [`receive`], to the end of `bytes`, as much as it has room for.
///
/// # Errors
///
/// As with [`receive`].
pub fn receive_more(socket: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> io::Result<Received> {
    let room_bytes = bytes.capacity() - bytes.len();
    let flags = RecvFlags::empty();
    let (count, _) = retry_on_intr(|| recv(socket, spare_capacity(bytes), flags))?;
    Ok(Received::of(count, room_bytes))
}

/// As [`receive`], by `turns`: so many bytes to the end of `content`, as far as that has room, and
/// so many to `between`, again and again. What comes behind the last turn goes to `between`, too.
///
/// # Errors
///
/// As with [`receive`].
pub fn receive_by_turns(
    socket: BorrowedFd<'_>,
    (content, between): (&mut Vec<u8>, &mut [u8]),
    turns: impl Iterator<Item = (usize, usize)> + Clone,
) -> io::Result<Received> {
    loop {
        match sys::receive_by_turns(socket, (content, between), turns.clone()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok((bytes, aside_bytes, is_all)) => return Ok(Received { bytes, aside_bytes, is_all }),
        }
    }
}

/// Whether nothing has come that was not received, not even the end.
#[must_use]
pub fn is_quiet(socket: BorrowedFd<'_>) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(retry_on_intr(|| recv(socket, &mut [0; 1], flags)), Err(Errno::AGAIN))
}

/// Sends `bytes` and tells how many of them the socket took.
///
/// # Errors
///
/// `WouldBlock` when the socket is full, else what happened to the peer. Never a SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::net::send(socket, bytes, SendFlags::NOSIGNAL))?)
}

/// Sends `slices` in one call and tells how many bytes the socket took. With `more` the kernel
/// holds back a last packet that is not full, as a file follows that will fill it.
///
/// # Errors
///
/// `WouldBlock` when the socket is full, else what happened to the peer. Never a SIGPIPE.
pub fn send_more(socket: BorrowedFd<'_>, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | if more { SendFlags::MORE } else { SendFlags::empty() };
    let mut ancillary = SendAncillaryBuffer::default();
    Ok(retry_on_intr(|| sendmsg(socket, slices, &mut ancillary, flags))?)
}

/// How many bytes of what was sent the peer has not acknowledged yet.
///
/// # Errors
///
/// When it is not connected.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    sys::unacknowledged(socket)
}

/// Whether the connection has broken, which the kernel tells once.
#[must_use]
pub fn has_failed(socket: BorrowedFd<'_>) -> bool {
    !matches!(sockopt::socket_error(socket), Ok(Ok(())))
}

/// Whether the connection was cut off after its peer had closed its side in order, which the kernel
/// tells once.
#[must_use]
pub fn was_cut_after_end(socket: BorrowedFd<'_>) -> bool {
    // A reset is EPIPE in CLOSE_WAIT, and ECONNRESET before (`tcp_reset` of Linux).
    sockopt::socket_error(socket) == Ok(Err(Errno::PIPE))
}

/// Whether the peer has closed its side, or is gone, though bytes of it may not be received yet.
#[must_use]
pub fn has_left(socket: BorrowedFd<'_>) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut looked_at = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    // Where this fails, nothing is known of it.
    let _ = retry_on_intr(|| poll(&mut looked_at, Some(&at_once)));
    looked_at[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP)
}

/// Whether a socket was not to be had because descriptors or memory have run out.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS))
}

/// Says that nothing more will be sent. What the peer sends can still be received.
///
/// # Errors
///
/// When it is not connected any more.
pub fn finish(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(shutdown(socket, Shutdown::Write)?)
}

/// Makes closing this socket reset the connection, so that the peer learns that what it got is
/// not the whole, and no state stays behind.
///
/// # Errors
///
/// When it is not a socket.
pub fn reset_on_close(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, peer)
    }

    #[test]
    fn pieces_arrive_as_one() {
        let (socket, mut peer) = pair();
        let pieces = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(send_more(socket.as_fd(), &pieces, true).unwrap(), 8);
        assert_eq!(send_more(socket.as_fd(), &[IoSlice::new(b"!")], false).unwrap(), 1);
        let mut got = [0; 9];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"headbody!");
    }

    #[test]
    fn bytes_come_until_the_end() {
        let (socket, peer) = pair();
        assert_eq!(send(peer.as_fd(), b"a line").unwrap(), 6);
        let mut room = [0; 9];
        assert_eq!(receive(socket.as_fd(), &mut room).unwrap(), 6);
        assert_eq!(&room[..6], b"a line");
        socket.set_nonblocking(true).unwrap();
        let nothing = receive(socket.as_fd(), &mut room).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
        drop(peer);
        socket.set_nonblocking(false).unwrap();
        assert_eq!(receive(socket.as_fd(), &mut room).unwrap(), 0);
    }

    #[test]
    fn what_comes_by_turns_is_put_apart() {
        let (socket, peer) = pair();
        let take = |sent: &[u8], turns: &[(usize, usize)], room: usize| {
            send(peer.as_fd(), sent).unwrap();
            let mut content = Vec::with_capacity(1 + room);
            content.push(b'>');
            let mut between = [b'.'; 8];
            let turns = turns.iter().copied();
            let received = receive_by_turns(socket.as_fd(), (&mut content, &mut between), turns);
            let received = received.unwrap();
            assert_eq!(content.len() - 1 + received.aside_bytes, received.bytes);
            let aside = String::from_utf8_lossy(&between[..received.aside_bytes]).into_owned();
            (String::from_utf8(content).unwrap(), aside, received.is_all)
        };
        let turns = [(3, 1), (2, 2), (0, 1)];
        let check = |sent: &str, turns, room, (content, aside, is_all): (&str, &str, bool)| {
            let seen = take(sent.as_bytes(), turns, room);
            assert_eq!(seen, (content.to_owned(), aside.to_owned(), is_all), "{sent}");
        };
        check("ab", &turns, 5, (">ab", "", true));
        check("abc1de23", &turns, 5, (">abcde", "123", true));
        check("abc1de234567", &turns, 5, (">abcde", "1234567", true));
        check("abc1de2345678", &turns, 5, (">abcde", "12345678", false));
        // Without room for all content, or without turns, all the rest comes aside.
        check("abcd123", &turns, 2, (">ab", "cd123", true));
        check("12", &[], 2, (">", "12", true));
        check("a1b", &[(1, 1), (0, 9)], 9, (">a", "1b", true));
    }

    #[test]
    fn a_peer_is_quiet_until_it_says_something_or_leaves() {
        let (socket, peer) = pair();
        assert!(is_quiet(socket.as_fd()));
        send(peer.as_fd(), b"x").unwrap();
        while is_quiet(socket.as_fd()) {}
        assert_eq!(receive(socket.as_fd(), &mut [0; 9]).unwrap(), 1);
        assert!(is_quiet(socket.as_fd()));
        drop(peer);
        while is_quiet(socket.as_fd()) {}
    }

    #[test]
    fn a_peer_that_leaves_is_noticed_behind_what_it_has_sent() {
        let (socket, peer) = pair();
        assert!(!has_left(socket.as_fd()));
        send(peer.as_fd(), b"x").unwrap();
        while is_quiet(socket.as_fd()) {}
        assert!(!has_left(socket.as_fd()));
        finish(peer.as_fd()).unwrap();
        while !has_left(socket.as_fd()) {}
        let (socket, peer) = pair();
        reset_on_close(peer.as_fd()).unwrap();
        drop(peer);
        while !has_left(socket.as_fd()) {}
    }

    #[test]
    fn what_a_peer_has_no_room_for_is_not_acknowledged() {
        let (socket, mut peer) = pair();
        socket.set_nonblocking(true).unwrap();
        let sent = std::iter::from_fn(|| send(socket.as_fd(), &[0; 65_536]).ok()).sum();
        assert!(unacknowledged(socket.as_fd()).unwrap() > 0);
        peer.read_exact(&mut vec![0; sent]).unwrap();
        // That everything has arrived is told with some delay.
        while unacknowledged(socket.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_has_finished_can_still_be_told() {
        let (mut socket, mut peer) = pair();
        finish(socket.as_fd()).unwrap();
        assert_eq!(peer.read(&mut [0; 9]).unwrap(), 0);
        peer.write_all(b"so long").unwrap();
        socket.read_exact(&mut [0; 7]).unwrap();
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error() {
        let (socket, peer) = pair();
        drop(peer);
        let gone =
            (0..10_000).find_map(|_| send_more(socket.as_fd(), &[IoSlice::new(b"x")], false).err());
        assert!(matches!(gone.unwrap().kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    }

    #[test]
    fn a_close_that_resets_is_no_end_of_file() {
        let (socket, mut peer) = pair();
        reset_on_close(socket.as_fd()).unwrap();
        drop(socket);
        let error = peer.read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
