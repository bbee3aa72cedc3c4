//! The fields that the config adds to an answer, puts in place of others, or takes away.

use config::plan::{FieldEdits, Form};
use message::{Exchange, Response, Status, response::Line};
use std::borrow::Cow;

/// Makes the edits. Where an answer has none of the fields that are replaced, those whose values
/// are known beforehand cost one copy of their bytes.
#[inline]
pub(crate) fn apply(
    edits: &'static FieldEdits,
    exchange: &Exchange<'_>,
    rest: &[u8],
    response: &mut Response,
) {
    if edits.is_empty() {
        return;
    }
    if edits.replaced.iter().any(|name| response.has(name)) {
        take_away(edits, response);
    }
    let is_found = response.status.is_success() || response.status == Status::NOT_MODIFIED;
    response.standing = if is_found { edits.found.as_ref() } else { edits.standing.as_ref() };
    for (name, phrase) in &edits.phrases {
        let value = phrase.fill(exchange, rest, Form::Plain);
        let value = String::from_utf8_lossy(&value).into_owned();
        response.lines.push(Line::new(Cow::Borrowed(&**name), value));
    }
}

/// Takes away what is replaced or removed, from prepared fields too.
#[cold]
fn take_away(edits: &FieldEdits, response: &mut Response) {
    response.unprepare();
    response.lines.retain(|line| edits.replaced.iter().all(|name| **name != *line.name));
}
