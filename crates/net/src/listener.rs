//! Listening sockets: one per event loop, all on one address, and no stranger among them.

use crate::sys;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, listen as start, socket_with, sockopt,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;

/// How many connections may wait to be accepted; the kernel takes no more than its own
/// `net.core.somaxconn`, 4096 by default.
const BACKLOG_CONNECTIONS: i32 = 4096;

/// How long a new connection may be silent before it is accepted all the same. Accepting it with
/// its first request at hand saves a third of what a short connection costs, and one that never
/// says anything costs almost nothing.
const DEFER_SECONDS: i32 = 1;

/// A socket that connections come in by. It never blocks.
#[derive(Debug)]
pub enum Listening {
    /// At an IP address.
    Tcp(TcpListener),
    /// At a path. All loops accept from one such socket; the kernel wakes each of them.
    Unix(UnixListener),
}

impl Listening {
    /// The socket behind a descriptor that another process has given.
    ///
    /// # Errors
    ///
    /// It is no such socket.
    pub fn of(descriptor: OwnedFd) -> io::Result<Self> {
        crate::failpoint::call()?;
        let is_listening = sockopt::socket_acceptconn(&descriptor)?;
        match sockopt::socket_domain(&descriptor)? {
            AddressFamily::INET | AddressFamily::INET6 if is_listening => {
                Ok(Self::Tcp(descriptor.into()))
            }
            AddressFamily::UNIX if is_listening => Ok(Self::Unix(descriptor.into())),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// A number that no other socket of this machine has, or had since it was started.
    #[must_use]
    pub fn number(&self) -> u64 {
        // Each kernel that gannet runs on knows it.
        sockopt::socket_cookie(self).unwrap_or(0)
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub fn try_clone(&self) -> io::Result<Self> {
        crate::failpoint::call()?;
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Makes a socket that others have opened like those that are opened here.
///
/// # Errors
///
/// The kernel says no.
pub fn adopt(socket: &Listening) -> io::Result<()> {
    ioctl_fionbio(socket, true)?;
    if let Listening::Tcp(socket) = socket {
        sockopt::set_tcp_nodelay(socket, true)?;
        sockopt::set_socket_reuseport(socket, true)?;
        // A kernel that cannot defer costs a wake-up, nothing more.
        let _ = sys::defer_accept(socket.as_fd(), DEFER_SECONDS);
    }
    Ok(())
}

/// Whether connections of IPv4 come in by a socket of IPv6, under addresses that no list has.
#[must_use]
pub fn is_of_both_families(socket: &Listening) -> bool {
    match socket {
        Listening::Tcp(socket) if socket.local_addr().is_ok_and(|own| own.is_ipv6()) => {
            sockopt::ipv6_v6only(socket).is_ok_and(|is_only| !is_only)
                && socket.local_addr().is_ok_and(|own| own.ip().is_unspecified())
        }
        _ => false,
    }
}

/// Whether an address could not be had because somebody else has it, or may have it alone.
#[must_use]
pub fn is_kept_from_us(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Listens on `address`, together with other sockets of this user that listen like this; port 0
/// means any that is free. Accepted sockets send small writes at once (TCP_NODELAY).
///
/// # Errors
///
/// Mostly `AddrInUse`, `AddrNotAvailable`, or `PermissionDenied` for a port below 1024.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    crate::failpoint::call()?;
    let socket = socket(address)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    start(&socket, BACKLOG_CONNECTIONS)?;
    Ok(socket.into())
}

/// Listens on `address`, where nobody listens yet. Others may join it later with `listen`.
///
/// # Errors
///
/// `AddrInUse` also when another process of this user listens there and would share the port;
/// else like [`listen`].
pub fn listen_exclusive(address: SocketAddr) -> io::Result<TcpListener> {
    crate::failpoint::call()?;
    let socket = socket(address)?;
    bind(&socket, &address)?;
    // The kernel refuses this second step too if somebody else took it first; only then is the
    // port opened to others. The kernel makes them a group when the second one comes.
    start(&socket, BACKLOG_CONNECTIONS)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    Ok(socket.into())
}

/// `count` sockets on one `address` (one port, when it is 0) where nobody else listens. The kernel
/// spreads the connections among them.
///
/// # Errors
///
/// Like [`listen_exclusive`].
pub fn listen_group(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = listen_exclusive(address)?;
    let address = first.local_addr()?;
    let mut group = vec![first];
    while group.len() < count {
        group.push(listen(address)?);
    }
    Ok(group)
}

/// Whether `error` says that this machine does not have such addresses at all, or not this one.
#[must_use]
pub fn is_absent(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// This machine's own addresses that others may reach it by, IPv4 first, and of each family the one
/// that it goes out by: others are often those of bridges to its own containers. Loopback and
/// link-local IPv6 are left out, the latter as no URL can spell its zone.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let mut addresses = sys::interface_addresses();
    addresses.retain(|address| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    });
    sort(&mut addresses, &OUTSIDE.map(way_to));
    addresses.dedup();
    addresses
}

/// Hosts of nobody, anywhere outside (RFC 5737 and RFC 3849): nothing is ever sent there.
const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// The address of this machine that packets to `other` would come from, if there is a way there.
fn way_to(other: IpAddr) -> Option<IpAddr> {
    const DISCARD: u16 = 9;
    let any: IpAddr = match other {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // This only has the kernel look for the way.
    socket.connect((other, DISCARD)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn sort(addresses: &mut [IpAddr], firsts: &[Option<IpAddr>]) {
    addresses.sort_unstable_by_key(|&address| {
        (address.is_ipv6(), !firsts.contains(&Some(address)), address)
    });
}

fn socket(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of the server's last life, which wait out their time, must not keep the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    // In HTTP the client speaks first. A kernel that cannot defer costs a wake-up, nothing more.
    let _ = sys::defer_accept(socket.as_fd(), DEFER_SECONDS);
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn the_address_that_the_machine_goes_out_by_is_the_first_of_its_family() {
        let ips = |texts: [&str; 5]| texts.map(|text| text.parse::<IpAddr>().unwrap());
        let mut seen = ips(["fd00::9", "192.168.1.7", "172.17.0.1", "10.0.0.1", "2a00::2"]);
        let goes_out_by = Some(seen[1]);
        sort(&mut seen, &[goes_out_by, None]);
        let expect = ["192.168.1.7", "10.0.0.1", "172.17.0.1", "2a00::2", "fd00::9"];
        assert_eq!(seen, ips(expect));
    }

    fn any(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 0)
    }

    #[test]
    fn every_member_of_a_group_gets_connections_on_one_port() {
        let group = listen_group(any("127.0.0.1"), 4).unwrap();
        let addresses: HashSet<_> = group.iter().map(|one| one.local_addr().unwrap()).collect();
        assert_eq!((group.len(), addresses.len()), (4, 1));
        let address = group[0].local_addr().unwrap();
        let mut served = HashSet::new();
        for _ in 0..100 {
            // A connection is there to be accepted once its first bytes are.
            let speak = |_| TcpStream::connect(address).and_then(|mut peer| peer.write_all(b"x"));
            (0..64).for_each(|peer| speak(peer).unwrap());
            for (number, one) in group.iter().enumerate() {
                while let Ok((socket, _)) = one.accept() {
                    assert!(socket.nodelay().unwrap());
                    served.insert(number);
                }
            }
            if served.len() == group.len() {
                return;
            }
        }
        panic!("of 6400 connections all went to {served:?}");
    }

    #[test]
    fn a_second_server_is_told_instead_of_sharing_the_port() {
        let group = listen_group(any("127.0.0.1"), 2).unwrap();
        let address = group[0].local_addr().unwrap();
        let everywhere = SocketAddr::new("0.0.0.0".parse().unwrap(), address.port());
        for address in [address, everywhere] {
            let error = listen_group(address, 2).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{address}");
        }
        // Our own workers still may.
        assert_eq!(listen(address).unwrap().local_addr().unwrap(), address);
    }

    #[test]
    fn of_two_servers_that_start_at_once_one_listens() {
        for _ in 0..200 {
            let address = listen(any("127.0.0.1")).unwrap().local_addr().unwrap();
            let barrier = Barrier::new(2);
            let start = || {
                barrier.wait();
                let listener = listen_exclusive(address);
                barrier.wait();
                listener.is_ok()
            };
            let listening = thread::scope(|scope| {
                let other = scope.spawn(start);
                u8::from(start()) + u8::from(other.join().unwrap())
            });
            assert!(listening <= 1, "both listen on {address}");
        }
    }

    #[test]
    fn a_port_is_free_again_as_soon_as_its_server_ends() {
        let first = listen_exclusive(any("127.0.0.1")).unwrap();
        first.set_nonblocking(false).unwrap();
        let address = first.local_addr().unwrap();
        let mut peer = TcpStream::connect(address).unwrap();
        let mut accepted = first.accept().unwrap().0;
        accepted.write_all(b"bye").unwrap();
        // Closed by the server first: its end of the connection now waits out its time.
        drop((accepted, first));
        peer.read_to_end(&mut Vec::new()).unwrap();
        drop(peer);
        assert_eq!(listen_group(address, 2).unwrap().len(), 2);
    }

    #[test]
    fn one_port_serves_both_families_by_two_sockets() {
        let four = listen_exclusive(any("0.0.0.0")).unwrap();
        let port = four.local_addr().unwrap().port();
        let six = listen_exclusive(SocketAddr::new("::".parse().unwrap(), port)).unwrap();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        let error = six.accept().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "IPv4 came in by the socket of IPv6");
    }

    #[test]
    fn an_address_of_another_machine_is_absent() {
        // Of the block that is set aside for documentation, so nobody has it.
        assert!(is_absent(&listen(any("192.0.2.1")).unwrap_err()));
        let first = listen_exclusive(any("127.0.0.1")).unwrap();
        let taken = listen_exclusive(first.local_addr().unwrap()).unwrap_err();
        assert!(!is_absent(&taken));
    }

    #[test]
    fn no_address_of_this_machine_is_one_that_others_cannot_use() {
        for address in addresses() {
            assert!(!address.is_loopback() && !address.is_unspecified());
            // An address of this machine is one that can be listened on.
            listen(SocketAddr::new(address, 0)).unwrap();
        }
    }
}
