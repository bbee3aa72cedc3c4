//! Visits other servers, as far as an authority has to be visited, or a collector: one request
//! after the other, over connections that are kept as long as they are good.

use crate::deadline::{Deadline, Timed};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Method, Reply, Request};
use config::plan::Secret;
use net::sandbox::reach;
use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    time::Duration,
};
use tls::{Trust, is_of_the_time};

/// How long a server may take for a connection, for each word, and for a whole answer with all that
/// comes before it.
const CONNECT_TIME: Duration = Duration::from_secs(10);
const WORD_TIME: Duration = Duration::from_secs(20);
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// The same of one that only takes something.
const TAKING_TIME: Duration = Duration::from_secs(10);

/// Bytes of a head and of a content at most, and lines of a head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 1024 * 1024;
const FIELDS_MAX: usize = 100;

/// Where systems keep the authorities that they trust.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where it says who is asked for names, which are known without, and which address comes first.
const NAMES: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// Folders that hold keys and passwords, too: of these nothing but the files above is read.
const MIXED: [&str; 2] = ["/etc", "/etc/ssl"];

/// The port of servers that answer for names, and the ones of HTTP by TLS and without.
pub(crate) const NAMES_PORT: u16 = 53;
pub(crate) const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// What is said of ourselves.
const AGENT: &str = concat!("gannet/", env!("CARGO_PKG_VERSION"));

/// Visits servers.
pub(crate) struct Visits {
    /// Whom to trust; where that is nobody, whom to speak with without TLS.
    trust: Option<Trust>,
    /// The lines of a head that say what a content is, and what else this server wants to know.
    lines: String,
    /// How long a server may take for each word, and for a whole answer.
    times: (Duration, Duration),
    /// Whether an answer is of no use without its content.
    needs_content: bool,
    /// Connections that can be used once more, by host and port.
    kept: HashMap<(String, u16), Connection>,
}

/// The files that are read on the way to a server, where they are there.
pub(crate) fn files() -> impl Iterator<Item = &'static Path> {
    TRUSTED.iter().chain(&NAMES).map(Path::new)
}

/// What has to be open for that: the folders that they lead to, where others may take their place,
/// and the files alone where there is more beside them.
pub(crate) fn open() -> Vec<PathBuf> {
    let around = |file: &'static Path| {
        let is_mixed = |folder: &Path| MIXED.iter().any(|mixed| folder == Path::new(mixed));
        let narrow = move |folder: PathBuf| match is_mixed(&folder) {
            true => file.to_owned(),
            false => folder,
        };
        reach(file).into_iter().map(narrow)
    };
    let mut open: Vec<PathBuf> = files().filter(|file| file.exists()).flat_map(around).collect();
    open.sort_unstable();
    open.dedup();
    open
}

/// The host and the port of a URL.
pub(crate) fn authority(url: &str) -> Option<(&str, u16)> {
    place(url).map(|place| (place.host, place.port))
}

/// The port of a URL.
pub(crate) fn port(url: &str) -> Option<u16> {
    place(url).map(|place| place.port)
}

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

struct Connection {
    stream: Box<dyn Stream + Send>,
    /// When the answer has to be there that it is at.
    deadline: Deadline,
    /// What has come and is not used.
    unread: Vec<u8>,
}

/// Why a request has failed.
enum Fault {
    /// The connection was over before anything came: another one may do.
    Stale(io::Error),
    Failed(String),
}

/// A URL with its parts.
struct Place<'u> {
    is_secure: bool,
    host: &'u str,
    port: u16,
    path: &'u str,
}

impl Visits {
    /// Trusts who is in this PEM text, or whom the system trusts where there is none.
    pub(crate) fn trusting(trusted: Option<&[u8]>) -> Result<Self, String> {
        let text = match trusted {
            Some(text) => text.to_vec(),
            None => {
                let found = TRUSTED.iter().find_map(|path| std::fs::read(path).ok());
                found.ok_or("this machine trusts nobody: install the package ca-certificates")?
            }
        };
        let trust = Some(Trust::of(&text).map_err(|fault| fault.to_string())?);
        let lines = "Content-Type: application/jose+json\r\n".to_owned();
        let (times, needs_content) = ((WORD_TIME, ANSWER_TIME), true);
        Ok(Self { trust, lines, times, needs_content, kept: HashMap::new() })
    }

    /// Has whoever is at `url` take messages of Protocol Buffers, with these fields each.
    pub(crate) fn delivering(url: &str, fields: &[(String, Secret)]) -> Result<Self, String> {
        let trust = match url.starts_with("https:") {
            true => Self::trusting(None)?.trust,
            false => None,
        };
        let mut lines = "Content-Type: application/x-protobuf\r\n".to_owned();
        for (name, Secret(value)) in fields {
            lines.push_str(&format!("{name}: {value}\r\n"));
        }
        let (times, needs_content) = ((TAKING_TIME, TAKING_TIME), false);
        Ok(Self { trust, lines, times, needs_content, kept: HashMap::new() })
    }

    /// Sends a request, and returns what comes back; `now` is the time in seconds since 1970.
    pub(crate) fn exchange(&mut self, request: &Request<'_>, now: i64) -> Result<Reply, String> {
        let place = place(request.url).filter(|place| place.is_secure == self.trust.is_some());
        let place = place.ok_or_else(|| format!("{} is no URL", request.url))?;
        let key = (place.host.to_owned(), place.port);
        let failed = |why: String| format!("{}: {why}", place.host);
        if let Some(kept) = self.kept.remove(&key) {
            match self.ask(kept, &place, request, now) {
                Err(Fault::Stale(_)) => {}
                Err(Fault::Failed(why)) => return Err(failed(why)),
                Ok(reply) => return Ok(reply),
            }
        }
        let fresh = self.connect(&place).map_err(failed)?;
        self.ask(fresh, &place, request, now).map_err(|fault| match fault {
            Fault::Stale(error) => failed(explain(&error)),
            Fault::Failed(why) => failed(why),
        })
    }

    fn connect(&self, place: &Place<'_>) -> Result<Connection, String> {
        let bare = place.host.trim_matches(['[', ']']);
        let addresses = (bare, place.port).to_socket_addrs().map_err(|error| error.to_string())?;
        let mut last = "it has no address".to_owned();
        for address in addresses {
            let stream = TcpStream::connect_timeout(&address, CONNECT_TIME);
            let ready = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
            match ready {
                Err(error) => last = explain(&error),
                Ok(stream) => {
                    let deadline = Deadline::after(self.times.1);
                    let stream = Timed::new(stream, deadline.clone(), self.times.0);
                    let stream: Box<dyn Stream + Send> = match &self.trust {
                        None => Box::new(stream),
                        Some(trust) => {
                            let stream = trust.visit(place.host, stream);
                            Box::new(stream.map_err(|fault| fault.to_string())?)
                        }
                    };
                    return Ok(Connection { stream, deadline, unread: Vec::new() });
                }
            }
        }
        Err(last)
    }

    fn ask(
        &mut self,
        mut connection: Connection,
        place: &Place<'_>,
        request: &Request<'_>,
        now: i64,
    ) -> Result<Reply, Fault> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        };
        let usual = if place.is_secure { HTTPS_PORT } else { HTTP_PORT };
        let port = if place.port == usual { String::new() } else { format!(":{}", place.port) };
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: {}{port}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n",
            place.path, place.host
        );
        if request.method == Method::Post {
            let length = request.body.len();
            head.push_str(&self.lines);
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        head.push_str("\r\n");
        let message = [head.as_bytes(), &request.body].concat();
        connection.deadline.set(self.times.1);
        let sent = connection.stream.write_all(&message).and_then(|()| connection.stream.flush());
        sent.map_err(Fault::Stale)?;
        let (head, mut closes) = connection.head()?;
        let has_body = request.method != Method::Head && !matches!(head.status, 204 | 304);
        let body = if has_body { connection.body(&head) } else { Ok(Vec::new()) };
        let body = match body {
            Err(_) if !self.needs_content => {
                closes = true;
                Vec::new()
            }
            body => body.map_err(Fault::Failed)?,
        };
        if !closes && (head.length.is_some() || head.is_chunked || !has_body) {
            self.kept.insert((place.host.to_owned(), place.port), connection);
        }
        let retry_after = head.retry_after.and_then(|text| retry_after(&text, now));
        let Head { status, nonce, location, .. } = head;
        Ok(Reply { status, nonce, location, retry_after, body })
    }
}

/// What the head of an answer says.
#[derive(Default)]
struct Head {
    status: u16,
    nonce: Option<String>,
    location: Option<String>,
    retry_after: Option<String>,
    length: Option<usize>,
    is_chunked: bool,
}

impl Connection {
    /// The head of the answer, and whether the connection is over after it.
    fn head(&mut self) -> Result<(Head, bool), Fault> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut answer = httparse::Response::new(&mut fields);
            match answer.parse(&self.unread) {
                Ok(httparse::Status::Complete(used)) => {
                    let mut head = Head { status: answer.code.unwrap_or(0), ..Head::default() };
                    let mut closes = answer.version == Some(0);
                    for field in answer.headers.iter() {
                        let value = String::from_utf8_lossy(field.value).trim().to_owned();
                        match &*field.name.to_ascii_lowercase() {
                            "replay-nonce" => head.nonce = Some(value),
                            "location" => head.location = Some(value),
                            "retry-after" => head.retry_after = Some(value),
                            "content-length" => head.length = value.parse().ok(),
                            "transfer-encoding" => head.is_chunked = true,
                            "connection" => closes |= value.eq_ignore_ascii_case("close"),
                            _ => {}
                        }
                    }
                    self.unread.drain(..used);
                    // What comes before the answer itself says nothing.
                    if (100..200).contains(&head.status) {
                        continue;
                    }
                    return Ok((head, closes));
                }
                Ok(httparse::Status::Partial) if self.unread.len() < HEAD_BYTES_MAX => {}
                _ => return Err(Fault::Failed("its answer is no HTTP".to_owned())),
            }
            let is_first = self.unread.is_empty();
            match self.more() {
                Ok(true) => {}
                Ok(false) if is_first => return Err(Fault::Stale(ErrorKind::UnexpectedEof.into())),
                Ok(false) => return Err(Fault::Failed("its answer is cut off".to_owned())),
                Err(error) if is_first && is_over(&error) => return Err(Fault::Stale(error)),
                Err(error) => return Err(Fault::Failed(explain(&error))),
            }
        }
    }

    fn body(&mut self, head: &Head) -> Result<Vec<u8>, String> {
        if head.is_chunked {
            return self.chunks();
        }
        match head.length {
            Some(length) if length > BODY_BYTES_MAX => Err(TOO_LONG.to_owned()),
            Some(length) => self.exactly(length),
            None => {
                while self.more().map_err(|error| explain(&error))? {
                    if self.unread.len() > BODY_BYTES_MAX {
                        return Err(TOO_LONG.to_owned());
                    }
                }
                Ok(std::mem::take(&mut self.unread))
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| "its answer is no HTTP")?;
            if length > BODY_BYTES_MAX - body.len() {
                return Err(TOO_LONG.to_owned());
            }
            if length == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(length)?);
            self.line()?;
        }
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(at) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.unread.len() > HEAD_BYTES_MAX {
                return Err("its answer is no HTTP".to_owned());
            }
            self.must_come()?;
        }
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.unread.len() < count {
            self.must_come()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    fn must_come(&mut self) -> Result<(), String> {
        match self.more() {
            Ok(true) => Ok(()),
            Ok(false) => Err("its answer is cut off".to_owned()),
            Err(error) => Err(explain(&error)),
        }
    }

    /// Reads on; false at the end.
    fn more(&mut self) -> io::Result<bool> {
        let mut room = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut room) {
                Ok(count) => {
                    self.unread.extend_from_slice(&room[..count]);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

const TOO_LONG: &str = "its answer is too long";

fn is_over(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it does not answer in time".to_owned(),
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ if is_of_the_time(error) => format!("{error}: is the clock of this machine right?"),
        _ => error.to_string(),
    }
}

/// The parts of a URL of HTTP; `None` where it is another one.
fn place(url: &str) -> Option<Place<'_>> {
    let secure = url.strip_prefix("https://");
    let (is_secure, rest) = (secure.is_some(), secure.or_else(|| url.strip_prefix("http://"))?);
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_sound(url) || authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, if is_secure { HTTPS_PORT } else { HTTP_PORT }),
    };
    let path = if path.is_empty() { "/" } else { path };
    (!host.is_empty()).then_some(Place { is_secure, host, port, path })
}

/// How long to wait, as `Retry-After` says it: in seconds, or until a date.
fn retry_after(text: &str, now: i64) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(since.saturating_sub(now.unsigned_abs())))
}

/// A key that somebody has handed out in base64.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// What a server sends, piece by piece.
    struct Said(VecDeque<Vec<u8>>);

    impl Read for Said {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.pop_front().unwrap_or_default();
            room[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    impl Write for Said {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answer(text: &str, step: usize) -> Result<Vec<u8>, String> {
        let pieces = text.as_bytes().chunks(step).map(<[u8]>::to_vec).collect();
        let (deadline, unread) = (Deadline::after(ANSWER_TIME), Vec::new());
        let mut connection = Connection { stream: Box::new(Said(pieces)), deadline, unread };
        match connection.head() {
            Ok((head, _)) => connection.body(&head),
            Err(Fault::Stale(error)) => Err(format!("stale: {error}")),
            Err(Fault::Failed(why)) => Err(why),
        }
    }

    #[test]
    fn an_answer_is_read_however_it_comes() {
        for (text, expect) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", Ok(&b"abc"[..])),
            ("HTTP/1.1 200 OK\r\n\r\nabcd", Ok(b"abcd")),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
                Ok(b"a"),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                Ok(b"abc"),
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Err("its answer is cut off")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", Err(TOO_LONG)),
            ("hello there, who are you\r\n\r\n", Err("its answer is no HTTP")),
            ("HTTP/1.1 200", Err("its answer is cut off")),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", Err(TOO_LONG)),
        ] {
            for step in [1, 7, 1000] {
                let expect = expect.map(<[u8]>::to_vec).map_err(str::to_owned);
                assert_eq!(answer(text, step), expect, "{text:?} by {step}");
            }
        }
        assert!(answer("", 1).unwrap_err().starts_with("stale"));
    }

    #[test]
    fn a_url_has_a_host_and_a_path() {
        for (url, expect) in [
            ("https://a.example", Some(("a.example", 443, "/"))),
            ("https://a.example:14000/dir?x=y", Some(("a.example", 14000, "/dir?x=y"))),
            ("https://[::1]:8/x", Some(("[::1]", 8, "/x"))),
            ("https://[::1]/x", Some(("[::1]", 443, "/x"))),
            ("http://a.example/", Some(("a.example", 80, "/"))),
            ("http://a.example:4318/v1", Some(("a.example", 4318, "/v1"))),
            ("ftp://a.example/", None),
            ("https://", None),
            ("https://a@b/", None),
            ("https://a/x y", None),
            ("https://a:99999/", None),
        ] {
            let found = place(url).map(|place| (place.host, place.port, place.path));
            assert_eq!(found, expect, "{url}");
        }
        let secure = place("https://a").map(|place| place.is_secure);
        assert_eq!(
            (secure, place("http://a").map(|place| place.is_secure)),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn who_wants_to_be_left_alone_says_so_in_two_ways() {
        let seconds = |text, now| retry_after(text, now).map(|time| time.as_secs());
        assert_eq!(seconds("120", 0), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_700), Some(77));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", 1_784_111_700), Some(0));
        assert_eq!(seconds("soon", 0), None);
    }
}
