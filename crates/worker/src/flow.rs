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
    log::{Incident, Kind},
    record::{About, End, Record},
    refusal::Trouble,
    steps,
};
use access::{Door, Entry, Ledger, Pace};
use config::{
    Plan,
    plan::{Bandwidth, Form, Phrase},
};
use control::Counter;
use filter::Aids;
use handle::{Answer, Tools, live::script_element};
use http1::Refusal;
use message::{
    Exchange, Request, RequestId, Response, Status,
    forwarded::{self, Contradiction},
    response::Line,
};
use route::Trace;
use std::{
    borrow::Cow,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What became of a request.
pub(crate) enum Outcome {
    /// It is answered.
    Answered {
        response: Response,
        /// How fast it is sent, where that is limited.
        bandwidth: Option<&'static Bandwidth>,
        /// The access log that has its line.
        log: usize,
        /// What the error log is told.
        trouble: Option<Trouble>,
    },
    /// The answer, which will have its line there, has to wait for work that may block.
    Waiting(Job, usize),
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

/// The access log of what reaches no site.
pub(crate) const SERVER_LOG: usize = 0;

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
    (request, id): (&Request<'_>, Option<RequestId>),
    (peer, listener): (Option<IpAddr>, usize),
    resumed: Option<(Done, Ledger)>,
) -> Judged {
    let (done, ledger) = resumed.unzip();
    let mut ledger = ledger.unwrap_or_default();
    let client = client(core.plan, request, peer);
    let mut exchange = Exchange::new(request, client.unwrap_or(peer), listener);
    exchange.id = id;
    if client.is_err() {
        let outcome = closed(contradicted(), Some(Trouble::CONTRADICTION));
        return judged(core, exchange, outcome, ledger, Some(steps::CONTRADICTION));
    }
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
        // The panic itself has a line already.
        failed(None)
    });
    let note = match outcome {
        Outcome::Answered { .. } => note(core, ledger.pace),
        Outcome::Waiting(..) => None,
    };
    judged(core, exchange, outcome, ledger, note)
}

/// Puts its id on an answer, and down in the error log what was wrong.
fn judged(
    core: &Core,
    exchange: Exchange<'_>,
    mut outcome: Outcome,
    ledger: Ledger,
    note: Option<&'static str>,
) -> Judged {
    if let Outcome::Answered { response, trouble, .. } = &mut outcome {
        mark(core.plan, exchange.id, response);
        if let Some(trouble) = trouble.take() {
            core.report(&trouble.incident(&exchange, response.status));
        }
    }
    let Exchange { client, user, .. } = exchange;
    Judged { outcome, client, user, ledger, note }
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
        let entry = access::check(&policy.access, exchange, door);
        if let Entry::Answered(response) = &entry {
            trace.note(|| steps::answered(policy, exchange, response));
        }
        let entry = match (entry, found.refused) {
            (Entry::Open, Some(allow)) => {
                Entry::Answered(handle::method_not_allowed(exchange, allow))
            }
            (entry, _) => entry,
        };
        let rest = exchange.path_bytes().get(found.rest.clone()).unwrap_or_default();
        let answer = match (entry, &policy.rewrite) {
            (Entry::Wait(job), _) => return Outcome::Waiting(Job::Password(job), policy.log),
            (Entry::Answered(response), _) => Answer::Ready(response),
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
                let trouble = Trouble::find(exchange, &found, response.status);
                let script = tools.changes.map(|changes| || script_element(changes.number()));
                let live_script = script.as_ref().map(|script| script as &dyn Fn() -> String);
                let aids = Aids { counters: tools.counters, live_script };
                let response = filter::apply(&policy.adjust, exchange, rest, response, aids);
                let bandwidth = policy.bandwidth.as_ref();
                Outcome::Answered { response, bandwidth, log: policy.log, trouble }
            }
            Answer::Wait(job) => Outcome::Waiting(Job::Files(job), policy.log),
        };
    }
    failed(Some(Trouble::CIRCLE))
}

/// The answer where it is ours that there is no other.
fn failed(trouble: Option<Trouble>) -> Outcome {
    closed(filter::error_page::apply(Response::empty(Status::INTERNAL_SERVER_ERROR)), trouble)
}

/// An answer that no site gives.
fn closed(response: Response, trouble: Option<Trouble>) -> Outcome {
    Outcome::Answered { response, bandwidth: None, log: SERVER_LOG, trouble }
}

/// Puts the id of its exchange on an answer.
pub(crate) fn mark(plan: &'static Plan, id: Option<RequestId>, response: &mut Response) {
    if let (Some(id), Some(name)) = (id, &plan.request_id) {
        let name = Cow::Borrowed(&**name);
        response.lines.push(Line::new(name, id.as_str().to_owned()));
    }
}

/// The path and the query that a rewrite leads to. Its path is decoded already and stays so.
fn rewritten(to: &Phrase, exchange: &Exchange<'_>, rest: &[u8]) -> (Vec<u8>, Option<String>) {
    let (path, query) = to.split_query();
    let query = query.map(|query| query.fill(exchange, rest, Form::Url));
    let query = query.map(|query| String::from_utf8_lossy(&query).into_owned());
    (path.fill(exchange, rest, Form::Plain), query)
}

/// The answer to a message that its protocol room refused, which is counted and told.
pub(crate) fn refuse(core: &Core, refused: Refusal, about: About<'_>) -> Response {
    core.count(Counter::Refused);
    let (kind, reason) = (Kind::Refused, refused.reason());
    let status = Some(refused.status());
    core.report(&Incident { kind, reason, about: Some(about), status, setting: None });
    let mut response = refusal(refused);
    mark(core.plan, about.id, &mut response);
    response
}

/// The answer to a message that its protocol room refused.
pub(crate) fn refusal(refusal: Refusal) -> Response {
    let mut response = Response::empty(refusal.status());
    if response.status == Status::METHOD_NOT_ALLOWED {
        response.lines.push(handle::ALLOW);
    }
    filter::error_page::apply(response)
}

/// Puts down what happened: one line in the access log number `log` and one counter.
pub(crate) fn record(core: &Core, log: usize, about: About<'_>, end: &End) {
    core.count(Counter::Requests);
    let mut logs = core.log.borrow_mut();
    if !logs.is_off() {
        let dropped = logs.record(log, about, end, core.now());
        core.count_many(Counter::LinesDropped, dropped);
    }
}

/// As [`record`], for an answer whose line was begun when its head was sent.
pub(crate) fn record_begun(core: &Core, record: &Record, end: &End) {
    core.count(Counter::Requests);
    if let Some(line) = &record.line {
        let dropped = core.log.borrow_mut().complete(record.log, line, end, core.now());
        core.count_many(Counter::LinesDropped, dropped);
    }
}
