//! Work of files that may block, what is to be done and what came of it.

use super::{
    folder::Folder,
    load::{self, Loaded, Siblings, Wish},
    making::{Made, Making},
    program::{self, Search},
    slash::with_slash,
    survey,
};
use crate::listing::{Listing, View};
use base::Held;
use config::plan::{self, RenderError, Template};
use net::{FindError, RootError, Stat};
use std::sync::Arc;

/// Work on the file system that may block, for the pool.
#[derive(Debug)]
pub struct Job(pub(super) Work);

#[derive(Debug)]
pub(super) enum Work {
    /// Open a folder.
    Open(&'static plan::Folder),
    /// Read what lies in one.
    Read(Read),
    /// Look for a program in one.
    Program(Search),
}

/// Work in a folder.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) folder: Arc<Folder>,
    pub(super) path: Vec<u8>,
    /// Whether the answer hangs on what the client accepts.
    pub(super) varies: bool,
    pub(super) task: Task,
}

#[derive(Debug)]
pub(super) enum Task {
    /// Load what the path names.
    Page(Wish),
    /// Load the page of the folder that the path names without a slash.
    Index(Wish),
    /// Load what is sent where a page is missing.
    Fallback(Wish),
    /// Find out whether the page's folder holds precompressed files.
    Survey,
    /// Load the page that says that something is missing.
    NotFoundPage,
    /// Read the folder's entries and bring them into order; they are counted among all that wait
    /// for clients.
    Listing(View, Option<Arc<Template>>, Held),
    /// Make a compressed form of a page.
    Compress(Box<Making>),
}

/// What came of opening the folder of that number.
pub(crate) type Opening = (usize, Result<Folder, RootError>);

/// A job that has been done.
pub struct Done(pub(super) Outcome);

pub(super) enum Outcome {
    Opened(Opening),
    /// What came of a search, and whether it was the last one.
    Searched(program::Found, bool),
    Read {
        folder: Arc<Folder>,
        path: Vec<u8>,
        varies: bool,
        found: Found,
    },
}

/// What a reading job found.
pub(super) enum Found {
    Loaded(Loaded),
    Index(Loaded),
    Fallback(Loaded),
    NotFoundPage(Loaded),
    Surveyed(Option<(Siblings, Stat)>),
    Listed(Result<Listing, FindError>, Result<(), RenderError>),
    Compressed(Made),
}

impl Job {
    /// Which folder the job reads, so that one stalled folder cannot fill the pool.
    #[must_use]
    pub fn folder_id(&self) -> usize {
        match &self.0 {
            Work::Open(wanted) => wanted.id,
            Work::Read(read) => read.folder.id,
            Work::Program(search) => search.folder_id(),
        }
    }

    /// Whether it comes to a listing, which holds the names of a whole folder until it is sent.
    #[must_use]
    pub fn is_listing(&self) -> bool {
        matches!(&self.0, Work::Read(Read { task: Task::Listing(..), .. }))
    }

    /// Does it, however long that takes; never called on a loop.
    #[must_use]
    pub fn run(self) -> Done {
        Done(match self.0 {
            Work::Open(wanted) => Outcome::Opened((wanted.id, Folder::open(wanted))),
            Work::Read(read) => read.run(),
            Work::Program(search) => search.run(),
        })
    }

    /// What is done instead where the pool has too much to do: what was to be compressed is sent
    /// as it is. There is nothing instead of the other jobs.
    #[must_use]
    pub fn decline(self) -> Option<Done> {
        let Work::Read(Read { folder, path, varies, task: Task::Compress(making) }) = self.0 else {
            return None;
        };
        let found = Found::Compressed(making.decline());
        Some(Done(Outcome::Read { folder, path, varies, found }))
    }
}

impl Read {
    fn run(self) -> Outcome {
        let Self { folder, path, varies, task } = self;
        let found = match task {
            Task::Page(wish) => Found::Loaded(load::wait(&folder, &path, wish)),
            Task::Index(wish) => Found::Index(load::wait(&folder, &with_slash(&path), wish)),
            Task::Fallback(wish) => Found::Fallback(load::wait(&folder, &path, wish)),
            Task::Survey => Found::Surveyed(survey::take(&folder, survey::parent(&path)).ok()),
            Task::NotFoundPage => {
                Found::NotFoundPage(load::wait(&folder, &path, Wish::new(Siblings::Unasked)))
            }
            Task::Listing(view, template, held) => {
                let mut listing = load::list(&folder, &path, view, &held);
                let rendered = match (&mut listing, template) {
                    (Ok(listing), Some(template)) => listing.render(&template),
                    _ => Ok(()),
                };
                Found::Listed(listing, rendered)
            }
            Task::Compress(making) => Found::Compressed(making.run()),
        };
        Outcome::Read { folder, path, varies, found }
    }
}
