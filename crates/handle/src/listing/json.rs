//! A listing as a JSON array.

use super::{
    entry::Entry,
    words::{push_json, push_timestamp},
};
use std::fmt::Write;

/// Everything above the rows.
pub(super) fn push_head(text: &mut String) {
    text.push_str("[\n");
}

/// The object of one entry; a folder's size is null.
pub(super) fn push_row(text: &mut String, entry: &Entry, is_last: bool) {
    text.push_str("{\"name\": ");
    push_json(text, &entry.text());
    // Writing into a string cannot fail.
    let _ = if entry.is_directory {
        write!(text, ", \"type\": \"directory\", \"size\": null")
    } else {
        write!(text, ", \"type\": \"file\", \"size\": {}", entry.size)
    };
    text.push_str(", \"modified\": \"");
    push_timestamp(text, entry.modified);
    text.push_str(if is_last { "\"}\n" } else { "\"},\n" });
}

/// Everything below the rows.
pub(super) fn push_foot(text: &mut String) {
    text.push_str("]\n");
}
