//! What the kernel knows about a process: its memory, its processor time, its descriptors.

use rustix::process::{Resource, getrlimit, setrlimit};
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

    /// Memory in use, in KiB, a page that several processes share counted by its share.
    pub fn memory_share_kib(self) -> u64 {
        self.number("smaps_rollup", "Pss:")
    }

    /// How many threads there are.
    pub fn threads(self) -> u64 {
        self.status("Threads")
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
        self.number("status", name)
    }

    /// The number behind `name` in a file that the kernel shows of the process.
    fn number(self, file: &str, name: &str) -> u64 {
        let path = format!("/proc/{}/{file}", self.0);
        let text = fs::read_to_string(path).expect("the process lives");
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.and_then(|value| value.parse().ok()).expect("a number")
    }
}

/// Lets this process, and those that it starts, open as many descriptors as it may at most.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}
