//! Hosts with their ports, as requests name them (RFC 3986 section 3.2).

use std::net::Ipv6Addr;

/// The host of `authority` and its port with the colon, or nothing if either is malformed: a
/// registered name, an IPv4 address or an IPv6 address in brackets; no user name, no empty host.
/// Escapes are refused although RFC 3986 knows them: with them, one host would have many spellings.
/// A port may be empty, which is as good as none (RFC 3986 section 3.2.3).
#[must_use]
pub fn split(authority: &str) -> Option<(&str, &str)> {
    let (host, rest) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, _) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        authority.split_at(address.len() + 2)
    } else {
        let end = authority.bytes().position(|byte| !NAME_BYTES[usize::from(byte)]);
        authority.split_at(end.unwrap_or(authority.len()))
    };
    let port = if rest == ":" { "" } else { rest };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (is_port && !host.is_empty()).then_some((host, port))
}

/// The bytes of a registered name: unreserved ones and sub-delimiters.
static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            );
        byte += 1;
    }
    table
};

fn is_port(digits: &str) -> bool {
    let are_digits = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    are_digits && digits.parse().is_ok_and(|port: u16| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (authority, expect) in [
            ("a", ("a", "")),
            ("Example.COM", ("Example.COM", "")),
            ("a_b.c-d.", ("a_b.c-d.", "")),
            ("a:1", ("a", ":1")),
            ("a:65535", ("a", ":65535")),
            ("a:", ("a", "")),
            ("[::1]:", ("[::1]", "")),
            ("127.0.0.1:80", ("127.0.0.1", ":80")),
            ("[::1]", ("[::1]", "")),
            ("[2001:db8::1]:443", ("[2001:db8::1]", ":443")),
        ] {
            assert_eq!(split(authority), Some(expect));
        }
        for authority in [
            "",
            ":80",
            ":",
            "a::",
            "a::80",
            "a:0",
            "a:65536",
            "a:99999",
            "a:+1",
            "a:1x",
            "a:000001",
            "a b",
            "u@a",
            "u:p@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "%61",
            "\u{fc}",
            "[::1",
            "[]",
            "[::g]",
            "[::1%25eth0]",
            "[::1]x",
            "::1",
            "[127.0.0.1]",
            "a\tb",
            "a\"",
            "<a>",
        ] {
            assert_eq!(split(authority), None, "{authority}");
        }
    }
}
