//! What operators wish of a running server, and what they are told.

use super::{Happening, Shell, Source, had::Had};
use crate::{
    machine::{Event, Note},
    sockets::Fault,
    wishes::{Asker, Desk},
};
use base::Moment;
use config::plan::Address;
use control::{
    asked::Asked,
    counters, status,
    wish::{Outcome, Wish},
};
use net::queue::{Lost, Queue};
use std::{
    io,
    os::fd::OwnedFd,
    path::{self, Path, PathBuf},
};

/// What is remembered of the past.
pub(super) struct History {
    pub(super) since: Moment,
    pub(super) restarts: u64,
    /// Requests that workers were at when they died.
    pub(super) cut_off: u64,
    /// Reloads of this program that were done, and those that failed.
    pub(super) reloads: u64,
    pub(super) reloads_failed: u64,
    /// When the last reload was over, and why it failed if it did.
    pub(super) reload: Option<(Moment, Option<String>)>,
}

impl History {
    /// Of a server that starts now.
    pub(super) fn new() -> Self {
        let (restarts, cut_off, reloads, reloads_failed, reload) = (0, 0, 0, 0, None);
        Self { since: net::clock::now(), restarts, cut_off, reloads, reloads_failed, reload }
    }
}

/// What somebody is told who asks for a request that nobody knows.
const UNTOLD: &str = "no such request is known: the config has to have `request-id` and `admin`, and \
                      of requests those are kept that failed (5xx), were cut off or took longer \
                      than a second, the last 256 of each loop, and of those that came while \
                      somebody looked at `admin` the last 1,024, as long as their worker is there; one \
                      that goes on still is known while somebody looks";

/// For what somebody waits.
pub(super) const NEXT: usize = 0;
pub(super) const CURRENT: usize = 1;
pub(super) const END: usize = 2;

/// What somebody is told who wishes something that a server does not do which stops.
pub(super) fn stops() -> Outcome {
    Outcome::Refused { code: 1, text: "error: the server stops".to_owned() }
}

impl Shell<'_> {
    /// Does what somebody wishes, who is told what comes of it.
    pub(super) fn grant(&mut self, wish: Wish, asker: Asker) {
        if self.machine.is_stopping() && !matches!(wish, Wish::Stop | Wish::Status | Wish::Asked) {
            return asker.answer(&stops());
        }
        if let Wish::Reload(Some(file)) | Wish::Compare(Some(file)) = &wish
            && !self.reads(file)
        {
            let text = format!(
                "error: {}: the server at that socket reads {}: name that file, or start another \
                 server for this one, with a `control` of its own",
                file.display(),
                self.full_path().display()
            );
            return asker.answer(&Outcome::Refused { code: 1, text });
        }
        match wish {
            Wish::Reload(_) => {
                self.askers[NEXT].push(asker);
                self.due.push_back(Event::Load);
            }
            Wish::Compare(_) => self.compare(asker),
            Wish::Stop => {
                self.due.push_back(Event::End);
                self.askers[END].push(asker);
            }
            Wish::Upgrade(path) => self.upgrade(path, Some(asker)),
            Wish::Tell(id) => asker.answer(&self.tell(&id)),
            Wish::Asked => {
                let (pools, calls) = (self.pools.shown(), self.workers.calls());
                asker.answer(&Outcome::Asked(Asked { pools, calls }));
            }
            Wish::Status => asker.answer(&Outcome::Status(self.status().into())),
        }
    }

    /// What has happened to the request with that id.
    fn tell(&self, id: &str) -> Outcome {
        let told = self.workers.seen().find_map(|seen| dashboard::told(&seen, id.as_bytes()));
        told.map_or_else(
            || Outcome::Refused { code: 1, text: format!("error: {id}: {UNTOLD}") },
            Outcome::Told,
        )
    }

    /// Tells those who wait for a reload that there is none, as the server ends.
    pub(super) fn turn_away(&mut self) {
        let [next, current, _] = &mut self.askers;
        next.drain(..).chain(current.drain(..)).for_each(|asker| asker.answer(&stops()));
    }

    /// The config that is read, from the root.
    pub(super) fn full_path(&self) -> PathBuf {
        path::absolute(&self.file).unwrap_or_else(|_| self.file.clone())
    }

    /// Whether that is the config that is read, by whatever links.
    fn reads(&self, file: &Path) -> bool {
        let own = self.full_path();
        let same = || Some(own.canonicalize().ok()? == file.canonicalize().ok()?);
        own == file || same() == Some(true)
    }

    pub(super) fn status(&self) -> status::Status {
        let now = net::clock::now();
        let generations = self.machine.generations().map(|(number, phase, until, workers)| {
            let workers = workers.filter_map(|id| self.workers.status(id)).collect();
            let seconds_left = until.map(|until| until.since(now).as_secs());
            status::Generation { number, phase: phase.to_owned(), seconds_left, workers }
        });
        let totals = self.workers.totals();
        let (had, lost) = (self.workers.had(), Lost::so_far().ok());
        let counted = totals.iter().map(|(counter, total)| (counter.label().to_owned(), *total));
        // It comes with what is counted, as who asks may be of another version.
        let held = (counters::PAGES_BYTES.to_owned(), self.workers.held());
        status::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: u64::from(std::process::id()),
            seconds: now.since(self.history.since).as_secs(),
            generations: generations.collect(),
            connections: self.workers.connections(),
            restarts: self.history.restarts,
            cut_off: self.history.cut_off,
            reloads: self.history.reloads,
            reloads_failed: self.history.reloads_failed,
            listeners: self.listeners(&had),
            overflows: lost.map(|lost| lost.overflows),
            drops: lost.map(|lost| lost.drops),
            certificates: self.certificates.known().to_vec(),
            layers: self.layers.clone(),
            sites: had.sites(),
            pools: Vec::new(),
            sockets: None,
            reload: self
                .history
                .reload
                .clone()
                .map(|(when, fault)| status::Reload { seconds: now.since(when).as_secs(), fault }),
            counted: counted.chain([held]).collect(),
        }
    }

    /// Where clients come in, and who waits there.
    fn listeners(&self, had: &Had) -> Vec<status::Listener> {
        let wanted = self.serving.as_ref().map(|serving| &serving.blueprint.listen[..]);
        let wanted = wanted.unwrap_or_default();
        let queues = self.sockets.queues(wanted).into_iter();
        let listener = |(number, bound, queue): (usize, Address, Queue)| status::Listener {
            address: bound.to_string(),
            waiting: queue.waiting,
            waiting_max: queue.waiting_max,
            accepted: had.accepted(wanted, number),
        };
        queues.map(listener).collect()
    }

    /// Goes on with such a socket that another program has left.
    pub(super) fn take_desk(&mut self, path: &Path, socket: OwnedFd) -> io::Result<()> {
        let happenings = self.happenings.clone();
        let hear = move |wish, asker| drop(happenings.send(Happening::Wish(wish, asker)));
        self.desks.push(Desk::left(path, socket, hear)?);
        Ok(())
    }

    /// Opens the socket that wishes come in by where `source` is served.
    pub(super) fn open_own_desk(&mut self, source: &Source) {
        // It is no reason not to serve.
        if let Some(path) = source.blueprint.control.clone().or_else(|| self.desk_path.clone())
            && let Err(fault) = self.open_desk(&path)
        {
            self.note(&Note::Deaf(fault.message));
        }
    }

    /// Opens the socket that wishes come in by, if it is not open or somebody has removed its file.
    pub(super) fn open_desk(&mut self, path: &Path) -> Result<(), Fault> {
        if !self.desks.iter().any(|desk| desk.path() == path && desk.is_there()) {
            let happenings = self.happenings.clone();
            let hear = move |wish, asker| drop(happenings.send(Happening::Wish(wish, asker)));
            let desk = Desk::open(path, hear)?;
            self.desks.retain(|other| other.path() != path);
            self.desks.push(desk);
        }
        Ok(())
    }
}
