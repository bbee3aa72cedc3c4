//! The gate: all that has to hold before a change may land, in one table.

use crate::{
    command, full,
    step::{self, Report, Step, cargo, own},
    tidy, tools,
};
use std::process::Command;

/// Runs the gate from beginning to end, whatever fails on the way.
///
/// # Errors
/// Names the steps that failed; what they said has been printed by then.
pub(crate) fn run(is_full: bool) -> Result<(), String> {
    let root = command::root()?;
    let mut reports = Vec::new();
    for step in steps() {
        reports.push(step::run(step, &root));
    }
    if is_full {
        for step in full::steps() {
            reports.push(step::run(step, &root));
        }
        println!("written to {}", full::write(&root, &reports)?);
    }
    verdict(&reports).map(|passed| println!("{passed} passed, 0 failed"))
}

fn steps() -> Vec<Step> {
    let mut docs = cargo("docs", 900, "doc --workspace --no-deps --document-private-items --quiet");
    docs.environment.push(("RUSTDOCFLAGS", "-D warnings".to_owned()));
    vec![
        own("tools", tools::install),
        cargo("format", 60, "fmt --all --check"),
        cargo("clippy", 1200, "clippy --workspace --all-targets --quiet -- -D warnings"),
        own("tidy", |_| tidy::run()),
        cargo("deny", 120, "deny --workspace check licenses bans sources"),
        docs,
        tests(),
        cargo("doc tests", 900, "test --workspace --doc --no-fail-fast --quiet"),
    ]
}

/// Unit, property and end-to-end tests, and the corpora of the fuzz targets.
fn tests() -> Step {
    /// Bounds a hang of all; .config/nextest.toml bounds each test.
    const SECONDS_MAX: u32 = 2400;
    const NEXTEST: &str = "nextest run --cargo-quiet --workspace --no-fail-fast --no-tests=fail \
                           --status-level retry --final-status-level flaky";
    const PLAIN: &str = "test --workspace --lib --bins --tests --no-fail-fast --quiet";
    let has_nextest = command::output(Command::new("cargo").args(["nextest", "--version"])).is_ok();
    cargo("tests", SECONDS_MAX, if has_nextest { NEXTEST } else { PLAIN })
}

/// The number of tests that passed, if all is good.
fn verdict(reports: &[Report]) -> Result<usize, String> {
    let bad = reports.iter().filter(|report| !report.is_good);
    let bad: Vec<&str> = bad.map(|report| report.name.as_str()).collect();
    let passed = reports.iter().map(|report| report.tests.passed).sum();
    match (bad.is_empty(), passed) {
        (true, 0) => Err("failed: not one test ran".to_owned()),
        (true, passed) => Ok(passed),
        (false, _) => Err(format!("failed: {}", bad.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Tests;
    use std::time::Duration;

    #[test]
    fn the_verdict_names_what_failed() {
        let report = |name: &str, is_good, passed| Report {
            name: name.to_owned(),
            is_good,
            time: Duration::ZERO,
            tests: Tests { passed, ..Tests::default() },
        };
        for (reports, expect) in [
            (vec![report("a", true, 3), report("b", true, 4)], Ok(7)),
            (vec![report("a", true, 0)], Err("failed: not one test ran")),
            (vec![report("a", false, 3), report("b", true, 4)], Err("failed: a")),
            (vec![report("a", false, 3), report("b", false, 0)], Err("failed: a, b")),
        ] {
            assert_eq!(verdict(&reports), expect.map_err(str::to_owned));
        }
    }
}
