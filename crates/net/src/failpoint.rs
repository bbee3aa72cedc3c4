//! Places where a test may order a fault, so that black-box tests can see the server survive it.
//!
//! `GANNET_FAIL="files=panic:3,send=stall:200"` panics at the third hit of `files`, and makes each
//! hit of `send` last 200 ms; `files=hang:3` never comes back from the third hit, and
//! `look=set:100` puts 100 in the place of the number `look`. Release builds neither read the
//! variable nor contain the points.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Does what the environment variable `GANNET_FAIL` orders for the point `name`: usually nothing.
///
/// # Panics
///
/// In builds with debug assertions, when ordered to.
#[inline]
pub fn hit(name: &str) {
    if cfg!(debug_assertions) {
        points().iter().filter(|point| point.name == name).for_each(Point::act);
    }
}

/// The number `name`: `usual`, or what the environment variable `GANNET_FAIL` orders.
#[must_use]
pub fn number(name: &str, usual: u64) -> u64 {
    if !cfg!(debug_assertions) {
        return usual;
    }
    let ordered = points().iter().find_map(|point| match point.fault {
        Fault::Set(number) if point.name == name => Some(number),
        _ => None,
    });
    ordered.unwrap_or(usual)
}

fn points() -> &'static [Point] {
    static POINTS: OnceLock<Vec<Point>> = OnceLock::new();
    POINTS.get_or_init(|| parse(&std::env::var("GANNET_FAIL").unwrap_or_default()).collect())
}

struct Point {
    name: String,
    fault: Fault,
    hits: AtomicU64,
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Panic { at_hit: Option<u64> },
    Stall(Duration),
    Hang { at_hit: u64 },
    Set(u64),
}

const FOREVER: Duration = Duration::from_secs(3600);

impl Point {
    #[allow(clippy::panic, reason = "a test ordered it, and release builds never come here")]
    fn act(&self) {
        let hits = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault {
            Fault::Panic { at_hit } if at_hit.is_none_or(|at_hit| at_hit == hits) => {
                panic!("failpoint {}", self.name);
            }
            Fault::Stall(wait) => std::thread::sleep(wait),
            Fault::Hang { at_hit } if at_hit == hits => std::thread::sleep(FOREVER),
            Fault::Panic { .. } | Fault::Hang { .. } | Fault::Set(_) => {}
        }
    }
}

/// The points ordered in `text`. What is not an order is passed over: only tests write them.
fn parse(text: &str) -> impl Iterator<Item = Point> {
    text.split(',').filter_map(|order| {
        let (name, fault) = order.trim().split_once('=')?;
        let (verb, number) = fault.split_once(':').unwrap_or((fault, ""));
        let number = number.parse().ok();
        let fault = match verb {
            "panic" => Fault::Panic { at_hit: number },
            "hang" => Fault::Hang { at_hit: number? },
            "set" => Fault::Set(number?),
            "stall" => Fault::Stall(Duration::from_millis(number?)),
            _ => return None,
        };
        Some(Point { name: name.to_owned(), fault, hits: AtomicU64::new(0) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let check = |text: &str, expect: &[(&str, Fault)]| {
            let points: Vec<_> = parse(text).map(|point| (point.name, point.fault)).collect();
            let expect: Vec<_> =
                expect.iter().map(|(name, fault)| ((*name).to_owned(), fault)).collect();
            assert_eq!(points.iter().map(|(n, f)| (n.clone(), f)).collect::<Vec<_>>(), expect);
        };
        check("", &[]);
        check("files", &[]);
        check("files=explode,send=stall:soon", &[]);
        check("files=panic", &[("files", Fault::Panic { at_hit: None })]);
        check(
            "files=panic:3, send=stall:200,files=hang:2,look=set:7",
            &[
                ("files", Fault::Panic { at_hit: Some(3) }),
                ("send", Fault::Stall(Duration::from_millis(200))),
                ("files", Fault::Hang { at_hit: 2 }),
                ("look", Fault::Set(7)),
            ],
        );
    }

    #[test]
    fn only_the_hit_that_was_ordered_panics() {
        let point = parse("files=panic:2").next().unwrap();
        let panics = (0..3).map(|_| std::panic::catch_unwind(|| point.act()).is_err());
        assert_eq!(panics.collect::<Vec<_>>(), [false, true, false]);
    }
}
