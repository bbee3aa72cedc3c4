//! How a server is, as it tells those who ask.

use crate::{
    counters::Protocol,
    kept::Kept,
    latency::{Latency, Times},
    note::short,
    tally::{CLASSES, Counts, VERDICTS},
};
use base::pack::{Packer, Unpacker};

/// How a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The version of its program.
    pub version: String,
    /// The process that watches the workers.
    pub pid: u64,
    /// Seconds since it has started.
    pub seconds: u64,
    /// The generations of workers, the oldest first.
    pub generations: Vec<Generation>,
    /// Connections that are open now.
    pub connections: u64,
    /// Workers that were started in the place of one that had died.
    pub restarts: u64,
    /// Requests that a worker was at when it died, as far as they are known.
    pub cut_off: u64,
    /// The last reload, if there was any.
    pub reload: Option<Reload>,
    /// Reloads that were done, and those that failed.
    pub reloads: u64,
    /// Those that failed.
    pub reloads_failed: u64,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
    /// How often a connection has found no room to wait there, or with any other server of this
    /// machine, since that was started; `None` where the system does not tell.
    pub overflows: Option<u64>,
    /// How often it was dropped there, for that or another reason.
    pub drops: Option<u64>,
    /// The certificates that are served.
    pub certificates: Vec<Certificate>,
    /// What workers have given up: a line for each layer of their sandbox.
    pub layers: Vec<String>,
    /// What was counted since the start, by name.
    pub counted: Vec<(String, u64)>,
    /// What each site has had since the start, ordered by name.
    pub sites: Vec<Site>,
    /// What runs PHP: who looks has to ask it, so this is nothing that the server tells.
    pub pools: Vec<Pool>,
    /// How many sockets at the addresses of the server are in each state, by its name, as whoever
    /// looks asks the kernel; `None` where it does not tell.
    pub sockets: Option<Vec<(String, u64)>>,
}

/// A generation of workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Its number; each config that is loaded has one more.
    pub number: u64,
    /// What it does, in a word.
    pub phase: String,
    /// The seconds after which its workers are made to end, where they were told to leave.
    pub seconds_left: Option<u64>,
    /// Its workers.
    pub workers: Vec<Worker>,
}

/// A worker process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Its process.
    pub pid: u64,
    /// The connections that it has open now.
    pub connections: u64,
    /// Exchanges that wait for something: a disk, an application, a client that takes its time.
    pub under_way: u64,
    /// How many of its connections speak what, in the order of [`Protocol::ALL`].
    pub protocols: [u64; Protocol::ALL.len()],
    /// What it takes of the machine; `None` where the system does not tell.
    pub used: Option<Used>,
    /// Its event loops.
    pub loops: Vec<Loop>,
}

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Microseconds of processor time that it has used.
    pub cpu_us: u64,
    /// Bytes of memory that it has.
    pub memory_bytes: u64,
}

/// An event loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loop {
    /// The connections that it has accepted.
    pub connections: u64,
    /// The requests that it has answered.
    pub requests: u64,
}

/// An address that clients come in by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: String,
    /// Connections that wait there to be accepted, at all of its sockets.
    pub waiting: u64,
    /// How many may, at all of them.
    pub waiting_max: u64,
    /// Connections that were accepted there since the start.
    pub accepted: u64,
}

/// What ends the words for a file that cannot be used where what was in it before is used on.
pub const GOES_ON: &str = ": the one before goes on";

/// A certificate that is served, or the authorities in a file, by one of which clients are
/// certified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The file that it is kept in, or would be.
    pub file: String,
    /// Whether clients are certified by it; then it is served to nobody.
    pub is_of_clients: bool,
    /// For whom it is, or whose clients.
    pub hosts: Vec<String>,
    /// From whom.
    pub issuer: String,
    /// Until when it holds, in seconds since 1970, as far as that is known.
    pub until: Option<i64>,
    /// What comes next.
    pub next: String,
    /// What is to be said of its end, if that is near.
    pub warning: Option<String>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// A reload that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Seconds since then.
    pub seconds: u64,
    /// Why it failed; nothing where it did not.
    pub fault: Option<String>,
}

/// What a site has had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Its name, or what stands for several.
    pub name: String,
    /// Each of its routes by its key, or what stands for several.
    pub routes: Vec<(String, Counts)>,
}

/// A php-fpm that the server has started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Its site, which may have several.
    pub site: String,
    /// Connections that wait for one of its workers.
    pub waiting: u64,
    /// How many may.
    pub waiting_max: u64,
    /// How many of its site have died though nobody had them end, since this program took over.
    pub deaths: u64,
    /// How many were started in the place of those.
    pub restarts: u64,
    /// What it says of itself; `None` where it does not answer in time.
    pub says: Option<Says>,
}

/// What a php-fpm says of itself. It counts from its own start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Says {
    /// Workers that are at a request.
    pub busy: u64,
    /// Workers that are not.
    pub idle: u64,
    /// The most that were at one at a time.
    pub busy_most: u64,
    /// How often it could have done with more workers than it may have.
    pub limit_reached: u64,
    /// Requests that were slow.
    pub slow: u64,
    /// Requests that it has taken.
    pub taken: u64,
}

impl Worker {
    /// The requests that it has answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.loops.iter().map(|one| one.requests).sum()
    }
}

impl Site {
    /// What all of its routes have had.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.routes.iter().for_each(|(_, counts)| total += *counts);
        total
    }
}

impl Status {
    pub(crate) fn pack(&self, out: &mut Packer) {
        let Self { version, pid, seconds, generations, connections, restarts, cut_off, .. } = self;
        out.bytes(version.as_bytes());
        numbers(out, &[*pid, *seconds, *connections, *restarts, *cut_off]);
        list(out, generations, |out, generation| {
            out.number(generation.number);
            out.bytes(generation.phase.as_bytes());
            list(out, generation.seconds_left.as_slice(), |out, left| out.number(*left));
            list(out, &generation.workers, |out, worker| {
                let Worker { pid, connections, under_way, protocols, used, .. } = *worker;
                numbers(out, &[pid, connections, under_way]);
                numbers(out, &protocols);
                list(out, used.as_slice(), |out, used| {
                    numbers(out, &[used.cpu_us, used.memory_bytes]);
                });
                let pack = |out: &mut Packer, one: &Loop| {
                    numbers(out, &[one.connections, one.requests]);
                };
                list(out, &worker.loops, pack);
            });
        });
        list(out, self.reload.as_slice(), |out, Reload { seconds, fault }| {
            out.number(*seconds);
            list(out, fault.as_slice(), |out, fault| out.bytes(short(fault).as_bytes()));
        });
        numbers(out, &[self.reloads, self.reloads_failed]);
        list(out, &self.listeners, |out, Listener { address, waiting, waiting_max, accepted }| {
            out.bytes(address.as_bytes());
            numbers(out, &[*waiting, *waiting_max, *accepted]);
        });
        list(out, self.overflows.as_slice(), |out, count| out.number(*count));
        list(out, self.drops.as_slice(), |out, count| out.number(*count));
        list(out, &self.certificates, |out, one| one.pack(out));
        list(out, &self.layers, |out, layer| out.bytes(layer.as_bytes()));
        list(out, &self.counted, |out, (name, count)| {
            out.bytes(name.as_bytes());
            out.number(*count);
        });
        list(out, &self.sites, |out, site| {
            out.bytes(site.name.as_bytes());
            list(out, &site.routes, |out, (key, counts)| {
                out.bytes(key.as_bytes());
                counts.pack(out);
            });
        });
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let one = |from: &mut Unpacker<'_>| {
            Some(Loop { connections: from.number()?, requests: from.number()? })
        };
        let used = |from: &mut Unpacker<'_>| {
            Some(Used { cpu_us: from.number()?, memory_bytes: from.number()? })
        };
        let worker = |from: &mut Unpacker<'_>| {
            Some(Worker {
                pid: from.number()?,
                connections: from.number()?,
                under_way: from.number()?,
                protocols: [from.number()?, from.number()?, from.number()?, from.number()?],
                used: maybe(from, used)?,
                loops: from.list(one)?,
            })
        };
        let generation = |from: &mut Unpacker<'_>| {
            let (number, phase) = (from.number()?, from.text()?);
            let seconds_left = maybe(from, Unpacker::number)?;
            Some(Generation { number, phase, seconds_left, workers: from.list(worker)? })
        };
        let reload = |from: &mut Unpacker<'_>| {
            Some(Reload { seconds: from.number()?, fault: maybe(from, Unpacker::text)? })
        };
        let version = from.text()?;
        let [pid, seconds, connections, restarts, cut_off] =
            [from.number()?, from.number()?, from.number()?, from.number()?, from.number()?];
        Some(Self {
            version,
            pid,
            seconds,
            generations: from.list(generation)?,
            connections,
            restarts,
            cut_off,
            reload: maybe(from, reload)?,
            reloads: from.number()?,
            reloads_failed: from.number()?,
            listeners: from.list(|from| {
                let (address, waiting) = (from.text()?, from.number()?);
                let (waiting_max, accepted) = (from.number()?, from.number()?);
                Some(Listener { address, waiting, waiting_max, accepted })
            })?,
            overflows: maybe(from, Unpacker::number)?,
            drops: maybe(from, Unpacker::number)?,
            certificates: from.list(Certificate::unpack)?,
            layers: from.list(Unpacker::text)?,
            counted: from.list(|from| Some((from.text()?, from.number()?)))?,
            sites: from.list(|from| {
                let name = from.text()?;
                let route = |from: &mut Unpacker<'_>| Some((from.text()?, Counts::unpack(from)?));
                Some(Site { name, routes: from.list(route)? })
            })?,
            pools: Vec::new(),
            sockets: None,
        })
    }
}

/// Certificates as bytes.
#[must_use]
pub fn pack_certificates(all: &[Certificate]) -> Vec<u8> {
    let mut out = Packer::default();
    list(&mut out, all, |out, one| one.pack(out));
    out.finish()
}

/// The certificates in these bytes; `None` where they are something else.
#[must_use]
pub fn unpack_certificates(bytes: &[u8]) -> Option<Vec<Certificate>> {
    let mut from = Unpacker::new(bytes);
    let all = from.list(Certificate::unpack)?;
    from.is_empty().then_some(all)
}

impl Certificate {
    pub(crate) fn pack(&self, out: &mut Packer) {
        let Self { file, is_of_clients, hosts, issuer, until, next, warning, error } = self;
        out.bytes(file.as_bytes());
        out.byte(u8::from(*is_of_clients));
        list(out, hosts, |out, host| out.bytes(host.as_bytes()));
        out.bytes(issuer.as_bytes());
        list(out, until.as_slice(), |out, until| out.number(until.cast_unsigned()));
        out.bytes(next.as_bytes());
        for text in [warning, error] {
            list(out, text.as_slice(), |out, text| out.bytes(text.as_bytes()));
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some(Self {
            file: from.text()?,
            is_of_clients: from.flag()?,
            hosts: from.list(Unpacker::text)?,
            issuer: from.text()?,
            until: maybe(from, |from| Some(from.number()?.cast_signed()))?,
            next: from.text()?,
            warning: maybe(from, Unpacker::text)?,
            error: maybe(from, Unpacker::text)?,
        })
    }
}

impl Counts {
    /// Appends it; [`Counts::unpack`] reads it.
    pub fn pack(&self, out: &mut Packer) {
        numbers(out, &self.classes);
        numbers(out, &self.limits);
        numbers(out, &[self.bytes, self.under_way, self.accepted]);
        for Latency { counts, sum_us } in self.times.parts() {
            let is_any = counts.iter().any(|count| *count > 0);
            out.byte(u8::from(is_any));
            if is_any {
                out.number(*sum_us);
                numbers(out, counts);
            }
        }
        self.kept.pack(out);
    }

    /// Reads it; `None` where there is none.
    pub fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let (mut classes, mut limits) = ([0; CLASSES], [0; VERDICTS]);
        for count in classes.iter_mut().chain(&mut limits) {
            *count = from.number()?;
        }
        let (bytes, under_way, accepted) = (from.number()?, from.number()?, from.number()?);
        let (at_once, first, whole) = (latency(from)?, latency(from)?, latency(from)?);
        let (times, kept) = (Times { at_once, first, whole }, Kept::unpack(from)?);
        Some(Self { classes, bytes, times, limits, under_way, accepted, kept })
    }
}

fn latency(from: &mut Unpacker<'_>) -> Option<Latency> {
    let mut latency = Latency::default();
    if from.flag()? {
        latency.sum_us = from.number()?;
        for count in &mut latency.counts {
            *count = from.number()?;
        }
    }
    Some(latency)
}

fn numbers(out: &mut Packer, all: &[u64]) {
    all.iter().for_each(|&number| out.number(number));
}

pub(crate) fn list<T>(out: &mut Packer, all: &[T], mut one: impl FnMut(&mut Packer, &T)) {
    out.number(all.len() as u64);
    all.iter().for_each(|value| one(out, value));
}

/// A list of one or none.
fn maybe<'b, T>(
    from: &mut Unpacker<'b>,
    one: impl FnMut(&mut Unpacker<'b>) -> Option<T>,
) -> Option<Option<T>> {
    let mut list = from.list(one)?;
    let last = list.pop();
    list.is_empty().then_some(last)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn status() -> Status {
        let loops = vec![Loop { connections: 4, requests: 9 }; 2];
        let used = Some(Used { cpu_us: 5, memory_bytes: 6 });
        let (pid, connections, under_way, protocols) = (12, 3, 4, [1, 2, 3, 4]);
        let worker = Worker { pid, connections, under_way, protocols, used, loops };
        let workers = vec![worker];
        let (number, phase, seconds_left) = (3, "draining".to_owned(), Some(5));
        let mut counts = Counts { classes: [0, 1, 2, 3, 4], bytes: 5, ..Counts::default() };
        (counts.times.whole.sum_us, counts.times.whole.counts[3]) = (8, 9);
        (counts.kept.hits, counts.kept.bytes) = (6, 7);
        (counts.limits, counts.under_way, counts.accepted) = ([6, 7], 8, 9);
        let (address, waiting, waiting_max, accepted) = ("[::1]:80".to_owned(), 1, 2, 3);
        let listener = Listener { address, waiting, waiting_max, accepted };
        Status {
            version: "1".to_owned(),
            pid: 7,
            cut_off: 2,
            generations: vec![Generation { number, phase, seconds_left, workers }],
            reload: Some(Reload { seconds: 8, fault: Some("why".to_owned()) }),
            reloads: 4,
            reloads_failed: 3,
            listeners: vec![listener],
            overflows: Some(6),
            drops: Some(7),
            certificates: vec![Certificate { until: Some(-7), ..Certificate::default() }],
            layers: vec!["no core dumps: on".to_owned()],
            counted: vec![("requests".to_owned(), 9)],
            sites: vec![Site { name: "a".to_owned(), routes: vec![("/*".to_owned(), counts); 2] }],
            ..Status::default()
        }
    }

    #[test]
    fn sums_are_those_of_the_parts() {
        let status = status();
        assert_eq!(status.generations[0].workers[0].requests(), 18);
        let total = status.sites[0].total();
        assert_eq!((total.classes, total.bytes), ([0, 2, 4, 6, 8], 10));
        assert_eq!((total.requests(), total.times.whole.count()), (20, 18));
        assert_eq!((total.kept.hits, total.kept.bytes), (12, 14));
    }

    #[test]
    fn certificates_come_back_as_they_were() {
        let one = Certificate {
            file: "/a.pem".to_owned(),
            hosts: vec!["a.example".to_owned(), "b.example".to_owned()],
            until: Some(-7),
            error: Some("no".to_owned()),
            ..Certificate::default()
        };
        let all = vec![one, Certificate { is_of_clients: true, ..Certificate::default() }];
        let bytes = pack_certificates(&all);
        assert_eq!(unpack_certificates(&bytes), Some(all));
        for end in 0..bytes.len() {
            assert_eq!(unpack_certificates(&bytes[..end]), None, "cut at {end}");
        }
    }
}
