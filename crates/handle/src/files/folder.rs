//! The folders that sites serve files of, and which names below them are never served.

use base::Moment;
use config::plan;
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
    /// Names that stand for the folder itself, the first that exists wins. What is never served by
    /// its own name is not served by the folder's either.
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
            index: wanted.index.iter().filter(|name| is_shown(name.as_bytes())).cloned().collect(),
            listing: wanted.listing,
        })
    }
}

/// Whether a listing shows the name: what is never served is not listed either. A path cannot hold
/// control characters.
pub(super) fn is_shown(name: &[u8]) -> bool {
    let is_hidden = name.first().is_none_or(|&byte| byte == b'.');
    !is_hidden && !is_source_name(name) && !name.iter().any(u8::is_ascii_control)
}

/// Whether some segment is a dotfile. `/.well-known/` is public by its purpose (RFC 8615).
pub(super) fn is_hidden(path: &Path<'_>) -> bool {
    path.segments()
        .enumerate()
        .any(|(at, segment)| segment[0] == b'.' && !(at == 0 && segment == b".well-known"))
}

/// Endings of names that hold program source; see [`is_source`].
const SOURCE: [&[u8]; 4] = [b".php", b".phtml", b".phar", b".pht"];

/// Whether a name is PHP source or a copy of one: `x.php`, `x.PHP`, `x.php7`, `x.php~`,
/// `x.php.bak`, `x.php.`, `x.phtml`. Never sent, whatever else is configured: a site whose PHP does
/// not run must not show its passwords.
pub(super) fn is_source(path: &Path<'_>) -> bool {
    path.segments().any(is_source_name)
}

fn is_source_name(name: &[u8]) -> bool {
    (0..name.len()).filter(|&at| name[at] == b'.').any(|at| {
        SOURCE.iter().any(|ending| {
            name[at..].split_at_checked(ending.len()).is_some_and(|(head, tail)| {
                head.eq_ignore_ascii_case(ending)
                    && !tail.first().is_some_and(|byte| byte.is_ascii_alphabetic())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_known_by_any_of_its_names() {
        for source in [
            "/x.php",
            "/x.PHP",
            "/x.php7",
            "/x.php~",
            "/x.php.bak",
            "/x.php.",
            "/x.php%20",
            "/x.php/",
            "/x.php/info",
            "/x.phtml",
            "/x.phar",
            "/a.b.pht",
            "/.php",
        ] {
            assert!(is_source(&Path::parse(source).unwrap()), "{source}");
        }
        for other in ["/php", "/x.phpx", "/x.html", "/php.html", "/x.photo", "/phpinfo.txt"] {
            assert!(!is_source(&Path::parse(other).unwrap()), "{other}");
        }
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
