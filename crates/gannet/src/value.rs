//! The values of options, and what to say to whoever typed something else.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZero,
};

/// The address that `--bind` takes.
pub(crate) fn bind(text: &str) -> Result<IpAddr, String> {
    let plain = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    if let Some(address) = plain(text) {
        return match unusable(address) {
            Some(why) => Err(why.to_owned()),
            None => Ok(address),
        };
    }
    Err(match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            let host = plain(host).map_or_else(|| "ADDR".to_owned(), |host| host.to_string());
            format!("the port goes apart: --bind {host} --port {port}")
        }
        _ if text.contains('%') => OF_ONE_LINK.to_owned(),
        _ if text == "localhost" => "write 127.0.0.1 or ::1".to_owned(),
        _ => "it takes an IP address of this machine; `ip address` lists them".to_owned(),
    })
}

/// What to say of an address that means nothing without its interface.
const OF_ONE_LINK: &str = "an address that begins with fe80 needs an interface, which cannot be \
                           named here: use --lan or another address";

/// Why no server can listen at that address, where none can.
fn unusable(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_multicast() => Some("that is the address of a group: use one of a machine"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => {
            Some("that is the address of everybody: use one of a machine")
        }
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(OF_ONE_LINK),
        _ => None,
    }
}

/// Who a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Somebody with an address.
    Address(IpAddr),
    /// Somebody at a Unix socket, who has none.
    Unix,
}

/// The client that `--from` takes.
pub(crate) fn client(text: &str) -> Result<Client, String> {
    match text {
        "unix" => Ok(Client::Unix),
        text => text.parse().map(Client::Address).map_err(|_| {
            "it takes an IP address, or `unix` for who comes by a Unix socket".to_owned()
        }),
    }
}

/// The number that `--threads` takes.
pub(crate) fn threads(text: &str) -> Result<NonZero<usize>, String> {
    let refusal = "it takes a number from 1; leave it out for one event loop for each core";
    text.parse().map_err(|_| refusal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_refused_with_the_way_out() {
        fn check(text: &str, expect: &str) {
            assert_eq!(bind(text), Err(expect.to_owned()), "{text:?}");
        }
        check("127.0.0.1:80", "the port goes apart: --bind 127.0.0.1 --port 80");
        check("[::1]:80", "the port goes apart: --bind ::1 --port 80");
        check("localhost:80", "the port goes apart: --bind ADDR --port 80");
        check("localhost", "write 127.0.0.1 or ::1");
        check("224.0.0.1", "that is the address of a group: use one of a machine");
        check("ff02::1", "that is the address of a group: use one of a machine");
        check("255.255.255.255", "that is the address of everybody: use one of a machine");
        check("fe80::1", OF_ONE_LINK);
        check("fe80::1%eth0", OF_ONE_LINK);
        check("eth0", "it takes an IP address of this machine; `ip address` lists them");
        assert!(threads("0").is_err() && threads("x").is_err() && threads("-1").is_err());
        assert_eq!(
            (client("unix"), client("::1")),
            (Ok(Client::Unix), Ok(Client::Address(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]))))
        );
        assert!(client("unix:/run/x").is_err() && client("localhost").is_err());
        assert_eq!(threads("3").map(NonZero::get), Ok(3));
    }
}
