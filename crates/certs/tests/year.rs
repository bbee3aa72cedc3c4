//! A certificate through a year, by a clock that a test turns: with an authority that is down for a
//! week, that wants to be left alone, and a clock that jumps.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use certs::{Attempts, Term, due};
use std::time::Duration;

const START: i64 = 1_795_906_260;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What an authority answers at that time.
type Authority = fn(i64) -> Result<(), Option<Duration>>;

/// What has happened in a year.
#[derive(Debug, Default)]
struct Year {
    issued: Vec<i64>,
    failed: Vec<i64>,
    /// Minutes without a certificate that holds, once there was one.
    bare: u64,
}

/// Lives through a year, minute by minute, with certificates that live for so long.
fn live(life: i64, chance: u64, authority: Authority) -> Year {
    let (mut year, mut attempts, mut term) = (Year::default(), Attempts::default(), None::<Term>);
    let mut now = START;
    while now < START + 365 * DAY {
        if due(term.as_ref(), &attempts, now, chance) <= now {
            match authority(now - START) {
                Ok(()) => {
                    year.issued.push(now - START);
                    (attempts, term) = (Attempts::default(), None);
                    let (from, until) = (now - HOUR, now - HOUR + life);
                    term.replace(Term { from, until, window: None, issued: now, is_early: false });
                }
                Err(wait) => {
                    year.failed.push(now - START);
                    attempts.fail("no", wait, now, chance);
                }
            }
        }
        year.bare += u64::from(term.is_some_and(|term| term.until < now));
        now += MINUTE;
    }
    year
}

fn chances() -> impl Iterator<Item = u64> {
    (0..8).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn a_year_with_a_good_authority_takes_a_handful_of_certificates() {
    for chance in chances() {
        let year = live(90 * DAY, chance, |_| Ok(()));
        assert!((6..=7).contains(&year.issued.len()), "{year:?}");
        assert!(year.failed.is_empty() && year.bare == 0);
        let short = live(6 * DAY, chance, |_| Ok(()));
        assert!((91..=100).contains(&short.issued.len()), "{}", short.issued.len());
        let day = live(DAY, chance, |_| Ok(()));
        assert!((540..=620).contains(&day.issued.len()), "{}", day.issued.len());
        assert_eq!((short.bare, day.bare), (0, 0));
    }
}

#[test]
fn an_authority_that_is_down_for_a_week_costs_nothing_but_attempts() {
    for chance in chances() {
        // When the first renewal is due.
        let year = live(90 * DAY, chance, |time| match time / DAY {
            56..64 => Err(None),
            _ => Ok(()),
        });
        assert_eq!(year.bare, 0);
        let count = year.failed.len();
        assert!((10..=34).contains(&count), "{count} attempts in a week");
        let first_hour = year.failed.iter().filter(|&&at| at < year.failed[0] + HOUR).count();
        assert!(first_hour <= 4, "authorities take five an hour");
        let next = year.issued.iter().find(|&&at| at > 64 * DAY).unwrap();
        assert!(*next < 65 * DAY, "it is back within a day: {next}");
    }
}

#[test]
fn who_wants_to_be_left_alone_is() {
    for chance in chances() {
        let year = live(90 * DAY, chance, |time| match time {
            0..7200 => Err(Some(Duration::from_secs(7200))),
            _ => Ok(()),
        });
        assert_eq!(year.failed, [0]);
        assert_eq!(year.issued[0], 7200);
    }
}

#[test]
fn an_authority_that_never_issues_is_asked_twice_a_day_for_ever() {
    for chance in chances() {
        let year = live(90 * DAY, chance, |_| Err(None));
        assert!((500..=760).contains(&year.failed.len()), "{}", year.failed.len());
        let last = year.failed.iter().filter(|&&at| at > 364 * DAY).count();
        assert!((1..=3).contains(&last));
    }
}

#[test]
fn a_clock_that_is_wrong_asks_once_a_day() {
    let (mut issued, mut term) = (0, None::<Term>);
    // What the authority issues has ended already, as this clock sees it.
    for minute in 0..10 * 24 * 60 {
        let now = START + minute * MINUTE;
        if due(term.as_ref(), &Attempts::default(), now, 7) <= now {
            issued += 1;
            let (from, until) = (now - 400 * DAY, now - 310 * DAY);
            term.replace(Term { from, until, window: None, issued: now, is_early: false });
        }
    }
    assert_eq!(issued, 10);
}

#[test]
fn a_clock_that_jumps_renews_at_once_and_is_never_stuck() {
    let term =
        Term { from: START, until: START + 90 * DAY, window: None, issued: 0, is_early: false };
    let mut attempts = Attempts::default();
    assert!(due(Some(&term), &attempts, START, 7) > START);
    let ahead = START + 90 * DAY;
    assert!(due(Some(&term), &attempts, ahead, 7) <= ahead);
    attempts.fail("no", None, ahead, 7);
    // Back again: what is there holds, and nothing waits for the future.
    assert!(due(Some(&term), &attempts, START, 7) < START + 61 * DAY);
    assert!(due(None, &attempts, START, 7) <= START);
}
