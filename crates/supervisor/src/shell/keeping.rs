//! Where copies of all that this process holds are kept, should it be killed: by systemd, which
//! hands them to the process that it starts next, or by a process of our own, which is found by the
//! next one at a path.
//!
//! What is new is kept before a state that speaks of it, and what is no more is forgotten after. So
//! whatever moment this process dies in, the newest state is whole.

use crate::{
    child::Program,
    state::{SOCKET, STATE, State},
};
use net::{
    sealed,
    store::{MARK, Store},
    systemd::{Handed, Manager},
    unix,
};
use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
};

/// Who may connect to a keeper: the user that the server runs as.
const MODE: u32 = 0o600;

/// Where copies are kept.
#[derive(Default)]
pub(super) struct Keeping {
    /// Where a keeper of our own listens; none where systemd keeps them, or nobody does.
    path: Option<PathBuf>,
    store: Option<Store>,
    /// Whether that is a keeper which has not said yet that it has nothing.
    is_new: bool,
    /// The names of what is kept.
    kept: BTreeSet<String>,
    /// Names that a server of another version has given, which mean something else now.
    stale: Vec<String>,
    /// The number of the newest state.
    saves: u64,
    /// Whether anything has changed since, or it could not be kept.
    is_due: bool,
    is_late: bool,
    /// Whether the server stops, and nothing is to outlive it.
    is_over: bool,
}

impl Keeping {
    /// Finds somebody who keeps things, or starts such a process by `program`, for which `path` is
    /// the place; tells what was kept. Without a program it is started once there is something to
    /// keep: who is started while another program's descriptors lie open would hold them all.
    pub(super) fn open(path: Option<PathBuf>, program: Option<&Program>) -> (Self, Vec<Handed>) {
        let mut keeping = Self::default();
        if let Some(store) = manager() {
            keeping.store = Some(store);
            return (keeping, Vec::new());
        }
        keeping.path = path;
        let found = keeping.path.as_ref().map(|path| Store::at(path));
        if let Some(Ok(store)) = found
            && let Ok(kept) = store.given()
        {
            keeping.store = Some(store);
            return (keeping, kept);
        }
        match program {
            Some(program) => keeping.reopen(program),
            None => keeping.touch(),
        }
        (keeping, Vec::new())
    }

    /// Something has changed that the next process has to know.
    pub(super) fn touch(&mut self) {
        self.is_due = true;
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due && !self.is_over
    }

    pub(super) fn saves(&self) -> u64 {
        self.saves
    }

    /// What is kept already: all that another program has left.
    pub(super) fn know(&mut self, state: &State) {
        self.kept = state.descriptors.iter().map(|(name, _)| name.clone()).collect();
        self.saves = state.saves;
        self.kept.insert(format!("{STATE}{}", self.saves));
    }

    /// What is kept already, by a server of another version.
    pub(super) fn replace(&mut self, names: impl Iterator<Item = String>, saves: u64) {
        let (sockets, others) = names.partition::<Vec<_>, _>(|name| name.starts_with(SOCKET));
        (self.kept, self.stale, self.saves) = (sockets.into_iter().collect(), others, saves);
    }

    /// Looks whether anybody still keeps what was given.
    pub(super) fn look(&mut self) {
        let is_gone = self.path.is_some() && self.store.as_ref().is_some_and(Store::is_gone);
        self.is_due |= self.is_late || (is_gone && !self.is_new);
        self.is_late = false;
    }

    /// Has `descriptors` kept, and the state that speaks of them, and nothing else.
    pub(super) fn keep(
        &mut self,
        program: &Program,
        state: &[u8],
        descriptors: &[(String, BorrowedFd<'_>)],
    ) {
        self.is_due = false;
        if self.path.is_some() && (self.is_new || self.store.as_ref().is_none_or(Store::is_gone)) {
            self.kept.clear();
            if !self.is_new {
                self.reopen(program);
            }
            self.is_new = false;
            // One that is of use says that it has nothing.
            self.store = self.store.take().filter(|store| store.given().is_ok());
        } else if self.store.is_none() {
            self.store = manager();
        }
        let Some(store) = self.store.take() else { return };
        match self.put(&store, state, descriptors) {
            Ok(()) => self.store = Some(store),
            // Somebody who does not listen is asked anew, a little later.
            Err(_) => self.is_late = true,
        }
    }

    fn put(
        &mut self,
        store: &Store,
        state: &[u8],
        descriptors: &[(String, BorrowedFd<'_>)],
    ) -> io::Result<()> {
        let marked = |name: &str| format!("{MARK}{name}");
        for name in self.stale.drain(..) {
            store.forget(&marked(&name))?;
        }
        let mut wanted = BTreeSet::new();
        for (name, descriptor) in descriptors {
            if !self.kept.contains(name) {
                store.keep(&marked(name), *descriptor)?;
                self.kept.insert(name.clone());
            }
            wanted.insert(name.clone());
        }
        self.saves += 1;
        let name = format!("{STATE}{}", self.saves);
        store.keep(&marked(&name), sealed::bytes(c"gannet-state", state)?.as_fd())?;
        wanted.insert(name.clone());
        self.kept.insert(name);
        for name in self.kept.difference(&wanted) {
            store.forget(&marked(name))?;
        }
        self.kept = wanted;
        store.settle()
    }

    /// Has nothing kept any more: the server stops.
    pub(super) fn clear(&mut self) {
        if let Some(store) = self.store.take() {
            let names = self.kept.iter().chain(&self.stale);
            // One that does not listen keeps what nobody asks for.
            let _ =
                names.map(|name| format!("{MARK}{name}")).try_for_each(|name| store.forget(&name));
        }
        *self = Self { is_over: true, ..Self::default() };
    }

    /// Starts another keeper; without one, the server just serves.
    fn reopen(&mut self, program: &Program) {
        (self.store, self.is_new) = (self.start(program).ok(), true);
    }

    fn start(&self, program: &Program) -> io::Result<Store> {
        let path = self.path.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let taken = |_| io::Error::from(io::ErrorKind::AddrInUse);
        let (door, file) = unix::listen_for_messages(path, MODE).map_err(taken)?;
        // It takes its file away itself.
        file.leave();
        program.start_with("keeper", door)?;
        Store::at(path)
    }
}

/// The service manager that has started this process, if it keeps descriptors.
fn manager() -> Option<Store> {
    let socket = Manager::of_environment().ok()??.store().ok()??;
    Store::of(socket).ok()
}
