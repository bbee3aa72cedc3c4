//! PHP programs, and the files beside them.
//!
//! ```text
//!  path ─► names a program? ─yes─► is it there? ─yes──────────────────────────┐
//!            │no                    └no: 404                                   ▼
//!            ├─ names a folder: its index.php? ─yes─────────────────────────► Call
//!            ▼                    └no┐                                         ▲
//!          a file, or an index of files there? ─yes─► answer                   │
//!            └no: /index.php, if that is there ────────────────────────────────┘
//! ```
//!
//! A route with a folder of its own, and nothing of its own to say of PHP, is a part of its site:
//! that `/index.php` is the site's (docs/decisions/0040).
//!
//! The source of a program is never sent: a path that names PHP source in any way is answered by
//! the program, or not at all.

mod sent;
pub mod cache;

use crate::{
    Answer, Job, Tools,
    files::{
        self, Done,
        program::{self, Progress, Search},
    },
};
use cache::Errand;
use config::{
    plan::{Action, Compress, Files, Php, Policy},
    unsent,
};
use fastcgi::{Head, Program, Script};
use message::{
    Body, Exchange, Method, Path, PathError, Response, Shared, Source, Status, response::Line,
};
use net::FindError;
use std::rc::Rc;

/// The methods that programs usually have. `TRACE` is not for them: a server would answer it, with
/// the fields of the request, which no page may read (RFC 9110 section 9.3.8).
const ALLOW: Line = Line::fixed("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// An application that is to be asked.
pub struct Call {
    /// Who, and with which limits.
    pub php: &'static Php,
    /// The program that it runs.
    pub script: Script,
    /// The path that leads to the program itself, where another one was asked for: its guards let
    /// in as well, and nothing is run where it is said to be no program.
    pub path: Option<Vec<u8>>,
    /// For whom else it is asked.
    pub errand: Option<Errand>,
}

/// An answer that is kept, for whom the guards let in that have let in whoever asked for it.
pub struct Kept {
    /// The answer.
    pub response: Response,
    /// Who was asked.
    pub php: &'static Php,
    /// As with a [`Call`].
    pub path: Option<Vec<u8>>,
}

/// What an application has answered.
pub struct Reply {
    head: Head,
    content: Content,
    /// What came of the search for the file that it has sent.
    found: Option<Box<Done>>,
}

/// What a reply comes to.
pub enum Replied {
    /// The answer.
    Answered(Response),
    /// A file is sent, which has to be waited for; [`Reply::sent`] takes what came of it.
    Waiting(Job, Box<Head>),
    /// There is no answer but this status, by the application's fault.
    Failed(Status, &'static str),
}

impl Reply {
    /// A head, and its content.
    #[must_use]
    pub fn new(head: Head, content: Content) -> Self {
        Self { head, content, found: None }
    }

    /// One that says nothing: what an answer has beside what an application says.
    #[must_use]
    pub fn of_nothing() -> Self {
        let head = Head { status: Status::OK, lines: Vec::new(), length: None, file: None };
        Self::new(head, Content::Whole(Vec::new()))
    }

    /// Its head and its content.
    #[must_use]
    pub fn into_parts(self) -> (Head, Content) {
        (self.head, self.content)
    }

    /// A head, and what came of the search for the file that it has sent.
    #[must_use]
    pub fn sent(head: Head, found: Done) -> Self {
        Self { head, content: Content::Whole(Vec::new()), found: Some(Box::new(found)) }
    }
}

/// The content of an application's answer.
pub enum Content {
    /// All of it.
    Whole(Vec<u8>),
    /// It is still to come, at least in part.
    Coming(Box<dyn Source + Send>),
}

/// Answers `exchange` as `php` says.
pub(crate) fn answer(
    php: &'static Php,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    if exchange.request.method == Method::Trace {
        return Answer::Ready(crate::method_not_allowed(exchange, &ALLOW));
    }
    let path = match &exchange.path {
        Ok(path) => path,
        Err(PathError::EncodedSlash) => return status(Status::NOT_FOUND),
        Err(_) => return status(Status::BAD_REQUEST),
    };
    if let Some((response, path)) = cache::kept(php, compress, exchange, tools) {
        return Answer::Kept(Box::new(Kept { response, php, path }));
    }
    let path = path.below(php.files.segments_skipped);
    if unsent::is_hidden(&path) {
        return status(Status::NOT_FOUND);
    }
    if unsent::is_unsent(&path) {
        return search(php, path.as_bytes(), false, compress, exchange, tools);
    }
    if path.is_directory() {
        let index = [path.as_bytes(), Php::INDEX].concat();
        return search(php, &index, false, compress, exchange, tools);
    }
    let answer = files::answer(&php.files, compress, exchange, tools);
    beside(php, answer, compress, exchange, tools)
}

/// Goes on where [`answer`] could not.
pub(crate) fn resume(
    php: &'static Php,
    compress: Option<&Compress>,
    done: Done,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    match done.progress() {
        Progress::Searched(found, is_last) => {
            let found = found.map(|program| program.map(Rc::new));
            let php = if is_last { php.front() } else { php };
            conclude(php, found, is_last, compress, exchange, tools)
        }
        Progress::Opened(opened) => match files::opened(opened, tools) {
            Some(failed) => failed,
            None => answer(php, compress, exchange, tools),
        },
        Progress::Files(done) => {
            let answer = files::resume(&php.files, compress, done, exchange, tools);
            beside(php, answer, compress, exchange, tools)
        }
    }
}

/// Looks for the program that `path` names below the folder.
fn search(
    php: &'static Php,
    path: &[u8],
    is_last: bool,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let folder = match tools.folders.current(php.files.folder, tools.now) {
        Some(Ok(folder)) => folder,
        Some(Err(wanted)) => return Answer::Wait(program::opening(wanted)),
        None => return status(Status::NOT_FOUND),
    };
    if let Some(program) = tools.cache.programs.find(folder, path, tools.now) {
        return conclude(php, Ok(Some(program)), is_last, compress, exchange, tools);
    }
    match Search::new(folder, path, is_last).now() {
        Ok(found) => {
            let found = found.map(|program| program.map(Rc::new));
            if let Ok(Some(program)) = &found {
                tools.cache.programs.put(folder, path, program, tools.now);
            }
            conclude(php, found, is_last, compress, exchange, tools)
        }
        Err(job) => Answer::Wait(job),
    }
}

fn conclude(
    php: &'static Php,
    found: Result<Option<Rc<Program>>, FindError>,
    is_last: bool,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let Ok(path) = &exchange.path else { return status(Status::NOT_FOUND) };
    match found {
        Ok(Some(program)) => call(php, program, path),
        Ok(None) if is_last || unsent::is_unsent(&path.below(php.files.segments_skipped)) => {
            status(Status::NOT_FOUND)
        }
        Ok(None) => {
            let answer = files::answer(&php.files, compress, exchange, tools);
            beside(php, answer, compress, exchange, tools)
        }
        Err(FindError::Denied) => status(Status::FORBIDDEN),
        Err(FindError::Exhausted) => Answer::Ready(crate::failed(Status::SERVICE_UNAVAILABLE)),
        Err(_) => status(Status::INTERNAL_SERVER_ERROR),
    }
}

/// What files have answered, unless nothing is there.
fn beside(
    php: &'static Php,
    answer: Answer,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let response = match &answer {
        Answer::Ready(response) => response,
        Answer::Guarded(guarded) => &guarded.0,
        Answer::Wait(_) | Answer::Call(_) | Answer::Kept(_) => return answer,
    };
    match response.status {
        Status::NOT_FOUND => absent(php, compress, exchange, tools),
        status if status.is_success() && !is_read(exchange) => {
            Answer::Ready(crate::method_not_allowed(exchange, &Files::ALLOW))
        }
        _ => answer,
    }
}

/// What is not there is answered by the program at the top of the application, or what is kept of
/// that.
fn absent(
    php: &'static Php,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let front = php.front();
    if php.whole.is_some()
        && let Some((response, path)) = cache::kept(front, compress, exchange, tools)
    {
        return Answer::Kept(Box::new(Kept { response, php: front, path }));
    }
    search(front, &[b"/", Php::INDEX].concat(), true, compress, exchange, tools)
}

fn is_read(exchange: &Exchange<'_>) -> bool {
    matches!(exchange.request.method, Method::Get | Method::Head)
}

fn call(php: &'static Php, program: Rc<Program>, asked: &Path<'_>) -> Answer {
    let name = program::named(&php.files, asked, &program.file);
    if php.is_denied(&name) {
        return status(Status::NOT_FOUND);
    }
    let path = (name != asked.as_bytes()).then(|| name.clone());
    let script = Script { program, name };
    Answer::Call(Box::new(Call { php, script, path, errand: None }))
}

/// What an application's reply to `exchange` comes to, which `policy` had it asked for.
#[must_use]
pub fn replied(
    policy: &'static Policy,
    reply: Reply,
    exchange: &mut Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Replied {
    let Reply { mut head, content, found } = reply;
    // Who has waited for a file has been told already.
    if let (Action::Php(php), None) = (&policy.action, &found)
        && let Some(word) = cache::said_of(php, exchange)
    {
        head.lines.push(Line::fixed("cache-status", word));
    }
    if let Action::Php(php) = &policy.action {
        cache::changed(php, head.status, exchange, tools);
    }
    if head.file.is_some() {
        return sent::find(policy, (head, found.map(|found| *found)), exchange, tools);
    }
    let body = match content {
        Content::Whole(bytes) if bytes.is_empty() => Body::Empty,
        Content::Whole(bytes) => Body::Bytes(Shared::from(bytes)),
        Content::Coming(source) => Body::Stream(source),
    };
    let empty = Response::empty(head.status);
    Replied::Answered(Response { lines: head.lines, is_settled: true, body, ..empty })
}

fn status(status: Status) -> Answer {
    Answer::Ready(Response::empty(status))
}
