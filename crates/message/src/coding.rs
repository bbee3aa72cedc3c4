//! The content codings that this server knows (RFC 9110 section 8.4.1).

/// A form that content may be sent in, best first: where a client has no preference among files
/// that lie compressed beside their original, the server's is for the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Deflate in gzip's wrapping (RFC 1952).
    Gzip,
    /// The content as it is.
    Identity,
}

impl Coding {
    /// How many there are.
    pub const COUNT: usize = 4;

    /// All of them, best first.
    pub const ALL: [Self; Self::COUNT] = [Self::Br, Self::Zstd, Self::Gzip, Self::Identity];

    /// The name as it stands in `content-encoding`; identity never stands there.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// The end of an entity-tag that tells this form from the others.
    #[must_use]
    pub const fn tag_ending(self) -> &'static str {
        match self {
            Self::Br => "-br",
            Self::Zstd => "-zstd",
            Self::Gzip => "-gzip",
            Self::Identity => "",
        }
    }

    /// The coding that `name` names, in any case; `x-gzip` is an old name of gzip (RFC 9110 section
    /// 8.4.1.3).
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.as_str().as_bytes()))
    }
}
