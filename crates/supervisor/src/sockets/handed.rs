//! Sockets that this process was started with: each belongs to an address of the config.

use super::{Fault, Held, Sockets, is_same};
use config::plan::{Address, Listen};
use net::{
    listener::{self, Listening},
    systemd::Handed,
};

impl Sockets {
    /// Takes those of `handed` up that are at addresses of `wanted`.
    ///
    /// # Errors
    ///
    /// One of them is at no such address, or is no socket for clients.
    pub fn adopt(&mut self, handed: Vec<Handed>, wanted: &[Listen]) -> Result<(), Fault> {
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
            let address = listen.address.clone();
            match self.0.iter_mut().find(|held| held.bound == address) {
                Some(held) => held.group.push(socket),
                None => {
                    self.0.push(Held { address, turn: 0, bound, file: None, group: vec![socket] });
                }
            }
        }
        Ok(())
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
