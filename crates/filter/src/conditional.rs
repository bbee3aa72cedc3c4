//! Preconditions: is the content still wanted, still the same (RFC 9110 section 13).

use crate::entity_tag::{self, EntityTag};
use message::{Body, Fields, Method, Name, Request, Response, Status, date};

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// The client has the content already: 304.
    NotModified,
    /// The content is not the one the client meant: 412.
    Failed,
}

/// Turns a 200 to GET or HEAD into the 304 or 412 that the preconditions ask for. Content without a
/// validator is there all the same, and is not the one that any `If-Match` means but `*`.
#[inline]
#[must_use]
pub fn apply(request: &Request<'_>, mut response: Response) -> Response {
    let (etag, last_modified) = (response.get("etag"), response.get("last-modified"));
    let is_concerned =
        matches!(request.method, Method::Get | Method::Head) && response.status == Status::OK;
    if !is_concerned {
        return response;
    }
    match evaluate(&request.fields, etag, last_modified) {
        Verdict::Proceed => response,
        Verdict::NotModified => {
            response.status = Status::NOT_MODIFIED;
            response.body = Body::Empty;
            response.lines.retain(|line| !DESCRIBES_CONTENT.contains(&&*line.name));
            response
        }
        Verdict::Failed => refusal(Status::PRECONDITION_FAILED, response),
    }
}

/// Weighs the preconditions of a GET or HEAD, in the order of RFC 9110 section 13.2.2, against the
/// validators of what would be sent.
#[must_use]
pub fn evaluate(fields: &Fields<'_>, etag: Option<&str>, last_modified: Option<&str>) -> Verdict {
    let is_later_than = |name| is_later(last_modified?, fields, name);

    if fields.contains(Name::IfMatch) {
        if !is_listed(fields, Name::IfMatch, etag, EntityTag::is_strongly) {
            return Verdict::Failed;
        }
    } else if is_later_than(Name::IfUnmodifiedSince) == Some(true) {
        return Verdict::Failed;
    }
    if fields.contains(Name::IfNoneMatch) {
        if is_listed(fields, Name::IfNoneMatch, etag, EntityTag::is_weakly) {
            return Verdict::NotModified;
        }
    } else if is_later_than(Name::IfModifiedSince) == Some(false) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// The answer `status` in place of `response`: nothing that describes or dates the content that is
/// not sent, and nothing that lets a cache keep the refusal as long as it.
pub(crate) fn refusal(status: Status, mut response: Response) -> Response {
    const CACHE: [&str; 4] = ["cache-control", "content-location", "etag", "expires"];
    response
        .lines
        .retain(|line| !DESCRIBES_CONTENT.contains(&&*line.name) && !CACHE.contains(&&*line.name));
    Response { lines: response.lines, ..Response::empty(status) }
}

/// Fields that mean nothing without the content they came with, and are not for a cache's update.
const DESCRIBES_CONTENT: [&str; 6] = [
    "accept-ranges",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "last-modified",
];

/// Whether the list in the field `name` holds `etag`. `*` stands for any content, and there is
/// some, but only when it is all that the field says.
fn is_listed<'v>(
    fields: &Fields<'v>,
    name: Name,
    etag: Option<&str>,
    is_same: impl Fn(EntityTag<'v>, EntityTag<'_>) -> bool,
) -> bool {
    let value = fields.get(name).filter(|_| !fields.is_repeated(name));
    if value == Some(b"*") {
        return true;
    }
    let Some(text) = etag.map(str::as_bytes) else { return false };
    let Some(etag) = EntityTag::parse(text) else { return false };
    // Browsers send back the very text they were given. A strong tag is the same as itself.
    if value == Some(text) && !etag.is_weak {
        return true;
    }
    entity_tag::any_listed(fields.all(name), |tag| is_same(tag, etag))
}

/// Whether `last_modified` is later than the date in the field `name`; `None` when the field is
/// missing, doubled or no date, and so has to be ignored.
fn is_later(last_modified: &str, fields: &Fields<'_>, name: Name) -> Option<bool> {
    let value = fields.get(name).filter(|_| !fields.is_repeated(name))?;
    // Browsers send back the very text they were given.
    if value == last_modified.as_bytes() {
        return Some(false);
    }
    Some(date::parse(last_modified.as_bytes())? > date::parse(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Field;

    const EARLIER: &str = "Sat, 29 Oct 1994 19:43:30 GMT";
    const MODIFIED: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const LATER: &str = "Sat, 29 Oct 1994 19:43:32 GMT";

    fn verdict(etag: Option<&str>, last_modified: Option<&str>, head: &[(&str, &str)]) -> Verdict {
        let lines: Vec<_> = head
            .iter()
            .map(|&(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() })
            .collect();
        evaluate(&Fields::of(&lines), etag, last_modified)
    }

    #[track_caller]
    fn check(head: &[(&str, &str)], expect: Verdict) {
        assert_eq!(verdict(Some("\"xyzzy\""), Some(MODIFIED), head), expect, "{head:?}");
    }

    #[test]
    fn entity_tags_the_examples_of_rfc_9110() {
        use Verdict::{Failed, NotModified, Proceed};
        check(&[], Proceed);
        check(&[("if-match", "\"xyzzy\"")], Proceed);
        check(&[("if-match", "\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"")], Proceed);
        check(&[("if-match", "*")], Proceed);
        check(&[("if-match", "\"r2d2xxxx\"")], Failed);
        check(&[("if-match", "W/\"xyzzy\"")], Failed);
        check(&[("if-match", "xyzzy")], Failed);
        check(&[("if-match", "")], Failed);
        check(&[("if-match", "\"a\""), ("If-Match", "\"xyzzy\"")], Proceed);
        check(&[("if-match", "*"), ("if-match", "\"xyzzy\"")], Failed);
        check(&[("if-none-match", "\"xyzzy\"")], NotModified);
        check(&[("if-none-match", "W/\"xyzzy\"")], NotModified);
        check(&[("if-none-match", "W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"")], NotModified);
        check(&[("if-none-match", "\"r2d2xxxx\"")], Proceed);
        check(&[("if-none-match", "\"a\""), ("if-none-match", "\"xyzzy\"")], NotModified);
        check(&[("if-none-match", "*")], NotModified);
        check(&[("if-none-match", "xyzzy")], Proceed);
    }

    #[test]
    fn dates() {
        use Verdict::{Failed, NotModified, Proceed};
        check(&[("if-modified-since", EARLIER)], Proceed);
        check(&[("if-modified-since", MODIFIED)], NotModified);
        check(&[("if-modified-since", LATER)], NotModified);
        check(&[("if-modified-since", "Saturday, 29-Oct-94 19:43:31 GMT")], NotModified);
        check(&[("if-modified-since", "Sat Oct 29 19:43:30 1994")], Proceed);
        check(&[("if-modified-since", "yesterday")], Proceed);
        check(&[("if-modified-since", "")], Proceed);
        check(&[("if-modified-since", MODIFIED), ("if-modified-since", MODIFIED)], Proceed);
        check(&[("if-unmodified-since", EARLIER)], Failed);
        check(&[("if-unmodified-since", MODIFIED)], Proceed);
        check(&[("if-unmodified-since", LATER)], Proceed);
        check(&[("if-unmodified-since", "784111777")], Proceed);
    }

    #[test]
    fn the_order_of_section_13_2_2() {
        use Verdict::{Failed, NotModified, Proceed};
        // A tag makes the date of its pair irrelevant.
        check(&[("if-match", "\"xyzzy\""), ("if-unmodified-since", EARLIER)], Proceed);
        check(&[("if-match", "\"other\""), ("if-unmodified-since", LATER)], Failed);
        check(&[("if-none-match", "\"other\""), ("if-modified-since", LATER)], Proceed);
        check(&[("if-none-match", "\"xyzzy\""), ("if-modified-since", EARLIER)], NotModified);
        // The first pair is weighed before the second.
        check(&[("if-none-match", "\"xyzzy\""), ("if-match", "\"other\"")], Failed);
        check(&[("if-none-match", "\"xyzzy\""), ("if-match", "\"xyzzy\"")], NotModified);
        check(&[("if-modified-since", LATER), ("if-unmodified-since", EARLIER)], Failed);
        check(&[("if-modified-since", LATER), ("if-unmodified-since", LATER)], NotModified);
    }

    #[test]
    fn a_validator_that_is_missing_matches_nothing() {
        let only_date = |head: &[_]| verdict(None, Some(MODIFIED), head);
        assert_eq!(only_date(&[("if-match", "\"xyzzy\"")]), Verdict::Failed);
        assert_eq!(only_date(&[("if-match", "*")]), Verdict::Proceed);
        assert_eq!(only_date(&[("if-none-match", "\"xyzzy\"")]), Verdict::Proceed);
        let only_tag = |head: &[_]| verdict(Some("W/\"xyzzy\""), None, head);
        assert_eq!(only_tag(&[("if-modified-since", LATER)]), Verdict::Proceed);
        assert_eq!(only_tag(&[("if-unmodified-since", EARLIER)]), Verdict::Proceed);
        assert_eq!(only_tag(&[("if-match", "W/\"xyzzy\"")]), Verdict::Failed);
        assert_eq!(only_tag(&[("if-none-match", "\"xyzzy\"")]), Verdict::NotModified);
    }
}
