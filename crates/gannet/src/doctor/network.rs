//! Addresses that are listened at, names that lead there, and the queues of the kernel.

use super::{Finding, Look};
use crate::{greeting::counted, place};
use config::{
    Plan,
    plan::{Address, DEFAULT_SITE},
};
use net::{holder::Holder, listener};
use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::Path,
};

/// Names that are looked up, as each may take seconds.
const NAMES_MAX: usize = 20;

/// Connections that may wait to be accepted, as the server asks for; the kernel may allow less.
const QUEUE: u64 = 4096;

/// Whether the server could listen where it is to: nobody else does, and this user may.
pub(super) fn addresses(plan: &Plan, file: &Path) -> Look {
    let admin = plan.admin.iter().map(|admin| &admin.listen);
    let all: Vec<_> = plan.listen.iter().chain(admin).collect();
    // Where it runs, it is what listens there.
    let is_running = plan.control.clone().or_else(|| place::usual_path(file));
    let is_running = is_running.is_some_and(|desk| UnixStream::connect(desk).is_ok());
    let mut findings = Vec::new();
    for listen in all.iter().filter(|_| !is_running) {
        let Address::Tcp(address) = listen.address else { continue };
        // What is left of it is closed at once.
        findings.extend(
            listener::listen_exclusive(address)
                .err()
                .map(|error| taken(address, &listen.written, error.kind())),
        );
    }
    let running = if is_running { ", where the server listens already" } else { "" };
    let well = counted(all.len(), "address", "addresses") + running;
    Look { kind: "addresses", well, findings }
}

fn taken(address: SocketAddr, written: &str, kind: ErrorKind) -> Finding {
    let about = format!("{address} ({written})");
    match kind {
        ErrorKind::AddrInUse => {
            let holder = net::holder::holder(address);
            let way_out = holder.as_ref().map_or("stop that", Holder::way_out);
            let holder = holder.map_or_else(
                || "another user's program".to_owned(),
                |holder| format!("`{}` (pid {})", holder.name, holder.pid),
            );
            let cure = format!("{way_out}, or have `listen` name another port");
            Finding::fault(about, format!("{holder} listens there"), cure)
        }
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

/// Whether the names of sites lead here.
pub(super) fn names(plan: &Plan) -> Look {
    let own = listener::addresses();
    let is_for_others = plan.listen.iter().any(|listen| match listen.address {
        Address::Tcp(address) => !address.ip().is_loopback(),
        Address::Unix { .. } => false,
    });
    let names: Vec<_> = plan
        .sites
        .iter()
        .map(|site| &*site.name)
        .filter(|name| is_for_others && is_public(name))
        .take(NAMES_MAX)
        .collect();
    let findings = names.iter().filter_map(|name| name_of(name, &own)).collect();
    let well = match names.len() {
        0 => "none that others look up".to_owned(),
        count => format!("{} to this machine", counted(count, "leads", "lead")),
    };
    Look { kind: "names", well, findings }
}

/// Whether a site has a name that others look up.
fn is_public(name: &str) -> bool {
    let is_address = name.parse::<IpAddr>().is_ok() || name.starts_with(['[', '*']);
    let is_own = name == DEFAULT_SITE || name == "localhost" || name.ends_with(".localhost");
    !is_address && !is_own
}

fn name_of(name: &str, own: &[IpAddr]) -> Option<Finding> {
    let found: Vec<IpAddr> = match (name, 80).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip().to_canonical()).collect(),
        Err(_) => Vec::new(),
    };
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
