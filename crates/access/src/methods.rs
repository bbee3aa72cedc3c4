//! Who may enter by the method.

use config::plan::Methods;
use message::{Exchange, Method, Response, Status};

/// 405 with the methods that there are (RFC 9110 section 15.5.6); where HEAD is not named, it goes
/// with GET.
pub(crate) fn check(methods: &Methods, exchange: &Exchange<'_>) -> Option<Response> {
    let has = |method: &str| methods.names.iter().any(|name| **name == *method);
    let method = exchange.request.method;
    if has(method.as_str()) || (method == Method::Head && has("GET")) {
        return None;
    }
    Some(Response::empty(Status::METHOD_NOT_ALLOWED).with(methods.allow.clone()))
}
