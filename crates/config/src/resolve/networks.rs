//! Lists of addresses and networks.

use super::context::Context;
use crate::{
    mistake::{Mistake, quote},
    source::Word,
    written::Policy,
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

/// Notes what `own` lets in and keeps out by the same word: `deny` has the last one.
pub(crate) fn check(own: &Policy, context: &mut Context<'_>) {
    let (Some(allow), Some(deny)) = (&own.allow, &own.deny) else { return };
    let network = |word: &Word<String>| word.value.parse::<Network>().ok();
    for word in &allow.value {
        let Some(allowed) = network(word) else { continue };
        let is_over = |word: &&Word<String>| network(word).is_some_and(|deny| deny.covers(allowed));
        if let Some(denied) = deny.value.iter().find(is_over) {
            let cause = format!("{} is let in and kept out", quote(&word.value));
            context.mistakes.push(
                Mistake::new(word.span, cause, "has no effect")
                    .also(denied.span, "nobody of it may enter")
                    .help("leave one of them out"),
            );
        }
    }
}
