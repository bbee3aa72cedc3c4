//! Lists of addresses and networks.

use super::context::Context;
use crate::{
    mistake::{Mistake, quote},
    source::Word,
};
use base::{Network, network::NetworkError};

/// The networks that `list` names.
pub(crate) fn resolve(list: &[Word<String>], context: &mut Context<'_>) -> Vec<Network> {
    let mut networks = Vec::with_capacity(list.len());
    for word in list {
        let (cause, help) = match word.value.parse() {
            Ok(network) => {
                networks.push(network);
                continue;
            }
            Err(NetworkError::Address) => (
                "is not an address",
                "write an IP address such as `10.0.0.1` or `10.0.0.0/8`".into(),
            ),
            Err(NetworkError::Prefix) => {
                ("has no sound prefix", "the number behind the slash goes to 32 or 128".into())
            }
            Err(NetworkError::Host(network)) => {
                ("is an address inside a network", format!("write `{network}`"))
            }
        };
        let cause = format!("{} {cause}", quote(&word.value));
        context.mistakes.push(Mistake::new(word.span, cause, "not a network").help(help));
    }
    networks
}
