//! The few things in a certificate that only its operator wants to know: from when until when it
//! holds (RFC 5280 section 4.1.2.5). Whatever else is in it the library reads.

/// Seconds since 1970 from which on, and up to which, the certificate `der` holds; `None` where it
/// is malformed.
pub(crate) fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        (_, rest) = element(rest, VERSION)?;
    }
    // The serial number, the algorithm, the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = element(rest, tag)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (from, rest) = time(validity)?;
    let (until, _) = time(rest)?;
    Some((from, until))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The content of the element in front, which has that tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            let length = bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            (length, rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// The time in front, in seconds since 1970, and what follows it.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let tag = *der.first()?;
    let (text, rest) = element(der, tag)?;
    let digits = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, digits) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let short: i64 = digits.get(..2)?.parse().ok()?;
            (if short < 50 { 2000 + short } else { 1900 + short }, digits.get(2..)?)
        }
        (GENERALIZED_TIME, 14) => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let mut parts = [0i64; 5];
    for (at, part) in parts.iter_mut().enumerate() {
        *part = digits.get(at * 2..at * 2 + 2)?.parse().ok()?;
    }
    let [month, day, hour, minute, second] = parts;
    let is_one = (1..=12).contains(&month) && (1..=31).contains(&day);
    is_one.then(|| (days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second, rest))
}

/// Days from 1970-01-01 to that day: counted from 0000-03-01, so that a leap day is the last of its
/// year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Date;

    #[test]
    fn a_time_is_read_or_refused() {
        let read = |tag: u8, text: &str| {
            let mut der = vec![tag, text.len() as u8];
            der.extend_from_slice(text.as_bytes());
            time(&der).map(|(seconds, _)| Date::of(seconds).to_string())
        };
        for (tag, text, expect) in [
            (UTC_TIME, "261124170203Z", Some("2026-11-24T17:02:03")),
            (UTC_TIME, "000229000000Z", Some("2000-02-29T00:00:00")),
            (UTC_TIME, "700101000000Z", Some("1970-01-01T00:00:00")),
            (GENERALIZED_TIME, "20991231235959Z", Some("2099-12-31T23:59:59")),
            (GENERALIZED_TIME, "99991231235959Z", Some("9999-12-31T23:59:59")),
            (UTC_TIME, "261324170203Z", None),
            (UTC_TIME, "2611241702Z", None),
            (UTC_TIME, "26112417020ZZ", None),
            (GENERALIZED_TIME, "261124170203Z", None),
            (INTEGER, "261124170203Z", None),
        ] {
            assert_eq!(read(tag, text).as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn what_is_cut_is_no_certificate() {
        for der in [&b""[..], b"\x30", b"\x30\x81", b"\x30\x84\0\0\0\0", b"\x30\x02\x30\0"] {
            assert_eq!(validity(der), None);
        }
    }
}
