//! All writers of a process, and the ways to them that a loop has.

use super::{
    files::LogFiles,
    incident::{Incident, Kind, Tally},
    writer::{Batch, Complaints, Message, Way, Writer},
};
use crate::record::Clock;
use config::plan::{Logs, Target};
use control::Rows;
use std::{
    io, panic,
    sync::{Arc, Mutex, PoisonError, mpsc::TrySendError},
    thread,
    time::Duration,
};

/// How long a stopping server waits for the writers to take the last lines.
const LAST_LINES_TIME: Duration = Duration::from_secs(1);

/// How often room for the last line is looked for within that time.
const LAST_LINE_PAUSE: Duration = Duration::from_millis(10);

/// Where the lines for one target go.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Which writer.
    pub(crate) writer: usize,
    /// What of that which it has open.
    pub(crate) within: usize,
}

/// Every writer that somebody has lines for.
pub(crate) struct Writers {
    /// The one of standard error first, since the one of the files complains to it.
    writers: Vec<(Writer, bool)>,
    places: Arc<[Option<Place>]>,
    /// The one of standard output.
    output: Option<usize>,
}

/// The ways of one loop to the writers.
#[derive(Clone)]
pub(crate) struct Ways {
    /// Each with whether it is the one of the files.
    ways: Vec<(Way, bool)>,
    places: Arc<[Option<Place>]>,
}

impl Writers {
    /// Opens what the logs need, for so many loops. Each writer counts in a row of its own.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub(crate) fn open(
        logs: &Logs,
        loops: usize,
        files: &Arc<LogFiles>,
        rows: Rows,
    ) -> io::Result<Self> {
        let mut this = Self { writers: Vec::new(), places: Arc::default(), output: None };
        let mut places = vec![None; logs.targets.len()];
        let is_file = |target: &Target| matches!(target, Target::File(_));
        let kinds: [&dyn Fn(&Target) -> bool; 3] =
            [&|target| *target == Target::Errors, &|target| *target == Target::Output, &is_file];
        for is_of_kind in kinds {
            let mut targets = Vec::new();
            for (at, target) in logs.targets.iter().enumerate() {
                if is_of_kind(target) && logs.uses(at) {
                    let (writer, within) = (this.writers.len(), targets.len());
                    places[at] = Some(Place { writer, within });
                    targets.push((at, target));
                }
            }
            let Some((_, first)) = targets.first() else { continue };
            if **first == Target::Output {
                this.output = Some(this.writers.len());
            }
            let complaints = this.complaints(logs, &places);
            let row = rows.row(this.writers.len());
            let writer = Writer::open(&targets, (loops, files), row, complaints)?;
            this.writers.push((writer, is_file(first)));
        }
        this.places = places.into();
        Ok(this)
    }

    /// Where a writer that is about to be opened can complain.
    fn complaints(&self, logs: &Logs, places: &[Option<Place>]) -> Complaints {
        let Some(errors) = &logs.errors else { return Complaints::Nowhere };
        let is_pretty = errors.is_pretty;
        match places.get(errors.target).copied().flatten() {
            Some(Place { writer, within }) => match self.writers.get(writer) {
                Some((writer, _)) => Complaints::There { way: writer.way().clone(), is_pretty },
                None => Complaints::Here { place: within, is_pretty },
            },
            None => Complaints::Nowhere,
        }
    }

    pub(crate) fn ways(&self) -> Ways {
        let ways = self.writers.iter().map(|(writer, is_files)| (writer.way().clone(), *is_files));
        Ways { ways: ways.collect(), places: Arc::clone(&self.places) }
    }

    /// Says something of the program's own on standard output: in its place among the log lines
    /// where those go there too.
    pub(crate) fn note(&self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match self.output.and_then(|at| self.writers.get(at)) {
            Some((writer, _)) => {
                let _ = writer.way().send(Message::Lines(Batch::line(0, line.to_vec())));
            }
            None => net::stream::say(line),
        }
    }

    /// Waits for the writers to take all, for a second at most, and says the last line: once the
    /// files have what they can take, so that it counts what they could not.
    pub(crate) fn finish(mut self, last_line: impl FnOnce() -> Vec<u8>) {
        if let Some((files, _)) = self.writers.pop_if(|(_, is_files)| *is_files) {
            files.finish(LAST_LINES_TIME);
        }
        let last_line = last_line();
        let mut time = LAST_LINES_TIME;
        match self.output.and_then(|at| self.writers.get(at)) {
            _ if last_line.is_empty() => {}
            Some((writer, _)) => {
                let mut message = Message::Lines(Batch::line(0, last_line));
                // Nobody may have read for a long time; whoever does so now finds how it ended.
                while let Err(TrySendError::Full(again)) = writer.way().send(message) {
                    if time.is_zero() {
                        break;
                    }
                    message = again;
                    thread::park_timeout(LAST_LINE_PAUSE);
                    time = time.saturating_sub(LAST_LINE_PAUSE);
                }
            }
            None => net::stream::say(&last_line),
        }
        for (writer, _) in self.writers.into_iter().rev() {
            writer.finish(time);
        }
    }

    /// Has every panic of this process put down in the error log, wherever it is caught, instead of
    /// as text of several lines on standard error.
    pub(crate) fn report_panics(&self, logs: &Logs) {
        let Some(errors) = &logs.errors else { return };
        let Some(place) = self.places.get(errors.target).copied().flatten() else { return };
        let Some((writer, _)) = self.writers.get(place.writer) else { return };
        let way = writer.way().downgrade();
        let tally = Mutex::new(Tally::default());
        let is_pretty = errors.is_pretty;
        panic::set_hook(Box::new(move |panic| {
            let Some(way) = way.upgrade() else { return };
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            // What is withheld is among the panics that are counted.
            if !tally.admits(net::clock::now()) {
                return;
            }
            let words = panic.payload_as_str().unwrap_or("a panic without words");
            let reason = match panic.location() {
                Some(location) => format!("{words}, at {location}"),
                None => words.to_owned(),
            };
            let mut line = Vec::new();
            let incident = Incident::new(Kind::Panicked, &reason);
            incident.write(&mut line, is_pretty, &mut Clock::default(), net::clock::wall());
            let _ = way.send(Message::Lines(Batch::line(place.within, line)));
        }));
    }
}

impl Ways {
    /// For each writer, whether it is the one of the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = bool> {
        self.ways.iter().map(|(_, is_files)| *is_files)
    }

    /// Where lines for the target number `target` go.
    pub(crate) fn place(&self, target: usize) -> Option<Place> {
        self.places.get(target).copied().flatten()
    }

    /// Hands `message` over to a writer if it has room for it.
    pub(crate) fn send(
        &self,
        writer: usize,
        message: Message,
    ) -> Result<(), TrySendError<Message>> {
        match self.ways.get(writer) {
            Some((way, _)) => way.send(message),
            None => Err(TrySendError::Disconnected(message)),
        }
    }
}
