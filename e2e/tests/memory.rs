//! What connections cost in memory, and that a server which may have little of it lives on.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Asker, Client, Launch, Server, Site,
    frames::{DATA, END, HEADERS, OPENING, WHOLE, fields, frame, until},
    process::raise_descriptor_limit,
};

/// Connections of somebody who has many.
const IDLE: usize = 9000;

/// What an idle connection may cost, in bytes.
const IDLE_BYTES_MAX: u64 = 1536;

/// O2 of the threats, and the promise that memory stays below a formula.
#[test]
fn idle_connections_cost_little() {
    raise_descriptor_limit();
    let site = Site::new();
    let limits = "connections-max = 9500\nconnections-per-client-max = 9500";
    let server = Server::run(&site.config("workers = 2\nthreads = 2", limits));
    let memory_kib =
        || server.workers().iter().map(|worker| worker.memory_share_kib()).sum::<u64>();
    for target in ["/digits.txt", "/large.bin", "/list/"].repeat(8) {
        Client::connect(server.addr()).get(target).unwrap();
    }
    let before = memory_kib();
    let mut clients: Vec<_> = (0..IDLE)
        .map(|_| {
            let mut client = Client::connect(server.addr());
            assert_eq!(client.get("/digits.txt").unwrap().status, 200);
            client
        })
        .collect();
    let grown = memory_kib().saturating_sub(before) * 1024;
    let each = grown / IDLE as u64;
    assert!(each <= IDLE_BYTES_MAX, "an idle connection costs {each} bytes");
    for client in clients.iter_mut().step_by(100) {
        assert_eq!(client.get("/digits.txt").unwrap().status, 200, "all are still there");
    }
    drop(clients);
    server.stop();
}

/// What an idle connection of HTTP/2 may cost, in bytes, whatever its client has said before.
const IDLE_STREAMS_BYTES_MAX: u64 = 8 * 1024;

/// The same over HTTP/2, of clients that have filled the table of fields again and again, and have
/// asked many things at once.
#[test]
fn idle_connections_of_http2_cost_little() {
    const CLIENTS: u64 = 1000;
    let site = Site::new();
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let config = site.config("threads = 1", "");
    let server = Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen));
    // A field of 1 KB that goes into the table, and another one each time.
    let filling = |stream: u32| {
        let mut block = fields(0x82, "/digits.txt");
        block.extend_from_slice(b"\x40\x01x\x7f\x81\x07");
        block.extend_from_slice(format!("{stream:01024}").as_bytes());
        frame(HEADERS, END | WHOLE, stream, &block)
    };
    let ask: Vec<u8> = (0..20).flat_map(|number| filling(1 + 2 * number)).collect();
    let come = || {
        let mut client = Client::connect(server.addr());
        client.send([OPENING, &ask].concat()).unwrap();
        (0..20).for_each(|_| drop(until(&mut client, DATA).unwrap()));
        client
    };
    let _first: Vec<_> = (0..20).map(|_| come()).collect();
    let before = server.process().own_memory_kib();
    let _crowd: Vec<_> = (0..CLIENTS).map(|_| come()).collect();
    let each = server.process().own_memory_kib().saturating_sub(before) * 1024 / CLIENTS;
    assert!(each <= IDLE_STREAMS_BYTES_MAX, "{each} bytes each");
    server.stop();
}

/// Who asks for listings of a large folder and takes none has a worker hold 64 MiB of names, and
/// nobody gets another one until they are gone.
#[test]
fn listings_that_nobody_takes_have_a_bound() {
    const NAMES: usize = 8000;
    let site = Site::new();
    for number in 0..NAMES {
        site.write(&format!("names/{number:0200}"), b"");
    }
    let server = Server::run(&site.config("threads = 2", ""));
    let ask = "GET /names/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let memory_kib = || server.workers()[0].memory_share_kib();
    let before = memory_kib();
    let status = |client: &mut Client| {
        String::from_utf8_lossy(&client.take("HTTP/1.1 200".len()).unwrap()[9..]).into_owned()
    };
    let mut held = Vec::new();
    loop {
        let mut client = Client::connect_narrow(server.addr());
        client.send(ask).unwrap();
        match &*status(&mut client) {
            "200" => held.push(client),
            other => break assert_eq!(other, "503"),
        }
    }
    // So many names are 64 MiB, with what else is known of each.
    let (least, most) = (64 * 1024 * 1024 / (NAMES * 300), 64 * 1024 * 1024 / (NAMES * 200) + 1);
    assert!((least..=most).contains(&held.len()), "{}", held.len());
    let grown = memory_kib().saturating_sub(before) / 1024;
    assert!(grown <= 128, "{grown} MiB");
    held.into_iter().for_each(Client::abort);
    let is_free = || {
        let mut client = Client::connect(server.addr());
        client.send(ask).unwrap();
        status(&mut client) == "200"
    };
    assert!(e2e::eventually(is_free), "there are listings again");
    server.stop();
}

/// O2: thousands who are slow in different ways, and memory for no more than what they are
/// documented to cost.
#[test]
fn thousands_of_slow_clients_fit_into_little_memory() {
    raise_descriptor_limit();
    let site = Site::new();
    // However long it takes to come to the last of them.
    let limits = "connections-per-client-max = 5000\nhead-time = \"1h\"";
    let config = site.config("threads = 2", limits);
    // In KiB: heads of 2,000 clients, 256 KiB of answers for 100, and 64 MiB for all else, most of
    // which is the stacks of threads.
    let bound = 2000 * 20 + 100 * 256 + 64 * 1024;
    let server = Launch::run(&config).after(&format!("ulimit -d {bound}")).start();
    let addr = server.addr();
    let send = |client: Client, bytes: &str| {
        let mut client = client;
        client.send(bytes).unwrap();
        client
    };
    let head = format!("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(16_000));
    let mut unfinished: Vec<_> = (0..2000).map(|_| send(Client::connect(addr), &head)).collect();
    let download = "GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let downloads: Vec<_> =
        (0..1000).map(|_| send(Client::connect_narrow(addr), download)).collect();
    let listings = "GET /crowd/ HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
    let listings: Vec<_> =
        (0..100).map(|_| send(Client::connect_narrow(addr), &listings)).collect();
    let source = "127.0.0.9".parse().unwrap();
    Asker { addr, source, host: "localhost", target: "/digits.txt" }.ask(300);
    for client in &mut unfinished {
        client.send("\r\n\r\n").unwrap();
        assert_eq!(client.response().unwrap().status, 200);
    }
    downloads.into_iter().chain(listings).for_each(Client::abort);
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["panics"], 0);
}
