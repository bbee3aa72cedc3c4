//! Text with placeholders, such as `/new/{rest}`: taken apart once, filled in for each request.
//!
//! What is filled in is never looked through for placeholders again, so a client that sends
//! `{host}` is answered with those six characters.

use super::braces::{PhraseError, Piece, pieces};
use base::text::{push_html, push_json};
use message::{Exchange, path};
use std::net::IpAddr;

/// The segments of the rest that have a placeholder of their own, from `{1}`.
const SEGMENTS_MAX: u8 = 9;

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Blank(Blank),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blank {
    Host,
    /// The port that was asked for with its colon; nothing where none was named.
    Port,
    Path,
    Query,
    /// What the `*` of the route stands for.
    Rest,
    /// One segment of it, counted from 1.
    Segment(u8),
    Method,
    Client,
    /// The id of the exchange; nothing where it has none.
    RequestId,
}

const BLANKS: [(&str, Blank); 8] = [
    ("host", Blank::Host),
    ("port", Blank::Port),
    ("path", Blank::Path),
    ("query", Blank::Query),
    ("rest", Blank::Rest),
    ("method", Blank::Method),
    ("client", Blank::Client),
    ("request-id", Blank::RequestId),
];

/// How what is filled in is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// As it may stand in a URL: everything but unreserved characters, and slashes in `{path}` and
    /// `{rest}`, is percent-encoded; a query and a host stay as they were sent.
    Url,
    /// So that it means itself in HTML and XML, between tags and in quoted attributes.
    Html,
    /// So that it means itself inside a text of JSON or JavaScript.
    Json,
}

impl Form {
    /// The form for content of this type: what a client has sent shall never become part of a page
    /// or a program.
    #[must_use]
    pub fn of(media_type: &str) -> Self {
        let media_type = media_type.to_ascii_lowercase();
        let speaks = |words: &[&str]| words.iter().any(|word| media_type.contains(word));
        match () {
            () if speaks(&["html", "xml", "svg"]) => Self::Html,
            () if speaks(&["json", "script"]) => Self::Json,
            () => Self::Plain,
        }
    }
}

impl Phrase {
    /// Takes `text` apart. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// A brace has no partner, or a placeholder no meaning.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        let parts = pieces(text)?.into_iter().map(|piece| match piece {
            Piece::Literal(text) => Ok(Part::Literal(text.into())),
            Piece::Name(name) => blank(name).map(Part::Blank),
        });
        Ok(Self { parts: parts.collect::<Result<_, _>>()? })
    }

    /// The URL of the same path, and of the same port, on another host.
    #[must_use]
    pub(crate) fn to_host(host: &str) -> Self {
        let to = Part::Literal(format!("//{host}").into());
        Self { parts: vec![to, Part::Blank(Blank::Port), Part::Blank(Blank::Path)] }
    }

    /// The names of all placeholders, for help.
    #[must_use]
    pub fn names() -> String {
        let named = BLANKS.iter().map(|(name, _)| format!("{{{name}}}")).collect::<Vec<_>>();
        format!("{} and {{1}} to {{{SEGMENTS_MAX}}}", named.join(", "))
    }

    /// The text, if it has no placeholders.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text before the first placeholder.
    #[must_use]
    pub fn head(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether it is a path, and so leads to the host that was asked.
    #[must_use]
    pub fn is_on_this_host(&self) -> bool {
        self.head().starts_with('/') && !self.head().starts_with("//")
    }

    /// The part before the first `?` that was written, and the part behind it, if there is one.
    #[must_use]
    pub(crate) fn split_query(mut self) -> (Self, Option<Self>) {
        for (at, part) in self.parts.iter().enumerate() {
            let Part::Literal(text) = part else { continue };
            let Some((before, behind)) = text.split_once('?') else { continue };
            let (before, behind) = (before.into(), behind.into());
            let mut query = self.parts.split_off(at);
            query[0] = Part::Literal(behind);
            self.parts.push(Part::Literal(before));
            return (self, Some(Self { parts: query }));
        }
        (self, None)
    }

    /// Whether no client can choose the host it leads to: it is a path, or the host ends before
    /// anything but the path is filled in.
    #[must_use]
    pub(crate) fn is_location(&self) -> bool {
        if self.is_on_this_host() {
            return true;
        }
        let Some((scheme, authority)) = self.head().split_once("//") else { return false };
        let is_scheme = scheme.is_empty()
            || scheme.strip_suffix(':').is_some_and(|scheme| {
                !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if !is_scheme || authority.contains('/') {
            return is_scheme && !authority.starts_with('/');
        }
        // The host that was asked is one that the site answers for.
        let mut parts = self.parts.iter().skip(1).peekable();
        let is_host = |part: &&Part| matches!(part, Part::Blank(Blank::Host));
        let has_host = authority.is_empty() && parts.next_if(is_host).is_some();
        if !has_host && authority.is_empty() {
            return false;
        }
        parts.next_if(|part| matches!(part, Part::Blank(Blank::Port)));
        match parts.next() {
            None | Some(Part::Blank(Blank::Path)) => true,
            Some(Part::Literal(text)) => text.starts_with('/'),
            Some(Part::Blank(_)) => false,
        }
    }

    /// Whether it speaks of what the `*` of a route stands for.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        let speaks = |part: &Part| matches!(part, Part::Blank(Blank::Rest | Blank::Segment(_)));
        self.parts.iter().any(speaks)
    }

    /// Whether it ends as the path does that was asked.
    #[must_use]
    pub(crate) fn ends_as_asked(&self) -> bool {
        matches!(self.parts.last(), Some(Part::Blank(Blank::Path | Blank::Rest)))
    }

    /// Whether it is `text` and then the rest, whole.
    #[must_use]
    pub(crate) fn is_rest_behind(&self, text: &[u8]) -> bool {
        matches!(&*self.parts, [Part::Literal(before), Part::Blank(Blank::Rest)]
            if before.as_bytes() == text)
    }

    /// Whether it speaks of the exchange's id.
    #[must_use]
    pub(crate) fn has_id(&self) -> bool {
        self.parts.contains(&Part::Blank(Blank::RequestId))
    }

    /// The text for `exchange`, whose path the route matched up to `rest`.
    #[must_use]
    pub fn fill(&self, exchange: &Exchange<'_>, rest: &[u8], form: Form) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Blank(blank) => fill(*blank, exchange, rest, form, &mut out),
            }
        }
        out
    }
}

fn blank(name: &str) -> Result<Blank, PhraseError> {
    let named = BLANKS.iter().find(|(known, _)| *known == name).map(|(_, blank)| *blank);
    let segment = || match name.as_bytes() {
        [digit @ b'1'..=b'9'] => Some(Blank::Segment(digit - b'0')),
        _ => None,
    };
    named.or_else(segment).ok_or_else(|| PhraseError::Unknown(name.into()))
}

fn fill(blank: Blank, exchange: &Exchange<'_>, rest: &[u8], form: Form, out: &mut Vec<u8>) {
    let client;
    let value = match blank {
        Blank::Host => exchange.request.host.as_bytes(),
        Blank::Port => return out.extend_from_slice(exchange.request.port.as_bytes()),
        Blank::Path => exchange.path_bytes(),
        Blank::Query => exchange.query().unwrap_or("").as_bytes(),
        Blank::Rest => rest,
        Blank::Segment(number) => {
            let mut segments = rest.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
            segments.nth(usize::from(number) - 1).unwrap_or_default()
        }
        Blank::Method => exchange.request.method.as_str().as_bytes(),
        Blank::Client => {
            client = written(exchange.client);
            client.as_bytes()
        }
        Blank::RequestId => exchange.id.as_ref().map_or("", |id| id.as_str()).as_bytes(),
    };
    match form {
        Form::Plain => out.extend_from_slice(value),
        // Both were sent in the form of a URL, and the host is known to be one.
        Form::Url if matches!(blank, Blank::Query | Blank::Host) => out.extend_from_slice(value),
        Form::Html => {
            let mut text = String::with_capacity(value.len());
            push_html(&mut text, &String::from_utf8_lossy(value));
            out.extend_from_slice(text.as_bytes());
        }
        Form::Json => {
            let mut text = Vec::with_capacity(value.len());
            push_json(&mut text, value);
            // The end of a script element would end it inside of a text, too, and a program may
            // have its texts in single quotes or in backticks, where `${` begins a program.
            out.extend(text.into_iter().flat_map(|byte| match byte {
                b'<' => b"\\u003c".to_vec(),
                b'\'' => b"\\u0027".to_vec(),
                b'`' => b"\\u0060".to_vec(),
                b'$' => b"\\u0024".to_vec(),
                byte => vec![byte],
            }));
        }
        Form::Url => {
            let mut text = String::with_capacity(value.len());
            path::push_encoded_path(&mut text, value);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn written(client: Option<IpAddr>) -> String {
    client.map_or_else(|| "unix".to_owned(), |client| client.to_string())
}
