//! The process that sends spans to a collector: it is there as long as the config that is served
//! names one, and started anew when it has died.
//!
//! Workers hand spans to it by a channel both of whose ends are kept here, so that what is in it
//! outlives whoever reads there, a change of programs and this process. It is bounded by the
//! kernel, and no worker waits for room in it.

use super::{Happening, Shell, not_started};
use crate::{
    child::{Child, Heard},
    machine::Note,
    state::{self, Leaving, Place},
};
use base::{Moment, pack::Packer};
use config::{Blueprint, blueprint::pack_otlp, plan::Otlp};
use control::{
    Counter,
    delivery::{Delivery, Errand},
    note::Note as _,
};
use net::channel::{self, Message};
use std::{io, os::fd::OwnedFd, time::Duration};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

/// How long one that has died is left alone, the first time and at most; each time is twice as long
/// as the one before.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// How long one may take that is to end: longer than it gives itself for what it still has to send.
const END_TIME: Duration = Duration::from_secs(4);

/// An end of the channel, and what that is called where it is kept.
type End = (String, OwnedFd);

/// The channel and the process.
#[derive(Default)]
pub(super) struct Spans {
    /// The end that workers have, and the one of the process.
    ends: Option<[End; 2]>,
    child: Option<(Child, Otlp)>,
    /// How many there were.
    number: u64,
    /// Until when it has to end, where it was told to.
    ends_by: Option<Moment>,
    /// Whether none is started meanwhile.
    rests: bool,
    /// How many have died since one has sent anything, and when the next one is started.
    deaths: u32,
    not_before: Moment,
}

impl Spans {
    /// The end of the channel that workers with this blueprint get, if it wants spans to be sent.
    pub(super) fn way(&mut self, blueprint: &Blueprint) -> io::Result<Option<&OwnedFd>> {
        if blueprint.otlp.is_none() {
            return Ok(None);
        }
        if self.ends.is_none() {
            let (way, queue) = channel::pair()?;
            let name = state::name("spans")?;
            self.ends = Some([(format!("{name}-way"), way), (name, queue)]);
        }
        Ok(self.ends.as_ref().map(|[(_, way), _]| way))
    }

    /// Lets go of the channel where a config has no use for it: who still hands spans over by it
    /// counts them as lost.
    pub(super) fn tidy(&mut self, blueprint: &Blueprint) {
        if blueprint.otlp.is_none() {
            self.ends = None;
        }
    }

    /// What is left of it to another program.
    pub(super) fn leave<'s>(&'s self, out: &mut Leaving<'s>) -> Option<[Place; 2]> {
        let ends = self.ends.as_ref()?;
        Some(ends.each_ref().map(|(name, end)| out.put(name.clone(), end)))
    }

    /// Goes on with a channel that another program has left.
    pub(super) fn take(&mut self, ends: [End; 2]) {
        self.ends = Some(ends);
    }

    /// Whether the process is there.
    pub(super) fn is_there(&self) -> bool {
        self.child.is_some()
    }

    /// Has the process send what it has and end, and no other take its place, where `rests`.
    pub(super) fn rest(&mut self, rests: bool) {
        self.rests = rests;
        if rests {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let (Some((child, _)), None) = (&self.child, self.ends_by) {
            child.tell(Message { bytes: Errand::Finish.encode(), descriptors: Vec::new() });
            self.ends_by = Some(net::clock::now().after(END_TIME));
        }
    }
}

impl Shell<'_> {
    /// Has spans be sent where the config that is served wants them, by one process at a time.
    pub(super) fn have_spans_sent(&mut self) {
        let Some(serving) = self.serving.clone().filter(|_| !self.is_trial) else { return };
        let (wanted, now) = (serving.blueprint.otlp.as_ref(), net::clock::now());
        match (&self.spans.child, wanted) {
            (Some((child, _)), _) if self.spans.ends_by.is_some_and(|by| by <= now) => child.kill(),
            (Some((_, otlp)), _) if wanted != Some(otlp) => self.spans.finish(),
            (None, Some(otlp)) if !self.spans.rests && self.spans.not_before <= now => {
                match self.start_sending(otlp) {
                    Ok(child) => self.spans.child = Some((child, otlp.clone())),
                    Err(error) => self.lost_spans(not_started(&error)),
                }
            }
            _ => {}
        }
    }

    fn start_sending(&mut self, otlp: &Otlp) -> io::Result<Child> {
        self.spans.number += 1;
        let (number, happenings) = (self.spans.number, self.happenings.clone());
        let hear = move |heard| drop(happenings.send(Happening::Spans(number, heard)));
        let [_, (_, queue)] = self.spans.ends.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let descriptors = vec![queue.try_clone()?];
        let child = Child::start(&self.program, "spans", hear)?;
        let mut what = Packer::default();
        pack_otlp(&mut what, otlp);
        child.tell(Message { bytes: Errand::Begin(what.finish()).encode(), descriptors });
        Ok(child)
    }

    /// Takes notice of what it says, or that it is gone.
    pub(super) fn heard_of_spans(&mut self, number: u64, heard: Heard) {
        if number != self.spans.number {
            return;
        }
        let Some((child, _)) = &self.spans.child else { return };
        match heard {
            Heard::Note(message) => match Delivery::decode(&message.bytes) {
                Some(Delivery::Spans { sent, dropped }) => {
                    if sent > 0 {
                        self.spans.deaths = 0;
                    }
                    self.workers.count(Counter::SpansSent, sent);
                    self.workers.count(Counter::SpansDropped, dropped);
                }
                Some(Delivery::Said(text)) => self.note(&Note::Spans(text)),
                None => child.kill(),
            },
            Heard::Ended(how) => {
                self.spans.child = None;
                if self.spans.ends_by.take().is_none() {
                    self.lost_spans(format!("the process that sends spans {how}"));
                }
                self.have_spans_sent();
            }
        }
    }

    /// Says that there is none, and has another one start some time later.
    fn lost_spans(&mut self, why: String) {
        let time = PAUSE * 2u32.saturating_pow(self.spans.deaths.min(16));
        self.spans.not_before = net::clock::now().after(time.min(PAUSE_MOST));
        self.spans.deaths = self.spans.deaths.saturating_add(1);
        self.note(&Note::Spans(format!("{why}: another one is started")));
    }

    /// Has what there is sent before the end, as long as that may take.
    pub(super) async fn send_last_spans(&mut self, heard: &mut UnboundedReceiver<Happening>) {
        self.spans.rest(true);
        let all = async {
            while self.spans.is_there()
                && let Some(happening) = heard.recv().await
            {
                self.hear(happening);
            }
        };
        let _ = timeout(END_TIME, all).await;
        // One that a signal has stopped would be left behind.
        self.spans.child.take().iter().for_each(|(child, _)| child.kill());
    }
}
