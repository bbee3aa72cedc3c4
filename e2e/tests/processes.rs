//! What `gannet run` does with its processes: it starts them, has them replaced, and outlives them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Ending, Launch, Server, Site, eventually, process::Process, under_load};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A server with a config that a test may change.
struct Place {
    site: Site,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { site: Site::new(), folder: e2e::folder() }
    }

    fn file(&self) -> String {
        self.folder.path().join("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Writes a config with more lines in `[server]`, `[server.limits]` and the site.
    fn write(&self, server: &str, limits: &str, site: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n{server}\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n\
             [server.limits]\n{limits}\n[site.default]\nroot = {:?}\n{site}\n",
            self.site.root_text()
        );
        fs::write(self.file(), text).unwrap();
    }

    /// The lines of the error log about `event`.
    fn errors(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("errors.log")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).collect()
    }

    fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.file()]).start()
    }
}

/// What a site says of itself in a field.
fn version(addr: SocketAddr) -> String {
    let answer = Client::connect(addr).get("/digits.txt").unwrap();
    assert_eq!(answer.status, 200);
    answer.get("x-version").unwrap_or_default().to_owned()
}

fn says(version: u32) -> String {
    format!("fields = {{ X-Version = \"{version}\" }}")
}

fn ids(workers: &[Process]) -> HashSet<u32> {
    workers.iter().map(|worker| worker.0).collect()
}

#[test]
fn several_workers_serve_one_address_and_stop_together() {
    let place = Place::new();
    place.write("workers = 3\nthreads = 2", "", "");
    let server = place.start();
    assert_eq!(server.workers().len(), 3);
    for _ in 0..20 {
        version(server.addr());
    }
    let workers = server.workers();
    let stopped = server.stop();
    assert!(workers.iter().all(|worker| !worker.is_alive()), "nobody is left behind");
    let last = stopped.lines.last().unwrap();
    assert_eq!((&last["connections"], &last["requests"]), (&20.into(), &20.into()));
    assert_eq!(stopped.stderr, "");
}

#[test]
fn a_reload_serves_the_new_config_and_fails_no_request() {
    let place = Place::new();
    place.write("workers = 2\nthreads = 2", "", &says(0));
    let server = place.start();
    let addr = server.addr();
    let asked = under_load(addr, || {
        for number in 1..=10 {
            let before = ids(&server.workers());
            place.write("workers = 2\nthreads = 2", "", &says(number));
            server.signal(Signal::HUP);
            assert!(eventually(|| version(addr) == number.to_string()), "{number}");
            let is_done = || ids(&server.workers()).is_disjoint(&before);
            assert!(eventually(is_done), "the old workers end once their clients are gone");
        }
    });
    assert!(asked > 0);
    server.stop();
}

#[test]
fn a_config_that_cannot_be_served_changes_nothing() {
    let place = Place::new();
    place.write("threads = 1", "", &says(1));
    let server = place.start();
    let workers = ids(&server.workers());
    let other = Server::start(&[place.site.root_text()]);
    let taken = other.addr().to_string();
    let good = fs::read_to_string(place.file()).unwrap();
    let bad = [
        (good.replace("threads", "thraeds"), "did you mean `threads`"),
        (good.replace("127.0.0.1:0", &taken), "the port is taken by gannet"),
    ];
    for (number, (text, why)) in bad.iter().enumerate() {
        fs::write(place.file(), text).unwrap();
        server.signal(Signal::HUP);
        assert!(eventually(|| place.errors("not_reloaded").len() == number + 1), "{why}");
        let line = place.errors("not_reloaded").pop().unwrap();
        assert!(line["reason"].as_str().unwrap().contains(why), "{line}");
        assert_eq!(version(server.addr()), "1");
        assert_eq!(ids(&server.workers()), workers);
    }
    server.stop();
}

#[test]
fn a_worker_that_dies_is_replaced_and_the_others_do_not_notice() {
    let place = Place::new();
    place.write("workers = 2\nthreads = 1", "", &says(1));
    let server = place.start();
    // Connections to both.
    let mut clients: Vec<_> = (0..40).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/").unwrap().status, 200));
    let before = server.workers();
    before[0].kill();
    assert!(eventually(|| server.workers().len() == 2 && !server.workers().contains(&before[0])));
    // Nobody is refused meanwhile, and whoever waits is served.
    (0..40).for_each(|_| assert_eq!(version(server.addr()), "1"));
    let served = clients.iter_mut().filter_map(|client| client.get("/").ok()).count();
    assert!((1..40).contains(&served), "{served} of 40 had the other worker");
    let (code, stdout, _) =
        Launch::of(["status", "--json", &place.file()].map(str::to_owned).to_vec()).finish();
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &status["connections_now"]), (Some(0), &served.into()), "the dead have none");
    assert_eq!(status["restarts"], 1);
    let died = place.errors("worker_died");
    assert!(died[0]["reason"].as_str().unwrap().contains("signal 9"), "{died:?}");
    let stopped = server.stop();
    assert!(stopped.lines.last().unwrap()["requests"].as_u64().unwrap() >= 80, "none is forgotten");
}

#[test]
fn an_operator_is_told_what_comes_of_a_wish() {
    let place = Place::new();
    place.write("workers = 2\nthreads = 2", "", &says(1));
    let tell = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).chain([place.file()]);
        Launch::of(words.collect()).finish()
    };
    let (code, _, stderr) = tell(&["status"]);
    assert!(code == Some(1) && stderr.contains("no server listens there"), "{stderr}");
    assert!(stderr.contains("where `control` was changed since it started"), "{stderr}");
    let server = place.start();
    let status = || {
        let (code, stdout, stderr) = tell(&["status", "--json"]);
        assert_eq!(code, Some(0), "{stderr}");
        serde_json::from_str::<Value>(&stdout).unwrap()
    };
    assert_eq!(version(server.addr()), "1");
    let now = status();
    assert_eq!(now["pid"], server.started().0);
    assert_eq!(now["generations"][0]["phase"], "serving");
    assert_eq!(now["generations"][0]["workers"][1]["loops"], 2);
    assert_eq!((&now["requests"], &now["restarts"]), (&1.into(), &0.into()));

    place.write("workers = 1\nthreads = 1", "", &says(2));
    let (code, stdout, stderr) = tell(&["reload"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{stdout}");
    assert_eq!(version(server.addr()), "2", "it is served as soon as that is said");

    place.write("thraeds = 1", "", &says(3));
    let (_, _, checked) = tell(&["check"]);
    let (code, _, stderr) = tell(&["reload"]);
    assert_eq!((code, stderr), (Some(2), checked));
    assert_eq!(version(server.addr()), "2");
    let now = status();
    assert_eq!((&now["reload"]["done"], &now["requests"]), (&false.into(), &3.into()));

    let (code, _, stderr) = tell(&["stop"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(Client::try_connect(server.addr()).is_none());
    server.ended();
}

/// It may be wrong because somebody is at work on it.
#[test]
fn a_server_is_found_though_its_config_is_wrong_by_now() {
    let place = Place::new();
    place.write("control = 'here.sock'", "", &says(1));
    let server = place.start();
    let tell = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).chain([place.file()]);
        let (code, _, stderr) = Launch::of(words.collect()).finish();
        (code, stderr)
    };
    place.write("control = 'here.sock'\nthraeds = 1", "", "root = 'nowhere'");
    assert_eq!(tell(&["status"]), (Some(0), String::new()));
    let control = place.folder.path().join("here.sock");
    let control = ["--control", control.to_str().unwrap()];
    fs::write(place.file(), "[server\ncontrol = 'here.sock'").unwrap();
    let (code, stderr) = tell(&["status"]);
    assert_eq!(code, Some(1), "{stderr}");
    for expect in ["no server listens there", "usual place", "gannet.toml:1"] {
        assert!(stderr.contains(expect), "{expect}: {stderr}");
    }
    assert_eq!(tell(&["status", control[0], control[1]]), (Some(0), String::new()));
    fs::remove_file(place.file()).unwrap();
    assert_eq!(tell(&["stop", control[0], control[1]]), (Some(0), String::new()));
    server.ended();
}

/// Who starts the server makes the socket, and so does not have to be the one who serves.
#[test]
fn the_control_socket_may_lie_where_only_its_user_enters() {
    let place = Place::new();
    let private = place.folder.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(private, fs::Permissions::from_mode(0o700)).unwrap();
    place.write("threads = 1\ncontrol = 'private/c'", "", "");
    let server = place.start();
    reload(&place);
    server.stop();
    place.write("user = 'no-such-user'", "", "");
    let (code, _, stderr) = Launch::of(vec!["check".to_owned(), place.file()]).finish();
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no-such-user"), "{stderr}");
}

/// Passwords may be among what is there for configs to name.
#[test]
fn nobody_who_serves_knows_the_environment() {
    let place = Place::new();
    place.write("threads = 1", "", &says(1));
    let launch = Launch::of(vec!["run".to_owned(), place.file()]);
    let server = launch.env("PASSWORD", "Tr0ub4dor").env("RUST_BACKTRACE", "1").start();
    let knows = |process: Process, word: &str| {
        let found = fs::read(format!("/proc/{}/environ", process.0)).ok()?;
        Some(String::from_utf8_lossy(&found).split('\0').any(|one| one == word))
    };
    assert_eq!(knows(server.started(), "PASSWORD=Tr0ub4dor"), Some(true));
    let children = server.started().children();
    assert_eq!(children.len(), 2, "a worker, and who keeps copies");
    for child in children {
        let found = ["PASSWORD=Tr0ub4dor", "RUST_BACKTRACE=1"].map(|word| knows(child, word));
        // Only root may look into a worker.
        assert!(matches!(found, [Some(false), Some(true)] | [None, None]), "{found:?}");
    }
    server.stop();
}

#[test]
fn many_who_wish_the_same_get_it_at_once() {
    let place = Place::new();
    place.write("control = 'here.sock'", "", &says(1));
    let server = place.start();
    let socket = place.folder.path().join("here.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    place.write("control = 'here.sock'", "", &says(2));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (code, _, stderr) =
                    Launch::of(vec!["reload".to_owned(), place.file()]).finish();
                assert_eq!(code, Some(0), "{stderr}");
                assert_eq!(version(server.addr()), "2");
            });
        }
    });
    server.stop();
    assert!(!socket.exists());
}

/// Has the server read its config again, and waits until it is served.
fn reload(place: &Place) {
    let (code, _, stderr) = Launch::of(vec!["reload".to_owned(), place.file()]).finish();
    assert_eq!(code, Some(0), "{stderr}");
}

/// Starts a download and reads only its first bytes.
fn download(addr: SocketAddr) -> Client {
    let mut client = Client::connect_narrow(addr);
    client.send("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(client.take(13).unwrap(), b"HTTP/1.1 200 ");
    client
}

#[test]
fn what_a_reload_finds_under_way_is_finished() {
    let place = Place::new();
    place.write("threads = 2", "stop-time = \"0s\"", &says(1));
    let server = place.start();
    let old = server.workers();
    let mut idle = Client::connect(server.addr());
    idle.get("/digits.txt").unwrap();
    let mut busy = download(server.addr());
    place.write("threads = 2", "stop-time = \"0s\"", &says(2));
    reload(&place);
    // Who was idle is served once more, and told to go elsewhere.
    let answer = idle.get("/digits.txt").unwrap();
    assert_eq!((answer.status, answer.get("x-version"), answer.closes()), (200, Some("1"), true));
    assert_eq!(idle.ending().unwrap(), Ending::Closed);
    assert!(old[0].is_alive());
    let (bytes, _) = busy.drain().unwrap();
    assert!(bytes.ends_with(&Site::large()), "the download is whole");
    assert!(eventually(|| !old[0].is_alive()), "then the old worker ends");
    server.stop();
}

/// A client may be there whom only some of the loops have.
#[test]
fn a_reload_is_done_as_soon_as_the_workers_before_let_in_nobody() {
    let place = Place::new();
    place.write("threads = 16", "", "");
    let server = place.start();
    let start = Instant::now();
    for _ in 0..3 {
        let mut kept = Client::connect(server.addr());
        kept.get("/digits.txt").unwrap();
        reload(&place);
    }
    // Without their word it takes two seconds each time.
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    server.stop();
}

#[test]
fn a_reload_does_not_mind_what_else_is_looked_at() {
    let place = Place::new();
    place.write("threads = 1", "", &says(1));
    let launch = Launch::of(vec!["run".to_owned(), place.file()]);
    let server = launch.env("GANNET_FAIL", "check=stall:500").start();
    place.write("threads = 1", "", &says(2));
    thread::scope(|scope| {
        let reloading = scope.spawn(|| reload(&place));
        let is_check = |child: Process| child.name() == "gannet-check";
        assert!(eventually(|| server.started().children().into_iter().any(is_check)));
        let words = ["reload", "--diff", &place.file()].map(str::to_owned);
        let (code, _, stderr) = Launch::of(words.to_vec()).finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
        reloading.join().unwrap();
    });
    assert_eq!(version(server.addr()), "2");
    server.stop();
}

#[test]
fn connections_are_counted_in_whatever_table_they_are() {
    let place = Place::new();
    place.write("threads = 1", "", "");
    let server = place.start();
    let under_way = download(server.addr());
    place.write("threads = 1", "clients-max = 2048", "");
    reload(&place);
    let words = ["status", "--json", &place.file()].map(str::to_owned);
    let (_, status, _) = Launch::of(words.to_vec()).finish();
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["connections_now"], 1, "{status}");
    drop(under_way);
    server.stop();
}

#[test]
fn a_gentle_stop_waits_for_what_is_under_way() {
    let place = Place::new();
    place.write("threads = 1", "stop-time = \"0s\"", "");
    let server = place.start();
    let mut busy = download(server.addr());
    server.signal(Signal::QUIT);
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()), "nobody new is let in");
    let (bytes, _) = busy.drain().unwrap();
    assert!(bytes.ends_with(&Site::large()), "the download is whole");
    server.ended();
}

/// O9 of the threats, and the storm of reloads.
#[test]
fn a_storm_of_reloads_is_weathered() {
    let place = Place::new();
    place.write("threads = 1", "", &says(1));
    let server = place.start();
    reload(&place);
    assert!(eventually(|| server.workers().len() == 1));
    let before = server.started().descriptors();
    for number in 2..300 {
        if number % 50 == 0 {
            let is_served =
                || version(server.addr()).parse::<u32>().unwrap() / 50 == (number - 1) / 50;
            assert!(eventually(is_served), "the config before {number}");
            place.write("threads = 1", "", &says(number));
        }
        server.signal(Signal::HUP);
        assert!(server.workers().len() <= 4);
    }
    assert!(eventually(|| version(server.addr()) == "250"));
    reload(&place);
    assert!(eventually(|| server.workers().len() == 1), "the others end");
    // But for the last requests of some workers.
    let most = before + 8;
    assert!(eventually(|| server.started().descriptors() <= most), "nothing is left behind");
    server.stop();
}

#[test]
fn workers_come_and_go_without_a_client_noticing() {
    let place = Place::new();
    place.write("workers = 4\nthreads = 2", "", &says(0));
    let server = place.start();
    let (addr, is_over) = (server.addr(), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    version(addr);
                }
            });
        }
        for (number, workers) in [1, 4, 2, 1, 4].into_iter().enumerate() {
            let server_lines = format!("workers = {workers}\nthreads = {}", 1 + number % 2);
            place.write(&server_lines, "", &says(number as u32));
            reload(&place);
            assert!(eventually(|| server.workers().len() == workers), "{workers}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    server.stop();
}

#[test]
fn addresses_come_and_go() {
    let place = Place::new();
    place.write("threads = 1", "", &says(1));
    let server = place.start();
    let socket = place.folder.path().join("s");
    let good = fs::read_to_string(place.file()).unwrap();
    let more = good.replace("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"unix:s\"]");
    fs::write(place.file(), more).unwrap();
    reload(&place);
    let mut client = Client::connect_unix(&socket);
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    assert_eq!(version(server.addr()), "1", "the port is kept");
    fs::write(place.file(), good).unwrap();
    reload(&place);
    assert!(!socket.exists());
    assert_eq!(version(server.addr()), "1");
    server.stop();
}

#[test]
fn sockets_whose_files_were_removed_are_made_again() {
    let place = Place::new();
    place.write("threads = 1\ncontrol = \"c\"", "", &says(1));
    let good = fs::read_to_string(place.file()).unwrap();
    let more = good.replace("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"unix:s\"]");
    fs::write(place.file(), more).unwrap();
    let server = place.start();
    let [socket, control] = ["s", "c"].map(|name| place.folder.path().join(name));
    let is_served = || Client::connect_unix(&socket).get("/digits.txt").unwrap().status == 200;
    assert!(is_served());
    fs::remove_file(&socket).unwrap();
    fs::remove_file(control).unwrap();
    server.signal(Signal::HUP);
    assert!(eventually(|| place.errors("reloaded").len() == 1));
    assert!(is_served());
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "precious").unwrap();
    let (code, _, stderr) = Launch::of(vec!["reload".to_owned(), place.file()]).finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("what lies there is no socket"), "{stderr}");
    fs::remove_file(&socket).unwrap();
    reload(&place);
    assert!(is_served());
    server.stop();
}

#[test]
fn workers_outlive_the_process_that_watches_them() {
    let place = Place::new();
    place.write("workers = 2\nthreads = 1", "", &says(1));
    let server = place.start();
    let workers = server.workers();
    server.started().kill();
    assert!(eventually(|| !server.started().is_alive()));
    for _ in 0..20 {
        assert_eq!(version(server.addr()), "1");
    }
    // They end as they are told, and one after the other.
    for worker in &workers {
        worker.signal(Signal::TERM);
        assert!(eventually(|| !worker.is_alive()));
    }
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()));
}

#[test]
fn a_role_is_not_for_people() {
    for role in ["check", "worker", "keeper"] {
        let (code, _, stderr) = Launch::of(["role", role].map(str::to_owned).to_vec()).finish();
        assert_eq!(code, Some(2));
        assert!(stderr.contains("use `gannet run FILE`"), "{stderr}");
    }
}

#[test]
fn log_files_are_opened_anew_for_all_workers() {
    let place = Place::new();
    place.write(
        "workers = 2\nthreads = 2",
        "",
        "log = { file = \"access.log\", format = \"json\" }",
    );
    let server = place.start();
    let file = |name: &str| place.folder.path().join(name);
    let count = |name: &str| fs::read_to_string(file(name)).unwrap_or_default().lines().count();
    (0..20).for_each(|_| drop(version(server.addr())));
    fs::rename(file("access.log"), file("access.log.1")).unwrap();
    server.signal(Signal::USR1);
    assert!(eventually(|| count("access.log.1") == 20), "what was before is in the old one");
    assert!(eventually(|| file("access.log").exists()));
    // A worker that comes later gets the new one, too.
    server.workers()[0].kill();
    assert!(eventually(|| server.workers().len() == 2));
    (0..20).for_each(|_| drop(version(server.addr())));
    server.stop();
    assert_eq!((count("access.log.1"), count("access.log")), (20, 20));
}

/// A worker that cannot answer itself is not let near anybody else.
#[test]
fn a_worker_that_dies_before_it_is_ready_is_the_end_of_the_start() {
    let place = Place::new();
    place.write("threads = 1", "", "");
    let launch = Launch::of(vec!["run".to_owned(), place.file()]);
    let (code, stdout, stderr) = launch.env("GANNET_FAIL", "exchange=panic:1").finish();
    assert_eq!((code, &*stdout), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("a worker ended before it was ready"), "{stderr}");
}

/// A link in the first lines leads to a page of somebody's, not to "nobody is here".
#[test]
fn the_start_names_urls_that_a_site_answers() {
    let site = Site::new();
    let root = site.root_text();
    for (name, urls) in [("default", 1), ("127.0.0.1", 1), ("a.example", 0)] {
        let server = Server::run(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[site.{name:?}]\nroot = {root:?}\n"
        ));
        let start = server.wait_for(|line| line["event"] == "start");
        assert_eq!(start["urls"].as_array().unwrap().len(), urls, "{start}");
        let remark = start["remark"].as_str().unwrap_or_default();
        assert_eq!(remark.contains(&server.addr().to_string()), urls == 0, "{start}");
        server.stop();
    }
}
