//! What a config asks about the machine it is for, so that this room need not look itself.

use std::path::{Path, PathBuf};

/// The machine that a config is resolved for.
pub trait World {
    /// The folder that relative paths start from; absolute.
    fn base(&self) -> &Path;

    /// Whether `path` is a folder that can be read.
    ///
    /// # Errors
    ///
    /// A sentence that names the component of the path that is missing, denied or no folder.
    fn check_folder(&self, path: &Path) -> Result<(), String>;

    /// Whether standard output, where log lines go unless a file is named, is a terminal.
    fn is_terminal(&self) -> bool;

    /// Whether standard error, where lines of the error log go unless a file is named, is one.
    fn is_error_terminal(&self) -> bool;
}

/// The path that `text` names, seen from the config's folder.
pub(crate) fn absolute(text: &str, world: &dyn World) -> PathBuf {
    // Taken apart and put together again, it has no `.` and no doubled slashes left.
    world.base().join(text).components().collect()
}
