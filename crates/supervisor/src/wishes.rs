//! The socket by which an operator tells a running server what to do.

use crate::{
    orphans,
    sockets::{Fault, explain_unix},
};
use control::{
    note::Note,
    wish::{Outcome, Wish},
};
use net::{peer, unix};
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixListener as StdListener,
    },
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    task::{JoinHandle, spawn_local},
    time::timeout,
};

/// Who may connect: the user that the server runs as. Root may do anything. Where that is the user
/// of workers, too, they are told from others when they have connected.
const MODE: u32 = 0o600;

/// Bytes of a wish at most, and how long one may take.
const WISH_BYTES_MAX: usize = 8 * 1024;
const WISH_TIME: Duration = Duration::from_secs(5);

/// The socket, as long as it is open.
#[derive(Debug)]
pub(crate) struct Desk {
    path: PathBuf,
    /// Dropped before the socket, which the task has, too; none where it could not be found.
    file: Option<unix::SocketFile>,
    socket: Rc<UnixListener>,
    task: JoinHandle<()>,
}

/// Somebody who has wished something and waits for what comes of it.
#[derive(Debug)]
pub(crate) struct Asker(UnixStream);

impl Desk {
    /// Opens the socket at `path`; each wish is told to `hear`.
    ///
    /// # Errors
    /// Nobody can listen there.
    pub(crate) fn open(
        path: &Path,
        hear: impl Fn(Wish, Asker) + Clone + 'static,
    ) -> Result<Self, Fault> {
        let explain = |error| explain_unix(path, &error, "`control`");
        let (socket, file) = unix::listen(path, MODE).map_err(explain)?;
        let desk = Self::of(path, socket, Some(file), hear);
        desk.map_err(|error| explain(unix::UnixError::Failed(error)))
    }

    /// Goes on with a socket that the program before has left.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn left(
        path: &Path,
        socket: OwnedFd,
        hear: impl Fn(Wish, Asker) + Clone + 'static,
    ) -> io::Result<Self> {
        Self::of(path, socket.into(), unix::SocketFile::at(path).ok(), hear)
    }

    /// Shows that a socket could be gone on with, and leaves its file and its clients alone.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn try_on(socket: OwnedFd) -> io::Result<()> {
        UnixListener::from_std(socket.into()).map(drop)
    }

    fn of(
        path: &Path,
        socket: StdListener,
        file: Option<unix::SocketFile>,
        hear: impl Fn(Wish, Asker) + Clone + 'static,
    ) -> io::Result<Self> {
        let socket = Rc::new(UnixListener::from_std(socket)?);
        let own = Rc::clone(&socket);
        let task = spawn_local(async move {
            loop {
                match own.accept().await {
                    Ok((stream, _)) => {
                        let hear = hear.clone();
                        spawn_local(async move {
                            let asker = Asker(stream);
                            if let Ok(Some(wish)) = timeout(WISH_TIME, asker.wish()).await {
                                hear(wish, asker);
                            }
                        });
                    }
                    // Descriptors have run out; somebody may give some back.
                    Err(_) => tokio::time::sleep(WISH_TIME).await,
                }
            }
        });
        Ok(Self { path: path.to_owned(), file, socket, task })
    }

    pub(crate) fn socket(&self) -> &UnixListener {
        &self.socket
    }

    /// Whether anybody can find it: its file may have been removed.
    pub(crate) fn is_there(&self) -> bool {
        let is_taken = || !unix::is_free(&self.path);
        self.file.as_ref().map_or_else(is_taken, unix::SocketFile::is_there)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asker {
    /// One who has asked the program before.
    ///
    /// # Errors
    /// It is another kind of descriptor.
    pub(crate) fn left(stream: OwnedFd) -> io::Result<Self> {
        UnixStream::from_std(stream.into()).map(Self)
    }

    /// What it wishes; `None` where it may not, or says nothing that can be understood.
    async fn wish(&self) -> Option<Wish> {
        peer::check(self.0.as_fd(), orphans::is_servant).ok()?;
        let mut bytes = Vec::new();
        loop {
            self.0.readable().await.ok()?;
            let mut room = [0; WISH_BYTES_MAX];
            match self.0.try_read(&mut room) {
                // It has said all.
                Ok(0) => return Wish::decode(&bytes),
                Ok(count) => bytes.extend_from_slice(room.get(..count)?),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
            if bytes.len() > WISH_BYTES_MAX {
                return None;
            }
        }
    }

    /// Says what has come of it.
    pub(crate) fn answer(self, outcome: &Outcome) {
        self.pass_on(outcome.encode());
    }

    /// Says that in these bytes of an outcome.
    pub(crate) fn pass_on(self, bytes: Vec<u8>) {
        let mut rest = bytes;
        // The socket is empty, and mostly has room for all.
        if self.write(&mut rest) && !rest.is_empty() {
            spawn_local(timeout(WISH_TIME, async move {
                while self.0.writable().await.is_ok() && self.write(&mut rest) && !rest.is_empty() {
                }
            }));
        }
    }

    /// Writes as much of `bytes` as there is room for; false where there is nobody to read it.
    fn write(&self, bytes: &mut Vec<u8>) -> bool {
        match self.0.try_write(bytes) {
            Ok(sent) => {
                bytes.drain(..sent);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

impl AsFd for Asker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orphans::Own;
    use std::{
        io::{Read, Write},
        net::Shutdown,
        os::unix::net::UnixStream,
        process, thread,
    };
    use tokio::{
        runtime::{Builder, LocalOptions},
        sync::mpsc::unbounded_channel,
    };

    /// What comes of a wish.
    fn wish(path: &Path) -> Option<Outcome> {
        let mut stream = UnixStream::connect(path).unwrap();
        let mut answer = Vec::new();
        // Whoever is not heard finds the socket closed, sooner or later.
        let _ = stream.write_all(&Wish::Stop.encode());
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut answer);
        Outcome::decode(&answer)
    }

    #[test]
    fn nobody_who_serves_gives_orders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desk");
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let hear = |wish, asker: Asker| {
                assert_eq!(wish, Wish::Stop);
                asker.answer(&Outcome::Done);
            };
            let _desk = Desk::open(&path, hear).unwrap();
            let (told, mut outcomes) = unbounded_channel();
            let ask = || {
                let (path, told) = (path.clone(), told.clone());
                thread::spawn(move || drop(told.send(wish(&path))))
            };
            let own = Own::new(process::id());
            ask();
            assert_eq!(outcomes.recv().await, Some(None));
            drop(own);
            ask();
            assert_eq!(outcomes.recv().await, Some(Some(Outcome::Done)));
        });
    }
}
