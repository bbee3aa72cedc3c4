//! The credentials of a request: `Authorization: Basic`, read strictly (RFC 7617).

use base64::{Engine, engine::general_purpose::STANDARD};
use message::{Fields, Name};

/// A user and a password, as a client sent them.
pub(crate) struct Credentials {
    text: String,
    /// Where in the text the first colon is, which ends the user.
    colon: usize,
}

impl Credentials {
    /// The credentials among `fields`; `None` where there are none, or more than one could be
    /// meant. Base64 has its padding and no bit too many, the text is UTF-8 without controls.
    pub(crate) fn of(fields: &Fields<'_>) -> Option<Self> {
        if fields.is_repeated(Name::Authorization) {
            return None;
        }
        let value = fields.get(Name::Authorization)?;
        let (scheme, rest) = value.split_at_checked(b"Basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let blanks = rest.iter().take_while(|&&byte| byte == b' ').count();
        let encoded = &rest[blanks..];
        let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let colon = text.find(':')?;
        // Beyond ASCII there are controls as well, which a walk along the characters finds.
        let is_plain = match text.is_ascii() {
            true => !text.bytes().any(|byte| byte.is_ascii_control()),
            false => !text.contains(char::is_control),
        };
        is_plain.then_some(Self { text, colon })
    }

    /// The user with the password, between them a colon.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    pub(crate) fn password(&self) -> &str {
        &self.text[self.colon + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Field;
    use proptest::prelude::*;

    fn check(lines: &[&[u8]], expect: Option<(&str, &str)>) {
        let lines: Vec<_> =
            lines.iter().map(|value| Field { name: b"authorization", value }).collect();
        let found = Credentials::of(&Fields::of(&lines));
        let found = found.as_ref().map(|found| (found.user(), found.password()));
        assert_eq!(found, expect, "{lines:?}");
    }

    fn basic(text: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn user_and_password_are_told_apart_by_the_first_colon() {
        check(&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], Some(("Aladdin", "open sesame")));
        check(&[b"basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], Some(("Aladdin", "open sesame")));
        check(&[b"BASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], Some(("Aladdin", "open sesame")));
        check(&[&basic(b"a:b:c")], Some(("a", "b:c")));
        check(&[&basic(b":")], Some(("", "")));
        check(
            &[&basic("bj\u{f6}rn:\u{e4}\u{f6}".as_bytes())],
            Some(("bj\u{f6}rn", "\u{e4}\u{f6}")),
        );
    }

    #[test]
    fn what_is_not_exactly_right_is_nothing() {
        for value in [
            &b""[..],
            b"Basic",
            b"Basic ",
            b"Basic!",
            b"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            b"BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=",
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",
            b"Basic \tQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x",
            b"Basic QWxhZGRpbjpv cGVuIHNlc2FtZQ==",
            b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==,",
            b"Basic \xff\xfe\xfd\xfc",
            &basic(b"no colon"),
            &basic(b"a:\xfc"),
            &basic(b"a:b\0"),
            &basic(b"a\0:b"),
            &basic(b"a:b\n"),
            &basic(b"a:b\x7f"),
            &basic("a:b\u{85}".as_bytes()),
        ] {
            check(&[value], None);
        }
        let valid = basic(b"a:b");
        check(&[&valid, &valid], None);
        check(&[], None);
    }

    proptest! {
        #[test]
        fn what_was_sent_is_what_is_read(user in "[^:\\p{Cc}]{0,20}", password in "\\P{Cc}{0,80}") {
            let value = basic(format!("{user}:{password}").as_bytes());
            check(&[&value], Some((&user, &password)));
        }

        #[test]
        fn any_bytes_are_read_or_not(value: Vec<u8>) {
            let _ = Credentials::of(&Fields::of(&[Field { name: b"authorization", value: &value }]));
            let value = [b"Basic ", &*value].concat();
            let _ = Credentials::of(&Fields::of(&[Field { name: b"authorization", value: &value }]));
        }
    }
}
