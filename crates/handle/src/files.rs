//! Files of one folder: pages, images, downloads, index files, listings.
//!
//! ```text
//!  request ─► folder ─► method ─► path ─► cache ─hit──────────────────────────► variant ─► answer
//!               │not open                    │miss      no form that is wanted ─┐    ▲
//!               │                            └► load (now) ─► page │ folder │ 404 ─────┘
//!               └────────────────────────────────┴ would block ─► Job on the pool ◄┘ ─► resume
//! ```

mod folder;
mod load;
mod variant;
mod survey;
mod forms;
mod making;
mod cache;

pub use cache::Cache;
pub use folder::{Folders, ROOT_DESCRIPTORS_MAX};
pub use forms::Forms;

use crate::{
    ALLOW, Answer, Tools,
    listing::{Listing, View},
};
use base::Moment;
use config::plan::{self, Compress, Files};
use folder::Folder;
use forms::{Asked, Key};
use load::{Loaded, Patience, Siblings};
use making::{Made, Making};
use message::{
    Coding, Exchange, Method, Name, PathError, Request, Response, Status, response::Line,
};
use net::{FindError, RootError, Stat};
use std::{rc::Rc, sync::Arc};
use variant::{Choice, Entry, Variant};

/// What a missing page is looked up as, below the folder.
const NOT_FOUND_PAGE: &[u8] = b"/404.html";

/// Work on the file system that may block, for the pool.
#[derive(Debug)]
pub struct Job(Work);

#[derive(Debug)]
enum Work {
    /// Open a folder.
    Open(&'static plan::Folder),
    /// Read what lies in one.
    Read(Read),
}

/// Work in a folder.
#[derive(Debug)]
struct Read {
    folder: Arc<Folder>,
    path: Vec<u8>,
    task: Task,
}

#[derive(Debug)]
enum Task {
    /// Load what the path names.
    Page(Siblings),
    /// Find out whether the page's folder holds precompressed files.
    Survey,
    /// Load the page that says that something is missing.
    NotFoundPage,
    /// Read the folder's entries and bring them into order.
    Listing(View),
    /// Make a compressed form of a page.
    Compress(Box<Making>),
}

/// A job that has been done.
pub struct Done(Outcome);

enum Outcome {
    Opened(Result<Folder, RootError>),
    Read { folder: Arc<Folder>, path: Vec<u8>, found: Found },
}

/// What a reading job found.
enum Found {
    Loaded(Loaded),
    NotFoundPage(Loaded),
    Surveyed(Option<(Siblings, Stat)>),
    Listed(Result<Listing, FindError>),
    Compressed(Made),
}

impl Job {
    /// Which folder the job reads, so that one stalled folder cannot fill the pool.
    #[must_use]
    pub fn folder_id(&self) -> usize {
        match &self.0 {
            Work::Open(wanted) => wanted.id,
            Work::Read(read) => read.folder.id,
        }
    }

    /// Does it, however long that takes; never called on a loop.
    #[must_use]
    pub fn run(self) -> Done {
        Done(match self.0 {
            Work::Open(wanted) => Outcome::Opened(Folder::open(wanted)),
            Work::Read(read) => read.run(),
        })
    }

    /// What is done instead where the pool has too much to do: what was to be compressed is sent
    /// as it is. There is nothing instead of the other jobs.
    #[must_use]
    pub fn decline(self) -> Option<Done> {
        let Work::Read(Read { folder, path, task: Task::Compress(making) }) = self.0 else {
            return None;
        };
        Some(Done(Outcome::Read { folder, path, found: Found::Compressed(making.decline()) }))
    }
}

impl Read {
    fn run(self) -> Outcome {
        let Self { folder, path, task } = self;
        let found = match task {
            Task::Page(looked) => Found::Loaded(load::wait(&folder, &path, looked)),
            Task::Survey => Found::Surveyed(survey::take(&folder, survey::parent(&path)).ok()),
            Task::NotFoundPage => {
                Found::NotFoundPage(load::wait(&folder, &path, Siblings::Unasked))
            }
            Task::Listing(view) => Found::Listed(load::list(&folder, &path, view)),
            Task::Compress(making) => Found::Compressed(making.run()),
        };
        Outcome::Read { folder, path, found }
    }
}

/// Answers `exchange` with what lies in the folder of `files`, compressed as `compress` says.
pub(crate) fn answer(
    files: &Files,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let Tools { folders, cache, now, wall_seconds } = tools;
    let folder = match folders.current(files.folder, *now) {
        Some(Ok(folder)) => folder,
        Some(Err(wanted)) => return Answer::Wait(Job(Work::Open(wanted))),
        None => return status(Status::NOT_FOUND),
    };
    let request = exchange.request;
    let (now, wall_seconds) = (*now, *wall_seconds);
    Visit { files, compress, folder, cache, exchange, request, now, wall_seconds }.answer()
}

/// Goes on where [`answer`] could not.
pub(crate) fn resume(
    files: &Files,
    compress: Option<&Compress>,
    done: Done,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let (folder, path, found) = match done.0 {
        Outcome::Read { folder, path, found } => (folder, path, found),
        Outcome::Opened(opened) => {
            match opened {
                Ok(folder) => tools.folders.keep(folder, tools.now),
                // The one that was there before stays until there is another.
                Err(_) if tools.folders.is_open(files.folder) => {}
                Err(error) => return not_opened(&error),
            }
            return answer(files, compress, exchange, tools);
        }
    };
    let Tools { cache, now, wall_seconds, .. } = tools;
    let (now, wall_seconds) = (*now, *wall_seconds);
    let (folder, request) = (&folder, exchange.request);
    let mut visit = Visit { files, compress, folder, cache, exchange, request, now, wall_seconds };
    match found {
        Found::Loaded(loaded) => visit.conclude(&path, loaded),
        Found::NotFoundPage(loaded) => not_found(loaded),
        Found::Surveyed(found) => {
            let looked = found.map_or(Siblings::Sought, |(siblings, _)| siblings);
            let parent = survey::parent(&path);
            visit.cache.surveys.note(folder, parent, found, now, visit.wall_seconds);
            visit.page(&path, looked)
        }
        Found::Listed(Ok(listing)) => Answer::Ready(listing.answer()),
        Found::Listed(Err(error)) => visit.conclude(&path, Loaded::from(error)),
        Found::Compressed(made) => visit.compressed(&path, made),
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
    let Ok(folder) = folder else {
        return Some((asked, " is not there: its root cannot be opened"));
    };
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
    compress: Option<&'v Compress>,
    folder: &'v Arc<Folder>,
    cache: &'v mut Cache,
    exchange: &'v Exchange<'v>,
    request: &'v Request<'v>,
    now: Moment,
    wall_seconds: i64,
}

impl Visit<'_> {
    fn answer(&mut self) -> Answer {
        let Self { files, compress, folder, exchange, request, now, wall_seconds, .. } = *self;
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
        let bytes = path.as_bytes();
        if let Some((entry, choice)) =
            self.cache.get(folder, bytes, request, compress, now, wall_seconds)
        {
            match choice {
                Choice::Form(at) => return serve(&entry.variants[at]),
                Choice::Refused => return refused(),
                Choice::Make(_) => {}
            }
            if let Some(entry) = self.cache.take(folder, bytes) {
                return self.present(bytes, entry);
            }
        }
        if folder::is_hidden(&path) || folder::is_source(&path) {
            return self.missing();
        }
        let siblings = if request.fields.contains(Name::AcceptEncoding) {
            self.cache.surveys.ask(folder, survey::parent(bytes), now)
        } else {
            Some(Siblings::Unasked)
        };
        match siblings {
            Some(looked) => self.page(bytes, looked),
            None => self.wait(bytes, Task::Survey),
        }
    }

    /// Answers with the page at `path`, which is not in memory.
    fn page(&mut self, path: &[u8], looked: Siblings) -> Answer {
        match load::attempt(self.folder, path, looked, Patience::Now) {
            Some(loaded) => self.conclude(path, loaded),
            None => self.wait(path, Task::Page(looked)),
        }
    }

    /// 404, with the site's own page for it where there is one.
    fn missing(&mut self) -> Answer {
        match load::attempt(self.folder, NOT_FOUND_PAGE, Siblings::Unasked, Patience::Now) {
            Some(loaded) => not_found(loaded),
            None => self.wait(NOT_FOUND_PAGE, Task::NotFoundPage),
        }
    }

    /// Turns what was found into an answer.
    fn conclude(&mut self, path: &[u8], loaded: Loaded) -> Answer {
        match loaded {
            Loaded::Page(page) => self.present(path, Entry::new(page, self.now, self.wall_seconds)),
            Loaded::Folder if !path.ends_with(b"/") => to_folder(self.exchange),
            Loaded::Folder if self.folder.listing => {
                self.wait(path, Task::Listing(View::of(self.request)))
            }
            Loaded::Folder | Loaded::Missing => self.missing(),
            Loaded::Denied => status(Status::FORBIDDEN),
            Loaded::Exhausted => unavailable(),
            Loaded::Failed => status(Status::INTERNAL_SERVER_ERROR),
        }
    }

    /// Answers with the form of the page at `path` that the client likes best, made if need be, and
    /// keeps the page.
    fn present(&mut self, path: &[u8], mut entry: Entry) -> Answer {
        let answer = match entry.choose(self.request, self.compress) {
            Choice::Form(at) => serve(&entry.variants[at]),
            Choice::Refused => refused(),
            Choice::Make(coding) => self.make(path, coding, &mut entry),
        };
        self.cache.insert(self.folder, path, entry);
        answer
    }

    /// Answers with a form of `entry` that is not among its variants; where it cannot be had now,
    /// or is not worth it, with the best of those.
    fn make(&self, path: &[u8], coding: Coding, entry: &mut Entry) -> Answer {
        let stat = entry.plain().stat;
        if !self.cache.forms.takes(stat.size) {
            entry.is_worthless = true;
        } else {
            match self.cache.forms.ask(Key { stat, coding }) {
                Asked::Made(form) => {
                    let (media_type, wall_seconds) = (entry.media_type, self.wall_seconds);
                    let place = (entry.plain().path.clone(), stat);
                    let variant = Variant::made(coding, place, form, media_type, wall_seconds);
                    return serve(entry.add(variant));
                }
                Asked::Yours(ticket) => {
                    let content = entry.plain().content();
                    let making = Making::new(ticket, content, entry.media_type, self.wall_seconds);
                    return self.wait(path, Task::Compress(Box::new(making)));
                }
                Asked::Worthless => entry.is_worthless = true,
                Asked::Busy => {}
            }
        }
        match entry.choose(self.request, None) {
            Choice::Form(at) => serve(&entry.variants[at]),
            Choice::Make(_) | Choice::Refused => refused(),
        }
    }

    /// Answers with a form that was made for this request, or with the file as it is.
    fn compressed(&mut self, path: &[u8], made: Made) -> Answer {
        let Made { content, media_type, coding, form } = made;
        let Some(form) = form else {
            let (now, wall_seconds) = (self.now, self.wall_seconds);
            let plain = Variant::new(Coding::Identity, content, media_type, now, wall_seconds);
            return serve(&plain);
        };
        let place = (content.path, content.stat);
        let variant = Variant::made(coding, place, form, media_type, self.wall_seconds);
        let answer = serve(&variant);
        if let Some(mut entry) = self.cache.take(self.folder, path) {
            if entry.plain().stat == variant.stat {
                entry.add(variant);
            }
            self.cache.insert(self.folder, path, entry);
        }
        answer
    }

    fn wait(&self, path: &[u8], task: Task) -> Answer {
        let read = Read { folder: Arc::clone(self.folder), path: path.to_vec(), task };
        Answer::Wait(Job(Work::Read(read)))
    }
}

/// The answer with one form of a page.
fn serve(variant: &Variant) -> Answer {
    Answer::Ready(Response {
        prepared: Some(Rc::clone(&variant.prepared)),
        body: variant.body(),
        ..Response::empty(Status::OK)
    })
}

/// The client takes none of the forms that there are.
fn refused() -> Answer {
    Answer::Ready(Response::empty(Status::NOT_ACCEPTABLE).with(variant::VARY))
}

/// The page for 404: no validators, since it stands for nothing that could be asked for again.
fn not_found(loaded: Loaded) -> Answer {
    let Loaded::Page(page) = loaded else { return status(Status::NOT_FOUND) };
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

/// The answer for everything below a folder that cannot be opened: one that is gone holds nothing,
/// and anything else is the machine's fault, which may pass.
fn not_opened(error: &RootError) -> Answer {
    match FindError::from(error) {
        FindError::NotFound => status(Status::NOT_FOUND),
        FindError::Denied => status(Status::FORBIDDEN),
        FindError::WouldBlock | FindError::Exhausted | FindError::Failed(_) => unavailable(),
    }
}

fn unavailable() -> Answer {
    let response = Response::empty(Status::SERVICE_UNAVAILABLE);
    Answer::Ready(response.with(Line::fixed("retry-after", "1")))
}

fn status(status: Status) -> Answer {
    Answer::Ready(Response::empty(status))
}
