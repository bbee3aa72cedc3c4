//! What the processes that face the world still reach once they have given up all else.

use crate::visit;
use config::{
    Plan,
    plan::{Issuing, Upstream},
};
use net::sandbox::{Confinement, reach};
use std::{collections::BTreeSet, path::PathBuf};

/// What a worker with this plan has to reach.
pub(crate) fn around_worker(plan: &Plan) -> Confinement {
    let folders =
        plan.folders.iter().flat_map(|folder| [&folder.root].into_iter().chain(&folder.links));
    let read: BTreeSet<_> = folders.flat_map(|folder| reach(folder)).collect();
    let mut write: Vec<_> = plan.compress_cache.folder.iter().cloned().collect();
    // What does not fit into memory of what an application is sent, or sends.
    write.extend((!plan.applications.is_empty()).then(|| worker::SPILL_FOLDER.into()));
    let ports = plan.applications.iter().filter_map(|application| match application {
        Upstream::Tcp(address) => Some(address.port()),
        Upstream::Unix(_) => None,
    });
    let is_unix = |application: &Upstream| matches!(application, Upstream::Unix(_));
    Confinement {
        read: read.into_iter().collect(),
        write,
        ports: ports.collect(),
        connects_unix: plan.applications.iter().any(is_unix),
        visits: false,
    }
}

/// What the process has to reach that has certificates issued with these settings; nothing is said
/// where it runs a program of the operator's, which may want anything.
pub(crate) fn around_issuing(issuing: &Issuing) -> Option<Confinement> {
    if issuing.dns_program.is_some() {
        return None;
    }
    let named = issuing.authorities.iter().filter_map(|authority| visit::port(&authority.url));
    Some(around_visits(named.chain([visit::HTTPS_PORT]), vec![issuing.folder.clone()]))
}

/// What the process has to reach that sends spans to the collector at `url`.
pub(crate) fn around_sending(url: &str) -> Confinement {
    around_visits(visit::port(url).into_iter(), Vec::new())
}

/// What has to be reached for visits at these ports, of whoever writes in these folders.
fn around_visits(ports: impl Iterator<Item = u16>, write: Vec<PathBuf>) -> Confinement {
    let ports: BTreeSet<_> = ports.chain([visit::NAMES_PORT]).collect();
    let ports = ports.into_iter().collect();
    Confinement { read: visit::open(), write, ports, connects_unix: true, visits: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::selftest::{read, run};
    use std::{fs, path::Path};

    #[test]
    fn who_sends_spans_reaches_no_site_and_writes_nothing() {
        let (site, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let page = site.path().join("page.html");
        fs::write(&page, "page").unwrap();
        let walls = around_sending("http://127.0.0.1:4318/v1/traces");
        assert_eq!(walls.ports, [53, 4318]);
        let findings = run(&walls, None, (&page, Some(other.path()))).unwrap();
        let has_all = !findings.layers.iter().any(|layer| layer.contains("not available"));
        for attempt in &findings.attempts {
            assert!(attempt.refusal.is_some() || !has_all, "{attempt:?}");
        }
    }

    #[test]
    fn who_has_certificates_issued_reaches_no_sites_processes_other_ports_or_secrets() {
        let (site, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let page = site.path().join("page.html");
        fs::write(&page, "page").unwrap();
        let issuing = Issuing { folder: kept.path().to_owned(), ..Issuing::default() };
        let walls = around_issuing(&issuing).unwrap();
        let findings = run(&walls, None, (&page, Some(site.path()))).unwrap();
        // A kernel may have no Landlock, and then no walls but those of system calls.
        let has_all = !findings.layers.iter().any(|layer| layer.contains("not available"));
        for attempt in &findings.attempts {
            let is_file_or_port = ["read ", "write ", "connect "];
            let by_landlock = is_file_or_port.iter().any(|start| attempt.what.starts_with(start));
            assert!(attempt.refusal.is_some() || (by_landlock && !has_all), "{attempt:?}");
        }
        assert_eq!(findings.attempts.len(), 7);
        // What it is for can still be done, and nothing else of the same folder.
        let file = kept.path().join("some");
        fs::write(&file, "text").unwrap();
        let inside = run(&walls, None, (&file, Some(kept.path()))).unwrap();
        let is_done = |start: &str| {
            let mut all = inside.attempts.iter();
            all.any(|attempt| attempt.what.starts_with(start) && attempt.refusal.is_none())
        };
        assert!(is_done("read ") && is_done("write "), "{inside:?}");
        for (path, is_open) in
            [("/etc/hosts", true), ("/etc/ssl/certs", true), ("/etc/passwd", false)]
        {
            let found = read(&walls, &[Path::new(path)]).unwrap();
            assert!(found[0].refusal.is_none() == is_open || !has_all, "{found:?}");
        }
    }
}
