//! What a config would change for the requests of late: a process of its own finds out, as it reads
//! both the config and what clients have sent.

use super::{Happening, Shell, Source, not_started};
use crate::{
    child::{CHECK, Child, Heard},
    wishes::Asker,
};
use control::{
    note::{Note as _, Question, Verdict},
    wish::Outcome,
};
use net::{
    channel::{DESCRIPTORS_MAX, Message},
    sealed,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    time::Duration,
};
use tokio::{task::spawn_local, time::sleep};

/// How long it may take: a check, and as much again.
const COMPARE_TIME: Duration = Duration::from_secs(60);

/// Bytes at most of what it has found.
const FOUND_BYTES_MAX: u64 = 1024 * 1024;

/// A comparison that is under way.
pub(super) struct Comparison {
    number: u64,
    child: Child,
    asker: Asker,
}

impl Shell<'_> {
    /// Has a process find out what the config would change.
    pub(super) fn compare(&mut self, asker: Asker) {
        let refuse = |text: &str| Outcome::Refused { code: 1, text: text.to_owned() };
        let serving = match (&self.serving, &self.comparison) {
            (Some(serving), None) => Rc::clone(serving),
            (None, _) => {
                return asker.answer(&refuse("error: nothing is served yet: try again"));
            }
            (Some(_), Some(_)) => {
                let text = "error: another comparison is under way: try again when it is over";
                return asker.answer(&refuse(text));
            }
        };
        self.checks += 1;
        let number = self.checks;
        match self.begin_comparison(number, &serving) {
            Ok(child) => self.comparison = Some(Comparison { number, child, asker }),
            Err(error) => asker.answer(&refuse(&not_started(&error))),
        }
    }

    fn begin_comparison(&self, number: u64, serving: &Rc<Source>) -> io::Result<Child> {
        let recents = self.workers.recents().take(DESCRIPTORS_MAX - 1);
        let along = [self.certificates.bundle(serving).1].into_iter().chain(recents);
        let descriptors: Vec<OwnedFd> = along.map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        let happenings = self.happenings.clone();
        let hear = move |heard| drop(happenings.send(Happening::Comparison(number, heard)));
        let child = Child::start(&self.program, CHECK, hear)?;
        let question = Question::Compare { file: self.file.clone() };
        child.tell(Message { bytes: question.encode(), descriptors });
        let happenings = self.happenings.clone();
        spawn_local(async move {
            sleep(COMPARE_TIME).await;
            let how = format!("has found nothing within {COMPARE_TIME:?}");
            let _ = happenings.send(Happening::Comparison(number, Heard::Ended(how)));
        });
        Ok(child)
    }

    /// Gives up the comparison that is under way, as the server ends.
    pub(super) fn end_comparison(&mut self) {
        let Some(Comparison { child, asker, .. }) = self.comparison.take() else { return };
        child.kill();
        asker.answer(&Outcome::Refused { code: 1, text: "error: the server stops".to_owned() });
    }

    /// Passes on what was found, and does not look at it.
    pub(super) fn compared(&mut self, of: u64, heard: Heard) {
        let is_it = |comparison: &mut Comparison| comparison.number == of;
        let Some(Comparison { child, asker, .. }) = self.comparison.take_if(is_it) else { return };
        let odd = || Outcome::Refused {
            code: 1,
            text: "error: the comparison of the configs said nothing".to_owned(),
        };
        let outcome = match heard {
            Heard::Note(message) => match Verdict::decode(&message.bytes) {
                Some(Verdict::Compared) => {
                    let found = message.descriptors.first();
                    match found.map(|found| sealed::read(found.as_fd(), FOUND_BYTES_MAX)) {
                        Some(Ok(found)) => return asker.pass_on(found),
                        _ => odd(),
                    }
                }
                Some(Verdict::Refused { code, text }) => Outcome::Refused { code, text },
                Some(Verdict::Fine | Verdict::Renewed { .. }) | None => odd(),
            },
            Heard::Ended(how) => {
                child.kill();
                let text = format!("error: the comparison of the configs {how}");
                Outcome::Refused { code: 1, text }
            }
        };
        asker.answer(&outcome);
    }
}
