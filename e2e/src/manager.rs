//! A stand-in for systemd, as a test cannot have the real one: it hears what a service says, keeps
//! the descriptors that it is given, and hands them to the process that is started next.

use crate::Launch;
use rustix::{
    fs::{FileType, fstat},
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};
use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

/// The least number of a descriptor on its way to a service: larger than those it will have.
const LEAST: i32 = 300;

/// How many descriptors it keeps.
const ROOM: usize = 200;

/// Gives descriptors their new numbers. No shell does that for numbers above 9 and leaves nothing
/// else open.
const HAND_OVER: &str = r#"
import json, os, sys
held = json.loads(os.environ.pop("HELD"))
for at, number in enumerate(held):
    os.dup2(number, 3 + at)
    os.close(number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(held)))
os.execv(sys.argv[1], ["gannet"] + sys.argv[2:])
"#;

/// What is kept, by name.
type Kept = Vec<(String, OwnedFd)>;

/// The stand-in.
pub struct Manager {
    folder: tempfile::TempDir,
    kept: Arc<Mutex<Kept>>,
}

impl Manager {
    /// One that keeps nothing yet.
    #[expect(clippy::new_without_default, reason = "it listens; that is no default value")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kept = Arc::new(Mutex::new(Kept::new()));
        let manager = Self { folder, kept };
        let socket = UnixDatagram::bind(manager.path()).unwrap();
        let kept = Arc::downgrade(&manager.kept);
        thread::spawn(move || {
            while let Some((text, descriptors)) = receive(&socket)
                && let Some(kept) = kept.upgrade()
            {
                obey(&mut kept.lock().unwrap(), &text, descriptors);
            }
        });
        manager
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// Starts a service so: with what the one before has had kept. While it starts, nobody else may
    /// start a process.
    #[must_use]
    pub fn of(&self, launch: Launch) -> Launch {
        let (mut names, mut held) = (Vec::new(), Vec::new());
        for (name, descriptor) in &*self.kept.lock().unwrap() {
            let copy = fcntl_dupfd_cloexec(descriptor, LEAST).unwrap();
            fcntl_setfd(&copy, FdFlags::empty()).unwrap();
            names.push(name.clone());
            held.push(copy);
        }
        let numbers: Vec<_> = held.iter().map(AsRawFd::as_raw_fd).collect();
        let prelude = format!("exec python3 -c '{HAND_OVER}' \"$0\" \"$@\"");
        let launch = launch.env("NOTIFY_SOCKET", self.path().to_str().unwrap());
        let launch = launch.env("FDSTORE", &ROOM.to_string()).env("HELD", &format!("{numbers:?}"));
        let launch = launch.env("LISTEN_FDNAMES", &names.join(":"));
        launch.after(&prelude).holding(held)
    }

    /// The names of what is kept.
    pub fn names(&self) -> Vec<String> {
        self.kept.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// Puts something else in the place of what is kept under names that begin with `start`.
    pub fn replace(&self, start: &str, with: &OwnedFd) {
        for (name, descriptor) in &mut *self.kept.lock().unwrap() {
            if name.starts_with(start) {
                *descriptor = with.try_clone().unwrap();
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Wakes the thread, which finds nobody any more.
        self.kept = Arc::default();
        let _ = UnixDatagram::unbound().unwrap().send_to(b"", self.path());
    }
}

/// The next message, and what came along.
fn receive(socket: &UnixDatagram) -> Option<(String, Vec<OwnedFd>)> {
    let mut bytes = [0; 4096];
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut along = RecvAncillaryBuffer::new(&mut room);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut along, flags).ok()?;
    let rights = along.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(list) => Some(list.collect::<Vec<_>>()),
        _ => None,
    });
    let text = String::from_utf8_lossy(&bytes[..received.bytes]).into_owned();
    Some((text, rights.flatten().collect()))
}

/// Does what a message says, as systemd does: of two names for one file the first counts.
fn obey(kept: &mut Kept, text: &str, descriptors: Vec<OwnedFd>) {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let name = value("FDNAME=").unwrap_or("stored").to_owned();
    if value("FDSTOREREMOVE=1").is_some() {
        kept.retain(|(known, _)| *known != name);
    } else if value("FDSTORE=1").is_some() {
        assert_eq!(value("FDPOLL="), Some("0"), "or systemd drops what has an end");
        for descriptor in descriptors {
            if kept.len() < ROOM && !kept.iter().any(|(_, known)| is_same(known, &descriptor)) {
                kept.push((name.clone(), descriptor));
            }
        }
    }
}

fn is_same(one: &impl AsFd, other: &impl AsFd) -> bool {
    let (one, other) = (fstat(one).unwrap(), fstat(other).unwrap());
    let kind = FileType::from_raw_mode(one.st_mode);
    // All that stands for a process is one file on some kernels.
    let is_telling = matches!(kind, FileType::Socket | FileType::RegularFile);
    is_telling && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
