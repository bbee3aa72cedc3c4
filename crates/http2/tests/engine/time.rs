//! Who is waited for, and for how long.

use crate::client::*;
use base::Moment;
use http2::{Block, Event, Expiry};
use message::{Output, Slots, Status, clock::Writing};
use std::time::Duration;

#[test]
fn a_client_that_does_not_begin_is_not_waited_for() {
    assert_eq!(Client::silent().wait(), (30_000, Expiry::Close));
    let mut client = Client::silent();
    client.send(http2::PREFACE);
    let (waited, expiry) = client.wait();
    assert!(waited == 30_000 && matches!(expiry, Expiry::Broken(_)), "{expiry:?}");
}

/// Who has connected and said nothing rests, and is told of the end like everybody; what it asks
/// meanwhile is answered.
#[test]
fn a_client_that_has_not_begun_is_told_that_the_end_is_near() {
    let mut client = Client::silent();
    assert!(client.http.is_idle());
    client.part();
    assert_eq!(client.told(), "SETTINGS 0 18; GOAWAY 0 2147483647 0; PING 0 8");
    client.send(&http2::PREFACE[..9]);
    assert!(!client.http.is_idle());
    client.send(&[&http2::PREFACE[9..], &frame(SETTINGS, 0, 0, &[]), &asks(1, "/")].concat());
    assert!(client.told().starts_with("GET a/ Known(0); SETTINGS+1 0 0; HEADERS+4 1 88"));
    assert_eq!(client.wait(), (2000, Expiry::Nothing));
    assert_eq!(client.told(), "GOAWAY 0 1 0");
    assert!(client.http.is_closing());
    let mut client = Client::silent();
    let opening = [http2::PREFACE, &frame(SETTINGS, 0, 0, &setting(4, 9))].concat();
    let mut at = 0;
    for more in [http2::PREFACE.len(), 5, 9] {
        client.send(&opening[at..at + more]);
        assert!(client.http.is_at_rest(), "it has asked for nothing");
        at += more;
    }
    let mut client = Client::silent();
    client.part();
    assert_eq!(client.wait(), (2000, Expiry::Nothing));
    assert!(client.http.is_closing());
}

#[test]
fn an_idle_connection_is_told_that_it_ends() {
    let mut client = Client::new();
    client.send(&asks(1, "/"));
    client.told();
    assert!(client.http.is_idle());
    // Pings keep nobody.
    client.http.deadline(client.now);
    client.now = Moment(31_000);
    client.send(&frame(PING, 0, 0, &[0; 8]));
    client.told();
    assert_eq!(client.wait(), (30_000, Expiry::Nothing));
    assert_eq!(client.told(), "GOAWAY 0 1 0");
    assert!(client.http.is_closing());
    client.http.linger(client.now);
    assert_eq!(client.wait(), (2000, Expiry::Close));
}

/// Nor do frames that come in halves, each with the end of the one before.
#[test]
fn who_sends_half_a_frame_again_and_again_is_idle() {
    let ping = frame(PING, 0, 0, &[0; 8]);
    for at in [1, 9, 16] {
        let mut client = Client::new();
        let began = client.now;
        client.send(&ping[..at]);
        let mut told = client.told();
        while !told.contains("GOAWAY") {
            let next = client.now.after(Duration::from_secs(29));
            let deadline = client.http.deadline(client.now);
            if deadline <= next {
                assert_eq!(client.wait().1, Expiry::Nothing, "nobody is to blame");
            } else {
                client.now = next;
                client.send(&[&ping[at..], &ping[..at]].concat());
            }
            told = client.told();
            assert!(client.http.is_at_rest() || client.http.is_closing());
            assert!(client.now.0 <= began.0 + 60_000, "it is still there, cut at {at}");
        }
        assert_eq!((client.now.0 - began.0, &*told), (60_000, "GOAWAY 0 0 0"));
        assert!(client.http.is_closing());
    }
}

/// Who asks now and then, and never rests for long, stays for an hour.
#[test]
fn an_old_connection_takes_one_more_request() {
    let mut client = Client::new();
    let began = client.now;
    for minute in 0..60 {
        client.now = Moment(began.0 + 60_000 * u64::from(minute));
        let told = client.send(&asks(1 + 2 * minute, "/")).told();
        assert!(told.ends_with(" 5") && !told.contains("GOAWAY"), "{told}");
    }
    client.now = Moment(began.0 + 3_600_000);
    assert_eq!(
        client.send(&asks(121, "/")).told(),
        "GET a/ Known(0); GOAWAY 0 2147483647 0; PING 0 8; HEADERS+4 121 88; DATA+1 121 5"
    );
    assert_eq!(client.wait(), (2000, Expiry::Nothing));
    assert_eq!(client.told(), "GOAWAY 0 121 0");
    assert!(client.http.is_closing());
}

/// Nor has it to ask once more to be told.
#[test]
fn an_old_connection_is_told_so_while_nothing_is_under_way() {
    let mut client = Client::new();
    client.content = None;
    client.now = Moment(3_599_000);
    client.send(&asks(1, "/"));
    client.told();
    assert_eq!(client.http.deadline(client.now), Moment::NEVER, "an answer is due");
    client.now = Moment(3_600_000);
    let key = client.waiting.pop().unwrap();
    client.answer(key, Status::OK, 0);
    client.told();
    assert_eq!(client.wait(), (1000, Expiry::Nothing));
    assert_eq!(client.told(), "GOAWAY 0 2147483647 0; PING 0 8");
    client.send(&asks(3, "/"));
    assert_eq!(client.told(), "GET a/ Known(0)", "what crosses that is answered");
    let key = client.waiting.pop().unwrap();
    client.answer(key, Status::OK, 0);
    client.told();
    assert_eq!(client.wait(), (2000, Expiry::Nothing));
    assert_eq!(client.told(), "GOAWAY 0 3 0");
}

#[test]
fn a_frame_that_does_not_come_to_its_end_breaks_the_connection() {
    for begun in [&asks(1, "/")[..20], &frame(HEADERS, 0, 1, &get("/", &[]))[..]] {
        let mut client = Client::new();
        client.http.deadline(client.now);
        client.now = Moment(21_000);
        client.send(begun);
        let (waited, expiry) = client.wait();
        assert!(waited == 30_000 && matches!(expiry, Expiry::Broken(_)), "{waited} {expiry:?}");
        assert_eq!(client.told(), "GOAWAY 0 0 11");
    }
}

/// In however many frames it comes.
#[test]
fn a_head_that_goes_on_has_no_more_time() {
    let mut client = Client::new();
    client.send(&frame(HEADERS, 0, 1, &get("/", &[])));
    for _ in 0..11 {
        client.http.deadline(client.now);
        client.now = Moment(client.now.0 + 2500);
        client.send(&frame(CONTINUATION, 0, 1, &[]));
    }
    let (waited, expiry) = client.wait();
    assert!(waited == 2500 && matches!(expiry, Expiry::Broken(_)), "{waited} {expiry:?}");
}

#[test]
fn an_answer_is_waited_for_as_long_as_it_takes() {
    let mut client = Client::new();
    client.content = None;
    client.send(&asks(1, "/"));
    assert_eq!(client.http.deadline(client.now), Moment::NEVER);
}

#[test]
fn a_window_that_stays_shut_ends_the_stream() {
    let mut client = Client::new();
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 0)));
    client.content = Some(100_000);
    client.send(&[asks(1, "/"), asks(3, "/")].concat());
    client.told();
    assert_eq!(client.wait(), (30_000, Expiry::Nothing));
    let told = client.told();
    assert!(told.starts_with("ended: the client opens no window for it"), "{told}");
    assert!(told.ends_with("RST 1 8; RST 3 8"), "{told}");
    assert!(client.http.is_idle());
}

#[test]
fn a_window_that_is_opened_byte_by_byte_pays_for_little_time() {
    let mut client = Client::new();
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 0)));
    client.content = Some(100_000);
    client.send(&asks(1, "/"));
    client.told();
    let began = client.now;
    let mut told = String::new();
    while !told.contains("RST") && client.now.0 < began.0 + 100_000 {
        client.http.deadline(client.now);
        client.now = Moment(client.now.0 + 500);
        client.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
        told = client.told();
        if client.http.deadline(client.now) <= client.now {
            client.wait();
            told = client.told();
        }
    }
    assert!(told.contains("RST 1 8"), "{told}");
    assert!((30_000..32_000).contains(&(client.now.0 - began.0)), "{:?}", client.now);
}

#[test]
fn content_that_nobody_reads_is_not_waited_for_long() {
    let mut client = Client::new();
    client.send(&posts(1, &[("content-length", "20")]));
    client.told();
    assert_eq!(client.wait(), (20_000, Expiry::Nothing));
    assert_eq!(client.told(), "RST 1 0", "its answer stands");
}

/// However little of it comes again and again.
#[test]
fn content_that_nobody_reads_has_one_time_from_its_answer_on() {
    for (seconds, bytes) in [(19, 1), (1, 20), (1, 1000)] {
        let mut client = Client::new();
        client.send(&posts(1, &[]));
        client.told();
        let began = client.now;
        let mut told = String::new();
        while told.is_empty() {
            let next = client.now.after(Duration::from_secs(seconds));
            if client.http.deadline(client.now) <= next {
                client.wait();
            } else {
                client.now = next;
                client.send(&frame(DATA, 0, 1, &vec![0; bytes]));
            }
            told = client.told();
            assert!(client.now.0 <= began.0 + 20_000, "it is still waited for");
        }
        assert_eq!((client.now.0 - began.0, &*told), (20_000, "RST 1 0"));
        assert!(client.http.is_idle());
    }
}

/// Nor at all where its client waits to be asked for it, or others want its slot.
#[test]
fn content_that_nobody_reads_keeps_nobody_from_anything() {
    let mut client = Client::new();
    client.send(&posts(1, &[("expect", "100-continue")]));
    assert_eq!(client.told(), "POST a/ Unknown; HEADERS+4 1 88; DATA+1 1 5; RST 1 0");
    for stream in (3..).step_by(2).take(128) {
        assert!(client.send(&posts(stream, &[])).told().ends_with(&format!("DATA+1 {stream} 5")));
    }
    let told = client.send(&asks(259, "/")).told();
    assert_eq!(told, "GET a/ Known(0); RST 3 0; HEADERS+4 259 88; DATA+1 259 5");
}

#[test]
fn content_that_is_asked_for_has_to_come_and_not_too_slowly() {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[]));
    client.told();
    assert_eq!(client.wait(), (20_000, Expiry::Nothing));
    let late = client.http.next_late();
    assert_eq!((late, client.told()), (client.waiting.pop(), String::new()));
    let key = late.unwrap();
    client.answer(key, Status::REQUEST_TIMEOUT, 0);
    assert!(client.told().starts_with("HEADERS+5 1"));
    // A byte each second is below the least rate, though it never is quiet for long.
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[]));
    let began = client.now;
    while client.http.deadline(client.now) > client.now {
        client.now = Moment(client.now.0 + 1000);
        client.send(&frame(DATA, 0, 1, &[0; 1]));
        assert!(client.now.0 < began.0 + 60_000, "it is never late");
    }
    client.wait();
    assert!(client.http.next_late().is_some());
}

/// Content counts as it comes, not frame by frame.
#[test]
fn a_frame_of_content_that_comes_slowly_is_waited_for_like_the_rest() {
    let mut client = Client::new();
    client.content = None;
    client.send(&[posts(1, &[]), asks(3, "/")].concat());
    client.told();
    for piece in frame(DATA, END_STREAM, 1, &[0; 16_300]).chunks(450) {
        assert!(client.http.deadline(client.now) > client.now, "{:?}", client.now);
        client.now = Moment(client.now.0 + 1000);
        client.send(piece);
    }
    assert_eq!(client.told(), "content 16300; end");
    for rate in [100, 0] {
        let mut client = Client::new();
        client.content = None;
        client.send(
            &[posts(1, &[]), asks(3, "/"), frame(DATA, 0, 1, &[0; 9000])[..99].to_vec()].concat(),
        );
        let began = client.now;
        while client.http.deadline(client.now) > client.now.after(Duration::from_secs(1)) {
            client.now = Moment(client.now.0 + 1000);
            client.send(&vec![0; rate]);
        }
        // It alone is late, and the connection goes on.
        assert_eq!(client.wait().1, Expiry::Nothing);
        assert_eq!(client.now.0 - began.0, 20_000, "{rate}");
        assert_eq!(client.http.next_late(), Some(client.waiting[0]));
        client.answer(client.waiting[0], Status::REQUEST_TIMEOUT, 0);
        assert_eq!(client.wait(), (20_000, Expiry::Nothing));
        client.told();
        assert_eq!(client.http.deadline(client.now), Moment::NEVER);
        client.answer(client.waiting[1], Status::OK, 0);
        assert_eq!(client.told(), "HEADERS+5 3 88");
    }
}

/// One stream that keeps the caller from reading again and again wins no time for another.
#[test]
fn who_stalls_is_late_though_reading_is_interrupted() {
    let mut client = Client::new();
    client.content = None;
    client.send(&[posts(1, &[]), posts(3, &[])].concat());
    let (began, stalled) = (client.now, client.waiting[0]);
    for _ in 0..9 {
        let (mut block, mut output, mut slots) = Default::default();
        let content = frame(DATA, 0, 3, &[0; 9000]);
        let room = (&mut block, &mut slots);
        let _ = client.http.receive(&content, client.now, room, &mut output);
        assert_eq!(client.http.deadline(client.now), Moment::NEVER, "nothing is read");
        // This long it takes until reading goes on, which is not the client's fault.
        client.now = Moment(client.now.0 + 1000);
        client.send(&[]);
        if client.http.deadline(client.now) < Moment(client.now.0 + 6000) {
            break;
        }
        client.now = Moment(client.now.0 + 6000);
    }
    client.wait();
    assert_eq!(client.http.next_late(), Some(stalled));
    assert_eq!(client.now.0 - began.0, 24_000, "it was interrupted four times");
}

/// Who has closed its side can neither send the rest of its content nor open a window.
#[test]
fn what_waits_for_a_client_that_has_left_is_given_up() {
    let mut client = Client::new();
    client.content = Some(100);
    client.send(&[frame(SETTINGS, 0, 0, &setting(4, 60)), asks(1, "/")].concat());
    client.content = None;
    client.send(&[posts(3, &[]), asks(5, "/"), asks(7, "/")].concat());
    client.told();
    client.leave(false);
    assert_eq!(
        client.told(),
        "ended: the client has left; ended: the client has left; GOAWAY 0 7 0; RST 1 8; RST 3 8"
    );
    // What needs neither is answered.
    client.answer(client.waiting[1], Status::OK, 60);
    client.answer(client.waiting[2], Status::OK, 61);
    assert_eq!(client.told(), "HEADERS+4 5 88; DATA+1 5 60; HEADERS+4 7 88; DATA 7 60");
    assert!(!client.http.is_closing());
    client.leave(false);
    assert_eq!(client.told(), "ended: the client has left; RST 7 8");
    assert!(client.http.is_closing());
}

/// Who cannot take content yet stops reading: the client is not to blame for what follows.
#[test]
fn who_holds_content_back_waits_for_nobody() {
    let mut client = Client::new();
    let (mut block, mut output) = (Block::default(), Output::default());
    let bytes = [posts(1, &[]), frame(DATA, 0, 1, b"abc"), frame(DATA, END_STREAM, 1, b"d")];
    let (mut at, bytes) = (0, bytes.concat());
    let mut seen = Vec::new();
    for _ in 0..4 {
        let mut slots = Slots::new();
        let room = (&mut block, &mut slots);
        let (used, event) = client.http.receive(&bytes[at..], client.now, room, &mut output);
        at += used;
        match event {
            Event::Request(..) => {}
            Event::Content(_, piece) => seen.extend_from_slice(piece),
            Event::End(_) => seen.push(b'.'),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.http.deadline(client.now), Moment::NEVER, "{seen:?}");
    }
    assert_eq!((seen, at), (b"abcd.".to_vec(), bytes.len()));
}

/// Who may send no more, as we have not taken what came, is not waited for.
#[test]
fn who_is_let_send_no_more_waits_for_us() {
    let mut client = Client::new();
    (client.content, client.takes) = (None, false);
    client.send(&posts(1, &[]));
    client.told();
    assert_eq!(client.http.deadline(client.now).0 - client.now.0, 20_000);
    client.send(&frame(DATA, 0, 1, &[0; 13_107]).repeat(5));
    client.told();
    assert_eq!(client.http.deadline(client.now), Moment::NEVER);
    client.http.took(client.waiting[0], 65_535);
    assert_eq!(client.told(), "WINDOW 0 65535; WINDOW 1 65535");
    assert_eq!(client.http.deadline(client.now).0 - client.now.0, 20_000);
    // The end of content needs no room.
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[("content-length", "65535")]));
    client.send(&frame(DATA, 0, 1, &[0; 13_107]).repeat(5));
    client.told();
    assert_eq!(client.http.deadline(client.now).0 - client.now.0, 20_000);
}

/// A connection rests from its last answer on, whenever that is given.
#[test]
fn an_answer_that_comes_late_leaves_an_idle_connection() {
    let mut client = Client::new();
    client.content = None;
    client.send(&asks(1, "/"));
    assert_eq!(client.http.deadline(client.now), Moment::NEVER);
    client.now = Moment(90_000);
    let key = client.waiting.pop().unwrap();
    client.answer(key, Status::OK, 5);
    assert_eq!(client.wait(), (60_000, Expiry::Nothing));
    assert!(client.told().ends_with("GOAWAY 0 1 0"));
}

/// Who wants to be asked for content is asked once, and not waited for before.
#[test]
fn content_is_asked_for_where_the_client_waits_for_that() {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[("expect", "100-continue")]));
    client.send(&posts(3, &[("expect", "100-Continue")]));
    client.send(&posts(5, &[]));
    client.told();
    let keys = std::mem::take(&mut client.waiting);
    assert_eq!(client.wait().0, 20_000, "of the last one");
    client.send(&frame(DATA, 0, 3, b"here you are, unasked"));
    client.told();
    client.proceed(keys[0]);
    client.proceed(keys[0]);
    client.proceed(keys[1]);
    client.proceed(keys[2]);
    assert_eq!(client.told(), "HEADERS+4 1 08");
    client.answer(keys[0], Status::OK, 0);
    assert_eq!(client.told(), "HEADERS+5 1 88");
}

#[test]
fn a_peer_that_takes_nothing_is_reset() {
    let mut client = Client::new();
    client.content = None;
    client.send(&asks(1, "/"));
    client.http.note(Writing::Blocked, client.now);
    assert_eq!(client.wait(), (30_000, Expiry::Reset));
}

#[test]
fn the_second_step_of_the_end_does_not_wait_for_the_client() {
    let mut client = Client::new();
    client.part();
    client.told();
    assert_eq!(client.wait(), (2000, Expiry::Nothing));
    assert_eq!(client.told(), "GOAWAY 0 0 0");
}
