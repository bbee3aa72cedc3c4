//! The table of clients, as the process has it that keeps it for the workers.

use crate::state::{self, Leaving, Place};
use control::Clients;
use net::memory;
use std::{
    cell::OnceCell,
    io,
    os::fd::{AsFd, OwnedFd},
};

/// The table of clients.
#[derive(Debug)]
pub(super) struct Table {
    memory: OwnedFd,
    /// What it is called where it is kept.
    name: String,
    lines: usize,
    seed: [u64; 2],
    /// Mapped once some worker has died.
    mapped: OnceCell<Option<Clients>>,
}

impl Table {
    /// A new one.
    pub(super) fn new(lines: usize, seed: [u64; 2]) -> io::Result<Self> {
        let memory = memory::share(c"gannet-clients", Clients::words(lines))?;
        Ok(Self::left(memory, state::name("clients")?, lines, seed))
    }

    /// One that another program has made.
    pub(super) fn left(memory: OwnedFd, name: String, lines: usize, seed: [u64; 2]) -> Self {
        Self { memory, name, lines, seed, mapped: OnceCell::new() }
    }

    pub(super) fn leave<'t>(&'t self, out: &mut Leaving<'t>) -> Place {
        out.put(&*self.name, &self.memory)
    }

    pub(super) fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    pub(super) fn seed(&self) -> [u64; 2] {
        self.seed
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> u64 {
        let first = memory::look(self.memory.as_fd(), 0, 1).unwrap_or_default();
        first.first().copied().unwrap_or(0)
    }

    /// Takes off the connections of a worker that is gone.
    pub(super) fn vacate(&self, seats: &[u64]) {
        if seats.iter().all(|&seat| seat == 0) {
            return;
        }
        let map = || memory::shared(self.memory.as_fd()).ok();
        let clients = self.mapped.get_or_init(|| Some(Clients::new(map()?, self.seed)));
        clients.iter().for_each(|clients| clients.vacate(seats));
    }
}
