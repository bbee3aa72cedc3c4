//! A step of the gate: a command or a function, its bound, and what came of it.

use crate::command;
use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// One thing that has to hold.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) work: Work,
    /// Added to the environment of a command.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// After this the step has failed; a hang must not take the whole gate with it.
    pub(crate) seconds_max: u32,
}

/// How a step is done.
pub(crate) enum Work {
    /// By a function of ours.
    Own(fn(&Path) -> Result<(), String>),
    /// By cargo with these words.
    Cargo(Vec<String>),
}

/// How a step went.
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) is_good: bool,
    pub(crate) time: Duration,
    pub(crate) tests: Tests,
}

/// What the test runners counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Left out; we have none, so each is a mistake.
    pub(crate) skipped: usize,
    /// Of those that passed, the ones that did so at their second try only.
    pub(crate) second: usize,
}

impl Tests {
    /// Whether every test ran and passed.
    fn is_clean(self) -> bool {
        self.failed == 0 && self.skipped == 0
    }
}

/// A step that we do ourselves, and that bounds itself.
pub(crate) fn own(name: &str, work: fn(&Path) -> Result<(), String>) -> Step {
    Step { name: name.to_owned(), work: Work::Own(work), environment: Vec::new(), seconds_max: 0 }
}

/// A step that cargo does.
pub(crate) fn cargo(name: &str, seconds_max: u32, words: &str) -> Step {
    Step {
        name: name.to_owned(),
        work: Work::Cargo(words.split_whitespace().map(str::to_owned).collect()),
        environment: vec![("CARGO_TERM_COLOR", "never".to_owned())],
        seconds_max,
    }
}

/// Does one step and prints its line, and all it said if it failed.
pub(crate) fn run(step: Step, root: &Path) -> Report {
    print!("{:<24}", step.name);
    // Losing the name's early sight is all that a failed flush costs.
    let _ = std::io::stdout().flush();
    let start = Instant::now();
    let (is_done, output) = match &step.work {
        Work::Own(work) => match work(root) {
            Ok(()) => (true, String::new()),
            Err(cause) => (false, cause),
        },
        Work::Cargo(words) => {
            let mut cargo = command::bounded("cargo", step.seconds_max, root);
            cargo.args(words).envs(step.environment);
            match command::finish(&mut cargo) {
                Ok(done) => (done.is_success, done.output),
                Err(cause) => (false, cause),
            }
        }
    };
    let tests = count(&output);
    let is_good = is_done && tests.is_clean();
    let time = start.elapsed();
    let word = if is_good { "ok" } else { "FAILED" };
    let counted = match tests {
        Tests { passed: 0, failed: 0, skipped: 0, .. } => String::new(),
        Tests { passed, failed: 0, skipped: 0, second: 0 } => format!("  {passed} tests"),
        Tests { passed, failed, skipped, second } => {
            format!(
                "  {passed} passed, {second} at the second try, {failed} failed, {skipped} skipped"
            )
        }
    };
    println!("{word:<6} {:>7.1} s{counted}", time.as_secs_f32());
    if !is_good || tests.second > 0 {
        println!("{}\n", output.trim_end());
    }
    Report { name: step.name, is_good, time, tests }
}

/// Adds up the closing lines of nextest, or else those of cargo's own runner, which nextest shows
/// too of each test that failed.
fn count(output: &str) -> Tests {
    let lines = || output.lines().map(str::trim_start);
    let is_nextest = lines().any(|line| line.starts_with("Summary ["));
    let closing = if is_nextest { "Summary [" } else { "test result: " };
    let mut tests = Tests::default();
    for line in lines().filter(|line| line.starts_with(closing)) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let [number, word] = pair else { continue };
            let Ok(number) = number.trim_start_matches('(').parse::<usize>() else { continue };
            match word.trim_end_matches([',', ';', ')']) {
                "passed" => tests.passed += number,
                "failed" | "timed" => tests.failed += number,
                "skipped" | "ignored" => tests.skipped += number,
                "flaky" => tests.second += number,
                _ => {}
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let tests = |passed, failed, skipped| Tests { passed, failed, skipped, second: 0 };
        for (output, expect) in [
            ("     Summary [   0.02s] 34 tests run: 34 passed, 0 skipped\n", tests(34, 0, 0)),
            (
                "Summary [ 1s] 4/5 tests run: 2 passed (1 slow), 1 failed, 1 timed out, 3 skipped",
                tests(2, 2, 3),
            ),
            (
                "Summary [ 1s] 9 tests run: 9 passed (1 slow, 2 flaky), 0 skipped",
                Tests { second: 2, ..tests(9, 0, 0) },
            ),
            (
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
              test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured\n",
                tests(4, 2, 1),
            ),
            (
                "test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
              Summary [ 1s] 2 tests run: 1 passed, 1 failed, 0 skipped",
                tests(1, 1, 0),
            ),
            ("7 passed, 0 failed\n", tests(0, 0, 0)),
        ] {
            assert_eq!(count(output), expect, "{output}");
        }
    }

    #[test]
    fn a_step_that_skips_or_fails_is_bad() {
        for (passed, failed, skipped, expect) in
            [(3, 0, 0, true), (3, 1, 0, false), (3, 0, 1, false), (0, 0, 0, true)]
        {
            assert_eq!(Tests { passed, failed, skipped, second: 1 }.is_clean(), expect);
        }
        let root = Path::new("/");
        assert!(run(own("own", |_| Ok(())), root).is_good);
        assert!(!run(own("own", |_| Err("no".to_owned())), root).is_good);
        assert!(!run(cargo("unknown", 60, "unknown-verb"), root).is_good);
    }
}
