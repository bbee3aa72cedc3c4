//! What a process has used of the machine.

use std::{fs, io};

/// What it has used so far, and has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Microseconds of processor time.
    pub cpu_us: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Usage {
    /// Of the process of that number.
    ///
    /// # Errors
    ///
    /// There is none, or no `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The usage in what the kernel says of a process. Its name, in brackets, may hold anything.
fn parse(text: &str) -> Option<Usage> {
    let (_, rest) = text.rsplit_once(')')?;
    // The first of these is number 3 of the manual.
    let number = |at: usize| rest.split_ascii_whitespace().nth(at - 3)?.parse::<u64>().ok();
    let ticks = number(14)?.saturating_add(number(15)?);
    let us_per_tick = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let page_bytes = rustix::param::page_size() as u64;
    Some(Usage {
        cpu_us: ticks.saturating_mul(us_per_tick),
        memory_bytes: number(24)?.saturating_mul(page_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_seen() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.memory_bytes > 100_000);
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn a_name_cannot_pass_for_numbers() {
        let rest =
            "S 1 1 1 0 -1 4194560 1 2 3 4 25 50 5 6 20 0 1 0 100 1000 30 18446744073709551615";
        let usage = parse(&format!("7 (a) 9 9 (b) {rest}")).unwrap();
        assert_eq!(usage.cpu_us, 750_000);
        assert_eq!(usage.memory_bytes, 30 * rustix::param::page_size() as u64);
        for text in ["", "7 (a", "7 (a) S 1"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
