//! What systemd, or whoever starts services as it does, hands over, and what it is told.

use crate::process::keep_descriptors;
use crate::succession;
use rustix::fd::{OwnedFd, RawFd};
use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    process,
    time::Duration,
};

/// The variables of the environment that are for this process alone.
pub const VARIABLES: [&str; 7] = [
    "NOTIFY_SOCKET",
    "FDSTORE",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

/// The number of the first descriptor that is handed over.
const FIRST: RawFd = 3;

/// Descriptors that are handed over at most.
const HANDED_MAX: RawFd = 1 << 16;

/// How long a message may wait for room.
const WAIT: Duration = Duration::from_secs(1);

/// Whoever wants to be told what the service does.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

/// A descriptor that was handed over.
#[derive(Debug)]
pub struct Handed {
    /// What it is called there.
    pub name: String,
    /// The descriptor.
    pub descriptor: OwnedFd,
}

impl Manager {
    /// The one that the environment names; `None` where there is none.
    ///
    /// # Errors
    ///
    /// It names one that cannot be told anything.
    pub fn of_environment() -> io::Result<Option<Self>> {
        env::var_os("NOTIFY_SOCKET").map(|name| Self::at(&name)).transpose()
    }

    fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(WAIT))?;
        Ok(Self { socket, address })
    }

    /// A way to give it descriptors; `None` where it keeps none.
    ///
    /// # Errors
    ///
    /// It does not listen.
    pub fn store(&self) -> io::Result<Option<OwnedFd>> {
        let room = env::var("FDSTORE").ok().and_then(|text| text.parse::<u64>().ok());
        if room.unwrap_or(0) == 0 {
            return Ok(None);
        }
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&self.address)?;
        Ok(Some(socket.into()))
    }

    /// Tells it something: lines of `NAME=value`.
    pub fn tell(&self, text: &str) {
        // One that is gone, or does not listen, keeps nobody from serving.
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}

/// How often a manager wants to hear that this process gets on: twice as often as it must.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().ok());
    period(number("WATCHDOG_USEC")??, number("WATCHDOG_PID"))
}

fn period(micros: u64, process: Option<Option<u64>>) -> Option<Duration> {
    let is_own = process.is_none_or(|process| process == Some(process::id().into()));
    (is_own && micros > 1).then(|| Duration::from_micros(micros / 2))
}

/// The descriptors that this process was handed over, each once. Nobody inherits them from it, nor
/// whatever else was left open for it.
#[must_use]
pub fn handed() -> Vec<Handed> {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<RawFd>().ok());
    let is_own = number("LISTEN_PID").is_some_and(|pid| pid.unsigned_abs() == process::id());
    let count = number("LISTEN_FDS").filter(|_| is_own).unwrap_or(0).min(HANDED_MAX);
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut take = |at| {
        let name = names.next().unwrap_or_default().to_owned();
        take(at).map(|descriptor| Handed { name, descriptor })
    };
    let handed = (FIRST..FIRST.saturating_add(count)).filter_map(&mut take).collect();
    keep_descriptors();
    handed
}

/// Takes the descriptor of that number, if one was left open for this program.
fn take(number: RawFd) -> Option<OwnedFd> {
    succession::take(&[number]).ok()?.pop()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::{
        fd::IntoRawFd,
        io::{FdFlags, fcntl_setfd},
    };

    #[test]
    fn a_manager_is_told_at_a_path_and_at_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("gannet-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, at) in [
            (UnixDatagram::bind(&path), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&address), format!("@{name}").into()),
        ] {
            let socket = socket.unwrap();
            Manager::at(&at).unwrap().tell("READY=1");
            let mut room = [0; 100];
            let count = socket.recv(&mut room).unwrap();
            assert_eq!(&room[..count], b"READY=1");
        }
        Manager::at(path.as_os_str()).unwrap().tell("nobody listens any more");
        assert!(Manager::at(OsStr::new("vsock:2:1234")).is_err());
    }

    #[test]
    fn it_is_told_twice_as_often_as_it_must_be() {
        let own = Some(u64::from(process::id()));
        let second = Some(Duration::from_secs(1));
        for (micros, process, expect) in [
            (2_000_000, None, second),
            (2_000_000, Some(own), second),
            (2_000_000, Some(Some(1)), None),
            (2_000_000, Some(None), None),
            (0, None, None),
        ] {
            assert_eq!(period(micros, process), expect);
        }
    }

    #[test]
    fn only_what_was_left_open_is_taken_and_only_once() {
        let file = std::fs::File::open("/dev/null").unwrap();
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        let number = file.into_raw_fd();
        let taken = take(number).unwrap();
        assert!(take(number).is_none());
        drop(taken);
        assert!(take(9999).is_none());
    }
}
