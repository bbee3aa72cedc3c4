//! Parses and answers one browser's request over and over, so that instructions can be counted.

use base::Moment;
use http1::{Connection, Event};
use message::{Body, Limits, Output, Prepared, Response, Shared, Slots, Status, response::Line};
use std::{hint::black_box, rc::Rc};

const HEAD: &str = "GET /assets/css/site.min.css?v=20240611 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Accept: text/css,*/*;q=0.1\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: no-cors\r\n\
    Sec-Fetch-Dest: style\r\n\
    Referer: https://www.example.com/\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    If-None-Match: \"66683a1c-384\"\r\n\r\n";

fn main() {
    let count: u32 =
        std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1_000_000);
    let limits: &'static Limits =
        Box::leak(Box::new(Limits { requests_max: u32::MAX, ..Limits::default() }));
    let prepared = Rc::new(Prepared::new(vec![
        Line::fixed("content-type", "text/css; charset=utf-8"),
        Line::fixed("last-modified", "Tue, 11 Jun 2024 11:22:33 GMT"),
        Line::fixed("etag", "\"66683a1c-384\""),
    ]));
    let content = Shared::from(vec![b'x'; 900]);
    let mut connection = Connection::new(limits, Moment(0));
    let mut output = Output::default();
    for turn in 0..count {
        let mut slots = Slots::new();
        let now = Moment(u64::from(turn));
        let (used, event) = connection.receive(black_box(HEAD.as_bytes()), now, &mut slots);
        let is_whole = used == HEAD.len() && matches!(black_box(&event), Event::Request(_));
        assert!(is_whole, "{event:?}");
        let response = Response {
            prepared: Some(Rc::clone(&prepared)),
            body: Body::Bytes(content.clone()),
            ..Response::empty(Status::OK)
        };
        let source = connection.respond(response, b"Sun, 06 Nov 1994 08:49:37 GMT", &mut output);
        assert!(source.is_none(), "the content lies in memory");
        output.advance(black_box(output.run().len()));
    }
}
