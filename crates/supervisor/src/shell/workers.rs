//! The workers that are there: what each is given and told, and what it has counted.

use super::Source;
use crate::{child::Child, logs::LogFiles, machine::WorkerId, sockets::Sockets};
use control::{
    Counter, Rows, counters,
    note::{Note, Order},
};
use net::{
    channel::{DESCRIPTORS_MAX, Message},
    memory,
};
use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
};

/// The workers that are there.
#[derive(Debug, Default)]
pub(super) struct Workers {
    all: HashMap<WorkerId, Worker>,
    /// What those have counted that are gone.
    folded: Vec<u64>,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    source: Rc<Source>,
    /// Which of the workers of its generation it is.
    place: usize,
    /// What it counts in.
    rows: OwnedFd,
}

impl Workers {
    /// Tells a child what it is to be: the worker of that number, in that place of those which
    /// serve `source`.
    pub(super) fn begin(
        &mut self,
        id: WorkerId,
        child: Child,
        (source, place): (Rc<Source>, usize),
        clients: Option<(BorrowedFd<'_>, [u64; 2])>,
        logs: &LogFiles,
    ) -> io::Result<()> {
        let (clients, seed) = clients.ok_or(io::ErrorKind::NotFound)?;
        let loops = source.blueprint.threads;
        let rows = memory::share(c"gannet-counters", Rows::words(loops))?;
        tell(
            &child,
            &Order::Begin { loops, seed },
            &[source.bundle.as_fd(), clients, rows.as_fd()],
        )?;
        give_logs(&child, &source, logs, &HashMap::new())?;
        tell(&child, &Order::Resolve, &[])?;
        self.all.insert(id, Worker { child, source, place, rows });
        Ok(())
    }

    /// Gives a worker the sockets of its loops, and has it serve.
    pub(super) fn serve(&self, id: WorkerId, sockets: &Sockets) {
        let Some(Worker { child, source, place, .. }) = self.all.get(&id) else { return };
        let blueprint = &source.blueprint;
        let slots = blueprint.threads * blueprint.workers;
        let mut given = Ok(());
        for slot in 0..blueprint.threads {
            let at = place * blueprint.threads + slot;
            let all: Vec<_> = sockets.of_slot(&blueprint.listen, at, slots).collect();
            for part in all.chunks(DESCRIPTORS_MAX) {
                let numbers = part.iter().map(|(number, _)| *number).collect();
                let descriptors: Vec<_> = part.iter().map(|(_, socket)| socket.as_fd()).collect();
                given = given
                    .and_then(|()| tell(child, &Order::Listeners { slot, numbers }, &descriptors));
            }
        }
        // A worker without all of its sockets would leave clients waiting.
        if given.and_then(|()| tell(child, &Order::Serve, &[])).is_err() {
            child.kill();
        }
    }

    /// Tells a worker something that needs no descriptor.
    pub(super) fn tell(&self, id: WorkerId, order: &Order) {
        if let Some(worker) = self.all.get(&id) {
            let _ = tell(&worker.child, order, &[]);
        }
    }

    /// Gives all workers the log files that were opened anew.
    pub(super) fn reopen(&self, logs: &LogFiles, kept: &HashMap<PathBuf, String>) {
        for Worker { child, source, .. } in self.all.values() {
            // One that gets none writes to the old ones.
            let _ = give_logs(child, source, logs, kept)
                .and_then(|()| tell(child, &Order::Reopen, &[]));
        }
    }

    pub(super) fn kill(&self, id: WorkerId) {
        if let Some(worker) = self.all.get(&id) {
            worker.child.kill();
        }
    }

    /// Takes notice that a worker is gone, and keeps what it has counted.
    pub(super) fn ended(&mut self, id: WorkerId) {
        let Some(worker) = self.all.remove(&id) else { return };
        let counted = counted(&worker);
        self.folded.resize(Counter::ALL.len(), 0);
        self.folded.iter_mut().zip(counted).for_each(|(all, own)| *all = all.wrapping_add(own));
    }

    /// What all workers have counted, those that are gone among them.
    pub(super) fn totals(&self) -> Vec<(Counter, u64)> {
        let of_living: Vec<_> = self.all.values().map(counted).collect();
        let total = |(at, &counter): (usize, &Counter)| {
            let living = of_living.iter().filter_map(|counts| counts.get(at));
            let gone = self.folded.get(at).copied().unwrap_or(0);
            (counter, living.fold(gone, |sum, count| sum.wrapping_add(*count)))
        };
        Counter::ALL.iter().enumerate().map(total).collect()
    }

    /// What they serve.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Rc<Source>> + Clone {
        self.all.values().map(|worker| &worker.source)
    }
}

fn counted(worker: &Worker) -> Vec<u64> {
    counters::totals(&memory::look(worker.rows.as_fd()).unwrap_or_default())
}

/// Gives a worker its log files, but for those that were kept.
fn give_logs(
    child: &Child,
    source: &Source,
    logs: &LogFiles,
    kept: &HashMap<PathBuf, String>,
) -> io::Result<()> {
    let (lost, new): (Vec<_>, Vec<_>) =
        source.blueprint.logs.iter().partition(|(_, path)| kept.contains_key(path));
    let files: Vec<_> =
        new.into_iter().filter_map(|(at, path)| Some((*at, logs.file(path)?))).collect();
    for part in files.chunks(DESCRIPTORS_MAX) {
        let targets = part.iter().map(|(at, _)| *at).collect();
        let descriptors: Vec<_> = part.iter().map(|(_, file)| *file).collect();
        tell(child, &Order::Logs(targets), &descriptors)?;
    }
    for (at, path) in lost {
        let why = kept.get(path).cloned().unwrap_or_default();
        tell(child, &Order::LogKept(*at, why), &[])?;
    }
    Ok(())
}

fn tell(child: &Child, order: &Order, along: &[BorrowedFd<'_>]) -> io::Result<()> {
    let descriptors =
        along.iter().map(|one| one.try_clone_to_owned()).collect::<io::Result<Vec<_>>>()?;
    child.tell(Message { bytes: order.encode(), descriptors });
    Ok(())
}
