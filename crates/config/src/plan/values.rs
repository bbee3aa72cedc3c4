//! What templates may ask for: a closed set of values for each kind of page.

use super::Value;
use message::Status;

/// The values of an error page.
#[derive(Clone, Copy, Debug)]
pub struct ErrorValues<'v> {
    /// The status.
    pub status: Status,
    /// Its words.
    pub reason: &'v str,
    /// The host that was asked.
    pub host: &'v str,
    /// The path that was asked for, decoded.
    pub path: &'v str,
    /// The method.
    pub method: &'v str,
    /// The id of the request, where there is one.
    pub request_id: Option<&'v str>,
}

impl ErrorValues<'_> {
    /// Something to try a template on.
    pub(crate) const SAMPLE: Self = Self {
        status: Status::NOT_FOUND,
        reason: Status::NOT_FOUND.reason(),
        host: "example.com",
        path: "/",
        method: "GET",
        request_id: Some("0"),
    };

    /// The values by their names.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("status", self.status.0.into()),
            ("reason", self.reason.into()),
            ("host", self.host.into()),
            ("path", self.path.into()),
            ("method", self.method.into()),
            ("request_id", self.request_id.map_or_else(|| Value::from(()), Value::from)),
        ]
    }
}

/// The values of a listing.
#[derive(Clone, Copy, Debug)]
pub struct ListingValues<'v, I> {
    /// The path of the folder, decoded.
    pub path: &'v str,
    /// What is in it, in order.
    pub entries: I,
    /// What it is sorted by.
    pub sort: &'static str,
    /// `asc` or `desc`.
    pub order: &'static str,
    /// How many entries are not shown.
    pub left_out: usize,
}

/// The values of one entry of a listing.
#[derive(Clone, Debug)]
pub struct ListingEntry {
    /// Its name.
    pub name: String,
    /// What a link to it holds.
    pub href: String,
    /// Its size in bytes; `None` for a folder.
    pub size: Option<u64>,
    /// The same for people.
    pub size_text: String,
    /// When it was last modified (RFC 3339).
    pub modified: String,
}

impl<I: Iterator<Item = ListingEntry>> ListingValues<'_, I> {
    /// The values by their names.
    #[must_use]
    pub fn named(self) -> Vec<(&'static str, Value)> {
        vec![
            ("path", self.path.into()),
            ("entries", self.entries.map(ListingEntry::value).collect()),
            ("sort", self.sort.into()),
            ("order", self.order.into()),
            ("left_out", self.left_out.into()),
        ]
    }
}

impl ListingEntry {
    /// A file and a folder to try a template on.
    pub(crate) fn samples() -> [Self; 2] {
        let sample = |name: &str, size| Self {
            name: name.to_owned(),
            href: name.to_owned(),
            size,
            size_text: String::new(),
            modified: "1994-11-06T08:49:37Z".to_owned(),
        };
        [sample("file", Some(1)), sample("folder/", None)]
    }

    fn value(self) -> Value {
        Value::from_pairs([
            ("name", Value::from(self.name)),
            ("href", self.href.into()),
            ("is_folder", self.size.is_none().into()),
            ("size", self.size.map_or_else(|| Value::from(()), Value::from)),
            ("size_text", self.size_text.into()),
            ("modified", self.modified.into()),
        ])
    }
}
