//! The few things in a certificate that only its operator wants to know (RFC 5280 section 4.1):
//! from when until when it holds, who has signed it, what it is called. Whatever else is in it the
//! library reads.

use base::Date;

/// What is known of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Seconds since 1970 from which on it holds.
    pub from: i64,
    /// Seconds since 1970 up to which it holds.
    pub until: i64,
    /// Its number, as it stands there.
    pub number: Vec<u8>,
    /// Whose it is, as it stands there.
    pub subject: Vec<u8>,
    /// The common name of who has signed it, or another part of that name.
    pub issuer: String,
    /// What the key of who has signed it is called.
    pub issuer_key: Option<Vec<u8>>,
}

impl Facts {
    /// Of the certificate `der`; `None` where it is malformed.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (certificate, _) = element(der, SEQUENCE)?;
        let (mut rest, _) = element(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            (_, rest) = element(rest, VERSION)?;
        }
        let (number, rest) = element(rest, INTEGER)?;
        let (_, rest) = element(rest, SEQUENCE)?;
        let (issuer, rest) = element(rest, SEQUENCE)?;
        let (validity, subject) = element(rest, SEQUENCE)?;
        let (from, times) = time(validity)?;
        let (until, _) = time(times)?;
        let (_, rest) = element(subject, SEQUENCE)?;
        let subject = subject.get(..subject.len() - rest.len())?.to_vec();
        let (_, rest) = element(rest, SEQUENCE)?;
        let number = number.to_vec();
        let issuer_key = issuer_key(rest);
        Some(Self { from, until, number, subject, issuer: last_name(issuer), issuer_key })
    }

    /// The common name of whose it is, or another part of that name.
    #[must_use]
    pub fn name(&self) -> String {
        element(&self.subject, SEQUENCE).map(|(name, _)| last_name(name)).unwrap_or_default()
    }

    /// Whether it holds at that time, in seconds since 1970.
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        (self.from..=self.until).contains(&now)
    }

    /// What is wrong with its time at that one, in seconds since 1970, or will be `within` so many
    /// seconds: a sentence without a full stop.
    #[must_use]
    pub fn warning(&self, now: i64, within: i64) -> Option<String> {
        let Self { from, until, .. } = *self;
        let date = |seconds| Date::of(seconds).to_string().replace('T', " ");
        if until < now {
            Some(format!("has expired on {} UTC: browsers refuse it", date(until)))
        } else if now < from {
            Some(format!("holds only from {} UTC on: browsers refuse it until then", date(from)))
        } else if until < now.saturating_add(within) {
            Some(format!("expires on {} UTC", date(until)))
        } else {
            None
        }
    }
}

/// The last part of a name that says something, which is the common name mostly.
fn last_name(mut name: &[u8]) -> String {
    let mut last = String::new();
    while let Some((set, rest)) = element(name, SET) {
        name = rest;
        let value = element(set, SEQUENCE).and_then(|(pair, _)| {
            let (_, value) = element(pair, OBJECT)?;
            element(value, *value.first()?)
        });
        if let Some((value, _)) = value {
            last = String::from_utf8_lossy(value).into_owned();
        }
    }
    last
}

/// The identifier of the signer's key, among what follows the public key.
fn issuer_key(rest: &[u8]) -> Option<Vec<u8>> {
    const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
    let (all, _) = element(rest, EXTENSIONS)?;
    let (mut all, _) = element(all, SEQUENCE)?;
    while let Some((extension, next)) = element(all, SEQUENCE) {
        all = next;
        let (object, content) = element(extension, OBJECT)?;
        if object == AUTHORITY_KEY {
            let (content, _) = element(content, OCTET_STRING)?;
            let (content, _) = element(content, SEQUENCE)?;
            return element(content, KEY_IDENTIFIER).map(|(key, _)| key.to_vec());
        }
    }
    None
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
const KEY_IDENTIFIER: u8 = 0x80;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// The tags of what stands in a sequence that is all there is but for a line end.
pub(crate) fn outline(der: &[u8]) -> Option<Vec<u8>> {
    let (mut inside, rest) = element(der, SEQUENCE)?;
    let mut tags = Vec::new();
    while let Some(&tag) = inside.first() {
        tags.push(tag);
        (_, inside) = element(inside, tag)?;
    }
    rest.iter().all(u8::is_ascii_whitespace).then_some(tags)
}

/// The content of the element in front, which has that tag, and what follows it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
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

/// Seconds since 1970 of a time as RFC 3339 writes it, such as `2026-11-28T22:51:00Z`; what is
/// below a second is left out.
#[must_use]
pub fn instant(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (time, shift) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => return None,
    };
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut parts = time.split('.').next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let shift = match shift {
        "Z" | "z" => 0,
        shift => {
            let (hours, minutes) = shift.get(1..)?.split_once(':')?;
            let (hours, minutes) = (hours.parse::<i64>().ok()?, minutes.parse::<i64>().ok()?);
            let is_one = (0..24).contains(&hours) && (0..60).contains(&minutes);
            let seconds = is_one.then(|| hours * 3600 + minutes * 60)?;
            if shift.starts_with('-') { -seconds } else { seconds }
        }
    };
    let is_one = (1..=12).contains(&month) && (1..=31).contains(&day) && (0..=9999).contains(&year);
    // A leap second is one more.
    let is_one = is_one && (0..=24).contains(&hour) && (0..60).contains(&minute);
    let is_one = is_one && (0..=60).contains(&second);
    is_one.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - shift)
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
    fn a_time_of_json_is_read_or_refused() {
        for (text, expect) in [
            ("1970-01-02T00:00:01Z", Some(86_401)),
            ("2026-11-28T22:51:00.123456Z", Some(1_795_906_260)),
            ("2026-11-29T00:51:00+02:00", Some(1_795_906_260)),
            ("2026-11-28T17:51:00-05:00", Some(1_795_906_260)),
            ("2026-13-28T17:51:00Z", None),
            ("2026-11-28T17:51:00", None),
            ("2026-11-28T9223372036854775807:51:00Z", None),
            ("2026-11-28T17:51:00+9223372036854775807:00", None),
            ("2026-11-28T17:-1:00Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(instant(text), expect, "{text}");
        }
    }

    #[test]
    fn what_is_cut_is_no_certificate() {
        for der in [&b""[..], b"\x30", b"\x30\x81", b"\x30\x84\0\0\0\0", b"\x30\x02\x30\0"] {
            assert_eq!(Facts::of(der), None);
        }
    }
}
