//! What this process may do: how much it may hold, and whether a hangup ends it.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of descriptors this process may have open to what the administrator allows,
/// and returns the number in force.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let in_force = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { before };
    in_force.unwrap_or(u64::MAX)
}

/// Whether this process was started to outlive its terminal, as by nohup: a hangup is ignored.
#[must_use]
pub fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
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
}
