//! Addresses that are listened at, names that lead there, and the queues of the kernel.

use super::{
    Finding, Look,
    server::{self, Server},
};
use crate::greeting::counted;
use config::{
    Plan,
    plan::{Address, DEFAULT_SITE, Listen, Site},
};
use net::{holder::Holder, listener, unix};
use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    os::unix::fs::FileTypeExt,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// How long names are looked up, and how many at once, as each may take seconds.
const NAMES_TIME: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 20;

/// The first of the ports that everybody may listen at.
const LOW_PORTS_END: u16 = 1024;

/// What listens for services that rest.
const SYSTEMD: &str = "systemd";

/// Connections that may wait to be accepted, as the server asks for; the kernel may allow less.
const QUEUE: u64 = 4096;

/// Whether the server could listen where it is to: nobody else does, and this user may, or whoever
/// starts the server `may_listen_low`. What a `server` that runs has already it goes on with.
pub(super) fn addresses(plan: &Plan, server: Option<&Server>, may_listen_low: bool) -> Look {
    let admin = plan.admin.iter().map(|admin| &admin.listen);
    let all: Vec<_> = plan.listen.iter().chain(admin).collect();
    let is_low = |address: &SocketAddr| address.port() < LOW_PORTS_END;
    let mut low = all.iter().filter_map(|listen| listen.address.tcp()).filter(is_low);
    let has_low = server.is_some_and(|server| low.any(|address| server.listens(address)));
    let may_listen_low = may_listen_low || has_low;
    let (mut held, mut findings) = (0, Vec::new());
    for listen in &all {
        let looked = match &listen.address {
            Address::Tcp(address) => tcp(*address, listen, server, may_listen_low),
            Address::Unix { path, .. } => unix(path, listen, server),
        };
        match looked {
            Ok(is_held) => held += usize::from(is_held),
            Err(finding) => findings.push(finding),
        }
    }
    let running = match held {
        0 => String::new(),
        _ if held == all.len() => ", where the server listens already".to_owned(),
        _ => format!(", at {held} of which the server listens already"),
    };
    let well = counted(all.len(), "address", "addresses") + &running;
    Look { kind: "addresses", well, findings }
}

/// Whether the server listens there already, where it may; else what keeps it from that.
fn tcp(
    address: SocketAddr,
    listen: &Listen,
    server: Option<&Server>,
    may_listen_low: bool,
) -> Result<bool, Finding> {
    // What is left of it is closed at once.
    let Err(error) = listener::listen_exclusive(address) else { return Ok(false) };
    if server.is_some_and(|server| server.listens(address)) {
        return Ok(true);
    }
    match error.kind() {
        ErrorKind::PermissionDenied if may_listen_low => Ok(false),
        // A port alone stands for addresses of both kinds, and one of them is enough.
        _ if listen.is_implied && listener::is_absent(&error) => Ok(false),
        kind => Err(refused(address, &listen.written, kind)),
    }
}

/// The same of a Unix socket. Its folder is looked at with those that are written to.
fn unix(path: &Path, listen: &Listen, server: Option<&Server>) -> Result<bool, Finding> {
    let about = format!("{} ({})", listen.address, listen.written);
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(false) };
    if !found.file_type().is_socket() {
        let cure = "move it away, or have `listen` name another path";
        return Err(Finding::fault(about, "what lies there is no socket", cure));
    }
    let holder = match unix::connect_at_once(path) {
        Ok(socket) => unix::listener_of(&socket).0,
        Err(error) => match error.kind() {
            // One that was left behind is replaced.
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => return Ok(false),
            ErrorKind::PermissionDenied if !unix::is_listened_at(path) => return Ok(false),
            _ => None,
        },
    };
    match server.is_some_and(|server| server.listens_at(path)) {
        true => Ok(true),
        false => Err(taken(about, holder.as_ref(), "path")),
    }
}

fn refused(address: SocketAddr, written: &str, kind: ErrorKind) -> Finding {
    let about = format!("{address} ({written})");
    match kind {
        ErrorKind::AddrInUse => taken(about, net::holder::holder(address).as_ref(), "port"),
        ErrorKind::PermissionDenied => {
            let cause = "only root, or who has the capability for it, listens below port 1024";
            Finding::fault(
                about,
                cause,
                "start it as root, by systemd, or `listen` at a higher port",
            )
        }
        ErrorKind::AddrNotAvailable => {
            let cause = "no interface of this machine has that address";
            Finding::fault(
                about,
                cause,
                "`listen` at an address of this machine, or at 0.0.0.0 and [::]",
            )
        }
        other => Finding::fault(about, other.to_string(), "`listen` at another address"),
    }
}

/// An address that somebody has; `other` is what another one would differ in.
fn taken(about: String, holder: Option<&Holder>, other: &str) -> Finding {
    let who = holder.map_or_else(
        || "another user's program".to_owned(),
        |holder| format!("`{}` (pid {})", holder.name, holder.pid),
    );
    if holder.is_some_and(|holder| holder.name == SYSTEMD) {
        let cause = format!("{who} listens there, for a socket unit");
        let cure = "where that unit is this server's, all is well: it is started when somebody \
                    comes; `systemctl list-sockets` says whose it is";
        return Finding::remark(about, cause, cure);
    }
    if let Some(words) = holder.and_then(server::other) {
        let cause = format!("another server, {who}, listens there: `{words}`");
        let cure = format!(
            "where that is to serve this config, too, ask as the user who has started it, or as \
             root; else have one of the two `listen` at another {other}"
        );
        return Finding::fault(about, cause, cure);
    }
    let way_out = holder.map_or_else(|| "stop that".to_owned(), Holder::way_out);
    let cure = format!("{way_out}, or have `listen` name another {other}");
    Finding::fault(about, format!("{who} listens there"), cure)
}

/// Whether the names of sites lead here, aliases among them, but for those of sites that only this
/// machine comes to.
pub(super) fn names(plan: &Plan) -> Look {
    let own = listener::addresses();
    let is_for_others = |site: &Site| {
        let is_its = |at| site.listeners.as_ref().is_none_or(|all| all.contains(&at));
        let its = plan.listen.iter().enumerate().filter(|(at, _)| is_its(*at));
        let mut addresses = its.filter_map(|(_, listen)| listen.address.tcp());
        addresses.any(|address| !address.ip().is_loopback())
    };
    let names = plan.named().into_iter();
    let names = names.filter(|(name, site)| is_public(name) && is_for_others(site));
    let names: Vec<_> = names.map(|(name, _)| name.to_owned()).collect();
    let count = names.len();
    let (found, unknown) = look_up(names);
    let findings = found.iter().filter_map(|(name, found)| name_of(name, found, &own));
    let mut findings: Vec<_> = findings.collect();
    if let Some(first) = unknown.first() {
        let more = match unknown.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let seconds = NAMES_TIME.as_secs();
        let cause = format!("nothing has answered within {seconds} s what address it has");
        let cure = "have this machine's resolver work: /etc/resolv.conf says whom it asks";
        findings.push(Finding::fault(format!("{first}{more}"), cause, cure));
    }
    let well = match count {
        0 => "none that others look up".to_owned(),
        count => format!("{} to this machine", counted(count, "leads", "lead")),
    };
    Look { kind: "names", well, findings }
}

/// The addresses of all names, several of which are asked for at once, and the names that nothing
/// was said of in time.
fn look_up(names: Vec<String>) -> (Vec<(String, Vec<IpAddr>)>, Vec<String>) {
    let until = Instant::now() + NAMES_TIME;
    let mut unknown = names.clone();
    let left = Arc::new(Mutex::new(names.into_iter()));
    let (tell, told) = mpsc::channel();
    for _ in 0..unknown.len().min(AT_ONCE) {
        let (left, tell) = (Arc::clone(&left), tell.clone());
        // Nobody waits for one that is stuck: it ends with this program.
        thread::spawn(move || {
            let next = || left.lock().ok()?.next();
            while let Some(name) = next() {
                let found = (&*name, 80).to_socket_addrs();
                let found = found.map(|all| all.map(|address| address.ip().to_canonical()));
                let found = found.map(Iterator::collect).unwrap_or_default();
                if tell.send((name, found)).is_err() {
                    return;
                }
            }
        });
    }
    drop(tell);
    let left = || until.saturating_duration_since(Instant::now());
    let mut found = Vec::new();
    while let Ok(one) = told.recv_timeout(left()) {
        unknown.retain(|name| *name != one.0);
        found.push(one);
    }
    found.sort_unstable();
    (found, unknown)
}

/// Whether a site has a name that others look up.
fn is_public(name: &str) -> bool {
    let is_address = name.parse::<IpAddr>().is_ok() || name.starts_with(['[', '*']);
    let is_own = name == DEFAULT_SITE || name == "localhost" || name.ends_with(".localhost");
    !is_address && !is_own
}

fn name_of(name: &str, found: &[IpAddr], own: &[IpAddr]) -> Option<Finding> {
    if found.is_empty() {
        let cause = "no address is known for that name: nobody finds the site by it";
        let cure = "have its DNS name an address of this machine, and this machine's resolver work";
        return Some(Finding::fault(name, cause, cure));
    }
    let elsewhere = found.iter().filter(|ip| !ip.is_loopback() && !own.contains(ip));
    let elsewhere: Vec<_> = elsewhere.map(ToString::to_string).collect();
    if elsewhere.is_empty() {
        return None;
    }
    let cause = format!("it leads to {}, which this machine does not have", elsewhere.join(", "));
    let cure = "where that is a router or balancer that hands on to this machine, all is well; else \
                correct its DNS";
    Some(Finding::remark(name, cause, cure))
}

/// Whether the kernel lets as many connections wait as the server asks for.
pub(super) fn queues() -> Look {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    let allowed = text.trim().parse().unwrap_or(QUEUE);
    let short = (allowed < QUEUE).then(|| {
        let cause =
            format!("at most {allowed} connections may wait to be accepted, and not {QUEUE}");
        Finding::fault("net.core.somaxconn", cause, format!("sysctl -w net.core.somaxconn={QUEUE}"))
    });
    let well = format!("{} connections may wait to be accepted", allowed.min(QUEUE));
    Look { kind: "queues", well, findings: short.into_iter().collect() }
}
