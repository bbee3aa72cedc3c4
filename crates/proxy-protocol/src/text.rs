//! Version 1: one line for people to read (section 2.1 of the specification).

use crate::{Header, Malformed, agrees};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::{self, FromStr},
};

/// Bytes of the longest line there is, with its end.
const LINE_BYTES_MAX: usize = 107;

const SIGNATURE: &[u8] = b"PROXY ";

pub(crate) fn parse(input: &[u8]) -> Result<Option<Header>, Malformed> {
    if !agrees(input, SIGNATURE) {
        return Err(Malformed::Signature);
    }
    let seen = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        let is_over = input.len() >= LINE_BYTES_MAX;
        return if is_over { Err(Malformed::TooLong) } else { Ok(None) };
    };
    let line = seen.get(SIGNATURE.len()..end).ok_or(Malformed::Content)?;
    let line = str::from_utf8(line).map_err(|_| Malformed::Content)?;
    let (family, addresses) = line.split_once(' ').unwrap_or((line, ""));
    let source = match family {
        "TCP4" => Some(source::<Ipv4Addr>(addresses)?),
        "TCP6" => Some(source::<Ipv6Addr>(addresses)?),
        // Whatever else the line says then is to be ignored.
        "UNKNOWN" => None,
        _ => return Err(Malformed::Content),
    };
    Ok(Some(Header { source, bytes: end + 2 }))
}

/// The first of two addresses and two ports, each behind exactly one blank.
fn source<A: FromStr + Into<IpAddr>>(text: &str) -> Result<SocketAddr, Malformed> {
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(Malformed::Content);
    let (source, destination) = (word()?, word()?);
    let (port, other_port) = (word()?, word()?);
    let address = source.parse::<A>().map_err(|_| Malformed::Content)?;
    destination.parse::<A>().map_err(|_| Malformed::Content)?;
    self::port(other_port)?;
    match words.next() {
        None => Ok(SocketAddr::new(address.into(), self::port(port)?)),
        Some(_) => Err(Malformed::Content),
    }
}

/// A port in decimal, without zeros or a sign before it.
fn port(text: &str) -> Result<u16, Malformed> {
    let are_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = are_digits && (text == "0" || !text.starts_with('0'));
    let port = if is_plain { text.parse().ok() } else { None };
    port.ok_or(Malformed::Content)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A line for a connection from `source`.
    pub(crate) fn header(source: SocketAddr) -> Vec<u8> {
        let (family, to) = if source.is_ipv4() { ("TCP4", "192.0.2.9") } else { ("TCP6", "::9") };
        format!("PROXY {family} {} {to} {} 443\r\n", source.ip(), source.port()).into_bytes()
    }

    fn check(input: &str, expect: Result<Option<(&str, usize)>, Malformed>) {
        let expect = expect.map(|header| {
            header.map(|(source, bytes)| Header { source: source.parse().ok(), bytes })
        });
        assert_eq!(parse(input.as_bytes()), expect, "{input:?}");
    }

    #[test]
    fn lines_name_the_source() {
        let line = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
        check(&format!("{line}GET / HTTP/1.1\r\n"), Ok(Some(("192.168.0.1:56324", line.len()))));
        check("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", Ok(Some(("[2001:db8::1]:1", 32))));
        check("PROXY TCP4 0.0.0.0 0.0.0.0 0 65535\r\n", Ok(Some(("0.0.0.0:0", 36))));
        check("PROXY UNKNOWN\r\n", Ok(Some(("none", 15))));
        check("PROXY UNKNOWN ffff::1 x y\r\nG", Ok(Some(("none", 27))));
    }

    #[test]
    fn what_is_no_line_is_refused_as_soon_as_that_is_clear() {
        check("P", Ok(None));
        check("PROXY TCP4 192.168.0.1", Ok(None));
        check("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r", Ok(None));
        check("POST / HTTP/1.1\r\n", Err(Malformed::Signature));
        check("PROXYTCP4", Err(Malformed::Signature));
        check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(91)), Ok(Some(("none", 107))));
        check(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)), Err(Malformed::TooLong));
        check(&format!("PROXY UNKNOWN {}", "x".repeat(93)), Err(Malformed::TooLong));
        for content in [
            "",
            "TCP4",
            "TCP4 ",
            "tcp4 1.2.3.4 1.2.3.4 1 2",
            "TCP5 1.2.3.4 1.2.3.4 1 2",
            "TCP4 1.2.3.4 1.2.3.4 1",
            "TCP4 1.2.3.4 1.2.3.4 1 2 3",
            "TCP4 1.2.3.4 1.2.3.4 1 2 ",
            "TCP4  1.2.3.4 1.2.3.4 1 2",
            "TCP4 ::1 ::1 1 2",
            "TCP6 1.2.3.4 1.2.3.4 1 2",
            "TCP6 fe80::1%eth0 ::1 1 2",
            "TCP4 1.2.3.400 1.2.3.4 1 2",
            "TCP4 1.2.3.4 1.2.3 1 2",
            "TCP4 1.2.3.4 1.2.3.4 01 2",
            "TCP4 1.2.3.4 1.2.3.4 +1 2",
            "TCP4 1.2.3.4 1.2.3.4 1 65536",
            "TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "UNKNOWNX",
        ] {
            check(&format!("PROXY {content}\r\n"), Err(Malformed::Content));
        }
        check("PROXY\r\n", Err(Malformed::Signature));
    }
}
