//! What is told of a connection agrees with the packets that others see of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Launch, Site, eventually,
    look::{admin, connection, json},
};
use rustix::process::geteuid;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// How far both may be apart, in milliseconds.
const APART_MS: f64 = 3.0;

/// A packet of TCP.
#[derive(Clone, Copy, Debug)]
struct Packet {
    /// When, in milliseconds.
    when_ms: f64,
    from: u16,
    to: u16,
    flags: u16,
    bytes: usize,
}

impl Packet {
    const FIN: u16 = 1;
    const SYN: u16 = 2;

    fn read(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split('\t').collect();
        let [when, from, to, flags, bytes] = words[..] else { return None };
        Some(Self {
            when_ms: when.parse::<f64>().ok()? * 1e3,
            from: from.parse().ok()?,
            to: to.parse().ok()?,
            flags: u16::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?,
            bytes: bytes.parse().ok()?,
        })
    }
}

/// A running tshark, and what it has seen.
struct Capture {
    tool: Child,
    seen: Arc<Mutex<Vec<Packet>>>,
}

impl Capture {
    /// Watches a port of this machine.
    fn of(port: u16) -> Self {
        let filter = format!("tcp port {port}");
        let mut tool = Command::new("tshark")
            .args(["-l", "-n", "-i", "lo", "-f", &filter, "-T", "fields"])
            .args(["-e", "frame.time_relative", "-e", "tcp.srcport", "-e", "tcp.dstport"])
            .args(["-e", "tcp.flags", "-e", "tcp.len"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (lines, found) = (BufReader::new(tool.stdout.take().unwrap()), Arc::clone(&seen));
        thread::spawn(move || {
            let packets = lines.lines().map_while(Result::ok);
            packets.filter_map(|line| Packet::read(&line)).for_each(|packet| {
                found.lock().unwrap().push(packet);
            });
        });
        Self { tool, seen }
    }

    /// The packets of the connection from that port, in their order.
    fn packets(&self, client: u16) -> Vec<Packet> {
        let is_own = |packet: &&Packet| packet.from == client || packet.to == client;
        self.seen.lock().unwrap().iter().filter(is_own).copied().collect()
    }

    /// The same once both sides have said goodbye.
    fn whole(&self, client: u16) -> Vec<Packet> {
        let fins = || {
            let packets = self.packets(client);
            packets.iter().filter(|packet| packet.flags & Packet::FIN != 0).count()
        };
        assert!(eventually(|| fins() == 2), "{:?}", self.packets(client));
        self.packets(client)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tool.kill();
        let _ = self.tool.wait();
    }
}

/// One connection with one request, which the server closes: its packets, and what is told of it.
fn attempt(capture: &Capture, server: SocketAddr, addr: SocketAddr) -> (Vec<Packet>, Value) {
    let mut client = Client::connect(server);
    let peer = format!("127.0.0.1:{}", client.port());
    // The client takes its time, and the server knows that it looks.
    json(addr, "/sockets");
    let request = "GET /digits.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    client.send(request).unwrap();
    client.response().unwrap();
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let port = client.port();
    drop(client);
    let is_over = || {
        let told = connection(addr, &peer);
        let last = told["events"].as_array().and_then(|events| events.last().cloned());
        last.is_some_and(|last| last["what"].as_str().unwrap().starts_with("ended: "))
    };
    assert!(eventually(is_over), "{}", connection(addr, &peer));
    (capture.whole(port), connection(addr, &peer))
}

/// How many milliseconds what is told of the same steps lies beside the packets, in the worst case.
/// Their order has to be the same.
fn apart_ms(packets: &[Packet], told: &Value, server: u16) -> f64 {
    let when = |is_it: &dyn Fn(&&Packet) -> bool| {
        let found = packets.iter().find(is_it);
        found.unwrap_or_else(|| panic!("{packets:?}")).when_ms
    };
    let is_server = |packet: &&Packet| packet.from == server;
    let is = |packet: &&Packet, flag: u16| packet.flags & flag != 0;
    let shaken = when(&|packet| is_server(packet) && is(packet, Packet::SYN));
    let asked = when(&|packet| !is_server(packet) && packet.bytes > 0);
    let answered = when(&|packet| is_server(packet) && packet.bytes > 0);
    let goodbye = when(&|packet| is_server(packet) && is(packet, Packet::FIN));
    let farewell = when(&|packet| !is_server(packet) && is(packet, Packet::FIN));
    assert!([shaken, asked, answered, goodbye, farewell].is_sorted(), "{packets:?}");

    let ms = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{told}")) / 1e3;
    let answer = &told["answers"][0];
    let events = told["events"].as_array().unwrap();
    let event = |start: &str| {
        let is_it = |event: &&Value| event["what"].as_str().unwrap().starts_with(start);
        events.iter().find(is_it).unwrap_or_else(|| panic!("no {start}: {told}"))
    };
    let (accepted, ended) = (event("accepted: "), event("ended: "));
    assert!(ended["what"].as_str().unwrap().ends_with("; this server's FIN went first"), "{ended}");
    let arrived = event("from the handshake of TCP to its first bytes: ");
    let time = arrived["what"].as_str().unwrap().split(": ").nth(1).unwrap();
    let (number, unit) = time.split(',').next().unwrap().split_once(' ').unwrap();
    let waited = number.parse::<f64>().unwrap() / if unit == "ms" { 1.0 } else { 1e3 };

    // Each clock begins at the request.
    let begun = ms(&answer["us"]);
    let first = ms(&answer["first_us"]);
    let over = ms(&ended["us"]) - begun;
    assert!([ms(&accepted["us"]), begun, begun + first, begun + over].is_sorted(), "{told}");
    // It is over when the last goodbye is there, or at once after the server's own.
    let end = (over - (goodbye - asked)).abs().min((over - (farewell - asked)).abs());
    let steps = [
        ms(&accepted["us"]) - begun,
        waited - (asked - shaken),
        first - (answered - asked),
        ms(&answer["whole_us"]) - (answered - asked),
        end,
    ];
    steps.into_iter().map(f64::abs).fold(0.0, f64::max)
}

#[test]
fn a_connection_is_told_as_its_packets_went() {
    // Only root sees packets.
    if !geteuid().is_root() {
        return;
    }
    let (site, folder) = (Site::new(), e2e::folder());
    let file = folder.path().join("gannet.toml");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nadmin = '127.0.0.1:0'\n\
         [site.default]\nroot = {:?}\n",
        site.root_text()
    );
    fs::write(&file, text).unwrap();
    let server = Launch::of(vec!["run".to_owned(), file.to_str().unwrap().to_owned()]).start();
    let addr = admin(&server);
    let capture = Capture::of(server.addr().port());
    // It sees something once it is there, some time after it has gone by.
    let is_there = || {
        Client::connect(server.addr()).get("/digits.txt").unwrap();
        !capture.seen.lock().unwrap().is_empty()
    };
    assert!(eventually(is_there), "tshark sees nothing");
    // A busy machine has a loop wait for its turn, which no packet shows: one has to be told so.
    let mut all = Vec::new();
    let is_exact = eventually(|| {
        let (packets, told) = attempt(&capture, server.addr(), addr);
        let apart = apart_ms(&packets, &told, server.addr().port());
        all.push((apart, told));
        apart <= APART_MS
    });
    assert!(is_exact, "{all:?}");
    server.stop();
}
