//! Telling a name server about a record (RFC 2136), signed by a key that both know (RFC 8945,
//! HMAC-SHA256).

use aws_lc_rs::hmac;

/// A key that a name server knows, too.
#[derive(Clone, PartialEq, Eq)]
pub struct DnsKey {
    /// What it is called there.
    pub name: String,
    /// The key.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for DnsKey {
    /// Nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A record with a text, which is to be there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'u> {
    /// The zone that it is in.
    pub zone: &'u str,
    /// Its name.
    pub name: &'u str,
    /// Its text.
    pub text: &'u str,
    /// Whether it is to be there.
    pub is_there: bool,
}

const SOA: u16 = 6;
const TXT: u16 = 16;
const TSIG: u16 = 250;
const IN: u16 = 1;
const NONE: u16 = 254;
const ANY: u16 = 255;

/// Seconds that others may keep the record.
const TTL: u32 = 30;

/// Seconds that the clocks of both may differ by.
const FUDGE: u16 = 300;

const ALGORITHM: &str = "hmac-sha256";

/// The message of that number that says so, at that time in seconds since 1970; `None` where a name
/// is none.
#[must_use]
pub fn update(wish: &Update<'_>, key: Option<&DnsKey>, id: u16, now: i64) -> Option<Vec<u8>> {
    const UPDATE: u16 = 5 << 11;
    let mut out = Vec::new();
    for word in [id, UPDATE, 1, 0, 1, 0] {
        push(&mut out, word);
    }
    out.extend(wire(wish.zone)?);
    push(&mut out, SOA);
    push(&mut out, IN);
    out.extend(wire(wish.name)?);
    let length = u8::try_from(wish.text.len()).ok()?;
    push(&mut out, TXT);
    push(&mut out, if wish.is_there { IN } else { NONE });
    out.extend((if wish.is_there { TTL } else { 0 }).to_be_bytes());
    push(&mut out, u16::from(length) + 1);
    out.push(length);
    out.extend_from_slice(wish.text.as_bytes());
    if let Some(key) = key {
        sign(&mut out, key, id, now)?;
    }
    Some(out)
}

/// What a name server says to the message of that number: nothing where it is done, else its code;
/// `None` where it is no answer to it.
#[must_use]
pub fn is_done(reply: &[u8], id: u16) -> Option<u8> {
    const ANSWER: u8 = 0x80;
    let is_answer = reply.get(..2)? == id.to_be_bytes() && reply.get(2)? & ANSWER != 0;
    is_answer.then_some(reply.get(3)? & 0x0f)
}

fn sign(out: &mut Vec<u8>, key: &DnsKey, id: u16, now: i64) -> Option<()> {
    let (name, algorithm) = (wire(&key.name)?, wire(ALGORITHM)?);
    let time = now.to_be_bytes();
    let time = time.get(2..)?;
    let mut signed = out.clone();
    signed.extend_from_slice(&name);
    push(&mut signed, ANY);
    signed.extend([0; 4]);
    signed.extend_from_slice(&algorithm);
    signed.extend_from_slice(time);
    push(&mut signed, FUDGE);
    // No error, and nothing about one.
    signed.extend([0; 4]);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.secret), &signed);
    let mac = mac.as_ref();
    out.extend_from_slice(&name);
    push(out, TSIG);
    push(out, ANY);
    out.extend([0; 4]);
    let length = algorithm.len() + time.len() + 2 + 2 + mac.len() + 6;
    push(out, u16::try_from(length).ok()?);
    out.extend_from_slice(&algorithm);
    out.extend_from_slice(time);
    push(out, FUDGE);
    push(out, u16::try_from(mac.len()).ok()?);
    out.extend_from_slice(mac);
    push(out, id);
    out.extend([0; 4]);
    // One record more behind the rest.
    out.get_mut(10..12)?.copy_from_slice(&1u16.to_be_bytes());
    Some(())
}

fn push(out: &mut Vec<u8>, word: u16) {
    out.extend(word.to_be_bytes());
}

/// A name as messages have it.
fn wire(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        out.push(length);
        out.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    out.push(0);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: Update<'static> =
        Update { zone: "A.example.", name: "_x.a.example", text: "abc", is_there: true };

    #[test]
    fn a_record_is_added_and_taken_away() {
        let plain = b"\x12\x34\x28\0\0\x01\0\0\0\x01\0\0\x01a\x07example\0\0\x06\0\x01\
                      \x02_x\x01a\x07example\0\0\x10\0\x01\0\0\0\x1e\0\x04\x03abc";
        assert_eq!(update(&WISH, None, 0x1234, 0).unwrap(), plain);
        let gone = update(&Update { is_there: false, ..WISH }, None, 1, 0).unwrap();
        assert!(gone.ends_with(b"\0\x10\0\xfe\0\0\0\0\0\x04\x03abc"));
        for name in ["", "a..b", &"x".repeat(64)] {
            assert_eq!(update(&Update { name, ..WISH }, None, 1, 0), None);
        }
    }

    #[test]
    fn a_signature_covers_the_message_and_its_time() {
        let key = DnsKey { name: "k.example".to_owned(), secret: b"secret".to_vec() };
        let signed = update(&WISH, Some(&key), 7, 1_795_906_260).unwrap();
        let plain = update(&WISH, None, 7, 0).unwrap();
        assert_eq!((signed[11], &signed[..10]), (1, &plain[..10]));
        assert_eq!(&signed[12..plain.len()], &plain[12..]);
        assert_ne!(signed, update(&WISH, Some(&key), 7, 1_795_906_261).unwrap());
        assert!(!format!("{key:?}").contains("secret"));
    }

    #[test]
    fn an_answer_is_known_by_its_number() {
        assert_eq!(is_done(b"\0\x07\xa8\0....", 7), Some(0));
        assert_eq!(is_done(b"\0\x07\xa8\x05....", 7), Some(5));
        assert_eq!(is_done(b"\0\x08\xa8\0....", 7), None);
        assert_eq!(is_done(b"\0\x07\x28\0....", 7), None);
        assert_eq!(is_done(b"\0\x07", 7), None);
    }
}
