//! The log files, which this process opens for all workers: it may do more than they.
//!
//! They may lie on a disk that stops answering, and this process is to go on all the same. A config
//! is checked by another process, which opens them first; what else there is to do about them is
//! done by a thread.

use config::Blueprint;
use net::{aside::Aside, stream::Sink};
use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// How long a line may take whose disk is not known to be slow, and the last ones.
const MOMENT: Duration = Duration::from_millis(100);
const LAST_LINES_TIME: Duration = Duration::from_secs(1);

/// Log files that are open, by their paths.
#[derive(Debug, Default)]
pub(crate) struct LogFiles {
    open: HashMap<PathBuf, Arc<Sink>>,
    aside: Aside,
}

/// What has come of opening files anew.
pub(crate) type Reopened = Vec<(PathBuf, io::Result<Sink>)>;

impl LogFiles {
    /// Opens those of `blueprint` that are not open yet.
    ///
    /// # Errors
    /// In words: one of them cannot be opened.
    pub(crate) fn open(&mut self, blueprint: &Blueprint) -> Result<(), String> {
        for (_, path) in &blueprint.logs {
            if !self.open.contains_key(path) {
                let refused = |error: io::Error| {
                    format!("error: a log cannot be opened: {}: {error}", path.display())
                };
                let file = net::stream::append_to(path).map_err(refused)?;
                self.open.insert(path.clone(), Arc::new(file));
            }
        }
        Ok(())
    }

    /// Opens all anew, since somebody has moved them away, and tells what has come of that.
    pub(crate) fn reopen(&mut self, tell: impl FnOnce(Reopened) + Send + 'static) {
        let paths: Vec<_> = self.open.keys().cloned().collect();
        self.aside.run(move || {
            let open = |path: PathBuf| {
                let file = net::stream::append_to(&path);
                (path, file)
            };
            tell(paths.into_iter().map(open).collect());
        });
    }

    /// Takes those that could be opened anew; tells of the others, which stay as they are.
    pub(crate) fn take(&mut self, reopened: Reopened) -> HashMap<PathBuf, String> {
        let mut kept = HashMap::new();
        for (path, file) in reopened {
            match (self.open.get_mut(&path), file) {
                (Some(open), Ok(file)) => *open = Arc::new(file),
                (Some(_), Err(error)) => _ = kept.insert(path, error.to_string()),
                // Nobody has a use for it any more.
                (None, _) => {}
            }
        }
        kept
    }

    /// Closes those that none of `blueprints` names.
    pub(crate) fn keep<'b>(&mut self, blueprints: impl Iterator<Item = &'b Blueprint> + Clone) {
        self.open.retain(|path, _| {
            let mut logs = blueprints.clone().flat_map(|blueprint| &blueprint.logs);
            logs.any(|(_, known)| known == path)
        });
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &PathBuf) -> Option<BorrowedFd<'_>> {
        self.open.get(path).map(|file| file.as_fd())
    }

    /// Writes a line of this process's own to the error log of `blueprint`. Nobody waits for long
    /// for a disk, nor for whoever reads standard error.
    pub(crate) fn write(&mut self, blueprint: &Blueprint, line: Vec<u8>) {
        let Some(errors) = &blueprint.errors else { return };
        match &errors.file {
            Some(path) => {
                let Some(file) = self.open.get(path).cloned() else { return };
                let is_idle = self.aside.is_idle();
                // A disk that is full keeps nobody from serving.
                self.aside.run(move || _ = file.append(&line));
                // Who is answered next is to find the line, where the disk is as it should be.
                if is_idle {
                    self.aside.settle(MOMENT);
                }
            }
            None => net::stream::try_to_tell(&line),
        }
    }

    /// Waits until the last lines are written, for a second at most.
    pub(crate) fn settle(&self) {
        self.aside.settle(LAST_LINES_TIME);
    }
}
