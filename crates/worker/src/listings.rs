//! The listings of a connection with many exchanges at once: one is made after the other, and none
//! while there is no memory for its answer.
//!
//! A listing holds the names of its folder until its client has taken it. Whoever asks for many at
//! once, and takes none, has the others wait their turn.

use crate::{
    core::Core,
    job::{Done, Job},
    refusal::Trouble,
};
use message::Status;
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::oneshot;

/// Those that somebody waits for.
#[derive(Default)]
pub(crate) struct Listings {
    /// The one that is being made, and who waits for it.
    begun: Option<(oneshot::Receiver<Done>, oneshot::Sender<Done>)>,
    waiting: VecDeque<(Job, oneshot::Sender<Done>)>,
}

impl Listings {
    /// Has one more made when it is its turn.
    pub(crate) fn add(&mut self, job: Job) -> oneshot::Receiver<Done> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back((job, sender));
        receiver
    }

    /// Whether any has not been begun.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Passes on the one that is made, if it is; whoever asks is woken when it will be.
    pub(crate) fn take(&mut self, context: &mut Context<'_>) {
        let Some((done, _)) = &mut self.begun else { return };
        let Poll::Ready(done) = Pin::new(done).poll(context) else { return };
        if let (Some((_, sender)), Ok(done)) = (self.begun.take(), done) {
            // Who has reset its stream needs no answer.
            let _ = sender.send(done);
        }
    }

    /// Begins the next one, if none is under way. What [`Listings::take`] has passed on before is
    /// an answer by then, whose memory is known.
    pub(crate) fn begin(&mut self, core: &Core, context: &mut Context<'_>) {
        while self.begun.is_none()
            && let Some((job, sender)) = self.waiting.pop_front()
        {
            if sender.is_closed() {
                continue;
            }
            match job.submit(core) {
                Ok(done) => self.begun = Some((done, sender)),
                Err(instead) => {
                    let busy = Done::Failed(Status::SERVICE_UNAVAILABLE, Trouble::BUSY);
                    // As above.
                    let _ = sender.send(instead.map_or(busy, |instead| *instead));
                }
            }
        }
        self.take(context);
    }
}
