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
    account::Account,
    core::{Core, Tick},
    doors::{self, Passed},
    ids::mark,
    job::{Done, Job},
    refusal::{Trouble, bare},
    steps,
};
use access::{Door, Entry, Ledger, Pace};
use config::{
    Plan,
    plan::{Bandwidth, Form, Policy, Rewrite},
};
use control::{Counter, tally::Verdict};
use filter::Aids;
use handle::{
    Answer, Tools,
    live::script_element,
    php::{self, Call, Replied, Reply},
};
use message::{
    Exchange, Request, RequestId, Response, Status, Version,
    forwarded::{self, Contradiction},
};
use route::{Found, Trace};
use std::{
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What became of a request.
pub(crate) enum Outcome {
    Answered(Answered),
    /// The answer has to wait for work that may block; with what the exchange is counted by.
    Waiting(Job, usize),
    /// The answer is to be had from an application; the same.
    Calling(Box<Call>, usize),
}

/// An answer, and what goes with it.
pub(crate) struct Answered {
    pub(crate) response: Response,
    /// How fast it is sent, where that is limited.
    pub(crate) bandwidth: Option<&'static Bandwidth>,
    /// Where it is put down.
    pub(crate) account: Account,
    /// What its line says of how it came about.
    pub(crate) note: Option<&'static str>,
    /// What the error log is told.
    pub(crate) trouble: Option<Box<Trouble>>,
}

/// Rewrites of one request at most; a config that leads in a circle is ours to notice.
const REWRITES_MAX: usize = 10;

/// The exchange that `request` begins, and what is wrong with it already, if anything is. It came
/// from `peer`, by the listener of that number.
#[inline]
pub(crate) fn begin<'r>(
    plan: &Plan,
    (request, id): (&'r Request<'r>, Option<RequestId>),
    (peer, listener): (Option<IpAddr>, usize),
) -> (Exchange<'r>, Option<Box<Done>>) {
    let client = client(plan, request, peer);
    let mut exchange = Exchange::new(request, client.unwrap_or(peer), listener);
    exchange.id = id;
    let is_sealed = plan.listen.get(listener).is_some_and(|listen| listen.tls);
    exchange.needs_bytes = is_sealed || request.version == Version::Http2;
    // Nobody can tell who asks.
    let failed =
        client.err().and_then(|_| Done::failed(Status::BAD_REQUEST, Trouble::CONTRADICTION));
    (exchange, failed)
}

/// Who has sent `request` on a connection from `peer`: itself, or whom a trusted proxy names.
#[inline]
fn client(
    plan: &Plan,
    request: &Request<'_>,
    peer: Option<IpAddr>,
) -> Result<Option<IpAddr>, Contradiction> {
    match plan.has_proxies() {
        false => Ok(peer),
        true => forwarded::client(&request.fields, peer, |address| plan.trusts(address)),
    }
}

/// Answers `exchange`, now or after a job; what came of that is `done` on the second way through.
/// `ledger` goes along with it.
///
/// A panic on the way is ours, not the client's: it ends this exchange with a 500, nothing else.
pub(crate) fn answer(
    core: &Core,
    tick: Tick,
    exchange: &mut Exchange<'_>,
    ledger: &mut Ledger,
    done: Option<Box<Done>>,
) -> Outcome {
    let mut attempt = |done| {
        catch_unwind(AssertUnwindSafe(|| {
            let (verdicts, clients) = (&mut *core.verdicts.borrow_mut(), core.clients);
            let mut door = Door { verdicts, clients, ledger, now: tick.now, done: None };
            core.with_tools(tick, |tools| {
                pass(core.plan, exchange, done, &mut door, tools, &mut ())
            })
        }))
    };
    let mut outcome = attempt(done).unwrap_or_else(|_| {
        core.count(Counter::Panics);
        attempt(Done::failed(Status::INTERNAL_SERVER_ERROR, Trouble::PANIC)).unwrap_or_else(|_| {
            let response = bare(Status::INTERNAL_SERVER_ERROR);
            let (bandwidth, account, note, trouble) = (None, Account::OF_SERVER, None, None);
            Outcome::Answered(Answered { response, bandwidth, account, note, trouble })
        })
    });
    if let Outcome::Answered(answered) = &mut outcome {
        let label = answered.account.label;
        answered.note = answered.note.or_else(|| note(core, ledger.pace, label));
        mark(core.plan, exchange.id.as_ref(), &mut answered.response);
        if let Some(trouble) = answered.trouble.take() {
            let status = answered.response.status;
            core.report(&trouble.incident(exchange, status, &core.plan.capacity));
        }
    }
    outcome
}

/// Counts what limits found of a request, by its label, too; the words for its log line.
fn note(core: &Core, pace: Pace, label: usize) -> Option<&'static str> {
    let (counter, verdict, note) = match pace {
        Pace::Within => return None,
        Pace::Beyond => (Counter::Limited, Verdict::Refused, "too many requests"),
        Pace::BeyondOnTrial => {
            (Counter::LimitedOnTrial, Verdict::OnTrial, "too many requests (dry run)")
        }
        Pace::Uncounted => {
            core.count(Counter::Uncounted);
            return None;
        }
    };
    core.count(counter);
    core.count_limit(label, verdict);
    Some(note)
}

/// Route, access, rewrite, and again where it was rewritten; then handle and filter. `trace` hears
/// why. What has failed already asks neither guard nor handler, but gets its site's pages and
/// fields like any other answer.
pub(crate) fn pass(
    plan: &'static Plan,
    exchange: &mut Exchange<'_>,
    done: Option<Box<Done>>,
    door: &mut Door<'_>,
    tools: &mut Tools<'_>,
    trace: &mut impl Trace,
) -> Outcome {
    let mut rewrites = 0;
    let Resumed { files, mut failed, mut reply, others } = resumed(done, exchange, door, trace);
    loop {
        let found = route::find(plan, exchange, trace);
        let (policy, label) = (found.policy, Account::of(&found).label);
        // Whoever has been asked was asked for somebody who had been let in.
        let is_settled = failed.is_some() || reply.is_some();
        let (entry, refusal) = match is_settled {
            false => enter(plan, (&found, &others), exchange, door, trace),
            true => (Entry::Open, None),
        };
        let rest = rest_of(&found, exchange);
        let answer = match (entry, &policy.rewrite) {
            (Entry::Wait(job), _) => {
                return Outcome::Waiting(Job::Password(job, others), label);
            }
            (Entry::Answered(response), _) => Answer::Ready(response),
            (Entry::Open, Some(to)) if rewrites < REWRITES_MAX => {
                let (path, query) = rewritten(to, exchange, rest);
                exchange.rewrite(&path, query, to.keeps_slash);
                trace.note(|| steps::rewrite(exchange, &to.place));
                rewrites += 1;
                continue;
            }
            (Entry::Open, Some(_)) => fail(&mut failed, Trouble::of_rewrites(exchange), trace),
            (Entry::Open, None) => match (failed, reply.take(), files) {
                (Some((status, _)), ..) => Answer::Ready(handle::failed(status)),
                (None, Some(reply), _) => match replied(policy, reply, exchange, tools) {
                    Ok((answer, why)) => {
                        failed = why;
                        answer
                    }
                    Err(job) => return Outcome::Waiting(job, label),
                },
                (None, None, files) => {
                    trace.note(|| steps::action(&policy.action, plan));
                    match (files, Trouble::of_length(policy, exchange)) {
                        (Some(done), _) => handle::resume(policy, *done, exchange, tools),
                        (None, None) => handle::run(policy, exchange, rest, tools),
                        (None, Some(trouble)) => {
                            let failure = (Status::CONTENT_TOO_LARGE, trouble);
                            fail(&mut failed, failure, trace)
                        }
                    }
                }
            },
        };
        let (response, other) = match doors::pass(plan, answer, exchange, door, trace) {
            Passed::Response(response, trouble) => (response, trouble),
            Passed::Wait(job) => return Outcome::Waiting(job, label),
            Passed::Call(call) => return Outcome::Calling(call, label),
        };
        let trouble = failed.map(|(_, trouble)| Box::new(trouble)).or(refusal).or(other);
        let note = failed.map(|(_, trouble)| trouble.reason);
        return Outcome::Answered(finish(&found, exchange, response, (note, trouble), tools));
    }
}

/// What an exchange goes on with that had to wait.
#[derive(Default)]
struct Resumed {
    files: Option<Box<handle::Done>>,
    failed: Option<(Status, Trouble)>,
    reply: Option<Reply>,
    /// The other paths whose guards are asked, by then.
    others: Vec<Vec<u8>>,
}

fn resumed(
    done: Option<Box<Done>>,
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> Resumed {
    let mut resumed = Resumed::default();
    let Some(done) = done else { return resumed };
    match *done {
        Done::Files(done) => resumed.files = Some(done),
        Done::Password(done, paths) => {
            (door.done, resumed.others) = (Some(done), paths);
        }
        Done::Reply(said, user) => {
            (resumed.reply, exchange.user) = (Some(said), user);
        }
        Done::Failed(status, trouble) => {
            trace.note(|| steps::failed(&trouble));
            resumed.failed = Some((status, trouble));
        }
        // Who waits has taken what comes early; what is kept is looked for like a file.
        Done::Early(..) | Done::Kept => {}
    }
    resumed
}

/// The answer where there is none, for that reason, which `failed` keeps.
fn fail(
    failed: &mut Option<(Status, Trouble)>,
    failure: (Status, Trouble),
    trace: &mut impl Trace,
) -> Answer {
    trace.note(|| steps::failed(&failure.1));
    *failed = Some(failure);
    Answer::Ready(handle::failed(failure.0))
}

/// The answer that an application's reply comes to, with why there is no other where that is so; or
/// what it waits for.
fn replied(
    policy: &'static Policy,
    reply: Reply,
    exchange: &mut Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Result<(Answer, Option<(Status, Trouble)>), Job> {
    match php::replied(policy, reply, exchange, tools) {
        Replied::Answered(response) => Ok((Answer::Ready(response), None)),
        Replied::Waiting(job, head) => Err(Job::Sent(job, head, exchange.user.take())),
        Replied::Failed(status, why) => {
            let trouble = Trouble::of_application(why);
            Ok((Answer::Ready(handle::failed(status)), Some((status, trouble))))
        }
    }
}

/// The answer as it is sent, with what goes along.
fn finish(
    found: &Found<'static>,
    exchange: &Exchange<'_>,
    response: Response,
    (note, trouble): (Option<&'static str>, Option<Box<Trouble>>),
    tools: &Tools<'_>,
) -> Answered {
    // What an application refuses is its own affair.
    let find = || match response.is_settled {
        true => None,
        false => Trouble::find(exchange, found, response.status).map(Box::new),
    };
    let trouble = trouble.or_else(find);
    let script = tools.changes.map(|changes| || script_element(changes.number()));
    let live_script = script.as_ref().map(|script| script as &dyn Fn() -> String);
    let aids = Aids { counters: tools.counters, live_script };
    let (policy, rest) = (found.policy, rest_of(found, exchange));
    let response = filter::apply(&policy.adjust, exchange, rest, response, aids);
    let (account, bandwidth) = (Account::of(found), policy.bandwidth.as_ref());
    Answered { response, bandwidth, account, note, trouble }
}

/// The part of the path that the `*` of the route stands for.
fn rest_of<'e>(found: &Found<'_>, exchange: &'e Exchange<'_>) -> &'e [u8] {
    exchange.path_bytes().get(found.rest.clone()).unwrap_or_default()
}

/// Asks who may enter; of a path without a route for this method only then, since whoever may not
/// enter need not know of the others. Then the guards of other paths that are known to matter.
fn enter(
    plan: &'static Plan,
    (found, others): (&Found<'static>, &[Vec<u8>]),
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> (Entry, Option<Box<Trouble>>) {
    let entry = match (doors::check(found.policy, exchange, door, trace), found.refused) {
        (Entry::Open, None) => return doors::enter(plan, (others, None), exchange, door, trace),
        (Entry::Open, Some(branch)) => {
            Entry::Answered(handle::method_not_allowed(exchange, &branch.allow))
        }
        (entry, _) => entry,
    };
    (entry, None)
}

/// The path and the query that a rewrite leads to. Its path is decoded already and stays so.
fn rewritten(to: &Rewrite, exchange: &Exchange<'_>, rest: &[u8]) -> (Vec<u8>, Option<String>) {
    let query = to.query.as_ref().map(|query| query.fill(exchange, rest, Form::Url));
    let query = query.map(|query| String::from_utf8_lossy(&query).into_owned());
    (to.path.fill(exchange, rest, Form::Plain), query)
}
