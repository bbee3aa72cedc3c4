//! Figures of `/metrics` move when what they stand for happens.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Launch, Server, Site, application, eventually,
    look::{admin, figures},
};
use rustix::process::Signal;
use std::{fs, net::SocketAddr};
use tempfile::TempDir;

/// A server with one loop that is looked at.
struct Place {
    site: Site,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { site: Site::new(), folder: e2e::folder() }
    }

    fn file(&self) -> String {
        self.folder.path().join("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Serves with these settings of the server and of the site.
    fn serve(&self, server: &str, site: &str) -> (Server, SocketAddr) {
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nthreads = 1\nadmin = '127.0.0.1:0'\n\
             {server}\n[site.default]\nroot = {:?}\n{site}\n",
            self.site.root_text()
        );
        fs::write(self.file(), text).unwrap();
        let server = Launch::of(vec!["run".to_owned(), self.file()]).start();
        let addr = admin(&server);
        (server, addr)
    }

    /// What `gannet reload` ends with.
    fn reload(&self) -> Option<i32> {
        Launch::of(vec!["reload".to_owned(), self.file()]).finish().0
    }
}

/// The sum of the figures of that name, whatever their labels.
fn sum(addr: SocketAddr, name: &str) -> f64 {
    let all = figures(addr).into_iter();
    all.filter(|(sample, _)| sample.split('{').next() == Some(name)).map(|(_, value)| value).sum()
}

#[test]
fn time_and_work_are_counted() {
    let place = Place::new();
    let (server, addr) = place.serve("", "");
    assert!(figures(addr).keys().any(|name| name.starts_with("gannet_build{version=")));
    let names = [
        "gannet_uptime_seconds",
        "gannet_worker_cpu_seconds_total",
        "gannet_loop_lag_seconds_total",
    ];
    let before = names.map(|name| sum(addr, name));
    let requests = sum(addr, "gannet_loop_requests_total");
    let mut client = Client::connect(server.addr());
    for (at, name) in names.into_iter().enumerate() {
        let has_moved = || {
            assert_eq!(client.get("/digits.txt").unwrap().status, 200);
            sum(addr, name) > before[at]
        };
        assert!(eventually(has_moved), "{name} stays at {}", before[at]);
    }
    let more = || sum(addr, "gannet_loop_requests_total") - requests;
    assert!(eventually(|| more() >= 3.0), "{}", more());
    assert!(eventually(|| sum(addr, "gannet_connections_total") >= 1.0));
    server.stop();
}

#[test]
fn what_goes_wrong_with_workers_and_reloads_is_counted() {
    let place = Place::new();
    let (server, addr) = place.serve("", "");
    let _slow = Client::download(server.addr(), "/huge.bin");
    assert!(eventually(|| sum(addr, "gannet_requests_under_way") == 1.0));
    server.process().kill();
    assert!(eventually(|| sum(addr, "gannet_restarts_total") == 1.0));
    assert!(eventually(|| sum(addr, "gannet_workers") == 1.0));
    assert!(eventually(|| sum(addr, "gannet_requests_cut_off_total") == 1.0));

    let sound = fs::read_to_string(place.file()).unwrap();
    assert_eq!(sum(addr, "gannet_last_reload_failed"), 0.0);
    fs::write(place.file(), "nonsense").unwrap();
    assert_ne!(place.reload(), Some(0));
    assert!(eventually(|| sum(addr, "gannet_last_reload_failed") == 1.0));
    let failed = || figures(addr)["gannet_reloads_total{outcome=\"failed\"}"];
    assert!(eventually(|| failed() == 1.0), "{}", failed());
    fs::write(place.file(), sound).unwrap();
    assert_eq!(place.reload(), Some(0));
    assert!(eventually(|| sum(addr, "gannet_last_reload_failed") == 0.0));
    server.stop();
}

#[test]
fn who_waits_to_be_accepted_is_seen() {
    let place = Place::new();
    let (server, addr) = place.serve("", "");
    let worker = server.process();
    assert_eq!(sum(addr, "gannet_accept_queue"), 0.0);
    worker.signal(Signal::STOP);
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = Client::connect(server.addr());
            client.send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            client
        })
        .collect();
    assert!(eventually(|| sum(addr, "gannet_accept_queue") == 3.0));
    worker.signal(Signal::CONT);
    for mut client in clients {
        assert_eq!(client.response().unwrap().status, 200);
    }
    assert!(eventually(|| sum(addr, "gannet_accept_queue") == 0.0));
    server.stop();
}

#[test]
fn who_makes_room_is_counted() {
    let place = Place::new();
    let (server, addr) = place.serve("limits.connections-max = 4", "");
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(server.addr());
        assert_eq!(client.get("/digits.txt").unwrap().status, 200);
        clients.push(client);
    }
    let evicted = || sum(addr, "gannet_evicted_total");
    assert!(eventually(|| evicted() == 1.0), "{}", evicted());
    server.stop();
}

#[test]
fn applications_are_counted_by_what_they_did() {
    let told = Application::start(|asked, stream| {
        if asked.get("SCRIPT_NAME") == "/good.php" {
            application::answer(stream, b"Content-Type: text/plain\r\n\r\ngood");
        }
    });
    let place = Place::new();
    place.site.write("good.php", b"");
    place.site.write("bad.php", b"");
    let (server, addr) = place.serve("", &told.setting(""));
    let mut client = Client::connect(server.addr());
    let names = ["gannet_applications_asked_total", "gannet_applications_failed_total"];
    for (path, status, expect) in [("/good.php", 200, [1.0, 0.0]), ("/bad.php", 502, [2.0, 1.0])] {
        assert_eq!(client.get(path).unwrap().status, status, "{path}");
        let found = || names.map(|name| sum(addr, name));
        assert!(eventually(|| found() == expect), "{path}: {:?}", found());
    }
    server.stop();
}
