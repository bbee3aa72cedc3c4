//! Bytes for which memory is too dear: content that waits for the rest of it, or for a slow client.
//! They lie in a file without a name, of which nothing is left when it is closed; the pool writes
//! and reads it.

use crate::pool::{Lane, Pool};
use net::file;
use std::{
    collections::VecDeque,
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

/// Bytes that one file holds. What is read of several takes no room any more.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// A queue of bytes: written at its end, read from its beginning. It lies in files, of which each
/// is gone once it has been read.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    parts: VecDeque<Part>,
    bytes: u64,
}

#[derive(Debug)]
struct Part {
    file: Arc<OwnedFd>,
    written: u64,
    read: u64,
}

impl Spill {
    /// Bytes that were written and not read yet.
    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }

    /// Has the pool write `bytes`; what comes of it goes to [`Spill::wrote`]. `None` when the pool
    /// has too much to do.
    pub(crate) fn write(&self, bytes: &Arc<Vec<u8>>, pool: &Arc<Pool>) -> Option<Step<Written>> {
        let last = self.parts.back().filter(|part| part.written < PART_BYTES);
        let last = last.map(|part| (Arc::clone(&part.file), part.written));
        let bytes = Arc::clone(bytes);
        submit(pool, move || {
            let (file, offset) = match last {
                Some(last) => last,
                None => (Arc::new(file::nameless(Path::new(SPILL_FOLDER))?), 0),
            };
            file::write(file.as_fd(), &bytes, offset)?;
            Ok(Written { file, bytes: bytes.len() as u64 })
        })
    }

    pub(crate) fn wrote(&mut self, Written { file, bytes }: Written) {
        self.bytes += bytes;
        match self.parts.back_mut() {
            Some(last) if Arc::ptr_eq(&last.file, &file) => last.written += bytes,
            _ => self.parts.push_back(Part { file, written: bytes, read: 0 }),
        }
    }

    /// Has the pool read the next bytes, of which there must be some; they count as read. `None`
    /// when the pool has too much to do.
    pub(crate) fn read(&mut self, pool: &Arc<Pool>) -> Option<Step<Vec<u8>>> {
        // What was read to its end may have been written to since, unless another one follows.
        while self.parts.len() > 1 && self.parts.front().is_some_and(Part::is_read) {
            self.parts.pop_front();
        }
        let part = self.parts.front_mut()?;
        let (file, offset) = (Arc::clone(&part.file), part.read);
        let bytes = (part.written - part.read).min(STEP_BYTES);
        let step = submit(pool, move || {
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
        })?;
        part.read += bytes;
        self.bytes -= bytes;
        if part.is_read() && part.written >= PART_BYTES {
            self.parts.pop_front();
        }
        Some(step)
    }
}

impl Part {
    fn is_read(&self) -> bool {
        self.read == self.written
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
            let written =
                spill.write(&Arc::new(piece.to_vec()), &pool).unwrap().blocking_recv().unwrap();
            spill.wrote(written.unwrap());
        }
        assert_eq!(spill.len(), 700_000);
        let mut seen = Vec::new();
        while spill.len() > 0 {
            seen.extend(spill.read(&pool).unwrap().blocking_recv().unwrap().unwrap());
        }
        assert!(seen == all);
    }

    #[test]
    fn what_was_read_takes_no_room_however_much_goes_through() {
        let pool = Pool::new(2, 1);
        let mut spill = Spill::default();
        let put = |spill: &mut Spill, piece| {
            let step = spill.write(&Arc::new(piece), &pool).unwrap();
            spill.wrote(step.blocking_recv().unwrap().unwrap());
        };
        let (mut next, mut seen) = (0_u8, 0_u8);
        // Never empty, as with a reader that is always a little late.
        for step in 0..200 {
            put(&mut spill, vec![next; 1024 * 1024]);
            next = next.wrapping_add(1);
            let all: u64 = spill.parts.iter().map(|part| part.written).sum();
            // Two files at most, whatever has gone through.
            assert!(all <= 33 * 1024 * 1024, "{step}: {all}");
            for _ in 0..if step == 0 { 0 } else { 4 } {
                let piece = spill.read(&pool).unwrap().blocking_recv().unwrap().unwrap();
                assert!(piece.len() == 256 * 1024 && piece.iter().all(|&byte| byte == seen));
            }
            seen = seen.wrapping_add(u8::from(step > 0));
            assert_eq!(spill.len(), 1024 * 1024);
        }
        // What is empty and goes on.
        while spill.len() > 0 {
            spill.read(&pool).unwrap().blocking_recv().unwrap().unwrap();
        }
        put(&mut spill, vec![7; 9]);
        assert_eq!(spill.read(&pool).unwrap().blocking_recv().unwrap().unwrap(), [7; 9]);
    }
}
