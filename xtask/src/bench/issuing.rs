//! Certificates that come by themselves in the bench: what others notice while they are issued and
//! renewed, and what it costs to see that nothing is due.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::cases::{BROWSER_CODINGS, Case, Kind, SMALL, Site, Variant};
use super::content::{Content, targets};
use super::crowd::{self, Met};
use super::load::{exchange, request};
use super::secure::SECURE_ADDRESS;
use super::table::{Table, verdict};
use super::{Outcome, machine, measure, visitors};
use crate::command;

/// Sites whose certificates are issued, and those in a large store.
const SITES: usize = 500;
const STORED: usize = 10_000;
/// How much longer than without that 99 of 100 answers may take at most.
const SLOWER_MAX: f64 = 1.2;
/// How often a certificate is renewed under load, and how long that lasts.
const RENEWALS: usize = 10;
const LOAD_SECONDS: &str = "20";
/// Seconds of processor time that a look at a large store may cost.
const PASS_SECONDS_MAX: f64 = 1.0;
/// Seconds until a server is ready that has a large store.
const START_SECONDS_MAX: f64 = 3.0;
/// How long something is watched that is at rest.
const QUIET: Duration = Duration::from_secs(10);
/// Whatever goes on for so long without getting on has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Ticks of a second in which the kernel counts what children have used.
const TICKS: f64 = 100.0;
/// So long after the look that a renewal asks for, the process that has had it is reaped.
const REAPED: Duration = Duration::from_millis(500);

/// What is done about certificates that come by themselves.
#[derive(Clone, Copy)]
pub(super) enum Issuing {
    /// They are issued beside traffic.
    Beside,
    /// One is renewed under full load.
    Renewals,
    /// Many are looked at.
    Pass,
}

/// The rows about certificates by themselves.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "issue",
        what: "500 sites get their certificates of Pebble while clients ask at half load",
        kind: Kind::Issuing(Issuing::Beside),
    },
    Case {
        name: "renewals",
        what: "a certificate is renewed 10 times under full load over TLS",
        kind: Kind::Issuing(Issuing::Renewals),
    },
    Case {
        name: "renewal-pass",
        what: "10,000 certificates that authorities have issued: the start, and a look at all",
        kind: Kind::Issuing(Issuing::Pass),
    },
];

/// Runs a case.
pub(super) fn run(case: Issuing, content: &Content) -> Outcome<Table> {
    match case {
        Issuing::Beside => beside(content),
        Issuing::Renewals => renewals(content),
        Issuing::Pass => pass(content),
    }
}

/// A gannet with a config of its own; it ends with this value.
struct Own {
    config: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl Own {
    /// The folder of a case, with nothing in it.
    fn folder(content: &Content, name: &str) -> Outcome<PathBuf> {
        let folder = content.folder().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// Starts one with these sites and settings, which serves the small file at any other name.
    fn start(content: &Content, folder: &Path, settings: &str, sites: &str) -> Outcome<Self> {
        let address = free()?;
        let config = folder.join("gannet.toml");
        write(content, &config, address, settings, sites)?;
        let output = File::create(config.with_extension("out"))?;
        let mut command = Command::new(machine::gannet());
        command.arg("run").arg(&config).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output);
        machine::keep_to(machine::SERVER_CORE)?;
        let child = command.spawn();
        machine::keep_to(machine::LOAD_CORE)?;
        let own = Self { config, address, child: child? };
        wait("it does not listen", || TcpStream::connect(address).is_ok().then_some(()))?;
        // It listens before it is ready.
        exchange(&mut TcpStream::connect(address)?, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        Ok(own)
    }

    /// How often it has said that a certificate is used from now on.
    fn renewed(&self) -> usize {
        let said = fs::read_to_string(self.config.with_extension("out")).unwrap_or_default();
        said.matches("is used from now on").count()
    }

    /// Waits until it has said so that often.
    fn wait_for(&self, count: usize) -> Outcome<()> {
        wait("a new certificate is not used", || (self.renewed() >= count).then_some(()))
    }

    /// What its children have used that are gone.
    fn of_children(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").ok_or("an odd stat")?;
        let fields = fields.split(' ').skip(13).take(2).map(str::parse::<f64>);
        Ok(fields.collect::<Result<Vec<_>, _>>()?.iter().sum::<f64>() / TICKS)
    }

    /// The process that has certificates issued.
    fn issuer(&self) -> Outcome<u32> {
        let is_issuer = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() == "gannet-certs"
        };
        let find = || measure::tree(self.child.id()).into_iter().find(is_issuer);
        wait("nobody has certificates issued", find)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Asks a process to end, and waits for that.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
    let _ = child.wait();
}

fn free() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn wait<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> Outcome<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            return Err(what.into());
        }
        sleep(LOOK_INTERVAL);
    }
}

fn write(
    content: &Content,
    config: &Path,
    address: SocketAddr,
    settings: &str,
    sites: &str,
) -> Outcome<()> {
    let (root, port) = (content.root(Site::Single { bytes: SMALL })?, address.port());
    let text = format!(
        "[server]\nlisten = [\"{address}\", {{ address = \"{SECURE_ADDRESS}:{port}\", tls = true }}]\n\
         threads = 1\nlog = \"off\"\n{settings}\n[site.default]\nroot = {root:?}\n{sites}"
    );
    Ok(fs::write(config, text)?)
}

/// The small file, asked for on the way to sites without a name.
fn plain() -> Outcome<String> {
    let target = targets(Site::Single { bytes: SMALL }).next().ok_or("a site without targets")?;
    Ok(request(&target, Variant::Plain, BROWSER_CODINGS, None))
}

/// A site whose certificate comes from files, and which is served without TLS, too.
fn first(content: &Content, (chain, key): &(PathBuf, PathBuf)) -> Outcome<String> {
    let root = content.root(Site::Single { bytes: SMALL })?;
    Ok(format!(
        "[site.localhost]\nroot = {root:?}\n\
         tls = {{ cert = {chain:?}, key = {key:?}, redirect = false }}\n"
    ))
}

/// A site for each of so many hosts whose certificate an authority issues.
fn sites(content: &Content, hosts: impl Iterator<Item = String>) -> Outcome<String> {
    let (mut text, root) = (String::new(), content.root(Site::Single { bytes: SMALL })?);
    for host in hosts {
        let _ = writeln!(text, "[site.\"{host}\"]\nroot = {root:?}\ntls = \"auto\"");
    }
    Ok(text)
}

/// Pebble, and a name server for which all hosts are this machine; they end with this value.
struct Authority {
    port: u16,
    children: Vec<Child>,
}

impl Authority {
    /// Starts one that looks for proofs at that port.
    fn start(folder: &Path, (pem, key): &(PathBuf, PathBuf), http: u16) -> Outcome<Self> {
        let [own, management, names, orders] = [free()?, free()?, free()?, free()?];
        let file = folder.join("pebble.json");
        let config = format!(
            "{{\"pebble\":{{\"listenAddress\":\"{own}\",\"managementListenAddress\":\"{management}\",\
             \"certificate\":{pem:?},\"privateKey\":{key:?},\"httpPort\":{http},\"tlsPort\":1,\
             \"ocspResponderURL\":\"\",\"certificateValidityPeriod\":7776000,\
             \"retryAfter\":{{\"authz\":0,\"order\":0}}}}}}"
        );
        fs::write(&file, config)?;
        // An authority is on another machine: here it takes what is left.
        let last = |program: &str| {
            let mut nice = Command::new("nice");
            nice.args(["-n", "19", program]);
            nice
        };
        let mut server = last("pebble-challtestsrv");
        server.args(["-dns01", &names.to_string(), "-management", &orders.to_string()]);
        server.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        server.args(["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"]);
        let mut pebble = last("pebble");
        pebble.arg("-config").arg(&file).args(["-dnsserver", &names.to_string()]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let mut authority = Self { port: own.port(), children: Vec::new() };
        for mut command in [server, pebble] {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            authority.children.push(command.spawn()?);
        }
        wait("there is no Pebble", || TcpStream::connect(own).is_ok().then_some(()))?;
        Ok(authority)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(end);
    }
}

/// Has many certificates issued while clients ask.
fn beside(content: &Content) -> Outcome<Table> {
    let (folder, request) = (Own::folder(content, "issue")?, plain()?);
    let pair = content.pair()?;
    // An address with TLS takes a site that speaks it.
    let first = first(content, &pair)?;
    let own = Own::start(content, &folder, "", &first)?;
    let authority = Authority::start(&folder, &pair, own.address.port())?;
    let settings = format!(
        "[server.certificates]\nfolder = \"kept\"\nproof = \"http\"\n\
         authority = {{ url = \"https://localhost:{}/dir\", trusted = {:?} }}",
        authority.port, pair.0
    );
    let rest = crowd::rest_for_half(own.address, &request)?;
    let around = |work: &mut dyn FnMut() -> Outcome<()>| {
        crowd::around(own.address, &request, rest, work).map(|((), met)| met)
    };
    let quiet = around(&mut || {
        sleep(QUIET);
        Ok(())
    })?;
    let hosts = (0..SITES).map(|number| format!("s{number}.test"));
    let all = first + &sites(content, hosts)?;
    write(content, &own.config, own.address, &settings, &all)?;
    let mut reload = Command::new(machine::gannet());
    command::output(reload.arg("reload").arg(&own.config))?;
    let kept = folder.join("kept/sites");
    let count = || {
        let files = fs::read_dir(&kept).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|end| end == "pem")).count()
    };
    let begun = Instant::now();
    let busy = around(&mut || {
        let mut before = 0;
        while before < SITES {
            before = wait("no certificate is issued any more", || {
                Some(count()).filter(|now| *now > before)
            })?;
        }
        Ok(())
    })?;
    let mut table = Table::new(&["", "answers", "failed", "p99 in ms", "at most", ""]);
    let p99 = |met: &Met| met.within(99).as_secs_f64() * 1e3;
    let most = p99(&quiet) * SLOWER_MAX;
    for (what, met) in [("nothing else", &quiet), ("while they are issued", &busy)] {
        let counts = [met.times.len(), met.failed()].map(|count| count.to_string());
        let cells = [what.to_owned()].into_iter().chain(counts).chain([format!("{:.2}", p99(met))]);
        table.row(match what {
            "nothing else" => cells.collect::<Vec<_>>(),
            _ => cells.chain([format!("{most:.2}"), verdict(p99(&busy), most)]).collect(),
        });
    }
    table.note(format!("It took {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(table)
}

/// Has a certificate renewed under load, by each protocol.
fn renewals(content: &Content) -> Outcome<Table> {
    let folder = Own::folder(content, "renewals")?;
    let (pem, key) = content.pair()?;
    let chain = folder.join("tls.pem");
    fs::copy(&pem, &chain)?;
    let pair = (chain, key);
    let own = Own::start(content, &folder, "", &first(content, &pair)?)?;
    let target = targets(Site::Single { bytes: SMALL }).next().ok_or("a site without targets")?;
    let mut text = fs::read_to_string(&pem)?;
    let heading =
        ["protocol", "certificates", "answers", "failed", "cut off or late", "at most", ""];
    let mut table = Table::new(&heading);
    for (name, words) in [
        ("HTTP/1.1", ["--h1", "--max-concurrent-streams=1"]),
        ("HTTP/2", ["--max-concurrent-streams=10"; 2]),
    ] {
        let mut h2load = Command::new("h2load");
        h2load.args(words).args(["--duration", LOAD_SECONDS, "--clients", "64"]);
        let port = own.address.port();
        h2load.arg(format!("https://localhost:{port}{}", target.path));
        h2load.args(["--connect-to".to_owned(), format!("{SECURE_ADDRESS}:{port}")]);
        let load = h2load.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        for _ in 0..RENEWALS {
            let before = own.renewed();
            text.push('\n');
            let next = folder.join("next");
            fs::write(&next, &text)?;
            fs::rename(next, &pair.0)?;
            own.wait_for(before + 1)?;
        }
        let said = load.wait_with_output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("requests: "));
        let counts = line.ok_or_else(|| format!("h2load: {said}"))?;
        let count = |name: &str| {
            let count = counts.split(", ").find_map(|part| part.strip_suffix(name));
            count.and_then(|count| count.trim().parse::<u64>().ok()).ok_or("h2load: no counts")
        };
        let (done, failed) = (count("succeeded")?, count("failed")?);
        let cut = count("errored")? + count("timeout")?;
        let cells = [name.to_owned(), RENEWALS.to_string()];
        let figures = [done, failed, cut].map(|figure| figure.to_string());
        let word = verdict((failed + cut) as f64, 0.0);
        table.row(cells.into_iter().chain(figures).chain(["0".to_owned(), word]));
    }
    Ok(table)
}

/// Has a large store looked at.
fn pass(content: &Content) -> Outcome<Table> {
    let folder = Own::folder(content, "pass")?;
    let made = visitors::make(STORED, content)?;
    let kept = folder.join("kept/sites");
    fs::create_dir_all(&kept)?;
    let url = "https://localhost:1/dir";
    let issued = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let head = format!("gannet certificate 1\nauthority {url}\nissued {issued}\n");
    let hosts = || (0..STORED).map(|number| format!("site{number:05}.example"));
    let object = |host: &str, issued: &str| {
        let text = |kind: &str| fs::read_to_string(made.join(format!("{host}.{kind}")));
        let (key, pem) = (text("key")?, text("pem")?);
        fs::write(kept.join(format!("{host}.pem")), format!("{issued}{key}{pem}"))
    };
    hosts().try_for_each(|host| object(&host, &head))?;
    let settings = format!(
        "[server.certificates]\nfolder = \"kept\"\nauthority = {{ url = {url:?}, trusted = {:?} }}",
        content.pair()?.0
    );
    let begun = Instant::now();
    let own = Own::start(content, &folder, &settings, &sites(content, hosts())?)?;
    let started = begun.elapsed().as_secs_f64();
    let issuer = own.issuer()?;
    let first = fs::read_to_string(made.join("site00001.example.pem"))?;
    // The first look comes of itself; nothing is due when it is over.
    sleep(QUIET);
    let (looked, rested) = (own.of_children()?, measure::cpu_time(issuer));
    sleep(QUIET);
    let rested = measure::cpu_time(issuer).saturating_sub(rested).as_secs_f64();
    let key = fs::read_to_string(made.join("site00001.example.key"))?;
    fs::write(kept.join("next"), format!("{head}{key}{first}{first}"))?;
    fs::rename(kept.join("next"), kept.join("site00001.example.pem"))?;
    own.wait_for(1)?;
    sleep(REAPED);
    let look = own.of_children()? - looked;
    let mut table = Table::new(&["", "s", "at most", ""]);
    for (what, figure, most) in [
        ("CPU of a look at all, by the process that does so", look, PASS_SECONDS_MAX),
        (
            "CPU in 10 s of the one that asks authorities, where nothing is due",
            rested,
            PASS_SECONDS_MAX,
        ),
        ("until the first answer after the start", started, START_SECONDS_MAX),
    ] {
        let word = verdict(figure, most);
        table.row([what.to_owned(), format!("{figure:.2}"), format!("{most:.0}"), word]);
    }
    Ok(table)
}
