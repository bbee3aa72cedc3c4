//! The request fields that this server looks at, so that each is found without a search.

/// A request field with a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub enum Name {
    Accept,
    AcceptEncoding,
    Connection,
    ContentLength,
    Expect,
    Host,
    IfMatch,
    IfModifiedSince,
    IfNoneMatch,
    IfRange,
    IfUnmodifiedSince,
    Range,
    Referer,
    TransferEncoding,
    UserAgent,
}

impl Name {
    /// How many there are.
    pub const COUNT: usize = 15;

    /// The known field that `name` names, in any case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        let candidate = match (name.len(), name.first()? | 0x20) {
            (4, b'h') => Self::Host,
            (5, _) => Self::Range,
            (6, b'a') => Self::Accept,
            (6, _) => Self::Expect,
            (7, _) => Self::Referer,
            (8, b'i') if name[3] | 0x20 == b'm' => Self::IfMatch,
            (8, b'i') => Self::IfRange,
            (10, b'c') => Self::Connection,
            (10, b'u') => Self::UserAgent,
            (13, b'i') => Self::IfNoneMatch,
            (14, b'c') => Self::ContentLength,
            (15, b'a') => Self::AcceptEncoding,
            (17, b'i') => Self::IfModifiedSince,
            (17, b't') => Self::TransferEncoding,
            (19, b'i') => Self::IfUnmodifiedSince,
            _ => return None,
        };
        name.eq_ignore_ascii_case(candidate.as_str().as_bytes()).then_some(candidate)
    }

    /// The name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::AcceptEncoding => "accept-encoding",
            Self::Connection => "connection",
            Self::ContentLength => "content-length",
            Self::Expect => "expect",
            Self::Host => "host",
            Self::IfMatch => "if-match",
            Self::IfModifiedSince => "if-modified-since",
            Self::IfNoneMatch => "if-none-match",
            Self::IfRange => "if-range",
            Self::IfUnmodifiedSince => "if-unmodified-since",
            Self::Range => "range",
            Self::Referer => "referer",
            Self::TransferEncoding => "transfer-encoding",
            Self::UserAgent => "user-agent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_no_neighbour_is() {
        let all = [
            Name::Accept,
            Name::AcceptEncoding,
            Name::Connection,
            Name::ContentLength,
            Name::Expect,
            Name::Host,
            Name::IfMatch,
            Name::IfModifiedSince,
            Name::IfNoneMatch,
            Name::IfRange,
            Name::IfUnmodifiedSince,
            Name::Range,
            Name::Referer,
            Name::TransferEncoding,
            Name::UserAgent,
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
    }
}
