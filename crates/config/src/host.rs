//! Host names as the keys of sites: the one form in which requests are matched to them.

use crate::{
    mistake::quote,
    plan::{DEFAULT_SITE, HOST_BYTES_MAX},
};
use std::net::{IpAddr, Ipv6Addr};

/// The longest part of a name between two dots, in bytes (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Why a key is not a host: the cause, and the way out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoHost {
    pub(crate) cause: String,
    pub(crate) help: String,
}

/// The host that `key` names, in lower case and without the dot of the root, and whether it stands
/// for the hosts below it (`*.example.com`); [`DEFAULT_SITE`] for the site of all other hosts.
pub(crate) fn parse(key: &str) -> Result<(Box<str>, bool), NoHost> {
    let Some(parent) = key.strip_prefix("*.") else { return exact(key).map(|host| (host, false)) };
    if parent.len() > 1 && parent.contains('*') {
        return Err(pattern(key));
    }
    let host = exact(parent)?;
    if *host == *DEFAULT_SITE || host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        let cause = format!("{} is not a name that others stand below", quote(parent));
        return Err(NoHost { cause, help: "for example: `*.example.com`".to_owned() });
    }
    Ok((host, true))
}

fn exact(key: &str) -> Result<Box<str>, NoHost> {
    let lower = key.to_ascii_lowercase();
    let host = lower.strip_suffix('.').unwrap_or(&lower);
    if host == "*" || host == DEFAULT_SITE {
        return Ok(DEFAULT_SITE.into());
    }
    let bare = host.strip_prefix('[').map_or(Some(host), |rest| rest.strip_suffix(']'));
    if let Some(address) = bare.and_then(|bare| bare.parse::<Ipv6Addr>().ok()) {
        return Ok(format!("[{address}]").into());
    }
    let refuse = |cause: String, help: String| Err(NoHost { cause, help });
    if host.starts_with('[') {
        let cause = format!("{} is not an IPv6 address", quote(key));
        return refuse(cause, "for example: `[2001:db8::1]`".to_owned());
    }
    if let Some((_, rest)) = host.split_once("://") {
        let name = rest.split(['/', ':']).next().unwrap_or_default();
        let cause = format!("{} is a URL, not a host name", quote(key));
        return refuse(cause, format!("write the host alone: {}", quote(name)));
    }
    if let Some(refusal) = foreign(key, host) {
        return Err(refusal);
    }
    if let Some((name, _)) = host.split_once(':') {
        let cause = format!("{} has a port, which a site does not", quote(key));
        let help = format!("write {}; ports belong in `listen` of [server]", quote(name));
        return refuse(cause, help);
    }
    if host.contains('*') {
        return Err(pattern(key));
    }
    if !host.is_ascii() {
        let cause = format!("{} is not written in ASCII", quote(key));
        return refuse(cause, "write it as browsers send it, which begins with `xn--`".to_owned());
    }
    // Four numbers are an address or nothing: nobody can have such a name.
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if host.len() > HOST_BYTES_MAX || !host.split('.').all(is_label) {
        let cause = format!("{} is not a host name", quote(key));
        return refuse(cause, "host names are letters, digits, hyphens and dots".to_owned());
    }
    if numeric && host.parse::<IpAddr>().is_err() {
        let cause = format!("{} is not an IP address", quote(key));
        return refuse(cause, "an IPv4 address has four numbers from 0 to 255".to_owned());
    }
    Ok(host.into())
}

/// Why `host`, typed as `key`, is none, where it is what other servers take for one or several.
fn foreign(key: &str, host: &str) -> Option<NoHost> {
    let refused = |cause: String, help: String| Some(NoHost { cause, help });
    if host == "_" {
        let cause = "`_` is a host that nobody asks for".to_owned();
        return refused(cause, "the site of all other hosts is `[site.default]`".to_owned());
    }
    if let Some(pattern) = host.strip_prefix('~') {
        let cause = format!("{} is a regular expression, not a host name", quote(key));
        let help = match pattern.is_empty() {
            true => "write the host",
            false => "name each host, or all below one: `*.example.com`",
        };
        return refused(cause, help.to_owned());
    }
    if let Some((name, path)) = host.split_once('/')
        && !name.is_empty()
    {
        let cause = format!("{} has a path, which a site does not", quote(key));
        let help = match path.trim_end_matches(['/', '*']) {
            "" => format!("write {}", quote(name)),
            path => {
                let route = format!("[site.\"{name}\".route.\"/{path}/*\"]");
                format!("a path is the key of a route: {}", quote(&route))
            }
        };
        return refused(cause, help);
    }
    if host.contains([' ', ',']) {
        let mut names = host.split([' ', ',']).filter(|name| !name.is_empty());
        let first = names.next().unwrap_or_default();
        let rest: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
        if rest.is_empty() {
            let cause = format!("{} has a blank or a comma in it", quote(key));
            return refused(cause, format!("write {}", quote(first)));
        }
        let cause = format!("{} is more than one host", quote(key));
        let others = rest.join(", ");
        let help = format!("write `[site.\"{first}\"]`, below it `aliases = [{others}]`");
        return refused(cause, help);
    }
    None
}

fn pattern(key: &str) -> NoHost {
    let cause = format!("{} is a pattern, not a host name", quote(key));
    NoHost { cause, help: "a `*` stands at the start only, before a dot".to_owned() }
}

/// Whether it may stand between two dots. An underscore may, as it does in names in use.
fn is_label(label: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty()
        && label.len() <= LABEL_BYTES_MAX
        && label.bytes().all(sound)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_has_one_form() {
        fn check(key: &str, expect: &str) {
            let (host, is_wildcard) = parse(key).unwrap();
            assert_eq!((&*host, is_wildcard), (expect, key.starts_with("*.")), "{key:?}");
        }
        check("example.com", "example.com");
        check("EXAMPLE.com.", "example.com");
        check("localhost", "localhost");
        check("xn--bcher-kva.example", "xn--bcher-kva.example");
        check("a_b.example", "a_b.example");
        check("127.0.0.1", "127.0.0.1");
        check("::1", "[::1]");
        check("[0:0::1]", "[::1]");
        check("*", "default");
        check("*.Example.com", "example.com");
        check("Default", "default");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        fn check(key: &str, expect: &str) {
            assert_eq!(parse(key).unwrap_err().cause, expect, "{key:?}");
        }
        check("", "`` is not a host name");
        check(".", "`.` is not a host name");
        check("a..b", "`a..b` is not a host name");
        check("-a.example", "`-a.example` is not a host name");
        check("/", "`/` is not a host name");
        check("a b", "`a b` is more than one host");
        check("a/b", "`a/b` has a path, which a site does not");
        check("a/", "`a/` has a path, which a site does not");
        check(" a", "` a` has a blank or a comma in it");
        check("_", "`_` is a host that nobody asks for");
        check("~^www", "`~^www` is a regular expression, not a host name");
        check("[[::1]", "`[[::1]` is not an IPv6 address");
        check("[::1", "`[::1` is not an IPv6 address");
        check("1.2.3", "`1.2.3` is not an IP address");
        check("1.2.3.400", "`1.2.3.400` is not an IP address");
        check("example.com:80", "`example.com:80` has a port, which a site does not");
        check("https://a.example/", "`https://a.example/` is a URL, not a host name");
        check("*.*", "`*` is not a name that others stand below");
        check("*.default", "`default` is not a name that others stand below");
        check("*.127.0.0.1", "`127.0.0.1` is not a name that others stand below");
        check("*.[::1]", "`[::1]` is not a name that others stand below");
        check("*.www.*", "`*.www.*` is a pattern, not a host name");
        check("www.*.com", "`www.*.com` is a pattern, not a host name");
        check("bücher.example", "`bücher.example` is not written in ASCII");
        let long = "a".repeat(64);
        check(&long, &format!("`{}…` is not a host name", "a".repeat(60)));
    }
}
