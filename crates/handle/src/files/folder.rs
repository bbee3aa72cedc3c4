//! The folders that sites serve files of, and which names below them are never served.

use base::Moment;
use config::{plan, unsent};
use net::{Root, RootError};
use std::{sync::Arc, time::Duration};

/// How often a folder in use is compared with what its path leads to.
const IN_PLACE_TIME: Duration = Duration::from_secs(1);

/// Descriptors of roots, and of the trees that their links may enter, which a process keeps open at
/// most, shared out among its loops. Each loop opens its own, so that none has to ask the others;
/// what is opened once more than this closes a folder that nobody has asked for of late.
pub const ROOT_DESCRIPTORS_MAX: usize = 1024;

/// The folders of all sites as one loop sees them, each opened when it is first asked for.
///
/// A folder that was replaced by another of its name (built anew, or a link that was turned to a
/// new release) is noticed within a second of use; until the new one is there the old one stays.
/// One on a file system that may stall is kept as it is.
pub struct Folders {
    places: Vec<Place>,
    /// The numbers of those that are open, in a ring for the hand that closes them.
    open: Vec<usize>,
    hand: usize,
    descriptors: usize,
    descriptors_max: usize,
    /// How many have been opened so far.
    openings: u64,
}

struct Place {
    wanted: &'static plan::Folder,
    folder: Option<Arc<Folder>>,
    checked: Moment,
    was_used: bool,
}

impl Folders {
    /// The folders of a plan, none of them open; `descriptors_max` are kept open at a time, or one
    /// folder where that takes more.
    #[must_use]
    pub fn new(wanted: &'static [plan::Folder], descriptors_max: usize) -> Self {
        let place = |wanted| Place { wanted, folder: None, checked: Moment(0), was_used: false };
        let places = wanted.iter().map(place).collect();
        let (open, hand, descriptors) = (Vec::new(), 0, 0);
        Self { places, open, hand, descriptors, descriptors_max, openings: 0 }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// The folder number `id`; as an error what has to be opened first, which may block. That may
    /// be asked for again after a while, to see whether it is still the same.
    pub(crate) fn current(
        &mut self,
        id: usize,
        now: Moment,
    ) -> Option<Result<&Arc<Folder>, &'static plan::Folder>> {
        let place = self.places.get_mut(id)?;
        place.was_used = true;
        let Some(folder) = &place.folder else { return Some(Err(place.wanted)) };
        if now.since(place.checked) >= IN_PLACE_TIME {
            place.checked = now;
            if !folder.root.is_in_place() {
                return Some(Err(place.wanted));
            }
        }
        Some(Ok(folder))
    }

    /// Whether the folder number `id` is open.
    pub(super) fn is_open(&self, id: usize) -> bool {
        self.places.get(id).is_some_and(|place| place.folder.is_some())
    }

    /// Keeps a folder that was opened, unless it is the one that is open already.
    pub(super) fn keep(&mut self, mut folder: Folder, now: Moment) {
        let Some(place) = self.places.get_mut(folder.id) else { return };
        place.checked = now;
        if place.folder.as_ref().is_some_and(|open| open.root.is_same(&folder.root)) {
            return;
        }
        self.close(folder.id);
        let (id, descriptors) = (folder.id, folder.root.descriptors());
        while !self.open.is_empty() && self.descriptors + descriptors > self.descriptors_max {
            self.close_one();
        }
        self.openings += 1;
        folder.opening = self.openings;
        self.descriptors += descriptors;
        self.open.push(id);
        self.places[id].folder = Some(Arc::new(folder));
    }

    /// Moves the hand on to the next folder that was not asked for since its last round, and closes
    /// that.
    fn close_one(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.open.len();
            let place = &mut self.places[self.open[self.hand]];
            if !std::mem::take(&mut place.was_used) {
                return self.close(self.open[self.hand]);
            }
        }
    }

    /// Closes the folder number `id`, if it is open, as soon as no job reads it any more.
    fn close(&mut self, id: usize) {
        let Some(folder) = self.places[id].folder.take() else { return };
        self.descriptors -= folder.root.descriptors();
        self.open.retain(|&open| open != id);
    }
}

/// A folder that a site serves files of.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Its number among all folders.
    pub(super) id: usize,
    pub(crate) root: Root,
    /// Tells it from what was open under its number before and will be after it.
    pub(super) opening: u64,
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
    pub(super) fn open(wanted: &plan::Folder) -> Result<Self, RootError> {
        Ok(Self {
            id: wanted.id,
            root: Root::open(&wanted.root, &wanted.links)?,
            opening: 0,
            index: wanted.index.clone(),
            listing: wanted.listing,
        })
    }
}

/// Whether a listing shows the name: what is never served is not listed either. A path cannot hold
/// control characters.
#[must_use]
pub fn is_shown(name: &[u8]) -> bool {
    let is_sent = !name.is_empty() && !unsent::is_dotfile(name) && !unsent::is_source(name);
    is_sent && !name.iter().any(u8::is_ascii_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The numbers of `count` folders below a new one, and what a loop knows of them.
    fn folders(count: usize, descriptors_max: usize) -> (tempfile::TempDir, Folders) {
        let all = tempfile::tempdir().unwrap();
        let wanted = (0..count).map(|id| {
            let root = all.path().join(id.to_string());
            fs::create_dir(&root).unwrap();
            plan::Folder { id, root, index: vec![], listing: false, links: vec![] }
        });
        let wanted: &'static [plan::Folder] = wanted.collect::<Vec<_>>().leak();
        (all, Folders::new(wanted, descriptors_max))
    }

    /// Asks for a folder, and opens it if that has to be done first: whether it had to.
    fn ask(folders: &mut Folders, id: usize, now: Moment) -> bool {
        let Err(wanted) = folders.current(id, now).unwrap() else { return false };
        if let Ok(folder) = Folder::open(wanted) {
            folders.keep(folder, now);
        }
        true
    }

    #[test]
    fn folders_are_opened_when_they_are_asked_for_and_no_more_than_so_many_are_kept() {
        let (_all, mut folders) = folders(100, 10);
        let now = Moment(1);
        assert_eq!(folders.open.len(), 0);
        for id in 0..100 {
            assert!(ask(&mut folders, id, now));
            assert!(!ask(&mut folders, id, now));
            // One that is in use all the time stays, whoever comes and goes.
            assert!(!ask(&mut folders, 0, now));
        }
        assert_eq!((folders.open.len(), folders.descriptors), (10, 10));
        let open = (0..100).filter(|&id| folders.is_open(id)).count();
        assert_eq!(open, 10);
    }

    #[test]
    fn a_folder_that_takes_more_than_all_is_kept_alone() {
        let (_all, mut folders) = folders(3, 0);
        for id in [0, 1, 2, 1] {
            assert!(ask(&mut folders, id, Moment(1)));
            assert_eq!(folders.open, [id]);
        }
    }

    #[test]
    fn a_folder_that_was_replaced_is_opened_anew_and_one_that_was_not_is_not() {
        let (all, mut folders) = folders(1, 10);
        let mut now = Moment(1);
        assert!(ask(&mut folders, 0, now));
        now = now.after(IN_PLACE_TIME);
        ask(&mut folders, 0, now);
        assert_eq!(folders.openings, 1);
        let (old, new) = (all.path().join("0"), all.path().join("old"));
        fs::rename(&old, &new).unwrap();
        // Nothing is there: what was there stays.
        now = now.after(IN_PLACE_TIME);
        assert!(ask(&mut folders, 0, now));
        assert!(!ask(&mut folders, 0, now));
        assert_eq!(folders.openings, 1);
        fs::create_dir(&old).unwrap();
        now = now.after(IN_PLACE_TIME);
        assert!(ask(&mut folders, 0, now));
        assert!(!ask(&mut folders, 0, now));
        assert_eq!((folders.openings, folders.open.len(), folders.descriptors), (2, 1, 1));
    }
}
