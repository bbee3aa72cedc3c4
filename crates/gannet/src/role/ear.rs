//! What a worker hears: the orders of the supervisor, and signals where that is gone.

use super::BUNDLE_BYTES_MAX;
use base::Moment;
use config::Bundle;
use control::{
    finding,
    note::{Note as _, Order, Report},
};
use net::{
    channel::{self, Message},
    listener::Listening,
    process, sealed,
};
use std::{
    future::{pending, poll_fn},
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    pin::pin,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};
use tokio::{
    io::Interest,
    // As good for whole messages of one kind as of another.
    net::UnixDatagram as Channel,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use worker::{LogFiles, Renewer, Reopener, Stopper, Worker};

/// Takes log files, if the order is about those.
pub(super) fn take_files(files: &LogFiles, order: Order, descriptors: Vec<OwnedFd>) {
    match order {
        Order::Logs(targets) => {
            for (target, file) in targets.into_iter().zip(descriptors) {
                files.give(target, Ok(file.into()));
            }
        }
        Order::LogKept(target, why) => files.give(target, Err(io::Error::other(why))),
        _ => {}
    }
}

/// How long what a signal asks for may be meant for the supervisor as well, and for what that does
/// on its way out.
const MEANT_TIME: Duration = Duration::from_secs(5);

/// The sockets of each loop, each with the place of its address in the plan.
pub(super) type BySlot = Vec<Vec<(usize, Listening)>>;

/// What hears the orders of the supervisor.
pub(super) struct Ear<'e> {
    end: &'e OwnedFd,
    stopper: Stopper,
    reopener: Reopener,
    renewer: Renewer,
    files: Arc<LogFiles>,
    loops: usize,
    /// The process that has started this one, and whether the channel to it is over.
    parent: i32,
    is_over: bool,
    /// What stops a worker whose supervisor is gone, and what drains it. While that is there it
    /// decides.
    term: Signal,
    quit: Signal,
    /// What those have asked for, as it may be that the supervisor is on its way out.
    asked: Option<Asked>,
    /// Whether the supervisor waits to hear that this process accepts nobody any more.
    is_parting: bool,
    /// Those that a terminal sends to all of its processes, and those that mean something to the
    /// supervisor.
    _others: Vec<Signal>,
}

/// What a signal has asked for.
struct Asked {
    order: Order,
    at: Moment,
    /// Whether it was obeyed, or the supervisor has ordered as much.
    is_done: bool,
}

/// What an [`Ear`] hears.
enum Heard {
    Message(io::Result<Option<Message>>),
    Asked(Order),
}

impl<'e> Ear<'e> {
    pub(super) fn new(
        end: &'e OwnedFd,
        worker: &Worker,
        files: Arc<LogFiles>,
        runtime: &Runtime,
    ) -> io::Result<Self> {
        let _guard = runtime.enter();
        net::failpoint::call()?;
        let others = [
            SignalKind::interrupt(),
            SignalKind::hangup(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ];
        Ok(Self {
            end,
            stopper: worker.stopper(),
            reopener: worker.reopener(),
            renewer: worker.renewer(),
            files,
            loops: worker.loops(),
            parent: process::parent(),
            is_over: false,
            term: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            asked: None,
            is_parting: false,
            _others: others.into_iter().map(signal).collect::<Result<_, _>>()?,
        })
    }

    /// Waits for the sockets of each loop; `None` where nobody wants it to serve any more.
    pub(super) fn listeners(&self) -> io::Result<Option<BySlot>> {
        let mut by_loop: Vec<_> = (0..self.loops).map(|_| Vec::new()).collect();
        loop {
            let Some(message) = channel::receive(self.end.as_fd(), true)? else { return Ok(None) };
            match Order::decode(&message.bytes).ok_or(ErrorKind::InvalidData)? {
                Order::Serve => return Ok(Some(by_loop)),
                Order::Listeners { slot, numbers } => {
                    let Some(own) = by_loop.get_mut(slot) else { continue };
                    for (number, socket) in numbers.into_iter().zip(message.descriptors) {
                        own.push((number, Listening::of(socket)?));
                    }
                }
                Order::Drain | Order::Stop | Order::StopAtOnce => return Ok(None),
                order => self.act(order, message.descriptors),
            }
        }
    }

    /// Does what it is told, as long as anybody is there; then serves on, until a signal says to
    /// stop.
    pub(super) async fn obey(&mut self) {
        // A loop that is started anew has a new runtime, with which all this has to begin anew; so
        // it has to go on behind the end of the first loop, which may come before that of others.
        while let Ok(end) = self.channel() {
            loop {
                if self.is_parting {
                    self.stopper.parted().await;
                    let note = Report::Parted.encode();
                    // Where the supervisor does not listen, it waits a moment longer.
                    let _ = channel::send(end.as_fd(), &note, &[], false);
                    self.is_parting = false;
                }
                match self.hear(&end).await {
                    Heard::Message(Ok(Some(message))) => {
                        if let Some(order) = Order::decode(&message.bytes) {
                            self.is_parting = order == Order::Drain;
                            self.heed(&order);
                            self.act(order, message.descriptors);
                        }
                    }
                    Heard::Message(Ok(None)) => self.is_over = true,
                    Heard::Message(Err(_)) => break,
                    Heard::Asked(order) => {
                        let at = net::clock::now();
                        self.asked = Some(Asked { order, at, is_done: false });
                    }
                }
                self.live_alone();
            }
        }
        pending().await
    }

    /// The next message, as long as there may be any, or what a signal asks for.
    async fn hear(&mut self, end: &Channel) -> Heard {
        let receive = || channel::receive(end.as_fd(), false);
        let mut message = pin!(end.async_io(Interest::READABLE, receive));
        poll_fn(|context| {
            if self.term.poll_recv(context).is_ready() {
                // A second one is from somebody who is in a hurry.
                self.forget();
                let asked = self.asked.as_ref().map(|asked| &asked.order);
                let is_second = matches!(asked, Some(Order::Stop | Order::StopAtOnce));
                let order = if is_second { Order::StopAtOnce } else { Order::Stop };
                return Poll::Ready(Heard::Asked(order));
            }
            if self.quit.poll_recv(context).is_ready() {
                return Poll::Ready(Heard::Asked(Order::Drain));
            }
            match self.is_over {
                true => Poll::Pending,
                false => message.as_mut().poll(context).map(Heard::Message),
            }
        })
        .await
    }

    fn channel(&self) -> io::Result<Channel> {
        let end = UnixDatagram::from(self.end.try_clone()?);
        end.set_nonblocking(true)?;
        Channel::from_std(end)
    }

    /// Does what signals ask for where nobody else does. The channel of a supervisor that was
    /// killed may be kept for the next one.
    fn live_alone(&mut self) {
        if self.is_over || process::parent() != self.parent {
            self.forget();
            // One that has come just before the supervisor went was meant for all.
            if let Some(asked) = self.asked.as_mut().filter(|asked| !asked.is_done) {
                asked.is_done = true;
                let order = asked.order.clone();
                self.act(order, Vec::new());
            }
        }
    }

    /// Lets what signals have asked for be, as there is a supervisor that decides. Where that says
    /// to stop, the next signal is a second one.
    fn heed(&mut self, order: &Order) {
        match order {
            Order::Stop | Order::StopAtOnce => {
                self.asked.iter_mut().for_each(|asked| asked.is_done = true);
            }
            _ => self.asked = None,
        }
    }

    /// Forgets what was asked for long ago, when there was somebody else to decide.
    fn forget(&mut self) {
        let is_old = |at| net::clock::now().since(at) > MEANT_TIME;
        self.asked.take_if(|asked| !asked.is_done && is_old(asked.at));
    }

    /// Uses other certificates, which another thread takes in: there may be many.
    fn renew(&self, along: Vec<OwnedFd>) {
        let renewer = self.renewer;
        let renew = move || {
            let bytes = sealed::read(along.first()?.as_fd(), BUNDLE_BYTES_MAX).ok()?;
            // What was checked by the same program is sound; where there is no room, the
            // certificates that are there go on.
            renewer.renew(&Bundle::decode(&bytes)?.resolve().ok()?);
            Some(())
        };
        let _ = thread::Builder::new().name("gannet-renewal".to_owned()).spawn(renew);
    }

    /// Shows other proofs to authorities that look for them, and says so.
    fn prove(&self, number: u64, along: &[OwnedFd]) {
        let bytes = along.first().map(|fd| sealed::read(fd.as_fd(), BUNDLE_BYTES_MAX));
        if let Some(proofs) = bytes.and_then(Result::ok).and_then(|bytes| finding::unpack(&bytes)) {
            self.renewer.prove(&proofs);
        }
        // Where the supervisor does not listen, whoever waits for it waits a moment longer.
        let _ = channel::send(self.end.as_fd(), &Report::Proves(number).encode(), &[], false);
    }

    fn act(&self, order: Order, descriptors: Vec<OwnedFd>) {
        match order {
            Order::Drain => self.stopper.drain(),
            Order::Stop => self.stopper.stop(),
            Order::StopAtOnce => self.stopper.stop_at_once(),
            Order::Reopen => self.reopener.reopen(),
            Order::Certificates => self.renew(descriptors),
            Order::Proofs(number) => self.prove(number, &descriptors),
            order => take_files(&self.files, order, descriptors),
        }
    }
}
