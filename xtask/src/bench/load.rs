//! The load: a browser's requests, sent by wrk or one by one by the bench itself.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::cases::{BROWSER_CODINGS, Load, Site, Variant};
use super::content::{Content, Target, targets};
use super::peers::{CREDENTIALS, HTTP2_ADDRESS};
use super::{Outcome, machine};
use crate::command::{bounded, finish};

/// The field lines of a request by a current browser, but for Host, Connection and Accept-Encoding:
/// with them 14 and, with the request line, some 600 bytes.
const BROWSER_FIELDS: &str = "\
sec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\n\
Upgrade-Insecure-Requests: 1\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
Chrome/142.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Sec-Fetch-Site: none\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-User: ?1\r\n\
Sec-Fetch-Dest: document\r\n\
Accept-Language: en-GB,en;q=0.9\r\n";

/// Draws the targets from a list. The argument is the round, so that every server gets the same
/// draw and every round another one.
const DRAW: &str = r#"
local starts = {}
for line in io.lines(list) do
  local host, path = line:match("(%S+) (%S+)")
  starts[#starts + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n"
end
init = function(args) math.randomseed(tonumber(args[1])) end
request = function() return starts[math.random(#starts)] .. rest end
"#;

/// Takes the targets of a list in turn, beginning elsewhere in every round.
const TURN: &str = r#"
local starts, at = {}, 0
for line in io.lines(list) do
  local host, path = line:match("(%S+) (%S+)")
  starts[#starts + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n"
end
init = function(args) at = tonumber(args[1]) * 331 end
request = function() at = at + 1; return starts[at % #starts + 1] .. rest end
"#;

/// Length of a slice in seconds as a rule, and how long any may take with all that is around.
pub(super) const SLICE_SECONDS: &str = "1";
const SLICE_SECONDS_MAX: u32 = 20;
/// A server that lets one exchange of the bench wait longer has failed.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(5);
/// Clients of a crowd come from this many addresses, 127.0.0.2 and so on.
const CROWD_ADDRESSES: usize = 50;

/// How many ask at a time, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) connections: usize,
    pub(super) seconds: &'static str,
}

impl Pace {
    /// That of all cases but where an answer takes long.
    pub(super) const USUAL: Self = Self { connections: 64, seconds: SLICE_SECONDS };
}

/// What wrk did to a server in one slice.
#[derive(Debug, PartialEq)]
pub(super) struct Slice {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    /// Milliseconds that 99 of a hundred answers took at most, where that is known.
    pub(super) tail_ms: Option<f64>,
}

/// The request of a browser that takes these codings for `target`; `etag` makes it conditional.
pub(super) fn request(
    target: &Target,
    variant: Variant,
    codings: &str,
    etag: Option<&str>,
) -> String {
    let Target { host, path } = target;
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{}", rest_of_head(variant, codings, etag))
}

/// The request for the first page of `site`, with nothing special about it.
pub(super) fn plain_request(site: Site) -> Outcome<String> {
    let target = targets(site).next().ok_or("a site without targets")?;
    Ok(request(&target, Variant::Plain, BROWSER_CODINGS, None))
}

/// Writes a script for wrk that sends what `load` says to a server whose entity tag is `etag`.
pub(super) fn script(
    load: &Load,
    etag: Option<&str>,
    content: &Content,
    name: &str,
) -> Outcome<PathBuf> {
    let codings = load.compression.accepted();
    let text = match load.site {
        // wrk asks for a request once and sends it for ever, which leaves its core to the rest.
        Site::Single { .. }
        | Site::Articles(1)
        | Site::Certified(_)
        | Site::Program { .. }
        | Site::Wordpress
        | Site::FrontPage => {
            let times = if let Variant::Pipelined(times) = load.variant { times } else { 1 };
            let target = targets(load.site).next().ok_or("a site without targets")?;
            let requests = request(&target, load.variant, codings, etag).repeat(times);
            format!("local text = {}\nwrk.format = function() return text end\n", lua(&requests))
        }
        Site::Hosts | Site::Heap | Site::Articles(_) => {
            let list = lua(&content.list(load.site)?.to_string_lossy());
            let rest = lua(&rest_of_head(load.variant, codings, etag));
            let order = if matches!(load.site, Site::Articles(_)) { TURN } else { DRAW };
            format!("local list, rest = {list}, {rest}\n{order}")
        }
    };
    let path = content.folder().join(format!("{name}.lua"));
    fs::write(&path, text)?;
    Ok(path)
}

/// Lets wrk run `script` against the origin `server`, as `http://127.0.0.1:80`, for one slice.
pub(super) fn slice(script: &Path, server: &str, pace: Pace, round: usize) -> Outcome<Slice> {
    let mut wrk = bounded("wrk", SLICE_SECONDS_MAX, &machine::root());
    wrk.args(["--latency", "--threads", "1", "--duration", pace.seconds]);
    wrk.args(["--connections", &pace.connections.to_string(), "--script"]).arg(script);
    wrk.args([&format!("{server}/"), "--", &round.to_string()]);
    let report = finish(&mut wrk)?.output;
    Slice::parse(&report).ok_or_else(|| format!("wrk: {}", report.trim()).into())
}

/// Lets h2load ask the origin `server` for the target of `site` for one slice, over HTTP/2.
pub(super) fn streams(
    site: Site,
    server: &str,
    (connections, each): (usize, usize),
) -> Outcome<Slice> {
    let target = targets(site).next().ok_or("a site without targets")?;
    let mut h2load = bounded("h2load", SLICE_SECONDS_MAX, &machine::root());
    h2load.args(["--duration", SLICE_SECONDS, "--clients", &connections.to_string()]);
    h2load.args(["--max-concurrent-streams", &each.to_string()]);
    h2load.arg(format!("{server}{}", target.path));
    let report = finish(&mut h2load)?.output;
    Slice::parse_streams(&report).ok_or_else(|| format!("h2load: {}", report.trim()).into())
}

impl Slice {
    /// What h2load's report says; nothing if anything went wrong in the slice.
    fn parse_streams(report: &str) -> Option<Self> {
        let line = |start| report.lines().find_map(|line: &str| line.strip_prefix(start));
        let (seconds, _) = line("finished in ")?.split_once(',')?;
        let seconds = match (seconds.strip_suffix("ms"), seconds.strip_suffix('s')) {
            (Some(milliseconds), _) => milliseconds.parse::<f64>().ok()? / 1000.0,
            (None, seconds) => seconds?.parse().ok()?,
        };
        let counts = line("requests: ")?;
        let count = |name| {
            let mut counts = counts.split(", ");
            let count = counts.find_map(|count: &str| count.strip_suffix(name))?;
            count.trim().parse::<f64>().ok()
        };
        let (requests, failed) = (count("succeeded")?, count("failed")?);
        (requests > 0.0 && failed == 0.0).then_some(Self { requests, seconds, tail_ms: None })
    }

    /// What wrk's report says; nothing if anything went wrong in the slice.
    pub(super) fn parse(report: &str) -> Option<Self> {
        if report.contains("Socket errors") || report.contains("Non-2xx") {
            return None;
        }
        let line = report.lines().find(|line| line.contains(" requests in "))?;
        let (requests, rest) = line.trim().split_once(" requests in ")?;
        let seconds = rest.split_once("s,")?.0.parse().ok()?;
        let requests = requests.parse().ok()?;
        let tail = report.lines().find_map(|line| line.trim().strip_prefix("99%"));
        let tail_ms = tail.and_then(|tail| milliseconds(tail.trim()));
        (requests > 0.0).then_some(Self { requests, seconds, tail_ms })
    }
}

/// A time as wrk writes it, such as `1.25ms`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let (number, each) =
        units.iter().find_map(|(unit, each)| Some((text.strip_suffix(unit)?, each)))?;
    Some(number.parse::<f64>().ok()? * each)
}

/// An answer, without its content.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_bytes: usize,
    head: String,
}

impl Answer {
    /// The value of the first field of that name.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }
}

/// Sends `request` on a connection and reads the whole answer to it.
pub(super) fn exchange(stream: &mut TcpStream, request: &str) -> Outcome<Answer> {
    stream.set_read_timeout(Some(EXCHANGE_TIME_MAX))?;
    stream.set_write_timeout(Some(EXCHANGE_TIME_MAX))?;
    stream.write_all(request.as_bytes())?;
    read_answer(&mut BufReader::new(stream))
}

/// Reads a whole answer, and nothing behind it.
fn read_answer(input: &mut impl BufRead) -> Outcome<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Err("the connection ended before an answer".into());
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut answer = Answer { status: status.ok_or("no status")?, content_bytes: 0, head };
    let length = answer.field("content-length").map(str::parse).transpose()?;
    answer.content_bytes = match answer.field("transfer-encoding") {
        _ if answer.status == 304 => 0,
        Some("chunked") => skip_chunks(input)?,
        _ => skip(input, length.unwrap_or(0))?,
    };
    Ok(answer)
}

/// Reads so many bytes; how many they are.
fn skip(input: &mut impl BufRead, bytes: usize) -> Outcome<usize> {
    let skipped = io::copy(&mut input.take(bytes.try_into()?), &mut io::sink())?;
    let is_all = usize::try_from(skipped)? == bytes;
    is_all.then_some(bytes).ok_or_else(|| "the connection ended within an answer".into())
}

/// Reads content in chunks up to its end; how many bytes it has.
fn skip_chunks(input: &mut impl BufRead) -> Outcome<usize> {
    let mut bytes = 0;
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let chunk = usize::from_str_radix(line.trim_end(), 16)?;
        skip(input, chunk + "\r\n".len())?;
        bytes += chunk;
        if chunk == 0 {
            return Ok(bytes);
        }
    }
}

/// Sends `request`, which asks for the connection to be closed, and counts the bytes of the answer.
pub(super) fn weigh(stream: &mut TcpStream, request: &str) -> Outcome<usize> {
    stream.set_read_timeout(Some(EXCHANGE_TIME_MAX))?;
    stream.write_all(request.as_bytes())?;
    Ok(stream.read_to_end(&mut Vec::new())?)
}

/// Opens `count` connections from several addresses, with one exchange on each, and keeps them, out
/// of reach of programs that are started meanwhile.
pub(super) fn crowd(count: usize, server: SocketAddr, request: &str) -> Outcome<Vec<TcpStream>> {
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        let last = 2 + u8::try_from(number % CROWD_ADDRESSES)?;
        let client = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        bind(&socket, &client)?;
        connect(&socket, &server)?;
        let mut stream = TcpStream::from(socket);
        let answer = exchange(&mut stream, request)?;
        if answer.status != 200 {
            return Err(format!("connection {number}: status {}", answer.status).into());
        }
        crowd.push(stream);
    }
    Ok(crowd)
}

/// As [`crowd`], over HTTP/2: on each connection the small page is asked for once.
pub(super) fn crowd_of_streams(count: usize, server: SocketAddr) -> Outcome<Vec<TcpStream>> {
    let address = SocketAddr::new(HTTP2_ADDRESS.into(), server.port());
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        let last = 2 + u8::try_from(number % CROWD_ADDRESSES)?;
        let client = SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, last), 0);
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        bind(&socket, &client)?;
        connect(&socket, &address)?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(EXCHANGE_TIME_MAX))?;
        stream.write_all(FIRST_STREAM)?;
        // The last frame of the answer is the end of its stream.
        let mut head = [0; 9];
        loop {
            stream.read_exact(&mut head)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream.read_exact(&mut vec![0; usize::try_from(length)?])?;
            match (head[3], head[4] & 1) {
                (0, 1) => break,
                (3 | 7, _) => return Err(format!("connection {number} was refused").into()),
                (4, 0) => stream.write_all(b"\0\0\0\x04\x01\0\0\0\0")?,
                _ => {}
            }
        }
        crowd.push(stream);
    }
    Ok(crowd)
}

/// The preface, empty settings and a GET for `/page.html` of `localhost`.
const FIRST_STREAM: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
    \0\0\x19\x01\x05\0\0\0\x01\x82\x86\x01\x09localhost\x04\x0a/page.html";

/// How many connections of `crowd` the server has not closed.
pub(super) fn count_open(crowd: &[TcpStream]) -> Outcome<usize> {
    let mut open = 0;
    for stream in crowd {
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        open += usize::from(peeked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock));
    }
    Ok(open)
}

/// What follows the Host line.
fn rest_of_head(variant: Variant, codings: &str, etag: Option<&str>) -> String {
    let connection = if variant == Variant::Close { "close" } else { "keep-alive" };
    let condition = etag.map(|etag| format!("If-None-Match: {etag}\r\n")).unwrap_or_default();
    let credentials = match variant {
        Variant::Password => format!("Authorization: Basic {CREDENTIALS}\r\n"),
        _ => String::new(),
    };
    format!(
        "Connection: {connection}\r\n{BROWSER_FIELDS}Accept-Encoding: {codings}\r\n{condition}\
         {credentials}\r\n"
    )
}

/// `text` as a string literal of Lua.
fn lua(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\r', "\\r").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_wrk() {
        let report = "Running 1s test @ http://127.0.0.1:8080/\n  1 threads and 64 connections\n\
                      \x20 60211 requests in 1.02s, 64.10MB read\nRequests/sec:  59030.39\n";
        let check = |report: &str, expect| assert_eq!(Slice::parse(report), expect);
        let (requests, seconds, tail_ms) = (60211.0, 1.02, None);
        check(report, Some(Slice { requests, seconds, tail_ms }));
        let report =
            format!("  Latency Distribution\n     50%  710.00us\n     99%    1.25ms\n{report}");
        check(&report, Some(Slice { requests, seconds, tail_ms: Some(1.25) }));
        check(&format!("{report}  Non-2xx or 3xx responses: 60211\n"), None);
        check(&format!("{report}  Socket errors: connect 0, read 1, write 0, timeout 0\n"), None);
        check("  0 requests in 1.00s, 0.00B read\n", None);
        check("unable to connect to 127.0.0.1:1 Connection refused\n", None);
    }

    #[test]
    fn reports_of_h2load() {
        let report = "finished in 1.02s, 98039.22 req/s, 95.10MB/s\n\
                      requests: 100000 total, 100032 started, 100000 done, 99990 succeeded, \
                      0 failed, 0 errored, 0 timeout\n";
        let check = |report: &str, expect| assert_eq!(Slice::parse_streams(report), expect);
        let (requests, tail_ms) = (99990.0, None);
        check(report, Some(Slice { requests, seconds: 1.02, tail_ms }));
        let short = report.replace("1.02s", "26.22ms");
        check(&short, Some(Slice { requests, seconds: 0.02622, tail_ms }));
        check(&report.replace("0 failed", "1 failed"), None);
        check("unable to connect to 127.0.0.2:1\n", None);
    }

    #[test]
    fn answers_are_read_to_their_end() {
        let check = |answer: &str, expect| {
            let read = read_answer(&mut answer.as_bytes());
            let read = read.map(|read| (read.status, read.content_bytes));
            assert_eq!(read.ok(), expect, "{answer}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Some((200, 3)));
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", None);
        check("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", Some((304, 0)));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";
        check(chunked, Some((200, 13)));
        check(chunked.trim_end_matches("0\r\n\r\n"), None);
        check("HTTP/1.1 200 OK\r\n", None);
    }

    #[test]
    fn a_browser_sends_fourteen_fields() {
        let target = targets(Site::Heap).next().expect("a target");
        let head = request(&target, Variant::Plain, BROWSER_CODINGS, None);
        assert!(head.starts_with("GET /000/000.html HTTP/1.1\r\nHost: localhost\r\n"));
        assert!(head.ends_with("\r\n\r\n"));
        assert_eq!(head.lines().count(), 1 + 14 + 1);
        assert!((550..=700).contains(&head.len()), "{}", head.len());
    }

    #[test]
    fn lua_literals() {
        assert_eq!(lua("a\r\n\"b\\"), r#""a\r\n\"b\\""#);
    }
}
