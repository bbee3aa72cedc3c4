//! What the config says itself.

use config::plan::{Form, Respond};
use message::{Body, Exchange, Response, Shared, response::Line};

/// The answer that stands in the config.
pub(crate) fn answer(respond: &Respond, exchange: &Exchange<'_>, rest: &[u8]) -> Response {
    let response = Response::empty(respond.status);
    let Some(text) = respond.text.as_ref().filter(|_| !respond.status.is_bodiless()) else {
        return response;
    };
    let form = Form::of(&respond.media_type);
    let body = Body::Bytes(Shared::from(text.fill(exchange, rest, form)));
    let media_type = Line::new("content-type", respond.media_type.to_string());
    Response { body, ..response.with(media_type) }
}
