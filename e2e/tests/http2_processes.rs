//! What processes promise holds over HTTP/2, with TLS and without: whoever is replaced or dies, the
//! streams of others go on, and those under way are finished or named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Place, Server, Site, eventually,
    frames::{
        self, DATA, END, Frame, GOAWAY, HEADERS, OPENING, PING, SETTINGS, WINDOW_UPDATE, ask_on,
        frame, get, read, until,
    },
    place::config,
    secure::Certificates,
};
use rustix::process::Signal;
use std::{
    iter,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

/// Clients that ask on several streams at once.
const CLIENTS: usize = 2;

/// A place that speaks HTTP/2 to who begins with it.
fn place(server: &str, limits: &str) -> Place {
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    Place::new(&config(&format!("{listen}\n{server}"), limits, ""))
}

/// Begins a download on stream 1 through the widest windows, of more than the kernel takes for
/// somebody who does not read.
fn download(server: &Server) -> Client {
    let mut client = Client::connect(server.addr());
    let wide = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let room = frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    client.send([OPENING, &wide, &room, &get(1, "/huge.bin")].concat()).unwrap();
    assert_eq!(until(&mut client, HEADERS).unwrap().stream, 1);
    client
}

/// All further frames of a connection, up to its end.
fn rest(client: &mut Client) -> Vec<Frame> {
    iter::from_fn(|| read(client).ok()).collect()
}

#[test]
fn a_download_outlives_a_reload_and_an_upgrade() {
    let place = place("threads = 1", "");
    let server = place.start();
    let old = server.workers();
    let mut client = download(&server);
    place.order(&["reload"]);
    place.order(&["upgrade", "-c"]);
    assert!(old[0].is_alive());
    let frames = rest(&mut client);
    let mut content = frames.iter().filter(|frame| frame.kind == DATA);
    assert_eq!(
        content.clone().map(|frame| frame.payload.len() as u64).sum::<u64>(),
        Site::HUGE_BYTES
    );
    assert!(content.next_back().unwrap().flags & END != 0, "the download is whole");
    let told: Vec<_> = frames.iter().filter(|frame| frame.kind == GOAWAY).collect();
    assert_eq!(told.len(), 2, "it is told of the end in two steps");
    assert!(eventually(|| !old[0].is_alive()), "then the old worker ends");
    server.stop();
}

#[test]
fn a_download_that_is_not_taken_has_its_time() {
    let place = place("threads = 1", "drain-time = \"1s\"");
    let server = place.start();
    let old = server.workers();
    let mut client = download(&server);
    place.order(&["reload"]);
    assert!(eventually(|| !old[0].is_alive()));
    let frames = rest(&mut client);
    assert!(frames.iter().all(|frame| frame.kind != DATA || frame.flags & END == 0));
    server.stop();
}

#[test]
fn what_a_dead_worker_was_at_is_told_stream_by_stream() {
    let place = place("threads = 1", "");
    let server = place.start();
    let mut client = Client::connect(server.addr());
    // Two that wait for room, and one that has been answered: the connection has more of it than
    // both of the others can use, whichever is first.
    let room = frame(WINDOW_UPDATE, 0, 0, &80_000_u32.to_be_bytes());
    let asks = [get(1, "/huge.bin?secret"), get(3, "/large.bin"), get(5, "/digits.txt")].concat();
    client.send([OPENING, &room, &asks].concat()).unwrap();
    let mut content = iter::repeat_with(|| until(&mut client, DATA).unwrap().stream);
    assert!(content.any(|stream| stream == 5));
    // Once it says something else, it is no more at that.
    client.send(frame(PING, 0, 0, b"and now?")).unwrap();
    until(&mut client, PING).unwrap();
    server.workers()[0].kill();
    assert!(eventually(|| place.errors("cut_off").len() == 1));
    let lost = place.reasons("cut_off").pop().unwrap();
    let both = ["GET a.example/huge.bin", "GET a.example/large.bin"];
    assert!(both.iter().all(|one| lost.contains(one)), "{lost}");
    assert!(!lost.contains("digits") && !lost.contains("secret"), "{lost}");
    let mut next = Client::connect(server.addr());
    next.send([OPENING, &get(1, "/digits.txt")].concat()).unwrap();
    assert_eq!(until(&mut next, DATA).unwrap().payload, b"0123456789");
    server.stop();
}

#[test]
fn a_panic_costs_one_stream() {
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }\nthreads = 1";
    let site = Site::new();
    let config = config(listen, "", "").replace("ROOT", &site.root_text());
    let config = config.replace("file = \"errors.log\"", "file = \"/dev/null\"");
    // A worker's first exchange is its own.
    let server = Launch::run(&config).env("GANNET_FAIL", "exchange=panic:3").start();
    let mut client = Client::connect(server.addr());
    let asks = [get(1, "/large.bin"), get(3, "/digits.txt"), get(5, "/digits.txt")].concat();
    client.send([OPENING, &asks].concat()).unwrap();
    let mut heads: Vec<_> = (0..3)
        .map(|_| until(&mut client, HEADERS).unwrap())
        .map(|head| (head.stream, head.payload.into_iter().find(|&byte| byte != 0x20).unwrap()))
        .collect();
    heads.sort_unstable();
    // 200 and 500, as numbers of the standing table.
    assert_eq!(heads, [(1, 0x88), (3, 0x8e), (5, 0x88)]);
    let wide = frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0, 0, 0]);
    client.send([wide, frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0])].concat()).unwrap();
    let mut content = iter::repeat_with(|| until(&mut client, DATA).unwrap());
    assert!(content.any(|frame| frame.stream == 1 && frame.flags & END != 0), "others go on");
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["panics"], 1);
}

#[test]
fn workers_come_and_go_without_a_stream_noticing() {
    let place = place("workers = 4\nthreads = 1", "");
    let server = place.start();
    let outcome = frames::under_load(
        || Client::connect(server.addr()),
        || {
            for (before, workers) in [(4, 1), (1, 4), (4, 1)] {
                place.edit(&format!("workers = {before}"), &format!("workers = {workers}"));
                place.order(&["reload"]);
                assert!(eventually(|| server.workers().len() == workers), "{workers}");
            }
        },
    );
    outcome.unwrap();
    server.stop();
}

#[test]
fn who_dies_takes_its_own_streams_along_and_nobody_is_refused_over_tls() {
    let certificates = Certificates::new();
    certificates.make("a", "ec", &["a.example"]);
    let listen = "listen = { address = \"127.0.0.1:0\", tls = true }\nworkers = 2\nthreads = 1";
    let place = Place::new(&config(listen, "", "").replace(
        "[site.default]",
        &format!("[site.\"a.example\"]\ntls = {{ {} }}", certificates.words("a")),
    ));
    let server = place.start();
    let visitor = certificates.visitor(&["a"]).choosing_http2();
    let (is_over, answered, lost) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let signals = [Signal::KILL, Signal::ABORT, Signal::KILL];
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut client = visitor.connect(server.addr(), "a.example");
                    let asked = client.send(OPENING).and_then(|()| {
                        let what = ("/digits.txt", Some(&b"0123456789"[..]));
                        ask_on(&mut client, what, (&is_over, &answered))
                    });
                    lost.fetch_add(u32::from(asked.is_err()), Ordering::Relaxed);
                }
            });
        }
        for signal in signals {
            let so_far = answered.load(Ordering::Relaxed);
            assert!(eventually(|| answered.load(Ordering::Relaxed) > so_far + 100));
            let victim = server.workers()[0];
            victim.signal(signal);
            let is_back = || !victim.is_alive() && server.workers().len() == 2;
            assert!(eventually(is_back), "{signal:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (lost, most) = (lost.into_inner() as usize, CLIENTS * signals.len());
    assert!(lost <= most, "{lost} connections were lost, and {most} can have been there");
    let died = || place.errors("worker_died").len();
    assert!(eventually(|| died() == signals.len()), "{} have died", died());
    server.stop();
}
