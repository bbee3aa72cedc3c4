//! Has each page listen to the changes of its files, where `gannet PATH --live` serves it.
//!
//! The script comes behind the last byte of the page, where every browser takes it for a part of
//! the body: `</body>` may stand anywhere, in a comment or in the text of a script, and may be
//! missing. So nothing of the page is read or rewritten, whatever its length.

use message::{Body, Broken, Part, Response, Shared, Source, response::Line};
use std::task::{Context, Poll};

/// Fields that speak of the page as it lies on the disk, or for how long it may be kept.
const LEFT_OUT: [&str; 4] = ["accept-ranges", "cache-control", "etag", "last-modified"];

/// Adds the element that `script` makes to a page, which nobody may keep then; anything else may be
/// kept, but is asked for again, and no script is made for it.
#[must_use]
pub(crate) fn apply(mut response: Response, script: &dyn Fn() -> String) -> Response {
    let is_page = response.get("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if !is_page || response.has("content-encoding") {
        if !response.has("cache-control") {
            response.lines.push(Line::fixed("cache-control", "no-cache"));
        }
        return response;
    }
    response.unprepare();
    response.lines.retain(|line| !LEFT_OUT.contains(&&*line.name));
    response.lines.push(Line::fixed("cache-control", "no-store"));
    let script = Shared::from(script().into_bytes());
    response.body = match response.body {
        Body::Empty => Body::Bytes(script),
        Body::Bytes(bytes) => Body::Parts(vec![Part::Bytes(bytes), Part::Bytes(script)]),
        Body::File(file) => Body::Parts(vec![Part::File(file), Part::Bytes(script)]),
        Body::Parts(mut parts) => {
            parts.push(Part::Bytes(script));
            Body::Parts(parts)
        }
        Body::Stream(source) => Body::Stream(Box::new(Followed { source, script: Some(script) })),
    };
    response
}

/// A stream with something behind it.
struct Followed {
    source: Box<dyn Source>,
    script: Option<Shared>,
}

impl Source for Followed {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        match self.source.poll_next(context) {
            Poll::Ready(None) => {
                Poll::Ready(self.script.take().map(|script| Ok(script.as_slice().to_vec())))
            }
            other => other,
        }
    }

    fn memory_bytes(&self) -> usize {
        self.source.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Prepared, Status};
    use std::{rc::Rc, task::Waker};

    fn page(media_type: &'static str, body: Body) -> Response {
        let prepared = Prepared::new(vec![
            Line::fixed("content-type", media_type),
            Line::fixed("etag", "\"1\""),
            Line::fixed("x-content-type-options", "nosniff"),
        ]);
        Response { prepared: Some(Rc::new(prepared)), body, ..Response::empty(Status::OK) }
    }

    struct Once(Option<Vec<u8>>);

    impl Source for Once {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
            Poll::Ready(self.0.take().map(Ok))
        }
    }

    fn text(body: Body) -> String {
        let mut all = Vec::new();
        match body {
            Body::Empty | Body::File(_) => {}
            Body::Bytes(bytes) => all.extend_from_slice(bytes.as_slice()),
            Body::Parts(parts) => parts.iter().for_each(|part| match part {
                Part::Bytes(bytes) => all.extend_from_slice(bytes.as_slice()),
                Part::File(_) => {}
            }),
            Body::Stream(mut source) => {
                let mut context = Context::from_waker(Waker::noop());
                while let Poll::Ready(Some(piece)) = source.poll_next(&mut context) {
                    all.extend(piece.unwrap());
                }
            }
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn the_script_comes_behind_every_kind_of_page() {
        let bytes = |text: &str| Shared::from(text.as_bytes().to_vec());
        let parts = || vec![Part::Bytes(bytes("pa")), Part::Bytes(bytes("ge"))];
        for (body, expect) in [
            (Body::Empty, "+"),
            (Body::Bytes(bytes("page")), "page+"),
            (Body::Parts(parts()), "page+"),
            (Body::Stream(Box::new(Once(Some(b"page".to_vec())))), "page+"),
        ] {
            let response = apply(page("text/html; charset=utf-8", body), &|| "+".to_owned());
            assert_eq!(response.get("etag"), None);
            assert_eq!(response.get("x-content-type-options"), Some("nosniff"));
            assert_eq!(response.get("cache-control"), Some("no-store"));
            assert_eq!(text(response.body), expect);
        }
    }

    #[test]
    fn what_is_no_page_stays_as_it_is_but_is_asked_for_again() {
        let bytes = || Body::Bytes(Shared::from(b"a{}".to_vec()));
        let never = || panic!("no script is made for it");
        let response = apply(page("text/css", bytes()), &never);
        assert_eq!(response.get("etag"), Some("\"1\""));
        assert_eq!(response.get("cache-control"), Some("no-cache"));
        assert_eq!(text(response.body), "a{}");
        let stream =
            page("text/event-stream", bytes()).with(Line::fixed("cache-control", "no-store"));
        let response = apply(stream, &never);
        assert_eq!(response.lines.len(), 1);
        assert_eq!(text(response.body), "a{}");
    }
}
