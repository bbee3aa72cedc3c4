//! The process that watches the workers is killed, and another one goes on with them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Manager, Server, Site,
    authority::{free_ports, own_address},
    eventually,
    process::Process,
    under_load,
};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::Signal,
};
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// A server with two workers, and somebody who may start it again.
struct Place {
    site: Site,
    folder: tempfile::TempDir,
    manager: Option<Manager>,
    /// Descriptors on their way to a new process are open to all that are started meanwhile.
    _turn: MutexGuard<'static, ()>,
}

impl Place {
    /// One that stands by itself.
    fn alone() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (site, folder) = (Site::new(), e2e::folder());
        let place = Self { site, folder, manager: None, _turn: turn };
        place.write("[\"127.0.0.1:0\", \"unix:s\"]");
        place
    }

    /// One that systemd starts.
    fn managed() -> Self {
        Self { manager: Some(Manager::new()), ..Self::alone() }
    }

    fn write(&self, listen: &str) {
        let text = format!(
            "[server]\nlisten = {listen}\nlog = \"json\"\nworkers = 2\nthreads = 2\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             [site.default]\nroot = {:?}\n",
            self.site.root_text()
        );
        fs::write(self.file(), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    fn launch(&self) -> Launch {
        let launch = Launch::of(vec!["run".to_owned(), self.file()]);
        match &self.manager {
            Some(manager) => manager.of(launch),
            None => launch,
        }
    }

    fn status(&self) -> Value {
        let words = ["status", "--json", &self.file()].map(str::to_owned);
        let (code, stdout, stderr) = Launch::of(words.to_vec()).finish();
        assert_eq!(code, Some(0), "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    /// The workers that the server watches, whoever has started them.
    fn workers(&self) -> Vec<Process> {
        let status = self.status();
        let generations = status["generations"].as_array().unwrap().iter();
        let workers = generations.flat_map(|one| one["workers"].as_array().unwrap().clone());
        workers.map(|worker| Process(worker["pid"].as_u64().unwrap() as u32)).collect()
    }

    /// Has the server read its config again, which it can.
    fn reload(&self) {
        let (code, _, stderr) = Launch::of(["reload".to_owned(), self.file()].to_vec()).finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
    }

    /// The errors log's lines about `event`.
    fn count(&self, event: &str) -> usize {
        let text = fs::read_to_string(self.path("errors.log")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).count()
    }

    /// Starts another process in the place of the one that was killed, and waits until its own
    /// workers serve instead of those `before`.
    fn restart(&self, killed: &Server, before: &[Process]) -> Server {
        let server = self.launch().start();
        assert_eq!(server.addr(), killed.addr());
        let is_done =
            || server.workers().len() == 2 && before.iter().all(|worker| !worker.is_alive());
        assert!(eventually(is_done), "others serve instead of {before:?}: {}", self.status());
        server
    }

    /// The process that keeps what the server holds.
    fn keeper(&self, server: &Server) -> Option<Process> {
        let children = server.started().children();
        children.into_iter().find(|child| child.name() == "gannet-keeper")
    }
}

/// Ends the process that watches, and nothing else.
fn kill(server: &Server) {
    server.started().kill();
    assert!(eventually(|| !server.started().is_alive()));
}

/// How many descriptors a server has open, and whoever keeps what it holds.
fn descriptors(place: &Place, server: &Server, keeper: Option<Process>) -> (usize, usize) {
    let kept = match (&place.manager, keeper) {
        (Some(manager), _) => manager.names().len(),
        (None, keeper) => keeper.unwrap().descriptors(),
    };
    (server.started().descriptors(), kept)
}

/// What a signal would have meant to a worker had nobody watched it is over once somebody does.
#[test]
fn a_signal_that_was_not_for_a_worker_is_not_remembered() {
    let place = Place::alone();
    let text = fs::read_to_string(place.file()).unwrap();
    let text = text.replace("[site", "[server.limits]\nstop-time = \"0ms\"\n[site");
    fs::write(place.file(), text).unwrap();
    // More than lies in between.
    let huge = vec![b'x'; 32 << 20];
    place.site.write("huge.bin", &huge);
    let server = place.launch().start();
    let mut busy = Client::download(server.addr(), "/huge.bin");
    server.workers().iter().for_each(|worker| worker.signal(Signal::TERM));
    // It is over when they have said that they drain, so they have heard that, too.
    place.reload();
    assert!(eventually(|| place.count("reloaded") == 1));
    kill(&server);
    let next = place.launch().start();
    assert!(eventually(|| place.count("reloaded") == 2));
    place.reload();
    let (bytes, _) = busy.drain().unwrap();
    assert!(bytes.ends_with(&huge), "the download is whole");
    next.stop();
}

/// What a keeper is told while a signal has stopped it, it hears once it goes on.
#[test]
fn nobody_waits_for_a_keeper_that_was_stopped() {
    // Who waited would do so for two seconds each time; a busy machine takes as long now and then.
    let times: Vec<_> = (0..3).map(|_| time_without_keeper()).collect();
    assert!(times.iter().any(|time| *time < Duration::from_secs(2)), "{times:?}");
}

/// How long it takes until others serve instead of workers that die, while the keeper is stopped.
fn time_without_keeper() -> Duration {
    let place = Place::alone();
    let server = place.launch().start();
    let keeper = place.keeper(&server).unwrap();
    keeper.signal(Signal::STOP);
    let (before, killed) = (server.workers(), Instant::now());
    before.iter().for_each(|worker| worker.kill());
    let others = || server.workers().into_iter().filter(|worker| !before.contains(worker));
    assert!(eventually(|| others().count() == 2));
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    let time = killed.elapsed();
    let before = place.workers();
    kill(&server);
    keeper.signal(Signal::CONT);
    let next = place.restart(&server, &before);
    assert_eq!(place.count("adopted"), 1);
    next.stop();
    time
}

/// Workers that are gone of which it keeps the last requests.
const RECENTS_MAX: usize = 8;

/// Kills it again and again under load.
fn outlive(place: &Place) {
    let mut server = place.launch().start();
    let addr = server.addr();
    let keeper = place.keeper(&server);
    assert_eq!(keeper.is_some(), place.manager.is_none());
    place.status();
    let fresh = descriptors(place, &server, keeper);
    let mut memory = Vec::new();
    let asked = under_load(addr, || {
        for number in 1..=5 {
            let before = place.workers();
            kill(&server);
            assert!(before.iter().all(|worker| worker.is_alive()));
            server = place.restart(&server, &before);
            assert_eq!(place.count("adopted"), number);
            assert!(eventually(|| place.count("reloaded") == number));
            let now = || descriptors(place, &server, keeper);
            let is_flat = || now().0 <= fresh.0 + RECENTS_MAX && now().1 <= fresh.1;
            assert!(eventually(is_flat), "{fresh:?} became {:?}", now());
            memory.push(server.started().own_memory_kib());
        }
    });
    let is_flat = || server.started().own_memory_kib() <= memory[0] + 1024;
    assert!(eventually(is_flat), "{memory:?}");
    let requests = || place.status()["requests"].as_u64().unwrap();
    assert!(eventually(|| requests() >= u64::from(asked)), "none is forgotten");
    let status = place.status();
    assert_eq!((&status["restarts"], &status["generations"][0]["number"]), (&0.into(), &6.into()));
    let mut client = Client::connect_unix(&place.path("s"));
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    drop(client);
    let stopped = server.stop();
    assert!(stopped.lines.last().unwrap()["requests"].as_u64().unwrap() > u64::from(asked));
    assert!(!place.path("s").exists(), "what was made before is taken away");
    match (&place.manager, keeper) {
        (Some(manager), _) => {
            assert!(eventually(|| manager.names().is_empty()), "{:?}", manager.names());
        }
        (None, keeper) => assert!(eventually(|| !keeper.unwrap().is_alive())),
    }
    assert!(Client::try_connect(addr).is_none());
}

#[test]
fn a_process_that_was_killed_refuses_nobody_under_systemd() {
    outlive(&Place::managed());
}

#[test]
fn nor_without_it_once_somebody_starts_another_one() {
    outlive(&Place::alone());
}

/// An address that is free, and is written down so that its socket is known by it.
fn free() -> SocketAddr {
    let address = own_address();
    let [port] = free_ports(address);
    (address, port).into()
}

#[test]
fn what_another_version_has_left_is_served_by_fresh_workers() {
    let place = Place::managed();
    place.write(&format!("[\"{}\", \"unix:s\"]", free()));
    let mut server = place.launch().start();
    let manager = place.manager.as_ref().unwrap();
    under_load(server.addr(), || {
        for _ in 0..2 {
            let (before, names) = (place.workers(), manager.names());
            kill(&server);
            let other = memfd_create(c"other", MemfdFlags::CLOEXEC).unwrap();
            manager.replace("gannet-state-", &other);
            server = place.restart(&server, &before);
            let is_tidy = || manager.names().len() == names.len();
            assert!(eventually(is_tidy), "{names:?} became {:?}", manager.names());
        }
    });
    assert_eq!(place.count("adopted"), 0);
    let mut client = Client::connect_unix(&place.path("s"));
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    drop(client);
    server.stop();
    assert!(!place.path("s").exists());
}

/// Between the moment where another program takes over and the one where it serves.
#[test]
fn an_upgrade_that_dies_on_its_way_refuses_nobody() {
    let place = Place::managed();
    let mut server = place.launch().env("GANNET_FAIL", "succeed=panic").start();
    let asked = under_load(server.addr(), || {
        let before = place.workers();
        let words = ["upgrade", "-c", &place.file()].map(str::to_owned);
        let (code, _, stderr) = Launch::of(words.to_vec()).finish();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("the server has ended"), "{stderr}");
        assert!(eventually(|| !server.started().is_alive()));
        assert!(before.iter().all(|worker| worker.is_alive()));
        server = place.restart(&server, &before);
    });
    assert_eq!(place.count("adopted"), 1);
    let requests = || place.status()["requests"].as_u64().unwrap();
    assert!(eventually(|| requests() >= u64::from(asked)), "{} of {asked}", requests());
    server.stop();
}

#[test]
fn a_worker_that_dies_while_nobody_watches_is_missed_later() {
    for place in [Place::alone as fn() -> Place, Place::managed] {
        let place = place();
        let server = place.launch().start();
        for _ in 0..20 {
            assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
        }
        // Who dies before it has counted its last answer forgets that.
        assert!(eventually(|| place.status()["requests"] == 20), "{}", place.status());
        let before = place.workers();
        kill(&server);
        before[0].kill();
        assert!(eventually(|| !before[0].is_alive()));
        let server = place.restart(&server, &before);
        assert_eq!(place.count("worker_died"), 1);
        assert_eq!(place.status()["requests"], 20, "what it has counted counts");
        let is_empty = || place.status()["connections_now"] == 0;
        assert!(eventually(is_empty), "{}", place.status());
        server.stop();
    }
}

#[test]
fn who_keeps_things_is_replaced_too() {
    let place = Place::alone();
    let server = place.launch().start();
    let keeper = place.keeper(&server).unwrap();
    keeper.kill();
    let next = || place.keeper(&server).filter(|next| *next != keeper);
    assert!(eventually(|| next().is_some()));
    // It knows everything once it has room for no more than that.
    assert!(eventually(|| next().is_some_and(|next| next.descriptors() > 20)));
    let before = place.workers();
    kill(&server);
    let server = place.restart(&server, &before);
    assert_eq!(place.count("adopted"), 1);
    server.stop();
}

/// It may have been stopped, or the machine be slow.
#[test]
fn who_keeps_things_and_does_not_listen_for_a_while_is_told_later() {
    let place = Place::alone();
    let server = place.launch().start();
    let keeper = place.keeper(&server).unwrap();
    // It ends with the last worker that it knows, unless that is busy.
    let mut busy = Client::connect_narrow(server.addr());
    busy.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    busy.take(13).unwrap();
    keeper.signal(Signal::STOP);
    let times = [(); 3].map(|()| {
        let begun = Instant::now();
        place.reload();
        begun.elapsed()
    });
    // It is waited for once, two seconds, and not again before it answers.
    let is_waited_for = |time: &Duration| *time >= Duration::from_secs(2);
    assert!(!times[1..].iter().all(is_waited_for), "{times:?}");
    keeper.signal(Signal::CONT);
    assert!(eventually(|| place.workers().iter().all(|worker| keeper.holds(*worker))));
    busy.drain().unwrap();
    assert!(eventually(|| place.workers().len() == 2));
    let before = place.workers();
    kill(&server);
    let server = place.restart(&server, &before);
    assert_eq!(place.count("adopted"), 1);
    server.stop();
}

/// As one at a path is whose file was removed.
#[test]
fn a_socket_that_was_made_again_is_the_one_that_is_kept() {
    let place = Place::alone();
    let server = place.launch().start();
    fs::remove_file(place.path("s")).unwrap();
    place.reload();
    assert!(eventually(|| place.workers().len() == 2));
    let before = place.workers();
    kill(&server);
    let server = place.restart(&server, &before);
    let mut client = Client::connect_unix(&place.path("s"));
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    drop(client);
    server.stop();
    assert!(!place.path("s").exists());
}

#[test]
fn a_second_server_of_a_config_takes_nothing_away() {
    let place = Place::alone();
    place.write(&format!("\"{}\"", free()));
    let server = place.launch().start();
    // It would find its port free by now.
    place.write(&format!("\"{}\"", free()));
    let (code, _, stderr) = place.launch().finish();
    assert_eq!(code, Some(1));
    let (pid, file) = (server.started().0, place.file());
    let expect = format!("error: gannet (pid {pid}) serves {file} already: `gannet reload {file}`");
    assert!(stderr.contains(&expect), "{stderr}");
    place.write(&format!("\"{}\"", server.addr()));
    let before = place.workers();
    kill(&server);
    let server = place.restart(&server, &before);
    assert_eq!(place.count("adopted"), 1);
    server.stop();
}

/// As a release is switched to the next one.
#[test]
fn a_link_in_the_path_of_a_config_may_lead_elsewhere_by_then() {
    let place = Place::alone();
    place.write("\"127.0.0.1:0\"");
    let point = |name: &str| {
        fs::create_dir_all(place.path(name)).unwrap();
        fs::copy(place.file(), place.path(&format!("{name}/gannet.toml"))).unwrap();
        let _ = fs::remove_file(place.path("now"));
        std::os::unix::fs::symlink(name, place.path("now")).unwrap();
    };
    let file = place.path("now/gannet.toml").to_str().unwrap().to_owned();
    let tell = |verb: &str, file: &str| Launch::of(vec![verb.to_owned(), file.to_owned()]);
    point("one");
    let server = tell("run", &file).start();
    point("two");
    let (code, stdout, stderr) = tell("reload", &file).finish();
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    kill(&server);
    let next = tell("run", &file).start();
    assert_eq!(next.addr(), server.addr(), "it has found what was kept");
    next.stop();
    // Who was started by where links lead is found by them, too.
    let real = place.path("two/gannet.toml").to_str().unwrap().to_owned();
    let server = tell("run", &real).start();
    assert_eq!(tell("reload", &file).finish().0, Some(0));
    server.stop();
}

#[test]
fn a_config_that_is_broken_by_then_does_not_end_what_is_served() {
    let place = Place::alone();
    let server = place.launch().start();
    let before = place.workers();
    kill(&server);
    let good = fs::read_to_string(place.file()).unwrap();
    fs::write(place.file(), good.replace("threads", "thraeds")).unwrap();
    let server = place.launch().start();
    assert!(eventually(|| place.count("not_reloaded") == 1));
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    let status = Launch::of(["reload".to_owned(), place.file()].to_vec()).finish();
    assert_eq!(status.0, Some(2), "{}", status.2);
    // Whoever is watched again does as it is told, and is replaced when it dies.
    before[0].kill();
    assert!(eventually(|| server.workers().len() == 1));
    server.signal(Signal::TERM);
    server.ended();
    assert!(before.iter().all(|worker| !worker.is_alive()));
}

#[test]
fn workers_that_nobody_watches_end_when_they_are_told() {
    for place in [Place::alone as fn() -> Place, Place::managed] {
        let place = place();
        let server = place.launch().start();
        let (workers, keeper) = (place.workers(), place.keeper(&server));
        kill(&server);
        assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
        for worker in &workers {
            assert!(keeper.is_none_or(Process::is_alive));
            worker.signal(Signal::TERM);
            assert!(eventually(|| !worker.is_alive()));
        }
        let is_free = || Client::try_connect(server.addr()).is_none();
        // A keeper does not hold the port for nobody; systemd does until the service has ended.
        assert!(keeper.is_none() || eventually(is_free));
    }
}

/// Whoever meets what is left behind is told how to go on with it, not how to end it.
#[test]
fn who_meets_what_a_killed_process_has_left_is_told_to_start_the_server_again() {
    let place = Place::alone();
    let address = free();
    place.write(&format!("[\"{address}\", \"unix:s\"]"));
    let server = place.launch().start();
    kill(&server);
    let [ip, port] = [address.ip().to_string(), address.port().to_string()];
    let root = place.site.root_text();
    let quick = [&*root, "--bind", &ip, "--port", &port];
    let quick = Launch::of(quick.map(str::to_owned).to_vec());
    let doctor = Launch::of(["doctor", &place.file()].map(str::to_owned).to_vec());
    for launch in [quick, doctor] {
        let (code, stdout, stderr) = launch.finish();
        assert_eq!(code, Some(1), "{stdout}{stderr}");
        let said = stdout + &stderr;
        assert!(said.contains("start `gannet run FILE` with its config"), "{said}");
        assert!(!said.contains("stop that"), "{said}");
    }
    place.launch().start().stop();
}
