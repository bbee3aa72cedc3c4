//! Other programs and what they answer.

use std::{ffi::OsStr, process::Command};

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
    fn a_failure_names_the_command() {
        let cause = output(Command::new("false").arg("x")).unwrap_err();
        assert!(cause.starts_with("false x failed"), "{cause}");
    }
}
