//! What a config needs of this process: sockets, log files, memory. It is opened before any worker
//! is started, and closed when nobody serves that config any more.

use super::{Shell, Source, table::Table};
use crate::sockets;
use config::Blueprint;
use std::{mem, rc::Rc};

impl Shell<'_> {
    /// Opens what a config needs that is not open yet.
    pub(super) fn open(&mut self, source: &Source) -> Result<(), String> {
        let blueprint = &source.blueprint;
        let said = |fault: sockets::Fault| fault.message;
        let addresses = blueprint.addresses();
        sockets::check_room(blueprint.threads, blueprint.listen.len()).map_err(said)?;
        self.sockets.take_over(mem::take(&mut self.taken_over), &addresses);
        self.sockets.adopt(mem::take(&mut self.handed), &addresses).map_err(said)?;
        self.sockets.open(&addresses, blueprint.listen.len()).map_err(said)?;
        self.logs.open(blueprint)?;
        if let (Some(path), false) = (&blueprint.control, self.is_trial) {
            self.open_desk(path).map_err(said)?;
        }
        let failed = |e| format!("error: there is no room for `clients-max`: {e}");
        let table = match &self.clients {
            Some(known) if known.lines() == blueprint.clients_max => Rc::clone(known),
            _ => Rc::new(Table::new(blueprint.clients_max, self.seed).map_err(failed)?),
        };
        // One that is served once more has its own.
        let _ = source.clients.set(table);
        Ok(())
    }

    /// Takes up the sockets of a config whose workers are about to serve, and parts with others.
    pub(super) fn keep(&mut self, source: Rc<Source>) {
        let Blueprint { listen, threads, workers, .. } = &source.blueprint;
        // Where descriptors have run out, some loops have nothing to do, and others more.
        let _ = self.sockets.widen(listen, threads * workers);
        self.sockets.settle(true);
        self.sockets.keep(&source.blueprint.addresses());
        self.clients = source.clients.get().cloned().or_else(|| self.clients.take());
        self.serving = Some(Rc::clone(&source));
        self.watch_certificates(&source);
        self.tidy();
        self.open_own_desk(&source);
        self.show_anew();
        self.have_spans_sent();
        self.strangers.drain(..).for_each(|stranger| stranger.quit());
    }

    /// Closes what only a config has needed that is not served.
    pub(super) fn tidy(&mut self) {
        let Some(serving) = &self.serving else { return };
        self.sockets.settle(false);
        self.sockets.keep(&serving.blueprint.addresses());
        let desk = serving.blueprint.control.as_ref().or(self.desk_path.as_ref());
        self.desks.retain(|one| desk.is_some_and(|desk| one.path() == desk));
        let others = self.workers.sources().map(|source| &source.blueprint);
        self.logs.keep(others.chain([&serving.blueprint]));
        self.spans.tidy(&serving.blueprint);
        self.tidy_pools();
    }
}
