//! Other programs, run with a bound on their time and their output kept.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a program left behind.
pub(crate) struct Finished {
    pub(crate) is_success: bool,
    /// Standard output and standard error, one after the other.
    pub(crate) output: String,
}

/// `program`, which is stopped with all it started when `seconds_max` have passed. It gets no
/// input, so it cannot wait for a person.
///
/// `timeout` of coreutils does the stopping: it puts the program into a process group of its own,
/// and the program's children, such as the tests that cargo runs, end with it. That group is out
/// of reach for the terminal's Ctrl-C, so `setpriv` has the kernel end it when we end.
pub(crate) fn bounded(program: &str, seconds_max: u32, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "timeout", "--kill-after=10"]);
    command.args([&seconds_max.to_string(), program]);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
///
/// # Errors
/// It could not be started; the cause names it.
pub(crate) fn finish(command: &mut Command) -> Result<Finished, String> {
    /// What `timeout` answers with when it had to stop its program.
    const TIMED_OUT: i32 = 124;
    let done = command.output().map_err(|error| format!("{}: {error}", words(command)))?;
    let mut output = String::from_utf8_lossy(&done.stdout).into_owned();
    output.push_str(&String::from_utf8_lossy(&done.stderr));
    if done.status.code() == Some(TIMED_OUT) {
        output.push_str("\nstopped: it took longer than it may\n");
    }
    Ok(Finished { is_success: done.status.success(), output })
}

/// The repository's root, around the current folder.
///
/// # Errors
/// git does not know it.
pub(crate) fn root() -> Result<PathBuf, String> {
    let told = output(Command::new("git").args(["rev-parse", "--show-toplevel"]))?;
    Ok(PathBuf::from(told.trim_end()))
}

/// The folder in which cargo leaves what it builds in the workspace at `root`.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The standard output of a command that has to succeed.
///
/// # Errors
/// It could not be started or failed; the cause holds what it said.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|error| format!("{}: {error}", words(command)))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{} failed:\n{said}", words(command)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The command as one would type it.
fn words(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_end_are_told() {
        let done = |script: &str, seconds_max| {
            let mut command = bounded("sh", seconds_max, Path::new("/"));
            finish(command.args(["-c", script])).unwrap()
        };
        let good = done("echo one; echo two >&2", 60);
        assert!(good.is_success);
        assert_eq!(good.output, "one\ntwo\n");
        assert!(!done("exit 3", 60).is_success);
        let stuck = done("read line; exec tail -f /dev/null", 1);
        assert!(!stuck.is_success);
        assert!(stuck.output.contains("longer than it may"), "{}", stuck.output);
    }

    #[test]
    fn a_failure_names_the_command() {
        let cause = output(Command::new("false").arg("x")).unwrap_err();
        assert!(cause.starts_with("false x failed"), "{cause}");
    }
}
