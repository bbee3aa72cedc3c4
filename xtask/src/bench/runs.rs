//! How a case is run: who is started, what is asked of them, and what becomes a row of the table.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::cases::{Case, Idle, Kind, Load, SMALL, Site, Start, Variant};
use super::content::{Content, targets};
use super::load::{self, Pace, request};
use super::measure::{least, median, median_ratio};
use super::peers::{HTTP2_ADDRESS, Peer, Stage};
use super::php::{self, Php};
use super::secure::Hands;
use super::server::Server;
use super::table::{Table, verdict};
use super::visitors::{self, Crowd};
use super::{Outcome, machine};
use super::{issuing, life, watched};
use crate::command::{bounded, finish};

/// No target lies below this multiple of the floor, because nobody can meet one that does.
const FLOOR_RATIO: f64 = 1.1;
/// Silence after the last request of a crowd, in which servers may give memory back.
const SILENCE: Duration = Duration::from_secs(1);
/// Seconds that one count of instructions may take.
const COUNT_SECONDS_MAX: u32 = 120;
const MIB: f64 = 1024.0 * 1024.0;

/// The bench at work: the content that its servers serve, and how often each is asked.
pub(super) struct Bench {
    content: Content,
    rounds: usize,
    /// How often the cases about processes do what they are about, if anybody has said so.
    turns: Option<usize>,
}

impl Bench {
    pub(super) fn new(rounds: usize, turns: Option<usize>) -> Outcome<Self> {
        Ok(Self { content: Content::new()?, rounds, turns })
    }

    /// Runs one case, with servers of its own.
    pub(super) fn run(&self, case: &Case) -> Outcome<Table> {
        match &case.kind {
            Kind::Load(load) => self.load(load),
            Kind::Idle(idle) => self.idle(idle),
            Kind::Start(start) => self.start(start),
            Kind::Readers(count, rate_min) => {
                php::readers((*count, *rate_min), &self.content, self.rounds)
            }
            Kind::Certificates(wanted) => {
                visitors::certificates(wanted, &self.content, self.rounds)
            }
            Kind::Watched { connections, ratio_max } => {
                watched::run((*connections, *ratio_max), &self.content, self.rounds)
            }
            Kind::Issuing(case) => issuing::run(*case, &self.content),
            Kind::Life(life) => life::run(*life, &self.content, self.turns),
            Kind::Engine { instructions_max } => engine(*instructions_max),
            Kind::Route { instructions_max, ratio_max } => route(*instructions_max, *ratio_max),
        }
    }

    fn load(&self, load: &Load) -> Outcome<Table> {
        let _php = Php::behind(load.site, &self.content)?;
        let mut entrants = Vec::new();
        for peer in [load.gannet].into_iter().chain(load.peers.iter().map(|(peer, _)| *peer)) {
            entrants.push(Entrant::new(peer, load, &self.content)?);
        }
        // The first round warms the caches of everybody and is thrown away.
        for round in 0..=self.rounds {
            for entrant in &mut entrants {
                entrant.slice(round, round > 0)?;
            }
        }
        let mut table = Table::new(&[
            "server",
            "µs/request",
            "least",
            "requests/s",
            "MiB",
            "gannet/it",
            "at most",
            "",
        ]);
        let Some((gannet, others)) = entrants.split_first() else { return Ok(table) };
        let floor = entrants.iter().find(|entrant| entrant.server.peer == Peer::Floor);
        table.row(gannet.cells()?);
        for (entrant, (_, target)) in others.iter().zip(load.peers) {
            let ratio = median_ratio(&gannet.microseconds, &entrant.microseconds);
            let mut cells = entrant.cells()?;
            // Where a hundredth is all that may be, two digits would not tell.
            let digits = if target.is_some_and(|most| (most - 1.0).abs() < 0.015) { 3 } else { 2 };
            cells.push(format!("{ratio:.digits$}"));
            if let Some(target) = *target {
                let lowest = floor.map_or(0.0, |floor| {
                    FLOOR_RATIO * median_ratio(&floor.microseconds, &entrant.microseconds)
                });
                let raised = if lowest > target { " (1.1 floor)" } else { "" };
                let limit = lowest.max(target);
                cells.extend([format!("{limit:.2}{raised}"), verdict(ratio, limit)]);
            }
            table.row(cells);
        }
        if load.compression.is_done() {
            for entrant in &entrants {
                let target = targets(entrant.site).next().ok_or("a site without targets")?;
                let request = request(&target, Variant::Close, load.compression.accepted(), None);
                let (name, bytes) = (entrant.server.peer.name(), entrant.server.weigh(&request)?);
                table.note(format!("Bytes of an answer of {name}, with its head: {bytes}"));
            }
        }
        if let (Some(limit), Some(other)) = (load.tail_max, others.first()) {
            let [own, its] = [gannet, other].map(|entrant| median(&entrant.tails));
            let (name, word) = (other.server.peer.name(), verdict(own / its, limit));
            table.note(format!(
                "99 of 100 answers within: {own:.2} ms, {name} {its:.2} ms, at most {limit:.2} of \
                 that: {word}"
            ));
        }
        if let Some(limit) = load.memory_mib_max {
            let memory = gannet.server.memory_bytes()? as f64 / MIB;
            let word = verdict(memory, limit);
            table.note(format!("Memory of gannet: {memory:.1} MiB, at most {limit:.0}: {word}"));
        }
        Ok(table)
    }

    fn idle(&self, idle: &Idle) -> Outcome<Table> {
        let (count, _php) = (idle.connections, Php::behind(idle.site, &self.content)?);
        let mut table = Table::new(&[
            "server",
            "MiB without",
            "MiB with",
            "bytes each",
            "at most",
            "",
            "MiB of gannet at most",
            "",
        ]);
        let mut gannet_all = f64::NAN;
        for (peer, most) in [(Peer::Gannet, None)].into_iter().chain(idle.peers.iter().copied()) {
            let (server, request) = self.single(peer, idle.site, idle.variant)?;
            if let Variant::Secure(_) = idle.variant {
                // A process that looks at certificates has come and gone by then.
                sleep(SILENCE);
            }
            let without = server.memory_bytes()? as f64;
            let (with, open) = match idle.variant {
                Variant::Secure(_) => {
                    let crowd = Crowd::new(count, server.address, &self.content.pair()?.0)?;
                    sleep(SILENCE);
                    (server.memory_bytes()? as f64, crowd.count_open()?)
                }
                _ => {
                    let crowd = match idle.variant {
                        Variant::Streams { .. } => load::crowd_of_streams(count, server.address)?,
                        _ => load::crowd(count, server.address, &request)?,
                    };
                    sleep(SILENCE);
                    (server.memory_bytes()? as f64, load::count_open(&crowd)?)
                }
            };
            if open < count {
                return Err(format!("{} closed {} connections", peer.name(), count - open).into());
            }
            let each = (with - without) / count as f64;
            let mut cells = vec![
                peer.name().to_owned(),
                format!("{:.1}", without / MIB),
                format!("{:.1}", with / MIB),
                format!("{each:.0}"),
            ];
            if peer == Peer::Gannet {
                gannet_all = with;
                let limit = idle.bytes_each_max;
                let of_limit = |limit| [format!("{limit:.0}"), verdict(each, limit)];
                cells.extend(limit.into_iter().flat_map(of_limit));
            } else if let Some(most) = most {
                let limit = most * with;
                let (most, word) = (format!("{:.1}", limit / MIB), verdict(gannet_all, limit));
                cells.extend([String::new(), String::new(), most, word]);
            }
            table.row(cells);
        }
        Ok(table)
    }

    fn start(&self, start: &Start) -> Outcome<Table> {
        let mut table = Table::new(&["server", "ms", "least", "at most", "", "MiB", "at most", ""]);
        for peer in [Peer::Gannet, Peer::Nginx, Peer::Lighttpd, Peer::H2o] {
            let (mut times, mut memory) = (Vec::new(), Vec::new());
            for _ in 0..self.rounds {
                let (server, _) =
                    self.single(peer, Site::Single { bytes: SMALL }, Variant::Plain)?;
                times.push(server.first_answer.as_secs_f64() * 1e3);
                memory.push(server.memory_bytes()? as f64 / MIB);
            }
            let (time, memory) = (median(&times), median(&memory));
            let limits = |figure: f64, limit: f64| match peer {
                Peer::Gannet => [format!("{limit:.0}"), verdict(figure, limit)],
                _ => Default::default(),
            };
            let figures =
                [peer.name().into(), format!("{time:.1}"), format!("{:.1}", least(&times))];
            let limits_of_memory = limits(memory, start.memory_mib_max);
            table.row(
                figures
                    .into_iter()
                    .chain(limits(time, start.milliseconds_max))
                    .chain([format!("{memory:.1}")])
                    .chain(limits_of_memory),
            );
        }
        Ok(table)
    }

    /// Starts `peer` alone in a case that is about `site`, and gives the request for that.
    fn single(&self, peer: Peer, site: Site, variant: Variant) -> Outcome<(Server, String)> {
        let stage = Stage { site: peer.site(site), variant, ..Stage::plain(&self.content) };
        let request = load::plain_request(stage.site)?;
        Ok((Server::start(peer, &stage, &request)?, request))
    }
}

/// A server in a case with a load, and what its slices cost.
struct Entrant {
    server: Server,
    site: Site,
    variant: Variant,
    pace: Pace,
    script: PathBuf,
    /// The certificate, where TLS is spoken.
    pem: PathBuf,
    microseconds: Vec<f64>,
    rates: Vec<f64>,
    tails: Vec<f64>,
}

impl Entrant {
    /// Starts `peer` and makes sure that it answers what the load will ask for.
    fn new(peer: Peer, load: &Load, content: &Content) -> Outcome<Self> {
        let Load { access_log, compression, variant, pace, .. } = *load;
        let site = peer.site(load.site);
        let file_bytes = content.file_bytes(site)?;
        let is_conditional = variant == Variant::Conditional;
        let codings = compression.accepted();
        let stage = Stage { content, site, access_log, compression, variant };
        let target = targets(site).next().ok_or("a site without targets")?;
        let plain = match variant {
            Variant::Password => request(&target, variant, codings, None),
            _ => request(&target, Variant::Plain, codings, None),
        };
        let server = Server::start(peer, &stage, &plain)?;
        let etag = if is_conditional {
            let answer = server.ask(&plain)?;
            Some(answer.field("etag").ok_or(format!("{}: no entity tag", peer.name()))?.to_owned())
        } else {
            None
        };
        let answer = server.ask(&request(&target, variant, codings, etag.as_deref()))?;
        let closes = answer.field("connection") == Some("close");
        let is_coded = answer.field("content-encoding").is_some();
        if is_coded != compression.is_done() {
            return Err(format!("{}: compressed: {is_coded}", peer.name()).into());
        }
        // What is compressed is as long as its server can make it.
        let content_bytes = if is_coded { file_bytes } else { answer.content_bytes };
        let is = (answer.status, content_bytes, closes);
        let closes = variant == Variant::Close;
        let expect = if is_conditional { (304, 0, closes) } else { (200, file_bytes, closes) };
        if is != expect {
            let name = peer.name();
            return Err(format!("{name}: status, bytes, close {is:?}, not {expect:?}").into());
        }
        let name = format!("{peer:?}-{}", server.address.port());
        let script = load::script(&Load { site, ..*load }, etag.as_deref(), content, &name)?;
        let (pem, _) = content.pair()?;
        let (microseconds, rates, tails) = Default::default();
        Ok(Self { server, site, variant, pace, script, pem, microseconds, rates, tails })
    }

    /// One slice of load; counted or not.
    fn slice(&mut self, round: usize, counts: bool) -> Outcome<()> {
        let before = self.server.cpu_time();
        let address = self.server.address;
        let slice = match self.variant {
            Variant::Secure(Hands::Kept) => {
                let server = format!("https://{}", visitors::secure(address));
                load::slice(&self.script, &server, self.pace, round)
            }
            Variant::Secure(hands) => {
                visitors::shake(hands, address, &self.pem, load::SLICE_SECONDS, (0, 0))
            }
            Variant::Streams { connections, each } => {
                let server = format!("http://{HTTP2_ADDRESS}:{}", address.port());
                load::streams(self.site, &server, (connections, each))
            }
            Variant::SecureStreams { connections, each } => {
                let server = format!("https://{}", visitors::secure(address));
                load::streams(self.site, &server, (connections, each))
            }
            _ => load::slice(&self.script, &format!("http://{address}"), self.pace, round),
        };
        let slice =
            slice.map_err(|error| self.server.complain(&format!("failed under {error}")))?;
        let spent = self.server.cpu_time().saturating_sub(before);
        if counts {
            self.microseconds.push(spent.as_secs_f64() * 1e6 / slice.requests);
            self.rates.push(slice.requests / slice.seconds);
            self.tails.extend(slice.tail_ms);
        }
        Ok(())
    }

    /// The cells that every server has.
    fn cells(&self) -> Outcome<Vec<String>> {
        Ok(vec![
            self.server.peer.name().to_owned(),
            format!("{:.2}", median(&self.microseconds)),
            format!("{:.2}", least(&self.microseconds)),
            format!("{:.0}", median(&self.rates)),
            format!("{:.1}", self.server.memory_bytes()? as f64 / MIB),
        ])
    }
}

/// Counts the instructions of the HTTP/1.1 engine.
fn engine(instructions_max: u64) -> Outcome<Table> {
    let each = each("engine", &[])?;
    let mut table = Table::new(&["", "instructions/request", "at most", ""]);
    let word = verdict(each as f64, instructions_max as f64);
    table.row(["http1".into(), each.to_string(), instructions_max.to_string(), word]);
    Ok(table)
}

/// Counts the instructions that it takes to find a route among the sites of a small host and of a
/// large one.
fn route(instructions_max: u64, ratio_max: f64) -> Outcome<Table> {
    let (small, large) = (each("find", &["1"])?, each("find", &["10000"])?);
    let ratio = large as f64 / small as f64;
    let mut table = Table::new(&["", "instructions/request", "at most", ""]);
    for (name, each) in [("1 site", small), ("10,000 sites", large)] {
        let word = verdict(each as f64, instructions_max as f64);
        table.row([name.into(), each.to_string(), instructions_max.to_string(), word]);
    }
    let word = verdict(ratio, ratio_max);
    table.row(["ratio".into(), format!("{ratio:.3}"), format!("{ratio_max:.2}"), word]);
    Ok(table)
}

/// Instructions for each turn of an example, by two runs of different length; what they share, as
/// loading and preparing, falls out of the difference.
fn each(example: &str, words: &[&str]) -> Outcome<u64> {
    const SHORT: u64 = 1_000;
    const LONG: u64 = 11_000;
    let (long, short) = (instructions(example, words, LONG)?, instructions(example, words, SHORT)?);
    Ok(long.saturating_sub(short) / (LONG - SHORT))
}

/// Instructions that an example takes for so many turns.
fn instructions(example: &str, words: &[&str], turns: u64) -> Outcome<u64> {
    let mut valgrind = bounded("valgrind", COUNT_SECONDS_MAX, &machine::root());
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(machine::release().join("examples").join(example)).args(words);
    valgrind.arg(turns.to_string());
    let report = finish(&mut valgrind)?.output;
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| format!("valgrind: {}", report.trim()).into())
}
