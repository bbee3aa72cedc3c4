//! A Rust file seen three ways: its code alone, its comments alone, its code without tests.

/// Three views of one text. Each is as long as the text, with blanks where it leaves something
/// out and the same line ends, so that an offset or a line means the same place in all of them.
pub(super) struct Views {
    /// Without comments and without what stands between the quotes of a literal.
    pub(super) code: String,
    /// The comments alone, slashes included.
    pub(super) comments: String,
    /// `code` without the items under `#[cfg(test)]`.
    pub(super) shipped: String,
}

impl Views {
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut code = blank(bytes);
        let mut comments = blank(bytes);
        let mut at = 0;
        while at < bytes.len() {
            let (end, kind) = token(bytes, at);
            match kind {
                Kind::Comment => comments[at..end].copy_from_slice(&bytes[at..end]),
                Kind::Code => code[at..end].copy_from_slice(&bytes[at..end]),
                // The quotes stay, so that a literal is still seen to be one.
                Kind::Literal => (code[at], code[end - 1]) = (b'"', b'"'),
            }
            at = end;
        }
        let shipped = without_tests(&code);
        let text = |view: Vec<u8>| String::from_utf8_lossy(&view).into_owned();
        Self { code: text(code), comments: text(comments), shipped: text(shipped) }
    }
}

/// The line of an offset, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Whether a byte can belong to a name.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Every place where `word` stands alone: not as a part of a longer name.
pub(super) fn places<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let bytes = text.as_bytes();
    let joins = |outer: Option<&u8>, inner: Option<&u8>| {
        outer.is_some_and(|byte| is_name(*byte)) && inner.is_some_and(|byte| is_name(*byte))
    };
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let is_tail = joins(before, word.as_bytes().first());
        let is_head = joins(bytes.get(at + word.len()), word.as_bytes().last());
        !is_tail && !is_head
    })
}

/// The offset behind the bracket that closes the one at `open`; the end if none does.
pub(super) fn closing(code: &[u8], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

enum Kind {
    Code,
    Comment,
    Literal,
}

fn blank(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }).collect()
}

/// The end of what begins at `at`, and what it is. A name comes out whole, so that the `r` of
/// `for` is never taken for the opening of a raw string.
fn token(bytes: &[u8], at: usize) -> (usize, Kind) {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        return (at + length, Kind::Comment);
    }
    if rest.starts_with(b"/*") {
        return (at + block_comment(rest), Kind::Comment);
    }
    if let Some(length) = literal(rest) {
        return (at + length, Kind::Literal);
    }
    let name = rest.iter().take_while(|byte| is_name(**byte)).count();
    (at + name.max(1), Kind::Code)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string or character literal in front, prefix included.
fn literal(rest: &[u8]) -> Option<usize> {
    let prefix = rest.iter().take(2).take_while(|byte| matches!(byte, b'b' | b'c' | b'r')).count();
    let (prefix, rest) = rest.split_at(prefix);
    let length = match rest {
        [b'\'', ..] if matches!(prefix, b"" | b"b") => character(rest)?,
        [b'"', ..] | [b'#', ..] if prefix.ends_with(b"r") => raw(rest)?,
        [b'"', ..] => escaped(rest, b'"'),
        _ => return None,
    };
    Some(prefix.len() + length)
}

/// A character literal; `None` for a lifetime, which has no second quote behind one character.
fn character(rest: &[u8]) -> Option<usize> {
    let first = *rest.get(1)?;
    if first == b'\\' {
        return Some(escaped(rest, b'\''));
    }
    let width = 1 + rest.iter().skip(2).take_while(|byte| **byte & 0xC0 == 0x80).count();
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

fn escaped(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// A raw string behind its `r`; `None` for a raw name such as `r#type`.
fn raw(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &rest[..hashes]].concat();
    let body = &rest[hashes + 1..];
    let length = body.windows(end.len()).position(|window| window == end);
    Some(length.map_or(rest.len(), |length| hashes + 1 + length + end.len()))
}

fn without_tests(code: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"#[cfg(test)]";
    let mut shipped = code.to_vec();
    let mut from = 0;
    while let Some(found) = shipped[from..].windows(MARK.len()).position(|window| window == MARK) {
        let start = from + found;
        let end = item(code, start);
        shipped[start..end].copy_from_slice(&blank(&code[start..end]));
        from = end;
    }
    shipped
}

/// The offset behind the item that begins at `start`: its attributes and all up to its `;` or
/// its body's closing brace.
fn item(code: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < code.len() {
        match code[at] {
            b'(' | b'[' => at = closing(code, at),
            b'{' => {
                let end = closing(code, at);
                return end + usize::from(code.get(end) == Some(&b';'));
            }
            b';' => return at + 1,
            _ => at += 1,
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `code` and `comments` of a text, blanks at the ends of lines left out.
    fn views(text: &str) -> (String, String) {
        let views = Views::of(text);
        assert_eq!(views.code.len(), text.len());
        let trim = |view: &str| view.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        (trim(&views.code), trim(&views.comments))
    }

    #[test]
    fn literals_and_comments_leave_the_code() {
        for (text, code, comments) in [
            ("a(); // b", "a();", "     // b"),
            ("a /* b /* c */ d */ e", "a                   e", "  /* b /* c */ d */"),
            ("f(\"// no\")", "f(\"     \")", ""),
            ("f(\"\\\"x\", y)", "f(\"   \", y)", ""),
            ("f(br#\"a\"b\"#, y)", "f(\"       \", y)", ""),
            ("r#type + x", "r#type + x", ""),
            ("f::<'a>('b', '\\'', 'é')", "f::<'a>(\" \", \"  \", \"  \")", ""),
            ("for r in x {}", "for r in x {}", ""),
        ] {
            assert_eq!(views(text), (code.to_owned(), comments.to_owned()), "{text}");
        }
    }

    #[test]
    fn tests_do_not_ship() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { [{}] } }\nfn c() {}\n\
                    #[cfg(test)]\nuse x::{y};\nfn d() {}";
        let shipped = Views::of(text).shipped;
        let lines: Vec<&str> = shipped.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines, ["fn a() {}", "fn c() {}", "fn d() {}"]);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(places("unsafe_code unsafe{", "unsafe").collect::<Vec<_>>(), [12]);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
