//! The PROXY protocol, versions 1 and 2: what a balancer says of a connection before all else.
//!
//! Bytes come in, a header or a refusal goes out. Its specification is HAProxy's
//! `doc/proxy-protocol.txt`.

mod text;
mod binary;

use std::net::SocketAddr;

/// Bytes of the longest header that is accepted, of either version. One of version 2 may announce
/// 64 KiB; what balancers add beside the addresses is far below this.
pub const HEADER_BYTES_MAX: usize = binary::HEADER_BYTES_MAX;

/// A header that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who has connected to the balancer; `None` where the connection is the balancer's own, or it
    /// cannot say: then the connection's own address stands.
    pub source: Option<SocketAddr>,
    /// Bytes of the header. What follows is the client's.
    pub bytes: usize,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// They begin neither as version 1 nor as version 2.
    Signature,
    /// The header is longer than [`HEADER_BYTES_MAX`], or one of version 1 than 107 bytes.
    TooLong,
    /// The command, the protocol or an address is not one that there is.
    Content,
}

/// Reads the header that `input` begins with; `None` while it may still become one.
///
/// # Errors
/// However many bytes may follow, these will not become one.
pub fn parse(input: &[u8]) -> Result<Option<Header>, Malformed> {
    match input.first() {
        None => Ok(None),
        Some(b'P') => text::parse(input),
        Some(_) => binary::parse(input),
    }
}

/// Whether `input` begins as `signature` does, as far as it goes.
fn agrees(input: &[u8], signature: &[u8]) -> bool {
    input.iter().zip(signature).all(|(byte, expect)| byte == expect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_survived(input: Vec<u8>) {
            let _ = parse(&input);
        }

        #[test]
        fn a_header_that_came_in_pieces_is_the_same(
            address: SocketAddr,
            cut in 0usize..52,
            version_1: bool,
        ) {
            let address = SocketAddr::new(address.ip(), address.port());
            let bytes = match version_1 {
                true => text::tests::header(address),
                false => binary::tests::header(address, b"rest"),
            };
            let whole = [&bytes[..], b"GET /"].concat();
            let expect = Header { source: Some(address), bytes: bytes.len() };
            prop_assert_eq!(parse(&whole), Ok(Some(expect)));
            prop_assert_eq!(parse(&whole[..cut.min(bytes.len() - 1)]), Ok(None));
        }
    }
}
