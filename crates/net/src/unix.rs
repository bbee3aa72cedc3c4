//! Unix sockets: listening at a path where no living server does, and taking the path away again.

use crate::holder::Holder;
use crate::stat::{self, Identity};
use crate::sys;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, chmod, chownat, flock, fstat, open,
    unlink,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname,
    listen as start, socket_with,
};
use rustix::process::Gid;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The flags of a socket that listens, as the kernel prints them.
const LISTENS: &str = "00010000";

/// How many connections may wait to be accepted; the kernel takes no more than its own
/// `net.core.somaxconn`, 4096 by default. Further clients wait to connect.
const BACKLOG_CONNECTIONS: i32 = 4096;

/// Why nobody can listen at a path.
#[derive(Debug)]
pub enum UnixError {
    /// Another process listens there; `None` where the kernel does not tell which.
    Taken(Option<Holder>),
    /// Something lies there that is no socket.
    NoSocket,
    /// The kernel says no.
    Failed(io::Error),
}

impl From<Errno> for UnixError {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno.into())
    }
}

/// The file of a socket that listens. Dropping this takes it away, unless another has taken its
/// place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Listens at `path`, with a file of that `mode`, in the place of what a server left behind that is
/// no more. Drop the [`SocketFile`] before the socket: while that is open no other file can have
/// its identity.
///
/// # Errors
///
/// See [`UnixError`].
pub fn listen(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), UnixError> {
    listen_for(SocketType::STREAM, path, mode).map(|(socket, file)| (socket.into(), file))
}

/// The same for connections on which messages stay whole.
///
/// # Errors
///
/// See [`UnixError`].
pub fn listen_for_messages(path: &Path, mode: u32) -> Result<(OwnedFd, SocketFile), UnixError> {
    listen_for(SocketType::SEQPACKET, path, mode)
}

fn listen_for(
    kind: SocketType,
    path: &Path,
    mode: u32,
) -> Result<(OwnedFd, SocketFile), UnixError> {
    let address = SocketAddrUnix::new(path)?;
    crate::failpoint::call().map_err(UnixError::Failed)?;
    let alone = lock_folder(path);
    let socket = socket(kind)?;
    match bind(&socket, &address) {
        Err(Errno::ADDRINUSE) => {
            remove_stale(path, &address, alone.is_some())?;
            bind(&socket, &address)?;
        }
        bound => bound?,
    }
    let found = Found::at(path)?;
    let file = SocketFile { path: path.to_owned(), identity: found.identity };
    // Nobody can connect before it listens, so this is the mode from the beginning.
    found.set_mode(mode)?;
    start(&socket, BACKLOG_CONNECTIONS)?;
    Ok((socket, file))
}

/// Listens at `path`, in the place of whatever socket lies there, for a program that is given this
/// socket and for clients of this user, or of that `group`. Nobody else may have a use for that
/// path.
///
/// # Errors
///
/// See [`UnixError`].
pub fn listen_for_program(
    path: &Path,
    group: Option<u32>,
) -> Result<(OwnedFd, SocketFile), UnixError> {
    if matches!(look(path), Ok((_, FileType::Socket))) {
        unlink(path)?;
    }
    let (socket, file) = listen_for(SocketType::STREAM, path, 0o600)?;
    // Programs wait in accept.
    rustix::io::ioctl_fionbio(&socket, false)?;
    if let Some(group) = group {
        let found = Found::at(path)?;
        // A service that has but one group may be forbidden even to try.
        if fstat(&found.file)?.st_gid != group {
            chownat(&found.file, c"", None, Some(Gid::from_raw(group)), AtFlags::EMPTY_PATH)?;
        }
        found.set_mode(0o660)?;
    }
    Ok((socket, file))
}

impl SocketFile {
    /// The file at `path`, of a socket that this process has got from the program before.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn at(path: &Path) -> io::Result<Self> {
        crate::failpoint::call()?;
        let (stat, _) = look(path)?;
        Ok(Self { path: path.to_owned(), identity: stat.identity })
    }

    /// The file of a socket that listens.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let address = SocketAddrUnix::try_from(getsockname(socket)?)?;
        let path = address.path_bytes().ok_or(Errno::NOENT)?;
        Self::at(Path::new(OsStr::from_bytes(path)))
    }

    /// Parts with it: another process takes it away.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// Whether it still lies there: somebody may have removed it, or put another in its place.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match look(&self.path) {
            Ok((stat, _)) => stat.identity == self.identity,
            Err(errno) => errno != Errno::NOENT,
        }
    }

    /// Changes who may connect, unless another file has taken its place.
    pub fn set_mode(&self, mode: u32) {
        if let Ok(found) = Found::at(&self.path)
            && found.identity == self.identity
        {
            // It was made by this process, which so may do it.
            let _ = found.set_mode(mode);
        }
    }
}

/// A socket that was found at a path, whatever is put there later: whoever may write to its folder
/// could have this process change another file.
struct Found {
    file: OwnedFd,
    identity: Identity,
}

impl Found {
    fn at(path: &Path) -> Result<Self, UnixError> {
        let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        match stat::at(file.as_fd(), b"", AtFlags::EMPTY_PATH)? {
            (stat, FileType::Socket) => Ok(Self { file, identity: stat.identity }),
            _ => Err(UnixError::NoSocket),
        }
    }

    fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        // What is open by its path only has no mode to change but by that.
        chmod(format!("/proc/self/fd/{}", self.file.as_raw_fd()), Mode::from_raw_mode(mode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            // Where this fails, the next server finds a file that nobody listens at.
            let _ = unlink(&self.path);
        }
    }
}

/// Whether nothing lies at `path`.
#[must_use]
pub fn is_free(path: &Path) -> bool {
    look(path).is_err_and(|errno| errno == Errno::NOENT)
}

/// The paths at which somebody listens that end in `name`, wherever that is: everybody may know.
#[must_use]
pub fn listening(name: &str) -> Vec<PathBuf> {
    let table = fs::read("/proc/self/net/unix").unwrap_or_default();
    let table = String::from_utf8_lossy(&table);
    let path = |line: &str| {
        let mut fields = line.splitn(8, ' ');
        let path = Path::new(fields.nth(7)?);
        let is_it = path.is_absolute() && path.file_name() == Some(name.as_ref());
        (line.split(' ').nth(3) == Some(LISTENS) && is_it).then(|| path.to_owned())
    };
    table.lines().filter_map(path).collect()
}

/// The inodes of the sockets that listen at `path`, by which whoever has them open is known.
fn inodes(path: &Path) -> Vec<String> {
    let table = fs::read("/proc/self/net/unix").unwrap_or_default();
    let inode = |line: &[u8]| {
        let at = line.windows(2).position(|pair| pair == b" /")? + 1;
        let (words, name) = (str::from_utf8(&line[..at]).ok()?, &line[at..]);
        let mut fields = words.split_ascii_whitespace();
        let (flags, inode) = (fields.nth(3)?, fields.nth(2)?);
        let is_it = flags == LISTENS && name == path.as_os_str().as_bytes();
        is_it.then(|| inode.to_owned())
    };
    table.split(|byte| *byte == b'\n').filter_map(inode).collect()
}

/// Whether `process` is who listens at `path`; `None` where this user may not see what it has open.
#[must_use]
pub fn is_held_by(path: &Path, process: &Holder) -> Option<bool> {
    process.has_any(&inodes(path))
}

/// Whether somebody listens at `path`, as everybody may know.
#[must_use]
pub fn is_listened_at(path: &Path) -> bool {
    !inodes(path).is_empty()
}

/// A connection to whoever listens at `path`, who is not waited for.
///
/// # Errors
///
/// Nobody listens there, or too many wait already.
pub fn connect_at_once(path: &Path) -> io::Result<OwnedFd> {
    crate::failpoint::call()?;
    let socket = socket(SocketType::STREAM)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Who had listened where `socket` has connected to, as far as the kernel tells: the process, and
/// its user.
#[must_use]
pub fn listener_of(socket: &OwnedFd) -> (Option<Holder>, Option<u32>) {
    (peer(socket), crate::peer::user(socket.as_fd()).ok())
}

/// Who listens at `path`, as far as the kernel tells.
#[must_use]
pub fn holder(path: &Path) -> Option<Holder> {
    let address = SocketAddrUnix::new(path).ok()?;
    [SocketType::STREAM, SocketType::SEQPACKET].into_iter().find_map(|kind| {
        let probe = socket(kind).ok()?;
        connect(&probe, &address).ok()?;
        peer(&probe)
    })
}

/// Who had listened where `socket` has connected to.
fn peer(socket: &OwnedFd) -> Option<Holder> {
    let pid = sys::peer(socket.as_fd()).ok()?.pid.unsigned_abs();
    (pid != 0).then(|| Holder::of(pid))
}

/// Locks the folder that `path` lies in, as every start does: a socket that is bound and does not
/// listen yet looks like one that was left behind. `None` where somebody else has the lock. Nobody
/// waits for it, since everybody who may read a folder may lock it.
fn lock_folder(path: &Path) -> Option<OwnedFd> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::empty()).ok()?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).ok().map(|()| folder)
}

/// Takes away what lies at `path`, if it is a socket that nobody listens at, nor is about to.
fn remove_stale(path: &Path, address: &SocketAddrUnix, is_alone: bool) -> Result<(), UnixError> {
    match look(path) {
        Ok((_, FileType::Socket)) => {}
        Ok(_) => return Err(UnixError::NoSocket),
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    let probe = socket(SocketType::STREAM)?;
    match connect(&probe, address) {
        Ok(()) => Err(UnixError::Taken(peer(&probe))),
        // Its queue is full, or it is one that takes no streams: somebody is there.
        Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(UnixError::Taken(None)),
        Err(Errno::CONNREFUSED) if is_alone => Ok(unlink(path)?),
        Err(Errno::CONNREFUSED) => Err(UnixError::Taken(None)),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn look(path: &Path) -> Result<(stat::Stat, FileType), Errno> {
    stat::at(CWD, path.as_os_str().as_bytes(), AtFlags::SYMLINK_NOFOLLOW)
}

fn socket(kind: SocketType) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, kind, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::sync::Barrier;

    fn is_socket(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
    }

    #[test]
    fn it_has_its_mode_and_is_gone_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        for mode in [0o600, 0o666] {
            let (socket, file) = listen(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
            UnixStream::connect(&path).unwrap();
            drop(file);
            assert!(!path.exists());
            drop(socket);
        }
    }

    #[test]
    fn what_a_dead_server_left_behind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(is_socket(&path));
        let _listening = listen(&path, 0o600).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_living_server_is_named_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _living = UnixListener::bind(&path).unwrap();
        let Err(UnixError::Taken(Some(holder))) = listen(&path, 0o600) else {
            panic!("nobody is named");
        };
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.name.is_empty());
        assert_eq!(is_held_by(&path, &holder), Some(true));
        assert_eq!(is_held_by(&folder.path().join("t"), &holder), Some(false));
        assert_eq!(super::holder(&path), Some(holder));
        let path = folder.path().join("messages");
        assert_eq!(super::holder(&path), None);
        let _living = listen_for_messages(&path, 0o600).unwrap();
        assert_eq!(super::holder(&path).unwrap().pid, std::process::id());
        let path = folder.path().join("s");
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_no_stream_that_was_left_behind_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "precious").unwrap();
        assert!(matches!(listen(&path("file"), 0o600), Err(UnixError::NoSocket)));
        assert_eq!(fs::read(path("file")).unwrap(), b"precious");
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        assert!(matches!(listen(&path("link"), 0o600), Err(UnixError::NoSocket)));
        let _datagrams = UnixDatagram::bind(path("datagrams")).unwrap();
        assert!(matches!(listen(&path("datagrams"), 0o600), Err(UnixError::Taken(None))));
        assert!(matches!(listen(&path("no/folder"), 0o600), Err(UnixError::Failed(_))));
        let long = path(&"x".repeat(107));
        assert!(matches!(listen(&long, 0o600), Err(UnixError::Failed(_))));
    }

    #[test]
    fn another_file_that_took_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (_socket, file) = listen(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(file);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn only_the_socket_itself_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mode = |name| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        let (_socket, file) = listen(&path("s"), 0o600).unwrap();
        let found = Found::at(&path("s")).unwrap();
        fs::rename(path("s"), path("moved")).unwrap();
        fs::write(path("secret"), "").unwrap();
        fs::set_permissions(path("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        for other in ["secret", "moved"] {
            std::os::unix::fs::symlink(other, path("s")).unwrap();
            assert!(matches!(
                Found::at(&path("s")),
                Err(UnixError::Failed(_) | UnixError::NoSocket)
            ));
            file.set_mode(0o666);
            assert_eq!(mode(other), 0o600);
            fs::remove_file(path("s")).unwrap();
        }
        found.set_mode(0o640).unwrap();
        assert_eq!((mode("moved"), mode("secret")), (0o640, 0o600));
        fs::rename(path("moved"), path("s")).unwrap();
        file.set_mode(0o666);
        assert_eq!(mode("s"), 0o666);
    }

    #[test]
    fn a_socket_for_a_program_is_for_its_clients_group_and_takes_any_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _other = UnixListener::bind(&path).unwrap();
        let group = crate::process::group();
        let (socket, file) = listen_for_program(&path, Some(group)).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o660);
        assert_eq!(std::os::unix::fs::MetadataExt::gid(&found), group);
        let client = UnixStream::connect(&path).unwrap();
        let socket = UnixListener::from(socket);
        let (end, _) = socket.accept().unwrap();
        assert_eq!(crate::peer::process(end.as_fd()).unwrap().pid(), Some(std::process::id()));
        drop((client, file));
        assert!(!is_socket(&path));
        fs::write(&path, "precious").unwrap();
        assert!(matches!(listen_for_program(&path, Some(group)), Err(UnixError::NoSocket)));
    }

    #[test]
    fn nobody_is_waited_for_who_accepts_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        assert!(connect_at_once(&path).is_err());
        let socket = socket(SocketType::STREAM).unwrap();
        bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        start(&socket, 1).unwrap();
        let all: Vec<_> = (0..3).map(|_| connect_at_once(&path)).collect();
        assert!(all[0].is_ok());
        let kind = all[2].as_ref().unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::WouldBlock);
    }

    #[test]
    fn nothing_is_taken_away_while_another_server_may_be_starting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let other = lock_folder(&path).unwrap();
        assert!(matches!(listen(&path, 0o600), Err(UnixError::Taken(None))));
        assert!(is_socket(&path));
        drop(other);
        listen(&path, 0o600).unwrap();
    }

    #[test]
    fn of_two_servers_that_start_at_once_one_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        for _ in 0..100 {
            // Both find a file that nobody listens at.
            let _ = fs::remove_file(&path);
            drop(UnixListener::bind(&path).unwrap());
            let barrier = Barrier::new(2);
            let start = || {
                barrier.wait();
                let listening = listen(&path, 0o600);
                barrier.wait();
                UnixStream::connect(&path).unwrap();
                barrier.wait();
                listening.is_ok()
            };
            let listening = std::thread::scope(|scope| {
                let other = scope.spawn(start);
                u8::from(start()) + u8::from(other.join().unwrap())
            });
            assert_eq!(listening, 1);
        }
    }
}
