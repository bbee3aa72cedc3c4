//! Who listens on an address already, so that "address in use" can name the culprit.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// The name of its program, as the kernel keeps it: at most 15 bytes.
    pub name: String,
}

/// The process that listens on `address`, or on its port at every address. `None` when there is
/// none, or when it belongs to somebody whose descriptors this user may not see.
#[must_use]
pub fn holder(address: SocketAddr) -> Option<Holder> {
    let mut sockets = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = fs::read_to_string(table).unwrap_or_default();
        let inodes = table.lines().filter_map(|line| listening(line, address));
        sockets.extend(inodes.map(|inode| format!("socket:[{inode}]")));
    }
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.filter_map(Result::ok);
        descriptors.find(|descriptor| {
            fs::read_link(descriptor.path())
                .is_ok_and(|target| sockets.iter().any(|socket| target.as_os_str() == &**socket))
        })?;
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        Some(Holder { pid, name: name.trim_end().to_owned() })
    })
}

/// The inode of the socket that `line` of /proc/net/tcp describes, if it listens where `address`
/// would have to.
fn listening(line: &str, address: SocketAddr) -> Option<&str> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let ip = parse_ip(ip)?.to_canonical();
    let is_there = if ip.is_ipv4() == address.is_ipv4() {
        ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified()
    } else {
        // A socket on every IPv6 address can hold the port of IPv4 as well.
        ip.is_ipv6() && ip.is_unspecified()
    };
    let is_port = u16::from_str_radix(port, 16) == Ok(address.port());
    (state == LISTEN && is_port && is_there).then_some(inode)
}

/// The kernel prints addresses as 32-bit numbers of the machine's own byte order.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at..at + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}
