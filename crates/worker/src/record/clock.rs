//! The current second in the forms that logs write it in, worked out once.

use base::Date;
use net::clock::Wall;
use std::io::Write;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The texts of the current second.
#[derive(Default)]
pub(crate) struct Clock {
    second: i64,
    /// `2026-11-24T17:00:00`
    text: Vec<u8>,
    /// `24/Nov/2026:17:00:00 +0000`
    common: Vec<u8>,
}

impl Clock {
    /// Appends the time to the millisecond: `2026-11-24T17:00:00.000Z`.
    pub(crate) fn push_time(&mut self, out: &mut Vec<u8>, wall: Wall) {
        out.extend_from_slice(&self.at(wall.seconds).text);
        let millis = wall.nanos / 1_000_000;
        let digit = |place| b'0' + (millis / place % 10) as u8;
        out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    }

    /// The second as the first web servers wrote it: `24/Nov/2026:17:00:00 +0000`.
    pub(crate) fn common(&mut self, second: i64) -> &[u8] {
        &self.at(second).common
    }

    /// `17:00:00`
    pub(crate) fn time_of_day(&mut self, second: i64) -> &[u8] {
        self.at(second).text.get(11..).unwrap_or_default()
    }

    fn at(&mut self, second: i64) -> &Self {
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text.clear();
            self.common.clear();
            let date = Date::of(second);
            let Date { year, month, day, hour, minute, second } = date;
            let month = MONTHS.get(month as usize - 1).unwrap_or(&MONTHS[0]);
            // Writing into memory cannot fail.
            let _ = write!(self.text, "{date}");
            let _ = write!(
                self.common,
                "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"
            );
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_worked_out_anew() {
        let mut clock = Clock::default();
        for (second, expect) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_868_799, "29/Feb/2000:23:59:59 +0000"),
            (951_868_799, "29/Feb/2000:23:59:59 +0000"),
            (1_798_675_199, "30/Dec/2026:23:59:59 +0000"),
        ] {
            assert_eq!(String::from_utf8_lossy(clock.common(second)), expect);
        }
    }
}
