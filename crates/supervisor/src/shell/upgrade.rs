//! Becoming another program, in the same process, without a client noticing.
//!
//! ```text
//!   wish ─► Trial ──it can serve──► Due ─► the next program: Proving ──its workers serve──► ∅
//!             └──it cannot──► ∅      ▲                          │
//!                                    └── Due, back to this one ◄┘ it cannot
//! ```
//!
//! In a trial the next program gets copies of all descriptors, starts a worker as far as it can
//! without a socket to serve, and ends. Only then does this process become that program, which
//! keeps the file of this one until a generation of its own workers serves.

use super::{Failure, Happening, NEXT, Shell, Voice, leaving::read, runtime, table::Table};
use crate::{
    child::{Child, Heard, Program, TRIAL},
    machine::{Event, Note},
    orphans,
    sockets::Sockets,
    state::{Leaving, Left},
    wishes::{Asker, Desk},
};
use control::{
    note::{Note as _, Question, Verdict},
    wish::Outcome,
};
use net::{channel::Message, sealed, succession};
use std::{
    io::{self, ErrorKind},
    os::fd::{AsFd, AsRawFd, RawFd},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};
use tokio::{
    sync::mpsc::unbounded_channel,
    task::{spawn_local, yield_now},
    time::sleep,
};

/// Time for a program to show that it can serve: a check and the start of a worker, and as much
/// again.
const TRIAL_TIME: Duration = Duration::from_secs(180);

/// What a program finds that takes the place of another in the same process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The descriptor of the state.
    pub state: RawFd,
    /// The one of the program before, to go back to; none where this is already the one that was
    /// gone back to.
    pub before: Option<RawFd>,
}

/// A change of programs that is under way.
pub(super) struct Upgrade {
    /// The next program; where this is the next one, the one before.
    program: Program,
    stage: Stage,
    askers: Vec<Asker>,
}

impl Upgrade {
    fn is_due(&self) -> bool {
        matches!(self.stage, Stage::Due { .. })
    }
}

enum Stage {
    /// A process shows what the next program can.
    Trial { number: u64, child: Child, has_passed: bool },
    /// This process becomes that program as soon as nothing else is under way.
    Due { is_back: bool },
    /// This is the next program, and none of its workers serves yet.
    Proving,
}

/// Shows that this program could go on with the `state` that another one has left, and serve what
/// the config `file` says: as [`super::run`] does, but it serves nobody and says nothing.
///
/// # Errors
///
/// It could not.
pub fn rehearse(file: PathBuf, state: RawFd, voice: &dyn Voice) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let (happenings, heard) = unbounded_channel();
        let mut shell = Shell::new(file, happenings, voice)?;
        shell.try_on(state)?;
        shell.live(heard).await.map(drop)
    })
}

impl Shell<'_> {
    /// Has the program at `path` take the place of this one, or the one that lies now where this
    /// one was started from.
    pub(super) fn upgrade(&mut self, path: Option<PathBuf>, asker: Option<Asker>) {
        let path = path.unwrap_or_else(|| self.program.path().to_owned());
        if self.upgrade.is_some() {
            let text = "error: another upgrade is under way: try again when it is over".to_owned();
            let outcome = Outcome::Refused { code: 1, text };
            asker.into_iter().for_each(|asker| asker.answer(&outcome));
            return;
        }
        let askers = asker.into_iter().collect();
        match Program::at(&path).and_then(|program| Ok((self.try_out(&program)?, program))) {
            Ok((stage, program)) => self.upgrade = Some(Upgrade { program, stage, askers }),
            Err(error) => self.refuse(askers, 1, not_run(&path, &error)),
        }
    }

    /// Starts a trial of `program`.
    fn try_out(&mut self, program: &Program) -> io::Result<Stage> {
        self.checks += 1;
        let (number, happenings) = (self.checks, self.happenings.clone());
        let hear = move |heard| drop(happenings.send(Happening::Trial(number, heard)));
        let mut out = Leaving::default();
        let state = sealed::bytes(c"gannet-state", &self.state(Some(&[]), &mut out).encode())?;
        let _ = out.put("state", &state);
        let heirlooms = succession::leave(out.borrowed())?;
        let child = Child::start(program, TRIAL, hear);
        drop(heirlooms);
        let child = child?;
        let state = u64::from(state.as_raw_fd().unsigned_abs());
        let question = Question::Try { file: self.file.clone(), state };
        child.tell(Message { bytes: question.encode(), descriptors: Vec::new() });
        let happenings = self.happenings.clone();
        spawn_local(async move {
            sleep(TRIAL_TIME).await;
            let how = format!("has not shown within {TRIAL_TIME:?} that it can serve");
            let _ = happenings.send(Happening::Trial(number, Heard::Ended(how)));
        });
        Ok(Stage::Trial { number, child, has_passed: false })
    }

    /// Takes notice of what a trial says.
    pub(super) fn tried(&mut self, of: u64, heard: Heard) {
        let Some(Upgrade { stage, .. }) = &mut self.upgrade else { return };
        let Stage::Trial { number, child, has_passed } = stage else { return };
        if *number != of {
            return;
        }
        let (code, text) = match heard {
            Heard::Note(message) => match Verdict::decode(&message.bytes) {
                Some(Verdict::Fine) => {
                    *has_passed = true;
                    return;
                }
                Some(Verdict::Refused { code, text }) => (code, text),
                Some(Verdict::Compared | Verdict::Renewed { .. }) | None => {
                    (1, "error: that program is of another kind".to_owned())
                }
            },
            Heard::Ended(_) if *has_passed => {
                *stage = Stage::Due { is_back: false };
                return;
            }
            Heard::Ended(how) => {
                let text = format!(
                    "error: that program cannot take over: a trial of it {how}: it is no gannet, or \
                     another version that does not know how; the server goes on as before"
                );
                (1, text)
            }
        };
        child.kill();
        let askers = self.upgrade.take().map(|upgrade| upgrade.askers);
        self.refuse(askers.unwrap_or_default(), code, text);
    }

    /// Gives up an upgrade that is under way, as the server ends.
    pub(super) fn end_upgrade(&mut self) {
        let Some(Upgrade { stage, askers, .. }) = self.upgrade.take() else { return };
        if let Stage::Trial { child, .. } = stage {
            child.kill();
        }
        self.refuse(askers, 1, "error: the server stops".to_owned());
    }

    fn refuse(&mut self, askers: Vec<Asker>, code: u8, text: String) {
        self.note(&Note::NotUpgraded(text.clone()));
        let outcome = Outcome::Refused { code, text };
        askers.into_iter().for_each(|asker| asker.answer(&outcome));
    }

    /// What the end of a reload means where it was one of a new program: what to put down.
    pub(super) fn reloaded(&mut self, note: &Note) -> Option<Note> {
        let upgrade = self.upgrade.as_mut()?;
        if matches!(upgrade.stage, Stage::Trial { .. } | Stage::Due { is_back: false }) {
            return None;
        }
        match note {
            Note::Reloaded => {
                self.upgrade = None;
                Some(Note::Upgraded)
            }
            Note::NotReloaded(_, text) => {
                upgrade.stage = Stage::Due { is_back: true };
                Some(Note::NotUpgraded(text.clone()))
            }
            _ => None,
        }
    }

    /// Whether it is time to become another program, once everything that has happened is dealt
    /// with.
    pub(super) fn is_to_hand_over(&mut self) -> bool {
        let is_due = self.upgrade.as_ref().is_some_and(Upgrade::is_due);
        if is_due {
            // It may wait for a disk, and the next program has a look of its own.
            self.certificates.end_look();
        }
        // What is still to be sent is sent, and counted, by this program.
        self.spans.rest(is_due && self.machine.is_quiet());
        // The next program waits for the end of workers and of what runs PHP, and of nobody else;
        // the process that shows how the server is, and the one that has certificates issued, end
        // with the channel to this one.
        let attending = [self.is_showing(), self.issuing.is_there()].map(usize::from);
        let known = self.workers.len() + self.pools.len() + attending.iter().sum::<usize>();
        let is_busy =
            self.comparison.is_some() || self.spans.is_there() || orphans::awaited() > known;
        is_due && self.machine.is_quiet() && !is_busy
    }

    /// Becomes another program, unless something has happened meanwhile: a signal that was caught
    /// here is none for the next one.
    pub(super) async fn hand_over(&mut self, is_all_heard: impl Fn() -> bool) {
        self.save();
        succession::hold_signals();
        // The runtime looks what has been caught before, and whoever waits for it says so; that
        // comes before what begins only now.
        yield_now().await;
        let _ = spawn_local(async {}).await;
        if is_all_heard()
            && let Some(Upgrade { program, stage, askers }) =
                self.upgrade.take_if(|one| one.is_due())
        {
            let is_back = matches!(stage, Stage::Due { is_back: true });
            // From here on it is that program which goes on, unless there is an error.
            if let Err(error) = self.become_program(&program, &askers, is_back) {
                self.refuse(askers, 1, not_run(program.path(), &error));
                self.watch_on();
            }
        }
        succession::release_signals();
    }

    /// Watches over certificates as before.
    fn watch_on(&mut self) {
        if let Some(source) = self.serving.clone() {
            self.watch_certificates(&source);
        }
    }

    fn become_program(
        &mut self,
        program: &Program,
        askers: &[Asker],
        is_back: bool,
    ) -> io::Result<()> {
        net::failpoint::hit("hand-over");
        self.logs.settle();
        let mut out = Leaving::default();
        let state = sealed::bytes(c"gannet-state", &self.state(Some(askers), &mut out).encode())?;
        let _ = out.put("state", &state);
        let mut left = Succession { state: state.as_raw_fd(), before: None };
        if !is_back {
            let _ = out.put("before", &self.program);
            left.before = Some(self.program.as_fd().as_raw_fd());
        }
        let _heirlooms = succession::leave(out.borrowed())?;
        let mut words = self.voice.words(left);
        // By this it knows where it was found, by whatever links.
        if let (false, Some(first)) = (is_back, words.first_mut()) {
            *first = program.path().into();
        }
        Err(succession::become_program(program.as_fd(), &words))
    }

    pub(super) fn succeed(&mut self, found: Succession) -> Result<(), Failure> {
        let failed = |error: io::Error| failure(&error);
        let own = succession::copy(&[found.state]).map_err(failed)?;
        let state = own.first().map_or(Err(ErrorKind::InvalidData.into()), read).map_err(failed)?;
        let before = succession::copy(found.before.as_slice()).map_err(failed)?;
        let before = before.into_iter().next().map(Program::left);
        let mut left = Left::of(&state, true).map_err(failed)?;
        let copied = state.numbers();
        self.keeping.know(&state, Vec::new());
        let askers = self.restore(state, &mut left).map_err(failed)?;
        net::failpoint::hit("succeed");
        succession::close(&copied);
        succession::close(&[found.state]);
        succession::close(found.before.as_slice());
        match before {
            Some(program) => {
                self.askers[NEXT] = askers;
                let (stage, askers) = (Stage::Proving, Vec::new());
                self.upgrade = Some(Upgrade { program, stage, askers });
            }
            None => {
                self.due.clear();
                self.due.push_back(Event::Tick);
                self.watch_on();
                if !askers.is_empty() {
                    let text = "error: that program could not go on where this one was, and has \
                                said why on standard error: this one runs as before"
                        .to_owned();
                    self.refuse(askers, 1, text);
                }
            }
        }
        Ok(())
    }

    /// Makes this shell one that only shows that it could take up what was left.
    pub(super) fn try_on(&mut self, state: RawFd) -> Result<(), Failure> {
        let failed = |error: io::Error| failure(&error);
        let own = succession::take(&[state]).map_err(failed)?;
        let state = own.first().map_or(Err(ErrorKind::InvalidData.into()), read).map_err(failed)?;
        if is_older(env!("CARGO_PKG_VERSION"), &state.version) {
            let text = format!(
                "error: that is gannet {}, and {} runs: only a restart goes back to an older one",
                env!("CARGO_PKG_VERSION"),
                state.version
            );
            return Err(Failure { code: 1, text });
        }
        let mut left = Left::of(&state, false).map_err(failed)?;
        self.is_trial = true;
        self.seed = state.seed;
        self.sockets = Sockets::of(state.sockets, &mut left, false).map_err(failed)?;
        for (_, at) in state.desks {
            left.take(at).and_then(Desk::try_on).map_err(failed)?;
        }
        if let Some((at, lines)) = state.tables.last() {
            let memory = left.take(*at).map_err(failed)?;
            let name = "clients".to_owned();
            self.clients = Some(Rc::new(Table::left(memory, name, *lines, state.seed)));
        }
        Ok(())
    }
}

/// Has the program before go on, where this one could not; returns only where there is none.
pub(super) fn go_back(found: Succession, voice: &dyn Voice, failure: &Failure) {
    let Some(before) = found.before else { return };
    net::stream::try_to_tell(format!("{}\n", failure.text).as_bytes());
    let words = voice.words(Succession { before: None, ..found });
    let error = succession::return_to(before, &words);
    net::stream::try_to_tell(format!("error: nor can the one before: {error}\n").as_bytes());
}

fn failure(error: &io::Error) -> Failure {
    let text = match error.kind() {
        ErrorKind::InvalidData => "error: that program does not understand what the one that runs \
                                   leaves it: restart the server by it"
            .to_owned(),
        _ => format!("error: that program cannot take over: {error}"),
    };
    Failure { code: 1, text }
}

fn not_run(path: &Path, error: &io::Error) -> String {
    let cause = match error.kind() {
        ErrorKind::NotFound => "there is no such program".to_owned(),
        ErrorKind::PermissionDenied => "the user of the server may not run it".to_owned(),
        _ => format!("it cannot be run: {error}"),
    };
    format!("error: {}: {cause}", path.display())
}

/// Whether a version is before another one: its first number that differs is smaller.
fn is_older(one: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
    };
    numbers(one) < numbers(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (one, other, expect) in [
            ("0.9.9", "0.10.0", true),
            ("1.0.0", "1.0.0", false),
            ("1.0.1", "1.0.0", false),
            ("1.0.0", "2.0.0-rc.1", true),
        ] {
            assert_eq!(is_older(one, other), expect, "{one} {other}");
        }
    }
}
