//! The threads that write the logs: one for standard output, one for standard error, one for all
//! files. Nobody waits for them.
//!
//! ```text
//!   loop ─┬─ lines ──► bounded queue ──► thread ──► files, each opened once
//!   loop ─┘  "passed"                       └ reopens them when every loop has passed
//! ```
//!
//! To reopen the files, each loop hands over what it has gathered and then says that it has passed.
//! When all have, everything that was gathered before is in the old files.

use super::{
    files::LogFiles,
    incident::{Incident, Kind},
};
use crate::record::Clock;
use config::plan::Target;
use control::{Counter, Row};
use net::stream::Sink;
use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

/// Batches that may wait for a writer; while they do, further lines are dropped and counted.
const BATCHES_MAX: usize = 64;

/// Lines on their way to a writer.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// Whose lines they are, by their place among what the writer has open, and where they end.
    pub(crate) runs: Vec<(usize, usize)>,
}

/// What is said to a writer.
pub(crate) enum Message {
    Lines(Batch),
    /// Loop number `number` has handed over all that it gathered before reopening number `epoch`.
    Passed {
        number: usize,
        epoch: u64,
    },
}

/// A way to a writer. Its thread starts with the first message: a process with nothing to say has
/// no thread for it.
#[derive(Clone)]
pub(crate) struct Way(Arc<Inner>);

/// The same without keeping the writer alive.
pub(crate) struct WeakWay(Weak<Inner>);

struct Inner {
    sender: SyncSender<Message>,
    inbox: Mutex<Option<Inbox>>,
    start: OnceLock<()>,
}

/// A writer as its owner has it.
pub(crate) struct Writer {
    way: Way,
    done: Receiver<()>,
}

/// Where a writer says that a file cannot be opened anew.
pub(crate) enum Complaints {
    Nowhere,
    /// In a file of its own, by its place.
    Here {
        place: usize,
        is_pretty: bool,
    },
    /// With another writer.
    There {
        way: Way,
        is_pretty: bool,
    },
}

/// What the thread of a writer works on.
struct Inbox {
    messages: Receiver<Message>,
    open: Vec<Open>,
    files: Arc<LogFiles>,
    row: Row,
    /// The last reopening that each loop has passed, and the last that was done.
    passed: Vec<u64>,
    reopened: u64,
    complaints: Complaints,
    /// Dropped with the thread, which tells the owner that it has ended.
    _ended: SyncSender<()>,
}

/// Something that lines are written to.
struct Open {
    target: Sink,
    /// What it is among the targets of the plan, and where; `None` for what nobody can move away.
    file: Option<(usize, PathBuf)>,
}

impl Batch {
    /// A batch of one line.
    pub(crate) fn line(place: usize, line: Vec<u8>) -> Self {
        Self { runs: vec![(place, line.len())], bytes: line }
    }

    /// The lines of each place, put together in their order.
    fn by_place(&self) -> Vec<(usize, Vec<u8>)> {
        let starts = [0].into_iter().chain(self.runs.iter().map(|(_, end)| *end));
        let runs = self.runs.iter().zip(starts);
        let mut runs: Vec<_> =
            runs.map(|(&(place, end), start)| (place, &self.bytes[start..end])).collect();
        // Stable, so that the lines of each place stay in their order.
        runs.sort_by_key(|(place, _)| *place);
        let places = runs.chunk_by(|(one, _), (other, _)| one == other);
        let joined = places.filter_map(|runs| {
            let lines: Vec<_> = runs.iter().map(|(_, lines)| *lines).collect();
            Some((runs.first()?.0, lines.concat()))
        });
        joined.collect()
    }

    /// Takes note that everything since the last run belongs to what stands at `place`.
    pub(crate) fn close_run(&mut self, place: usize) {
        let end = self.bytes.len();
        match self.runs.last_mut() {
            Some((last, last_end)) if *last == place => *last_end = end,
            _ => self.runs.push((place, end)),
        }
    }
}

impl Way {
    /// Hands `message` over if there is room for it.
    pub(crate) fn send(&self, message: Message) -> Result<(), TrySendError<Message>> {
        let Inner { sender, inbox, start } = &*self.0;
        start.get_or_init(|| {
            let inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Where no thread can be had, the inbox is dropped, and sending says so.
            if let Some(inbox) = inbox {
                let _ = thread::Builder::new()
                    .name("gannet-log".to_owned())
                    .spawn(move || inbox.serve());
            }
        });
        sender.try_send(message)
    }

    pub(crate) fn downgrade(&self) -> WeakWay {
        WeakWay(Arc::downgrade(&self.0))
    }
}

impl WeakWay {
    /// The way, as long as the writer is there.
    pub(crate) fn upgrade(&self) -> Option<Way> {
        self.0.upgrade().map(Way)
    }
}

impl Writer {
    /// Opens `targets`. The thread counts in `row` what it cannot write.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(crate) fn open(
        targets: &[(usize, &Target)],
        (loops, files): (usize, &Arc<LogFiles>),
        row: Row,
        complaints: Complaints,
    ) -> io::Result<Self> {
        let open = |&(at, target): &(usize, &Target)| Open::new(at, target, files);
        let open = targets.iter().map(open).collect::<Result<_, _>>()?;
        let files = Arc::clone(files);
        let (sender, messages) = sync_channel(BATCHES_MAX);
        let (ended, done) = sync_channel(1);
        let passed = vec![0; loops];
        let reopened = 0;
        let inbox =
            Inbox { messages, open, files, row, passed, reopened, complaints, _ended: ended };
        let (inbox, start) = (Mutex::new(Some(inbox)), OnceLock::new());
        Ok(Self { way: Way(Arc::new(Inner { sender, inbox, start })), done })
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// Waits, for so long at most, until all is written; everybody else's ways must be gone.
    pub(crate) fn finish(self, time: Duration) {
        drop(self.way);
        let _ = self.done.recv_timeout(time);
    }
}

impl Inbox {
    fn serve(mut self) {
        while let Ok(message) = self.messages.recv() {
            match message {
                Message::Lines(batch) => {
                    let lost = self.write(&batch);
                    self.row.add(Counter::LinesDropped, lost);
                }
                Message::Passed { number, epoch } => {
                    if let Some(passed) = self.passed.get_mut(number) {
                        *passed = epoch;
                    }
                    let all = self.passed.iter().copied().min().unwrap_or(0);
                    if all > self.reopened {
                        self.reopened = all;
                        self.reopen();
                    }
                }
            }
        }
    }

    /// Writes a batch, all lines of a file in one call, and returns how many are lost.
    fn write(&mut self, batch: &Batch) -> u64 {
        if let [(place, end)] = batch.runs[..] {
            return self.open.get_mut(place).map_or(0, |open| open.write(&batch.bytes[..end]));
        }
        let files = batch.by_place().into_iter();
        let written = files
            .map(|(place, lines)| self.open.get_mut(place).map_or(0, |open| open.write(&lines)));
        written.sum()
    }

    /// Opens each file anew by its name. One that cannot be is kept as it is.
    fn reopen(&mut self) {
        for at in 0..self.open.len() {
            let Some((target, path)) = self.open[at].file.clone() else { continue };
            match self.files.open(target, &path) {
                Ok(Some(file)) => self.open[at].target = file,
                Ok(None) => {}
                Err(error) => self.complain(&path, &error),
            }
        }
    }

    fn complain(&mut self, path: &Path, error: &io::Error) {
        let reason = format!("{} cannot be opened anew: {error}", path.display());
        let incident = Incident::new(Kind::LogKept, &reason);
        let line = |is_pretty| {
            let mut line = Vec::new();
            incident.write(&mut line, is_pretty, &mut Clock::default(), net::clock::wall());
            line
        };
        let lost = match &self.complaints {
            Complaints::Nowhere => 0,
            Complaints::Here { place, is_pretty } => {
                let line = line(*is_pretty);
                self.open.get_mut(*place).map_or(0, |open| open.write(&line))
            }
            Complaints::There { way, is_pretty } => {
                let batch = Batch::line(0, line(*is_pretty));
                u64::from(way.send(Message::Lines(batch)).is_err())
            }
        };
        self.row.add(Counter::LinesDropped, lost);
    }
}

impl Open {
    fn new(at: usize, target: &Target, files: &LogFiles) -> io::Result<Self> {
        let (target, file) = match target {
            Target::Output => (net::stream::standard_output()?, None),
            Target::Errors => (net::stream::standard_error()?, None),
            Target::File(path) => {
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                };
                let file = files.open(at, path).map_err(named)?;
                let absent = || named(ErrorKind::NotFound.into());
                (file.ok_or_else(absent)?, Some((at, path.clone())))
            }
        };
        Ok(Self { target, file })
    }

    /// Writes lines, and returns how many of them are lost: a log that cannot be written (disk
    /// full, pipe closed) must not end serving.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let lost = self.target.append(lines);
        lost.iter().filter(|&&byte| byte == b'\n').count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_place_are_put_together_in_their_order() {
        let mut batch = Batch::default();
        for (place, line) in [(1, "a\n"), (0, "b\n"), (0, "c\n"), (1, "d\n"), (2, "e\n")] {
            batch.bytes.extend_from_slice(line.as_bytes());
            batch.close_run(place);
        }
        assert_eq!(batch.runs, [(1, 2), (0, 6), (1, 8), (2, 10)]);
        let expect = [(0, "b\nc\n"), (1, "a\nd\n"), (2, "e\n")];
        let expect = expect.map(|(place, lines)| (place, lines.as_bytes().to_vec()));
        assert_eq!(batch.by_place(), expect);
    }
}
