//! What an application is told of a request: the variables of CGI (RFC 3875 section 4.1), with the
//! names and the values that nginx gives them.

use message::{Exchange, Request, RequestId};
use std::net::SocketAddr;

/// The program that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The folder of the site as it is on the disk, no link on the way to it.
    pub root: Vec<u8>,
    /// The path below it that leads to the program; begins with a slash.
    pub file: Vec<u8>,
    /// The path of the program as clients know it.
    pub name: Vec<u8>,
    /// What follows the program's name in the path that was asked for.
    pub path_info: Vec<u8>,
}

/// The two ends of the connection that a request came in by; `None` on a Unix socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The server's own.
    pub server: Option<SocketAddr>,
    /// The client's, or that of the proxy that speaks for it.
    pub peer: Option<SocketAddr>,
}

/// The variables of one request, in the form that they are sent in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<u8>);

/// Bytes that the variables of a browser's request have.
const USUAL_BYTES: usize = 1536;

/// What the name of a variable begins with that is a field of the request.
const FIELD_PREFIX: &[u8] = b"HTTP_";

impl Variables {
    /// Bytes of memory that they take.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// What `script` is told of `exchange`, apart from the length of its content and the ends of
    /// its connection, which are not known before it is sent.
    ///
    /// Of the request's own fields those come along whose names are letters, digits and hyphens:
    /// with anything else, two names could be one variable, and a client could pass its own words
    /// off as those of a proxy. `Proxy` never does, since programs take `HTTP_PROXY` for a setting.
    /// A traced exchange has the field of its own place in the trace, below which programs go on.
    /// `is_secure` says whether the request came by TLS.
    #[must_use]
    pub fn of(exchange: &Exchange<'_>, script: &Script, is_secure: bool) -> Self {
        let Exchange { request, client, user, id, .. } = exchange;
        let Request { method, host, port, path, query, version, fields, .. } = request;
        let mut this = Self(Vec::with_capacity(USUAL_BYTES));
        let mut push = |name: &str, value: &[&[u8]]| this.push(name.as_bytes(), value);
        push("QUERY_STRING", &[exchange.query().unwrap_or_default().as_bytes()]);
        push("REQUEST_METHOD", &[method.as_str().as_bytes()]);
        push("CONTENT_TYPE", &[first(request, b"content-type")]);
        push("SCRIPT_FILENAME", &[&script.root, &script.file]);
        push("SCRIPT_NAME", &[&script.name]);
        push("PATH_INFO", &[&script.path_info]);
        push("DOCUMENT_URI", &[&script.name]);
        push("DOCUMENT_ROOT", &[&script.root]);
        match query {
            Some(query) => push("REQUEST_URI", &[path.as_bytes(), b"?", query.as_bytes()]),
            None => push("REQUEST_URI", &[path.as_bytes()]),
        }
        push("SERVER_PROTOCOL", &[version.as_str().as_bytes()]);
        push("REQUEST_SCHEME", &[if is_secure { b"https".as_slice() } else { b"http" }]);
        if is_secure {
            push("HTTPS", &[b"on"]);
        }
        push("GATEWAY_INTERFACE", &[b"CGI/1.1"]);
        push("SERVER_SOFTWARE", &[b"gannet"]);
        push("SERVER_NAME", &[host.as_bytes()]);
        push("REDIRECT_STATUS", &[b"200"]);
        let address = client.map(|client| client.to_string()).unwrap_or_default();
        push("REMOTE_ADDR", &[address.as_bytes()]);
        push("REMOTE_USER", &[user.as_deref().unwrap_or_default().as_bytes()]);
        if user.is_some() {
            push("AUTH_TYPE", &[b"Basic"]);
        }
        if let Some(id) = id {
            push("REQUEST_ID", &[id.as_str().as_bytes()]);
        }
        let trace = id.as_ref().and_then(RequestId::trace);
        if let Some(trace) = trace {
            push("HTTP_TRACEPARENT", &[trace.to_string().as_bytes()]);
        }
        if !host.is_empty() {
            push("HTTP_HOST", &[host.as_bytes(), port.as_bytes()]);
        }
        for (at, line) in fields.lines().iter().enumerate() {
            let earlier = &fields.lines()[..at];
            if is_passed(line.name)
                && !trace.is_some_and(|trace| trace.replaces(line.name))
                && !earlier.iter().any(|other| other.name.eq_ignore_ascii_case(line.name))
            {
                this.push_field(request, line.name);
            }
        }
        this
    }

    /// Completes them: the content has so many bytes, and came by a connection with these ends.
    #[must_use]
    pub fn complete(mut self, content_bytes: Option<u64>, ends: Ends) -> Vec<u8> {
        let length = content_bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        self.push(b"CONTENT_LENGTH", &[length.as_bytes()]);
        let parts = |end: Option<SocketAddr>| match end {
            Some(end) => (end.ip().to_canonical().to_string(), end.port().to_string()),
            None => Default::default(),
        };
        let (address, port) = parts(ends.server);
        self.push(b"SERVER_ADDR", &[address.as_bytes()]);
        self.push(b"SERVER_PORT", &[port.as_bytes()]);
        self.push(b"REMOTE_PORT", &[parts(ends.peer).1.as_bytes()]);
        self.0
    }

    /// Appends a name and a value, the latter in pieces.
    fn push(&mut self, name: &[u8], value: &[&[u8]]) {
        push_length(&mut self.0, name.len());
        push_length(&mut self.0, value.iter().map(|piece| piece.len()).sum());
        self.0.extend_from_slice(name);
        value.iter().for_each(|piece| self.0.extend_from_slice(piece));
    }

    /// Appends the field of that name, all of its lines as one value.
    fn push_field(&mut self, request: &Request<'_>, name: &[u8]) {
        let comma: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
        let upper = |byte: &u8| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
        let pieces = || {
            all(request, name)
                .enumerate()
                .flat_map(|(at, value)| [if at == 0 { b"" } else { comma }, value])
        };
        push_length(&mut self.0, FIELD_PREFIX.len() + name.len());
        push_length(&mut self.0, pieces().map(<[u8]>::len).sum());
        self.0.extend_from_slice(FIELD_PREFIX);
        self.0.extend(name.iter().map(upper));
        pieces().for_each(|piece| self.0.extend_from_slice(piece));
    }
}

/// Whether a field of that name is told to applications as it is. `Host` is, by its one form; what
/// speaks of this connection is not.
fn is_passed(name: &[u8]) -> bool {
    const OWN: [&str; 4] = ["host", "proxy", "transfer-encoding", "expect"];
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && !OWN.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
}

fn all<'h>(request: &Request<'h>, name: &[u8]) -> impl Iterator<Item = &'h [u8]> {
    let lines = request.fields.lines().iter();
    lines.filter(move |line| line.name.eq_ignore_ascii_case(name)).map(|line| line.value)
}

fn first<'h>(request: &Request<'h>, name: &[u8]) -> &'h [u8] {
    all(request, name).next().unwrap_or_default()
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
        let script = Script {
            root: b"/srv/releases/7".to_vec(),
            file: b"/x.php".to_vec(),
            name: b"/a b/x.php".to_vec(),
            path_info: b"/more".to_vec(),
        };
        let ends = Ends {
            server: "[::ffff:192.0.2.7]:8080".parse().ok(),
            peer: "192.0.2.9:50000".parse().ok(),
        };
        let is_secure = false;
        decoded(&Variables::of(&exchange, &script, is_secure).complete(Some(12), ends))
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
