//! The long items of `cargo xtask test --full`, and the dated page that they leave behind.

use crate::{
    command, httpwg,
    step::{Report, Step, cargo, own},
    tidy, tools,
};
use std::{path::Path, process::Command};

/// Seconds for the black-box tests at length; the longest takes five minutes.
const AT_LENGTH_SECONDS_MAX: u32 = 2400;

/// Seconds that each fuzz target runs.
const FUZZ_SECONDS: u32 = 60;

/// Seconds to build all fuzz targets; the first to run builds what they share.
const FUZZ_BUILD_SECONDS_MAX: u32 = 900;

/// The long items: the black-box tests at length, a judge of HTTP/2 from outside, and every fuzz
/// target on new inputs. Another is one more step here.
pub(crate) fn steps() -> Vec<Step> {
    let has_nightly = has_nightly();
    let judged = own("httpwg", httpwg::run);
    let mut steps = vec![at_length(), judged, own("cargo-fuzz", tools::install_fuzz)];
    steps.extend(tidy::fuzz_targets().map(|name| fuzz(name, has_nightly)));
    steps
}

/// Writes what the steps gave to bench/results and returns the page's name.
///
/// # Errors
/// The page cannot be written.
pub(crate) fn write(root: &Path, reports: &[Report]) -> Result<String, String> {
    let told = |program: &str, words: &[&str]| {
        let told = command::output(Command::new(program).args(words).current_dir(root))?;
        Ok::<String, String>(told.trim_end().to_owned())
    };
    let date = told("date", &["-u", "+%F"])?;
    let about = format!(
        "Commit {}, {}, Linux {}, {} cores.",
        told("git", &["describe", "--always", "--dirty"])?,
        told("rustc", &["--version"])?,
        told("uname", &["-rm"])?,
        told("nproc", &[])?,
    );
    let name = format!("bench/results/{date}-full.md");
    let path = root.join(&name);
    let fail = |error: std::io::Error| format!("{name}: {error}");
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(fail)?;
    std::fs::write(&path, page(&date, &about, reports)).map_err(fail)?;
    Ok(name)
}

/// The black-box tests once more, by cargo's own runner: one file after the other, and none is
/// stopped for taking long.
fn at_length() -> Step {
    let words = "test --package e2e --tests --no-fail-fast --quiet";
    let mut step = cargo("tests at length", AT_LENGTH_SECONDS_MAX, words);
    step.environment.push(("GANNET_FULL", "1".to_owned()));
    step
}

/// Asked of the list, because naming a toolchain that is missing may install it.
fn has_nightly() -> bool {
    let told = command::output(Command::new("rustup").args(["toolchain", "list"]));
    told.is_ok_and(|list| list.lines().any(|line| line.starts_with("nightly")))
}

/// One target for a while. New inputs go to `target`; what crashes lies in the folder that the
/// failure names, to be copied to the corpus with the fix.
fn fuzz(name: &str, has_nightly: bool) -> Step {
    let toolchain = if has_nightly { "+nightly " } else { "" };
    let words = format!(
        "{toolchain}fuzz run --fuzz-dir fuzz/libfuzzer --target-dir target/fuzz {name} \
         target/fuzz/corpus/{name} fuzz/corpus/{name} -- \
         -max_total_time={FUZZ_SECONDS} -create_missing_dirs=1",
    );
    let mut step = cargo(&format!("fuzz {name}"), FUZZ_SECONDS + FUZZ_BUILD_SECONDS_MAX, &words);
    if !has_nightly {
        // The stable compiler has the sanitizers, too; this makes it take the flags for them.
        step.environment.push(("RUSTC_BOOTSTRAP", "1".to_owned()));
    }
    step
}

fn page(date: &str, about: &str, reports: &[Report]) -> String {
    let mut page = format!("# The full tests of {date}\n\n{about}\n\n");
    page.push_str("| step | outcome | seconds | tests |\n|---|---|---|---|\n");
    for report in reports {
        let outcome = if report.is_good { "ok" } else { "FAILED" };
        let seconds = report.time.as_secs_f32();
        let tests = report.tests.passed;
        page.push_str(&format!("| {} | {outcome} | {seconds:.1} | {tests} |\n", report.name));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::Tests;
    use std::time::Duration;

    #[test]
    fn the_page_tells_how_it_went() {
        let tests = Tests { passed: 3, failed: 1, ..Tests::default() };
        let time = Duration::from_millis(1500);
        let report = Report { name: "tests".to_owned(), is_good: false, time, tests };
        let page = page("2026-11-24", "Commit abc.", &[report]);
        assert!(page.starts_with("# The full tests of 2026-11-24\n\nCommit abc.\n\n|"), "{page}");
        assert!(page.ends_with("| tests | FAILED | 1.5 | 3 |\n"), "{page}");
    }
}
