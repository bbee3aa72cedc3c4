//! The thread that watches the files of `gannet PATH --live` and tells the pages that are open.

use handle::live::{Change, Changes};
use net::changes::{Burst, Limit, Watcher};
use std::{io, path::Path, sync::Arc, thread, time::Duration};

/// How long nothing may be said to a page: what is said then finds out which of them have gone.
const BEAT_TIME: Duration = Duration::from_secs(15);

/// A folder whose changes will be told to the pages that are open.
pub struct Live {
    watcher: Watcher,
}

impl Live {
    /// Begins to watch `root`.
    ///
    /// # Errors
    ///
    /// The folder cannot be read, or the user has no watches left.
    pub fn watch(root: &Path) -> io::Result<Self> {
        Ok(Self { watcher: Watcher::new(root, is_watched)? })
    }

    /// How many folders are watched.
    #[must_use]
    pub fn folders(&self) -> usize {
        self.watcher.folders()
    }

    /// Why not all are, where they are not.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.watcher.limit()
    }

    /// Watches from now on, on a thread of its own that lasts as long as the process.
    pub(crate) fn start(self) -> io::Result<Arc<Changes>> {
        let wall = net::clock::wall().seconds.unsigned_abs();
        let changes = Arc::new(Changes::new(wall.saturating_mul(1000)));
        let told = Arc::clone(&changes);
        let mut watcher = self.watcher;
        let follow = move || {
            // Where the kernel tells nothing more, the pages are still served.
            while let Ok(burst) = watcher.wait(BEAT_TIME) {
                match burst {
                    Some(burst) => told.note(change(&burst)),
                    None => told.beat(),
                }
            }
        };
        thread::Builder::new().name("gannet-live".to_owned()).spawn(follow)?;
        Ok(changes)
    }
}

/// Whether a change of that name can be a change of the site: what is never sent is not, nor are
/// the backups of editors.
fn is_watched(name: &[u8]) -> bool {
    handle::files::is_shown(name) && !name.ends_with(b"~")
}

/// What a page has to do after `burst`.
fn change(burst: &Burst) -> Change {
    let is_style = |path: &Path| path.extension().is_some_and(|ending| ending == "css");
    let has_only_style = !burst.paths.is_empty() && burst.paths.iter().all(|path| is_style(path));
    if has_only_style { Change::Style } else { Change::Page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_style_sheets_are_changed_in_place() {
        let check = |paths: &[&str], expect| {
            let paths = paths.iter().map(Into::into).collect();
            assert_eq!(change(&Burst { paths }), expect);
        };
        check(&["a.css", "b/c.css"], Change::Style);
        check(&["a.css", "index.html"], Change::Page);
        check(&["css"], Change::Page);
        check(&[], Change::Page);
    }

    #[test]
    fn what_is_no_part_of_the_site_is_not_watched() {
        for (name, expect) in
            [("a.css", true), (".git", false), ("a.css~", false), ("x.php", false)]
        {
            assert_eq!(is_watched(name.as_bytes()), expect, "{name}");
        }
    }
}
