//! Files of one folder: pages, images, downloads, index files, listings.
//!
//! ```text
//!  request ─► method ─► path ─► cache ─hit──────────────────────────► variant ─► answer
//!                                 │miss                                  ▲
//!                                 └► load (now) ─► page │ folder │ 404 ──┘
//!                                      └ would block ─► Job on the pool ─► resume
//! ```

mod folder;
mod load;
mod variant;
mod survey;
mod cache;

pub use cache::Cache;
pub use folder::Folder;

use crate::{
    ALLOW, Answer, Tools,
    listing::{Listing, View},
};
use load::{Loaded, Page, Patience, Siblings};
use message::{Method, Name, Path, PathError, Request, Response, Status, response::Line};
use net::{FindError, Stat};
use std::rc::Rc;
use variant::{Entry, Variant};

/// What a missing page is looked up as, below the folder.
const NOT_FOUND_PAGE: &[u8] = b"/404.html";

/// Work on the file system that may block, for the pool.
#[derive(Debug)]
pub struct Job {
    folder: &'static Folder,
    path: Vec<u8>,
    task: Task,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Load what the path names.
    Page(Siblings),
    /// Find out whether the page's folder holds precompressed files.
    Survey,
    /// Load the page that says that something is missing.
    NotFoundPage,
    /// Read the folder's entries and bring them into order.
    Listing(View),
}

/// A job that has been done.
pub struct Done {
    job: Job,
    outcome: Outcome,
}

enum Outcome {
    Loaded(Loaded),
    Surveyed(Option<(Siblings, Stat)>),
    Listed(Result<Listing, FindError>),
}

impl Job {
    /// Which folder the job reads, so that one stalled folder cannot fill the pool.
    #[must_use]
    pub fn folder_id(&self) -> usize {
        self.folder.id
    }

    /// Does it, however long that takes; never called on a loop.
    #[must_use]
    pub fn run(self) -> Done {
        let outcome = match self.task {
            Task::Page(looked) => Outcome::Loaded(load::wait(self.folder, &self.path, looked)),
            Task::Survey => {
                Outcome::Surveyed(survey::take(self.folder, survey::parent(&self.path)).ok())
            }
            Task::NotFoundPage => {
                Outcome::Loaded(load::wait(self.folder, &self.path, Siblings::Unasked))
            }
            Task::Listing(view) => Outcome::Listed(load::list(self.folder, &self.path, view)),
        };
        Done { job: self, outcome }
    }
}

/// Answers a request for something below the folder number `id`.
pub(crate) fn answer(id: usize, request: &Request<'_>, tools: &mut Tools<'_>) -> Answer {
    let Some(folder) = tools.folders.get(id) else { return status(Status::NOT_FOUND) };
    match request.method {
        Method::Get | Method::Head => {}
        Method::Options => return Answer::Ready(Response::empty(Status::NO_CONTENT).with(ALLOW)),
        _ => return Answer::Ready(Response::empty(Status::METHOD_NOT_ALLOWED).with(ALLOW)),
    }
    let path = match Path::parse(request.path) {
        Ok(path) => path,
        Err(PathError::EncodedSlash) => return missing(folder, request, tools),
        Err(_) => return status(Status::BAD_REQUEST),
    };
    let (now, wall_seconds) = (tools.now, tools.wall_seconds);
    if let Some(form) = tools.cache.get(folder, path.as_bytes(), request, now, wall_seconds) {
        return serve(form);
    }
    if folder::is_hidden(&path) || folder::is_source(&path) {
        return missing(folder, request, tools);
    }
    let siblings = if request.fields.contains(Name::AcceptEncoding) {
        let parent = survey::parent(path.as_bytes());
        tools.cache.surveys.ask(folder, parent, now)
    } else {
        Some(Siblings::Unasked)
    };
    match siblings {
        Some(looked) => page(folder, path.as_bytes(), looked, request, tools),
        None => wait(folder, path.as_bytes(), Task::Survey),
    }
}

/// Answers with the page at `path`, which is not in memory.
fn page(
    folder: &'static Folder,
    path: &[u8],
    looked: Siblings,
    request: &Request<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let task = Task::Page(looked);
    match load::attempt(folder, path, looked, Patience::Now) {
        Some(loaded) => conclude(folder, path, task, loaded, request, tools),
        None => wait(folder, path, task),
    }
}

/// Goes on where [`answer`] could not.
pub(crate) fn resume(done: Done, request: &Request<'_>, tools: &mut Tools<'_>) -> Answer {
    let Job { folder, path, task } = done.job;
    match done.outcome {
        Outcome::Loaded(loaded) => conclude(folder, &path, task, loaded, request, tools),
        Outcome::Surveyed(found) => {
            let looked = found.map_or(Siblings::Sought, |(siblings, _)| siblings);
            tools.cache.surveys.note(folder, survey::parent(&path), found, tools.now);
            page(folder, &path, looked, request, tools)
        }
        Outcome::Listed(Ok(listing)) => Answer::Ready(listing.answer()),
        Outcome::Listed(Err(error)) => {
            conclude(folder, &path, task, Loaded::from(error), request, tools)
        }
    }
}

/// Turns what was found into an answer.
fn conclude(
    folder: &'static Folder,
    path: &[u8],
    task: Task,
    loaded: Loaded,
    request: &Request<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    match loaded {
        Loaded::Page(page) if task == Task::NotFoundPage => not_found_page(page),
        _ if task == Task::NotFoundPage => status(Status::NOT_FOUND),
        Loaded::Page(page) => {
            let entry = Entry::new(page, tools.now, tools.wall_seconds);
            let answer = serve(entry.choose(request).map(|at| &entry.variants[at]));
            tools.cache.insert(folder, path, entry);
            answer
        }
        Loaded::Folder if !path.ends_with(b"/") => to_folder(request),
        Loaded::Folder if folder.listing => wait(folder, path, Task::Listing(View::of(request))),
        Loaded::Folder | Loaded::Missing => missing(folder, request, tools),
        Loaded::Denied => status(Status::FORBIDDEN),
        Loaded::Exhausted => {
            let response = Response::empty(Status::SERVICE_UNAVAILABLE);
            Answer::Ready(response.with(Line::fixed("retry-after", "1")))
        }
        Loaded::Failed => status(Status::INTERNAL_SERVER_ERROR),
    }
}

/// The answer with the form of a page that the client likes best.
fn serve(form: Option<&Variant>) -> Answer {
    let Some(variant) = form else {
        return Answer::Ready(Response::empty(Status::NOT_ACCEPTABLE).with(variant::VARY));
    };
    Answer::Ready(Response {
        status: Status::OK,
        prepared: Some(Rc::clone(&variant.prepared)),
        lines: Vec::new(),
        body: variant.body(),
    })
}

/// 404, with the site's own page for it where there is one.
fn missing(folder: &'static Folder, request: &Request<'_>, tools: &mut Tools<'_>) -> Answer {
    match load::attempt(folder, NOT_FOUND_PAGE, Siblings::Unasked, Patience::Now) {
        Some(loaded) => {
            conclude(folder, NOT_FOUND_PAGE, Task::NotFoundPage, loaded, request, tools)
        }
        None => wait(folder, NOT_FOUND_PAGE, Task::NotFoundPage),
    }
}

/// The page for 404: no validators, since it stands for nothing that could be asked for again.
fn not_found_page(page: Page) -> Answer {
    let lines = vec![
        Line::fixed("content-type", "text/html; charset=utf-8"),
        Line::fixed("x-content-type-options", "nosniff"),
    ];
    Answer::Ready(Response {
        status: Status::NOT_FOUND,
        prepared: None,
        lines,
        body: page.plain.into_body(),
    })
}

/// A folder that was asked for without its slash. The location is a path on this host with exactly
/// one slash in front, so it cannot lead to another one.
fn to_folder(request: &Request<'_>) -> Answer {
    let Ok(path) = Path::parse(request.path) else { return status(Status::BAD_REQUEST) };
    let mut location = path.encoded();
    location.push('/');
    if let Some(query) = request.query {
        location.push('?');
        location.push_str(query);
    }
    let response = Response::empty(Status::MOVED_PERMANENTLY);
    Answer::Ready(response.with(Line::new("location", location)))
}

fn wait(folder: &'static Folder, path: &[u8], task: Task) -> Answer {
    Answer::Wait(Job { folder, path: path.to_vec(), task })
}

fn status(status: Status) -> Answer {
    Answer::Ready(Response::empty(status))
}
