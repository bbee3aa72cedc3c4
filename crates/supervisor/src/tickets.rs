//! The keys of session tickets: whoever serves reads them, and one process alone makes them.

use control::{KEY_BYTES, TicketKeys};
use net::{clock, failpoint, memory, random};
use std::{
    hint::black_box,
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// How long tickets are made with one key, in milliseconds. They are taken for three times as long
/// at least.
const ROTATION_MS: u64 = 6 * 60 * 60 * 1000;

/// The memory in which the keys are.
#[derive(Debug)]
pub struct Tickets {
    memory: OwnedFd,
    keys: TicketKeys,
}

impl Tickets {
    /// With a first key.
    ///
    /// # Errors
    /// There is no memory, or there are no random bytes.
    pub fn new() -> io::Result<Self> {
        let tickets = Self::left(memory::share(c"gannet-tickets", TicketKeys::WORDS)?)?;
        tickets.rotate()?;
        Ok(tickets)
    }

    /// Those that another program has left.
    pub(crate) fn left(memory: OwnedFd) -> io::Result<Self> {
        let keys = TicketKeys::new(memory::shared(memory.as_fd())?);
        Ok(Self { memory, keys })
    }

    pub(crate) fn memory(&self) -> &OwnedFd {
        &self.memory
    }

    /// The keys, for who serves in this process.
    #[must_use]
    pub fn keys(&self) -> TicketKeys {
        self.keys
    }

    /// Makes tickets with a new key from now on, if it is time for one: by the age of the one
    /// before, which another program may have made. Where the kernel gives no random bytes, that
    /// one goes on.
    pub fn renew(&self) {
        let rotation = Duration::from_millis(failpoint::number("rotation", ROTATION_MS));
        if clock::now() >= self.keys.since().after(rotation) {
            let _ = self.rotate();
        }
    }

    fn rotate(&self) -> io::Result<()> {
        let mut key = random::bytes::<KEY_BYTES>()?;
        self.keys.rotate(&key, clock::now());
        // The memory is in no core dump; the stack is. What nobody reads would not be written.
        key.fill(0);
        black_box(&key);
        Ok(())
    }
}
