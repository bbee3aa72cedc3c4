//! Paths with the wrong end: where they lead instead.

use crate::Answer;
use message::{Exchange, Path, Response, Status, response::Line};

/// What was asked for without its slash: the path that the client knows, unless a slash there
/// would not be one in that which it was rewritten to. The location is a path on this host with
/// exactly one slash in front, so it cannot lead to another one.
pub(super) fn to_slash(exchange: &Exchange<'_>, moved: Status) -> Answer {
    let asked = Path::parse(exchange.request.path).ok();
    let asked = asked.filter(|asked| exchange.keeps_slash && !asked.is_directory());
    let (path, query) = match (&asked, &exchange.path) {
        (Some(asked), _) => (asked, exchange.request.query),
        (None, Ok(path)) => (path, exchange.query()),
        (None, Err(_)) => return Answer::Ready(Response::empty(Status::BAD_REQUEST)),
    };
    let mut location = path.encoded();
    location.push('/');
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    Answer::Ready(Response::empty(moved).with(Line::new("location", location)))
}

/// A path that was asked for with a slash where there shall be none, by the client's own word and
/// not by that of a rewrite.
pub(super) fn without_slash(exchange: &Exchange<'_>) -> Option<Answer> {
    let asked = Path::parse(exchange.request.path).ok()?;
    let mut location = asked.encoded();
    if location.len() < 2 || !location.ends_with('/') {
        return None;
    }
    location.pop();
    if let Some(query) = exchange.request.query {
        location.push('?');
        location.push_str(query);
    }
    let response = Response::empty(Status::PERMANENT_REDIRECT);
    Some(Answer::Ready(response.with(Line::new("location", location))))
}

pub(super) fn with_slash(path: &[u8]) -> Vec<u8> {
    [path, b"/"].concat()
}
