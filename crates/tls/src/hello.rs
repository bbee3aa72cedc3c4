//! The first message of a client, as far as it must be understood to know whom it asks for: before
//! that there is nobody whose terms could hold.
//!
//! Everything in it is read again, and in earnest, by the library that shakes hands. This reading
//! refuses all that could be understood in two ways.

use std::{borrow::Cow, net::IpAddr};

/// Bytes of a first message at most, with the heads of its records.
pub const HELLO_BYTES_MAX: usize = 16 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// A beginning of one: more bytes are needed.
    Incomplete,
    /// One that asks for this name, in lower case, or for none.
    Of(Option<Box<str>>),
    /// One that looks for a proof that this name is ours, and for nothing else (RFC 8737).
    Proof(Box<str>),
    /// Not TLS.
    Foreign,
    /// One that knows nothing newer than TLS 1.1.
    Old,
    /// TLS, but no such message.
    Malformed,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;
const VERSIONS: u16 = 43;

/// The version of TLS 1.2, and of whoever names newer ones in the extension for that.
const TLS_1_2: u16 = 0x303;
const HOST_NAME: u8 = 0;

/// Bytes of a record's head, and of a handshake message's.
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;

/// Reads the first bytes of a connection.
#[must_use]
pub fn read_hello(bytes: &[u8]) -> Hello {
    match bytes {
        [] => return Hello::Incomplete,
        [HANDSHAKE] | [HANDSHAKE, 3, ..] => {}
        _ => return Hello::Foreign,
    }
    match message(bytes) {
        Some(Ok(message)) => body(&message).unwrap_or(Hello::Malformed),
        Some(Err(())) => Hello::Malformed,
        None if bytes.len() >= HELLO_BYTES_MAX => Hello::Malformed,
        None => Hello::Incomplete,
    }
}

/// The body of the first message, which may come in several records; `None` before its end.
fn message(bytes: &[u8]) -> Option<Result<Cow<'_, [u8]>, ()>> {
    let mut all = Cow::Borrowed([].as_slice());
    let mut rest = bytes;
    loop {
        let (head, after) = rest.split_at_checked(RECORD_HEAD)?;
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let is_sound = head[0] == HANDSHAKE && head[1] == 3;
        if !is_sound || length == 0 || length > crate::RECORD_BYTES_MAX {
            return Some(Err(()));
        }
        let part = after.get(..length).unwrap_or(after);
        match all.is_empty() {
            true => all = Cow::Borrowed(part),
            false => all.to_mut().extend_from_slice(part),
        }
        if let [kind, a, b, c, ..] = *all {
            let wanted = u32::from_be_bytes([0, a, b, c]) as usize;
            if kind != CLIENT_HELLO || wanted > HELLO_BYTES_MAX {
                return Some(Err(()));
            }
            if all.len() >= MESSAGE_HEAD + wanted {
                // Nothing may follow it before it is answered.
                let is_all = all.len() == MESSAGE_HEAD + wanted;
                return Some(match (is_all, all) {
                    (true, Cow::Borrowed(all)) => Ok(Cow::Borrowed(&all[MESSAGE_HEAD..])),
                    (true, Cow::Owned(all)) => Ok(Cow::Owned(all[MESSAGE_HEAD..].to_vec())),
                    (false, _) => Err(()),
                });
            }
        }
        rest = after.get(length..)?;
    }
}

/// What the message asks for: a name (RFC 6066 section 3), and in which protocol; `None` where it
/// is malformed.
fn body(message: &[u8]) -> Option<Hello> {
    let mut from = Reader(message);
    // Behind the version are random bytes.
    let mut is_old = from.number()? < TLS_1_2;
    from.take(32)?;
    let session = usize::from(from.byte()?);
    from.take(session)?;
    from.list()?;
    let methods = usize::from(from.byte()?);
    from.take(methods)?;
    if from.0.is_empty() {
        return Some(if is_old { Hello::Old } else { Hello::Of(None) });
    }
    let mut extensions = Reader(from.list()?);
    if !from.0.is_empty() {
        return None;
    }
    let (mut name, mut wants_proof) = (None, false);
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.list()?;
        if kind == SERVER_NAME && name.replace(server_name(content)?).is_some() {
            return None;
        }
        wants_proof |= kind == PROTOCOLS && content == PROOF;
        is_old &= kind != VERSIONS;
    }
    Some(match (name.flatten(), wants_proof) {
        _ if is_old => Hello::Old,
        (Some(name), true) => Hello::Proof(name),
        (name, _) => Hello::Of(name),
    })
}

/// The one protocol in the list of who looks for a proof.
const PROOF: &[u8] = b"\x00\x0b\x0aacme-tls/1";

/// The one name in the extension. An address is no name, and so none.
fn server_name(content: &[u8]) -> Option<Option<Box<str>>> {
    let mut from = Reader(content);
    let mut names = Reader(from.list()?);
    let kind = names.byte()?;
    let name = str::from_utf8(names.list()?).ok()?;
    let is_one = kind == HOST_NAME && names.0.is_empty() && from.0.is_empty();
    let is_name =
        name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let is_address = name.parse::<IpAddr>().is_ok();
    if !is_one || name.is_empty() || (!is_name && !is_address) {
        return None;
    }
    Some((!is_address).then(|| name.to_ascii_lowercase().into()))
}

/// Takes bytes from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).and_then(|taken| taken.first().copied())
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).and_then(|taken| Some(u16::from_be_bytes(*taken.first_chunk()?)))
    }

    /// What is behind its own length in two bytes.
    fn list(&mut self) -> Option<&'b [u8]> {
        let length = usize::from(self.number()?);
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with these extensions, in records of `step` bytes.
    fn hello(extensions: &[(u16, &[u8])], step: usize) -> Vec<u8> {
        let mut inside = Vec::new();
        for (kind, content) in extensions {
            inside.extend_from_slice(&kind.to_be_bytes());
            inside.extend_from_slice(&(content.len() as u16).to_be_bytes());
            inside.extend_from_slice(content);
        }
        let mut body = vec![3, 3];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0]);
        body.extend_from_slice(&(inside.len() as u16).to_be_bytes());
        body.extend_from_slice(&inside);
        let mut message = vec![CLIENT_HELLO, 0, (body.len() >> 8) as u8, body.len() as u8];
        message.extend_from_slice(&body);
        let mut records = Vec::new();
        for part in message.chunks(step) {
            records.extend_from_slice(&[HANDSHAKE, 3, 1, 0, part.len() as u8]);
            records.extend_from_slice(part);
        }
        records
    }

    fn named(name: &str) -> Vec<u8> {
        let length = name.len() as u16;
        let mut content = (length + 3).to_be_bytes().to_vec();
        content.push(HOST_NAME);
        content.extend_from_slice(&length.to_be_bytes());
        content.extend_from_slice(name.as_bytes());
        content
    }

    fn of(name: &str) -> Hello {
        Hello::Of(Some(name.into()))
    }

    #[test]
    fn the_name_is_found_however_the_message_is_cut() {
        for step in [1, 2, 7, 200] {
            let bytes = hello(&[(16, b"\0\0"), (SERVER_NAME, &named("A.example"))], step);
            for end in 0..bytes.len() {
                assert_eq!(read_hello(&bytes[..end]), Hello::Incomplete, "{end} of {step}");
            }
            assert_eq!(read_hello(&bytes), of("a.example"), "{step}");
        }
    }

    #[test]
    fn who_looks_for_a_proof_names_that_protocol_alone() {
        let name = named("a.example");
        for (protocols, is_proof) in [
            (&b"\0\x0b\x0aacme-tls/1"[..], true),
            (b"\0\x14\x0aacme-tls/1\x08http/1.1", false),
            (b"\0\x09\x08http/1.1", false),
            (b"", false),
        ] {
            let found = read_hello(&hello(&[(0, &name), (PROTOCOLS, protocols)], 200));
            let expect = if is_proof { Hello::Proof("a.example".into()) } else { of("a.example") };
            assert_eq!(found, expect);
        }
        let nobody = hello(&[(PROTOCOLS, b"\0\x0b\x0aacme-tls/1")], 200);
        assert_eq!(read_hello(&nobody), Hello::Of(None));
    }

    #[test]
    fn who_knows_nothing_new_is_old() {
        const VERSION: usize = RECORD_HEAD + MESSAGE_HEAD;
        let name = named("a.example");
        for (version, extensions, is_old) in [
            (TLS_1_2, &[(SERVER_NAME, &name[..])][..], false),
            (0x302, &[(SERVER_NAME, &name)], true),
            (0x302, &[], true),
            (0x300, &[(SERVER_NAME, &name)], true),
            // The extension is what counts, where there is one.
            (0x302, &[(SERVER_NAME, &name), (VERSIONS, b"\x02\x03\x04")], false),
        ] {
            let mut bytes = hello(extensions, 200);
            bytes[VERSION..VERSION + 2].copy_from_slice(&version.to_be_bytes());
            assert_eq!(read_hello(&bytes) == Hello::Old, is_old, "{version:x} {extensions:?}");
        }
    }

    #[test]
    fn who_names_nobody_or_an_address_asks_for_none() {
        assert_eq!(read_hello(&hello(&[], 200)), Hello::Of(None));
        assert_eq!(read_hello(&hello(&[(0, &named("127.0.0.1"))], 200)), Hello::Of(None));
        assert_eq!(read_hello(&hello(&[(0, &named("::1"))], 200)), Hello::Of(None));
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let twice = [(0, &*named("a.example")), (0, &*named("b.example"))];
        let mut two = named("a.example");
        two.extend_from_slice(&named("b.example")[2..]);
        two[1] *= 2;
        let mut longer = named("a.example");
        longer.push(0);
        for extensions in [
            &twice[..],
            &[(0, &two)],
            &[(0, &longer)],
            &[(0, b"")],
            &[(0, &named(""))],
            &[(0, &named("a example"))],
            &[(0, &named("a\0.example"))],
            &[(0, &named("ä.example"))],
        ] {
            assert_eq!(read_hello(&hello(extensions, 200)), Hello::Malformed, "{extensions:?}");
        }
        let mut followed = hello(&[], 200);
        followed[4] += 1;
        followed.push(0);
        assert_eq!(read_hello(&followed), Hello::Malformed);
    }

    #[test]
    fn what_is_no_tls_is_told_from_what_is_faulty() {
        for (bytes, expect) in [
            (&b""[..], Hello::Incomplete),
            (b"GET / HTTP/1.1\r\n", Hello::Foreign),
            (b"\x80\x2e\x01\0\x02", Hello::Foreign),
            (b"\x16\x02", Hello::Foreign),
            (b"\x16\x03\x01\0\0", Hello::Malformed),
            (b"\x16\x03\x01\xff\xff", Hello::Malformed),
            (b"\x16\x03\x01\0\x04\x02\0\0\0", Hello::Malformed),
            (b"\x16\x03\x01\0\x04\x01\xff\0\0", Hello::Malformed),
            (b"\x16\x03\x01\0\x01\x01\x15\x03\x01\0\x02", Hello::Malformed),
        ] {
            assert_eq!(read_hello(bytes), expect, "{bytes:?}");
        }
        let rest = b"\x16\x03\x01\0\x01\0".repeat(HELLO_BYTES_MAX / 6 + 1);
        let endless = [b"\x16\x03\x01\0\x01\x01", &rest[..]].concat();
        assert_ne!(read_hello(&endless), Hello::Incomplete, "nobody may go on for ever");
    }
}
