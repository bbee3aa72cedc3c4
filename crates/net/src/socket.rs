//! What a connected socket can do beyond the standard library.

use rustix::fd::BorrowedFd;
use rustix::io::retry_on_intr;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg, sockopt};
use std::io::{self, IoSlice};
use std::time::Duration;

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

/// Makes closing this socket reset the connection, so that the peer learns that what it got is
/// not the whole, and no state stays behind.
///
/// # Errors
///
/// When it is not a socket.
pub fn reset_on_close(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}
