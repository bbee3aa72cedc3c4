//! The case of a route that applies to an exchange.

use crate::trace::{Note, Trace, Verdict};
use config::plan::Case;
use message::Exchange;

/// The one of `cases` whose conditions are all met; they are made so that no two are.
pub(crate) fn find<'p>(
    cases: &'p [Case],
    exchange: &Exchange<'_>,
    trace: &mut impl Trace,
) -> Option<&'p Case> {
    cases.iter().find(|case| {
        let verdict = weigh(case, exchange);
        trace.note(|| Note { key: "when", place: &case.place, verdict });
        verdict == Verdict::Taken
    })
}

fn weigh(case: &Case, exchange: &Exchange<'_>) -> Verdict {
    if let Some(networks) = &case.from {
        let is_inside = |client| networks.iter().any(|network| network.contains(client));
        if !exchange.client.is_some_and(is_inside) {
            return Verdict::OtherClient;
        }
    }
    let lines = exchange.request.fields.lines();
    let is_there = |(name, value): &(Box<str>, Option<Box<str>>)| {
        let mut named = lines.iter().filter(|line| line.name.eq_ignore_ascii_case(name));
        named.any(|line| value.as_ref().is_none_or(|value| value.as_bytes() == line.value))
    };
    match case.fields.iter().all(is_there) {
        true => Verdict::Taken,
        false => Verdict::OtherFields,
    }
}
