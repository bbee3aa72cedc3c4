//! Which folders hold precompressed files at all: in all others nobody need look for them.
//!
//! Asking the disk for three siblings of each page costs more than reading a small page. One look
//! through a folder's names answers for all its pages, until the folder changes.

use super::{folder::Folder, load::Siblings};
use base::Moment;
use net::{FindError, Patience, Stat};
use std::{collections::HashMap, time::Duration};

/// How long a survey is believed before the folder is asked whether it has changed.
const BELIEF_TIME: Duration = Duration::from_secs(1);

/// Names of a folder that are looked through; a larger one is taken to hold siblings.
const NAMES_MAX: usize = 100_000;

/// Folders that are remembered, for each loop; then all are forgotten.
const FOLDERS_MAX: usize = 10_000;

/// What the names of precompressed files end in.
const ENDINGS: [&[u8]; 3] = [b".br", b".zst", b".gz"];

/// What is known of the folders below all roots.
pub(super) struct Surveys {
    by_root: Vec<HashMap<Box<[u8]>, Survey>>,
    count: usize,
}

/// What is known of one folder.
pub(super) struct Survey {
    /// `Absent` or, where some page has one, `Sought`.
    siblings: Siblings,
    /// The folder as it was before its names were read.
    stat: Stat,
    checked: Moment,
}

impl Surveys {
    pub(super) fn new(roots: usize) -> Self {
        let by_root = std::iter::repeat_with(HashMap::new).take(roots).collect();
        Self { by_root, count: 0 }
    }

    /// What to do about the siblings of pages in the folder `path`; `None` where it must be
    /// surveyed.
    ///
    /// Of a folder that has just changed only the first to notice is sent to survey it anew; until
    /// that is done the others look for siblings page by page.
    pub(super) fn ask(&mut self, folder: &Folder, path: &[u8], now: Moment) -> Option<Siblings> {
        let survey = self.by_root.get_mut(folder.id)?.get_mut(path)?;
        if now.since(survey.checked) < BELIEF_TIME {
            return Some(survey.siblings);
        }
        survey.checked = now;
        if folder.root.stat(path).is_ok_and(|stat| stat == survey.stat) {
            return Some(survey.siblings);
        }
        survey.siblings = Siblings::Sought;
        None
    }

    /// Remembers what a survey found.
    pub(super) fn note(
        &mut self,
        folder: &Folder,
        path: &[u8],
        found: (Siblings, Stat),
        now: Moment,
    ) {
        if self.count >= FOLDERS_MAX {
            self.by_root.iter_mut().for_each(HashMap::clear);
            self.count = 0;
        }
        let (siblings, stat) = found;
        let survey = Survey { siblings, stat, checked: now };
        if let Some(folders) = self.by_root.get_mut(folder.id)
            && folders.insert(path.into(), survey).is_none()
        {
            self.count += 1;
        }
    }
}

/// Looks through the names in the folder `path`; blocks.
pub(super) fn take(folder: &Folder, path: &[u8]) -> Result<(Siblings, Stat), FindError> {
    let stat = folder.root.find(path, Patience::Wait)?.stat;
    let is_sibling = |name: &[u8]| ENDINGS.iter().any(|ending| name.ends_with(ending));
    let some = folder.root.any_name(path, NAMES_MAX, is_sibling)?;
    Ok((if some { Siblings::Sought } else { Siblings::Absent }, stat))
}

/// The folder that `path` lies in, with its slash.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    &path[..end]
}
