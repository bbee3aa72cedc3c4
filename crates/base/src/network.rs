//! Address blocks, and whether an address lies in one of them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// One block of addresses, such as `10.0.0.0/8`, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// What stands before the slash is no IP address.
    Address,
    /// What stands behind the slash is no number of bits that such an address has.
    Prefix,
    /// The address has bits set behind its prefix; here is the block that may be meant.
    Host(Network),
}

impl Network {
    /// The block that holds `address` and all others with the same first `prefix_bits`.
    #[must_use]
    pub fn of(address: IpAddr, prefix_bits: u8) -> Self {
        let address = canonical(address);
        let prefix_bits = prefix_bits.min(bits(address));
        Self { address: masked(address, prefix_bits), prefix_bits }
    }

    /// The first address of the block.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The bits that all of its addresses begin with.
    #[must_use]
    pub fn prefix_bits(self) -> u8 {
        self.prefix_bits
    }

    /// Whether `address` lies in the block. An IPv4 address in IPv6 clothing (`::ffff:10.0.0.1`) is
    /// that IPv4 address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let address = canonical(address);
        bits(address) == bits(self.address) && masked(address, self.prefix_bits) == self.address
    }

    /// Whether every address of `other` lies in this block.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.prefix_bits <= other.prefix_bits && self.contains(other.address)
    }

    /// Whether both blocks have an address in common: then one holds the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.parse().map_err(|_| NetworkError::Address)?;
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_bits = match prefix {
            None => bits(address),
            Some(prefix) => Some(prefix)
                .filter(is_number)
                .and_then(|prefix| prefix.parse().ok())
                .filter(|&prefix_bits| prefix_bits <= bits(address))
                .ok_or(NetworkError::Prefix)?,
        };
        let network = Self { address: masked(address, prefix_bits), prefix_bits };
        match network.address == address {
            true => Ok(network),
            false => Err(NetworkError::Host(network)),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match self.prefix_bits == bits(self.address) {
            true => Ok(()),
            false => write!(f, "/{}", self.prefix_bits),
        }
    }
}

/// The address itself where IPv6 only wraps an IPv4 one (RFC 4291 section 2.5.5.2).
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix_bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let block: Network = network.parse().unwrap();
        assert_eq!(block.to_string(), network);
        for address in inside {
            assert!(block.contains(address.parse().unwrap()), "{address} in {network}");
        }
        for address in outside {
            assert!(!block.contains(address.parse().unwrap()), "{address} in {network}");
        }
    }

    #[test]
    fn blocks_hold_their_addresses() {
        check("10.0.0.0/8", &["10.0.0.1", "10.255.255.255", "::ffff:10.1.1.1"], &["11.0.0.0"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("::/0", &["::1", "fe80::1"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check("192.168.1.7", &["192.168.1.7"], &["192.168.1.6"]);
        check("2001:db8::/32", &["2001:db8:1::1"], &["2001:db9::"]);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let refused = |text: &str| text.parse::<Network>().unwrap_err();
        for text in ["", "10.0.0", "10.0.0.0.0/8", "example.com", "1.2.3.4:80"] {
            assert_eq!(refused(text), NetworkError::Address, "{text}");
        }
        for text in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "::/1/2"] {
            assert_eq!(refused(text), NetworkError::Prefix, "{text}");
        }
        let NetworkError::Host(meant) = refused("10.0.0.1/8") else { panic!() };
        assert_eq!(meant.to_string(), "10.0.0.0/8");
    }

    #[test]
    fn blocks_overlap_where_one_holds_the_other() {
        let overlap = |a: &str, b: &str| a.parse::<Network>().unwrap().overlaps(b.parse().unwrap());
        assert!(overlap("10.0.0.0/8", "10.1.0.0/16") && overlap("10.1.0.0/16", "10.0.0.0/8"));
        assert!(!overlap("10.0.0.0/16", "10.1.0.0/16") && !overlap("0.0.0.0/0", "::/0"));
    }
}
