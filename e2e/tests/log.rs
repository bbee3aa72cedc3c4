//! The log: what it tells, that nobody can write in it, and that it holds nobody up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Site};
use rustix::process::Signal;
use std::{
    thread,
    time::{Duration, Instant},
};

fn server(site: &Site) -> Server {
    Server::start(&[&site.root_text(), "--threads", "1"])
}

#[test]
fn a_request_is_told_in_one_line() {
    let site = Site::new();
    let server = server(&site);
    let addr = server.addr();
    assert_eq!(Client::connect(addr).get("/digits.txt?a=b").unwrap().status, 200);
    let line = server.wait_for(|line| line["event"] == "request");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["host"], "localhost");
    assert_eq!(line["target"], "/digits.txt?a=b");
    assert_eq!(line["protocol"], "HTTP/1.1");
    assert_eq!(line["status"], 200);
    assert!(line["bytes"].as_u64().is_some_and(|bytes| bytes >= 10), "{line}");
    assert!(line["us"].is_u64(), "{line}");
    assert!(line["reason"].is_null(), "{line}");
    server.stop();
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let site = Site::new();
    let server = server(&site);
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    let line = server.wait_for(|line| line["event"] == "request");
    assert_eq!(line["status"], 400);
    assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
    assert_eq!(line["refused"], "GET / HTTP/1.1");
    server.stop();
}

/// O5 of the threats: every line is one JSON object, and holds what was sent as data.
#[test]
fn nobody_can_write_in_the_log() {
    const HOSTILE: [&[u8]; 12] = [
        b"GET /\",\"status\":200,\"x\":\" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\\\" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\\ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\\u0000\\n HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%0a{\"event\":\"request\"} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe\xc3( HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\"b\\\x1b\xff\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \"\\\x1b[31m\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nReferer: \"},{\"\r\n\r\n",
        b"\"\\\x1b{}\xff / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /a\n{\"event\":\"stop\"} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let site = Site::new();
    let server = server(&site);
    for bytes in HOSTILE {
        let mut client = Client::connect(server.addr());
        client.send(bytes).unwrap();
        client.response().unwrap();
    }
    // That every line is whole, valid and without odd bytes is checked by the harness.
    let lines = server.stop().lines;
    let requests: Vec<_> = lines.iter().filter(|line| line["event"] == "request").collect();
    assert_eq!(requests.len(), HOSTILE.len());
    assert_eq!(requests[0]["target"], "/\",\"status\":200,\"x\":\"");
    assert_eq!(requests[0]["status"], 404);
    assert_eq!(requests[3]["target"], "/\\u0000\\n");
}

/// O4 of the threats: nobody reads the log. Requests are answered all the same, and what could
/// not be written is counted.
#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    const REQUESTS: usize = 20_000;
    let site = Site::new();
    let server = Launch::quick(&[&site.root_text(), "--threads", "1"]).with_unread_log().start();
    let mut client = Client::connect(server.addr());
    let target = format!("/digits.txt?{}", "x".repeat(200));
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for _ in 0..REQUESTS / 100 {
        client.send(request.repeat(100)).unwrap();
        for _ in 0..100 {
            assert_eq!(client.response().unwrap().status, 200);
        }
    }
    server.signal(Signal::TERM);
    // The reader comes back to life while the server is ending, and not before.
    thread::sleep(Duration::from_millis(300));
    let stopped = server.ended();
    let written = stopped.lines.iter().filter(|line| line["event"] == "request").count();
    let dropped = stopped.lines.last().unwrap()["log_lines_dropped"].as_u64().expect("a count");
    assert!(dropped > 0, "{REQUESTS} lines do not fit into a pipe");
    assert_eq!(written as u64 + dropped, REQUESTS as u64, "each is written or counted");
}

/// The reader of the log goes away: nothing to write to, but still a server.
#[test]
fn a_log_whose_reader_is_gone_holds_nobody_up() {
    let site = Site::new();
    let mut server = Launch::quick(&[&site.root_text()]).with_unread_log().start();
    server.close_log();
    for _ in 0..20 {
        assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    }
}

/// O4 of the threats: nor does it hold up the end, for long.
#[test]
fn a_log_that_nobody_ever_reads_does_not_hold_up_the_end() {
    let site = Site::new();
    let server = Launch::quick(&[&site.root_text()]).with_unread_log().start();
    let mut client = Client::connect(server.addr());
    let target = format!("/digits.txt?{}", "x".repeat(4000));
    for _ in 0..100 {
        assert_eq!(client.get(&target).unwrap().status, 200);
    }
    let start = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.status().success());
    assert!(start.elapsed() < e2e::PATIENCE / 2, "it took {:?}", start.elapsed());
}
