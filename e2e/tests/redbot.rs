//! What REDbot and httplint, two judges of HTTP, have to say of the server's answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Server, binary::workspace};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

/// Notes that warn of something that is right, and why it is.
const RIGHT: [(&str, &str); 2] = [
    (
        "This response allows caches to assign their own freshness lifetimes to it.",
        "RFC 9111 section 4.2.2 allows that; for how long a file is good, only its owner can say",
    ),
    (
        "This response is partial, but doesn't have a Content-Range header.",
        "RFC 9110 section 15.3.7.2 forbids it where there are several ranges, as in what is judged \
         here; in answers with one, our own reader insists on it",
    ),
];

/// The first bytes of any PNG.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

/// A folder with one of everything.
fn site() -> tempfile::TempDir {
    let site = e2e::folder();
    let write = |name: &str, content: &[u8]| {
        fs::write(site.path().join(name), content).unwrap();
        let file = File::options().append(true).open(site.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(5000)).unwrap();
    };
    fs::create_dir(site.path().join("list")).unwrap();
    // REDbot cuts a range out of it, and wants that to be less than the whole.
    let words = "<p>words</p>\n".repeat(100);
    let page = format!("<!doctype html><html lang=\"en\"><title>page</title>\n{words}</html>\n");
    write("index.html", page.as_bytes());
    write("404.html", b"<!doctype html><html lang=\"en\"><title>none</title><p>none</html>\n");
    write("pixel.png", &[PNG, &[0; 1000]].concat());
    write("style.css", "p { color: red }\n".repeat(100).as_bytes());
    write("list/text.txt", b"text\n");
    let gzip = Command::new("gzip").arg("--keep").arg(site.path().join("style.css")).status();
    assert!(gzip.unwrap().success());
    site
}

/// Runs a tool of the folder that the test gate installs both in.
fn run(tool: &str, words: &[&str], input: &[u8]) -> Output {
    let path: PathBuf = workspace().join("target/tools/redbot/bin").join(tool);
    let command = Command::new(&path)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child =
        command.unwrap_or_else(|e| panic!("{}: {e}: `cargo xtask test` has it", path.display()));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {errors}");
    output
}

/// Checks one note by its level and its words.
fn judge(what: &str, level: &str, words: &str) {
    let is_right = RIGHT.iter().any(|(right, _)| words.contains(right));
    assert!(is_right || matches!(level, "GOOD" | "INFO"), "{level}: {words}\n{what}");
}

/// REDbot asks for one thing in many ways: with conditions, ranges and codings.
#[test]
fn redbot() {
    let site = site();
    let server = Server::start(&[site.path().to_str().unwrap()]);
    let targets = [
        ("/", 200),
        ("/pixel.png", 200),
        ("/style.css", 200),
        ("/list/", 200),
        ("/list", 301),
        ("/none", 404),
    ];
    for (target, status) in targets {
        let url = format!("http://{}{target}", server.addr());
        let har: Value =
            serde_json::from_slice(&run("redbot", &["-o", "har", &url], b"").stdout).unwrap();
        let entry = &har["log"]["entries"][0];
        assert_eq!(entry["response"]["status"], status, "{target}");
        let notes = entry["_red_messages"].as_array().unwrap();
        assert!(notes.len() >= 3, "{target}: REDbot has hardly looked");
        let inner = notes.iter().filter_map(|note| note["subnotes"].as_array()).flatten();
        for note in notes.iter().chain(inner) {
            judge(target, note["level"].as_str().unwrap(), note["summary"].as_str().unwrap());
        }
    }
    server.stop();
}

/// httplint reads one answer, whatever the request was (but for a HEAD, which it would have to
/// know of).
#[test]
fn httplint() {
    let site = site();
    let server = Server::start(&[site.path().to_str().unwrap()]);
    let date = httpdate::fmt_http_date(SystemTime::now());
    let since = format!("If-Modified-Since: {date}\r\n");
    let requests = [
        ("GET", "/", "", 200),
        ("GET", "/style.css", "Accept-Encoding: gzip\r\n", 200),
        ("GET", "/style.css", "Range: bytes=0-99\r\n", 206),
        ("GET", "/style.css", "Range: bytes=0-9, 20-29\r\n", 206),
        ("GET", "/style.css", "Range: bytes=9999-\r\n", 416),
        ("GET", "/style.css", &since, 304),
        ("GET", "/style.css", "If-Match: \"other\"\r\n", 412),
        ("GET", "/list", "", 301),
        ("GET", "/list/", "Accept: application/json\r\n", 200),
        ("GET", "/none", "", 404),
        ("OPTIONS", "/", "", 204),
        ("DELETE", "/", "", 405),
    ];
    for (method, target, fields, status) in requests {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n"
        );
        let mut client = Client::connect(server.addr());
        client.send(&request).unwrap();
        let (answer, _) = client.drain().unwrap();
        let begin = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(begin.as_bytes()), "{request}{}", answer.escape_ascii());
        let told = run("httplint", &["-n"], &answer).stdout;
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("* [GOOD]"), "{request}httplint has hardly looked:\n{told}");
        for note in told.lines().filter_map(|line| line.strip_prefix("* [")) {
            let (level, words) = note.split_once("] ").unwrap();
            judge(&request, level, words);
        }
    }
    server.stop();
}
