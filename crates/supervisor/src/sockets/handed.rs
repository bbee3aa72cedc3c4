//! Sockets that this process was started with: each belongs to an address of the config.

use super::{Fault, Held, Sockets, is_same};
use config::plan::{Address, Listen};
use net::{
    listener::{self, Listening},
    systemd::Handed,
    unix::SocketFile,
};

impl Sockets {
    /// Takes those of `handed` up that are at addresses of `wanted`; where there are some already,
    /// no more of them: those are what a server before has kept of the same.
    ///
    /// # Errors
    ///
    /// One of them is at no such address, or is no socket for clients.
    pub fn adopt(&mut self, handed: Vec<Handed>, wanted: &[Listen]) -> Result<(), Fault> {
        let known: Vec<_> = self.0.iter().map(|held| held.bound.clone()).collect();
        for Handed { name, descriptor } in handed {
            let fault = |message: String| Fault {
                is_taken: false,
                message: format!("error: the socket {name:?} that systemd hands over {message}"),
            };
            let socket = Listening::of(descriptor)
                .map_err(|_| fault("is none that listens: ListenStream= makes such".to_owned()))?;
            if listener::is_of_both_families(&socket) {
                return Err(fault(
                    "takes IPv4 as well: add BindIPv6Only=ipv6-only to its unit".to_owned(),
                ));
            }
            let bound = address(&socket)
                .ok_or_else(|| fault("has no address; it needs a port or a path".to_owned()))?;
            listener::adopt(&socket).map_err(|error| fault(format!("({bound}): {error}")))?;
            let is_here = |listen: &&Listen| is_same(&listen.address, &bound);
            let Some(listen) = wanted.iter().find(is_here) else {
                return Err(fault(format!(
                    "is at {bound}, where no `listen` of the config is: add that, or take it out \
                     of its unit"
                )));
            };
            self.put(listen, bound, socket, &known);
        }
        Ok(())
    }

    /// Takes up those that a server of another version has kept, if they are at addresses of
    /// `wanted`, and closes the others.
    pub(crate) fn take_over(&mut self, mut kept: Vec<Handed>, wanted: &[Listen]) {
        // The names begin with their addresses and their places there.
        kept.sort_by(|one, other| one.name.cmp(&other.name));
        for Handed { descriptor, .. } in kept {
            let socket = Listening::of(descriptor).ok();
            let Some((bound, socket)) = socket.and_then(|one| Some((address(&one)?, one))) else {
                continue;
            };
            if let Some(listen) = wanted.iter().find(|listen| is_same(&listen.address, &bound)) {
                self.put(listen, bound, socket, &[]);
                // It was made by that server, and is taken away by this one.
                if let Some(Held { bound: Address::Unix { path, .. }, file: file @ None, .. }) =
                    self.0.last_mut()
                {
                    *file = SocketFile::at(path).ok();
                }
            }
        }
    }

    fn put(&mut self, listen: &Listen, bound: Address, socket: Listening, known: &[Address]) {
        match self.0.iter_mut().find(|held| is_same(&held.bound, &bound)) {
            Some(_) if known.iter().any(|known| is_same(known, &bound)) => {}
            Some(held) => held.group.push(socket),
            None => {
                let (address, group) = (listen.address.clone(), vec![socket]);
                let (file, is_shared) = (None, false);
                self.0.push(Held { address, turn: 0, bound, file, group, is_shared });
            }
        }
    }
}

/// Where a socket listens; the mode of a file is whoever's who has made it.
fn address(socket: &Listening) -> Option<Address> {
    match socket {
        Listening::Tcp(socket) => socket.local_addr().ok().map(Address::Tcp),
        Listening::Unix(socket) => {
            let path = socket.local_addr().ok()?.as_pathname()?.to_owned();
            Some(Address::Unix { path, mode: 0 })
        }
    }
}
