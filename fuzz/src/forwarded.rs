//! X-Forwarded-For and Forwarded: whatever stands there, whom a trusted proxy names is the client.
//!
//! Each line of an input is the value of a field line.

use crate::text::{latin1, lines};
use message::{Field, Fields, forwarded};
use std::net::IpAddr;

/// Pieces of elements, and of addresses.
pub const TOKENS: &[&str] = &[
    "for=",
    "For=",
    ";by=",
    ";proto=http",
    "\"",
    "\\",
    "\\\"",
    ",",
    ", ",
    ";",
    "\n",
    "10.0.0.1",
    "10.0.0.1, ",
    "203.0.113.7",
    "6.6.6.6",
    "::ffff:6.6.6.6",
    "[2001:db8::7]",
    "[fd00::1]:4711",
    "2001:db8::7",
    "unknown",
    "_hidden",
    ":80",
    ":_x",
    ":",
    "%eth0",
    "00",
    "256",
    "\t",
];

const NAMES: [&str; 2] = ["x-forwarded-for", "forwarded"];

/// Reads the lines as those of either field, as they are and with what a proxy adds to them.
pub fn run(data: &[u8]) {
    let values: Vec<&[u8]> = lines(data).collect();
    let peer: IpAddr = [10, 0, 0, 9].into();
    check_quoted(data, peer);
    for name in NAMES {
        let found = client(name, &values, peer);
        assert_eq!(client(name, &values, [192, 0, 2, 1].into()), IpAddr::from([192, 0, 2, 1]));
        if name == NAMES[0] {
            assert_eq!(found, slowly(&values, peer), "{}", data.escape_ascii());
        }
        for (node, address) in
            [("203.0.113.7", "203.0.113.7"), ("\"[2001:db8::7]:80\"", "2001:db8::7")]
        {
            let added = match name {
                "forwarded" => format!("for={node};proto=http"),
                _ => node.trim_matches('"').to_owned(),
            };
            // A proxy adds to the last line, or a line of its own, and others behind it go on.
            let last = values.last().copied().unwrap_or_default();
            let joined = [last, b", ", added.as_bytes()].concat();
            let before = &values[..values.len() - 1];
            let more = if name == "forwarded" { "for=10.1.2.3" } else { "10.1.2.3" };
            for lines in [
                [before, &[&joined]].concat(),
                [&values[..], &[added.as_bytes()]].concat(),
                [&values[..], &[added.as_bytes(), more.as_bytes()]].concat(),
            ] {
                let found = client(name, &lines, peer);
                assert_eq!(found.to_string(), address, "{}", data.escape_ascii());
            }
        }
    }
}

/// Whatever host a client asks for: a proxy that tells of it in quotes does not thereby say who the
/// client is.
fn check_quoted(data: &[u8], peer: IpAddr) {
    let escape = |&byte: &u8| match byte {
        b'"' | b'\\' => vec![b'\\', byte],
        _ => vec![byte],
    };
    let host: Vec<u8> = data.iter().flat_map(escape).collect();
    let value = [b"host=\"", &host[..], b"\";for=203.0.113.7"].concat();
    let turned = [b"for=203.0.113.7;host=\"", &host[..], b"\""].concat();
    for value in [value, turned] {
        let found = client("forwarded", &[&value], peer);
        assert_eq!(found.to_string(), "203.0.113.7", "{}", value.escape_ascii());
    }
}

fn client(name: &str, values: &[&[u8]], peer: IpAddr) -> IpAddr {
    let lines: Vec<_> = values.iter().map(|value| Field { name: name.as_bytes(), value }).collect();
    let is_trusted = |address: Option<IpAddr>| address.is_some_and(is_trusted);
    let found = forwarded::client(&Fields::of(&lines), Some(peer), is_trusted);
    found.ok().flatten().unwrap_or(peer)
}

fn is_trusted(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

/// The same for X-Forwarded-For, by way of one long text.
fn slowly(values: &[&[u8]], peer: IpAddr) -> IpAddr {
    let text = values.iter().map(|value| latin1(value)).collect::<Vec<_>>().join(",");
    let mut farthest = peer;
    let blanks = ['\t', '\n', '\x0c', '\r', ' '];
    let members = text.split(',').rev().map(|member| member.trim_matches(blanks));
    for (seen, member) in members.filter(|member| !member.is_empty()).enumerate() {
        let Some(address) = address(member) else { return peer };
        if !is_trusted(address) {
            return address;
        }
        if seen == forwarded::PROXIES_MAX {
            return peer;
        }
        farthest = address;
    }
    farthest
}

/// An address with or without one port.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(address) = bare(text) {
        return Some(address);
    }
    let (before, port) = text.rsplit_once(':')?;
    let is_number = (1..6).contains(&port.len()) && port.chars().all(|c| c.is_ascii_digit());
    let is_name = port.len() > 1
        && port.starts_with('_')
        && port.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let may_have_port = before.starts_with('[') || !before.contains(':');
    (is_number || is_name).then_some(())?;
    may_have_port.then(|| bare(before))?
}

/// An address alone, one of IPv6 also in brackets.
fn bare(text: &str) -> Option<IpAddr> {
    let inside = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    Some(text.parse().ok().or_else(inside)?.to_canonical())
}
