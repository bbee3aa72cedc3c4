//! Version 2: a head of 16 bytes, addresses, and whatever else the balancer wants to tell
//! (section 2.2 of the specification).

use crate::{Header, Malformed, agrees};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

const HEAD_BYTES: usize = 16;

/// Bytes that may follow the head: as many as fit into the smallest segment that every host takes.
const REST_BYTES_MAX: usize = 536;

pub(crate) const HEADER_BYTES_MAX: usize = HEAD_BYTES + REST_BYTES_MAX;

pub(crate) fn parse(input: &[u8]) -> Result<Option<Header>, Malformed> {
    if !agrees(input, SIGNATURE) {
        return Err(Malformed::Signature);
    }
    let Some((head, rest)) = input.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let [.., command, protocol, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST_BYTES_MAX {
        return Err(Malformed::TooLong);
    }
    let is_proxied = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err(Malformed::Content),
    };
    let source = match (is_proxied, protocol) {
        // The balancer itself asks, to see how we are; what else it says is to be ignored.
        (false, _) => None,
        (true, 0x11) => Some(Family::V4),
        (true, 0x21) => Some(Family::V6),
        // Unspecified, or of a kind that the client of an HTTP server cannot have come by: a
        // datagram, or a Unix socket of the balancer's machine. The length must be right even so.
        (true, 0x00) => None,
        (true, 0x12) => return nobody(rest, length, 12),
        (true, 0x22) => return nobody(rest, length, 36),
        (true, 0x31 | 0x32) => return nobody(rest, length, 216),
        (true, _) => return Err(Malformed::Content),
    };
    match source {
        None => nobody(rest, length, 0),
        Some(family) => {
            if length < family.bytes() {
                return Err(Malformed::Content);
            }
            let Some(rest) = rest.get(..length) else { return Ok(None) };
            let source = family.source(rest).ok_or(Malformed::Content)?;
            Ok(Some(Header { source: Some(source), bytes: HEAD_BYTES + length }))
        }
    }
}

/// A header that names no source, but should hold addresses of `least` bytes.
fn nobody(rest: &[u8], length: usize, least: usize) -> Result<Option<Header>, Malformed> {
    if length < least {
        return Err(Malformed::Content);
    }
    let is_whole = rest.len() >= length;
    Ok(is_whole.then_some(Header { source: None, bytes: HEAD_BYTES + length }))
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// Bytes of two addresses and two ports.
    fn bytes(self) -> usize {
        match self {
            Self::V4 => 12,
            Self::V6 => 36,
        }
    }

    /// The first address and the first port of `rest`.
    fn source(self, rest: &[u8]) -> Option<SocketAddr> {
        let (address, rest): (IpAddr, _) = match self {
            Self::V4 => {
                let (address, rest) = rest.split_first_chunk::<4>()?;
                (Ipv4Addr::from(*address).into(), rest.get(4..)?)
            }
            Self::V6 => {
                let (address, rest) = rest.split_first_chunk::<16>()?;
                (Ipv6Addr::from(*address).into(), rest.get(16..)?)
            }
        };
        Some(SocketAddr::new(address, u16::from_be_bytes(*rest.first_chunk()?)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A header for a connection from `source`, with `more` behind the addresses.
    pub(crate) fn header(source: SocketAddr, more: &[u8]) -> Vec<u8> {
        let (protocol, mut rest) = match source.ip() {
            IpAddr::V4(ip) => (0x11, [ip.octets(), [9; 4]].concat()),
            IpAddr::V6(ip) => (0x21, [ip.octets(), [9; 16]].concat()),
        };
        rest.extend(source.port().to_be_bytes());
        rest.extend([1, 187]);
        rest.extend(more);
        raw(0x21, protocol, &rest)
    }

    fn raw(command: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut all = SIGNATURE.to_vec();
        all.extend([command, protocol]);
        all.extend((rest.len() as u16).to_be_bytes());
        all.extend(rest);
        all
    }

    fn check(input: &[u8], expect: Result<Option<Option<&str>>, Malformed>) {
        let expect = expect.map(|header| {
            let source = header?.map(|source| source.parse().unwrap());
            Some(Header { source, bytes: input.len() })
        });
        assert_eq!(parse(input), expect, "{}", input.escape_ascii());
        let more = [input, b"GET"].concat();
        if let Ok(Some(_)) = expect {
            assert_eq!(parse(&more), expect, "what follows is not looked at");
        }
    }

    #[test]
    fn headers_name_the_source() {
        for source in ["192.0.2.1:5", "[2001:db8::7]:65535"] {
            let bytes = header(source.parse().unwrap(), b"");
            check(&bytes, Ok(Some(Some(source))));
            // What is told beside the addresses: here an ALPN and a checksum, or nonsense.
            let bytes = header(source.parse().unwrap(), b"\x01\0\x02h2\x03\0\x04abcd");
            check(&bytes, Ok(Some(Some(source))));
            check(&header(source.parse().unwrap(), &[0xff; 500]), Ok(Some(Some(source))));
        }
    }

    #[test]
    fn a_balancer_may_name_nobody() {
        check(&raw(0x20, 0x00, b""), Ok(Some(None)));
        check(&raw(0x20, 0x11, &[1; 12]), Ok(Some(None)));
        check(&raw(0x20, 0xff, b"anything"), Ok(Some(None)));
        check(&raw(0x21, 0x00, b"anything"), Ok(Some(None)));
        check(&raw(0x21, 0x12, &[1; 12]), Ok(Some(None)));
        check(&raw(0x21, 0x31, &[b'/'; 216]), Ok(Some(None)));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let v4 = [7; 12];
        check(b"\r\n\r\n\0\r\nQUIT\r", Err(Malformed::Signature));
        check(b"GET / HTTP/1.1\r\n", Err(Malformed::Signature));
        check(b"\r\n\r\n\r\n", Err(Malformed::Signature));
        check(&raw(0x11, 0x11, &v4), Err(Malformed::Content));
        check(&raw(0x22, 0x11, &v4), Err(Malformed::Content));
        check(&raw(0x21, 0x41, &v4), Err(Malformed::Content));
        check(&raw(0x21, 0x13, &v4), Err(Malformed::Content));
        check(&raw(0x21, 0x11, &v4[..11]), Err(Malformed::Content));
        check(&raw(0x21, 0x21, &[7; 35]), Err(Malformed::Content));
        check(&raw(0x21, 0x31, &[7; 215]), Err(Malformed::Content));
        check(&raw(0x21, 0x11, &[0; REST_BYTES_MAX]), Ok(Some(Some("0.0.0.0:0"))));
        check(&raw(0x21, 0x11, &[0; REST_BYTES_MAX + 1]), Err(Malformed::TooLong));
        check(&raw(0x20, 0x00, &[0; 60_000])[..16], Err(Malformed::TooLong));
    }
}
