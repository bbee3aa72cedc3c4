//! The one normal form of a path, which routes match and files are opened by.

use std::{borrow::Cow, fmt};

/// A target's path, decoded once, without dot segments and doubled slashes; begins with `/`.
///
/// What was encoded stays distinct from what was not: an encoded slash is refused, so a segment
/// never holds one, and a path is never decoded a second time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path<'h>(Cow<'h, [u8]>);

/// Why a target's path has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with a slash.
    NoSlash,
    /// A `%` without two hexadecimal digits behind it.
    BadEscape,
    /// A NUL or another control character, plain or encoded.
    Control,
    /// Its dot segments climb above the root.
    Climbs,
    /// A slash that was encoded: no file name can hold one.
    EncodedSlash,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "the path does not begin with a slash",
            Self::BadEscape => "a % in the path is not followed by two hexadecimal digits",
            Self::Control => "the path holds a control character",
            Self::Climbs => "the path climbs above the root",
            Self::EncodedSlash => "the path holds an encoded slash",
        })
    }
}

impl<'h> Path<'h> {
    /// Brings `raw` to its normal form. A path that is in it already is not copied.
    pub fn parse(raw: &'h str) -> Result<Self, PathError> {
        let bytes = raw.as_bytes();
        if bytes.first() != Some(&b'/') {
            return Err(PathError::NoSlash);
        }
        let mut before = 0;
        let is_normal = bytes.iter().all(|&byte| {
            let odd = byte == b'%' || byte < 0x20 || byte == 0x7f;
            let odd = odd || (before == b'/' && (byte == b'/' || byte == b'.'));
            before = byte;
            !odd
        });
        if is_normal {
            return Ok(Self(Cow::Borrowed(bytes)));
        }
        normalise(&decode(bytes)?).map(|path| Self(Cow::Owned(path)))
    }

    /// Brings a path to its normal form that is decoded already.
    pub fn of_decoded(decoded: &[u8]) -> Result<Self, PathError> {
        if decoded.first() != Some(&b'/') {
            return Err(PathError::NoSlash);
        }
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(PathError::Control);
        }
        normalise(decoded).map(|path| Self(Cow::Owned(path)))
    }

    /// The path, with its leading slash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path without its first `segments`, as seen from the folder that they lead to; the path
    /// itself where they are none.
    #[must_use]
    pub fn below(&self, segments: usize) -> Path<'_> {
        let mut path = self.as_bytes();
        for _ in 0..segments {
            let next = path.iter().skip(1).position(|&byte| byte == b'/');
            path = next.map_or(b"/", |slash| &path[slash + 1..]);
        }
        Path(Cow::Borrowed(path))
    }

    /// Whether it ends in a slash, and so names a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.0.last() == Some(&b'/')
    }

    /// What lies between the slashes; nothing for the root, no empty segment at the end.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// The path as it may stand in a `Location`: all but unreserved characters and slashes encoded
    /// (RFC 3986 section 2.3), and never more than one slash at its start.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        push_encoded_path(&mut text, &self.0);
        text
    }
}

/// Appends `path` so that it may stand in a URL; its slashes stay.
pub fn push_encoded_path(text: &mut String, path: &[u8]) {
    for &byte in path {
        push_encoded(text, byte, b"/");
    }
}

/// Appends `segment` so that it may stand between two slashes of a URL.
pub fn push_encoded_segment(text: &mut String, segment: &[u8]) {
    for &byte in segment {
        push_encoded(text, byte, b"");
    }
}

fn push_encoded(text: &mut String, byte: u8, also_plain: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if plain || also_plain.contains(&byte) {
        text.push(char::from(byte));
    } else {
        text.push('%');
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// Decodes percent-escapes, once.
fn decode(raw: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(&byte) = rest.next() {
        let plain = if byte == b'%' {
            let high = rest.next().and_then(|&digit| char::from(digit).to_digit(16));
            let low = rest.next().and_then(|&digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else { return Err(PathError::BadEscape) };
            let plain = (high * 16 + low) as u8;
            if plain == b'/' {
                return Err(PathError::EncodedSlash);
            }
            plain
        } else {
            byte
        };
        if plain < 0x20 || plain == 0x7f {
            return Err(PathError::Control);
        }
        decoded.push(plain);
    }
    Ok(decoded)
}

/// Takes out dot segments (RFC 3986 section 5.2.4) and doubled slashes.
fn normalise(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut normal = Vec::with_capacity(path.len());
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b".." => {
                let parent = normal.iter().rposition(|&byte| byte == b'/');
                normal.truncate(parent.ok_or(PathError::Climbs)?);
            }
            b"" | b"." => {}
            _ => {
                normal.push(b'/');
                normal.extend_from_slice(segment);
                continue;
            }
        }
        if is_last {
            normal.push(b'/');
        }
    }
    if normal.is_empty() {
        normal.push(b'/');
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &str, expect: Result<&str, PathError>) {
        let path = Path::parse(raw);
        let path = path.as_ref().map(|path| str::from_utf8(path.as_bytes()).unwrap());
        assert_eq!(path.map_err(|&e| e), expect, "{raw}");
    }

    #[test]
    fn one_normal_form() {
        check("/", Ok("/"));
        check("/a/b.html", Ok("/a/b.html"));
        check("/a/", Ok("/a/"));
        check("//a///b//", Ok("/a/b/"));
        check("/./a/./", Ok("/a/"));
        check("/a/../b", Ok("/b"));
        check("/a/b/..", Ok("/a/"));
        check("/a/..", Ok("/"));
        check("/%61%2Ehtml", Ok("/a.html"));
        check("/.well-known/x", Ok("/.well-known/x"));
        check("/..;/x", Ok("/..;/x"));
        check("/..%5cx", Ok("/..\\x"));
        check("/%252e%252e%252f", Ok("/%2e%2e%2f"));
        check("/...", Ok("/..."));
    }

    #[test]
    fn what_has_none() {
        check("", Err(PathError::NoSlash));
        check("*", Err(PathError::NoSlash));
        check("/..", Err(PathError::Climbs));
        check("/%2e%2e/", Err(PathError::Climbs));
        check("/.%2e/etc", Err(PathError::Climbs));
        check("/a/..//../", Err(PathError::Climbs));
        check("/%2e%2e%2f", Err(PathError::EncodedSlash));
        check("/public/..%2fadmin", Err(PathError::EncodedSlash));
        check("/x.php%00.jpg", Err(PathError::Control));
        check("/a%0d%0aSet-Cookie:x", Err(PathError::Control));
        check("/%zz", Err(PathError::BadEscape));
        check("/%u002e", Err(PathError::BadEscape));
        check("/%2", Err(PathError::BadEscape));
    }

    #[test]
    fn a_location_stays_on_this_host() {
        let location = |raw| Path::parse(raw).unwrap().encoded();
        assert_eq!(location("//evil.com/x/"), "/evil.com/x/");
        assert_eq!(location("/%5cevil.com/"), "/%5Cevil.com/");
        assert_eq!(location("/a b/ü/"), "/a%20b/%C3%BC/");
    }

    proptest! {
        #[test]
        fn a_normal_form_never_climbs_and_is_its_own_normal_form(
            raw in "/([./a%]|%2e|%2E|\\.\\.|//|;|\\\\){0,24}",
        ) {
            if let Ok(path) = Path::parse(&raw) {
                prop_assert_eq!(path.as_bytes().first(), Some(&b'/'));
                prop_assert!(!path.as_bytes().windows(2).any(|pair| pair == b"//"));
                prop_assert!(path.segments().all(|segment| segment != b".." && segment != b"."));
                let encoded = path.encoded();
                prop_assert_eq!(Path::parse(&encoded), Ok(path));
            }
        }
    }
}
