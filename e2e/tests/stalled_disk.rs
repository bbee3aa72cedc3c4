//! A disk that stops answering stalls its own files and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Asker, Client, Place, Server, Site, Stalling, eventually,
    frames::{
        DATA, END, OPENING, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, get_for, read,
        until,
    },
    place::{config, says, version},
    process::raise_descriptor_limit,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// Threads of the pool that one root may have: half of what `pool-threads-max` is by default.
const SHARE: usize = 8;

/// Jobs of one root that may wait for a thread.
const QUEUE: usize = 1024;

/// Below this, a busy machine says more about itself than about the server.
const FLOOR: Duration = Duration::from_millis(50);

/// A server whose disks are good or bad.
struct Stage {
    server: Server,
    workers: usize,
    /// The root of `bad.example`.
    bad: Stalling,
    /// Mounted at `/inner` of the default site.
    inner: Stalling,
    /// The root of `good.example`: it can stall as well, so it has to be asked patiently.
    good: Stalling,
    _site: Site,
}

impl Stage {
    fn new(workers: usize, limits: &str) -> Self {
        raise_descriptor_limit();
        let site = Site::new();
        let folders = ["../bad", "inner", "../good"].map(|name| site.path(name));
        let [bad, inner, good] = folders.each_ref().map(|folder| {
            fs::create_dir_all(folder).unwrap();
            Stalling::mount(folder)
        });
        let config = format!(
            "{}[site.\"bad.example\"]\nroot = {:?}\n[site.\"good.example\"]\nroot = {:?}\n",
            site.config(&format!("workers = {workers}\nthreads = 2"), limits),
            folders[0],
            folders[2],
        );
        let listen = "listen = { address = \"127.0.0.1:0\", http2 = true }";
        let config = config.replace("listen = \"127.0.0.1:0\"", listen);
        Self { server: Server::run(&config), workers, bad, inner, good, _site: site }
    }

    /// Those who want nothing from a bad disk.
    fn others(&self) -> [Asker<'static>; 4] {
        let targets = [
            ("localhost", "/digits.txt"),
            ("localhost", "/large.bin"),
            ("other.example", "/index.html"),
            ("good.example", "/quick.txt"),
        ];
        let source = "127.0.0.9".parse().unwrap();
        targets.map(|(host, target)| Asker { addr: self.server.addr(), source, host, target })
    }

    /// Checks that `others` hardly notice while `count` requests wait for `disk` in vain, and that
    /// the server can be stopped all the same, or that all get an answer when the disk goes.
    fn suffer(&self, host: &str, folder: &str, disk: impl Fn() -> usize) -> Vec<Client> {
        // One that has to do with no such disk tells how busy the machine is.
        let site = Site::new();
        let alone = Server::run(&site.config("threads = 2", ""));
        for other in self.others() {
            other.ask(300);
        }
        let mut clients = ask_in_vain(self.server.addr(), host, folder, 64 * self.workers);
        let share = SHARE * self.workers;
        assert!(eventually(|| disk() == share), "{} threads wait", disk());
        for other in self.others() {
            let host = if other.host == "good.example" { "localhost" } else { other.host };
            let target = other.target.replace("quick", "digits");
            let usual = Asker { addr: alone.addr(), host, target: &target, ..other };
            thread::scope(|scope| {
                let usual = scope.spawn(|| usual.ask(300));
                other.ask(300).check(&usual.join().unwrap(), FLOOR);
            });
        }
        alone.stop();
        assert_eq!(disk(), share, "one root has its share of each pool, and no more");
        for (at, client) in clients.iter_mut().enumerate() {
            if client.hears_within(Duration::ZERO) {
                let response = client.response().unwrap();
                panic!("{at} {}: {}", response.status, response.text());
            }
        }
        clients
    }
}

fn ask(addr: SocketAddr, host: &str, target: &str) -> Client {
    let mut client = Client::connect(addr);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).unwrap();
    client
}

/// Asks for `count` files that stall, in one of three ways each.
fn ask_in_vain(addr: SocketAddr, host: &str, folder: &str, count: usize) -> Vec<Client> {
    let kinds = ["read", "open", "look"].iter().cycle().zip(0..count);
    kinds.map(|(kind, at)| ask(addr, host, &format!("{folder}{kind}-{at}.txt"))).collect()
}

/// Checks that whoever waited is told that it was in vain.
fn told(clients: Vec<Client>) {
    for mut client in clients {
        let status = client.response().unwrap().status;
        assert!(matches!(status, 404 | 500 | 503), "{status}");
    }
}

/// O19 of the threats.
#[test]
fn a_root_on_a_bad_disk_stalls_alone() {
    let mut stage = Stage::new(2, "");
    let clients = stage.suffer("bad.example", "/", || stage.bad.stalled());
    stage.bad.end();
    told(clients);
    stage.server.stop();
}

/// O19: here it is not known beforehand that the root may stall.
#[test]
fn a_bad_disk_inside_of_a_root_stalls_alone() {
    let mut stage = Stage::new(2, "");
    let clients = stage.suffer("localhost", "/inner/", || stage.inner.stalled());
    stage.inner.end();
    told(clients);
    stage.server.stop();
}

/// O19: who would have to wait behind a thousand others is told so at once.
#[test]
fn more_than_can_wait_are_turned_away() {
    let mut stage = Stage::new(1, "connections-per-client-max = 2000");
    let waiting = crowd(&stage, 20);
    for other in stage.others() {
        other.ask(20);
    }
    stage.bad.end();
    told(waiting);
    stage.server.stop();
}

/// Has as many wait for the bad disk as may; `more` are turned away.
fn crowd(stage: &Stage, more: usize) -> Vec<Client> {
    let addr = stage.server.addr();
    let mut clients = ask_in_vain(addr, "bad.example", "/", SHARE);
    assert!(eventually(|| stage.bad.stalled() == SHARE), "{} threads wait", stage.bad.stalled());
    let queue = (0..QUEUE + more).map(|_| ask(addr, "bad.example", "/quick.txt"));
    let queue: Vec<_> = queue.collect();
    let has_heard = |client: &Client| client.hears_within(Duration::ZERO);
    let heard = || queue.iter().filter(|client| has_heard(client)).count();
    assert!(eventually(|| heard() >= more), "{} are turned away", heard());
    let (turned_away, waiting): (Vec<_>, Vec<_>) = queue.into_iter().partition(has_heard);
    assert_eq!(turned_away.len(), more, "all who may wait do");
    for mut client in turned_away {
        assert_eq!(client.response().unwrap().status, 503);
    }
    clients.extend(waiting);
    clients
}

/// Reads content of `stream`, and of no other, until so many bytes of it are here.
fn take(client: &mut Client, stream: u32, bytes: usize) {
    let mut came = 0;
    while came < bytes {
        let data = until(client, DATA).unwrap();
        assert_eq!(data.stream, stream);
        came += data.payload.len();
    }
    assert_eq!(came, bytes);
}

/// O19: on a connection with many answers only those stall that wait for the disk, and only those
/// end with it.
#[test]
fn an_answer_that_stalls_holds_up_no_other_of_its_connection() {
    let mut stage = Stage::new(1, "");
    let mut client = Client::connect(stage.server.addr());
    // Windows of 4 MiB.
    let wide = frame(SETTINGS, 0, 0, &[0, 4, 0, 64, 0, 0]);
    let widened = frame(WINDOW_UPDATE, 0, 0, &[0, 64, 0, 0]);
    let asked = get_for("bad.example", 1, "/stuck.bin");
    client.send([OPENING, &wide, &widened, &asked].concat()).unwrap();
    take(&mut client, 1, Stalling::LARGE_BYTES / 2);
    assert!(eventually(|| stage.bad.stalled() == 1), "the second half is waited for");
    for (stream, host, target) in [
        (3, "localhost", "/large.bin"),
        (5, "good.example", "/quick.bin"),
        (7, "localhost", "/digits.txt"),
    ] {
        client.send(get_for(host, stream, target)).unwrap();
        let bytes = if stream == 7 { 10 } else { Stalling::LARGE_BYTES };
        take(&mut client, stream, bytes);
    }
    stage.bad.end();
    let reset = until(&mut client, RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (1, 2), "INTERNAL_ERROR");
    client.send(get(9, "/digits.txt")).unwrap();
    take(&mut client, 9, 10);
    let line = stage.server.wait_for(|line| line["target"] == "/stuck.bin");
    assert_eq!(line["reason"], "its file could not be read to the end");
    assert_eq!(line["bytes"], Stalling::LARGE_BYTES / 2);
    stage.server.stop();
}

/// O19: neither does one that cannot even wait, as too many do.
#[test]
fn an_answer_that_is_turned_away_ends_alone() {
    const WINDOW_BYTES: usize = 65_535;
    let mut stage = Stage::new(1, "connections-per-client-max = 2000");
    let mut client = Client::connect(stage.server.addr());
    client.send([OPENING, &get_for("bad.example", 1, "/quick.bin")].concat()).unwrap();
    take(&mut client, 1, WINDOW_BYTES);
    let waiting = crowd(&stage, 1);
    let widened = [0, 1].map(|stream| frame(WINDOW_UPDATE, 0, stream, &[0, 1, 0, 0])).concat();
    client.send([widened, get(3, "/digits.txt")].concat()).unwrap();
    let (mut is_reset, mut is_answered) = (false, false);
    while !(is_reset && is_answered) {
        let frame = read(&mut client).unwrap();
        is_reset |= frame.kind == RST_STREAM && (frame.stream, frame.code()) == (1, 2);
        is_answered |= frame.kind == DATA && frame.flags == END && frame.stream == 3;
    }
    let line = stage.server.wait_for(|line| line["target"] == "/quick.bin");
    assert_eq!(line["reason"], "too much work waits for the pool of threads");
    assert_eq!(line["bytes"], WINDOW_BYTES);
    stage.bad.end();
    told(waiting);
    stage.server.stop();
}

/// O19: while another answer of its connection waits, it waits, too, and is asked for again.
#[test]
fn an_answer_that_is_turned_away_waits_while_another_does() {
    const WINDOW_BYTES: usize = 65_535;
    let mut stage = Stage::new(1, "connections-per-client-max = 2000");
    let mut client = Client::connect(stage.server.addr());
    let widened = |stream| frame(WINDOW_UPDATE, 0, stream, &[0, 64, 0, 0]);
    let asked = get_for("bad.example", 1, "/quick.bin");
    client.send([OPENING, &widened(0), &asked].concat()).unwrap();
    take(&mut client, 1, WINDOW_BYTES);
    client.send([get_for("good.example", 3, "/stuck.bin"), widened(3)].concat()).unwrap();
    take(&mut client, 3, Stalling::LARGE_BYTES / 2);
    assert!(eventually(|| stage.good.stalled() == 1), "the second half is waited for");
    let waiting = crowd(&stage, 1);
    client.send([widened(1), get(5, "/digits.txt")].concat()).unwrap();
    take(&mut client, 5, 10);
    stage.bad.end();
    told(waiting);
    client.send(get(7, "/digits.txt")).unwrap();
    let reset = until(&mut client, RST_STREAM).unwrap();
    assert_eq!((reset.stream, reset.code()), (1, 2), "INTERNAL_ERROR");
    let line = stage.server.wait_for(|line| line["target"] == "/quick.bin");
    assert_eq!(line["reason"], "its file could not be read to the end", "it was asked for");
    stage.good.end();
    stage.server.stop();
}

/// O19: downloads that stop in the middle hold up neither other downloads nor the end of the
/// server.
#[test]
fn downloads_that_stall_are_alone_with_it() {
    let stage = Stage::new(1, "stop-time = \"500ms\"");
    let addr = stage.server.addr();
    let _clients: Vec<_> = (0..2 * SHARE).map(|_| ask(addr, "bad.example", "/stuck.bin")).collect();
    assert!(eventually(|| stage.bad.stalled() == SHARE), "{} threads wait", stage.bad.stalled());
    for _ in 0..10 {
        let response = ask(addr, "good.example", "/quick.bin").response().unwrap();
        assert_eq!(response.body.len(), Stalling::LARGE_BYTES);
    }
    let start = Instant::now();
    stage.server.stop();
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(10), "it took {taken:?} to stop");
}

/// O19: who has left while a disk stalls is gone soon, though nothing ends what was asked of the
/// disk, and takes no place from those who want nothing of it.
#[test]
fn who_leaves_a_disk_that_stalls_keeps_no_place() {
    const PLACES: usize = 14;
    let limits = format!("connections-max = {PLACES}\nlinger-time = \"200ms\"");
    let mut stage = Stage::new(1, &limits);
    let addr = stage.server.addr();
    // Of these the first half is there.
    let mut clients = vec![ask(addr, "bad.example", "/stuck-a.bin"), Client::connect(addr)];
    let wide = frame(SETTINGS, 0, 0, &[0, 4, 0, 64, 0, 0]);
    let widened = frame(WINDOW_UPDATE, 0, 0, &[0, 64, 0, 0]);
    let asked = get_for("bad.example", 1, "/stuck-b.bin");
    clients[1].send([OPENING, &wide, &widened, &asked].concat()).unwrap();
    take(&mut clients[1], 1, Stalling::LARGE_BYTES / 2);
    for kind in ["read", "open", "look"].iter().cycle().take(6) {
        clients.push(ask(addr, "bad.example", &format!("/{kind}-{}.txt", clients.len())));
        let mut http2 = Client::connect(addr);
        let target = format!("/{kind}-{}.txt", clients.len());
        let ping = frame(PING, 0, 0, &[7; 8]);
        http2.send([OPENING, &get_for("bad.example", 1, &target), &ping].concat()).unwrap();
        // Who leaves something unread resets the connection, which is another thing.
        until(&mut http2, PING).unwrap();
        clients.push(http2);
    }
    assert_eq!(clients.len(), PLACES);
    assert!(eventually(|| stage.bad.stalled() == SHARE), "{} threads wait", stage.bad.stalled());
    let status = || ask(addr, "localhost", "/digits.txt").response().unwrap().status;
    assert!(eventually(|| status() == 503), "all have a place");
    drop(clients);
    let all_find_room = || {
        let mut all: Vec<_> = (0..PLACES).map(|_| Client::connect(addr)).collect();
        let is_served =
            |client: &mut Client| client.get("/digits.txt").is_ok_and(|it| it.status == 200);
        all.iter_mut().all(is_served) && all.iter_mut().all(is_served)
    };
    assert!(eventually(all_find_room), "they keep their places");
    let has_left = |line: &Value| line["status"] == 499 || line["reason"] == "cut off";
    stage.server.wait_for(|line| line["target"] == "/stuck-a.bin" && has_left(line));
    assert_eq!(stage.bad.stalled(), SHARE, "the disk has not answered");
    // Whoever says only that nothing more will be asked has an answer.
    let asked = ask(addr, "good.example", "/quick.txt");
    asked.shut().unwrap();
    assert_eq!({ asked }.response().unwrap().status, 200);
    stage.bad.end();
    stage.server.stop();
}

/// O4 of the threats: logs lie on such a disk, and neither those who serve nor who watches them
/// wait for it.
#[test]
fn a_disk_of_logs_that_stalls_holds_up_nobody() {
    let site = "[site.\"bad.example\"]\nroot = 'ROOT'\nlog = { file = \"disk/write-a.log\" }\n";
    let place = Place::new(&(config("workers = 2\nthreads = 1", "", &says(1)) + site));
    fs::create_dir(place.path("disk")).unwrap();
    let disk = Stalling::mount(&place.path("disk"));
    place.edit("errors.log", "disk/write-errors.log");
    let server = place.start();
    let is_served = || (0..20).for_each(|_| assert_eq!(version(server.addr()), 1));
    assert_eq!(ask(server.addr(), "bad.example", "/").response().unwrap().status, 200);
    assert!(eventually(|| disk.stalled() == 1), "a worker writes in vain");
    is_served();
    let victim = server.workers()[0];
    victim.kill();
    let is_replaced = || server.workers().len() == 2 && !server.workers().contains(&victim);
    assert!(eventually(is_replaced));
    assert!(eventually(|| disk.stalled() >= 1), "so does who tells of that");
    is_served();
    place.order(&["reload"]);
    server.signal(Signal::USR1);
    is_served();
    place.edit("threads = 1", "thraeds = 1");
    assert_eq!(place.tell(&["reload"]).0, Some(2));
    place.edit("thraeds = 1", "threads = 1");
    let status = place.status();
    assert_eq!((&status["restarts"], &status["reload"]["done"]), (&1.into(), &false.into()));
    place.order(&["upgrade", "-c"]);
    is_served();
    server.stop();
}
