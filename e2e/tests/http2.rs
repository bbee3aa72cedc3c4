//! HTTP/2 without TLS, as clients know it that were not written here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what is wrong by panicking"
)]

use e2e::{
    Client, Ending, Server, Site, eventually, extent,
    frames::{self, DATA, END, GOAWAY, OPENING, PING, RST_STREAM, SETTINGS, frame, get, until},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    process::{Command, Stdio},
};

/// A server that speaks HTTP/2 to who begins with it; `server` and `limits` are lines of these two
/// tables.
fn server(site: &Site, server: &str, limits: &str) -> Server {
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let config = site.config(&format!("threads = 1\n{server}"), limits);
    Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen))
}

/// What a program says on standard output; it has to succeed.
fn output(program: &str, words: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {errors}");
    output.stdout
}

fn curl(server: &Server, words: &[&str], target: &str) -> String {
    let url = format!("http://{}{target}", server.addr());
    let fixed = ["--silent", "--http2-prior-knowledge", "--path-as-is"];
    let answer = output("curl", &[&fixed, words, &[&url]].concat());
    String::from_utf8_lossy(&answer).into_owned()
}

/// A script for Debian's own Python, whose packages hold `h2` and `hyperframe`; its first argument
/// is the port.
fn python(server: &Server, script: &str) -> String {
    let port = server.addr().port().to_string();
    String::from_utf8(output("/usr/bin/python3", &["-c", script, &port])).unwrap()
}

fn requests(server: &Server) -> Vec<Value> {
    server.lines().into_iter().filter(|line| line["event"] == "request").collect()
}

#[test]
fn curl_gets_what_it_gets_over_http1() {
    let site = Site::new();
    let server = server(&site, "", "");
    for (words, target) in [
        (&["--include"][..], "/digits.txt"),
        (&["--head"], "/digits.txt"),
        (&["--include", "--range", "2-5"], "/digits.txt"),
        (&["--include", "--range", "0-1,4-5"], "/digits.txt"),
        (&["--include", "--header", "Accept-Encoding: br"], "/style.css"),
        (&["--include"], "/sub"),
        (&["--include"], "/none"),
        (&["--include"], "/..%2foutside.txt"),
        (&["--include"], "/../outside.txt"),
        (&["--include"], "/list/"),
        (&["--include"], "/empty.txt"),
        (&["--include", "--request", "DELETE"], "/digits.txt"),
        (&["--include", "--data", "x=y", "--header", "Host: routes.example"], "/form"),
        (&["--include", "--request", "OPTIONS"], "/digits.txt"),
        (&["--include", "--header", "Host: other.example"], "/"),
        (&["--include", "--header", "Expect: tea"], "/digits.txt"),
        (&["--head", "--header", "Expect: tea"], "/digits.txt"),
        (&["--head"], &format!("/{}", "a".repeat(9000))),
    ] {
        let over_http2 = curl(&server, words, target);
        let url = format!("http://{}{target}", server.addr());
        let fixed = ["--silent", "--http1.1", "--path-as-is"];
        let over_http1 = output("curl", &[&fixed, words, &[&url]].concat());
        assert_eq!(fields(&over_http2), fields(&String::from_utf8_lossy(&over_http1)), "{words:?}");
    }
    server.stop();
}

/// An answer without what differs by the protocol or from one to the next: the first line's
/// version and reason, the date, how the connection and the content end, and what separates ranges.
fn fields(answer: &str) -> Vec<String> {
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
    lines[0] = lines[0].split(' ').nth(1).unwrap().to_owned();
    lines.retain(|line| {
        let differs = ["date:", "connection:", "transfer-encoding:", "content-type: multipart"];
        !differs.iter().any(|name| line.starts_with(name))
    });
    lines[1..].sort();
    let content = content.lines().filter(|line| !line.starts_with("--"));
    lines.extend(content.map(str::to_owned));
    lines
}

#[test]
fn large_files_arrive_whole_through_small_windows() {
    let site = Site::new();
    let server = server(&site, "", "");
    let large = fs::read(site.path("large.bin")).unwrap();
    let url = format!("http://{}/large.bin", server.addr());
    for bits in ["10", "16", "30"] {
        let words = ["--window-bits", bits, "--connection-window-bits", bits, &url, "--no-dep"];
        assert!(output("nghttp", &words) == large, "windows of 2^{bits} bytes");
    }
    assert_eq!(output("curl", &["--silent", "--http2-prior-knowledge", &url]), large);
    server.stop();
}

/// The server holds its descriptor for the one version and its bytes for the other.
#[test]
fn a_file_that_changes_does_so_over_either_version() {
    let site = Site::new();
    let server = server(&site, "", "");
    let url = format!("http://{}/middle.bin", server.addr());
    for letter in [b'a', b'b', b'c'] {
        let content = vec![letter; 100_000];
        fs::write(site.path("middle.bin"), &content).unwrap();
        for version in ["--http1.1", "--http2-prior-knowledge"].repeat(2) {
            assert!(output("curl", &["--silent", version, &url]) == content, "{version}");
        }
    }
    server.stop();
}

#[test]
fn many_requests_at_once_are_all_answered() {
    let site = Site::new();
    let server = server(&site, "", "");
    let base = format!("http://{}", server.addr());
    for (count, path) in [("20000", "/digits.txt"), ("120", "/large.bin"), ("200", "/list/")] {
        let url = format!("{base}{path}");
        let words = ["-n", count, "-c", "4", "-m", "50", &url];
        let report = String::from_utf8(output("h2load", &words)).unwrap();
        assert!(report.contains(&format!("{count} succeeded, 0 failed")), "{report}");
        assert!(report.contains(&format!("status codes: {count} 2xx")), "{report}");
    }
    server.stop();
}

#[test]
fn a_log_line_names_the_protocol() {
    let site = Site::new();
    let server = server(&site, "", "");
    curl(&server, &[], "/digits.txt?a=b");
    curl(&server, &[], "/large.bin");
    assert!(eventually(|| requests(&server).len() == 2));
    let lines = requests(&server);
    let line = &lines[0];
    assert_eq!(line["protocol"], "HTTP/2.0");
    assert_eq!((&line["target"], &line["status"]), (&"/digits.txt?a=b".into(), &200.into()));
    assert_eq!(lines[1]["bytes"], Site::LARGE_BYTES);
    server.stop();
}

#[test]
fn http1_is_spoken_on_the_same_address_and_http2_only_where_it_is_said() {
    let site = Site::new();
    let with = server(&site, "", "");
    assert_eq!(Client::connect(with.addr()).get("/digits.txt").unwrap().status, 200);
    let mut client = Client::connect(with.addr());
    client.send("PRI * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    let mut client = Client::connect(with.addr());
    let wish = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: a\r\n{wish}\r\n")).unwrap();
    let answer = client.response().unwrap();
    assert_eq!((answer.status, answer.get("upgrade")), (200, None), "nobody is led there");
    assert_eq!(client.get("/digits.txt").unwrap().text(), "0123456789");
    with.stop();
    let without = Server::run(&site.config("", ""));
    let mut client = Client::connect(without.addr());
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 505);
    without.stop();
}

/// Python's h2 insists on the protocol, and acknowledges what it reads in small pieces.
#[test]
fn a_strict_client_downloads_and_uploads() {
    let script = r#"
import socket, sys
from h2.connection import H2Connection
from h2.config import H2Configuration
from h2.events import *
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
h2 = H2Connection(H2Configuration(client_side=True))
h2.initiate_connection()
def head(method, path, **more):
    host = more.pop("host", "a")
    return [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
for stream in (1, 3, 5):
    h2.send_headers(stream, head("GET", "/large.bin"), end_stream=True)
h2.send_headers(7, head("POST", "/talk", host="routes.example"))
h2.send_data(7, b"y" * 3000)
h2.send_headers(7, [("x-checksum", "none")], end_stream=True)
peer.sendall(h2.data_to_send())
sizes, statuses, ended = {}, {}, set()
while len(ended) < 4:
    for event in h2.receive_data(peer.recv(65536)):
        if isinstance(event, ResponseReceived):
            statuses[event.stream_id] = dict(event.headers)[b":status"].decode()
        elif isinstance(event, DataReceived):
            sizes[event.stream_id] = sizes.get(event.stream_id, 0) + len(event.data)
            h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            ended.add(event.stream_id)
    peer.sendall(h2.data_to_send())
print(sorted(statuses.items()), sorted(sizes.items()))
"#;
    let site = Site::new();
    let server = server(&site, "", "");
    let large = Site::LARGE_BYTES;
    let expect = format!(
        "[(1, '200'), (3, '200'), (5, '200'), (7, '200')] \
         [(1, {large}), (3, {large}), (5, {large}), (7, 4)]\n"
    );
    assert_eq!(python(&server, script), expect);
    server.stop();
}

/// Frames that break the protocol, each on a connection of its own: the code that the server says.
#[test]
fn bad_frames_are_answered_with_the_right_code() {
    let script = r#"
import socket, struct, sys
from hyperframe.frame import *
from hpack import Encoder
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/digits.txt")]
def head(stream, fields=GET, flags=("END_HEADERS", "END_STREAM")):
    frame = HeadersFrame(stream, Encoder().encode(fields))
    for flag in flags:
        frame.flags.add(flag)
    return frame
def raw(length, kind, flags, stream, payload=b""):
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
def code(*frames):
    peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
    sent = PREFACE + SettingsFrame(0).serialize()
    sent += b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)
    peer.sendall(sent)
    data = b""
    while True:
        while len(data) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(data[:9]))
            if len(data) < 9 + length:
                break
            frame.parse_body(memoryview(data[9:9 + length]))
            data = data[9 + length:]
            if isinstance(frame, (GoAwayFrame, RstStreamFrame)):
                return type(frame).__name__[:3], frame.error_code
        more = peer.recv(65536)
        if not more:
            return "closed", None
        data += more
window = WindowUpdateFrame(0); window.window_increment = 2**31 - 1
wide = WindowUpdateFrame(1); wide.window_increment = 2**31 - 1
print(code(raw(16777215, 0, 0, 1)), code(raw(3, 8, 0, 0, b"abc")), code(window), sep=" ")
print(code(head(1, flags=("END_HEADERS",)), wide), code(head(2)), code(head(3), head(1)), sep=" ")
print(code(head(1, GET + [("connection", "close")])), code(head(1, GET + [("X", "y")])), sep=" ")
print(code(head(1, GET + [("a", "b\r\nc: d")])), code(head(1, GET[1:])), sep=" ")
print(code(raw(1, 1, 5, 1, b"\x80")), code(raw(0, 9, 4, 1)), code(raw(8, 6, 0, 1, b"12345678")), sep=" ")
"#;
    let site = Site::new();
    let server = server(&site, "", "");
    assert_eq!(
        python(&server, script),
        "('GoA', 6) ('GoA', 6) ('GoA', 3)\n\
         ('Rst', 3) ('GoA', 1) ('GoA', 1)\n\
         ('Rst', 1) ('Rst', 1)\n\
         ('Rst', 1) ('Rst', 1)\n\
         ('GoA', 9) ('GoA', 1) ('GoA', 1)\n"
    );
    assert!(eventually(|| requests(&server)
        .iter()
        .any(|line| line["reason"] == "a field belongs to a connection of HTTP/1.1")));
    server.stop();
}

#[test]
fn a_server_that_stops_tells_its_clients_and_answers_what_they_asked_before_they_knew() {
    let site = Site::new();
    let server = server(&site, "workers = 1", "");
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &get(1, "/digits.txt")].concat()).unwrap();
    let answer = until(&mut client, DATA).unwrap();
    assert_eq!((answer.stream, &answer.payload[..]), (1, &b"0123456789"[..]));
    server.signal(Signal::HUP);
    let goaway = until(&mut client, GOAWAY).unwrap();
    assert_eq!(goaway.payload, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let ping = until(&mut client, PING).unwrap();
    // This one crosses what the server says.
    client.send(get(3, "/digits.txt")).unwrap();
    let answer = until(&mut client, DATA).unwrap();
    assert_eq!((answer.stream, &answer.payload[..]), (3, &b"0123456789"[..]));
    client.send(frame(PING, END, 0, &ping.payload)).unwrap();
    let goaway = until(&mut client, GOAWAY).unwrap();
    assert_eq!(goaway.payload, [0, 0, 0, 3, 0, 0, 0, 0]);
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    server.stop();
}

#[test]
fn a_client_that_stops_reading_is_given_up_and_leaves_nothing() {
    let site = Site::new();
    let server = server(&site, "", "write-stall-time = \"1s\"");
    let mut client = Client::connect(server.addr());
    // Its windows stay shut.
    let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    client.send([OPENING, &shut, &get(1, "/digits.txt")].concat()).unwrap();
    let reset = until(&mut client, RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (1, 8));
    server.stop();
}

/// Workers are replaced again and again, and the program with them, while clients ask on many
/// streams: each stream that the server has not told them to ask elsewhere is answered.
#[test]
fn reloads_and_upgrades_fail_no_stream() {
    let site = Site::new();
    let server = server(&site, "workers = 2", "");
    let connect = || Client::connect(server.addr());
    let outcome = frames::under_load(connect, || {
        for _ in 0..extent(2, 20) {
            server.replace_workers_by(Signal::HUP, 2);
            server.replace_workers_by(Signal::USR2, 2);
        }
    });
    outcome.unwrap();
    server.stop();
}
