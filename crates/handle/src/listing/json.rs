//! A listing as a JSON array.

use super::entry::Entry;
use base::{Date, text::push_json};
use std::fmt::Write;

/// Everything above the rows.
pub(super) fn push_head(text: &mut String) {
    text.push_str("[\n");
}

/// The object of one entry; a folder's size is null. A name that is no text cannot be told in JSON,
/// so the link is.
pub(super) fn push_row(text: &mut String, entry: &Entry, is_last: bool) {
    let mut name = Vec::new();
    push_json(&mut name, entry.text().as_bytes());
    text.push_str("{\"name\": \"");
    text.push_str(&String::from_utf8_lossy(&name));
    text.push_str("\", \"href\": \"");
    entry.push_href(text);
    // Writing into a string cannot fail.
    let _ = if entry.is_directory {
        write!(text, "\", \"type\": \"directory\", \"size\": null")
    } else {
        write!(text, "\", \"type\": \"file\", \"size\": {}", entry.size)
    };
    let end = if is_last { "\n" } else { ",\n" };
    let _ = write!(text, ", \"modified\": \"{}Z\"}}{end}", Date::of(entry.modified));
}

/// Everything below the rows.
pub(super) fn push_foot(text: &mut String) {
    text.push_str("]\n");
}
