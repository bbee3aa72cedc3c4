//! What the process that has certificates issued stands on: what it gives up before it has heard of
//! anybody, and what it has left open then.

use crate::{keep, visit};
use config::plan::Issuing;
use net::{
    folder::Folder,
    sandbox::{Confinement, be_modest, be_nice},
};
use std::io;

/// Gives up all else, before there are threads.
pub(super) fn enter(walls: Option<&Confinement>) -> io::Result<()> {
    be_nice()?;
    match walls {
        Some(walls) => {
            // What is not there yet is nothing that could be written in later.
            walls.write.iter().for_each(|folder| _ = Folder::make(folder));
            walls.enter().map(drop)
        }
        None => be_modest(),
    }
}

/// The folder and the files that it reaches: walls are around those of one moment, whatever bears
/// their names later.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ground {
    folder: Option<keep::Identity>,
    files: Vec<Option<keep::Identity>>,
}

impl Ground {
    /// What is there now.
    pub(super) fn of(issuing: &Issuing) -> Self {
        let folder = Some(&*issuing.folder).filter(|folder| folder.is_dir());
        let files = visit::files().map(keep::identity).collect();
        Self { folder: folder.and_then(keep::identity), files }
    }

    /// Whether there is nowhere to keep anything.
    pub(super) fn has_no_folder(&self) -> bool {
        self.folder.is_none()
    }
}
