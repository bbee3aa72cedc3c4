//! What several workers have in common: a folder of compressed forms, places for connections.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Stage, eventually};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    thread,
};

/// A page worth compressing.
fn page() -> Vec<u8> {
    b"<p>The gannet dives.</p>\n".repeat(5_000)
}

/// Asks for a page on a new connection, which takes it compressed.
fn asking(addr: SocketAddr, target: &str) -> Client {
    let mut client = Client::connect(addr);
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: zstd\r\n\r\n");
    client.send(head).unwrap();
    client
}

/// The same; whether it came compressed, and what it is.
fn fetch(addr: SocketAddr, target: &str) -> (bool, Vec<u8>) {
    let answer = asking(addr, target).response().unwrap();
    assert_eq!(answer.status, 200);
    match answer.get("content-encoding") {
        Some("zstd") => (true, zstd::decode_all(&*answer.body).unwrap()),
        _ => (false, answer.body),
    }
}

/// Asks for the page; whether it came compressed.
fn ask(addr: SocketAddr) -> bool {
    let (is_compressed, body) = fetch(addr, "/page.html");
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

/// A config for so many workers, each with as many loops, which keep forms in a folder.
fn with_forms(stage: &Stage, root: &Path, workers: usize) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = {workers}\nthreads = {workers}\n\
         log = \"json\"\ncompress-cache = {{ folder = {:?} }}\n\
         [site.default]\nroot = {:?}\ncompress = true\n",
        stage.file("forms"),
        root
    )
}

/// Whichever worker makes a form, the others send it, and those that come later.
#[test]
fn a_folder_of_forms_is_for_all_workers() {
    let stage = Stage::new();
    stage.site.write("page.html", &page());
    fs::create_dir(stage.file("forms")).unwrap();
    e2e::give_to_server(&stage.file("forms"));
    let config = with_forms(&stage, &stage.site.root(), 2);
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

/// Whoever dies in the middle of writing a form leaves nothing that another one sends.
#[test]
fn a_form_is_whole_or_not_there() {
    const PAGE: &str = "/how-it-works.html";
    let stage = Stage::new();
    fs::create_dir(stage.file("forms")).unwrap();
    e2e::give_to_server(&stage.file("forms"));
    // The form of a file that was changed just now would not be stored yet.
    let root = e2e::binary::workspace().join("examples/site");
    let whole = fs::read(root.join(&PAGE[1..])).unwrap();
    let config = with_forms(&stage, &root, 1);
    let writes = File::create(stage.file("writes")).unwrap();
    writes.set_len(999).unwrap();
    let fault = format!("shelf=hang:1000:{}", stage.file("writes").display());
    let server = Launch::run(&config).env("GANNET_FAIL", &fault).start();
    let forms = || {
        let all = fs::read_dir(stage.file("forms")).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.extension().is_some_and(|end| end == "form")).count()
    };
    let mut client = asking(server.addr(), PAGE);
    assert!(eventually(|| writes.metadata().unwrap().len() == 1000));
    assert_eq!(forms(), 0);
    server.process().kill();
    assert!(client.response().is_err());
    assert!(eventually(|| fetch(server.addr(), PAGE) == (true, whole.clone())));
    assert!(eventually(|| forms() == 1));
    server.stop();
    // What is there can be sent by who cannot make it.
    let server = Launch::run(&config).env("GANNET_FAIL", "encode=panic").start();
    assert!(eventually(|| fetch(server.addr(), PAGE) == (true, whole.clone())));
    server.stop();
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
