//! The logs as one loop has them: lines gathered, handed over in batches, never waited for.

pub(crate) mod writer;
pub(crate) mod incident;
mod files;
mod writers;

pub use files::LogFiles;
pub(crate) use incident::{Incident, Kind};
pub(crate) use writers::{Ways, Writers};

use crate::{
    due::Due,
    record::{self, About, Begun, Clock, End},
    tick::Tick,
};
use base::Moment;
use config::plan::{Log as Settings, LogFormat, Logs};
use incident::Tally;
use net::clock::Wall;
use std::{mem, rc::Rc, sync::mpsc::TrySendError, time::Duration};
use writer::{Batch, Message};
use writers::Place;

/// How long lines for a person or a pipe are gathered.
const PROMPT_TIME: Duration = Duration::from_millis(100);

/// One loop's end of the logs.
pub(crate) struct Log {
    logs: &'static Logs,
    /// The number of this loop.
    number: usize,
    ways: Ways,
    /// What is gathered for each writer.
    lanes: Vec<Lane>,
    /// Answers of each access log since the last that was written of a sample.
    skipped: Vec<u32>,
    tallies: [Tally; Kind::ALL.len()],
    /// The reopening of the files that this loop has to pass, and the last that it has passed.
    epoch: u64,
    passed: u64,
    clock: Clock,
    is_off: bool,
    due: Rc<Due>,
}

/// Lines for one writer.
struct Lane {
    batch: Batch,
    count: u64,
    /// When the oldest line of the batch was added.
    since: Moment,
    time_max: Duration,
}

impl Log {
    /// The end of loop number `number`, which looks at it by `due`.
    pub(crate) fn new(logs: &'static Logs, ways: Ways, number: usize, due: &Rc<Due>) -> Self {
        let lane = |is_files| Lane {
            batch: Batch::default(),
            count: 0,
            since: Moment::NEVER,
            time_max: if is_files { logs.flush_time } else { PROMPT_TIME },
        };
        Self {
            logs,
            number,
            lanes: ways.files().map(lane).collect(),
            ways,
            skipped: vec![0; logs.access.len()],
            tallies: Default::default(),
            epoch: 0,
            passed: 0,
            clock: Clock::default(),
            is_off: logs.access.iter().all(|log| log.format == LogFormat::Off),
            due: Rc::clone(due),
        }
    }

    /// Whether no exchange has a line anywhere.
    pub(crate) fn is_off(&self) -> bool {
        self.is_off
    }

    /// Adds the line of an exchange to the access log number `id`; returns how many lines had to be
    /// dropped.
    pub(crate) fn record(&mut self, id: usize, about: About<'_>, end: &End, tick: Tick) -> u64 {
        let Some((settings, place)) = self.wanted(id, end.status.0) else { return 0 };
        let Some(lane) = self.lanes.get_mut(place.writer) else { return 0 };
        let time = (&mut self.clock, tick.wall);
        record::write(&mut lane.batch.bytes, &settings.format, time, about, end);
        self.added(place, tick.now)
    }

    /// The first part of a line whose end is not known yet, if the answer has one.
    pub(crate) fn begin(
        &mut self,
        id: usize,
        about: About<'_>,
        (status, wall): (u16, Wall),
    ) -> Option<Begun> {
        let (settings, _) = self.wanted(id, status)?;
        Some(Begun::new(&settings.format, (&mut self.clock, wall), about))
    }

    /// Adds a line that was begun before; returns how many lines had to be dropped.
    pub(crate) fn complete(&mut self, id: usize, line: &Begun, end: &End, now: Moment) -> u64 {
        let Some(settings) = self.logs.access.get(id) else { return 0 };
        let Some(place) = self.ways.place(settings.target) else { return 0 };
        let Some(lane) = self.lanes.get_mut(place.writer) else { return 0 };
        line.finish(&mut lane.batch.bytes, &settings.format, end);
        self.added(place, now)
    }

    /// Adds a line to the error log, or counts it; returns how many lines had to be dropped.
    pub(crate) fn report(&mut self, incident: &Incident<'_>, now: Moment) -> u64 {
        let Some(errors) = &self.logs.errors else { return 0 };
        if incident.kind == Kind::Refused && !errors.has_refusals {
            return 0;
        }
        let tally = &mut self.tallies[incident.kind as usize];
        if !tally.admits(now) {
            self.due.by(tally.due());
            return 0;
        }
        let Some(place) = self.ways.place(errors.target) else { return 0 };
        let Some(lane) = self.lanes.get_mut(place.writer) else { return 0 };
        let wall = net::clock::wall();
        incident.write(&mut lane.batch.bytes, errors.is_pretty, &mut self.clock, wall);
        self.added(place, now)
    }

    /// Hands over what has waited long enough; returns how many lines had to be dropped.
    pub(crate) fn sweep(&mut self, now: Moment) -> u64 {
        let mut dropped = self.settle(now);
        for at in 0..self.lanes.len() {
            let Lane { count, since, time_max, .. } = self.lanes[at];
            if count > 0 && now.since(since) >= time_max {
                dropped += self.hand_over(at);
            } else if count > 0 {
                self.due.by(since.after(time_max));
            }
        }
        dropped + self.pass(now)
    }

    /// Hands over all lines, for there will be no more; returns how many the writers could not
    /// take.
    pub(crate) fn close(&mut self) -> u64 {
        let dropped = self.settle(Moment::NEVER);
        dropped + (0..self.lanes.len()).map(|at| self.hand_over(at)).sum::<u64>()
    }

    /// Has the files opened anew, for the time number `epoch`, once all that is gathered is in the
    /// old ones; returns how many lines had to be dropped.
    pub(crate) fn reopen(&mut self, epoch: u64, now: Moment) -> u64 {
        self.epoch = epoch;
        self.pass(now)
    }

    /// The access log number `id` and where its lines go, if an answer of that status has one.
    fn wanted(&mut self, id: usize, status: u16) -> Option<(&'static Settings, Place)> {
        let settings = self.logs.access.get(id)?;
        if matches!(settings.format, LogFormat::Off) || !settings.only.has(status) {
            return None;
        }
        let sample = settings.sample.get();
        if sample > 1 {
            let skipped = self.skipped.get_mut(id)?;
            *skipped = (*skipped + 1) % sample;
            if *skipped != 1 {
                return None;
            }
        }
        Some((settings, self.ways.place(settings.target)?))
    }

    /// Takes note of a line at the end of a lane.
    fn added(&mut self, place: Place, now: Moment) -> u64 {
        let lane = &mut self.lanes[place.writer];
        lane.batch.close_run(place.within);
        if lane.count == 0 {
            lane.since = now;
            self.due.by(now.after(lane.time_max));
        }
        lane.count += 1;
        let is_full = lane.batch.bytes.len() >= self.logs.buffer_bytes;
        if is_full { self.hand_over(place.writer) } else { 0 }
    }

    /// Hands over the lines for one writer.
    fn hand_over(&mut self, writer: usize) -> u64 {
        let lane = &mut self.lanes[writer];
        if lane.count == 0 {
            return 0;
        }
        let room = Vec::with_capacity(lane.batch.bytes.len());
        let batch = mem::replace(&mut lane.batch, Batch { bytes: room, runs: Vec::new() });
        let count = mem::take(&mut lane.count);
        match self.ways.send(writer, Message::Lines(batch)) {
            Ok(()) => 0,
            Err(_) => count,
        }
    }

    /// Says to the writer of the files that this loop has handed over what it gathered.
    fn pass(&mut self, now: Moment) -> u64 {
        let Some(files) = self.ways.files().position(|is_files| is_files) else {
            self.passed = self.epoch;
            return 0;
        };
        if self.passed == self.epoch {
            return 0;
        }
        let dropped = self.hand_over(files);
        let message = Message::Passed { number: self.number, epoch: self.epoch };
        match self.ways.send(files, message) {
            // It has too much to do: said again at the next sweep.
            Err(TrySendError::Full(_)) => self.due.by(now),
            Ok(()) | Err(TrySendError::Disconnected(_)) => self.passed = self.epoch,
        }
        dropped
    }

    /// Writes how many lines of the error log were withheld.
    fn settle(&mut self, now: Moment) -> u64 {
        let Some(errors) = &self.logs.errors else { return 0 };
        let Some(place) = self.ways.place(errors.target) else { return 0 };
        let mut dropped = 0;
        for &kind in Kind::ALL {
            let tally = &mut self.tallies[kind as usize];
            let Some(count) = tally.settle(now) else {
                self.due.by(tally.due());
                continue;
            };
            let Some(lane) = self.lanes.get_mut(place.writer) else { continue };
            let (out, wall) = (&mut lane.batch.bytes, net::clock::wall());
            let clock = &mut self.clock;
            incident::write_repeats(out, (kind, count), errors.is_pretty, clock, wall);
            dropped += self.added(place, now);
        }
        dropped
    }
}
