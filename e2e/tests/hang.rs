//! A loop that does not move is found and replaced, and what a worker was at when it died is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Server, Stage, eventually, stage::get};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

const DOWNLOAD: &str = "GET /huge.bin?secret HTTP/1.1\r\nHost: b.test\r\n\r\n";

/// Serves with one loop in each of so many workers.
fn serve(stage: &Stage, workers: usize, fail: &str) -> Server {
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nthreads = 1\nworkers = {workers}\nlog = \"json\"\n\
         error-log = {{ format = \"json\", file = {:?} }}\n[site.default]\nroot = {:?}\n",
        stage.file("errors.log"),
        stage.site.root()
    );
    fs::write(stage.file("gannet.toml"), config).unwrap();
    // More than the kernel takes for a client that does not read.
    stage.site.write("huge.bin", &vec![7; 32 * 1024 * 1024]);
    tell(stage, &["run"]).env("GANNET_FAIL", fail).start()
}

/// `gannet WORDS FILE`.
fn tell(stage: &Stage, words: &[&str]) -> Launch {
    let file = stage.file("gannet.toml").to_str().unwrap().to_owned();
    Launch::of(words.iter().map(|word| (*word).to_owned()).chain([file]).collect())
}

/// The reason in the error log of what `event` tells, as soon as it is there.
fn reason(stage: &Stage, event: &str) -> String {
    let find = || {
        let lines = stage.lines("errors.log").into_iter();
        let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
        lines.find(|line| line["event"] == event)
    };
    assert!(eventually(|| find().is_some()), "{event} is not told");
    find().unwrap()["reason"].as_str().unwrap().to_owned()
}

/// Starts a download and reads only its first bytes.
fn download(server: &Server) -> Client {
    let mut client = Client::connect_narrow(server.addr());
    client.send(DOWNLOAD).unwrap();
    assert_eq!(client.take(13).unwrap(), b"HTTP/1.1 200 ");
    client
}

#[test]
fn a_loop_that_hangs_is_told_with_its_request_and_replaced() {
    let stage = Stage::new();
    // A worker's first exchange is its own, the second one the download here.
    let server = serve(&stage, 1, "exchange=hang:3,look=set:300");
    let before = server.workers();
    let _download = download(&server);
    let mut victim = Client::connect(server.addr());
    victim.send("GET /digits.txt?secret HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    let how = reason(&stage, "worker_hung");
    assert!(how.contains("worked out an answer, at GET a.test/digits.txt"), "{how}");
    let lost = reason(&stage, "cut_off");
    assert!(lost.ends_with(": GET a.test/digits.txt, GET b.test/huge.bin"), "{lost}");
    assert!(reason(&stage, "worker_died").contains("signal 6"));
    assert!(victim.response().is_err());
    assert_eq!(get(server.addr(), "a.test", "/digits.txt").status, 200, "nobody is refused");
    assert_ne!(server.workers(), before);
    server.stop();
}

#[test]
fn a_worker_that_is_stopped_is_replaced_though_it_has_nothing_to_do() {
    let stage = Stage::new();
    let server = serve(&stage, 1, "look=set:200");
    let before = server.workers();
    before[0].signal(Signal::STOP);
    assert!(reason(&stage, "worker_hung").contains("a signal has stopped it"));
    assert!(eventually(|| !before[0].is_alive()));
    assert_eq!(get(server.addr(), "a.test", "/digits.txt").status, 200);
    server.stop();
}

#[test]
fn a_loop_that_sleeps_or_works_does_not_hang() {
    let stage = Stage::new();
    let server = serve(&stage, 2, "look=set:300");
    let before = server.workers();
    let mut client = Client::connect(server.addr());
    let download = download(&server);
    // The supervisor looks more often meanwhile than it needs to be sure.
    assert!(eventually(|| {
        assert_eq!(client.get("/large.bin").unwrap().status, 200);
        let (_, status, _) = tell(&stage, &["status", "--json"]).finish();
        serde_json::from_str::<Value>(&status).unwrap()["seconds"].as_u64().unwrap() > 4
    }));
    assert_eq!(server.workers(), before);
    drop((client, download));
    server.stop();
}

/// A loop that has done all that it had to do waits for the others of its worker.
#[test]
fn a_loop_that_is_done_does_not_hang() {
    let stage = Stage::new();
    let server = serve(&stage, 1, "look=set:200");
    let file = stage.file("gannet.toml");
    let config = fs::read_to_string(&file).unwrap().replace("threads = 1", "threads = 2");
    fs::write(&file, config).unwrap();
    let reload = || assert_eq!(tell(&stage, &["reload"]).finish().0, Some(0));
    reload();
    let before = server.workers();
    let mut download = download(&server);
    reload();
    let seconds = || {
        let (_, status, _) = tell(&stage, &["status", "--json"]).finish();
        serde_json::from_str::<Value>(&status).unwrap()["reload"]["seconds"].as_u64().unwrap()
    };
    assert!(eventually(|| seconds() > 3));
    assert!(before.iter().any(|worker| worker.is_alive()), "it still has a client");
    let (rest, _) = download.drain().unwrap();
    assert!(rest.len() > 32 * 1024 * 1024);
    server.stop();
}

#[test]
fn what_a_dead_worker_was_at_is_told() {
    let stage = Stage::new();
    let server = serve(&stage, 1, "");
    let mut idle = Client::connect(server.addr());
    assert_eq!(idle.get("/large.bin").unwrap().status, 200);
    let _under_way = download(&server);
    server.process().kill();
    let lost = reason(&stage, "cut_off");
    assert!(lost.ends_with("had not finished: GET b.test/huge.bin"), "{lost}");
    assert!(reason(&stage, "worker_died").contains("signal 9"));
    assert_eq!(get(server.addr(), "a.test", "/").status, 200);
    server.stop();
}
