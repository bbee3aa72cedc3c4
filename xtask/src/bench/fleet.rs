//! A server of several processes that are replaced while it serves: gannet, or nginx beside it.

use std::fmt::Write;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cases::{SMALL, Site};
use super::content::Content;
use super::load::exchange;
use super::peers::HTTP2_ADDRESS;
use super::secure::Secure;
use super::{Outcome, machine, measure};
use crate::command;

/// Whatever takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nginx lets old workers go on: it tells a client of HTTP/2 that the end is near only
/// when nothing is under way, and whoever always asks for something would keep them for good.
const OLD_SECONDS_MAX: u32 = 10;
/// How often something is looked at that tells nobody.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gannet,
    Nginx,
}

/// A running server; it ends with this value.
pub(super) struct Fleet {
    kind: Kind,
    pub(super) address: SocketAddr,
    config: PathBuf,
    root: PathBuf,
    /// The certificate and its key, where TLS is spoken, too.
    pair: Option<(PathBuf, PathBuf)>,
    /// The process that watches the others.
    first: u32,
    child: Child,
}

impl Fleet {
    /// Starts one with so many workers, which serve so many sites beside the one that is asked.
    pub(super) fn start(
        kind: Kind,
        content: &Content,
        workers: usize,
        sites: usize,
    ) -> Outcome<Self> {
        Self::begin(kind, content, (workers, sites), None)
    }

    /// The same with TLS.
    pub(super) fn start_secure(kind: Kind, content: &Content, workers: usize) -> Outcome<Self> {
        Self::begin(kind, content, (workers, 0), Some(content.pair()?))
    }

    fn begin(
        kind: Kind,
        content: &Content,
        (workers, sites): (usize, usize),
        pair: Option<(PathBuf, PathBuf)>,
    ) -> Outcome<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = content.folder().join(format!("fleet-{kind:?}-{}.conf", address.port()));
        let root = content.root(Site::Single { bytes: SMALL })?;
        write(kind, &config, (&root, &pair), address, workers, sites)?;
        let mut command = match kind {
            Kind::Gannet => Command::new(machine::gannet()),
            Kind::Nginx => Command::new("sh"),
        };
        match kind {
            Kind::Gannet => command.arg("run"),
            // It is started anew by the name that it has, which has to be a path for that; and it
            // listens to who wants that only where it is nobody's child.
            Kind::Nginx => {
                command.args(["-c", "PATH=$PATH:/usr/sbin; exec \"$(command -v nginx)\" -c \"$0\""])
            }
        };
        command.arg(&config);
        let output = File::create(config.with_extension("out"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        machine::keep_to(machine::SERVER_CORE)?;
        let child = command.spawn();
        machine::keep_to(machine::LOAD_CORE)?;
        let child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let mut fleet = Self { kind, address, config, root, pair, first: child.id(), child };
        if kind == Kind::Nginx {
            fleet.child.wait()?;
            fleet.wait("it has no number", || fleet.named().is_some())?;
            fleet.first = fleet.named().ok_or("it has no number")?;
        }
        fleet.wait("it does not listen", || TcpStream::connect(address).is_ok())?;
        // It listens before it is ready.
        exchange(&mut TcpStream::connect(address)?, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        fleet.wait("workers are missing", || fleet.workers().len() == workers)?;
        Ok(fleet)
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Gannet => "gannet",
            Kind::Nginx => "nginx",
        }
    }

    /// The process that watches the others.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    /// The certificate, where TLS is spoken, too.
    pub(super) fn pem(&self) -> Option<PathBuf> {
        self.pair.as_ref().map(|(pem, _)| pem.clone())
    }

    /// The processes that serve.
    pub(super) fn workers(&self) -> Vec<u32> {
        let children = measure::tree(self.first).into_iter().skip(1);
        children.filter(|&pid| measure::is_alive(pid) && !is_keeper(pid)).collect()
    }

    /// Has it serve what its config says now, with so many workers and sites, and waits for those
    /// who do so. Others may still be at what was asked of them before.
    pub(super) fn reload(&self, workers: usize, sites: usize) -> Outcome<()> {
        let served = (self.root.as_path(), &self.pair);
        write(self.kind, &self.config, served, self.address, workers, sites)?;
        match self.kind {
            Kind::Gannet => self.tell(&["reload"]),
            Kind::Nginx => {
                let before = self.workers();
                command::output(
                    Command::new("nginx").args(["-s", "reload", "-c"]).arg(&self.config),
                )?;
                self.wait("new workers are missing", || {
                    let now = self.workers();
                    now.iter().filter(|pid| !before.contains(pid)).count() == workers
                })
            }
        }
    }

    /// Has it run its program anew, and waits for that.
    pub(super) fn upgrade(&mut self) -> Outcome<()> {
        if self.kind == Kind::Gannet {
            return self.tell(&["upgrade", "-c"]);
        }
        let workers = self.workers().len();
        let old = self.first;
        signal(old, Signal::USR2);
        self.wait("there is no new one", || self.named().is_some_and(|new| new != old))?;
        let new = self.named().ok_or("it has no number")?;
        self.wait("its workers are missing", || measure::tree(new).len() == 1 + workers)?;
        signal(old, Signal::QUIT);
        self.wait("the old one stays", || !measure::is_alive(old))?;
        self.first = new;
        Ok(())
    }

    /// The number that nginx has put down of itself.
    fn named(&self) -> Option<u32> {
        fs::read_to_string(self.config.with_extension("pid")).ok()?.trim().parse().ok()
    }

    /// Kills a worker and waits until somebody who connects is answered: how long that took.
    pub(super) fn kill(&self, request: &str) -> Outcome<Duration> {
        let victim = *self.workers().first().ok_or("there is no worker")?;
        let start = Instant::now();
        signal(victim, Signal::KILL);
        while measure::is_alive(victim) {
            if start.elapsed() > PATIENCE {
                return Err("a worker survives SIGKILL".into());
            }
        }
        exchange(&mut TcpStream::connect(self.address)?, request)?;
        Ok(start.elapsed())
    }

    /// Waits until only so many workers are there.
    pub(super) fn wait_for_workers(&self, count: usize) -> Outcome<()> {
        self.wait("workers are left over", || self.workers().len() == count)
    }

    fn tell(&self, words: &[&str]) -> Outcome<()> {
        let mut command = Command::new(machine::gannet());
        command::output(command.args(words).arg(&self.config))?;
        Ok(())
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) -> Outcome<()> {
        let start = Instant::now();
        while !is_so() {
            if start.elapsed() > PATIENCE {
                let said = fs::read_to_string(self.config.with_extension("out"));
                let said = said.unwrap_or_default();
                return Err(format!("{}: {what}; it said: {said}", self.name()).into());
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let all = measure::tree(self.first);
        signal(self.first, Signal::TERM);
        let asked = Instant::now();
        while measure::is_alive(self.first) && asked.elapsed() < PATIENCE {
            let _ = self.child.try_wait();
            sleep(LOOK_INTERVAL);
        }
        all.into_iter().for_each(|pid| signal(pid, Signal::KILL));
        let _ = self.child.wait();
    }
}

/// Signals a process, if it is there.
fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, signal));
}

fn write(
    kind: Kind,
    config: &Path,
    (root, pair): (&Path, &Option<(PathBuf, PathBuf)>),
    address: SocketAddr,
    workers: usize,
    sites: usize,
) -> Outcome<()> {
    let (root, path, port) = (root.display(), config.display(), address.port());
    let secure = pair.as_ref().map(|(pem, key)| Secure { port: address.port(), pem, key });
    let listener = secure.as_ref().map(Secure::gannet_listener).unwrap_or_default();
    let tls = secure.as_ref().map(|secure| match kind {
        Kind::Gannet => Secure::gannet_site(secure.pem, secure.key),
        Kind::Nginx => secure.nginx(),
    });
    let tls = tls.unwrap_or_default();
    let mut text = match kind {
        Kind::Gannet => format!(
            "[server]\nlisten = [\"{address}\"{listener}, \
             {{ address = \"{HTTP2_ADDRESS}:{port}\", http2 = true }}]\nworkers = {workers}\n\
             threads = 1\nlog = \"off\"\n[site.default]\nroot = \"{root}\"\n{tls}"
        ),
        Kind::Nginx => format!(
            "user root; worker_processes {workers};\npid {}; error_log {path}.log warn;\n\
             events {{ worker_connections 10000; }}\n\
             worker_shutdown_timeout {OLD_SECONDS_MAX}s;\n\
             http {{\naccess_log off; sendfile on; keepalive_requests 100000000;\n\
             server {{ listen {address} default_server; listen {HTTP2_ADDRESS}:{port} http2; \
             {tls} root {root}; }}\n",
            config.with_extension("pid").display()
        ),
    };
    for number in 0..sites {
        // Writing into a string cannot fail.
        let _ = match kind {
            Kind::Gannet => {
                writeln!(text, "[site.\"site{number}.example\"]\nroot = \"{root}\"")
            }
            Kind::Nginx => writeln!(
                text,
                "server {{ listen {address}; server_name site{number}.example; root {root}; }}"
            ),
        };
    }
    if kind == Kind::Nginx {
        text.push_str("}\n");
    }
    Ok(fs::write(config, text)?)
}

/// Whether a process keeps what the next gannet needs if the one that watches is killed.
fn is_keeper(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim_end() == "gannet-keeper")
}
