//! HTTP dates (RFC 9110 section 5.6.7), in whole seconds since 1970.

use std::time::{Duration, SystemTime};

/// The IMF-fixdate form, such as `Sun, 06 Nov 1994 08:49:37 GMT`. Dates before 1970 become 1970's
/// first second, dates after 9999 the last one that the form can say.
#[must_use]
pub fn format(seconds: i64) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).unwrap_or(0).min(LAST);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Reads any of the three forms that RFC 9110 asks recipients to accept, with nothing around them.
#[must_use]
pub fn parse(value: &[u8]) -> Option<i64> {
    // The parser strips white space of every kind, and a date begins and ends without.
    let is_bare = [value.first()?, value.last()?].iter().all(|byte| byte.is_ascii_alphanumeric());
    is_bare.then_some(())?;
    let time = httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()?;
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_one_moment() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(format(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse(b"yesterday"), None);
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT\x0b"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(format(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(format(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
