//! The content of a request on its way to an application: all of it is taken before the application
//! is asked, so that a slow client holds up nobody but itself.

use crate::{
    application::Question,
    job::Suspended,
    pool::Pool,
    spill::{Content, Step, Written},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Bytes of content that are kept in memory; more lies in a file.
const MEMORY_BYTES: usize = 32 * 1024;

/// Content that is being taken, and the exchange that waits for it.
pub(crate) struct Upload {
    pub(crate) exchange: Suspended,
    pub(crate) question: Question,
    writing: Option<Step<Written>>,
    /// Bytes that are being written.
    writing_bytes: usize,
    content: Content,
}

/// Why content cannot be taken.
pub(crate) enum Refused {
    /// There is more of it than may be.
    TooLarge,
    /// The pool has too much to do.
    Busy,
}

impl Upload {
    pub(crate) fn new(exchange: Suspended, question: Question) -> Self {
        Self { exchange, question, writing: None, writing_bytes: 0, content: Content::default() }
    }

    /// Bytes of memory that this takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        let content_bytes = self.content.memory.len() + self.writing_bytes;
        self.exchange.head.len() + self.question.memory_bytes() + content_bytes
    }

    /// Takes a piece. If there is no more room in memory than so many bytes, what is there goes to
    /// the file, however little it is.
    pub(crate) fn take(
        &mut self,
        piece: &[u8],
        room_bytes: usize,
        pool: &Arc<Pool>,
    ) -> Result<(), Refused> {
        let content = &mut self.content;
        content.bytes += piece.len() as u64;
        if content.bytes > self.question.php().content_bytes_max {
            return Err(Refused::TooLarge);
        }
        content.memory.extend_from_slice(piece);
        let is_much = content.memory.len() > MEMORY_BYTES || piece.len() > room_bytes;
        if is_much && self.writing.is_none() {
            let bytes = std::mem::take(&mut content.memory);
            self.writing_bytes = bytes.len();
            let step = content.spill.write(&Arc::new(bytes), pool).ok_or(Refused::Busy)?;
            self.writing = Some(step);
        }
        Ok(())
    }

    /// Whether content is being written to its file, which is waited for before more is taken.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Bytes that are not where they shall be, as something is being written.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        if self.writing_bytes > 0 { self.writing_bytes + self.content.memory.len() } else { 0 }
    }

    /// Waits until it is written.
    pub(crate) fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(step) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let written = ready!(Pin::new(step).poll(context));
        (self.writing, self.writing_bytes) = (None, 0);
        let written = written.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        Poll::Ready(written.map(|written| self.content.spill.wrote(written)))
    }

    /// All of it has come.
    pub(crate) fn finish(self) -> (Suspended, Question, Content) {
        (self.exchange, self.question, self.content)
    }
}
