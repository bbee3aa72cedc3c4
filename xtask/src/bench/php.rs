//! PHP: its cases, and the php-fpm that runs the programs for all servers of one.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use rustix::process::{Pid, Signal, kill_process};

use super::cases::{
    BROWSER_CODINGS, Case, Compression, IDLE, Idle, Kind, Load, PLAIN, SMALL, Site, Variant,
};
use super::content::Content;
use super::load;
use super::measure::median;
use super::peers::{Peer, Stage};
use super::server::Server;
use super::table::{Table, verdict};
use super::visitors::Running;
use super::{Outcome, wordpress};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "php",
        what: "a program of PHP that says 0.9 KB, 64 kept connections",
        kind: Kind::Load(Load {
            site: Site::Program { bytes: SMALL },
            peers: &[(Peer::Nginx, Some(0.8)), (Peer::Floor, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "php",
        what: "the same with 1 MB",
        kind: Kind::Load(Load {
            site: Site::Program { bytes: 1024 * 1024 },
            peers: &[(Peer::Nginx, Some(1.0))],
            ..PLAIN
        }),
    },
    Case {
        name: "php",
        what: "the same with 60 KB, as the front page of WordPress has",
        kind: Kind::Load(Load {
            site: PAGE,
            tail_max: Some(1.05),
            peers: &[(Peer::Nginx, Some(0.8)), (Peer::Floor, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "micro-cache",
        what: "a page of 60 KB that PHP has made once, beside a file of that size",
        kind: Kind::Load(Load {
            site: PAGE,
            variant: Variant::Cached,
            compression: Compression::Kept(BROWSER_CODINGS),
            peers: &[(Peer::GannetFile, Some(1.3))],
            ..PLAIN
        }),
    },
    Case {
        name: "idle-php",
        what: "5,000 kept connections that wait after one answer of PHP each, beside a site of files",
        kind: Kind::Idle(Idle {
            site: Site::Program { bytes: SMALL },
            connections: 5_000,
            bytes_each_max: None,
            peers: &[(Peer::GannetFile, Some(1.05))],
            ..IDLE
        }),
    },
    Case {
        name: "php-slow",
        what: "500 clients read 2 MB of PHP slowly while 64 others ask for 0.9 KB",
        kind: Kind::Readers(500, 0.95),
    },
];

/// A page as large as people's are.
const PAGE: Site = Site::Program { bytes: 60 * 1024 };

/// What fast clients ask for beside slow ones.
const FAST: Load = Load { site: Site::Program { bytes: SMALL }, ..PLAIN };

/// Bytes that a slow reader's kernel takes ahead of it, and bytes that it reads in a second.
const AHEAD_BYTES: usize = 16 * 1024;
const READ_BYTES: usize = 8 * 1024;

/// Programs that run at a time.
const CHILDREN: usize = 4;
/// One that does not listen by then has failed to start.
const START_TIME_MAX: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A running php-fpm with what its programs need; all of it ends with this value.
pub(super) struct Php {
    child: Child,
    _wordpress: Option<Running>,
}

impl Php {
    /// Starts it if programs answer on `site`, on the core of the load: what it costs is nobody's.
    pub(super) fn behind(site: Site, content: &Content) -> Outcome<Option<Self>> {
        let wordpress = (site == Site::Wordpress).then(|| wordpress::start(content)).transpose()?;
        site.is_of_programs().then(|| Self::start(content, wordpress)).transpose()
    }

    fn start(content: &Content, wordpress: Option<Running>) -> Outcome<Self> {
        let socket = content.application();
        let config = content.folder().join("php.conf");
        let text = format!(
            "[global]\nerror_log = /dev/null\n[www]\nuser = www-data\nlisten = {}\n\
             listen.mode = 0666\nlisten.backlog = 1024\npm = static\n\
             pm.max_children = {CHILDREN}\n",
            socket.display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program()?);
        command.arg("--nodaemonize").arg("--fpm-config").arg(&config).stdin(Stdio::null());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let php = Self { child, _wordpress: wordpress };
        let started = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            if started.elapsed() > START_TIME_MAX {
                return Err("php-fpm does not listen".into());
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(php)
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        // It takes its children along only if it is told to end.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// Measures how fast clients are answered without slow readers, and with them.
pub(super) fn readers(
    (count, rate_min): (usize, f64),
    content: &Content,
    rounds: usize,
) -> Outcome<Table> {
    let _php = Php::behind(FAST.site, content)?;
    let Load { site, access_log, compression, variant, .. } = FAST;
    let request = load::plain_request(site)?;
    let heading = ["server", "requests/s", "with readers", "kept", "at least", ""];
    let mut table = Table::new(&heading);
    for peer in [Peer::Gannet, Peer::Nginx] {
        let stage = Stage { content, site, access_log, compression, variant };
        let server = Server::start(peer, &stage, &request)?;
        let name = format!("{peer:?}-{}", server.address.port());
        let script = load::script(&FAST, None, content, &name)?;
        let url = format!("http://{}", server.address);
        let rate = |round| {
            let slice = load::slice(&script, &url, FAST.pace, round)?;
            Outcome::Ok(slice.requests / slice.seconds)
        };
        // The first slice warms everybody.
        let before: Vec<_> = (0..=rounds).map(rate).collect::<Outcome<_>>()?;
        let large = request.replacen("/page.php", "/large.php", 1);
        let readers = (0..count).map(|_| reader(&server, &large));
        let mut readers: Vec<_> = readers.collect::<Outcome<_>>()?;
        let mut after = Vec::new();
        for round in 0..rounds {
            for reader in &mut readers {
                reader.read_exact(&mut [0; READ_BYTES])?;
            }
            after.push(rate(round)?);
        }
        let rates = [median(&before[1..]), median(&after)];
        let kept = rates[1] / rates[0];
        let mut cells = vec![peer.name().to_owned()];
        cells.extend(rates.map(|rate| format!("{rate:.0}")));
        cells.push(format!("{kept:.2}"));
        if peer == Peer::Gannet {
            // The verdict is about what is lost.
            let word = verdict(1.0 - kept, 1.0 - rate_min);
            cells.extend([format!("{rate_min:.2}"), word]);
        }
        table.row(cells);
    }
    Ok(table)
}

/// Somebody who has asked for much and takes little of it at a time.
fn reader(server: &Server, request: &str) -> Outcome<TcpStream> {
    // What is handed on to wrk takes the places of its own.
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, AHEAD_BYTES)?;
    connect(&socket, &server.address)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(START_TIME_MAX))?;
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

/// The php-fpm of this machine, whichever version it is.
fn program() -> Outcome<PathBuf> {
    let names = fs::read_dir("/usr/sbin")?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm"))
    };
    names.filter(is_it).max().ok_or_else(|| "there is no php-fpm: apt-get install php-fpm".into())
}
