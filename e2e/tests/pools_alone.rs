//! php-fpms while nobody watches them, finds them or listens to them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Place, Server, Sites, eventually,
    process::Process,
    sites::{HOSTS, get, masters, show, sockets},
};
use rustix::process::Signal;
use std::{fs, thread};

/// The processes that `process` has started to run PHP.
fn fpms(process: Process) -> Vec<Process> {
    let children = process.children().into_iter();
    children.filter(|child| child.name().starts_with("php-fpm")).collect()
}

/// Ends the process that watches, and nothing else.
fn kill(server: &Server) {
    server.started().kill();
    assert!(eventually(|| !server.started().is_alive()));
}

/// Begins a request that is answered once the file `done` is there.
fn wait(place: &Place, server: &Server) -> Client {
    let mut client = Client::connect(server.addr());
    client.send("GET /shown?wait=done HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    assert!(eventually(|| place.path("a/begun").exists()));
    client
}

/// Lets that go on.
fn done(place: &Place) {
    fs::write(place.path("a/done"), "").unwrap();
}

#[test]
fn they_end_with_the_last_worker_that_nobody_watches() {
    let place = Sites::new();
    let server = place.start();
    let (workers, masters) = (server.workers(), masters(&server));
    kill(&server);
    workers[0].signal(Signal::TERM);
    assert!(eventually(|| !workers[0].is_alive()));
    assert!(masters.iter().all(|master| master.is_alive()));
    workers[1].signal(Signal::TERM);
    assert!(eventually(|| masters.iter().all(|master| !master.is_alive())));
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()), "nobody holds the port");
}

/// It is told to two others, and none of them tells anybody.
#[test]
fn what_nobody_reads_keeps_them_from_nothing() {
    let place = Sites::new();
    let server = place.start();
    let before = masters(&server);
    kill(&server);
    show(&server, "a.example", "say=5000");
    let mut waiting = wait(&place, &server);
    // Another process is needed for this.
    show(&server, "a.example", "");
    done(&place);
    assert_eq!(waiting.response().unwrap().status, 200);
    let server = place.start();
    assert_eq!(masters(&server), before);
    server.stop();
}

#[test]
fn they_end_if_who_has_started_them_does_before_it_serves() {
    let place = Sites::new();
    thread::scope(|scope| {
        let starting = scope.spawn(|| place.launch().try_start());
        let config = place.config();
        let is_it = |process: &Process| {
            let words = fs::read_to_string(format!("/proc/{}/cmdline", process.0));
            words.is_ok_and(|words| words.split('\0').any(|word| word == config))
        };
        let started = || Process(std::process::id()).children().into_iter().find(is_it);
        assert!(eventually(|| started().is_some_and(|started| fpms(started).len() == 2)));
        let started = started().unwrap();
        let masters = fpms(started);
        // So they do not get ready, nor does anybody serve.
        masters.iter().for_each(|master| master.signal(Signal::STOP));
        let is_kept =
            |master: &Process| started.children().iter().any(|other| other.holds(*master));
        assert!(eventually(|| masters.iter().all(is_kept)));
        let all = started.children();
        started.kill();
        assert!(eventually(|| !started.is_alive()));
        // Where they were quicker it serves already: then nobody does any more.
        let workers = all.into_iter().filter(|child| child.name() == "gannet-worker");
        workers.for_each(|worker| worker.signal(Signal::TERM));
        masters.iter().for_each(|master| master.signal(Signal::CONT));
        assert!(eventually(|| masters.iter().all(|master| !master.is_alive())));
        drop(starting.join().unwrap());
    });
    let server = place.start();
    masters(&server);
    server.stop();
}

#[test]
fn they_end_if_who_has_started_them_does_while_it_stops() {
    let place = Sites::new();
    let server = place.start();
    let masters = masters(&server);
    let waiting = wait(&place, &server);
    server.signal(Signal::TERM);
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()));
    let workers = server.workers();
    kill(&server);
    done(&place);
    drop(waiting);
    assert!(eventually(|| masters.iter().all(|master| !master.is_alive())));
    assert!(eventually(|| workers.iter().all(|worker| !worker.is_alive())));
}

#[test]
fn one_that_nobody_finds_is_replaced_by_a_reload() {
    let place = Sites::new();
    let server = place.start();
    let before = masters(&server);
    let paths = sockets(&server);
    fs::remove_file(&paths[0]).unwrap();
    let lost: Vec<_> = HOSTS.iter().filter(|host| get(&server, host, "/").status == 502).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    let now = masters(&server);
    assert_eq!(now.iter().filter(|master| before.contains(master)).count(), 1);
    assert!(eventually(|| before.iter().filter(|master| master.is_alive()).count() == 1));
    assert_eq!(sockets(&server), paths);
    server.stop();
}

#[test]
fn those_that_cannot_be_started_are_tried_on_by_the_next_who_watches() {
    let place = Sites::new();
    let server = place.start();
    masters(&server);
    let paths = sockets(&server);
    let are_closed = || {
        fpms(server.started()).into_iter().for_each(Process::kill);
        // Where a folder lies nobody can listen.
        paths.iter().all(|path| path.is_dir() || fs::create_dir(path).is_ok())
    };
    assert!(eventually(are_closed));
    let is_said = || place.reasons("php_died").iter().any(|why| why.contains("cannot be started"));
    assert!(eventually(is_said));
    kill(&server);
    // Nor does a reload help.
    place.edit("threads", "thraeds");
    let server = place.start();
    assert!(eventually(|| place.count("not_reloaded") == 1));
    assert_eq!(HOSTS.map(|host| get(&server, host, "/").status), [502, 502]);
    paths.iter().for_each(|path| fs::remove_dir(path).unwrap());
    assert!(eventually(|| HOSTS.map(|host| get(&server, host, "/").status) == [200, 200]));
    server.stop();
}

#[test]
fn what_they_say_is_put_down_up_to_a_measure() {
    let place = Sites::new();
    let server = place.start();
    let lines = 20_000;
    show(&server, "a.example", &format!("say={lines}"));
    let is_noted = || place.reasons("php").iter().any(|why| why.contains("100 lines a second"));
    assert!(eventually(is_noted));
    assert!(place.count("php") < lines / 4);
    // The other one is heard all the same.
    show(&server, "b.example", "say=1");
    let is_heard = || place.reasons("php").iter().any(|why| why.contains("b.example"));
    assert!(eventually(is_heard));
    server.stop();
}
