//! The process that checks a config: what it is asked, and what it has found.

use super::{BLUEPRINT_BYTES_MAX, Happening, Shell, Source, Told};
use crate::{
    child::{CHECK, Child, Heard},
    machine::{Checked, Event},
    state,
};
use config::Blueprint;
use control::note::{Note as _, Question, Verdict};
use net::{channel::Message, sealed};
use std::{cell::OnceCell, io, os::fd::AsFd, rc::Rc};

/// Bytes of what is to be warned of at most.
const WARNINGS_BYTES_MAX: u64 = 1024 * 1024;

impl Shell<'_> {
    /// Has a process look at the config, which this one never does.
    pub(super) fn check(&mut self) {
        self.checks += 1;
        let (number, happenings) = (self.checks, self.happenings.clone());
        let hear = move |heard| drop(happenings.send(Happening::Check(number, heard)));
        match Child::start(&self.program, CHECK, hear) {
            Ok(child) => {
                // What goes into a log has no colours.
                let is_painted = self.serving.is_none() && net::stream::is_watched();
                let question = Question::Check { file: self.file.clone(), is_painted };
                // The certificates of the config before are better than broken ones.
                let before = self.serving.as_ref().map(|serving| self.certificates.bundle(serving));
                let before = before.and_then(|(_, bundle)| bundle.try_clone().ok());
                let descriptors = before.into_iter().collect();
                child.tell(Message { bytes: question.encode(), descriptors });
                self.check = Some((number, child));
            }
            Err(error) => self.due.push_back(Event::Refused(1, not_started(&error))),
        }
    }

    /// Takes notice of what it has found.
    pub(super) fn checked(&mut self, number: u64, heard: Heard) {
        let Some((_, child)) = self.check.take_if(|(own, _)| *own == number) else { return };
        // It has said what it had to, and an upgrade waits for its end.
        child.kill();
        let mut event = match heard {
            Heard::Note(message) => judge(message),
            Heard::Ended(how) => Event::Refused(1, format!("error: the check of the config {how}")),
        };
        if let (Event::Checked(checked), true) = (&mut event, self.is_trial) {
            checked.workers = 1;
        }
        self.due.push_back(event);
    }
}

/// The event that its message stands for.
fn judge(message: Message) -> Told {
    let odd = |why: &str| Event::Refused(1, format!("error: the check of the config {why}"));
    let odd_words = || odd("said what nobody understands");
    match Verdict::decode(&message.bytes) {
        Some(Verdict::Refused { code, text }) => Event::Refused(code, text),
        Some(Verdict::Fine) => {
            let mut descriptors = message.descriptors.into_iter();
            let (Some(bundle), Some(blueprint)) = (descriptors.next(), descriptors.next()) else {
                return odd_words();
            };
            let bytes = match sealed::read(blueprint.as_fd(), BLUEPRINT_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(error) => return odd(&format!("cannot be read: {error}")),
            };
            let warnings = descriptors.next();
            let warnings =
                warnings.and_then(|memory| sealed::read(memory.as_fd(), WARNINGS_BYTES_MAX).ok());
            let warnings = String::from_utf8(warnings.unwrap_or_default()).unwrap_or_default();
            let Some(blueprint) = Blueprint::decode(&bytes) else { return odd_words() };
            let name = match state::name("config") {
                Ok(name) => name,
                Err(error) => return odd(&format!("has found what cannot be named: {error}")),
            };
            Event::Checked(Checked {
                workers: blueprint.workers,
                stop_time: blueprint.stop_time,
                drain_time: blueprint.drain_time,
                source: Rc::new(Source {
                    bundle,
                    name,
                    blueprint,
                    warnings,
                    clients: OnceCell::new(),
                }),
            })
        }
        Some(Verdict::Compared | Verdict::Renewed { .. }) | None => odd_words(),
    }
}

/// Why a process is not there.
pub(super) fn not_started(error: &io::Error) -> String {
    format!("error: a process cannot be started: {error}")
}
