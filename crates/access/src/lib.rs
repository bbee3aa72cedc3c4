//! Who may enter: one file per guard. A guard MAY refuse a request; it never answers it otherwise,
//! but for the preflight that a browser sends to ask whether it may ask.
//!
//! The order is fixed, the cheapest first: address, preflight, method, limit, password. Who looks
//! at the server itself is asked for other things, and first.

mod looking;
mod addresses;
mod preflight;
mod methods;
mod limit;
mod credentials;
mod hash;
mod verdicts;
mod password;

pub use hash::hash;
pub use password::{Done, Job};
pub use verdicts::{Key, Verdicts};

use base::Moment;
use config::plan::{Access, Place};
use control::Clients;
use message::{Exchange, Response, Status};

/// What the worker lends the guards for the time of one exchange.
pub struct Door<'d> {
    /// The passwords that this loop knows to be right.
    pub verdicts: &'d mut Verdicts,
    /// What clients have used up.
    pub clients: Clients,
    /// What limits have found of the exchange so far.
    pub ledger: &'d mut Ledger,
    /// This tick of the loop's clock.
    pub now: Moment,
    /// The password that was checked for this exchange, if one had to be.
    pub done: Option<Done>,
}

/// What limits have found of one exchange. It goes along while the exchange waits for a job.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The limits that it is charged for already: a rewrite, or a job that is done, leads past the
    /// guards once more.
    charged: Vec<u32>,
    /// The last finding that is worth a word.
    pub pace: Pace,
}

/// How a client keeps to its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// There was no limit, or it keeps to it.
    #[default]
    Within,
    /// It asks too often.
    Beyond,
    /// It asks too often, and is let in as the limit is only on trial.
    BeyondOnTrial,
    /// There was no room to keep account of it.
    Uncounted,
}

/// What became of an exchange at the door.
#[derive(Debug)]
pub enum Entry {
    /// It may enter.
    Open,
    /// It may not, and this is why; or its preflight is answered.
    Answered(Response),
    /// Something has to be done first that may block; [`Door::done`] takes what came of it.
    Wait(Job),
}

/// Asks every guard that there is, and notes in `exchange` which user was let in.
#[inline]
pub fn check(access: &Access, exchange: &mut Exchange<'_>, door: &mut Door<'_>) -> Entry {
    if access.is_open() { Entry::Open } else { ask(access, exchange, door) }
}

fn ask(access: &Access, exchange: &mut Exchange<'_>, door: &mut Door<'_>) -> Entry {
    let Access { addresses, methods, limit, preflight, password, looking } = access;
    let addresses = addresses.as_ref();
    let answer = looking
        .as_ref()
        .and_then(|looking| looking::check(looking, exchange))
        .or_else(|| addresses.and_then(|addresses| addresses::check(addresses, exchange)))
        .or_else(|| preflight.as_ref().and_then(|lines| preflight::answer(lines, exchange)))
        .or_else(|| methods.as_ref().and_then(|methods| methods::check(methods, exchange)))
        .or_else(|| limit.as_ref().and_then(|limit| limit::check(limit, exchange, door)));
    match (answer, password) {
        (Some(answer), _) => Entry::Answered(answer),
        (None, Some(password)) => password::check(password, exchange, door),
        (None, None) => Entry::Open,
    }
}

/// The setting by which [`check`] refuses the exchange with `status`, and where it is written.
#[must_use]
pub fn said<'a>(
    access: &'a Access,
    exchange: &Exchange<'_>,
    status: Status,
) -> Option<(&'static str, &'a Place)> {
    match status {
        Status::FORBIDDEN => addresses::said(access.addresses.as_ref()?, exchange),
        Status::METHOD_NOT_ALLOWED => Some(("methods", &access.methods.as_ref()?.place)),
        Status::TOO_MANY_REQUESTS => Some(("limit", &access.limit.as_ref()?.place)),
        Status::UNAUTHORIZED => Some(("auth", &access.password.as_ref()?.place)),
        _ => None,
    }
}
