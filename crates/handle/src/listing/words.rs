//! Sizes and dates as they stand in a listing.

use base::{Date, text};
use std::fmt::Write;

/// Appends a size in bytes with three digits at most, rounded down.
pub(super) fn push_size(text: &mut String, bytes: u64) {
    // A line does not break at it.
    text::push_size(text, bytes, '\u{a0}');
}

/// Appends the moment `seconds` after 1970 for people, in UTC, to the minute: `1994-11-06 08:49`.
pub(super) fn push_date(text: &mut String, seconds: i64) {
    let Date { year, month, day, hour, minute, .. } = Date::of(seconds);
    let _ = write!(text, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl Fn(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn sizes() {
        for (bytes, expect) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "0.9 KiB"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1_048_575, "0.9 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(written(|text| push_size(text, bytes)), expect.replace(' ', "\u{a0}"));
        }
    }

    #[test]
    fn dates() {
        assert_eq!(written(|text| push_date(text, 784_111_777)), "1994-11-06 08:49");
    }

    proptest! {
        /// The same day as in the HTTP date, which another library writes.
        #[test]
        fn two_calendars_agree(seconds in 0i64..253_402_300_799) {
            const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let http = message::date::format(seconds);
            let month = MONTHS.find(&http[8..11]).unwrap() / 3 + 1;
            let expect =
                format!("{}-{month:02}-{}T{}", &http[12..16], &http[5..7], &http[17..25]);
            prop_assert_eq!(Date::of(seconds).to_string(), expect);
        }
    }
}
