//! What will be done: checked, complete, and never changed again.

mod place;
mod braces;
mod phrase;
mod action;
mod php;
mod pool;
mod access;
mod password;
mod cors;
mod adjust;
mod compress;
mod route;
pub mod label;
mod template;
mod values;
mod error_pages;
pub(crate) mod line_template;
mod log;
mod listen;
mod admin;
mod otlp;
mod tls;

pub use access::{Access, Addresses, Limit, Looking, Methods};
pub use action::{Action, Files, Folder, Redirect, Respond, TrailingSlash};
pub use adjust::{Adjust, FieldEdits, Origin};
pub use admin::Admin;
pub use braces::PhraseError;
pub use compress::{Compress, CompressCache};
pub use cors::{Cors, Origins};
pub(crate) use error_pages::Errors;
pub use error_pages::{Content, ErrorPage, ErrorPages};
pub use label::Label;
pub use line_template::{BLANKS, Blank, LinePart, LineTemplate};
pub use listen::{Address, Listen};
pub use log::{ErrorLog, Log, LogFormat, Logs, Statuses, Target};
pub use otlp::Otlp;
pub use password::{Hash, HashError, Password, Users, Variant};
pub use php::{Application, Cache, Php, Sending, Upstream};
pub use phrase::{Form, Phrase};
pub use place::Place;
pub use pool::{Pool, PoolUser};
pub(crate) use pool::{WORKERS, usual};
pub use route::{Bandwidth, Branch, Case, Node, Policy, Rewrite, Route, Routes};
pub use template::{RenderError, Template, Value};
pub use tls::{
    AUTHORITY_FILE, Authorities, Authority, Certificate, DnsServer, Issuer, Issuing, Pem, Secret,
    Tls, TlsVersion, Wanted, Way, file_of,
};
pub use values::{ErrorValues, ListingEntry, ListingValues};

use base::Network;
use foldhash::HashMap;
use message::{Limits, Status};
use std::{
    io::Write,
    net::{IpAddr, Ipv6Addr},
    num::NonZero,
    path::PathBuf,
    str,
    time::Duration,
};

/// The name of the site that answers for hosts which no other site claims.
pub const DEFAULT_SITE: &str = "default";

/// The path below which pages hear of changes, where `gannet PATH --live` serves them.
pub const LIVE_PATH: &str = "/.gannet/";

/// The path below which authorities look for a proof that a host is ours (RFC 8555 section 8.3).
pub const PROOF_PATH: &str = "/.well-known/acme-challenge/";

/// The longest host name in bytes (RFC 1035 section 2.3.4); a longer one names no site.
pub const HOST_BYTES_MAX: usize = 253;

/// Everything that a server needs to know to serve.
#[derive(Debug)]
pub struct Plan {
    /// The addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Event loops of a worker process; `None` stands for as many as there are cores.
    pub threads: Option<NonZero<usize>>,
    /// Worker processes of `gannet run`.
    pub workers: NonZero<usize>,
    /// The socket by which the server is told what to do; absolute. `None` leaves it to whoever
    /// runs it.
    pub control: Option<PathBuf>,
    /// Where the running server is looked at, if anywhere.
    pub admin: Option<Admin>,
    /// The user that workers run as where root starts them; `None` leaves it to who runs them.
    pub user: Option<String>,
    /// What one message and one connection may cost.
    pub limits: Limits,
    /// What the whole process may cost.
    pub capacity: Capacity,
    /// The logs.
    pub logs: Logs,
    /// The field that tells a client the id of its exchange, in lower case; no exchange has an id
    /// where it is `None`.
    pub request_id: Option<Box<str>>,
    /// Whether exchanges are traced: of the traces that begin here, one of so many is sampled.
    pub trace: Option<NonZero<u32>>,
    /// Where the spans of those that are sampled are sent, if anywhere.
    pub otlp: Option<Otlp>,
    /// The proxies whose word on who the client is counts.
    pub trusted_proxies: Vec<Network>,
    /// Whether that is so for whoever comes by a Unix socket.
    pub trusts_unix: bool,
    /// Bytes of memory for hot files, all event loops together; zero keeps none.
    pub file_cache_bytes_max: usize,
    /// Where compressed forms of files are kept.
    pub compress_cache: CompressCache,
    /// The sites, ordered by name.
    pub sites: Vec<Site>,
    /// The folders that files are sent from, in the order of their numbers.
    pub folders: Vec<Folder>,
    /// The certificates that sites show, in the order of their numbers.
    pub certificates: Vec<Certificate>,
    /// How those are had that come by themselves.
    pub issuing: Issuing,
    /// The authorities of clients, in the order of their numbers.
    pub authorities: Vec<Authorities>,
    /// The applications that are asked, each by its number.
    pub applications: Vec<Upstream>,
    /// Those of them that are started for their sites.
    pub pools: Vec<Pool>,
    /// What is done for hosts that no site claims (421).
    pub misdirected: Route,
    /// What the labels of sites, routes and addresses stand for.
    pub labels: Vec<Label>,
    /// What connections to each of `listen` are counted by: a place in `labels`, or behind them.
    pub listener_labels: Vec<usize>,
    /// What each host stands for; the keys are in lower case.
    hosts: HashMap<Box<str>, Host>,
    /// What hosts below a name stand for: `example.com` for `*.example.com`.
    wildcards: HashMap<Box<str>, Host>,
    /// Where the site for all other hosts stands.
    default: Option<usize>,
}

/// What a host stands for.
#[derive(Debug)]
struct Host {
    site: usize,
    /// What is done for all of its paths where it only leads to the site's first name.
    moved: Option<Box<Route>>,
}

/// A host as a site claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The host in lower case; without `*.` where it is a wildcard.
    pub(crate) host: Box<str>,
    pub(crate) is_wildcard: bool,
    /// Who says so, where requests are only sent on to the site's first name.
    pub(crate) moved: Option<Place>,
}

impl Plan {
    /// Has it listen at these addresses, and count by them.
    pub(crate) fn listen_at(&mut self, listen: Vec<Listen>) {
        self.labels.retain(|label| !label.is_of_address());
        self.listener_labels = label::give_listeners(&listen, &mut self.labels);
        self.listen = listen;
    }

    /// The plan for these sites, with every other setting at its default and no address yet.
    pub(crate) fn new(mut sites: Vec<(Site, Vec<Claim>)>, folders: Vec<Folder>) -> Self {
        sites.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let mut plan = Self {
            listen: Vec::new(),
            threads: None,
            workers: NonZero::<usize>::MIN,
            control: None,
            admin: None,
            user: None,
            limits: Limits::default(),
            capacity: Capacity::default(),
            logs: Logs::default(),
            request_id: None,
            trace: None,
            otlp: None,
            trusted_proxies: Vec::new(),
            trusts_unix: false,
            file_cache_bytes_max: 64 * 1024 * 1024,
            compress_cache: CompressCache::default(),
            sites: Vec::new(),
            folders,
            certificates: Vec::new(),
            issuing: Issuing::default(),
            authorities: Vec::new(),
            applications: Vec::new(),
            pools: Vec::new(),
            misdirected: misdirected(),
            labels: Vec::new(),
            listener_labels: Vec::new(),
            hosts: HashMap::default(),
            wildcards: HashMap::default(),
            default: None,
        };
        let (sites, claims): (Vec<_>, Vec<_>) = sites.into_iter().unzip();
        plan.sites = sites;
        plan.labels = label::give(&mut plan.sites);
        for (at, (site, claims)) in plan.sites.iter().zip(claims).enumerate() {
            if &*site.name == DEFAULT_SITE {
                plan.default = Some(at);
            }
            for claim in claims {
                let moved = claim.moved.map(|place| Box::new(moved(site, place)));
                let map = if claim.is_wildcard { &mut plan.wildcards } else { &mut plan.hosts };
                map.insert(claim.host, Host { site: at, moved });
            }
        }
        plan
    }

    /// Whether there is anybody whose word on who the client is counts.
    #[must_use]
    pub fn has_proxies(&self) -> bool {
        self.trusts_unix || !self.trusted_proxies.is_empty()
    }

    /// Whether what somebody at `address` says of its clients counts; on a Unix socket there is
    /// none.
    #[must_use]
    pub fn trusts(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address else { return self.trusts_unix };
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// The site that answers for `host`, a host without port, in any case, with or without the dot
    /// of the root, on the listener number `listener`; with it the route for all of its paths,
    /// where the host only leads to the site's first name. `None` where no site claims it and there
    /// is no default one.
    ///
    /// The exact name goes before a wildcard, and a longer wildcard before a shorter one.
    #[must_use]
    pub fn site(&self, host: &str, listener: usize) -> Option<(&Site, Option<&Route>)> {
        let (number, moved) = self.claimed(host, listener)?;
        let site = self.sites.get(number)?;
        let is_plain = self.listen.get(listener).is_none_or(|listen| !listen.tls);
        let plain = site.tls.as_ref().filter(|_| is_plain).and_then(|tls| tls.plain.as_deref());
        Some((site, plain.or(moved)))
    }

    /// The number of that site, its place in [`Plan::sites`].
    #[must_use]
    pub fn site_number(&self, host: &str, listener: usize) -> Option<usize> {
        self.claimed(host, listener).map(|(number, _)| number)
    }

    /// The hosts that each certificate is shown for, in the order of their numbers: all of its
    /// sites, of which one for all other hosts has none.
    #[must_use]
    pub fn certified(&self) -> Vec<Vec<String>> {
        let exact = self.hosts.iter().map(|(name, host)| (host.site, name.to_string()));
        let below = self.wildcards.iter().map(|(name, host)| (host.site, format!("*.{name}")));
        let mut hosts: Vec<_> = exact.chain(below).collect();
        // A site is called by its name first.
        let is_other = |(site, host): &(usize, String)| {
            self.sites.get(*site).is_none_or(|site| *site.name != **host)
        };
        hosts.sort_by_cached_key(|one| (one.0, is_other(one), one.1.clone()));
        let mut certified = vec![Vec::new(); self.certificates.len()];
        for (site, host) in hosts {
            let tls = self.sites.get(site).and_then(|site| site.tls.as_ref());
            for number in tls.iter().flat_map(|tls| &tls.certificates) {
                certified.get_mut(*number).into_iter().for_each(|all| all.push(host.clone()));
            }
        }
        certified
    }

    /// The hosts that are called by their whole names, with the site that each stands for, in the
    /// order of the names.
    #[must_use]
    pub fn named(&self) -> Vec<(&str, &Site)> {
        let mut named = Vec::with_capacity(self.hosts.len());
        for (name, host) in &self.hosts {
            named.extend(self.sites.get(host.site).map(|site| (&**name, site)));
        }
        named.sort_unstable_by_key(|(name, _)| *name);
        named
    }

    fn claimed(&self, host: &str, listener: usize) -> Option<(usize, Option<&Route>)> {
        let is_here = |at: &usize| {
            let listeners = self.sites.get(*at).and_then(|site| site.listeners.as_ref());
            listeners.is_none_or(|all| all.contains(&listener))
        };
        let claimed = self.hosts.get(host).or_else(|| self.find(host));
        let claimed = claimed.filter(|host| is_here(&host.site));
        claimed
            .map(|host| (host.site, host.moved.as_deref()))
            .or_else(|| self.default.filter(is_here).map(|site| (site, None)))
    }

    /// Finds a host that is not written as the plan writes it, or is below a wildcard.
    fn find(&self, host: &str) -> Option<&Host> {
        if self.hosts.is_empty() && self.wildcards.is_empty() {
            return None;
        }
        let mut room = [0; HOST_BYTES_MAX];
        let host = canonical(host, &mut room)?;
        if let Some(found) = self.hosts.get(host) {
            return Some(found);
        }
        if self.wildcards.is_empty() || host.len() > HOST_BYTES_MAX {
            return None;
        }
        let mut name = host;
        while let Some((_, parent)) = name.split_once('.') {
            if let Some(found) = self.wildcards.get(parent) {
                return Some(found);
            }
            name = parent;
        }
        None
    }
}

/// The one form of `host` that sites have their names in; `None` for what cannot be one.
///
/// The few hosts that come in capitals, or as an IPv6 address, which has many spellings, find
/// `room` on the stack.
fn canonical<'h>(host: &'h str, room: &'h mut [u8; HOST_BYTES_MAX]) -> Option<&'h str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let length = if let Some(rest) = host.strip_prefix('[') {
        let address: Ipv6Addr = rest.strip_suffix(']')?.parse().ok()?;
        let mut left = &mut room[..];
        write!(left, "[{address}]").ok()?;
        HOST_BYTES_MAX - left.len()
    } else if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = room.get_mut(..host.len())?;
        lower.copy_from_slice(host.as_bytes());
        lower.make_ascii_lowercase();
        host.len()
    } else {
        return Some(host);
    };
    str::from_utf8(&room[..length]).ok()
}

/// What is done for hosts that no site claims.
fn misdirected() -> Route {
    let place = Place::of("no site claims this host, and there is no default one");
    let action = Action::Respond(Respond {
        status: Status::MISDIRECTED_REQUEST,
        text: None,
        media_type: "text/plain; charset=utf-8".into(),
        place: place.clone(),
    });
    Route::plain("/*", place, action)
}

/// What is done for a host that leads to the first name of `site`.
fn moved(site: &Site, place: Place) -> Route {
    let to = Phrase::to_host(&site.name);
    let status = Status::PERMANENT_REDIRECT;
    let redirect = Redirect { to, status, keeps_query: true, place: place.clone() };
    let mut route = Route::plain("/*", place, Action::Redirect(redirect));
    label::put_down_as(&mut route, &site.routes.rest);
    route
}

/// What a worker process may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Connections at a time. One more takes the place of the one that has been idle longest on its
    /// loop, or has owed the rest of a head; where there is none, it is answered 503.
    pub connections_max: usize,
    /// Connections of one client address, or of one IPv6 /64, at a time; one more is answered 503.
    pub connections_per_client_max: u32,
    /// Clients and limits that account is kept of; 64 bytes for each.
    pub clients_max: usize,
    /// Time for what is under way when the server is told to stop.
    pub stop_time: Duration,
    /// Time for what is under way in a worker process that another one has replaced.
    pub drain_time: Duration,
    /// Threads for work that would stall an event loop.
    pub pool_threads_max: usize,
    /// Those of them that may check passwords at a time, each of which takes a core and as much
    /// memory as its hash asks for.
    pub password_checks_max: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_client_max: 1024,
            clients_max: 65_536,
            stop_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(3600),
            pool_threads_max: 16,
            password_checks_max: 4,
        }
    }
}

/// One site: its hosts and what is done for each path.
#[derive(Debug)]
pub struct Site {
    /// Its first host in lower case, or [`DEFAULT_SITE`].
    pub name: Box<str>,
    /// Where it is written.
    pub place: Place,
    /// The listeners that it answers on, by their places in [`Plan::listen`]; `None` for those that
    /// the server names.
    pub listeners: Option<Box<[usize]>>,
    /// How it speaks TLS, if it does.
    pub tls: Option<Tls>,
    /// What is done for each path.
    pub routes: Routes,
    /// What is counted of it that is of no route with a label: a place in [`Plan::labels`].
    pub label: usize,
}

/// The names that stand for a folder where nothing else is said.
pub(crate) fn index_default() -> Vec<String> {
    vec!["index.html".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(names: &[&str]) -> Plan {
        let site = |name: &&str| {
            let place = Place::of("here");
            let routes = Routes {
                top: Node::default(),
                rest: Route::plain("/*", place.clone(), Action::NotFound),
            };
            let (own, listeners, tls, label) = ((*name).into(), None, None, 0);
            let site = Site { name: own, place, listeners, tls, routes, label };
            let (host, is_wildcard) = match name.strip_prefix("*.") {
                Some(host) => (host, true),
                None => (*name, false),
            };
            (site, vec![Claim { host: host.into(), is_wildcard, moved: None }])
        };
        Plan::new(names.iter().map(site).collect(), Vec::new())
    }

    fn check(names: &[&str], host: &str, expect: Option<&str>) {
        let plan = plan(names);
        let found = plan.site(host, 0).map(|(site, _)| &*site.name);
        assert_eq!(found, expect, "{host:?} among {names:?}");
    }

    #[test]
    fn host_finds_its_site() {
        check(&["b.example", "a.example"], "a.example", Some("a.example"));
        check(&["b.example", "a.example"], "B.eXample", Some("b.example"));
        check(&["a.example"], "a.example.", Some("a.example"));
        check(&["a.example"], "A.EXAMPLE.", Some("a.example"));
        check(&["a.example"], "a.example..", None);
        check(&["a.example"], "www.a.example", None);
        check(&["a.example"], "", None);
        for address in ["[::1]", "[0:0::1]", "[0000::0001]", "[::0.0.0.1]"] {
            check(&["[::1]"], address, Some("[::1]"));
        }
        check(&["[2001:db8::a]"], "[2001:DB8:0:0::A]", Some("[2001:db8::a]"));
        check(&["[::1]"], "[::2]", None);
        check(&["[::1]"], "[::1", None);
    }

    #[test]
    fn exact_names_go_before_wildcards_and_long_ones_before_short_ones() {
        let names = ["*.example", "*.b.example", "a.b.example"];
        check(&names, "a.b.example", Some("a.b.example"));
        check(&names, "c.b.example", Some("*.b.example"));
        check(&names, "d.c.b.example", Some("*.b.example"));
        check(&names, "b.example", Some("*.example"));
        check(&names, "B.example.", Some("*.example"));
        check(&names, "example", None);
        check(&names, ".example", Some("*.example"));
    }

    #[test]
    fn other_hosts_find_the_default_site() {
        check(&["default", "a.example"], "a.example", Some("a.example"));
        check(&["default", "a.example"], "b.example", Some("default"));
        check(&["default", "a.example"], "", Some("default"));
        check(&["default"], &"X".repeat(10_000), Some("default"));
        check(&["a.example"], &"X".repeat(10_000), None);
    }
}
