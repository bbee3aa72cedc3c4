//! What the server itself has to say, and to whom.

use super::{CURRENT, Happening, Shell, Source, Started};
use crate::{journal, machine::Note};
use control::wish::Outcome;
use tokio::{sync::oneshot, task::spawn_local};

impl Shell<'_> {
    /// What is served, in a few words.
    fn found(&self) -> &str {
        self.serving.as_ref().map_or("", |source| &source.blueprint.found)
    }

    /// Says that it is served.
    pub(super) fn greet(&mut self, source: &Source) {
        let all = self.sockets.addresses(&source.blueprint.addresses());
        let count = source.blueprint.listen.len();
        let (addresses, admin): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at < count);
        let admin = admin.first().map(|(_, address)| address);
        let started = Started { addresses: &addresses, admin, layers: &self.layers };
        self.voice.started(&source.blueprint, &started);
        self.service.ready(&format!("serves {}", source.blueprint.found));
        self.warn();
        // Most of what a start runs is never run again.
        net::memory::give_back_code();
    }

    pub(super) fn note(&mut self, note: &Note) {
        let now = net::clock::now();
        let outcome = match note {
            Note::Reloaded => {
                self.history.reload = Some((now, None));
                self.history.reloads += 1;
                self.service.ready(&format!("serves {}", self.found()));
                Some(Outcome::Served(self.full_path()))
            }
            Note::NotReloaded(code, text) => {
                self.tidy();
                self.history.reload = Some((now, Some(text.clone())));
                self.history.reloads_failed += 1;
                self.service.ready(&format!("serves {}; not reloaded: {text}", self.found()));
                Some(Outcome::Refused { code: *code, text: text.clone() })
            }
            Note::Died(..) => {
                self.history.restarts += 1;
                None
            }
            Note::TakenBack => {
                let why = "taken back: its workers died again and again";
                self.history.reload = Some((now, Some(why.to_owned())));
                self.service.ready(&format!("serves the config before: the last one was {why}"));
                None
            }
            Note::Adopted
            | Note::NotStarted(..)
            | Note::Hung(..)
            | Note::CutOff(..)
            | Note::Killed(_)
            | Note::Deaf(_)
            | Note::Unseen(_)
            | Note::Spans(_)
            | Note::Certificate(_)
            | Note::Whole(_)
            | Note::Warned(_)
            | Note::PhpDied(..)
            | Note::PhpSaid(..)
            | Note::Upgraded
            | Note::NotUpgraded(_) => None,
        };
        if let Some(outcome) = outcome {
            self.askers[CURRENT].drain(..).for_each(|asker| asker.answer(&outcome));
        }
        let Some(serving) = self.serving.clone() else { return };
        let is_pretty = serving.blueprint.errors.as_ref().is_some_and(|errors| errors.is_pretty);
        let of_upgrade = self.reloaded(note);
        let note = of_upgrade.as_ref().unwrap_or(note);
        let line = journal::line(note, is_pretty, net::clock::wall());
        self.logs.write(&serving.blueprint, line);
        if matches!(note, Note::Reloaded | Note::Upgraded) {
            self.warn();
            // As after a start.
            net::memory::give_back_code();
        }
    }

    /// Says what the config that is served is to be warned of.
    fn warn(&mut self) {
        let Some(serving) = self.serving.clone() else { return };
        for line in serving.warnings.lines() {
            self.note(&Note::Warned(line.to_owned()));
        }
    }

    /// Has the log files opened anew; workers get them once they are open.
    pub(super) fn reopen(&mut self) {
        let (teller, told) = oneshot::channel();
        self.logs.reopen(move |reopened| drop(teller.send(reopened)));
        let happenings = self.happenings.clone();
        spawn_local(async move {
            // Where a disk does not answer, they stay as they are.
            if let Ok(reopened) = told.await {
                let _ = happenings.send(Happening::Reopened(reopened));
            }
        });
    }
}
