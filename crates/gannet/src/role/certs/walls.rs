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

#[cfg(test)]
mod tests {
    use super::*;
    use net::selftest::run;
    use std::fs;

    #[test]
    fn neither_sites_nor_processes_nor_other_ports_can_be_reached() {
        let (site, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let page = site.path().join("page.html");
        fs::write(&page, "page").unwrap();
        let issuing = Issuing { folder: kept.path().to_owned(), ..Issuing::default() };
        let walls = around(&issuing).unwrap();
        let findings = run(&walls, None, (&page, Some(site.path()))).unwrap();
        // A kernel may have no Landlock, and then no walls but those of system calls.
        let has_all = !findings.layers.iter().any(|layer| layer.contains("not available"));
        for attempt in &findings.attempts {
            let is_file_or_port = ["read ", "write ", "connect "];
            let by_landlock = is_file_or_port.iter().any(|start| attempt.what.starts_with(start));
            assert!(attempt.refusal.is_some() || (by_landlock && !has_all), "{attempt:?}");
        }
        assert_eq!(findings.attempts.len(), 7);
        // What it is for can still be done.
        let file = kept.path().join("some");
        fs::write(&file, "text").unwrap();
        let inside = run(&walls, None, (&file, Some(kept.path()))).unwrap();
        let is_done = |start: &str| {
            let mut all = inside.attempts.iter();
            all.any(|attempt| attempt.what.starts_with(start) && attempt.refusal.is_none())
        };
        assert!(is_done("read ") && is_done("write "), "{inside:?}");
    }
}
