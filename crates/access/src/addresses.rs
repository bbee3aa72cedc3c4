//! Who may enter by the client's address.

use base::Network;
use config::plan::Addresses;
use message::{Exchange, Response, Status};
use std::net::IpAddr;

/// 403 for an address that is denied, or not among those allowed. A client without an address, on
/// a Unix socket, is let in only where none is asked for.
pub(crate) fn check(addresses: &Addresses, exchange: &Exchange<'_>) -> Option<Response> {
    let Addresses { allow, deny } = addresses;
    let is_in = |list: &[Network], client: IpAddr| list.iter().any(|block| block.contains(client));
    let may_enter = match exchange.client {
        Some(client) => {
            let is_denied = deny.as_ref().is_some_and(|(list, _)| is_in(list, client));
            !is_denied && allow.as_ref().is_none_or(|(list, _)| is_in(list, client))
        }
        None => allow.is_none(),
    };
    (!may_enter).then(|| Response::empty(Status::FORBIDDEN))
}
