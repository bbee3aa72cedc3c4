//! A process that keeps copies of what the supervisor holds, and gives them to the next one should
//! that be killed: the socket by which it is found is its standard input.

use crate::state::{PROCESS, WORKER};
use net::{
    channel, peer,
    process::Handle,
    store::{self, MARK, Wish},
    unix::SocketFile,
};
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

/// How long it waits for the supervisor that has started it.
const FIRST_TIME: Duration = Duration::from_secs(10);

/// How long it waits for the next one where no worker is left: a supervisor that is killed may take
/// along the only worker, one that was not ready yet.
const NEXT_TIME: Duration = Duration::from_secs(5);

/// What is kept, by name.
type Kept = BTreeMap<String, OwnedFd>;

/// Keeps what it is given, until its supervisor has ended, no worker is left, and no other
/// supervisor has come for a while. Then nobody asks those any more who run PHP: they are told to
/// end, too. The first who may give it anything is the process `first`, and nobody ever whose
/// process is kept: what is kept says what is run.
///
/// # Errors
///
/// Descriptors have run out.
pub fn keep(door: OwnedFd, first: u32) -> io::Result<()> {
    keep_for(door, first, peer::process)
}

/// The same for those whose processes are told by `process_of`.
fn keep_for(
    door: OwnedFd,
    first: u32,
    process_of: impl Fn(BorrowedFd<'_>) -> Option<Handle>,
) -> io::Result<()> {
    let _file = SocketFile::of(door.as_fd())?;
    let mut kept = Kept::new();
    let mut owner: Option<OwnedFd> = None;
    // Its process, which may have lost sight of this one for a while.
    let mut watcher: Option<Handle> = None;
    let mut is_first = true;
    loop {
        let workers = |name: &str| name.starts_with(WORKER);
        let left = if owner.is_some() { Vec::new() } else { processes(&kept, workers)? };
        let process = watcher.as_ref().filter(|one| owner.is_none() && !one.has_ended());
        let left: Vec<&Handle> = left.iter().chain(process).collect();
        let is_alone = owner.is_none() && left.is_empty();
        let time = match is_first {
            true => Some(FIRST_TIME),
            // After a stop there is nothing to go on with.
            false if kept.keys().all(|name| name.ends_with(PROCESS)) => {
                is_alone.then_some(Duration::ZERO)
            }
            false => is_alone.then_some(NEXT_TIME),
        };
        let others = owner.iter().map(AsFd::as_fd).chain(left.into_iter().map(AsFd::as_fd));
        let ready =
            store::wait(&[door.as_fd()].into_iter().chain(others).collect::<Vec<_>>(), time)?;
        if !ready.contains(&true) {
            processes(&kept, |_| true)?.iter().for_each(Handle::quit);
            return Ok(());
        }
        // Before anybody else comes in, whether the one before is gone.
        owner = owner.filter(|owner| obey(owner, &mut kept));
        let is_servant = |pid| match is_first {
            true => pid != first,
            false => processes(&kept, |_| true)
                .is_ok_and(|all| all.iter().any(|one| one.pid() == Some(pid))),
        };
        let Some(next) = store::accept(door.as_fd(), is_servant)? else { continue };
        // One at a time: whoever else comes is turned away.
        if owner.is_none() && store::give(next.as_fd(), kept.iter()).is_ok() {
            watcher = process_of(next.as_fd());
            (owner, is_first) = (Some(next), false);
        }
    }
}

/// Does all that `owner` wishes now; says whether it is still there.
fn obey(owner: &OwnedFd, kept: &mut Kept) -> bool {
    loop {
        match channel::receive(owner.as_fd(), false) {
            Ok(None) => return false,
            Ok(Some(message)) => match Wish::of(message) {
                Some(Wish::Keep(name, descriptor)) => drop(kept.insert(name, descriptor)),
                Some(Wish::Forget(name)) => drop(kept.remove(&name)),
                Some(Wish::Settle) | None => {}
            },
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// The processes among `kept` that are wanted, by their names, and have not ended.
fn processes(kept: &Kept, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Handle>> {
    let is_one = |name: &str| name.ends_with(PROCESS) && is_wanted(name);
    let all = kept.iter().filter(|(name, _)| name.strip_prefix(MARK).is_some_and(is_one));
    let all = all.map(|(_, process)| process.try_clone().map(Handle::from));
    let all = all.collect::<io::Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|process| !process.has_ended()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::{store::Store, unix};
    use std::{
        path::Path,
        process::{self, Command},
        thread,
    };

    /// One whose first owner is the process `first`, and whose owners are all known by the process
    /// `watcher`.
    fn keeper(path: &Path, first: u32, watcher: u32) -> thread::JoinHandle<io::Result<()>> {
        let (door, file) = unix::listen_for_messages(path, 0o600).unwrap();
        file.leave();
        thread::spawn(move || keep_for(door, first, |_| Handle::of(watcher).ok()))
    }

    /// What is kept, as the next owner is told, once the keeper has seen that the last one left.
    fn names(path: &Path) -> (Store, Vec<String>) {
        loop {
            let store = Store::at(path).unwrap();
            match store.given() {
                Ok(kept) => return (store, kept.into_iter().map(|one| one.name).collect()),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ResourceBusy),
            }
            thread::yield_now();
        }
    }

    #[test]
    fn what_is_kept_outlives_its_owners_and_a_keeper_ends_after_the_last_worker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keep");
        let [mut watcher, mut worker, mut php] =
            [(); 3].map(|()| Command::new("sleep").arg("60").spawn().unwrap());
        let keeper = keeper(&path, process::id(), watcher.id());
        let process = Handle::of(worker.id()).unwrap();
        let other = Handle::of(php.id()).unwrap();
        let (store, kept) = names(&path);
        assert!(kept.is_empty());
        store.keep("gannet-worker-1-process", process.as_fd()).unwrap();
        store.keep("gannet-a", process.as_fd()).unwrap();
        store.keep("gannet-php-7-process", other.as_fd()).unwrap();
        store.settle().unwrap();
        assert!(Store::at(&path).unwrap().given().is_err(), "somebody is there");
        drop(store);
        let (store, kept) = names(&path);
        assert_eq!(kept, ["gannet-a", "gannet-php-7-process", "gannet-worker-1-process"]);
        store.forget("gannet-a").unwrap();
        drop(store);
        let (store, kept) = names(&path);
        assert_eq!(kept, ["gannet-php-7-process", "gannet-worker-1-process"]);
        worker.kill().unwrap();
        worker.wait().unwrap();
        store.settle().unwrap();
        drop(store);
        // It has only lost sight of it.
        let (store, kept) = names(&path);
        assert_eq!(kept.len(), 2);
        watcher.kill().unwrap();
        watcher.wait().unwrap();
        drop(store);
        keeper.join().unwrap().unwrap();
        // By then nobody asks it anything.
        php.wait().unwrap();
        assert!(!path.exists());
    }

    /// What it keeps says what is run, and by whom.
    #[test]
    fn who_serves_is_given_nothing_and_has_nothing_kept() {
        let folder = tempfile::tempdir().unwrap();
        let given = |path: &Path| Store::at(path).and_then(|store| store.given());
        let path = folder.path().join("keep");
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        keeper(&path, other.id(), process::id());
        assert!(given(&path).is_err(), "it is not who has started it");
        other.kill().unwrap();
        other.wait().unwrap();
        let path = folder.path().join("next");
        keeper(&path, process::id(), process::id());
        let (store, _) = names(&path);
        let own = Handle::of(process::id()).unwrap();
        store.keep("gannet-worker-1-process", own.as_fd()).unwrap();
        store.settle().unwrap();
        drop(store);
        assert!(given(&path).is_err(), "it serves");
    }
}
