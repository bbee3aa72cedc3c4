//! The bytes of a head become a request, or are refused (RFC 9112 sections 2 to 6).

use crate::{refusal::Refusal, target};
use httparse::Status::{Complete, Partial};
use message::{
    Field, Fields, Length, Limits, Method, Name, Request, Version, fields::Index, name::is_token,
};
use std::mem::MaybeUninit;

/// Bytes of a method; a longer one is nothing that this server could know.
const METHOD_BYTES_MAX: usize = 32;

/// The longest content that can be told by its length: 2^63 - 1 bytes, what files can hold.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// Room on the stack for the field lines of one head.
pub struct Slots<'b>([MaybeUninit<Field<'b>>; Limits::FIELDS_CEILING]);

impl Slots<'_> {
    /// Room that nobody has touched yet; costs nothing.
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; Limits::FIELDS_CEILING])
    }
}

impl Default for Slots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

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

/// Parses the head that `input` begins with.
///
/// What is said of some bytes stays true when more come, so it does not matter how a head is cut:
/// httparse errs at the first byte that is wrong, the limits count from the start, and everything
/// else is looked at when the head is complete.
pub(crate) fn parse<'b>(
    input: &'b [u8],
    limits: &Limits,
    slots: &'b mut Slots<'b>,
) -> Result<Head<'b>, Refusal> {
    if let [b'\r' | b'\n', rest @ ..] = input {
        let may_be_line = input[0] == b'\r' && rest.is_empty();
        return if may_be_line {
            Ok(Head::Incomplete { again_at: 2 })
        } else {
            Err(Refusal::EmptyLine)
        };
    }
    let window = &input[..input.len().min(limits.head_bytes_max)];
    let mut found = [const { MaybeUninit::uninit() }; Limits::FIELDS_CEILING];
    let found = &mut found[..limits.fields_max.min(Limits::FIELDS_CEILING)];
    let mut head = httparse::Request::new(&mut []);
    let bytes = match head.parse_with_uninit_headers(window, found) {
        Ok(Complete(bytes)) => bytes,
        Ok(Partial) => return unfinished(None, &head, window, limits),
        Err(error) => return unfinished(Some(error), &head, window, limits),
    };
    let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version) else {
        return Err(Refusal::Method);
    };
    check_lengths(method, target.len(), limits)?;

    // Writing placeholders first is how safe code makes whole fields of the room for them.
    let lines = slots.0[..head.headers.len()].write_copy_of_slice(&UNSET[..head.headers.len()]);
    let mut index = Index::default();
    // httparse takes a bare LF for a line end: what stands before each name and at the end of the
    // head shows whether there was one.
    let mut are_lines_ended = window[..bytes].ends_with(b"\r\n\r\n");
    for (position, (line, header)) in lines.iter_mut().zip(head.headers.iter()).enumerate() {
        let start = header.name.as_ptr().addr() - window.as_ptr().addr();
        are_lines_ended &= window[..start].ends_with(b"\r\n");
        *line = Field { name: header.name, value: header.value };
        if let Some(name) = Name::parse(header.name.as_bytes()) {
            index.note(name, position);
        }
    }
    if !are_lines_ended {
        return Err(Refusal::LineEnd);
    }

    let version = if minor == 1 { Version::Http11 } else { Version::Http10 };
    let method = Method::parse(method);
    let fields = Fields::new(lines, index);
    let target = target::parse(target, method)?;
    let host = host(&fields, version, target.authority)?;
    let length = length(&fields, version)?;
    let wishes = wishes(&fields, version, length)?;
    let (path, query) = (target.path, target.query);
    let request = Request { version, method, host, path, query, fields, length };
    Ok(Head::Complete { request, bytes, wishes })
}

/// Whether the end of a head stands in `input`, of which `seen` bytes have been searched before.
pub(crate) fn has_end(input: &[u8], seen: usize) -> bool {
    (seen..input.len()).any(|at| {
        let before = &input[..at];
        input[at] == b'\n' && (before.ends_with(b"\n") || before.ends_with(b"\n\r"))
    })
}

static UNSET: [Field<'static>; Limits::FIELDS_CEILING] =
    [Field { name: "", value: b"" }; Limits::FIELDS_CEILING];

/// What is wrong with a head that httparse could not finish, or when it is worth a second look.
/// Waiting for twice as many bytes keeps the work in proportion to them, however small the pieces
/// are that they come in.
#[cold]
fn unfinished<'b>(
    error: Option<httparse::Error>,
    head: &httparse::Request<'_, '_>,
    window: &[u8],
    limits: &Limits,
) -> Result<Head<'b>, Refusal> {
    let Some(method) = head.method else {
        let may_be_method = error.is_none() && window.len() <= METHOD_BYTES_MAX;
        let again_at = window.len() + 1;
        return if may_be_method {
            Ok(Head::Incomplete { again_at })
        } else {
            Err(Refusal::Method)
        };
    };
    let start = method.len() + 1;
    let is_target = |&&byte: &&u8| byte > b' ' && byte != 0x7f;
    let target_bytes = window[start..].iter().take_while(is_target).count();
    check_lengths(method, target_bytes, limits)?;
    match error {
        None => {}
        Some(httparse::Error::Token | httparse::Error::Status) => return Err(Refusal::Target),
        Some(httparse::Error::Version) => check_version(&window[start + target_bytes + 1..])?,
        Some(httparse::Error::NewLine) => return Err(Refusal::LineEnd),
        Some(httparse::Error::HeaderName) => return Err(Refusal::FieldName),
        Some(httparse::Error::HeaderValue) => return Err(Refusal::FieldValue),
        Some(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
    }
    if window.len() >= limits.head_bytes_max {
        return Err(Refusal::HeadTooLong);
    }
    let is_in_target = start + target_bytes == window.len();
    let target_end_max =
        if is_in_target { start + limits.target_bytes_max + 1 } else { usize::MAX };
    let again_at = (window.len() * 2).min(limits.head_bytes_max).min(target_end_max);
    Ok(Head::Incomplete { again_at })
}

fn check_lengths(method: &str, target_bytes: usize, limits: &Limits) -> Result<(), Refusal> {
    if method.len() > METHOD_BYTES_MAX {
        return Err(Refusal::Method);
    }
    if target_bytes > limits.target_bytes_max {
        return Err(Refusal::TargetTooLong);
    }
    Ok(())
}

/// Refuses a version that is not ours, unless too little of it has come to tell what it is.
fn check_version(begun: &[u8]) -> Result<(), Refusal> {
    let form = b"HTTP/0.0";
    let fits = |(&byte, &form): (&u8, &u8)| byte == form || (form == b'0' && byte.is_ascii_digit());
    match begun.get(5) {
        _ if !begun.iter().zip(form).all(fits) => Err(Refusal::Version),
        _ if begun.len() < form.len() => Ok(()),
        Some(b'1') => Err(Refusal::Version),
        _ => Err(Refusal::VersionMajor),
    }
}

/// The one host that is asked (RFC 9112 section 3.2): an absolute target names it, else the host
/// field, which has to be sound in either case.
fn host<'b>(
    fields: &Fields<'b>,
    version: Version,
    authority: Option<&'b str>,
) -> Result<&'b str, Refusal> {
    if fields.is_repeated(Name::Host) {
        return Err(Refusal::HostRepeated);
    }
    let named = match fields.get(Name::Host) {
        Some(value) => target::host(str::from_utf8(value).map_err(|_| Refusal::Host)?)?,
        None if version == Version::Http10 => "",
        None => return Err(Refusal::HostMissing),
    };
    authority.map_or(Ok(named), target::host)
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
    let digits = value.unwrap_or_default();
    let are_digits = digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit);
    let length =
        str::from_utf8(digits).ok().filter(|_| are_digits).and_then(|text| text.parse().ok());
    length.filter(|&length| length <= LENGTH_MAX).map(Length::Known).ok_or(Refusal::Length)
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
