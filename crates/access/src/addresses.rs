//! Who may enter by the client's address.

use base::Network;
use config::plan::{Addresses, Place};
use message::{Exchange, Response, Status};

/// 403 for an address that is denied, or not among those allowed. A client without an address, on
/// a Unix socket, is let in only where none is asked for.
pub(crate) fn check(addresses: &Addresses, exchange: &Exchange<'_>) -> Option<Response> {
    said(addresses, exchange).map(|_| Response::empty(Status::FORBIDDEN))
}

/// The setting that keeps the client out, and where it is written; `None` if it may enter.
pub(crate) fn said<'a>(
    addresses: &'a Addresses,
    exchange: &Exchange<'_>,
) -> Option<(&'static str, &'a Place)> {
    let Addresses { allow, deny } = addresses;
    let client = exchange.client;
    let is_in = |list: &[Network]| {
        client.is_some_and(|client| list.iter().any(|block| block.contains(client)))
    };
    let denied = deny.iter().find(|(list, _)| is_in(list)).map(|(_, place)| ("deny", place));
    denied
        .or_else(|| allow.iter().find(|(list, _)| !is_in(list)).map(|(_, place)| ("allow", place)))
}
