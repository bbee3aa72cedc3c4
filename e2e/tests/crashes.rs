//! What dies, hangs or is missing at the worst moment, and that the others go on.
//!
//! The failures that processes have to survive, each with what shows that they do:
//!
//! - A worker dies, by SIGKILL, a fault of its own, or the kernel for want of memory:
//!   `who_dies_takes_its_own_requests_along_and_nobody_is_refused` here, `hang.rs` for what is told
//!   of it, `cargo xtask bench kills` for how soon it is back.
//! - A new worker dies before it is ready: `steps.rs`. It hangs before:
//!   `a_worker_that_hangs_before_it_is_ready_changes_nothing` here. It is ready and dies then:
//!   `a_config_whose_workers_die_is_taken_back` here.
//! - The check of a config panics, runs for ever, or eats memory: `a_check_that_breaks_is_refused`
//!   and `a_check_that_hangs_holds_up_nobody` here.
//! - Reloads come by the hundred: `reloads.rs`.
//! - An upgrade is to a program that is broken, foreign, missing or older: `upgrade.rs`.
//! - The process that watches is killed: `processes.rs`.
//! - An address is removed, added or taken: `reloads.rs`. It is not for this user:
//!   `a_port_that_is_not_for_this_user_changes_nothing` here.
//! - Workers become fewer and more: `reloads.rs`.
//! - Anything of a start, a reload or an upgrade fails: `steps.rs`.
//! - All of that at once: `soak_processes.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, Place, Server, binary, eventually,
    place::{config, says, version},
    process::Process,
    secure::Certificates,
};
use rustix::{
    fs::{CWD, Mode, mkfifoat},
    process::Signal,
};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// Who makes the file of hits so long meets its fault.
const LENGTH: u64 = 1000;

#[test]
fn who_dies_takes_its_own_requests_along_and_nobody_is_refused() {
    let place = Place::serving("workers = 2\nthreads = 1", 1);
    let server = place.start();
    let (is_over, lost) = (AtomicBool::new(false), AtomicUsize::new(0));
    let signals = [Signal::KILL, Signal::ABORT, Signal::ILL, Signal::TRAP, Signal::KILL];
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Whoever connects is let in, now or when there is somebody again.
                    let mut client = Client::connect(server.addr());
                    match client.get("/digits.txt") {
                        Ok(answer) => assert_eq!(answer.status, 200),
                        Err(_) => drop(lost.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
        for signal in signals {
            let victim = server.workers()[0];
            victim.signal(signal);
            let is_back = || !victim.is_alive() && server.workers().len() == 2;
            assert!(eventually(is_back), "{signal:?}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (lost, most) = (lost.into_inner(), CLIENTS * signals.len());
    assert!(lost <= most, "{lost} requests were lost, and {most} can have been under way");
    let died = || place.errors("worker_died").len();
    assert!(eventually(|| died() == signals.len()), "{} have died", died());
    server.stop();
}

/// Clients that ask one request at a time.
const CLIENTS: usize = 4;

#[test]
fn a_config_whose_workers_die_is_taken_back() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    // Somebody the old workers stay for.
    let download = Client::download(server.addr(), "/huge.bin");
    let old = server.workers();
    place.serve("threads = 1", 2);
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!(version(server.addr()), 2);
    let mut killed = Vec::new();
    let is_taken_back = || {
        let others = server.workers().into_iter().filter(|worker| !old.contains(worker));
        for other in others.filter(|_| place.errors("taken_back").is_empty()) {
            other.kill();
            killed.push(other);
        }
        place.errors("taken_back").len() == 1
    };
    assert!(eventually(is_taken_back));
    assert!(killed.len() >= 3);
    assert!(eventually(|| version(server.addr()) == 1), "the config before is served");
    assert!(old[0].is_alive(), "who was there goes on");
    let reload = || place.status()["reload"].clone();
    assert!(eventually(|| reload()["done"] == false), "{}", reload());
    let reload = reload();
    assert!(reload["reason"].as_str().unwrap().starts_with("taken back"), "{reload}");
    drop(download);
    place.serve("threads = 1", 3);
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!(version(server.addr()), 3, "the next one is another matter");
    server.stop();
}

/// A server that meets `fault` at the point of that name once the file is so long.
fn with_fault(place: &Place, (point, fault, more): (&str, &str, &str)) -> (Server, File) {
    let hits = File::create(place.path("hits")).unwrap();
    let order = format!("{point}={fault}:{LENGTH}:{}{more}", place.path("hits").display());
    (place.launch().env("GANNET_FAIL", &order).start(), hits)
}

/// Has the next hit meet it, and what comes of that be no reload and a reason.
fn refuses(place: &Place, (server, hits): (&Server, &File), why: &str) {
    let workers = server.workers();
    place.serve("threads = 1", 2);
    hits.set_len(LENGTH - 1).unwrap();
    let (code, said) = place.tell(&["reload"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(why), "{said}");
    assert_eq!(version(server.addr()), 1);
    assert!(eventually(|| server.workers() == workers), "nobody else is left");
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!(version(server.addr()), 2);
}

#[test]
fn a_check_that_breaks_is_refused() {
    for (fault, how) in [("panic", "ended with exit code 101"), ("eat", "was ended by signal 6")] {
        let place = Place::serving("threads = 1", 1);
        let (server, checks) = with_fault(&place, ("check", fault, ""));
        refuses(&place, (&server, &checks), &format!("the check of the config {how}"));
        server.stop();
    }
}

#[test]
fn a_worker_that_hangs_before_it_is_ready_changes_nothing() {
    let place = Place::serving("threads = 1", 1);
    // It hangs in the exchange that it makes for itself.
    let (server, exchanges) = with_fault(&place, ("exchange", "hang", ",ready=set:8000"));
    refuses(&place, (&server, &exchanges), "a worker was not ready within 8s");
    server.stop();
}

/// It has so much of everything and no more, is not in anybody's way, and ends with the server.
#[test]
fn a_check_that_hangs_holds_up_nobody() {
    let place = Place::serving("threads = 1", 1);
    let (server, checks) = with_fault(&place, ("check", "hang", ""));
    checks.set_len(LENGTH - 1).unwrap();
    server.signal(Signal::HUP);
    let find = || {
        let children = server.started().children();
        children.into_iter().find(|child| child.name() == "gannet-check")
    };
    assert!(eventually(|| find().is_some()));
    assert_eq!(version(server.addr()), 1);
    server.workers()[0].kill();
    assert!(eventually(|| place.errors("worker_died").len() == 1 && server.workers().len() == 1));
    assert_eq!(version(server.addr()), 1, "workers are replaced meanwhile");
    let check = find().unwrap();
    // By then the kernel would end it.
    let limits = fs::read_to_string(format!("/proc/{}/limits", check.0)).unwrap();
    for (name, most) in [("Max cpu time", 30), ("Max address space", 1 << 30)] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line[name.len()..].trim_start().starts_with(&format!("{most} ")), "{line}");
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", check.0)).unwrap();
    let nice = stat.rsplit_once(") ").unwrap().1.split(' ').nth(16);
    assert_eq!(nice, Some("19"), "{stat}");
    server.stop();
    assert!(eventually(|| !check.is_alive()));
}

/// One who waits at a pipe for a config would wait for ever.
#[test]
fn a_config_that_is_no_file_changes_nothing() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    let (config, for_owner) = (place.path("gannet.toml"), Mode::RUSR | Mode::WUSR);
    fs::remove_file(&config).unwrap();
    mkfifoat(CWD, &config, for_owner).unwrap();
    let (code, said) = place.tell(&["reload"]);
    assert!(code == Some(2) && said.contains("gannet.toml"), "{code:?}: {said}");
    assert_eq!(version(server.addr()), 1);
    server.stop();
}

#[test]
fn a_port_that_is_not_for_this_user_changes_nothing() {
    let place = Place::serving("threads = 1\ncontrol = \"c\"", 1);
    let root = rustix::process::geteuid().is_root();
    if root {
        // The config, the log and the socket for wishes are its own.
        std::os::unix::fs::chown(place.path(""), Some(65534), Some(65534)).unwrap();
    }
    let as_other = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let launch = match root {
        false => place.launch(),
        true => {
            let program = binary::path().to_str().unwrap().to_owned();
            let words = as_other.map(str::to_owned).into_iter();
            let words = words.chain([program, "run".to_owned(), place.config()]);
            Launch::of(words.collect()).program("setpriv".as_ref())
        }
    };
    let server = launch.start();
    let workers = server.workers();
    place.serve("threads = 1\ncontrol = \"c\"\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:81\"]", 2);
    let (code, said) = place.tell(&["reload"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("127.0.0.1:81"), "{said}");
    assert_eq!(version(server.addr()), 1);
    assert_eq!(server.workers(), workers);
    server.stop();
}

/// O9 of the threats: signals by the hundred, and the last one twice.
#[test]
fn a_storm_of_signals_is_weathered_by_all_processes() {
    let place = Place::serving("workers = 2\nthreads = 1", 1);
    let server = place.start();
    let mut kept = Client::connect(server.addr());
    let all = |server: &Server| -> Vec<Process> {
        server.workers().into_iter().chain([server.started()]).collect()
    };
    let (before, descriptors) = (server.workers(), server.started().descriptors());
    for _ in 0..200 {
        for process in all(&server) {
            process.signal(Signal::USR1);
            process.signal(Signal::PIPE);
        }
        assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
        assert_eq!(version(server.addr()), 1);
    }
    // What is for the one that watches is nothing to workers: a terminal sends it to all.
    for worker in server.workers() {
        for signal in [Signal::HUP, Signal::INT, Signal::TERM, Signal::QUIT] {
            worker.signal(signal);
        }
    }
    assert_eq!(kept.get("/digits.txt").unwrap().status, 200);
    assert_eq!(server.workers(), before);
    let is_flat = || server.started().descriptors() <= descriptors;
    assert!(eventually(is_flat), "{descriptors} became {}", server.started().descriptors());
    let download = Client::download(server.addr(), "/huge.bin");
    server.signal(Signal::TERM);
    assert!(eventually(|| Client::try_connect(server.addr()).is_none()));
    assert!(download.hears_within(Duration::ZERO), "it has its time");
    server.signal(Signal::TERM);
    server.ended_with(143);
    assert!(before.iter().all(|worker| !worker.is_alive()), "nobody is left behind");
}

/// What was counted of clients goes on to count, though a reload would have begun anew.
#[test]
fn a_reload_that_fails_late_forgets_no_client() {
    let place = Place::serving("threads = 1", 1);
    let server = place.start();
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| drop(client.get("/digits.txt").unwrap()));
    // No worker can write there, which only a worker finds out.
    fs::create_dir(place.path("forms")).unwrap();
    fs::set_permissions(place.path("forms"), fs::Permissions::from_mode(0o555)).unwrap();
    let limits = "compress-cache = { folder = \"forms\" }\n[server.limits]\nclients-max = 5000\n";
    place.edit("[server.limits]\n", limits);
    let (code, said) = place.tell(&["reload"]);
    assert!(matches!(code, Some(1 | 2)) && said.contains("compress-cache"), "{code:?}: {said}");
    let now = || place.status()["connections_now"].clone();
    assert!(eventually(|| now() == 3), "{}", now());
    server.stop();
}

/// O8 of the threats.
#[test]
fn what_is_missing_at_a_reload_changes_nothing() {
    let place = Place::serving("threads = 1", 1);
    fs::create_dir(place.path("logs")).unwrap();
    fs::write(place.path("more.toml"), "[site.\"b.example\"]\nrespond = \"b\"\n").unwrap();
    let text = |version| {
        place.serve("threads = 1", version);
        place.edit("log = \"json\"", "log = { file = \"logs/access.log\" }");
        place.edit("[server]\n", "include = [\"more.toml\"]\n[server]\n");
    };
    text(1);
    let (code, said) = place.tell(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    let server = place.start();
    let workers = server.workers();
    let moved = |name: &str| (place.path(name), place.path(&format!("{name}.away")));
    for (name, why) in [("more.toml", "more.toml"), ("logs", "logs")] {
        let (here, away) = moved(name);
        fs::rename(&here, &away).unwrap();
        text(2);
        let (code, said) = place.tell(&["reload"]);
        assert!(code.is_some_and(|code| code != 0), "{name}");
        assert!(said.contains(why), "{said}");
        assert_eq!(version(server.addr()), 1);
        assert_eq!(server.workers(), workers);
        fs::rename(&away, &here).unwrap();
    }
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!(version(server.addr()), 2);
    server.stop();
}

/// O8 of the threats, too: what the check finds fault with is no less bad at a reload.
#[test]
fn a_certificate_that_is_bad_at_a_reload_changes_nothing() {
    let (place, certificates) = (Place::new(""), Certificates::new());
    certificates.make("a", "ec", &["a.example"]);
    certificates.make("b", "ec", &["a.example"]);
    certificates.replace("a", "used");
    let listen = "listen = [\"127.0.0.1:0\", { address = \"127.0.0.1:0\", tls = true }]";
    let write = |number| {
        let words = certificates.words("used");
        let site = format!("[site.\"a.example\"]\nroot = 'ROOT'\ntls = {{ {words} }}\n");
        place.write(&(config(&format!("threads = 1\n{listen}"), "", &says(number)) + &site));
    };
    write(1);
    let server = place.start();
    let start = server.wait_for(|line| line["event"] == "start");
    let secure = start["listens"][1].as_str().unwrap().parse().unwrap();
    let workers = server.workers();
    let half = fs::read(certificates.path("a.pem")).unwrap();
    let used = certificates.path("used.pem");
    let breaks: [(&dyn Fn(), &str); 3] = [
        (&|| fs::write(&used, &half[..half.len() / 2]).unwrap(), "used.pem"),
        (&|| fs::remove_file(&used).unwrap(), "used.pem"),
        (&|| certificates.replace_file("b.pem", "used.pem"), "used.key"),
    ];
    for (number, (break_it, name)) in breaks.into_iter().enumerate() {
        break_it();
        write(2);
        let (code, said) = place.tell(&["reload"]);
        assert!(code.is_some_and(|code| code != 0) && said.contains(name), "{number}: {said}");
        assert_eq!(version(server.addr()), 1);
        let visitor = certificates.visitor(&["a"]);
        assert_eq!(visitor.get(secure, "a.example", "/digits.txt").unwrap().status, 200);
        assert_eq!(server.workers(), workers);
    }
    certificates.replace("b", "used");
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    assert_eq!(version(server.addr()), 2);
    server.stop();
}
