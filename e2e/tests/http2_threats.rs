//! What attackers do by HTTP/2: each attack has its end, costs little memory and none that lasts,
//! and nobody else notices.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Ending, Server, Site, eventually, extent,
    frames::{
        CALM, CONTINUATION, DATA, END, Frame, GOAWAY, HEADERS, OPENING, PING, PRIORITY, RST_STREAM,
        SETTINGS, WHOLE, WINDOW_UPDATE, Wire, fields, frame, get, post, read, until,
    },
    secure::Certificates,
    soak_time,
};
use std::{
    iter,
    time::{Duration, Instant},
};

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

/// A field of 4 KB that goes into the table.
const ENTRY: &[u8] = &{
    let mut coded = [b'v'; 3974];
    let (start, _) = coded.split_at_mut(6);
    start.copy_from_slice(b"\x40\x01x\x7f\x81\x1e");
    coded
};

/// The field block of a request for what is larger than a window, with these fields more.
fn asking(more: &[u8]) -> Vec<u8> {
    [&fields(0x82, "/large.bin"), more].concat()
}

/// A request whose field block is this.
fn coded(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END | WHOLE, stream, block)
}

fn attacks() -> Vec<Attack> {
    let calm = |name, first, again| Attack { name, first, again, count: 20_000, code: CALM };
    let at_once = |name, code, first| Attack { name, first, again: |_| Vec::new(), count: 0, code };
    let large = |stream| get(stream, "/large.bin");
    // Told by one byte each.
    let bomb = |stream: u32| coded(stream, &asking(&[ENTRY, &[0xbe; 2000]].concat()));
    let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let entry = coded(1, &asking(ENTRY));
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
        calm("the same: content of another length", Vec::new(), |number| {
            let block = [&fields(0x83, "/none")[..], b"\x0f\x0d\x015"].concat();
            let head = frame(HEADERS, WHOLE, number, &block);
            [head, frame(DATA, END, number, b"abc")].concat()
        }),
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
        calm("windows by the byte", [shut.clone(), large(1)].concat(), |_| {
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])
        }),
        calm("old priorities", Vec::new(), |number| frame(PRIORITY, 0, number, &[0, 0, 0, 0, 7])),
        calm("frames that are unknown", Vec::new(), |_| frame(99, 0, 0, &[0; 1000])),
        calm("bombs of HPACK", [bomb(1), bomb(3)].concat(), |number| coded(number + 4, b"\x82")),
        calm(
            "the same, many at once, of answers that wait",
            [&shut[..], &entry].concat(),
            |number| coded(number + 2, &asking(&[0xbe; 7])),
        ),
        calm("the same, beyond what a head may be", [&shut[..], &entry].concat(), |number| {
            coded(number + 2, &asking(&[0xbe; 4000]))
        }),
        calm("a table that is filled anew by each", shut.clone(), |number| {
            coded(number, &asking(&[ENTRY; 4].concat()))
        }),
        calm("crumbs of a cookie", shut.clone(), |number| coded(number, &asking(&[0xa0; 4000]))),
        calm("many fields, of a byte each", shut.clone(), |number| {
            coded(number, &asking(&[0x90; 90]))
        }),
        at_once("a frame of 16 MiB", 6, b"\xff\xff\xff\0\0\0\0\0\x01".to_vec()),
        at_once("all padding", 1, frame(DATA, 8, 1, b"\xffx")),
    ]
}

/// How long a connection is read on that is given up: its client hears of it when it has sent all.
const LINGER: &str = "linger-time = \"1s\"";

/// Does it once; the code that the connection ends with.
fn endure(wire: &mut impl Wire, attack: &Attack) -> Option<u32> {
    wire.put(OPENING).unwrap();
    until(wire, SETTINGS).unwrap();
    let _ = wire.put(&attack.first);
    for number in 0..attack.count {
        // Once the connection is given up, nothing more is taken.
        if wire.put(&(attack.again)(1 + 2 * number)).is_err() {
            break;
        }
    }
    let frames = iter::from_fn(|| read(wire).ok());
    frames.filter(|frame| frame.kind == GOAWAY).last().as_ref().map(Frame::code)
}

/// Has `server` withstand them all, and so many times more, by connections of that kind.
fn withstand<W: Wire>(server: Server, rounds: usize, connect: impl Fn(&Server) -> W) {
    /// What may differ for no reason, in KiB.
    const SLACK_KIB: u64 = 2048;
    /// What one connection may take meanwhile.
    const PEAK_KIB: u64 = 1024;
    let (attacks, process) = (attacks(), server.process());
    let ask = || {
        let mut other = connect(&server);
        // One after the other, as a large one takes all the room that there is.
        other.put(&[OPENING, &get(1, "/digits.txt")].concat()).unwrap();
        let small = until(&mut other, DATA).unwrap();
        other.put(&get(3, "/large.bin")).unwrap();
        while until(&mut other, DATA).unwrap().stream == 1 {}
        small
    };
    // What is used again and again is there then.
    (0..10).for_each(|_| drop(ask()));
    let round = |is_measured: bool| {
        for attack in &attacks {
            process.forget_memory_peak();
            let before = process.memory_kib();
            assert_eq!(endure(&mut connect(&server), attack), Some(attack.code), "{}", attack.name);
            let peak = process.memory_peak_kib();
            let is_little = peak <= before + PEAK_KIB || !is_measured;
            assert!(is_little, "{}: {before} KiB, then {peak}", attack.name);
            assert_eq!(ask().payload, b"0123456789", "{}", attack.name);
        }
    };
    // Code that has not run before takes memory, too: that is there then.
    round(false);
    let memory = || process.own_memory_kib();
    let before = memory();
    (0..rounds).for_each(|_| round(true));
    let is_flat = || memory() <= before + SLACK_KIB;
    assert!(eventually(is_flat), "{before} KiB have become {}", memory());
    assert_eq!(server.stop().lines.pop().unwrap()["panics"], 0);
}

#[test]
fn attacks_end_and_leave_no_memory() {
    let site = Site::new();
    let server = server(&site, LINGER);
    withstand(server, extent(2, 20), |server| Client::connect(server.addr()));
}

/// The same over TLS, for `a.example`.
fn secure_server(site: &Site, certificates: &Certificates, limits: &str) -> Server {
    certificates.make("a", "ec", &["a.example"]);
    Server::run(&format!(
        "[server]\nlisten = {{ address = \"127.0.0.1:0\", tls = true }}\nthreads = 1\n\
         log = \"json\"\nlimits.{limits}\n\
         [site.\"a.example\"]\nroot = {:?}\ntls = {{ {} }}\n",
        site.root(),
        certificates.words("a")
    ))
}

#[test]
fn attacks_over_tls_end_and_leave_no_memory() {
    let (site, certificates) = (Site::new(), Certificates::new());
    let server = secure_server(&site, &certificates, LINGER);
    let visitor = certificates.visitor(&["a"]).choosing_http2();
    withstand(server, extent(1, 5), |server| visitor.connect(server.addr(), "a.example"));
}

/// Row 61: a part of a frame, or of a record, keeps no place that somebody else could have.
#[test]
fn half_a_frame_keeps_no_place() {
    const PLACES: usize = 8;
    const PREFACE_BYTES: usize = 24;
    let half = &frame(PING, 0, 0, &[0; 8])[..9];
    let site = Site::new();
    // The second of our settings acknowledges theirs, when all of that was read.
    let whole = ([OPENING, half].concat(), 2);
    let beginning = |bytes| (OPENING[..bytes].to_vec(), 1);
    let limits = format!("connections-max = {PLACES}\nlinger-time = \"200ms\"");
    for (sent, answers) in [whole, beginning(PREFACE_BYTES), beginning(PREFACE_BYTES + 5)] {
        let server = server(&site, &limits);
        let mut clients: Vec<_> = (0..PLACES).map(|_| Client::connect(server.addr())).collect();
        for client in &mut clients {
            client.send(&sent).unwrap();
            assert!((0..answers).all(|_| until(client, SETTINGS).is_ok()));
        }
        let answer = Client::connect(server.addr()).get("/digits.txt").unwrap();
        assert_eq!(answer.status, 200, "beside {sent:?}");
        let has_heard = |client: &Client| client.hears_within(Duration::ZERO);
        assert!(eventually(|| clients.iter().any(has_heard)), "one of them has made room");
        let told = clients.iter_mut().find(|client| has_heard(client)).unwrap();
        assert_eq!(until(told, GOAWAY).unwrap().code(), 0);
        server.stop();
    }
    let certificates = Certificates::new();
    let server = secure_server(&site, &certificates, &format!("connections-max = {PLACES}"));
    let visitor = certificates.visitor(&["a"]);
    let connect = |_| visitor.choosing_http2().connect(server.addr(), "a.example");
    let mut clients: Vec<_> = (0..PLACES).map(connect).collect();
    for client in &mut clients {
        client.send(OPENING).unwrap();
        assert!((0..2).all(|_| until(client, SETTINGS).is_ok()));
        client.send(half).unwrap();
        client.send_half(&half[1..]).unwrap();
    }
    let answer = visitor.get(server.addr(), "a.example", "/digits.txt").unwrap();
    assert_eq!(answer.status, 200);
    server.stop();
}

/// Windows that stay shut pin neither descriptors nor memory for long; nor does a client that reads
/// nothing while it asks for pings.
#[test]
fn what_is_held_back_is_given_up() {
    let site = Site::new();
    let server = server(&site, "write-stall-time = \"1s\"\nlinger-time = \"200ms\"");
    let mut others = Client::connect(server.addr());
    assert_eq!(others.get("/huge.bin").unwrap().status, 200);
    let own = || server.process().own_memory_kib();
    let (descriptors, memory) = (server.process().descriptors(), own());
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
    let is_flat = || own() <= memory + 8 * 1024;
    assert!(eventually(is_flat), "{memory} KiB have become {}", own());
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
        memory.push(server.process().own_memory_kib());
    }
    // By half of the time, what is used again and again is there, and rings have gone round.
    let before = memory[memory.len() / 2];
    let is_flat = || server.process().own_memory_kib() <= before + 1024;
    assert!(eventually(is_flat), "{before} KiB have become more: {memory:?}");
    server.stop();
}

/// No connection lasts for ever: one that rests, and one that has asked often enough, are told.
#[test]
fn connections_come_to_their_end() {
    let site = Site::new();
    let server = server(&site, "idle-time = \"3s\"\nrequests-max = 3\nlinger-time = \"200ms\"");
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

/// Nor does one that never rests, by either version.
#[test]
fn connections_that_are_old_come_to_their_end() {
    let site = Site::new();
    let server = server(&site, "connection-time = \"2s\"\nlinger-time = \"200ms\"");
    let mut client = Client::connect(server.addr());
    client.send(OPENING).unwrap();
    let mut stream = 1;
    let goaway = loop {
        let room = frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 10]);
        client.send([get(stream, "/digits.txt"), room].concat()).unwrap();
        let came = iter::repeat_with(|| read(&mut client).unwrap());
        let mut wanted = came.filter(|frame| matches!(frame.kind, DATA | GOAWAY));
        let came = wanted.next().unwrap();
        if came.kind == GOAWAY {
            break came;
        }
        stream += 2;
    };
    assert!(stream > 1, "it has had a while");
    assert_eq!(goaway.payload, [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    assert_eq!(until(&mut client, DATA).unwrap().stream, stream, "what was asked is answered");
    let goaway = until(&mut client, GOAWAY).unwrap();
    assert_eq!(goaway.payload[..4], stream.to_be_bytes());
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    let mut client = Client::connect(server.addr());
    let mut answers = 0;
    while !client.get("/digits.txt").unwrap().closes() {
        answers += 1;
    }
    assert!(answers > 0, "it has had a while");
    assert_eq!(client.ending().unwrap(), Ending::Closed);
    server.stop();
}
