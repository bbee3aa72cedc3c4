//! Viewers of the server that never read what they are told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Asker, Client, Place, Server, eventually,
    load::Over,
    look::{admin, ask},
    place,
    process::Process,
    response::Bytes,
};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// So many sites that what is told of them each second is more than a socket holds.
const SITES: usize = 200;

/// All processes of a server together may take so much more for viewers who do not read: for each
/// what is told once or twice, however long it is told.
const GROWN_KIB_MAX: u64 = 24 * 1024;

/// How long answers may take on a busy machine.
const FLOOR: Duration = Duration::from_millis(100);

/// Follows how the server is: the start of the answer.
fn follow(addr: SocketAddr) -> (Client, String) {
    let mut client = Client::connect_narrow(addr);
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let start = String::from_utf8(client.line().unwrap()).unwrap();
    (client, start)
}

/// Follows it as well as anybody can, until it is over: how often it was told something.
fn read(addr: SocketAddr, is_over: &AtomicBool) -> usize {
    let mut client = Client::connect(addr);
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut events = 0;
    while !is_over.load(Relaxed) {
        events += usize::from(client.line().unwrap().starts_with(b"data: {"));
    }
    events
}

/// The processes of a server that have to do with who looks.
fn processes(server: &Server) -> Vec<Process> {
    let shower = server.started().children().into_iter().find(|one| one.name() == "gannet-admin");
    [vec![server.started(), shower.unwrap()], server.workers()].concat()
}

#[test]
fn viewers_who_never_read_slow_nobody_take_no_more_memory_and_lose_their_places() {
    let site = |at| format!("[site.'s{at}.example']\nroot = 'ROOT'\n");
    let sites: String = (0..SITES).map(site).collect();
    let config = place::config("admin = '127.0.0.1:0'\nthreads = 1", "", "") + &sites;
    let [place, apart] = [(); 2].map(|()| Place::new(&config));
    let server = place.start();
    let (addr, source) = (admin(&server), "127.0.0.9".parse().unwrap());
    let asker = Asker { addr: server.addr(), source, host: "s7.example", target: "/digits.txt" };
    // One at which nobody looks tells how busy the machine is.
    let other = apart.start();
    let usual = Asker { addr: other.addr(), ..asker };
    let told_bytes = ask(addr, "/status", "").body.len();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let over = Over(&is_over);
        let reading = scope.spawn(|| read(addr, &is_over));
        let asking = scope.spawn(|| asker.ask_until(|| is_over.load(Relaxed)));
        let usual = scope.spawn(|| usual.ask_until(|| is_over.load(Relaxed)));
        let silent: Vec<_> = (0..15).map(|_| follow(addr)).collect();
        assert!(silent.iter().all(|(_, start)| start.starts_with("HTTP/1.1 200 ")));
        assert_eq!(ask(addr, "/events", "").status, 503, "there are no more places");
        let began = Instant::now();
        let all = processes(&server);
        let sum = |kib: fn(Process) -> u64| all.iter().map(|one| kib(*one)).sum::<u64>();
        all.iter().for_each(|one| one.forget_memory_peak());
        let before = sum(Process::memory_kib);
        // Each of them gives its place back, for others who follow.
        let mut others = Vec::new();
        let mut are_back = || {
            let (client, start) = follow(addr);
            others.extend(start.starts_with("HTTP/1.1 200 ").then_some(client));
            others.len() == silent.len()
        };
        // The server puts up with them for half a minute (`write-stall-time`).
        assert!((0..3).any(|_| eventually(&mut are_back)), "places do not come back");
        let seconds = began.elapsed().as_secs();
        let grown = sum(Process::memory_peak_kib).saturating_sub(before);
        // Were it kept for those who do not read, it would be more.
        let untaken_kib = told_bytes as u64 * seconds * silent.len() as u64 / 1024;
        assert!(untaken_kib > 2 * GROWN_KIB_MAX, "{told_bytes} bytes in {seconds} s say little");
        assert!(grown < GROWN_KIB_MAX, "{grown} KiB more");
        silent.iter().for_each(|(client, _)| client.wait_for_reset());
        assert_eq!(ask(addr, "/events", "").status, 503, "places are as many as before");
        drop((others, over));
        let events = reading.join().unwrap();
        assert!(events as u64 >= seconds / 2, "{events} in {seconds} s");
        asking.join().unwrap().check(&usual.join().unwrap(), FLOOR);
    });
    other.stop();
    server.stop();
}
