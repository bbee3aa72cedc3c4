//! The way of one exchange to its answer, whichever protocol it came in.

use crate::{
    core::{Core, Tick},
    flow::{self, Answered, Outcome},
    job::{Done, Suspended},
    refusal::Trouble,
    turn::Waiting,
};
use access::Ledger;
use handle::php::Call;
use message::{Exchange, Request, RequestId, Status};
use std::net::IpAddr;

/// What is known of an exchange beside its request.
pub(crate) struct Known<'k> {
    pub(crate) id: Option<RequestId>,
    /// Its client, where that has an address, and the listener that it came in by.
    pub(crate) from: (Option<IpAddr>, usize),
    /// What came of the job that it waited for, or of something before it.
    pub(crate) done: Option<Box<Done>>,
    pub(crate) ledger: Ledger,
    /// What its request can be read from again.
    pub(crate) head: &'k [u8],
    pub(crate) began_us: u64,
}

/// How far an exchange got.
pub(crate) enum Progress {
    Answered(Answered),
    /// A program is to be asked; with it what limits have found.
    Calling(Box<Call>, Ledger),
    /// It waits for a job.
    Waiting(Box<Waiting>),
}

/// Answers `request`, or has the pool do what its answer waits for.
pub(crate) fn answer<'r>(
    core: &Core,
    tick: Tick,
    request: &'r Request<'r>,
    known: Known<'_>,
) -> (Exchange<'r>, Progress) {
    let Known { id, from, done, mut ledger, head, began_us } = known;
    let (mut exchange, failed) = flow::begin(core.plan, (request, id), from);
    let mut done = done.or(failed);
    loop {
        let job = match flow::answer(core, tick, &mut exchange, &mut ledger, done.take()) {
            Outcome::Answered(answered) => return (exchange, Progress::Answered(answered)),
            Outcome::Calling(call) => return (exchange, Progress::Calling(call, ledger)),
            Outcome::Waiting(job) => job,
        };
        match job.submit(core) {
            Ok(done) => {
                let (head, id) = (head.to_vec(), exchange.id.clone());
                let suspended = Suspended { head, id, began_us, ledger };
                let waiting = Box::new(Waiting { done, exchange: suspended, is_asked: false });
                return (exchange, Progress::Waiting(waiting));
            }
            Err(Some(instead)) => done = Some(instead),
            Err(None) => done = Done::failed(Status::SERVICE_UNAVAILABLE, Trouble::BUSY),
        }
    }
}
