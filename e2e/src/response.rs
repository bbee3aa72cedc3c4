//! A response as a strict reader of RFC 9110 and RFC 9112 sees it: what is not exactly right is
//! a fault, never guessed at.

use std::fmt;

/// What is wrong with what the server sent, in words.
#[derive(Debug)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shorthand for a step that may find a fault.
pub type Checked<T> = Result<T, Fault>;

/// A fault, as an error.
pub(crate) fn fault<T>(words: impl Into<String>) -> Checked<T> {
    Err(Fault(words.into()))
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The field lines in the order they came, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
    /// How the end of the content was told.
    pub framing: Framing,
}

/// How a message says where its content ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: the status or the method of the request says so.
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
    /// It ends with the connection.
    Close,
}

/// Where the bytes come from.
pub trait Bytes {
    /// Takes bytes up to the next LF, with it.
    fn line(&mut self) -> Checked<Vec<u8>>;
    /// Takes so many bytes.
    fn exactly(&mut self, count: usize) -> Checked<Vec<u8>>;
    /// Takes all that comes until the peer closes.
    fn rest(&mut self) -> Checked<Vec<u8>>;
}

impl Response {
    /// Reads one response. `is_bodiless` says that the request was HEAD.
    pub fn read(bytes: &mut impl Bytes, is_bodiless: bool) -> Checked<Self> {
        let status = status_line(&text_line(bytes)?)?;
        let fields = field_lines(bytes)?;
        check_singletons(&fields)?;
        let mut response = Self { status, fields, body: Vec::new(), framing: Framing::None };
        response.framing = response.framing_of(is_bodiless)?;
        response.body = match response.framing {
            Framing::None => Vec::new(),
            Framing::Length(count) => bytes.exactly(usize::try_from(count).unwrap())?,
            Framing::Chunked => chunks(bytes)?,
            Framing::Close => bytes.rest()?,
        };
        response.check_sense()?;
        Ok(response)
    }

    /// The value of a field, its name given in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(have, _)| have == name).map(|(_, value)| &**value)
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server has said that it will close.
    pub fn closes(&self) -> bool {
        let options = self.get("connection").unwrap_or_default().split(',');
        options.map(str::trim).any(|option| option.eq_ignore_ascii_case("close"))
    }

    fn framing_of(&self, is_bodiless: bool) -> Checked<Framing> {
        let length = match self.get("content-length") {
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| Fault("Content-Length is too long".into()))?)
            }
            Some(other) => return fault(format!("Content-Length: {other}")),
            None => None,
        };
        let coding = self.get("transfer-encoding");
        let without_content = self.status < 200 || self.status == 204;
        if (without_content || length.is_some()) && coding.is_some() {
            return fault("Transfer-Encoding where it must not be (RFC 9112 section 6.1)");
        }
        if without_content && length.is_some() {
            return fault("Content-Length in a 1xx or 204 (RFC 9110 section 8.6)");
        }
        match (coding, length) {
            _ if without_content || is_bodiless || self.status == 304 => Ok(Framing::None),
            (Some("chunked"), _) => Ok(Framing::Chunked),
            (Some(other), _) => fault(format!("Transfer-Encoding: {other}")),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (None, None) => Ok(Framing::Close),
        }
    }

    /// What holds for every answer of an origin server with a clock.
    fn check_sense(&self) -> Checked<()> {
        let missing = |name| self.get(name).is_none();
        match self.status {
            200..500 if missing("date") => fault("no Date (RFC 9110 section 6.6.1)"),
            206 if missing("content-range")
                && !self.get("content-type").is_some_and(|t| t.starts_with("multipart/")) =>
            {
                fault("a 206 without Content-Range (RFC 9110 section 15.3.7)")
            }
            301 | 308 if missing("location") => fault("a redirect to nowhere"),
            405 if missing("allow") => fault("a 405 without Allow (RFC 9110 section 15.5.6)"),
            _ => Ok(()),
        }
    }
}

/// A line that ends in CR LF and holds nothing but visible ASCII, spaces and tabs.
fn text_line(bytes: &mut impl Bytes) -> Checked<String> {
    let line = bytes.line()?;
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return fault(format!("a line that does not end in CR LF: {}", line.escape_ascii()));
    };
    if !line.iter().all(|&byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return fault(format!("a line with odd bytes: {}", line.escape_ascii()));
    }
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// `HTTP/1.1 200 OK` (RFC 9112 section 4).
fn status_line(line: &str) -> Checked<u16> {
    let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..4));
    let code = code.and_then(|code| code.strip_suffix(' '));
    match code.and_then(|code| code.parse().ok()) {
        Some(code @ 100..600) => Ok(code),
        _ => fault(format!("not a status line: {line:?}")),
    }
}

/// Field lines up to the empty line, names in lower case.
fn field_lines(bytes: &mut impl Bytes) -> Checked<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = text_line(bytes)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.is_empty() || !name.bytes().all(is_token) {
            return fault(format!("not a field line: {line:?}"));
        }
        fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// No field that has one value comes twice (RFC 9110 section 5.3).
fn check_singletons(fields: &[(String, String)]) -> Checked<()> {
    const SINGLE: [&str; 10] = [
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "last-modified",
        "location",
        "server",
        "transfer-encoding",
    ];
    for name in SINGLE {
        if fields.iter().filter(|(have, _)| have == name).count() > 1 {
            return fault(format!("{name} comes twice"));
        }
    }
    Ok(())
}

/// Chunked content, with neither extensions nor trailers (RFC 9112 section 7.1).
fn chunks(bytes: &mut impl Bytes) -> Checked<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let size = text_line(bytes)?;
        let digits_only = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(count) = usize::from_str_radix(&size, 16).ok().filter(|_| digits_only) else {
            return fault(format!("not a chunk size: {size:?}"));
        };
        content.extend_from_slice(&bytes.exactly(count)?);
        if bytes.exactly(2)? != b"\r\n" {
            return fault("a chunk that does not end in CR LF");
        }
        if count == 0 {
            return Ok(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stored(Vec<u8>);

    impl Bytes for Stored {
        fn line(&mut self) -> Checked<Vec<u8>> {
            match self.0.iter().position(|&byte| byte == b'\n') {
                Some(at) => self.exactly(at + 1),
                None => fault("cut off"),
            }
        }

        fn exactly(&mut self, count: usize) -> Checked<Vec<u8>> {
            if count > self.0.len() {
                return fault("cut off");
            }
            Ok(self.0.drain(..count).collect())
        }

        fn rest(&mut self) -> Checked<Vec<u8>> {
            Ok(std::mem::take(&mut self.0))
        }
    }

    fn check(wire: &str, expect: Option<&str>) {
        let response = Response::read(&mut Stored(wire.into()), false);
        assert_eq!(response.map(|r| r.text()).ok().as_deref(), expect, "{wire:?}");
    }

    #[test]
    fn sound_responses() {
        check("HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 2\r\n\r\nhi", Some("hi"));
        check("HTTP/1.1 200 OK\r\ndate: x\r\n\r\nhi", Some("hi"));
        check("HTTP/1.1 100 Continue\r\n\r\n", Some(""));
        check(
            "HTTP/1.1 200 OK\r\ndate: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            Some("hi"),
        );
    }

    #[test]
    fn faults() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.1 200 OK\ndate: x\r\n\r\n", None);
        check("HTTP/1.1 20 OK\r\ndate: x\r\n\r\n", None);
        check("HTTP/1.1 200\r\ndate: x\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\ndate: x\r\n folded\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: +1\r\n\r\na", None);
        check("HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 2\r\n\r\na", None);
        check("HTTP/1.1 200 OK\r\ndate: x\r\ndate: x\r\n\r\n", None);
        check("HTTP/1.1 204 No Content\r\ndate: x\r\ncontent-length: 0\r\n\r\n", None);
        let chunked = "HTTP/1.1 200 OK\r\ndate: x\r\ntransfer-encoding: chunked\r\n";
        check(&format!("{chunked}\r\n2;x=y\r\nhi\r\n0\r\n\r\n"), None);
        check(&format!("{chunked}\r\n2\r\nhi0\r\n\r\n"), None);
        check(&format!("{chunked}content-length: 2\r\n\r\n0\r\n\r\n"), None);
    }
}
