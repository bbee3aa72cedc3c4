//! Lists of addresses and networks.

use super::context::Context;
use crate::{
    mistake::{Mistake, quote},
    plan::Addresses,
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

/// Who may enter by address as `chain` comes to: what each of it says counts, until an empty list
/// takes that away.
pub(crate) fn addresses(chain: &[&Policy], context: &mut Context<'_>) -> Option<Addresses> {
    if let Some(own) = chain.last() {
        check(own, context);
    }
    let allow = said(chain, |words| words.allow.as_ref());
    let deny = said(chain, |words| words.deny.as_ref());
    check_allow(&allow, chain, context);
    let mut lists = |said: Vec<&List>| -> Vec<_> {
        said.into_iter()
            .map(|list| (resolve(&list.value, context), context.at(list.span)))
            .collect()
    };
    let (allow, deny) = (lists(allow), lists(deny));
    (!allow.is_empty() || !deny.is_empty()).then_some(Addresses { allow, deny })
}

/// A list of addresses as it was typed.
type List = Word<Vec<Word<String>>>;

/// The lists of `chain` that count.
fn said<'w>(chain: &[&'w Policy], place: impl Fn(&'w Policy) -> Option<&'w List>) -> Vec<&'w List> {
    let mut lists = Vec::new();
    for list in chain.iter().filter_map(|words| place(words)) {
        match list.value.is_empty() {
            true => lists.clear(),
            false => lists.push(list),
        }
    }
    lists
}

fn network(word: &Word<String>) -> Option<Network> {
    word.value.parse().ok()
}

/// Notes the last of `lists` if it is the own one of `chain` and lets in nobody whom another does.
fn check_allow(lists: &[&List], chain: &[&Policy], context: &mut Context<'_>) {
    let own = chain.last().and_then(|own| own.allow.as_ref());
    let (Some((last, before)), Some(own)) = (lists.split_last(), own) else { return };
    let is_sound = |list: &&&List| list.value.iter().all(|word| network(word).is_some());
    if last.span != own.span || !is_sound(&last) {
        return;
    }
    let overlaps = |list: &List| {
        let pairs = list.value.iter().filter_map(network);
        pairs.into_iter().any(|a| own.value.iter().filter_map(network).any(|b| a.overlaps(b)))
    };
    if let Some(other) = before.iter().filter(is_sound).find(|list| !overlaps(list)) {
        context.mistakes.push(
            Mistake::new(own.span, "nobody may enter here", "none of these is let in by the other")
                .also(other.span, "counts as well")
                .help(ANEW),
        );
    }
}

/// Notes that nobody from `from` may enter in the case that `chain` ends with, by what was said
/// before that: what the case says itself is meant so.
pub(crate) fn check_case(from: &List, chain: &[&Policy], context: &mut Context<'_>) {
    let Some(then) = chain.last() else { return };
    let networks =
        |list: &List| -> Vec<Network> { list.value.iter().filter_map(network).collect() };
    let clients = networks(from);
    let is_inherited =
        |list: &&List, own: Option<&List>| own.is_none_or(|own| own.span != list.span);
    let allow = said(chain, |words| words.allow.as_ref()).into_iter().find(|list| {
        let let_in = networks(list);
        let overlaps = |client: &Network| let_in.iter().any(|network| network.overlaps(*client));
        is_inherited(list, then.allow.as_ref()) && !clients.iter().any(overlaps)
    });
    let deny = said(chain, |words| words.deny.as_ref()).into_iter().find(|list| {
        let kept_out = networks(list);
        let is_covered = |client: &Network| kept_out.iter().any(|network| network.covers(*client));
        is_inherited(list, then.deny.as_ref()) && clients.iter().all(is_covered)
    });
    let lists = [("allow", allow), ("deny", deny)];
    if let Some((name, list)) = lists.into_iter().find_map(|(name, list)| Some((name, list?))) {
        let help =
            format!("leave the case out, or take the list away in its `then`: `{name} = []`");
        context.mistakes.push(
            Mistake::new(from.span, "nobody whom this case is for may enter", "kept out")
                .also(list.span, "by this")
                .help(help),
        );
    }
}

/// How to begin anew where what is inherited counts as well.
const ANEW: &str = "name addresses that both let in; what is inherited is only taken \
                               away by an empty list, `allow = []`";

/// Notes what `own` lets in and keeps out by the same word: `deny` has the last one.
fn check(own: &Policy, context: &mut Context<'_>) {
    let (Some(allow), Some(deny)) = (&own.allow, &own.deny) else { return };
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
