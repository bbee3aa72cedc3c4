//! Where log files come from: this process opens them by their paths, or is given them by one that
//! may do more.

use net::stream::Sink;
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Where log files come from.
#[derive(Debug, Default)]
pub struct LogFiles {
    /// Those that were given and not taken yet, by their places among the targets of the plan.
    given: Option<Mutex<HashMap<usize, io::Result<Sink>>>>,
}

impl LogFiles {
    /// They are opened by their paths.
    #[must_use]
    pub fn by_path() -> Self {
        Self::default()
    }

    /// They are given, before a log is opened and before it is opened anew.
    #[must_use]
    pub fn given() -> Self {
        Self { given: Some(Mutex::default()) }
    }

    /// Gives the file for a target, or the reason why there is no new one.
    pub fn give(&self, target: usize, file: io::Result<Sink>) {
        if let Some(given) = &self.given {
            given.lock().unwrap_or_else(PoisonError::into_inner).insert(target, file);
        }
    }

    /// The file for a target; `None` where there is no other than the one that it has.
    pub(crate) fn open(&self, target: usize, path: &Path) -> io::Result<Option<Sink>> {
        match &self.given {
            None => net::stream::append_to(path).map(Some),
            Some(given) => {
                let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
                given.remove(&target).transpose()
            }
        }
    }
}
