//! The bytes of a head become a request, or are refused (RFC 9112 sections 2 to 6).

use crate::{refusal::Refusal, target};
use message::{
    Fields, Length, Limits, Method, Name, Request, Slots, Version, authority, fields::Index,
    name::is_token, scan,
};

/// Bytes of a method; a longer one is nothing that this server could know.
const METHOD_BYTES_MAX: usize = 32;

/// What is to be known of a head.
pub(crate) enum Head<'b> {
    /// It has not come to its end. Before there are `again_at` bytes, parsing it once more would
    /// tell nothing new, unless its end has come.
    Incomplete { again_at: usize },
    /// A sound request, whose head is `bytes` long.
    Complete { request: Request<'b>, bytes: usize, wishes: Wishes },
}

/// What the client asks of the connection.
#[derive(Clone, Copy)]
pub(crate) struct Wishes {
    /// `connection: close`
    pub(crate) close: bool,
    /// `connection: keep-alive`
    pub(crate) keep_alive: bool,
    /// `expect: 100-continue`, with content to come
    pub(crate) proceed: bool,
}

/// Why reading has come to a stop before the end of a head.
enum Stop {
    /// The bytes so far are sound; so many are needed before it is worth beginning anew.
    Short {
        again_at: usize,
    },
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Parses the head that `input` begins with.
///
/// What is said of some bytes stays true when more come, so it does not matter how a head is cut:
/// reading ends at the first byte that is wrong, the limits count from the start, and what several
/// lines say together is looked at when the head is complete.
pub(crate) fn parse<'b>(
    input: &'b [u8],
    limits: &Limits,
    slots: &'b mut Slots<'b>,
) -> Result<Head<'b>, Refusal> {
    let window = &input[..input.len().min(limits.head_bytes_max)];
    match read(window, limits, slots) {
        Ok(head) => Ok(head),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Short { .. }) if window.len() >= limits.head_bytes_max => {
            Err(Refusal::HeadTooLong)
        }
        Err(Stop::Short { again_at }) => {
            Ok(Head::Incomplete { again_at: again_at.min(limits.head_bytes_max) })
        }
    }
}

fn read<'b>(window: &'b [u8], limits: &Limits, slots: &'b mut Slots<'b>) -> Result<Head<'b>, Stop> {
    let (method, at) = method(window)?;
    let (target, at) = target(window, at, limits)?;
    let (version, at) = version(window, at)?;
    let (count, index, bytes) = lines(window, at, limits, slots)?;
    let fields = Fields::new(slots.lines(count), index);
    let target = target::parse(target, method)?;
    let (host, port) = host(&fields, version, target.authority)?;
    let length = length(&fields, version)?;
    let wishes = wishes(&fields, version, length)?;
    let (path, query) = (target.path, target.query);
    let request = Request { version, method, host, port, path, query, fields, length };
    Ok(Head::Complete { request, bytes, wishes })
}

/// The method, and where the target begins.
fn method(window: &[u8]) -> Result<(Method<'_>, usize), Stop> {
    if let [b'\r' | b'\n', rest @ ..] = window {
        let may_be_line = window[0] == b'\r' && rest.is_empty();
        return Err(if may_be_line {
            Stop::Short { again_at: 2 }
        } else {
            Refusal::EmptyLine.into()
        });
    }
    let end = scan::token_end(window, 0);
    match window.get(end) {
        _ if end > METHOD_BYTES_MAX => Err(Refusal::Method.into()),
        None => Err(Stop::Short { again_at: end + 1 }),
        Some(b' ') if &window[..end] == b"GET" => Ok((Method::Get, end + 1)),
        Some(b' ') if end > 0 => Ok((Method::parse(text(&window[..end])), end + 1)),
        Some(_) => Err(Refusal::Method.into()),
    }
}

/// The target, and where the version begins.
fn target<'b>(window: &'b [u8], start: usize, limits: &Limits) -> Result<(&'b str, usize), Stop> {
    let end = scan::target_end(window, start);
    match window.get(end) {
        _ if end - start > limits.target_bytes_max => Err(Refusal::TargetTooLong.into()),
        None => {
            let too_long_at = start + limits.target_bytes_max + 1;
            Err(Stop::Short { again_at: twice(window).min(too_long_at) })
        }
        Some(b' ') if end > start => Ok((text(&window[start..end]), end + 1)),
        Some(_) => Err(Refusal::Target.into()),
    }
}

/// The version that ends the request line, and where the field lines begin.
fn version(window: &[u8], start: usize) -> Result<(Version, usize), Stop> {
    const BYTES: usize = "HTTP/1.1".len();
    let begun = &window[start..];
    let version = match begun.first_chunk::<BYTES>() {
        Some(b"HTTP/1.1") => Version::Http11,
        Some(b"HTTP/1.0") => Version::Http10,
        _ => return Err(other_version(begun, window)),
    };
    line_end(window, start + BYTES, Refusal::LineEnd).map(|end| (version, end))
}

/// What is wrong with a version that is not ours, unless too little of it has come to tell.
#[cold]
fn other_version(begun: &[u8], window: &[u8]) -> Stop {
    let form = b"HTTP/0.0";
    let fits = |(&byte, &form): (&u8, &u8)| byte == form || (form == b'0' && byte.is_ascii_digit());
    match begun.get(5) {
        _ if !begun.iter().zip(form).all(fits) => Refusal::Version.into(),
        _ if begun.len() < form.len() => Stop::Short { again_at: twice(window) },
        Some(b'1') => Refusal::Version.into(),
        _ => Refusal::VersionMajor.into(),
    }
}

/// Reads the field lines into `slots`: how many they are, which known names they have, and where
/// the head ends.
#[inline]
fn lines<'b>(
    window: &'b [u8],
    mut at: usize,
    limits: &Limits,
    slots: &mut Slots<'b>,
) -> Result<(usize, Index, usize), Stop> {
    let mut index = Index::default();
    let mut count = 0;
    let fields_max = limits.fields_max.min(Limits::FIELDS_CEILING);
    loop {
        match window.get(at) {
            None => return Err(Stop::Short { again_at: twice(window) }),
            Some(b'\r' | b'\n') => {
                return line_end(window, at, Refusal::LineEnd).map(|end| (count, index, end));
            }
            Some(_) if count >= fields_max => return Err(Refusal::TooManyFields.into()),
            Some(_) => {}
        }
        let colon = scan::token_end(window, at);
        match window.get(colon) {
            None => return Err(Stop::Short { again_at: twice(window) }),
            Some(b':') if colon > at => {}
            Some(_) => return Err(Refusal::FieldName.into()),
        }
        let mut from = colon + 1;
        while window.get(from).is_some_and(is_space) {
            from += 1;
        }
        let end = scan::value_end(window, from);
        let next = line_end(window, end, Refusal::FieldValue)?;
        let name = &window[at..colon];
        if let Some(name) = Name::parse(name) {
            index.note(name, count);
        }
        slots.put(count, name, trimmed(&window[from..end]));
        (at, count) = (next, count + 1);
    }
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `value` without the white space behind it.
#[inline]
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., last] = value
        && is_space(last)
    {
        value = rest;
    }
    value
}

/// What follows the line end at `at`; `other` if something else is there. A bare LF is none: where
/// one server takes it for an end and another does not, they see different messages.
#[inline]
fn line_end(window: &[u8], at: usize, other: Refusal) -> Result<usize, Stop> {
    match window[at..] {
        [b'\r', b'\n', ..] => Ok(at + 2),
        [] | [b'\r'] => Err(Stop::Short { again_at: twice(window) }),
        [b'\n', ..] => Err(Refusal::LineEnd.into()),
        _ => Err(other.into()),
    }
}

/// Waiting for twice as many bytes keeps the work in proportion to them, however small the pieces
/// are that they come in.
fn twice(window: &[u8]) -> usize {
    window.len() * 2
}

/// Bytes that are ASCII, as text.
fn text(ascii: &[u8]) -> &str {
    str::from_utf8(ascii).unwrap_or_default()
}

/// Whether the end of a head stands in `input`, of which `seen` bytes have been searched before.
pub(crate) fn has_end(input: &[u8], seen: usize) -> bool {
    (seen..input.len()).any(|at| {
        let before = &input[..at];
        input[at] == b'\n' && (before.ends_with(b"\n") || before.ends_with(b"\n\r"))
    })
}

/// The one host that is asked, and its port with the colon (RFC 9112 section 3.2): an absolute
/// target names both, else the host field, which has to be sound in either case.
fn host<'b>(
    fields: &Fields<'b>,
    version: Version,
    authority: Option<&'b str>,
) -> Result<(&'b str, &'b str), Refusal> {
    if fields.is_repeated(Name::Host) {
        return Err(Refusal::HostRepeated);
    }
    let split = |authority| authority::split(authority).ok_or(Refusal::Host);
    let named = match fields.get(Name::Host) {
        Some(value) => split(str::from_utf8(value).map_err(|_| Refusal::Host)?)?,
        None if version == Version::Http10 => ("", ""),
        None => return Err(Refusal::HostMissing),
    };
    authority.map_or(Ok(named), split)
}

/// How long the content is (RFC 9112 section 6.3). Only one way of saying it is taken.
fn length(fields: &Fields<'_>, version: Version) -> Result<Length, Refusal> {
    let coding = fields.get(Name::TransferEncoding);
    let value = fields.get(Name::ContentLength);
    match (coding, value) {
        (None, None) => return Ok(Length::Known(0)),
        (Some(_), Some(_)) => return Err(Refusal::LengthAndCoding),
        (Some(_), None) if version == Version::Http10 => return Err(Refusal::CodingIn10),
        (Some(_), None) if fields.is_repeated(Name::TransferEncoding) => {
            return Err(Refusal::Coding);
        }
        (None, Some(_)) if fields.is_repeated(Name::ContentLength) => return Err(Refusal::Length),
        _ => {}
    }
    if let Some(coding) = coding {
        return match coding {
            _ if coding.eq_ignore_ascii_case(b"chunked") => Ok(Length::Unknown),
            _ if is_token(coding) => Err(Refusal::CodingUnknown),
            _ => Err(Refusal::Coding),
        };
    }
    Length::parse(value.unwrap_or_default()).ok_or(Refusal::Length)
}

fn wishes(fields: &Fields<'_>, version: Version, length: Length) -> Result<Wishes, Refusal> {
    let mut wishes = Wishes { close: false, keep_alive: false, proceed: false };
    match fields.get(Name::Connection) {
        None => {}
        // Nearly every browser says just this.
        Some(b"keep-alive") if !fields.is_repeated(Name::Connection) => wishes.keep_alive = true,
        Some(_) => {
            let values = fields.all(Name::Connection);
            for option in values.flat_map(|value| value.split(|&byte| byte == b',')) {
                let option = option.trim_ascii();
                wishes.close |= option.eq_ignore_ascii_case(b"close");
                wishes.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
    if fields.contains(Name::Expect) {
        if !fields.all(Name::Expect).all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal::Expectation);
        }
        // RFC 9110 section 10.1.1: from HTTP/1.0 it is ignored.
        wishes.proceed = version == Version::Http11 && length != Length::Known(0);
    }
    Ok(wishes)
}
