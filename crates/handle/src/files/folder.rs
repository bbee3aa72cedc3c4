//! The folders that sites serve files of, and which names below them are never served.

use base::Moment;
use config::{plan, unsent};
use message::Path;
use net::{Root, RootError};
use std::{sync::Arc, time::Duration};

/// How often a folder in use is compared with what its path leads to.
const IN_PLACE_TIME: Duration = Duration::from_secs(1);

/// The folders of all sites as one loop sees them.
///
/// A folder that was replaced by another of its name (built anew, or a link that was turned to a
/// new release) is noticed within a second of use; until the new one is there the old one stays.
/// One on a file system that may stall is kept as it is.
pub struct Folders(Vec<Place>);

struct Place {
    wanted: &'static plan::Folder,
    folder: Arc<Folder>,
    checked: Moment,
}

impl Folders {
    /// The folders that were opened for `wanted`, in the order of their numbers.
    #[must_use]
    pub fn new(
        wanted: impl Iterator<Item = &'static plan::Folder>,
        folders: &[Arc<Folder>],
    ) -> Self {
        let place = |(wanted, folder): (_, &Arc<Folder>)| Place {
            wanted,
            folder: Arc::clone(folder),
            checked: Moment(0),
        };
        Self(wanted.zip(folders).map(place).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The folder number `id` as it is now.
    pub(super) fn current(&mut self, id: usize, now: Moment) -> Option<&Arc<Folder>> {
        let place = self.0.get_mut(id)?;
        if now.since(place.checked) >= IN_PLACE_TIME {
            place.checked = now;
            if !place.folder.root.is_in_place()
                && let Ok(folder) = Folder::open(place.wanted)
            {
                place.folder = Arc::new(folder);
            }
        }
        Some(&place.folder)
    }
}

/// A folder that a site serves files of.
#[derive(Debug)]
pub struct Folder {
    /// Its number among all folders.
    pub(super) id: usize,
    pub(super) root: Root,
    /// Names that stand for the folder itself, the first that exists wins.
    pub(super) index: Vec<String>,
    /// Whether a folder without an index file shows what is in it.
    pub(super) listing: bool,
}

impl Folder {
    /// Opens the folder and the trees that its links may enter.
    ///
    /// # Errors
    /// The root or one of the link trees is missing or may not be read; the error names it.
    pub fn open(wanted: &plan::Folder) -> Result<Self, RootError> {
        Ok(Self {
            id: wanted.id,
            root: Root::open(&wanted.root, &wanted.links)?,
            index: wanted.index.clone(),
            listing: wanted.listing,
        })
    }
}

/// Whether a listing shows the name: what is never served is not listed either. A path cannot hold
/// control characters.
pub(super) fn is_shown(name: &[u8]) -> bool {
    let is_sent = !name.is_empty() && !unsent::is_dotfile(name) && !unsent::is_source(name);
    is_sent && !name.iter().any(u8::is_ascii_control)
}

/// Whether some segment is a dotfile. `/.well-known/` is public by its purpose (RFC 8615).
pub(super) fn is_hidden(path: &Path<'_>) -> bool {
    path.segments()
        .enumerate()
        .any(|(at, name)| unsent::is_dotfile(name) && !(at == 0 && name == b".well-known"))
}

/// Whether some segment is the name of PHP source.
pub(super) fn is_source(path: &Path<'_>) -> bool {
    path.segments().any(unsent::is_source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_source_wherever_it_stands_in_a_path() {
        for source in ["/x.php", "/x.php%20", "/x.php/", "/x.php/info", "/a/.php"] {
            assert!(is_source(&Path::parse(source).unwrap()), "{source}");
        }
        assert!(!is_source(&Path::parse("/php/x.html").unwrap()));
    }

    #[test]
    fn dotfiles_are_hidden_but_the_well_known() {
        for hidden in ["/.git/config", "/a/.env", "/%2egit/", "/a/.well-known/x"] {
            assert!(is_hidden(&Path::parse(hidden).unwrap()), "{hidden}");
        }
        for open in ["/", "/a.b", "/.well-known/acme", "/a./b"] {
            assert!(!is_hidden(&Path::parse(open).unwrap()), "{open}");
        }
    }
}
