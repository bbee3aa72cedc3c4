//! Which of several forms a client would like best (RFC 9110 section 12.5).

use crate::encoder::QUICK_CODINGS;
use message::{Coding, Fields, Name};

/// No form that there is would be accepted: 406, unless the handler would rather send the content
/// as it is, which RFC 9110 allows too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAcceptable;

/// A client's weight for each coding, in thousandths; 0 is a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codings([u16; Coding::COUNT]);

impl Codings {
    /// What the Accept-Encoding field says. Malformed members are passed over; of two weights for
    /// one coding the later counts.
    #[must_use]
    pub fn accepted(fields: &Fields<'_>) -> Self {
        // Identity needs no mention to be accepted, but anything mentioned is liked better.
        const LEAST: u16 = 1;
        if !fields.contains(Name::AcceptEncoding) {
            return Self([LEAST, LEAST, LEAST, WEIGHT_MAX]);
        }
        let mut others = None;
        let mut weights = [None; Coding::COUNT];
        for line in fields.all(Name::AcceptEncoding) {
            for member in members(line).filter(|member| !member.has_parameters) {
                if let Some(coding) = Coding::parse(member.name) {
                    weights[coding as usize] = Some(member.weight);
                } else if member.name == b"*" {
                    others = Some(member.weight);
                }
            }
        }
        let identity = weights[Coding::Identity as usize].or(others).unwrap_or(LEAST);
        let mut weights = weights.map(|weight| weight.or(others).unwrap_or(0));
        weights[Coding::Identity as usize] = identity;
        Self(weights)
    }

    /// The one that is liked best of those `available`; of several, the one that stands first.
    pub fn best(&self, available: &[Coding]) -> Result<Coding, NotAcceptable> {
        let mut best = Err(NotAcceptable);
        let mut most = 0;
        for &coding in available {
            let weight = self.0[coding as usize];
            if weight > most {
                (best, most) = (Ok(coding), weight);
            }
        }
        best
    }
}

/// The form of content that is put into a coding while it is asked for: of those that are quick
/// and `offered`, the one that the client likes best, if it likes one better than none.
#[must_use]
pub fn quick(fields: &Fields<'_>, offered: &[Coding]) -> Coding {
    if !fields.contains(Name::AcceptEncoding) {
        return Coding::Identity;
    }
    let offered = QUICK_CODINGS.iter().filter(|coding| offered.contains(coding));
    let mut available = [Coding::Identity; QUICK_CODINGS.len() + 1];
    available.iter_mut().zip(offered).for_each(|(place, coding)| *place = *coding);
    Codings::accepted(fields).best(&available).unwrap_or(Coding::Identity)
}

/// Whether a client would rather have JSON than HTML. Of equal weights the one counts that was
/// named more exactly: many programs send `application/json, */*`.
#[must_use]
pub fn prefers_json(fields: &Fields<'_>) -> bool {
    let (mut json, mut html) = (Liking::default(), Liking::default());
    for member in fields.all(Name::Accept).flat_map(members) {
        json.hear(member, b"application/*", b"application/json");
        html.hear(member, b"text/*", b"text/html");
    }
    json.weight > 0 && (json.weight, json.precision) > (html.weight, html.precision)
}

/// Whether a client takes HTML at all; one that says nothing takes everything.
#[must_use]
pub fn accepts_html(fields: &Fields<'_>) -> bool {
    let mut html = Liking::default();
    let members = fields.all(Name::Accept).flat_map(members);
    members.for_each(|member| html.hear(member, b"text/*", b"text/html"));
    html.weight > 0 || !fields.contains(Name::Accept)
}

/// How much a client likes one media type, and how exactly it said so.
#[derive(Clone, Copy, Default)]
struct Liking {
    precision: u8,
    weight: u16,
}

impl Liking {
    /// The most exact word on a type overrides the others.
    fn hear(&mut self, member: Member<'_>, family: &[u8], exact: &[u8]) {
        let precision = match member.name {
            name if name.eq_ignore_ascii_case(exact) => 3,
            name if name.eq_ignore_ascii_case(family) => 2,
            b"*/*" => 1,
            _ => return,
        };
        if precision > self.precision {
            *self = Self { precision, weight: member.weight };
        } else if precision == self.precision {
            self.weight = self.weight.max(member.weight);
        }
    }
}

/// The weight of what is named without one.
const WEIGHT_MAX: u16 = 1000;

/// One member of a list of weighted names.
#[derive(Clone, Copy)]
struct Member<'v> {
    name: &'v [u8],
    weight: u16,
    /// Whether it has parameters beside its weight.
    has_parameters: bool,
}

/// The members of one line; those with a malformed weight are left out.
fn members(line: &[u8]) -> impl Iterator<Item = Member<'_>> {
    line.split(|&byte| byte == b',').filter_map(|member| {
        // Most members are a name and nothing else.
        let name_bytes = member.iter().position(|&byte| byte == b';').unwrap_or(member.len());
        let (name, parameters) = member.split_at(name_bytes);
        let name = name.trim_ascii();
        let mut member = Member { name, weight: WEIGHT_MAX, has_parameters: false };
        for parameter in parameters.split(|&byte| byte == b';').skip(1) {
            match parameter.trim_ascii() {
                [b'q' | b'Q', b'=', weight @ ..] => member.weight = thousandths(weight)?,
                _ => member.has_parameters = true,
            }
        }
        Some(member)
    })
}

/// A weight: `0` to `1` with at most three decimals (RFC 9110 section 12.4.2).
fn thousandths(weight: &[u8]) -> Option<u16> {
    let (whole, decimals) = match weight {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut fraction = 0;
    for place in 0..3 {
        let digit = decimals.get(place).unwrap_or(&b'0');
        fraction = fraction * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    match (whole, fraction) {
        (b'0', _) => Some(fraction),
        (b'1', 0) => Some(WEIGHT_MAX),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Br, Gzip, Identity, Zstd};
    use message::Field;
    use proptest::prelude::*;

    fn lines<'h>(name: &'h str, values: &[&'h str]) -> Vec<Field<'h>> {
        values
            .iter()
            .map(|value| Field { name: name.as_bytes(), value: value.as_bytes() })
            .collect()
    }

    fn best(values: &[&str], available: &[Coding]) -> Result<Coding, NotAcceptable> {
        Codings::accepted(&Fields::of(&lines("accept-encoding", values))).best(available)
    }

    #[track_caller]
    fn check(value: &str, available: &[Coding], expect: Coding) {
        assert_eq!(best(&[value], available), Ok(expect), "{value}");
    }

    #[test]
    fn html_is_for_those_who_take_it() {
        let accepts = |values: &[&str]| accepts_html(&Fields::of(&lines("accept", values)));
        for (value, expect) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("*/*", true),
            ("text/*;q=0.1", true),
            ("application/json", false),
            ("image/avif,image/webp,*/*;q=0", false),
            ("text/html;q=0, */*", false),
            ("text/css", false),
        ] {
            assert_eq!(accepts(&[value]), expect, "{value}");
        }
        assert!(accepts(&[]));
    }

    #[test]
    fn the_servers_preference_decides_a_tie() {
        check("gzip, deflate, br, zstd", &Coding::ALL, Br);
        check("gzip, deflate, br, zstd", &[Zstd, Gzip, Identity], Zstd);
        check("gzip, deflate, br, zstd", &[Gzip, Zstd, Identity], Gzip);
        check("gzip, deflate, br, zstd", &[Identity], Identity);
        check("gzip;q=0.5, *;q=0.5", &[Gzip, Identity], Gzip);
        check("GZIP", &Coding::ALL, Gzip);
        check("x-gzip", &Coding::ALL, Gzip);
        check("*", &Coding::ALL, Br);
    }

    #[test]
    fn the_clients_weights_come_first() {
        // The examples of RFC 9110 section 12.5.3.
        check("compress, gzip", &Coding::ALL, Gzip);
        check("", &Coding::ALL, Identity);
        check("compress;q=0.5, gzip;q=1.0", &Coding::ALL, Gzip);
        check("gzip;q=1.0, identity; q=0.5, *;q=0", &Coding::ALL, Gzip);
        check("gzip;q=1.0, identity; q=0.5, *;q=0", &[Br, Identity], Identity);
        check("br;q=0.8, gzip", &Coding::ALL, Gzip);
        check("br;q=0.998,gzip;q=0.999", &Coding::ALL, Gzip);
        check("br;q=0, gzip;q=0.001", &Coding::ALL, Gzip);
        check("gzip;q=0.5, identity", &Coding::ALL, Identity);
        check("gzip;q=0, *", &[Gzip, Identity], Identity);
        check("identity;q=0, *;q=0.1", &Coding::ALL, Br);
        check("gzip;q=0.001", &[Gzip, Identity], Gzip);
        check("gzip;Q=0.5 ;\t", &[Gzip, Identity], Identity);
    }

    #[test]
    fn what_nobody_asked_about() {
        assert_eq!(best(&[], &Coding::ALL), Ok(Identity));
        assert_eq!(best(&[], &[Gzip]), Ok(Gzip));
        assert_eq!(best(&["gzip;q=0.5", "br;q=0.9"], &Coding::ALL), Ok(Br));
    }

    #[test]
    fn what_is_not_acceptable() {
        for value in ["identity;q=0", "*;q=0", "br, identity;q=0", "br, *;q=0.0", "*;q=0.000"] {
            assert_eq!(best(&[value], &[Gzip, Identity]), Err(NotAcceptable), "{value}");
        }
        check("*;q=0, identity;q=0.1", &[Gzip, Identity], Identity);
        assert_eq!(best(&["deflate"], &[Gzip]), Err(NotAcceptable));
    }

    #[test]
    fn malformed_members_are_passed_over() {
        for member in [
            "br;q=2",
            "br;q=1.001",
            "br;q=0.1234",
            "br;q=",
            "br;q=.5",
            "br;q=-1",
            "br;q =1",
            "br;q= 1",
            "br;q=0,9",
            "br q=1",
            "br;level=9",
            "b r",
            "\"br\"",
            ";q=1",
            "br;q=1e0",
            "br;q=0x1",
            "br;q=00.5",
        ] {
            let value = format!("{member}, gzip;q=0.001");
            assert_eq!(best(&[&value], &[Br, Gzip]), Ok(Gzip), "{value}");
        }
        check(",, ,gzip,", &Coding::ALL, Gzip);
        check("br;q=1.000", &Coding::ALL, Br);
        check("br;q=1.", &Coding::ALL, Br);
        check("br;q=0.", &Coding::ALL, Identity);
    }

    #[track_caller]
    fn check_json(values: &[&str], expect: bool) {
        assert_eq!(prefers_json(&Fields::of(&lines("accept", values))), expect, "{values:?}");
    }

    #[test]
    fn json_only_for_those_who_ask() {
        check_json(&[], false);
        check_json(&["*/*"], false);
        check_json(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], false);
        check_json(&["application/json"], true);
        check_json(&["application/json;charset=utf-8"], true);
        check_json(&["application/json, text/plain, */*"], true);
        check_json(&["application/json, text/html"], false);
        check_json(&["application/json;q=0.9, text/html"], false);
        check_json(&["text/html;q=0.5", "Application/JSON;q=0.6"], true);
        check_json(&["application/*"], true);
        check_json(&["application/*, application/json;q=0.1, text/*;q=0.2"], false);
        check_json(&["*/*, text/html;q=0.1"], true);
        check_json(&["application/json;q=0"], false);
        check_json(&["application/json;q=5"], false);
    }

    proptest! {
        #[test]
        fn the_best_is_available_and_not_refused(
            value in "((gzip|br|zstd|identity|x|\\*)(;q=(0|1|0\\.[0-9]{0,4}))?[, ]{0,2}){0,8}",
            bits in 0u8..16,
        ) {
            let is_there = |coding: &Coding| bits & 1 << *coding as u8 != 0;
            let available: Vec<_> = Coding::ALL.into_iter().filter(is_there).collect();
            let fields = lines("accept-encoding", &[&value]);
            let codings = Codings::accepted(&Fields::of(&fields));
            match codings.best(&available) {
                Ok(best) => {
                    prop_assert!(available.contains(&best) && codings.0[best as usize] > 0);
                    let most = available.iter().map(|coding| codings.0[*coding as usize]).max();
                    prop_assert_eq!(most, Some(codings.0[best as usize]));
                }
                Err(NotAcceptable) => {
                    prop_assert!(available.iter().all(|coding| codings.0[*coding as usize] == 0));
                }
            }
        }

        #[test]
        fn no_value_is_too_odd(value: Vec<u8>) {
            for name in ["accept-encoding", "accept"] {
                let lines = [Field { name: name.as_bytes(), value: &value }];
                let fields = Fields::of(&lines);
                let weights = Codings::accepted(&fields).0;
                prop_assert!(weights.into_iter().all(|weight| weight <= WEIGHT_MAX));
                prop_assert!(!prefers_json(&fields) || name == "accept");
            }
        }
    }
}
