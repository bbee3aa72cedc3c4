//! The port of a server that nobody gave one.

use crate::trouble::Trouble;
use config::plan::{Address, Listen};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use supervisor::Sockets;

/// The port where nobody has named one.
pub(crate) const PORT_DEFAULT: u16 = 7890;

/// How many ports after the default one are tried.
const PORTS_TRIED: u16 = 100;

/// Opens the default port or, where that is taken, the next free one; returns what it was asked.
pub(crate) fn open_any(hosts: &[IpAddr]) -> Result<(Sockets, Vec<Listen>), Trouble> {
    let mut last = None;
    for port in PORT_DEFAULT..=PORT_DEFAULT + PORTS_TRIED {
        let (mut sockets, wanted) = (Sockets::default(), named(hosts, port));
        match sockets.open(&wanted, wanted.len()) {
            Err(fault) if fault.is_taken => last = Some(fault),
            Err(fault) => return Err(fault.into()),
            Ok(()) => return Ok((sockets, wanted)),
        }
    }
    Err(last.map_or_else(|| Trouble::new(1, "no port is free".to_owned()), Trouble::from))
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
        http2: false,
        tls: false,
    };
    hosts.iter().map(listen).collect()
}
