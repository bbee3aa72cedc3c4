//! A log line as a text with blanks, such as `{client} {status}`: taken apart once, at the start.

use super::braces::{PhraseError, Piece, pieces};
use std::fmt;

/// A text with blanks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LineTemplate {
    /// Literal texts and blanks, in order.
    pub parts: Vec<LinePart>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LinePart {
    /// A text.
    Literal(Box<str>),
    /// What is filled in, and whether that stands between quotes: outside of them a blank in it
    /// would look like the end of it.
    Blank {
        /// What.
        blank: Blank,
        /// Whether the text before it has opened quotes.
        is_quoted: bool,
    },
}

macro_rules! blanks {
    ($($name:ident $label:literal $doc:literal;)*) => {
        /// What a blank of a template stands for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Blank {
            $(#[doc = $doc] $name,)*
        }

        /// Every blank with its name, and what it stands for.
        pub const BLANKS: &[(&str, Blank, &str)] = &[$(($label, Blank::$name, $doc),)*];
    };
}

blanks! {
    Time "time" "the time as `2026-11-24T17:02:03.045Z`";
    TimeCommon "time-common" "the time as `24/Nov/2026:17:02:03 +0000`";
    Client "client" "the client's address, `unix` on a Unix socket";
    User "user" "the user who was let in, where a password was asked for";
    ClientCertificate "client-certificate" "whom the certificate is of that the client had to show";
    Request "request" "method, target and protocol, or the first line of what was refused";
    Method "method" "the method";
    Host "host" "the host that was asked, without port";
    Path "path" "the path as it was sent";
    Query "query" "the query";
    Target "target" "path and query";
    Protocol "protocol" "the protocol's version";
    Referer "referer" "the field of this name";
    Agent "agent" "the field `user-agent`";
    RequestId "request-id" "the exchange's id, where `request-id` is set";
    TraceId "trace-id" "the trace that the exchange belongs to, where `trace` is set";
    Status "status" "the status of the answer";
    Bytes "bytes" "the bytes of content that were sent";
    Us "us" "the microseconds from the read that completed the head to the end of the answer";
    Seconds "seconds" "the same in seconds, such as `0.000042`";
    Reason "reason" "why a message or a connection was refused, an answer cut off, or what a limit has found";
}

/// The Common Log Format, as the first servers wrote it.
pub(crate) const COMMON: &str = r#"{client} - {user} [{time-common}] "{request}" {status} {bytes}"#;

/// The same with referer and agent behind it.
pub(crate) const COMBINED: &str =
    r#"{client} - {user} [{time-common}] "{request}" {status} {bytes} "{referer}" "{agent}""#;

impl LineTemplate {
    /// Whether it speaks of that.
    #[must_use]
    pub(crate) fn has(&self, wanted: Blank) -> bool {
        let is_it =
            |part: &LinePart| matches!(part, LinePart::Blank { blank, .. } if *blank == wanted);
        self.parts.iter().any(is_it)
    }

    /// Takes `text` apart. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// A brace has no partner, or a blank no meaning.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let mut is_quoted = false;
        let parts = pieces(text)?.into_iter().map(|piece| match piece {
            Piece::Literal(text) => {
                is_quoted ^= text.matches('"').count() % 2 == 1;
                Ok(LinePart::Literal(text.into()))
            }
            Piece::Name(name) => match BLANKS.iter().find(|(known, ..)| *known == name) {
                Some(&(_, blank, _)) => Ok(LinePart::Blank { blank, is_quoted }),
                None => Err(PhraseError::Unknown(name.into())),
            },
        });
        Ok(Self { parts: parts.collect::<Result<_, _>>()? })
    }
}

/// The text that it was.
impl fmt::Display for LineTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            LinePart::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            LinePart::Blank { blank, .. } => {
                let named = BLANKS.iter().find(|(_, known, _)| known == blank);
                write!(f, "{{{}}}", named.map_or("", |(name, ..)| name))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_apart() {
        fn check(text: &str, expect: &[&str]) {
            let shown = LineTemplate::parse(text).map(|template| {
                let show = |part: &LinePart| match part {
                    LinePart::Literal(text) => format!("'{text}'"),
                    LinePart::Blank { blank, is_quoted: true } => format!("\"{blank:?}\""),
                    LinePart::Blank { blank, is_quoted: false } => format!("{blank:?}"),
                };
                template.parts.iter().map(show).collect::<Vec<_>>()
            });
            assert_eq!(
                shown.as_deref(),
                Ok(&*expect.iter().map(|&s| s.to_owned()).collect::<Vec<_>>()),
                "{text}"
            );
        }
        check("{client} {status}", &["Client", "' '", "Status"]);
        check("{{{host}}}", &["'{'", "Host", "'}'"]);
        check("\"{agent}\" {bytes}", &["'\"'", "\"Agent\"", "'\" '", "Bytes"]);
        check("plain", &["'plain'"]);
    }

    #[test]
    fn the_known_formats_are_templates() {
        assert!(LineTemplate::parse(COMMON).is_ok());
        assert!(LineTemplate::parse(COMBINED).is_ok());
    }

    #[test]
    fn what_is_no_template_says_why() {
        let check =
            |text: &str, expect| assert_eq!(LineTemplate::parse(text), Err(expect), "{text}");
        check("{client", PhraseError::Open);
        check("client}", PhraseError::Close);
        check("{clinet}", PhraseError::Unknown("clinet".into()));
        check("{}", PhraseError::Unknown("".into()));
    }
}
