//! Parts of the content: one range, several, or none that there is (RFC 9110 section 14).

use crate::{conditional::refusal, entity_tag::EntityTag};
use base::text;
use content::range::{self, Ranges};
use message::{Body, Name, Part, Request, Response, Shared, Status, date, response::Line};
use std::ops::Range;

/// Turns a 200 to GET into the 206 or 416 that its Range field asks for (for HEAD the field has no
/// meaning). Content of unknown length is sent whole, and so is content of none: no Content-Range
/// can speak of it. So is what was compressed on the fly, which has other bytes from one version of
/// its encoder to the next.
#[must_use]
pub fn apply(request: &Request<'_>, response: Response) -> Response {
    let Some(size) = response.body.len() else { return response };
    let asked = range::asked(request, size);
    if asked == Ranges::Whole || response.status != Status::OK {
        return response;
    }
    let is_made = response.has("content-encoding") && !response.has("accept-ranges");
    if is_made || !is_unchanged(request, &response) {
        return response;
    }
    match asked {
        Ranges::Whole => response,
        Ranges::Some(ranges) => match ranges.as_slice() {
            [range] => single(range.clone(), size, response),
            ranges => multipart(ranges, size, response),
        },
        Ranges::Unsatisfiable => refusal(Status::RANGE_NOT_SATISFIABLE, response)
            .with(Line::new("content-range", format!("bytes */{size}"))),
    }
}

/// Whether the content is still the one that the client has the rest of (RFC 9110 section 13.1.5);
/// true where it does not ask.
///
/// Only strong validators count. A date is one when the content has not changed twice within its
/// second; a handler that cannot rule that out marks its entity tag weak, so the tag tells.
fn is_unchanged(request: &Request<'_>, response: &Response) -> bool {
    let Some(value) = request.fields.get(Name::IfRange) else { return true };
    let etag = response.get("etag").and_then(|etag| EntityTag::parse(etag.as_bytes()));
    let Some(etag) = etag.filter(|_| !request.fields.is_repeated(Name::IfRange)) else {
        return false;
    };
    match EntityTag::parse(value) {
        Some(wanted) => wanted.is_strongly(etag),
        None if etag.is_weak => false,
        None => date::parse(value).is_some_and(|date| {
            let modified = response.get("last-modified").map(str::as_bytes);
            modified.and_then(date::parse) == Some(date)
        }),
    }
}

/// The 206 with one range.
fn single(range: Range<u64>, size: u64, mut response: Response) -> Response {
    response.status = Status::PARTIAL_CONTENT;
    response.lines.push(Line::new("content-range", content_range(&range, size)));
    let mut cut = Vec::with_capacity(1);
    push_cut(&mut cut, &response.body, range);
    response.body = match cut.pop() {
        Some(Part::Bytes(bytes)) if cut.is_empty() => Body::Bytes(bytes),
        Some(Part::File(file)) if cut.is_empty() => Body::File(file),
        last => {
            cut.extend(last);
            Body::Parts(cut)
        }
    };
    response
}

/// The 206 with several ranges, each under a head of its own (RFC 9110 section 14.6).
fn multipart(ranges: &[Range<u64>], size: u64, response: Response) -> Response {
    let boundary = boundary(response.get("etag").unwrap_or_default(), size);
    let content_type = response.get("content-type");

    let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
    for (number, range) in ranges.iter().enumerate() {
        let mut head = if number == 0 { String::new() } else { "\r\n".to_owned() };
        head.push_str("--");
        head.push_str(&boundary);
        if let Some(content_type) = content_type {
            head.push_str("\r\ncontent-type: ");
            head.push_str(content_type);
        }
        head.push_str("\r\ncontent-range: ");
        head.push_str(&content_range(range, size));
        head.push_str("\r\n\r\n");
        parts.push(Part::Bytes(Shared::from(head.into_bytes())));
        push_cut(&mut parts, &response.body, range.clone());
    }
    let end = format!("\r\n--{boundary}--\r\n");
    parts.push(Part::Bytes(Shared::from(end.into_bytes())));

    // The prepared fields say what type the whole has, so they cannot be sent as they are.
    let prepared = response.prepared.iter().flat_map(|prepared| prepared.lines());
    let others = prepared.chain(&response.lines).filter(|line| line.name != "content-type");
    let mut lines: Vec<_> = others.cloned().collect();
    lines.push(Line::new("content-type", format!("multipart/byteranges; boundary={boundary}")));
    Response { lines, body: Body::Parts(parts), ..Response::empty(Status::PARTIAL_CONTENT) }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Adds `range` of `body` to `cut`, as references to what the body refers to.
fn push_cut(cut: &mut Vec<Part>, body: &Body, range: Range<u64>) {
    match body {
        Body::Empty | Body::Stream(_) => {}
        Body::Bytes(bytes) => cut.push(Part::Bytes(bytes.clone()).slice(range)),
        Body::File(file) => cut.push(Part::File(file.clone()).slice(range)),
        Body::Parts(parts) => {
            let mut start = 0u64;
            for part in parts {
                let end = start.saturating_add(part.len());
                let wanted = range.start.max(start)..range.end.min(end);
                if !wanted.is_empty() {
                    cut.push(part.slice(wanted.start - start..wanted.end - start));
                }
                start = end;
            }
        }
    }
}

/// A line that content does not hold by accident: 128 bits made of its validator and size, so the
/// same content is always divided alike.
fn boundary(etag: &str, size: u64) -> String {
    let mut text = b"gannet-".to_vec();
    for seed in [0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142] {
        // FNV-1a: short, and nothing here has to withstand an attack.
        let bytes = etag.bytes().chain(size.to_be_bytes());
        let hash = bytes.fold(seed, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        text::push_hex(&mut text, hash);
    }
    String::from_utf8(text).unwrap_or_default()
}
