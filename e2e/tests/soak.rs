//! All sorts of clients at once, for a while: whatever they do, nothing piles up.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Site, eventually, soak_time};
use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Descriptors of large files that the server may keep open: two files, on two loops.
const KEPT: usize = 4;

/// Messages that are turned down, each in its own way.
const BAD: [&str; 6] = [
    "GET / HTTP/1.1\r\n\r\n",
    "GET /\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "\x16\x03\x01\x02\0\x01\0\x01",
];

/// Reads a few answers and keeps the connection meanwhile.
fn read(addr: SocketAddr) {
    let mut client = Client::connect(addr);
    for target in ["/digits.txt", "/large.bin", "/crowd/", "/none", "/style.css", "/sub"] {
        let response = client.get(target).unwrap();
        assert!(matches!(response.status, 200 | 301 | 404), "{target}: {}", response.status);
    }
}

/// Goes away in the middle of a large answer, or of a request.
fn abort(addr: SocketAddr) {
    let mut client = Client::connect(addr);
    client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.take(100_000).unwrap();
    client.abort();
    let mut client = Client::connect(addr);
    client.send("GET /digits.txt HTTP/1.1\r\nHo").unwrap();
    client.abort();
}

/// Takes its time with a large answer.
fn dawdle(addr: SocketAddr) {
    let mut client = Client::connect_narrow(addr).slowed(16 * 1024, Duration::from_millis(5));
    assert_eq!(client.get("/large.bin").unwrap().body.len(), Site::LARGE_BYTES);
}

/// Sends what nobody understands.
fn babble(addr: SocketAddr) {
    for bytes in BAD {
        let mut client = Client::connect(addr);
        client.send(bytes).unwrap();
        let (answer, _) = client.drain().unwrap();
        assert!(answer.windows(12).any(|part| part.starts_with(b"HTTP/1.1 4")), "{bytes:?}");
    }
}

/// Asks for much at once and reads it all, from an address that changes.
fn crowd(addr: SocketAddr) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let last = NEXT.fetch_add(1, Ordering::Relaxed) % 200 + 2;
    let source: IpAddr = format!("127.0.0.{last}").parse().unwrap();
    let mut client = Client::connect_from(source, addr);
    client.send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)).unwrap();
    (0..100).for_each(|_| assert_eq!(client.response().unwrap().status, 200));
}

/// What the server uses.
#[derive(Debug)]
struct Use {
    memory_kib: u64,
    threads: u64,
}

fn used(server: &Server) -> Use {
    let process = server.process();
    Use { memory_kib: process.own_memory_kib(), threads: process.threads() }
}

#[test]
fn nothing_piles_up() {
    let site = Site::new();
    // A line for each of a million requests is more than the test wants to keep.
    let words = [&*site.root_text(), "--port", "0", "--threads", "2", "--log", "off"];
    let server = Launch::of(words.map(str::to_owned).to_vec()).start();
    let addr = server.addr();
    read(addr);
    let descriptors = server.process().descriptors() + KEPT;
    let length = soak_time(8, 300);
    let is_over = AtomicBool::new(false);
    let rounds = AtomicUsize::new(0);
    let (middle, end) = thread::scope(|scope| {
        for act in [read, abort, dawdle, babble, crowd, abort] {
            let (is_over, rounds) = (&is_over, &rounds);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    act(addr);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let start = Instant::now();
        thread::sleep(length / 2);
        let middle = used(&server);
        thread::sleep(length.saturating_sub(start.elapsed()));
        let end = used(&server);
        is_over.store(true, Ordering::Relaxed);
        (middle, end)
    });
    assert!(rounds.into_inner() > 50, "hardly anything happened");
    let is_flat = || used(&server).memory_kib <= middle.memory_kib + 2048;
    assert!(eventually(is_flat), "{middle:?} became {end:?}, then {:?}", used(&server));
    assert!(end.threads <= middle.threads.max(20), "{middle:?} became {end:?}");
    let settled = || server.process().descriptors() <= descriptors;
    assert!(eventually(settled), "{descriptors} became {}", server.process().descriptors());
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["panics"], 0);
}
