//! Which folders hold precompressed files at all: in all others nobody need look for them.
//!
//! Asking the disk for three siblings of each page costs more than reading a small page. One look
//! through a folder's names answers for all its pages, until the folder changes.

use super::{
    folder::Folder,
    load::{SIBLINGS, Siblings},
};
use base::Moment;
use net::{FindError, Patience, Stat};
use std::{collections::HashMap, time::Duration};

/// How long a survey is believed before the folder is asked whether it has changed.
const BELIEF_TIME: Duration = Duration::from_secs(1);

/// Names of a folder that are looked through; a larger one is taken to hold siblings.
const NAMES_MAX: usize = 100_000;

/// Folders that are remembered, for each loop; then all are forgotten.
const FOLDERS_MAX: usize = 10_000;

/// A folder changed this recently may change again within the resolution of its times.
const SETTLING_SECONDS: i64 = 2;

/// What is known of the folders below all roots.
pub(super) struct Surveys {
    by_root: Vec<HashMap<Box<[u8]>, Survey>>,
    count: usize,
}

/// What is known of one folder.
pub(super) struct Survey {
    /// `Absent` or, where some page has one, `Sought`.
    siblings: Siblings,
    /// The folder as it was before its names were read; `None` while they are.
    stat: Option<Stat>,
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
    /// Of a folder that is new or has just changed only the first to notice is sent to survey it;
    /// until that is done the others look for siblings page by page.
    pub(super) fn ask(&mut self, folder: &Folder, path: &[u8], now: Moment) -> Option<Siblings> {
        let Some(survey) = self.by_root.get_mut(folder.id)?.get_mut(path) else {
            let survey = Survey { siblings: Siblings::Sought, stat: None, checked: now };
            self.insert(folder, path, survey);
            return None;
        };
        if now.since(survey.checked) < BELIEF_TIME {
            return Some(survey.siblings);
        }
        survey.checked = now;
        if survey.stat.is_some() && folder.root.stat(path).ok() == survey.stat {
            return Some(survey.siblings);
        }
        survey.siblings = Siblings::Sought;
        None
    }

    /// Remembers what a survey found: nothing, if there is no such folder.
    pub(super) fn note(
        &mut self,
        folder: &Folder,
        path: &[u8],
        found: Option<(Siblings, Stat)>,
        now: Moment,
        wall_seconds: i64,
    ) {
        if let Some((siblings, stat)) = found {
            // What has just changed may change again without its times telling: until it has
            // settled, absence is not believed, and the next to ask surveys it again.
            let is_settled = wall_seconds.saturating_sub(stat.changed.seconds) >= SETTLING_SECONDS;
            let (siblings, stat) = match is_settled {
                true => (siblings, Some(stat)),
                false => (Siblings::Sought, None),
            };
            self.insert(folder, path, Survey { siblings, stat, checked: now });
        } else if let Some(folders) = self.by_root.get_mut(folder.id)
            && folders.remove(path).is_some()
        {
            self.count -= 1;
        }
    }

    fn insert(&mut self, folder: &Folder, path: &[u8], survey: Survey) {
        if self.count >= FOLDERS_MAX {
            self.by_root.iter_mut().for_each(HashMap::clear);
            self.count = 0;
        }
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
    let is_sibling = |name: &[u8]| SIBLINGS.iter().any(|(_, ending)| name.ends_with(ending));
    let some = folder.root.any_name(path, NAMES_MAX, is_sibling)?;
    Ok((if some { Siblings::Sought } else { Siblings::Absent }, stat))
}

/// The folder that `path` lies in, with its slash.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::plan;
    use std::fs;

    #[test]
    fn one_request_surveys_a_folder_and_the_others_do_not_wait_for_it() {
        let site = tempfile::tempdir().unwrap();
        let root = site.path().to_owned();
        let wanted = plan::Folder { id: 0, root, index: vec![], listing: false, links: vec![] };
        let folder = Folder::open(&wanted).unwrap();
        let mut surveys = Surveys::new(1);
        let mut now = Moment(1_000);
        let mut check = |expect: [Option<Siblings>; 3]| {
            now = now.after(BELIEF_TIME);
            assert_eq!(surveys.ask(&folder, b"/", now), expect[0]);
            assert_eq!(surveys.ask(&folder, b"/", now), expect[1]);
            surveys.note(&folder, b"/", take(&folder, b"/").ok(), now, i64::MAX);
            assert_eq!(surveys.ask(&folder, b"/", now), expect[2]);
        };
        let (sought, absent) = (Some(Siblings::Sought), Some(Siblings::Absent));
        check([None, sought, absent]);
        check([absent, absent, absent]);
        fs::write(site.path().join("page.html.gz"), "").unwrap();
        check([None, sought, sought]);
        check([sought, sought, sought]);
    }

    #[test]
    fn what_is_no_folder_is_not_remembered() {
        let site = tempfile::tempdir().unwrap();
        let root = site.path().to_owned();
        let wanted = plan::Folder { id: 0, root, index: vec![], listing: false, links: vec![] };
        let folder = Folder::open(&wanted).unwrap();
        let mut surveys = Surveys::new(1);
        for number in 0..2 * FOLDERS_MAX {
            let path = format!("/{number}/");
            assert_eq!(surveys.ask(&folder, path.as_bytes(), Moment(0)), None);
            let found = take(&folder, path.as_bytes()).ok();
            surveys.note(&folder, path.as_bytes(), found, Moment(0), i64::MAX);
        }
        assert_eq!((surveys.count, surveys.by_root[0].len()), (0, 0));
    }
}
