//! The case of a route that applies to an exchange.

use crate::trace::{Step, Trace};
use config::plan::Case;
use message::Exchange;

/// The one of `cases` whose conditions are all met; they are made so that no two are.
pub(crate) fn find<'p>(
    cases: &'p [Case],
    exchange: &Exchange<'_>,
    trace: &mut impl Trace,
) -> Option<&'p Case> {
    cases.iter().find(|case| {
        let missing = missing(case, exchange);
        if let Some(missing) = missing {
            trace.note(|| Step::new("passed over", format!("a case: {missing}"), &case.place));
        }
        missing.is_none()
    })
}

/// What the exchange lacks for the case to apply.
fn missing(case: &Case, exchange: &Exchange<'_>) -> Option<&'static str> {
    if let Some(networks) = &case.from {
        let is_inside = |client| networks.iter().any(|network| network.contains(client));
        if !exchange.client.is_some_and(is_inside) {
            return Some("the client has another address");
        }
    }
    let lines = exchange.request.fields.lines();
    let is_there = |(name, value): &(Box<str>, Option<Box<str>>)| {
        let mut named = lines.iter().filter(|line| line.name.eq_ignore_ascii_case(name.as_bytes()));
        named.any(|line| value.as_ref().is_none_or(|value| value.as_bytes() == line.value))
    };
    (!case.fields.iter().all(is_there)).then_some("the request has not its fields")
}
