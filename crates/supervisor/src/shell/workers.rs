//! The workers that are there: what each is given and told, and what it has counted.

use super::{Source, watch::Watch};
use crate::{
    child::{Child, Heard},
    logs::LogFiles,
    machine::WorkerId,
    sockets::Sockets,
    state::{self, Leaving, Left, PROCESS, Place},
};
use config::Blueprint;
use control::{
    Clients, Counter, Rows, Seats, counters,
    note::{Note, Order},
    wish,
};
use net::{
    channel::{DESCRIPTORS_MAX, Message},
    memory,
};
use std::{
    cell::OnceCell,
    collections::HashMap,
    io, iter,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
};

/// Seats of a dead worker that are looked at in one piece.
const SEATS_AT_ONCE: usize = 16 * 1024;

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
    /// What its connections are noted in, and the table of clients where they are counted.
    seats: OwnedFd,
    clients: Rc<Table>,
    /// What it counts in, and the names of that where another program has started it.
    rows: OwnedFd,
    counters: Option<Vec<String>>,
    watch: Watch,
}

/// The table of clients.
#[derive(Debug)]
pub(super) struct Table {
    memory: OwnedFd,
    /// What it is called where it is kept.
    name: String,
    lines: usize,
    seed: [u64; 2],
    /// Mapped once some worker has died.
    mapped: OnceCell<Option<Clients>>,
}

impl Table {
    /// A new one.
    pub(super) fn new(lines: usize, seed: [u64; 2]) -> io::Result<Self> {
        let memory = memory::share(c"gannet-clients", Clients::words(lines))?;
        Ok(Self::left(memory, state::name("clients")?, lines, seed))
    }

    /// One that another program has made.
    pub(super) fn left(memory: OwnedFd, name: String, lines: usize, seed: [u64; 2]) -> Self {
        Self { memory, name, lines, seed, mapped: OnceCell::new() }
    }

    pub(super) fn leave<'t>(&'t self, out: &mut Leaving<'t>) -> Place {
        out.put(&*self.name, &self.memory)
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> u64 {
        let first = memory::look(self.memory.as_fd(), 0, 1).unwrap_or_default();
        first.first().copied().unwrap_or(0)
    }

    /// Takes off the connections of a worker that is gone.
    fn vacate(&self, seats: &[u64]) {
        if seats.iter().all(|&seat| seat == 0) {
            return;
        }
        let map = || memory::shared(self.memory.as_fd()).ok();
        let clients = self.mapped.get_or_init(|| Some(Clients::new(map()?, self.seed)));
        clients.iter().for_each(|clients| clients.vacate(seats));
    }
}

impl Workers {
    /// Tells a child what it is to be: the worker of that number, in that place of those which
    /// serve `source`.
    pub(super) fn begin(
        &mut self,
        id: WorkerId,
        child: Child,
        (source, place): (Rc<Source>, usize),
        clients: Rc<Table>,
        logs: &LogFiles,
    ) -> io::Result<()> {
        let Blueprint { threads: loops, connections_max, .. } = source.blueprint;
        let seats = memory::share(c"gannet-seats", Seats::words(connections_max))?;
        let rows = memory::share(c"gannet-counters", Rows::words(loops))?;
        let watch = Watch::new(loops)?;
        let all = [&source.bundle, &clients.memory, &seats, &rows, watch.memory()];
        let along = all.map(AsFd::as_fd);
        tell(&child, &Order::Begin { loops, seed: clients.seed }, &along)?;
        give_logs(&child, &source, logs, &HashMap::new())?;
        tell(&child, &Order::Resolve, &[])?;
        let counters = None;
        let worker = Worker { child, source, place, seats, clients, rows, counters, watch };
        self.all.insert(id, worker);
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

    /// Looks whether all loops get on; tells of each worker with one that does not, once.
    pub(super) fn look(&mut self) -> Vec<(WorkerId, String)> {
        // Where another program counts other things its beat lies elsewhere.
        let is_like = |names: &Vec<String>| names.len() == Counter::ALL.len();
        let all =
            self.all.iter_mut().filter(|(_, worker)| worker.counters.as_ref().is_none_or(is_like));
        all.filter_map(|(id, worker)| Some((*id, worker.watch.look(&worker.rows)?))).collect()
    }

    /// The requests that a worker was at.
    pub(super) fn requests(&self, id: WorkerId) -> Vec<String> {
        self.all.get(&id).map(|worker| worker.watch.requests()).unwrap_or_default()
    }

    pub(super) fn abort(&self, id: WorkerId) {
        if let Some(worker) = self.all.get(&id) {
            worker.child.abort();
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
        let mut start = Seats::FIRST;
        while let Ok(seats) = memory::look(worker.seats.as_fd(), start, SEATS_AT_ONCE)
            && !seats.is_empty()
        {
            worker.clients.vacate(&seats);
            start += seats.len();
        }
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

    /// Whether a worker is there.
    pub(super) fn is_there(&self, id: WorkerId) -> bool {
        self.all.contains_key(&id)
    }

    /// What there is to say of one that is there.
    pub(super) fn status(&self, id: WorkerId) -> Option<wish::Worker> {
        let worker = self.all.get(&id)?;
        let requests = Counter::ALL.iter().position(|&counter| counter == Counter::Requests);
        let requests = requests.and_then(|at| counted(worker).get(at).copied());
        Some(wish::Worker {
            pid: u64::from(worker.child.pid()),
            loops: worker.source.blueprint.threads as u64,
            requests: requests.unwrap_or(0),
        })
    }

    /// What is left to another program: the workers of those numbers, and what those have counted
    /// that are gone. Configs and tables are put down by their places in these lists.
    pub(super) fn leave<'w>(
        &'w self,
        ids: &[WorkerId],
        sources: &[&Rc<Source>],
        tables: &[&Rc<Table>],
        out: &mut Leaving<'w>,
    ) -> (Vec<state::Worker>, Vec<(String, u64)>) {
        let names = || Counter::ALL.iter().map(|counter| counter.label().to_owned());
        let leave = |&id: &WorkerId| {
            let worker = self.all.get(&id)?;
            let name = |what| format!("worker-{id}-{what}");
            Some(state::Worker {
                id,
                pid: worker.child.pid(),
                process: out.put(format!("worker-{id}{PROCESS}"), worker.child.handle()),
                channel: out.put(name("channel"), worker.child.channel()),
                source: sources.iter().position(|one| Rc::ptr_eq(one, &worker.source))?,
                place: worker.place,
                table: tables.iter().position(|one| Rc::ptr_eq(one, &worker.clients))?,
                seats: out.put(name("seats"), &worker.seats),
                rows: out.put(name("rows"), &worker.rows),
                trail: out.put(name("trail"), worker.watch.memory()),
                counters: worker.counters.clone().unwrap_or_else(|| names().collect()),
            })
        };
        let workers = ids.iter().filter_map(leave).collect();
        let gone = self.folded.iter().copied().chain(iter::repeat(0));
        (workers, names().zip(gone).collect())
    }

    /// Goes on with a worker that another program has left.
    pub(super) fn take(
        &mut self,
        worker: state::Worker,
        (source, clients): (Rc<Source>, Rc<Table>),
        left: &mut Left,
        hear: impl Fn(Heard) + 'static,
    ) -> io::Result<()> {
        let process = left.take(worker.process)?.into();
        let child = Child::of(worker.pid, process, left.take(worker.channel)?, hear)?;
        let (seats, rows) = (left.take(worker.seats)?, left.take(worker.rows)?);
        let (place, counters) = (worker.place, Some(worker.counters));
        let watch = Watch::left(left.take(worker.trail)?, source.blueprint.threads);
        let id = worker.id;
        let worker = Worker { child, source, place, seats, clients, rows, counters, watch };
        self.all.insert(id, worker);
        Ok(())
    }

    /// Goes on with what was counted before, by name.
    pub(super) fn count_on(&mut self, counted: &[(String, u64)]) {
        let before = |counter: &Counter| {
            let found = counted.iter().find(|(name, _)| name == counter.label());
            found.map_or(0, |(_, count)| *count)
        };
        self.folded = Counter::ALL.iter().map(before).collect();
    }

    /// The tables of clients that they count in.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Rc<Table>> {
        self.all.values().map(|worker| &worker.clients)
    }

    /// What they serve.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Rc<Source>> + Clone {
        self.all.values().map(|worker| &worker.source)
    }
}

fn counted(worker: &Worker) -> Vec<u64> {
    let words = memory::look(worker.rows.as_fd(), 0, usize::MAX).unwrap_or_default();
    match &worker.counters {
        None => counters::totals(&words),
        Some(names) => counters::totals_by_name(&words, names),
    }
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
