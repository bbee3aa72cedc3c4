//! Writing DER, the form of certificates (X.690): each element is a tag, a length and a content.

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// An element of that tag.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    match length {
        0..=0x7f => out.push(length as u8),
        _ => {
            let bytes = length.to_be_bytes();
            let first = bytes.iter().position(|&byte| byte != 0).unwrap_or(0);
            out.push(0x80 | (bytes.len() - first) as u8);
            out.extend_from_slice(&bytes[first..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// The elements one after the other, as one of that tag.
pub(crate) fn all(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A sequence of these elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    all(SEQUENCE, parts)
}

/// A positive integer.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    let mut content = Vec::with_capacity(bytes.len() + 1);
    // The highest bit would make it a negative one.
    if bytes.get(first).is_none_or(|&byte| byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(&bytes[first..]);
    element(INTEGER, &content)
}

/// A string of whole bytes of bits.
pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    all(BIT_STRING, &[&[0], content])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_signs_are_as_short_as_they_can_be() {
        for (count, head) in [
            (0, &[0x04, 0][..]),
            (0x7f, &[0x04, 0x7f]),
            (0x80, &[0x04, 0x81, 0x80]),
            (0x1234, &[0x04, 0x82, 0x12, 0x34]),
        ] {
            let found = element(OCTET_STRING, &vec![7; count]);
            assert_eq!((&found[..head.len()], found.len()), (head, head.len() + count));
        }
        for (bytes, expect) in [
            (&[][..], &[2, 1, 0][..]),
            (&[0, 0], &[2, 1, 0]),
            (&[0, 0x7f], &[2, 1, 0x7f]),
            (&[0x80], &[2, 2, 0, 0x80]),
        ] {
            assert_eq!(integer(bytes), expect);
        }
    }
}
