//! Entity tags and the two ways to compare them (RFC 9110 section 8.8.3).

/// One entity tag, borrowed from the field it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'v> {
    /// Whether it was marked `W/`.
    pub is_weak: bool,
    /// What lies between the quotes.
    pub opaque: &'v [u8],
}

impl<'v> EntityTag<'v> {
    /// Reads a value that is one entity tag and nothing else.
    #[must_use]
    pub fn parse(value: &'v [u8]) -> Option<Self> {
        match Self::split(value)? {
            (tag, []) => Some(tag),
            _ => None,
        }
    }

    /// Whether both are the same and neither is weak: equal byte for byte.
    #[must_use]
    pub fn is_strongly(self, other: EntityTag<'_>) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// Whether both are the same, weak or not: equal in meaning.
    #[must_use]
    pub fn is_weakly(self, other: EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }

    /// Takes the entity tag off the front of `value`.
    fn split(value: &'v [u8]) -> Option<(Self, &'v [u8])> {
        let (is_weak, quoted) = match value.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, value),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| !is_tag_character(byte))?;
        let rest = inner[end..].strip_prefix(b"\"")?;
        Some((Self { is_weak, opaque: &inner[..end] }, rest))
    }
}

/// Whether any tag in `lines`, a list that may be split over several of them, is one that
/// `matches` knows. A list that is malformed anywhere matches nothing: then If-Match refuses and
/// If-None-Match sends the whole content, both the safe side.
#[must_use]
pub fn any_listed<'v>(
    lines: impl Iterator<Item = &'v [u8]>,
    matches: impl Fn(EntityTag<'v>) -> bool,
) -> bool {
    let mut found = false;
    for line in lines {
        let mut rest = line;
        loop {
            // Empty members are legal (RFC 9110 section 5.6.1.2).
            rest = after(rest, b", \t");
            if rest.is_empty() {
                break;
            }
            let Some((tag, behind)) = EntityTag::split(rest) else { return false };
            found |= matches(tag);
            rest = after(behind, b" \t");
            if !matches!(rest, [] | [b',', ..]) {
                return false;
            }
        }
    }
    found
}

/// What follows the bytes at the front of `value` that are among `skipped`.
fn after<'v>(value: &'v [u8], skipped: &[u8]) -> &'v [u8] {
    let start = value.iter().position(|byte| !skipped.contains(byte)).unwrap_or(value.len());
    &value[start..]
}

/// `etagc`: visible characters but the quote, and every byte above ASCII.
fn is_tag_character(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_tag(value: &str, expect: Option<(bool, &str)>) {
        let tag = EntityTag::parse(value.as_bytes());
        let tag = tag.map(|tag| (tag.is_weak, str::from_utf8(tag.opaque).unwrap()));
        assert_eq!(tag, expect, "{value}");
    }

    #[test]
    fn tags_are_read_strictly() {
        check_tag("\"xyzzy\"", Some((false, "xyzzy")));
        check_tag("W/\"xyzzy\"", Some((true, "xyzzy")));
        check_tag("\"\"", Some((false, "")));
        check_tag("\"a,b\\\"", Some((false, "a,b\\")));
        check_tag("\"ü\"", Some((false, "ü")));
        for malformed in ["", "x", "\"", "\"x", "x\"", "w/\"x\"", "W \"x\"", "\"a b\"", "\"x\"y"] {
            check_tag(malformed, None);
        }
    }

    /// The four rows of RFC 9110 section 8.8.3.2.
    #[test]
    fn two_comparisons() {
        let tag = |value: &'static str| EntityTag::parse(value.as_bytes()).unwrap();
        for (a, b, strongly, weakly) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(tag(a).is_strongly(tag(b)), strongly, "{a} {b}");
            assert_eq!(tag(a).is_weakly(tag(b)), weakly, "{a} {b}");
        }
    }

    fn check_list(lines: &[&str], expect: bool) {
        let lines_bytes = lines.iter().map(|line| line.as_bytes());
        assert_eq!(any_listed(lines_bytes, |tag| tag.opaque == b"c"), expect, "{lines:?}");
    }

    #[test]
    fn a_list_is_read_to_its_end_whatever_its_lines() {
        check_list(&["\"c\""], true);
        check_list(&["\"a\", \"b\",\"c\""], true);
        check_list(&["\"a\"", "W/\"b\" ,\t\"c\""], true);
        check_list(&[", ,\"c\",,"], true);
        check_list(&["\"a,c\""], false);
        check_list(&["", ","], false);
        // Malformed before or behind the tag, or on another line: nothing matches.
        check_list(&["\"c\" \"b\""], false);
        check_list(&["c, \"c\""], false);
        check_list(&["\"c\", \"b"], false);
        check_list(&["\"c\"", "b"], false);
        check_list(&["*, \"c\""], false);
    }

    #[test]
    fn a_long_list_takes_one_pass() {
        let tags = "\"\",".repeat(1 << 20);
        check_list(&[&tags], false);
        check_list(&[&(tags + "\"c\"")], true);
        check_list(&[&"\"".repeat(1 << 20)], false);
    }
}
