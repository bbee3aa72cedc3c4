//! Bytes for which memory is too dear: content that waits for the rest of it, or for a slow client.
//! They lie in a file without a name, of which nothing is left when it is closed; the pool writes
//! and reads it.

use crate::pool::{Lane, Pool};
use net::file;
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};
use tokio::sync::oneshot;

/// The folder that the files lie in, of which nobody sees anything but that the disk is fuller.
pub const SPILL_FOLDER: &str = "/var/tmp";

/// Bytes that are read in one step.
const STEP_BYTES: u64 = 256 * 1024;

/// What a step of the pool comes to.
pub(crate) type Step<T> = oneshot::Receiver<io::Result<T>>;

/// A queue of bytes: written at its end, read from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    file: Option<Arc<OwnedFd>>,
    written: u64,
    read: u64,
}

impl Spill {
    /// Bytes that were written and not read yet.
    pub(crate) fn len(&self) -> u64 {
        self.written - self.read
    }

    /// Has the pool write `bytes`; what comes of it goes to [`Spill::wrote`]. `None` when the pool
    /// has too much to do.
    pub(crate) fn write(&self, bytes: Vec<u8>, pool: &Arc<Pool>) -> Option<Step<Written>> {
        let (file, offset) = (self.file.clone(), self.written);
        submit(pool, move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(file::nameless(Path::new(SPILL_FOLDER))?),
            };
            file::write(file.as_fd(), &bytes, offset)?;
            Ok(Written { file, bytes: bytes.len() as u64 })
        })
    }

    pub(crate) fn wrote(&mut self, written: Written) {
        self.file = Some(written.file);
        self.written += written.bytes;
    }

    /// Has the pool read the next bytes, of which there must be some; they count as read.
    pub(crate) fn read(&mut self, pool: &Arc<Pool>) -> Option<Step<Vec<u8>>> {
        let file = self.file.clone()?;
        let (offset, bytes) = (self.read, self.len().min(STEP_BYTES));
        self.read += bytes;
        submit(pool, move || {
            let mut room = vec![0; usize::try_from(bytes).unwrap_or(0)];
            let mut filled = 0;
            while filled < room.len() {
                let at = offset + filled as u64;
                match file::read(file.as_fd(), &mut room[filled..], at)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    count => filled += count,
                }
            }
            Ok(room)
        })
    }
}

/// What a request brings along: what is in the file comes first.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) spill: Spill,
    pub(crate) memory: Vec<u8>,
    /// How much there is.
    pub(crate) bytes: u64,
}

/// What has been written.
#[derive(Debug)]
pub(crate) struct Written {
    file: Arc<OwnedFd>,
    bytes: u64,
}

fn submit<T: Send + 'static>(
    pool: &Arc<Pool>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<Step<T>> {
    let (sender, receiver) = oneshot::channel();
    // Whoever is gone needs no answer.
    let work = move || drop(sender.send(work()));
    pool.submit(Lane::Spill, || Box::new(work)).then_some(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_once_and_in_order() {
        let pool = Pool::new(2, 1);
        let mut spill = Spill::default();
        let all: Vec<u8> = (0..700_000_u32).map(|number| number as u8).collect();
        for piece in all.chunks(300_000) {
            let written = spill.write(piece.to_vec(), &pool).unwrap().blocking_recv().unwrap();
            spill.wrote(written.unwrap());
        }
        assert_eq!(spill.len(), 700_000);
        let mut seen = Vec::new();
        while spill.len() > 0 {
            seen.extend(spill.read(&pool).unwrap().blocking_recv().unwrap().unwrap());
        }
        assert!(seen == all);
    }
}
