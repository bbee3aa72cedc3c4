//! Which program a path names, as far as it lies in the folder: a file whose name ends in `.php`.

use super::{
    Done, Job,
    folder::Folder,
    job::{Opening, Outcome, Work},
};
use base::Moment;
use config::plan::Files;
use fastcgi::Program;
use net::{FindError, Kind, Patience};
use std::{rc::Rc, sync::Arc};

/// A search for a program, which may block.
#[derive(Debug)]
pub(crate) struct Search {
    folder: Arc<Folder>,
    path: Vec<u8>,
    /// Whether it is for the one that answers for what is not there.
    pub(crate) is_last: bool,
}

/// The programs that were found in this tick of the loop's clock: in so short a time nobody looks
/// again.
#[derive(Debug, Default)]
pub(crate) struct Lately {
    tick: Moment,
    /// Each with the opening of its folder, which no other one has, and the path that named it.
    programs: Vec<(u64, Vec<u8>, Rc<Program>)>,
}

/// What came of a search.
pub(crate) type Found = Result<Option<Program>, FindError>;

/// What a job of this action did.
pub(crate) enum Progress {
    /// It has looked for a program.
    Searched(Found, bool),
    /// It has opened a folder, or could not.
    Opened(Opening),
    /// It was one of files.
    Files(Done),
}

impl Lately {
    /// So many are known at a time.
    const PROGRAMS_MAX: usize = 32;

    /// The program that `path` names in `folder`, if that was found in the tick that is now.
    pub(crate) fn find(&self, folder: &Folder, path: &[u8], now: Moment) -> Option<Rc<Program>> {
        let is_it = |(opening, named, _): &&(u64, Vec<u8>, Rc<Program>)| {
            *opening == folder.opening && named == path
        };
        let known = self.programs.iter().find(is_it).filter(|_| self.tick == now);
        known.map(|(.., program)| Rc::clone(program))
    }

    /// Takes down that `path` names `program` in `folder`.
    pub(crate) fn put(&mut self, folder: &Folder, path: &[u8], program: &Rc<Program>, now: Moment) {
        if self.tick != now || self.programs.len() >= Self::PROGRAMS_MAX {
            self.programs.clear();
            self.tick = now;
        }
        self.programs.push((folder.opening, path.to_vec(), Rc::clone(program)));
    }
}

impl Search {
    /// The program that `path` names in `folder`: what comes first in it and is a file.
    pub(crate) fn new(folder: &Arc<Folder>, path: &[u8], is_last: bool) -> Self {
        Self { folder: Arc::clone(folder), path: path.to_vec(), is_last }
    }

    /// Looks without waiting; as an error the job that does it with patience.
    pub(crate) fn now(self) -> Result<Found, Job> {
        match self.seek(Patience::Now) {
            Err(FindError::WouldBlock) => Err(Job(Work::Program(self))),
            found => Ok(found),
        }
    }

    pub(super) fn run(self) -> Outcome {
        Outcome::Searched(self.seek(Patience::Wait), self.is_last)
    }

    pub(super) fn folder_id(&self) -> usize {
        self.folder.id
    }

    fn seek(&self, patience: Patience) -> Found {
        let path = &self.path;
        let is_end = |at: &usize| *at == path.len() || path[*at] == b'/';
        for end in (1..=path.len()).filter(is_end).filter(|&end| path[..end].ends_with(b".php")) {
            match self.folder.root.find(&path[..end], patience) {
                Ok(found) if found.stat.kind == Kind::File => {
                    return Ok(Some(Program {
                        root: self.folder.root.real().to_vec(),
                        file: path[..end].to_vec(),
                        path_info: path[end..].to_vec(),
                    }));
                }
                Ok(_) => {}
                // Nothing lies below what is not there.
                Err(FindError::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl Done {
    /// What the job did, for who runs programs of the folder of `files`.
    pub(crate) fn progress(self) -> Progress {
        match self.0 {
            Outcome::Searched(found, is_last) => Progress::Searched(found, is_last),
            Outcome::Opened(opened) => Progress::Opened(opened),
            read @ Outcome::Read { .. } => Progress::Files(Self(read)),
        }
    }
}

/// The job that opens the folder of `files`, and the number that it has.
pub(crate) fn opening(wanted: &'static config::plan::Folder) -> Job {
    Job(Work::Open(wanted))
}

/// The paths of the program at `file`, as `files` are looked up below the folder, by which it is
/// asked for: what the `*` of an alias does not stand for comes before it.
pub(crate) fn named(files: &Files, asked: &message::Path<'_>, file: &[u8]) -> Vec<u8> {
    let asked_bytes = asked.as_bytes();
    let below = asked.below(files.segments_skipped);
    let before = asked_bytes.strip_suffix(below.as_bytes()).unwrap_or_default();
    [before, file].concat()
}
