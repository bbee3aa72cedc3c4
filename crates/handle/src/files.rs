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
mod slash;
mod doors;
mod fallback;
mod variant;
mod survey;
mod stored;
mod forms;
mod making;
mod job;
pub(crate) mod program;
mod cache;
mod locate;

pub use cache::Cache;
use cache::Seeker;
pub use folder::{Folders, ROOT_DESCRIPTORS_MAX, is_shown};
pub use forms::Forms;
pub use job::{Done, Job};
pub use locate::{locate, missing_page, outside};

use crate::{
    Answer, Tools,
    listing::{self, View},
};
use base::Moment;
use config::{
    plan::{Compress, Files, TrailingSlash},
    unsent,
};
use control::{Counter, Row};
use folder::Folder;
use forms::{Asked, Key};
use job::{Found, Opening, Outcome, Read, Task, Work};
use load::{Loaded, Patience, Siblings, Wish};
use making::{Made, Making};
use message::{Coding, Exchange, Name, Path, PathError, Response, Status, response::Line};
use net::{FindError, RootError};
use slash::{to_slash, with_slash, without_slash};
use std::{rc::Rc, sync::Arc};
use variant::{Choice, Entry, Variant};

/// What a missing page is looked up as, below the folder.
const NOT_FOUND_PAGE: &[u8] = b"/404.html";

/// Answers `exchange` with what lies in the folder of `files`, compressed as `compress` says.
pub(crate) fn answer(
    files: &Files,
    compress: Option<&Compress>,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let Tools { folders, cache, now, wall_seconds, counters, changes, .. } = tools;
    let folder = match folders.current(files.folder, *now) {
        Some(Ok(folder)) => folder,
        Some(Err(wanted)) => return Answer::Wait(Job(Work::Open(wanted))),
        None => return status(Status::NOT_FOUND),
    };
    let (now, wall_seconds, is_live) = (*now, *wall_seconds, changes.is_some());
    let compress = compress.filter(|_| !is_live);
    let (varies, others) = (false, Vec::new());
    let mut visit = Visit {
        files,
        compress,
        folder,
        cache,
        exchange,
        counters,
        now,
        wall_seconds,
        is_live,
        varies,
        others,
    };
    let answer = visit.answer();
    visit.finish(answer)
}

/// Goes on where [`answer`] could not.
pub(crate) fn resume(
    files: &Files,
    compress: Option<&Compress>,
    done: Done,
    exchange: &Exchange<'_>,
    tools: &mut Tools<'_>,
) -> Answer {
    let (folder, path, varies, found) = match done.0 {
        Outcome::Read { folder, path, varies, found } => (folder, path, varies, found),
        Outcome::Opened(result) => {
            return match opened(result, tools) {
                Some(failed) => failed,
                None => answer(files, compress, exchange, tools),
            };
        }
        Outcome::Searched(..) => return status(Status::INTERNAL_SERVER_ERROR),
    };
    let Tools { cache, now, wall_seconds, counters, changes, .. } = tools;
    let (now, wall_seconds, is_live) = (*now, *wall_seconds, changes.is_some());
    let compress = compress.filter(|_| !is_live);
    let (folder, others) = (&folder, Vec::new());
    let mut visit = Visit {
        files,
        compress,
        folder,
        cache,
        exchange,
        counters,
        now,
        wall_seconds,
        is_live,
        varies,
        others,
    };
    let answer = match found {
        Found::Loaded(loaded) => visit.conclude(&path, loaded),
        Found::Index(loaded) => visit.conclude_index(&path, loaded),
        Found::Fallback(loaded) => visit.conclude_fallback(&path, loaded),
        Found::NotFoundPage(loaded) => not_found_page(loaded),
        Found::Surveyed(found) => {
            let looked = found.map_or(Siblings::Sought, |(siblings, _)| siblings);
            let parent = survey::parent(&path);
            visit.cache.surveys.note(folder, parent, found, now, visit.wall_seconds);
            visit.page(&path, looked)
        }
        Found::Listed(Ok(listing), rendered) => {
            if rendered.is_err() {
                counters.add(Counter::TemplatesFailed, 1);
            }
            Answer::Ready(listing.answer())
        }
        Found::Listed(Err(error), _) => visit.conclude(&path, Loaded::from(error)),
        Found::Compressed(made) => visit.compressed(&path, made),
    };
    visit.finish(answer)
}

/// Keeps a folder that was opened; the answer where it could not be.
pub(crate) fn opened((id, opened): Opening, tools: &mut Tools<'_>) -> Option<Answer> {
    match opened {
        Ok(folder) => tools.folders.keep(folder, tools.now),
        // The one that was there before stays until there is another.
        Err(_) if tools.folders.is_open(id) => {}
        Err(error) => return Some(not_opened(&error)),
    }
    None
}

/// A request on its way through a folder.
struct Visit<'v> {
    files: &'v Files,
    compress: Option<&'v Compress>,
    folder: &'v Arc<Folder>,
    cache: &'v mut Cache,
    exchange: &'v Exchange<'v>,
    counters: &'v Row,
    now: Moment,
    wall_seconds: i64,
    /// Whether files are being edited: then each is sent as it lies on the disk now.
    is_live: bool,
    /// Whether what the client accepts has decided between a fallback and 404.
    varies: bool,
    /// The other paths whose guards are to let in who is sent what was found.
    others: Vec<Vec<u8>>,
}

impl Visit<'_> {
    fn answer(&mut self) -> Answer {
        let Self { files, exchange, .. } = *self;
        let path = match &exchange.path {
            Ok(path) => path.below(files.segments_skipped),
            Err(PathError::EncodedSlash) => return self.not_found(),
            Err(_) => return status(Status::BAD_REQUEST),
        };
        if files.trailing_slash == TrailingSlash::Remove
            && let Some(answer) = without_slash(exchange)
        {
            return answer;
        }
        let bytes = path.as_bytes();
        if let Some(answer) = self.hold(bytes) {
            return answer;
        }
        if unsent::is_unsent(&path) {
            return self.not_found();
        }
        match self.siblings(bytes) {
            Some(looked) => self.page(bytes, looked),
            None => self.wait(bytes, Task::Survey),
        }
    }

    /// Answers with the page at `path`, if it is in memory.
    fn hold(&mut self, path: &[u8]) -> Option<Answer> {
        let Self { files, compress, folder, exchange, now, wall_seconds, is_live, .. } = *self;
        let request = exchange.request;
        if is_live {
            return None;
        }
        let wish = self.wish(Siblings::Unasked);
        let needs_bytes = exchange.needs_bytes;
        let seeker = Seeker { request, compress, needs_bytes, now, wall_seconds };
        let (entry, choice) = self.cache.get(folder, path, &seeker)?;
        match choice {
            // It is loaded anew, into memory.
            Choice::Form(at) if entry.variants[at].is_missing(wish) => return None,
            Choice::Form(at) => {
                self.others = doors::others(files, exchange, path, &entry.plain().path);
                return Some(serve(&entry.variants[at], needs_bytes));
            }
            Choice::Refused => return Some(refused()),
            Choice::Make(_) => {}
        }
        let entry = self.cache.take(folder, path)?;
        Some(self.present(path, entry))
    }

    /// How a page is wanted whose siblings are known so far.
    fn wish(&self, looked: Siblings) -> Wish {
        self.cache.wish(looked, self.exchange.needs_bytes && !self.is_live)
    }

    /// What is known of compressed siblings of the page at `path`; `None` if somebody has to look.
    fn siblings(&mut self, path: &[u8]) -> Option<Siblings> {
        if self.is_live || !self.exchange.request.fields.contains(Name::AcceptEncoding) {
            return Some(Siblings::Unasked);
        }
        self.cache.surveys.ask(self.folder, survey::parent(path), self.now)
    }

    /// Answers with the page at `path`, which is not in memory.
    fn page(&mut self, path: &[u8], looked: Siblings) -> Answer {
        let wish = self.wish(looked);
        match load::attempt(self.folder, path, wish, Patience::Now) {
            Some(loaded) => self.conclude(path, loaded),
            None => self.wait(path, Task::Page(wish)),
        }
    }

    /// A folder that was asked for without its slash: it is told to come back with it, or answered
    /// as it was asked for.
    fn folder(&mut self, path: &[u8]) -> Answer {
        if self.files.trailing_slash != TrailingSlash::Remove {
            return to_slash(self.exchange, Status::MOVED_PERMANENTLY);
        }
        // The folder's own siblings are not known by the folder that it lies in.
        let wants_coding =
            !self.is_live && self.exchange.request.fields.contains(Name::AcceptEncoding);
        let looked = if wants_coding { Siblings::Sought } else { Siblings::Unasked };
        let wish = self.wish(looked);
        match load::attempt(self.folder, &with_slash(path), wish, Patience::Now) {
            Some(loaded) => self.conclude_index(path, loaded),
            None => self.wait(path, Task::Index(wish)),
        }
    }

    fn conclude_index(&mut self, path: &[u8], loaded: Loaded) -> Answer {
        match loaded {
            Loaded::Folder => self.missing(path),
            loaded => self.conclude(path, loaded),
        }
    }

    /// Nothing lies at `path`: a page of an application that its script draws, or 404.
    fn missing(&mut self, path: &[u8]) -> Answer {
        self.varies |= fallback::varies(self.files, path, self.exchange.request);
        let Some(page) = fallback::page(self.files, path, self.exchange.request) else {
            return self.not_found();
        };
        if self.files.trailing_slash == TrailingSlash::Add && !path.ends_with(b"/") {
            return to_slash(self.exchange, Status::PERMANENT_REDIRECT);
        }
        if let Some(answer) = self.hold(page) {
            return answer;
        }
        let Some(looked) = self.siblings(page) else { return self.wait(page, Task::Survey) };
        let wish = self.wish(looked);
        match load::attempt(self.folder, page, wish, Patience::Now) {
            Some(loaded) => self.conclude_fallback(page, loaded),
            None => self.wait(page, Task::Fallback(wish)),
        }
    }

    fn conclude_fallback(&mut self, page: &[u8], loaded: Loaded) -> Answer {
        match loaded {
            Loaded::Folder | Loaded::Missing => self.not_found(),
            loaded => self.conclude(page, loaded),
        }
    }

    /// 404, with the site's own page for it where there is one.
    fn not_found(&mut self) -> Answer {
        if !self.files.has_missing_page {
            return status(Status::NOT_FOUND);
        }
        match load::attempt(
            self.folder,
            NOT_FOUND_PAGE,
            Wish::new(Siblings::Unasked),
            Patience::Now,
        ) {
            Some(loaded) => not_found_page(loaded),
            None => self.wait(NOT_FOUND_PAGE, Task::NotFoundPage),
        }
    }

    /// Turns what was found into an answer.
    fn conclude(&mut self, path: &[u8], loaded: Loaded) -> Answer {
        match loaded {
            Loaded::Page(page) => {
                self.counters.add(Counter::PagesLoaded, 1);
                self.present(path, Entry::new(page, self.now, self.wall_seconds))
            }
            Loaded::Folder if !path.ends_with(b"/") => self.folder(path),
            Loaded::Folder if self.folder.listing && listing::is_full(&self.cache.listed) => {
                unavailable()
            }
            Loaded::Folder if self.folder.listing => {
                let template = self.files.listing_template.clone();
                let (view, held) = (View::of(self.exchange.request), self.cache.listed.clone());
                self.wait(path, Task::Listing(view, template, held))
            }
            Loaded::Folder | Loaded::Missing => self.missing(path),
            Loaded::Denied => status(Status::FORBIDDEN),
            Loaded::Exhausted => unavailable(),
            Loaded::Failed => status(Status::INTERNAL_SERVER_ERROR),
        }
    }

    /// Answers with the form of the page at `path` that the client likes best, made if need be, and
    /// keeps the page.
    fn present(&mut self, path: &[u8], mut entry: Entry) -> Answer {
        self.others = doors::others(self.files, self.exchange, path, &entry.plain().path);
        let answer = match entry.choose(self.exchange.request, self.compress) {
            Choice::Form(at) => serve(&entry.variants[at], self.exchange.needs_bytes),
            Choice::Refused => refused(),
            Choice::Make(coding) => self.make(path, coding, &mut entry),
        };
        // What is in memory is sent without another look at its name.
        debug_assert!(Path::of_decoded(path).is_ok_and(|path| !unsent::is_unsent(&path)));
        if !self.is_live {
            self.cache.insert(self.folder, path, entry);
        }
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
                    return serve(entry.add(variant), self.exchange.needs_bytes);
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
        match entry.choose(self.exchange.request, None) {
            Choice::Form(at) => serve(&entry.variants[at], self.exchange.needs_bytes),
            Choice::Make(_) | Choice::Refused => refused(),
        }
    }

    /// Answers with a form that was made for this request, or with the file as it is.
    fn compressed(&mut self, path: &[u8], made: Made) -> Answer {
        let Made { content, media_type, coding, form } = made;
        self.others = doors::others(self.files, self.exchange, path, &content.path);
        let Some(form) = form else {
            let (now, wall_seconds) = (self.now, self.wall_seconds);
            let plain = Variant::new(Coding::Identity, content, media_type, now, wall_seconds);
            return serve(&plain, self.exchange.needs_bytes);
        };
        self.counters.add(Counter::PagesCompressed, 1);
        let place = (content.path, content.stat);
        let variant = Variant::made(coding, place, form, media_type, self.wall_seconds);
        let answer = serve(&variant, self.exchange.needs_bytes);
        if let Some(mut entry) = self.cache.take(self.folder, path) {
            if entry.plain().stat == variant.stat {
                entry.add(variant);
            }
            self.cache.insert(self.folder, path, entry);
        }
        answer
    }

    fn wait(&self, path: &[u8], task: Task) -> Answer {
        let (folder, path, varies) = (Arc::clone(self.folder), path.to_vec(), self.varies);
        Answer::Wait(Job(Work::Read(Read { folder, path, varies, task })))
    }

    /// Tells caches by what field of the request an answer was chosen, where one was; and whose
    /// guards have to let it out.
    fn finish(self, answer: Answer) -> Answer {
        let Answer::Ready(mut response) = answer else { return answer };
        if self.varies {
            response = response.with(Line::fixed("vary", "accept"));
        }
        doors::guarded(response, self.others)
    }
}

/// The answer with one form of a page.
fn serve(variant: &Variant, needs_bytes: bool) -> Answer {
    Answer::Ready(Response {
        prepared: Some(Rc::clone(&variant.prepared)),
        body: variant.body(needs_bytes),
        ..Response::empty(Status::OK)
    })
}

/// The client takes none of the forms that there are.
fn refused() -> Answer {
    Answer::Ready(Response::empty(Status::NOT_ACCEPTABLE).with(variant::VARY))
}

/// The page for 404: no validators, since it stands for nothing that could be asked for again.
fn not_found_page(loaded: Loaded) -> Answer {
    let Loaded::Page(page) = loaded else { return status(Status::NOT_FOUND) };
    let lines = vec![
        Line::fixed("content-type", "text/html; charset=utf-8"),
        Line::fixed("x-content-type-options", "nosniff"),
    ];
    let body = page.plain.into_body();
    Answer::Ready(Response { lines, body, ..Response::empty(Status::NOT_FOUND) })
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
    Answer::Ready(crate::failed(Status::SERVICE_UNAVAILABLE))
}

fn status(status: Status) -> Answer {
    Answer::Ready(Response::empty(status))
}
