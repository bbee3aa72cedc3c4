//! Applications that are asked over HTTP/2: all content of a stream reaches them, whatever its
//! exchange had to wait for, and their answers come back while others go on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Server, Site,
    application::{self, Application},
    eventually,
    frames::{
        CALM, DATA, END, GOAWAY, HEADERS, OPENING, RST_STREAM, WHOLE, WINDOW_UPDATE, fields, frame,
        get, read, until,
    },
};
use rustix::net::{RecvFlags, recv};
use std::{
    fs,
    io::Read,
    iter,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
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
    serve_with(site, php, "upload-max = '4MB'", limits, more)
}

/// The same with other settings of `php`.
fn serve_with(site: &Site, php: &Application, set: &str, limits: &str, more: &str) -> Server {
    site.write("index.php", b"");
    Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\nthreads = 1\n\
         [server.limits]\n{limits}\n[site.default]\nroot = {:?}\n{}{more}",
        site.root(),
        php.setting(set)
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
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
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
    for stream in list(left):
        while (content := left.get(stream)) is not None:
            room = min(h2.local_flow_control_window(stream), h2.max_outbound_frame_size, len(content))
            if room == 0 and content:
                break
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
    assert_eq!(
        line["reason"],
        "the content came more slowly than `body-idle-time` or `body-rate-min` allows"
    );
    server.stop();
}

/// Whether the other end of a connection is there, which says nothing.
fn is_waited_for(stream: &UnixStream) -> bool {
    recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT).is_err()
}

/// A client makes the server reset its streams, so that the application works for nobody: it is let
/// go each time, and the client has had its turn soon. No place of `requests-max` is lost by that.
#[test]
fn an_application_is_let_go_when_its_stream_is_reset() {
    const PLACES: u32 = 16;
    let (asked, held) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (asked_there, held_there) = (Arc::clone(&asked), Arc::clone(&held));
    let (open, most) = (Mutex::new(Vec::<UnixStream>::new()), Arc::new(AtomicUsize::new(0)));
    let most_there = Arc::clone(&most);
    let php = Application::start(move |_, stream| {
        asked_there.fetch_add(1, SeqCst);
        held_there.fetch_add(1, SeqCst);
        let mut open = open.lock().unwrap();
        open.retain(is_waited_for);
        open.push(stream.try_clone().unwrap());
        most_there.fetch_max(open.len(), SeqCst);
        drop(open);
        // It says nothing, and notices when nobody waits any more.
        let _ = stream.read(&mut [0]);
        held_there.fetch_sub(1, SeqCst);
    });
    let site = Site::new();
    let server = serve_with(&site, &php, &format!("requests-max = {PLACES}"), "", "");
    let mut attacker = Client::connect(server.addr());
    attacker.send(OPENING).unwrap();
    let begun = Instant::now();
    let mut streams = (1..).step_by(2);
    let goaway = loop {
        let all: Vec<u32> = streams.by_ref().take(PLACES as usize).collect();
        let so_far = asked.load(SeqCst);
        attacker
            .send(all.iter().flat_map(|&one| get(one, "/index.php")).collect::<Vec<_>>())
            .unwrap();
        assert!(eventually(|| asked.load(SeqCst) == so_far + PLACES));
        let nothing = all.iter().flat_map(|&one| frame(WINDOW_UPDATE, 0, one, &[0; 4]));
        attacker.send(nothing.collect::<Vec<_>>()).unwrap();
        let ends = iter::repeat_with(|| read(&mut attacker).unwrap());
        let ends = ends.filter(|frame| matches!(frame.kind, RST_STREAM | GOAWAY));
        let mut ends = ends.take(PLACES as usize);
        let goaway = ends.find(|frame| frame.kind == GOAWAY);
        assert!(eventually(|| held.load(SeqCst) == 0), "nobody is worked for in vain");
        if let Some(goaway) = goaway {
            break goaway;
        }
    };
    assert_eq!(goaway.code(), CALM);
    // So many at once, and in each second some more.
    let most_asked = 400 + 30 * begun.elapsed().as_secs() as u32;
    assert!((300..most_asked).contains(&asked.load(SeqCst)), "{} asked", asked.load(SeqCst));
    assert_eq!(most.load(SeqCst), PLACES as usize, "at a time");
    let mut client = Client::connect(server.addr());
    let all: Vec<u8> = (0..PLACES).flat_map(|at| get(1 + 2 * at, "/index.php")).collect();
    client.send([OPENING, &all].concat()).unwrap();
    assert!(eventually(|| held.load(SeqCst) == PLACES), "each place can be had again");
    client.send(get(1 + 2 * PLACES, "/index.php")).unwrap();
    let answer = until(&mut client, HEADERS).unwrap();
    assert_eq!(answer.stream, 1 + 2 * PLACES, "and there is none more");
    drop(client);
    assert!(eventually(|| held.load(SeqCst) == 0), "who leaves lets them go");
    server.stop();
}

/// Content that is not as long as its field says (RFC 9113 section 8.1.1) reaches no application.
#[test]
fn content_of_another_length_than_told_reaches_no_application() {
    let asked = Arc::new(AtomicU32::new(0));
    let asked_there = Arc::clone(&asked);
    let php = Application::start(move |asked, stream| {
        asked_there.fetch_add(1, SeqCst);
        application::answer(stream, &[b"\r\n", &asked.content[..]].concat());
    });
    let site = Site::new();
    let server = serve(&site, &php, "", "");
    let told = |stream, flags, length: &str| {
        let mut block = fields(0x83, "/index.php");
        // `content-length` of the standing table, kept out of the other one.
        block.extend([0x0f, 0x0d, u8::try_from(length.len()).unwrap()]);
        block.extend_from_slice(length.as_bytes());
        frame(HEADERS, WHOLE | flags, stream, &block)
    };
    let data = |flags, content: &[u8]| frame(DATA, flags, 1, content);
    let large: Vec<_> = (0..4).flat_map(|_| data(0, &[b'x'; 16_000])).collect();
    let cases = [
        ("none of it", told(1, END, "5")),
        ("too little", [told(1, 0, "5"), data(END, b"abc")].concat()),
        (
            "too little, and then nothing",
            [told(1, 0, "5"), data(0, b"abc"), data(END, b"")].concat(),
        ),
        ("too much", [told(1, 0, "5"), data(END, b"abcdef")].concat()),
        ("too much, in two", [told(1, 0, "5"), data(0, b"abcde"), data(END, b"f")].concat()),
        ("too little of much", [told(1, 0, "70000"), large.clone(), data(END, b"")].concat()),
        ("too much of much", [told(1, 0, "63999"), large, data(END, b"")].concat()),
    ];
    for (name, bytes) in cases {
        let mut client = Client::connect(server.addr());
        client.send([OPENING, &bytes].concat()).unwrap();
        let reset = until(&mut client, RST_STREAM).unwrap();
        assert_eq!((reset.stream, reset.code()), (1, 1), "{name}");
    }
    assert_eq!(asked.load(SeqCst), 0);
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &told(1, 0, "5"), &data(0, b"abcde"), &data(END, b"")].concat()).unwrap();
    assert_eq!(until(&mut client, DATA).unwrap().payload, b"abcde", "as long as told");
    server.stop();
}

/// What an application says of a connection is none of HTTP/2 (RFC 9113 section 8.2.2).
#[test]
fn answers_say_nothing_of_a_connection() {
    let php = Application::start(|_, stream| {
        let head = "Connection: close, x-own\r\nKeep-Alive: 9\r\nProxy-Connection: close\r\n\
                    Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nX-Other: 1\r\n\r\n";
        application::answer(stream, head.as_bytes());
    });
    let site = Site::new();
    let server = serve(&site, &php, "", "");
    let answer = String::from_utf8(curl(&server, &["--include"])).unwrap();
    assert!(answer.starts_with("HTTP/2 200") && answer.contains("x-other: 1\r\n"), "{answer}");
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(!answer.contains(&format!("\n{name}:")), "{answer}");
    }
    server.stop();
}
