//! The sockets of this machine as its kernel lists them, by netlink (`sock_diag(7)`): also those
//! that belong to no process any more. Anybody may ask.

use crate::sys;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
    },
};
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Bytes that one answer of the kernel is given room for: it fills up to 32 KiB.
const ANSWER_BYTES: usize = 64 * 1024;

/// The same for one about a single socket.
const ONE_BYTES: usize = 4 * 1024;

/// Ports that the kernel is asked for one by one, and what stands for all of them.
const PORTS_MAX: usize = 4;
const EACH_PORT: u16 = 0;

/// Sockets of a list at most.
pub const SOCKETS_MAX: usize = 100_000;

/// What the kernel is asked by.
#[derive(Debug)]
pub struct Diag(OwnedFd);

/// A socket of TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where it is.
    pub own: SocketAddr,
    /// Where its peer is; nowhere for one that listens.
    pub peer: SocketAddr,
    /// How far its connection is.
    pub state: State,
    /// Milliseconds until it is over, where it waits for that.
    pub expires_ms: u32,
    /// Bytes that were received and not read.
    pub unread: u32,
    /// Bytes that were sent and not acknowledged; those that wait to be accepted, for one that
    /// listens.
    pub unacknowledged: u32,
    /// What the kernel knows of the way to its peer, while there is one, and where it was asked.
    pub path: Option<Box<Path>>,
}

macro_rules! states {
    ($($name:ident $number:literal $word:literal $doc:literal;)*) => {
        /// How far a connection is, as the kernel sees it (RFC 9293 section 3.3.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum State {
            $(#[doc = $doc] $name,)*
        }

        impl State {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            const fn of(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What it is called.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

states! {
    Established 1 "ESTABLISHED" "Both sides may send.";
    SynSent 2 "SYN_SENT" "It asks for a connection.";
    SynReceived 3 "SYN_RECV" "It was asked, and has answered.";
    FinWait1 4 "FIN_WAIT1" "It has said that it sends nothing more.";
    FinWait2 5 "FIN_WAIT2" "That was heard, and the peer may still send.";
    TimeWait 6 "TIME_WAIT" "All is said; late packets are waited for.";
    Closed 7 "CLOSED" "There is nothing any more.";
    CloseWait 8 "CLOSE_WAIT" "The peer sends nothing more, and the program has not closed it.";
    LastAck 9 "LAST_ACK" "It has said that it sends nothing more, as the peer had before.";
    Listen 10 "LISTEN" "It waits for connections.";
    Closing 11 "CLOSING" "Both have said that they send nothing more, at the same time.";
}

/// What the kernel knows of the way to a peer (`struct tcp_info` of <linux/tcp.h>). Times are in
/// microseconds where nothing else is said; what an older kernel does not tell is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// The time of a round trip, smoothed.
    pub rtt_us: u32,
    /// The shortest.
    pub min_rtt_us: u32,
    /// Segments that may be under way at once.
    pub cwnd: u32,
    /// Segments that are held to be lost.
    pub lost: u32,
    /// Segments that were sent more than once, in all.
    pub retransmitted: u32,
    /// Segments that were sent, in all.
    pub segments_out: u32,
    /// Bytes that were acknowledged, in all.
    pub acknowledged: u64,
    /// Bytes that were received, in all.
    pub received: u64,
    /// Bytes that wait to be sent for the first time.
    pub not_sent: u32,
    /// Bytes each second that arrive, of late.
    pub delivery_rate: u64,
    /// Time in which there was something to send.
    pub busy_us: u64,
    /// That of it in which the peer had no room.
    pub rwnd_limited_us: u64,
    /// That of it in which this side had no room for more.
    pub sndbuf_limited_us: u64,
    /// Milliseconds since something was sent, and since something came.
    pub last_sent_ms: u32,
    /// Milliseconds since something came.
    pub last_received_ms: u32,
}

impl Path {
    /// How far the connection of a socket of this process is, and what is known of it.
    ///
    /// # Errors
    ///
    /// It is another kind of socket.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<(State, Self)> {
        let info = sys::tcp_info(socket)?;
        let state = State::of(info[0]).ok_or(ErrorKind::InvalidData)?;
        Ok((state, path(&info)))
    }
}

impl Diag {
    /// A way to ask.
    ///
    /// # Errors
    ///
    /// No descriptor is left, or this kernel does not tell.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let protocol = Some(netlink::SOCK_DIAG);
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)?))
    }

    /// All sockets of TCP at the ports of these addresses, and of their families, up to
    /// [`SOCKETS_MAX`], that are `wanted`; `with_paths` to find those out takes twice as long.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub fn sockets(
        &self,
        (addresses, with_paths): (&[SocketAddr], bool),
        is_wanted: impl Fn(&Socket) -> bool,
    ) -> io::Result<Vec<Socket>> {
        let mut all = Vec::new();
        self.each(addresses, if with_paths { INFO_WANTED } else { NOTHING_WANTED }, |socket| {
            if all.len() < SOCKETS_MAX && is_wanted(&socket) {
                all.push(socket);
            }
        })?;
        Ok(all)
    }

    /// What the kernel knows of the way to the peer of one of them, as long as there is one.
    #[must_use]
    pub fn path(&self, socket: &Socket) -> Option<Box<Path>> {
        self.forget();
        send(self.0.as_fd(), &request_of_one(socket), SendFlags::empty()).ok()?;
        let mut path = None;
        // It is over where it is an error that comes.
        self.piece(&mut [0; ONE_BYTES], |found| path = found.path).ok()?;
        path
    }

    /// How many of them are in each state, however many there are.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub fn states(
        &self,
        addresses: &[SocketAddr],
        is_wanted: impl Fn(&Socket) -> bool,
    ) -> io::Result<BTreeMap<State, u64>> {
        let mut counts = BTreeMap::new();
        self.each(addresses, NOTHING_WANTED, |socket| {
            if is_wanted(&socket) {
                *counts.entry(socket.state).or_default() += 1;
            }
        })?;
        Ok(counts)
    }

    /// Takes each socket at these ports.
    fn each(
        &self,
        addresses: &[SocketAddr],
        wanted: u8,
        mut take: impl FnMut(Socket),
    ) -> io::Result<()> {
        let mut room = vec![0; ANSWER_BYTES];
        // It walks through all sockets of this machine each time.
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let is_inet = family == AddressFamily::INET;
            let own = addresses.iter().filter(|address| address.is_ipv4() == is_inet);
            let mut ports: Vec<_> = own.map(SocketAddr::port).collect();
            ports.sort_unstable();
            ports.dedup();
            // Of many ports it is asked at once.
            let ports = if ports.len() > PORTS_MAX { vec![EACH_PORT] } else { ports };
            for port in ports {
                let bytes = request(u8::try_from(family.as_raw()).unwrap_or(0), port, wanted);
                self.forget();
                send(self.0.as_fd(), &bytes, SendFlags::empty())?;
                // The kernel answers at once, in as many pieces as it takes.
                while self.piece(&mut room, &mut take)? {}
            }
        }
        Ok(())
    }

    /// How many connections wait at the Unix socket that is this node, and how many may.
    pub(crate) fn queue_of(&self, node: u32) -> io::Result<(u32, u32)> {
        self.forget();
        send(self.0.as_fd(), &request_of_unix(node), SendFlags::empty())?;
        let mut room = vec![0; ANSWER_BYTES];
        let (_, count) = recv(self.0.as_fd(), &mut room[..], RecvFlags::empty())?;
        let queue = match message(room.get(..count).unwrap_or_default()) {
            Some((ERROR, body, _)) => return Err(fault(body)),
            Some((_, body, _)) => attribute(body, UNIX_ABOUT_BYTES, QUEUE),
            None => None,
        };
        let queue = queue.and_then(|queue| Some((number32(queue, 0)?, number32(queue, 4)?)));
        queue.ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Throws away what is left of an answer that broke off: the kernel is still at that, and what
    /// comes of it would be taken for the next one.
    fn forget(&self) {
        while recv(self.0.as_fd(), &mut [0; HEAD_BYTES], RecvFlags::empty()).is_ok() {}
    }

    /// Takes one piece of an answer; false if it was the last.
    fn piece(&self, room: &mut [u8], mut take: impl FnMut(Socket)) -> io::Result<bool> {
        let (_, count) = recv(self.0.as_fd(), &mut *room, RecvFlags::empty())?;
        let mut rest = room.get(..count).unwrap_or_default();
        while let Some((kind, body, next)) = message(rest) {
            match kind {
                DONE => return Ok(false),
                ERROR => return Err(fault(body)),
                _ => socket(body).into_iter().for_each(&mut take),
            }
            rest = next;
        }
        if count == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(true) }
    }
}

// <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>, <linux/unix_diag.h>.

const BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;
const REQUEST_AND_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const HEAD_BYTES: usize = 16;
const TCP: u8 = 6;
const INFO: u16 = 2;
const ALL_STATES: u32 = 0xfff << 1;
/// Where the ports stand in what is asked.
const PORTS_AT: usize = HEAD_BYTES + 8;
const UNIX_ABOUT_BYTES: usize = 16;
const QUEUE: u16 = 4;

/// What the kernel is to say of each socket beside what it always does.
const INFO_WANTED: u8 = 1 << (INFO - 1);
const NOTHING_WANTED: u8 = 0;

/// Asks for all sockets of one family at a port.
fn request(family: u8, port: u16, wanted: u8) -> Vec<u8> {
    const SOCKET_ID_BYTES: usize = 48;
    const BYTES: usize = HEAD_BYTES + 8 + SOCKET_ID_BYTES;
    let mut out = Vec::with_capacity(BYTES);
    out.extend_from_slice(&(BYTES as u32).to_ne_bytes());
    out.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    // Its number, and whose it is, which nobody looks at.
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[family, TCP, wanted, 0]);
    out.extend_from_slice(&ALL_STATES.to_ne_bytes());
    out.extend_from_slice(&port.to_be_bytes());
    out.resize(BYTES, 0);
    out
}

/// Asks for the path of one socket, by both of its ends.
fn request_of_one(socket: &Socket) -> Vec<u8> {
    let Socket { own, peer, .. } = socket;
    let family = if own.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut out = request(u8::try_from(family.as_raw()).unwrap_or(0), own.port(), INFO_WANTED);
    out[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    out.truncate(PORTS_AT + 2);
    out.extend_from_slice(&peer.port().to_be_bytes());
    for end in [own, peer] {
        match end.ip() {
            IpAddr::V4(ip) => {
                out.extend_from_slice(&ip.octets());
                out.extend_from_slice(&[0; 12]);
            }
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    // At any interface, and with whatever cookie of the kernel's.
    out.extend_from_slice(&0u32.to_ne_bytes());
    out.extend_from_slice(&[0xff; 8]);
    out
}

/// Asks for the queue of one socket of Unix, by its node.
fn request_of_unix(node: u32) -> Vec<u8> {
    const BYTES: usize = HEAD_BYTES + 24;
    let mut out = Vec::with_capacity(BYTES);
    out.extend_from_slice(&(BYTES as u32).to_ne_bytes());
    out.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&REQUEST.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[AddressFamily::UNIX.as_raw() as u8, 0, 0, 0]);
    // In any state; and no cookie of the kernel's.
    for word in [u32::MAX, node, 1 << QUEUE, u32::MAX, u32::MAX] {
        out.extend_from_slice(&word.to_ne_bytes());
    }
    out
}

/// What an error of the kernel's says.
fn fault(body: &[u8]) -> io::Error {
    let number = body.get(..4).and_then(|code| code.try_into().ok());
    let number = number.map_or(0, i32::from_ne_bytes);
    io::Error::from_raw_os_error(number.saturating_neg())
}

/// The value of that kind among those behind so many bytes of a message.
fn attribute(body: &[u8], about_bytes: usize, wanted: u16) -> Option<&[u8]> {
    let mut rest = body.get(about_bytes..)?;
    loop {
        let length = usize::from(number16(rest, 0)?);
        let value = rest.get(4..length)?;
        if number16(rest, 2) == Some(wanted) {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

/// The message in front: its kind, what is in it, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(number32(bytes, 0)?).ok()?;
    let body = bytes.get(HEAD_BYTES..length)?;
    Some((number16(bytes, 4)?, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// The socket that a message is about.
fn socket(body: &[u8]) -> Option<Socket> {
    const ABOUT_BYTES: usize = 72;
    let [family, state, _, _] = *body.first_chunk()?;
    let end = |port_at: usize, ip_at: usize| {
        let port = u16::from_be_bytes(*body.get(port_at..)?.first_chunk()?);
        let ip: [u8; 16] = *body.get(ip_at..)?.first_chunk()?;
        let ip = match i32::from(family) {
            libc::AF_INET => IpAddr::V4(Ipv4Addr::from(*ip.first_chunk::<4>()?)),
            _ => IpAddr::V6(Ipv6Addr::from(ip)).to_canonical(),
        };
        Some(SocketAddr::new(ip, port))
    };
    let path = attribute(body, ABOUT_BYTES, INFO).map(|info| Box::new(path(info)));
    let state = State::of(state)?;
    Some(Socket {
        own: end(4, 8)?,
        peer: end(6, 24)?,
        state,
        expires_ms: number32(body, 52)?,
        unread: number32(body, 56)?,
        unacknowledged: number32(body, 60)?,
        path: path.filter(|_| state != State::Listen),
    })
}

/// What a `struct tcp_info` says, of whatever length this kernel has it.
fn path(info: &[u8]) -> Path {
    let short = |at| number32(info, at).unwrap_or(0);
    let long = |at: usize| {
        let bytes = info.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    Path {
        lost: short(32),
        last_sent_ms: short(44),
        last_received_ms: short(52),
        rtt_us: short(68),
        cwnd: short(80),
        retransmitted: short(100),
        acknowledged: long(120),
        received: long(128),
        segments_out: short(136),
        not_sent: short(144),
        // All bits are set before there was any.
        min_rtt_us: Some(short(148)).filter(|&us| us != u32::MAX).unwrap_or(0),
        delivery_rate: long(160),
        busy_us: long(168),
        rwnd_limited_us: long(176),
        sndbuf_limited_us: long(184),
    }
}

fn number16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    /// The states of the sockets at that address, and of those that have come to it.
    fn states(diag: &Diag, address: SocketAddr) -> Vec<State> {
        let all = diag.sockets((&[address], true), |socket| socket.own == address).unwrap();
        let mut states: Vec<_> = all.iter().map(|socket| socket.state).collect();
        states.sort_unstable();
        states
    }

    /// Whether they come to be these, once the other end has said that it knows.
    fn come_to(diag: &Diag, address: SocketAddr, wanted: &[State]) -> bool {
        let start = Instant::now();
        while states(diag, address) != wanted {
            if start.elapsed() > Duration::from_secs(10) {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    #[test]
    fn a_connection_is_seen_from_its_beginning_to_its_end() {
        let diag = Diag::open().unwrap();
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host) else { continue };
            let address = listener.local_addr().unwrap();
            assert_eq!(states(&diag, address), [State::Listen]);
            let mut client = TcpStream::connect(address).unwrap();
            let (mut server, peer) = listener.accept().unwrap();
            assert_eq!(states(&diag, address), [State::Established, State::Listen]);
            client.write_all(b"question").unwrap();
            server.read_exact(&mut [0; 8]).unwrap();
            let found = diag.sockets((&[address], true), |socket| socket.peer == peer).unwrap();
            let path = found[0].path.as_ref().unwrap();
            assert!(path.received == 8 && path.rtt_us > 0 && path.cwnd > 0, "{path:?}");
            // The same of one that was listed without it.
            let is_it = |socket: &Socket| socket.peer == peer;
            let bare = diag.sockets((&[address], false), is_it).unwrap();
            assert!(bare.len() == 1 && bare[0].path.is_none());
            assert_eq!(diag.path(&bare[0]).unwrap().received, 8);
            let (state, own) = Path::of(server.as_fd()).unwrap();
            assert_eq!((state, own.received), (State::Established, 8));
            drop(server);
            client.read_to_end(&mut Vec::new()).unwrap();
            assert!(come_to(&diag, address, &[State::FinWait2, State::Listen]));
            drop(client);
            assert!(come_to(&diag, address, &[State::TimeWait, State::Listen]));
            let found = diag.sockets((&[address], true), |socket| socket.peer == peer).unwrap();
            let waiting = &found[0];
            let counts = diag.states(&[address], |socket| socket.own == address).unwrap();
            assert_eq!(counts, [(State::TimeWait, 1), (State::Listen, 1)].into());
            let many = [1, 2, 3, 4, address.port()].map(|port| SocketAddr::new(address.ip(), port));
            // The client's port may lead from elsewhere, too, by a connection of another program.
            let is_it = |socket: &Socket| socket.peer == peer && socket.own == address;
            assert_eq!(diag.sockets((&many, true), is_it).unwrap().len(), 1);
            assert!(diag.path(waiting).is_none() && waiting.path.is_none());
            let other = Socket { peer: address, ..waiting.clone() };
            assert!(diag.path(&other).is_none(), "there is no such socket");
            assert!((1..=60_000).contains(&waiting.expires_ms));
        }
    }

    #[test]
    fn odd_answers_are_no_trouble() {
        for bytes in [&[][..], &[0; 15], &[0xff; 16], &[0; 64]] {
            assert!(message(bytes).is_none_or(|(_, body, _)| socket(body).is_none()));
        }
        assert_eq!(path(&[]), Path::default());
        assert_eq!(path(&[0xff; 80]).rtt_us, u32::MAX);
    }

    #[test]
    fn the_rest_of_an_answer_that_broke_off_is_no_part_of_the_next() {
        let diag = Diag::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _other = TcpListener::bind("127.0.0.1:0").unwrap();
        let all = request(libc::AF_INET as u8, EACH_PORT, INFO_WANTED);
        send(diag.0.as_fd(), &all, SendFlags::empty()).unwrap();
        let address = listener.local_addr().unwrap();
        let found = diag.sockets((&[address], true), |_| true).unwrap();
        // Others may have the same port at another address of this machine.
        let mut own: Vec<_> = found.iter().map(|socket| socket.own.port()).collect();
        own.dedup();
        assert_eq!(own, [port]);
    }
}
