//! The process that has certificates issued by the authorities of the world: it is there as long as
//! the config that is served wants any, and started anew when it has died.

use super::{Happening, Shell, Source, not_started};
use crate::{
    child::{CERTS, CERTS_PROGRAM, Child, Heard},
    machine::{Note, WorkerId},
};
use control::{
    finding::Finding,
    note::{Note as _, Order, Question},
};
use net::channel::Message;
use std::{
    collections::HashSet,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
    time::Duration,
};
use tokio::{task::spawn_local, time::sleep};

/// How long one that has died is left alone, the first time and at most; each time is twice as long
/// as the one before.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(600);

/// The process, and what it has said.
#[derive(Default)]
pub(super) struct Issuing {
    child: Option<Child>,
    /// Whether it runs a program of the operator's.
    has_program: bool,
    /// Which process it is, and which config it knows of.
    number: u64,
    told: Option<Rc<Source>>,
    /// How many have died since one has found something.
    deaths: u32,
    /// What authorities are shown that look for a proof, and the workers that do not show it yet.
    proofs: Option<(u64, OwnedFd)>,
    not_yet: HashSet<WorkerId>,
    /// Certificates that could not be put into files.
    unkept: Option<OwnedFd>,
}

impl Issuing {
    /// Certificates that could not be put into files.
    pub(super) fn unkept(&self) -> Option<BorrowedFd<'_>> {
        self.unkept.as_ref().map(AsFd::as_fd)
    }

    /// Whether the process is there.
    pub(super) fn is_there(&self) -> bool {
        self.child.is_some()
    }

    /// What authorities are shown that look for a proof.
    fn proofs(&self) -> Option<(Order, BorrowedFd<'_>)> {
        self.proofs.as_ref().map(|(number, proofs)| (Order::Proofs(*number), proofs.as_fd()))
    }
}

impl Shell<'_> {
    /// Has the process know which config is served, and starts or ends it where that is due.
    pub(super) fn have_issued(&mut self) {
        let Some(serving) = self.serving.clone().filter(|_| !self.is_trial) else { return };
        if !serving.blueprint.issues {
            self.issuing.child.take().iter().for_each(Child::kill);
            return;
        }
        if self.issuing.child.is_none() {
            self.issuing.number += 1;
            let (number, happenings) = (self.issuing.number, self.happenings.clone());
            let hear = move |heard| drop(happenings.send(Happening::Finding(number, heard)));
            let role = if self.issuing.has_program { CERTS_PROGRAM } else { CERTS };
            match Child::start(&self.program, role, hear) {
                Ok(child) => (self.issuing.child, self.issuing.told) = (Some(child), None),
                Err(error) => return self.lost_issuing(not_started(&error)),
            }
        }
        let knows = |told: &Rc<Source>| Rc::ptr_eq(told, &serving);
        if self.issuing.told.as_ref().is_none_or(|told| !knows(told)) {
            match self.tell_issuing(&serving) {
                Ok(()) => self.issuing.told = Some(serving),
                Err(error) => self.lost_issuing(not_started(&error)),
            }
        }
    }

    fn tell_issuing(&self, serving: &Rc<Source>) -> io::Result<()> {
        let bundle = self.certificates.bundle(serving).1.as_fd();
        let along = [Some(bundle), self.issuing.unkept()].into_iter().flatten();
        let descriptors = along.map(|fd| fd.try_clone_to_owned()).collect::<io::Result<_>>()?;
        if let Some(child) = &self.issuing.child {
            child.tell(Message { bytes: Question::Renew.encode(), descriptors });
        }
        Ok(())
    }

    /// Takes notice of what it has found, or that it is gone.
    pub(super) fn found_in_issuing(&mut self, number: u64, heard: Heard) {
        if number != self.issuing.number || self.issuing.child.is_none() {
            return;
        }
        let message = match heard {
            Heard::Note(message) => message,
            Heard::Ended(how) => {
                let text = format!("the process that has certificates issued {how}");
                return self.lost_issuing(text);
            }
        };
        let along = message.descriptors.into_iter().next();
        match Finding::decode(&message.bytes) {
            Some(Finding::Said(text)) => {
                self.issuing.deaths = 0;
                self.note(&Note::Certificate(Err(text)));
                self.look_at_certificates_soon();
            }
            Some(Finding::Proofs(number)) => {
                self.issuing.proofs = along.map(|along| (number, along));
                if let Some((order, proofs)) = self.issuing.proofs() {
                    let told = self.workers.tell_along(None, &order, proofs);
                    self.issuing.not_yet = told;
                }
                self.tell_of_proofs();
            }
            Some(Finding::Unkept) => {
                self.issuing.unkept = along;
                self.look_at_certificates();
            }
            Some(finding @ (Finding::Anew | Finding::Program)) => {
                self.issuing.has_program = finding == Finding::Program;
                self.issuing.child.take().iter().for_each(Child::kill);
                self.have_issued();
            }
            None => self.issuing.child.iter().for_each(Child::kill),
        }
    }

    /// Has a worker that serves now show what the others do.
    pub(super) fn show_proofs(&self, id: WorkerId) {
        if let Some((order, proofs)) = self.issuing.proofs() {
            self.workers.tell_along(Some(id), &order, proofs);
        }
    }

    /// A worker shows the proofs of that number, or is gone.
    pub(super) fn proves(&mut self, id: WorkerId, number: Option<u64>) {
        let current = self.issuing.proofs.as_ref().map(|(number, _)| *number);
        if (number.is_none() || number == current) && self.issuing.not_yet.remove(&id) {
            self.tell_of_proofs();
        }
    }

    /// Has who wants proofs shown know that all workers do.
    fn tell_of_proofs(&self) {
        let Issuing { child: Some(child), proofs: Some((number, _)), not_yet, .. } = &self.issuing
        else {
            return;
        };
        if not_yet.is_empty() {
            let (bytes, descriptors) = (Order::Proofs(*number).encode(), Vec::new());
            child.tell(Message { bytes, descriptors });
        }
    }

    /// Says that there is none, and starts another one some time later.
    fn lost_issuing(&mut self, why: String) {
        self.issuing.child = None;
        let time = PAUSE * 2u32.saturating_pow(self.issuing.deaths.min(16));
        let time = time.min(PAUSE_MOST);
        self.issuing.deaths = self.issuing.deaths.saturating_add(1);
        self.note(&Note::Certificate(Err(format!("{why}: another one is started"))));
        let happenings = self.happenings.clone();
        spawn_local(async move {
            sleep(time).await;
            let _ = happenings.send(Happening::Issue);
        });
    }
}
