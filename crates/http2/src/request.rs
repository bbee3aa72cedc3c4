//! The fields of a head become a request, or it is turned down (RFC 9113 sections 8.2 and 8.3).

use crate::{block::records, fault::Refusal, priority::Priority};
use message::{
    Fields, Length, Limits, Method, Name, Request, Slots, Version, authority, fields::Index, scan,
};

/// Bytes of a method; a longer one is nothing that this server could know.
const METHOD_BYTES_MAX: usize = 32;

/// What a head is.
pub(crate) enum Head<'b> {
    /// A sound request.
    Request(Request<'b>, Priority),
    /// A sound request that is turned down.
    Refused(Refusal),
    /// No request, for this reason.
    Malformed(&'static str),
}

/// Why reading stops.
enum Stop {
    Refused(Refusal),
    Malformed(&'static str),
}

/// The fields whose names begin with a colon.
#[derive(Default)]
struct Pseudo<'b> {
    method: Option<&'b str>,
    scheme: Option<&'b str>,
    authority: Option<&'b str>,
    path: Option<&'b str>,
}

/// Reads a head from its fields; `ends` tells that no content follows.
#[inline]
pub(crate) fn parse<'b>(
    bytes: &'b [u8],
    ends: bool,
    limits: &Limits,
    slots: &'b mut Slots<'b>,
) -> Head<'b> {
    match read(bytes, ends, limits, slots) {
        Ok((request, priority)) => Head::Request(request, priority),
        Err(Stop::Refused(refusal)) => Head::Refused(refusal),
        Err(Stop::Malformed(reason)) => Head::Malformed(reason),
    }
}

/// Whether what these fields ask for is the head of an answer, as far as they have come.
pub(crate) fn is_head(bytes: &[u8]) -> bool {
    records(bytes).any(|field| field == (b":method", b"HEAD"))
}

/// Whether these fields may stand in a trailer section.
pub(crate) fn are_trailers(bytes: &[u8]) -> bool {
    records(bytes).all(|(name, value)| check(name, value).is_ok())
}

fn read<'b>(
    bytes: &'b [u8],
    ends: bool,
    limits: &Limits,
    slots: &'b mut Slots<'b>,
) -> Result<(Request<'b>, Priority), Stop> {
    let mut pseudo = Pseudo::default();
    let (mut index, mut count) = (Index::default(), 0);
    let mut priority = Priority::default();
    for (name, value) in records(bytes) {
        if let [b':', rest @ ..] = name {
            if count > 0 {
                return Err(Stop::Malformed("a pseudo-field follows a field"));
            }
            pseudo.note(rest, value)?;
            continue;
        }
        check(name, value)?;
        if name == b"priority" {
            priority.add(value);
        }
        if let Some(name) = Name::parse(name) {
            index.note(name, count);
        }
        slots.put(count, name, value);
        count += 1;
    }
    let (method, path) = pseudo.target(limits)?;
    if let Some(authority) = pseudo.authority
        && !authority.is_empty()
        && !index.is_repeated(Name::Host)
        && Fields::new(slots.lines(count), index).get(Name::Host).is_none()
    {
        // Section 8.3.1: it means the same as the field, and whoever looks for that finds it.
        index.note(Name::Host, count);
        slots.put(count, b"host", authority.as_bytes());
        count += 1;
    }
    let fields = Fields::new(slots.lines(count), index);
    let (host, port) = host(&fields, pseudo.authority)?;
    let length = length(&fields, ends)?;
    let mut expectations = fields.all(Name::Expect);
    if !expectations.all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Stop::Refused(Refusal::Expectation));
    }
    let (path, query) = match path.bytes().position(|byte| byte == b'?') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    };
    let version = Version::Http2;
    Ok((Request { version, method, host, port, path, query, fields, length }, priority))
}

/// Whether a field is in the form that every field has, and none of HTTP/1.1's connection.
#[inline]
fn check(name: &[u8], value: &[u8]) -> Result<(), Stop> {
    let is_lower = !name.iter().any(u8::is_ascii_uppercase);
    if name.is_empty() || scan::token_end(name, 0) < name.len() || !is_lower {
        return Err(Stop::Malformed("a field's name is not a token in lower case"));
    }
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if scan::value_end(value, 0) < value.len() || is_space(value.first()) || is_space(value.last())
    {
        return Err(Stop::Malformed("a field's value holds a control character, or white space"));
    }
    let is_foreign = match name {
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            true
        }
        _ => false,
    };
    match is_foreign {
        true => Err(Stop::Malformed("a field belongs to a connection of HTTP/1.1")),
        false => Ok(()),
    }
}

impl<'b> Pseudo<'b> {
    fn note(&mut self, name: &[u8], value: &'b [u8]) -> Result<(), Stop> {
        let place = match name {
            b"method" => &mut self.method,
            b"scheme" => &mut self.scheme,
            b"authority" => &mut self.authority,
            b"path" => &mut self.path,
            _ => return Err(Stop::Malformed("a pseudo-field is unknown")),
        };
        let is_sound = scan::target_end(value, 0) == value.len();
        let text = str::from_utf8(value).ok().filter(|_| is_sound);
        match place.replace(text.ok_or(Stop::Malformed("a pseudo-field's value is malformed"))?) {
            None => Ok(()),
            Some(_) => Err(Stop::Malformed("a pseudo-field is repeated")),
        }
    }

    /// What is asked for, and how.
    fn target(&self, limits: &Limits) -> Result<(Method<'b>, &'b str), Stop> {
        let method = self.method.ok_or(Stop::Malformed("there is no method"))?;
        let is_token = scan::token_end(method.as_bytes(), 0) == method.len();
        if method.is_empty() || !is_token || method.len() > METHOD_BYTES_MAX {
            return Err(Stop::Malformed("the method is not a token of at most 32 bytes"));
        }
        let method = Method::parse(method);
        if method == Method::Connect {
            return Err(match (self.scheme, self.path, self.authority) {
                (None, None, Some(_)) => Stop::Refused(Refusal::Connect),
                _ => Stop::Malformed("CONNECT has a scheme or a path, or no authority"),
            });
        }
        let is_ours = |scheme: &str| {
            scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
        };
        if !self.scheme.is_some_and(is_ours) {
            return Err(Stop::Malformed("the scheme is neither http nor https"));
        }
        let path = self.path.ok_or(Stop::Malformed("there is no path"))?;
        if path.len() > limits.target_bytes_max {
            return Err(Stop::Refused(Refusal::TargetTooLong));
        }
        let is_whole_server = path == "*" && method == Method::Options;
        if !path.starts_with('/') && !is_whole_server {
            return Err(Stop::Malformed("the path does not begin with a slash"));
        }
        Ok((method, path))
    }
}

/// The one host that is asked, and its port with the colon.
fn host<'b>(fields: &Fields<'b>, authority: Option<&'b str>) -> Result<(&'b str, &'b str), Stop> {
    if fields.is_repeated(Name::Host) {
        return Err(Stop::Malformed("there is more than one host field"));
    }
    let field = fields.get(Name::Host).ok_or(Stop::Malformed("there is no host"))?;
    if authority.is_some_and(|authority| !field.eq_ignore_ascii_case(authority.as_bytes())) {
        return Err(Stop::Malformed("the host field names another host than the authority"));
    }
    let named = str::from_utf8(field).ok().and_then(authority::split);
    named.ok_or(Stop::Malformed("the host is malformed"))
}

fn length(fields: &Fields<'_>, ends: bool) -> Result<Length, Stop> {
    let told = match fields.get(Name::ContentLength) {
        None => None,
        Some(_) if fields.is_repeated(Name::ContentLength) => {
            return Err(Stop::Malformed("content-length is not one number"));
        }
        Some(digits) => {
            let told = Length::parse(digits);
            Some(told.ok_or(Stop::Malformed("content-length is not one number"))?)
        }
    };
    match (told, ends) {
        (None | Some(Length::Known(0)), true) => Ok(Length::Known(0)),
        (_, true) => Err(Stop::Malformed("the content is shorter than its length")),
        (told, false) => Ok(told.unwrap_or(Length::Unknown)),
    }
}
