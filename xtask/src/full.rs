//! The long items of `cargo xtask test --full`, and the dated page that they leave behind.

use crate::{
    command,
    step::{Report, Step, cargo},
    tidy,
};
use std::{path::Path, process::Command};

/// Seconds for the black-box tests at length; the longest takes five minutes.
const AT_LENGTH_SECONDS_MAX: u32 = 2400;

/// Seconds that each fuzz target runs.
const FUZZ_SECONDS: u32 = 60;

/// Seconds to build a fuzz target.
const FUZZ_BUILD_SECONDS_MAX: u32 = 900;

/// What libFuzzer asks of the compiler; stable rustc has it all. `--target` beside it keeps it
/// away from build scripts, which would not link.
const FUZZ_FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// The long items: the black-box tests at length, and every fuzz target on new inputs. Another long
/// item is one more step here.
///
/// # Errors
/// The compiler does not say what it compiles for.
pub(crate) fn steps(root: &Path) -> Result<Vec<Step>, String> {
    let told = command::output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc -vV names no host")?;
    let fuzzed = tidy::fuzz_targets().map(|name| fuzz(root, host, name));
    Ok(std::iter::once(at_length()).chain(fuzzed).collect())
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

/// One target for a while. New inputs go to a folder that git does not see; what crashes lies in
/// `target/fuzz` too, to be copied to the corpus with the fix.
fn fuzz(root: &Path, host: &str, name: &str) -> Step {
    let found = root.join(format!("target/fuzz/{name}"));
    let words = format!(
        "run --release --target {host} --manifest-path fuzz/libfuzzer/Cargo.toml --bin {name} -- \
         -max_total_time={FUZZ_SECONDS} -create_missing_dirs=1 \
         -artifact_prefix={found}/crash- {found}/corpus fuzz/corpus/{name}",
        found = found.display(),
    );
    let mut step = cargo(&format!("fuzz {name}"), FUZZ_SECONDS + FUZZ_BUILD_SECONDS_MAX, &words);
    step.environment.push(("RUSTFLAGS", FUZZ_FLAGS.to_owned()));
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
        let tests = Tests { passed: 3, failed: 1, skipped: 0 };
        let time = Duration::from_millis(1500);
        let report = Report { name: "tests".to_owned(), is_good: false, time, tests };
        let page = page("2026-11-24", "Commit abc.", &[report]);
        assert!(page.starts_with("# The full tests of 2026-11-24\n\nCommit abc.\n\n|"), "{page}");
        assert!(page.ends_with("| tests | FAILED | 1.5 | 3 |\n"), "{page}");
    }
}
