//! The access log: lines gathered by each loop, written by one thread, never waited for.

use crate::record::{self, Subject};
use base::Moment;
use config::plan::{Log as Settings, LogFormat};
use control::{Counter, Row};
use std::{
    io::{self, ErrorKind, Write},
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

/// Batches that may wait for the writer; while they do, further lines are dropped and counted.
const BATCHES_MAX: usize = 64;

/// How long lines for a person or a pipe are gathered.
const PROMPT_TIME: Duration = Duration::from_millis(100);

/// How long a stopping server waits for the writer to take the last lines.
const LAST_LINES_TIME: Duration = Duration::from_secs(1);

/// How often room for the last line is looked for within that time.
const LAST_LINE_PAUSE: Duration = Duration::from_millis(10);

/// One loop's end of the log.
pub(crate) struct Log {
    format: LogFormat,
    lines: Vec<u8>,
    count: u64,
    /// When the oldest line in `lines` was added.
    since: Moment,
    bytes_max: usize,
    time_max: Duration,
    writer: Option<Handle>,
    clock: record::Clock,
}

/// A loop's way to the writer.
pub(crate) type Handle = SyncSender<Vec<u8>>;

/// The thread that writes; dropping all loops' ends ends it.
pub(crate) struct Writer {
    sender: Handle,
    done: Receiver<()>,
    is_stdout: bool,
}

impl Writer {
    /// Opens the log and starts its thread; nothing for a log that is off. The thread counts in
    /// `row` what it cannot write.
    ///
    /// # Errors
    /// The log file cannot be opened or the thread not be started.
    pub(crate) fn start(settings: &Settings, row: Arc<Row>) -> io::Result<Option<Self>> {
        if settings.format == LogFormat::Off {
            return Ok(None);
        }
        let mut target = match &settings.file {
            Some(path) => net::stream::append_to(path)?,
            None => net::stream::standard_output()?,
        };
        let (sender, batches) = sync_channel::<Vec<u8>>(BATCHES_MAX);
        let (ended, done) = sync_channel(1);
        thread::Builder::new().name("gannet-log".to_owned()).spawn(move || {
            let mut is_torn = false;
            for batch in batches {
                row.add(Counter::LinesDropped, write(&mut target, &batch, &mut is_torn));
            }
            let _ = ended.send(());
        })?;
        Ok(Some(Self { sender, done, is_stdout: settings.file.is_none() }))
    }

    /// Says something of the program's own on standard output: in its place among the log lines
    /// where those go there too.
    pub(crate) fn note(&self, line: &[u8]) {
        if self.is_stdout {
            let _ = self.sender.try_send(line.to_vec());
        } else {
            net::stream::say(line);
        }
    }

    /// A way to the writer, for a loop.
    pub(crate) fn handle(&self) -> Handle {
        self.sender.clone()
    }

    /// Says the last line and waits for the log to take all, for a second at most.
    pub(crate) fn finish(self, last_line: &[u8]) {
        let Self { sender, done, is_stdout } = self;
        let mut tries = LAST_LINES_TIME.as_millis() / LAST_LINE_PAUSE.as_millis();
        if is_stdout {
            let mut line = last_line.to_vec();
            // Nobody may have read for a long time; whoever does so now finds how it ended.
            while let Err(TrySendError::Full(again)) = sender.try_send(line) {
                if tries == 0 {
                    return;
                }
                tries -= 1;
                line = again;
                let _ = done.recv_timeout(LAST_LINE_PAUSE);
            }
        } else {
            net::stream::say(last_line);
        }
        drop(sender);
        let _ = done.recv_timeout(LAST_LINE_PAUSE * u32::try_from(tries).unwrap_or(0));
    }
}

/// Writes a batch, and returns how many of its lines are lost: a log that cannot be written (disk
/// full, pipe closed) must not end serving. `is_torn` says that the last line has no end yet; it
/// gets one, so that the next that can be written stands by itself.
fn write(target: &mut impl Write, batch: &[u8], is_torn: &mut bool) -> u64 {
    let mut lost = batch;
    if *is_torn && target.write_all(b"\n").is_ok() {
        *is_torn = false;
    }
    while !*is_torn && !lost.is_empty() {
        match target.write(lost) {
            Ok(0) => break,
            Ok(count) => lost = &lost[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let written = &batch[..batch.len() - lost.len()];
    *is_torn |= written.last().is_some_and(|&byte| byte != b'\n');
    lost.iter().filter(|&&byte| byte == b'\n').count() as u64
}

impl Log {
    pub(crate) fn new(settings: &Settings, writer: Option<Handle>) -> Self {
        let is_file = settings.file.is_some();
        Self {
            format: settings.format,
            lines: Vec::new(),
            count: 0,
            since: Moment::NEVER,
            bytes_max: settings.buffer_bytes,
            time_max: if is_file { settings.flush_time } else { PROMPT_TIME },
            writer,
            clock: record::Clock::default(),
        }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.writer.is_none()
    }

    /// Adds the line of an exchange; returns how many lines had to be dropped.
    pub(crate) fn record(
        &mut self,
        client: Option<IpAddr>,
        subject: Subject<'_>,
        end: &record::End,
        now: Moment,
    ) -> u64 {
        if self.is_off() {
            return 0;
        }
        let wall = net::clock::wall();
        record::begin(&mut self.lines, self.format, &mut self.clock, wall, client, subject);
        record::end(&mut self.lines, self.format, end);
        self.added(now)
    }

    /// The first part of a line whose end is not known yet.
    pub(crate) fn begin(&mut self, client: Option<IpAddr>, subject: Subject<'_>) -> Vec<u8> {
        let mut line = Vec::new();
        if !self.is_off() {
            let wall = net::clock::wall();
            record::begin(&mut line, self.format, &mut self.clock, wall, client, subject);
        }
        line
    }

    /// Adds a line that was begun before; returns how many lines had to be dropped.
    pub(crate) fn complete(&mut self, line: &[u8], end: &record::End, now: Moment) -> u64 {
        if self.is_off() {
            return 0;
        }
        self.lines.extend_from_slice(line);
        record::end(&mut self.lines, self.format, end);
        self.added(now)
    }

    fn added(&mut self, now: Moment) -> u64 {
        if self.count == 0 {
            self.since = now;
        }
        self.count += 1;
        if self.lines.len() >= self.bytes_max { self.hand_over() } else { 0 }
    }

    /// Whether lines are waiting.
    pub(crate) fn is_waiting(&self) -> bool {
        self.count > 0
    }

    /// Hands the lines over if they have waited long enough; returns how many had to be dropped.
    pub(crate) fn sweep(&mut self, now: Moment) -> u64 {
        if self.count > 0 && now.since(self.since) >= self.time_max { self.hand_over() } else { 0 }
    }

    /// Hands all lines over to the writer; returns how many it could not take.
    pub(crate) fn hand_over(&mut self) -> u64 {
        let Some(writer) = &self.writer else { return 0 };
        let room = self.lines.len();
        let batch = std::mem::replace(&mut self.lines, Vec::with_capacity(room));
        let count = std::mem::take(&mut self.count);
        match writer.try_send(batch) {
            Ok(()) => 0,
            Err(TrySendError::Full(mut batch) | TrySendError::Disconnected(mut batch)) => {
                batch.clear();
                self.lines = batch;
                count
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.content.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_and_tears_only_one_line() {
        let mut disk = Disk { content: Vec::new(), room: 9 };
        let mut is_torn = false;
        let mut check = |room, batch: &str, lost, content: &str| {
            disk.room += room;
            assert_eq!(write(&mut disk, batch.as_bytes(), &mut is_torn), lost, "{batch}");
            assert_eq!(String::from_utf8_lossy(&disk.content), content);
        };
        check(0, "one\ntwo\nthree\nfour\n", 2, "one\ntwo\nt");
        check(0, "five\n", 1, "one\ntwo\nt");
        check(1, "six\nseven\n", 2, "one\ntwo\nt\n");
        check(4, "eight\n", 1, "one\ntwo\nt\neigh");
        check(99, "nine\n", 0, "one\ntwo\nt\neigh\nnine\n");
    }
}
