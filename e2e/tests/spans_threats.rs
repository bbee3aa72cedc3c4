//! Collectors of spans that are away, silent, full or wrong: nobody who asks for a page notices,
//! and what is lost is counted.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Place, Server, collector::Collector, eventually, place::config};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

/// A place whose spans go to that URL.
fn place(url: &str) -> Place {
    let server = format!("threads = 1\nrequest-id = true\ntrace = '1/1'\notlp = '{url}'");
    Place::new(&config(&server, "", ""))
}

/// Asks so often, all at once: what is told of it goes along together.
fn ask(server: &Server, count: usize) {
    let mut client = Client::connect(server.addr());
    client.send("GET /digits.txt HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count)).unwrap();
    (0..count).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
}

/// How many spans were sent, and how many dropped.
fn counts(place: &Place) -> (u64, u64) {
    let status = place.status();
    let count = |name: &str| status[name].as_u64().unwrap();
    (count("spans_sent"), count("spans_dropped"))
}

/// The memory of the process that sends them, in KiB.
fn memory_kib(server: &Server) -> u64 {
    let children = server.started().children().into_iter();
    children.filter(|one| one.name() == "gannet-spans").map(|one| one.memory_peak_kib()).sum()
}

/// An address that nobody listens at until somebody does.
fn nowhere() -> (SocketAddr, impl FnOnce() -> TcpListener) {
    let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let addr = SocketAddr::try_from(getsockname(&held).unwrap()).unwrap();
    (addr, move || {
        listen(&held, 16).unwrap();
        TcpListener::from(held)
    })
}

#[test]
fn what_is_put_off_is_sent_again_until_it_is_taken() {
    let collector = Collector::answering(|number, stream| {
        let _ = match number {
            0 => stream
                .write_all(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"),
            // It closes without a word, first a connection that was kept.
            1 | 2 => stream.shutdown(std::net::Shutdown::Both),
            3 => stream.write_all(b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"),
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        };
    });
    let place = place(&collector.url());
    let server = place.start();
    ask(&server, 3);
    let all = collector.wait(5);
    assert!(all.iter().all(|again| again.body == all[0].body), "it is the same each time");
    assert!(eventually(|| counts(&place) == (3, 0)));
    assert!(eventually(|| place
        .reasons("spans")
        .last()
        .is_some_and(|last| last.contains("again"))));
    let said = place.reasons("spans");
    assert!(said[0].ends_with("status 503") && said.len() == 4, "{said:?}");
    server.stop();
}

#[test]
fn what_is_refused_is_counted_and_said_once() {
    let rejected = b"\x0a\x0b\x08\x01\x12\x07too old";
    let collector = Collector::answering(move |number, stream| {
        let (status, content) = match number {
            0 | 1 => ("400 Bad Request", &b"what is this?"[..]),
            2 => ("200 OK", &rejected[..]),
            _ => ("200 OK", &b""[..]),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", content.len());
        let _ = stream.write_all(&[head.as_bytes(), content].concat());
    });
    let place = place(&collector.url());
    let server = place.start();
    for (at, expect) in [(0, (0, 2)), (1, (0, 4)), (2, (1, 5)), (3, (3, 5))] {
        ask(&server, 2);
        assert!(eventually(|| counts(&place) == expect), "{at}: {:?}", counts(&place));
        assert_eq!(collector.delivered().len(), at + 1, "none of it is sent once more");
    }
    let said = place.reasons("spans");
    assert!(said.len() == 3 && said[0].ends_with("status 400"), "{said:?}");
    assert!(said[1].ends_with("too old") && said[2].contains("again"), "{said:?}");
    let (_, said, _) = place.ask(&["status"]);
    assert!(said.contains(", 5 spans dropped"), "{said}");
    server.stop();
}

#[test]
fn an_answer_without_an_end_costs_neither_memory_nor_spans() {
    let collector = Collector::answering(|number, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        // As much as it takes, and as much again.
        while number == 0 && stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    let place = place(&collector.url());
    let server = place.start();
    for count in [2, 4] {
        ask(&server, 2);
        assert!(eventually(|| counts(&place) == (count, 0)), "{:?}", counts(&place));
    }
    assert_eq!(collector.spans().len(), 4);
    assert!(memory_kib(&server) < 64 * 1024, "{}", memory_kib(&server));
    server.stop();
}

#[test]
fn a_silent_collector_holds_up_neither_answers_nor_the_end() {
    let collector = Collector::answering(|_, _| thread::park());
    let place = place(&collector.url());
    let server = place.start();
    ask(&server, 3);
    collector.wait(1);
    let begun = Instant::now();
    ask(&server, 2);
    let stopped = server.stop();
    // It has two seconds for its last words.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let last = stopped.lines.last().unwrap();
    assert_eq!((&last["spans_sent"], &last["spans_dropped"]), (&0.into(), &5.into()));
}

#[test]
fn of_a_long_absence_the_beginning_is_kept_and_the_rest_is_counted() {
    let (addr, begin) = nowhere();
    let place = place(&format!("http://{addr}"));
    let server = place.start();
    let mut client = Client::connect(server.addr());
    let long = "x".repeat(1_500);
    let path = format!("/{long}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nUser-Agent: {long}\r\n\r\n");
    let mut asked = 0;
    // Each of these spans has more than two KiB.
    let is_full = eventually(|| {
        for _ in 0..200 {
            client.send(&request).unwrap();
            assert_eq!(client.response().unwrap().status, 404);
        }
        asked += 200;
        counts(&place).1 > 0
    });
    assert!(is_full && asked * 4_000 > (8 << 20), "{asked} were kept");
    assert!(memory_kib(&server) < 64 * 1024, "{}", memory_kib(&server));
    let said = place.reasons("spans");
    assert!(said.len() == 1 && said[0].contains("nobody listens there"), "{said:?}");
    let collector = Collector::at(begin(), |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let is_all = || {
        let (sent, dropped) = counts(&place);
        sent + dropped == asked
    };
    assert!(eventually(is_all), "{:?} of {asked}", counts(&place));
    let (sent, _) = counts(&place);
    let spans = collector.spans();
    assert_eq!(spans.len() as u64, sent);
    assert!(spans.iter().all(|span| span.get("url.path").as_str().unwrap().len() == 1_024));
    let sizes: Vec<_> = collector.delivered().iter().map(|one| one.body.len()).collect();
    assert!(sizes.len() > 10 && sizes.iter().all(|size| *size < 520 * 1024), "{sizes:?}");
    server.stop();
}
