//! The log files, which this process opens for all workers: it may do more than they.

use config::Blueprint;
use net::stream::Sink;
use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
};

/// Log files that are open, by their paths.
#[derive(Debug, Default)]
pub(crate) struct LogFiles(HashMap<PathBuf, Sink>);

impl LogFiles {
    /// Opens those of `blueprint` that are not open yet.
    ///
    /// # Errors
    /// In words: one of them cannot be opened.
    pub(crate) fn open(&mut self, blueprint: &Blueprint) -> Result<(), String> {
        for (_, path) in &blueprint.logs {
            if !self.0.contains_key(path) {
                let refused = |error: io::Error| {
                    format!("error: a log cannot be opened: {}: {error}", path.display())
                };
                let file = net::stream::append_to(path).map_err(refused)?;
                self.0.insert(path.clone(), file);
            }
        }
        Ok(())
    }

    /// Opens all anew, since somebody has moved them away; tells of those that cannot be, which
    /// stay as they are.
    pub(crate) fn reopen(&mut self) -> HashMap<PathBuf, String> {
        let mut kept = HashMap::new();
        for (path, file) in &mut self.0 {
            match net::stream::append_to(path) {
                Ok(new) => *file = new,
                Err(error) => {
                    kept.insert(path.clone(), error.to_string());
                }
            }
        }
        kept
    }

    /// Closes those that none of `blueprints` names.
    pub(crate) fn keep<'b>(&mut self, blueprints: impl Iterator<Item = &'b Blueprint> + Clone) {
        self.0.retain(|path, _| {
            let mut logs = blueprints.clone().flat_map(|blueprint| &blueprint.logs);
            logs.any(|(_, known)| known == path)
        });
    }

    /// The file at `path`.
    pub(crate) fn file(&self, path: &PathBuf) -> Option<BorrowedFd<'_>> {
        self.0.get(path).map(AsFd::as_fd)
    }

    /// Writes a line of this process's own to the error log of `blueprint`. Nobody waits for
    /// whoever reads standard error.
    pub(crate) fn write(&mut self, blueprint: &Blueprint, line: &[u8]) {
        let Some(errors) = &blueprint.errors else { return };
        match &errors.file {
            Some(path) => {
                // A disk that is full keeps nobody from serving.
                let _ = self.0.get_mut(path).map(|file| file.append(line));
            }
            None => net::stream::try_to_tell(line),
        }
    }
}
