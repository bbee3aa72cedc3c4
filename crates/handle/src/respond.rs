//! What the config says itself.

use config::plan::{Form, Respond};
use message::{Body, Exchange, Response, Shared, response::Line};

/// The answer that stands in the config; what has no placeholders is sent from there, uncopied.
pub(crate) fn answer(respond: &'static Respond, exchange: &Exchange<'_>, rest: &[u8]) -> Response {
    let response = Response::empty(respond.status);
    let Some(text) = respond.text.as_ref().filter(|_| !respond.status.is_bodiless()) else {
        return response;
    };
    let content = match text.literal() {
        Some(text) => Shared::from(text.as_bytes()),
        None => Shared::from(text.fill(exchange, rest, Form::of(&respond.media_type))),
    };
    let response = response
        .with(Line::fixed("content-type", &respond.media_type))
        .with(Line::fixed("x-content-type-options", "nosniff"));
    Response { body: Body::Bytes(content), ..response }
}
