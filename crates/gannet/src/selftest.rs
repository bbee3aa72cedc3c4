//! `gannet run FILE --selftest-sandbox`: whether what processes are confined to holds on this
//! machine.

use crate::{machine, trouble::Trouble, walls};
use config::{Plan, plan::Issuer};
use net::selftest::{self, Attempt, Findings};
use std::{path::Path, process::ExitCode};

/// What nobody but its owner has any business with: passwords, and keys of certificates.
const SECRETS: [&str; 3] = ["/etc/shadow", "/etc/ssl/private", "/etc/letsencrypt"];

/// Tries to break out of the confinement of a worker with this plan, and to read what the process
/// that has certificates issued has no use for, where there is one; says what came of it. All is
/// well if nothing succeeds.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode, Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new(1, format!("error: {error}"));
    let user = machine::serving_user(plan)?;
    let root = plan.folders.first().map(|folder| &*folder.root);
    let things = (Path::new("/etc/shadow"), root);
    let findings = selftest::run(&walls::around_worker(plan), user.as_ref(), things);
    let findings = findings.map_err(|error| trouble(&error))?;
    net::stream::say(say(&findings).as_bytes());
    let issues = plan.certificates.iter().any(|one| matches!(one.issuer, Issuer::Authority(_)));
    let of_issuing = walls::around_issuing(&plan.issuing).filter(|_| issues);
    let read = of_issuing.map(|walls| selftest::read(&walls, &SECRETS.map(Path::new)));
    let read = read.transpose().map_err(|error| trouble(&error))?.unwrap_or_default();
    if !read.is_empty() {
        let text = format!("who has certificates issued tries in vain to:\n{}", lines(&read));
        net::stream::say(text.as_bytes());
    }
    let all = findings.attempts.iter().chain(&read);
    match all.filter(|attempt| attempt.refusal.is_none()).count() {
        0 => Ok(ExitCode::SUCCESS),
        _ => Err(Trouble::new(1, hole(&findings))),
    }
}

/// A line for each layer and for each attempt.
fn say(findings: &Findings) -> String {
    let layers = findings.layers.iter().map(|layer| format!("  {layer}\n"));
    format!(
        "a worker of this config gives up:\n{}and tries in vain to:\n{}",
        layers.collect::<String>(),
        lines(&findings.attempts)
    )
}

fn lines(attempts: &[Attempt]) -> String {
    let line = |attempt: &Attempt| match &attempt.refusal {
        Some(why) => format!("  {}: refused ({why})\n", attempt.what),
        None => format!("  {}: SUCCEEDED\n", attempt.what),
    };
    attempts.iter().map(line).collect()
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
