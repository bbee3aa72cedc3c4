//! What an operator typed → a checked, immutable plan; every refusal has a line and a column.

pub mod plan;

pub use plan::Plan;

use plan::{Action, DEFAULT_SITE, Files, Listen, Log, Site};
use std::{net::SocketAddr, num::NonZero, path::PathBuf};

/// What the command line says where there is no config file: one folder for every host.
#[derive(Clone, Debug)]
pub struct Quick {
    /// The folder; absolute.
    pub root: PathBuf,
    /// The addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Event loops; `None` stands for as many as there are cores.
    pub threads: Option<NonZero<usize>>,
    /// The access log.
    pub log: Log,
    /// Whether folders without an index file are listed.
    pub listing: bool,
}

/// The plan for serving one folder, everything else at its default.
#[must_use]
pub fn quick(quick: Quick) -> Plan {
    let Quick { root, listen, threads, log, listing } = quick;
    let files = Files { id: 0, root, index: plan::index_default(), listing, links: Vec::new() };
    let mut plan =
        Plan::new(vec![Site { name: DEFAULT_SITE.into(), action: Action::Files(files) }]);
    let written = || "the command line".into();
    plan.listen =
        listen.into_iter().map(|address| Listen { address, written: written() }).collect();
    plan.threads = threads;
    plan.log = log;
    plan
}
