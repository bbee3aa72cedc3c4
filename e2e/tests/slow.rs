//! Clients that are slow, greedy or absent cost a bounded amount of memory and time.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Server, Site, Stopped, extent,
    frames::{self, DATA, HEADERS, OPENING, WINDOW_UPDATE, frame},
    process::Process,
    response::Bytes,
};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// What a clock with coarse ticks, on both sides, may be early by.
const TICK: Duration = Duration::from_millis(20);

/// How long a client keeps trying before it says that the server takes nothing any more.
const STALL: Duration = Duration::from_millis(200);

/// A server of so many workers, with as many loops each.
fn server(site: &Site, workers: usize, limits: &str) -> Server {
    Server::run(&site.config(&format!("workers = {workers}\nthreads = {workers}"), limits))
}

/// What all workers need of something together.
fn sum(server: &Server, of: impl Fn(Process) -> u64) -> u64 {
    server.workers().into_iter().map(of).sum()
}

fn logged(stopped: &Stopped, status: u16) -> usize {
    stopped.lines.iter().filter(|line| line["status"] == status).count()
}

/// Sends `byte` every 50 ms until the server has something to say, and says how long that is after
/// the `start`.
fn drip(client: &mut Client, byte: u8, start: Instant) -> Duration {
    while !client.hears_within(Duration::from_millis(50)) {
        assert!(start.elapsed() < e2e::PATIENCE, "the server puts up with it for ever");
        let _ = client.send([byte]);
    }
    start.elapsed()
}

/// Row 38: each byte of a head comes soon, but the whole of it does not.
#[test]
fn a_head_has_a_time_in_all() {
    let site = Site::new();
    let server = server(&site, 1, "head-time = \"500ms\"\nidle-time = \"10s\"");
    let mut client = Client::connect(server.addr());
    client.get("/digits.txt").unwrap();
    let start = Instant::now();
    client.send("GET /digits.txt HTTP/1.1\r\nX: ").unwrap();
    let waited = drip(&mut client, b'x', start);
    assert!(waited + TICK >= Duration::from_millis(500), "cut off after {waited:?}");
    let response = client.response().unwrap();
    assert_eq!(response.status, 408);
    assert!(response.closes());
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    assert_eq!(logged(&server.stop(), 408), 1);
}

/// Row 38: who was refused is heard out for a while, lest the answer gets lost, but not for ever.
#[test]
fn a_refused_client_that_goes_on_sending() {
    let site = Site::new();
    let server = server(&site, 1, "linger-time = \"300ms\"");
    let mut client = Client::connect(server.addr());
    client.send("NONSENSE\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 400);
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let start = Instant::now();
    // The server has closed its side. Once it listens no more, sending fails.
    while client.send("x").is_ok() {
        assert!(start.elapsed() < Duration::from_secs(5), "the server listens for ever");
        thread::sleep(Duration::from_millis(50));
    }
    server.stop();
}

/// Row 39: each byte of content comes soon, but all of them too slowly.
#[test]
fn content_has_a_least_rate() {
    let site = Site::new();
    let limits = "body-idle-time = \"400ms\"\nbody-rate-min = \"1KB/s\"";
    let server = server(&site, 1, limits);
    let mut client = Client::connect(server.addr());
    let start = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 405);
    let waited = drip(&mut client, b'x', start);
    assert!(waited + TICK >= Duration::from_millis(400), "cut off after {waited:?}");
    // In order or by a reset: the answer was given and read long ago.
    client.ending().unwrap();
    server.stop();
}

/// Row 39: there is no limit to how long content takes that comes fast enough.
#[test]
fn content_that_is_fast_enough_may_take_its_time() {
    let site = Site::new();
    let limits = "head-time = \"2s\"\nidle-time = \"2s\"\nbody-idle-time = \"2s\"\n\
                  body-rate-min = \"1B/s\"";
    let server = server(&site, 1, limits);
    let mut client = Client::connect(server.addr());
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().status, 405);
    for _ in 0..20 {
        assert!(!client.hears_within(Duration::from_millis(150)), "cut off too early");
        client.send("x").unwrap();
    }
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    server.stop();
}

/// Row 40: nobody reads a large answer. It costs no memory while it waits, and not much time.
#[test]
fn answers_that_nobody_reads_are_given_up() {
    let site = Site::new();
    let server = server(&site, 1, "write-stall-time = \"700ms\"");
    Client::connect(server.addr()).get("/huge.bin").unwrap();
    let before = sum(&server, Process::memory_kib);
    let count = extent(50, 1000);
    let mut clients: Vec<_> = (0..count).map(|_| Client::connect_narrow(server.addr())).collect();
    for client in &mut clients {
        client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    for client in &mut clients {
        client.wait_for_reset();
    }
    let grown = sum(&server, Process::memory_peak_kib).saturating_sub(before);
    assert!(grown < count as u64 * 64, "{count} clients that do not read cost {grown} KiB");
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    server.stop();
}

/// Row 40: a client that reads slowly, but reads, gets everything.
#[test]
fn answers_that_are_read_slowly_arrive() {
    let site = Site::new();
    let server = server(&site, 1, "write-stall-time = \"2s\"");
    let mut client = Client::connect_narrow(server.addr());
    client.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let response = client.slowed(8 * 1024, Duration::from_millis(30)).response().unwrap();
    assert!(response.body == Site::large(), "the content is what the file holds");
    server.stop();
}

/// Row 40: a client that takes a little now and then does not hold its connection for ever. One
/// that is slow, too, but not that slow, gets all it asks for.
#[test]
fn answers_have_a_least_rate() {
    let site = Site::new();
    let server = server(&site, 1, "write-stall-time = \"2s\"\nwrite-rate-min = \"20KB/s\"");
    let ask = || {
        let mut client = Client::connect_narrow(server.addr());
        client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        client
    };
    let mut slow_enough = ask().slowed(8 * 1024, Duration::from_millis(10));
    let start = Instant::now();
    let mut too_slow = ask().slowed(512, Duration::from_millis(100));
    let reading = thread::spawn(move || too_slow.drain().unwrap().1);
    while !reading.is_finished() {
        slow_enough.take(16 * 1024).unwrap();
        assert!(start.elapsed() < e2e::PATIENCE, "the server puts up with it for ever");
    }
    assert!(start.elapsed() + TICK >= Duration::from_secs(2), "cut off too early");
    assert_eq!(reading.join().unwrap(), Ending::Reset);
    slow_enough.take(16 * 1024).unwrap();
    slow_enough.abort();
    server.stop();
}

/// Row 41: ten thousand requests come at once and nobody reads; then all are answered, in order.
#[test]
fn ten_thousand_pipelined_requests() {
    for workers in [1, 2] {
        let site = Site::new();
        let server = server(&site, workers, "");
        Client::connect(server.addr()).get("/digits.txt").unwrap();
        let before = sum(&server, Process::memory_kib);
        let mut client = Client::connect_narrow(server.addr());
        // One connection has at most `requests-max`, 100,000, with the one before these.
        let count = extent(10_000, 90_000);
        let requests: Vec<u8> = (0..count)
            .flat_map(|number| {
                let file = if number % 2 == 0 { "digits.txt" } else { "sub/page.txt" };
                format!("GET /{file}?{number} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
            })
            .collect();
        let sent = client.send_until_stalled(&requests, STALL);
        let grown = sum(&server, Process::memory_peak_kib).saturating_sub(before);
        assert!(grown < 4 * 1024, "it cost {grown} KiB");
        let mut sender = client.twin();
        let rest = requests[sent..].to_vec();
        let sending = thread::spawn(move || sender.send(rest).unwrap());
        for number in 0..count {
            let response = client.response().unwrap();
            let expect: &[u8] = if number % 2 == 0 { b"0123456789" } else { b"page\n" };
            assert_eq!(response.body, expect, "answer {number}");
        }
        sending.join().unwrap();
        let stopped = server.stop();
        let targets = stopped.lines.iter().filter_map(|line| line["target"].as_str());
        let targets = targets.filter(|target| target.contains('?'));
        for (number, target) in targets.enumerate() {
            assert!(target.ends_with(&format!("?{number}")), "line {number} is {target}");
        }
        assert_eq!(logged(&stopped, 200), count + 1);
    }
}

/// Row 41: the server stops reading requests when nobody reads its answers.
#[test]
fn a_flood_of_requests_is_held_back() {
    let site = Site::new();
    let server = server(&site, 1, "");
    Client::connect(server.addr()).get("/large.bin").unwrap();
    let before = sum(&server, Process::memory_kib);
    let request = "GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let flood = request.repeat(32 * 1024 * 1024 / request.len());
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect_narrow(server.addr())).collect();
    for client in &mut clients {
        let sent = client.send_until_stalled(flood.as_bytes(), STALL);
        assert!(sent < flood.len(), "the server took all of it");
    }
    let grown = sum(&server, Process::memory_peak_kib).saturating_sub(before);
    assert!(grown < 4 * 1024, "it cost {grown} KiB");
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    clients.into_iter().for_each(Client::abort);
    server.stop();
}

/// A server that answers everything with so many bytes of text, on a Unix socket `s` in `folder`,
/// too: what the kernel holds there for who reads nothing is less than any of the limits here.
fn responding(folder: &Path, limits: &str, text_bytes: usize) -> Server {
    let socket = folder.join("s");
    Server::run(&format!(
        "[server]\nlisten = [\"127.0.0.1:0\", {{ address = \"unix:{}\", http2 = true }}]\n\
         log = \"json\"\nthreads = 1\nlimits = {{ {limits} }}\n\
         [site.default]\nrespond = \"{}\"\n",
        socket.display(),
        "x".repeat(text_bytes)
    ))
}

/// How many of the `requests` for `/x` are answered while their client reads nothing.
fn answered_unread(server: &Server, client: &mut Client, requests: impl AsRef<[u8]>) -> usize {
    client.send(requests).unwrap();
    // Once somebody else is answered twice, the loop has had a turn of that client, too.
    let mut other = Client::connect(server.addr());
    for target in ["/first", "/second"] {
        assert_eq!(other.get(target).unwrap().status, 200);
    }
    server.wait_for(|line| line["target"] == "/second");
    server.lines().iter().filter(|line| line["target"] == "/x").count()
}

/// Answers that fill the limit have one more come, those that are beyond it by a byte each do not.
#[test]
fn pipelined_requests_wait_while_more_than_the_limit_is_unsent() {
    const REQUESTS: usize = 300;
    let folder = e2e::folder();
    let requests = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(REQUESTS);
    let server = responding(folder.path(), "", 3000);
    let mut client = Client::connect(server.addr());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let lines = std::iter::from_fn(|| client.line().ok().filter(|line| line != b"\r\n"));
    let head_bytes = lines.map(|line| line.len()).sum::<usize>() + b"\r\n".len();
    server.stop();
    for (limit, answers) in [("", 64), ("output-bytes-max = \"512KiB\"", 128)] {
        for (answer_bytes, expect) in [(4096, answers + 1), (4097, answers)] {
            let server = responding(folder.path(), limit, answer_bytes - head_bytes);
            let mut client = Client::connect_unix(&folder.path().join("s"));
            let answered = answered_unread(&server, &mut client, &requests);
            assert_eq!(answered, expect, "of {answer_bytes} bytes each, with {limit:?}");
            for _ in 0..REQUESTS {
                let answer = client.response().unwrap();
                assert_eq!((answer.status, answer.body.len()), (200, answer_bytes - head_bytes));
            }
            server.stop();
        }
    }
}

/// The same over HTTP/2, where requests go on being read while answers wait, up to the limit.
#[test]
fn streams_wait_while_more_than_the_limit_is_unsent() {
    const REQUESTS: u32 = 300;
    let folder = e2e::folder();
    for (limit, limit_bytes) in [("", 256 * 1024), ("output-bytes-max = \"512KiB\"", 512 * 1024)] {
        let server = responding(folder.path(), limit, 4000);
        let mut client = Client::connect_unix(&folder.path().join("s"));
        client.send([OPENING, &frame(WINDOW_UPDATE, 0, 0, &[0x3f, 0, 0, 0])].concat()).unwrap();
        let mut answer_bytes = 0;
        // The first one says something of the table, too.
        for stream in [1, 3] {
            client.send(frames::get(stream, "/warm")).unwrap();
            let head = frames::until(&mut client, HEADERS).unwrap();
            let content = frames::until(&mut client, DATA).unwrap();
            answer_bytes = 18 + head.payload.len() + content.payload.len();
        }
        let requests = (2..2 + REQUESTS).flat_map(|number| frames::get(1 + 2 * number, "/x"));
        let requests: Vec<u8> = requests.collect();
        let answered = answered_unread(&server, &mut client, requests);
        let waiting = |answered| answered * answer_bytes - client.sent_bytes();
        assert!(waiting(answered) > limit_bytes, "{answered} with {limit:?}");
        assert!(waiting(answered - 1) <= limit_bytes, "{answered} with {limit:?}");
        for _ in 0..REQUESTS {
            frames::until(&mut client, DATA).unwrap();
        }
        server.stop();
    }
}

/// Row 38: heads that are never finished cost little, however many there are.
#[test]
fn many_unfinished_heads() {
    let site = Site::new();
    let server = server(&site, 2, "connections-per-client-max = 1000");
    Client::connect(server.addr()).get("/digits.txt").unwrap();
    let before = sum(&server, Process::memory_kib);
    let mut clients: Vec<_> = (0..200).map(|_| Client::connect(server.addr())).collect();
    let head = format!("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\nX: {}", "a".repeat(30_000));
    clients.iter_mut().for_each(|client| client.send(&head).unwrap());
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    for client in &mut clients {
        client.send("\r\n\r\n").unwrap();
        assert_eq!(client.response().unwrap().status, 200);
    }
    let grown = sum(&server, Process::memory_peak_kib).saturating_sub(before);
    assert!(grown < 200 * 64, "200 unfinished heads of 30 KB cost {grown} KiB");
    server.stop();
}
