//! The socket by which an operator tells a running server what to do.

use crate::sockets::{Fault, explain_unix};
use control::{
    note::Note,
    wish::{Outcome, Wish},
};
use net::{process, unix};
use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    task::{JoinHandle, spawn_local},
    time::timeout,
};

/// Who may connect: the user that the server runs as. Root may do anything.
const MODE: u32 = 0o600;

/// Bytes of a wish at most, and how long one may take.
const WISH_BYTES_MAX: usize = 64;
const WISH_TIME: Duration = Duration::from_secs(5);

/// The socket, as long as it is open.
#[derive(Debug)]
pub(crate) struct Desk {
    path: PathBuf,
    /// Dropped before the socket, which the task has.
    _file: unix::SocketFile,
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
        let explain = |error| explain_unix(path, &error, "control");
        let (socket, file) = unix::listen(path, MODE).map_err(explain)?;
        let socket = UnixListener::from_std(socket);
        let socket = socket.map_err(|error| explain(unix::UnixError::Failed(error)))?;
        let task = spawn_local(async move {
            loop {
                match socket.accept().await {
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
        Ok(Self { path: path.to_owned(), _file: file, task })
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
    /// What it wishes; `None` where it may not, or says nothing that can be understood.
    async fn wish(&self) -> Option<Wish> {
        let user = unix::peer_user(self.0.as_fd()).ok()?;
        if user != 0 && user != process::user() {
            return None;
        }
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
        // The socket is empty and holds more than this. Whoever has gone needs no answer.
        let _ = self.0.try_write(&outcome.encode());
    }
}
