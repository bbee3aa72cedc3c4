//! Who may enter: one file per guard. A guard MAY refuse a request; it never answers it otherwise.
//!
//! The order is fixed, the cheapest first: address, method.

mod addresses;
mod methods;

use config::plan::Access;
use message::{Exchange, Response};

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
