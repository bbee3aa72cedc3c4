//! A request as every protocol room makes it and every handler reads it.

use crate::{fields::Fields, method::Method};

/// The protocol version a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

impl Version {
    /// The version as it stands in a log line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
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
