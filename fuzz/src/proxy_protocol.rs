//! The PROXY protocol: a header is found at the same place however its bytes come in, and whatever
//! follows it.

use proxy_protocol::{HEADER_BYTES_MAX, parse};
use std::net::{IpAddr, SocketAddr};

/// Pieces of both versions.
pub const TOKENS: &[&str] = &[
    "PROXY ",
    "TCP4 ",
    "TCP6 ",
    "UNKNOWN",
    " ",
    "\r\n",
    "\r",
    "\n",
    "192.0.2.1 ",
    "2001:db8::7 ",
    "::ffff:192.0.2.1 ",
    "0 ",
    "65535",
    "65536",
    "\r\n\r\n\0\r\nQUIT\n",
    "\x20",
    "\x21",
    "\x11",
    "\x12",
    "\x31",
    "\0",
    "\0\x0c",
    "\0\x24",
    "\x02\x18",
    "\x02\x19",
    "\x01",
    "GET / HTTP/1.1\r\n",
];

/// Reads the bytes whole, and with every end that a read may have.
pub fn run(data: &[u8]) {
    let whole = parse(data);
    let head = &data[..data.len().min(HEADER_BYTES_MAX + 1)];
    for cut in 0..=head.len() {
        match parse(&head[..cut]) {
            // Once there is an outcome, more bytes do not change it.
            Ok(Some(header)) => {
                assert!((8..=HEADER_BYTES_MAX).contains(&header.bytes) && header.bytes <= cut);
                assert_eq!(whole, Ok(Some(header)));
                check_text(&data[..header.bytes], header.source);
                return;
            }
            Err(malformed) => return assert_eq!(whole, Err(malformed)),
            Ok(None) => {}
        }
    }
    assert_eq!(whole, Ok(None));
    assert!(data.len() < HEADER_BYTES_MAX, "longer than any header");
}

/// A line of version 1, written again from what was read of it, is that line.
fn check_text(header: &[u8], source: Option<SocketAddr>) {
    let Some(line) = header.strip_prefix(b"PROXY ") else {
        let length = u16::from_be_bytes([header[14], header[15]]);
        return assert_eq!(header.len(), 16 + usize::from(length));
    };
    let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no end of line"));
    assert!(header.len() <= 107 && !line.windows(2).any(|pair| pair == b"\r\n"));
    let Some(source) = source else { return assert!(line.starts_with(b"UNKNOWN")) };
    let line = str::from_utf8(line).unwrap_or_else(|_| panic!("not text"));
    let words: Vec<&str> = line.split(' ').collect();
    let [family, from, to, port, to_port] = words[..] else { panic!("{line}") };
    let is_v6 = family == "TCP6";
    assert!(is_v6 || family == "TCP4");
    for address in [from, to].map(str::parse::<IpAddr>) {
        assert!(address.is_ok_and(|address| address.is_ipv6() == is_v6), "{line}");
    }
    assert_eq!((Ok(source.ip()), source.port().to_string().as_str()), (from.parse(), port));
    assert!(to_port.parse::<u16>().is_ok_and(|port| port.to_string() == to_port), "{line}");
}
