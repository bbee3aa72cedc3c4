//! What this process was given: how many descriptors it may hold, which signals it shall ignore.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs;

/// Raises the number of descriptors this process may have open to what the administrator allows,
/// and returns the number in force.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let in_force = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { before };
    in_force.unwrap_or(u64::MAX)
}

/// Whether this process was started to ignore the signal of that number, as `nohup` does with
/// SIGHUP.
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status) & 1_u64.checked_shl(signal.unsigned_abs().wrapping_sub(1)).unwrap_or(0) != 0
}

/// The set of ignored signals in the text of `/proc/PID/status`, the lowest bit for signal 1.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_the_administrator_allows() {
        let in_force = raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current.unwrap_or(u64::MAX), in_force);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn ignored_signals_are_read_from_the_kernels_words() {
        let status = "Name:\tgannet\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored(status), 1 << 12 | 1);
        assert_eq!(ignored(""), 0);
        // Rust's runtime ignores SIGPIPE, 13, and nothing else.
        assert!(is_ignored(13));
        assert!(!is_ignored(2));
        assert!(!is_ignored(0));
    }
}
