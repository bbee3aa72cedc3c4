//! What one connection of HTTP/2 can make the server keep in memory: whoever asks for much and
//! takes nothing has the rest of it wait its turn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Server, Site,
    application::{self, Application},
    frames::{
        DATA, END, HEADERS, OPENING, PING, SETTINGS, WHOLE, WINDOW_UPDATE, fields, frame, get, read,
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex},
};

/// As many streams as there may be.
const STREAMS: u32 = 128;

/// How many of them an application is asked for at once: 8 MiB by 128 KiB.
const AT_ONCE: usize = 64;

/// The numbers of those streams.
fn streams() -> impl Iterator<Item = u32> {
    (0..STREAMS).map(|number| 1 + 2 * number)
}

/// Windows of so many bytes on streams.
fn windows(bytes: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, 4][..], &bytes.to_be_bytes()].concat())
}

/// Waits for so many heads of 200.
fn wait_for_heads(client: &mut Client, count: usize) {
    let mut heads = 0;
    while heads < count {
        let frame = read(client).unwrap();
        heads += usize::from(frame.kind == HEADERS && is_fine(&frame.payload));
    }
}

/// How many heads of 200 come before a ping comes back.
fn heads(client: &mut Client) -> usize {
    client.send(frame(PING, 0, 0, &[0; 8])).unwrap();
    let mut heads = 0;
    loop {
        let frame = read(client).unwrap();
        match frame.kind {
            HEADERS => heads += usize::from(is_fine(&frame.payload)),
            PING => return heads,
            _ => {}
        }
    }
}

/// Whether an answer is a 200: that is its first field, behind what is said of the table.
fn is_fine(block: &[u8]) -> bool {
    block.iter().find(|&&byte| byte != 0x20) == Some(&0x88)
}

/// Opens all windows: everything has come when this returns.
fn take_all(client: &mut Client, mut heads: usize) {
    let wide = frame(WINDOW_UPDATE, 0, 0, &[0x3f, 0, 0, 0]);
    client.send([windows(16 * 1024 * 1024), wide].concat()).unwrap();
    let mut open: BTreeSet<u32> = streams().collect();
    while !open.is_empty() {
        let frame = read(client).unwrap();
        heads += usize::from(frame.kind == HEADERS && is_fine(&frame.payload));
        if frame.kind == DATA && frame.flags & END != 0 {
            assert!(open.remove(&frame.stream));
        }
    }
    assert_eq!(heads, STREAMS as usize, "each was answered");
}

#[test]
fn listings_that_nobody_takes_wait_their_turn() {
    const ENTRIES: usize = 4000;
    /// What all listings would take at a time, and what may be taken, in KiB.
    const ALL_KIB: u64 = 40 * 1024;
    const MOST_KIB: u64 = 20 * 1024;
    let site = Site::new();
    (0..ENTRIES).for_each(|number| site.write(&format!("many/{number:04}"), b""));
    let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
    let config = site.config("threads = 1", "write-stall-time = \"1h\"");
    let server = Server::run(&config.replace("listen = \"127.0.0.1:0\"", listen));
    let mut other = Client::connect(server.addr());
    let mut list = || {
        other.send("GET /many/ HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n").unwrap();
        assert_eq!(other.response().unwrap().text().matches("\"href\"").count(), ENTRIES);
    };
    list();
    let (process, block) = (server.process(), [&fields(0x82, "/many/")[..], ACCEPT].concat());
    let ask = |stream| frame(HEADERS, END | WHOLE, stream, &block);
    process.forget_memory_peak();
    let before = process.memory_kib();
    let mut client = Client::connect(server.addr());
    let asked: Vec<u8> = streams().flat_map(ask).collect();
    client.send([OPENING, &windows(0), &asked].concat()).unwrap();
    let mut made = 20;
    wait_for_heads(&mut client, made);
    // What stands in line for the disk before this one is done when it is.
    list();
    made += heads(&mut client);
    assert!(made < 60, "{made} listings were made");
    take_all(&mut client, made);
    let peak = process.memory_peak_kib();
    assert!(peak < before + MOST_KIB, "{before} KiB, then {peak}; {ALL_KIB} are too much");
    server.stop();
}

/// `accept: application/json`, kept out of the table.
const ACCEPT: &[u8] = b"\x0f\x04\x10application/json";

/// Serves `site` by `php`; `more` are words of that setting.
fn serve(site: &Site, php: &Application, more: &str) -> Server {
    site.write("index.php", b"");
    Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\nlimits.write-stall-time = '1h'\n[site.default]\nroot = {:?}\n{}",
        site.root(),
        php.setting(&format!("time = '1h'{more}"))
    ))
}

#[test]
fn applications_are_asked_when_there_is_room_for_what_they_say() {
    let asked = Arc::new((Mutex::new(0), Condvar::new()));
    let own = Arc::clone(&asked);
    let php = Application::start(move |_, stream| {
        let (count, changed) = &*own;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        // An answer that is there takes more room than one that is asked for: none comes before
        // all are asked for that there is room for.
        drop(changed.wait_while(count, |count| *count < AT_ONCE).unwrap());
        let text = [b"Content-Type: text/plain\r\n\r\n", &[b'x'; 200_000][..]].concat();
        application::answer(stream, &text);
    });
    let asked = || *asked.0.lock().unwrap();
    let site = Site::new();
    let server = serve(&site, &php, "");
    let mut client = Client::connect(server.addr());
    let all: Vec<u8> = streams().flat_map(|stream| get(stream, "/?x")).collect();
    client.send([OPENING, &windows(0), &all].concat()).unwrap();
    wait_for_heads(&mut client, AT_ONCE);
    // Others are answered meanwhile, and nobody else of these.
    let mut other = Client::connect(server.addr());
    assert_eq!(other.get("/?other").unwrap().text().len(), 200_000);
    let made = AT_ONCE + heads(&mut client);
    assert_eq!((made, asked()), (AT_ONCE, AT_ONCE + 1));
    take_all(&mut client, made);
    assert_eq!(asked(), STREAMS as usize + 1);
    drop(client);
    server.stop();
}

/// One request to the application may be for all who want the same page, but not while it waits
/// for room itself.
#[test]
fn a_page_that_waits_for_room_is_waited_for_by_nobody_else() {
    let php = Application::start(|_, stream| {
        let text = [b"Content-Type: text/plain\r\n\r\n", &[b'x'; 200_000][..]].concat();
        application::answer(stream, &text);
    });
    let site = Site::new();
    let server = serve(&site, &php, ", micro-cache = '1s'");
    let mut client = Client::connect(server.addr());
    let all = streams().flat_map(|stream| get(stream, &format!("/?{stream}")));
    client.send([OPENING, &windows(0), &all.collect::<Vec<_>>()].concat()).unwrap();
    wait_for_heads(&mut client, 10);
    let mut other = Client::connect(server.addr());
    // Of a stream in the middle of those that wait.
    other.send("GET /?193 HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    assert_eq!(other.response().unwrap().text().len(), 200_000);
    take_all(&mut client, 10);
    drop(client);
    let lines = server.stop().lines;
    let bytes = lines.iter().filter(|line| line["event"] == "request").map(|line| &line["bytes"]);
    assert!(bytes.eq(vec![&serde_json::json!(200_000); STREAMS as usize + 1]), "each has its line");
}
