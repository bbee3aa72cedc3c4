//! The attacks of slowhttptest: hundreds of clients that take their time, each in a mean way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{Asker, Server, Site, Stopped, eventually, extent};
use serde_json::Value;
use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Clients of an attack.
const CLIENTS: usize = 500;

/// Descriptors of large files that the server keeps open: one on each of two loops.
const KEPT: usize = 2;

/// What each of them may cost at most, in KiB.
const CLIENT_KIB_MAX: u64 = 16;

/// Below this, a busy machine says more about itself than about the server.
const FLOOR: Duration = Duration::from_millis(100);

/// Runs an attack: all others are answered in time meanwhile, it costs little, and the server
/// gets rid of it by itself.
fn attack(words: &str, target: &str) -> Stopped {
    let patience = patience_seconds();
    let limits = ["head-time", "idle-time", "body-idle-time", "write-stall-time"]
        .map(|name| format!("{name} = \"{patience}s\"\n"))
        .concat();
    let site = Site::new();
    let server = Server::run(&site.config("threads = 2", &limits));
    let addr = server.addr();
    let source = "127.0.0.9".parse().unwrap();
    let asker = Asker { addr, source, host: "localhost", target: "/digits.txt" };
    // One that is left alone tells how busy the machine is.
    let other = Server::run(&site.config("threads = 2", ""));
    let usual = Asker { addr: other.addr(), ..asker };
    asker.ask(300);
    let (memory, descriptors) =
        (server.process().memory_kib(), server.process().descriptors() + KEPT);
    let mut command = Command::new("slowhttptest");
    command.args(words.split(' ')).arg("-u").arg(format!("http://{addr}{target}"));
    command.args(["-c", &CLIENTS.to_string(), "-r", "500", "-l", &extent(15, 60).to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|e| panic!("{e}: apt-get install slowhttptest"));
    let attacker = thread::spawn(move || child.wait_with_output().unwrap());
    thread::scope(|scope| {
        let usual = scope.spawn(|| usual.ask_until(|| attacker.is_finished()));
        let pace = asker.ask_until(|| attacker.is_finished());
        pace.check(&usual.join().unwrap(), FLOOR);
    });
    other.stop();
    let told = String::from_utf8_lossy(&attacker.join().unwrap().stdout).into_owned();
    assert!(told.contains("YES"), "the attack was not carried out:\n{told}");
    assert!(!told.contains("Exit status: Connection refused"), "{told}");
    let grown = server.process().memory_peak_kib().saturating_sub(memory);
    assert!(grown < CLIENTS as u64 * CLIENT_KIB_MAX, "the attack cost {grown} KiB");
    assert!(eventually(|| server.process().descriptors() <= descriptors), "some stay");
    let stopped = server.stop();
    assert_eq!(stopped.lines.last().unwrap()["panics"], 0);
    stopped
}

/// How long the server puts up with it; an attack takes a few times as long.
fn patience_seconds() -> usize {
    extent(4, 20)
}

/// How many lines of the log say so.
fn count(stopped: &Stopped, name: &str, value: impl Into<Value>) -> usize {
    let value = value.into();
    stopped.lines.iter().filter(|line| line[name] == value).count()
}

/// Row 38: Slowloris, heads that never end.
#[test]
fn slow_heads() {
    let stopped = attack("-H -i 2 -x 24 -p 3", "/digits.txt");
    let refused = count(&stopped, "status", 408);
    assert!(refused >= CLIENTS, "{refused} were turned down");
}

/// Row 39: content that trickles. It is not wanted, so the answer comes without waiting for it.
#[test]
fn slow_content() {
    let stopped = attack("-B -i 2 -s 8192 -x 10 -p 3", "/digits.txt");
    assert!(count(&stopped, "status", 405) >= CLIENTS);
}

/// Row 40: large answers that are hardly read.
#[test]
fn slow_readers() {
    let stopped = attack("-X -w 512 -y 1024 -z 32 -n 5 -k 1 -p 3", "/huge.bin");
    // In microseconds, and well before the attack ends: so it was the server who lost patience.
    let times = 500_000..patience_seconds() as u64 * 3_500_000;
    let is_cut_off = |line: &&Value| {
        line["reason"] == "cut off" && times.contains(&line["us"].as_u64().unwrap())
    };
    let cut_off = stopped.lines.iter().filter(is_cut_off).count();
    assert!(cut_off >= CLIENTS, "{cut_off} were cut off in time");
}

/// Row 97: a thousand ranges that overlap.
#[test]
fn many_ranges() {
    let stopped = attack("-R -t GET -a 1 -b 1300 -p 3", "/large.bin");
    assert!(count(&stopped, "target", "/large.bin") >= CLIENTS);
}
