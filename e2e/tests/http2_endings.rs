//! Exchanges of HTTP/2 that end before their answer: each has its line, and nobody waits for what
//! can never come.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Server, Site,
    application::Application,
    eventually,
    frames::{
        self, DATA, END, HEADERS, OPENING, PING, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE,
        fields, frame, get, post, read, until,
    },
};
use std::{
    fs::File,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// An application that says nothing as long as somebody waits for it.
fn silent() -> Application {
    Application::start(|_, stream| drop(stream.read(&mut [0])))
}

/// Serves `site` by `php`; `more` are lines of the site's table.
fn serve(site: &Site, php: &Application, more: &str) -> Server {
    site.write("index.php", b"");
    Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\n[server.limits]\nwrite-stall-time = '1h'\nbody-idle-time = '1h'\n\
         [site.default]\nroot = {:?}\n{}{more}",
        site.root(),
        php.setting("time = '1h'")
    ))
}

/// `alice` with a password that is not hers, hashed at a cost that takes a while.
const GUARD: &str = "auth = { users = { alice = \
                     \"$2b$08$3k1cR3mki9PmjO4/PzS7V.nMBXm9RNVffoyfiyFcthf6sjy4VwsMe\" } }\n";

/// Asks for `target` as alice, who is wrong about her password.
fn guess(target: &str) -> Vec<u8> {
    let mut block = fields(0x82, target);
    // `authorization` of the standing table, kept out of the other one.
    let value = b"Basic YWxpY2U6d29ybmc=";
    block.extend([0x0f, 0x08, u8::try_from(value.len()).unwrap()]);
    block.extend_from_slice(value);
    frame(HEADERS, END | WHOLE, 1, &block)
}

#[test]
fn an_exchange_without_an_answer_has_its_line() {
    let (site, php) = (Site::new(), silent());
    let ask = |target| frame(HEADERS, END | WHOLE, 1, &fields(0x82, target));
    let upload = [post(1, "/?upload"), frame(DATA, 0, 1, b"half")].concat();
    let asked = ["/?reset", "/?shut", "/?broken"].map(ask);
    let guesses = ["/?reset", "/?shut", "/?broken"].map(guess);
    let ends = [
        (frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), "the client does not want it any more"),
        (frame(WINDOW_UPDATE, 0, 1, &[0; 4]), "a window is widened by nothing"),
        (frame(DATA, 0, 0, b""), "cut off"),
    ];
    let ping = frame(PING, 0, 0, &[0; 8]);
    let left = "the client left before the application had answered";
    for (guard, heads) in [("", asked), (GUARD, guesses)] {
        let server = serve(&site, &php, guard);
        for (head, (end, _)) in heads.iter().zip(&ends) {
            let mut client = Client::connect(server.addr());
            client.send([OPENING, head, end, &ping].concat()).unwrap();
            // It comes back, or the connection ends: what came before has had its effect.
            let _ = until(&mut client, PING);
        }
        if guard.is_empty() {
            for (end, _) in &ends {
                let mut client = Client::connect(server.addr());
                client.send([OPENING, &upload, end, &ping].concat()).unwrap();
                let _ = until(&mut client, PING);
            }
            let mut client = Client::connect(server.addr());
            client.send("POST /?upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx").unwrap();
            drop(client);
            server.wait_for(|line| line["reason"] == left);
        }
        let log = server.stop();
        let lines = |target: &str| -> Vec<_> {
            let lines = log.lines.iter().filter(|line| line["target"] == target);
            lines.map(|line| (line["status"].clone(), line["reason"].clone())).collect()
        };
        for (target, (_, reason)) in ["/?reset", "/?shut", "/?broken"].iter().zip(&ends) {
            assert_eq!(lines(target), [(499.into(), (*reason).into())], "{target} {guard}");
        }
        if guard.is_empty() {
            let why = ends.each_ref().map(|(_, reason)| (499.into(), (*reason).into()));
            assert_eq!(lines("/?upload"), [&why[..], &[(499.into(), left.into())]].concat());
        }
    }
}

/// What can never come is not waited for: content, or room, of a client that has closed its side.
#[test]
fn a_connection_whose_client_has_left_is_not_kept() {
    let (site, php) = (Site::new(), silent());
    let server = serve(&site, &php, "");
    let streams = || (0..64).map(|at| 3 + 2 * at);
    let halves = streams()
        .flat_map(|stream| [post(stream, "/?half"), frame(DATA, 0, stream, &[b'x'; 900])].concat());
    let shut = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut client = Client::connect(server.addr());
    let asked = [OPENING, &shut, &get(1, "/large.bin"), &halves.collect::<Vec<_>>()].concat();
    client.send(asked).unwrap();
    client.shut().unwrap();
    let (bytes, _) = client.drain().unwrap();
    let frames = frames::all(&bytes);
    let cancelled =
        |stream| frames.iter().any(|frame| frame.kind == RST_STREAM && frame.stream == stream);
    assert!(cancelled(1) && streams().all(cancelled), "{frames:?}");
    // What fits the windows is sent though its client asks for nothing more.
    let mut client = Client::connect(server.addr());
    client.send([OPENING, &get(1, "/digits.txt"), &get(3, "/large.bin")].concat()).unwrap();
    client.shut().unwrap();
    let (bytes, _) = client.drain().unwrap();
    let content = |stream| {
        let frames = frames::all(&bytes).into_iter();
        let frames = frames.filter(move |frame| frame.kind == DATA && frame.stream == stream);
        frames.flat_map(|frame| frame.payload).collect::<Vec<_>>()
    };
    assert_eq!((content(1), content(3).len()), (b"0123456789".to_vec(), 65_525));
    let log = server.stop();
    let lines = |target: &str, status: u32, reason: &str| {
        let is_it = |line: &&serde_json::Value| {
            line["target"] == target && line["status"] == status && line["reason"] == reason
        };
        log.lines.iter().filter(is_it).count()
    };
    assert_eq!(lines("/?half", 499, "the client has left"), 64);
    assert_eq!(lines("/large.bin", 200, "the client has left"), 2);
}

/// A server that ends before it has answered, as it was told to or because it makes room for the
/// next one, says so to whoever waits, and in its log.
#[test]
fn what_is_under_way_when_the_server_ends_has_its_line_by_either_version() {
    let (site, asked) = (Site::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let php = Application::start(move |_, stream| {
        count.fetch_add(1, Ordering::Relaxed);
        drop(stream.read(&mut [0]));
    });
    site.write("index.php", b"");
    let server = Server::run(&format!(
        "[server]\nlisten = {{ address = '127.0.0.1:0', http2 = true }}\nlog = 'json'\n\
         threads = 1\nlimits.stop-time = '1s'\n[site.default]\nroot = {:?}\n{}",
        site.root(),
        php.setting("time = '1h'")
    ));
    let mut many = Client::connect(server.addr());
    // Room for more than one stream has.
    let room = frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]);
    many.send([OPENING, &room, &get(1, "/?many"), &get(3, "/large.bin?many")].concat()).unwrap();
    assert_eq!(until(&mut many, HEADERS).unwrap().stream, 3);
    let mut one = Client::connect(server.addr());
    one.send("GET /?one HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let upload = "POST /?half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
    let mut half = Client::connect(server.addr());
    half.send(upload).unwrap();
    let mut loads = Client::download(server.addr(), "/huge.bin");
    assert!(eventually(|| asked.load(Ordering::Relaxed) == 2));
    let log = server.stop();
    for client in [&mut one, &mut half] {
        let answer = client.response().unwrap();
        assert!(answer.status == 503 && answer.closes(), "{}", answer.status);
    }
    let head = until(&mut many, HEADERS).unwrap();
    assert!(head.stream == 1 && head.payload.windows(3).any(|part| part == b"503"), "{head:?}");
    assert!(loads.drain().unwrap().0.len() < Site::HUGE_BYTES as usize);
    let line = |target: &str| -> Vec<_> {
        let lines = log.lines.iter().filter(|line| line["target"] == target);
        lines.map(|line| (line["status"].clone(), line["reason"].clone())).collect()
    };
    for (target, status, reason) in [
        ("/?many", 503, "the server ended before it was answered"),
        ("/?one", 503, "the server ended before it was answered"),
        ("/?half", 503, "the server ended before it was answered"),
        ("/large.bin?many", 200, "cut off"),
        ("/huge.bin", 200, "cut off"),
    ] {
        assert_eq!(line(target), [(status.into(), reason.into())], "{target}");
    }
}

/// An answer whose file becomes shorter while it is sent is cut off, and no other one of its
/// connection.
#[test]
fn a_file_that_shrinks_ends_its_own_answer_alone() {
    const WINDOW_BYTES: u64 = 65_535;
    for left in [100_000, Site::LARGE_BYTES as u64 - 1] {
        let (site, php) = (Site::new(), silent());
        let server = serve(&site, &php, "");
        let mut client = Client::connect(server.addr());
        client.send([OPENING, &get(1, "/large.bin")].concat()).unwrap();
        let mut came = 0;
        while came < WINDOW_BYTES {
            came += until(&mut client, DATA).unwrap().payload.len() as u64;
        }
        File::options().write(true).open(site.path("large.bin")).unwrap().set_len(left).unwrap();
        // What was found in memory is believed as long as a tick of a coarse clock lasts.
        thread::sleep(Duration::from_millis(20));
        let widened = [0, 1].map(|stream| frame(WINDOW_UPDATE, 0, stream, &[0, 64, 0, 0]));
        client.send([widened.concat(), get(3, "/digits.txt")].concat()).unwrap();
        let (mut is_reset, mut is_answered) = (false, false);
        while !(is_reset && is_answered) {
            let frame = read(&mut client).unwrap();
            is_reset |= frame.kind == RST_STREAM && (frame.stream, frame.code()) == (1, 2);
            is_answered |= frame.kind == DATA && frame.flags == END && frame.stream == 3;
        }
        let line = server.wait_for(|line| line["target"] == "/large.bin");
        assert_eq!(line["reason"], "its file could not be read to the end");
        assert!(line["bytes"].as_u64().unwrap() <= left, "{line}");
        server.stop();
    }
}
