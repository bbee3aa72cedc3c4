//! Who may enter: one file per guard. A guard MAY refuse a request; it never answers it otherwise.
//!
//! The order is fixed, the cheapest first: address, method.

mod addresses;
mod methods;

use config::plan::{Access, Place};
use message::{Exchange, Response, Status};

/// The refusal of the first guard that says no; `None` where all let the exchange pass.
#[inline]
#[must_use]
pub fn check(access: &Access, exchange: &Exchange<'_>) -> Option<Response> {
    if access.is_open() {
        return None;
    }
    let Access { addresses, methods } = access;
    let addresses = addresses.as_ref().and_then(|addresses| addresses::check(addresses, exchange));
    addresses.or_else(|| methods.as_ref().and_then(|methods| methods::check(methods, exchange)))
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
        _ => None,
    }
}
