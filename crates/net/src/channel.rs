//! What two processes of one server tell each other by: whole messages with descriptors, over a
//! pair of sockets that nobody else can reach.

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::{Errno, fcntl_getfd},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
        sendmsg, socketpair, sockopt,
    },
};
use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    mem::MaybeUninit,
};

/// Bytes of one message at most.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Descriptors that go along with one message at most; the kernel takes 253.
pub const DESCRIPTORS_MAX: usize = 64;

/// One message, and what goes along with it.
#[derive(Debug, Default)]
pub struct Message {
    /// What it says.
    pub bytes: Vec<u8>,
    /// The descriptors that it speaks of.
    pub descriptors: Vec<OwnedFd>,
}

/// Two ends of a new channel. A process that is started with one as its standard input finds it by
/// [`inherited`].
///
/// # Errors
///
/// No descriptor is left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    crate::failpoint::call()?;
    let (unix, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    Ok(socketpair(unix, kind, SocketFlags::CLOEXEC, None)?)
}

/// The end that this process was started with. From then on its standard input is nothing.
///
/// # Errors
///
/// Standard input is no such thing: a person has started this process.
pub fn inherited() -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    let input = rustix::stdio::stdin();
    if sockopt::socket_type(input) != Ok(SocketType::SEQPACKET) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let end = input.try_clone_to_owned()?;
    let nothing = rustix::fs::open(c"/dev/null", rustix::fs::OFlags::RDONLY, 0.into())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    debug_assert!(fcntl_getfd(&end).is_ok_and(|flags| flags == rustix::io::FdFlags::CLOEXEC));
    Ok(end)
}

/// Sends a message, whole or not at all. It waits for room where `is_patient`, and else fails with
/// `WouldBlock`.
///
/// # Errors
///
/// Mostly `BrokenPipe`, where the other end is gone.
pub fn send(
    end: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    is_patient: bool,
) -> io::Result<()> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut along = SendAncillaryBuffer::new(&mut room);
    let is_too_many = descriptors.len() > DESCRIPTORS_MAX;
    let rights = SendAncillaryMessage::ScmRights(descriptors);
    if is_too_many || (!descriptors.is_empty() && !along.push(rights)) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let wait = if is_patient { SendFlags::empty() } else { SendFlags::DONTWAIT };
    let flags = SendFlags::NOSIGNAL | wait;
    crate::failpoint::call()?;
    loop {
        match sendmsg(end, &[IoSlice::new(bytes)], &mut along, flags) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// The next message; `None` once the other end is gone. It waits for one where `is_patient`, and
/// else fails with `WouldBlock`.
///
/// # Errors
///
/// What was sent is more than a message may be.
pub fn receive(end: BorrowedFd<'_>, is_patient: bool) -> io::Result<Option<Message>> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut along = RecvAncillaryBuffer::new(&mut room);
    let wait = if is_patient { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
    let flags = RecvFlags::CMSG_CLOEXEC | wait;
    crate::failpoint::call()?;
    let received = loop {
        match recvmsg(end, &mut [IoSliceMut::new(&mut bytes)], &mut along, flags) {
            // The second is said once where the other side has gone without reading all; what it
            // has said before that is still to come.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(errno) => return Err(errno.into()),
            Ok(received) => break received,
        }
    };
    let mut descriptors = Vec::new();
    for message in along.drain() {
        if let RecvAncillaryMessage::ScmRights(list) = message {
            descriptors.extend(list);
        }
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(ErrorKind::InvalidData.into());
    }
    // Nobody sends an empty message: this is the end.
    if received.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    Ok(Some(Message { bytes, descriptors }))
}

/// Borrows each of `descriptors`.
pub fn borrow<F: AsFd>(descriptors: &[F]) -> Vec<BorrowedFd<'_>> {
    descriptors.iter().map(AsFd::as_fd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed;
    use std::{fs::File, io::Read};

    #[test]
    fn messages_stay_whole_and_bring_their_descriptors() {
        let (one, other) = pair().unwrap();
        let file = sealed::bytes(c"test", b"inside").unwrap();
        send(one.as_fd(), b"first", &[file.as_fd(), one.as_fd()], false).unwrap();
        send(one.as_fd(), b"second", &[], false).unwrap();
        let first = receive(other.as_fd(), false).unwrap().unwrap();
        assert_eq!((&*first.bytes, first.descriptors.len()), (&b"first"[..], 2));
        assert_eq!(sealed::read(first.descriptors[0].as_fd(), 100).unwrap(), b"inside");
        assert_eq!(receive(other.as_fd(), true).unwrap().unwrap().bytes, b"second");
        let error = receive(other.as_fd(), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop((one, first));
        assert!(receive(other.as_fd(), true).unwrap().is_none());
        let error = send(other.as_fd(), b"x", &[], false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_last_words_of_who_did_not_listen_are_heard() {
        let (one, other) = pair().unwrap();
        send(one.as_fd(), b"unheard", &[], false).unwrap();
        send(other.as_fd(), b"last", &[], false).unwrap();
        drop(other);
        assert_eq!(receive(one.as_fd(), false).unwrap().unwrap().bytes, b"last");
        assert!(receive(one.as_fd(), true).unwrap().is_none());
    }

    #[test]
    fn what_is_too_long_is_refused_and_its_descriptors_are_closed() {
        let (one, other) = pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let long = vec![1; MESSAGE_BYTES_MAX + 1];
        send(one.as_fd(), &long, &[writer.as_fd()], false).unwrap();
        drop(writer);
        assert_eq!(receive(other.as_fd(), true).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nobody holds the other end");
        let many = vec![one.as_fd(); DESCRIPTORS_MAX + 1];
        assert!(send(one.as_fd(), b"x", &many, false).is_err());
    }

    #[test]
    fn nobody_is_waited_for_who_does_not_listen() {
        let (one, _other) = pair().unwrap();
        let full = (0..10_000).find_map(|_| send(one.as_fd(), &[0; 1000], &[], false).err());
        assert_eq!(full.unwrap().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_file_is_no_channel() {
        let file = File::open("/dev/null").unwrap();
        assert!(sockopt::socket_type(&file).is_err());
    }
}
