//! A server for the tests of this room.

use control::{
    Life, Lives,
    kept::Kept,
    latency::STRETCHES,
    lives::{Answer, Name, Seen},
    status::{
        Certificate, Generation, Listener, Loop, Pool, Reload, Says, Site, Status, Used, Worker,
    },
    tally::Counts,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A loop that tells what happens on its connections, and where it does.
pub(crate) fn life() -> (&'static [AtomicU64], Life) {
    let words: Vec<_> = (0..Lives::words(1)).map(|_| AtomicU64::new(0)).collect();
    let words = &*words.leak();
    (words, Lives::new(words).life(0))
}

/// What is found in these words now.
pub(crate) fn seen(words: &[AtomicU64]) -> Vec<Seen> {
    let look = |start, count| {
        let words = words.iter().skip(start).take(count);
        words.map(|word| word.load(Relaxed)).collect()
    };
    control::lives::seen(words.len(), look, true)
}

/// An answer of a few bytes that was given at once.
pub(crate) fn answered(connection: Name, path: &str, status: u16) -> Answer<'_> {
    Answer {
        connection,
        stream: 0,
        began_us: 20,
        is_secure: false,
        port: 0,
        status,
        bytes: 7,
        first_us: 5,
        whole_us: Some(5),
        client: Some("192.0.2.1".parse().unwrap()),
        asked: [b"GET", b"a.example", path.as_bytes(), b"", b"", b""],
        site: "a site",
        trace: 0,
        reason: "",
    }
}

/// One that has had a little of everything.
pub(crate) fn status() -> Status {
    let loops = vec![Loop { connections: 1, requests: 5 }, Loop { connections: 2, requests: 4 }];
    let used = Some(Used { cpu_us: 1_250_000, memory_bytes: 8192 });
    let (connections, under_way, protocols) = (1, 1, [0, 0, 0, 1]);
    let worker = Worker { pid: 12, connections, under_way, protocols, used, loops };
    let (phase, workers) = ("serving".to_owned(), vec![worker]);
    let counts = |good, bad| Counts {
        classes: [0, good, 0, bad, 0],
        bytes: 1500 * good,
        ..Counts::default()
    };
    let mut timed = counts(6, 0);
    timed.times.at_once.counts[0] = 5;
    timed.times.at_once.sum_us = 100;
    timed.times.first.counts[STRETCHES - 1] = 1;
    timed.times.first.sum_us = 70_000_000;
    (timed.limits, timed.under_way) = ([2, 1], 1);
    let mut own = counts(0, 0);
    own.kept = Kept { hits: 3, stale: 1, misses: 2, waited: 1, pages: 2, bytes: 5000 };
    let routes = [("/*", counts(1, 1)), ("/a/*", timed), ("(other)", own)];
    let routes = routes.map(|(key, counts)| (key.to_owned(), counts)).to_vec();
    let (busy, idle, busy_most, limit_reached) = (2, 1, 3, 4);
    let says = Says { busy, idle, busy_most, limit_reached, slow: 5, taken: 9 };
    let pool = |site: &str, says| {
        let (site, waiting, waiting_max) = (site.to_owned(), 1, 511);
        let (deaths, restarts) = (3, 2);
        Pool { site, waiting, waiting_max, deaths, restarts, says }
    };
    let none = vec![("(other)".to_owned(), counts(0, 1))];
    let (waiting, waiting_max, accepted) = (3, 4096, 6);
    let listener = Listener { address: "[::1]:80".to_owned(), waiting, waiting_max, accepted };
    Status {
        version: "1.2".to_owned(),
        pid: 7,
        seconds: 3_700,
        generations: vec![Generation { number: 3, phase, seconds_left: Some(59), workers }],
        connections: 1,
        restarts: 2,
        cut_off: 1,
        reload: Some(Reload { seconds: 61, fault: Some("a \"b\"".to_owned()) }),
        reloads: 4,
        reloads_failed: 1,
        listeners: vec![listener],
        overflows: Some(2),
        drops: Some(5),
        certificates: vec![Certificate {
            file: "/a.pem".to_owned(),
            is_of_clients: false,
            hosts: vec!["a.example".to_owned()],
            issuer: "an authority".to_owned(),
            until: Some(1_800_000_000),
            next: "renewed 2026-12-01 00:00:00 UTC".to_owned(),
            warning: Some("expires soon".to_owned()),
            error: Some("it does not answer".to_owned()),
        }],
        layers: vec!["no core dumps: on".to_owned()],
        counted: vec![
            ("connections".to_owned(), 3),
            ("requests".to_owned(), 9),
            ("log_lines_dropped".to_owned(), 4),
            ("loop_lag_us".to_owned(), 1_500_000),
            ("pages_bytes".to_owned(), 8_000),
        ],
        sites: vec![
            Site { name: "(none)".to_owned(), routes: none },
            Site { name: "example.com".to_owned(), routes },
        ],
        pools: vec![
            pool("example.com", Some(says)),
            pool("mute", None),
            pool("example.com", Some(says)),
        ],
        sockets: Some(vec![("ESTABLISHED".to_owned(), 0), ("TIME_WAIT".to_owned(), 7)]),
    }
}
