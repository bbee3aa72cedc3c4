//! Windows in both directions (RFC 9113 sections 5.2 and 6.9).

use crate::client::*;
use base::Moment;
use message::Status;

fn widen(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

#[test]
fn content_goes_as_far_as_the_windows_do() {
    let mut client = Client::new();
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 10)));
    client.content = Some(25);
    client.send(&asks(1, "/"));
    assert_eq!(client.told(), "GET a/ Known(0); SETTINGS+1 0 0; HEADERS+4 1 88; DATA 1 10");
    assert_eq!(client.send(&widen(0, 5)).told(), "");
    assert_eq!(client.send(&widen(1, 7)).told(), "DATA 1 7");
    // A setting moves the windows of streams that are open.
    assert_eq!(
        client.send(&frame(SETTINGS, 0, 0, &setting(4, 12))).told(),
        "SETTINGS+1 0 0; DATA 1 2"
    );
    assert_eq!(client.send(&frame(SETTINGS, 0, 0, &setting(4, 0))).told(), "SETTINGS+1 0 0");
    assert_eq!(client.send(&widen(1, 12)).told(), "", "the window was below nothing");
    assert_eq!(client.send(&widen(1, 9)).told(), "DATA+1 1 6");
}

#[test]
fn the_window_of_the_connection_is_for_all_streams() {
    let mut client = Client::new();
    client.content = Some(40_000);
    client.send(&[asks(1, "/"), asks(3, "/")].concat());
    assert_eq!(
        client.told(),
        "GET a/ Known(0); GET a/ Known(0); HEADERS+4 1 88; HEADERS+4 3 88; \
         DATA 1 16384; DATA 1 16384; DATA+1 1 7232; DATA 3 16384; DATA 3 9151"
    );
    assert_eq!(client.send(&widen(0, 100_000)).told(), "DATA+1 3 14465");
}

#[test]
fn frames_are_as_large_as_the_client_takes_them() {
    let mut client = Client::new();
    client.send(
        &[frame(SETTINGS, 0, 0, &setting(5, 40_000)), widen(0, 100_000), widen(0, 1)].concat(),
    );
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 100_000)));
    client.told();
    client.content = Some(90_000);
    client.send(&asks(1, "/"));
    assert!(client.told().ends_with("DATA 1 40000; DATA 1 40000; DATA+1 1 10000"));
}

#[test]
fn trailers_follow_the_content_of_an_answer_whatever_the_windows() {
    let mut client = Client::new();
    client.content = None;
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 10)));
    client.send(&[asks(1, "/"), asks(3, "/"), asks(5, "/")].concat());
    client.told();
    for (at, bytes) in [(0, 25), (1, 10), (2, 0)] {
        let key = client.waiting[at];
        client.trail(key);
        client.answer(key, Status::OK, bytes);
    }
    assert_eq!(
        client.told(),
        "HEADERS+4 1 88; HEADERS+4 3 88; DATA 3 10; HEADERS+5 3 00; HEADERS+5 5 88; DATA 1 10"
    );
    assert_eq!(client.send(&widen(1, 15)).told(), "DATA 1 15; HEADERS+5 1 00");
    // One that has nothing behind its content uses the slot of one that had.
    client.content = Some(5);
    assert_eq!(client.send(&asks(7, "/")).told(), "GET a/ Known(0); HEADERS+4 7 88; DATA+1 7 5");
}

#[test]
fn windows_can_be_too_wide() {
    for (told, bytes) in [
        ("GOAWAY 0 1 3", widen(0, 0x7fff_ffff)),
        ("RST 1 3", widen(1, 0x7fff_ffff)),
        ("GOAWAY 0 1 1", widen(0, 0)),
        ("RST 1 1", widen(1, 0)),
    ] {
        let mut client = Client::new();
        client.content = None;
        assert!(client.send(&[posts(1, &[]), bytes].concat()).told().ends_with(told), "{told}");
    }
    let mut client = Client::new();
    client.content = None;
    client.send(&[asks(1, "/"), widen(1, 0x7fff_0000)].concat());
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff)));
    assert!(client.told().ends_with("GOAWAY 0 1 3"));
    // What is too wide is so though it is not the last word.
    let mut client = Client::new();
    client.content = None;
    client.send(&[asks(1, "/"), widen(1, 0x7fff_0000)].concat());
    let settings = [setting(4, 0x7fff_ffff), setting(4, 9)].concat();
    client.send(&frame(SETTINGS, 0, 0, &settings));
    assert!(client.told().ends_with("GOAWAY 0 1 3"));
}

#[test]
fn of_several_settings_of_one_frame_the_last_counts() {
    let mut client = Client::new();
    client.send(&frame(SETTINGS, 0, 0, &[setting(4, 9), setting(4, 2)].concat()));
    client.told();
    let told = client.send(&asks(1, "/")).told();
    assert!(told.ends_with("DATA 1 2"), "{told}");
    client.send(&frame(SETTINGS, 0, 0, &[setting(4, 0), setting(4, 3)].concat()));
    let told = client.told();
    assert!(told.ends_with("DATA 1 1"), "{told}");
}

#[test]
fn content_of_a_request_is_let_in_as_it_is_read() {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[]));
    let mut told = String::new();
    for _ in 0..20 {
        client.send(&frame(DATA, 0, 1, &[0; 16_000]));
        told += &client.told();
    }
    assert_eq!(told.matches("content 16000").count(), 20);
    // Each update lets in what was used up since the one before.
    assert_eq!(told.matches("WINDOW 0 48000").count(), 6);
    assert_eq!(told.matches("WINDOW 1 48000").count(), 6);
}

#[test]
fn nothing_is_let_in_once_nothing_is_heard() {
    let mut client = Client::new();
    client.content = None;
    let content = frame(DATA, 0, 1, &[0; 16_000]).repeat(3);
    client.send(&[posts(1, &[]), content, widen(0, 0)].concat());
    let told = client.told();
    assert!(told.ends_with("GOAWAY 0 1 1"), "{told}");
}

/// Content that waits somewhere keeps its place in the windows, so there never is much of it.
#[test]
fn content_that_is_not_taken_lets_no_more_in() {
    let mut client = Client::new();
    (client.content, client.takes) = (None, false);
    client.send(&[posts(1, &[]), posts(3, &[])].concat());
    client.send(&frame(DATA, 0, 1, &[0; 16_000]).repeat(2));
    client.send(&frame(DATA, 0, 3, &[0; 16_000]).repeat(2));
    assert!(!client.told().contains("WINDOW"));
    client.http.took(client.waiting[0], 31_000);
    assert_eq!(client.told(), "", "it is not half of a window");
    client.http.took(client.waiting[1], 32_000);
    assert_eq!(client.told(), "WINDOW 0 63000");
    client.http.took(client.waiting[0], 1000);
    client.send(&frame(DATA, 0, 1, &[0; 16_000]));
    client.http.took(client.waiting[0], 16_000);
    assert_eq!(client.told(), "content 16000; WINDOW 1 48000");
    // A request that has its answer is sent nowhere.
    client.send(&frame(DATA, 0, 3, &[0; 16_000]).repeat(2));
    assert!(!client.told().contains("WINDOW"));
    client.answer(client.waiting[1], Status::OK, 5);
    assert!(client.told().contains("WINDOW 0 49000"));
    // The rest of it is known, and has room.
    client.takes = true;
    client.send(&posts(5, &[("content-length", "60000")]));
    client.send(&frame(DATA, 0, 5, &[0; 16_000]).repeat(3));
    assert!(!client.told().contains("WINDOW 5"));
}

#[test]
fn windows_grow_where_the_way_is_long() {
    for (round_trip, expect) in [(0, 48_000), (100, 113_535)] {
        let mut client = Client::new();
        client.content = None;
        client.now = Moment(client.now.0 + round_trip);
        client.send(&[frame(SETTINGS, ACK, 0, &[]), posts(1, &[])].concat());
        client.send(&frame(DATA, 0, 1, &[0; 16_000]).repeat(3));
        let told = client.told();
        let windows = format!("WINDOW 0 {expect}; WINDOW 1 {expect}");
        assert!(told.ends_with(&windows), "{told}");
    }
}

/// For as long as both sides like: what a tunnel in a stream would need.
#[test]
fn content_goes_both_ways_at_once() {
    let mut client = Client::new();
    client.content = None;
    client.send(&posts(1, &[]));
    let key = client.waiting.pop().unwrap();
    client.begin(key);
    assert_eq!(client.told(), "POST a/ Unknown; HEADERS+4 1 88");
    for _ in 0..3 {
        assert_eq!(client.send(&frame(DATA, 0, 1, &[0; 100])).told(), "content 100");
        client.http.stream(key, vec![0; 200]);
        assert_eq!(client.told(), "DATA 1 200");
        assert_eq!(client.http.deadline(client.now), Moment::NEVER, "nobody is waited for");
    }
    assert_eq!(client.send(&frame(DATA, END_STREAM, 1, &[])).told(), "end");
    client.http.stream(key, vec![0; 200]);
    client.http.finish_stream(key);
    assert_eq!(client.told(), "DATA+1 1 200");
    assert!(client.http.is_idle());
}

#[test]
fn who_sends_more_than_the_window_holds_is_stopped() {
    let mut client = Client::new();
    client.send(&posts(1, &[("content-length", "1000000")]));
    // It is answered, and so much content is not waited for.
    assert_eq!(client.told(), "POST a/ Known(1000000); HEADERS+4 1 88; DATA+1 1 5; RST 1 0");
    // What is under way meanwhile is dropped.
    assert_eq!(client.send(&frame(DATA, 0, 1, &[0; 16_000])).told(), "");
    let mut client = Client::new();
    client.send(&posts(1, &[]));
    assert!(client.told().ends_with("DATA+1 1 5"));
    let mut told = String::new();
    for _ in 0..5 {
        told += &client.send(&frame(DATA, 0, 1, &[0; 16_383])).told();
    }
    assert!(told.contains("RST 1 3") && !told.contains("WINDOW 1"), "{told}");
}

#[test]
fn little_content_is_read_to_its_end_behind_the_answer() {
    let mut client = Client::new();
    client.send(&posts(1, &[("content-length", "20")]));
    assert!(client.told().ends_with("HEADERS+4 1 88; DATA+1 1 5"));
    assert_eq!(client.send(&frame(DATA, END_STREAM, 1, &[0; 20])).told(), "");
    assert!(client.http.is_idle());
}
