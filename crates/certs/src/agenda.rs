//! When a certificate is to be renewed, and when to try once more after something went wrong.
//!
//! All times are seconds since 1970, by a clock that may be wrong and may jump.

use std::time::Duration;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The first wait after something went wrong, and the longest; each is twice the one before.
const WAIT_FIRST: i64 = 5 * MINUTE;
const WAIT_MOST: i64 = 12 * HOUR;

/// The longest wait that an authority can ask for.
const ASKED_MOST: i64 = 7 * DAY;

/// How long one is left alone that has just been issued, whatever the clock says of its end; half
/// of its life where that is shorter.
const ISSUED_LEAST: i64 = DAY;

/// Characters at most of what went wrong: some of it others have said.
const WHY_MAX: usize = 2000;

/// How far a clock may have been set back before what was noted by it no longer counts.
const CLOCK_SLACK: i64 = HOUR;

/// From when until when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// From when.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// Within which times its authority wants it to be renewed.
    pub window: Option<(i64, i64)>,
    /// When it was issued, by the clock of this machine.
    pub issued: i64,
    /// Whether the one before had just been issued by then.
    pub is_early: bool,
}

impl Term {
    /// When it is to be renewed: at two thirds of its life or somewhat earlier, or within the
    /// window. `chance`, which stays the same for a certificate, spreads those of many sites.
    #[must_use]
    pub fn renewal(&self, chance: u64) -> i64 {
        let (life, usual) = self.usual();
        let (first, last) = match self.window {
            // One that ends too late for a second attempt, or before it begins, is a mistake of
            // theirs.
            Some((first, last)) if first <= last => {
                (first.min(usual), last.min(self.until.saturating_sub(life / 10)))
            }
            _ => (usual.saturating_sub(life / 30), usual),
        };
        let width = last.saturating_sub(first).max(0);
        first.saturating_add(share(width, chance))
    }

    /// Until when it is one that has just been issued.
    fn least(&self) -> i64 {
        let (life, _) = self.usual();
        self.issued.saturating_add(ISSUED_LEAST.min(life / 2))
    }

    /// How long it lives, and when two thirds of that are over.
    fn usual(&self) -> (i64, i64) {
        let life = self.until.saturating_sub(self.from).max(0);
        (life, self.until.saturating_sub(life / 3))
    }

    /// Whether its authority wants it to be gone: it has revoked it, or is about to. One that says
    /// so of each that it issues is believed once a day.
    fn is_unwanted(&self, now: i64, chance: u64) -> bool {
        let times = self.renewal(chance)..self.usual().1;
        self.window.is_some() && !self.is_early && times.contains(&now)
    }

    /// Whether it has been issued a moment ago, by a clock that may have been set back since.
    #[must_use]
    pub fn is_new(&self, now: i64) -> bool {
        now < self.least()
    }
}

/// What went wrong of late with the certificate of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many times in a row.
    pub failures: u32,
    /// When the last time was.
    pub last: i64,
    /// When to try once more.
    pub next: i64,
    /// Why it failed.
    pub why: String,
    /// How many of them were over a proof: each time, another way is taken.
    pub proofs: u32,
}

impl Attempts {
    /// Of somebody who wants to be left alone for so long.
    #[must_use]
    pub fn paused(why: &str, asked: Duration, now: i64) -> Self {
        let mut own = Self { failures: 1, last: now, ..Self::default() };
        own.next = now.saturating_add(bounded(Some(asked)));
        own.say(why);
        own
    }

    /// It has failed once more. `asked` is how long the authority wants to be left alone.
    pub fn fail(&mut self, why: &str, asked: Option<Duration>, now: i64, chance: u64) {
        let doublings = self.failures.min(16);
        let wait = WAIT_FIRST.saturating_mul(1 << doublings).min(WAIT_MOST);
        let wait = wait.saturating_add(share(wait / 4, chance.rotate_left(self.failures)));
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        self.next = now.saturating_add(wait.max(bounded(asked)));
        self.say(why);
    }

    /// Somebody wants it to be tried at once: after the first wait, whatever has gone wrong before.
    pub fn hurry(&mut self) {
        self.next = self.next.min(self.last.saturating_add(WAIT_FIRST));
    }

    fn say(&mut self, why: &str) {
        let words = why.lines().collect::<Vec<_>>().join(" ");
        self.why = words.chars().take(WHY_MAX).collect();
    }

    /// When to try, as far as this goes; at once where the clock was set back since.
    #[must_use]
    pub fn not_before(&self, now: i64) -> i64 {
        match self.failures {
            0 => i64::MIN,
            _ if self.last > now.saturating_add(CLOCK_SLACK) => i64::MIN,
            // No wait is longer: what says so was not written by this program.
            _ => self.next.min(self.last.saturating_add(ASKED_MOST)),
        }
    }

    /// As the text that is kept.
    #[must_use]
    pub fn write(&self) -> String {
        let Self { failures, last, next, why, proofs } = self;
        format!("failures {failures}\nproofs {proofs}\nlast {last}\nnext {next}\nwhy {why}\n")
    }

    /// What was kept; nothing where it cannot be understood.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let mut found = Self::default();
        for line in String::from_utf8_lossy(text).lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            match name {
                "failures" => found.failures = value.parse().unwrap_or(0),
                "last" => found.last = value.parse().unwrap_or(0),
                "next" => found.next = value.parse().unwrap_or(0),
                "proofs" => found.proofs = value.parse().unwrap_or(0),
                "why" => value.clone_into(&mut found.why),
                _ => {}
            }
        }
        found
    }
}

/// When something is to be done for a certificate: there is one, or none that can be used.
#[must_use]
pub fn due(term: Option<&Term>, attempts: &Attempts, now: i64, chance: u64) -> i64 {
    let wanted = term.map_or(i64::MIN, |term| {
        let is_noted = term.issued <= now.saturating_add(CLOCK_SLACK);
        let waits = is_noted && !term.is_unwanted(now, chance);
        let least = if waits { term.least() } else { i64::MIN };
        term.renewal(chance).max(least)
    });
    wanted.max(attempts.not_before(now))
}

/// The seconds for which an authority is left alone that asks for so long.
fn bounded(asked: Option<Duration>) -> i64 {
    let asked = asked.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    asked.min(ASKED_MOST)
}

/// A part of `width` that is chosen by chance.
fn share(width: i64, chance: u64) -> i64 {
    let width = width.unsigned_abs();
    let part = (u128::from(width) * u128::from(chance >> 32)) >> 32;
    i64::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_906_260;

    fn chances() -> impl Iterator<Item = u64> {
        [0, 1 << 32, u64::MAX / 2, u64::MAX].into_iter()
    }

    #[test]
    fn a_certificate_is_renewed_before_its_last_third_or_as_its_authority_wants() {
        let term =
            Term { from: NOW, until: NOW + 90 * DAY, window: None, issued: 0, is_early: false };
        for chance in chances() {
            let at = term.renewal(chance);
            assert!((NOW + 57 * DAY..=NOW + 60 * DAY).contains(&at), "{at}");
            let within = |window| Term { window: Some(window), ..term }.renewal(chance);
            let early = (NOW + 5, NOW + 10);
            assert!((early.0..=early.1).contains(&within(early)));
            assert_eq!(within((NOW - 9, NOW - 9)), NOW - 9, "at once");
            let late = within((NOW + 80 * DAY, NOW + 200 * DAY));
            assert!((NOW + 60 * DAY..=NOW + 81 * DAY).contains(&late));
            let odd = within((NOW + 10, NOW + 5));
            assert_eq!(odd, at, "it makes no sense");
        }
        let nonsense = Term { from: i64::MAX, until: i64::MIN, ..term };
        assert_eq!(nonsense.renewal(u64::MAX), i64::MIN);
    }

    #[test]
    fn one_that_is_revoked_is_renewed_at_once_but_only_once_a_day() {
        let (until, gone) = (NOW + 90 * DAY, Some((NOW - 9, NOW - 8)));
        let term = Term { from: NOW, until, window: gone, issued: NOW, is_early: false };
        let none = Attempts::default();
        for chance in chances() {
            let is_due = |term| due(Some(&term), &none, NOW + HOUR, chance) <= NOW + HOUR;
            assert!(is_due(term), "in its first hour");
            assert!(!is_due(Term { is_early: true, ..term }), "it is the second today");
            assert!(!is_due(Term { window: None, ..term }));
            let window = Some((NOW + DAY, NOW + DAY));
            assert!(!is_due(Term { window, ..term }));
            // What has come to its usual end may be so by a clock that is wrong.
            let until = NOW + HOUR;
            assert!(!is_due(Term { from: until - 90 * DAY, until, ..term }));
            let next = due(Some(&Term { is_early: true, ..term }), &none, NOW, chance);
            assert_eq!(next, NOW + DAY);
        }
        let mut failed = Attempts::default();
        failed.fail("no", None, NOW, 7);
        assert_eq!(due(Some(&term), &failed, NOW, 7), failed.next, "and not in a hurry");
    }

    #[test]
    fn waits_grow_to_half_a_day_and_never_shrink_again() {
        for chance in chances() {
            let (mut attempts, mut before) = (Attempts::default(), 0);
            // CVE-2025-55753: another server's wait came round to nothing after a month.
            for count in 1..100_000 {
                attempts.fail("no", None, NOW, chance);
                let wait = attempts.next - NOW;
                let most = WAIT_MOST + WAIT_MOST / 4;
                assert!((WAIT_FIRST..=most).contains(&wait), "{count}");
                assert!(count > 9 || wait > before / 2 * 2 - before / 3, "{count}: {wait}");
                before = wait;
            }
            assert!(before >= WAIT_MOST);
        }
    }

    #[test]
    fn who_wants_to_be_left_alone_is_for_a_week_at_most() {
        for (asked, least, most) in [
            (0, WAIT_FIRST, 2 * WAIT_FIRST),
            (7200, 7200, 7200),
            (u64::MAX, ASKED_MOST, ASKED_MOST),
        ] {
            let mut attempts = Attempts::default();
            attempts.fail("no", Some(Duration::from_secs(asked)), NOW, 7);
            assert!((least..=most).contains(&(attempts.next - NOW)), "{asked}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody() {
        let mut attempts = Attempts::default();
        attempts.fail("no", None, NOW + 90 * DAY, 7);
        assert!(due(None, &attempts, NOW, 7) < NOW);
        assert!(due(None, &attempts, NOW + 90 * DAY, 7) > NOW + 90 * DAY);
    }

    #[test]
    fn one_that_lives_for_a_day_is_renewed_within_it() {
        let life = NOW..NOW + DAY;
        let (from, until) = (life.start, life.end);
        let term = Term { from, until, window: None, issued: NOW, is_early: false };
        for chance in chances() {
            let next = due(Some(&term), &Attempts::default(), NOW, chance);
            assert!((NOW + 15 * HOUR..=NOW + 16 * HOUR).contains(&next), "{}", next - NOW);
        }
        assert!(term.is_new(NOW + 11 * HOUR) && !term.is_new(NOW + 12 * HOUR));
    }

    #[test]
    fn what_is_noted_holds_nobody_up_for_more_than_a_week() {
        let spoilt = Attempts { failures: 3, last: NOW, next: i64::MAX, ..Attempts::default() };
        assert_eq!(due(None, &spoilt, NOW, 7), NOW + ASKED_MOST);
        let paused = Attempts::paused("too many", Duration::MAX, NOW);
        assert_eq!((paused.not_before(NOW), &*paused.why), (NOW + ASKED_MOST, "too many"));
        let paused = Attempts::paused("too many", Duration::from_secs(60), NOW);
        assert_eq!(paused.not_before(NOW), NOW + 60);
        assert!(paused.not_before(NOW - 2 * HOUR) < NOW - 2 * HOUR, "the clock was set back");
    }

    #[test]
    fn who_is_in_a_hurry_waits_for_five_minutes() {
        let mut attempts = Attempts { failures: 9, ..Attempts::default() };
        attempts.fail("no", None, NOW, 7);
        assert!(attempts.next >= NOW + WAIT_MOST);
        attempts.hurry();
        assert_eq!(attempts.not_before(NOW), NOW + WAIT_FIRST);
        attempts.hurry();
        assert_eq!(attempts.not_before(NOW), NOW + WAIT_FIRST);
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut attempts = Attempts::default();
        attempts.fail("it said:\nno, and\nonce more no", None, NOW, 7);
        attempts.proofs = 1;
        assert_eq!(attempts.why, "it said: no, and once more no");
        assert_eq!(Attempts::read(attempts.write().as_bytes()), attempts);
        assert_eq!(Attempts::read(b"\xff\0failures x\nnext"), Attempts::default());
    }
}
