//! The bytes of answers.

use crate::server::{Answers, DATE, Server};
use base::Moment;
use message::{
    Body, Broken, FileRange, Part, Prepared, Response, Shared, Source, Status, clock::Writing,
    response::Line,
};
use std::{
    fs::File,
    rc::Rc,
    task::{Context, Poll},
};

struct Nothing;

impl Source for Nothing {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        Poll::Ready(None)
    }
}

const START: &str = "server: gannet\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

/// The answer to `request` is `status`, the usual fields, and `expect`.
fn check(request: &str, response: Response, status: &str, expect: &str) {
    let mut server = Server::new(Answers::Never);
    server.read(request.as_bytes());
    server.respond(response);
    assert_eq!(server.written(), format!("HTTP/1.1 {status}\r\n{START}{expect}"), "{request}");
    let closes = expect.contains("connection: close");
    assert_eq!(server.connection.is_closing(), closes, "{request}");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";

fn full(status: Status) -> Response {
    let prepared = Prepared::new(vec![
        Line::fixed("content-type", "text/plain"),
        Line::fixed("etag", "\"1\""),
    ]);
    Response {
        prepared: Some(Rc::new(prepared)),
        lines: vec![Line::fixed("x-own", "1")],
        body: Body::Bytes(Shared::from(b"hello".to_vec())),
        ..Response::empty(status)
    }
}

#[test]
fn fields_and_framing() {
    let fields = "etag: \"1\"\r\ncontent-type: text/plain\r\nx-own: 1\r\n";
    let length = "content-length: 5\r\n";
    check(GET, full(Status::OK), "200 OK", &format!("{fields}{length}\r\nhello"));
    check(HEAD, full(Status::OK), "200 OK", &format!("{fields}{length}\r\n"));
    check(GET, full(Status::NOT_FOUND), "404 Not Found", &format!("{fields}{length}\r\nhello"));
    check(GET, full(Status::NO_CONTENT), "204 No Content", &format!("{fields}\r\n"));
    check(GET, full(Status::NOT_MODIFIED), "304 Not Modified", "etag: \"1\"\r\nx-own: 1\r\n\r\n");
    check(GET, Response::empty(Status::OK), "200 OK", "content-length: 0\r\n\r\n");
    check(GET, Response::empty(Status(299)), "299 ", "content-length: 0\r\n\r\n");
}

#[test]
fn connection_fields() {
    let persists = |version: &str, fields: &str, expect: &str| {
        let request = format!("GET / {version}\r\nHost: a\r\n{fields}\r\n");
        let expect = format!("content-length: 0\r\n{expect}\r\n");
        check(&request, Response::empty(Status::OK), "200 OK", &expect);
    };
    let (keep, close) = ("connection: keep-alive\r\n", "connection: close\r\n");
    persists("HTTP/1.1", "", "");
    persists("HTTP/1.1", "Connection: keep-alive\r\n", "");
    persists("HTTP/1.1", "Connection: Close\r\n", close);
    persists("HTTP/1.1", "Connection: x , close,\r\n", close);
    persists("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", close);
    persists("HTTP/1.1", "Connection: closed\r\n", "");
    persists("HTTP/1.0", "", close);
    persists("HTTP/1.0", "Connection: Keep-Alive\r\n", keep);
    persists("HTTP/1.0", "Connection: keep-alive, close\r\n", close);
    persists("HTTP/1.0", "Connection: keep-alive\r\nExpect: 100-continue\r\n", keep);
}

#[test]
fn large_content_is_not_copied() {
    let mut server = Server::new(Answers::Never);
    server.read(GET.as_bytes());
    let descriptor = std::sync::Arc::new(File::open("/dev/null").unwrap().into());
    let file = Rc::new(message::OpenFile::new(descriptor, false, 0));
    let file = FileRange { file, range: 10..1_000_010 };
    let bytes = Shared::from(vec![b'x'; 5]);
    let body = Body::Parts(vec![Part::File(file), Part::Bytes(bytes)]);
    server.respond(Response { body, ..Response::empty(Status::OK) });
    assert!(server.output.run().ends_with(b"content-length: 1000005\r\n\r\n"));
    server.output.advance(server.output.run().len());
    assert_eq!(server.output.file().map(|file| file.range.clone()), Some(10..1_000_010));
}

/// The answer to `request` with a streamed body in two pieces, cut off or ended.
fn streamed(request: &str, is_broken: bool) -> (String, Server) {
    let mut server = Server::new(Answers::Never);
    server.read(request.as_bytes());
    let body = Body::Stream(Box::new(Nothing));
    let response = Response { body, ..Response::empty(Status::OK) };
    let source = server.connection.respond(response, DATE, &mut server.output);
    if source.is_some() {
        for piece in ["hello", "", "0123456789abcdef"] {
            server.connection.stream(piece.as_bytes().to_vec(), &mut server.output);
        }
        assert!(!server.connection.is_closing());
        if is_broken {
            server.connection.abort_stream();
        } else {
            server.connection.finish_stream(&mut server.output);
        }
    }
    (server.written(), server)
}

#[test]
fn streams() {
    let check = |request: &str, is_broken: bool, expect: &str, closes: bool| {
        let (written, server) = streamed(request, is_broken);
        assert_eq!(written, format!("HTTP/1.1 200 OK\r\n{START}{expect}"), "{request}");
        assert_eq!(server.connection.is_closing(), closes, "{request}");
    };
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let pieces = "5\r\nhello\r\n10\r\n0123456789abcdef\r\n";
    check(GET, false, &format!("{chunked}{pieces}0\r\n\r\n"), false);
    check(GET, true, &format!("{chunked}{pieces}"), true);
    check(HEAD, false, chunked, false);
    let closed = "connection: close\r\n\r\nhello0123456789abcdef";
    let old = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    check(old, false, closed, true);
    check(old, true, closed, true);
}

#[test]
fn content_that_comes_unasked_keeps_the_connection() {
    let mut server = Server::new(Answers::AfterContent);
    server.read(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    server.read(b"hello");
    assert_eq!(server.seen, ["PUT a / 5", "content hello", "end"]);
    assert!(!server.written().contains("close"));
    assert!(server.connection.is_idle());
}

#[test]
fn a_refused_head_request_gets_no_content() {
    let mut server = Server::new(Answers::Never);
    server.read(b"HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!(server.seen, ["400 HostMissing", "closed"]);
    assert!(server.written().ends_with("connection: close\r\n\r\n"));
}

#[test]
fn a_next_request_waits_for_the_answer() {
    let mut server = Server::new(Answers::Never);
    server.read([GET, GET].concat().as_bytes());
    assert_eq!(server.seen, ["GET a /"]);
    server.answer(Status::OK, "");
    server.read(b"");
    assert_eq!(server.seen, ["GET a /", "GET a /"]);
}

#[test]
fn draining_says_so_and_lingers() {
    let mut server = Server::new(Answers::AtOnce);
    server.read(GET.as_bytes());
    assert!(server.connection.is_idle());
    server.connection.close_after_answer();
    server.written();
    server.read([GET, GET].concat().as_bytes());
    assert_eq!(server.seen, ["GET a /", "GET a /", "closed"]);
    assert!(server.written().contains("connection: close\r\n"));
    assert!(server.connection.is_closing() && !server.connection.is_idle());
    assert!(server.connection.linger(Moment(0)));
}

#[test]
fn draining_waits_for_no_request_behind_an_answer_under_way() {
    let mut server = Server::new(Answers::AtOnce);
    server.read(GET.as_bytes());
    server.connection.note(Writing::Blocked, server.now);
    server.connection.close_after_answer();
    server.connection.note(Writing::Done, server.now);
    server.read(b"");
    assert!(server.connection.is_closing());
    assert!(server.connection.linger(server.now));
}

#[test]
fn only_who_may_still_send_is_lingered_for() {
    let check = |request: &str, lingers: bool| {
        let mut server = Server::new(Answers::AtOnce);
        server.read(request.as_bytes());
        assert!(server.connection.is_closing());
        assert_eq!(server.connection.linger(server.now), lingers, "{request}");
    };
    check("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false);
    check("GET / HTTP/1.0\r\n\r\n", false);
    check("GET / HTTP/1.0\r\nContent-Length: 5\r\n\r\n", true);
    check("GET / HTTP/1.1\r\n\r\n", true);
    check("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", true);
}

#[test]
fn broken_content_under_a_streamed_answer_ends_the_content_not_the_answer() {
    let head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    let mut server = Server::new(Answers::Never);
    server.read(head.as_bytes());
    let body = Body::Stream(Box::new(Nothing));
    let response = Response { body, ..Response::empty(Status::OK) };
    let source = server.connection.respond(response, DATE, &mut server.output);
    assert!(source.is_some());
    server.read(b"Z\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(server.seen, ["PUT a / chunked", "content x", "dropped ChunkSize", "closed"]);
    assert!(!server.connection.is_closing());
    server.connection.finish_stream(&mut server.output);
    assert!(server.written().ends_with("\r\n\r\n0\r\n\r\n"));
    assert!(server.connection.is_closing());
}
