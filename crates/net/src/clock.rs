//! What time it is: the only clocks of the server.

use crate::sys;
use base::Moment;
use rustix::time::{ClockId, clock_gettime};

/// A date and time of day, counted from 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall {
    /// Whole seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds past that second, below 1,000,000,000.
    pub nanos: u32,
}

/// The moment of the last timer tick (at most 4 ms ago on common kernels): enough for deadlines,
/// and a few nanoseconds to ask, as the kernel answers through the vdso without a call.
#[must_use]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    Moment(time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000)
}

/// Microseconds on the same clock without the rounding to a tick: for durations in log lines.
#[must_use]
pub fn precise_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}

/// The date and time of the last timer tick: for `Date` fields and log lines. It jumps when an
/// operator or a time daemon sets it, so it must never be used for deadlines.
#[must_use]
pub fn wall() -> Wall {
    let time = clock_gettime(ClockId::RealtimeCoarse);
    // The kernel keeps the nanoseconds of a timespec below a milliard, which fits.
    Wall { seconds: time.tv_sec, nanos: time.tv_nsec.unsigned_abs() as u32 }
}

/// Nanoseconds since 1970 on the same clock without the rounding to a tick: for what is compared
/// with the clocks of other machines.
#[must_use]
pub fn precise_wall_ns() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Whether anything keeps the clock right, as far as the kernel was told.
#[must_use]
pub fn is_synchronized() -> bool {
    sys::is_synchronized()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_coarse_clock_is_the_precise_one_rounded_down_to_a_tick() {
        let tick_ms_max = 50;
        for _ in 0..1_000 {
            let before_ms = precise_us() / 1_000;
            let now = now();
            let after_ms = precise_us() / 1_000;
            assert!(now.0 + tick_ms_max >= before_ms && now.0 <= after_ms);
        }
    }

    #[test]
    fn whether_the_clock_is_kept_right_is_what_the_kernel_shows() {
        let output = std::process::Command::new("timedatectl")
            .args(["show", "-p", "NTPSynchronized"])
            .output();
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        // Where nobody says so there is no systemd.
        match said.unwrap_or_default().trim() {
            "NTPSynchronized=yes" => assert!(is_synchronized()),
            "NTPSynchronized=no" => assert!(!is_synchronized()),
            _ => {
                let first = is_synchronized();
                assert_eq!(is_synchronized(), first);
            }
        }
    }

    #[test]
    fn the_wall_shows_the_date_of_the_standard_library() {
        let wall = wall();
        let expect = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(expect.as_secs().abs_diff(wall.seconds.unsigned_abs()) <= 1);
        assert!(wall.nanos < 1_000_000_000);
    }
}
