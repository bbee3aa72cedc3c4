//! The keys of session tickets: all workers read them, and this process alone makes them.

use super::Happening;
use control::{KEY_BYTES, TicketKeys};
use net::{memory, random};
use std::{
    hint::black_box,
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};
use tokio::{sync::mpsc::UnboundedSender, task::spawn_local, time::sleep};

/// How long tickets are made with one key. They are taken for three times as long at least.
const ROTATION_TIME: Duration = Duration::from_secs(6 * 60 * 60);

/// The memory in which the keys are.
#[derive(Debug)]
pub(super) struct Tickets {
    memory: OwnedFd,
    keys: TicketKeys,
}

impl Tickets {
    /// With a first key.
    pub(super) fn new() -> io::Result<Self> {
        let tickets = Self::left(memory::share(c"gannet-tickets", TicketKeys::WORDS)?)?;
        tickets.rotate()?;
        Ok(tickets)
    }

    /// Those that another program has left.
    pub(super) fn left(memory: OwnedFd) -> io::Result<Self> {
        let keys = TicketKeys::new(memory::shared(memory.as_fd())?);
        Ok(Self { memory, keys })
    }

    pub(super) fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    /// Makes tickets with a new key from now on.
    pub(super) fn rotate(&self) -> io::Result<()> {
        let mut key = random::bytes::<KEY_BYTES>()?;
        self.keys.rotate(&key);
        // The memory is in no core dump; the stack is. What nobody reads would not be written.
        key.fill(0);
        black_box(&key);
        Ok(())
    }
}

/// Has the keys rotated again and again.
pub(super) fn tick(happenings: &UnboundedSender<Happening>) {
    let happenings = happenings.clone();
    spawn_local(async move {
        loop {
            sleep(ROTATION_TIME).await;
            if happenings.send(Happening::Rotate).is_err() {
                return;
            }
        }
    });
}
