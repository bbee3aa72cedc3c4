//! All that a supervisor leaves to the program that takes its place, in the same process or, should
//! it be killed, in another one.
//!
//! In the same process descriptors stay open under their numbers; in another one they are known by
//! their names. The list of both comes first; whatever else is about one of them says its place in
//! that list.

use crate::machine::{Checked, Kept, KeptMember, Memory, Standing};
use base::{
    Moment,
    pack::{Packer, Unpacker},
};
use config::{
    Blueprint,
    blueprint::{pack_address, unpack_address},
    plan::{self, Address, Label},
};
use control::tally::Counts;
use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
    time::Duration,
};

/// The form of the state, and of what the workers of one program have in common with the supervisor
/// of another: notes, the table of clients and the seats in it, rows of labels, slots of requests,
/// the keys of tickets. Whoever changes one of those raises this number; then a server of the
/// version before has to be restarted.
const VERSION: u64 = 19;

/// What the state begins with, before its version.
const MARK: u64 = u64::from_le_bytes(*b"gannet\0\0");

/// What the names of sockets that clients come in by begin with, in all versions.
pub(crate) const SOCKET: &str = "socket-";

/// What the names of processes end with, in all versions.
pub(crate) const PROCESS: &str = "-process";

/// What the names of what is about workers begin with, in all versions.
pub(crate) const WORKER: &str = "worker-";

/// What the names of states begin with, before their numbers, in all versions.
pub(crate) const STATE: &str = "state-";

/// A place in the list of descriptors.
pub type Place = usize;

/// What is left. All that is a number of a file or process was opened or started by the program
/// before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The descriptors, each with its name and its number.
    pub descriptors: Vec<(String, RawFd)>,
    /// The version of the program that leaves this.
    pub version: String,
    /// The sockets that clients come in by.
    pub sockets: Vec<Group>,
    /// The sockets that wishes come in by, with their paths.
    pub desks: Vec<(PathBuf, Place)>,
    /// Tables of clients with the number of their lines; new workers get the last one.
    pub tables: Vec<(Place, usize)>,
    /// Their seed.
    pub seed: [u64; 2],
    /// The keys of session tickets.
    pub tickets: Place,
    /// The configs that workers serve: each with its bundle.
    pub sources: Vec<(Place, Blueprint)>,
    /// Which of them is served to those who come.
    pub serving: Option<usize>,
    /// What is done when.
    pub machine: Memory<usize>,
    /// The workers.
    pub workers: Vec<Worker>,
    /// What those have counted that are gone, by name: all that there is a name for.
    pub counted: Vec<(String, u64)>,
    /// What the sites and routes of those have had.
    pub had: Vec<(Label, Counts)>,
    /// What workers have given up.
    pub layers: Vec<String>,
    /// Since when the server runs, by the clock that counts from the start of the machine.
    pub since: Moment,
    /// Workers that were started in the place of one that had died.
    pub restarts: u64,
    /// Requests that those were at.
    pub cut_off: u64,
    /// When the last reload was over, and why it failed if it did.
    pub reload: Option<(Moment, Option<String>)>,
    /// Who waits for what comes of this.
    pub askers: Vec<Place>,
    /// How many states of this server were kept before, for the case that it is killed.
    pub saves: u64,
    /// What runs PHP.
    pub pools: Vec<Pool>,
    /// The ends of the channel that spans are handed over by: of workers, and of who sends them.
    pub spans: Option<[Place; 2]>,
}

/// The sockets at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As it was typed.
    pub address: Address,
    /// Which of those that are typed in the same way.
    pub turn: usize,
    /// Where it is.
    pub bound: Address,
    /// Whether whoever has started the server listens there, too.
    pub is_handed: bool,
    /// One for each loop.
    pub sockets: Vec<Place>,
}

/// What runs PHP for a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is.
    pub pool: plan::Pool,
    /// Whether it was never ready.
    pub is_new: bool,
    /// Its socket; none while it dies again and again.
    pub door: Option<Place>,
    /// Its process, if there is one.
    pub process: Option<PoolProcess>,
}

/// The process of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolProcess {
    /// Its number.
    pub pid: u32,
    /// The process, whatever has that number later.
    pub process: Place,
    /// What it says.
    pub errors: Place,
}

/// A worker that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its number.
    pub id: u64,
    /// The number of its process, and that process.
    pub pid: u32,
    /// The process, whatever has that number later.
    pub process: Place,
    /// What it is told things by.
    pub channel: Place,
    /// Which config it serves.
    pub source: usize,
    /// Which of the workers of its generation it is.
    pub place: usize,
    /// Which table of clients it counts in.
    pub table: usize,
    /// What its connections are noted in.
    pub seats: Place,
    /// What it counts in.
    pub rows: Place,
    /// Where its loops show what they are at.
    pub trail: Place,
    /// What it counts of sites and routes in.
    pub tallies: Place,
    /// Where it puts down the last requests.
    pub recents: Place,
    /// Where it puts down the lives of its connections.
    pub lives: Place,
    /// The names of what it counts, in the order of its program.
    pub counters: Vec<String>,
}

/// Descriptors that are to be left.
#[derive(Debug, Default)]
pub(crate) struct Leaving<'d>(pub(crate) Vec<(String, BorrowedFd<'d>)>);

/// Descriptors that were left.
#[derive(Debug)]
pub(crate) struct Left(Vec<Option<OwnedFd>>);

impl<'d> Leaving<'d> {
    /// Puts one down under a name that no other ever has; returns its place.
    pub(crate) fn put(&mut self, name: impl Into<String>, descriptor: &'d impl AsFd) -> Place {
        self.0.push((name.into(), descriptor.as_fd()));
        self.0.len() - 1
    }

    /// The descriptors.
    pub(crate) fn borrowed(&self) -> Vec<BorrowedFd<'d>> {
        self.0.iter().map(|(_, descriptor)| *descriptor).collect()
    }

    /// The names and the numbers of all.
    pub(crate) fn list(&self) -> Vec<(String, RawFd)> {
        self.0.iter().map(|(name, descriptor)| (name.clone(), descriptor.as_raw_fd())).collect()
    }
}

/// A name that no other descriptor ever has.
pub(crate) fn name(of: &str) -> io::Result<String> {
    Ok(format!("{of}-{:016x}", u64::from_ne_bytes(net::random::bytes()?)))
}

impl Left {
    /// Takes those of `state` by their numbers, or copies of them, for the program before to find
    /// them where they were if it is gone back to.
    pub(crate) fn of(state: &State, are_copies: bool) -> io::Result<Self> {
        let take = if are_copies { net::succession::copy } else { net::succession::take };
        let all = take(&state.numbers())?;
        Ok(Self(all.into_iter().map(Some).collect()))
    }

    /// Takes those of `state` by their names, all or none.
    pub(crate) fn among(state: &State, found: &mut HashMap<String, OwnedFd>) -> Option<Self> {
        let mut names = state.descriptors.iter().map(|(name, _)| name);
        if !names.clone().all(|name| found.contains_key(name)) {
            return None;
        }
        Some(Self(names.by_ref().map(|name| found.remove(name)).collect()))
    }

    /// Takes the one at that place, which a state names once.
    pub(crate) fn take(&mut self, at: Place) -> io::Result<OwnedFd> {
        let found = self.0.get_mut(at).and_then(Option::take);
        found.ok_or_else(|| ErrorKind::InvalidData.into())
    }
}

impl State {
    /// The numbers of the descriptors.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        self.descriptors.iter().map(|(_, number)| *number).collect()
    }

    /// The state as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut packer = Packer::default();
        let out = &mut packer;
        out.number(MARK);
        out.number(VERSION);
        list(out, &self.descriptors, |out, (name, number)| {
            out.bytes(name.as_bytes());
            out.number(u64::from(number.unsigned_abs()));
        });
        out.bytes(self.version.as_bytes());
        list(out, &self.sockets, |out, group| {
            pack_address(out, &group.address);
            out.number(group.turn as u64);
            pack_address(out, &group.bound);
            out.byte(u8::from(group.is_handed));
            list(out, &group.sockets, |out, &at| out.number(at as u64));
        });
        list(out, &self.desks, |out, (path, at)| {
            out.bytes(path.as_os_str().as_bytes());
            out.number(*at as u64);
        });
        list(out, &self.tables, |out, (at, lines)| numbers(out, &[*at as u64, *lines as u64]));
        numbers(out, &self.seed);
        out.number(self.tickets as u64);
        list(out, &self.sources, |out, (at, blueprint)| {
            out.number(*at as u64);
            out.bytes(&blueprint.encode());
        });
        list(out, self.serving.as_slice(), |out, &at| out.number(at as u64));
        memory(out, &self.machine);
        list(out, &self.workers, |out, worker| {
            numbers(out, &[worker.id, u64::from(worker.pid)]);
            let Worker { process, channel, source, place, table, .. } = worker;
            numbers(out, &[process, channel, source, place, table].map(|place| *place as u64));
            let Worker { seats, rows, trail, tallies, recents, lives, .. } = worker;
            let memories = [seats, rows, trail, tallies, recents, lives];
            numbers(out, &memories.map(|place| *place as u64));
            list(out, &worker.counters, |out, name| out.bytes(name.as_bytes()));
        });
        list(out, &self.counted, |out, (name, count)| {
            out.bytes(name.as_bytes());
            out.number(*count);
        });
        list(out, &self.had, |out, (Label { site, route }, counts)| {
            out.bytes(site.as_bytes());
            out.bytes(route.as_bytes());
            counts.pack(out);
        });
        list(out, &self.layers, |out, layer| out.bytes(layer.as_bytes()));
        numbers(out, &[self.since.0, self.restarts, self.cut_off]);
        list(out, self.reload.as_slice(), |out, (when, why)| {
            out.number(when.0);
            list(out, why.as_slice(), |out, why| out.bytes(why.as_bytes()));
        });
        list(out, &self.askers, |out, &at| out.number(at as u64));
        out.number(self.saves);
        list(out, &self.pools, pool);
        list(out, self.spans.as_slice(), |out, ends| numbers(out, &ends.map(|at| at as u64)));
        packer.finish()
    }

    /// The state in `bytes`; `None` where they are of a program that this one does not understand,
    /// or name what is not there.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(bytes);
        let from = &mut unpacker;
        if from.number()? != MARK || from.number()? != VERSION {
            return None;
        }
        let state = Self {
            descriptors: from.list(|from| Some((from.text()?, from.count()?)))?,
            version: from.text()?,
            sockets: from.list(|from| {
                let (address, turn) = (unpack_address(from)?, from.count()?);
                let (bound, is_handed) = (unpack_address(from)?, from.flag()?);
                let sockets = from.list(Unpacker::count)?;
                Some(Group { address, turn, bound, is_handed, sockets })
            })?,
            desks: from.list(|from| Some((from.path()?, from.count()?)))?,
            tables: from.list(|from| Some((from.count()?, from.count()?)))?,
            seed: [from.number()?, from.number()?],
            tickets: from.count()?,
            sources: from.list(|from| Some((from.count()?, Blueprint::decode(from.bytes()?)?)))?,
            serving: maybe(from, Unpacker::count)?,
            machine: take_memory(from)?,
            workers: from.list(|from| {
                Some(Worker {
                    id: from.number()?,
                    pid: from.count()?,
                    process: from.count()?,
                    channel: from.count()?,
                    source: from.count()?,
                    place: from.count()?,
                    table: from.count()?,
                    seats: from.count()?,
                    rows: from.count()?,
                    trail: from.count()?,
                    tallies: from.count()?,
                    recents: from.count()?,
                    lives: from.count()?,
                    counters: from.list(Unpacker::text)?,
                })
            })?,
            counted: from.list(|from| Some((from.text()?, from.number()?)))?,
            had: from.list(|from| {
                let label = Label { site: from.text()?.into(), route: from.text()?.into() };
                Some((label, Counts::unpack(from)?))
            })?,
            layers: from.list(Unpacker::text)?,
            since: Moment(from.number()?),
            restarts: from.number()?,
            cut_off: from.number()?,
            reload: maybe(from, |from| {
                Some((Moment(from.number()?), maybe(from, Unpacker::text)?))
            })?,
            askers: from.list(Unpacker::count)?,
            saves: from.number()?,
            pools: from.list(take_pool)?,
            spans: maybe(from, |from| Some([from.count()?, from.count()?]))?,
        };
        (from.is_empty() && state.is_whole()).then_some(state)
    }

    /// Whether all that is named is there, and each descriptor is named once.
    fn is_whole(&self) -> bool {
        let sources = || {
            let kept = self.machine.generations.iter().map(|kept| kept.config.source);
            kept.chain(self.workers.iter().map(|worker| worker.source)).chain(self.serving)
        };
        let mut places = self.askers.clone();
        places.push(self.tickets);
        places.extend(self.spans.iter().flatten());
        places.extend(self.sockets.iter().flat_map(|group| &group.sockets));
        places.extend(self.desks.iter().map(|(_, at)| at));
        places.extend(self.tables.iter().map(|(at, _)| at));
        places.extend(self.sources.iter().map(|(at, _)| at));
        let of_worker = |one: &'_ Worker| {
            let Worker { process, channel, seats, rows, .. } = *one;
            [process, channel, seats, rows, one.trail, one.tallies, one.recents, one.lives]
        };
        places.extend(self.workers.iter().flat_map(of_worker));
        let processes = self.pools.iter().filter_map(|pool| pool.process.as_ref());
        places.extend(self.pools.iter().filter_map(|pool| pool.door));
        places.extend(processes.flat_map(|process| [process.process, process.errors]));
        places.sort_unstable();
        places.into_iter().eq(0..self.descriptors.len())
            && sources().all(|source| source < self.sources.len())
            && self.workers.iter().all(|worker| worker.table < self.tables.len())
    }
}

fn numbers(out: &mut Packer, all: &[u64]) {
    all.iter().for_each(|&number| out.number(number));
}

fn list<T>(out: &mut Packer, all: &[T], mut one: impl FnMut(&mut Packer, &T)) {
    out.number(all.len() as u64);
    all.iter().for_each(|value| one(out, value));
}

/// A list of one or none.
fn maybe<'b, T>(
    from: &mut Unpacker<'b>,
    one: impl FnMut(&mut Unpacker<'b>) -> Option<T>,
) -> Option<Option<T>> {
    let mut all = from.list(one)?;
    let found = all.pop();
    all.is_empty().then_some(found)
}

fn pool(out: &mut Packer, pool: &Pool) {
    pool.pool.pack(out);
    out.byte(u8::from(pool.is_new));
    list(out, pool.door.as_slice(), |out, &at| out.number(at as u64));
    list(out, pool.process.as_slice(), |out, PoolProcess { pid, process, errors }| {
        numbers(out, &[u64::from(*pid), *process as u64, *errors as u64]);
    });
}

fn take_pool(from: &mut Unpacker<'_>) -> Option<Pool> {
    let process = |from: &mut Unpacker<'_>| {
        Some(PoolProcess { pid: from.count()?, process: from.count()?, errors: from.count()? })
    };
    Some(Pool {
        pool: plan::Pool::unpack(from)?,
        is_new: from.flag()?,
        door: maybe(from, Unpacker::count)?,
        process: maybe(from, process)?,
    })
}

fn memory(out: &mut Packer, memory: &Memory<usize>) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    numbers(out, &[memory.count, memory.workers]);
    list(out, &memory.generations, |out, kept| {
        let Checked { source, workers, stop_time, drain_time } = kept.config;
        out.byte(u8::from(kept.is_serving));
        let counts = [kept.number, source as u64, workers as u64];
        numbers(out, &counts);
        numbers(out, &[stop_time, drain_time].map(millis));
        list(out, &kept.members, |out, member| {
            out.number(member.id);
            out.byte(member.standing as u8);
        });
    });
}

fn take_memory(from: &mut Unpacker<'_>) -> Option<Memory<usize>> {
    let member = |from: &mut Unpacker<'_>| {
        let (id, tag) = (from.number()?, from.byte()?);
        let standing = Standing::ALL.into_iter().find(|&standing| standing as u8 == tag)?;
        Some(KeptMember { id, standing })
    };
    let kept = |from: &mut Unpacker<'_>| {
        let (is_serving, number) = (from.flag()?, from.number()?);
        let config = Checked {
            source: from.count()?,
            workers: from.count()?,
            stop_time: Duration::from_millis(from.number()?),
            drain_time: Duration::from_millis(from.number()?),
        };
        Some(Kept { number, config, is_serving, members: from.list(member)? })
    };
    Some(Memory { count: from.number()?, workers: from.number()?, generations: from.list(kept)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label { site: "a".into(), route: "/*".into() }
    }

    fn blueprint() -> Blueprint {
        Blueprint {
            listen: Vec::new(),
            threads: 2,
            workers: 1,
            control: None,
            admin: None,
            otlp: None,
            connections_max: 8,
            clients_max: 9,
            logs: vec![(0, "/log".into())],
            errors: None,
            stop_time: Duration::from_secs(1),
            drain_time: Duration::from_secs(2),
            is_json: None,
            found: "one site".to_owned(),
            hosts: Vec::new(),
            certificates: vec!["/cert".into()],
            issues: true,
            labels: vec![label()],
            pools: vec![plan::Pool::quick("/php".into(), None, ("/socket".into(), 33))],
        }
    }

    fn state() -> State {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        let unix = Address::Unix { path: "/s".into(), mode: 0o660 };
        let group =
            |address, bound, sockets| Group { address, turn: 0, bound, is_handed: true, sockets };
        let config = Checked {
            source: 0,
            workers: 1,
            stop_time: Duration::from_secs(3),
            drain_time: Duration::from_secs(4),
        };
        let members = vec![
            KeptMember { id: 5, standing: Standing::Serving },
            KeptMember { id: 6, standing: Standing::Absent },
        ];
        let kept = Kept { number: 3, config, is_serving: true, members };
        State {
            descriptors: (10..32).map(|number| (format!("name-{number}"), number)).collect(),
            version: "1.2.3".to_owned(),
            sockets: vec![
                group(tcp("[::1]:0"), tcp("[::1]:8080"), vec![0, 9]),
                group(unix.clone(), unix, vec![1]),
            ],
            desks: vec![("/desk".into(), 2)],
            tables: vec![(3, 100)],
            seed: [7, u64::MAX],
            tickets: 14,
            sources: vec![(4, blueprint())],
            serving: Some(0),
            machine: Memory { count: 3, workers: 6, generations: vec![kept] },
            workers: vec![Worker {
                id: 5,
                pid: 4242,
                process: 13,
                channel: 5,
                source: 0,
                place: 0,
                table: 0,
                seats: 6,
                rows: 7,
                trail: 10,
                tallies: 11,
                recents: 12,
                lives: 19,
                counters: vec!["requests".to_owned()],
            }],
            counted: vec![("requests".to_owned(), 12)],
            had: vec![(
                label(),
                Counts { classes: [0, 1, 2, 3, 4], bytes: 5, ..Counts::default() },
            )],
            layers: vec!["no core dumps: on".to_owned()],
            since: Moment(99),
            restarts: 1,
            cut_off: 2,
            reload: Some((Moment(98), Some("error: why".to_owned()))),
            askers: vec![8],
            saves: 7,
            pools: [None, Some(PoolProcess { pid: 4343, process: 16, errors: 17 }), None]
                .into_iter()
                .zip([Some(15), Some(18), None])
                .map(|(process, door)| Pool {
                    pool: blueprint().pools.remove(0),
                    is_new: process.is_some(),
                    door,
                    process,
                })
                .collect(),
            spans: Some([20, 21]),
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was_and_nothing_else_is_one() {
        let state = state();
        let bytes = state.encode();
        assert_eq!(State::decode(&bytes), Some(state));
        for end in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..end]), None, "cut at {end}");
        }
        assert_eq!(State::decode(&[&*bytes, b"\0"].concat()), None);
        for at in [0, 8] {
            let mut other = bytes.clone();
            other[at] += 1;
            assert_eq!(State::decode(&other), None, "another mark or version");
        }
    }

    #[test]
    fn what_names_something_that_is_not_there_is_no_state() {
        let spoil: [fn(&mut State); 8] = [
            |state| state.tickets = 12,
            |state| state.descriptors.push(("more".to_owned(), 32)),
            |state| state.descriptors.truncate(9),
            |state| state.askers[0] = 0,
            |state| state.serving = Some(1),
            |state| state.workers[0].source = 1,
            |state| state.workers[0].table = 1,
            |state| state.machine.generations[0].config.source = 1,
        ];
        for (number, spoil) in spoil.into_iter().enumerate() {
            let mut state = state();
            spoil(&mut state);
            assert_eq!(State::decode(&state.encode()), None, "{number}");
        }
    }

    /// Else the fuzzer would begin with what is refused at once.
    #[test]
    fn what_the_fuzzer_begins_with_is_of_this_version() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/state");
        for seed in ["one-worker", "a-pool"] {
            let bytes = std::fs::read(format!("{corpus}/{seed}")).unwrap();
            assert!(State::decode(&bytes).is_some(), "{seed}");
        }
    }
}
