//! Opening the sockets, and saying what to do where one cannot be had.

use crate::trouble::Trouble;
use config::plan::{Address, Listen};
use net::{
    listener::Listening,
    unix::{SocketFile, UnixError},
};
use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};
use worker::Listener;

/// The port of a server that nobody gave one.
pub(crate) const PORT_DEFAULT: u16 = 7890;

/// How many ports after the default one are tried.
const PORTS_TRIED: u16 = 100;

/// Sockets that are open.
pub(crate) struct Sockets {
    /// The files of those of Unix. They have to be dropped before the sockets are closed.
    pub(crate) files: Vec<SocketFile>,
    /// For each loop one of each address.
    pub(crate) by_loop: Vec<Vec<Listener>>,
    /// Where they listen.
    pub(crate) addresses: Vec<Address>,
}

/// Opens one socket for each of `loops` at each address.
pub(crate) fn open(wanted: &[Listen], loops: usize) -> Result<Sockets, Trouble> {
    let by_loop = (0..loops).map(|_| Vec::new()).collect();
    let mut sockets = Sockets { files: Vec::new(), by_loop, addresses: Vec::new() };
    for (number, listen) in wanted.iter().enumerate() {
        let group = match &listen.address {
            Address::Tcp(address) => match net::listener::listen_group(*address, loops) {
                Ok(group) => {
                    let bound = group.first().and_then(|first| first.local_addr().ok());
                    sockets.addresses.push(Address::Tcp(bound.unwrap_or(*address)));
                    group.into_iter().map(Listening::Tcp).collect()
                }
                Err(error) if can_do_without(listen, net::listener::is_absent(&error)) => continue,
                Err(error) => return Err(explain(*address, &error).said_at(&listen.written)),
            },
            Address::Unix { path, mode } => {
                let trouble = |error| explain_unix(path, &error).said_at(&listen.written);
                let (file, group) = unix_group(path, *mode, loops).map_err(trouble)?;
                sockets.files.push(file);
                sockets.addresses.push(listen.address.clone());
                group
            }
        };
        for (listeners, socket) in sockets.by_loop.iter_mut().zip(group) {
            listeners.push(Listener { number, socket });
        }
    }
    Ok(sockets)
}

/// One socket at `path` as often as there are loops.
fn unix_group(
    path: &Path,
    mode: u32,
    loops: usize,
) -> Result<(SocketFile, Vec<Listening>), UnixError> {
    let (socket, file) = net::unix::listen(path, mode)?;
    let copy = |_| socket.try_clone().map(Listening::Unix);
    let group = (0..loops).map(copy).collect::<Result<_, _>>().map_err(UnixError::Failed)?;
    Ok((file, group))
}

/// Opens the default port or, where that is taken, the next free one.
pub(crate) fn open_any_port(hosts: &[IpAddr], loops: usize) -> Result<Sockets, Trouble> {
    let mut last = None;
    for port in PORT_DEFAULT..=PORT_DEFAULT + PORTS_TRIED {
        match open(&named(hosts, port), loops) {
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

/// What was asked for by name: `port` at each of `hosts`.
pub(crate) fn named(hosts: &[IpAddr], port: u16) -> Vec<Listen> {
    let listen = |&host| Listen {
        address: Address::Tcp(SocketAddr::new(host, port)),
        written: "".into(),
        is_implied: false,
        proxy_protocol: false,
    };
    hosts.iter().map(listen).collect()
}

/// Whether an address that cannot be had is one that nobody will miss: a machine without IPv6 has
/// no unspecified address of it, and who has typed only a port cannot mean that one.
fn can_do_without(wanted: &Listen, is_absent: bool) -> bool {
    let is_ipv6 = matches!(wanted.address, Address::Tcp(SocketAddr::V6(_)));
    is_absent && wanted.is_implied && is_ipv6
}

fn explain_unix(path: &Path, error: &UnixError) -> Trouble {
    let other = "choose another path by `listen`";
    let cause = match error {
        UnixError::Taken(Some(holder)) => {
            format!("{} (pid {}) listens there; stop that, or {other}", holder.name, holder.pid)
        }
        UnixError::Taken(None) => {
            format!("another server listens there, or is about to; stop that, or {other}")
        }
        UnixError::NoSocket => format!("what lies there is no socket; move it away, or {other}"),
        UnixError::Failed(error) if error.kind() == ErrorKind::NotFound => {
            "its folder does not exist; make that first".to_owned()
        }
        UnixError::Failed(error) if error.kind() == ErrorKind::PermissionDenied => {
            format!("this user may not make or replace it; {other}")
        }
        UnixError::Failed(error) => format!("cannot listen: {error}"),
    };
    Trouble::new(1, format!("error: unix:{}: {cause}", path.display()))
}

fn explain(address: SocketAddr, error: &io::Error) -> Trouble {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ipv6_that_nobody_named_can_be_done_without() {
        for (address, is_implied, is_absent, expect) in [
            ("[::]:80", true, true, true),
            ("[::]:80", true, false, false),
            ("[::]:80", false, true, false),
            ("0.0.0.0:80", true, true, false),
        ] {
            let address = Address::Tcp(address.parse().unwrap());
            let wanted = Listen { address, written: "".into(), is_implied, proxy_protocol: false };
            assert_eq!(can_do_without(&wanted, is_absent), expect, "{}", wanted.address);
        }
    }
}
