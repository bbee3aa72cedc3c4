//! `gannet upgrade`: another program takes the place of the one that serves, and nobody notices.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Place, Server, Site, authority::free_ports, binary, eventually, issuing,
    place::config, process::Process, secure::Certificates, under_load,
};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use std::{
    collections::HashSet,
    fs::{self, File},
    ops::Deref,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    thread,
};

/// A server whose program a test may replace, too.
struct Rig(Place);

impl Deref for Rig {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Rig {
    fn new(server: &str) -> Self {
        let server = format!("workers = 2\nthreads = 1\n{server}");
        let rig = Self(Place::new(&config(&server, "", "")));
        rig.edit("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"unix:s\"]");
        rig.put("gannet", &fs::read(binary::path()).unwrap(), 0o755);
        rig
    }

    /// Puts a file in the place of what lies there, as a package manager does.
    fn put(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(&new, self.path(name)).unwrap();
        self.path(name)
    }

    fn start(&self) -> Server {
        self.launch().program(&self.path("gannet")).start()
    }

    /// Has the server run `program`: the exit code and what is said of it.
    fn upgrade(&self, program: Option<&Path>) -> (Option<i32>, String) {
        let mut words = vec!["upgrade".to_owned(), "-c".to_owned(), self.config()];
        words.extend(program.map(|path| path.to_str().unwrap().to_owned()));
        let (code, _, stderr) = Launch::of(words).finish();
        (code, stderr)
    }
}

fn ids(server: &Server) -> HashSet<u32> {
    server.workers().iter().map(|worker| worker.0).collect()
}

/// The program that a process runs.
fn program(process: Process) -> PathBuf {
    fs::read_link(format!("/proc/{}/exe", process.0)).unwrap()
}

#[test]
fn another_program_takes_over_and_no_request_fails() {
    let place = Rig::new("");
    let server = place.start();
    let started = server.started();
    let other = place.put("other", &fs::read(binary::path()).unwrap(), 0o755);
    let asked = under_load(server.addr(), || {
        for number in 0..6 {
            let before = ids(&server);
            // What lies at the same path now, another path, and by a signal, in turn.
            place.put("gannet", &fs::read(binary::path()).unwrap(), 0o755);
            let next = [Some(place.path("gannet")), Some(other.clone()), None][number % 3].clone();
            match number % 3 {
                0 | 1 => assert_eq!(place.upgrade(next.as_deref()), (Some(0), String::new())),
                _ => server.signal(Signal::USR2),
            }
            let count = || place.reasons("upgraded").len();
            assert!(eventually(|| count() == number + 1), "{:?}", place.reasons("not_upgraded"));
            let is_done = || ids(&server).is_disjoint(&before) && server.workers().len() == 2;
            assert!(eventually(is_done), "the old workers end once their clients are gone");
            let expect = next.unwrap_or_else(|| other.clone());
            assert_eq!(program(started), expect);
            assert!(server.workers().iter().all(|&worker| program(worker) == expect));
        }
    });
    assert_eq!(started.name(), "gannet");
    let is_counted = || {
        let status = place.status();
        status["requests"].as_u64().unwrap() >= u64::from(asked)
            && status["sites"][0]["requests"] == status["requests"]
    };
    assert!(eventually(is_counted), "none is forgotten, of no site either");
    let status = place.status();
    assert_eq!(status["pid"], started.0);
    assert_ne!(status["sandbox"].as_array().unwrap().len(), 0);
    assert_eq!(status["generations"][0]["number"], 7);
    let mut client = Client::connect_unix(&place.path("s"));
    assert_eq!(client.get("/digits.txt").unwrap().status, 200);
    server.stop();
    assert!(!place.path("s").exists(), "what was made before is taken away");
}

#[test]
fn an_upgrade_leaves_no_more_open_than_a_reload() {
    let place = Rig::new("");
    let server = place.start();
    place.order(&["reload"]);
    assert!(eventually(|| server.workers().len() == 2));
    let count = || server.started().lasting_descriptors();
    let own = || server.started().own_memory_kib();
    let (before, small) = (count(), own());
    for _ in 0..2 {
        assert_eq!(place.upgrade(None), (Some(0), String::new()));
        assert!(eventually(|| count() <= before), "{before} became {}", count());
    }
    assert!(eventually(|| own() <= small + 256), "{small} KiB became {}", own());
    // Nor does the code stay in memory that only a start and a change of programs run: all of it
    // is in what was in use at most. How much is mapped around what goes on running differs.
    let memory = || (server.started().memory_kib(), server.started().memory_peak_kib());
    let is_given_back = |(now, most): (u64, u64)| now + 1024 <= most;
    assert!(eventually(|| is_given_back(memory())), "{:?} KiB", memory());
    server.stop();
}

#[test]
fn no_upgrade_waits_for_a_check_that_has_said_what_it_had_to() {
    let place = Rig::new("");
    let launch = place.launch().program(&place.path("gannet"));
    let server = launch.env("GANNET_FAIL", "checked=hang:1").start();
    assert_eq!(place.upgrade(None), (Some(0), String::new()));
    server.stop();
}

#[test]
fn who_has_certificates_issued_holds_no_upgrade_up() {
    let place = issuing::Place::new();
    // Nobody is asked in vain but there.
    let words = "authority = \"https://127.0.0.1:1/dir\"";
    let [http, tls] = free_ports(place.address);
    place.set((http, tls), words, &[("a.test", "\"auto\"")]);
    let server = place.start();
    let issuer = issuing::issuer(&server);
    place.order(&["upgrade", "-c"]);
    assert!(eventually(|| !issuer.is_alive()) && issuing::issuer(&server).is_alive());
    server.stop();
}

#[test]
fn what_is_under_way_is_finished() {
    let place = Rig::new("");
    let server = place.start();
    let old = server.workers();
    let mut busy = Client::download(server.addr(), "/large.bin");
    assert_eq!(place.upgrade(None), (Some(0), String::new()));
    assert_eq!(place.upgrade(None), (Some(0), String::new()));
    assert!(old.iter().any(|worker| worker.is_alive()));
    let (bytes, _) = busy.drain().unwrap();
    assert!(bytes.ends_with(&Site::large()), "the download is whole");
    assert!(eventually(|| old.iter().all(|worker| !worker.is_alive())), "then the old ones end");
    // The new program has others in the place of those that die, and is told what to do.
    let before = server.workers();
    before[0].kill();
    assert!(eventually(|| server.workers().len() == 2 && !server.workers().contains(&before[0])));
    assert!(eventually(|| place.reasons("worker_died").len() == 1));
    place.order(&["reload"]);
    server.stop();
}

#[test]
fn a_program_that_cannot_take_over_is_refused_and_changes_nothing() {
    let place = Rig::new("");
    let server = place.start();
    let (started, workers) = (server.started(), ids(&server));
    let good = fs::read(binary::path()).unwrap();
    let mut foreign = good.clone();
    // The number of an architecture that is nobody's.
    foreign[18..20].copy_from_slice(&[0xfe, 0xca]);
    let older = replaced(&good, env!("CARGO_PKG_VERSION").as_bytes(), b"0.0.9");
    let pipe = place.path("pipe");
    mkfifoat(CWD, &pipe, Mode::RWXU).unwrap();
    let cases = [
        (place.path("missing"), "there is no such program"),
        (place.put("text", b"hello", 0o644), "the user of the server may not run it"),
        (place.put("broken", &good[..good.len() / 8], 0o755), "cannot"),
        (place.put("foreign", &foreign, 0o755), "it cannot be run: Exec format error"),
        (place.put("older", &older, 0o755), "gannet 0.0.9, and 0.1.0 runs"),
        (pipe, "it is no regular file"),
        ("/bin/false".into(), "a trial of it ended with exit code 1"),
        ("/bin/true".into(), "a trial of it ended with exit code 0"),
    ];
    let asked = under_load(server.addr(), || {
        for (path, why) in &cases {
            let (code, stderr) = place.upgrade(Some(path));
            assert_eq!(code, Some(1), "{path:?}: {stderr}");
            assert!(stderr.contains(why), "{path:?}: {stderr}");
            let told = || place.reasons("not_upgraded").pop().unwrap_or_default();
            assert!(eventually(|| told() == stderr.trim_end()), "{path:?}: {}", told());
        }
        place.edit("threads", "thraeds");
        let (_, checked) = place.tell(&["check"]);
        assert_eq!(place.upgrade(None), (Some(2), checked), "a config that the next cannot serve");
    });
    assert!(asked > 0);
    assert_eq!(ids(&server), workers, "the workers are the same");
    assert_eq!(program(started), place.path("gannet"));
    server.stop();
}

/// A program that starts well, and whose workers cannot serve: nothing of it takes over.
#[test]
fn a_program_whose_workers_do_not_get_ready_is_refused_by_its_trial() {
    let place = Rig::new("");
    let [exchanges, takeovers] =
        ["exchanges", "takeovers"].map(|name| File::create(place.path(name)).unwrap());
    let counted = |name: &str| place.path(name).display().to_string();
    let order = format!(
        "exchange=panic:1000:{},succeed=stall:0:{}",
        counted("exchanges"),
        counted("takeovers")
    );
    let server = place.launch().program(&place.path("gannet")).env("GANNET_FAIL", &order).start();
    let workers = ids(&server);
    // The next is the one that the worker of a trial makes for itself.
    exchanges.set_len(999).unwrap();
    let (code, stderr) = place.upgrade(None);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("a worker ended before it was ready"), "{stderr}");
    assert_eq!(takeovers.metadata().unwrap().len(), 0);
    assert_eq!(ids(&server), workers, "the workers are the same");
    assert_eq!(place.upgrade(None), (Some(0), String::new()));
    assert_eq!(takeovers.metadata().unwrap().len(), 1);
    server.stop();
}

/// It is for the process, whichever program that runs, and for none of its threads but the first:
/// one writes the log, two look at files of certificates.
#[test]
fn a_signal_in_the_moment_of_an_upgrade_is_not_lost() {
    let (place, certificates) = (Rig::new(""), Certificates::new());
    certificates.make("a", "ec", &["a.example"]);
    let words = certificates.words("a");
    place.edit("\"unix:s\"", "\"unix:s\", { address = \"127.0.0.1:0\", tls = true }");
    let site = format!("[site.\"a.example\"]\nroot = 'ROOT'\ntls = {{ {words} }}\n");
    place.write(&(place.text() + &site));
    let launch = place.launch().program(&place.path("gannet"));
    // It is as long as the moment has come often.
    let moment = File::create(place.path("moment")).unwrap();
    let order = format!("hand-over=stall:1000:{}", place.path("moment").display());
    let server = launch.env("GANNET_FAIL", &order).start();
    place.order(&["reload"]);
    assert!(eventually(|| server.started().threads() == 4));
    server.signal(Signal::USR2);
    assert!(eventually(|| moment.metadata().unwrap().len() == 1));
    server.stop();
}

/// As where a package of each version lies in a folder of its own.
#[test]
fn the_program_is_looked_for_where_a_link_leads_by_now() {
    let place = Rig::new("");
    let link = |to: &str| {
        let _ = fs::remove_file(place.path("link"));
        symlink(place.path(to), place.path("link")).unwrap();
    };
    link("gannet");
    let server = place.launch().program(&place.path("link")).start();
    for name in ["second", "third"] {
        let next = place.put(name, &fs::read(binary::path()).unwrap(), 0o755);
        link(name);
        assert_eq!(place.upgrade(None), (Some(0), String::new()));
        assert_eq!(program(server.started()), next);
    }
    server.stop();
}

/// It is of a program that says something for ever, which is nobody's to read.
#[test]
fn a_stop_ends_a_trial() {
    let place = Rig::new("");
    let endless = place.put("endless", &fs::read("/usr/bin/yes").unwrap(), 0o755);
    let server = place.start();
    let started = server.started();
    let words = ["upgrade", "-c", &place.config(), endless.to_str().unwrap()].map(str::to_owned);
    let asking = thread::spawn(move || Launch::of(words.to_vec()).finish());
    let is_trial = |child: &Process| {
        fs::read_link(format!("/proc/{}/exe", child.0)).is_ok_and(|path| path == endless)
    };
    let mut found = None;
    assert!(eventually(|| {
        found = started.children().into_iter().find(is_trial);
        found.is_some()
    }));
    server.stop();
    assert!(eventually(|| !found.unwrap().is_alive()), "it ends with the server");
    let (code, _, stderr) = asking.join().unwrap();
    assert_eq!((code, &*stderr), (Some(1), "error: the server stops\n"));
}

/// All that is `old` in `bytes`, by something of the same length.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let places: Vec<_> =
        (0..bytes.len() - old.len()).filter(|&at| bytes[at..].starts_with(old)).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + new.len()].copy_from_slice(new));
    bytes
}

/// What only shows once the next program has taken over.
#[test]
fn a_program_that_has_taken_over_and_cannot_serve_goes_back_to_the_one_before() {
    let place = Rig::new("control = \"c.sock\"");
    let server = place.start();
    let (started, workers) = (server.started(), ids(&server));
    let [other, _] =
        ["other", "gannet"].map(|name| place.put(name, &fs::read(binary::path()).unwrap(), 0o755));
    // Another lies at its path by now: this one is to be found without that.
    let before = program(started);
    assert!(before.ends_with("gannet (deleted)"), "{before:?}");
    under_load(server.addr(), || {
        place.put("taken", b"precious", 0o600);
        // No trial opens the socket that wishes come in by, since nobody is to find it there.
        place.edit("c.sock", "taken");
        let control = place.path("c.sock");
        let (config, paths) =
            (place.config(), [&control, &other].map(|path| path.to_str().unwrap()));
        let words = ["upgrade", "-c", &config, "--control", paths[0], paths[1]];
        let (code, _, stderr) = Launch::of(words.map(str::to_owned).to_vec()).finish();
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("taken: what lies there is no socket"), "{stderr}");
        assert!(eventually(|| program(started) == before));
        assert!(eventually(|| place.reasons("not_upgraded").len() == 1));
    });
    assert_eq!(ids(&server), workers, "the workers are the same");
    // They still hear what the process before them says.
    place.edit("taken", "c.sock");
    assert_eq!(place.upgrade(Some(&other)), (Some(0), String::new()));
    assert!(eventually(|| ids(&server).is_disjoint(&workers)));
    assert_eq!(program(started), other);
    server.stop();
}

/// Somebody has tidied up too much: nobody can be told anything by that path, until a config is
/// read anew, but the server lives.
#[test]
fn an_upgrade_outlives_the_file_of_the_control_socket() {
    let place = Rig::new("control = \"c.sock\"");
    let server = place.start();
    let workers = ids(&server);
    fs::remove_file(place.path("c.sock")).unwrap();
    server.signal(Signal::USR2);
    assert!(eventually(|| place.reasons("upgraded").len() == 1));
    assert!(eventually(|| ids(&server).is_disjoint(&workers)));
    server.stop();
}
