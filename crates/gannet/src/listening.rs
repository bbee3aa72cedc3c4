//! Opening the sockets, and saying what to do where one cannot be had.

use crate::trouble::Trouble;
use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

/// The port of a server that nobody gave one.
pub(crate) const PORT_DEFAULT: u16 = 7890;

/// How many ports after the default one are tried.
const PORTS_TRIED: u16 = 100;

/// Sockets that are open: for each loop one of each address.
pub(crate) struct Sockets {
    pub(crate) by_loop: Vec<Vec<TcpListener>>,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Opens one socket for each of `loops` at each address.
pub(crate) fn open(addresses: &[SocketAddr], loops: usize) -> Result<Sockets, Trouble> {
    let mut by_loop: Vec<Vec<TcpListener>> = (0..loops).map(|_| Vec::new()).collect();
    let mut opened = Vec::new();
    for &address in addresses {
        let group = net::listener::listen_group(address, loops)
            .map_err(|error| explain(address, &error))?;
        if let Some(listener) = group.first() {
            opened.push(listener.local_addr().unwrap_or(address));
        }
        for (sockets, listener) in by_loop.iter_mut().zip(group) {
            sockets.push(listener);
        }
    }
    Ok(Sockets { by_loop, addresses: opened })
}

/// Opens the default port or, where that is taken, the next free one.
pub(crate) fn open_any_port(hosts: &[IpAddr], loops: usize) -> Result<Sockets, Trouble> {
    let mut last = None;
    for port in PORT_DEFAULT..=PORT_DEFAULT + PORTS_TRIED {
        let addresses: Vec<_> = hosts.iter().map(|&host| SocketAddr::new(host, port)).collect();
        match open(&addresses, loops) {
            Err(trouble) if trouble.is_taken => last = Some(trouble),
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or_else(|| Trouble::new(1, "no port is free".to_owned())))
}

/// What to listen on for `--lan`: everything, IPv6 only where the machine has it.
pub(crate) fn every_address() -> Vec<IpAddr> {
    let mut hosts = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    if net::listener::addresses().iter().any(IpAddr::is_ipv6) {
        hosts.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    }
    hosts
}

fn explain(address: SocketAddr, error: &std::io::Error) -> Trouble {
    let port = address.port();
    let message = match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = net::holder::holder(address).map_or_else(
                || "another process, which only root may name".to_owned(),
                |holder| format!("{} (pid {})", holder.name, holder.pid),
            );
            format!(
                "{address}: the port is taken by {holder}; stop that, or choose another with \
                 --port N or `listen`"
            )
        }
        ErrorKind::PermissionDenied => format!(
            "{address}: permission denied: ports below 1024 are for root; use --port 8080 or, to \
             allow this port to everybody, sysctl net.ipv4.ip_unprivileged_port_start={port}"
        ),
        ErrorKind::AddrNotAvailable => {
            format!("{address}: this machine has no such address; `ip address` lists those it has")
        }
        _ => format!("{address}: cannot listen: {error}"),
    };
    Trouble {
        exit_code: 1,
        is_taken: error.kind() == ErrorKind::AddrInUse,
        message: format!("error: {message}"),
    }
}
