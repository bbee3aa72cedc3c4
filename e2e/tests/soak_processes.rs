//! All that is done to processes, at random and again and again under load: reloads, upgrades,
//! deaths, of the one that watches and of those that it has started, mistakes in the config, logs
//! that are moved away. Nobody notices but those whose worker has died, and nothing piles up.
//!
//! `cargo xtask soak --minutes N` runs it for longer. The seed is printed; `GANNET_SEED` repeats
//! what it did, as far as the machine lets it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests say what is wrong by panicking, and this one with which seed"
)]

use e2e::{
    Client, Launch, Server, Site, binary, eventually,
    frames::{OPENING, ask_on},
    process::Process,
    response::Fault,
    secure::{Certificates, SecureClient},
    sites, soak_time, stage,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    env, fs,
    hash::{BuildHasher, RandomState},
    mem,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Workers, and loops of each, at most.
const WORKERS_MAX: usize = 3;
const THREADS_MAX: usize = 2;

/// Clients of each kind.
const CLIENTS: usize = 2;

/// What each process may have more than it had at first, once all is quiet: memory that the
/// allocator keeps, in KiB.
const SLACK_KIB: u64 = 3 * 1024;

/// The same of threads, which come when the disk is to be asked patiently, and go again.
const SLACK_THREADS: u64 = 4;

/// A server whose program and config are replaced while it runs.
struct Place {
    site: Site,
    certificates: Certificates,
    folder: tempfile::TempDir,
    page: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let (folder, certificates) = (e2e::folder(), Certificates::new());
        certificates.make("a", "ec", &["a.example"]);
        let page = b"<p>The gannet dives.</p>\n".repeat(400);
        let place = Self { site: Site::new(), certificates, folder, page };
        place.site.write("soaked.html", &place.page);
        for name in ["forms", "php"] {
            fs::create_dir(place.path(name)).unwrap();
            e2e::give_to_server(&place.path(name));
        }
        fs::write(place.path("php/index.php"), "PHP <?= ini_get('precision');").unwrap();
        place.put();
        place.write(2, 2, "");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> String {
        self.path("gannet.toml").to_str().unwrap().to_owned()
    }

    /// Puts the program in the place of what lies there, as a package manager does.
    fn put(&self) {
        let (new, at) = (self.path("new"), self.path("gannet"));
        fs::copy(binary::path(), &new).unwrap();
        fs::rename(&new, &at).unwrap();
    }

    fn write(&self, workers: usize, threads: usize, more: &str) {
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\", \"unix:s\", \
             {{ address = \"127.0.0.2:0\", tls = true }}]\nworkers = {workers}\n\
             threads = {threads}\nlog = {{ file = \"access.log\", sample = \"1/100\" }}\n\
             compress-cache = {{ folder = \"forms\" }}\n\
             error-log = {{ format = \"json\", file = \"errors.log\" }}\n{more}\n\
             [server.limits]\ndrain-time = \"10s\"\n\
             [site.default]\nroot = {:?}\ncompress = true\n\
             [site.\"a.example\"]\nroot = {:?}\ntls = {{ {} }}\n\
             [site.\"{}\"]\nroot = \"php\"\n\
             php = {{ ini = {{ precision = \"{workers}\" }} }}\n",
            self.site.root_text(),
            self.site.root_text(),
            self.certificates.words("a"),
            self.host()
        );
        fs::write(self.config(), text).unwrap();
    }

    /// The site that PHP runs for, of a name that no other test has.
    fn host(&self) -> String {
        let name = self.folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        format!("{}.example", name.replace('.', ""))
    }

    /// The processes that have started those that run PHP.
    fn masters(&self) -> Vec<Process> {
        let all = sites::fpms(&self.host());
        let children: Vec<_> = all.iter().flat_map(|one| one.children()).collect();
        all.into_iter().filter(|one| !children.contains(one)).collect()
    }

    fn start(&self) -> Server {
        let launch = Launch::of(vec!["run".to_owned(), self.config()]);
        launch.program(&self.path("gannet")).start()
    }

    /// `gannet WORDS`: the exit code, and what is said.
    fn tell(&self, words: &[&str]) -> (Option<i32>, String) {
        let config = self.config();
        let words = words.iter().copied().chain([&*config]).map(str::to_owned);
        let (code, _, stderr) = Launch::of(words.collect()).finish();
        (code, stderr)
    }
}

/// What happens next (Knuth's generator).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let given = env::var("GANNET_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
        eprintln!("GANNET_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// What clients have seen.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    asked: AtomicUsize,
    lost: AtomicUsize,
    /// Programs that have answered, and those that have not.
    run: AtomicUsize,
    not_run: AtomicUsize,
    /// Streams of HTTP/2 that were answered.
    streams: AtomicU32,
}

impl Seen {
    /// Asks over HTTP/2, on several streams at once of connections that are kept as long as the
    /// server keeps them, until it is over.
    fn ask_streams(&self, connect: impl Fn() -> SecureClient) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut client = connect();
            let what = ("/digits.txt", Some(&b"0123456789"[..]));
            let asked = client
                .send(OPENING)
                .and_then(|()| ask_on(&mut client, what, (&self.is_over, &self.streams)));
            if let Err(Fault(why)) = asked {
                let is_cut = why.contains("waiting for") || why.starts_with("cannot send");
                assert!(is_cut, "{why}");
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Asks on connections that are kept for up to `times` requests, until it is over. An answer is
    /// right or does not come.
    fn ask(&self, addr: SocketAddr, times: usize, page: &[u8]) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut client = Client::connect(addr);
            for number in 0..times {
                let is_compressed = number % 4 == 3;
                let codings = if is_compressed { "Accept-Encoding: zstd\r\n" } else { "" };
                let head = format!("GET /soaked.html HTTP/1.1\r\nHost: localhost\r\n{codings}\r\n");
                let answer = client.send(head).and_then(|()| client.response());
                let Ok(answer) = answer else {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    break;
                };
                assert_eq!(answer.status, 200);
                let body = match answer.get("content-encoding") {
                    Some("zstd") => zstd::decode_all(&*answer.body).unwrap(),
                    coding => {
                        assert_eq!(coding, None);
                        answer.body.clone()
                    }
                };
                assert!(body == page, "another page, of {} bytes", body.len());
                self.asked.fetch_add(1, Ordering::Relaxed);
                if answer.closes() {
                    break;
                }
            }
        }
    }
}

impl Seen {
    /// Asks a program, until it is over.
    fn ask_program(&self, addr: SocketAddr, host: &str) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut client = Client::connect(addr);
            let head = format!("GET /program HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let counted = match client.send(head).and_then(|()| client.response()) {
                Ok(answer) if answer.status == 200 => {
                    assert!(answer.text().starts_with("PHP "), "{}", answer.text());
                    &self.run
                }
                Ok(answer) => {
                    assert_eq!(answer.status, 502, "{}", answer.text());
                    &self.not_run
                }
                Err(_) => &self.lost,
            };
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What all processes use when nothing is under way.
#[derive(Debug)]
struct Use {
    descriptors: Vec<Vec<String>>,
    threads: Vec<u64>,
    memory_kib: Vec<u64>,
}

/// Has two workers with two loops each serve, as ever, and looks what all use then.
fn used(place: &Place, server: &Server) -> Use {
    place.write(2, 2, "");
    assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
    let started = server.started();
    let others = || {
        let all = started.children_but_keeper().into_iter();
        all.filter(|one| !one.name().starts_with("php-fpm")).count()
    };
    let is_quiet = || server.workers().len() == 2 && others() == 2 && place.masters().len() == 1;
    assert!(eventually(is_quiet), "{:?}, {:?}", started.children_but_keeper(), place.masters());
    assert_eq!(stage::get(server.addr(), &place.host(), "/").text(), "PHP 2");
    assert_eq!(started.zombies(), 0);
    let page = &place.page;
    let seen = Seen::default();
    thread::scope(|scope| {
        scope.spawn(|| seen.ask(server.addr(), 50, page));
        while seen.asked.load(Ordering::Relaxed) < 500 {
            thread::yield_now();
        }
        seen.is_over.store(true, Ordering::Relaxed);
    });
    let all: Vec<_> = [started].into_iter().chain(server.workers()).collect();
    // The memory of those is little of their own: it is the program's, as long as others run it.
    let others = keeper(server).into_iter().chain(place.masters());
    let holders = all.iter().copied().chain(others);
    Use {
        descriptors: holders.map(|process| process.held()).collect(),
        threads: all.iter().map(|process| process.threads()).collect(),
        memory_kib: all.iter().map(|process| process.memory_share_kib()).collect(),
    }
}

/// The process that keeps what the server holds, whichever has started it.
fn keeper(server: &Server) -> Option<Process> {
    let workers = server.workers();
    Process::all().find(|one| {
        one.name() == "gannet-keeper" && workers.iter().any(|worker| one.holds(*worker))
    })
}

/// Who has died of what was done.
#[derive(Default)]
struct Killed {
    workers: usize,
    fpms: usize,
    others: usize,
}

/// Does something to the server.
fn disturb(place: &Place, server: &mut Server, dice: &mut Dice, killed: &mut Killed) {
    match dice.below(12) {
        0 | 1 => {
            place.write(1 + dice.below(WORKERS_MAX), 1 + dice.below(THREADS_MAX), "");
            assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
        }
        2 => {
            let bad = ["thraeds = 1", "control = \"/nowhere/c\"", "limits = 7"][dice.below(3)];
            place.write(1, 1, bad);
            let (code, said) = place.tell(&["reload"]);
            assert!(matches!(code, Some(1 | 2)) && said.starts_with("error"), "{code:?}: {said}");
        }
        3 => {
            place.write(1 + dice.below(WORKERS_MAX), 1 + dice.below(THREADS_MAX), "");
            (0..1 + dice.below(20)).for_each(|_| server.signal(Signal::HUP));
        }
        4 => {
            place.write(1 + dice.below(WORKERS_MAX), 1, "");
            place.put();
            assert_eq!(place.tell(&["upgrade", "-c"]), (Some(0), String::new()));
        }
        5 => {
            let _ = fs::rename(place.path("access.log"), place.path("access.log.1"));
            server.signal(Signal::USR1);
        }
        6 | 7 => {
            let workers = server.workers();
            if let Some(victim) = workers.get(dice.below(workers.len().max(1))) {
                victim.kill();
                killed.workers += 1;
            }
        }
        8 => {
            place.masters().into_iter().for_each(Process::kill);
            killed.fpms += 1;
        }
        9 => {
            place.write(2, 1, "");
            let Some(before) = keeper(server) else { return };
            before.kill();
            assert!(eventually(|| keeper(server).is_some_and(|next| next != before)));
            // It knows all that there is when this is over.
            assert_eq!(place.tell(&["reload"]), (Some(0), String::new()));
            killed.others += 1;
        }
        _ => {
            server.started().kill();
            assert!(eventually(|| !server.started().is_alive()));
            drop(mem::replace(server, place.start()));
            killed.others += 1;
        }
    }
}

#[test]
fn whatever_is_done_to_it_nobody_notices_and_nothing_piles_up() {
    let length = soak_time(60, 300);
    let place = Place::new();
    let mut dice = Dice::new();
    let mut server = place.start();
    let addr = server.addr();
    let secure = server.lines()[0]["listens"][2].as_str().unwrap().parse().unwrap();
    // What is kept for the next time is there then: among it a socket for each loop of as many as
    // there ever are.
    place.write(WORKERS_MAX, THREADS_MAX, "");
    assert_eq!(place.tell(&["upgrade", "-c"]), (Some(0), String::new()));
    let before = used(&place, &server);
    let (seen, mut killed, mut done) = (Seen::default(), Killed::default(), 0);
    thread::scope(|scope| {
        let (seen, page) = (&seen, &*place.page);
        for times in [1, 100] {
            (0..CLIENTS).for_each(|_| drop(scope.spawn(move || seen.ask(addr, times, page))));
        }
        let host = place.host();
        scope.spawn(move || seen.ask_program(addr, &host));
        let visitor = place.certificates.visitor(&["a"]).choosing_http2();
        scope.spawn(move || seen.ask_streams(|| visitor.connect(secure, "a.example")));
        let over = Over(&seen.is_over);
        let start = Instant::now();
        while start.elapsed() < length {
            disturb(&place, &mut server, &mut dice, &mut killed);
            done += 1;
            thread::sleep(Duration::from_millis(dice.below(400) as u64));
            // Logs are not what this is about.
            let _ = fs::remove_file(place.path("access.log.1"));
        }
        drop(over);
    });
    let (asked, lost) = (seen.asked.into_inner(), seen.lost.into_inner());
    let (run, not_run) = (seen.run.into_inner(), seen.not_run.into_inner());
    let Killed { workers, fpms, others } = killed;
    eprintln!(
        "{asked} requests, {done} disturbances; killed: {workers} workers, {fpms} php-fpms, \
         {others} others; {lost} lost; {run} programs, {not_run} not run"
    );
    let streams = seen.streams.into_inner() as usize;
    let most = workers * (2 * CLIENTS + 2);
    assert!(lost <= most, "{lost} requests were lost, and {most} can have been under way");
    let has_happened = asked > 10 * done && run > 0 && streams > 10 * done;
    assert!(has_happened, "hardly anything happened: {streams} streams");
    // Whoever dies three times in a row is given a pause.
    assert!(not_run == 0 || fpms > 2, "{not_run} programs were not run");
    // As before: a program that took over holds less than one that was started.
    place.write(WORKERS_MAX, THREADS_MAX, "");
    assert_eq!(place.tell(&["upgrade", "-c"]), (Some(0), String::new()));
    let after = used(&place, &server);
    for (at, (now, then)) in after.descriptors.iter().zip(&before.descriptors).enumerate() {
        // A loop of a worker opens what it serves when it is first asked, and not all of them are.
        let slack = if at == 0 { 0 } else { 2 };
        assert!(now.len() <= then.len() + slack, "of process {at}, {then:#?} became {now:#?}");
    }
    for (now, then) in after.threads.iter().zip(&before.threads) {
        assert!(*now <= then + SLACK_THREADS, "{before:?} became {after:?}");
    }
    let memory = after.memory_kib.iter().zip(&before.memory_kib);
    for (now, then) in memory {
        assert!(*now <= then + SLACK_KIB, "{before:?} became {after:?}");
    }
    let errors = fs::read_to_string(place.path("errors.log")).unwrap();
    for line in errors.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let event = line["event"].as_str().unwrap_or_default();
        let is_due = matches!(
            event,
            "reloaded"
                | "not_reloaded"
                | "worker_died"
                | "cut_off"
                | "taken_back"
                | "upgraded"
                | "adopted"
                | "php_died"
        ) || event == "failed" && not_run > 0;
        assert!(is_due, "{line}");
    }
    server.stop();
}

/// Says that all is over, though a test fail.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
