//! Work that may block: what the pool does for an exchange, and what came of it.

use crate::{core::Core, pool::Lane};
use tokio::sync::oneshot;

/// Work that an answer waits for.
#[derive(Debug)]
pub(crate) enum Job {
    /// A handler waits for a disk.
    Files(handle::Job),
    /// A guard has a password checked.
    Password(access::Job),
}

/// What came of it.
pub(crate) enum Done {
    Files(handle::Done),
    Password(access::Done),
}

impl Job {
    /// Gives the job to the pool; `None` if the pool has too much to do.
    pub(crate) fn submit(self, core: &Core) -> Option<oneshot::Receiver<Done>> {
        let (sender, done) = oneshot::channel();
        let lane = self.lane();
        let work = move || {
            // A connection that is gone needs no answer.
            let _ = sender.send(self.run());
        };
        core.pool.submit(lane, Box::new(work)).then_some(done)
    }

    /// Does it, however long that takes; never called on a loop.
    pub(crate) fn run(self) -> Done {
        match self {
            Self::Files(job) => Done::Files(job.run()),
            Self::Password(job) => Done::Password(job.run()),
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Files(job) => Lane::Folder(job.folder_id()),
            Self::Password(_) => Lane::Passwords,
        }
    }
}
