//! One file per action: a handler MAY answer a request; it never adjusts or records an answer.

pub mod media_type;
pub mod negotiation;
pub mod listing;
pub mod files;

use config::plan::Action;
use files::{Cache, Folders};
use message::{Request, Response, Status, response::Line};

pub use files::{Done, Job};

/// The methods that are answered here, for a 405 (RFC 9110 section 15.5.6).
pub const ALLOW: Line = Line::fixed("allow", "GET, HEAD, OPTIONS");

/// What a handler made of a request.
#[derive(Debug)]
pub enum Answer {
    /// The answer, ready to be sent.
    Ready(Response),
    /// Something has to be done first that may block; [`resume`] takes what came of it.
    Wait(Job),
}

/// What the worker lends a handler for the time of one call.
pub struct Tools<'t> {
    /// The folders of all sites that serve files, by [`config::plan::Files::id`].
    pub folders: &'t mut Folders,
    /// The files that this loop holds in memory.
    pub cache: &'t mut Cache,
    /// This tick of the loop's clock; files looked at in it are not looked at again.
    pub now: base::Moment,
    /// Seconds since 1970, for the age of files.
    pub wall_seconds: i64,
}

/// Answers `request` as `action` says.
pub fn run(action: &Action, request: &Request<'_>, tools: &mut Tools<'_>) -> Answer {
    net::failpoint::hit("exchange");
    match action {
        Action::Files(files) => files::answer(files.id, request, tools),
        Action::Misdirected => Answer::Ready(Response::empty(Status::MISDIRECTED_REQUEST)),
    }
}

/// Goes on with the answer to `request` once its job is done.
pub fn resume(done: Done, request: &Request<'_>, tools: &mut Tools<'_>) -> Answer {
    files::resume(done, request, tools)
}
