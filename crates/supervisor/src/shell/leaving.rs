//! All that is left to another program, and taking it up: in the same process, or in another one
//! where this one was killed.

use super::{Happening, STATE_BYTES_MAX, Shell, Source, table::Table};
use crate::{
    machine::{Event, Machine, Note, Order, Standing},
    orphans,
    sockets::Sockets,
    state::{Leaving, Left, PROCESS, SOCKET, STATE, State},
    tickets::Tickets,
    wishes::{Asker, Desk},
};
use control::note;
use net::{sealed, store::MARK, systemd::Handed};
use std::{
    cell::OnceCell,
    collections::HashMap,
    io::{self, ErrorKind},
    mem,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
};

impl Shell<'_> {
    /// All that is left to another program, and the descriptors of that: to one that takes the
    /// place of this one with those who wait for that, or to one in another process.
    pub(super) fn state<'s>(&'s self, askers: Option<&'s [Asker]>, out: &mut Leaving<'s>) -> State {
        let mut sources: Vec<&'s Rc<Source>> = Vec::new();
        let mut tables: Vec<&'s Rc<Table>> = Vec::new();
        let memory = self.machine.memory();
        let members = memory.generations.iter().flat_map(|generation| &generation.members);
        let ids: Vec<_> = members.map(|member| member.id).collect();
        let machine = memory.map(|source| Some(place(&mut sources, source)));
        self.workers.sources().for_each(|source| _ = place(&mut sources, source));
        let serving = self.serving.as_ref().map(|source| place(&mut sources, source));
        self.workers.tables().for_each(|table| _ = place(&mut tables, table));
        if let Some(table) = &self.clients {
            tables.retain(|other| !Rc::ptr_eq(other, table));
            tables.push(table);
        }
        let (workers, counted) = self.workers.leave(&ids, &sources, &tables, out);
        let desk = |(at, desk): (usize, &'s Desk)| {
            (desk.path().to_owned(), out.put(format!("desk-{at}"), desk.socket()))
        };
        // Whoever wants something of a process that was killed is to notice.
        let desks = askers.map(|_| self.desks.iter().enumerate().map(desk).collect());
        let ask = |(at, asker)| out.put(format!("asker-{at}"), asker);
        let askers = askers.unwrap_or_default().iter().enumerate().map(ask).collect();
        let mut state = State {
            descriptors: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sockets: self.sockets.leave(out),
            desks: desks.unwrap_or_default(),
            tables: tables.iter().map(|table| (table.leave(out), table.lines())).collect(),
            seed: self.seed,
            tickets: out.put("tickets", self.tickets.memory()),
            sources: sources
                .iter()
                .map(|source| {
                    let (name, bundle) = self.certificates.bundle(source);
                    (out.put(name, bundle), source.blueprint.clone())
                })
                .collect(),
            serving,
            machine: machine.unwrap_or_default(),
            workers,
            counted,
            had: self.workers.had_before().counted(),
            layers: self.layers.clone(),
            since: self.history.since,
            restarts: self.history.restarts,
            cut_off: self.history.cut_off,
            reload: self.history.reload.clone(),
            askers,
            saves: self.keeping.saves(),
            pools: self.pools.leave(out),
            spans: self.spans.leave(out),
        };
        state.descriptors = out.list();
        state
    }

    /// Takes up all that was left; returns those who wait for what comes of it.
    pub(super) fn restore(&mut self, state: State, left: &mut Left) -> io::Result<Vec<Asker>> {
        let missing = || io::Error::from(ErrorKind::InvalidData);
        self.sockets = Sockets::of(state.sockets, left, true)?;
        for (path, at) in state.desks {
            self.take_desk(&path, left.take(at)?)?;
        }
        let seed = state.seed;
        let names = state.descriptors;
        let name = |at: usize| names.get(at).map_or_else(String::new, |(name, _)| name.clone());
        let table = |(at, lines)| Ok(Rc::new(Table::left(left.take(at)?, name(at), lines, seed)));
        let tables = state.tables.into_iter().map(table).collect::<io::Result<Vec<_>>>()?;
        self.clients = tables.last().cloned();
        self.seed = seed;
        self.tickets = Tickets::left(left.take(state.tickets)?)?;
        let source = |(at, blueprint)| {
            let (bundle, clients) = (left.take(at)?, OnceCell::new());
            let (name, warnings) = (name(at), String::new());
            Ok(Rc::new(Source { bundle, name, blueprint, warnings, clients }))
        };
        let sources = state.sources.into_iter().map(source).collect::<io::Result<Vec<_>>>()?;
        for source in &sources {
            // What cannot be opened any more is said when the next workers want it.
            let _ = self.logs.open(&source.blueprint);
        }
        self.serving = state.serving.and_then(|at| sources.get(at).cloned());
        for worker in state.workers {
            let (id, happenings) = (worker.id, self.happenings.clone());
            let hear = move |heard| drop(happenings.send(Happening::Worker(id, heard)));
            let source = sources.get(worker.source).cloned().ok_or_else(missing)?;
            let table = tables.get(worker.table).cloned().ok_or_else(missing)?;
            self.workers.take(worker, (source, table), left, hear)?;
        }
        for pool in state.pools {
            let name = pool.door.map_or_else(String::new, name);
            self.pools.take(pool, name, left)?;
        }
        if let Some([way, queue]) = state.spans {
            let mut take = |at| Ok::<_, io::Error>((name(at), left.take(at)?));
            self.spans.take([take(way)?, take(queue)?]);
        }
        // Those of a config that the program before has given up are of no use.
        self.tidy_pools();
        self.workers.count_on(&state.counted, state.had);
        self.layers = state.layers;
        let now = net::clock::now();
        let memory = state.machine.map(|at| sources.get(at).cloned()).ok_or_else(missing)?;
        self.machine = Machine::of(memory, now);
        (self.history.since, self.history.reload) = (state.since, state.reload);
        (self.history.restarts, self.history.cut_off) = (state.restarts, state.cut_off);
        state.askers.into_iter().map(|at| Asker::left(left.take(at)?)).collect()
    }

    /// Has all that this process holds kept elsewhere, if anything of it has changed.
    pub(super) fn save(&mut self) {
        let has_any = self.serving.is_some() || self.pools.len() > 0;
        if self.is_trial || !has_any || !self.keeping.is_due() {
            return;
        }
        let serves = self.serving.is_some() && !self.machine.is_stopping();
        let mut keeping = mem::take(&mut self.keeping);
        let mut out = Leaving::default();
        let mut state = self.state(None, &mut out);
        state.saves = keeping.saves() + 1;
        let state = serves.then(|| state.encode());
        keeping.keep(&self.program, state.as_deref(), &out.0);
        drop(out);
        self.keeping = keeping;
    }

    /// Goes on with what a process that was killed has had kept. What is of another version is not
    /// understood: then its sockets are used, and its workers drain once others serve.
    pub(super) fn adopt(&mut self, found: Vec<Handed>) -> io::Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        let own = |Handed { name, descriptor }| {
            let name = name.strip_prefix(MARK).unwrap_or(&name).to_owned();
            (name, descriptor)
        };
        let mut found: HashMap<String, OwnedFd> = found.into_iter().map(own).collect();
        let number = |name: &str| name.strip_prefix(STATE)?.parse::<u64>().ok();
        let newest = found.keys().filter_map(|name| number(name)).max();
        let state = newest.and_then(|newest| read(found.get(&format!("{STATE}{newest}"))?).ok());
        let there = found.keys().cloned().collect();
        let left = state.and_then(|state| Some((Left::among(&state, &mut found)?, state)));
        let Some((mut left, state)) = left else {
            self.replace(found, newest.unwrap_or(0));
            return Ok(());
        };
        self.keeping.know(&state, there);
        self.restore(state, &mut left)?;
        self.resume();
        Ok(())
    }

    /// Takes the sockets among what a server of another version has had kept, and notes who is to
    /// drain.
    fn replace(&mut self, found: HashMap<String, OwnedFd>, newest: u64) {
        self.keeping.replace(found.keys().cloned(), newest);
        for (name, descriptor) in found {
            if name.ends_with(PROCESS) {
                self.strangers.push(orphans::stranger(descriptor.into()));
            } else if name.starts_with(SOCKET) {
                self.taken_over.push(Handed { name, descriptor });
            }
        }
    }

    /// Has all workers do what the process before may not have got round to telling them; whoever
    /// was told before does nothing new. Then the config is read again.
    fn resume(&mut self) {
        let memory = self.machine.memory();
        let members = memory.generations.iter().flat_map(|generation| &generation.members);
        let members: Vec<_> = members.copied().collect();
        for member in members {
            match member.standing {
                Standing::Serving => self.workers.serve(member.id, &self.sockets),
                Standing::Leaving => self.workers.tell(member.id, &note::Order::Drain),
                Standing::Starting if !self.workers.is_there(member.id) => {
                    self.due.push_back(Event::Ended(member.id, "was not started".to_owned()));
                }
                Standing::Starting | Standing::Absent | Standing::Gone => {}
            }
        }
        let Some(source) = self.serving.clone() else { return };
        self.watch_certificates(&source);
        self.open_own_desk(&source);
        self.show();
        self.have_spans_sent();
        self.perform(Order::Greet(source));
        self.note(&Note::Adopted);
    }
}

/// The state in `memory`.
pub(super) fn read(memory: &OwnedFd) -> io::Result<State> {
    let bytes = sealed::read(memory.as_fd(), STATE_BYTES_MAX)?;
    State::decode(&bytes).ok_or_else(|| ErrorKind::InvalidData.into())
}

/// The place of `one` among others, where it is put if it is not there yet.
fn place<'s, T>(all: &mut Vec<&'s Rc<T>>, one: &'s Rc<T>) -> usize {
    all.iter().position(|other| Rc::ptr_eq(other, one)).unwrap_or_else(|| {
        all.push(one);
        all.len() - 1
    })
}
