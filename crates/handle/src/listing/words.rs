//! Text, sizes and dates as they stand in a listing.

use std::fmt::Write;

/// Appends `words` as a JSON string with its quotes (RFC 8259 section 7).
pub(super) fn push_json(text: &mut String, words: &str) {
    text.push('"');
    for character in words.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\0'..' ' => drop(write!(text, "\\u{:04x}", u32::from(character))),
            _ => text.push(character),
        }
    }
    text.push('"');
}

/// Appends a size in bytes with three digits at most, rounded down.
pub(super) fn push_size(text: &mut String, bytes: u64) {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    const SPACE: char = '\u{a0}'; // A line does not break at it.
    let (mut whole, mut tenths) = (bytes, 0);
    let mut unit = 0;
    while whole >= 1000 {
        tenths = (whole % 1024) * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    // Writing into a string cannot fail.
    let _ = match (unit, whole) {
        (1.., ..10) => write!(text, "{whole}.{tenths}{SPACE}{}", UNITS[unit]),
        _ => write!(text, "{whole}{SPACE}{}", UNITS[unit]),
    };
}

/// Appends the moment `seconds` after 1970 as in `1994-11-06T08:49:37Z` (RFC 3339).
pub(super) fn push_timestamp(text: &mut String, seconds: i64) {
    let ([year, month, day], second) = calendar(seconds);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let _ = write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
}

/// Appends the same for people, in UTC, to the minute: `1994-11-06 08:49`.
pub(super) fn push_date(text: &mut String, seconds: i64) {
    let ([year, month, day], second) = calendar(seconds);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let _ = write!(text, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}");
}

/// Year, month and day, and the second of that day. Moments before 1970 and after 9999, which only
/// broken clocks give, become the nearest of those.
fn calendar(seconds: i64) -> ([i64; 3], i64) {
    const LAST: i64 = 253_402_300_799;
    const DAY: i64 = 24 * 60 * 60;
    let seconds = seconds.clamp(0, LAST);

    // Counted from 0000-03-01, so that a leap day is the last of its year; 400 years always have
    // the same number of days, and so do, nearly, five months from March on.
    let days = seconds / DAY + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    ([year, month, day], seconds % DAY)
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
        for (seconds, expect) in [
            (0, "1970-01-01T00:00:00Z"),
            (784_111_777, "1994-11-06T08:49:37Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
            (i64::MIN, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(written(|text| push_timestamp(text, seconds)), expect);
        }
        assert_eq!(written(|text| push_date(text, 784_111_777)), "1994-11-06 08:49");
    }

    #[test]
    fn json_strings() {
        for words in ["", "a\"\\/\u{8}\n\u{1f}\u{7f}ü\u{2028}\u{10ffff}"] {
            let text = written(|text| push_json(text, words));
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), words);
        }
    }

    proptest! {
        /// The same day as in the HTTP date, which another library writes.
        #[test]
        fn two_calendars_agree(seconds in 0i64..253_402_300_799) {
            const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
            let http = message::date::format(seconds);
            let month = MONTHS.find(&http[8..11]).unwrap() / 3 + 1;
            let expect =
                format!("{}-{month:02}-{}T{}Z", &http[12..16], &http[5..7], &http[17..25]);
            prop_assert_eq!(written(|text| push_timestamp(text, seconds)), expect);
        }
    }
}
