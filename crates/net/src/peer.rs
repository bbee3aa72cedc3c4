//! Who is at the other end of a Unix socket, and whether it may give this process orders.

use crate::process::{self, Handle};
use crate::sys;
use rustix::fd::BorrowedFd;
use std::io::{self, ErrorKind};

/// The user at the other end of a connected socket.
///
/// # Errors
///
/// It is no Unix socket.
pub fn user(socket: BorrowedFd<'_>) -> io::Result<u32> {
    sys::peer(socket).map(|peer| peer.uid)
}

/// Finds that this user, or root, is at the other end of a connected socket.
///
/// # Errors
///
/// It is somebody else.
pub fn check_user(socket: BorrowedFd<'_>) -> io::Result<()> {
    match user(socket)? {
        user if user == 0 || user == process::user() => Ok(()),
        _ => Err(ErrorKind::PermissionDenied.into()),
    }
}

/// Finds that whoever has connected to this end of `socket` may give orders: a process of this
/// user, or root's, that is still there, and none of those that serve. What those are confined to
/// does not say where they connect to, so it is said here; a process is a servant's if its number
/// `is_servant`.
///
/// # Errors
///
/// It may not.
pub fn check(socket: BorrowedFd<'_>, is_servant: impl FnOnce(u32) -> bool) -> io::Result<()> {
    check_user(socket)?;
    let pid = sys::peer(socket)?.pid.unsigned_abs();
    // Whom this process cannot see, it has not started: somebody outside of its container.
    if pid == 0 {
        return Ok(());
    }
    // In this order: whoever is there afterwards had its number before.
    if is_servant(pid) || process_of(socket, pid)?.has_ended() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

/// The process that has connected to this end of `socket`, if it can be seen from here.
#[must_use]
pub fn process(socket: BorrowedFd<'_>) -> Option<Handle> {
    process_of(socket, sys::peer(socket).ok()?.pid.unsigned_abs()).ok()
}

/// The process that has connected to `socket`, of that number as long as it is there.
fn process_of(socket: BorrowedFd<'_>, pid: u32) -> io::Result<Handle> {
    match sys::peer_process(socket) {
        Ok(process) => Ok(process.into()),
        // Before Linux 6.5 another process may have the number, if it was given very soon.
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Handle::of(pid),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::child;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn who_is_there_and_does_not_serve_may_give_orders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        let (end, _) = listener.accept().unwrap();
        let own = std::process::id();
        assert_eq!(user(end.as_fd()).unwrap(), process::user());
        check(end.as_fd(), |_| false).unwrap();
        let refused = check(end.as_fd(), |pid| pid == own).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        let no_unix_socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(check_user(no_unix_socket.as_fd()).is_err());
    }

    /// It may be one that serves, and of which nobody knows any more.
    #[test]
    fn who_has_ended_gives_no_orders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let connect = || u8::from(UnixStream::connect(&path).is_err());
        assert_eq!(child::run(&[], connect).unwrap(), child::Ending::Code(0));
        let (mut end, _) = listener.accept().unwrap();
        assert_eq!(end.read(&mut [0]).unwrap(), 0);
        assert!(check(end.as_fd(), |_| false).is_err());
    }
}
