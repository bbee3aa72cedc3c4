//! Whether the loops of a worker get on, and what they are at where they do not.

use super::Happening;
use control::{
    Trails, counters,
    trail::{
        self, Seen,
        calls::{self, Call},
    },
};
use net::memory;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};
use tokio::{sync::mpsc::UnboundedSender, task::spawn_local, time::sleep};

/// How often the workers are looked after, in milliseconds.
const LOOK_MS: u64 = 1000;

/// How many looks more must find a loop at the same work for it to hang. Looks are counted and not
/// the time, as this process may have slept, too.
const LOOKS_MAX: u32 = 10;

/// Requests that are told of one worker.
const REQUESTS_MAX: usize = 50;

/// Has the workers looked after again and again.
pub(super) fn tick(happenings: &UnboundedSender<Happening>) {
    let happenings = happenings.clone();
    let period = Duration::from_millis(net::failpoint::number("look", LOOK_MS));
    spawn_local(async move {
        while happenings.send(Happening::Look).is_ok() {
            sleep(period).await;
        }
    });
}

/// What is known of the loops of one worker.
#[derive(Debug)]
pub(super) struct Watch {
    /// Where they show what they are at.
    memory: OwnedFd,
    /// The last beat of each that was at work, and how many looks more have found the same one.
    beats: Vec<(Option<u64>, u32)>,
    /// How many looks have found the process stopped, one after the other.
    stops: u32,
}

impl Watch {
    /// For so many loops.
    pub(super) fn new(loops: usize) -> io::Result<Self> {
        Ok(Self::left(memory::share(c"gannet-trails", Trails::words(loops))?, loops))
    }

    /// For those of a worker that another program has started.
    pub(super) fn left(memory: OwnedFd, loops: usize) -> Self {
        Self { memory, beats: vec![(None, 0); loops], stops: 0 }
    }

    pub(super) fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    /// Looks once more, also at the rows where each loop shows that it gets on: what the one is at
    /// that hangs, if there is one. That is told once. All loops of a process hang that is stopped,
    /// also those that have nothing to do.
    pub(super) fn look(&mut self, rows: &OwnedFd, is_stopped: bool) -> Option<String> {
        let time = Duration::from_millis(LOOK_MS) * LOOKS_MAX;
        self.stops = if is_stopped { self.stops.saturating_add(1) } else { 0 };
        if is_stopped {
            let how = || format!("a signal has stopped it for {time:?}");
            return (self.stops == LOOKS_MAX).then(how);
        }
        let words = memory::look(rows.as_fd(), 0, usize::MAX).unwrap_or_default();
        let beats = self.beats.iter_mut().zip(counters::beats(&words));
        for ((before, looks), beat) in beats {
            let is_same = beat.is_some() && beat == *before;
            (*before, *looks) = (beat, if is_same { looks.saturating_add(1) } else { 0 });
        }
        let hung = self.beats.iter().position(|(_, looks)| *looks == LOOKS_MAX)?;
        let Seen { phase, request, .. } = self.seen(hung)?;
        let request = request.map(|request| format!(", at {request}")).unwrap_or_default();
        Some(format!("a loop has not got on for {time:?} {phase}{request}"))
    }

    /// All requests that are not over, as far as there is room to tell them.
    pub(super) fn requests(&self) -> Vec<String> {
        let seen = (0..self.beats.len()).filter_map(|at| self.seen(at));
        seen.flat_map(Seen::requests).take(REQUESTS_MAX).collect()
    }

    /// What applications are asked.
    pub(super) fn calls(&self) -> Vec<Call> {
        let calls = |at| {
            let (start, count) = trail::place_of_calls(at);
            let look = || memory::look(self.memory.as_fd(), start, count).unwrap_or_default();
            calls::seen(&look(), &look())
        };
        (0..self.beats.len()).flat_map(calls).collect()
    }

    fn seen(&self, at: usize) -> Option<Seen> {
        let (start, count) = trail::place(at);
        Some(Seen::of(&memory::look(self.memory.as_fd(), start, count).ok()?))
    }
}
