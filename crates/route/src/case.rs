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
        let named = lines.iter().filter(|line| line.name.eq_ignore_ascii_case(name.as_bytes()));
        match value {
            None => named.count() > 0,
            Some(value) => is_value(value.as_bytes(), named.map(|line| line.value)),
        }
    };
    (!case.fields.iter().all(is_there)).then_some("the request has not its fields")
}

/// Whether `value` is that of a field whose lines have the values `lines`: joined by commas (RFC
/// 9110 section 5.2), so that no field has two values and no request meets two cases.
fn is_value<'l>(value: &[u8], mut lines: impl Iterator<Item = &'l [u8]>) -> bool {
    let Some(mut rest) = lines.next().and_then(|first| value.strip_prefix(first)) else {
        return false;
    };
    for line in lines {
        let next = rest.strip_prefix(b", ").and_then(|rest| rest.strip_prefix(line));
        let Some(next) = next else { return false };
        rest = next;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_value;

    #[test]
    fn lines_of_one_name_are_one_value() {
        let check = |value: &str, lines: &[&str], expect| {
            let found = is_value(value.as_bytes(), lines.iter().map(|line| line.as_bytes()));
            assert_eq!(found, expect, "{value:?} of {lines:?}");
        };
        check("a", &["a"], true);
        check("", &[""], true);
        check("a, b", &["a", "b"], true);
        check("a, b", &["a, b"], true);
        check("a, , b", &["a", "", "b"], true);
        check("a", &[], false);
        check("a", &["a", "b"], false);
        check("b", &["a", "b"], false);
        check("a", &["a", ""], false);
        check("a, b", &["b", "a"], false);
        check("a", &["ab"], false);
        check("ab", &["a"], false);
    }
}
