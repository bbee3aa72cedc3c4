//! A php-fpm for each site: whom it runs as, and what it outlives.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, Response, Server, eventually, process::Process, stage, under_load};
use rustix::process::{Signal, geteuid};
use serde_json::Value;
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Says who answers, and what that can reach.
const SHOW: &str = "<?php
$file = $_GET['file'] ?? '';
$socket = $_GET['socket'] ?? '';
echo json_encode(['user' => posix_geteuid(), 'master' => posix_getppid(),
    'limit' => ini_get('memory_limit'), 'set' => ini_set('memory_limit', '1G'),
    'file' => $file === '' ? null : @file_get_contents($file),
    'socket' => $socket !== '' && @stream_socket_client('unix://' . $socket)]);
";

/// Two sites of two users, where root runs the tests.
struct Place(TempDir);

/// Users of every Debian, each with a group of its own.
const USERS: [(&str, u32, u32); 2] = [("games", 5, 60), ("news", 9, 9)];

impl Place {
    fn new() -> Self {
        let place = Self(e2e::folder());
        for (name, (_, user, group)) in ["a", "b"].into_iter().zip(USERS) {
            let root = place.path(name);
            fs::create_dir(&root).unwrap();
            for (file, text) in [("index.php", SHOW), ("style.css", "p {}"), ("own.txt", name)] {
                fs::write(root.join(file), text).unwrap();
                fs::set_permissions(root.join(file), Permissions::from_mode(0o640)).unwrap();
            }
            fs::set_permissions(&root, Permissions::from_mode(0o750)).unwrap();
            if geteuid().is_root() {
                let all = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
                all.chain([root.clone()]).for_each(|path| {
                    chown(path, Some(user), Some(group)).unwrap();
                });
            }
        }
        place.write("32M");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Writes a config in which the first site has that limit of memory.
    fn write(&self, limit: &str) {
        let user = if geteuid().is_root() { "user = 'news', " } else { "" };
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\nworkers = 2\nthreads = 1\n\
             error-log = {{ format = 'json', file = 'errors.log' }}\n\
             [site.default]\nroot = 'a'\nphp = {{ ini = {{ memory_limit = '{limit}' }} }}\n\
             [site.'b.example']\nroot = 'b'\nphp = {{ {user}workers = 2 }}\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    fn start(&self) -> Server {
        Launch::of(vec!["run".to_owned(), self.config()]).start()
    }

    fn run(&self, verb: &str) -> (Option<i32>, String) {
        let mut words = vec![verb.to_owned()];
        words.extend((verb == "upgrade").then(|| "-c".to_owned()));
        words.push(self.config());
        let (code, _, stderr) = Launch::of(words).finish();
        (code, stderr)
    }

    /// How often the error log speaks of `event`.
    fn count(&self, event: &str) -> usize {
        let text = fs::read_to_string(self.path("errors.log")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == event).count()
    }
}

fn get(server: &Server, host: &str, target: &str) -> Response {
    stage::get(server.addr(), host, target)
}

fn show(server: &Server, host: &str, query: &str) -> Value {
    let answer = get(server, host, &format!("/shown?{query}"));
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text()))
}

/// The process that has started the one that answers for `host`.
fn master(server: &Server, host: &str) -> Process {
    let mut found = 1;
    // One whose master was killed finishes what it is at.
    let is_found = || {
        found = show(server, host, "")["master"].as_u64().unwrap() as u32;
        found != 1
    };
    assert!(eventually(is_found));
    Process(found)
}

/// The sockets of a server's php-fpms.
fn sockets(server: &Server) -> Vec<PathBuf> {
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    let paths = all.lines().filter_map(|line| line.split_once('/').map(|(_, path)| path));
    let own =
        paths.filter(|path| path.contains("-php-")).map(|path| PathBuf::from(format!("/{path}")));
    let mut own: Vec<_> = own.filter(|path| path.exists()).collect();
    own.sort();
    own.dedup();
    // Other tests have some, too.
    let held = |path: &PathBuf| is_held(server.started(), path);
    own.retain(held);
    own
}

/// Whether a process holds the socket that listens at `path`.
fn is_held(process: Process, path: &Path) -> bool {
    let all = fs::read_to_string("/proc/net/unix").unwrap();
    let nodes = all.lines().filter(|line| line.ends_with(path.to_str().unwrap()));
    let nodes: Vec<_> = nodes.filter_map(|line| line.split_whitespace().nth(6)).collect();
    let held = fs::read_dir(format!("/proc/{}/fd", process.0)).unwrap();
    let held = held.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let held: Vec<_> = held.map(|target| target.to_string_lossy().into_owned()).collect();
    nodes.iter().any(|node| held.contains(&format!("socket:[{node}]")))
}

#[test]
fn two_sites_have_two_users_and_neither_reads_the_other() {
    let place = Place::new();
    let server = place.start();
    let hosts = ["a.example", "b.example"];
    let sockets = sockets(&server);
    assert_eq!(sockets.len(), 2, "{sockets:?}");
    for (at, host) in hosts.into_iter().enumerate() {
        assert_eq!(get(&server, host, "/style.css").text(), "p {}");
        let (own, other) = (["a", "b"][at], ["b", "a"][at]);
        let file = |name: &str| format!("file={}", place.path(name).join("own.txt").display());
        let said = show(&server, host, &file(own));
        assert_eq!(said["file"], own);
        let reaches = sockets.iter().filter(|socket| {
            show(&server, host, &format!("socket={}", socket.display()))["socket"] == true
        });
        match geteuid().is_root() {
            true => {
                assert_eq!(said["user"], USERS[at].1);
                assert_eq!(show(&server, host, &file(other))["file"], Value::Bool(false));
                assert_eq!(reaches.count(), 0, "nobody runs programs as another user");
            }
            false => assert_eq!(said["user"], geteuid().as_raw()),
        }
    }
    let worker = fs::metadata(format!("/proc/{}", server.workers()[0].0)).unwrap();
    for socket in &sockets {
        let found = fs::metadata(socket).unwrap();
        assert_eq!(found.mode() & 0o777, 0o660);
        assert!(geteuid().is_root() || found.gid() == worker.gid());
    }
    let said = show(&server, "a.example", "");
    assert_eq!((&said["limit"], &said["set"]), (&"32M".into(), &Value::Bool(false)));
    let masters = hosts.map(|host| master(&server, host));
    server.stop();
    assert!(masters.iter().all(|master| !master.is_alive()), "they end with the server");
    assert!(sockets.iter().all(|socket| !socket.exists()));
}

#[test]
fn one_that_dies_is_replaced_and_no_request_fails() {
    let place = Place::new();
    let server = place.start();
    let other = master(&server, "b.example");
    under_load(server.addr(), || {
        // Nobody is kept waiting for one that dies three times at once.
        for number in 1..=2 {
            let before = master(&server, "a.example");
            before.kill();
            assert!(eventually(|| master(&server, "a.example") != before));
            assert!(eventually(|| place.count("php_died") == number));
        }
    });
    assert_eq!(master(&server, "b.example"), other);
    server.stop();
}

#[test]
fn a_reload_touches_those_that_have_changed_and_no_others() {
    let place = Place::new();
    let server = place.start();
    let hosts = ["a.example", "b.example"];
    let [a, b] = hosts.map(|host| master(&server, host));
    under_load(server.addr(), || {
        assert_eq!(place.run("reload"), (Some(0), String::new()));
        assert_eq!(hosts.map(|host| master(&server, host)), [a, b]);
        place.write("64M");
        assert_eq!(place.run("reload"), (Some(0), String::new()));
        assert_eq!(show(&server, "a.example", "")["limit"], "64M");
    });
    assert!(eventually(|| !a.is_alive()));
    assert_eq!(master(&server, "b.example"), b);
    assert_eq!(sockets(&server).len(), 2);
    // What is wrong is said, and changes nothing.
    let good = fs::read_to_string(place.config()).unwrap();
    fs::write(place.config(), good.replace("workers = 2 }", "version = '5.6' }")).unwrap();
    let (code, stderr) = place.run("reload");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there is no php-fpm 5.6 here"), "{stderr}");
    assert!(stderr.contains("apt install php5.6-fpm"), "{stderr}");
    assert_eq!(master(&server, "b.example"), b);
    server.stop();
}

#[test]
fn they_outlive_an_upgrade_and_the_process_that_has_started_them() {
    let place = Place::new();
    let mut server = place.start();
    let hosts = ["a.example", "b.example"];
    let before = hosts.map(|host| master(&server, host));
    let masters = |server: &Server| hosts.map(|host| master(server, host));
    under_load(server.addr(), || {
        assert_eq!(place.run("upgrade"), (Some(0), String::new()));
        assert_eq!(masters(&server), before);
        server.started().kill();
        assert!(eventually(|| !server.started().is_alive()));
        assert_eq!(masters(&server), before);
        let workers = server.workers();
        server = place.start();
        assert!(eventually(|| place.count("adopted") == 1 && place.count("reloaded") == 1));
        assert!(workers.iter().all(|worker| !worker.is_alive()));
    });
    assert_eq!(masters(&server), before);
    // Whoever has adopted them looks after them, and ends them.
    before[0].kill();
    assert!(eventually(|| master(&server, "a.example") != before[0]));
    let now = masters(&server);
    server.stop();
    assert!(eventually(|| now.iter().all(|master| !master.is_alive())));
}

#[test]
fn a_single_process_replaces_its_own() {
    let folder = e2e::folder();
    fs::write(folder.path().join("index.php"), SHOW).unwrap();
    let server = Server::start(&[folder.path().to_str().unwrap()]);
    let before = master(&server, "localhost");
    before.kill();
    let is_replaced = || {
        let answer = Client::connect(server.addr()).get("/").unwrap();
        let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        said["master"].as_u64().is_some_and(|master| master > 1 && master != u64::from(before.0))
    };
    assert!(eventually(is_replaced));
    let now = master(&server, "localhost");
    server.signal(Signal::TERM);
    let stopped = server.ended();
    assert!(stopped.stderr.contains("another one is started"), "{}", stopped.stderr);
    assert!(!now.is_alive());
}

#[test]
fn whom_it_would_run_as_is_checked() {
    let folder = e2e::folder();
    fs::write(folder.path().join("index.php"), SHOW).unwrap();
    for (user, as_root, else_) in [
        ("", "never runs PHP", ""),
        ("user = 'root'", "root's number", "only root"),
        ("user = 'nobody-knows'", "there is no user `nobody-knows`", "there is no user"),
        ("user = 'games'", "", "only root runs PHP as another user"),
    ] {
        let root = folder.path();
        let php = if user.is_empty() { "true".to_owned() } else { format!("{{ {user} }}") };
        let config = format!("[site.default]\nroot = {root:?}\nphp = {php}\n");
        let (code, _, stderr) = Launch::check(&config).finish();
        let expect = if geteuid().is_root() { as_root } else { else_ };
        assert_eq!(code, Some(if expect.is_empty() { 0 } else { 2 }), "{stderr}");
        assert!(stderr.contains(expect), "{stderr}");
    }
}

/// A program that waits for a file to be there.
const WAIT: &str = "<?php
function dive($file) { while (!file_exists($file)) { usleep(10000); clearstatcache(); } }
dive(__DIR__ . '/go');
";

#[test]
fn a_slow_program_is_told_with_what_it_is_at() {
    let place = Place::new();
    let config = fs::read_to_string(place.config()).unwrap();
    fs::write(place.config(), config.replace("php = { ini", "php = { slow = '1s', ini")).unwrap();
    fs::write(place.path("a/wait.php"), WAIT).unwrap();
    let server = place.start();
    let mut client = Client::connect(server.addr());
    client.send("GET /wait.php?x=y HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    let log = || fs::read_to_string(place.path("errors.log")).unwrap_or_default();
    let line = |event: &str, word: &str| {
        let text = log();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.into_iter().find(|line| {
            line["event"] == event
                && line["reason"].as_str().is_some_and(|said| said.contains(word))
        })
    };
    assert!(eventually(|| line("slow", "/a/wait.php").is_some()), "{}", log());
    let slow = line("slow", "/a/wait.php").unwrap();
    assert_eq!((&slow["target"], &slow["method"]), (&"/wait.php?x=y".into(), &"GET".into()));
    // Where the machine lets one process look into another, it is seen what it is at.
    assert!(eventually(|| line("php", "dive() ").is_some()), "{}", log());
    fs::write(place.path("a/go"), "").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    server.stop();
}
