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
    job::{Done, Job},
    record::{End, Subject},
    steps,
};
use access::{Door, Entry, Ledger, Pace};
use config::{
    Plan,
    plan::{Bandwidth, Form, Phrase},
};
use control::Counter;
use handle::{Answer, Tools};
use http1::Refusal;
use message::{
    Exchange, Request, Response, Status,
    forwarded::{self, Contradiction},
};
use route::Trace;
use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What became of a request.
pub(crate) enum Outcome {
    /// It is answered, and how fast that is sent may be limited.
    Answered(Response, Option<&'static Bandwidth>),
    /// The answer has to wait for work that may block.
    Waiting(Job),
}

/// What becomes of a request, and what is known of it by then.
pub(crate) struct Judged {
    pub(crate) outcome: Outcome,
    /// Who has sent it.
    pub(crate) client: Option<IpAddr>,
    /// The user who was let in, where a password was asked for.
    pub(crate) user: Option<Box<str>>,
    /// What limits have found of it: it goes along with a job.
    pub(crate) ledger: Ledger,
    /// What its log line says of how it came to its answer.
    pub(crate) note: Option<&'static str>,
}

/// Rewrites of one request at most; a config that leads in a circle is ours to notice.
const REWRITES_MAX: usize = 10;

/// Who has sent `request` on a connection from `peer`: itself, or whom a trusted proxy names.
#[inline]
pub(crate) fn client(
    plan: &Plan,
    request: &Request<'_>,
    peer: Option<IpAddr>,
) -> Result<Option<IpAddr>, Contradiction> {
    match plan.has_proxies() {
        false => Ok(peer),
        true => forwarded::client(&request.fields, peer, |address| plan.trusts(address)),
    }
}

/// The answer to a request that names two clients: 400, as nobody can tell who asks.
pub(crate) fn contradicted() -> Response {
    filter::error_page::apply(Response::empty(Status::BAD_REQUEST))
}

/// Answers `request`, which came from `peer` by the listener of that number, now or after a job;
/// the job's result, and what went along with it, come in on the second way through.
///
/// A panic on the way is ours, not the client's: it ends this exchange with a 500, nothing else.
pub(crate) fn answer(
    core: &Core,
    tick: Tick,
    request: &Request<'_>,
    (peer, listener): (Option<IpAddr>, usize),
    resumed: Option<(Done, Ledger)>,
) -> Judged {
    let (done, ledger) = resumed.unzip();
    let mut ledger = ledger.unwrap_or_default();
    let Ok(client) = client(core.plan, request, peer) else {
        let (outcome, note) = (Outcome::Answered(contradicted(), None), Some(steps::CONTRADICTION));
        return Judged { outcome, client: peer, user: None, ledger, note };
    };
    let mut exchange = Exchange::new(request, client, listener);
    let answered = catch_unwind(AssertUnwindSafe(|| {
        let (mut verdicts, clients) = (core.verdicts.borrow_mut(), core.clients);
        let (verdicts, ledger) = (&mut *verdicts, &mut ledger);
        let mut door = Door { verdicts, clients, ledger, now: tick.now, done: None };
        core.with_tools(tick, |tools| {
            pass(core.plan, &mut exchange, done, &mut door, tools, &mut ())
        })
    }));
    let outcome = answered.unwrap_or_else(|_| {
        core.count(Counter::Panics);
        failed()
    });
    let note = match outcome {
        Outcome::Answered(..) => note(core, ledger.pace),
        Outcome::Waiting(_) => None,
    };
    Judged { outcome, client, user: exchange.user, ledger, note }
}

/// Counts what limits found of a request; the words for its log line.
fn note(core: &Core, pace: Pace) -> Option<&'static str> {
    let (counter, note) = match pace {
        Pace::Within => return None,
        Pace::Beyond => (Counter::Limited, Some("too many requests")),
        Pace::BeyondOnTrial => (Counter::LimitedOnTrial, Some("too many requests (dry run)")),
        Pace::Uncounted => (Counter::Uncounted, None),
    };
    core.count(counter);
    note
}

/// Route, access, rewrite, and again where it was rewritten; then handle and filter. `trace` hears
/// why.
pub(crate) fn pass(
    plan: &'static Plan,
    exchange: &mut Exchange<'_>,
    done: Option<Done>,
    door: &mut Door<'_>,
    tools: &mut Tools<'_>,
    trace: &mut impl Trace,
) -> Outcome {
    let (checked, done) = match done {
        Some(Done::Password(checked)) => (Some(checked), None),
        Some(Done::Files(done)) => (None, Some(done)),
        None => (None, None),
    };
    door.done = checked;
    for _ in 0..=REWRITES_MAX {
        let found = route::find(plan, exchange, trace);
        let policy = found.policy;
        steps::guards(policy, trace);
        let entry = match found.refused {
            Some(allow) => Entry::Answered(handle::method_not_allowed(exchange, allow)),
            None => access::check(&policy.access, exchange, door),
        };
        let rest = exchange.path_bytes().get(found.rest).unwrap_or_default();
        let answer = match (entry, &policy.rewrite) {
            (Entry::Wait(job), _) => return Outcome::Waiting(Job::Password(job)),
            (Entry::Answered(response), _) => {
                if found.refused.is_none() {
                    trace.note(|| steps::answered(policy, &response));
                }
                Answer::Ready(response)
            }
            (Entry::Open, Some((to, place))) => {
                let (path, query) = rewritten(to, exchange, rest);
                exchange.rewrite(&path, query);
                trace.note(|| steps::rewrite(exchange, place));
                continue;
            }
            (Entry::Open, None) => {
                trace.note(|| steps::action(&policy.action, plan));
                match done {
                    None => handle::run(policy, exchange, rest, tools),
                    Some(done) => handle::resume(policy, done, exchange, tools),
                }
            }
        };
        return match answer {
            Answer::Ready(response) => {
                let response = filter::apply(&policy.adjust, exchange, rest, response);
                Outcome::Answered(response, policy.bandwidth.as_ref())
            }
            Answer::Wait(job) => Outcome::Waiting(Job::Files(job)),
        };
    }
    failed()
}

/// The answer where it is ours that there is no other.
fn failed() -> Outcome {
    let response = Response::empty(Status::INTERNAL_SERVER_ERROR);
    Outcome::Answered(filter::error_page::apply(response), None)
}

/// The path and the query that a rewrite leads to. Its path is decoded already and stays so.
fn rewritten(to: &Phrase, exchange: &Exchange<'_>, rest: &[u8]) -> (Vec<u8>, Option<String>) {
    let (path, query) = to.split_query();
    let query = query.map(|query| query.fill(exchange, rest, Form::Url));
    let query = query.map(|query| String::from_utf8_lossy(&query).into_owned());
    (path.fill(exchange, rest, Form::Plain), query)
}

/// The answer to a message that its protocol room refused, which is counted.
pub(crate) fn refuse(core: &Core, refused: Refusal) -> Response {
    core.count(Counter::Refused);
    refusal(refused)
}

/// The answer to a message that its protocol room refused.
pub(crate) fn refusal(refusal: Refusal) -> Response {
    let mut response = Response::empty(refusal.status());
    if response.status == Status::METHOD_NOT_ALLOWED {
        response.lines.push(handle::ALLOW);
    }
    filter::error_page::apply(response)
}

/// Puts down what happened: one line in the access log and one counter.
pub(crate) fn record(core: &Core, client: Option<IpAddr>, subject: Subject<'_>, end: &End) {
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
