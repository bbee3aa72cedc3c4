//! Visitors who speak TLS (`bench/visitors`): what they do to a server, and what many certificates
//! cost.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::cases::{Case, Certificates, Clients, Kind, Life, SMALL, Site, Variant};
use super::content::Content;
use super::issuing::Issuing;
use super::load::{self, SLICE_SECONDS, Slice};
use super::measure::{median, median_ratio};
use super::peers::{HTTP2_ADDRESS, Peer, Stage};
use super::secure::{Hands, SECURE_ADDRESS};
use super::server::Server;
use super::table::{Table, verdict};
use super::{Outcome, machine};
use crate::command::{bounded, finish};

/// Seconds in which each of many sites is asked for once, and how many more a run may take.
const ROUND_SECONDS: &str = "15";
const SECONDS_MORE_MAX: u32 = 20;
const MIB: f64 = 1024.0 * 1024.0;

/// Whether clients come by TLS in a way that wrk has not.
pub(super) fn are_needed(case: &Case) -> bool {
    match &case.kind {
        Kind::Load(load) => {
            matches!(load.variant, Variant::Secure(Hands::Full | Hands::Resumed))
        }
        Kind::Idle(idle) => matches!(idle.variant, Variant::Secure(_)),
        Kind::Life(Life::Reloads(clients)) => *clients != Clients::Plain,
        Kind::Certificates(_) | Kind::Issuing(Issuing::Pass) => true,
        _ => false,
    }
}

/// The address of a server at which TLS is spoken.
pub(super) fn secure(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(SECURE_ADDRESS.into(), address.port())
}

/// Has visitors shake hands with a server for so many seconds: of so many sites, from the one of
/// that number on; of none but `localhost` where they are none.
pub(super) fn shake(
    hands: Hands,
    server: SocketAddr,
    pem: &Path,
    seconds: &str,
    (names, first): (usize, usize),
) -> Outcome<Slice> {
    let kind = if hands == Hands::Resumed { "resumed" } else { "full" };
    let seconds_max = seconds.parse::<u32>()? + SECONDS_MORE_MAX;
    let mut visitors = bounded(&program().to_string_lossy(), seconds_max, &machine::root());
    visitors.args([kind, &secure(server).to_string()]).arg(pem);
    visitors.args([seconds, &names.to_string(), &first.to_string()]);
    let report = finish(&mut visitors)?.output;
    Slice::parse(&report).ok_or_else(|| format!("visitors: {}", report.trim()).into())
}

fn program() -> PathBuf {
    machine::release().join("visitors")
}

/// Does `work` while visitors ask a server, on kept connections and on new ones. What it gives, and
/// how many answers there were, refused and cut connections, and odd answers.
pub(super) fn around<T>(
    clients: Clients,
    server: SocketAddr,
    pem: Option<&Path>,
    work: impl FnOnce() -> Outcome<T>,
) -> Outcome<(T, [usize; 4])> {
    let (verb, address) = match clients {
        Clients::Plain | Clients::Secure => ("ask", secure(server)),
        Clients::Streams => ("ask-at-once", SocketAddr::new(HTTP2_ADDRESS.into(), server.port())),
        Clients::SecureStreams => ("ask-at-once", secure(server)),
    };
    let mut command = Command::new(program());
    command.args([verb, &address.to_string()]).args(pem);
    let mut visitors = Running::start(&mut command)?;
    let given = work();
    let said = visitors.end()?;
    let counts: Vec<usize> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    Ok((given?, counts.try_into().map_err(|_| "visitors have failed")?))
}

/// Visitors, or others whom a case needs, that go on until their input ends, as it does with this
/// value.
pub(super) struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Running {
    /// Waits until they have said that they are there.
    pub(super) fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("a program without an output")?;
        let mut visitors = Self { child, said: BufReader::new(stdout) };
        let mut line = String::new();
        visitors.said.read_line(&mut line)?;
        if line.trim() == "open" {
            Ok(visitors)
        } else {
            Err(format!("{command:?} has failed").into())
        }
    }

    /// Ends them; what they say at last.
    fn end(&mut self) -> Outcome<String> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.said.read_to_string(&mut said)?;
        Ok(said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // They end with their input; without the wait they would stay as a zombie.
        let _ = self.child.wait();
    }
}

/// Visitors that wait; they go with this value.
pub(super) struct Crowd(Running);

impl Crowd {
    /// So many, each of whom has asked once.
    pub(super) fn new(count: usize, server: SocketAddr, pem: &Path) -> Outcome<Self> {
        let mut command = Command::new(program());
        command.args(["idle", &secure(server).to_string()]).arg(pem).arg(count.to_string());
        Running::start(&mut command).map(Self)
    }

    /// Ends them; how many were still connected.
    pub(super) fn count_open(mut self) -> Outcome<usize> {
        Ok(self.0.end()?.trim().parse()?)
    }
}

/// What one site costs beside many, each with a certificate of its own.
pub(super) fn certificates(
    wanted: &Certificates,
    content: &Content,
    rounds: usize,
) -> Outcome<Table> {
    let mut hosts = [Sites::start(1, content)?, Sites::start(wanted.count, content)?];
    for host in &mut hosts {
        let handshakes = host.shake(ROUND_SECONDS, 0)?;
        if handshakes < host.count as f64 {
            return Err(format!("only {handshakes} of {} sites were met", host.count).into());
        }
        host.first = host.microseconds.pop().unwrap_or(f64::NAN);
    }
    for round in 0..rounds {
        hosts.iter_mut().try_for_each(|host| host.shake(SLICE_SECONDS, round).map(drop))?;
    }
    let mut table = Table::new(&[
        "certificates",
        "ms until ready",
        "at most",
        "",
        "MiB then",
        "MiB with all in use",
        "µs/handshake, the first of each",
        "µs/handshake",
        "of 1",
        "at most",
        "",
    ]);
    let [one, many] = &hosts;
    for host in [one, many] {
        let ready = host.server.first_answer.as_secs_f64() * 1e3;
        let ratio = median_ratio(&host.microseconds, &one.microseconds);
        let [of_ready, of_ratio] = match host.count {
            1 => Default::default(),
            _ => [(ready, wanted.milliseconds_max, 0), (ratio, wanted.ratio_max, 2)]
                .map(|(is, most, digits)| [format!("{most:.digits$}"), verdict(is, most)]),
        };
        let now = host.server.memory_bytes()? as f64 / MIB;
        let cells = [host.count.to_string(), format!("{ready:.0}")].into_iter().chain(of_ready);
        let cells = cells.chain([host.memory, now].map(|mib| format!("{mib:.1}")));
        let times = [host.first, median(&host.microseconds)].map(|time| format!("{time:.1}"));
        table.row(cells.chain(times).chain([format!("{ratio:.2}")]).chain(of_ratio));
    }
    Ok(table)
}

/// The folder of so many certificates, which is made at the first call.
pub(super) fn make(count: usize, content: &Content) -> Outcome<PathBuf> {
    let (folder, (pem, key)) = (content.certificates(count), content.pair()?);
    if !folder.exists() {
        fs::create_dir(&folder)?;
        let mut make = bounded(&program().to_string_lossy(), 60, &machine::root());
        make.arg("make").arg(&pem).arg(key).arg(count.to_string()).arg(&folder);
        let made = finish(&mut make)?;
        made.is_success.then_some(()).ok_or(format!("certificates: {}", made.output))?;
    }
    Ok(folder)
}

/// A server with so many sites, and what handshakes with it have cost.
struct Sites {
    count: usize,
    server: Server,
    pem: PathBuf,
    /// MiB when it was ready.
    memory: f64,
    /// Microseconds of a handshake while each site was met for the first time.
    first: f64,
    microseconds: Vec<f64>,
}

impl Sites {
    fn start(count: usize, content: &Content) -> Outcome<Self> {
        let (site, variant) = (Site::Certified(count), Variant::Secure(Hands::Full));
        let (pem, _) = content.pair()?;
        make(count, content)?;
        let stage = Stage { content, site, variant, ..Stage::plain(content) };
        let request = load::plain_request(Site::Single { bytes: SMALL })?;
        let server = Server::start(Peer::Gannet, &stage, &request)?;
        let memory = server.memory_bytes()? as f64 / MIB;
        Ok(Self { count, server, pem, memory, first: f64::NAN, microseconds: Vec::new() })
    }

    /// One slice of handshakes with one site after the other; how many they were.
    fn shake(&mut self, seconds: &str, round: usize) -> Outcome<f64> {
        let before = self.server.cpu_time();
        let names = (self.count, round * self.count / 7);
        let slice = shake(Hands::Full, self.server.address, &self.pem, seconds, names)?;
        let spent = self.server.cpu_time().saturating_sub(before);
        self.microseconds.push(spent.as_secs_f64() * 1e6 / slice.requests);
        Ok(slice.requests)
    }
}
