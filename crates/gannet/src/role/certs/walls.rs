//! What the process that has certificates issued gives up, before it has heard of anybody.

use crate::visit;
use config::plan::Issuing;
use net::sandbox::{Confinement, be_modest, be_nice};
use std::io;

/// What it has to reach with these settings; nothing is said where it runs a program of the
/// operator's, which may want anything.
pub(super) fn around(issuing: &Issuing) -> Option<Confinement> {
    if issuing.dns_program.is_some() {
        return None;
    }
    let named = issuing.authorities.iter().filter_map(|authority| visit::port(&authority.url));
    let mut ports: Vec<u16> = named.chain(visit::PORTS).collect();
    ports.sort_unstable();
    ports.dedup();
    let write = vec![issuing.folder.clone()];
    let read = visit::folders();
    Some(Confinement { read, write, ports, connects_unix: true, visits: true })
}

/// Gives up all else, before there are threads.
pub(super) fn enter(walls: Option<&Confinement>) -> io::Result<()> {
    be_nice()?;
    match walls {
        Some(walls) => {
            // What is not there yet is nothing that could be written in later.
            walls.write.iter().for_each(|folder| _ = crate::keep::folders(folder));
            walls.enter().map(drop)
        }
        None => be_modest(),
    }
}
