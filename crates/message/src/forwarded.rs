//! Who a client is that comes by way of proxies: what X-Forwarded-For and Forwarded say of it
//! (RFC 7239).
//!
//! Both are lists to which each proxy adds at the right whom it was asked by. Anybody can begin
//! one, so only what trusted proxies have added counts: the list is read from the right, and the
//! first address that is not one of theirs is the client. What stands to the left of it is not
//! looked at, whatever it is.

use crate::{Fields, Name, fields::Names};
use std::{net::IpAddr, str};

/// Proxies that a request may come through; more than these are no chain but a mistake, or an
/// attempt to cost time.
pub const PROXIES_MAX: usize = 32;

/// Both fields are there, and tell of different clients.
///
/// A balancer writes one of them and lets the other pass as the client sent it. Nobody can tell
/// here which, so believing either lets the client choose its address, and believing neither lets
/// it pass for the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction;

/// The fields in which proxies name it.
const NAMES: Names = Names::of(&[Name::Forwarded, Name::XForwardedFor]);

/// The client whose request came from `peer`, if that is a proxy that is trusted; else, and where
/// such proxies do not say it in a form that there is, `peer` itself. On a Unix socket that is
/// nobody with an address.
///
/// # Errors
/// The two fields contradict each other.
pub fn client(
    fields: &Fields<'_>,
    peer: Option<IpAddr>,
    is_trusted: impl Fn(Option<IpAddr>) -> bool,
) -> Result<Option<IpAddr>, Contradiction> {
    if !fields.contains_any(NAMES) || !is_trusted(peer) {
        return Ok(peer);
    }
    let told = |name, form: (Split, Naming)| {
        fields.contains(name).then(|| farthest(fields, name, form, &is_trusted).or(peer))
    };
    let listed = told(Name::XForwardedFor, (last_of_list, node));
    let standard = told(Name::Forwarded, (last_element, element));
    match (listed, standard) {
        (Some(listed), Some(standard)) if listed != standard => Err(Contradiction),
        (told, None) | (_, told) => Ok(told.unwrap_or(peer)),
    }
}

/// Takes the last member off a list: what stands before it, if anything does, and the member.
type Split = fn(&[u8]) -> (Option<&[u8]>, &[u8]);

/// Whom a member names.
type Naming = fn(&[u8]) -> Option<IpAddr>;

/// The first address from the right that is not trusted, or the leftmost one if all are; `None` as
/// soon as a member names none. Empty members are none at all (RFC 9110 section 5.6.1.2).
fn farthest(
    fields: &Fields<'_>,
    name: Name,
    (split, named): (Split, Naming),
    is_trusted: impl Fn(Option<IpAddr>) -> bool,
) -> Option<IpAddr> {
    let is_one =
        |line: &&crate::Field<'_>| line.name.eq_ignore_ascii_case(name.as_str().as_bytes());
    let mut farthest = None;
    let mut seen = 0;
    for line in fields.lines().iter().rev().filter(is_one) {
        let mut rest = Some(line.value);
        while let Some(list) = rest {
            let (before, member) = split(list);
            rest = before;
            let member = member.trim_ascii();
            if member.is_empty() {
                continue;
            }
            let address = named(member)?;
            seen += 1;
            if !is_trusted(Some(address)) {
                return Some(address);
            }
            if seen > PROXIES_MAX {
                return None;
            }
            farthest = Some(address);
        }
    }
    farthest
}

/// The last member of an X-Forwarded-For.
fn last_of_list(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match list.iter().rposition(|&byte| byte == b',') {
        Some(comma) => (Some(&list[..comma]), &list[comma + 1..]),
        None => (None, list),
    }
}

/// The last element of a Forwarded. Commas within quotes do not end one: seen from the right, a
/// quote with an even number of backslashes before it opens or closes.
fn last_element(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for at in (0..list.len()).rev() {
        match list[at] {
            b'"' => {
                let escapes = list[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
                is_quoted ^= escapes.is_multiple_of(2);
            }
            b',' if !is_quoted => return (Some(&list[..at]), &list[at + 1..]),
            _ => {}
        }
    }
    (None, list)
}

/// Whom an element of Forwarded names: its one `for` parameter.
fn element(element: &[u8]) -> Option<IpAddr> {
    let mut named = None;
    let (mut is_quoted, mut is_escaped) = (false, false);
    let ends_pair = |&byte: &u8| {
        let is_bare = !std::mem::take(&mut is_escaped);
        is_quoted ^= byte == b'"' && is_bare;
        is_escaped = byte == b'\\' && is_quoted && is_bare;
        byte == b';' && !is_quoted
    };
    for pair in element.split(ends_pair) {
        let pair = pair.trim_ascii();
        let Some((name, value)) = pair.split_at_checked(4) else { continue };
        if name.eq_ignore_ascii_case(b"for=") && named.replace(value).is_some() {
            return None;
        }
    }
    let value = named?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => node(quoted.strip_suffix(b"\"")?),
        // What is no token must stand in quotes: anything with a colon.
        None => node(value).filter(|_| !value.contains(&b':')),
    }
}

/// An address as proxies write it, with or without a port. `unknown`, and names that a proxy made
/// up to hide one, are none.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        IpAddr::V6(address.parse().ok()?)
    } else {
        match text.split_once(':') {
            // With one colon it is IPv4 and a port.
            Some((address, port)) if !port.contains(':') => {
                IpAddr::V4(is_port(port).then(|| address.parse().ok())??)
            }
            _ => text.parse().ok()?,
        }
    };
    Some(address.to_canonical())
}

/// A number, or a name that a proxy made up for one (RFC 7239 section 6.2).
fn is_port(port: &str) -> bool {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match port.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(is_name_byte),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;

    const PEER: &str = "10.0.0.9";

    /// What is found of a request from `PEER` with these lines, where 10.0.0.0/8 and fd00::/8 are
    /// trusted.
    fn found(lines: &[(&str, &str)]) -> Result<String, Contradiction> {
        let lines: Vec<_> = lines.iter().map(|&(name, value)| field(name, value)).collect();
        let client = client(&Fields::of(&lines), PEER.parse().ok(), is_trusted);
        client.map(|client| client.unwrap().to_string())
    }

    fn field<'f>(name: &'f str, value: &'f str) -> Field<'f> {
        Field { name: name.as_bytes(), value: value.as_bytes() }
    }

    fn is_trusted(address: Option<IpAddr>) -> bool {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => address.octets()[0] == 10,
            Some(IpAddr::V6(address)) => address.octets()[0] == 0xfd,
            None => true,
        }
    }

    fn check(name: &str, value: &str, expect: &str) {
        assert_eq!(found(&[(name, value)]).as_deref(), Ok(expect), "{name}: {value}");
    }

    #[test]
    fn the_first_stranger_from_the_right_is_the_client() {
        let name = "X-Forwarded-For";
        check(name, "203.0.113.7", "203.0.113.7");
        check(name, "203.0.113.7, 10.1.1.1", "203.0.113.7");
        check(name, "6.6.6.6, 203.0.113.7,10.1.1.1 ,\t10.2.2.2", "203.0.113.7");
        check(name, "10.1.1.1, 10.2.2.2", "10.1.1.1");
        check(name, "2001:db8::7", "2001:db8::7");
        check(name, "[2001:db8::7]:4711, [fd00::1]", "2001:db8::7");
        check(name, "203.0.113.7:4711", "203.0.113.7");
        check(name, "::ffff:203.0.113.7, ::ffff:10.0.0.1", "203.0.113.7");
        let name = "forwarded";
        check(name, "for=203.0.113.7", "203.0.113.7");
        check(name, "For=\"203.0.113.7:80\";proto=http;by=10.0.0.1", "203.0.113.7");
        check(name, "for=6.6.6.6, for=\"[2001:db8::7]:_x\" ; by=a, for=10.0.0.1", "2001:db8::7");
        check(name, "host=\"a,b\\\",c\";for=\"[2001:db8::7]\"", "2001:db8::7");
        check(name, "for=203.0.113.7;host=\"x, for=6.6.6.6\"", "203.0.113.7");
        check(name, "for=203.0.113.7;host=\"a, b\\\"c\"", "203.0.113.7");
    }

    #[test]
    fn empty_members_are_none() {
        for value in ["203.0.113.7,", "203.0.113.7, , 10.1.1.1,,", ",203.0.113.7 \t, "] {
            check("x-forwarded-for", value, "203.0.113.7");
        }
        for value in ["for=203.0.113.7,", "for=203.0.113.7, , for=10.1.1.1,,", "for=203.0.113.7,\t"]
        {
            check("forwarded", value, "203.0.113.7");
        }
        let lines = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "")];
        assert_eq!(found(&lines).as_deref(), Ok("203.0.113.7"));
        check("x-forwarded-for", &format!("203.0.113.7{}", ",".repeat(9_999)), "203.0.113.7");
    }

    /// Whatever a client puts before what the proxy adds, it cannot hide or change that.
    #[test]
    fn nothing_to_the_left_counts() {
        for left in
            ["", ",", "\"", "\\", "\"\\", "for=\"", "for=\"x\\", "unknown", "é", "for=6.6.6.6"]
        {
            check("x-forwarded-for", &format!("{left}, 203.0.113.7"), "203.0.113.7");
            check("forwarded", &format!("{left}, for=203.0.113.7"), "203.0.113.7");
            check("forwarded", &format!("{left}, for=\"[2001:db8::7]:1\""), "2001:db8::7");
            let lines = [("X-Forwarded-For", left), ("x-forwarded-FOR", "203.0.113.7")];
            assert_eq!(found(&lines).as_deref(), Ok("203.0.113.7"), "{left}");
        }
        let long = "6.6.6.6, ".repeat(9_999) + "203.0.113.7";
        check("x-forwarded-for", &long, "203.0.113.7");
    }

    /// Some proxies tell the Host that was asked for, which is the client's word, too.
    #[test]
    fn nothing_in_quotes_counts() {
        for host in
            ["x;for=6.6.6.6", "x\\\";for=6.6.6.6", "x\\\\", ";", "\\;for=6.6.6.6", "a,for=6.6.6.6"]
        {
            let parameter = format!("host=\"{host}\"");
            check("forwarded", &format!("{parameter};for=203.0.113.7"), "203.0.113.7");
            check("forwarded", &format!("for=203.0.113.7;{parameter};proto=http"), "203.0.113.7");
        }
    }

    #[test]
    fn where_a_proxy_names_no_address_the_connection_has_one() {
        for value in [
            "",
            ",",
            "unknown",
            "_hidden",
            " , ,, ",
            "203.0.113.7, unknown",
            "1.2.3",
            "::1::",
            "fe80::1%eth0",
            "[1.2.3.4]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "1.2.3.4:",
            "1.2.3.4:123456",
            "1.2.3.4:-1",
            "01.2.3.4",
            "1.2.3.4 5.6.7.8",
            "for=1.2.3.4",
        ] {
            check("X-Forwarded-For", value, PEER);
        }
        for value in [
            "",
            "for",
            "for=",
            "for=\"",
            "for=\"\"",
            "for=unknown",
            "for=\"_gazonk\"",
            "by=1.2.3.4",
            "for=1.2.3.4:80",
            "for=2001:db8::1",
            "for=[::1]",
            "for=\"2001:db8::1",
            "for = 1.2.3.4",
            "for=1.2.3.4;for=1.2.3.4",
            "203.0.113.7",
            "for=\"1.2.3.4;x\"",
        ] {
            check("Forwarded", value, PEER);
        }
        check("x-forwarded-for", &vec!["10.0.0.1"; PROXIES_MAX].join(","), "10.0.0.1");
        check("x-forwarded-for", &vec!["10.0.0.1"; PROXIES_MAX + 1].join(","), PEER);
    }

    #[test]
    fn only_proxies_that_are_trusted_are_asked() {
        let lines = [Field { name: b"x-forwarded-for", value: b"203.0.113.7" }];
        let fields = Fields::of(&lines);
        for (peer, expect) in [
            ("10.0.0.1", "203.0.113.7"),
            ("a Unix socket", "203.0.113.7"),
            ("::ffff:10.0.0.1", "203.0.113.7"),
            ("11.0.0.1", "11.0.0.1"),
        ] {
            let client = client(&fields, peer.parse().ok(), is_trusted).unwrap();
            assert_eq!(client, expect.parse().ok(), "{peer}");
        }
    }

    #[test]
    fn two_fields_that_disagree_are_a_contradiction() {
        let found =
            |listed, standard| found(&[("X-Forwarded-For", listed), ("Forwarded", standard)]);
        assert_eq!(found("203.0.113.7", "for=203.0.113.7").as_deref(), Ok("203.0.113.7"));
        assert_eq!(found("6.6.6.6, 203.0.113.7", "for=203.0.113.7").as_deref(), Ok("203.0.113.7"));
        assert_eq!(found("203.0.113.7", "for=6.6.6.6"), Err(Contradiction));
        assert_eq!(found("203.0.113.7", "for=unknown"), Err(Contradiction));
        assert_eq!(found("", "for=203.0.113.7"), Err(Contradiction));
        assert_eq!(found("unknown", "for=unknown").as_deref(), Ok(PEER));
    }
}
