//! A process that this one has started: its notes, its orders, its end.

use crate::orphans::Own;
use net::{
    channel::{self, Message},
    process::Handle,
};
use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{
            net::UnixDatagram,
            process::{CommandExt, ExitStatusExt},
        },
    },
    process::{Child as Process, Command, ExitStatus, Stdio},
    rc::Rc,
};
use tokio::{
    io::Interest,
    // As good for whole messages of one kind as of another.
    net::UnixDatagram as Channel,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::spawn_local,
};

/// The program that this process runs, as it was when it started: a file that is replaced
/// meanwhile is another program.
#[derive(Debug)]
pub struct Program(OwnedFd);

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
    orders: UnboundedSender<Message>,
    handle: Handle,
}

impl Program {
    /// This one.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn this() -> io::Result<Self> {
        net::process::program().map(Self)
    }

    /// Starts it once more, in a role, with a channel as its standard input. Nothing else is
    /// inherited but standard output, standard error, the environment and the working folder.
    fn start(&self, role: &str) -> io::Result<(Process, OwnedFd)> {
        let (own, other) = channel::pair()?;
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let mut command = Command::new(path);
        for name in net::systemd::VARIABLES {
            command.env_remove(name);
        }
        command.arg0("gannet").args(["role", role]).stdin(Stdio::from(other));
        Ok((command.spawn()?, own))
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
        let (process, end) = program.start(role)?;
        let pid = process.id();
        let handle = Handle::of(pid)?;
        // Heard from now on, so that no end is missed.
        let ends = signal(SignalKind::child())?;
        let end = UnixDatagram::from(end);
        end.set_nonblocking(true)?;
        let end = Rc::new(Channel::from_std(end)?);
        let (orders, next) = unbounded_channel();
        spawn_local(send(Rc::clone(&end), next));
        let own = Own::new(pid);
        spawn_local(async move {
            let how = listen(end, process, ends, &hear).await;
            drop(own);
            hear(Heard::Ended(how));
        });
        Ok(Self { pid, orders, handle })
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

    /// Ends it as a fault of its own does.
    pub(crate) fn abort(&self) {
        self.handle.abort();
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.handle.kill();
    }
}

async fn send(end: Rc<Channel>, mut orders: UnboundedReceiver<Message>) {
    while let Some(Message { bytes, descriptors }) = orders.recv().await {
        let along = channel::borrow(&descriptors);
        let send = || channel::send(end.as_fd(), &bytes, &along, false);
        if end.async_io(Interest::WRITABLE, send).await.is_err() {
            return;
        }
    }
}

/// Hears all that it says, and then how it ended.
async fn listen(
    end: Rc<Channel>,
    mut process: Process,
    mut ends: Signal,
    hear: &impl Fn(Heard),
) -> String {
    let receive = || channel::receive(end.as_fd(), false);
    while let Ok(Some(message)) = end.async_io(Interest::READABLE, receive).await {
        hear(Heard::Note(message));
    }
    loop {
        match process.try_wait() {
            Ok(Some(status)) => break ending(status),
            Err(error) => break format!("cannot be waited for: {error}"),
            Ok(None) if ends.recv().await.is_some() => {}
            Ok(None) => break "cannot be waited for".to_owned(),
        }
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
