//! Where else to look (RFC 9110 section 15.4).

use config::plan::{Form, Redirect};
use message::{Exchange, Response, response::Line};

/// The redirect, with the location that `exchange` makes of it.
///
/// A location on this host begins with exactly one slash, whatever is filled in, so that it cannot
/// lead to another one; browsers take a backslash for a second slash.
pub(crate) fn answer(redirect: &Redirect, exchange: &Exchange<'_>, rest: &[u8]) -> Response {
    let filled = redirect.to.fill(exchange, rest, Form::Url);
    let mut location = String::from_utf8_lossy(&filled).into_owned();
    if redirect.to.is_on_this_host() {
        let path = location.trim_start_matches(['/', '\\']);
        location = format!("/{path}");
    }
    if redirect.keeps_query
        && let Some(query) = exchange.query()
    {
        location.push('?');
        location.push_str(query);
    }
    Response::empty(redirect.status).with(Line::new("location", location))
}
