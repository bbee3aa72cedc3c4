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
/// alone with all. It does not say whether its limit is that of one certificate.
const REFUSED_MAX: usize = 3;

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
        all.iter().find_map(|whom| self.left(whom, keep, now))
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
    /// where that is to be noted and how, where it cannot be now.
    pub(super) fn refused(
        &self,
        (url, host): (&str, &str),
        failure: &Failure,
        keep: &Keep,
        now: i64,
    ) -> Option<(PathBuf, String)> {
        let pause = Attempts::paused(&failure.why, failure.wait?, now);
        let is_of_all = failure.about != About::Order
            || self.state(|state| {
                let hosts = state.refused.entry(url.to_owned()).or_default();
                hosts.insert(host.to_owned());
                hosts.len() >= REFUSED_MAX
            });
        let path = keep.pause_path(&if is_of_all { url.to_owned() } else { with(url, host) });
        let is_noted = keep.note(&path, &pause).is_ok();
        let text = pause.write();
        self.state(|state| {
            if is_of_all {
                state.refused.remove(url);
            }
            state.held.insert(path.clone(), pause);
        });
        (!is_noted).then_some((path, text))
    }

    /// The authority issues certificates.
    pub(super) fn issued(&self, url: &str) {
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
        pauses.issued(CA);
        refuse("c.example");
        refuse("d.example");
        assert_eq!(left("e.example", NOW), None, "it has issued some meanwhile");
        refuse("e.example");
        assert!(left("f.example", NOW + 59).is_some());
        assert!(pauses.of(("https://other.example", "f.example"), &keep, NOW).is_none());
        assert_eq!(left("f.example", NOW + 60), None);
        assert_eq!(left("a.example", NOW + 60), None);
        let noted = std::fs::read_dir(folder.path().join("accounts")).unwrap().count();
        assert_eq!(noted, 3, "the notes of those that were asked about are gone");
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
            assert_eq!(unkept.is_none(), is_noted);
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
