//! `cargo xtask soak [--minutes N]`: all sorts of clients, and then all that can be done to the
//! processes of a server, each for so long; whatever they do, nothing may pile up.

use crate::command;
use std::process::Command;

/// The tests that go on for as long as they are told.
const TESTS: [&str; 2] = ["soak", "soak_processes"];

/// Minutes where none are asked for, and at most: a day.
const MINUTES: u32 = 1;
const MINUTES_MAX: u32 = 24 * 60;

/// Runs the tests one after the other; what they say goes to the terminal.
///
/// # Errors
/// The words are odd, or a test has failed.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let minutes = minutes(words)?;
    let root = command::root()?;
    for test in TESTS {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--package", "e2e", "--test", test, "--", "--nocapture"]);
        cargo.env("GANNET_SOAK_MINUTES", minutes.to_string()).current_dir(&root);
        let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!("{test} has failed"));
        }
    }
    Ok(())
}

fn minutes(words: &[&str]) -> Result<u32, String> {
    let wanted = match words {
        [] => Some(MINUTES),
        ["--minutes", minutes] => minutes.parse().ok(),
        _ => None,
    };
    wanted
        .filter(|minutes| (1..=MINUTES_MAX).contains(minutes))
        .ok_or_else(|| format!("soak takes --minutes and a number from 1 to {MINUTES_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_minutes() {
        for (words, expect) in [
            (&[][..], Some(1)),
            (&["--minutes", "30"], Some(30)),
            (&["--minutes", "0"], None),
            (&["--minutes"], None),
            (&["30"], None),
        ] {
            assert_eq!(minutes(words).ok(), expect, "{words:?}");
        }
    }
}
