//! The request fields that this server looks at, so that each is found without a search.

/// A request field with a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub enum Name {
    Accept,
    AcceptEncoding,
    AccessControlRequestMethod,
    Authorization,
    Connection,
    ContentLength,
    Expect,
    Forwarded,
    Host,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    Origin,
    Range,
    Referer,
    TransferEncoding,
    UserAgent,
    XForwardedFor,
}

impl Name {
    /// How many there are.
    pub const COUNT: usize = 20;

    /// The known field that `name` names, in any case.
    #[must_use]
    #[inline]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let candidate = match (name.len(), name.first()? | 0x20) {
            (4, b'h') => Self::Host,
            (5, _) => Self::Range,
            (6, b'a') => Self::Accept,
            (6, b'o') => Self::Origin,
            (6, _) => Self::Expect,
            (7, _) => Self::Referer,
            (8, b'i') if name[3] | 0x20 == b'm' => Self::IfMatch,
            (8, b'i') => Self::IfRange,
            (9, _) => Self::Forwarded,
            (10, b'c') => Self::Connection,
            (10, b'u') => Self::UserAgent,
            (13, b'a') => Self::Authorization,
            (13, b'i') => Self::IfNoneMatch,
            (14, b'c') => Self::ContentLength,
            (15, b'a') => Self::AcceptEncoding,
            (15, b'x') => Self::XForwardedFor,
            (17, b'i') => Self::IfModifiedSince,
            (17, b't') => Self::TransferEncoding,
            (19, b'i') => Self::IfUnmodifiedSince,
            (29, b'a') => Self::AccessControlRequestMethod,
            _ => return None,
        };
        is_same(name, candidate.as_str().as_bytes()).then_some(candidate)
    }

    /// The name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::AcceptEncoding => "accept-encoding",
            Self::AccessControlRequestMethod => "access-control-request-method",
            Self::Authorization => "authorization",
            Self::Connection => "connection",
            Self::ContentLength => "content-length",
            Self::Expect => "expect",
            Self::Forwarded => "forwarded",
            Self::Host => "host",
            Self::IfMatch => "if-match",
            Self::IfModifiedSince => "if-modified-since",
            Self::IfNoneMatch => "if-none-match",
            Self::IfRange => "if-range",
            Self::IfUnmodifiedSince => "if-unmodified-since",
            Self::Origin => "origin",
            Self::Range => "range",
            Self::Referer => "referer",
            Self::TransferEncoding => "transfer-encoding",
            Self::UserAgent => "user-agent",
            Self::XForwardedFor => "x-forwarded-for",
        }
    }
}

/// Whether `name` is `lower`, a known name of the same length, in any case.
///
/// Most lines of every head come through here, so eight bytes are compared in one step. Upper and
/// lower case differ in bit 0x20; it may differ where `lower` has a letter, which bit 0x40 tells
/// from the only other byte in known names, the hyphen.
fn is_same(name: &[u8], lower: &[u8]) -> bool {
    let differ = |sent: u64, lower: u64| (sent ^ lower) & !((lower & 0x4040_4040_4040_4040) >> 1);
    let differ_words = |(sent, lower): (&[u8; 8], &[u8; 8])| {
        differ(u64::from_le_bytes(*sent), u64::from_le_bytes(*lower))
    };
    let (Some(sent_last), Some(lower_last)) = (name.last_chunk(), lower.last_chunk()) else {
        let bytes = name.iter().zip(lower);
        return bytes.fold(0, |odd, (&sent, &lower)| odd | differ(sent.into(), lower.into())) == 0;
    };
    let words = name.as_chunks().0.iter().zip(lower.as_chunks().0);
    words.map(differ_words).fold(differ_words((sent_last, lower_last)), |odd, more| odd | more) == 0
}

/// Whether `text` is a token, as names of fields and methods are (RFC 9110 section 5.6.2).
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `byte` may stand in a token.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_no_neighbour_is() {
        let all = [
            Name::Accept,
            Name::AcceptEncoding,
            Name::AccessControlRequestMethod,
            Name::Authorization,
            Name::Connection,
            Name::ContentLength,
            Name::Expect,
            Name::Forwarded,
            Name::Host,
            Name::IfMatch,
            Name::IfModifiedSince,
            Name::IfNoneMatch,
            Name::IfRange,
            Name::IfUnmodifiedSince,
            Name::Origin,
            Name::Range,
            Name::Referer,
            Name::TransferEncoding,
            Name::UserAgent,
            Name::XForwardedFor,
        ];
        assert_eq!(all.len(), Name::COUNT);
        for (index, name) in all.into_iter().enumerate() {
            assert_eq!(name as usize, index);
            assert_eq!(Name::parse(name.as_str().as_bytes()), Some(name));
            assert_eq!(Name::parse(name.as_str().to_uppercase().as_bytes()), Some(name));
            let neighbour = name.as_str().replace(name.as_str().chars().last().unwrap(), "_");
            assert_eq!(Name::parse(neighbour.as_bytes()), None, "{neighbour}");
        }
        assert_eq!(Name::parse(b""), None);
        assert_eq!(Name::parse(b"content\rlength"), None);
        assert_eq!(Name::parse(b"(ost"), None);
    }
}
