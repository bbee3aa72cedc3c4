//! What the kernel knows about a process: its memory, its processor time, its descriptors.

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use std::{fs, time::Duration};

/// A process, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let entries = fs::read_dir("/proc").unwrap();
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Self))
    }

    /// Memory in use, in KiB.
    pub fn memory_kib(self) -> u64 {
        self.status("VmRSS")
    }

    /// The most memory that was ever in use at once, in KiB.
    pub fn memory_peak_kib(self) -> u64 {
        self.status("VmHWM")
    }

    /// Forgets the most that ever was: from now on it is what is in use, or more.
    pub fn forget_memory_peak(self) {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    /// Memory in use that is in no file and nobody else's, in KiB.
    pub fn own_memory_kib(self) -> u64 {
        self.number("smaps_rollup", "Anonymous:")
    }

    /// Memory in use, in KiB, a page that several processes share counted by its share. The program
    /// is no part of it, of which each process that runs it has the less the more others there are.
    pub fn memory_share_kib(self) -> u64 {
        ["Pss_Anon:", "Pss_Shmem:"].map(|name| self.number("smaps_rollup", name)).iter().sum()
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

    /// How many of them are left when no more is under way.
    pub fn lasting_descriptors(self) -> usize {
        self.held().len()
    }

    /// What they are that are left when no more is under way: not those that hold the last requests
    /// of workers that are gone, which are few or many as clients asked.
    pub fn held(self) -> Vec<String> {
        let all = fs::read_dir(format!("/proc/{}/fd", self.0)).expect("the process lives");
        let targets = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let mut names: Vec<_> =
            targets.map(|target| target.to_string_lossy().into_owned()).collect();
        names.retain(|name| !name.contains("gannet-recents"));
        names.sort();
        names
    }

    /// Whether it holds a descriptor that stands for `other`.
    pub fn holds(self, other: Self) -> bool {
        let Ok(all) = fs::read_dir(format!("/proc/{}/fdinfo", self.0)) else { return false };
        let line = format!("Pid:\t{}", other.0);
        all.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
            .any(|text| text.lines().any(|found| found == line))
    }

    /// The processes that it has started and that have not ended yet, the oldest first.
    pub fn children(self) -> Vec<Self> {
        let all = self.offspring().into_iter();
        all.filter(|(_, state)| state != "Z").map(|(child, _)| child).collect()
    }

    /// Those of them that come and go with what is served: all but the one that keeps copies, if
    /// there is one.
    pub fn children_but_keeper(self) -> Vec<Self> {
        self.children().into_iter().filter(|child| child.name() != "gannet-keeper").collect()
    }

    /// Those that have ended, and of whose end it has not taken notice.
    pub fn zombies(self) -> usize {
        self.offspring().iter().filter(|(_, state)| state == "Z").count()
    }

    fn offspring(self) -> Vec<(Self, String)> {
        let all = Self::all().filter_map(|process| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.0)).ok()?;
            // Behind the name, which may hold anything: the state and the parent.
            let mut rest = stat.rsplit_once(") ")?.1.split(' ');
            let (state, parent) = (rest.next()?, rest.next()?);
            (parent == self.0.to_string()).then(|| (process, state.to_owned()))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(child, _)| child.0);
        all
    }

    /// The name that the kernel keeps of it.
    pub fn name(self) -> String {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.0)).unwrap_or_default();
        name.trim_end().to_owned()
    }

    /// Whether it has not ended.
    pub fn is_alive(self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
    }

    /// Ends it at once.
    pub fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal, if it has not ended.
    pub fn signal(self, signal: Signal) {
        let id = i32::try_from(self.0).ok().and_then(Pid::from_raw);
        let _ = id.map(|id| kill_process(id, signal));
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
