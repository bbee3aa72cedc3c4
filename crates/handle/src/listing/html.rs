//! A listing as a page: sorted by links, without scripts, on any screen.

use super::{
    entry::{Entry, Key, Order},
    words::{push_date, push_size},
};
use base::{Date, text::push_html};
use message::path::push_encoded_segment;
use std::fmt::Write;

/// Up to the title. The colour scheme leaves light and dark to the reader's own browser.
const START: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse }
th, td { padding: .3rem .5rem; text-align: start; vertical-align: top }
tr { border-bottom: 1px solid #8884 }
th + th, td + td { text-align: end; white-space: nowrap; font-variant-numeric: tabular-nums }
a { text-decoration: none }
a:hover, a:focus { text-decoration: underline }
bdi { white-space: pre-wrap; overflow-wrap: anywhere }
[aria-sort=ascending] a::after { content: \" ↑\" }
[aria-sort=descending] a::after { content: \" ↓\" }
@media (max-width: 30rem) {
  th, td { padding: .3rem .2rem }
  td + td { font-size: .8rem; line-height: 1.875 }
}
</style>
<title>Index of ";

/// Everything above the rows: the title, the way to here, and the columns.
pub(super) fn push_head(text: &mut String, path: &[u8], order: Order) {
    text.push_str(START);
    push_html(text, &String::from_utf8_lossy(path));
    text.push_str("</title>\n<h1>Index of <a href=\"/\">/</a>");
    let mut link = "/".to_owned();
    for segment in path.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty()) {
        push_encoded_segment(&mut link, segment);
        link.push('/');
        text.push_str("<a href=\"");
        text.push_str(&link);
        text.push_str("\">");
        push_html(text, &String::from_utf8_lossy(segment));
        text.push_str("/</a>");
    }
    text.push_str("</h1>\n<table>\n<thead>\n<tr>");
    for key in Key::ALL {
        push_column(text, key, order);
    }
    text.push_str("\n<tbody>");
}

/// The head of a column: a link that sorts by it, the other way round if it is sorted already.
fn push_column(text: &mut String, key: Key, order: Order) {
    let title = match key {
        Key::Name => "Name",
        Key::Size => "Size",
        Key::Date => "Modified",
    };
    let (sorted, next) = match (order.key == key, order.is_descending) {
        (true, false) => (" aria-sort=\"ascending\"", "desc"),
        (true, true) => (" aria-sort=\"descending\"", "asc"),
        (false, _) => ("", "asc"),
    };
    let key = key.as_str();
    // Writing into a string cannot fail.
    let _ = write!(
        text,
        "<th scope=\"col\"{sorted}><a href=\"?sort={key}&amp;order={next}\">{title}</a>"
    );
}

/// The row of one entry. The name stands in an element of its own writing direction, so that it
/// cannot turn its neighbours round.
pub(super) fn push_row(text: &mut String, entry: &Entry) {
    let slash = if entry.is_directory { "/" } else { "" };
    text.push_str("\n<tr><td><a href=\"");
    entry.push_href(text);
    text.push_str("\"><bdi>");
    push_html(text, &entry.text());
    text.push_str(slash);
    text.push_str("</bdi></a><td>");
    if entry.is_directory {
        text.push('–');
    } else {
        push_size(text, entry.size);
    }
    let _ = write!(text, "<td><time datetime=\"{}Z\">", Date::of(entry.modified));
    push_date(text, entry.modified);
    text.push_str("</time>");
}

/// Everything below the rows.
pub(super) fn push_foot(text: &mut String, shown: usize, left_out: usize) {
    text.push_str("\n</table>\n");
    if left_out > 0 {
        let _ = writeln!(text, "<p>{left_out} more are not shown.</p>");
    } else if shown == 0 {
        text.push_str("<p>This folder is empty.</p>\n");
    }
    text.push_str("</html>\n");
}
