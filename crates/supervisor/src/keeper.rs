//! A process that keeps copies of what the supervisor holds, and gives them to the next one should
//! that be killed: the socket by which it is found is its standard input.

use crate::state::{PROCESS, WORKER};
use net::{
    channel,
    process::Handle,
    store::{self, MARK, Wish},
    unix::SocketFile,
};
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// How long it waits for the supervisor that has started it.
const FIRST_TIME: Duration = Duration::from_secs(10);

/// What is kept, by name.
type Kept = BTreeMap<String, OwnedFd>;

/// Keeps what it is given, until its supervisor has ended and no worker is left. Then nobody asks
/// those any more who run PHP: they are told to end, too.
///
/// # Errors
///
/// Descriptors have run out.
pub fn keep(door: OwnedFd) -> io::Result<()> {
    let _file = SocketFile::of(door.as_fd())?;
    let mut kept = Kept::new();
    let mut owner: Option<OwnedFd> = None;
    let mut time = Some(FIRST_TIME);
    loop {
        let workers = |name: &str| name.starts_with(WORKER);
        let left = if owner.is_some() { Vec::new() } else { processes(&kept, workers)? };
        if owner.is_none() && time.is_none() && left.is_empty() {
            processes(&kept, |_| true)?.iter().for_each(Handle::quit);
            return Ok(());
        }
        let others = owner.iter().map(AsFd::as_fd).chain(left.iter().map(AsFd::as_fd));
        let ready =
            store::wait(&[door.as_fd()].into_iter().chain(others).collect::<Vec<_>>(), time)?;
        if !ready.contains(&true) {
            return Ok(());
        }
        // Before anybody else comes in, whether the one before is gone.
        owner = owner.filter(|owner| obey(owner, &mut kept));
        let Some(next) = store::accept(door.as_fd())? else { continue };
        // One at a time: whoever else comes is turned away.
        if owner.is_none() && store::give(next.as_fd(), kept.iter()).is_ok() {
            (owner, time) = (Some(next), None);
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
    use std::{path::Path, process::Command, thread};

    fn keeper(path: &Path) -> thread::JoinHandle<io::Result<()>> {
        let (door, file) = unix::listen_for_messages(path, 0o600).unwrap();
        file.leave();
        thread::spawn(|| keep(door))
    }

    fn names(path: &Path) -> (Store, Vec<String>) {
        let store = Store::at(path).unwrap();
        let kept = store.given().unwrap();
        (store, kept.into_iter().map(|one| one.name).collect())
    }

    #[test]
    fn what_is_kept_outlives_its_owners_and_a_keeper_ends_with_the_last_worker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keep");
        let keeper = keeper(&path);
        let [mut worker, mut php] =
            [(); 2].map(|()| Command::new("sleep").arg("60").spawn().unwrap());
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
        keeper.join().unwrap().unwrap();
        // By then nobody asks it anything.
        php.wait().unwrap();
        assert!(!path.exists());
    }
}
