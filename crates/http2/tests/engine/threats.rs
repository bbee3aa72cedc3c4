//! What costs work and brings nothing is put up with for a while, and never costs memory.

use crate::client::*;
use message::Status;

/// Sends what `next` makes again and again: how often until the connection is given up with
/// ENHANCE_YOUR_CALM; what was sent to the client meanwhile is taken by it.
fn tries(client: &mut Client, tries_max: u32, mut next: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    (0..tries_max).find(|&number| {
        let told = client.send(&next(number)).told();
        told.contains("GOAWAY") && told.ends_with(" 11")
    })
}

/// As [`tries`], on a connection that has one request under way.
fn flood(next: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[]));
    client.told();
    tries(&mut client, 10_000, next)
}

#[test]
fn rapid_resets() {
    let stopped = flood(|number| {
        let stream = 3 + 2 * number;
        [asks(stream, "/"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    assert_eq!(stopped, Some(300));
    // Where the answer has begun, its work is done, and four count as one.
    let mut client = Client::new();
    client.content = Some(100_000);
    let stopped = tries(&mut client, 10_000, |number| {
        let stream = 1 + 2 * number;
        [asks(stream, "/"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    assert_eq!(stopped, Some(4 * 300 + 3));
}

/// As a map does that is zoomed again and again: it asks for a hundred tiles, and when it has got
/// some of them, for others. The rest have begun, or are being made.
#[test]
fn who_takes_answers_may_cancel_others() {
    for (taken, dropped, has_begun) in [(20, 80, true), (50, 50, false)] {
        let mut client = Client::new();
        client.content = None;
        for zoom in 0..50 {
            let streams = (0..100).map(|number| 1 + 2 * (100 * zoom + number));
            let streams: Vec<_> = streams.collect();
            client.send(&streams.iter().flat_map(|&stream| asks(stream, "/")).collect::<Vec<_>>());
            let keys = std::mem::take(&mut client.waiting);
            keys[..taken].iter().for_each(|&key| client.answer(key, Status::OK, 5));
            if has_begun {
                keys[taken..].iter().for_each(|&key| client.answer(key, Status::OK, 100_000));
            }
            let resets = streams[taken..].iter();
            let resets = resets.flat_map(|&stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
            let told = client.send(&resets.collect::<Vec<_>>()).told();
            assert_eq!(told.matches("cut: ").count(), dropped, "{zoom}: {told}");
            assert!(!told.contains("GOAWAY"), "{zoom}: {told}");
            client.send(&frame(WINDOW_UPDATE, 0, 0, &1000_u32.to_be_bytes()));
        }
    }
}

#[test]
fn resets_that_the_server_is_made_to_send() {
    let ways: [fn(u32) -> Vec<u8>; 6] = [
        |stream| frame(WINDOW_UPDATE, 0, stream, &[0; 4]),
        |stream| {
            let wide = frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
            [wide.clone(), wide].concat()
        },
        |stream| frame(DATA, 0, stream, &[0; 20]),
        |stream| asks(stream, "/"),
        |stream| frame(PRIORITY, 0, stream, &[0; 4]),
        |stream| frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[0]].concat()),
    ];
    for (at, way) in ways.into_iter().enumerate() {
        let stopped = flood(|number| {
            let stream = 3 + 2 * number;
            [asks(stream, "/"), way(stream)].concat()
        });
        assert_eq!(stopped, Some(300), "way {at}");
    }
    let stopped = flood(|number| frame(HEADERS, WHOLE, 3 + 2 * number, &block(&[("x", "y")])));
    assert_eq!(stopped, Some(300), "no requests");
    let stopped = flood(|number| {
        let stream = 3 + 2 * number;
        [posts(stream, &[("content-length", "5")]), frame(DATA, END_STREAM, stream, b"abc")]
            .concat()
    });
    assert_eq!(stopped, Some(300), "content of another length");
    let mut client = Client::new();
    let stopped = tries(&mut client, 10_000, |number| {
        let stream = 1 + 2 * number;
        [asks(stream, "/"), frame(DATA, 0, stream, &[0; 20])].concat()
    });
    assert_eq!(stopped, Some(300), "answers pay for none of them");
}

#[test]
fn too_many_streams_are_refused_one_by_one() {
    let mut client = Client::new();
    client.content = None;
    client.send(&frame(SETTINGS, ACK, 0, &[]));
    let stopped = tries(&mut client, 1000, |number| asks(1 + 2 * number, "/"));
    assert_eq!(stopped, Some(128 + 300));
    // Who has not heard yet how many there may be is put up with for longer.
    let mut client = Client::new();
    client.content = None;
    let stopped = tries(&mut client, 2000, |number| asks(1 + 2 * number, "/"));
    assert!(stopped.is_some_and(|number| (1110..=1128).contains(&number)), "{stopped:?}");
    let mut client = Client::new();
    client.content = None;
    for number in 0..128 {
        assert_eq!(client.send(&asks(1 + 2 * number, "/")).told(), "GET a/ Known(0)");
    }
    assert_eq!(client.send(&asks(257, "/")).told(), "RST 257 7");
}

#[test]
fn frames_that_carry_nothing() {
    let ways: [fn() -> Vec<u8>; 8] = [
        || frame(PING, 0, 0, &[0; 8]),
        || frame(SETTINGS, 0, 0, &[]),
        || frame(DATA, 0, 1, &[]),
        || frame(DATA, 0, 1, &[0]),
        || frame(PRIORITY, 0, 9, &[0; 5]),
        || frame(PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 9]),
        || frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        || frame(77, 0, 0, &[0; 100]),
    ];
    for (at, way) in ways.into_iter().enumerate() {
        let stopped = flood(|_| way());
        assert!(stopped.is_some_and(|number| (990..=1000).contains(&number)), "{at}: {stopped:?}");
    }
}

/// Some clients make a frame of each line that they write, and fill the window by them before they
/// know that nobody wants it.
#[test]
fn content_under_way_to_a_stream_that_was_reset_costs_nothing_within_its_window() {
    let mut client = Client::new();
    client.send(&posts(1, &[("content-length", "1000000")]));
    assert!(client.told().ends_with("RST 1 0"));
    let line = frame(DATA, 0, 1, &[b'r'; 60]);
    let told = client.send(&line.repeat(65_535 / 60)).told();
    assert!(told.starts_with("WINDOW 0 ") && !told.contains("GOAWAY"), "{told}");
    assert!(client.send(&asks(3, "/")).told().ends_with("DATA+1 3 5"));
    // Nobody has let in any more than that.
    let stopped = tries(&mut client, 2000, |_| line.clone());
    assert!(stopped.is_some_and(|number| (990..=1000).contains(&number)), "{stopped:?}");
    // Nor does the end of what was little end again and again.
    let mut client = Client::new();
    client.send(&posts(1, &[("content-length", "1000000")]));
    let stopped = tries(&mut client, 2000, |_| frame(DATA, END_STREAM, 1, &[]));
    assert!(stopped.is_some_and(|number| (990..=1000).contains(&number)), "{stopped:?}");
}

#[test]
fn updates_of_windows_are_paid_for_by_content() {
    let mut client = Client::new();
    for number in 0..3000 {
        let told = client.send(&asks(1 + 2 * number, "/")).told();
        assert!(told.ends_with(" 5"), "{told}");
        client.send(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 5]));
        client.send(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
    }
    assert_eq!(client.told(), "");
}

/// As do the clients that widen both windows for every 4 KiB that they read, by which time they may
/// have got much.
#[test]
fn a_large_answer_pays_for_many_updates_of_windows() {
    for window in [0, 4 << 20] {
        let mut client = Client::new();
        client.send(&frame(SETTINGS, 0, 0, &setting(4, 65_535 + window)));
        client.send(&frame(WINDOW_UPDATE, 0, 0, &(1 + window).to_be_bytes()));
        client.content = Some(40_000_000);
        client.send(&asks(1, "/"));
        let mut told = client.told();
        while !told.contains("DATA+1") {
            let frames = told.split("; ").filter_map(|frame| frame.strip_prefix("DATA 1 "));
            let bytes: usize = frames.map(|bytes| bytes.parse::<usize>().unwrap()).sum();
            assert!(bytes > 0, "{told}");
            let room = 4096_u32.to_be_bytes();
            let both = [frame(WINDOW_UPDATE, 0, 0, &room), frame(WINDOW_UPDATE, 0, 1, &room)];
            told = client.send(&both.concat().repeat(bytes.div_ceil(4096))).told();
        }
    }
}

/// What a frame lets in is little, for however many streams.
#[test]
fn windows_that_settings_widen_by_the_byte() {
    let mut client = Client::new();
    client.content = Some(100_000);
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 0)));
    for stream in (1..).step_by(2).take(100) {
        client.send(&frame(HEADERS, WHOLE, stream, &get("/", &[("priority", "i")])));
    }
    client.told();
    let stopped = tries(&mut client, 5000, |number| frame(SETTINGS, 0, 0, &setting(4, number + 1)));
    assert!(stopped.is_some_and(|number| (990..=1000).contains(&number)), "{stopped:?}");
}

#[test]
fn a_head_without_end() {
    let mut client = Client::new();
    client.send(&frame(HEADERS, 0, 1, &get("/", &[])));
    assert_eq!(tries(&mut client, 1000, |_| frame(CONTINUATION, 0, 1, &[])), Some(16));
    let mut client = Client::new();
    client.send(&frame(HEADERS, 0, 1, &get("/", &[])));
    assert_eq!(tries(&mut client, 1000, |_| frame(CONTINUATION, 0, 1, &[0; 16_384])), Some(7));
}

/// It is read to its end, as the table depends on it.
#[test]
fn a_head_that_is_much_too_long_is_answered() {
    for (method, answer) in [("GET", "HEADERS+4 1 08; DATA+1 1 5"), ("HEAD", "HEADERS+5 1 08")] {
        much_too_long(method, &format!("refused 431; {answer}"));
    }
}

fn much_too_long(method: &str, expect: &str) {
    let mut client = Client::new();
    let target = [(":scheme", "http"), (":authority", "a"), (":path", "/")];
    let mut coded = block(&[&[(":method", method)], &target[..]].concat());
    // A cookie of 45,000 bytes, and a field that goes into the table.
    coded.extend(b"\x0f\x11\x7f\xc9\xde\x02");
    coded.extend([b'c'; 45_000]);
    coded.extend(b"\x40\x01x\x01y");
    let pieces: Vec<_> = coded.chunks(16_000).collect();
    let mut frames = frame(HEADERS, END_STREAM, 1, pieces[0]);
    frames.extend(frame(CONTINUATION, 0, 1, pieces[1]));
    frames.extend(frame(CONTINUATION, END_HEADERS, 1, pieces[2]));
    assert_eq!(client.send(&frames).told(), expect);
    let coded = [&get("/", &[])[..], &[0xbe]].concat();
    assert!(client.send(&frame(HEADERS, WHOLE, 3, &coded)).told().starts_with("GET a/"));
}

/// What the client is told of one answer has the same bytes whatever came before.
#[test]
fn an_answer_tells_nothing_of_another() {
    let mut client = Client::new();
    client.send(&asks(1, "/")).sent();
    let first = client.send(&asks(3, "/")).sent();
    let secret = [("cookie", "secret"), ("x", "y")];
    client.send(&frame(HEADERS, WHOLE, 5, &get("/other", &secret))).sent();
    let mut again = client.send(&asks(7, "/")).sent();
    for at in [8, first.len() - 5 - 1] {
        assert_eq!((first[at], again[at]), (3, 7), "but for the number of its stream");
        again[at] = 3;
    }
    assert!(first == again);
}

/// One byte stands for a field of 4 KB; the sum of them is what counts.
#[test]
fn fields_that_are_told_by_a_number_count_in_full() {
    let mut client = Client::new();
    let mut coded = get("/", &[]);
    let value = "v".repeat(4000);
    coded.extend(b"\x40\x01x\x7f\xa1\x1e");
    coded.extend(value.as_bytes());
    coded.extend([0xbe; 8]);
    assert!(client.send(&frame(HEADERS, WHOLE, 1, &coded)).told().starts_with("refused 431"));
    // The table is as both sides know it all the same.
    let coded = [&get("/", &[])[..], &[0xbe]].concat();
    assert!(client.send(&frame(HEADERS, WHOLE, 3, &coded)).told().starts_with("GET a/"));
}

/// A literal of two bytes can have a name of 4 KB, and leave as much in the table: what unfolds is
/// work, though nothing is kept of it.
#[test]
fn fields_that_nobody_keeps_are_not_unfolded_for_ever() {
    let entry = [&b"\x40\x7f\xa1\x1e"[..], &[b'n'; 4000], b"\0"].concat();
    for more in [&b"\x7e\0"[..], b"\x0f\x2f\0", b"\xbe"] {
        let mut client = Client::new();
        let fits = [&get("/", &[])[..], &entry, &more.repeat(30)].concat();
        let told = client.send(&frame(HEADERS, WHOLE, 1, &fits)).told();
        assert!(told.starts_with("refused 431"), "{told}");
        let beyond = [&get("/", &[])[..], &entry, &more.repeat(40)].concat();
        let told = client.send(&frame(HEADERS, WHOLE, 3, &beyond)).told();
        assert!(told.ends_with("GOAWAY 0 1 11"), "{told}");
    }
    // Nor are heads of which all is known after a part.
    let many = get("/", &[("x", "y"); 101]);
    let mut client = Client::new();
    let stopped = tries(&mut client, 2000, |number| frame(HEADERS, WHOLE, 1 + 2 * number, &many));
    assert!(stopped.is_some_and(|number| (990..=1000).contains(&number)), "{stopped:?}");
}

/// As the whole cookie does in HTTP/1.1; but there never are more than so many.
#[test]
fn the_crumbs_of_a_cookie_count_as_one_field() {
    for (crumbs, fields, expect) in [
        (180, 15, "GET a/"),
        (256, 98, "GET a/"),
        (257, 0, "refused 431"),
        (1, 100, "refused 431"),
        (2, 100, "refused 431"),
    ] {
        let more = [vec![("cookie", "a=b"); crumbs], vec![("x", "y"); fields]].concat();
        let coded = get("/", &more);
        let told = Client::new().send(&frame(HEADERS, WHOLE, 1, &coded)).told();
        assert!(told.starts_with(expect), "{crumbs} and {fields}: {told}");
        let last = [vec![("x", "y"); fields], vec![("cookie", "a=b"); crumbs]].concat();
        let told = Client::new().send(&frame(HEADERS, WHOLE, 1, &get("/", &last))).told();
        assert!(told.starts_with(expect), "{fields} and {crumbs}: {told}");
    }
}
