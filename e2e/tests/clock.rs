//! Somebody sets the clock while the server runs: dates follow, waiting does not.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Ending, Server, Site, clock, eventually};
use std::time::{Instant, SystemTime};

const DAY_SECONDS: i32 = 86_400;

/// How many seconds the value of a date field is ahead of the real time.
fn ahead(value: &str) -> i64 {
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_secs()).unwrap()
    };
    seconds(httpdate::parse_http_date(value).unwrap()) - seconds(SystemTime::now())
}

/// Whether the server, asked now, says that it is so many seconds ahead.
fn says(client: &mut Client, seconds: i32) -> bool {
    let response = client.get("/digits.txt").unwrap();
    ahead(response.get("date").unwrap()).abs_diff(seconds.into()) <= 1
}

/// O6 of the threats.
#[test]
fn dates_follow_the_clock() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 2", ""));
    let mut client = Client::connect(server.addr());
    for seconds in [DAY_SECONDS, -DAY_SECONDS, 0] {
        clock::set_ahead(server.process(), seconds);
        assert!(eventually(|| says(&mut client, seconds)), "the server does not follow {seconds}");
    }
    server.stop();
}

/// O6: no answer says that it is older than what it holds (RFC 9110 section 8.8.2.1), even when
/// every file seems to come from the future.
#[test]
fn nothing_was_changed_after_its_answer() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 2", ""));
    clock::set_ahead(server.process(), -DAY_SECONDS);
    let mut client = Client::connect(server.addr());
    for target in ["/digits.txt", "/large.bin", "/style.css"] {
        let response = client.get(target).unwrap();
        assert_eq!(response.status, 200);
        let date = ahead(response.get("date").unwrap());
        let modified = response.get("last-modified").map(ahead);
        assert!(modified.is_none_or(|modified| modified <= date), "{target}: {modified:?}");
        let tag = response.get("etag").unwrap();
        client
            .send(format!("GET {target} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n"))
            .unwrap();
        assert_eq!(client.response().unwrap().status, 304, "{target} has not changed");
    }
    server.stop();
}

/// O6: whoever may wait waits as long as ever, and no longer.
#[test]
fn waiting_does_not_follow_the_clock() {
    let site = Site::new();
    let limits = "head-time = \"2s\"\nidle-time = \"2s\"";
    let server = Server::run(&site.config("threads = 2", limits));
    for seconds in [DAY_SECONDS, -DAY_SECONDS] {
        let start = Instant::now();
        let mut idle = Client::connect(server.addr());
        idle.get("/digits.txt").unwrap();
        let mut slow = Client::connect(server.addr());
        slow.send("GET /digits.txt HTTP/1.1\r\n").unwrap();
        clock::set_ahead(server.process(), seconds);
        assert!(eventually(|| says(&mut Client::connect(server.addr()), seconds)));
        assert_eq!(idle.ending().unwrap(), Ending::Closed);
        // By the clock it would be at once, or never.
        let waited = start.elapsed();
        assert!((1_900..20_000).contains(&waited.as_millis()), "idle for {waited:?}");
        assert_eq!(slow.response().unwrap().status, 408);
        let waited = start.elapsed();
        assert!((1_900..20_000).contains(&waited.as_millis()), "half a head for {waited:?}");
    }
    server.stop();
}
