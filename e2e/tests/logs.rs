//! The access log: what its lines tell, that nobody can write in them, nor be held up by it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Site, Stage, eventually};
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

/// Nor do those who watch them wait for anybody, and who comes anew has no more to write to.
#[test]
fn a_log_that_nobody_reads_holds_up_neither_workers_nor_who_watches_them() {
    let site = Site::new();
    let config = site.config("workers = 2\nthreads = 1", "");
    let server = Launch::run(&config).with_unread_log().start();
    // Who is killed leaves no part of a line that is no longer than a page.
    let target = format!("/digits.txt?{}", "x".repeat(3000));
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let ask = |times: usize| {
        for _ in 0..10 {
            let mut client = Client::connect(server.addr());
            for _ in 0..times {
                client.send(request.repeat(20)).unwrap();
                (0..20).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
            }
        }
    };
    // More than there is room for in a pipe and on the way to it.
    ask(25);
    server.replace_workers(2);
    ask(1);
    let victim = server.workers()[0];
    victim.kill();
    assert!(eventually(|| server.workers().len() == 2 && !server.workers().contains(&victim)));
    ask(1);
    // It is told to stop, and then there is a reader.
    server.stop();
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
    assert!(start.elapsed() < Duration::from_secs(15), "it took {:?}", start.elapsed());
}

/// A line of the Combined Log Format, read as strictly as its readers do.
#[derive(Debug, PartialEq, Eq)]
struct Combined {
    client: String,
    request: String,
    status: u16,
    bytes: u64,
    referer: String,
    agent: String,
}

fn combined(line: &str) -> Option<Combined> {
    let (client, rest) = line.split_once(" - - [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let month = &time[3..6];
    if shape != format!("00/{month}/0000:00:00:00 +0000") {
        return None;
    }
    let (request, rest) = rest.split_once("\" ")?;
    let (numbers, rest) = rest.split_once(" \"")?;
    let (status, bytes) = numbers.split_once(' ')?;
    let (referer, agent) = rest.strip_suffix('"')?.split_once("\" \"")?;
    let (client, request) = (client.to_owned(), request.to_owned());
    if [&*request, referer, agent].into_iter().any(|part| part.contains('"')) {
        return None;
    }
    let (status, bytes) = (status.parse().ok()?, bytes.parse().ok()?);
    let (referer, agent) = (referer.to_owned(), agent.to_owned());
    Some(Combined { client, request, status, bytes, referer, agent })
}

#[test]
fn combined_lines_are_read_as_those_of_other_servers() {
    let stage = Stage::new();
    let log = "log = { format = \"combined\", file = \"LOGS/a.log\" }";
    let server = stage.serve(log, "", "");
    let check = |head: &[u8]| {
        let mut client = Client::connect(server.addr());
        client.send(head).unwrap();
        client.response().unwrap();
    };
    check(b"GET /digits.txt?a HTTP/1.1\r\nHost: x\r\nReferer: http://a/\r\nUser-Agent: M/5 (X)\r\n\r\n");
    check(b"GET /large.bin HTTP/1.0\r\n\r\n");
    check(b"GET /\"%20[x]\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: \" \xff\x01\"\r\n\r\n");
    check(b"GET /%0a HTTP/1.1\r\nHost: x\r\nUser-Agent: a\" \"b\xff\r\n\r\n");
    server.stop();
    let lines = stage.lines("a.log");
    let found: Vec<_> = lines.iter().map(|line| combined(line).expect(line)).collect();
    let expect = |request: &str, status, bytes, referer: &str, agent: &str| Combined {
        client: "127.0.0.1".to_owned(),
        request: request.to_owned(),
        status,
        bytes,
        referer: referer.to_owned(),
        agent: agent.to_owned(),
    };
    assert_eq!(found[0], expect("GET /digits.txt?a HTTP/1.1", 200, 10, "http://a/", "M/5 (X)"));
    let large = Site::LARGE_BYTES as u64;
    assert_eq!(found[1], expect("GET /large.bin HTTP/1.0", 200, large, "-", "-"));
    assert_eq!(found[2].request, "GET /\\x22%20[x]\\x5C HTTP/1.1");
    assert_eq!((found[2].status, found[3].status), (400, 400));
    assert_eq!(found[3].agent, "a\\x22 \\x22b\\xFF");
    assert_eq!(found.len(), 4);
}

/// O5 of the threats: nor can anybody write in a line that the operator has shaped.
#[test]
fn nobody_can_write_in_a_template() {
    const HOSTILE: [&[u8]; 4] = [
        b"GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: a 200 \"b\" \\ \xff\x09c\r\n\r\n",
        b"GET /%20%0a?{status}%20 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x1b[2J\n HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\" 200 \xe2\x80\xae / HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    let stage = Stage::new();
    let format = "{status} {request} {agent} \\\"{agent}\\\" {reason}";
    let log = format!("log = {{ format = \"{format}\", file = \"LOGS/a.log\" }}");
    let server = stage.serve(&log, "", "");
    for bytes in HOSTILE {
        let mut client = Client::connect(server.addr());
        client.send(bytes).unwrap();
        client.response().unwrap();
    }
    server.stop();
    let lines = stage.lines("a.log");
    assert_eq!(lines.len(), HOSTILE.len(), "{lines:#?}");
    for line in &lines {
        let quoted: Vec<_> = line.split('"').collect();
        assert_eq!(quoted.len(), 3, "{line}");
        assert_eq!(quoted[0].split(' ').count(), 4, "{line}");
        assert_eq!(quoted[2].split(' ').count(), 2, "{line}");
    }
    assert_eq!(
        lines[0],
        "404 GET\\x20/a\\x20HTTP/1.1 a\\x20200\\x20\\x22b\\x22\\x20\\x5C\\x20\\xFF\\x09c \
         \"a 200 \\x22b\\x22 \\x5C \\xFF\\x09c\" -"
    );
    assert!(
        lines[1].contains("{status}"),
        "what is filled in is not filled in again: {}",
        lines[1]
    );
}
