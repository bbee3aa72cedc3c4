//! The path of a request, from its bytes to the bytes of its answer. Read this file first.
//!
//! ```text
//!   accept ─► http1 ─► Request ─► route ─► Action ─► handle ─► filter ─► Response ─► bytes
//!     │         └ connection.rs                                             └► one log line
//!     └ accept.rs
//! ```
//!
//! `accept` takes a connection and spawns a task for it; `connection` moves bytes between its
//! socket and the protocol room; both meet here, where a request becomes an answer.

use crate::{
    core::{Core, Tick},
    record::{End, Subject},
};
use control::Counter;
use handle::{Answer, Done, Job};
use http1::Refusal;
use message::{Request, Response, Status};
use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What became of a request.
pub(crate) enum Outcome {
    /// It is answered.
    Answered(Response),
    /// The answer has to wait for work that may block.
    Waiting(Job),
}

/// Answers `request`, now or after a job; `done` is the job's result on the second way through.
///
/// A panic on the way is ours, not the client's: it ends this exchange with a 500, nothing else.
pub(crate) fn answer(
    core: &Core,
    tick: Tick,
    request: &Request<'_>,
    done: Option<Done>,
) -> Outcome {
    let answered = catch_unwind(AssertUnwindSafe(|| {
        let answer = core.with_tools(tick, |tools| match done {
            None => handle::run(route::find(core.plan, request.host), request, tools),
            Some(done) => handle::resume(done, request, tools),
        });
        match answer {
            Answer::Ready(response) => Outcome::Answered(filter::apply(request, response)),
            Answer::Wait(job) => Outcome::Waiting(job),
        }
    }));
    answered.unwrap_or_else(|_| {
        core.count(Counter::Panics);
        Outcome::Answered(filter::error_page::apply(Response::empty(Status::INTERNAL_SERVER_ERROR)))
    })
}

/// The answer to a message that its protocol room refused.
pub(crate) fn refuse(core: &Core, refusal: Refusal) -> Response {
    core.count(Counter::Refused);
    let mut response = Response::empty(refusal.status());
    if response.status == Status::METHOD_NOT_ALLOWED {
        response.lines.push(handle::ALLOW);
    }
    filter::error_page::apply(response)
}

/// Puts down what happened: one line in the access log and one counter.
pub(crate) fn record(core: &Core, client: IpAddr, subject: Subject<'_>, end: &End) {
    core.count(Counter::Requests);
    let mut log = core.log.borrow_mut();
    if !log.is_off() {
        let dropped = log.record(client, subject, end, core.now());
        core.count_many(Counter::LinesDropped, dropped);
    }
}

/// As [`record`], for an answer whose line was begun when its head was sent.
pub(crate) fn record_begun(core: &Core, line: &[u8], end: &End) {
    core.count(Counter::Requests);
    let dropped = core.log.borrow_mut().complete(line, end, core.now());
    core.count_many(Counter::LinesDropped, dropped);
}
