//! The path of a request, from its bytes to the bytes of its answer. Read this file first.
//!
//! ```text
//!   accept ─► http1 ─► Request ─► route ─► access ─► rewrite ─► handle ─► filter ─► bytes
//!     │         └ connection.rs                                               └► one log line
//!     └ accept.rs
//! ```
//!
//! `accept` takes a connection and spawns a task for it; `connection` moves bytes between its
//! socket and the protocol room; both meet here, where a request becomes an answer.

use crate::{
    core::{Core, Tick},
    record::{End, Subject},
};
use config::{
    Plan,
    plan::{Form, Phrase},
};
use control::Counter;
use handle::{Answer, Done, Job, Tools};
use http1::Refusal;
use message::{Exchange, Response, Status};
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

/// Rewrites of one request at most; a config that leads in a circle is ours to notice.
const REWRITES_MAX: usize = 10;

/// Answers the request of `exchange`, now or after a job; `done` is the job's result on the second
/// way through.
///
/// A panic on the way is ours, not the client's: it ends this exchange with a 500, nothing else.
pub(crate) fn answer(
    core: &Core,
    tick: Tick,
    exchange: &mut Exchange<'_>,
    done: Option<Done>,
) -> Outcome {
    let answered = catch_unwind(AssertUnwindSafe(|| {
        core.with_tools(tick, |tools| pass(core.plan, exchange, done, tools))
    }));
    answered.unwrap_or_else(|_| {
        core.count(Counter::Panics);
        Outcome::Answered(filter::error_page::apply(Response::empty(Status::INTERNAL_SERVER_ERROR)))
    })
}

/// Route, access, rewrite, and again where it was rewritten; then handle and filter.
fn pass(
    plan: &'static Plan,
    exchange: &mut Exchange<'_>,
    done: Option<Done>,
    tools: &mut Tools<'_>,
) -> Outcome {
    for _ in 0..=REWRITES_MAX {
        let found = route::find(plan, exchange, &mut ());
        let rest = exchange.path_bytes().get(found.rest.clone()).unwrap_or_default();
        let policy = found.policy;
        let answer = if let Some(allow) = found.refused {
            Answer::Ready(handle::method_not_allowed(exchange, allow))
        } else if done.is_none()
            && let Some(refusal) = access::check(&policy.access, exchange)
        {
            Answer::Ready(refusal)
        } else if let Some((to, _)) = &policy.rewrite {
            let (path, query) = rewritten(to, exchange, rest);
            exchange.rewrite(&path, query);
            continue;
        } else {
            match done {
                None => handle::run(&policy.action, exchange, rest, tools),
                Some(done) => handle::resume(&policy.action, done, exchange, tools),
            }
        };
        return match answer {
            Answer::Ready(response) => {
                Outcome::Answered(filter::apply(&policy.adjust, exchange, rest, response))
            }
            Answer::Wait(job) => Outcome::Waiting(job),
        };
    }
    Outcome::Answered(filter::error_page::apply(Response::empty(Status::INTERNAL_SERVER_ERROR)))
}

/// The path and the query that a rewrite leads to. Its path is decoded already and stays so.
fn rewritten(to: &Phrase, exchange: &Exchange<'_>, rest: &[u8]) -> (Vec<u8>, Option<String>) {
    let (path, query) = to.split_query();
    let query = query.map(|query| query.fill(exchange, rest, Form::Url));
    let query = query.map(|query| String::from_utf8_lossy(&query).into_owned());
    (path.fill(exchange, rest, Form::Plain), query)
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
