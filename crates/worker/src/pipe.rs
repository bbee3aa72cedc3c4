//! The content of an application's answer on its way to a client: what the client does not take yet
//! is kept in memory, then in a file, so that the application can go on to the next request.
//!
//! ```text
//!   application ─► put ─► pieces in memory ───────────────────────────► poll_next ─► client
//!                     └─ once those are many: file ─► read by the pool ─┘
//! ```
//!
//! What is in memory is older than what is in the file: as long as anything lies there, what comes
//! joins it.

use crate::{
    pool::Pool,
    spill::{Spill, Step, Written},
};
use message::{Broken, Source};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Bytes of one answer that are kept in memory.
const MEMORY_BYTES: usize = 128 * 1024;

/// Where content is put.
pub(crate) struct Writer {
    state: Arc<Mutex<State>>,
    pool: Arc<Pool>,
    /// Bytes of content that are kept at most.
    bytes_max: u64,
    /// Bytes that are still to come, where the length is known.
    left: Option<u64>,
}

/// Where it comes out.
pub(crate) struct Reader {
    state: Arc<Mutex<State>>,
    pool: Arc<Pool>,
    reading: Option<Step<Vec<u8>>>,
    length: Option<u64>,
}

/// The client takes no more.
pub(crate) struct Gone;

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    memory_bytes: usize,
    spill: Spill,
    /// Bytes that are just being written to the file.
    writing_bytes: u64,
    end: Option<Result<(), Broken>>,
    is_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A pipe that keeps so many bytes at most, for content of that length.
pub(crate) fn pipe(pool: &Arc<Pool>, bytes_max: u64, length: Option<u64>) -> (Writer, Reader) {
    let state = Arc::<Mutex<State>>::default();
    let bytes_max = bytes_max.max(MEMORY_BYTES as u64);
    let (other, pool_of_reader) = (Arc::clone(&state), Arc::clone(pool));
    let writer = Writer { state, pool: Arc::clone(pool), bytes_max, left: length };
    (writer, Reader { state: other, pool: pool_of_reader, reading: None, length })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Puts a piece in as soon as there is room for it. What is more than the content's length is
    /// left out.
    pub(crate) async fn put(&mut self, mut piece: Vec<u8>) -> Result<(), Gone> {
        if let Some(left) = &mut self.left {
            let bytes = usize::try_from(*left).unwrap_or(usize::MAX).min(piece.len());
            piece.truncate(bytes);
            *left -= bytes as u64;
        }
        if piece.is_empty() {
            return Ok(());
        }
        if poll_fn(|context| self.poll_room(context)).await? {
            let mut state = lock(&self.state);
            state.memory_bytes += piece.len();
            state.pieces.push_back(piece);
            state.wake_reader();
            return Ok(());
        }
        let step = {
            let mut state = lock(&self.state);
            state.writing_bytes = piece.len() as u64;
            state.spill.write(piece, &self.pool)
        };
        let written = match step {
            Some(step) => step.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())),
            None => Err(io::ErrorKind::Other.into()),
        };
        self.wrote(written)
    }

    fn wrote(&mut self, written: io::Result<Written>) -> Result<(), Gone> {
        let mut state = lock(&self.state);
        state.writing_bytes = 0;
        match written {
            Ok(written) => state.spill.wrote(written),
            Err(_) => state.end = Some(Err(Broken)),
        }
        state.wake_reader();
        if state.is_gone || state.end.is_some() { Err(Gone) } else { Ok(()) }
    }

    /// Waits for room: true where it is in memory.
    fn poll_room(&self, context: &mut Context<'_>) -> Poll<Result<bool, Gone>> {
        let mut state = lock(&self.state);
        if state.is_gone {
            return Poll::Ready(Err(Gone));
        }
        let spilled = state.spill.len();
        if spilled == 0 && state.memory_bytes < MEMORY_BYTES {
            return Poll::Ready(Ok(true));
        }
        if state.memory_bytes as u64 + spilled < self.bytes_max
            && self.bytes_max > MEMORY_BYTES as u64
        {
            return Poll::Ready(Ok(false));
        }
        state.writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether the client takes no more; who asks is woken once it does not.
    pub(crate) fn is_gone(&self, context: &mut Context<'_>) -> bool {
        let mut state = lock(&self.state);
        if !state.is_gone {
            state.writer = Some(context.waker().clone());
        }
        state.is_gone
    }

    /// Ends the content. A writer that is dropped without this has broken it off.
    pub(crate) fn end(self) {
        let is_whole = self.left.is_none_or(|left| left == 0);
        let mut state = lock(&self.state);
        state.end.get_or_insert(if is_whole { Ok(()) } else { Err(Broken) });
        state.wake_reader();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(Err(Broken));
        state.wake_reader();
    }
}

impl State {
    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }
}

impl Source for Reader {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        loop {
            if let Some(step) = &mut self.reading {
                let Poll::Ready(read) = Pin::new(step).poll(context) else { return Poll::Pending };
                self.reading = None;
                return Poll::Ready(Some(read.ok().and_then(Result::ok).ok_or(Broken)));
            }
            let mut state = lock(&self.state);
            if let Some(piece) = state.pieces.pop_front() {
                state.memory_bytes -= piece.len();
                state.wake_writer();
                return Poll::Ready(Some(Ok(piece)));
            }
            if state.spill.len() > 0 {
                let step = state.spill.read(&self.pool);
                state.wake_writer();
                let Some(step) = step else { return Poll::Ready(Some(Err(Broken))) };
                self.reading = Some(step);
                continue;
            }
            return match state.end {
                Some(Ok(())) => Poll::Ready(None),
                Some(Err(Broken)) => Poll::Ready(Some(Err(Broken))),
                None => {
                    state.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            };
        }
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn memory_bytes(&self) -> usize {
        lock(&self.state).memory_bytes
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.is_gone = true;
        state.wake_writer();
    }
}
