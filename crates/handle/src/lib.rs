//! One file per action: a handler MAY answer a request; it never adjusts or records an answer.

pub mod listing;
pub mod files;
pub mod live;
pub mod admin;
pub mod php;
mod redirect;
mod respond;

use config::plan::{Action, Files, Policy};
use control::Row;
use files::{Cache, Folders};
use message::{Exchange, Method, PathError, Request, Response, Status, response::Line};
use std::sync::Arc;

pub use files::{Done, Job};

/// The methods that are answered here, for a 405 (RFC 9110 section 15.5.6).
pub const ALLOW: Line = Files::ALLOW;

/// What a handler made of a request.
pub enum Answer {
    /// The answer, ready to be sent.
    Ready(Response),
    /// The same, for whom the guards of these other paths let in: what is sent has them, too.
    Guarded(Box<(Response, Vec<Vec<u8>>)>),
    /// Something has to be done first that may block; [`resume`] takes what came of it.
    Wait(Job),
    /// An application has to be asked; [`php::replied`] takes what it says.
    Call(Box<php::Call>),
    /// What an application has said lately.
    Kept(Box<php::Kept>),
}

/// What the worker lends a handler for the time of one call.
pub struct Tools<'t> {
    /// The folders of all sites that serve files, by [`config::plan::Folder::id`].
    pub folders: &'t mut Folders,
    /// The files that this loop holds in memory.
    pub cache: &'t mut Cache,
    /// This tick of the loop's clock; files looked at in it are not looked at again.
    pub now: base::Moment,
    /// Seconds since 1970, for the age of files.
    pub wall_seconds: i64,
    /// What is counted on this loop.
    pub counters: &'t Row,
    /// The answers of applications that are kept.
    pub answers: &'t php::cache::Answers,
    /// The changes of files that pages hear of, where they do.
    pub changes: Option<&'t Arc<live::Changes>>,
    /// What is known of the server as a whole, where it is shown.
    pub board: Option<&'t Arc<admin::Board>>,
}

/// The answer where nothing is done for this method but to say which there are (RFC 9110 sections
/// 9.3.7 and 15.5.6).
#[must_use]
pub fn method_not_allowed(exchange: &Exchange<'_>, allow: &Line) -> Response {
    let status = match exchange.request.method {
        Method::Options => Status::NO_CONTENT,
        _ => Status::METHOD_NOT_ALLOWED,
    };
    Response::empty(status).with(allow.clone())
}

/// The answer where there is no other; what is unavailable may be asked for again.
#[must_use]
pub fn failed(status: Status) -> Response {
    match status {
        Status::SERVICE_UNAVAILABLE => {
            Response::empty(status).with(Line::fixed("retry-after", "1"))
        }
        _ => Response::empty(status),
    }
}

/// Answers `exchange` as the action of `policy` says; `rest` is the part of its path that the `*`
/// of its route stands for.
pub fn run(
    policy: &'static Policy,
    exchange: &Exchange<'_>,
    rest: &[u8],
    tools: &mut Tools<'_>,
) -> Answer {
    net::failpoint::hit("exchange");
    if !takes(policy, exchange.request) {
        let allow = match (&policy.action, &policy.access.methods) {
            (Action::Files(files), _) => &files.allow,
            (_, Some(methods)) => &methods.allow,
            (_, None) => const { &ALLOW },
        };
        return Answer::Ready(method_not_allowed(exchange, allow));
    }
    match &policy.action {
        Action::Files(files) => {
            files::answer(files, policy.adjust.compress.as_ref(), exchange, tools)
        }
        // What has no normal form is no path of ours; a slash that was encoded might be elsewhere.
        _ if exchange.path == Err(PathError::EncodedSlash) => {
            Answer::Ready(Response::empty(Status::NOT_FOUND))
        }
        _ if exchange.path.is_err() => Answer::Ready(Response::empty(Status::BAD_REQUEST)),
        Action::Php(php) => php::answer(php, policy.adjust.compress.as_ref(), exchange, tools),
        Action::Redirect(redirect) => Answer::Ready(redirect::answer(redirect, exchange, rest)),
        Action::Respond(respond) => Answer::Ready(respond::answer(respond, exchange, rest)),
        Action::Live => Answer::Ready(live::answer(rest, tools.changes)),
        Action::Admin => Answer::Ready(admin::answer(exchange, tools.board)),
        Action::NotFound => Answer::Ready(Response::empty(Status::NOT_FOUND)),
    }
}

/// Whether the action of `policy` answers `request` by its method, which the guards have let in.
/// `*` stands for the server as a whole, and only OPTIONS asks for it.
fn takes(policy: &Policy, request: &Request<'_>) -> bool {
    let method = request.method;
    match (&policy.action, method) {
        (_, Method::Options) if request.path == "*" => false,
        (Action::Files(_) | Action::Live | Action::Admin, method) => {
            matches!(method, Method::Get | Method::Head)
        }
        // What its programs take they say themselves.
        (Action::Php(_), Method::Options) => true,
        (_, Method::Options) => {
            policy.access.methods.as_ref().is_none_or(|methods| methods.has(method.as_str()))
        }
        _ => true,
    }
}

/// Goes on with the answer to `exchange`, which is one of a folder, once its job is done.
pub fn resume(
    policy: &'static Policy,
    done: Done,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    match &policy.action {
        Action::Files(files) => {
            files::resume(files, policy.adjust.compress.as_ref(), done, exchange, tools)
        }
        Action::Php(php) => {
            php::resume(php, policy.adjust.compress.as_ref(), done, exchange, tools)
        }
        Action::Redirect(_)
        | Action::Respond(_)
        | Action::Live
        | Action::Admin
        | Action::NotFound => Answer::Ready(Response::empty(Status::INTERNAL_SERVER_ERROR)),
    }
}
