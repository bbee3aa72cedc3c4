//! The server that runs a config already, if one does: who it is, and what it may have.

use crate::place;
use config::{Plan, plan::Address};
use net::{
    holder::{self, Holder},
    unix,
};
use std::{fs, io::ErrorKind, net::SocketAddr, os::unix::fs::MetadataExt, path::Path};

/// The name of a process that watches others.
const NAME: &str = "gannet";

/// A server that runs.
pub(super) struct Server {
    /// The process that watches the others, as far as it can be told.
    pub(super) process: Option<Holder>,
    /// The user who has started it.
    pub(super) user: u32,
}

impl Server {
    /// Whether it listens at `address`; where that cannot be seen, whether its user does.
    pub(super) fn listens(&self, address: SocketAddr) -> bool {
        let seen = self.process.as_ref().and_then(|process| process.listens(address));
        seen.unwrap_or_else(|| holder::owner(address) == Some(self.user))
    }

    /// Whether the Unix socket at `path` is its; where that cannot be seen, whether its user's.
    pub(super) fn listens_at(&self, path: &Path) -> bool {
        let seen = self.process.as_ref().and_then(|process| unix::is_held_by(path, process));
        let is_users = || fs::metadata(path).is_ok_and(|found| found.uid() == self.user);
        seen.unwrap_or_else(is_users)
    }
}

/// The server of the config `file`: whoever listens at its control socket, or, where this user
/// does not know where that is, a server that has its addresses and was started with that file.
pub(super) fn find(plan: &Plan, file: &Path) -> Option<Server> {
    let desk = plan.control.clone().or_else(|| place::usual_path(file));
    desk.and_then(|desk| at(&desk)).or_else(|| by_addresses(plan, file))
}

fn at(desk: &Path) -> Option<Server> {
    match unix::connect_at_once(desk) {
        Ok(socket) => {
            let (process, user) = unix::listener_of(&socket);
            Some(Server { process, user: user? })
        }
        // Too many wait there; its file is that of whoever listens.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            let user = fs::metadata(desk).ok()?.uid();
            Some(Server { process: None, user })
        }
        Err(_) => None,
    }
}

fn by_addresses(plan: &Plan, file: &Path) -> Option<Server> {
    let held = plan.listen.iter().find_map(|listen| match listen.address {
        Address::Tcp(address) => holder::holder(address),
        Address::Unix { .. } => None,
    })?;
    let same = held.config()?.canonicalize().ok()? == file.canonicalize().ok()?;
    let user = held.user()?;
    same.then_some(Server { process: Some(held), user })
}

/// What another server was asked to do, where `holder` is one.
pub(super) fn other(holder: &Holder) -> Option<String> {
    let words = holder.words();
    let words = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    (holder.name == NAME).then_some(words)
}
