//! How many connections there may be, and what happens at the limit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what is wrong by panicking"
)]

use e2e::{
    Client, Ending, Launch, Server, Site, eventually, extent,
    frames::{GOAWAY, OPENING, PING, frame, until},
    process::raise_descriptor_limit,
};
use std::{
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

fn get(client: &mut Client) -> u16 {
    client.get("/digits.txt").unwrap().status
}

/// Whether a connection is still good, or was closed without another byte.
fn is_open(client: &mut Client) -> bool {
    client.get("/digits.txt").is_ok_and(|response| response.status == 200)
}

/// Row 42: who comes when all places are taken gets that of the one who has been idle longest.
#[test]
fn the_oldest_idle_connection_makes_room() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", "connections-max = 8"));
    let mut clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = Client::connect(server.addr());
            assert_eq!(get(&mut client), 200);
            // How long a connection has been idle is counted in ticks of a coarse clock.
            thread::sleep(Duration::from_millis(10));
            client
        })
        .collect();
    // The first is used again, so the second has been idle longest.
    assert_eq!(get(&mut clients[0]), 200);
    let mut ninth = Client::connect(server.addr());
    assert_eq!(get(&mut ninth), 200);
    assert_eq!(clients.remove(1).ending().unwrap(), Ending::Closed);
    assert!(clients.iter_mut().all(is_open), "the others stay");
    assert_eq!(get(&mut ninth), 200);
    server.stop();
}

/// Who begins heads and never ends them keeps nobody out: the rest was due, and others want the
/// place.
#[test]
fn whoever_owes_the_rest_of_a_head_makes_room() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", "connections-max = 2"));
    let mut busy = Client::download(server.addr(), "/huge.bin");
    let begun = Instant::now();
    let mut owing = Client::connect(server.addr());
    owing.send("GET /digits.txt HTTP/1.1\r\n").unwrap();
    let newcomer = || Client::connect(server.addr()).get("/digits.txt").unwrap().status;
    // For a moment, which is a second, the head may still be on its way.
    let first = newcomer();
    assert!(first == 503 || begun.elapsed() >= Duration::from_secs(1), "{first}");
    assert!(eventually(|| newcomer() == 200));
    assert_eq!(owing.response().unwrap().status, 408);
    assert_eq!(owing.ending().unwrap(), Ending::Closed);
    busy.take(16 * 1024 * 1024).expect("what is under way is not cut");
    drop(busy);
    server.stop();
}

/// Row 42: frames that ask for nothing make nobody younger than who has asked for something since.
#[test]
fn who_only_pings_has_been_idle_as_long_as_before() {
    let site = Site::new();
    let config = site.config("threads = 1", "connections-max = 2");
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let server = Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen));
    let mut pinging = Client::connect(server.addr());
    let mut ping = |bytes: Vec<u8>| {
        pinging.send(bytes).unwrap();
        until(&mut pinging, PING).unwrap();
        // How long a connection has been idle is counted in ticks of a coarse clock.
        thread::sleep(Duration::from_millis(10));
    };
    let bytes = frame(PING, 0, 0, &[7; 8]);
    ping([OPENING, &bytes].concat());
    let mut asking = Client::connect(server.addr());
    assert_eq!(get(&mut asking), 200);
    thread::sleep(Duration::from_millis(10));
    ping(bytes);
    let mut third = Client::connect(server.addr());
    assert_eq!(get(&mut third), 200);
    assert!(is_open(&mut asking), "the other had been idle longer");
    until(&mut pinging, GOAWAY).unwrap();
    server.stop();
}

/// Row 42: room is made whichever loop somebody new comes to, and no more places are used than
/// there are.
#[test]
fn room_is_made_on_every_loop() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 2", "connections-max = 24"));
    let mut clients = Vec::new();
    let mut when_full = 0;
    for number in 0..extent(200, 5000) {
        let mut client = Client::connect(server.addr());
        assert_eq!(get(&mut client), 200);
        clients.push(client);
        // From here on every place is taken. One may be on its way out while the next is let in.
        let used = server.process().descriptors();
        if number == 24 {
            when_full = used;
        }
        assert!(number < 24 || used <= when_full + 4, "{when_full} descriptors became {used}");
    }
    let open = || clients.iter().filter(|client| !client.hears_within(Duration::ZERO)).count();
    assert!(eventually(|| open() == 24), "{} are open", open());
    server.stop();
}

/// Row 42: those who are being served are never the ones to go.
#[test]
fn connections_at_work_keep_their_places() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", "connections-max = 4"));
    let mut busy: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::connect_narrow(server.addr());
            client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            assert_eq!(client.take(9).unwrap(), b"HTTP/1.1 ");
            client
        })
        .collect();
    let mut fifth = Client::connect(server.addr());
    assert_eq!(get(&mut fifth), 503, "there is no place for a fifth");
    let line = server.wait_for(|line| line["status"] == 503);
    assert_eq!(line["reason"], "more connections than `connections-max` allows");
    for client in &mut busy {
        // More than any buffer between here and there can have held already.
        client.take(16 * 1024 * 1024).unwrap();
    }
    drop(busy);
    let has_room = || is_open(&mut Client::connect(server.addr()));
    assert!(eventually(has_room), "there is room again");
    server.stop();
}

/// Row 42: one client cannot take all places; others do not feel its limit.
#[test]
fn a_client_has_only_so_many_places() {
    for loops in ["threads = 1", "threads = 2", "threads = 2\nworkers = 2"] {
        let site = Site::new();
        let server = Server::run(&site.config(loops, "connections-per-client-max = 4"));
        let mut clients: Vec<_> = (0..4).map(|_| Client::connect(server.addr())).collect();
        assert!(clients.iter_mut().all(is_open));
        for _ in 0..10 {
            let mut more = Client::connect(server.addr());
            assert_eq!(get(&mut more), 503, "one too many");
        }
        let other: IpAddr = "127.0.0.2".parse().unwrap();
        assert_eq!(get(&mut Client::connect_from(other, server.addr())), 200);
        assert!(clients.iter_mut().all(is_open), "those who were first stay");
        drop(clients);
        let has_room = || is_open(&mut Client::connect(server.addr()));
        assert!(eventually(has_room), "there is room again");
        server.stop();
    }
}

/// Row 42: that limit by default, which clients on this machine have as well.
#[test]
fn a_client_has_1024_places_by_default() {
    raise_descriptor_limit();
    let site = Site::new();
    let server = Server::run(&site.config("threads = 2", ""));
    let ask = |source: &str| {
        let mut client = Client::connect_from(source.parse().unwrap(), server.addr());
        let status = get(&mut client);
        (client, status)
    };
    let clients: Vec<_> = (0..1024).map(|_| ask("127.0.0.1")).collect();
    assert!(clients.iter().all(|(_, status)| *status == 200));
    assert_eq!(ask("127.0.0.1").1, 503);
    assert_eq!(ask("127.0.0.2").1, 200);
    server.stop();
}

/// Row 42: by default ten thousand connections are served at once, and nobody else.
#[test]
fn there_are_10000_places_by_default() {
    raise_descriptor_limit();
    let site = Site::new();
    let limits = "body-idle-time = \"1h\"\nbody-rate-min = \"0B/s\"";
    let server = Server::run(&site.config("threads = 2", limits));
    let connect =
        |number: u8| Client::connect_from(IpAddr::from([127, 0, 0, number]), server.addr());
    // Each has got one answer, and half the content of a second request came with the first: all
    // are at work, so none makes room.
    let whole = "GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let half = "POST /digits.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx";
    let mut clients: Vec<_> = (0..10_000)
        .map(|number| {
            let mut client = connect(2 + (number % 10) as u8);
            client.send([whole, half].concat()).unwrap();
            assert_eq!(client.response().unwrap().status, 200);
            client
        })
        .collect();
    assert_eq!(get(&mut connect(20)), 503);
    for client in &mut clients {
        client.send("x").unwrap();
        assert_eq!(client.response().unwrap().status, 405);
        assert_eq!(get(client), 200);
    }
    // Now they wait, and whoever was there first makes room.
    assert!(eventually(|| get(&mut connect(20)) == 200));
    server.stop();
}

/// Row 42: who is turned away is told so, however much it has sent already or goes on to send.
#[test]
fn who_is_turned_away_hears_why() {
    let site = Site::new();
    let limits = "connections-per-client-max = 1\nlinger-time = \"300ms\"";
    let server = Server::run(&site.config("threads = 1", limits));
    let mut first = Client::connect(server.addr());
    assert_eq!(get(&mut first), 200);
    let mut clients: Vec<_> = [0, 100, 100_000]
        .into_iter()
        .map(|length| {
            let mut client = Client::connect(server.addr());
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            client.send([head.into_bytes(), vec![b'x'; length]].concat()).unwrap();
            let response = client.response().unwrap();
            assert_eq!(response.status, 503);
            assert_eq!(response.text(), "too many connections\n");
            assert!(response.closes() && response.get("date").is_some());
            assert_eq!(response.get("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(response.get("x-content-type-options"), Some("nosniff"));
            assert_eq!(client.ending().unwrap(), Ending::Closed);
            // It has not understood yet, and is not reset for that.
            client.send("x").unwrap();
            client
        })
        .collect();
    let turned_away = |line: &&serde_json::Value| {
        let reason = "more connections from this address than `connections-per-client-max` allows";
        line["reason"] == reason && line["status"] == 503
    };
    let logged = || server.lines().iter().filter(turned_away).count() == clients.len();
    assert!(eventually(logged), "{:?}", server.lines());
    let is_over = |client: &mut Client| client.send("x").is_err();
    assert!(eventually(|| clients.iter_mut().all(is_over)), "they are not kept for ever");
    assert_eq!(get(&mut first), 200);
    drop(first);
    assert!(eventually(|| is_open(&mut Client::connect(server.addr()))), "there is room again");
    let stopped = server.stop();
    assert!(stopped.lines.last().unwrap()["turned_away"].as_u64() >= Some(3));
}

/// O1 of the threats: without descriptors nobody new is accepted, but nothing spins or breaks.
#[test]
fn running_out_of_descriptors() {
    for number in 0..3 {
        let site = Site::new();
        let quick = |threads| Launch::quick(&[&site.root_text(), "--threads", threads]);
        let launch = match number {
            0 => quick("1"),
            1 => quick("2"),
            _ => Launch::run(&site.config("workers = 2\nthreads = 1", "")),
        };
        let server = launch.after("ulimit -n 64").start();
        let ask = |mut client: Client| {
            client.send("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            client
        };
        let mut first = ask(Client::connect(server.addr()));
        assert_eq!(first.take(9).unwrap(), b"HTTP/1.1 ");
        let mut clients: Vec<_> = (0..150).map(|_| ask(Client::connect(server.addr()))).collect();
        let is_out = || server.process().descriptors() > 60;
        assert!(eventually(is_out), "{}: it never is", server.process().descriptors());
        // When it has accepted whom it can, it does hardly anything about the others.
        let rests = || {
            let before = server.process().cpu_time();
            thread::sleep(Duration::from_millis(500));
            server.process().cpu_time() - before < Duration::from_millis(100)
        };
        assert!(eventually(rests), "out of descriptors, it never rests");
        for client in clients.iter_mut().filter(|client| client.hears_within(Duration::ZERO)) {
            let start = client.take(13).unwrap();
            assert!(matches!(&*start, b"HTTP/1.1 200 " | b"HTTP/1.1 503 "), "200 or 503");
        }
        first.take(16 * 1024 * 1024).expect("who was first is still served");
        drop(first);
        clients.into_iter().for_each(Client::abort);
        let recovers = || is_open(&mut Client::connect(server.addr()));
        assert!(eventually(recovers), "it does not recover");
        server.stop();
    }
}

/// Too few descriptors for its loops: a server that listens and cannot accept is worse than none.
#[test]
fn too_few_descriptors_to_start_with() {
    let site = Site::new();
    let args = [&site.root_text(), "--port", "0", "--threads", "8"].map(str::to_owned).to_vec();
    let (code, _, stderr) = Launch::of(args).after("ulimit -n 48").finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("--threads") && stderr.contains("48"), "{stderr}");
}

#[test]
fn descriptors_come_back() {
    let site = Site::new();
    let server = Server::run(&site.config("threads = 1", ""));
    let mut client = Client::connect(server.addr());
    for target in ["/large.bin", "/digits.txt", "/list/"] {
        client.get(target).unwrap();
    }
    let before = server.process().descriptors();
    for _ in 0..3 {
        let mut clients: Vec<_> = (0..50).map(|_| Client::connect(server.addr())).collect();
        for client in &mut clients {
            client.get("/large.bin").unwrap();
            client.get("/list/").unwrap();
        }
    }
    let is_back = || server.process().descriptors() <= before;
    assert!(
        eventually(is_back),
        "{} descriptors became {}",
        before,
        server.process().descriptors()
    );
    server.stop();
}
