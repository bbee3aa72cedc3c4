//! For how long an answer may be kept, if it may (RFC 9111 sections 3, 4.2 and 5.2.2).

use config::plan::Cache;
use fastcgi::Head;
use message::{Status, date};
use std::time::Duration;

/// For how long an answer is fresh, and how long it is given after that while another is on its
/// way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    pub(super) fresh: Duration,
    pub(super) stale: Duration,
    /// The age that it has already, where the program has it from somewhere else.
    pub(super) age: Duration,
}

/// The oldest that an answer may be said to be, in seconds (RFC 9111 section 1.2.2).
const AGE_SECONDS_MAX: u64 = 1 << 31;

/// Fields that make an answer one for somebody, or in a form that not everybody takes.
const NEVER: [&str; 4] = ["content-encoding", "content-range", "set-cookie", "www-authenticate"];

/// Statuses that stand for the page itself; what else a program says may be over in a moment.
const KEPT: [Status; 3] = [Status::OK, Status::MOVED_PERMANENTLY, Status::NOT_FOUND];

/// What an answer says of its time; the shortest of each, in seconds.
#[derive(Default)]
struct Said {
    shared: Option<u64>,
    age_max: Option<u64>,
    expires: Option<u64>,
}

impl Term {
    /// What `cache` and the answer agree on: the shorter of their times. The program is asked
    /// nothing twice: whatever speaks against keeping the answer does.
    pub(super) fn of(head: &Head, cache: Cache, wall_seconds: i64) -> Option<Self> {
        if !KEPT.contains(&head.status) || head.file.is_some() {
            return None;
        }
        let (mut said, mut stale, mut age) = (Said::default(), cache.stale, 0);
        for line in &head.lines {
            let value = String::from_utf8_lossy(&line.value).to_ascii_lowercase();
            match &*line.name {
                name if NEVER.contains(&name) => return None,
                "vary" if !words(&value).all(|word| word == "accept-encoding") => return None,
                "pragma" if words(&value).any(|word| word == "no-cache") => return None,
                // It never ends.
                "content-type" if value.starts_with("text/event-stream") => return None,
                "age" => age = value.trim().parse().unwrap_or(0).min(AGE_SECONDS_MAX).max(age),
                "expires" => {
                    let at = date::parse(&line.value).unwrap_or(0);
                    let left = u64::try_from(at.saturating_sub(wall_seconds)).unwrap_or(0);
                    shorten(&mut said.expires, left);
                }
                "cache-control" => words(&value).try_for_each(|word| {
                    let (name, value) = word.split_once('=').unwrap_or((word, ""));
                    // What is no number is no time at all.
                    let seconds = value.trim().trim_matches('"').parse().unwrap_or(0);
                    match name.trim() {
                        "private" | "no-store" | "no-cache" => return None,
                        "max-age" => shorten(&mut said.age_max, seconds),
                        "s-maxage" => {
                            shorten(&mut said.shared, seconds);
                            stale = Duration::ZERO;
                        }
                        "must-revalidate" | "proxy-revalidate" => stale = Duration::ZERO,
                        "stale-while-revalidate" => stale = stale.min(Duration::from_secs(seconds)),
                        _ => {}
                    }
                    Some(())
                })?,
                _ => {}
            }
        }
        // Of what ends at a time of day its age is off already.
        let most = said.shared.or(said.age_max).map(|most| most.saturating_sub(age));
        let most = most.or(said.expires).map(Duration::from_secs);
        let fresh = most.map_or(cache.time, |most| most.min(cache.time));
        (!fresh.is_zero()).then_some(Self { fresh, stale, age: Duration::from_secs(age) })
    }
}

fn shorten(time: &mut Option<u64>, seconds: u64) {
    *time = Some(time.map_or(seconds, |time| time.min(seconds)));
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::response::Line;

    const NOW: i64 = 784_111_777;

    /// Seconds that an answer with these fields is fresh and stale.
    #[track_caller]
    fn check(status: u16, fields: &[(&'static str, &str)], expect: Option<(u64, u64)>) {
        let lines = fields.iter().map(|(name, value)| Line::new(*name, (*value).to_owned()));
        let head =
            Head { status: Status(status), lines: lines.collect(), length: None, file: None };
        let (time, stale) = (Duration::from_secs(10), Duration::from_secs(30));
        let term = Term::of(&head, Cache { label: 0, time, stale, bytes_max: 0 }, NOW);
        let seen = term.map(|term| (term.fresh.as_secs(), term.stale.as_secs()));
        assert_eq!(seen, expect, "{status} {fields:?}");
    }

    #[test]
    fn an_answer_shortens_its_time_and_never_lengthens_it() {
        let control = |value, expect| check(200, &[("cache-control", value)], expect);
        check(200, &[], Some((10, 30)));
        control("public, max-age=3600", Some((10, 30)));
        control("Max-Age=5", Some((5, 30)));
        control("max-age=\"5\"", Some((5, 30)));
        control("max-age=7, max-age=4", Some((4, 30)));
        control("max-age=0", None);
        control("max-age=soon", None);
        control("max-age=-1", None);
        control("max-age=0, s-maxage=6", Some((6, 0)));
        control("s-maxage=0, max-age=6", None);
        control("max-age=5, must-revalidate", Some((5, 0)));
        control("stale-while-revalidate=2", Some((10, 2)));
        control("stale-while-revalidate=200", Some((10, 30)));
        let expires = |value| [("expires", value)];
        check(200, &expires("Sun, 06 Nov 1994 08:49:41 GMT"), Some((4, 30)));
        check(200, &expires("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        check(200, &expires("0"), None);
        let both = [("expires", "0"), ("cache-control", "max-age=3")];
        check(200, &both, Some((3, 30)));
        let aged = |age, value, expect| {
            check(200, &[("age", age), ("cache-control", value)], expect);
        };
        aged("100", "max-age=60", None);
        aged("100", "max-age=104", Some((4, 30)));
        aged("100", "s-maxage=107, max-age=60", Some((7, 0)));
        aged("99999999999999999999", "max-age=3", Some((3, 30)));
        aged("9999999999999999999", "max-age=3", None);
        aged("old", "max-age=3", Some((3, 30)));
        check(200, &[("age", "100")], Some((10, 30)));
        check(200, &[("age", "1"), ("age", "8"), ("cache-control", "max-age=9")], Some((1, 30)));
        let ends = ("expires", "Sun, 06 Nov 1994 08:49:41 GMT");
        check(200, &[("age", "100"), ends], Some((4, 30)));
    }

    #[test]
    fn what_is_for_somebody_or_may_be_over_is_not_kept() {
        for value in ["private", "No-Store", "no-cache", "private=\"x\"", "max-age=5, no-cache=x"] {
            check(200, &[("cache-control", value)], None);
            check(200, &[("cache-control", "public"), ("cache-control", value)], None);
        }
        check(200, &[("set-cookie", "a=b")], None);
        check(200, &[("content-encoding", "gzip")], None);
        check(200, &[("pragma", "no-cache")], None);
        check(200, &[("content-type", "text/event-stream; charset=utf-8")], None);
        for (vary, expect) in [
            ("Accept-Encoding", Some((10, 30))),
            ("*", None),
            ("accept-language", None),
            ("Accept-Encoding, Cookie", None),
        ] {
            check(200, &[("vary", vary)], expect);
        }
        for status in [301, 404] {
            check(status, &[], Some((10, 30)));
        }
        for status in [201, 204, 206, 302, 304, 307, 400, 403, 429, 500, 502, 503] {
            check(status, &[], None);
        }
    }
}
