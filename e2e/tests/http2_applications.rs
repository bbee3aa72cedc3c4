//! Applications that are asked over HTTP/2: all content of a stream reaches them, whatever its
//! exchange had to wait for, and their answers come back while others go on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Server, Site,
    application::{self, Application},
};
use std::{
    fs,
    process::{Command, Stdio},
};

/// An application that says how it was asked, and sends all content back.
fn echo() -> Application {
    Application::start(|asked, stream| {
        let head = format!(
            "X-Protocol: {}\r\nX-Method: {}\r\nContent-Type: text/x\r\n\r\n",
            asked.get("SERVER_PROTOCOL"),
            asked.get("REQUEST_METHOD"),
        );
        application::answer(stream, &[head.as_bytes(), &asked.content, b"end"].concat());
    })
}

/// Serves `site` by `php`; `more` are lines of the site's table and of those behind it.
fn serve(site: &Site, php: &Application, limits: &str, more: &str) -> Server {
    site.write("index.php", b"");
    Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\nthreads = 1\n\
         [server.limits]\n{limits}\n[site.default]\nroot = {:?}\n{}{more}",
        site.root(),
        php.setting("upload-max = '4MB'")
    ))
}

/// What curl is told by `/index.php` when it asks with these words.
fn curl(server: &Server, words: &[&str]) -> Vec<u8> {
    let url = format!("http://{}/index.php", server.addr());
    let mut command = Command::new("curl");
    command.args(["--silent", "--http2-prior-knowledge"]).args(words).arg(url);
    command.stdin(Stdio::null()).output().unwrap().stdout
}

/// What a script says that speaks by Python's h2 to `/index.php`, with further arguments.
fn python(server: &Server, script: &str, words: &[&str]) -> String {
    const BEGIN: &str = r#"
import socket, sys
from h2.connection import H2Connection
from h2.config import H2Configuration
from h2.events import *
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
h2 = H2Connection(H2Configuration(client_side=True))
h2.initiate_connection()
ended = set()
def head(stream, more=[]):
    fields = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/index.php")]
    h2.send_headers(stream, fields + more)
def events():
    peer.sendall(h2.data_to_send())
    data = peer.recv(65536)
    assert data, "the connection ends"
    return h2.receive_data(data)
"#;
    let (port, script) = (server.addr().port().to_string(), format!("{BEGIN}{script}"));
    let words = [&["-c", &script, &port], words].concat();
    let output = Command::new("/usr/bin/python3").args(words).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn all_content_of_a_stream_reaches_the_application() {
    let (site, php) = (Site::new(), echo());
    let server = serve(&site, &php, "", "");
    let answer = String::from_utf8(curl(&server, &["--include"])).unwrap();
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.contains("x-protocol: HTTP/2.0\r\nx-method: GET\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nend"), "{answer}");
    let large = site.path("large.bin");
    let upload = format!("@{}", large.display());
    let expect = [&fs::read(&large).unwrap()[..], b"end"].concat();
    assert!(curl(&server, &["--data-binary", &upload]) == expect, "what was sent comes back");
    assert_eq!(curl(&server, &["--data", "a=b"]), b"a=bend");
    let asking = ["--include", "--data", "a=b", "--header", "Expect: 100-continue"];
    let answer = String::from_utf8(curl(&server, &asking)).unwrap();
    assert!(answer.starts_with("HTTP/2 100 \r\n\r\nHTTP/2 200"), "{answer}");
    // curl takes the end of a stream that it still sends on for a fault, whatever RFC 9113 says.
    let (huge, url) = (site.path("huge.bin"), format!("http://{}/index.php", server.addr()));
    let words = ["--verbose", "--data", huge.to_str().unwrap(), &url];
    let said = Command::new("nghttp").args(words).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&said).contains(":status: 413"), "{said:?}");
    server.stop();
}

/// Ten exchanges at once on one connection, each of which waits: for the first look at the program,
/// or for a password that takes its time. Their content is there before anybody asks for it.
#[test]
fn content_is_not_lost_while_its_exchange_waits() {
    let (site, php) = (Site::new(), echo());
    // `wonderland`, hashed at a cost that takes a while.
    const GUARD: &str = "auth = { users = { alice = \
                         \"$2b$08$3k1cR3mki9PmjO4/PzS7V.nMBXm9RNVffoyfiyFcthf6sjy4VwsMe\" } }\n";
    let script = r#"
count, size = int(sys.argv[2]), int(sys.argv[3])
for at in range(count):
    head(2 * at + 1, [("authorization", "Basic YWxpY2U6d29uZGVybGFuZA==")])
contents = {2 * at + 1: bytes([97 + at]) * size for at in range(count)}
left, answers = dict(contents), {}
while len(ended) < count:
    for stream, content in list(left.items()):
        room = min(h2.local_flow_control_window(stream), h2.max_outbound_frame_size, len(content))
        if room > 0 or not content:
            h2.send_data(stream, content[:room], end_stream=room == len(content))
            left[stream] = content[room:]
            if room == len(content):
                del left[stream]
    for event in events():
        if isinstance(event, DataReceived):
            answers.setdefault(event.stream_id, bytearray()).extend(event.data)
            h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            assert answers[event.stream_id] == contents[event.stream_id] + b"end", event
            ended.add(event.stream_id)
print(len(ended))
"#;
    for more in ["", GUARD] {
        for size in ["0", "3", "40000", "300000"] {
            let server = serve(&site, &php, "", more);
            assert_eq!(python(&server, script, &["10", size]), "10\n", "{size} bytes {more}");
            server.stop();
        }
    }
}

#[test]
fn content_that_comes_too_slowly_is_not_waited_for() {
    let (site, php) = (Site::new(), echo());
    let server = serve(&site, &php, "body-idle-time = '1s'", "");
    let script = r#"
head(1)
h2.send_data(1, b"begun")
while True:
    for event in events():
        if isinstance(event, ResponseReceived):
            print(dict(event.headers)[b":status"].decode())
            sys.exit()
"#;
    assert_eq!(python(&server, script, &[]), "408\n");
    let line = server.wait_for(|line| line["event"] == "request");
    assert_eq!(line["status"], 408);
    assert_eq!(line["reason"], "the content came too slowly");
    server.stop();
}
