//! What attackers do by HTTP/2: each attack has its end, costs no memory that lasts, and nobody
//! else notices.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Server, Site, eventually, extent,
    frames::{
        self, CALM, CONTINUATION, DATA, END, Frame, GOAWAY, HEADERS, OPENING, PING, PRIORITY,
        RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, fields, frame, get, post, until,
    },
    soak_time,
};
use std::time::Instant;

fn server(site: &Site, limits: &str) -> Server {
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let config = site.config("threads = 1", limits);
    Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen))
}

/// An attack: what is sent first, and then again and again, by a number that rises by two.
struct Attack {
    name: &'static str,
    first: Vec<u8>,
    again: fn(u32) -> Vec<u8>,
    /// How often.
    count: u32,
    /// The code that the connection ends with.
    code: u32,
}

/// A request with one field more, told in full.
fn head(stream: u32, name: &str, value: &str) -> Vec<u8> {
    let mut block = fields(0x82, "/digits.txt");
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).unwrap());
        block.extend_from_slice(text.as_bytes());
    }
    frame(HEADERS, END | WHOLE, stream, &block)
}

/// A request whose field block is this.
fn coded(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, stream, block)
}

fn attacks() -> Vec<Attack> {
    let calm = |name, first, again| Attack { name, first, again, count: 20_000, code: CALM };
    let at_once = |name, code, first| Attack { name, first, again: |_| Vec::new(), count: 0, code };
    let large = |stream| get(stream, "/large.bin");
    // One field of 4 KB in the table, then told by one byte each.
    let bomb = |stream: u32| {
        let mut block = fields(0x82, "/digits.txt");
        block.extend_from_slice(b"\x40\x01x\x7f\x81\x1e");
        block.extend_from_slice(&[b'v'; 3968]);
        block.extend_from_slice(&[0xbe; 2000]);
        coded(stream, &block)
    };
    let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    vec![
        calm("rapid reset", Vec::new(), |number| {
            let reset = frame(RST_STREAM, 0, number, &[0, 0, 0, 8]);
            [get(number, "/large.bin"), reset].concat()
        }),
        calm("resets that the server is made to send: no room", Vec::new(), |number| {
            let nothing = frame(WINDOW_UPDATE, 0, number, &[0; 4]);
            [get(number, "/large.bin"), nothing].concat()
        }),
        calm("the same: too much room", Vec::new(), |number| {
            let room = frame(WINDOW_UPDATE, 0, number, &[0x7f, 0xff, 0xff, 0xff]);
            [get(number, "/large.bin"), room].concat()
        }),
        calm("the same: content behind the end", Vec::new(), |number| {
            [get(number, "/large.bin"), frame(DATA, 0, number, b"x")].concat()
        }),
        calm("the same: an old priority that is too short", Vec::new(), |number| {
            [get(number, "/large.bin"), frame(PRIORITY, 0, number, &[0; 4])].concat()
        }),
        calm("the same: no requests", Vec::new(), |number| coded(number, b"\x82")),
        calm("more streams than may be", [shut.clone(), large(1)].concat(), |number| {
            get(number + 2, "/large.bin")
        }),
        calm("a head without end", frame(HEADERS, END, 1, b"\x82"), |_| {
            frame(CONTINUATION, 0, 1, &[0x87; 10_000])
        }),
        calm("a head without end, of nothing", frame(HEADERS, END, 1, b"\x82"), |_| {
            frame(CONTINUATION, 0, 1, &[])
        }),
        at_once("a table that is larger than allowed", 9, coded(1, b"\x3f\xe2\x1f")),
        at_once("a number without end", 9, coded(1, &[0xff; 20])),
        at_once("an entry that is not there", 9, coded(1, b"\xff\x00")),
        calm("names of nothing", Vec::new(), |number| head(number, "", "x")),
        calm("content of nothing", post(1, "/none"), |_| frame(DATA, 0, 1, &[])),
        calm("content of a byte", post(1, "/none"), |_| frame(DATA, 0, 1, b"x")),
        calm("settings", Vec::new(), |_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1])),
        calm("pings", Vec::new(), |_| frame(PING, 0, 0, &[0; 8])),
        calm("windows by the byte", [shut, large(1)].concat(), |_| {
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])
        }),
        calm("old priorities", Vec::new(), |number| frame(PRIORITY, 0, number, &[0, 0, 0, 0, 7])),
        calm("frames that are unknown", Vec::new(), |_| frame(99, 0, 0, &[0; 1000])),
        calm("bombs of HPACK", [bomb(1), bomb(3)].concat(), |number| coded(number + 4, b"\x82")),
        at_once("a frame of 16 MiB", 6, b"\xff\xff\xff\0\0\0\0\0\x01".to_vec()),
        at_once("all padding", 1, frame(DATA, 8, 1, b"\xffx")),
    ]
}

/// Does it once; the code that the connection ends with.
fn endure(server: &Server, attack: &Attack) -> Option<u32> {
    let mut client = Client::connect(server.addr());
    let _ = client.send([OPENING, &attack.first].concat());
    for number in 0..attack.count {
        // Once the connection is given up, nothing more is taken.
        if client.send((attack.again)(1 + 2 * number)).is_err() {
            break;
        }
    }
    let (bytes, _) = client.drain().unwrap();
    let frames = frames::all(&bytes);
    frames.iter().rfind(|frame| frame.kind == GOAWAY).map(Frame::code)
}

#[test]
fn attacks_end_and_leave_no_memory() {
    /// What may differ for no reason, in KiB.
    const SLACK_KIB: u64 = 2048;
    /// What one connection may take meanwhile.
    const PEAK_KIB: u64 = 16 * 1024;
    let site = Site::new();
    let server = server(&site, "linger-time = \"50ms\"");
    let attacks = attacks();
    let round = || {
        for attack in &attacks {
            assert_eq!(endure(&server, attack), Some(attack.code), "{}", attack.name);
            let other = Client::connect(server.addr()).get("/digits.txt").unwrap();
            assert_eq!(other.text(), "0123456789", "{}", attack.name);
        }
    };
    let at_rest = server.process().memory_kib();
    round();
    let before = server.process().memory_kib();
    (0..extent(2, 20)).for_each(|_| round());
    let (after, peak) = (server.process().memory_kib(), server.process().memory_peak_kib());
    assert!(after <= before + SLACK_KIB, "{before} KiB have become {after}");
    assert!(peak <= at_rest + PEAK_KIB, "{at_rest} KiB at rest, {peak} at most");
    assert_eq!(server.stop().lines.pop().unwrap()["panics"], 0);
}

/// Windows that stay shut pin neither descriptors nor memory for long; nor does a client that reads
/// nothing while it asks for pings.
#[test]
fn what_is_held_back_is_given_up() {
    let site = Site::new();
    let server = server(&site, "write-stall-time = \"1s\"\nlinger-time = \"200ms\"");
    let mut others = Client::connect(server.addr());
    assert_eq!(others.get("/huge.bin").unwrap().status, 200);
    let (descriptors, memory) = (server.process().descriptors(), server.process().memory_kib());
    for _ in 0..extent(1, 20) {
        let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let asks: Vec<_> = (0..100).flat_map(|number| get(1 + 2 * number, "/huge.bin")).collect();
        let mut client = Client::connect(server.addr());
        client.send([OPENING, &shut, &asks].concat()).unwrap();
        for _ in 0..100 {
            assert_eq!(until(&mut client, RST_STREAM).unwrap().code(), 8);
        }
        let mut deaf = Client::connect_narrow(server.addr());
        let room = frame(WINDOW_UPDATE, 0, 0, &[0x3f, 0, 0, 0]);
        let wide = frame(SETTINGS, 0, 0, &[0, 4, 0x3f, 0, 0, 0]);
        deaf.send([OPENING, &wide, &room, &get(1, "/huge.bin")].concat()).unwrap();
        let pings: Vec<_> = (0..500).flat_map(|_| frame(PING, 0, 0, &[7; 8])).collect();
        deaf.send(pings).unwrap();
        deaf.wait_for_reset();
    }
    assert!(eventually(|| server.process().descriptors() <= descriptors));
    let after = server.process().memory_kib();
    assert!(after <= memory + 8 * 1024, "{memory} KiB have become {after}");
    server.stop();
}

/// Streams that are opened and reset, as many on each connection as are put up with.
#[test]
fn resets_leave_no_memory() {
    let site = Site::new();
    let server = server(&site, "");
    let (start, time) = (Instant::now(), soak_time(3, 180));
    let mut memory = Vec::new();
    while memory.len() < 10 || start.elapsed() < time {
        let mut client = Client::connect(server.addr());
        client.send(OPENING).unwrap();
        for round in 0..80 {
            let stream = 1 + 8 * round;
            let resets = [0, 2, 4].map(|number| {
                let reset = frame(RST_STREAM, 0, stream + number, &[0, 0, 0, 8]);
                [get(stream + number, "/huge.bin"), reset].concat()
            });
            client.send([resets.concat(), get(stream + 6, "/digits.txt")].concat()).unwrap();
            loop {
                let came = until(&mut client, DATA).unwrap();
                if came.stream == stream + 6 {
                    assert_eq!(came.payload, b"0123456789");
                    break;
                }
                // What was on its way when its stream was reset has used up the window.
                let room = u32::try_from(came.payload.len()).unwrap();
                client.send(frame(WINDOW_UPDATE, 0, 0, &room.to_be_bytes())).unwrap();
            }
        }
        memory.push(server.process().memory_kib());
    }
    // By half of the time, what is used again and again is there, and rings have gone round.
    let (before, after) = (memory[memory.len() / 2], memory[memory.len() - 1]);
    assert!(after <= before + 1024, "{before} KiB have become {after}");
    server.stop();
}

/// No connection lasts for ever: one that rests, and one that has asked often enough, are told.
#[test]
fn connections_come_to_their_end() {
    let site = Site::new();
    let server = server(&site, "idle-time = \"1s\"\nrequests-max = 3\nlinger-time = \"200ms\"");
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &get(1, "/digits.txt")].concat()).unwrap();
    let goaway = until(&mut client, GOAWAY).unwrap();
    assert_eq!(goaway.payload, [0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let mut client = Client::connect(server.addr());
    let three = [1, 3, 5].map(|stream| get(stream, "/digits.txt")).concat();
    client.send([OPENING, &three].concat()).unwrap();
    let goaway = until(&mut client, GOAWAY).unwrap();
    assert_eq!(goaway.payload, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let goaway = until(&mut client, GOAWAY).unwrap();
    assert_eq!(goaway.payload, [0, 0, 0, 5, 0, 0, 0, 0]);
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    server.stop();
}
