//! What will be done: checked, complete, and never changed again.

use foldhash::HashMap;
use message::Limits;
use std::{net::SocketAddr, num::NonZero, path::PathBuf, str, time::Duration};

/// The name of the site that answers for hosts which no other site claims.
pub const DEFAULT_SITE: &str = "default";

/// The longest host name in bytes (RFC 1035 section 2.3.4); a longer one names no site.
pub const HOST_BYTES_MAX: usize = 253;

/// Everything that a server needs to know to serve.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The addresses to listen on; at least one.
    pub listen: Vec<Listen>,
    /// Event loops of a worker process; `None` stands for as many as there are cores.
    pub threads: Option<NonZero<usize>>,
    /// What one message and one connection may cost.
    pub limits: Limits,
    /// What the whole process may cost.
    pub capacity: Capacity,
    /// The access log.
    pub log: Log,
    /// Bytes of memory for hot files, all event loops together; zero keeps none.
    pub file_cache_bytes_max: usize,
    /// The sites, ordered by name.
    pub sites: Vec<Site>,
    /// Where each host's site stands in `sites`; the keys are in lower case.
    hosts: HashMap<Box<str>, usize>,
    /// Where the site for all other hosts stands.
    default: Option<usize>,
}

impl Plan {
    /// The plan for these sites, with every other setting at its default and no address yet.
    pub(crate) fn new(mut sites: Vec<Site>) -> Self {
        sites.sort_by(|a, b| a.name.cmp(&b.name));
        let files = sites.iter_mut().filter_map(|site| match &mut site.action {
            Action::Files(files) => Some(files),
            Action::Misdirected => None,
        });
        files.enumerate().for_each(|(id, files)| files.id = id);
        let default = sites.iter().position(|site| &*site.name == DEFAULT_SITE);
        let named = sites.iter().enumerate().filter(|(at, _)| Some(*at) != default);
        Self {
            listen: Vec::new(),
            threads: None,
            limits: Limits::default(),
            capacity: Capacity::default(),
            log: Log::default(),
            file_cache_bytes_max: 64 * 1024 * 1024,
            hosts: named.map(|(at, site)| (site.name.clone(), at)).collect(),
            default,
            sites,
        }
    }

    /// The site that answers for `host`, a host without port, in any case, with or without the dot
    /// of the root; `None` where no site claims it and there is no default one.
    #[must_use]
    pub fn site(&self, host: &str) -> Option<&Site> {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.find(host).or(self.default).and_then(|at| self.sites.get(at))
    }

    fn find(&self, host: &str) -> Option<usize> {
        if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.hosts.get(host).copied();
        }
        // The few hosts that come in capitals find room on the stack.
        let mut lower = [0; HOST_BYTES_MAX];
        let lower = lower.get_mut(..host.len())?;
        lower.copy_from_slice(host.as_bytes());
        lower.make_ascii_lowercase();
        self.hosts.get(str::from_utf8(lower).ok()?).copied()
    }
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 lets the kernel choose.
    pub address: SocketAddr,
    /// Where it was written, such as `site.toml:2:11`, for the error that says why it fails.
    pub written: Box<str>,
    /// Whether it is one of those that a port alone stands for, which not every machine has.
    pub is_implied: bool,
}

/// What a worker process may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Connections at a time. One more takes the place of the one that has been idle longest on its
    /// loop; where none is idle, it is answered 503.
    pub connections_max: usize,
    /// Connections of one client address, or of one IPv6 /64, at a time; one more is answered 503.
    pub connections_per_client_max: u32,
    /// Time for what is under way when the server is told to stop.
    pub stop_time: Duration,
    /// Threads for work that would stall an event loop.
    pub pool_threads_max: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_client_max: 1024,
            stop_time: Duration::from_secs(30),
            pool_threads_max: 16,
        }
    }
}

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The file that lines are appended to; `None` stands for standard output.
    pub file: Option<PathBuf>,
    /// Bytes of lines that an event loop gathers before it writes them.
    pub buffer_bytes: usize,
    /// Time after which gathered lines are written even if they are few.
    pub flush_time: Duration,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            file: None,
            buffer_bytes: 64 * 1024,
            flush_time: Duration::from_secs(1),
        }
    }
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For eyes, in colour.
    Pretty,
    /// One JSON object a line.
    Json,
    /// There are none.
    Off,
}

/// One host and what is done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The host in lower case, or [`DEFAULT_SITE`].
    pub name: Box<str>,
    /// What is done for it.
    pub action: Action,
}

/// What the server can do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends files.
    Files(Files),
    /// Says that this server is not the one for that host (421).
    Misdirected,
}

/// Which files are sent, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its number among all that serve files, in the order of the plan's sites.
    pub id: usize,
    /// The folder they lie in; absolute.
    pub root: PathBuf,
    /// The names that stand for a folder, the first that exists.
    pub index: Vec<String>,
    /// Whether a folder without such a file is listed.
    pub listing: bool,
    /// Folders outside the root that symbolic links may lead into; absolute.
    pub links: Vec<PathBuf>,
}

/// The names that stand for a folder where nothing else is said.
pub(crate) fn index_default() -> Vec<String> {
    vec!["index.html".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(names: &[&str]) -> Plan {
        let site = |name: &&str| Site { name: (*name).into(), action: Action::Misdirected };
        Plan::new(names.iter().map(site).collect())
    }

    fn check(names: &[&str], host: &str, expect: Option<&str>) {
        let plan = plan(names);
        assert_eq!(plan.site(host).map(|site| &*site.name), expect, "{host:?} among {names:?}");
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
        check(&["[::1]"], "[::1]", Some("[::1]"));
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
