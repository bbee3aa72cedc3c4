//! The question of a browser whether a page of another origin may ask (CORS preflight).

use message::{Exchange, Method, Name, Response, Status, response::Line};

/// Answers a preflight with `lines`, which say what may be asked; the filter for CORS adds whether
/// this origin may. Browsers send it without credentials, and by a method that the page will not
/// use, so it comes before both are looked at.
pub(crate) fn answer(lines: &[Line], exchange: &Exchange<'_>) -> Option<Response> {
    const MARKS: [Name; 2] = [Name::Origin, Name::AccessControlRequestMethod];
    let fields = &exchange.request.fields;
    let is_preflight = exchange.request.method == Method::Options
        && MARKS.iter().all(|&name| fields.contains(name));
    let status = Status::NO_CONTENT;
    is_preflight.then(|| Response { lines: lines.to_vec(), ..Response::empty(status) })
}
