//! A request as every protocol room makes it and every handler reads it.

use crate::{fields::Fields, method::Method};

/// The protocol version a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

impl Version {
    /// The version as it stands in a log line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }
}

/// How long a request's content is, as its framing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This many bytes; zero where there is none.
    Known(u64),
    /// Told only by its end (chunked).
    Unknown,
}

/// The longest content that can be told by its length: 2^63 - 1 bytes, what files can hold.
const LENGTH_MAX: u64 = i64::MAX as u64;

impl Length {
    /// The length that the value of a content-length field says, if that is one number.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let are_digits = digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit);
        let text = str::from_utf8(digits).ok().filter(|_| are_digits)?;
        text.parse().ok().filter(|&length| length <= LENGTH_MAX).map(Self::Known)
    }
}

/// A request head that its protocol room has found sound and unambiguous.
#[derive(Clone, Copy, Debug)]
pub struct Request<'h> {
    /// The version it came in.
    pub version: Version,
    /// What is asked for.
    pub method: Method<'h>,
    /// The host that was asked, without port, as it was sent; empty where HTTP/1.0 named none.
    pub host: &'h str,
    /// The port that was asked, with its colon, as it was sent; empty where none was named.
    pub port: &'h str,
    /// The target's raw path, still with its percent-escapes; begins with `/`, or is `*`.
    pub path: &'h str,
    /// What follows the first `?` of the target.
    pub query: Option<&'h str>,
    /// The field lines.
    pub fields: Fields<'h>,
    /// The length of the content that follows the head.
    pub length: Length,
}
