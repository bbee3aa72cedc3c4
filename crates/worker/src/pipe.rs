//! The content of an application's answer on its way to a client: what the client does not take yet
//! is kept in memory, then in files, so that the application can go on to the next request.
//!
//! ```text
//!   application ─► put ─► head ──────────────────────────────────► poll_next ─► client
//!                   └─ once that is full ─► tail ──────────────────┘
//!                                             └─ many ─► files ────┘
//! ```
//!
//! The head is older than what is in the files, and the tail is newer. As long as anything lies in
//! either of these, what comes joins the tail, of which large pieces are written at once. Where
//! there is no room for files the application waits for the client from then on.

use crate::{
    pool::Pool,
    spill::{Spill, Step, Written},
};
use base::{Held, held::Share};
use message::{Broken, Source};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    task::yield_now,
    time::{Sleep, sleep},
};

/// Bytes of one answer that are kept in memory, where the process has few of them there; and where
/// it has many.
const HEAD_BYTES_MAX: usize = 1024 * 1024;
const HEAD_BYTES_MIN: usize = 128 * 1024;

/// Bytes of it that wait to be written to a file in one step, in either case.
const TAIL_BYTES_MAX: usize = 256 * 1024;
const TAIL_BYTES_MIN: usize = 64 * 1024;

/// Bytes of all answers that a process has in memory before each has less room there.
const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Time until the pool is asked again that has too much to do.
const PAUSE_TIME: Duration = Duration::from_millis(20);

/// Why content has no end: it is less than was said, or what was kept of it in a file cannot be
/// had.
const SHORT: Broken = Broken("the application's content is shorter than it says");
const LOST: Broken = Broken("an answer that was kept in a file could not be read back");

/// Where content is put.
pub(crate) struct Writer {
    state: Arc<Mutex<State>>,
    pool: Arc<Pool>,
    /// Bytes of content that are kept at most.
    bytes_max: u64,
    /// Bytes that are still to come, where the length is known.
    left: Option<u64>,
    /// Whether files can be had; and why not, until somebody has asked.
    has_files: bool,
    trouble: Option<io::Error>,
}

/// Where it comes out.
pub(crate) struct Reader {
    state: Arc<Mutex<State>>,
    pool: Arc<Pool>,
    reading: Option<Step<Vec<u8>>>,
    /// Until the pool is asked again, which had too much to do.
    pause: Option<Pin<Box<Sleep>>>,
    length: Option<u64>,
}

/// The client takes no more.
pub(crate) struct Gone;

#[derive(Default)]
struct State {
    head: Pieces,
    spill: Spill,
    /// Whether the tail, as it was, is just being written.
    is_writing: bool,
    tail: Pieces,
    /// What is in memory of it.
    share: Share,
    end: Option<Result<(), Broken>>,
    is_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Pieces in memory.
#[derive(Default)]
struct Pieces {
    all: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// Where there is room for a piece.
enum Room {
    Head,
    Tail,
    /// In the tail, once what is there now is in a file.
    Files,
}

/// A pipe that keeps so many bytes at most, for content of that length.
pub(crate) fn pipe(
    pool: &Arc<Pool>,
    held: &Held,
    bytes_max: u64,
    length: Option<u64>,
) -> (Writer, Reader) {
    let state = Arc::new(Mutex::new(State { share: held.share(0), ..State::default() }));
    let writer = Writer {
        state: Arc::clone(&state),
        pool: Arc::clone(pool),
        bytes_max: bytes_max.max(HEAD_BYTES_MIN as u64),
        left: length,
        has_files: true,
        trouble: None,
    };
    (writer, Reader { state, pool: Arc::clone(pool), reading: None, pause: None, length })
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
        let room = loop {
            match poll_fn(|context| self.poll_room(context)).await? {
                Room::Files => self.write().await,
                room => break room,
            }
        };
        let is_much = {
            let mut state = lock(&self.state);
            state.share.add(piece.len());
            match room {
                Room::Head => state.head.push(piece),
                Room::Tail | Room::Files => state.tail.push(piece),
            }
            state.wake_reader();
            state.head.bytes >= HEAD_BYTES_MIN
        };
        if is_much {
            // The client may be quick, and have had no turn.
            yield_now().await;
        }
        Ok(())
    }

    /// Writes the tail to a file. Where that cannot be, it stays, and there is no room but in
    /// memory from then on.
    async fn write(&mut self) {
        let (tail, step) = {
            let mut state = lock(&self.state);
            let tail = Arc::new(mem::take(&mut state.tail.all).make_contiguous().concat());
            state.is_writing = true;
            let step = state.spill.write(&tail, &self.pool);
            (tail, step)
        };
        let written: io::Result<Written> = match step {
            Some(step) => step.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())),
            None => Err(io::ErrorKind::ResourceBusy.into()),
        };
        let mut state = lock(&self.state);
        state.is_writing = false;
        match written {
            Ok(written) => {
                state.spill.wrote(written);
                let bytes = mem::take(&mut state.tail.bytes);
                state.share.remove(bytes);
            }
            Err(error) => {
                let tail = Arc::try_unwrap(tail).unwrap_or_else(|shared| shared.to_vec());
                state.tail.all.push_back(tail);
                (self.has_files, self.trouble) = (false, Some(error));
            }
        }
        state.wake_reader();
    }

    /// Why nothing is written to a file any more, for whoever asks first.
    pub(crate) fn trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Waits for room.
    fn poll_room(&self, context: &mut Context<'_>) -> Poll<Result<Room, Gone>> {
        let mut state = lock(&self.state);
        if state.is_gone {
            return Poll::Ready(Err(Gone));
        }
        let (head_max, tail_max) = room(state.share.all());
        let head_max = self.bytes_max.min(head_max as u64);
        if (state.head.bytes as u64) < head_max {
            state.close_up();
            if state.is_straight() {
                return Poll::Ready(Ok(Room::Head));
            }
        }
        let may_be_written = self.has_files && self.bytes_max > HEAD_BYTES_MIN as u64;
        if may_be_written && state.bytes() < self.bytes_max {
            let is_full = state.tail.bytes >= tail_max;
            return Poll::Ready(Ok(if is_full { Room::Files } else { Room::Tail }));
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
        state.end.get_or_insert(if is_whole { Ok(()) } else { Err(SHORT) });
        state.wake_reader();
    }
}

impl Writer {
    /// There will be no more of the content, and that is why.
    pub(crate) fn fail(self, reason: &'static str) {
        lock(&self.state).end.get_or_insert(Err(Broken(reason)));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(Err(Broken::CUT_OFF));
        state.wake_reader();
    }
}

impl State {
    /// Whether nothing lies behind the head.
    fn is_straight(&self) -> bool {
        self.spill.len() == 0 && !self.is_writing && self.tail.all.is_empty()
    }

    /// Puts the tail to the head where nothing lies between them.
    fn close_up(&mut self) {
        if self.spill.len() == 0 && !self.is_writing {
            self.head.append(&mut self.tail);
        }
    }

    fn bytes(&self) -> u64 {
        (self.head.bytes + self.tail.bytes) as u64 + self.spill.len()
    }

    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }
}

impl Pieces {
    fn push(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len();
        self.all.push_back(piece);
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.all.pop_front()?;
        self.bytes -= piece.len();
        Some(piece)
    }

    fn append(&mut self, other: &mut Self) {
        self.bytes += mem::take(&mut other.bytes);
        self.all.append(&mut other.all);
    }
}

/// How much an answer may have in its head and in its tail.
fn room(held: &Held) -> (usize, usize) {
    match held.bytes() < HELD_BYTES_MAX {
        true => (HEAD_BYTES_MAX, TAIL_BYTES_MAX),
        false => (HEAD_BYTES_MIN, TAIL_BYTES_MIN),
    }
}

impl Source for Reader {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        loop {
            if let Some(step) = &mut self.reading {
                let Poll::Ready(read) = Pin::new(step).poll(context) else { return Poll::Pending };
                self.reading = None;
                return Poll::Ready(Some(read.ok().and_then(Result::ok).ok_or(LOST)));
            }
            let mut state = lock(&self.state);
            if state.head.all.is_empty() {
                state.close_up();
            }
            if let Some(piece) = state.head.pop() {
                state.share.remove(piece.len());
                state.wake_writer();
                return Poll::Ready(Some(Ok(piece)));
            }
            if state.spill.len() > 0 {
                if let Some(pause) = &mut self.pause {
                    ready!(pause.as_mut().poll(context));
                }
                self.reading = state.spill.read(&self.pool);
                self.pause = self.reading.is_none().then(|| Box::pin(sleep(PAUSE_TIME)));
                state.wake_writer();
                continue;
            }
            return match state.end {
                Some(Ok(())) => Poll::Ready(None),
                Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
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
        lock(&self.state).share.bytes()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.is_gone = true;
        state.wake_writer();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    /// Numbers that tell their places, as content.
    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes.div_ceil(4) as u32).flat_map(u32::to_le_bytes).take(bytes).collect()
    }

    async fn read(reader: &mut Reader, bytes: usize) -> Vec<u8> {
        let mut seen = Vec::new();
        while seen.len() < bytes
            && let Some(piece) = poll_fn(|context| reader.poll_next(context)).await
        {
            seen.extend(piece.ok().unwrap());
        }
        seen
    }

    /// Puts all that there is room for; how much that is.
    async fn fill(writer: &mut Writer, all: &[u8]) -> usize {
        let mut put = 0;
        for piece in all.chunks(50_000) {
            let put_one =
                tokio::time::timeout(Duration::from_millis(500), writer.put(piece.to_vec()));
            if put_one.await.is_err() {
                break;
            }
            put += piece.len();
        }
        put
    }

    #[test]
    fn what_is_put_comes_out_in_order_wherever_it_lay_meanwhile() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (pool, held) = (Pool::new(2, 1), Held::default());
            let all = content(5_000_000);
            let (mut writer, mut reader) = pipe(&pool, &held, 1 << 30, None);
            let mut seen = Vec::new();
            // Now one of them is quicker, now the other one.
            for (at, piece) in all.chunks(50_000).enumerate() {
                assert!(writer.put(piece.to_vec()).await.is_ok());
                if at % 20 >= 12 {
                    let bytes = (at + 1) * 50_000 - seen.len();
                    seen.extend(read(&mut reader, bytes.min(120_000)).await);
                }
            }
            writer.end();
            let rest = all.len() - seen.len() + 1;
            seen.extend(read(&mut reader, rest).await);
            assert!(seen == all);
            drop(reader);
            assert_eq!(held.bytes(), 0);
        });
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_less_in_memory_where_much_is() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (pool, held) = (Pool::new(2, 1), Held::default());
            let all = content(6_000_000);
            let (mut writer, mut reader) = pipe(&pool, &held, 0, None);
            let least = fill(&mut writer, &all).await;
            assert!((HEAD_BYTES_MIN..HEAD_BYTES_MIN + 50_000).contains(&least), "{least}");
            assert!(read(&mut reader, least).await == all[..least]);
            drop((writer, reader));
            let _others = held.share(HELD_BYTES_MAX);
            let (mut writer, mut reader) = pipe(&pool, &held, 3_000_000, None);
            let most = fill(&mut writer, &all).await;
            assert!((3_000_000..3_100_000).contains(&most), "{most}");
            let memory = held.bytes() - HELD_BYTES_MAX;
            assert!(memory < HEAD_BYTES_MIN + TAIL_BYTES_MIN + 100_000, "{memory}");
            assert!(read(&mut reader, most).await == all[..most]);
        });
    }
}
