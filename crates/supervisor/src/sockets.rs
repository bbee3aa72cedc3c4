//! The listening sockets of a server, and what to do where one cannot be had.
//!
//! A socket is kept as long as its address is configured: one of several at an address that is
//! closed takes with it the connections that wait there to be accepted.

mod handed;
mod words;

pub(crate) use words::explain_unix;

use crate::state::{Group, Leaving, Left, SOCKET};
use base::stable;
use config::plan::{Address, Listen};
use net::{
    diag::Diag,
    listener::{self, Listening, is_kept_from_us},
    queue::Queue,
    unix::SocketFile,
};
use std::{fmt, io, net::SocketAddr, os::fd::AsFd};
use words::{Setting, explain, explain_own};

/// Why there is no socket, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether it is only that a port is taken.
    pub is_taken: bool,
    /// The address, the cause and the way out.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Sockets that are open.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Held>);

/// The sockets of each loop, and the files of Unix sockets, which have to be dropped before those.
pub type Parted = (Vec<Vec<(usize, Listening)>>, Vec<SocketFile>);

/// The sockets at one address.
#[derive(Debug)]
struct Held {
    /// As it was typed.
    address: Address,
    /// Which of those that are typed in the same way.
    turn: usize,
    /// Where it is, which differs where the kernel has chosen the port.
    bound: Address,
    /// The file of a Unix socket. It has to be dropped before the socket is closed.
    file: Option<SocketFile>,
    /// One for each loop at an IP address; never fewer than there were. One at a path.
    group: Vec<Listening>,
    /// Whether there can be no more of them, so that all loops accept from each.
    is_shared: bool,
    /// Whether whoever has started this process listens there, too, and goes on where we do not.
    is_handed: bool,
}

impl Sockets {
    /// Opens a socket at each address of `wanted` that has none, or one whose file was removed; the
    /// first `of_sites` are those of sites, another one is that of `admin`. If one cannot be had,
    /// all is as it was before.
    ///
    /// # Errors
    ///
    /// The first one that cannot be had.
    pub fn open(&mut self, wanted: &[Listen], of_sites: usize) -> Result<(), Fault> {
        let is_wanted = |held: &&Held| (0..wanted.len()).any(|number| held.is_for(wanted, number));
        if let Some(held) =
            self.0.iter().filter(|held| held.is_handed).find(|held| !is_wanted(held))
        {
            let message = format!(
                "error: {}: systemd goes on to listen there, and its clients would wait for nobody: \
                 keep it in `listen`, or take it out of the socket unit and restart the server",
                held.bound
            );
            return Err(Fault { is_taken: false, message });
        }
        let count = self.0.len();
        for (number, listen) in wanted.iter().enumerate() {
            if self.find(wanted, number).is_some_and(|held| !held.is_lost()) {
                continue;
            }
            let setting = Setting::of(listen, number < of_sites);
            let own = self.in_the_way(&listen.address);
            match held((listen, setting), turn(wanted, number), own) {
                Ok(held) => self.0.extend(held),
                Err(fault) => {
                    self.0.truncate(count);
                    return Err(fault.said_at(&listen.written));
                }
            }
        }
        Ok(())
    }

    /// Opens more sockets at addresses of `wanted` that have fewer than `slots`; where only whoever
    /// has started this process may do so, loops share those that it has handed over.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub fn widen(&mut self, wanted: &[Listen], slots: usize) -> io::Result<()> {
        let is_wanted = |held: &&mut Held| (0..wanted.len()).any(|at| held.is_for(wanted, at));
        for held in self.0.iter_mut().filter(is_wanted) {
            let Address::Tcp(address) = held.bound else { continue };
            while held.group.len() < slots && !held.is_shared {
                match listener::listen(address) {
                    Ok(socket) => held.group.push(Listening::Tcp(socket)),
                    Err(error) if is_kept_from_us(&error) => held.is_shared = true,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Of two sockets at one path, of which the file of the older one was removed, closes one: the
    /// older one where the other `is_served`.
    pub fn settle(&mut self, is_served: bool) {
        if is_served {
            self.0.reverse();
        }
        let mut seen: Vec<(Address, usize)> = Vec::new();
        self.0.retain(|held| {
            let is_here = |(address, turn): &(Address, usize)| {
                is_same(address, &held.address) && *turn == held.turn
            };
            let is_first = !seen.iter().any(is_here);
            seen.push((held.address.clone(), held.turn));
            is_first
        });
        if is_served {
            self.0.reverse();
        }
    }

    /// Closes all but those at the addresses of `wanted`.
    pub fn keep(&mut self, wanted: &[Listen]) {
        self.0.retain_mut(|held| {
            let number = (0..wanted.len()).find(|&number| held.is_for(wanted, number));
            let address =
                number.and_then(|number| wanted.get(number)).map(|listen| &listen.address);
            if let (Some(Address::Unix { mode, .. }), Some(file)) = (address, &held.file) {
                file.set_mode(*mode);
            }
            number.is_some()
        });
    }

    /// Where they listen, in the order of `wanted`, each with its place there.
    #[must_use]
    pub fn addresses(&self, wanted: &[Listen]) -> Vec<(usize, Address)> {
        let bound = |number| self.find(wanted, number).map(|held| (number, held.bound.clone()));
        (0..wanted.len()).filter_map(bound).collect()
    }

    /// The sockets for the loop number `slot` of so many, each with the place of its address in
    /// `wanted`. What is left of loops that are no more is shared out.
    pub fn of_slot(
        &self,
        wanted: &[Listen],
        slot: usize,
        slots: usize,
    ) -> impl Iterator<Item = (usize, &Listening)> {
        wanted.iter().enumerate().flat_map(move |(number, listen)| {
            let held = self.find(wanted, number);
            let group = held.map_or(&[][..], |held| &held.group);
            let is_shared = matches!(listen.address, Address::Unix { .. })
                || held.is_some_and(|held| held.is_shared);
            let is_own = move |at: usize| is_shared || at % slots.max(1) == slot;
            let own = group.iter().enumerate().filter(move |(at, _)| is_own(*at));
            own.map(move |(_, socket)| (number, socket))
        })
    }

    /// The queues at each address of `wanted`, all sockets together, each with its place there.
    #[must_use]
    pub fn queues(&self, wanted: &[Listen]) -> Vec<(usize, Address, Queue)> {
        let add = |sum: Queue, one: Queue| Queue {
            waiting: sum.waiting + one.waiting,
            waiting_max: sum.waiting_max + one.waiting_max,
        };
        let queue = |number| {
            let held = self.find(wanted, number)?;
            let queue = |socket: &Listening| match socket {
                Listening::Tcp(socket) => Queue::of(socket.as_fd()).ok(),
                Listening::Unix(socket) => Diag::open().ok()?.queue(socket.as_fd()).ok(),
            };
            let queues = held.group.iter().filter_map(queue);
            Some((number, held.bound.clone(), queues.reduce(add)?))
        };
        (0..wanted.len()).filter_map(queue).collect()
    }

    /// What is left to another program.
    pub(crate) fn leave<'s>(&'s self, out: &mut Leaving<'s>) -> Vec<Group> {
        let leave = |held: &'s Held| {
            let place = stable::hash(held.bound.to_string().as_bytes());
            // Another one at the same address has another name.
            let put = |(at, socket): (usize, &'s Listening)| {
                out.put(format!("{SOCKET}{place:016x}-{at:04}-{:x}", socket.number()), socket)
            };
            Group {
                address: held.address.clone(),
                turn: held.turn,
                bound: held.bound.clone(),
                is_handed: held.is_handed,
                sockets: held.group.iter().enumerate().map(put).collect(),
            }
        };
        self.0.iter().map(leave).collect()
    }

    /// What another program has left; the files of Unix sockets, too, where it `is_owner`.
    ///
    /// # Errors
    ///
    /// What was left is something else.
    pub(crate) fn of(groups: Vec<Group>, left: &mut Left, is_owner: bool) -> io::Result<Self> {
        let held = |Group { address, turn, bound, is_handed, sockets }| {
            let file = match &bound {
                Address::Unix { path, .. } if is_owner => SocketFile::at(path).ok(),
                _ => None,
            };
            let socket = |at| Listening::of(left.take(at)?);
            let group = sockets.into_iter().map(socket).collect::<io::Result<_>>()?;
            Ok(Held { address, turn, bound, file, group, is_shared: false, is_handed })
        };
        Ok(Self(groups.into_iter().map(held).collect::<io::Result<_>>()?))
    }

    /// Parts with them, for a process whose own loops they are for.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub fn part(self, wanted: &[Listen], slots: usize) -> io::Result<Parted> {
        let copy = |(number, socket): (usize, &Listening)| Ok((number, socket.try_clone()?));
        let of_slot = |slot| self.of_slot(wanted, slot, slots).map(copy).collect();
        let by_slot = (0..slots).map(of_slot).collect::<io::Result<_>>()?;
        Ok((by_slot, self.0.into_iter().filter_map(|held| held.file).collect()))
    }

    /// Where one of these listens that keeps a socket at `wanted` from being the only one: at the
    /// same port, where both are at the same address, or one at each.
    fn in_the_way(&self, wanted: &Address) -> Option<SocketAddr> {
        let Address::Tcp(wanted) = wanted else { return None };
        let is_same = |own: &SocketAddr| {
            let is_each = own.ip().is_unspecified() || wanted.ip().is_unspecified();
            let is_family = own.is_ipv4() == wanted.is_ipv4();
            own.port() == wanted.port() && (own.ip() == wanted.ip() || is_each && is_family)
        };
        let mut bound = self.0.iter().filter_map(|held| match held.bound {
            Address::Tcp(own) => Some(own),
            Address::Unix { .. } => None,
        });
        bound.find(is_same)
    }

    /// The sockets for the address number `number` of `wanted`, the newest.
    fn find(&self, wanted: &[Listen], number: usize) -> Option<&Held> {
        self.0.iter().rfind(|held| held.is_for(wanted, number))
    }
}

impl Held {
    fn is_for(&self, wanted: &[Listen], number: usize) -> bool {
        let listen = wanted.get(number);
        listen.is_some_and(|listen| is_same(&listen.address, &self.address))
            && turn(wanted, number) == self.turn
    }

    /// Whether nobody finds it any more, as its file was removed.
    fn is_lost(&self) -> bool {
        match (&self.bound, &self.file) {
            (_, Some(file)) => !file.is_there(),
            (Address::Unix { path, .. }, None) => net::unix::is_free(path),
            (Address::Tcp(_), None) => false,
        }
    }
}

/// Which of the same addresses in `wanted` the one of that number is: only the port 0, for which
/// the kernel chooses one each time, may be wanted twice.
fn turn(wanted: &[Listen], number: usize) -> usize {
    let Some((listen, before)) = wanted.get(..=number).and_then(|upto| upto.split_last()) else {
        return 0;
    };
    before.iter().filter(|other| is_same(&other.address, &listen.address)).count()
}

/// The first socket at an address, beside the `own` one that is in its way; none where nobody will
/// miss it.
fn held(
    (listen, setting): (&Listen, Setting),
    turn: usize,
    own: Option<SocketAddr>,
) -> Result<Option<Held>, Fault> {
    let address = listen.address.clone();
    let open = if own.is_some() { listener::listen } else { listener::listen_exclusive };
    match &listen.address {
        Address::Tcp(wanted) => match open(*wanted) {
            Ok(socket) => {
                let bound = Address::Tcp(socket.local_addr().unwrap_or(*wanted));
                let group = vec![Listening::Tcp(socket)];
                Ok(Some(Held {
                    address,
                    turn,
                    bound,
                    file: None,
                    group,
                    is_shared: false,
                    is_handed: false,
                }))
            }
            Err(error) if can_do_without(listen, listener::is_absent(&error)) => Ok(None),
            Err(error) => Err(match own {
                Some(own) if is_kept_from_us(&error) => explain_own(*wanted, own, setting),
                _ => explain(*wanted, &error, setting),
            }),
        },
        Address::Unix { path, mode } => match net::unix::listen(path, *mode) {
            Ok((socket, file)) => {
                let (bound, group) = (address.clone(), vec![Listening::Unix(socket)]);
                Ok(Some(Held {
                    address,
                    turn,
                    bound,
                    file: Some(file),
                    group,
                    is_shared: false,
                    is_handed: false,
                }))
            }
            Err(error) => Err(explain_unix(path, &error, setting.name())),
        },
    }
}

/// Refuses so many loops in one process where so few descriptors may be open that some of them,
/// though they hold a socket that the kernel gives connections to, could not accept those.
///
/// # Errors
///
/// What is needed, what there is, and the way out.
pub fn check_room(loops: usize, addresses: usize) -> Result<(), Fault> {
    // As /proc shows them: a runtime holds four, and each of its sockets twice.
    const LOOP: usize = 4;
    const SOCKET: usize = 2;
    // The process's own, and enough to serve a few clients at least.
    const OTHERS: usize = 32;
    let needed = OTHERS + loops * (LOOP + SOCKET * addresses);
    let allowed = net::process::raise_descriptor_limit();
    if allowed >= needed as u64 {
        return Ok(());
    }
    let message = format!(
        "error: {loops} event loops need {needed} open files, and this user may have {allowed}: \
         run fewer with --threads N or `threads`, or raise the limit (ulimit -Hn)"
    );
    Err(Fault { is_taken: false, message })
}

impl Fault {
    /// Adds the place of a config file that led to it, if there is one.
    fn said_at(mut self, place: &str) -> Self {
        if !place.is_empty() {
            self.message.push_str(&format!(" ({place})"));
        }
        self
    }
}

/// Whether two addresses are one place: a Unix socket may have got another mode.
fn is_same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Unix { path: one, .. }, Address::Unix { path: other, .. }) => one == other,
        _ => one == other,
    }
}

/// Whether an address that cannot be had is one that nobody will miss: a machine without IPv6 has
/// no unspecified address of it, and who has typed only a port cannot mean that one.
fn can_do_without(wanted: &Listen, is_absent: bool) -> bool {
    let is_ipv6 = matches!(wanted.address, Address::Tcp(SocketAddr::V6(_)));
    is_absent && wanted.is_implied && is_ipv6
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_whose_file_was_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let wanted = [Listen {
            address: Address::Unix { path: path.clone(), mode: 0o600 },
            written: "".into(),
            is_implied: false,
            proxy_protocol: false,
            http2: false,
            tls: false,
        }];
        let mut sockets = Sockets::default();
        sockets.open(&wanted, wanted.len()).unwrap();
        for is_served in [false, true] {
            std::fs::remove_file(&path).unwrap();
            sockets.open(&wanted, wanted.len()).unwrap();
            UnixStream::connect(&path).unwrap();
            let mut out = Leaving::default();
            sockets.leave(&mut out);
            let [(one, _), (other, _)] = &out.0[..] else { panic!("there are two") };
            assert_ne!(one, other, "whoever keeps them knows them by their names");
            sockets.settle(is_served);
            assert_eq!(sockets.0.len(), 1);
            assert_eq!(UnixStream::connect(&path).is_ok(), is_served);
            sockets.settle(!is_served);
            sockets.open(&wanted, wanted.len()).unwrap();
            sockets.settle(true);
            UnixStream::connect(&path).unwrap();
        }
    }

    #[test]
    fn only_an_ipv6_that_nobody_named_can_be_done_without() {
        for (address, is_implied, is_absent, expect) in [
            ("[::]:80", true, true, true),
            ("[::]:80", true, false, false),
            ("[::]:80", false, true, false),
            ("0.0.0.0:80", true, true, false),
        ] {
            let address = Address::Tcp(address.parse().unwrap());
            let wanted = Listen {
                address,
                written: "".into(),
                is_implied,
                proxy_protocol: false,
                http2: false,
                tls: false,
            };
            assert_eq!(can_do_without(&wanted, is_absent), expect, "{}", wanted.address);
        }
    }
}
