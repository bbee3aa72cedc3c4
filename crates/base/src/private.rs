//! Names and addresses that nobody in the world owns, and for which no authority of the world
//! signs: the local authority signs for these and no others.

use crate::Network;
use std::net::IpAddr;

/// Endings of names (RFC 6761, RFC 6762, RFC 8375, and what ICANN keeps for private use).
pub const ENDINGS: [&str; 11] = [
    "localhost",
    "internal",
    "test",
    "example",
    "local",
    "home.arpa",
    "lan",
    "invalid",
    "example.com",
    "example.net",
    "example.org",
];

/// Networks: this machine, and those that are not routed (RFC 1918, 3927, 6598, 4193, 4291).
pub const NETWORKS: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// Whether `host`, a name in lower case or an address, is private. A name that stands for those
/// below it (`*.`) is if they are.
#[must_use]
pub fn is_private(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        let networks = NETWORKS.iter().filter_map(|network| network.parse::<Network>().ok());
        return networks.into_iter().any(|network| network.contains(address));
    }
    let host = host.strip_prefix("*.").unwrap_or(host);
    ENDINGS.iter().any(|ending| {
        host.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_what_nobody_owns() {
        for host in [
            "localhost",
            "a.localhost",
            "*.localhost",
            "a.test",
            "x.home.arpa",
            "127.0.0.1",
            "[::1]",
            "10.1.2.3",
            "fd00::1",
            "192.168.1.1",
            "www.example.com",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in ["notlocalhost", "a.dev", "8.8.8.8", "2001:db8::1", "test.com", "172.32.0.1"] {
            assert!(!is_private(host), "{host}");
        }
    }
}
