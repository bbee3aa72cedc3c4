//! The logs: which lines each site has, and where they go.

use super::own::Own;
use crate::{
    mistake::Mistake,
    plan::{Blank, ErrorLog, Log, LogFormat, Logs, Statuses, Target},
    source::{Sources, Span, Word, set},
    world::World,
    written::{self, ErrorFormat, ServerLog},
};
use foldhash::HashMap;
use std::{
    num::NonZero,
    path::{Path, PathBuf},
};

/// The logs as they are found, site by site.
pub(crate) struct Book<'w> {
    logs: Logs,
    server: Choice,
    /// The logs so far, each with its place.
    places: HashMap<Log, usize>,
    /// The files so far, by their one path, as each was named first.
    files: HashMap<PathBuf, PathBuf>,
    /// What was typed about gathering lines, which makes sense only if some log is on.
    gathering: Vec<(&'static str, Span)>,
    /// The files that are named, and where.
    pub(super) own: Vec<Own>,
    /// Whether exchanges have ids.
    pub(super) has_ids: bool,
    /// Whether exchanges are traced.
    has_traces: bool,
    sources: &'w Sources,
    world: &'w dyn World,
}

/// What was chosen for one log, by itself or by inheritance.
#[derive(Clone, Default)]
struct Choice {
    format: Option<Word<LogFormat>>,
    file: Option<PathBuf>,
    only: Statuses,
    sample: Option<NonZero<u32>>,
}

impl<'w> Book<'w> {
    /// Begins with the server's own log, and with the one of errors.
    pub(crate) fn new(
        words: ServerLog,
        errors: written::ErrorLog,
        (has_ids, has_traces): (bool, bool),
        (sources, world): (&'w Sources, &'w dyn World),
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let ServerLog { log, buffer, flush } = words;
        let mut gathering = Vec::new();
        gathering.extend(buffer.as_ref().map(|word| ("buffer", word.span)));
        gathering.extend(flush.as_ref().map(|word| ("flush", word.span)));
        let (targets, access) = (Vec::new(), Vec::new());
        let mut logs = Logs { targets, access, errors: None, ..Logs::default() };
        set(&mut logs.buffer_bytes, buffer);
        set(&mut logs.flush_time, flush);
        let (server, places, files) = (Choice::default(), HashMap::default(), HashMap::default());
        let own = Vec::new();
        let mut book = Self {
            logs,
            server,
            places,
            files,
            gathering,
            own,
            has_ids,
            has_traces,
            sources,
            world,
        };
        book.judge(&log, &log.over(&book.server, sources), mistakes);
        book.server = log.over(&book.server, sources);
        book.add(&book.server.clone());
        book.logs.errors = book.errors(errors, mistakes);
        book
    }

    /// The place of the log that `chain` comes to, which holds what was typed from the site to the
    /// route itself; all but the last were judged where they were typed.
    pub(crate) fn policy<'p>(
        &mut self,
        chain: impl Iterator<Item = &'p written::Log>,
        mistakes: &mut Vec<Mistake>,
    ) -> usize {
        let mut choice = self.server.clone();
        let mut own = None;
        for words in chain {
            choice = words.over(&choice, self.sources);
            own = Some(words);
        }
        if let Some(own) = own {
            self.judge(own, &choice, mistakes);
        }
        self.add(&choice)
    }

    /// All logs.
    pub(crate) fn close(self, mistakes: &mut Vec<Mistake>) -> Logs {
        let is_off = |log: &Log| log.format == LogFormat::Off;
        if self.logs.access.iter().all(is_off) {
            for (name, span) in self.gathering {
                mistakes.push(no_effect(name, span, self.server.format.as_ref()));
            }
        }
        self.logs
    }

    /// Says what is wrong with `words`, which made `choice` what it is.
    fn judge(&mut self, words: &written::Log, choice: &Choice, mistakes: &mut Vec<Mistake>) {
        let written::Log { format, file, only, sample } = words;
        if let Some(Word { value: LogFormat::Template(template), span }) = format {
            if template.has(Blank::RequestId) && !self.has_ids {
                mistakes.push(no_ids(*span));
            }
            if template.has(Blank::TraceId) && !self.has_traces {
                let cause = "`{trace-id}` stands for nothing: no exchange is traced";
                let mistake = Mistake::new(*span, cause, "never filled in");
                mistakes.push(mistake.help("add `trace = \"1/1\"` to [server]"));
            }
        }
        let typed = [
            ("file", file.as_ref().map(|word| word.span)),
            ("only", only.as_ref().map(|word| word.span)),
            ("sample", sample.as_ref().map(|word| word.span)),
        ];
        if choice.format.as_ref().is_some_and(|word| word.value == LogFormat::Off) {
            for (name, span) in typed {
                let Some(span) = span else { continue };
                mistakes.push(no_effect(name, span, choice.format.as_ref()));
            }
        }
        if let Some(file) = file {
            self.own.push((self.sources.path(file), file.span));
            check_file(file, (self.sources, self.world), mistakes);
        }
    }

    fn add(&mut self, choice: &Choice) -> usize {
        let target = choice.file.as_deref().map_or(Target::Output, |file| self.file(file));
        let target = self.logs.target(target);
        let format = choice.format.as_ref().map(|word| word.value.clone());
        let is_watched = choice.file.is_none() && self.world.is_terminal();
        let log = Log {
            format: format.unwrap_or_else(|| LogFormat::usual(is_watched)),
            target,
            sample: choice.sample.unwrap_or(NonZero::<u32>::MIN),
            only: choice.only.clone(),
        };
        let next = self.places.len();
        let place = *self.places.entry(log.clone()).or_insert(next);
        if place == next {
            self.logs.access.push(log);
        }
        place
    }

    /// The target for lines to `file`: the same for each way of writing its path.
    fn file(&mut self, file: &Path) -> Target {
        let folder = self.world.real(file.parent().unwrap_or(file));
        let one = folder.join(file.file_name().unwrap_or_default());
        Target::File(self.files.entry(one).or_insert_with(|| file.to_owned()).clone())
    }

    fn errors(
        &mut self,
        words: written::ErrorLog,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<ErrorLog> {
        let file = words.file.map(|word| {
            check_file(&word, (self.sources, self.world), mistakes);
            self.own.push((self.sources.path(&word), word.span));
            (self.sources.path(&word), word.span)
        });
        let is_pretty = match words.format {
            Some(Word { value: ErrorFormat::Off, span }) => {
                if let Some((_, file)) = file {
                    let off = Word { value: LogFormat::Off, span };
                    mistakes.push(no_effect("file", file, Some(&off)));
                }
                return None;
            }
            Some(Word { value, .. }) => value == ErrorFormat::Pretty,
            None => file.is_none() && self.world.is_error_terminal(),
        };
        let mut server = self.logs.access.iter();
        let is_told_anyway = is_pretty
            && file.is_none()
            && server.next().is_some_and(|log| log.format == LogFormat::Pretty);
        let target = file.map_or(Target::Errors, |(file, _)| self.file(&file));
        let target = self.logs.target(target);
        Some(ErrorLog { is_pretty, target, has_refusals: !is_told_anyway })
    }
}

impl written::Log {
    /// What these words make of what is inherited.
    fn over(&self, inherited: &Choice, sources: &Sources) -> Choice {
        let Self { format, file, only, sample } = self;
        let only = only.as_ref().map_or(&inherited.only, |word| &word.value);
        Choice {
            format: format.clone().or_else(|| inherited.format.clone()),
            file: file.as_ref().map(|word| sources.path(word)).or_else(|| inherited.file.clone()),
            only: only.clone(),
            sample: sample.as_ref().map(|word| word.value).or(inherited.sample),
        }
    }
}

/// The mistake of a text that speaks of an id where no exchange has one.
pub(super) fn no_ids(span: Span) -> Mistake {
    Mistake::new(
        span,
        "`{request-id}` stands for nothing: no exchange has an id",
        "never filled in",
    )
    .help("add `request-id = true` to [server]")
}

/// The mistake of a setting of a log that has no lines.
fn no_effect(name: &str, span: Span, off: Option<&Word<LogFormat>>) -> Mistake {
    let mistake = Mistake::new(span, format!("`{name}` has no effect"), "never used")
        .help(format!("leave `{name}` out, or set `format` to \"json\""));
    match off {
        Some(off) => mistake.also(off.span, "there are no lines"),
        None => mistake,
    }
}

/// Says what is wrong with the file that `word` names.
fn check_file(
    word: &Word<String>,
    (sources, world): (&Sources, &dyn World),
    mistakes: &mut Vec<Mistake>,
) {
    let file = sources.path(word);
    if file.file_name().is_none() || word.value.ends_with('/') {
        mistakes.push(
            Mistake::new(word.span, "`file` names a folder", "no file name at its end")
                .help("add a name: `file = \"/var/log/gannet.log\"`"),
        );
    } else if let Err(cause) = world.check_log(&file) {
        let cause = format!("the log file cannot be written: {cause}");
        mistakes.push(
            Mistake::new(word.span, cause, format!("stands for {}", file.display()))
                .help("name a file in a folder that is there and that this user may write to"),
        );
    }
}
