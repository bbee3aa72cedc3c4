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
pub use folder::{Folder, Folders};

use crate::{
    ALLOW, Answer, Tools,
    listing::{Listing, View},
};
use base::Moment;
use config::plan::Files;
use load::{Loaded, Page, Patience, Siblings};
use message::{Exchange, Method, Name, PathError, Request, Response, Status, response::Line};
use net::{FindError, Stat};
use std::{rc::Rc, sync::Arc};
use variant::{Entry, Variant};

/// What a missing page is looked up as, below the folder.
const NOT_FOUND_PAGE: &[u8] = b"/404.html";

/// Work on the file system that may block, for the pool.
#[derive(Debug)]
pub struct Job {
    folder: Arc<Folder>,
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
            Task::Page(looked) => Outcome::Loaded(load::wait(&self.folder, &self.path, looked)),
            Task::Survey => {
                Outcome::Surveyed(survey::take(&self.folder, survey::parent(&self.path)).ok())
            }
            Task::NotFoundPage => {
                Outcome::Loaded(load::wait(&self.folder, &self.path, Siblings::Unasked))
            }
            Task::Listing(view) => Outcome::Listed(load::list(&self.folder, &self.path, view)),
        };
        Done { job: self, outcome }
    }
}

/// Answers `exchange` with what lies in the folder of `files`.
pub(crate) fn answer(files: &Files, exchange: &Exchange<'_>, tools: &mut Tools<'_>) -> Answer {
    let Tools { folders, cache, now, wall_seconds } = tools;
    let Some(folder) = folders.current(files.folder, *now) else {
        return status(Status::NOT_FOUND);
    };
    let request = exchange.request;
    let (now, wall_seconds) = (*now, *wall_seconds);
    Visit { files, folder, cache, exchange, request, now, wall_seconds }.answer()
}

/// Goes on where [`answer`] could not.
pub(crate) fn resume(
    files: &Files,
    done: Done,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let Job { folder, path, task } = done.job;
    let Tools { cache, now, wall_seconds, .. } = tools;
    let (now, wall_seconds) = (*now, *wall_seconds);
    let request = exchange.request;
    let mut visit = Visit { files, folder: &folder, cache, exchange, request, now, wall_seconds };
    match done.outcome {
        Outcome::Loaded(loaded) => visit.conclude(&path, task, loaded),
        Outcome::Surveyed(found) => {
            let looked = found.map_or(Siblings::Sought, |(siblings, _)| siblings);
            let parent = survey::parent(&path);
            visit.cache.surveys.note(&folder, parent, found, now, visit.wall_seconds);
            visit.page(&path, looked)
        }
        Outcome::Listed(Ok(listing)) => Answer::Ready(listing.answer()),
        Outcome::Listed(Err(error)) => visit.conclude(&path, task, Loaded::from(error)),
    }
}

/// What the path of `exchange` leads to below its folder, and what is to be said of that, if
/// anything is. Waits for the disk.
#[must_use]
pub fn locate(
    files: &Files,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Option<(Vec<u8>, &'static str)> {
    let folder = tools.folders.current(files.folder, tools.now)?;
    let path = exchange.path.as_ref().ok()?.below(files.segments_skipped);
    let asked = path.as_bytes().to_vec();
    if folder::is_hidden(&path) || folder::is_source(&path) {
        return Some((asked, " is never sent: it is hidden or program source"));
    }
    Some(match load::attempt(folder, &asked, Siblings::Unasked, Patience::Wait)? {
        Loaded::Page(page) => (page.plain.path, ""),
        Loaded::Folder => (asked, " is a folder"),
        Loaded::Missing => (asked, " is not there"),
        Loaded::Denied => (asked, " may not be read"),
        Loaded::Exhausted | Loaded::Failed => (asked, " cannot be read"),
    })
}

/// A request on its way through a folder.
struct Visit<'v> {
    files: &'v Files,
    folder: &'v Arc<Folder>,
    cache: &'v mut Cache,
    exchange: &'v Exchange<'v>,
    request: &'v Request<'v>,
    now: Moment,
    wall_seconds: i64,
}

impl Visit<'_> {
    fn answer(&mut self) -> Answer {
        let Self { files, folder, exchange, request, now, wall_seconds, .. } = *self;
        match request.method {
            Method::Get | Method::Head => {}
            Method::Options => {
                return Answer::Ready(Response::empty(Status::NO_CONTENT).with(ALLOW));
            }
            _ => return Answer::Ready(Response::empty(Status::METHOD_NOT_ALLOWED).with(ALLOW)),
        }
        let path = match &exchange.path {
            Ok(path) => path.below(files.segments_skipped),
            Err(PathError::EncodedSlash) => return self.missing(),
            Err(_) => return status(Status::BAD_REQUEST),
        };
        if let Some(form) = self.cache.get(folder, path.as_bytes(), request, now, wall_seconds) {
            return serve(form);
        }
        if folder::is_hidden(&path) || folder::is_source(&path) {
            return self.missing();
        }
        let siblings = if request.fields.contains(Name::AcceptEncoding) {
            self.cache.surveys.ask(folder, survey::parent(path.as_bytes()), now)
        } else {
            Some(Siblings::Unasked)
        };
        match siblings {
            Some(looked) => self.page(path.as_bytes(), looked),
            None => self.wait(path.as_bytes(), Task::Survey),
        }
    }

    /// Answers with the page at `path`, which is not in memory.
    fn page(&mut self, path: &[u8], looked: Siblings) -> Answer {
        let task = Task::Page(looked);
        match load::attempt(self.folder, path, looked, Patience::Now) {
            Some(loaded) => self.conclude(path, task, loaded),
            None => self.wait(path, task),
        }
    }

    /// 404, with the site's own page for it where there is one.
    fn missing(&mut self) -> Answer {
        match load::attempt(self.folder, NOT_FOUND_PAGE, Siblings::Unasked, Patience::Now) {
            Some(loaded) => self.conclude(NOT_FOUND_PAGE, Task::NotFoundPage, loaded),
            None => self.wait(NOT_FOUND_PAGE, Task::NotFoundPage),
        }
    }

    /// Turns what was found into an answer.
    fn conclude(&mut self, path: &[u8], task: Task, loaded: Loaded) -> Answer {
        match loaded {
            Loaded::Page(page) if task == Task::NotFoundPage => not_found_page(page),
            _ if task == Task::NotFoundPage => status(Status::NOT_FOUND),
            Loaded::Page(page) => {
                let entry = Entry::new(page, self.now, self.wall_seconds);
                let answer = serve(entry.choose(self.request).map(|at| &entry.variants[at]));
                self.cache.insert(self.folder, path, entry);
                answer
            }
            Loaded::Folder if !path.ends_with(b"/") => to_folder(self.exchange),
            Loaded::Folder if self.folder.listing => {
                self.wait(path, Task::Listing(View::of(self.request)))
            }
            Loaded::Folder | Loaded::Missing => self.missing(),
            Loaded::Denied => status(Status::FORBIDDEN),
            Loaded::Exhausted => {
                let response = Response::empty(Status::SERVICE_UNAVAILABLE);
                Answer::Ready(response.with(Line::fixed("retry-after", "1")))
            }
            Loaded::Failed => status(Status::INTERNAL_SERVER_ERROR),
        }
    }

    fn wait(&self, path: &[u8], task: Task) -> Answer {
        Answer::Wait(Job { folder: Arc::clone(self.folder), path: path.to_vec(), task })
    }
}

/// The answer with the form of a page that the client likes best.
fn serve(form: Option<&Variant>) -> Answer {
    let Some(variant) = form else {
        return Answer::Ready(Response::empty(Status::NOT_ACCEPTABLE).with(variant::VARY));
    };
    Answer::Ready(Response {
        prepared: Some(Rc::clone(&variant.prepared)),
        body: variant.body(),
        ..Response::empty(Status::OK)
    })
}

/// The page for 404: no validators, since it stands for nothing that could be asked for again.
fn not_found_page(page: Page) -> Answer {
    let lines = vec![
        Line::fixed("content-type", "text/html; charset=utf-8"),
        Line::fixed("x-content-type-options", "nosniff"),
    ];
    let body = page.plain.into_body();
    Answer::Ready(Response { lines, body, ..Response::empty(Status::NOT_FOUND) })
}

/// A folder that was asked for without its slash. The location is a path on this host with exactly
/// one slash in front, so it cannot lead to another one.
fn to_folder(exchange: &Exchange<'_>) -> Answer {
    let Ok(path) = &exchange.path else { return status(Status::BAD_REQUEST) };
    let mut location = path.encoded();
    location.push('/');
    if let Some(query) = exchange.query() {
        location.push('?');
        location.push_str(query);
    }
    let response = Response::empty(Status::MOVED_PERMANENTLY);
    Answer::Ready(response.with(Line::new("location", location)))
}

fn status(status: Status) -> Answer {
    Answer::Ready(Response::empty(status))
}
