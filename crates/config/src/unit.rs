//! Numbers with a unit, as people write them: "16KiB", "30s".

use crate::{guess, shape::Shape};
use std::{fmt, num::NonZero, time::Duration};

/// Why a text is no number with a unit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What is wrong with it, as the rest of a sentence.
    pub(crate) cause: &'static str,
    pub(crate) help: Option<String>,
}

/// Units by name with what one is worth, the largest first.
pub(crate) struct Units(&'static [(&'static str, u64)]);

/// Units of sizes, in bytes.
pub(crate) const SIZES: Units = Units(&[
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
]);

/// Units of durations, in milliseconds.
pub(crate) const TIMES: Units =
    Units(&[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]);

/// Units of rates, in bytes a second.
pub(crate) const RATES: Units = Units(&[
    ("MiB/s", 1 << 20),
    ("MB/s", 1_000_000),
    ("KiB/s", 1 << 10),
    ("KB/s", 1_000),
    ("B/s", 1),
]);

/// Units of frequencies, in times a day.
pub(crate) const FREQUENCIES: Units =
    Units(&[("/s", DAY_SECONDS), ("/m", 1_440), ("/h", 24), ("/d", 1)]);

const DAY_SECONDS: u64 = 86_400;

/// So many times in a period: "20/s".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frequency {
    pub(crate) count: NonZero<u64>,
    pub(crate) period: Duration,
}

impl Units {
    /// The number that `text` stands for, counted in the smallest unit; or what is wrong with it.
    pub(crate) fn parse(&self, text: &str) -> Result<u64, Refusal> {
        let (number, worth) = self.split(text)?;
        number.checked_mul(worth).ok_or(Refusal { cause: "is beyond all bounds", help: None })
    }

    /// The number in front, and what its unit is worth.
    fn split(&self, text: &str) -> Result<(u64, u64), Refusal> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(Refusal { cause: "does not begin with a number", help: None });
        }
        let Some((_, worth)) = self.0.iter().find(|(name, _)| *name == unit) else {
            return Err(self.refuse_unit(number, unit));
        };
        let number = number.parse();
        number
            .map(|number| (number, *worth))
            .map_err(|_| Refusal { cause: "is beyond all bounds", help: None })
    }

    /// The shortest way to write `number`, which is counted in the smallest unit.
    pub(crate) fn show(&self, number: u64) -> String {
        let fits = |(_, worth): &&(&str, u64)| number >= *worth && number.is_multiple_of(*worth);
        match self.0.iter().find(fits).or(self.0.last()) {
            Some((name, worth)) => format!("{}{name}", number / worth),
            None => number.to_string(),
        }
    }

    /// What a text of them looks like.
    pub(crate) fn shape(&self) -> Shape {
        let names: Vec<_> = self.0.iter().rev().map(|(name, _)| *name).collect();
        Shape::Like(format!("^[0-9]+({})$", names.join("|")))
    }

    fn refuse_unit(&self, number: &str, unit: &str) -> Refusal {
        let names = || self.0.iter().map(|(name, _)| *name);
        let unit = unit.trim().to_ascii_lowercase();
        let list = || format!("there are {}", names().rev().collect::<Vec<_>>().join(", "));
        if unit.is_empty() {
            return Refusal { cause: "has no unit", help: Some(list()) };
        }
        if unit.starts_with(['.', ',']) {
            let help = "write a whole number of a smaller unit".to_owned();
            return Refusal { cause: "is a fraction", help: Some(help) };
        }
        let lower = |name: &&str| name.to_ascii_lowercase();
        let same = names().find(|name| lower(name) == unit);
        let longer = names().find(|name| lower(name).starts_with(&unit));
        let help = match same.or(longer).or_else(|| guess::nearest(&unit, names())) {
            Some(name) => format!("did you mean \"{number}{name}\"?"),
            None => list(),
        };
        Refusal { cause: "has an unknown unit", help: Some(help) }
    }
}

impl Frequency {
    /// Reads a count with one of the units above.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (count, worth) = FREQUENCIES.split(text).ok()?;
        Some(Self { count: NonZero::new(count)?, period: Duration::from_secs(DAY_SECONDS / worth) })
    }

    /// How many may come at once where nobody says it: a tenth, so that no period ever sees more
    /// than a tenth above the count.
    pub(crate) fn burst(self) -> u64 {
        (self.count.get() / 10).max(1)
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_its = |(_, worth): &&(&str, u64)| DAY_SECONDS / worth == self.period.as_secs();
        let unit = FREQUENCIES.0.iter().find(is_its);
        write!(f, "{}{}", self.count, unit.map_or("", |(name, _)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn number_with_a_unit_is_read() {
        fn check(units: &Units, text: &str, expect: u64) {
            assert_eq!(units.parse(text), Ok(expect), "{text:?}");
        }
        check(&SIZES, "16KiB", 16 * 1024);
        check(&SIZES, "1MB", 1_000_000);
        check(&SIZES, "0B", 0);
        check(&SIZES, "007B", 7);
        check(&TIMES, "30s", 30_000);
        check(&TIMES, "250ms", 250);
        check(&TIMES, "5m", 300_000);
        check(&RATES, "240B/s", 240);
        check(&FREQUENCIES, "20/s", 20 * 86_400);
        check(&FREQUENCIES, "1000/h", 24_000);
    }

    #[test]
    fn other_text_is_refused_with_the_cause_and_the_way_out() {
        fn check(units: &Units, text: &str, cause: &'static str, help: &str) {
            let help = (!help.is_empty()).then(|| help.to_owned());
            assert_eq!(units.parse(text), Err(Refusal { cause, help }), "{text:?}");
        }
        check(&TIMES, "30", "has no unit", "there are ms, s, m, h, d");
        check(&TIMES, "", "does not begin with a number", "");
        check(&TIMES, "-1s", "does not begin with a number", "");
        check(&TIMES, "1.5h", "is a fraction", "write a whole number of a smaller unit");
        check(&TIMES, "9S", "has an unknown unit", "did you mean \"9s\"?");
        check(&TIMES, "9 s", "has an unknown unit", "did you mean \"9s\"?");
        check(&TIMES, "9 ", "has no unit", "there are ms, s, m, h, d");
        check(&TIMES, "2weeks", "has an unknown unit", "there are ms, s, m, h, d");
        check(&SIZES, "16kb", "has an unknown unit", "did you mean \"16KB\"?");
        check(&SIZES, "16k", "has an unknown unit", "did you mean \"16KiB\"?");
        check(&SIZES, "1\u{df}", "has an unknown unit", "did you mean \"1B\"?");
        check(&RATES, "240B", "has an unknown unit", "did you mean \"240B/s\"?");
        check(&FREQUENCIES, "20", "has no unit", "there are /d, /h, /m, /s");
        check(&FREQUENCIES, "20/sec", "has an unknown unit", "there are /d, /h, /m, /s");
        check(&FREQUENCIES, "20/S", "has an unknown unit", "did you mean \"20/s\"?");
        check(&SIZES, "99999999999999999999B", "is beyond all bounds", "");
        check(&SIZES, "99999999999TiB", "is beyond all bounds", "");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(number: u64) {
            for units in [&SIZES, &TIMES, &RATES] {
                prop_assert_eq!(units.parse(&units.show(number)), Ok(number));
                let round = number >> 24 << 12;
                prop_assert_eq!(units.parse(&units.show(round)), Ok(round));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = SIZES.parse(&text);
        }
    }
}
