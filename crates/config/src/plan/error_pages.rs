//! Pages of a site's own for errors, by status.

use super::{Place, Template};
use message::Status;
use std::sync::Arc;

/// Pages for errors.
#[derive(Clone, Debug, Default)]
pub struct ErrorPages(Vec<(Errors, Arc<ErrorPage>, Place)>);

/// Which errors a page is for. What stands further up is more exact, and goes before the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errors {
    /// Those of this status.
    Exact(u16),
    /// The client's (4xx).
    Client,
    /// The server's (5xx).
    Server,
    /// All.
    Any,
}

/// A page for an error.
#[derive(Debug)]
pub struct ErrorPage {
    /// Its type, by the ending of its file's name.
    pub media_type: &'static str,
    /// What it says.
    pub content: Content,
}

/// What a page says.
#[derive(Debug)]
pub enum Content {
    /// This, word for word.
    Fixed(Box<[u8]>),
    /// This, with the values of the error, [`super::ErrorValues`].
    Template(Box<Template>),
}

impl ErrorPages {
    /// These pages, each with who named it; the most exact ones need not come first.
    pub(crate) fn new(mut pages: Vec<(Errors, Arc<ErrorPage>, Place)>) -> Self {
        pages.sort_by_key(|(errors, ..)| *errors);
        Self(pages)
    }

    /// The page for `status`, and who named it: one of its own before one of its class before one
    /// for all.
    #[must_use]
    pub fn find(&self, status: Status) -> Option<(&ErrorPage, &Place)> {
        let found = self.0.iter().find(|(errors, ..)| errors.contains(status));
        found.map(|(_, page, place)| (&**page, place))
    }

    /// Whether `status` has a page that is for no other.
    pub(crate) fn is_named(&self, status: Status) -> bool {
        self.0.iter().any(|(errors, ..)| *errors == Errors::Exact(status.0))
    }
}

impl Errors {
    /// The errors that a key stands for: `404`, `4xx`, `5xx` or `any`.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        match key {
            "4xx" => Some(Self::Client),
            "5xx" => Some(Self::Server),
            "any" => Some(Self::Any),
            key => {
                let code = key.parse().ok().filter(|code| (400..=599).contains(code))?;
                (key.len() == 3).then_some(Self::Exact(code))
            }
        }
    }

    fn contains(self, status: Status) -> bool {
        match self {
            Self::Exact(code) => status.0 == code,
            Self::Client => (400..500).contains(&status.0),
            Self::Server => (500..600).contains(&status.0),
            Self::Any => status.is_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_page_is_found() {
        let keyed = |key: &str| {
            let content = Content::Fixed(key.as_bytes().into());
            let page = Arc::new(ErrorPage { media_type: "text/html", content });
            (Errors::parse(key).unwrap(), page, Place::of("here"))
        };
        let found = |pages: &ErrorPages, status| match &pages.find(Status(status))?.0.content {
            Content::Fixed(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            Content::Template(_) => None,
        };
        let pages = ErrorPages::new(["any", "5xx", "4xx", "503", "404"].map(keyed).to_vec());
        for (status, expect) in
            [(404, "404"), (403, "4xx"), (503, "503"), (500, "5xx"), (600, "any")]
        {
            assert_eq!(found(&pages, status).as_deref(), Some(expect), "{status}");
        }
        let few = ErrorPages::new(vec![keyed("4xx")]);
        assert_eq!(found(&few, 500), None);
        for key in ["", "3xx", "200", "0404", "+404", "600", "40x", "ANY"] {
            assert_eq!(Errors::parse(key), None, "{key}");
        }
    }
}
