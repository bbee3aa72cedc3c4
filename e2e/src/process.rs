//! What the kernel knows about a process: its memory, its processor time, its descriptors.

use std::{fs, time::Duration};

/// A process, by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Memory in use, in KiB.
    pub fn memory_kib(self) -> u64 {
        self.status("VmRSS")
    }

    /// The most memory that was ever in use at once, in KiB.
    pub fn memory_peak_kib(self) -> u64 {
        self.status("VmHWM")
    }

    /// Processor time used so far, by all threads, in user and kernel mode.
    pub fn cpu_time(self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).expect("the process lives");
        let nanos = threads.map(|thread| {
            let path = thread.unwrap().path().join("schedstat");
            let line = fs::read_to_string(path).unwrap_or_default();
            line.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    /// How many descriptors are open.
    pub fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).expect("the process lives").count()
    }

    fn status(self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.0);
        let status = fs::read_to_string(path).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.and_then(|value| value.parse().ok()).expect("a number of KiB")
    }
}
