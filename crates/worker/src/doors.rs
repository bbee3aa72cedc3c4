//! The guards of paths: of the one that is asked for, and of others by which the same is sent.
//!
//! The index of a folder, and a fallback, are sent by another path than their own. Who may not have
//! them by their own path may not have them by that one either.

use crate::{job::Job, refusal::Trouble, steps};
use access::{Door, Entry};
use config::{Plan, plan::Policy};
use handle::Answer;
use message::{Exchange, Path, Response};
use route::Trace;

/// Asks the guards of `policy`.
pub(crate) fn check(
    policy: &Policy,
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> Entry {
    steps::guards(policy, trace);
    let entry = access::check(&policy.access, exchange, door);
    if let Entry::Answered(response) = &entry {
        trace.note(|| steps::answered(policy, exchange, response));
    }
    entry
}

/// Asks the guards of `paths`; with what the error log is told, if they refuse.
pub(crate) fn enter(
    plan: &'static Plan,
    paths: &[Vec<u8>],
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> (Entry, Option<Box<Trouble>>) {
    for path in paths {
        let asked = std::mem::replace(&mut exchange.path, Path::of_decoded(path));
        let found = route::find(plan, exchange, &mut ());
        exchange.path = asked;
        trace.note(|| steps::other(path, found.place()));
        let entry = check(found.policy, exchange, door, trace);
        if let Entry::Answered(response) = &entry {
            let trouble = Trouble::find(exchange, &found, response.status);
            return (entry, trouble.map(Box::new));
        }
        if let Entry::Wait(_) = entry {
            return (entry, None);
        }
    }
    (Entry::Open, None)
}

/// The response of `answer`, if the guards of the other paths that it has let in; as an error what
/// has to be waited for.
pub(crate) fn pass(
    plan: &'static Plan,
    answer: Answer,
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> Result<(Response, Option<Box<Trouble>>), Job> {
    let (response, paths) = match answer {
        Answer::Ready(response) => return Ok((response, None)),
        Answer::Guarded(guarded) => *guarded,
        Answer::Wait(job) => return Err(Job::Files(job)),
    };
    match enter(plan, &paths, exchange, door, trace) {
        (Entry::Open, _) => Ok((response, None)),
        (Entry::Answered(refusal), trouble) => Ok((refusal, trouble)),
        (Entry::Wait(job), _) => Err(Job::Password(job, paths)),
    }
}
