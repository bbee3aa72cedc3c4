//! Request methods (RFC 9110 section 9).

/// A request's method; names are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'h> {
    /// Transfer a current representation of the target (9.3.1).
    Get,
    /// As GET, without the content (9.3.2).
    Head,
    /// Let the target process the content (9.3.3).
    Post,
    /// Replace the target (9.3.4).
    Put,
    /// Remove the target (9.3.5).
    Delete,
    /// Open a tunnel (9.3.6).
    Connect,
    /// Ask what the target can do (9.3.7).
    Options,
    /// Send the request back as it came (9.3.8).
    Trace,
    /// Any other token.
    Other(&'h str),
}

impl<'h> Method<'h> {
    /// The method that `token` names.
    #[must_use]
    pub fn parse(token: &'h str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            other => Self::Other(other),
        }
    }

    /// The token as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'h str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Other(token) => token,
        }
    }
}
