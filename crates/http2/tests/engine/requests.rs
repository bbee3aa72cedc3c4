//! Which fields are a request, and which are none (RFC 9113 section 8).

use crate::client::*;

const MALFORMED: &str = "RST 1 1";

/// What comes of a request with these fields and no content.
fn fields(fields: &[(&str, &str)]) -> String {
    Client::new().send(&frame(HEADERS, WHOLE, 1, &block(fields))).told()
}

fn is_malformed(told: &str) -> bool {
    told.starts_with("malformed: ") && told.ends_with(MALFORMED)
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

#[test]
fn a_request_is_answered_on_its_stream() {
    check(&asks(1, "/b?c"), "GET a/b Known(0); HEADERS+4 1 88; DATA+1 1 5");
    let both = [asks(1, "/b"), asks(3, "/c")].concat();
    check(
        &both,
        "GET a/b Known(0); GET a/c Known(0); \
         HEADERS+4 1 88; DATA+1 1 5; HEADERS+4 3 88; DATA+1 3 5",
    );
}

#[test]
fn an_answer_to_head_has_no_content() {
    let told = fields(&[(":method", "HEAD"), GET[1], GET[2], GET[3]]);
    assert_eq!(told, "HEAD a/ Known(0); HEADERS+5 1 88");
}

#[test]
fn a_host_field_stands_for_the_authority() {
    assert_eq!(
        fields(&[GET[0], GET[1], GET[3], ("host", "b:81")]),
        "GET b/ Known(0); HEADERS+4 1 88; DATA+1 1 5"
    );
    let same = [GET[0], GET[1], GET[2], GET[3], ("host", "a")];
    assert!(fields(&same).starts_with("GET a/"));
    let other = [GET[0], GET[1], GET[2], GET[3], ("host", "b")];
    assert!(is_malformed(&fields(&other)));
}

#[test]
fn pseudo_fields_are_there_once_and_first() {
    for (left_out, field) in GET.into_iter().enumerate() {
        let mut some = GET.to_vec();
        some.remove(left_out);
        assert!(is_malformed(&fields(&some)), "{some:?}");
        let mut twice = GET.to_vec();
        twice.push(field);
        assert!(is_malformed(&fields(&twice)), "{twice:?}");
        let mut late = some;
        late.push(("x", "y"));
        late.push(field);
        assert!(is_malformed(&fields(&late)), "{late:?}");
    }
    for odd in [(":status", "200"), (":protocol", "websocket"), (":x", "y"), (":", "")] {
        assert!(is_malformed(&fields(&[GET[0], GET[1], GET[2], GET[3], odd])), "{odd:?}");
    }
}

#[test]
fn pseudo_fields_hold_what_they_may() {
    for (at, values) in [
        (0, &["", "G T", "GET\r\n", "GET /", &"X".repeat(33)][..]),
        (1, &["", "ftp", "http://x/", "http "]),
        (2, &["", "a b", "u@a", "a/b", "a:b", "a#", "a\r\nx: y"]),
        (3, &["", "a", "*", "/ ", "/a b", "/\r\n", "/#a", "/\u{fc}", "http://a/"]),
    ] {
        for value in values {
            let mut some = GET;
            some[at].1 = value;
            assert!(is_malformed(&fields(&some)), "{some:?}");
        }
    }
    let whole = [(":method", "OPTIONS"), GET[1], GET[2], (":path", "*")];
    assert!(fields(&whole).starts_with("OPTIONS a*"));
}

#[test]
fn names_are_tokens_in_lower_case_and_values_hold_no_controls() {
    for odd in [
        ("", "x"),
        ("X", "y"),
        ("a b", "c"),
        ("a:", "c"),
        ("a\r\n", "c"),
        ("\u{fc}", "c"),
        ("a", " b"),
        ("a", "b\t"),
        ("a", "b\0"),
        ("a", "b\r\nc: d"),
        ("a", "b\n"),
        ("a", "\x7f"),
    ] {
        let mut some = GET.to_vec();
        some.push(odd);
        assert!(is_malformed(&fields(&some)), "{odd:?}");
    }
    let mut some = GET.to_vec();
    some.extend([("a", "\u{fc} \t b"), ("b", ""), ("te", "trailers")]);
    assert!(fields(&some).starts_with("GET a/"));
}

#[test]
fn fields_of_a_connection_are_refused() {
    for odd in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
    ] {
        let mut some = GET.to_vec();
        some.push(odd);
        assert!(is_malformed(&fields(&some)), "{odd:?}");
    }
}

#[test]
fn what_is_sound_but_not_served_has_an_answer() {
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    assert_eq!(fields(&connect), "refused 405; HEADERS+4 1 08; DATA+1 1 5");
    let mut odd = connect.to_vec();
    odd.push((":path", "/"));
    assert!(is_malformed(&fields(&odd)));
    let mut expects = GET.to_vec();
    expects.push(("expect", "tea"));
    assert!(fields(&expects).starts_with("refused 417"));
    let long = format!("/{}", "x".repeat(200));
    let many: Vec<_> = GET.into_iter().chain((0..101).map(|_| ("x", "y"))).collect();
    assert!(fields(&many).starts_with("refused 431"));
    let head = (":method", "HEAD");
    for (status, refused) in [("417", &expects), ("431", &many)] {
        let told = fields(&[&[head], &refused[1..]].concat());
        assert_eq!(told, format!("refused {status}; HEADERS+5 1 08"), "no content behind HEAD");
    }
    assert!(fields(&[GET[0], GET[1], GET[2], (":path", &long)]).starts_with("GET a/xxx"));
}

#[test]
fn the_crumbs_of_a_cookie_are_one_field() {
    let limits = Box::leak(Box::new(message::Limits::default()));
    let mut http = http2::Connection::new(limits, base::Moment(0));
    let mut bytes = http2::PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let crumbs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")];
    bytes.extend(frame(HEADERS, WHOLE, 1, &get("/", &crumbs)));
    let (mut block, mut output) = (http2::Block::default(), message::Output::default());
    let mut slots = message::Slots::new();
    let room = (&mut block, &mut slots);
    let (_, event) = http.receive(&bytes, base::Moment(0), room, &mut output);
    let http2::Event::Request(_, request, head) = event else { panic!("no request") };
    let lines: Vec<_> = request.fields.lines().iter().map(|f| (f.name, f.value)).collect();
    assert_eq!(lines, [(&b"x"[..], &b"y"[..]), (b"cookie", b"a=1; b=2"), (b"host", b"a")]);
    for odd in ["b=2 ", " b=2", "b=\t"] {
        let crumbs = get("/", &[("cookie", "a=1"), ("cookie", odd), ("cookie", "c=3")]);
        assert!(is_malformed(&Client::new().send(&frame(HEADERS, WHOLE, 1, &crumbs)).told()));
    }
    // What comes too late does not come in time because they are.
    let [one, two] = [("cookie", "a=1"), ("cookie", "b=2")];
    for late in [
        [GET[0], GET[1], one, two, GET[2], GET[3]],
        [one, GET[0], GET[1], GET[2], GET[3], two],
        [GET[0], GET[1], GET[2], one, GET[3], two],
    ] {
        assert!(is_malformed(&fields(&late)), "{late:?}");
    }
    let head = head.to_vec();
    let mut slots = message::Slots::new();
    let again = http.reread(0, &head, &mut slots).unwrap();
    assert_eq!((again.path, again.fields.lines().len(), again.length), ("/", 3, request.length));
}

#[test]
fn content_has_the_length_that_was_told() {
    let content = |bytes: usize, ends| frame(DATA, u8::from(ends), 1, &vec![b'c'; bytes]);
    let mut client = Client::new();
    client.content = None;
    client.send(
        &[posts(1, &[("content-length", "40")]), content(20, false), content(20, true)].concat(),
    );
    assert_eq!(client.told(), "POST a/ Known(40); content 20; content 20; end");
    for pieces in [[content(20, false), content(19, true)], [content(20, false), content(21, true)]]
    {
        let mut client = Client::new();
        client.content = None;
        client.send(&[posts(1, &[("content-length", "40")]), pieces.concat()].concat());
        let told = client.told();
        assert!(told.contains("cut: the content is ") && told.ends_with("RST 1 1"), "{told}");
    }
    for value in ["x", "1, 1", "-1", "99999999999999999999", ""] {
        let told = Client::new().send(&posts(1, &[("content-length", value)])).told();
        assert!(is_malformed(&told), "{value}");
    }
    let twice = [("content-length", "1"), ("content-length", "1")];
    assert!(is_malformed(&Client::new().send(&posts(1, &twice)).told()));
    let mut some = GET.to_vec();
    some.push(("content-length", "5"));
    assert!(is_malformed(&fields(&some)), "the stream ends without it");
}

#[test]
fn trailers_end_the_content() {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[])).send(&frame(HEADERS, WHOLE, 1, &block(&[("x", "y")])));
    assert_eq!(client.told(), "POST a/ Unknown; end");
    for (flags, trailers) in [
        (END_HEADERS, block(&[("x", "y")])),
        (WHOLE, block(&[(":path", "/")])),
        (WHOLE, block(&[("X", "y")])),
        (WHOLE, block(&[("connection", "close")])),
    ] {
        let mut client = Client::new();
        client.content = None;
        client.send(&posts(1, &[])).send(&frame(HEADERS, flags, 1, &trailers));
        let told = client.told();
        assert!(told.contains("cut: ") && told.ends_with("RST 1 1"), "{told}");
    }
}
