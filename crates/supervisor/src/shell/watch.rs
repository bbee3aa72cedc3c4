//! Whether the loops of a worker move, and what they are at where they do not.

use super::Happening;
use control::{
    Trails,
    trail::{self, Seen},
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

/// A loop hangs that is awake and the same in so many looks, one after the other. Looks are counted
/// instead of the time: whoever stops this process and lets it go on must not end all workers.
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
    /// The beat of each, and how often it was the same before.
    beats: Vec<(u64, u32)>,
}

impl Watch {
    /// For so many loops.
    pub(super) fn new(loops: usize) -> io::Result<Self> {
        let memory = memory::share(c"gannet-trails", Trails::words(loops))?;
        Ok(Self { memory, beats: vec![(0, 0); loops] })
    }

    pub(super) fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    /// Looks once more: what the loop is at that hangs, if one does. That is told once.
    pub(super) fn look(&mut self) -> Option<String> {
        let memory = self.memory.as_fd();
        let mut hung = None;
        for (at, (before, looks)) in self.beats.iter_mut().enumerate() {
            let (start, _) = trail::place(at);
            let words = memory::look(memory, start, 1).unwrap_or_default();
            let beat = words.first().copied().unwrap_or(0);
            let is_same = beat == *before && trail::is_awake(beat);
            (*before, *looks) = (beat, if is_same { looks.saturating_add(1) } else { 0 });
            if *looks == LOOKS_MAX {
                hung = hung.or(Some(at));
            }
        }
        let seen = self.seen(hung?)?;
        let request = seen.request.map(|request| format!(", at {request}")).unwrap_or_default();
        let time = Duration::from_millis(LOOK_MS) * LOOKS_MAX;
        Some(format!("a loop has not moved for {time:?} {}{request}", seen.phase))
    }

    /// All requests that are not over, as far as there is room to tell them.
    pub(super) fn requests(&self) -> Vec<String> {
        let seen = (0..self.beats.len()).filter_map(|at| self.seen(at));
        seen.flat_map(Seen::requests).take(REQUESTS_MAX).collect()
    }

    fn seen(&self, at: usize) -> Option<Seen> {
        let (start, count) = trail::place(at);
        Some(Seen::of(&memory::look(self.memory.as_fd(), start, count).ok()?))
    }
}
