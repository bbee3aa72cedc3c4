//! A process that this one has started: its notes, its orders, its end.

use crate::orphans::Own;
use net::{
    channel::{self, Message},
    environment,
    process::Handle,
};
use std::{
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{net::UnixDatagram, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    rc::Rc,
    time::Duration,
};
use tokio::{
    io::Interest,
    // As good for whole messages of one kind as of another.
    net::UnixDatagram as Channel,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::spawn_local,
    time::sleep,
};

/// How long what has run out, descriptors or memory, is given to come back before a child is
/// spoken to again.
const PAUSE: Duration = Duration::from_millis(50);

/// The role of a program that nobody knows yet, and the one of those who read configs, which may
/// name variables of the environment.
pub(crate) const TRIAL: &str = "trial";
pub(crate) const CHECK: &str = "check";

/// The role of those who have certificates issued, and the one of those among them who run a
/// program of the operator's for it, which the environment of the server may be meant for.
pub(crate) const CERTS: &str = "certs";
pub(crate) const CERTS_PROGRAM: &str = "certs-program";

/// A program as it was when this process started, or opened it: a file that is replaced meanwhile
/// is another program.
#[derive(Debug)]
pub(crate) struct Program {
    file: OwnedFd,
    path: PathBuf,
}

/// What is heard of a child.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It has sent a note.
    Note(Message),
    /// It is gone: how it ended.
    Ended(String),
}

/// A child, as long as its end has not been heard of.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    end: Rc<Channel>,
    orders: UnboundedSender<Message>,
    handle: Rc<Handle>,
}

impl Program {
    /// This one.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub(crate) fn this() -> io::Result<Self> {
        Ok(Self { file: net::process::program()?, path: net::process::program_path()? })
    }

    /// The one that lies at `path` now.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { file: net::process::program_at(path)?, path: path.to_owned() })
    }

    /// The one that the program before has left here.
    pub(crate) fn left(file: OwnedFd) -> Self {
        Self { file, path: PathBuf::new() }
    }

    /// Where it was found.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it once more, in a role, with a channel as its standard input. Nothing else is
    /// inherited but the working folder, what a role may know of the environment and, of a program
    /// that is known, standard output and standard error.
    fn start(&self, role: &str) -> io::Result<(process::Child, Handle, OwnedFd)> {
        let (own, other) = channel::pair()?;
        let (child, handle) = self.start_with(role, other)?;
        Ok((child, handle, own))
    }

    /// The same with something else as its standard input.
    pub(crate) fn start_with(
        &self,
        role: &str,
        input: OwnedFd,
    ) -> io::Result<(process::Child, Handle)> {
        net::failpoint::call()?;
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let mut command = Command::new(path);
        environment::pass_on(&mut command, matches!(role, TRIAL | CHECK | CERTS_PROGRAM));
        command.arg0("gannet").args(["role", role]).stdin(Stdio::from(input));
        if role == TRIAL {
            // What it says may be anything, and no end to it.
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let mut child = command.spawn()?;
        let handle = Handle::of(child.id()).inspect_err(|_| end(&mut child))?;
        Ok((child, handle))
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Child {
    /// Starts the program in a role; what is heard of it is told to `hear`.
    ///
    /// # Errors
    ///
    /// Processes or descriptors have run out.
    pub(crate) fn start(
        program: &Program,
        role: &str,
        hear: impl Fn(Heard) + 'static,
    ) -> io::Result<Self> {
        let (mut child, handle, channel) = program.start(role)?;
        Self::of(child.id(), handle, channel, hear).inspect_err(|_| end(&mut child))
    }

    /// A process that is there, with this end of its channel; it may be another's child by now.
    ///
    /// # Errors
    ///
    /// Descriptors have run out, or one is of another kind.
    pub(crate) fn of(
        pid: u32,
        handle: Handle,
        end: OwnedFd,
        hear: impl Fn(Heard) + 'static,
    ) -> io::Result<Self> {
        let handle = Rc::new(handle);
        net::failpoint::call()?;
        let ended = ended(Rc::clone(&handle), || ())?;
        let end = UnixDatagram::from(end);
        end.set_nonblocking(true)?;
        let end = Rc::new(Channel::from_std(end)?);
        let (orders, next) = unbounded_channel();
        spawn_local(send(Rc::clone(&end), next));
        let (own, end_there, process) = (Own::new(pid), Rc::clone(&end), Rc::clone(&handle));
        spawn_local(async move {
            let how = listen(end_there, (&process, ended), &hear).await;
            drop(own);
            hear(Heard::Ended(how));
        });
        Ok(Self { pid, end, orders, handle })
    }

    /// Tells it something, after all that was said before. Nobody waits until it listens.
    pub(crate) fn tell(&self, message: Message) {
        // Of one that is gone it is soon heard.
        let _ = self.orders.send(message);
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What it is told things by.
    pub(crate) fn channel(&self) -> &Channel {
        &self.end
    }

    /// Its process, however soon its number is another's.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether a signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.handle.is_stopped()
    }

    /// Ends it as a fault of its own does.
    pub(crate) fn abort(&self) {
        self.handle.abort();
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.handle.kill();
    }
}

/// Ends a child that nobody else knows of.
fn end(child: &mut process::Child) {
    let _ = child.kill().and_then(|()| child.wait());
}

async fn send(end: Rc<Channel>, mut orders: UnboundedReceiver<Message>) {
    while let Some(Message { bytes, descriptors }) = orders.recv().await {
        let along = channel::borrow(&descriptors);
        let send = || channel::send(end.as_fd(), &bytes, &along, false);
        while let Err(error) = end.async_io(Interest::WRITABLE, send).await {
            if error.kind() == ErrorKind::BrokenPipe {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

/// Hears all that it says, and then how it ended.
async fn listen(
    end: Rc<Channel>,
    (handle, ended): (&Handle, impl Future<Output = String>),
    hear: &impl Fn(Heard),
) -> String {
    let receive = || channel::receive(end.as_fd(), false);
    loop {
        match end.async_io(Interest::READABLE, receive).await {
            Ok(Some(message)) => hear(Heard::Note(message)),
            Ok(None) => break,
            // It speaks another language, or was taken over.
            Err(error) if error.kind() == ErrorKind::InvalidData => handle.kill(),
            Err(_) => sleep(PAUSE).await,
        }
    }
    ended.await
}

/// How a process ends, once it has. Before it is forgotten, so that its number can be no other's,
/// `last` is done.
pub(crate) fn ended(
    handle: Rc<Handle>,
    last: impl Fn(),
) -> io::Result<impl Future<Output = String>> {
    // It can be read from then, and nothing more is wanted of it than of a socket.
    let end = UnixDatagram::from(handle.as_fd().try_clone_to_owned()?);
    end.set_nonblocking(true)?;
    let end = Channel::from_std(end)?;
    Ok(async move {
        let ending = || {
            if handle.has_ended() {
                last();
            }
            handle.ending()?.ok_or_else(|| ErrorKind::WouldBlock.into())
        };
        let ended = end.async_io(Interest::READABLE, ending).await;
        ended.unwrap_or_else(|error| format!("cannot be waited for: {error}"))
    })
}
