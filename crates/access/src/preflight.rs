//! The question of a browser whether a page of another origin may ask (CORS preflight).

use message::{Exchange, Response, Status, response::Line};

/// Answers a preflight with `lines`, which say what may be asked; the filter for CORS adds whether
/// this origin may. Browsers send it without credentials, and by a method that the page will not
/// use, so it comes before both are looked at.
pub(crate) fn answer(lines: &[Line], exchange: &Exchange<'_>) -> Option<Response> {
    let status = Status::NO_CONTENT;
    let answer = |_| Response { lines: lines.to_vec(), ..Response::empty(status) };
    exchange.preflight().map(answer)
}
