//! Request targets (RFC 9112 section 3.2).

use crate::refusal::Refusal;
use message::Method;

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
}
