//! The process that shows how the server is, to those who look: it is told what it asks for, and
//! reads what comes from the network so that this one need not.

use super::{Happening, Shell, not_started};
use crate::{
    child::{Child, Heard},
    machine::Note,
};
use base::{Moment, pack::Packer};
use config::{
    blueprint::pack_admin,
    plan::{Address, Admin},
};
use control::{
    board::{Asking, Telling},
    note::Note as _,
    wish::Outcome,
};
use net::{
    channel::{DESCRIPTORS_MAX, Message},
    sealed,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};
use tokio::{task::spawn_local, time::sleep};

/// Time between two answers at least, however often it asks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long workers go on putting down each answer after the last close look.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// The process, and what it has been told.
#[derive(Default)]
pub(super) struct Showing {
    /// With where it shows things.
    child: Option<(Child, Admin)>,
    /// How many there were.
    number: u64,
    is_ready: bool,
    /// When it was told last how the server is, and whether it waits to be told.
    told_at: Option<Moment>,
    is_due: bool,
    /// When somebody looked closely last, where workers still put down each answer for that.
    looked_at: Option<Moment>,
    /// Whether it has said that it cannot show anything.
    has_failed: bool,
}

impl Shell<'_> {
    /// Has the process be there, if the config that is served wants it.
    pub(super) fn show(&mut self) {
        let wanted = self.serving.as_ref().and_then(|serving| serving.blueprint.admin.clone());
        let shows = self.showing.child.as_ref().map(|(_, admin)| admin);
        if self.is_trial || shows == wanted.as_ref() || self.showing.has_failed {
            return;
        }
        if let Some((child, _)) = self.showing.child.take() {
            child.kill();
        }
        let Some(admin) = wanted else { return };
        match self.start_showing(&admin) {
            Ok(child) => self.showing.child = Some((child, admin)),
            Err(error) => self.note(&Note::Unseen(not_started(&error))),
        }
    }

    /// Has workers put down no more than they have to, where nobody has looked closely of late, and
    /// new ones as much as the others.
    pub(super) fn look_away(&mut self) {
        let Some(looked_at) = self.showing.looked_at else { return };
        let is_over = looked_at.after(CLOSE_TIME) <= net::clock::now();
        self.showing.looked_at = Some(looked_at).filter(|_| !is_over);
        self.workers.be_seen(!is_over);
    }

    /// Another config is served, with which it may be able to.
    pub(super) fn show_anew(&mut self) {
        self.showing.has_failed = false;
        self.show();
    }

    fn start_showing(&mut self, admin: &Admin) -> io::Result<Child> {
        // The process before may have been looked at; that of another program has no place here.
        let looked_at = (self.showing.number > 0).then(net::clock::now);
        self.workers.be_seen(looked_at.is_some());
        self.showing = Showing { number: self.showing.number + 1, looked_at, ..Showing::default() };
        let (number, happenings) = (self.showing.number, self.happenings.clone());
        let hear = move |heard| drop(happenings.send(Happening::Showing(number, heard)));
        let descriptors = self.showing_sockets()?;
        let child = Child::start(&self.program, "admin", hear)?;
        let mut what = Packer::default();
        pack_admin(&mut what, admin);
        // A file that has no name which can be typed is named in no command.
        what.bytes(self.full_path().to_str().unwrap_or_default().as_bytes());
        child.tell(Message { bytes: Telling::Begin(what.finish()).encode(), descriptors });
        Ok(child)
    }

    /// The sockets that it is looked at by.
    fn showing_sockets(&self) -> io::Result<Vec<OwnedFd>> {
        let Some(serving) = &self.serving else { return Ok(Vec::new()) };
        let wanted = serving.blueprint.addresses();
        let all = self.sockets.of_slot(&wanted, 0, 1);
        let own = all.filter(|(number, _)| *number == serving.blueprint.listen.len());
        own.map(|(_, socket)| socket.as_fd().try_clone_to_owned()).collect()
    }

    /// Closes all sockets, but for a Unix socket that the server is looked at by: without its file
    /// nobody would find that, and what finishes is to be seen to its end.
    pub(super) fn close(&mut self) {
        let admin = self.serving.as_ref().and_then(|serving| serving.blueprint.admin.as_ref());
        let listen = admin.map(|admin| admin.listen.clone());
        let by_path = listen.filter(|listen| matches!(listen.address, Address::Unix { .. }));
        self.sockets.keep(by_path.as_slice());
    }

    /// Whether it is there.
    pub(super) fn is_showing(&self) -> bool {
        self.showing.child.is_some()
    }

    /// Tells it whether the server serves whoever comes, where that has changed.
    pub(super) fn tell_whether_ready(&mut self) {
        let is_ready = self.machine.is_ready();
        if let (Some((child, _)), true) = (&self.showing.child, is_ready != self.showing.is_ready) {
            self.showing.is_ready = is_ready;
            let bytes = Telling::IsReady(is_ready).encode();
            child.tell(Message { bytes, descriptors: Vec::new() });
        }
    }

    /// Hears what it asks.
    pub(super) fn asked(&mut self, number: u64, heard: Heard) {
        if number != self.showing.number {
            return;
        }
        let Some((child, _)) = &self.showing.child else { return };
        match heard {
            Heard::Ended(_) => self.showing.child = None,
            Heard::Note(message) => match Asking::decode(&message.bytes) {
                Some(Asking::Look { is_close }) => {
                    if is_close {
                        self.showing.looked_at = Some(net::clock::now());
                        self.workers.be_seen(true);
                    }
                    self.plan_answer();
                }
                Some(Asking::Ready(_)) => {}
                Some(Asking::Failed(text)) => {
                    self.showing.has_failed = true;
                    self.note(&Note::Unseen(text));
                }
                None => child.kill(),
            },
        }
    }

    /// Answers it, now or after a pause.
    fn plan_answer(&mut self) {
        let next = self.showing.told_at.map(|told_at| told_at.after(PAUSE));
        let now = net::clock::now();
        match next.filter(|next| *next > now) {
            _ if self.showing.is_due => {}
            None => self.answer_showing(self.showing.number),
            Some(next) => {
                self.showing.is_due = true;
                let (number, happenings) = (self.showing.number, self.happenings.clone());
                spawn_local(async move {
                    sleep(next.since(now)).await;
                    let _ = happenings.send(Happening::ShowingDue(number));
                });
            }
        }
    }

    /// Tells it how the server is.
    pub(super) fn answer_showing(&mut self, number: u64) {
        if number != self.showing.number {
            return;
        }
        let Some((child, _)) = &self.showing.child else { return };
        for (pool, asked) in self.pools.looked_at() {
            let descriptors = asked.into_iter().collect();
            child.tell(Message { bytes: Telling::Pool(pool).encode(), descriptors });
        }
        let status = Outcome::Status(self.status().into()).encode();
        // Where there is no memory for it, whoever waits gives up.
        if let Ok(status) = sealed::bytes(c"gannet-status", &status) {
            let mut lives = self.workers.lives().into_iter().peekable();
            while lives.peek().is_some() {
                let descriptors = lives.by_ref().take(DESCRIPTORS_MAX).collect();
                child.tell(Message { bytes: Telling::Lives.encode(), descriptors });
            }
            child.tell(Message { bytes: Telling::Status.encode(), descriptors: vec![status] });
        }
        (self.showing.told_at, self.showing.is_due) = (Some(net::clock::now()), false);
    }
}
