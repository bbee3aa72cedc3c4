//! The Gregorian calendar in UTC: seconds since 1970 as year, month, day and time of day.

use std::fmt;

/// A second of the calendar. Written with `{}` it is `1994-11-06T08:49:37`, to which RFC 3339 wants
/// a `Z` behind what else belongs to it, such as milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// From 1970 to 9999.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// Of the month, from 1.
    pub day: i64,
    /// From 0 to 23.
    pub hour: i64,
    /// From 0 to 59.
    pub minute: i64,
    /// From 0 to 59; there are no leap seconds.
    pub second: i64,
}

impl Date {
    /// The second number `seconds` since 1970 began. Moments before 1970 and after 9999, which only
    /// broken clocks give, become the nearest of those.
    #[must_use]
    pub fn of(seconds: i64) -> Self {
        const LAST: i64 = 253_402_300_799;
        const DAY: i64 = 24 * 60 * 60;
        let seconds = seconds.clamp(0, LAST);

        // Counted from 0000-03-01, so that a leap day is the last of its year; 400 years always
        // have the same number of days, and so do, nearly, five months from March on.
        let days = seconds / DAY + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let second = seconds % DAY;
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_a_date() {
        for (seconds, expect) in [
            (0, "1970-01-01T00:00:00"),
            (784_111_777, "1994-11-06T08:49:37"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_799, "2000-02-29T23:59:59"),
            (4_107_542_399, "2100-02-28T23:59:59"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (i64::MAX, "9999-12-31T23:59:59"),
            (-1, "1970-01-01T00:00:00"),
        ] {
            assert_eq!(Date::of(seconds).to_string(), expect);
        }
    }
}
