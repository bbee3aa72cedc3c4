//! A path: it has one normal form, which never climbs and is its own normal form.

use message::{Path, PathError, path::push_encoded_segment};

/// Pieces of paths, above all of those that want to be elsewhere.
pub const TOKENS: &[&str] = &[
    "/", "//", "/.", "/..", "/../", "..", "%2e", "%2E%2e/", ".%2e", "%2f", "%2F", "%5c", "\\",
    "..;/", "%00", "%0d%0a", "%7f", "%", "%2", "%zz", "%25", "%252e", "%c0%ae", "%u002e", "\u{fc}",
    " ", "a", "~", ".git", ".php",
];

/// Looks at `data` as a path, and as what follows a path's first slash.
pub fn run(data: &[u8]) {
    let Ok(raw) = str::from_utf8(data) else { return };
    check(raw);
    check(&format!("/{raw}"));
}

fn check(raw: &str) {
    let parsed = Path::parse(raw);
    match (&parsed, slowly(raw.as_bytes())) {
        (Ok(path), Ok(normal)) => assert_eq!(path.as_bytes(), normal),
        // Which of several faults is told is a matter of order.
        (Err(_), Err(_)) => {}
        (parsed, slow) => panic!("{parsed:?}, but {slow:?}"),
    }
    let Ok(path) = parsed else { return };
    let bytes = path.as_bytes();
    assert!(bytes.starts_with(b"/") && !bytes.windows(2).any(|pair| pair == b"//"));
    assert!(path.segments().all(|segment| !matches!(segment, b"" | b"." | b"..")));
    assert!(!bytes.iter().any(u8::is_ascii_control));
    assert_eq!(path.is_directory(), bytes.ends_with(b"/"));

    let joined = path.segments().flat_map(|segment| [b"/", segment].concat());
    let end = if path.is_directory() { &b"/"[..] } else { b"" };
    assert_eq!(joined.chain(end.iter().copied()).collect::<Vec<_>>(), bytes);

    let encoded = path.encoded();
    assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)));
    assert!(encoded.starts_with('/') && !encoded.starts_with("//"));
    assert_eq!(Path::parse(&encoded), Ok(path.clone()), "written and parsed again");
    for segment in path.segments() {
        let mut text = "/".to_owned();
        push_encoded_segment(&mut text, segment);
        let again = Path::parse(&text);
        assert!(again.is_ok_and(|path| path.segments().eq([segment])), "{text}");
    }
}

/// The normal form, worked out segment by segment.
fn slowly(raw: &[u8]) -> Result<Vec<u8>, PathError> {
    let rest = raw.strip_prefix(b"/").ok_or(PathError::NoSlash)?;
    let mut normal: Vec<Vec<u8>> = Vec::new();
    let mut is_directory = true;
    for segment in rest.split(|&byte| byte == b'/') {
        let segment = decoded(segment)?;
        is_directory = matches!(&segment[..], b"" | b"." | b"..");
        match &segment[..] {
            b".." => drop(normal.pop().ok_or(PathError::Climbs)?),
            b"" | b"." => {}
            _ => normal.push(segment),
        }
    }
    let mut path = [&b"/"[..], &normal.join(&b'/')].concat();
    if is_directory && !normal.is_empty() {
        path.push(b'/');
    }
    Ok(path)
}

fn decoded(segment: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut parts = segment.split(|&byte| byte == b'%');
    let mut plain = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(PathError::BadEscape)?;
        let are_digits = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = str::from_utf8(digits).ok().filter(|_| are_digits);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.ok_or(PathError::BadEscape)? {
            b'/' => return Err(PathError::EncodedSlash),
            byte => plain.push(byte),
        }
        plain.extend_from_slice(rest);
    }
    if plain.iter().any(u8::is_ascii_control) { Err(PathError::Control) } else { Ok(plain) }
}
