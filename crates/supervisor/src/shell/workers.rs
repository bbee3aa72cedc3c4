//! The workers that are there: what each is given and told, and what it has counted.

mod figures;

use super::{Source, had::Had, table::Table, watch::Watch};
use crate::{
    child::{Child, Heard},
    logs::LogFiles,
    machine::WorkerId,
    sockets::Sockets,
    state::{self, Leaving, Left, PROCESS, WORKER},
};
use config::plan::Label;
use control::{
    Counter, Lives, Recents, Rows, Seats, Tallies, counters,
    lives::{self, Seen},
    note::{Note, Order},
    recent::REQUESTS_MAX,
    status::{self, Used},
    tally::Counts,
    trail::calls::Call,
};
use figures::{counted, had, names, of_loops, own_names};
use net::{
    channel::{DESCRIPTORS_MAX, Message},
    memory,
    usage::Usage,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    io, iter,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
    rc::Rc,
};

/// Seats of a dead worker that are looked at in one piece.
const SEATS_AT_ONCE: usize = 16 * 1024;

/// Workers that are gone whose last requests are kept.
const RECENTS_MAX: usize = 8;

/// The workers that are there.
#[derive(Debug, Default)]
pub(super) struct Workers {
    all: HashMap<WorkerId, Worker>,
    /// What those have counted that are gone.
    folded: Vec<u64>,
    /// What the sites and routes of those have had.
    had: Had,
    /// The last requests of those, the newest last, each with how many there are at most.
    recents: VecDeque<(OwnedFd, u64)>,
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
    /// What it counts of sites and routes in.
    tallies: OwnedFd,
    /// Where it puts down the last requests.
    recents: OwnedFd,
    /// Where it puts down the lives of its connections.
    lives: OwnedFd,
}

impl Workers {
    /// Tells a child what it is to be: the worker of that number, in that place of those which
    /// serve `source`. One that cannot be told is ended.
    ///
    /// # Errors
    ///
    /// Descriptors or memory have run out.
    pub(super) fn begin(
        &mut self,
        id: WorkerId,
        child: Child,
        (source, place): (Rc<Source>, usize),
        (bundle, clients, tickets): (&OwnedFd, Rc<Table>, &OwnedFd),
        (logs, spans): (&LogFiles, Option<&OwnedFd>),
    ) -> io::Result<()> {
        let (loops, workers) = (source.blueprint.threads, source.blueprint.workers);
        let begin = || -> io::Result<_> {
            let seats = Seats::words(source.blueprint.connections_max);
            let seats = memory::share(c"gannet-seats", seats)?;
            let rows = memory::share(c"gannet-counters", Rows::words(loops))?;
            let watch = Watch::new(loops)?;
            let tallies = Tallies::words(loops, source.blueprint.labels.len());
            let tallies = memory::share(c"gannet-tallies", tallies)?;
            let recents = Recents::words(loops, loops * workers);
            let recents = memory::share(c"gannet-recents", recents)?;
            // They cost memory only where somebody may look at them.
            let shown = if source.blueprint.admin.is_some() { loops } else { 0 };
            let lives = memory::share(c"gannet-lives", Lives::words(shown))?;
            let of_clients = [bundle, clients.memory(), &seats];
            let of_loops = [&rows, watch.memory(), &tallies, &recents, &lives, tickets];
            let all = of_clients.into_iter().chain(of_loops);
            let along: Vec<_> = all.map(AsFd::as_fd).collect();
            tell(&child, &Order::Begin { loops, place, seed: clients.seed() }, &along)?;
            give_logs(&child, &source, logs, &HashMap::new())?;
            spans.map_or(Ok(()), |way| tell(&child, &Order::Spans, &[way.as_fd()]))?;
            tell(&child, &Order::Resolve, &[])?;
            Ok((seats, rows, watch, tallies, recents, lives))
        };
        let (seats, rows, watch, tallies, recents, lives) =
            begin().inspect_err(|_| child.kill())?;
        let counters = None;
        let worker = Worker {
            child,
            source,
            place,
            seats,
            clients,
            rows,
            counters,
            watch,
            tallies,
            recents,
            lives,
        };
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

    /// Tells one worker, or all of them, something that a descriptor goes along with; whom.
    pub(super) fn tell_along(
        &self,
        id: Option<WorkerId>,
        order: &Order,
        along: BorrowedFd<'_>,
    ) -> HashSet<WorkerId> {
        let told = self.all.iter().filter(|(own, _)| id.is_none_or(|id| id == **own));
        let tell = |(id, worker): (&WorkerId, &Worker)| {
            let _ = tell(&worker.child, order, &[along]);
            *id
        };
        told.map(tell).collect()
    }

    /// Has the workers of `source` use the certificates in this bundle.
    pub(super) fn renew(&self, source: &Rc<Source>, bundle: &OwnedFd) {
        for worker in self.all.values().filter(|worker| Rc::ptr_eq(&worker.source, source)) {
            // One that gets none goes on with those that it has.
            let _ = tell(&worker.child, &Order::Certificates, &[bundle.as_fd()]);
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
        all.filter_map(|(id, worker)| {
            let is_stopped = worker.child.is_stopped();
            Some((*id, worker.watch.look(&worker.rows, is_stopped)?))
        })
        .collect()
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
        let requests = of_loops(&worker, Counter::Requests).iter().sum();
        self.folded.iter_mut().zip(counted).for_each(|(all, own)| *all = all.wrapping_add(own));
        let past = had(&worker).into_iter().map(Counts::past);
        self.had.add(&worker.source.blueprint.labels, past);
        let served = self.all.values().chain([&worker]);
        self.had.trim(served.flat_map(|worker| &worker.source.blueprint.labels));
        if requests > 0 {
            self.recents.push_back((worker.recents, requests));
            self.forget();
        }
    }

    /// Lets go of requests that are older than as many as are wanted.
    fn forget(&mut self) {
        let mut found = 0;
        let newest = self.recents.iter().rev().take(RECENTS_MAX);
        let is_wanted = |(_, requests): &&(OwnedFd, u64)| {
            let before = found;
            found += requests;
            before < REQUESTS_MAX as u64
        };
        let wanted = newest.take_while(is_wanted).count();
        self.recents.drain(..self.recents.len() - wanted);
    }

    /// Where the last requests are: those of workers that are there, then of others, the newest
    /// first.
    pub(super) fn recents(&self) -> impl Iterator<Item = &OwnedFd> {
        self.all
            .values()
            .map(|worker| &worker.recents)
            .chain(self.recents.iter().rev().map(|(memory, _)| memory))
    }

    /// Where the workers put down the lives of their connections: copies to be read only.
    pub(super) fn lives(&self) -> Vec<OwnedFd> {
        let all = self.all.values().map(|worker| memory::read_only(worker.lives.as_fd()));
        all.filter_map(Result::ok).collect()
    }

    /// What is known of the connections and answers of each loop.
    pub(super) fn seen(&self) -> impl Iterator<Item = Seen> {
        self.all.values().flat_map(|worker| {
            let lives = worker.lives.as_fd();
            let look = |start, count| memory::look(lives, start, count).unwrap_or_default();
            lives::seen(memory::size(lives).unwrap_or(0), look, true)
        })
    }

    /// Has them put down each answer from now on, or only what has gone wrong.
    pub(super) fn be_seen(&self, is_close: bool) {
        for worker in self.all.values() {
            // Where nobody may look there is no word for it.
            let _ = memory::put(worker.lives.as_fd(), Lives::WANTED, u64::from(is_close));
        }
    }

    /// What sites and routes of workers have had that are gone.
    pub(super) fn had_before(&self) -> &Had {
        &self.had
    }

    /// What each site and route has had, those of workers that are gone among them.
    pub(super) fn had(&self) -> Had {
        let mut all = self.had.clone();
        self.all.values().for_each(|worker| all.add(&worker.source.blueprint.labels, had(worker)));
        all
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

    /// The bytes of pages that they have in memory.
    pub(super) fn held(&self) -> u64 {
        self.all.values().map(figures::held).sum()
    }

    /// What applications are asked.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.all.values().flat_map(|worker| worker.watch.calls()).collect()
    }

    /// Whether a worker is there.
    pub(super) fn is_there(&self, id: WorkerId) -> bool {
        self.all.contains_key(&id)
    }

    /// What there is to say of one that is there.
    pub(super) fn status(&self, id: WorkerId) -> Option<status::Worker> {
        let worker = self.all.get(&id)?;
        let requests = of_loops(worker, Counter::Requests);
        let connections = of_loops(worker, Counter::Connections).into_iter();
        let one = |(connections, requests)| status::Loop { connections, requests };
        let loops = connections.zip(requests).map(one).collect();
        let seats = memory::look(worker.seats.as_fd(), Seats::FIRST, usize::MAX);
        let is_taken = |seat: &&u64| **seat != 0;
        let words = memory::look(worker.rows.as_fd(), 0, usize::MAX).unwrap_or_default();
        let used = Usage::of(worker.child.pid()).ok();
        Some(status::Worker {
            pid: u64::from(worker.child.pid()),
            connections: seats.unwrap_or_default().iter().filter(is_taken).count() as u64,
            under_way: counters::under_way(&words, &names(worker)),
            protocols: counters::protocols(&words, &names(worker)),
            used: used.map(|Usage { cpu_us, memory_bytes }| Used { cpu_us, memory_bytes }),
            loops,
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
        let leave = |&id: &WorkerId| {
            let worker = self.all.get(&id)?;
            let name = |what| format!("{WORKER}{id}-{what}");
            Some(state::Worker {
                id,
                pid: worker.child.pid(),
                process: out.put(format!("{WORKER}{id}{PROCESS}"), worker.child.handle()),
                channel: out.put(name("channel"), worker.child.channel()),
                source: sources.iter().position(|one| Rc::ptr_eq(one, &worker.source))?,
                place: worker.place,
                table: tables.iter().position(|one| Rc::ptr_eq(one, &worker.clients))?,
                seats: out.put(name("seats"), &worker.seats),
                rows: out.put(name("rows"), &worker.rows),
                trail: out.put(name("trail"), worker.watch.memory()),
                tallies: out.put(name("tallies"), &worker.tallies),
                recents: out.put(name("recents"), &worker.recents),
                lives: out.put(name("lives"), &worker.lives),
                counters: names(worker),
            })
        };
        let workers = ids.iter().filter_map(leave).collect();
        let gone = self.folded.iter().copied().chain(iter::repeat(0));
        (workers, own_names().zip(gone).collect())
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
        let (id, tallies) = (worker.id, left.take(worker.tallies)?);
        let (recents, lives) = (left.take(worker.recents)?, left.take(worker.lives)?);
        let worker = Worker {
            child,
            source,
            place,
            seats,
            clients,
            rows,
            counters,
            watch,
            tallies,
            recents,
            lives,
        };
        self.all.insert(id, worker);
        Ok(())
    }

    /// Counts what no worker has.
    pub(super) fn count(&mut self, counter: Counter, count: u64) {
        self.folded.resize(Counter::ALL.len(), 0);
        if let Some(folded) = self.folded.get_mut(counter as usize) {
            *folded = folded.wrapping_add(count);
        }
    }

    /// Goes on with what was counted before, by name.
    pub(super) fn count_on(&mut self, counted: &[(String, u64)], had: Vec<(Label, Counts)>) {
        self.had = Had::of(had);
        let before = |counter: &Counter| {
            let found = counted.iter().find(|(name, _)| name == counter.label());
            found.map_or(0, |(_, count)| *count)
        };
        self.folded = Counter::ALL.iter().map(before).collect();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// How many connections they have, in all tables that they count in.
    pub(super) fn connections(&self) -> u64 {
        let tables: HashMap<_, _> = self.tables().map(|one| (Rc::as_ptr(one), one)).collect();
        tables.values().map(|table| table.connections()).sum()
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
    let copy = |one: &BorrowedFd<'_>| {
        net::failpoint::call()?;
        one.try_clone_to_owned()
    };
    let descriptors = along.iter().map(copy).collect::<io::Result<Vec<_>>>()?;
    child.tell(Message { bytes: order.encode(), descriptors });
    Ok(())
}
