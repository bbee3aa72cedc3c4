//! Who may enter: one file per guard. A guard MAY refuse a request; it never answers it otherwise.
//!
//! The order is fixed, the cheapest first: address, method, limit.

mod addresses;
mod methods;
mod limit;

use base::Moment;
use config::plan::Access;
use control::Clients;
use message::{Exchange, Response};

/// What the guards of one request may use, and what they leave behind for whoever counts and logs.
#[derive(Debug)]
pub struct Tools {
    /// What clients have used up.
    pub clients: Clients,
    /// Now.
    pub now: Moment,
    /// The limits that the request is charged for already. A rewrite leads past guards once more.
    pub charged: Vec<u32>,
    /// What a limit found.
    pub verdict: Verdict,
}

/// What a limit found; of several the last that is not `Within`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// There was no limit, or the client keeps to it.
    #[default]
    Within,
    /// The client asks too often.
    Beyond,
    /// The client asks too often, and is let in as the limit is only on trial.
    BeyondOnTrial,
    /// There was no room to keep account of the client.
    Uncounted,
}

impl Tools {
    /// Tools for one request.
    #[must_use]
    pub const fn new(clients: Clients, now: Moment) -> Self {
        Self { clients, now, charged: Vec::new(), verdict: Verdict::Within }
    }
}

/// The refusal of the first guard that says no; `None` where all let the exchange pass.
#[inline]
#[must_use]
pub fn check(access: &Access, exchange: &Exchange<'_>, tools: &mut Tools) -> Option<Response> {
    if access.is_open() {
        return None;
    }
    let Access { addresses, methods, limit } = access;
    let addresses = addresses.as_ref().and_then(|addresses| addresses::check(addresses, exchange));
    addresses
        .or_else(|| methods.as_ref().and_then(|methods| methods::check(methods, exchange)))
        .or_else(|| limit.as_ref().and_then(|limit| limit::check(limit, exchange, tools)))
}
