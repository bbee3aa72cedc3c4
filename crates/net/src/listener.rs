//! Listening sockets: one per event loop, all on one address, and no stranger among them.

use crate::sys;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, listen as start, socket_with, sockopt,
};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// How many connections may wait to be accepted; the kernel takes no more than its own
/// `net.core.somaxconn`, 4096 by default.
const BACKLOG_CONNECTIONS: i32 = 4096;

/// Listens on `address`, together with other sockets of this user that listen like this; port 0
/// means any that is free. Accepted sockets send small writes at once (TCP_NODELAY).
///
/// # Errors
///
/// Mostly `AddrInUse`, `AddrNotAvailable`, or `PermissionDenied` for a port below 1024.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
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

/// This machine's own addresses that others may reach it by, IPv4 first: loopback and link-local
/// IPv6 are left out, the latter as no URL can spell its zone.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let mut addresses = sys::interface_addresses();
    addresses.retain(|address| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    });
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn socket(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Connections of the server's last life, which wait out their time, must not keep the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}
