//! Authorities that want to be left alone: with one certificate, or with all.
//!
//! It is noted beside the accounts, for processes that come later and for other servers that share
//! the folder; what cannot be noted goes from one process to the next as all does that is kept.

use crate::keep::Keep;
use certs::{About, Attempts, Failure};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How many certificates in a row an authority has to refuse, as asked for too often, to be left
/// alone with all, and for how long at most. It does not say whether its limit is that of one
/// certificate, or of all names of one owner, which are no matter of other owners.
const REFUSED_MAX: usize = 3;
const REFUSED_TIME: Duration = Duration::from_secs(60 * 60);

/// Who wants to be left alone.
#[derive(Default)]
pub(super) struct Pauses(Mutex<State>);

#[derive(Default)]
struct State {
    /// By where it is noted of whom: an authority, or one with a host.
    held: HashMap<PathBuf, Attempts>,
    /// The hosts that each authority has refused in a row.
    refused: HashMap<String, HashSet<String>>,
}

impl Pauses {
    /// Whether the authority wants to be left alone with the certificate of a host: why, and for
    /// how long.
    pub(super) fn of(
        &self,
        (url, host): (&str, &str),
        keep: &Keep,
        now: i64,
    ) -> Option<(String, Duration)> {
        let all = [url.to_owned(), with(url, host)];
        all.iter().filter_map(|whom| self.left(whom, keep, now)).max_by_key(|(_, left)| *left)
    }

    fn left(&self, whom: &str, keep: &Keep, now: i64) -> Option<(String, Duration)> {
        let path = keep.pause_path(whom);
        let (noted, held) = (keep.pause(whom), self.state(|state| state.held.get(&path).cloned()));
        let is_noted = noted.failures > 0;
        let found = held.into_iter().chain([noted]).max_by_key(|pause| pause.not_before(now))?;
        let left = u64::try_from(found.not_before(now).saturating_sub(now)).unwrap_or(0);
        if left > 0 {
            return Some((found.why, Duration::from_secs(left)));
        }
        self.state(|state| state.held.remove(&path));
        if is_noted {
            // It is over, whether or not its note goes.
            let _ = keep.note(&path, &Attempts::default());
        }
        None
    }

    /// Goes on with what another process could not note.
    pub(super) fn hold(&self, path: PathBuf, text: &str) {
        self.state(|state| state.held.insert(path, Attempts::read(text.as_bytes())));
    }

    /// Takes down how long an authority wants to be left alone that has refused a certificate:
    /// where that is to be noted and how, as far as it cannot be now.
    pub(super) fn refused(
        &self,
        (url, host): (&str, &str),
        failure: &Failure,
        keep: &Keep,
        now: i64,
    ) -> Vec<(PathBuf, String)> {
        let Some(wait) = failure.wait else { return Vec::new() };
        let mut pauses = Vec::new();
        if failure.about == About::Order {
            pauses.push((with(url, host), wait));
            let are_many = self.state(|state| {
                let hosts = state.refused.entry(url.to_owned()).or_default();
                hosts.insert(host.to_owned());
                hosts.len() >= REFUSED_MAX
            });
            if are_many {
                self.count_anew(url);
                pauses.push((url.to_owned(), wait.min(REFUSED_TIME)));
            }
        } else {
            self.count_anew(url);
            pauses.push((url.to_owned(), wait));
        }
        let mut unkept = Vec::new();
        for (whom, wait) in pauses {
            let (path, pause) = (keep.pause_path(&whom), Attempts::paused(&failure.why, wait, now));
            if keep.note(&path, &pause).is_err() {
                unkept.push((path.clone(), pause.write()));
            }
            self.state(|state| state.held.insert(path, pause));
        }
        unkept
    }

    /// Counts the certificates that an authority refuses in a row from the first again.
    pub(super) fn count_anew(&self, url: &str) {
        self.state(|state| state.refused.remove(url));
    }

    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An authority that is asked for the certificate of that host.
fn with(url: &str, host: &str) -> String {
    format!("{url} {host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_906_260;
    const CA: &str = "https://ca.example/directory";
    const WEEK: i64 = 7 * 86_400;

    fn failure(about: About, seconds: u64) -> Failure {
        let mut failure = Failure::paused("too many", Duration::from_secs(seconds));
        failure.about = about;
        failure
    }

    #[test]
    fn one_certificate_too_many_holds_up_no_other_but_three_do() {
        let folder = tempfile::tempdir().unwrap();
        let (keep, pauses) = (Keep::at(folder.path()), Pauses::default());
        let left = |host: &str, now| pauses.of((CA, host), &keep, now).map(|(_, left)| left);
        let refuse = |host| pauses.refused((CA, host), &failure(About::Order, 60), &keep, NOW);
        for _ in 0..5 {
            refuse("a.example");
        }
        assert_eq!(left("a.example", NOW + 10), Some(Duration::from_secs(50)));
        refuse("b.example");
        assert_eq!(left("c.example", NOW), None);
        pauses.count_anew(CA);
        refuse("c.example");
        refuse("d.example");
        assert_eq!(left("e.example", NOW), None, "it has issued some meanwhile");
        refuse("e.example");
        assert!(left("f.example", NOW + 59).is_some());
        assert!(pauses.of(("https://other.example", "f.example"), &keep, NOW).is_none());
        assert_eq!(left("f.example", NOW + 60), None);
        assert_eq!(left("a.example", NOW + 60), None);
        let noted = std::fs::read_dir(folder.path().join("accounts")).unwrap().count();
        assert_eq!(noted, 4, "the notes of those that were asked about are gone");
    }

    /// Such as the names of one owner, of whom nobody else knows.
    #[test]
    fn certificates_that_were_refused_for_days_hold_up_others_for_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let (keep, pauses) = (Keep::at(folder.path()), Pauses::default());
        let left = |host: &str, now| pauses.of((CA, host), &keep, now).map(|(_, left)| left);
        let hosts = ["a.example", "b.example", "c.example"];
        let days = failure(About::Order, 5 * 86_400);
        for host in hosts {
            assert!(pauses.refused((CA, host), &days, &keep, NOW).is_empty());
        }
        assert_eq!(left("d.example", NOW + 1), Some(REFUSED_TIME - Duration::from_secs(1)));
        assert_eq!(left("d.example", NOW + 3600), None);
        for (host, later) in hosts.into_iter().flat_map(|host| [(host, 1), (host, 3600)]) {
            let expect = Duration::from_secs(5 * 86_400 - later);
            assert_eq!(left(host, NOW + later as i64), Some(expect), "{host}");
        }
    }

    #[test]
    fn who_wants_to_be_left_alone_is_by_the_next_process_and_for_a_week_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (keep, is_noted) in [(Keep::at(folder.path()), true), (Keep::at(&file), false)] {
            let (pauses, next) = (Pauses::default(), Pauses::default());
            let refused = failure(About::Authority, u64::MAX);
            let unkept = pauses.refused((CA, "a.example"), &refused, &keep, NOW);
            assert_eq!(unkept.is_empty(), is_noted);
            unkept.into_iter().for_each(|(path, text)| next.hold(path, &text));
            for pauses in [&pauses, &next] {
                let found = pauses.of((CA, "b.example"), &keep, NOW + WEEK - 1);
                assert_eq!(found, Some(("too many".to_owned(), Duration::from_secs(1))));
            }
            for pauses in [&pauses, &next] {
                assert_eq!(pauses.of((CA, "b.example"), &keep, NOW + WEEK), None);
                // By a clock that was wrong as it was noted.
                assert_eq!(pauses.of((CA, "b.example"), &keep, NOW - WEEK), None);
            }
        }
    }
}
