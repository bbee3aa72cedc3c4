//! Where copies of all that this process holds are kept, should it be killed: by systemd, which
//! hands them to the process that it starts next, or by a process of our own, which is found by the
//! next one at a path.
//!
//! What is new is kept before a state that speaks of it, and what is no more is forgotten after. So
//! whatever moment this process dies in, the newest state is whole.

use super::Failure;
use crate::{
    child::Program,
    state::{PROCESS, SOCKET, STATE, State},
};
use net::{
    sealed,
    store::{MARK, Store},
    systemd::{Handed, Manager},
    unix,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io, mem,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;

/// Who may connect to a keeper: the user that the server runs as.
const MODE: u32 = 0o600;

/// Looks at most before somebody who does not listen is asked anew: each time this process waits
/// for the answer.
const PAUSE_MAX: u32 = 64;

/// How often a new server looks whether another one that seems to live is only about to end, and
/// how long it waits in between.
const LOOKS: u32 = 5;
const LOOK_TIME: Duration = Duration::from_millis(100);

/// Where copies are kept.
#[derive(Default)]
pub(super) struct Keeping {
    /// Where a keeper of our own listens; none where systemd keeps them, or nobody does.
    path: Option<PathBuf>,
    store: Option<Store>,
    /// A keeper that has not answered in time, and is not waited for before it does.
    asked: Option<Store>,
    /// Whether that in use is a keeper which has not said yet that it has nothing.
    is_new: bool,
    /// The names of what is kept, and whether that is known to be what they stand for.
    kept: BTreeMap<String, bool>,
    /// Names of what is kept and of no use, some of which stand for something else now.
    stale: Vec<String>,
    /// The number of the newest state.
    saves: u64,
    /// Whether anything has changed since.
    is_due: bool,
    /// How many looks are to pass before what could not be kept is tried again, and how many had
    /// to the last time.
    wait: u32,
    pause: u32,
    /// Whether the server stops, and whoever comes after it has nothing to go on with.
    is_over: bool,
}

impl Keeping {
    /// Finds somebody who keeps things, or starts such a process by `program`, which has its place
    /// beside that of the control socket; tells what was kept. Without a program it is started once
    /// there is something to keep: who is started while another program's descriptors lie open
    /// would hold them all.
    ///
    /// # Errors
    ///
    /// What is kept there is that of a server of the config `file` that lives.
    pub(super) async fn open(
        desk_path: Option<&Path>,
        program: Option<&Program>,
        file: &Path,
    ) -> Result<(Self, Vec<Handed>), Failure> {
        let mut keeping = Self::default();
        if let Some(store) = manager() {
            keeping.store = Some(store);
            return Ok((keeping, Vec::new()));
        }
        keeping.path = desk_path.map(|path| path.with_extension("keep"));
        let mut found = keeping.find();
        for _ in 0..LOOKS {
            if !is_taken(&found) {
                break;
            }
            sleep(LOOK_TIME).await;
            found = keeping.find();
        }
        match (found, program) {
            (Ok(found), _) => return Ok((keeping, found)),
            (found, Some(_)) if is_taken(&found) => {
                let places = [desk_path, keeping.path.as_deref()];
                return Err(serves_already(file, places));
            }
            (Err(_), Some(program)) => {
                (keeping.store, keeping.is_new) = (keeping.start(program).ok(), true);
            }
            (Err(_), None) => keeping.touch(),
        }
        Ok((keeping, Vec::new()))
    }

    /// Something has changed that the next process has to know.
    pub(super) fn touch(&mut self) {
        self.is_due = true;
    }

    pub(super) fn is_due(&self) -> bool {
        let is_time = self.asked.as_ref().map_or(self.wait == 0, Store::is_gone);
        self.is_due && is_time
    }

    pub(super) fn saves(&self) -> u64 {
        self.saves
    }

    /// What is kept already: all that `state` speaks of, which was left. What is there beside has
    /// come after it and is of no use.
    pub(super) fn know(&mut self, state: &State, there: Vec<String>) {
        self.saves = state.saves;
        let names = state.descriptors.iter().map(|(name, _)| name.clone());
        let names = names.chain([format!("{STATE}{}", state.saves)]);
        // Whoever has left it may have lost sight of a keeper for a while.
        let is_sure = self.path.is_none();
        self.kept.extend(names.map(|name| (name, is_sure)));
        self.stale = there;
        self.stale.retain(|name| !self.kept.contains_key(name));
    }

    /// What is kept already, by a server of another version.
    pub(super) fn replace(&mut self, names: impl Iterator<Item = String>, saves: u64) {
        let (sockets, others) = names.partition::<Vec<_>, _>(|name| name.starts_with(SOCKET));
        self.kept = sockets.into_iter().map(|name| (name, true)).collect();
        (self.stale, self.saves) = (others, saves);
    }

    /// Looks whether anybody still keeps what was given.
    pub(super) fn look(&mut self) {
        let is_gone = self.path.is_some() && self.store.as_ref().is_some_and(Store::is_gone);
        self.is_due |= is_gone && !self.is_new;
        self.wait = self.wait.saturating_sub(1);
    }

    /// Has `descriptors` kept, and the state that speaks of them, and nothing else. As long as that
    /// is none, before anything is served and once the server stops, whoever comes after it has
    /// only processes to end.
    pub(super) fn keep(
        &mut self,
        program: &Program,
        state: Option<&[u8]>,
        descriptors: &[(String, BorrowedFd<'_>)],
    ) {
        if self.path.is_none() {
            self.store = self.store.take().or_else(manager);
        } else if self.is_new || self.store.as_ref().is_none_or(Store::is_gone) {
            self.reopen(program);
        }
        let store = self.store.take();
        let is_wanted = self.path.is_some() || store.is_some();
        let is_kept =
            store.as_ref().is_some_and(|store| self.put(store, state, descriptors).is_ok());
        if let (Some(path), Some(store), false) = (&self.path, &store, is_kept) {
            // One that lives says what it has as soon as it listens again.
            self.asked = (!store.is_gone()).then(|| Store::at(path).ok()).flatten();
        }
        self.store = store.filter(|_| is_kept);
        self.is_due = is_wanted && self.store.is_none();
        self.pause = if self.is_due { (2 * self.pause).clamp(1, PAUSE_MAX) } else { 0 };
        self.wait = self.pause;
    }

    fn put(
        &mut self,
        store: &Store,
        state: Option<&[u8]>,
        descriptors: &[(String, BorrowedFd<'_>)],
    ) -> io::Result<()> {
        let marked = |name: &str| format!("{MARK}{name}");
        // As long as nothing is served, what is there may be what another one serves.
        let forgets = state.is_some() || self.is_over;
        if forgets {
            self.stale.iter().try_for_each(|name| store.forget(&marked(name)))?;
            self.stale.clear();
        }
        let mut wanted = BTreeSet::new();
        let all = descriptors.iter().filter(|(name, _)| state.is_some() || name.ends_with(PROCESS));
        for (name, descriptor) in all {
            if self.kept.get(name) != Some(&true) {
                store.keep(&marked(name), *descriptor)?;
                self.kept.insert(name.clone(), true);
            }
            wanted.insert(name.clone());
        }
        if let Some(state) = state {
            self.saves += 1;
            let name = format!("{STATE}{}", self.saves);
            store.keep(&marked(&name), sealed::bytes(c"gannet-state", state)?.as_fd())?;
            wanted.insert(name.clone());
            self.kept.insert(name, true);
        }
        if forgets {
            for name in self.kept.keys().filter(|name| !wanted.contains(*name)) {
                store.forget(&marked(name))?;
            }
            self.kept.retain(|name, _| wanted.contains(name));
        }
        match self.path {
            // What it has been told it hears, though it be long after this process has ended.
            Some(_) => Ok(()),
            // systemd listens to nobody who has ended.
            None => store.settle(),
        }
    }

    /// Has nothing kept from now on but who has to end: the server stops.
    pub(super) fn wind_up(&mut self) {
        (self.is_over, self.is_due, self.wait) = (true, true, 0);
    }

    /// Has nothing kept any more: the server has stopped.
    pub(super) fn clear(&mut self) {
        if let Some(store) = self.store.take() {
            let names = self.kept.keys().chain(&self.stale);
            // One that does not listen keeps what nobody asks for.
            let _ =
                names.map(|name| format!("{MARK}{name}")).try_for_each(|name| store.forget(&name));
        }
        *self = Self::default();
    }

    /// Finds the keeper again, or starts another one; without one, the server just serves.
    fn reopen(&mut self, program: &Program) {
        self.kept.clear();
        if mem::take(&mut self.is_new) {
            // One that is of use says that it has nothing.
            self.store = self.store.take().filter(|store| store.given().is_ok());
        } else if self.find().is_err() && self.asked.is_none() {
            let start = || self.start(program).and_then(|store| store.given().map(|_| store));
            self.store = start().ok();
        }
    }

    /// Finds a keeper that is there; tells what it has.
    fn find(&mut self) -> io::Result<Vec<Handed>> {
        let path = self.path.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let store = self.asked.take().map_or_else(|| Store::at(path), Ok)?;
        let found = match store.given() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.asked = Some(store);
                return Err(error);
            }
            found => found?,
        };
        let name = |one: &Handed| one.name.strip_prefix(MARK).unwrap_or(&one.name).to_owned();
        self.kept = found.iter().map(|one| (name(one), false)).collect();
        self.store = Some(store);
        Ok(found)
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

/// Says that another process serves that config, which listens at some of `places`.
fn serves_already(file: &Path, places: [Option<&Path>; 2]) -> Failure {
    let mut holders = places.into_iter().flatten().filter_map(unix::holder);
    let other = holders.find(|holder| holder.name == "gannet").map_or_else(
        || "another gannet".to_owned(),
        |holder| format!("gannet (pid {})", holder.pid),
    );
    let file = file.display();
    let text = format!(
        "error: {other} serves {file} already: `gannet reload {file}` has it read that again, \
         `gannet stop {file}` ends it"
    );
    Failure { code: 1, text }
}

fn is_taken(found: &io::Result<Vec<Handed>>) -> bool {
    found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
}

/// The service manager that has started this process, if it keeps descriptors.
fn manager() -> Option<Store> {
    let socket = Manager::of_environment().ok()??.store().ok()??;
    Store::of(socket).ok()
}
