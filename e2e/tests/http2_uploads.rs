//! Content that is sent over HTTP/2 while other things go on, on the same connection.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Server, Site,
    application::{self, Application},
    eventually,
    frames::{
        self, DATA, END, GOAWAY, HEADERS, OPENING, PING, RST_STREAM, WHOLE, WINDOW_UPDATE, fields,
        frame, get, read, until,
    },
};
use std::{collections::BTreeMap, io::Read};

/// `wonderland`, hashed at a cost that takes a while.
const USERS: &str = "{ users = { alice = \
                     \"$2b$08$3k1cR3mki9PmjO4/PzS7V.nMBXm9RNVffoyfiyFcthf6sjy4VwsMe\" } }";

/// A POST to the application from alice, with her password or another one.
fn post(stream: u32, is_right: bool) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &of_alice(fields(0x83, "/index.php"), is_right))
}

/// Fields with hers or another password among them.
fn of_alice(mut block: Vec<u8>, is_right: bool) -> Vec<u8> {
    // `authorization` of the standing table, kept out of the other one.
    let value: &[u8] =
        if is_right { b"Basic YWxpY2U6d29uZGVybGFuZA==" } else { b"Basic YWxpY2U6d29ybmc=" };
    block.extend([0x0f, 0x08, u8::try_from(value.len()).unwrap()]);
    block.extend_from_slice(value);
    block
}

/// An application that sends content back.
fn echo() -> Application {
    Application::start(|asked, stream| {
        let head = b"Content-Type: text/x\r\n\r\n";
        application::answer(stream, &[head, &asked.content[..]].concat());
    })
}

/// Serves `site` by `php`; `more` are lines of the site's table.
fn launch(site: &Site, php: &Application, more: &str) -> Launch {
    site.write("index.php", b"");
    Launch::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\n[site.default]\nroot = {:?}\n{}{more}",
        site.root(),
        php.setting("upload-max = '4MB'")
    ))
}

fn serve(site: &Site, php: &Application) -> Server {
    launch(site, php, "").start()
}

/// Whose password is checked holds up neither the rest of its connection nor other checks; content
/// that comes meanwhile is not lost, and is let in as far as the windows go.
#[test]
fn a_password_that_is_checked_holds_up_nobody_else() {
    let (site, php) = (Site::new(), echo());
    let launch = launch(&site, &php, &format!("route.'*.php'.auth = {USERS}\n"));
    let server = launch.env("GANNET_FAIL", "hash=stall:1000").start();
    let mut client = Client::connect(server.addr());
    let streams = || (0..6).map(|at| 1 + 2 * at);
    let asked = streams().flat_map(|stream| post(stream, stream != 1));
    let early = streams().flat_map(|stream| frame(DATA, 0, stream, &[b'a'; 5000]));
    let meanwhile = [
        frame(PING, 0, 0, b"meanwhil"),
        frame(HEADERS, END | WHOLE, 21, &fields(0x82, "/digits.txt")),
    ];
    let begun: Vec<u8> = asked.chain(early).chain(meanwhile.concat()).collect();
    client.send([OPENING, &begun].concat()).unwrap();
    let mut came = Vec::new();
    while came.len() < 3 {
        let next = read(&mut client).unwrap();
        if matches!(next.kind, PING | HEADERS | DATA) {
            came.push((next.kind, next.stream));
        }
    }
    assert_eq!(came, [(PING, 0), (HEADERS, 21), (DATA, 21)], "before any password was checked");
    let rest = streams().flat_map(|stream| frame(DATA, END, stream, b"b"));
    client.send(rest.collect::<Vec<u8>>()).unwrap();
    let mut answers = BTreeMap::<_, Vec<u8>>::new();
    let mut ended = 0;
    while ended < 6 {
        let next = read(&mut client).unwrap();
        assert!(!matches!(next.kind, GOAWAY | RST_STREAM), "{next:?}");
        if next.kind == DATA {
            ended += usize::from(next.flags & END != 0);
            answers.entry(next.stream).or_default().extend(next.payload);
        }
    }
    let refused = answers.remove(&1).unwrap();
    assert!(String::from_utf8_lossy(&refused).contains("401"), "{refused:?}");
    let whole = [&[b'a'; 5000][..], b"b"].concat();
    assert!(answers.values().all(|answer| *answer == whole), "{:?}", answers.keys());
    // So much more than a window holds is let in.
    client.send(post(31, true)).unwrap();
    let mut room = BTreeMap::from([(0, 65_535 - 6 * 5001), (31, 65_535)]);
    for _ in 0..30 {
        while room.values().any(|&room| room < 10_000) {
            let next = read(&mut client).unwrap();
            if let (WINDOW_UPDATE, Some(room)) = (next.kind, room.get_mut(&next.stream)) {
                *room += next.code();
            }
        }
        client.send(frame(DATA, 0, 31, &[b'c'; 10_000])).unwrap();
        room.values_mut().for_each(|room| *room -= 10_000);
    }
    drop(client);
    server.stop();
}

/// As many as may be asked at once wait for one check of their password, and none is turned away
/// as too many passwords wait.
#[test]
fn a_password_that_many_requests_bring_at_once_is_checked_once() {
    let site = Site::new();
    let config = format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\n[site.default]\nroot = {:?}\nauth = {USERS}\n",
        site.root()
    );
    let server = Launch::run(&config).env("GANNET_FAIL", "hash=stall:300").start();
    let mut client = Client::connect(server.addr());
    let ask = |number: u32| {
        let block = of_alice(fields(0x82, "/digits.txt"), number != 7);
        frame(HEADERS, END | WHOLE, 1 + 2 * number, &block)
    };
    client.send([OPENING, &(0..128).flat_map(ask).collect::<Vec<u8>>()].concat()).unwrap();
    for _ in 0..128 {
        let head = until(&mut client, HEADERS).unwrap();
        let is_let_in = head.payload.iter().find(|&&byte| byte != 0x20) == Some(&0x88);
        assert_eq!(is_let_in, head.stream != 15, "{head:?}");
    }
    server.stop();
}

/// Heads that unfold from some bytes to 28 KB each, of requests that nobody answers: those beyond
/// a connection's share of memory are to be asked again, and it goes on.
#[test]
fn requests_that_wait_have_a_share_of_memory() {
    let php = Application::start(|_, stream| drop(stream.read(&mut [0])));
    let site = Site::new();
    let server = serve(&site, &php);
    let mut attacker = Client::connect(server.addr());
    let ask = |stream, more: &[u8]| {
        let block = [&fields(0x82, "/index.php"), more].concat();
        frame(HEADERS, END | WHOLE, stream, &block)
    };
    let entry = [b"\x40\x01x\x7f\x81\x1e", &[b'v'; 3968][..]].concat();
    let bombs: Vec<_> = (1..128).flat_map(|at| ask(1 + 2 * at, &[0xbe; 7])).collect();
    let end = frame(PING, 0, 0, b"the end.");
    attacker.send([OPENING, &ask(1, &entry), &bombs, &end].concat()).unwrap();
    let came = std::iter::repeat_with(|| read(&mut attacker).unwrap());
    let refused = came.take_while(|came| came.payload != b"the end.");
    let refused: Vec<_> = refused.filter(|came| came.kind == RST_STREAM).collect();
    assert!(refused.iter().all(|reset| reset.code() == 7), "{refused:?}");
    let waiting = 128 - refused.len();
    assert!((60..80).contains(&waiting), "{waiting} wait, which take 2 MiB");
    let line = server.wait_for(|line| line["event"] == "request");
    assert_eq!(line["reason"], "requests that wait take too much memory");
    attacker.send(get(301, "/digits.txt")).unwrap();
    assert_eq!(until(&mut attacker, DATA).unwrap().payload, b"0123456789", "nor does this wait");
    drop(attacker);
    server.stop();
}

/// Content that is little, of many requests at once, lies in files when it is much together.
#[test]
fn content_that_waits_has_a_share_of_memory() {
    let (site, php) = (Site::new(), echo());
    let server = serve(&site, &php);
    let streams = || (0..100).map(|at| 1 + 2 * at);
    let files = || {
        let held = server.process().held().into_iter();
        held.filter(|name| name.starts_with("/var/tmp/")).count()
    };
    let mut client = Client::connect(server.addr());
    let heads: Vec<_> = streams().flat_map(|stream| frames::post(stream, "/index.php")).collect();
    client.send([OPENING, &heads].concat()).unwrap();
    let mut room = 65_535;
    // Room may come at any time.
    let next = |client: &mut Client, room: &mut u32| {
        let next = read(client).unwrap();
        if (next.kind, next.stream) == (WINDOW_UPDATE, 0) {
            *room += next.code();
        }
        next
    };
    let send = |client: &mut Client, room: &mut u32, letter| {
        for stream in streams() {
            while *room < 15_000 {
                next(client, room);
            }
            *room -= 15_000;
            client.send(frame(DATA, 0, stream, &[letter; 15_000])).unwrap();
        }
    };
    send(&mut client, &mut room, b'a');
    client.send(frame(PING, 0, 0, b"one half")).unwrap();
    while next(&mut client, &mut room).payload != b"one half" {}
    assert_eq!(files(), 0, "1.5 MB have room");
    send(&mut client, &mut room, b'b');
    assert!(eventually(|| files() > 0), "3 MB have not");
    let rest: Vec<_> = streams().flat_map(|stream| frame(DATA, END, stream, b"c")).collect();
    client.send(rest).unwrap();
    let (mut answers, mut ended) = (BTreeMap::<_, Vec<u8>>::new(), 0);
    while ended < 100 {
        let came = read(&mut client).unwrap();
        assert_ne!(came.kind, RST_STREAM);
        if came.kind == DATA {
            let taken = u32::try_from(came.payload.len()).unwrap().to_be_bytes();
            let room = [0, came.stream].map(|stream| frame(WINDOW_UPDATE, 0, stream, &taken));
            client.send(room.concat()).unwrap();
            ended += usize::from(came.flags & END != 0);
            answers.entry(came.stream).or_default().extend(came.payload);
        }
    }
    let expect = [&[b'a'; 15_000][..], &[b'b'; 15_000], b"c"].concat();
    assert!(answers.values().all(|answer| *answer == expect), "each has its own, in order");
    server.stop();
}
