//! A reload: the next config takes the place of the one before, and no request fails of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Place, Server, Site,
    authority::common_port,
    eventually,
    place::{config, says, version},
    process::Process,
    under_load,
};
use rustix::process::Signal;
use std::{
    collections::HashSet,
    fs,
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

fn ids(workers: &[Process]) -> HashSet<u32> {
    workers.iter().map(|worker| worker.0).collect()
}

#[test]
fn a_reload_serves_the_new_config_and_fails_no_request() {
    let place = Place::serving("workers = 2\nthreads = 2", 0);
    let server = place.start();
    let addr = server.addr();
    let asked = under_load(addr, || {
        for number in 1..=10 {
            let before = ids(&server.workers());
            place.serve("workers = 2\nthreads = 2", number);
            server.signal(Signal::HUP);
            assert!(eventually(|| version(addr) == number), "{number}");
            let is_done = || ids(&server.workers()).is_disjoint(&before);
            assert!(eventually(is_done), "the old workers end once their clients are gone");
        }
    });
    assert!(asked > 0);
    server.stop();
}

#[test]
fn a_config_that_cannot_be_served_changes_nothing() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    let workers = ids(&server.workers());
    let other = Server::start(&[place.site.root_text()]);
    let taken = other.addr().to_string();
    let good = place.text();
    let bad = [
        (good.replace("threads", "thraeds"), "did you mean `threads`"),
        (good.replace("127.0.0.1:0", &taken), "the port is taken by gannet"),
    ];
    for (number, (text, why)) in bad.iter().enumerate() {
        place.write(text);
        server.signal(Signal::HUP);
        assert!(eventually(|| place.errors("not_reloaded").len() == number + 1), "{why}");
        let reason = place.reasons("not_reloaded").pop().unwrap();
        assert!(reason.contains(why), "{reason}");
        assert_eq!(version(server.addr()), 1);
        assert_eq!(ids(&server.workers()), workers);
    }
    server.stop();
}

#[test]
fn what_a_reload_finds_under_way_is_finished() {
    let place = Place::new(&config("threads = 2", "stop-time = \"0s\"", &says(1)));
    let server = place.start();
    let old = server.workers();
    let mut idle = Client::connect(server.addr());
    idle.get("/digits.txt").unwrap();
    let mut busy = Client::download(server.addr(), "/large.bin");
    place.write(&config("threads = 2", "stop-time = \"0s\"", &says(2)));
    place.order(&["reload"]);
    // Who was idle is served once more, and told to go elsewhere.
    let answer = idle.get("/digits.txt").unwrap();
    assert_eq!((answer.status, answer.get("x-version"), answer.closes()), (200, Some("1"), true));
    assert_eq!(idle.ending().unwrap(), Ending::Closed);
    assert!(old[0].is_alive());
    let (bytes, _) = busy.drain().unwrap();
    assert!(bytes.ends_with(&Site::large()), "the download is whole");
    assert!(eventually(|| !old[0].is_alive()), "then the old worker ends");
    server.stop();
}

#[test]
fn what_is_under_way_longer_than_it_may_be_is_cut() {
    let place = Place::new(&config("threads = 1", "drain-time = \"1s\"", &says(1)));
    let server = place.start();
    let old = server.workers()[0];
    let mut busy = Client::download(server.addr(), "/huge.bin");
    let start = Instant::now();
    place.order(&["reload"]);
    let told = Instant::now();
    assert!(eventually(|| !old.is_alive()));
    assert!(start.elapsed() >= Duration::from_secs(1), "it has its time: {:?}", start.elapsed());
    // Who does not do that is made to, ten seconds after.
    assert!(told.elapsed() < Duration::from_secs(10), "and no more: {:?}", told.elapsed());
    assert!(busy.drain().unwrap().0.len() < Site::HUGE_BYTES as usize);
    server.stop();
}

/// Who asks in the moment in which it is shut out would see its request fail.
#[test]
fn who_is_idle_may_ask_once_more_for_a_while() {
    // A busy machine may be too slow to ask in that while, but not each time.
    assert!((0..5).any(|_| may_ask_once_more()));
}

/// Whether who was idle has had the time to ask once more, and is served then.
fn may_ask_once_more() -> bool {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    let mut clients = [(); 2].map(|()| Client::connect(server.addr()));
    clients
        .iter_mut()
        .for_each(|client| assert_eq!(client.get("/digits.txt").unwrap().status, 200));
    let [mut asks, mut rests] = clients;
    let start = Instant::now();
    place.order(&["reload"]);
    let has_had_its_time = !asks.hears_within(Duration::from_millis(1500))
        && !rests.hears_within(Duration::ZERO)
        && asks.get("/digits.txt").is_ok_and(|answer| answer.closes());
    assert_eq!(rests.ending().unwrap(), Ending::Closed);
    // It is five seconds, and others may wait for a minute.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(has_had_its_time || start.elapsed() > Duration::from_secs(5), "{:?}", start.elapsed());
    server.stop();
    has_had_its_time
}

#[test]
fn for_a_config_too_many_at_a_time_the_oldest_workers_hurry() {
    let place = Place::new(&config("threads = 1", "stop-time = \"0s\"", &says(0)));
    let server = place.start();
    let mut oldest = Client::download(server.addr(), "/huge.bin");
    place.order(&["reload"]);
    let others = (0..3).map(|_| {
        place.order(&["reload"]);
        Client::download(server.addr(), "/large.bin")
    });
    let mut others: Vec<_> = others.collect();
    assert!(eventually(|| server.workers().len() == 4), "{:?}", server.workers());
    place.serve("threads = 1", 5);
    place.order(&["reload"]);
    assert_eq!(version(server.addr()), 5);
    assert!(eventually(|| server.workers().len() == 4), "{:?}", server.workers());
    assert!(oldest.drain().unwrap().0.len() < Site::HUGE_BYTES as usize, "it is cut");
    for download in &mut others {
        assert!(download.drain().unwrap().0.ends_with(&Site::large()), "they are whole");
    }
    server.stop();
}

/// A client may be there whom only some of the loops have.
#[test]
fn a_reload_is_done_as_soon_as_the_workers_before_let_in_nobody() {
    let place = Place::new(&config("threads = 16", "", ""));
    let server = place.start();
    let times = [(); 3].map(|()| {
        let mut kept = Client::connect(server.addr());
        kept.get("/digits.txt").unwrap();
        let start = Instant::now();
        place.order(&["reload"]);
        start.elapsed()
    });
    // Without their word it takes two seconds each time.
    assert!(times.iter().any(|time| *time < Duration::from_secs(2)), "{times:?}");
    server.stop();
}

/// The grace of who is idle is a part of it, five seconds where there is more time.
#[test]
fn who_is_there_when_the_time_to_drain_is_over_is_cut_off() {
    let times: Vec<_> = (0..3).map(|_| time_to_drain()).collect();
    assert!(times.iter().all(|time| *time >= Duration::from_secs(1)), "{times:?}");
    assert!(times.iter().any(|time| *time < Duration::from_secs(4)), "{times:?}");
}

/// How long it takes until nobody is there any more.
fn time_to_drain() -> Duration {
    let place = Place::new(&config("threads = 1", "drain-time = \"1s\"", ""));
    let server = place.start();
    let mut idle = Client::connect(server.addr());
    idle.get("/digits.txt").unwrap();
    let mut busy = Client::download(server.addr(), "/huge.bin");
    let start = Instant::now();
    place.order(&["reload"]);
    idle.ending().unwrap();
    assert!(busy.drain().unwrap().0.len() < Site::HUGE_BYTES as usize);
    let waited = start.elapsed();
    server.stop();
    waited
}

#[test]
fn a_reload_does_not_mind_what_else_is_looked_at() {
    let place = Place::serving("threads = 1", 1);
    let server = place.launch().env("GANNET_FAIL", "check=stall:3000").start();
    place.serve("threads = 1", 2);
    thread::scope(|scope| {
        let reloading = scope.spawn(|| place.order(&["reload"]));
        let is_check = |child: Process| child.name() == "gannet-check";
        assert!(eventually(|| server.started().children().into_iter().any(is_check)));
        place.order(&["reload", "--diff"]);
        reloading.join().unwrap();
    });
    assert_eq!(version(server.addr()), 2);
    server.stop();
}

#[test]
fn connections_are_counted_in_whatever_table_they_are() {
    let place = Place::new(&config("threads = 1", "", ""));
    let server = place.start();
    let under_way = Client::download(server.addr(), "/large.bin");
    place.write(&config("threads = 1", "clients-max = 2048", ""));
    place.order(&["reload"]);
    assert!(eventually(|| place.status()["connections_now"] == 1), "{}", place.status());
    drop(under_way);
    server.stop();
}

/// O9 of the threats, and the storm of reloads.
#[test]
fn a_storm_of_reloads_is_weathered() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    place.order(&["reload"]);
    assert!(eventually(|| server.workers().len() == 1));
    let before = server.started().descriptors();
    for number in 2..300 {
        if number % 50 == 0 {
            let is_served = || version(server.addr()) / 50 == (number - 1) / 50;
            assert!(eventually(is_served), "the config before {number}");
            place.serve("threads = 1", number);
        }
        server.signal(Signal::HUP);
        assert!(eventually(|| server.workers().len() <= 4), "{:?}", server.workers());
    }
    assert!(eventually(|| version(server.addr()) == 250));
    place.order(&["reload"]);
    assert!(eventually(|| server.workers().len() == 1), "the others end");
    // But for the last requests of some workers.
    let most = before + 8;
    assert!(eventually(|| server.started().descriptors() <= most), "nothing is left behind");
    server.stop();
}

#[test]
fn workers_come_and_go_without_a_client_noticing() {
    let place = Place::serving("workers = 4\nthreads = 2", 0);
    let server = place.start();
    let (addr, is_over) = (server.addr(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    version(addr);
                }
            });
        }
        for (number, workers) in [1, 4, 2, 1, 4].into_iter().enumerate() {
            let server_lines = format!("workers = {workers}\nthreads = {}", 1 + number % 2);
            place.serve(&server_lines, number as u32);
            place.order(&["reload"]);
            assert!(eventually(|| server.workers().len() == workers), "{workers}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    server.stop();
}

#[test]
fn addresses_come_and_go() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    let socket = place.path("s");
    let [one, both] = ["\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"unix:s\"]"];
    place.edit(one, both);
    place.order(&["reload"]);
    let mut client = Client::connect_unix(&socket);
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    assert_eq!(version(server.addr()), 1, "the port is kept");
    place.edit(both, one);
    place.order(&["reload"]);
    assert!(!socket.exists());
    assert_eq!(version(server.addr()), 1);
    server.stop();
}

/// The sockets of both configs are at one port.
#[test]
fn an_address_becomes_wider_and_narrower() {
    let place = Place::serving("threads = 2\nworkers = 2", 0);
    let good = place.text();
    let port = common_port();
    let write = |ip: &str, number: u32| {
        let text = good.replace("127.0.0.1:0", &format!("{ip}:{port}"));
        place.write(&text.replace(&says(0), &says(number)));
    };
    write("127.0.0.1", 0);
    let server = place.start();
    let other = SocketAddr::from(([127, 0, 0, 2], port));
    for (number, ip) in [(1, "0.0.0.0"), (2, "127.0.0.1"), (3, "0.0.0.0")] {
        write(ip, number);
        place.order(&["reload"]);
        assert_eq!(version(server.addr()), number, "{ip}");
        assert_eq!(Client::try_connect(other).is_some(), ip == "0.0.0.0", "{ip}");
    }
    write("127.0.0.1", 4);
    place.order(&["reload"]);
    // On a busy machine the old workers take a while to let go of theirs.
    let mut held = None;
    assert!(eventually(|| {
        held = TcpListener::bind(other).ok();
        held.is_some()
    }));
    write("0.0.0.0", 5);
    let (code, stderr) = place.tell(&["reload"]);
    assert_eq!(code, Some(1), "{stderr}");
    let expect = format!("itself listens at 127.0.0.1:{port}, and somebody else has a part");
    assert!(stderr.contains(&expect), "{stderr}");
    assert_eq!(version(server.addr()), 4);
    server.stop();
}

#[test]
fn sockets_whose_files_were_removed_are_made_again() {
    let place = Place::serving("threads = 1\ncontrol = \"c\"", 1);
    place.edit("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"unix:s\"]");
    let server = place.start();
    let [socket, control] = ["s", "c"].map(|name| place.path(name));
    let is_served = || Client::connect_unix(&socket).get("/digits.txt").unwrap().status == 200;
    assert!(is_served());
    fs::remove_file(&socket).unwrap();
    fs::remove_file(control).unwrap();
    server.signal(Signal::HUP);
    assert!(eventually(|| place.errors("reloaded").len() == 1));
    assert!(is_served());
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "precious").unwrap();
    let (code, stderr) = place.tell(&["reload"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("what lies there is no socket"), "{stderr}");
    fs::remove_file(&socket).unwrap();
    place.order(&["reload"]);
    assert!(is_served());
    server.stop();
}
