//! Places where a test may order a fault, so that black-box tests can see the server survive it.
//!
//! `GANNET_FAIL="files=panic:3,send=stall:200"` panics at the third hit of `files`, and makes each
//! hit of `send` last 200 ms; `files=hang:3` never comes back from the third hit, `files=eat:3`
//! takes 4 GiB of memory for a moment, and `look=set:100` puts 100 in the place of the number
//! `look`. `call=fail:3` has the third call of the kernel fail of those that starting takes.
//!
//! `call=fail:1000:FILE` counts the hits of all processes together: each makes the file a byte
//! longer, and the one fails that makes it 1000 bytes long. So a test can arm the point whenever
//! it likes, by the length that it gives the file, and reads from that how many hits there were.
//! `send=stall:200:FILE` tells of its hits in the same way.
//!
//! Release builds neither read the variable nor contain the points.

use std::{
    fs::File,
    io::{self, Seek, Write},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

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

/// Comes before a call of the kernel that starting or replacing processes takes, and fails as such
/// a call may where the environment variable `GANNET_FAIL` orders it for `call`: usually not.
///
/// # Errors
///
/// In builds with debug assertions, when ordered to: what the kernel says without descriptors.
#[inline]
pub fn call() -> io::Result<()> {
    let is_ordered = cfg!(debug_assertions)
        && points()
            .iter()
            .any(|point| point.name == "call" && point.fault == Fault::Fail && point.is_due());
    if is_ordered { Err(rustix::io::Errno::MFILE.into()) } else { Ok(()) }
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
    /// Which hit it is that meets the fault; each, where none is named.
    at_hit: Option<u64>,
    hits: Hits,
}

#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Panic,
    Stall(Duration),
    Hang,
    Eat,
    Fail,
    Set(u64),
}

/// What hits are counted by.
enum Hits {
    Own(AtomicU64),
    /// Those of all processes, by the length of a file that is written at its end.
    OfAll(File),
}

const FOREVER: Duration = Duration::from_secs(3600);

/// Takes 4 GiB of memory. None of it is written to: the machine has other uses for it.
fn eat() {
    const PIECE_BYTES: usize = 64 << 20;
    drop((0..64).map(|_| Vec::with_capacity(PIECE_BYTES)).collect::<Vec<Vec<u8>>>());
}

impl Point {
    #[allow(clippy::panic, reason = "a test ordered it, and release builds never come here")]
    fn act(&self) {
        match self.fault {
            Fault::Panic if self.is_due() => panic!("failpoint {}", self.name),
            Fault::Stall(wait) => {
                // Each hit does, and is counted.
                self.is_due();
                std::thread::sleep(wait);
            }
            Fault::Hang if self.is_due() => std::thread::sleep(FOREVER),
            Fault::Eat if self.is_due() => eat(),
            _ => {}
        }
    }

    /// Counts a hit, and says whether it meets the fault.
    fn is_due(&self) -> bool {
        let hits = match &self.hits {
            Hits::Own(hits) => hits.fetch_add(1, Ordering::Relaxed) + 1,
            Hits::OfAll(file) => {
                let mut file = file;
                // Behind the byte that was written, wherever others have got since.
                file.write_all(b".").and_then(|()| file.stream_position()).unwrap_or(0)
            }
        };
        self.at_hit.is_none_or(|at_hit| at_hit == hits)
    }
}

/// The points ordered in `text`. What is not an order is passed over: only tests write them.
fn parse(text: &str) -> impl Iterator<Item = Point> {
    text.split(',').filter_map(|order| {
        let (name, fault) = order.trim().split_once('=')?;
        let mut words = fault.splitn(3, ':');
        let verb = words.next()?;
        let number = words.next().and_then(|number| number.parse().ok());
        let fault = match verb {
            "panic" => Fault::Panic,
            "hang" => Fault::Hang,
            "eat" => Fault::Eat,
            "fail" => Fault::Fail,
            "set" => Fault::Set(number?),
            "stall" => Fault::Stall(Duration::from_millis(number?)),
            _ => return None,
        };
        if matches!(fault, Fault::Hang | Fault::Eat | Fault::Fail) && number.is_none() {
            return None;
        }
        let hits = match words.next() {
            None => Hits::Own(AtomicU64::new(0)),
            Some(path) => Hits::OfAll(File::options().append(true).open(path).ok()?),
        };
        Some(Point { name: name.to_owned(), fault, at_hit: number, hits })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let check = |text: &str, expect: &[(&str, Fault, Option<u64>)]| {
            let points: Vec<_> = parse(text).collect();
            let points: Vec<_> =
                points.iter().map(|point| (&*point.name, &point.fault, point.at_hit)).collect();
            let expect: Vec<_> =
                expect.iter().map(|(name, fault, at_hit)| (*name, fault, *at_hit)).collect();
            assert_eq!(points, expect, "{text}");
        };
        check("", &[]);
        check("files", &[]);
        check(
            "files=explode,send=stall:soon,call=fail,files=hang,files=eat,a=panic:1:/no/where",
            &[],
        );
        check("files=panic", &[("files", Fault::Panic, None)]);
        check(
            "files=panic:3, send=stall:200,files=hang:2,look=set:7,call=fail:5,a=eat:1",
            &[
                ("files", Fault::Panic, Some(3)),
                ("send", Fault::Stall(Duration::from_millis(200)), Some(200)),
                ("files", Fault::Hang, Some(2)),
                ("look", Fault::Set(7), Some(7)),
                ("call", Fault::Fail, Some(5)),
                ("a", Fault::Eat, Some(1)),
            ],
        );
    }

    #[test]
    fn only_the_hit_that_was_ordered_panics() {
        let point = parse("files=panic:2").next().unwrap();
        let panics = (0..3).map(|_| std::panic::catch_unwind(|| point.act()).is_err());
        assert_eq!(panics.collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn hits_of_all_are_counted_by_the_length_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let order = format!("call=fail:1000:{}", file.path().display());
        let [one, other] = [(); 2].map(|()| parse(&order).next().unwrap());
        file.as_file().set_len(997).unwrap();
        let due = [&one, &other, &one, &other].map(Point::is_due);
        assert_eq!(due, [false, false, true, false]);
        assert_eq!(file.as_file().metadata().unwrap().len(), 1001);
    }
}
