//! The logs: which lines are written, how they look, and where they go.

use super::LineTemplate;
use std::{num::NonZero, path::PathBuf, time::Duration};

/// Every log of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Where lines go; each is opened once, however many logs write to it.
    pub targets: Vec<Target>,
    /// The access logs, no two of them alike. The first is the server's own: it has the lines of
    /// what reaches no site.
    pub access: Vec<Log>,
    /// The error log; `None` where there is none.
    pub errors: Option<ErrorLog>,
    /// Bytes of lines for files that an event loop gathers before it writes them.
    pub buffer_bytes: usize,
    /// Time after which gathered lines are written even if they are few.
    pub flush_time: Duration,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
    /// The end of a file; absolute.
    File(PathBuf),
}

/// An access log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Where it goes: a place in [`Logs::targets`].
    pub target: usize,
    /// Of so many lines one is written.
    pub sample: NonZero<u32>,
    /// The answers that have lines.
    pub only: Statuses,
}

/// How a line of an access log looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// For eyes.
    Pretty,
    /// One JSON object.
    Json,
    /// A text with blanks, as the Common Log Format is one.
    Template(LineTemplate),
    /// There is none.
    Off,
}

/// A set of status codes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Statuses {
    /// First and last of each stretch; all codes where there is none.
    pub ranges: Vec<(u16, u16)>,
}

/// What is written of what goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorLog {
    /// Whether lines are for eyes; else they are JSON.
    pub is_pretty: bool,
    /// Where they go: a place in [`Logs::targets`].
    pub target: usize,
    /// Whether refused requests have lines; not where the access log says the same to the same
    /// eyes.
    pub has_refusals: bool,
}

impl LogFormat {
    /// How lines look where nobody has said it: for eyes only where a person watches.
    pub(crate) fn usual(is_terminal: bool) -> Self {
        if is_terminal { Self::Pretty } else { Self::Json }
    }
}

impl Logs {
    /// One log of this format on standard output, and the errors on standard error.
    pub(crate) fn of(format: LogFormat, errors_are_pretty: bool) -> Self {
        let has_refusals = !(errors_are_pretty && format == LogFormat::Pretty);
        let errors = ErrorLog { is_pretty: errors_are_pretty, target: 1, has_refusals };
        let log = Log { format, target: 0, sample: NonZero::<u32>::MIN, only: Statuses::default() };
        Self {
            targets: vec![Target::Output, Target::Errors],
            access: vec![log],
            errors: Some(errors),
            buffer_bytes: 64 * 1024,
            flush_time: Duration::from_secs(1),
        }
    }

    /// Whether any lines go to the target at that place.
    #[must_use]
    pub fn uses(&self, target: usize) -> bool {
        let mut access = self.access.iter();
        self.errors.as_ref().is_some_and(|errors| errors.target == target)
            || access.any(|log| log.target == target && log.format != LogFormat::Off)
    }

    /// The place of `target`, which is added if it is not there yet.
    pub(crate) fn target(&mut self, target: Target) -> usize {
        self.targets.iter().position(|known| *known == target).unwrap_or_else(|| {
            self.targets.push(target);
            self.targets.len() - 1
        })
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self::of(LogFormat::Json, false)
    }
}

impl Statuses {
    /// Whether the code `status` is among them.
    #[must_use]
    pub fn has(&self, status: u16) -> bool {
        let Self { ranges } = self;
        ranges.is_empty() || ranges.iter().any(|&(first, last)| (first..=last).contains(&status))
    }
}
