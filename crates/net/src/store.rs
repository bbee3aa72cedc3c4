//! Where a process has copies of its descriptors kept, so that they outlive it: by systemd, or by a
//! process of its own that is asked in the same words.
//!
//! ```text
//!   FDSTORE=1, FDPOLL=0, FDNAME=…, and a descriptor   keep this
//!   FDSTOREREMOVE=1, FDNAME=…                         forget that
//!   BARRIER=1, and a pipe                             close it once all that is done
//! ```

use crate::{
    channel::{self, Message},
    peer,
    systemd::Handed,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use std::{
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

/// What the names of all begin with that gannet has kept.
pub const MARK: &str = "gannet-";

/// How long whoever keeps descriptors may take to do so.
const WAIT: Duration = Duration::from_secs(2);

/// How long there may be no room for what is said to one who has stopped to listen.
const ROOM_WAIT: Duration = Duration::from_millis(50);

/// What a keeper says behind the last descriptor that it gives back.
const ALL: &[u8] = b"READY=1";

/// Somebody who keeps descriptors.
#[derive(Debug)]
pub struct Store(OwnedFd);

/// What a keeper is asked.
#[derive(Debug)]
pub enum Wish {
    /// To keep this under that name.
    Keep(String, OwnedFd),
    /// To keep no longer what has that name.
    Forget(String),
    /// To say that all is done: closing what came along does.
    Settle,
}

impl Store {
    /// The one at the other end of a socket.
    ///
    /// # Errors
    ///
    /// It is no socket.
    pub fn of(socket: OwnedFd) -> io::Result<Self> {
        set_socket_timeout(&socket, Timeout::Send, Some(ROOM_WAIT))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(WAIT))?;
        Ok(Self(socket))
    }

    /// The keeper that listens at `path`, or is about to; it first gives what it has kept.
    ///
    /// # Errors
    ///
    /// None is there, or it is another user's.
    pub fn at(path: &Path) -> io::Result<Self> {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        peer::check_user(socket.as_fd())?;
        Self::of(socket)
    }

    /// All that the keeper has kept so far.
    ///
    /// # Errors
    ///
    /// It is gone, or keeps things for somebody who lives.
    pub fn given(&self) -> io::Result<Vec<Handed>> {
        let mut kept = Vec::new();
        while let Some(message) = channel::receive(self.as_fd(), true)? {
            match (line(&message.bytes, "FDNAME="), message.descriptors.into_iter().next()) {
                (Some(name), Some(descriptor)) => kept.push(Handed { name, descriptor }),
                _ if message.bytes == ALL => return Ok(kept),
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
        Err(ErrorKind::ResourceBusy.into())
    }

    /// Whether nobody keeps anything any more: who does says nothing more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        wait(&[self.as_fd()], Some(Duration::ZERO)).is_ok_and(|ready| ready.contains(&true))
    }

    /// Has `descriptor` kept under that name, which is nothing else's.
    ///
    /// # Errors
    ///
    /// Nobody is there, or takes it in time.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        // Whether it is of use any more is for who asked to find out: it stays until forgotten.
        let text = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}");
        channel::send(self.as_fd(), text.as_bytes(), &[descriptor], true)
    }

    /// Has what is kept under that name kept no longer.
    ///
    /// # Errors
    ///
    /// Nobody is there, or listens in time.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        let text = format!("FDSTOREREMOVE=1\nFDNAME={name}");
        channel::send(self.as_fd(), text.as_bytes(), &[], true)
    }

    /// Waits until all that was asked for is done.
    ///
    /// # Errors
    ///
    /// It is not in time.
    pub fn settle(&self) -> io::Result<()> {
        let (own, other) = io::pipe()?;
        channel::send(self.as_fd(), b"BARRIER=1", &[other.as_fd()], true)?;
        drop(other);
        match wait(&[own.as_fd()], Some(WAIT))?.as_slice() {
            [true] => Ok(()),
            _ => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl AsFd for Store {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Wish {
    /// What `message` wishes; `None` where that is nothing that a keeper does.
    #[must_use]
    pub fn of(message: Message) -> Option<Self> {
        let Message { bytes, descriptors } = message;
        let name = line(&bytes, "FDNAME=");
        if line(&bytes, "FDSTORE=1").is_some() {
            return Some(Self::Keep(name?, descriptors.into_iter().next()?));
        }
        if line(&bytes, "FDSTOREREMOVE=1").is_some() {
            return Some(Self::Forget(name?));
        }
        line(&bytes, "BARRIER=1").map(|_| Self::Settle)
    }
}

/// What stands behind `start` in the line that begins so.
fn line(bytes: &[u8], start: &str) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned)
}

/// Takes the next one who comes to a keeper's socket; `None` where that is nobody who may: whoever
/// serves, as `is_servant` says of the number of a process, gets nothing of what is kept.
///
/// # Errors
///
/// Descriptors have run out.
pub fn accept(
    door: BorrowedFd<'_>,
    is_servant: impl FnOnce(u32) -> bool,
) -> io::Result<Option<OwnedFd>> {
    match accept_with(door, SocketFlags::CLOEXEC) {
        Ok(owner) => Ok(peer::check(owner.as_fd(), is_servant).ok().map(|()| owner)),
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives `owner` all that is kept.
///
/// # Errors
///
/// It does not listen.
pub fn give<'k>(
    owner: BorrowedFd<'_>,
    kept: impl Iterator<Item = (&'k String, &'k OwnedFd)>,
) -> io::Result<()> {
    set_socket_timeout(owner, Timeout::Send, Some(WAIT))?;
    for (name, descriptor) in kept {
        let text = format!("FDNAME={name}");
        channel::send(owner, text.as_bytes(), &[descriptor.as_fd()], true)?;
    }
    channel::send(owner, ALL, &[], true)
}

/// Waits until one of `descriptors` can be read from or is over, or for `time`; says which.
///
/// # Errors
///
/// The kernel says no.
pub fn wait(descriptors: &[BorrowedFd<'_>], time: Option<Duration>) -> io::Result<Vec<bool>> {
    let mut all: Vec<_> =
        descriptors.iter().map(|one| PollFd::from_borrowed_fd(*one, PollFlags::IN)).collect();
    let time = time.map(Timespec::try_from).transpose().map_err(|_| ErrorKind::InvalidInput)?;
    retry_on_intr(|| poll(&mut all, time.as_ref()))?;
    Ok(all.iter().map(|one| !one.revents().is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{sealed, unix};
    use std::thread;

    #[test]
    fn what_is_wished_is_what_was_asked_for() {
        let (own, other) = channel::pair().unwrap();
        let store = Store::of(own).unwrap();
        let memory = sealed::bytes(c"test", b"inside").unwrap();
        store.keep("gannet-a", memory.as_fd()).unwrap();
        store.forget("gannet-b").unwrap();
        let next = || Wish::of(channel::receive(other.as_fd(), true).unwrap().unwrap());
        let Some(Wish::Keep(name, descriptor)) = next() else { panic!("nothing is kept") };
        assert_eq!(name, "gannet-a");
        assert_eq!(sealed::read(descriptor.as_fd(), 100).unwrap(), b"inside");
        assert!(matches!(next(), Some(Wish::Forget(name)) if name == "gannet-b"));
        thread::scope(|scope| {
            let settled = scope.spawn(|| store.settle());
            assert!(matches!(next(), Some(Wish::Settle)));
            settled.join().unwrap().unwrap();
        });
        for odd in ["", "FDSTORE=1\nFDNAME=x", "FDSTOREREMOVE=1", "READY=1", "\u{ff}"] {
            let message = Message { bytes: odd.as_bytes().to_vec(), descriptors: Vec::new() };
            assert!(Wish::of(message).is_none(), "{odd}");
        }
    }

    #[test]
    fn all_that_was_kept_is_given_back_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keep");
        assert!(Store::at(&path).is_err());
        let find = || Store::at(&path).and_then(|store| Ok((store.given()?, store)));
        let (door, file) = unix::listen_for_messages(&path, 0o600).unwrap();
        let memory = sealed::bytes(c"test", b"inside").unwrap();
        let name = "gannet-a".to_owned();
        thread::scope(|scope| {
            let kept = scope.spawn(find);
            wait(&[door.as_fd()], None).unwrap();
            let owner = accept(door.as_fd(), |_| false).unwrap().unwrap();
            give(owner.as_fd(), [(&name, &memory)].into_iter()).unwrap();
            let (kept, store) = kept.join().unwrap().unwrap();
            assert!(!store.is_gone());
            assert_eq!((kept.len(), &kept[0].name), (1, &name));
            assert_eq!(sealed::read(kept[0].descriptor.as_fd(), 100).unwrap(), b"inside");
            drop(owner);
            assert!(store.is_gone());
            let turned_away = scope.spawn(find);
            wait(&[door.as_fd()], None).unwrap();
            drop(accept(door.as_fd(), |_| false).unwrap());
            let error = turned_away.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        });
        assert!(accept(door.as_fd(), |_| false).unwrap().is_none(), "nobody is there");
        drop(unix::SocketFile::of(door.as_fd()).unwrap());
        assert!(!path.exists());
        file.leave();
    }
}
