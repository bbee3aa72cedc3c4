//! Content that comes into being for one answer, put into a coding that its client takes.
//!
//! Files are not compressed here but by their handler, which keeps what it made: answers with
//! prepared fields do not come here, and left alone are those of handlers that say themselves that
//! they vary by Accept-Encoding. What a program says of that speaks of what it could have done.

use crate::entity_tag::{self, EntityTag};
use config::plan::Compress;
use content::{
    Effort, Encoder, encoder, media_type, negotiation,
    range::{self, Ranges},
};
use message::{
    Body, Broken, Coding, Name, Request, Response, Shared, Source, Status,
    response::{Line, weaken_tag},
};
use std::{
    cell::Cell,
    io,
    task::{Context, Poll, ready},
};

/// Bytes of content in memory that a loop compresses in one go; more is sent as it is. The quick
/// levels take less than a millisecond for it.
const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a stream that go into one piece at most, so that no loop is held up by them.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Streams that a loop compresses at a time; one more is sent as it is. Each holds about half a MiB
/// until its client has taken it all.
const STREAMS_MAX: usize = 64;

/// Statuses whose content is compressed: those that stand for a whole answer.
fn is_whole(status: Status) -> bool {
    status == Status::OK || status.is_error()
}

/// Compresses the content, where that is wanted and worth it, and says by what the answer varies.
/// A request for a range gets one of the content as it is.
#[must_use]
pub fn apply(compress: &Compress, request: &Request<'_>, mut response: Response) -> Response {
    let is_large = match &response.body {
        Body::Bytes(bytes) => bytes.as_slice().len() as u64 >= compress.bytes_min,
        Body::Stream(_) => true,
        Body::Empty | Body::File(_) | Body::Parts(_) => false,
    };
    if !is_large || !is_whole(response.status) || !is_eligible(&response) {
        return response;
    }
    if !varies(&response) {
        match response.lines.iter_mut().find(|line| line.name == "vary") {
            Some(line) => line.value.to_mut().extend_from_slice(b", accept-encoding"),
            None => response.lines.push(Line::fixed("vary", "accept-encoding")),
        }
    }
    if asks_for_part(request, &response) {
        return response;
    }
    match negotiation::quick(&request.fields, &compress.codings) {
        Coding::Identity => response,
        coding => coded(coding, response),
    }
}

/// Whether nothing speaks against another coding.
fn is_eligible(response: &Response) -> bool {
    let keeps_form = |line: &Line| {
        let value = String::from_utf8_lossy(&line.value);
        line.name == "cache-control" && value.to_ascii_lowercase().contains("no-transform")
    };
    response.get("content-type").is_some_and(media_type::is_compressible)
        && !response.has("content-encoding")
        && !response.lines.iter().any(keeps_form)
        && (response.is_settled || !varies(response))
}

/// Whether it is said already that the answer varies by Accept-Encoding.
fn varies(response: &Response) -> bool {
    let lines = response.lines.iter().filter(|line| line.name == "vary");
    let mut words = lines.flat_map(|line| line.value.split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"accept-encoding"))
}

/// Has a 304 name the form that its client has: by a weak tag, if that is the one it asked with. A
/// program knows of no other form than its own.
#[must_use]
pub fn revalidated(request: &Request<'_>, mut response: Response) -> Response {
    let tag = response.get("etag").and_then(|tag| EntityTag::parse(tag.as_bytes()));
    let listed = request.fields.all(Name::IfNoneMatch);
    let is_asked = |tag| entity_tag::any_listed(listed, |one| one.is_weak && one.is_weakly(tag));
    if tag.is_some_and(is_asked) {
        weaken_tag(&mut response.lines);
    }
    response
}

/// Whether a part is cut of the content as it is. A program that was asked for one has sent it, or
/// the whole.
fn asks_for_part(request: &Request<'_>, response: &Response) -> bool {
    let size = response.body.len().filter(|_| !response.is_settled);
    size.is_some_and(|size| range::asked(request, size) != Ranges::Whole)
}

fn coded(coding: Coding, mut response: Response) -> Response {
    response.body = match std::mem::replace(&mut response.body, Body::Empty) {
        Body::Bytes(bytes) if bytes.as_slice().len() <= WHOLE_BYTES_MAX => {
            match encoder::encode(coding, Effort::Quick, bytes.as_slice()) {
                Ok(coded) if coded.len() < bytes.as_slice().len() => {
                    Body::Bytes(Shared::from(coded))
                }
                Ok(_) | Err(_) => {
                    response.body = Body::Bytes(bytes);
                    return response;
                }
            }
        }
        Body::Stream(source) => match Compressed::new(coding, source) {
            Ok(compressed) => Body::Stream(Box::new(compressed)),
            Err(source) => {
                response.body = Body::Stream(source);
                return response;
            }
        },
        body => {
            response.body = body;
            return response;
        }
    };
    revise(coding, &mut response);
    response
}

/// Writes down the fields anew as those of the content in `coding`.
fn revise(coding: Coding, response: &mut Response) {
    // A program that is asked whether its tag is still good has to know it again.
    weaken_tag(&mut response.lines);
    response.lines.retain(|line| line.name != "accept-ranges");
    response.lines.push(Line::fixed("content-encoding", coding.as_str()));
}

/// A source that gives the content of another in a coding.
struct Compressed {
    source: Box<dyn Source>,
    /// `None` once the content has ended.
    encoder: Option<Encoder>,
    /// Bytes that went in since the last piece came out.
    waiting_bytes: usize,
    /// Whether others are let go first, since the last piece was as much work as one turn may do.
    yields: bool,
    _place: Place,
}

impl Compressed {
    /// Gives `source` back where there are too many streams, or there is no memory.
    fn new(coding: Coding, source: Box<dyn Source>) -> Result<Self, Box<dyn Source>> {
        let Some(place) = Place::take() else { return Err(source) };
        match Encoder::new(coding, Effort::Quick) {
            Ok(encoder) => Ok(Self {
                source,
                encoder: Some(encoder),
                waiting_bytes: 0,
                yields: false,
                _place: place,
            }),
            Err(_) => Err(source),
        }
    }

    /// Ends a piece, which holds all that went in so far.
    fn piece(&mut self) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        self.waiting_bytes = 0;
        let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
        Poll::Ready(Some(encoder.flush().map(|()| encoder.take()).map_err(broken)))
    }
}

impl Source for Compressed {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        if std::mem::take(&mut self.yields) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            let next = match self.source.poll_next(context) {
                // What is there shall not wait for what is to come.
                Poll::Pending if self.waiting_bytes > 0 => return self.piece(),
                next => ready!(next),
            };
            let Some(content) = next else {
                let rest = self.encoder.take().map(Encoder::finish);
                return Poll::Ready(rest.map(|rest| rest.map_err(broken)));
            };
            let content = content?;
            encoder.write(&content).map_err(broken)?;
            self.waiting_bytes += content.len();
            if self.waiting_bytes >= PIECE_BYTES_MAX {
                self.yields = true;
                return self.piece();
            }
        }
    }

    /// The room of the encoder has a limit of its own.
    fn memory_bytes(&self) -> usize {
        self.source.memory_bytes()
    }
}

fn broken(_: io::Error) -> Broken {
    Broken("an answer could not be compressed")
}

/// One of the [`STREAMS_MAX`] streams; given back when it is dropped.
struct Place;

thread_local! {
    static STREAMS: Cell<usize> = const { Cell::new(0) };
}

impl Place {
    fn take() -> Option<Self> {
        let count = STREAMS.get();
        (count < STREAMS_MAX).then(|| {
            STREAMS.set(count + 1);
            Self
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        STREAMS.set(STREAMS.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Field, Fields, Length, Method, Version};
    use std::{collections::VecDeque, io::Read, task::Waker};

    fn applied(head: &[(&str, &str)], response: Response) -> Response {
        let lines: Vec<_> = head
            .iter()
            .map(|&(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() })
            .collect();
        let request = Request {
            version: Version::Http11,
            method: Method::Get,
            host: "localhost",
            port: "",
            path: "/",
            query: None,
            fields: Fields::of(&lines),
            length: Length::Known(0),
        };
        apply(&Compress::default(), &request, response)
    }

    fn page(content: &str) -> Response {
        let body = Body::Bytes(Shared::from(content.as_bytes().to_vec()));
        let response = Response::empty(Status::OK).with(Line::fixed("content-type", "text/html"));
        Response { body, ..response }
    }

    fn text() -> String {
        "<p>The gannet folds its wings.</p>\n".repeat(100)
    }

    fn decoded(coding: Option<&str>, coded: &[u8]) -> String {
        let mut content = Vec::new();
        let mut room = [0; 1000];
        let mut decoder: Box<dyn Read> = match coding {
            Some("gzip") => Box::new(flate2::read::GzDecoder::new(coded)),
            Some("zstd") => Box::new(zstd::stream::read::Decoder::new(coded).unwrap()),
            _ => Box::new(coded),
        };
        while let Ok(count @ 1..) = decoder.read(&mut room) {
            content.extend_from_slice(&room[..count]);
        }
        String::from_utf8(content).unwrap()
    }

    /// Compares coding, entity-tag and all `vary`; the content must always come back.
    #[track_caller]
    fn check(head: &[(&str, &str)], response: Response, expect: (&str, &str, &str)) {
        let content = match &response.body {
            Body::Bytes(bytes) => bytes.as_slice().to_vec(),
            body => panic!("{body:?}"),
        };
        let response = applied(head, response);
        let coding = response.get("content-encoding");
        let vary = response.lines.iter().filter(|line| line.name == "vary");
        let vary = vary.filter_map(Line::text).collect::<Vec<_>>().join(" ");
        let etag = response.get("etag").unwrap_or("");
        assert_eq!((coding.unwrap_or(""), etag, &*vary), expect, "{head:?}");
        let Body::Bytes(bytes) = &response.body else { panic!("{:?}", response.body) };
        assert_eq!(decoded(coding, bytes.as_slice()).as_bytes(), content);
        assert!(
            !vary.ends_with(VARY) || coding.is_none() || bytes.as_slice().len() < content.len()
        );
    }

    const BROWSER: (&str, &str) = ("accept-encoding", "gzip, deflate, br, zstd");
    const VARY: &str = "accept-encoding";

    #[test]
    fn the_client_chooses_the_coding() {
        check(&[BROWSER], page(&text()), ("zstd", "", VARY));
        check(&[("accept-encoding", "gzip")], page(&text()), ("gzip", "", VARY));
        check(&[("accept-encoding", "zstd;q=0.5, gzip")], page(&text()), ("gzip", "", VARY));
        check(&[("accept-encoding", "br")], page(&text()), ("", "", VARY));
        check(&[("accept-encoding", "gzip;q=0.5, identity")], page(&text()), ("", "", VARY));
        check(&[("accept-encoding", "*;q=0")], page(&text()), ("", "", VARY));
        check(&[], page(&text()), ("", "", VARY));
        check(&[BROWSER, ("range", "bytes=0-9")], page(&text()), ("", "", VARY));
        check(&[BROWSER, ("range", "lines=0-9")], page(&text()), ("zstd", "", VARY));
    }

    #[test]
    fn what_is_not_worth_it_or_not_wanted_stays_as_it_is() {
        let with = |name, value| page(&text()).with(Line::fixed(name, value));
        let plain = ("", "", "");
        check(&[BROWSER], page(&text()[..1000]), plain);
        check(&[BROWSER], with("content-encoding", "x"), ("x", "", ""));
        check(&[BROWSER], with("cache-control", "public, No-Transform"), plain);
        check(&[BROWSER], with("vary", "Accept-Encoding"), ("", "", "Accept-Encoding"));
        check(&[BROWSER], with("vary", "accept"), ("zstd", "", "accept, accept-encoding"));
        for vary in ["Accept-Encoding, Cookie", "cookie,accept-encoding"] {
            let of_program = Response { is_settled: true, ..with("vary", vary) };
            check(&[BROWSER], of_program, ("zstd", "", vary));
        }
        let png =
            Response { lines: vec![Line::fixed("content-type", "image/png")], ..page(&text()) };
        check(&[BROWSER], png, plain);
        for (status, expect) in [(204, ""), (206, ""), (304, ""), (404, "zstd"), (503, "zstd")] {
            let response = Response { status: Status(status), ..page(&text()) };
            let response = applied(&[BROWSER], response);
            assert_eq!(response.get("content-encoding").unwrap_or(""), expect, "{status}");
        }
        check(&[BROWSER], page(&"x".repeat(WHOLE_BYTES_MAX + 1)), ("", "", VARY));
    }

    #[test]
    fn a_strong_tag_names_one_form() {
        let tagged = |tag| page(&text()).with(Line::fixed("etag", tag));
        check(&[BROWSER], tagged("\"1\""), ("zstd", "W/\"1\"", VARY));
        check(&[("accept-encoding", "gzip")], tagged("W/\"1\""), ("gzip", "W/\"1\"", VARY));
        check(&[BROWSER], tagged("1"), ("zstd", "", VARY));
        check(&[], tagged("\"1\""), ("", "\"1\"", VARY));
    }

    /// Gives its pieces one by one; `None` stands for a pause.
    struct Pieces(VecDeque<Option<String>>);

    impl Source for Pieces {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
            match self.0.pop_front() {
                Some(Some(piece)) => Poll::Ready(Some(Ok(piece.into_bytes()))),
                Some(None) => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn stream(pieces: &[Option<&str>]) -> Response {
        let pieces = pieces.iter().map(|piece| piece.map(str::to_owned)).collect();
        Response { body: Body::Stream(Box::new(Pieces(pieces))), ..page("") }
    }

    #[test]
    fn what_is_there_does_not_wait_for_what_is_to_come() {
        for coding in ["gzip", "zstd"] {
            let pieces = [Some("a"), Some("b"), None, Some("c"), None, None, Some("d")];
            let response = applied(&[("accept-encoding", coding)], stream(&pieces));
            assert_eq!(response.get("content-encoding"), Some(coding));
            let Body::Stream(mut source) = response.body else { panic!("no stream") };
            let mut context = Context::from_waker(Waker::noop());
            let mut coded = Vec::new();
            let mut seen = Vec::new();
            loop {
                match source.poll_next(&mut context) {
                    Poll::Pending => seen.push("...".to_owned()),
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(piece)) => {
                        let piece = piece.unwrap();
                        assert!(!piece.is_empty(), "an empty piece would end the message");
                        coded.extend(piece);
                        seen.push(decoded(Some(coding), &coded));
                    }
                }
            }
            // The pause behind "c" tells the inner source's waker, and so does the second one.
            assert_eq!(seen, ["ab", "abc", "...", "abcd"], "{coding}");
        }
    }

    #[test]
    fn a_long_stream_lets_others_go_first_and_a_broken_one_breaks() {
        let long = "x".repeat(PIECE_BYTES_MAX);
        let response = applied(&[BROWSER], stream(&[Some(&long), Some(&long)]));
        let Body::Stream(mut source) = response.body else { panic!("no stream") };
        let mut polls = std::iter::from_fn(|| {
            let polled = source.poll_next(&mut Context::from_waker(Waker::noop()));
            Some(match polled {
                Poll::Pending => "...",
                Poll::Ready(Some(_)) => "piece",
                Poll::Ready(None) => return None,
            })
        });
        assert_eq!(
            polls.by_ref().take(9).collect::<Vec<_>>().join(" "),
            "piece ... piece ... piece"
        );

        struct Failing;
        impl Source for Failing {
            fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
                Poll::Ready(Some(Err(Broken::CUT_OFF)))
            }
        }
        let response = Response { body: Body::Stream(Box::new(Failing)), ..page("") };
        let Body::Stream(mut source) = applied(&[BROWSER], response).body else { panic!() };
        let polled = source.poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Some(Err(Broken(_))))));
    }

    #[test]
    fn too_many_streams_are_sent_as_they_are() {
        let answers: Vec<_> =
            (0..=STREAMS_MAX).map(|_| applied(&[BROWSER], stream(&[Some("a")]))).collect();
        assert_eq!(answers[STREAMS_MAX].get("content-encoding"), None);
        drop(answers);
        assert_eq!(applied(&[BROWSER], stream(&[])).get("content-encoding"), Some("zstd"));
    }
}
