//! The same requests over HTTP/1.1 and over HTTP/2, drawn at random, by clients that were not
//! written here: the answers are the same, whatever their order, the windows and the turns of
//! others do to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use bytes::Bytes;
use e2e::{Client, Server, Site, extent};
use h2::client::SendRequest;
use http::HeaderValue;
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// Numbers drawn from a seed, the same in each run (xorshift).
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// One request.
#[derive(Clone)]
struct Asked {
    method: &'static str,
    host: &'static str,
    target: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    content: Option<&'static str>,
}

const METHODS: [&str; 8] = ["GET", "GET", "GET", "GET", "HEAD", "OPTIONS", "DELETE", "BREW"];
const HOSTS: [&str; 5] = ["a.example", "other.example", "routes.example", "[2001:db8::1]", "B:81"];
const TARGETS: [&str; 28] = [
    "/",
    "/digits.txt",
    "/digits.txt?a=b&c",
    "/empty.txt",
    "/large.bin",
    "/style.css",
    "/stale.css",
    "/lonely.css",
    "/page.html",
    "/sub",
    "/sub/",
    "/sub/page.txt",
    "/list/",
    "/crowd/",
    "/none",
    "/.env",
    "/..%2foutside.txt",
    "/../outside.txt",
    "/%2e%2e/%252e.txt",
    "/a%00b",
    "/%zz",
    "/name.%c2%a1.txt",
    "/form",
    "/talk",
    "/both",
    "/most",
    "/old/x",
    "/pictures/a.txt",
];
const FIELDS: [(&str, &str); 18] = [
    ("accept-encoding", "br, gzip"),
    ("accept-encoding", "gzip;q=0, *"),
    ("accept-encoding", "zstd"),
    ("range", "bytes=0-3"),
    ("range", "bytes=-2"),
    ("range", "bytes=0-1,4-5"),
    ("range", "bytes=999999999-"),
    ("range", "lines=1"),
    ("if-none-match", "*"),
    ("if-none-match", "\"no\""),
    ("if-match", "\"no\""),
    ("if-modified-since", "Sun, 06 Nov 2044 08:49:37 GMT"),
    ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("if-range", "\"no\""),
    ("cookie", "a=b; c=d"),
    ("origin", "https://b.example"),
    ("user-agent", "\u{e9}"),
    ("accept", "application/json"),
];

fn draw(draw: &mut Draw) -> Asked {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    for _ in 0..draw.below(4) {
        let field = draw.of(&FIELDS);
        if fields.iter().all(|(name, _)| *name != field.0) {
            fields.push(field);
        }
    }
    let (host, target) = (draw.of(&HOSTS), draw.of(&TARGETS));
    let (method, content) = match draw.below(6) {
        0 => ("POST", Some(draw.of(&["", "x=y", "a longer form\n"]))),
        _ => (draw.of(&METHODS), None),
    };
    Asked { method, host, target, fields, content }
}

/// The answer over HTTP/1.1.
fn ask(client: &mut Client, asked: &Asked) -> Value {
    let Asked { method, host, target, fields, content } = asked;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(content) = content {
        head += &format!("content-length: {}\r\n", content.len());
    }
    client.send(format!("{head}\r\n{}", content.unwrap_or_default())).unwrap();
    let response = match *method {
        "HEAD" => client.response_to_head(),
        _ => client.response(),
    };
    let response = response.unwrap();
    if response.closes() {
        panic!("{method} {target} on {host} ends the connection");
    }
    let mut fields = response.fields.clone();
    fields.sort();
    json!([response.status, fields, hash(&response.body)])
}

/// A fingerprint (FNV-1a), which Python can make as well.
fn hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{}:{hash:x}", bytes.len())
}

/// Asks the same of Python's h2, which insists on the protocol: all on one connection, at most
/// fifty at once, with windows and priorities of every size.
const SCRIPT: &str = r#"
import json, random, socket, sys
from h2.connection import H2Connection
from h2.config import H2Configuration
from h2.events import *
from h2.settings import SettingCodes, Settings
asked = json.load(sys.stdin)
random.seed(len(asked))
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
h2.local_settings = Settings(client=True, initial_values={
    SettingCodes.INITIAL_WINDOW_SIZE: random.choice([1000, 16384, 65535]),
    SettingCodes.MAX_FRAME_SIZE: random.choice([16384, 60000])})
h2.initiate_connection()
streams, answers, waiting = {}, {}, list(enumerate(asked))
def fnv(data):
    hash = 0xcbf29ce484222325
    for byte in data:
        hash = ((hash ^ byte) * 0x100000001b3) & 0xffffffffffffffff
    return "%d:%x" % (len(data), hash)
while len(answers) < len(asked):
    while waiting and len(streams) < 50:
        at, (method, host, target, fields, content) = waiting.pop(0)
        stream = h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", host), (":path", target)]
        head += [(name, value) for name, value in fields]
        if random.random() < 0.5:
            head.append(("priority", random.choice(["u=0", "u=7", "i", "u=1, i"])))
        if content is not None and random.random() < 0.5:
            head.append(("content-length", str(len(content))))
        ends = content is None
        h2.send_headers(stream, head, end_stream=ends)
        if not ends:
            h2.send_data(stream, content.encode(), end_stream=random.random() < 0.7,
                         pad_length=random.choice([None, 0, 200]))
            if h2.streams[stream].open and h2.streams[stream].state_machine.state.name == "OPEN":
                h2.send_headers(stream, [("x-trailer", "y")], end_stream=True)
        streams[stream] = [at, None, None, bytearray()]
    peer.sendall(h2.data_to_send())
    data = peer.recv(65536)
    assert data, "the connection ends"
    for event in h2.receive_data(data):
        if isinstance(event, ResponseReceived):
            fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
            streams[event.stream_id][1:3] = int(fields[0][1]), sorted(fields[1:])
        elif isinstance(event, DataReceived):
            streams[event.stream_id][3] += event.data
            if event.flow_controlled_length:
                h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            at, status, fields, content = streams.pop(event.stream_id)
            answers[at] = [status, fields, fnv(content)]
        elif isinstance(event, (StreamReset, ConnectionTerminated)):
            raise Exception(event)
print(json.dumps([answers[at] for at in range(len(asked))]))
"#;

/// Asks the same of the `h2` crate, which is strict, too: all on one connection, as many at once as
/// the server takes.
fn by_crate(server: &Server, asked: &[Asked]) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
        let mut builder = h2::client::Builder::new();
        // Until it knows the server's settings it would open any number.
        builder.initial_max_send_streams(100);
        builder.initial_window_size(5000).max_frame_size(20_000);
        let (sender, connection) = builder.handshake(socket).await.unwrap();
        let connection = tokio::spawn(connection);
        let once = |asked: &Asked| tokio::spawn(ask_once(sender.clone(), asked.clone()));
        let asking: Vec<_> = asked.iter().map(once).collect();
        let mut answers = Vec::new();
        for one in asking {
            answers.push(one.await.unwrap());
        }
        drop(sender);
        connection.await.unwrap().unwrap();
        answers
    })
}

async fn ask_once(sender: SendRequest<Bytes>, asked: Asked) -> Value {
    let Asked { method, host, target, fields, content } = asked;
    let mut request = http::Request::builder().method(method).uri(format!("http://{host}{target}"));
    for (name, value) in fields {
        request = request.header(name, value.as_bytes());
    }
    let mut sender = sender.ready().await.unwrap();
    let request = request.body(()).unwrap();
    let (answer, mut stream) = sender.send_request(request, content.is_none()).unwrap();
    if let Some(content) = content {
        stream.send_data(Bytes::from(content), true).unwrap();
    }
    let (head, mut content) = answer.await.unwrap().into_parts();
    let text =
        |value: &HeaderValue| value.as_bytes().iter().map(|&byte| char::from(byte)).collect();
    let mut fields: Vec<(String, String)> =
        head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    fields.sort();
    let mut body = Vec::new();
    while let Some(piece) = content.data().await {
        let piece = piece.unwrap();
        content.flow_control().release_capacity(piece.len()).unwrap();
        body.extend_from_slice(&piece);
    }
    json!([head.status.as_u16(), fields, hash(&body)])
}

/// What belongs to a connection, or differs from one answer to the next.
const OWN: [&str; 4] = ["date", "connection", "keep-alive", "transfer-encoding"];

/// An answer without what may differ; separators of ranges are drawn for each.
fn common(answer: &Value) -> Value {
    let mut answer = answer.clone();
    let fields = answer[1].as_array_mut().unwrap();
    let is_parts = |field: &Value| field[1].as_str().unwrap().starts_with("multipart/");
    let has_parts = fields.iter().any(is_parts);
    let is_own = |name: &str| OWN.contains(&name) || (has_parts && name == "content-length");
    fields.retain(|field| !is_own(field[0].as_str().unwrap()) && !is_parts(field));
    if has_parts {
        answer[2] = Value::Null;
    }
    answer
}

#[test]
fn answers_do_not_depend_on_the_version() {
    let site = Site::new();
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let config = site.config("", "").replace("listen = \"127.0.0.1:0\"", listen);
    let server = Server::run(&config);
    let mut numbers = Draw(0x9e37_79b9_7f4a_7c15);
    for _ in 0..extent(2, 20) {
        let asked: Vec<_> = (0..500).map(|_| draw(&mut numbers)).collect();
        let mut client = Client::connect(server.addr());
        let over_http1: Vec<_> = asked.iter().map(|asked| ask(&mut client, asked)).collect();
        let told: Vec<_> = asked
            .iter()
            .map(|Asked { method, host, target, fields, content }| {
                json!([method, host, target, fields, content])
            })
            .collect();
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", SCRIPT, &server.addr().port().to_string()]);
        let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = python.stdin.take().unwrap();
        stdin.write_all(Value::from(told.clone()).to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = python.wait_with_output().unwrap();
        let over_http2: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        for over_http2 in [over_http2, by_crate(&server, &asked)] {
            assert_eq!(over_http2.len(), asked.len());
            for ((asked, one), two) in told.iter().zip(&over_http1).zip(&over_http2) {
                assert_eq!(common(one), common(two), "{asked}");
            }
        }
    }
    server.stop();
}
