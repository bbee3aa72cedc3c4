//! `gannet run FILE --selftest-sandbox`: whether what a worker is confined to holds on this
//! machine.

use crate::{machine, trouble::Trouble};
use config::{Plan, plan::Upstream};
use net::{
    sandbox::{Confinement, reach},
    selftest::{self, Findings},
};
use std::{collections::BTreeSet, path::Path, process::ExitCode};

/// What a worker with this plan has to reach.
pub(crate) fn confinement(plan: &Plan) -> Confinement {
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

/// Tries to break out of the confinement of a worker with this plan; says what came of it. All is
/// well if nothing succeeds.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode, Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new(1, format!("error: {error}"));
    let user = machine::serving_user(plan)?;
    let root = plan.folders.first().map(|folder| &*folder.root);
    let things = (Path::new("/etc/shadow"), root);
    let findings = selftest::run(&confinement(plan), user.as_ref(), things);
    let findings = findings.map_err(|error| trouble(&error))?;
    net::stream::say(say(&findings).as_bytes());
    let holes = findings.attempts.iter().filter(|attempt| attempt.refusal.is_none()).count();
    match holes {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Trouble::new(1, hole(&findings))),
    }
}

/// A line for each layer and for each attempt.
fn say(findings: &Findings) -> String {
    let layers = findings.layers.iter().map(|layer| format!("  {layer}\n"));
    let attempts = findings.attempts.iter().map(|attempt| match &attempt.refusal {
        Some(why) => format!("  {}: refused ({why})\n", attempt.what),
        None => format!("  {}: SUCCEEDED\n", attempt.what),
    });
    format!(
        "a worker of this config gives up:\n{}and tries in vain to:\n{}",
        layers.collect::<String>(),
        attempts.collect::<String>()
    )
}

/// What to do about what has succeeded.
fn hole(findings: &Findings) -> String {
    let missing: Vec<_> =
        findings.layers.iter().filter(|layer| layer.contains("not available")).collect();
    let way_out = match missing.as_slice() {
        [] => "every layer is there, so this is a fault of gannet: please report it".to_owned(),
        [first, ..] => format!("this kernel lacks a layer ({first}): use Linux 5.13 or later"),
    };
    format!("error: the sandbox of this machine has a hole: {way_out}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::selftest::Attempt;

    #[test]
    fn it_is_said_what_was_tried_and_what_is_missing() {
        let attempt = |refusal: Option<&str>| Attempt {
            what: "run a shell".to_owned(),
            refusal: refusal.map(str::to_owned),
        };
        for (layer, refusal, line, way_out) in [
            ("seccomp: on", Some("no"), "  run a shell: refused (no)\n", "please report it"),
            ("seccomp: on", None, "  run a shell: SUCCEEDED\n", "please report it"),
            ("landlock: not available: x", None, "SUCCEEDED", "(landlock: not available: x)"),
        ] {
            let findings =
                Findings { layers: vec![layer.to_owned()], attempts: vec![attempt(refusal)] };
            let said = say(&findings);
            assert!(said.contains(line) && said.contains(layer), "{said}");
            assert!(hole(&findings).contains(way_out), "{}", hole(&findings));
        }
    }
}
