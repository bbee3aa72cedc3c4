//! The head of an application's answer (RFC 3875 section 6).

use crate::{fault::Fault, limits::Limits};
use message::{Status, name::is_token, response::Line};
use std::borrow::Cow;

/// What an application says before its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status; where none is named, 302 for a `Location` and else 200.
    pub status: Status,
    /// The fields that are the client's, in the order they came.
    pub lines: Vec<Line>,
    /// The length of the content, where it is named.
    pub length: Option<u64>,
    /// The file that is to be sent in place of the content.
    pub file: Option<Named>,
}

/// How an application names a file that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// As it lies on the disk (`X-Sendfile`).
    Disk(Vec<u8>),
    /// As it would stand in a URL (`X-Accel-Redirect`).
    Url(String),
}

/// Fields that are between the application and this server, or that the protocol rooms write.
const OWN: [&str; 8] = [
    "connection",
    "date",
    "keep-alive",
    "proxy-connection",
    "server",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that applications send again and again.
const USUAL: [&str; 12] = [
    "content-type",
    "content-length",
    "status",
    "x-powered-by",
    "cache-control",
    "expires",
    "set-cookie",
    "last-modified",
    "location",
    "vary",
    "link",
    "pragma",
];

/// The status of a head that comes before the answer's own.
const EARLY: Status = Status(103);

/// Orders to nginx that this server does not follow, and that no client needs to see.
const ORDERS: [&str; 4] =
    ["x-accel-buffering", "x-accel-charset", "x-accel-expires", "x-accel-limit-rate"];

/// Where the head in `bytes` ends, its empty line included, if that is there; `from` is how many of
/// them were looked at in vain.
pub(crate) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    match bytes {
        // A head without any field is an empty line.
        [b'\n', ..] => return Some(1),
        [b'\r', b'\n', ..] => return Some(2),
        _ => {}
    }
    let mut at = from.saturating_sub(2);
    while let Some(found) = bytes[at..].iter().position(|&byte| byte == b'\n') {
        at += found + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

impl Head {
    /// Whether there is another one behind it, which answers; this one only tells what to fetch
    /// meanwhile (RFC 8297).
    pub(crate) fn is_early(&self) -> bool {
        self.status == EARLY
    }

    /// Reads a whole head. Lines end with LF or CR LF; none goes on in the next.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Fault> {
        let (mut status, mut lines, mut length, mut file) = (None, Vec::new(), None, None);
        for line in bytes.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let colon = line.iter().position(|&byte| byte == b':').ok_or(Fault::FieldLine)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            // Each byte is looked at, as that is done by many at once.
            let is_control = |byte: u8| (byte < 0x20 && byte != b'\t') || byte == 0x7f;
            if value.iter().fold(false, |found, &byte| found | is_control(byte)) {
                return Err(Fault::FieldValue);
            }
            let name = match USUAL.into_iter().find(|one| name.eq_ignore_ascii_case(one.as_bytes()))
            {
                Some(usual) => Cow::Borrowed(usual),
                None if is_token(name) => {
                    Cow::Owned(String::from_utf8_lossy(name).to_ascii_lowercase())
                }
                None => return Err(Fault::FieldLine),
            };
            match &*name {
                "status" => status = Some(status_of(value)?),
                "content-length" => {
                    let bytes = length_of(value)?;
                    if length.is_some_and(|known| known != bytes) {
                        return Err(Fault::Length);
                    }
                    length = Some(bytes);
                }
                "x-sendfile" => file = Some(Named::Disk(value.to_vec())),
                "x-accel-redirect" => file = Some(Named::Url(text(value))),
                name if OWN.contains(&name) || ORDERS.contains(&name) => {}
                _ if lines.len() >= limits.fields_max => return Err(Fault::TooManyFields),
                _ => lines.push(Line::of_bytes(name, value.to_vec())),
            }
        }
        let is_elsewhere = || lines.iter().any(|line| line.name == "location");
        let status = status.unwrap_or_else(|| match is_elsewhere() {
            true => Status::FOUND,
            false => Status::OK,
        });
        Ok(Self { status, lines, length, file })
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

/// The status in `404 Not Found`; an interim one only where it means something to a client.
fn status_of(value: &[u8]) -> Result<Status, Fault> {
    let (code, rest) = value.split_at_checked(3).ok_or(Fault::BadStatus)?;
    if !code.iter().all(u8::is_ascii_digit) || !matches!(rest, [] | [b' ' | b'\t', ..]) {
        return Err(Fault::BadStatus);
    }
    let status = Status(code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')));
    if status.0 >= 200 || status == EARLY { Ok(status) } else { Err(Fault::BadStatus) }
}

fn length_of(value: &[u8]) -> Result<u64, Fault> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(value).ok().filter(|_| is_number);
    text.and_then(|text| text.parse().ok()).ok_or(Fault::Length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status and the fields of a head, or what is wrong with it.
    #[track_caller]
    fn check(head: impl AsRef<[u8]>, expect: Result<(u16, &str), Fault>) {
        let head = head.as_ref();
        let seen = Head::parse(head, &Limits::default()).map(|head| {
            let lines = head
                .lines
                .iter()
                .map(|line| format!("{}: {}", line.name, line.value.escape_ascii()));
            (head.status.0, lines.collect::<Vec<_>>().join("; "))
        });
        let expect = expect.map(|(status, lines)| (status, lines.to_owned()));
        assert_eq!(seen, expect, "{}", head.escape_ascii());
    }

    #[test]
    fn heads() {
        check("Content-type: text/html\r\n\r\n", Ok((200, "content-type: text/html")));
        check("Status: 404 Not Found\nX: 1\nX: 2\n\n", Ok((404, "x: 1; x: 2")));
        check("Status: 299\r\n\r\n", Ok((299, "")));
        check("Status: 103\r\nLink: </a>\r\n\r\n", Ok((103, "link: </a>")));
        check("Location: /a\r\n\r\n", Ok((302, "location: /a")));
        check("Status: 201\r\nLocation: /a\r\n\r\n", Ok((201, "location: /a")));
        check("\r\n", Ok((200, "")));
        check("X:\t a\tb \r\n\r\n", Ok((200, "x: a b")));
        check("X-Utf: ü\r\n\r\n", Ok((200, "x-utf: \\xc3\\xbc")));
        check(b"Location: /caf\xe9\r\n\r\n", Ok((302, "location: /caf\\xe9")));
        check("Date: now\nConnection: close\nServer: me\nX-Accel-Buffering: no\n\n", Ok((200, "")));
        check("Transfer-Encoding: chunked\r\n\r\n", Ok((200, "")));
    }

    #[test]
    fn what_is_no_head() {
        check("Status: 200\r\nX\r\n\r\n", Err(Fault::FieldLine));
        check("X y: 1\r\n\r\n", Err(Fault::FieldLine));
        check(": 1\r\n\r\n", Err(Fault::FieldLine));
        check(" folded: 1\r\n\r\n", Err(Fault::FieldLine));
        check("X: a\rSet-Cookie: b\r\n\r\n", Err(Fault::FieldValue));
        check("X: a\0\r\n\r\n", Err(Fault::FieldValue));
        check("Status: 20\r\n\r\n", Err(Fault::BadStatus));
        check("Status: 2000\r\n\r\n", Err(Fault::BadStatus));
        check("Status: 100 Continue\r\n\r\n", Err(Fault::BadStatus));
        check("Status: ok\r\n\r\n", Err(Fault::BadStatus));
        check("Content-Length: +1\r\n\r\n", Err(Fault::Length));
        check("Content-Length: 1\r\nContent-Length: 2\r\n\r\n", Err(Fault::Length));
        check("Content-Length: 99999999999999999999\r\n\r\n", Err(Fault::Length));
        check(&("X: 1\n".repeat(257) + "\n"), Err(Fault::TooManyFields));
    }

    #[test]
    fn a_head_ends_with_its_empty_line_wherever_the_search_began() {
        for (text, expect) in [
            ("A: 1\r\n\r\nbody", Some(8)),
            ("A: 1\n\nbody", Some(6)),
            ("A: 1\n\r\n\n", Some(7)),
            ("\r\nbody", Some(2)),
            ("\nbody", Some(1)),
            ("A: 1\r\nB: 2\r\n", None),
            ("A: 1\r\r\n\r", None),
            ("", None),
        ] {
            let all = text.as_bytes();
            let until = expect.unwrap_or(all.len());
            for from in 0..until {
                assert_eq!(end(all, from), expect, "{text:?} from {from}");
            }
        }
    }
}
