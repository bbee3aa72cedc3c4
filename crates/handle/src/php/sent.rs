//! A file that a program has sent in place of its content: from the one folder that is set aside
//! for that, whatever the program says.

use super::Replied;
use crate::{
    Answer, Tools,
    files::{
        self, Done,
        program::{self, Progress},
    },
};
use config::plan::{Action, Policy, Sending};
use fastcgi::{Head, Named};
use message::{Exchange, Path, Prepared, Response, Status};
use std::{mem, rc::Rc};

/// What of a program's head speaks of content that is not sent.
const REPLACED: [&str; 5] =
    ["accept-ranges", "content-encoding", "content-range", "etag", "last-modified"];

/// Looks for the file that `head` names, or goes on where that had to be waited for.
pub(super) fn find(
    policy: &'static Policy,
    (head, found): (Head, Option<Done>),
    exchange: &mut Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Replied {
    let sending = match &policy.action {
        Action::Php(php) => php.sending.as_ref(),
        _ => None,
    };
    let Some(sending) = sending else {
        let reason = "the application wants a file sent, and `send-root` names no folder";
        return Replied::Failed(Status::BAD_GATEWAY, reason);
    };
    let found = match found.map(Done::progress) {
        Some(Progress::Opened(opened)) => match files::opened(opened, tools) {
            Some(failed) => return conclude(failed, head),
            None => None,
        },
        Some(Progress::Files(done)) => Some(done),
        Some(Progress::Searched(..)) | None => None,
    };
    // Where the folder lies without links may have changed since it was typed: a link was turned.
    let real = match tools.folders.current(sending.files.folder, tools.now) {
        Some(Ok(folder)) => folder.root.real(),
        Some(Err(wanted)) => return Replied::Waiting(program::opening(wanted), Box::new(head)),
        None => &sending.root,
    };
    let Some(path) = head.file.as_ref().and_then(|file| path(file, sending, real)) else {
        let reason = "the application wants a file sent that is not below `send-root`";
        return Replied::Failed(Status::BAD_GATEWAY, reason);
    };
    let asked = mem::replace(&mut exchange.path, Ok(path));
    let compress = policy.adjust.compress.as_ref();
    let answer = match found {
        None => files::answer(&sending.files, compress, exchange, tools),
        Some(done) => files::resume(&sending.files, compress, done, exchange, tools),
    };
    exchange.path = asked;
    conclude(answer, head)
}

/// What comes of the search for the file that `head` names.
fn conclude(answer: Answer, head: Head) -> Replied {
    let response = match answer {
        Answer::Wait(job) => return Replied::Waiting(job, Box::new(head)),
        Answer::Ready(response) => response,
        Answer::Guarded(guarded) => guarded.0,
        Answer::Call(_) | Answer::Kept(_) => Response::empty(Status::NOT_FOUND),
    };
    match response.status {
        Status::OK => Replied::Answered(with_head(response, &head)),
        // A folder without its slash is no file, either.
        Status::NOT_FOUND | Status::MOVED_PERMANENTLY => {
            let reason = "the application wants a file sent that is not there";
            Replied::Failed(Status::NOT_FOUND, reason)
        }
        _ => Replied::Answered(response),
    }
}

/// The path below the folder that `file` names: by the path that was typed, or by the one without
/// links.
fn path(file: &Named, sending: &Sending, real: &[u8]) -> Option<Path<'static>> {
    let path = match file {
        Named::Url(url) => {
            let path = url.split_once('?').map_or(&**url, |(path, _)| path);
            Path::parse(path).ok()?.as_bytes().to_vec()
        }
        Named::Disk(path) => {
            let below = |root: &[u8]| path.strip_prefix(root);
            below(&sending.root).or_else(|| below(real))?.to_vec()
        }
    };
    Path::of_decoded(&path).ok()
}

/// The answer with the fields of the program's head: in place of the file's own, but for those that
/// speak of the bytes that are sent.
fn with_head(mut response: Response, head: &Head) -> Response {
    response.unprepare();
    let mut lines = mem::take(&mut response.lines);
    let own = || head.lines.iter().filter(|line| !REPLACED.contains(&&*line.name));
    lines.retain(|line| line.name == "vary" || own().all(|other| other.name != line.name));
    lines.extend(own().cloned());
    response.prepared = Some(Rc::new(Prepared::new(lines)));
    response
}
