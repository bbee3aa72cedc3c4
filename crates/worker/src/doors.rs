//! The guards of paths: of the one that is asked for, and of others by which the same is sent.
//!
//! The index of a folder, and a fallback, are sent by another path than their own. Who may not have
//! them by their own path may not have them by that one either.

use crate::{job::Job, refusal::Trouble, steps};
use access::{Door, Entry};
use config::{
    Plan,
    plan::{Action, Php, Policy},
};
use handle::{
    Answer,
    php::{Call, Kept},
};
use message::{Exchange, Path, Response, Status};
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

/// Asks the guards of `paths`; with what the error log is told, if they refuse. Where they lead to
/// the program of `own`, who asks for such a path itself must have it run, too.
pub(crate) fn enter(
    plan: &'static Plan,
    (paths, own): (&[Vec<u8>], Option<&Php>),
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> (Entry, Option<Box<Trouble>>) {
    for path in paths {
        let asked = std::mem::replace(&mut exchange.path, Path::of_decoded(path));
        let found = route::find(plan, exchange, &mut ());
        exchange.path = asked;
        if own.is_some_and(|own| !runs(found.policy, own, path)) {
            return (Entry::Answered(Response::empty(Status::NOT_FOUND)), None);
        }
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

/// What an answer comes to once the guards of other paths have been asked.
pub(crate) enum Passed {
    /// The response, with what the error log is told.
    Response(Response, Option<Box<Trouble>>),
    /// Something has to be waited for.
    Wait(Job),
    /// An application is to be asked.
    Call(Box<Call>),
}

/// What `answer` comes to, if the guards of the other paths that it has let in.
pub(crate) fn pass(
    plan: &'static Plan,
    answer: Answer,
    exchange: &mut Exchange<'_>,
    door: &mut Door<'_>,
    trace: &mut impl Trace,
) -> Passed {
    let (paths, own, open) = match answer {
        Answer::Ready(response) => return Passed::Response(response, None),
        Answer::Wait(job) => return Passed::Wait(Job::Files(job)),
        Answer::Guarded(guarded) => (guarded.1, None, Passed::Response(guarded.0, None)),
        Answer::Call(call) => {
            let paths = call.path.clone().into_iter().collect();
            (paths, Some(call.php), Passed::Call(call))
        }
        Answer::Kept(kept) => {
            let Kept { response, php, path } = *kept;
            (path.into_iter().collect(), Some(php), Passed::Response(response, None))
        }
    };
    match enter(plan, (&paths, own), exchange, door, trace) {
        (Entry::Open, _) => open,
        (Entry::Answered(refusal), trouble) => Passed::Response(refusal, trouble),
        (Entry::Wait(job), _) => Passed::Wait(Job::Password(job, paths)),
    }
}

/// Whether `policy`, which the plan has for `path`, runs the program of `own` that lies there.
fn runs(policy: &Policy, own: &Php, path: &[u8]) -> bool {
    match &policy.action {
        Action::Php(php) => php.files.folder == own.files.folder && !php.is_denied(path),
        _ => false,
    }
}
