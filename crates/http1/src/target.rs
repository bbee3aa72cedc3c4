//! Request targets and hosts (RFC 9112 section 3.2, RFC 3986 section 3.2.2).

use crate::refusal::Refusal;
use message::Method;
use std::net::Ipv6Addr;

/// What a target says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'b> {
    /// The authority of an absolute target, with its port; it counts more than the host field.
    pub(crate) authority: Option<&'b str>,
    /// The raw path, or `*`.
    pub(crate) path: &'b str,
    /// What follows the first `?`.
    pub(crate) query: Option<&'b str>,
}

/// Takes a target apart, whose length and bytes have been checked.
pub(crate) fn parse<'b>(target: &'b str, method: Method<'_>) -> Result<Target<'b>, Refusal> {
    if matches!(method, Method::Connect) {
        return Err(Refusal::Connect);
    }
    if target.starts_with('/') {
        let (path, query) = split_query(target);
        return Ok(Target { authority: None, path, query });
    }
    let is_options = matches!(method, Method::Options);
    if target == "*" && is_options {
        return Ok(Target { authority: None, path: target, query: None });
    }
    let Some(rest) = after_scheme(target) else { return Err(Refusal::Target) };
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = split_query(rest);
    let path = match path {
        // RFC 9112 section 3.2.4: this is how a proxy is asked about the whole server.
        "" if is_options && query.is_none() => "*",
        "" => "/",
        path => path,
    };
    Ok(Target { authority: Some(authority), path, query })
}

/// The host of `authority` and its port with the colon, or a refusal if either is malformed: a
/// registered name, an IPv4 address or an IPv6 address in brackets; no user name, no empty host.
/// Escapes are refused although RFC 3986 knows them: with them, one host would have many spellings.
/// A port may be empty, which is as good as none (RFC 3986 section 3.2.3).
pub(crate) fn host(authority: &str) -> Result<(&str, &str), Refusal> {
    let (host, rest) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, _) = rest.split_once(']').ok_or(Refusal::Host)?;
        address.parse::<Ipv6Addr>().map_err(|_| Refusal::Host)?;
        authority.split_at(address.len() + 2)
    } else {
        let end = authority.bytes().position(|byte| !NAME_BYTES[usize::from(byte)]);
        authority.split_at(end.unwrap_or(authority.len()))
    };
    let port = if rest == ":" { "" } else { rest };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    if is_port && !host.is_empty() { Ok((host, port)) } else { Err(Refusal::Host) }
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

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.bytes().position(|byte| byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

/// What follows `http://` or `https://`.
fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let is_ours = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_ours.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        method: &str,
        target: &str,
        expect: Result<(Option<&str>, &str, Option<&str>), Refusal>,
    ) {
        let parsed = parse(target, Method::parse(method));
        let parsed = parsed.map(|target| (target.authority, target.path, target.query));
        assert_eq!(parsed, expect, "{method} {target}");
    }

    #[test]
    fn the_four_forms() {
        check("GET", "/", Ok((None, "/", None)));
        check("GET", "/a?b?c", Ok((None, "/a", Some("b?c"))));
        check("GET", "//b/c", Ok((None, "//b/c", None)));
        check("GET", "/?", Ok((None, "/", Some(""))));
        check("OPTIONS", "*", Ok((None, "*", None)));
        check("GET", "http://b/c?d", Ok((Some("b"), "/c", Some("d"))));
        check("GET", "HTTPS://b:8443", Ok((Some("b:8443"), "/", None)));
        check("GET", "http://b?d/", Ok((Some("b"), "/", Some("d/"))));
        check("OPTIONS", "http://b", Ok((Some("b"), "*", None)));
        check("OPTIONS", "http://b?", Ok((Some("b"), "/", Some(""))));
        check("CONNECT", "b:443", Err(Refusal::Connect));
        check("CONNECT", "/", Err(Refusal::Connect));
    }

    #[test]
    fn what_is_no_target() {
        for target in ["*", "b:443", "b", "?a", "a/b", "ftp://b/", "http:/b", "http:b"] {
            check("GET", target, Err(Refusal::Target));
        }
        check("OPTIONS", "*?a", Err(Refusal::Target));
    }

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
            assert_eq!(host(authority), Ok(expect));
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
            assert_eq!(host(authority), Err(Refusal::Host), "{authority}");
        }
    }
}
