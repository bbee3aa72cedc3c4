//! Starts a worker, once all that it needs is there.

use super::{Happening, Shell, Source, not_started};
use crate::{
    child::Child,
    machine::{Event, WorkerId},
};
use std::rc::Rc;

impl Shell<'_> {
    /// Starts the worker of that number, in that place of those which serve `source`.
    pub(super) fn start(&mut self, id: WorkerId, source: Rc<Source>, place: usize) {
        let clients = source.clients.get().or(self.clients.as_ref());
        // It was opened for its generation.
        let Some(clients) = clients.cloned() else { return };
        let happenings = self.happenings.clone();
        let hear = move |heard| drop(happenings.send(Happening::Worker(id, heard)));
        match Child::start(&self.program, "worker", hear) {
            Ok(child) => {
                let (_, bundle) = self.certificates.bundle(&source);
                let shared = (bundle, clients, self.tickets.memory());
                let of = (Rc::clone(&source), place);
                let begun = match self.spans.way(&source.blueprint) {
                    Ok(spans) => self.workers.begin(id, child, of, shared, (&self.logs, spans)),
                    Err(error) => {
                        child.kill();
                        Err(error)
                    }
                };
                let failed = |error| Event::Failed(id, not_started(&error));
                self.due.extend(begun.err().map(failed));
            }
            Err(error) => {
                self.due.push_back(Event::Failed(id, not_started(&error)));
                self.due.push_back(Event::Ended(id, not_started(&error)));
            }
        }
    }
}
