//! A server under test: started on its core, known to answer, and stopped whatever happens.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::load::{Answer, exchange, weigh};
use super::peers::{Peer, Stage};
use super::{Outcome, machine, measure};

/// A server that has not answered by then has failed to start.
const START_TIME_MAX: Duration = Duration::from_secs(20);
/// A server that has not ended by then after SIGTERM is killed.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a server that starts or stops is looked at; it bounds the error of `first_answer`.
const LOOK_INTERVAL: Duration = Duration::from_micros(200);

/// A running server; it ends with this value.
pub(super) struct Server {
    pub(super) peer: Peer,
    pub(super) address: SocketAddr,
    /// From before it was executed until its first answer was there.
    pub(super) first_answer: Duration,
    /// Where its two outputs go.
    log: PathBuf,
    child: Child,
}

impl Server {
    /// Starts `peer` on a free port, and waits until it answers `request`.
    pub(super) fn start(peer: Peer, stage: &Stage<'_>, request: &str) -> Outcome<Self> {
        // The port is free now; that nobody takes it before the server does is likely enough.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = stage.command(peer, address.port())?;
        let log = stage.content.folder().join(format!("{peer:?}-{}.out", address.port()));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);

        machine::keep_to(machine::SERVER_CORE)?;
        let started = Instant::now();
        let child = command.spawn();
        machine::keep_to(machine::LOAD_CORE)?;
        let child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let mut server = Self { peer, address, first_answer: Duration::ZERO, log, child };
        server.wait_for_answer(started, request)?;
        server.first_answer = started.elapsed();
        Ok(server)
    }

    /// Sends `request` on a connection of its own.
    pub(super) fn ask(&self, request: &str) -> Outcome<Answer> {
        exchange(&mut TcpStream::connect(self.address)?, request)
            .map_err(|error| format!("{}: {error}", self.peer.name()).into())
    }

    /// Bytes of its whole answer to `request`, which asks for the connection to be closed.
    pub(super) fn weigh(&self, request: &str) -> Outcome<usize> {
        weigh(&mut TcpStream::connect(self.address)?, request)
            .map_err(|error| format!("{}: {error}", self.peer.name()).into())
    }

    /// A sentence about this server, with what it said itself and whether it still runs.
    pub(super) fn complain(&mut self, what: &str) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let end = match self.child.try_wait() {
            Ok(Some(status)) => format!("; it ended with {status}"),
            _ => String::new(),
        };
        format!("{} {what}{end}; it said: {}", self.peer.name(), said.trim())
    }

    /// CPU time that it has spent so far.
    pub(super) fn cpu_time(&self) -> Duration {
        measure::cpu_time(self.child.id())
    }

    /// Memory that it has now, in bytes.
    pub(super) fn memory_bytes(&self) -> Outcome<u64> {
        measure::memory_bytes(self.child.id())
    }

    fn wait_for_answer(&mut self, started: Instant, request: &str) -> Outcome<()> {
        while TcpStream::connect(self.address).is_err() {
            if self.child.try_wait()?.is_some() || started.elapsed() > START_TIME_MAX {
                return Err(self.complain("does not listen").into());
            }
            sleep(LOOK_INTERVAL);
        }
        self.ask(request).map(drop)
    }

    /// Asks it to end, waits, and then insists. Its descendants are taken by their ids beforehand,
    /// because they outlive a parent that has to be killed.
    fn stop(&mut self) {
        let pids = measure::tree(self.child.id());
        let signal = |pid: u32, signal| {
            // Whoever is gone already cannot be signalled, and need not be.
            i32::try_from(pid).ok().and_then(Pid::from_raw).map(|pid| kill_process(pid, signal))
        };
        signal(self.child.id(), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < STOP_TIME_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(LOOK_INTERVAL);
        }
        for pid in pids {
            signal(pid, Signal::KILL);
        }
        // After SIGKILL the end is certain; without the wait it would stay as a zombie.
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
