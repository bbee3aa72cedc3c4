//! Certificates from files: when some of those have changed, a process reads them, and what is
//! sound goes to the workers that serve. This process reads none of it.

use super::{Happening, Shell, Source, not_started};
use crate::{
    child::{CHECK, Child, Heard},
    machine::Note,
    state,
};
use control::{
    note::{Note as _, Question, Verdict},
    status::{Certificate, GOES_ON, unpack_certificates},
};
use net::{channel::Message, lookout::Lookout, sealed};
use std::{
    collections::HashSet,
    io, mem,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    time::Duration,
};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::{JoinHandle, spawn_local},
    time::sleep,
};

/// How long a look may take.
const LOOK_TIME: Duration = Duration::from_secs(60);

/// How long what is due in a moment is waited for.
const MOMENT: Duration = Duration::from_secs(2);

/// Bytes of what is known of all certificates at most.
const KNOWN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is known of the certificates of the config that is served.
pub(super) struct Certificates {
    lookout: Option<Lookout>,
    /// The process that looks, at those of which config, and whether another one has to.
    child: Option<(Child, Rc<Source>)>,
    is_due: bool,
    looks: u64,
    /// What new workers of a config get instead of its first bundle: of each that has workers, or
    /// may be gone back to.
    renewed: Vec<(Rc<Source>, String, OwnedFd)>,
    /// What has been said of those that are there.
    told: HashSet<String>,
    /// What the last look has found out about each.
    known: Vec<Certificate>,
    /// Whether a look is due in a moment.
    is_soon: bool,
    /// What has another look when one holds that was refused.
    waiting: Option<JoinHandle<()>>,
}

impl Certificates {
    pub(super) fn new() -> Self {
        let (looks, told) = (0, HashSet::new());
        let (lookout, child, is_due, renewed) = (None, None, false, Vec::new());
        let (known, is_soon, waiting) = (Vec::new(), false, None);
        Self { lookout, child, is_due, looks, renewed, told, known, is_soon, waiting }
    }

    /// What a worker of `source` gets, with what that is called where it is kept.
    pub(super) fn bundle<'c>(&'c self, source: &'c Rc<Source>) -> (&'c str, &'c OwnedFd) {
        let renewed = self.renewed.iter().find(|(of, ..)| Rc::ptr_eq(of, source));
        renewed.map_or((&source.name, &source.bundle), |(_, name, bundle)| (name, bundle))
    }

    /// What is known of those that are served.
    pub(super) fn known(&self) -> &[Certificate] {
        &self.known
    }

    fn watch(
        &mut self,
        source: &Rc<Source>,
        happenings: &UnboundedSender<Happening>,
    ) -> io::Result<()> {
        self.renewed.retain(|(of, ..)| Rc::strong_count(of) > 1);
        let files = source.blueprint.certificates.clone();
        if files.is_empty() {
            self.known.clear();
        }
        if self.lookout.is_none() && !files.is_empty() {
            let (teller, mut told) = unbounded_channel();
            self.lookout = Some(Lookout::new(move || teller.send(()).is_ok())?);
            let happenings = happenings.clone();
            spawn_local(async move {
                while told.recv().await.is_some() {
                    let _ = happenings.send(Happening::FilesChanged);
                }
            });
        }
        self.lookout.iter().for_each(|lookout| lookout.set(files.clone()));
        Ok(())
    }

    /// Puts `bundle` in the place of the one that workers of `source` got until now.
    fn renew(&mut self, source: Rc<Source>, name: String, bundle: OwnedFd) {
        self.renewed.retain(|(of, ..)| !Rc::ptr_eq(of, &source));
        self.renewed.push((source, name, bundle));
    }

    /// Ends the look that is under way; whoever watches anew has another one.
    pub(super) fn end_look(&mut self) {
        self.is_due = false;
        self.child.take().iter().for_each(|(child, _)| child.kill());
    }
}

impl Shell<'_> {
    /// Watches over the files of `source`, which is served from now on, and has a look at them:
    /// they may have changed since they were read.
    pub(super) fn watch_certificates(&mut self, source: &Rc<Source>) {
        if let Err(error) = self.certificates.watch(source, &self.happenings) {
            self.note(&Note::Certificate(Err(format!("changes go unnoticed: no thread: {error}"))));
        }
        self.have_issued();
    }

    /// Has a process look at the certificates in a moment, at all that has happened by then.
    pub(super) fn look_at_certificates_soon(&mut self) {
        if mem::replace(&mut self.certificates.is_soon, true) {
            return;
        }
        self.look_at_certificates_in(MOMENT);
    }

    /// The same after that time.
    fn look_at_certificates_in(&self, time: Duration) -> JoinHandle<()> {
        let happenings = self.happenings.clone();
        spawn_local(async move {
            sleep(time).await;
            let _ = happenings.send(Happening::FilesChanged);
        })
    }

    /// Has a process look at the files of certificates.
    pub(super) fn look_at_certificates(&mut self) {
        self.certificates.is_soon = false;
        let Some(serving) = &self.serving else { return };
        if self.certificates.child.is_some() {
            self.certificates.is_due = true;
            return;
        }
        self.certificates.looks += 1;
        let (number, happenings) = (self.certificates.looks, self.happenings.clone());
        let hear = move |heard| drop(happenings.send(Happening::Renewal(number, heard)));
        let started = Child::start(&self.program, CHECK, hear).and_then(|child| {
            let bundle = self.certificates.bundle(serving).1.as_fd().try_clone_to_owned()?;
            let unkept = self.issuing.unkept().map(|fd| fd.try_clone_to_owned()).transpose()?;
            let descriptors = [Some(bundle), unkept].into_iter().flatten().collect();
            let bytes = Question::Renew.encode();
            child.tell(Message { bytes, descriptors });
            Ok(child)
        });
        match started {
            Ok(child) => {
                self.certificates.child = Some((child, Rc::clone(serving)));
                let happenings = self.happenings.clone();
                spawn_local(async move {
                    sleep(LOOK_TIME).await;
                    let how = format!("has found nothing within {LOOK_TIME:?}");
                    let _ = happenings.send(Happening::Renewal(number, Heard::Ended(how)));
                });
            }
            Err(error) => self.note(&Note::Certificate(Err(not_started(&error)))),
        }
    }

    /// Takes notice of what it has found.
    pub(super) fn looked_at_certificates(&mut self, number: u64, heard: Heard) {
        if number != self.certificates.looks {
            return;
        }
        let Some((child, source)) = self.certificates.child.take() else { return };
        // It has said what it had to.
        child.kill();
        let is_served = self.serving.as_ref().is_some_and(|serving| Rc::ptr_eq(serving, &source));
        let found = match heard {
            Heard::Note(message) => {
                let verdict = Verdict::decode(&message.bytes);
                verdict.map(|verdict| (verdict, message.descriptors.into_iter()))
            }
            Heard::Ended(how) => {
                let text = format!("the process that looks at certificates {how}");
                self.tell_of_certificates(vec![text], Vec::new());
                None
            }
        };
        if let (Some((Verdict::Renewed { renewed, troubles, wait }, mut along)), true) =
            (found, is_served)
        {
            self.certificates.waiting.take().iter().for_each(JoinHandle::abort);
            if wait < u64::MAX {
                let waiting = self.look_at_certificates_in(Duration::from_secs(wait));
                self.certificates.waiting = Some(waiting);
            }
            let known = along.next().map(|fd| sealed::read(fd.as_fd(), KNOWN_BYTES_MAX));
            let known = known.and_then(Result::ok).and_then(|bytes| unpack_certificates(&bytes));
            let known = known.unwrap_or_default();
            let before = mem::replace(&mut self.certificates.known, known);
            if let (Some(bundle), Ok(name)) = (along.next(), state::name("config")) {
                self.workers.renew(&source, &bundle);
                self.certificates.renew(source, name, bundle);
                self.keeping.touch();
            }
            let whole = whole_again(&before, &self.certificates.known, &renewed);
            self.tell_of_certificates(troubles, renewed);
            whole.into_iter().for_each(|file| self.note(&Note::Whole(file)));
        }
        if mem::take(&mut self.certificates.is_due) {
            self.look_at_certificates();
        }
    }

    /// Says what is wrong with certificates, each thing once as long as it is so.
    fn tell_of_certificates(&mut self, troubles: Vec<String>, renewed: Vec<String>) {
        let told = mem::take(&mut self.certificates.told);
        for text in &troubles {
            if !told.contains(text) {
                self.note(&Note::Certificate(Err(text.clone())));
            }
        }
        self.certificates.told = troubles.into_iter().collect();
        renewed.into_iter().for_each(|text| self.note(&Note::Certificate(Ok(text))));
    }
}

/// The files that could not be used before and hold again what was used all the while.
fn whole_again(before: &[Certificate], known: &[Certificate], renewed: &[String]) -> Vec<String> {
    let is_broken = |row: &&Certificate| row.error.iter().any(|why| why.ends_with(GOES_ON));
    let broken: HashSet<_> = before.iter().filter(is_broken).map(|row| &row.file).collect();
    let is_new = |file: &str| renewed.iter().any(|name| name.starts_with(&format!("{file} (")));
    let whole = known.iter().filter(|row| row.error.is_none() && broken.contains(&row.file));
    whole.map(|row| row.file.clone()).filter(|file| !is_new(file)).collect()
}
