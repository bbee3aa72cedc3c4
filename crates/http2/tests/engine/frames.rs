//! What each frame may be, and where it may stand (RFC 9113 sections 4 to 6).

use crate::client::*;

/// Frames after which the connection is given up with that code.
fn breaks(code: u32, frames: &[Vec<u8>]) {
    let mut client = Client::new();
    client.content = None;
    let told = client.send(&frames.concat()).told();
    let is_broken = told.contains("broken: ") && told.ends_with(&format!(" {code}"));
    assert!(is_broken && told.contains("GOAWAY"), "{frames:?}: {told}");
    assert!(client.http.is_closing());
    assert_eq!(client.send(&asks(99, "/")).told(), "", "nothing is heard any more");
}

/// Frames after which one stream is given up with that code, and another one is served.
fn resets(code: u32, frames: &[Vec<u8>]) {
    let mut client = Client::new();
    client.content = None;
    let told = client.send(&frames.concat()).told();
    assert!(told.ends_with(&format!("RST 1 {code}")), "{frames:?}: {told}");
    client.content = Some(5);
    assert!(client.send(&asks(11, "/b")).told().ends_with("DATA+1 11 5"));
}

#[test]
fn a_connection_begins_with_the_preface_and_settings() {
    let mut client = Client::silent();
    assert_eq!(client.send(&http2::PREFACE[..20]).told(), "");
    assert_eq!(client.send(&http2::PREFACE[20..]).told(), "SETTINGS 0 18");
    assert_eq!(client.send(&frame(SETTINGS, 0, 0, &[])).told(), "SETTINGS+1 0 0");
    for start in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nXX"] {
        let told = Client::silent().send(start).told();
        assert!(told.starts_with("broken: ") && told.ends_with("; SETTINGS 0 18; GOAWAY 0 0 1"));
    }
    let early = [http2::PREFACE, &asks(1, "/")].concat();
    assert!(Client::silent().send(&early).told().ends_with("GOAWAY 0 0 1"));
    let ack = [http2::PREFACE, &frame(SETTINGS, ACK, 0, &[])].concat();
    assert!(Client::silent().send(&ack).told().ends_with("GOAWAY 0 0 1"));
}

#[test]
fn frames_have_the_length_that_they_must() {
    for (kind, flags, stream, payload) in [
        (SETTINGS, 0, 0, &[0; 5][..]),
        (SETTINGS, ACK, 0, &[0; 6]),
        (PING, 0, 0, &[0; 7]),
        (PING, 0, 0, &[0; 9]),
        (RST_STREAM, 0, 1, &[0; 3]),
        (WINDOW_UPDATE, 0, 0, &[0; 3]),
        (WINDOW_UPDATE, 0, 1, &[0; 5]),
        (GOAWAY, 0, 0, &[0; 7]),
        (PRIORITY_UPDATE, 0, 0, &[0; 3]),
        (HEADERS, 0x20 | WHOLE, 3, &[0; 4]),
        (DATA, PADDED, 1, &[]),
        (DATA, 0, 1, &[0; 16_385]),
        (42, 0, 0, &[0; 16_385]),
    ] {
        breaks(6, &[posts(1, &[]), frame(kind, flags, stream, payload)]);
    }
    resets(6, &[posts(1, &[]), frame(PRIORITY, 0, 1, &[0; 4])]);
    breaks(6, &[frame(PRIORITY, 0, 1, &[0; 4])]);
}

#[test]
fn frames_stand_on_the_streams_that_they_may() {
    for (kind, stream, payload) in [
        (DATA, 0, &[0; 20][..]),
        (DATA, 5, &[0; 20]),
        (HEADERS, 0, &[]),
        (HEADERS, 2, &[]),
        (PRIORITY, 0, &[0; 5]),
        (RST_STREAM, 0, &[0; 4]),
        (RST_STREAM, 5, &[0; 4]),
        (SETTINGS, 1, &[]),
        (PING, 1, &[0; 8]),
        (GOAWAY, 1, &[0; 8]),
        (WINDOW_UPDATE, 5, &[0, 0, 0, 1]),
        (PRIORITY_UPDATE, 1, &[0, 0, 0, 1]),
        (PRIORITY_UPDATE, 0, &[0, 0, 0, 2]),
        (5, 1, &[0; 8]),
        (CONTINUATION, 1, &[]),
    ] {
        breaks(1, &[posts(1, &[]), frame(kind, END_HEADERS, stream, payload)]);
    }
}

/// Nobody begins those of the server, whatever the client has begun.
#[test]
fn streams_of_the_server_never_begin() {
    for (kind, payload) in [(DATA, &[0; 20][..]), (RST_STREAM, &[0; 4]), (WINDOW_UPDATE, &[1; 4])] {
        breaks(1, &[posts(5, &[]), frame(kind, 0, 2, payload)]);
    }
}

#[test]
fn streams_begin_in_order_and_once() {
    breaks(1, &[asks(5, "/"), frame(RST_STREAM, 0, 5, &[0; 4]), asks(3, "/")]);
    breaks(1, &[asks(205, "/"), asks(203, "/")]);
    breaks(5, &[asks(5, "/"), frame(RST_STREAM, 0, 5, &[0; 4]), asks(205, "/"), asks(3, "/")]);
    breaks(5, &[posts(1, &[]), frame(RST_STREAM, 0, 1, &[0; 4]), asks(1, "/")]);
}

#[test]
fn nothing_comes_on_a_stream_that_is_over() {
    resets(5, &[asks(1, "/"), frame(DATA, 0, 1, &[0; 20])]);
    resets(5, &[asks(1, "/"), asks(1, "/")]);
    resets(5, &[posts(1, &[]), frame(RST_STREAM, 0, 1, &[0; 4]), frame(DATA, 0, 1, &[0; 20])]);
    let mut client = Client::new();
    client.send(&asks(1, "/"));
    assert!(client.told().ends_with("DATA+1 1 5"));
    // These may have been under way when the answer came to its end.
    client.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).send(&frame(RST_STREAM, 0, 1, &[0; 4]));
    client.send(&frame(PRIORITY, 0, 1, &[0; 5]));
    assert_eq!(client.told(), "");
}

#[test]
fn what_was_under_way_to_a_reset_stream_is_dropped() {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[("content-length", "10")])).send(&frame(DATA, 0, 1, &[0; 20]));
    assert!(client.told().ends_with("RST 1 1"));
    let late = [frame(DATA, 0, 1, &[0; 20]), frame(HEADERS, WHOLE, 1, &block(&[]))].concat();
    assert_eq!(client.send(&late).told(), "");
    // Much may have been reset since.
    for stream in (3..).step_by(2).take(200) {
        let told = client.send(&posts(stream, &[("content-length", "x")])).told();
        assert!(told.ends_with(&format!("RST {stream} 1")));
    }
    assert_eq!(client.send(&late).told(), "");
}

/// Whatever its code says, and whether the stream is open or over.
#[test]
fn nothing_answers_a_reset() {
    for code in [0, 8, 0xdead_beef_u32] {
        let mut client = Client::new();
        client.content = None;
        let reset = frame(RST_STREAM, 0, 1, &code.to_be_bytes());
        client.send(&[posts(1, &[]), reset.clone()].concat());
        assert_eq!(
            client.told(),
            "POST a/ Unknown; cut: the client does not want it any more",
            "{code}"
        );
        assert_eq!(client.send(&reset).told(), "");
        client.content = Some(5);
        assert!(client.send(&asks(3, "/")).told().ends_with("DATA+1 3 5"));
    }
}

/// What nobody reads has used up the connection's window all the same.
#[test]
fn content_of_a_reset_stream_counts_for_the_connection() {
    let mut client = Client::new();
    client.content = None;
    client.send(&[posts(1, &[]), frame(PRIORITY, 0, 1, &[0; 4])].concat());
    assert!(client.told().ends_with("RST 1 6"));
    let content = || frame(DATA, 0, 1, &[0; 16_000]);
    assert_eq!(client.send(&content()).send(&content()).told(), "");
    assert_eq!(client.send(&content()).told(), "WINDOW 0 48000");
}

#[test]
fn settings_are_sound_and_acknowledged() {
    check(&frame(SETTINGS, 0, 0, &setting(0x7777, 9)), "SETTINGS+1 0 0");
    check(&frame(SETTINGS, ACK, 0, &[]), "");
    for (code, name, value) in
        [(1, 2, 2), (3, 4, 1 << 31), (1, 5, 16_383), (1, 5, 1 << 24), (1, 9, 2)]
    {
        breaks(code, &[frame(SETTINGS, 0, 0, &setting(name, value))]);
    }
}

#[test]
fn pings_come_back() {
    check(&frame(PING, 0, 0, b"12345678"), "PING+1 0 8");
    check(&frame(PING, ACK, 0, b"12345678"), "");
    let mut client = Client::new();
    client.send(&frame(PING, 0, 0, b"12345678"));
    assert_eq!(client.sent()[9..], *b"12345678");
}

#[test]
fn a_field_block_may_go_on_in_other_frames_but_not_be_interrupted() {
    let fields = get("/b", &[]);
    let (start, rest) = fields.split_at(7);
    let (middle, end) = rest.split_at(1);
    let begun = frame(HEADERS, END_STREAM, 1, start);
    let frames = [
        begun.clone(),
        frame(CONTINUATION, 0, 1, middle),
        frame(CONTINUATION, END_HEADERS, 1, end),
    ];
    check(&frames.concat(), "GET a/b Known(0); HEADERS+4 1 88; DATA+1 1 5");
    for other in [
        frame(PING, 0, 0, &[0; 8]),
        frame(42, 0, 0, &[]),
        frame(CONTINUATION, END_HEADERS, 3, rest),
        asks(3, "/"),
        frame(DATA, 0, 1, &[0; 20]),
    ] {
        breaks(1, &[begun.clone(), other]);
    }
}

#[test]
fn padding_and_old_priorities_are_no_part_of_what_is_said() {
    let fields = get("/b", &[]);
    let padded = [&[2][..], &[0, 0, 0, 0, 9], &fields, &[0; 2]].concat();
    check(
        &frame(HEADERS, 0x20 | PADDED | WHOLE, 1, &padded),
        "GET a/b Known(0); HEADERS+4 1 88; DATA+1 1 5",
    );
    breaks(1, &[frame(HEADERS, PADDED | WHOLE, 1, &[9, 0])]);
    breaks(1, &[frame(HEADERS, 0x20 | WHOLE, 1, &[&[0, 0, 0, 1, 9][..], &fields].concat())]);
    resets(1, &[posts(1, &[]), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9])]);
    breaks(1, &[posts(1, &[]), frame(DATA, PADDED, 1, &[20; 20])]);
}

#[test]
fn what_is_not_known_is_passed_over() {
    check(&frame(42, 0xff, 0x7fff_ffff, &[0; 30]), "");
    let mut bytes = asks(1, "/b");
    bytes[5] |= 0x80;
    check(&bytes, "GET a/b Known(0); HEADERS+4 1 88; DATA+1 1 5");
}

#[test]
fn a_malformed_field_block_breaks_the_connection() {
    for coded in [
        &b"\x80"[..],
        b"\xbe",
        b"\xff\xff\xff\xff\xff\x0f",
        b"\x00\x81\xff\x00",
        b"\x00\x05ab",
        b"\x82\x20",
        b"\x3f\xe2\x1f",
        b"\x40",
        b"\x0f",
    ] {
        breaks(9, &[frame(HEADERS, WHOLE, 1, coded)]);
    }
}

#[test]
fn what_was_asked_before_a_goaway_of_the_client_is_answered() {
    let mut client = Client::new();
    client.content = None;
    client.send(&[asks(1, "/"), frame(GOAWAY, 0, 0, &[0xff; 8])].concat());
    assert_eq!(client.told(), "GET a/ Known(0)");
    let key = client.waiting[0];
    client.answer(key, message::Status::OK, 5);
    assert_eq!(client.told(), "HEADERS+4 1 88; DATA+1 1 5");
    assert_eq!(client.send(&frame(PING, 0, 0, &[0; 8])).told(), "PING+1 0 8");
    // That one had a code that nobody knows.
    assert!(!client.http.is_closing());
}

#[test]
fn the_end_is_told_in_two_steps() {
    let mut client = Client::new();
    client.part();
    client.part();
    assert_eq!(client.told(), "GOAWAY 0 2147483647 0; PING 0 8");
    // What was under way when the client heard of it is served.
    assert!(client.send(&asks(1, "/")).told().ends_with("DATA+1 1 5"));
    client.send(&frame(PING, ACK, 0, b"parting!"));
    assert_eq!(client.told(), "GOAWAY 0 1 0");
    assert!(client.http.is_closing());
    assert_eq!(client.send(&asks(3, "/")).told(), "");
}

/// A client may have begun more before it knew; what is under way goes on.
#[test]
fn what_comes_behind_the_last_stream_is_passed_over() {
    let mut client = Client::new();
    client.content = None;
    client.send(&asks(1, "/"));
    client.part();
    client.send(&frame(PING, ACK, 0, b"parting!"));
    assert!(client.told().ends_with("GOAWAY 0 1 0"));
    client.send(&posts(3, &[]));
    client.send(&frame(DATA, 0, 3, &[0; 16_000]).repeat(3));
    assert_eq!(client.told(), "WINDOW 0 48000", "it counts for the connection");
    client.send(&frame(WINDOW_UPDATE, 0, 3, &[1; 4])).send(&frame(RST_STREAM, 0, 3, &[0; 4]));
    client.send(&frame(HEADERS, WHOLE, 5, &get("/", &[]))).send(&frame(PRIORITY, 0, 5, &[0; 5]));
    assert_eq!(client.told(), "");
    let key = client.waiting[0];
    client.answer(key, message::Status::OK, 5);
    assert_eq!(client.told(), "HEADERS+4 1 88; DATA+1 1 5");
}
