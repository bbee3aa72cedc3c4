//! What several workers have in common: a folder of compressed forms, places for connections.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Stage, eventually};
use std::{fs, net::SocketAddr, thread};

/// A page worth compressing.
fn page() -> Vec<u8> {
    b"<p>The gannet dives.</p>\n".repeat(5_000)
}

/// Asks for it on a new connection; whether it came compressed.
fn ask(addr: SocketAddr) -> bool {
    let mut client = Client::connect(addr);
    let head = "GET /page.html HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: zstd\r\n\r\n";
    client.send(head).unwrap();
    let answer = client.response().unwrap();
    assert_eq!(answer.status, 200);
    let is_compressed = answer.get("content-encoding") == Some("zstd");
    let body = if is_compressed { zstd::decode_all(&*answer.body).unwrap() } else { answer.body };
    assert!(body == page(), "{} bytes", body.len());
    is_compressed
}

/// Asks so often at once that each worker has to do with it.
fn crowd(addr: SocketAddr) {
    thread::scope(|scope| (0..16).for_each(|_| drop(scope.spawn(|| ask(addr)))));
}

/// Whether soon all get it compressed, whichever worker they come to.
fn all_get_it(addr: SocketAddr) -> bool {
    eventually(|| (0..20).all(|_| ask(addr)))
}

/// Whichever worker makes a form, the others send it, and those that come later.
#[test]
fn a_folder_of_forms_is_for_all_workers() {
    let stage = Stage::new();
    stage.site.write("page.html", &page());
    fs::create_dir(stage.file("forms")).unwrap();
    e2e::give_to_server(&stage.file("forms"));
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 2\nthreads = 2\nlog = \"json\"\n\
         compress-cache = {{ folder = {:?} }}\n[site.default]\nroot = {:?}\ncompress = true\n",
        stage.file("forms"),
        stage.site.root()
    );
    let forms = || fs::read_dir(stage.file("forms")).unwrap().count();
    let serve = |fault: &str| -> Server { Launch::run(&config).env("GANNET_FAIL", fault).start() };
    // What changed a moment ago may change again: its form is not stored yet.
    assert!(eventually(|| {
        let server = serve("");
        (0..5).for_each(|_| crowd(server.addr()));
        assert!(all_get_it(server.addr()));
        server.stop();
        forms() > 0
    }));
    assert_eq!(forms(), 1, "they have made the same");
    // None of these can make it.
    let server = serve("encode=panic");
    crowd(server.addr());
    assert!(all_get_it(server.addr()));
    server.workers()[0].kill();
    assert!(eventually(|| server.workers().len() == 2));
    assert!(all_get_it(server.addr()));
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["panics"], 0);
}

/// A client's places are counted over all workers, and those of a worker that dies are free again.
#[test]
fn places_for_connections_are_counted_over_all_workers() {
    let stage = Stage::new();
    let limits = "workers = 2\nthreads = 2\n[server.limits]\nconnections-per-client-max = 8";
    let server = stage.serve(limits, "", "");
    let status = |client: &mut Client| client.get("/digits.txt").ok().map(|answer| answer.status);
    for _ in 0..3 {
        let mut clients = Vec::new();
        let has_room = || {
            let mut client = Client::connect(server.addr());
            let is_in = status(&mut client) == Some(200);
            clients.extend(is_in.then_some(client));
            clients.len() == 8
        };
        assert!(eventually(has_room), "those of who is gone are free");
        for _ in 0..20 {
            assert_eq!(status(&mut Client::connect(server.addr())), Some(503));
        }
        let victim = server.workers()[0];
        victim.kill();
        assert!(eventually(|| server.workers().len() == 2 && !server.workers().contains(&victim)));
    }
    server.stop();
}
