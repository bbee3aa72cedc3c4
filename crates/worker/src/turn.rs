//! One turn of a connection: the room lent for it, and what it leaves undone.
//!
//! A turn works in room that the loop lends it. Only what a turn leaves undone is kept, in `Held`;
//! an idle connection keeps nothing.

use crate::{
    core::{Core, Scratch, Tick},
    counted::Counted,
    job::{Awaited, Suspended},
    record::{End, Record},
    sending::Fetch,
    share::Share,
    showing::Showing,
    upload::Upload,
};
use base::Moment;
use control::{lives::Waits, trail::Kept};
use message::{Output, Source};
use std::{mem, ops::Range};

/// What a turn left undone.
pub(crate) struct Held {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Output,
    pub(crate) pending: Pending,
}

/// What an exchange under way waits for.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) work: Work,
    pub(crate) fetch: Fetch,
    /// Bytes that the kernel held for the peer when that was last looked at.
    pub(crate) queued: u64,
    pub(crate) record: Option<Box<Record>>,
    /// The bytes that may be sent, where that is limited.
    pub(crate) share: Option<Share>,
    /// What shows the exchange under way to whoever watches over the loop.
    pub(crate) kept: Option<Kept>,
    /// What shows it to whoever looks at the server.
    pub(crate) shown: Option<Showing>,
    /// What counts the exchange as one that is under way.
    pub(crate) counted: Option<Counted>,
}

#[derive(Default)]
pub(crate) enum Work {
    #[default]
    Nothing,
    /// A job on the pool, or an application that is asked.
    Job(Box<Waiting>),
    /// Content that is taken before an application is asked.
    Upload(Box<Upload>),
    /// Content that comes into being while it is sent.
    Source(Box<dyn Source>),
}

/// An exchange that waits for what is done for it.
pub(crate) struct Waiting {
    pub(crate) done: Awaited,
    pub(crate) exchange: Suspended,
    /// Whether it is an application that is waited for, which may take as long as it likes.
    pub(crate) is_asked: bool,
}

/// One turn: the room lent for it, and what it works on.
pub(crate) struct Turn<'t> {
    pub(crate) core: &'t Core,
    pub(crate) scratch: &'t mut Scratch,
    /// Which bytes of the input are unread.
    pub(crate) unread: Range<usize>,
    pub(crate) pending: Pending,
    pub(crate) tick: Tick,
    /// When the bytes came that this turn is about, once that was asked.
    pub(crate) began_us: Option<u64>,
}

impl<'t> Turn<'t> {
    /// A turn with nothing left undone by the one before.
    #[inline]
    pub(crate) fn begin(core: &'t Core, scratch: &'t mut Scratch, tick: Tick) -> Self {
        Self { core, scratch, unread: 0..0, pending: Pending::default(), tick, began_us: None }
    }

    /// Lays out what the last turn left undone.
    pub(crate) fn take_up(&mut self, held: Held) {
        let Held { input, output, pending } = held;
        self.scratch.input[..input.len()].copy_from_slice(&input);
        self.unread = 0..input.len();
        if !output.is_empty() {
            self.scratch.output = output;
        }
        self.pending = pending;
    }

    /// Keeps what is left undone, if anything is.
    pub(crate) fn keep(&mut self) -> Option<Box<Held>> {
        let is_done = self.scratch.output.is_empty() && self.pending.is_nothing();
        if is_done && self.unread.is_empty() {
            return None;
        }
        self.pending.kept = match is_done {
            true => None,
            false => self.pending.kept.take().or_else(|| self.core.trail.keep()),
        };
        if is_done {
            self.pending.shown = None;
        }
        self.pending.counted = match is_done {
            true => None,
            false => {
                let label = self.pending.label();
                let counted = self.pending.counted.take().filter(|one| one.label == label);
                counted.or_else(|| Some(self.core.under_way(label)))
            }
        };
        let input = self.scratch.input[self.unread.clone()].to_vec();
        // The loop's buffer stays with it where nothing is in there.
        let output = match self.scratch.output.is_empty() {
            true => Output::default(),
            false => mem::take(&mut self.scratch.output),
        };
        Some(Box::new(Held { input, output, pending: mem::take(&mut self.pending) }))
    }

    /// Whether the exchange under way has more to come.
    pub(crate) fn is_working(&self) -> bool {
        match &self.pending.work {
            Work::Nothing => false,
            // The client is waited for.
            Work::Upload(upload) => upload.is_writing(),
            Work::Job(_) | Work::Source(_) => true,
        }
    }

    /// Whether something is waited for that may take long, though the client may not wait for it.
    pub(crate) fn is_asking(&self) -> bool {
        match &self.pending.work {
            Work::Job(waiting) => waiting.is_asked,
            Work::Source(_) => true,
            Work::Nothing | Work::Upload(_) => false,
        }
    }

    /// Whether an answer has to be sent before the next request is looked at: its line is not
    /// written yet, or the next one may be sent faster.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_working() || self.pending.record.is_some() || self.pending.share.is_some()
    }

    /// Counts what has been sent of the answer under way.
    pub(crate) fn count_sent(&mut self) {
        let unsent = &self.scratch.output;
        if let Some(record) = &mut self.pending.record {
            self.core.count_sent(record, |bytes| bytes.saturating_sub(unsent.len()));
        }
    }

    /// Puts down the answer that has now been written.
    pub(crate) fn complete_record(&mut self) {
        self.pending.share = None;
        if let Some(record) = self.pending.record.take() {
            self.put_down(&record, record.bytes, record.note);
        }
    }

    /// The answer under way ends before its time.
    pub(crate) fn break_off(&mut self, reason: &'static str) {
        if let Some(record) = &mut self.pending.record {
            (record.note, record.is_cut) = (Some(reason), true);
        }
    }

    /// Puts down an answer that will never be written whole.
    pub(crate) fn abandon(&mut self) {
        if let Some(record) = self.pending.record.take() {
            let sent = record.bytes.saturating_sub(self.scratch.output.len());
            let reason = record.note.filter(|_| record.is_cut).unwrap_or("cut off");
            self.put_down(&record, sent, Some(reason));
        }
    }

    pub(crate) fn put_down(&self, record: &Record, bytes: u64, reason: Option<&'static str>) {
        let us = self.elapsed_us(record.began_us);
        let end = End { status: record.status, bytes, us, reason };
        self.core.record_begun(record, &end);
    }

    /// When the bytes came that this turn is about; zero where nobody will ask.
    #[inline]
    pub(crate) fn began_us(&mut self) -> u64 {
        *self.began_us.get_or_insert_with(|| self.core.turn_us())
    }

    pub(crate) fn elapsed_us(&self, began_us: u64) -> u64 {
        self.core.clock_us().saturating_sub(began_us)
    }
}

impl Work {
    /// What is done for the exchange goes on, though its connection gets on with nothing.
    pub(crate) fn let_go(&mut self) {
        if let Self::Job(waiting) = self {
            waiting.done.let_go();
        }
    }

    /// What that is that the exchange waits for.
    pub(crate) fn waits(&self) -> Waits {
        match self {
            Self::Nothing => Waits::Nothing,
            Self::Job(waiting) if waiting.is_asked => Waits::Application,
            Self::Job(_) => Waits::Disk,
            Self::Upload(upload) if upload.is_writing() => Waits::Disk,
            Self::Upload(_) => Waits::Client,
            Self::Source(_) => Waits::Application,
        }
    }

    /// What the exchange is counted by that waits for this.
    pub(crate) fn label(&self) -> Option<usize> {
        self.suspended().map(|exchange| exchange.label)
    }

    /// The exchange that waits for this, where its answer has not begun.
    pub(crate) fn suspended(&self) -> Option<&Suspended> {
        match self {
            Self::Job(waiting) => Some(&waiting.exchange),
            Self::Upload(upload) => Some(&upload.exchange),
            Self::Nothing | Self::Source(_) => None,
        }
    }
}

/// What an answer is counted by that is being sent, where it is not put down yet.
pub(crate) fn label_of(record: Option<&Record>) -> Option<usize> {
    record.map(|record| record.account.label)
}

impl Pending {
    /// What the exchange under way is counted by.
    fn label(&self) -> Option<usize> {
        self.work.label().or_else(|| label_of(self.record.as_deref()))
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.work, Work::Nothing) && !self.fetch.is_under_way() && self.record.is_none()
    }

    /// When the client may be sent more, if that is what is waited for; else `NEVER`.
    pub(crate) fn usable_at(&self, now: Moment) -> Moment {
        let usable_at = self.share.as_ref().map_or(Moment::NEVER, Share::usable_at);
        if usable_at > now { usable_at } else { Moment::NEVER }
    }

    pub(crate) fn count_content(&mut self, bytes: u64) {
        if let Some(record) = &mut self.record {
            record.bytes += bytes;
        }
    }
}
