//! What an application is told of a request: the variables of CGI (RFC 3875 section 4.1), with the
//! names and the values that nginx gives them.

use crate::record::{self, BEGIN_BYTES};
use base::text::{push_address, push_decimal};
use message::{Exchange, Request, RequestId, TraceContext};
use std::{net::SocketAddr, rc::Rc};

/// The program that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Where it lies.
    pub program: Rc<Program>,
    /// The path of the program as clients know it.
    pub name: Vec<u8>,
}

/// A program that lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The folder of the site as it is on the disk, no link on the way to it.
    pub root: Vec<u8>,
    /// The path below it that leads to the program; begins with a slash.
    pub file: Vec<u8>,
    /// What follows the program's name in the path that was asked for.
    pub path_info: Vec<u8>,
}

/// The two ends of the connection that a request came in by, as programs are told of them.
#[derive(Clone, Debug)]
pub struct Ends(Vec<u8>);

/// The variables of one request, in the form that they are sent in, with room in front for what
/// begins a request.
#[derive(Clone, Debug, Default)]
pub struct Variables(Vec<u8>);

/// Bytes that the variables of a browser's request have.
const USUAL_BYTES: usize = 2048;

/// Variables that are always the same: each with the lengths of its name and its value in front.
const STANDING: &[u8] = b"\x11\x07GATEWAY_INTERFACECGI/1.1\
    \x0f\x06SERVER_SOFTWAREgannet\
    \x0f\x03REDIRECT_STATUS200";

/// What the name of a variable begins with that is a field of the request.
const FIELD_PREFIX: &[u8] = b"HTTP_";

impl Ends {
    /// The server's own end, and the client's, or that of the proxy that speaks for it; `None` on a
    /// Unix socket.
    #[must_use]
    pub fn new(server: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        let mut pairs = Vec::new();
        let address = server.map(|end| end.ip().to_canonical().to_string());
        push(b"SERVER_ADDR", &[address.unwrap_or_default().as_bytes()], &mut pairs);
        for (name, end) in [(&b"SERVER_PORT"[..], server), (b"REMOTE_PORT", peer)] {
            let port = end.map(|end| end.port().to_string());
            push(name, &[port.unwrap_or_default().as_bytes()], &mut pairs);
        }
        Self(pairs)
    }
}

impl Variables {
    /// These, of a request that no client has sent.
    #[must_use]
    pub fn given<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let mut bytes = vec![0; BEGIN_BYTES];
        for (name, value) in pairs {
            push(name.as_bytes(), &[value.as_bytes()], &mut bytes);
        }
        Self(bytes)
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// What `script` is told of `exchange`, apart from the length of its content, which is not
    /// known before it is sent. They are written into `room`, whatever is in there.
    ///
    /// Of the request's own fields those come along whose names are letters, digits and hyphens:
    /// with anything else, two names could be one variable, and a client could pass its own words
    /// off as those of a proxy. `Proxy` never does, since programs take `HTTP_PROXY` for a setting.
    /// A traced exchange has the field of its own place in the trace, below which programs go on.
    /// `is_secure` says whether the request came by TLS.
    #[must_use]
    pub fn of(
        mut room: Vec<u8>,
        exchange: &Exchange<'_>,
        script: &Script,
        (ends, is_secure): (&Ends, bool),
    ) -> Self {
        let Exchange { request, client, user, id, .. } = exchange;
        let Request { method, host, port, path, query, version, .. } = request;
        let Script { program, name } = script;
        room.clear();
        room.reserve(USUAL_BYTES);
        room.resize(BEGIN_BYTES, 0);
        let mut put = |name: &str, value: &[&[u8]]| push(name.as_bytes(), value, &mut room);
        put("QUERY_STRING", &[exchange.query().unwrap_or_default().as_bytes()]);
        put("REQUEST_METHOD", &[method.as_str().as_bytes()]);
        put("CONTENT_TYPE", &[all(request, b"content-type").next().unwrap_or_default()]);
        put("SCRIPT_FILENAME", &[&program.root, &program.file]);
        put("SCRIPT_NAME", &[name]);
        put("PATH_INFO", &[&program.path_info]);
        put("DOCUMENT_URI", &[name]);
        put("DOCUMENT_ROOT", &[&program.root]);
        match query {
            Some(query) => put("REQUEST_URI", &[path.as_bytes(), b"?", query.as_bytes()]),
            None => put("REQUEST_URI", &[path.as_bytes()]),
        }
        put("SERVER_PROTOCOL", &[version.as_str().as_bytes()]);
        put("REQUEST_SCHEME", &[if is_secure { b"https".as_slice() } else { b"http" }]);
        if is_secure {
            put("HTTPS", &[b"on"]);
        }
        put("SERVER_NAME", &[host.as_bytes()]);
        let mut address = Vec::with_capacity(40);
        client.iter().for_each(|client| push_address(&mut address, *client));
        put("REMOTE_ADDR", &[&address]);
        put("REMOTE_USER", &[user.as_deref().unwrap_or_default().as_bytes()]);
        if user.is_some() {
            put("AUTH_TYPE", &[b"Basic"]);
        }
        if let Some(id) = id {
            put("REQUEST_ID", &[id.as_str().as_bytes()]);
        }
        let trace = id.as_ref().and_then(RequestId::trace);
        if let Some(trace) = trace {
            put("HTTP_TRACEPARENT", &[trace.to_string().as_bytes()]);
        }
        if !host.is_empty() {
            put("HTTP_HOST", &[host.as_bytes(), port.as_bytes()]);
        }
        room.extend_from_slice(STANDING);
        room.extend_from_slice(&ends.0);
        push_fields(request, trace, &mut room);
        Self(room)
    }

    /// Completes them: the content has so many bytes, if the request has any.
    pub fn complete(&mut self, content_bytes: Option<u64>) {
        let mut length = Vec::new();
        content_bytes.iter().for_each(|bytes| push_decimal(&mut length, *bytes));
        push(b"CONTENT_LENGTH", &[&length], &mut self.0);
    }

    /// The records that begin the request of that id with them. The application closes the
    /// connection behind its answer, unless that `is_kept` for another request.
    #[must_use]
    pub fn begin(self, id: u16, is_kept: bool) -> Vec<u8> {
        record::begin(id, is_kept, self.0)
    }
}

/// Appends a name and a value, the latter in pieces.
fn push(name: &[u8], value: &[&[u8]], out: &mut Vec<u8>) {
    push_length(out, name.len());
    push_length(out, value.iter().map(|piece| piece.len()).sum());
    out.extend_from_slice(name);
    value.iter().for_each(|piece| out.extend_from_slice(piece));
}

/// Appends the fields of a request, all lines of one as one value.
fn push_fields(request: &Request<'_>, trace: Option<&TraceContext>, out: &mut Vec<u8>) {
    let lines = request.fields.lines();
    // Two lines of one field have the same bit; most have one of their own.
    let (mut seen, mut again) = (0, 0);
    for line in lines {
        let bit = name_bit(line.name);
        again |= seen & bit;
        seen |= bit;
    }
    for (at, line) in lines.iter().enumerate() {
        let name = line.name;
        if is_own(name) || trace.is_some_and(|trace| trace.replaces(name)) {
            continue;
        }
        if again & name_bit(name) == 0 {
            push_field(name, [line.value].into_iter(), out);
        } else if !lines[..at].iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            let comma: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
            let values = all(request, name).enumerate();
            let pieces = values.flat_map(|(at, value)| [if at == 0 { b"" } else { comma }, value]);
            push_field(name, pieces, out);
        }
    }
}

/// Appends a field with a value in pieces, if its name can be that of a variable.
fn push_field<'v>(name: &[u8], pieces: impl Iterator<Item = &'v [u8]> + Clone, out: &mut Vec<u8>) {
    let start = out.len();
    push_length(out, FIELD_PREFIX.len() + name.len());
    push_length(out, pieces.clone().map(<[u8]>::len).sum());
    out.extend_from_slice(FIELD_PREFIX);
    let mut is_passed = true;
    out.extend(name.iter().map(|byte| {
        let byte = UPPER[usize::from(*byte)];
        is_passed &= byte != 0;
        byte
    }));
    match is_passed {
        true => pieces.for_each(|piece| out.extend_from_slice(piece)),
        false => out.truncate(start),
    }
}

/// Each byte of a field's name as it stands in the name of a variable; 0 for what does not.
const UPPER: [u8; 256] = {
    let (mut upper, mut byte) = ([0; 256], 0_u8);
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            upper[byte as usize] = byte.to_ascii_uppercase();
        }
        byte += 1;
    }
    upper[b'-' as usize] = b'_';
    upper
};

/// The bit of a field's name, in any case; several names share one.
fn name_bit(name: &[u8]) -> u64 {
    let edge = |byte: Option<&u8>| usize::from(byte.copied().unwrap_or(0) | 0x20);
    1 << ((name.len() + 5 * edge(name.first()) + 11 * edge(name.last())) % 64)
}

/// Whether a field of that name is not told to applications as it is. `Host` is, by its one form;
/// what speaks of this connection is not.
fn is_own(name: &[u8]) -> bool {
    let own: &[u8] = match name.len() {
        4 => b"host",
        5 => b"proxy",
        6 => b"expect",
        17 => b"transfer-encoding",
        _ => return false,
    };
    own.eq_ignore_ascii_case(name)
}

fn all<'h>(request: &Request<'h>, name: &[u8]) -> impl Iterator<Item = &'h [u8]> + Clone {
    let lines = request.fields.lines().iter();
    lines.filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value)
}

/// Lengths have one byte, or four with the uppermost bit set (specification, section 3.4).
fn push_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => out.extend_from_slice(&(length as u32 | 0x8000_0000).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Field, Fields, Length, Method, RequestId, Version};
    use std::collections::BTreeMap;

    /// The variables in `bytes`, each of which stands once.
    fn decoded(mut bytes: &[u8]) -> BTreeMap<String, String> {
        let length = |bytes: &mut &[u8]| {
            let long = bytes[0] & 0x80 != 0;
            let (head, rest) = bytes.split_at(if long { 4 } else { 1 });
            *bytes = rest;
            head.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)) & 0x7fff_ffff
        };
        let mut found = BTreeMap::new();
        while !bytes.is_empty() {
            let (name, value) = (length(&mut bytes), length(&mut bytes));
            let (pair, rest) = bytes.split_at(name + value);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let (name, value) = pair.split_at(name);
            assert_eq!(found.insert(text(name), text(value)), None);
            bytes = rest;
        }
        found
    }

    fn told(lines: &[(&str, &str)]) -> BTreeMap<String, String> {
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() })
            .collect();
        let request = Request {
            version: Version::Http11,
            method: Method::Post,
            host: "example.com",
            port: ":8080",
            path: "/a%20b/x.php/more",
            query: Some("q=1&r"),
            fields: Fields::of(&lines),
            length: Length::Unknown,
        };
        let mut exchange = Exchange::new(&request, Some([192, 0, 2, 1].into()), 0);
        exchange.id = Some(RequestId::of(7));
        exchange.user = Some("ann".into());
        let program = Program {
            root: b"/srv/releases/7".to_vec(),
            file: b"/x.php".to_vec(),
            path_info: b"/more".to_vec(),
        };
        let script = Script { program: Rc::new(program), name: b"/a b/x.php".to_vec() };
        let (server, peer) = ("[::ffff:192.0.2.7]:8080".parse().ok(), "192.0.2.9:50000".parse());
        let ends = Ends::new(server, peer.ok());
        let used = b"of another request".to_vec();
        let mut variables = Variables::of(used, &exchange, &script, (&ends, false));
        variables.complete(Some(12));
        decoded(&variables.0[BEGIN_BYTES..])
    }

    #[test]
    fn what_cgi_asks_for() {
        let long = "x".repeat(300);
        let told = told(&[("Host", "other"), ("content-type", "text/plain"), ("X-Long", &long)]);
        for (name, value) in [
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_FILENAME", "/srv/releases/7/x.php"),
            ("SCRIPT_NAME", "/a b/x.php"),
            ("PATH_INFO", "/more"),
            ("DOCUMENT_URI", "/a b/x.php"),
            ("DOCUMENT_ROOT", "/srv/releases/7"),
            ("REQUEST_URI", "/a%20b/x.php/more?q=1&r"),
            ("QUERY_STRING", "q=1&r"),
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "12"),
            ("SERVER_NAME", "example.com"),
            ("SERVER_ADDR", "192.0.2.7"),
            ("SERVER_PORT", "8080"),
            ("REMOTE_ADDR", "192.0.2.1"),
            ("REMOTE_PORT", "50000"),
            ("REMOTE_USER", "ann"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("SERVER_SOFTWARE", "gannet"),
            ("REDIRECT_STATUS", "200"),
            ("REQUEST_ID", "00000000000000000000000000000007"),
            ("HTTP_HOST", "example.com:8080"),
            ("HTTP_CONTENT_TYPE", "text/plain"),
            ("HTTP_X_LONG", &*long),
        ] {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[test]
    fn a_client_cannot_pass_its_words_off_as_others() {
        let lines = [
            ("Proxy", "http://evil"),
            ("X_Forwarded_For", "1"),
            ("Remote.User", "root"),
            ("X-Real'", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Expect", "100-continue"),
        ];
        let told = told(&lines);
        let fields: Vec<_> = told.keys().filter(|name| name.starts_with("HTTP_")).collect();
        assert_eq!(fields, ["HTTP_HOST"]);
        assert_eq!(told["REMOTE_USER"], "ann");
    }

    #[test]
    fn lines_of_one_field_are_one_value() {
        let told = told(&[("Accept", "a"), ("Cookie", "b=1"), ("accept", "c"), ("COOKIE", "d=2")]);
        assert_eq!(told["HTTP_ACCEPT"], "a, c");
        assert_eq!(told["HTTP_COOKIE"], "b=1; d=2");
    }
}
