//! A collector of spans: it keeps what it is sent, answers as a test says, and has what it got read
//! by those who define the format.

use crate::{binary::workspace, eventually};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// Reads messages, each behind its length, and writes each as a line of JSON.
const READ: &str = "
import sys
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
while length := sys.stdin.buffer.read(8):
    body = sys.stdin.buffer.read(int.from_bytes(length, 'little'))
    message = ExportTraceServiceRequest.FromString(body)
    message.DiscardUnknownFields()
    assert message.ByteSize() == len(body), 'something is of no known kind'
    print(MessageToJson(message, indent=None))
";

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Its first line.
    pub line: String,
    /// Its other lines, their names in lower case.
    pub fields: Vec<(String, String)>,
    /// Its content.
    pub body: Vec<u8>,
}

/// A span as those read it who define the format.
#[derive(Clone, Debug)]
pub struct Span {
    /// All of it.
    pub all: Value,
    /// What its service is called.
    pub service: String,
}

/// A running collector.
pub struct Collector {
    addr: SocketAddr,
    got: Arc<Mutex<Vec<Delivered>>>,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::answering(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        })
    }

    /// One that has `behave` do what it likes on the connection behind each request, which has its
    /// number, from 0 on. The connection is closed when that is over, unless it was all written.
    pub fn answering(behave: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), behave)
    }

    /// The same where somebody listens already.
    pub fn at(
        listener: TcpListener,
        behave: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let (addr, behave) = (listener.local_addr().unwrap(), Arc::new(behave));
        let got = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (got, behave) = (Arc::clone(&all), Arc::clone(&behave));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(delivered) = read(&mut reader) {
                        let number = {
                            let mut got = got.lock().unwrap();
                            got.push(delivered);
                            got.len() - 1
                        };
                        behave(number, &mut stream);
                    }
                });
            }
        });
        Self { addr, got }
    }

    /// The value of `otlp` that has spans sent here.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All requests so far.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.got.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    pub fn wait(&self, count: usize) -> Vec<Delivered> {
        assert!(eventually(|| self.got.lock().unwrap().len() >= count), "{count} requests");
        self.delivered()
    }

    /// All spans of all requests.
    pub fn spans(&self) -> Vec<Span> {
        spans(&self.delivered())
    }

    /// The spans, once there are so many.
    pub fn wait_for_spans(&self, count: usize) -> Vec<Span> {
        let (mut found, mut requests) = (Vec::new(), 0);
        let are_there = eventually(|| {
            let delivered = self.delivered();
            if delivered.len() > requests {
                (found, requests) = (spans(&delivered), delivered.len());
            }
            found.len() >= count
        });
        assert!(are_there, "{count} spans, not {}", found.len());
        found
    }
}

impl Span {
    /// An attribute; nothing where it has none of that name.
    pub fn get(&self, key: &str) -> &Value {
        let all = self.all["attributes"].as_array().unwrap();
        let mut named = all.iter().filter(|one| one["key"] == key);
        let found = named.next().map_or(&Value::Null, |one| &one["value"]);
        assert!(named.next().is_none(), "{key} twice");
        found.as_object().and_then(|value| value.values().next()).unwrap_or(&Value::Null)
    }

    /// An id, in hexadecimal digits.
    pub fn id(&self, key: &str) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let bytes = STANDARD.decode(self.all[key].as_str().unwrap_or_default()).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The spans in these requests.
pub fn spans(delivered: &[Delivered]) -> Vec<Span> {
    let python = workspace().join("target/tools/otlp/bin/python");
    let mut command = Command::new(&python);
    command.args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child =
        child.unwrap_or_else(|e| panic!("{}: {e}: `cargo xtask test` has it", python.display()));
    let mut input = child.stdin.take().unwrap();
    let bodies: Vec<_> = delivered.iter().map(|one| one.body.clone()).collect();
    let writing = thread::spawn(move || {
        for body in bodies {
            input.write_all(&(body.len() as u64).to_le_bytes()).unwrap();
            input.write_all(&body).unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut all = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        for resource in message["resourceSpans"].as_array().unwrap() {
            let attributes = resource["resource"]["attributes"].as_array().unwrap();
            let named = |name: &str| {
                let found = attributes.iter().find(|one| one["key"] == name).unwrap();
                found["value"]["stringValue"].as_str().unwrap().to_owned()
            };
            assert!(!named("host.name").is_empty());
            let scope = &resource["scopeSpans"][0];
            assert_eq!(scope["scope"]["name"], "gannet");
            for span in scope["spans"].as_array().unwrap() {
                all.push(Span { all: span.clone(), service: named("service.name") });
            }
        }
    }
    all
}

/// The next request of a connection, if there is one.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Delivered> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let field = |line: &String| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let fields: Vec<_> = lines.iter().map(field).collect();
    let length = fields.iter().find(|(name, _)| name == "content-length").unwrap();
    let mut body = vec![0; length.1.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(Delivered { line, fields, body })
}
