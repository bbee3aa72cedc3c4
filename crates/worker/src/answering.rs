//! The way of one exchange to its answer, whichever protocol it came in.

use crate::{
    caching,
    core::{Core, Tick},
    flow::{self, Answered, Outcome},
    job::{Done, Suspended},
    listings::Listings,
    refusal::Trouble,
    turn::Waiting,
};
use access::Ledger;
use handle::php::Call;
use message::{Exchange, Request, RequestId, Status};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::oneshot;

/// What is known of an exchange beside its request.
pub(crate) struct Known<'k> {
    pub(crate) id: Option<RequestId>,
    /// Its client, where that has an address, and the listener that it came in by.
    pub(crate) from: (Option<IpAddr>, usize),
    /// Whom its certificate is of, where it had to show one.
    pub(crate) certificate: Option<Arc<str>>,
    /// What came of the job that it waited for, or of something before it.
    pub(crate) done: Option<Box<Done>>,
    pub(crate) ledger: Ledger,
    /// What its request can be read from again.
    pub(crate) head: &'k [u8],
    pub(crate) began_us: u64,
    /// The line that listings stand in, where its connection has one.
    pub(crate) listings: Option<&'k mut Listings>,
}

/// How far an exchange got.
pub(crate) enum Progress {
    Answered(Answered),
    /// A program is to be asked.
    Calling(Box<Call>, Suspended),
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
    let Known { id, from, certificate, done, mut ledger, head, began_us, mut listings } = known;
    let (mut exchange, failed) = flow::begin(core.plan, (request, id), from);
    exchange.certificate = certificate;
    let mut done = done.or(failed);
    loop {
        let came = (head, began_us);
        let (job, label) = match flow::answer(core, tick, &mut exchange, &mut ledger, done.take()) {
            Outcome::Answered(answered) => return (exchange, Progress::Answered(answered)),
            Outcome::Calling(mut call, label) => {
                let joined = caching::join(core, tick.now, &mut call, &exchange);
                let suspended = Suspended::new(&exchange, came, ledger, label);
                let progress = match joined {
                    Some(done) => waiting((done, true), suspended),
                    None => Progress::Calling(call, suspended),
                };
                return (exchange, progress);
            }
            Outcome::Waiting(job, label) => (job, label),
        };
        let submitted = match &mut listings {
            Some(listings) if job.is_listing() => Ok(listings.add(job)),
            _ => job.submit(core),
        };
        match submitted {
            Ok(done) => {
                let suspended = Suspended::new(&exchange, came, ledger, label);
                return (exchange, waiting((done, false), suspended));
            }
            Err(Some(instead)) => done = Some(instead),
            Err(None) => done = Done::failed(Status::SERVICE_UNAVAILABLE, Trouble::BUSY),
        }
    }
}

/// Has the exchange wait for what is done for it, by an application or by the pool.
fn waiting((done, is_asked): (oneshot::Receiver<Done>, bool), exchange: Suspended) -> Progress {
    Progress::Waiting(Box::new(Waiting { done: done.into(), exchange, is_asked }))
}
