//! Who may enter by the method; OPTIONS, which asks for the methods, always may.

use config::plan::Methods;
use message::{Exchange, Method, Response, Status};

/// 405 with the methods that there are (RFC 9110 section 15.5.6).
pub(crate) fn check(methods: &Methods, exchange: &Exchange<'_>) -> Option<Response> {
    let method = exchange.request.method;
    if method == Method::Options || methods.has(method.as_str()) {
        return None;
    }
    Some(Response::empty(Status::METHOD_NOT_ALLOWED).with(methods.allow.clone()))
}
