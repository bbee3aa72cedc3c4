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

/// Opens that port at each of `hosts`; for 0 one that the kernel chooses, the same at all of them.
/// Returns what it was asked.
pub(crate) fn open_named(hosts: &[IpAddr], port: u16) -> Result<(Sockets, Vec<Listen>), Trouble> {
    let (first, others) = hosts.split_at(hosts.len().min(1));
    let mut tries = if port == 0 { PORTS_TRIED } else { 0 };
    loop {
        let (mut sockets, mut wanted) = (Sockets::default(), named(first, port));
        sockets.open(&wanted, wanted.len())?;
        let chosen = sockets.addresses(&wanted).first().and_then(|(_, address)| address.tcp());
        wanted.extend(named(others, chosen.map_or(port, |chosen| chosen.port())));
        match sockets.open(&wanted, wanted.len()) {
            Err(fault) if fault.is_taken && tries > 0 => tries -= 1,
            Err(fault) => return Err(fault.into()),
            Ok(()) => return Ok((sockets, wanted)),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_kernel_chooses_is_one_at_all_addresses() {
        for _ in 0..20 {
            let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|host| host.parse().unwrap());
            let (sockets, wanted) =
                open_named(&hosts, 0).unwrap_or_else(|_| panic!("all are free"));
            let addresses = sockets.addresses(&wanted);
            let ports: Vec<_> =
                addresses.iter().filter_map(|(_, own)| Some(own.tcp()?.port())).collect();
            assert_eq!(ports, [ports[0]; 3]);
        }
    }
}
