//! The logs: what they tell and where, that nobody can write in them, and that they hold nobody up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Site, eventually};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use serde_json::Value;
use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
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

/// A site, and a folder for its logs.
struct Stage {
    site: Site,
    logs: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { site: Site::new(), logs: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.logs.path().join(name)
    }

    /// Serves with these settings of the server, with one loop unless they say otherwise, and of
    /// the default site, and `more` sites. `LOGS` in them stands for the folder of the logs.
    fn serve(&self, server: &str, site: &str, more: &str) -> Server {
        let root = self.site.root();
        let loops = if server.contains("threads") { "" } else { "threads = 1" };
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{loops}\n{server}\n\
             [site.default]\nroot = {root:?}\n{site}\n{more}\n"
        );
        let config = config.replace("ROOT", self.site.root_text().as_str());
        Server::run(&config.replace("LOGS", self.logs.path().to_str().unwrap()))
    }

    fn lines(&self, name: &str) -> Vec<String> {
        lines(&self.file(name))
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with(b"\n"), "whole lines");
    let is_printable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b' '..=b'~');
    assert!(text.iter().all(is_printable), "odd bytes in {}", path.display());
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

fn get(addr: SocketAddr, host: &str, target: &str) -> e2e::Response {
    let mut client = Client::connect(addr);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    client.response().unwrap()
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

#[test]
fn each_exchange_is_in_the_log_of_its_route_and_in_no_other() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = { format = \"{host} {path}\", file = \"LOGS/all.log\" }",
        "route.\"/digits.txt\".log = \"off\"\nroute.\"/sub/*\".log = { only = [\"4xx\"] }",
        "[site.\"b.example\"]\nroot = \"ROOT\"\nlog = { file = \"LOGS/b.log\" }\n\
         [site.\"c.example\"]\nroot = \"ROOT\"\nlog = { file = \"LOGS/all.log\", sample = \"1/3\" }",
    );
    for (host, target) in [
        ("a", "/page.html"),
        ("a", "/digits.txt"),
        ("a", "/sub/page.txt"),
        ("a", "/sub/nothing"),
        ("b.example", "/digits.txt"),
        ("b.example", "/nothing"),
    ] {
        get(server.addr(), host, target);
    }
    // All on one connection, and so on one loop.
    let mut client = Client::connect(server.addr());
    for number in 0..7 {
        let head = format!("GET /digits.txt?{number} HTTP/1.1\r\nHost: c.example\r\n\r\n");
        client.send(head).unwrap();
        client.response().unwrap();
    }
    server.stop();
    let mut all = stage.lines("all.log");
    all.sort();
    let sampled = "c.example /digits.txt";
    assert_eq!(all, ["a /page.html", "a /sub/nothing", sampled, sampled, sampled]);
    let mut b = stage.lines("b.log");
    b.sort();
    assert_eq!(b, ["b.example /digits.txt", "b.example /nothing"]);
}

/// Two loops and two sites write to one file as fast as they can.
#[test]
fn no_line_of_a_shared_file_is_torn() {
    const REQUESTS: usize = 3_000;
    let stage = Stage::new();
    let server = stage.serve(
        "log = { format = \"{host} {query} {host}\", file = \"LOGS/a.log\", buffer = \"16KiB\" }\n\
         threads = 2",
        "",
        "[site.\"b.example\"]\nroot = \"ROOT\"\nlog = { format = \"{host} {query} {host}\" }",
    );
    let addr = server.addr();
    thread::scope(|scope| {
        for host in ["a.example", "b.example", "a.example", "b.example"] {
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                let query = "x".repeat(100);
                for _ in 0..REQUESTS / 100 {
                    let head = format!("GET /digits.txt?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n");
                    client.send(head.repeat(100)).unwrap();
                    (0..100).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
                }
            });
        }
    });
    let dropped = server.stop().lines.last().unwrap()["log_lines_dropped"].as_u64().unwrap();
    let lines = stage.lines("a.log");
    assert_eq!(lines.len() as u64 + dropped, 4 * REQUESTS as u64);
    assert!(!lines.is_empty());
    let query = "x".repeat(100);
    let whole = |line: &&String| {
        ["a", "b"].iter().any(|site| **line == format!("{site}.example {query} {site}.example"))
    };
    assert_eq!(lines.iter().filter(whole).count(), lines.len());
}

/// logrotate moves the file away and sends SIGUSR1, while the server is busy.
#[test]
fn moved_files_are_opened_anew_and_nothing_is_lost() {
    let stage = Stage::new();
    let log = "log = { format = \"{query}\", file = \"LOGS/a.log\" }\nthreads = 2";
    let server = stage.serve(log, "", "");
    let addr = server.addr();
    let ask = |from: usize| {
        let mut clients: Vec<_> = (0..8).map(|_| Client::connect(addr)).collect();
        for number in from..from + 400 {
            let target = format!("/digits.txt?{number}");
            assert_eq!(clients[number % 8].get(&target).unwrap().status, 200);
        }
    };
    let mut files = vec![stage.file("a.log")];
    for round in 0..5 {
        ask(round * 400);
        // What was logged so far is at most gathered; the flush is a second away.
        let moved = stage.file(&format!("a.log.{round}"));
        fs::rename(stage.file("a.log"), &moved).unwrap();
        server.signal(Signal::USR1);
        assert!(eventually(|| stage.file("a.log").exists()), "a new file");
        let numbers = |path: &Path| lines(path).iter().map(|line| line.parse().unwrap()).collect();
        let old: HashSet<usize> = numbers(&moved);
        assert_eq!(old, (round * 400..(round + 1) * 400).collect(), "all of it is in the old file");
        files.push(moved);
    }
    server.stop();
    let all: Vec<_> = files.iter().flat_map(|file| lines(file)).collect();
    assert_eq!(all.len(), 2_000, "each once");
}

#[test]
fn a_file_that_cannot_be_opened_anew_is_kept() {
    let stage = Stage::new();
    fs::create_dir(stage.file("logs")).unwrap();
    let server = stage.serve(
        "log = { format = \"{path}\", file = \"LOGS/logs/a.log\" }\n\
         error-log = { format = \"json\", file = \"LOGS/errors.log\" }",
        "",
        "",
    );
    assert_eq!(get(server.addr(), "x", "/digits.txt").status, 200);
    fs::rename(stage.file("logs"), stage.file("moved")).unwrap();
    server.signal(Signal::USR1);
    let complaint = || {
        let lines = stage.lines("errors.log");
        lines.iter().any(|line| line.contains("log_kept") && line.contains("logs/a.log"))
    };
    assert!(eventually(complaint), "{:?}", stage.lines("errors.log"));
    assert_eq!(get(server.addr(), "x", "/page.html").status, 200);
    server.stop();
    assert_eq!(stage.lines("moved/a.log"), ["/digits.txt", "/page.html"]);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_that_names_it() {
    let stage = Stage::new();
    fs::create_dir(stage.file("folder")).unwrap();
    mkfifoat(CWD, stage.file("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let root = stage.site.root();
    for (name, why) in [
        ("folder", "it is a folder, not a file"),
        ("pipe", "it is a pipe, not a file"),
        ("nowhere/a.log", "nowhere does not exist"),
    ] {
        let file = stage.file(name);
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = {{ file = {file:?} }}\n[site.default]\nroot = {root:?}\n"
        );
        let (code, _, stderr) = Launch::run(&config).finish();
        assert_eq!(code, Some(2), "{stderr}");
        let is_told = |part: &str| stderr.contains(part);
        assert!(is_told(why) && is_told(file.to_str().unwrap()) && is_told(":3:16"), "{stderr}");
    }
}

#[test]
fn an_id_is_in_the_answer_and_in_its_lines() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = \"json\"\nrequest-id = true\nerror-log = { file = \"LOGS/errors.log\" }",
        "route.\"/id\".respond = \"it is {request-id}\"\nroute.\"/no\".deny = \"127.0.0.1\"",
        "",
    );
    let mut seen = HashSet::new();
    let mut check = |head: &str, status: u16| {
        let mut client = Client::connect(server.addr());
        client.send(head).unwrap();
        let response = client.response().unwrap();
        assert_eq!(response.status, status, "{head}");
        let id = response.get("x-request-id").expect(head).to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let line = server.wait_for(|line| line["request_id"] == *id);
        assert_eq!(line["status"], status, "{line}");
        assert!(seen.insert(id.clone()), "{id} came twice");
        (id, response)
    };
    let ask =
        |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n");
    let (id, response) = check(&ask("/id"), 200);
    assert_eq!(response.text(), format!("it is {id}"));
    check(&ask("/digits.txt"), 200);
    check(&ask("/large.bin"), 200);
    check(&ask("/nothing"), 404);
    let (refused, _) = check("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400);
    let (denied, _) = check(&ask("/no"), 403);
    server.stop();
    let errors = stage.lines("errors.log");
    let ids: Vec<Value> = errors
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].clone())
        .collect();
    assert_eq!(ids, [&*refused, &*denied]);
}

#[test]
fn a_trusted_proxy_names_the_exchange() {
    let stage = Stage::new();
    let server =
        stage.serve("log = \"json\"\nrequest-id = true\ntrusted-proxies = [\"127.0.0.1\"]", "", "");
    let id = |field: &str| {
        let mut client = Client::connect(server.addr());
        client.send(format!("GET /digits.txt HTTP/1.1\r\nHost: x\r\n{field}\r\n")).unwrap();
        client.response().unwrap().get("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("X-Request-Id: Root=1-67.a\r\n"), "Root=1-67.a");
    server.wait_for(|line| line["request_id"] == "Root=1-67.a");
    for odd in ["X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n", ""] {
        assert_eq!(id(odd).len(), 32, "{odd}");
    }
    server.stop();
}

#[test]
fn without_ids_nobody_gets_one() {
    let stage = Stage::new();
    let server = stage.serve("log = \"json\"", "", "");
    assert_eq!(get(server.addr(), "x", "/digits.txt").get("x-request-id"), None);
    let line = server.wait_for(|line| line["event"] == "request");
    assert!(line["request_id"].is_null(), "{line}");
    server.stop();
}

/// The error log says why, and which setting says so.
#[test]
fn refusals_are_told_with_their_reasons() {
    let stage = Stage::new();
    let server = stage.serve(
        "log = \"json\"\nerror-log = { file = \"LOGS/errors.log\" }",
        "route.\"/deny\".deny = \"127.0.0.0/8\"\nroute.\"/allow\".allow = \"10.0.0.1\"\n\
         route.\"/post\" = { methods = \"POST\", respond = \"let in\" }\nroute.\"PUT /put\".respond = \"put\"\n\
         route.\"/said\".respond = { status = 403, text = \"by the config\" }\n\
         route.\"/both\" = { deny = \"::2\", allow = \"::1\", respond = \"let in\" }\n\
         route.\"/auth\".auth.users.alice = \"$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\"",
        "",
    );
    let check = |head: &str, status: u16, reason: &str, setting: Option<&str>| {
        let before = stage.lines("errors.log").len();
        let mut client = Client::connect(server.addr());
        client.send(head).unwrap();
        assert_eq!(client.response().unwrap().status, status, "{head}");
        assert!(eventually(|| stage.lines("errors.log").len() > before), "{head} is not told");
        let line = stage.lines("errors.log").pop().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["event"], "refused", "{line}");
        assert_eq!(line["client"], "127.0.0.1", "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert!(line["reason"].as_str().is_some_and(|found| found.contains(reason)), "{line}");
        assert_eq!(line["setting"].as_str(), setting, "{line}");
        assert_eq!(line["place"].is_string(), setting.is_some(), "{line}");
    };
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    // What is merely not there, and what the config itself says, is no trouble.
    assert_eq!(get(server.addr(), "x", "/nothing").status, 404);
    assert_eq!(get(server.addr(), "x", "/said").status, 403);
    assert_eq!(get(server.addr(), "x", "/auth").status, 401);
    check("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "more than one host", None);
    check(&format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(40_000)), 414, "too long", None);
    check(&ask("/%00"), 400, "path", None);
    check(&ask("/deny"), 403, "address", Some("deny"));
    check(&ask("/allow"), 403, "address", Some("allow"));
    check(&ask("/both"), 403, "address", Some("allow"));
    let wrong = "GET /auth HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxpY2U6eA==\r\n\r\n";
    check(wrong, 401, "password", Some("auth"));
    check(&ask("/post"), 405, "method", Some("methods"));
    check(&ask("/put"), 405, "method", Some("route"));
    server.stop();
    assert_eq!(stage.lines("errors.log").len(), 9);
}

/// A flood of nonsense fills no disk: the lines of a second are counted, and each is accounted for.
#[test]
fn repeats_are_counted_instead_of_written() {
    const REFUSALS: usize = 500;
    let stage = Stage::new();
    let server = stage.serve(
        "log = \"off\"\nerror-log = { format = \"json\", file = \"LOGS/errors.log\" }",
        "",
        "",
    );
    let refuse = |times: usize| {
        for _ in 0..times {
            let mut client = Client::connect(server.addr());
            client.send("nonsense\r\n\r\n").unwrap();
            assert_eq!(client.response().unwrap().status, 400);
        }
    };
    refuse(REFUSALS);
    let told = || {
        let lines = stage.lines("errors.log");
        let repeats = |line: &String| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["repeats"].as_u64().unwrap_or(1) as usize
        };
        (lines.len(), lines.iter().map(repeats).sum::<usize>())
    };
    assert!(eventually(|| told().1 == REFUSALS), "{:?}", told());
    assert!(told().0 < REFUSALS / 2, "{:?}", told());
    // A second that is not over when the server stops is accounted for, too.
    refuse(30);
    server.stop();
    assert_eq!(told().1, REFUSALS + 30);
}

/// A fault of ours has a line that says where, and one that says whose request it ended; the answer
/// is dressed like every other of its site.
#[test]
fn a_panic_is_told_with_the_request_that_it_ended() {
    let site = Site::new();
    let root = site.root_text();
    let server = "[server]\nlisten = \"127.0.0.1:0\"\nthreads = 1\nlog = \"off\"\n";
    let config =
        format!("{server}[site.\"x\"]\nroot = {root:?}\nfields = {{ X-Site = \"here\" }}\n");
    let server = Launch::run(&config).env("GANNET_FAIL", "exchange=panic:1").start();
    let answer = get(server.addr(), "x", "/digits.txt");
    assert_eq!((answer.status, answer.get("x-site")), (500, Some("here")));
    assert_eq!(get(server.addr(), "x", "/digits.txt").status, 200);
    let stopped = server.stop();
    let lines: Vec<Value> =
        stopped.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [fault, exchange] = &lines[..] else { panic!("{}", stopped.stderr) };
    assert_eq!((&fault["event"], &fault["level"]), (&"panicked".into(), &"error".into()));
    let reason = fault["reason"].as_str().unwrap();
    assert!(reason.contains("exchange") && reason.contains(".rs:"), "{reason}");
    assert_eq!((&exchange["event"], &exchange["status"]), (&"failed".into(), &500.into()));
    assert_eq!(exchange["target"], "/digits.txt");
}

/// O3 of the threats: where the disk is full, serving goes on, and what is lost is counted.
#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let stage = Stage::new();
    let server = stage.serve("log = { format = \"json\", file = \"/dev/full\" }", "", "");
    for _ in 0..20 {
        assert_eq!(get(server.addr(), "x", "/digits.txt").status, 200);
    }
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["log_lines_dropped"], 20);
}
