//! What this process is told of where it runs, and what of that others get that it starts.

use crate::systemd;
use rustix::system::uname;
use std::{env, ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};

/// What the names of variables begin with that any process may know: what steers the loader of
/// programs, memory, words, dates, backtraces and the faults of tests. Passwords may be among the
/// others.
const HARMLESS: [&str; 8] =
    ["LD_", "MALLOC_", "GLIBC_TUNABLES", "LANG", "LC_", "TZ", "RUST_", "GANNET_FAIL"];

/// The name of this machine.
#[must_use]
pub fn host() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

/// Has the process that `command` starts get those variables that are harmless, or, where it
/// `needs_all`, as configs may name any, all but those that are for this process alone.
pub fn pass_on(command: &mut Command, needs_all: bool) {
    let all = env::vars_os().filter(|(name, _)| match needs_all {
        true => !systemd::VARIABLES.iter().any(|own| name == own),
        false => is_harmless(name),
    });
    command.env_clear().envs(all);
}

fn is_harmless(name: &OsStr) -> bool {
    HARMLESS.iter().any(|start| name.as_bytes().starts_with(start.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_its_name() {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host(), name.trim_end());
    }

    #[test]
    fn nobody_knows_what_others_are_for() {
        for (name, expect) in [
            ("TZ", true),
            ("LC_ALL", true),
            ("MALLOC_ARENA_MAX", true),
            ("RUST_BACKTRACE", true),
            ("DATABASE_PASSWORD", false),
            ("PATH", false),
            ("", false),
        ] {
            assert_eq!(is_harmless(OsStr::new(name)), expect, "{name}");
        }
    }
}
