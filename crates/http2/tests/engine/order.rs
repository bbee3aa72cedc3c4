//! Whose turn it is (RFC 9218).

use crate::client::*;
use base::Moment;
use http2::{Key, limits::FETCHED_BYTES_MAX};
use message::Status;

/// The streams whose content was sent, in order, of requests with these priorities for 40,000 bytes
/// each, once all windows are open.
fn order(early: &[(u32, &str)], priorities: &[&str], late: &[(u32, &str)]) -> Vec<u32> {
    let update = |(stream, value): &(u32, &str)| {
        let payload = [&stream.to_be_bytes()[..], value.as_bytes()].concat();
        frame(PRIORITY_UPDATE, 0, 0, &payload)
    };
    let mut client = Client::new();
    client.content = Some(40_000);
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 0)));
    for told in early {
        client.send(&update(told));
    }
    for (at, priority) in priorities.iter().enumerate() {
        let lines: Vec<_> = priority.split('|').map(|line| ("priority", line)).collect();
        let fields = get("/", &lines);
        client.send(&frame(HEADERS, WHOLE, 1 + 2 * at as u32, &fields));
    }
    for told in late {
        client.send(&update(told));
    }
    client.send(&frame(WINDOW_UPDATE, 0, 0, &1_000_000_u32.to_be_bytes()));
    client.told();
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 100_000)));
    let told = client.told();
    let data = told.split("; ").filter_map(|frame| frame.strip_prefix("DATA"));
    data.map(|frame| frame.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

#[test]
fn the_most_urgent_is_first_and_of_equals_the_oldest() {
    assert_eq!(order(&[], &["", "", "u=1"], &[]), [5, 5, 5, 1, 1, 1, 3, 3, 3]);
    assert_eq!(order(&[], &["u=5", "u=4", "?"], &[]), [5, 5, 5, 3, 3, 3, 1, 1, 1]);
}

#[test]
fn what_can_be_used_in_part_takes_turns() {
    assert_eq!(order(&[], &["i", "i", "u=4, i"], &[]), [1, 3, 1, 3, 1, 3, 5, 5, 5]);
    // Each line of the field adds to those before.
    assert_eq!(order(&[], &["u=2", "u=1|i", "u=1|i"], &[]), [3, 5, 3, 5, 3, 5, 1, 1, 1]);
}

#[test]
fn a_priority_can_be_told_before_the_request_and_changed_after_it() {
    assert_eq!(order(&[(3, "u=0")], &["u=1", "u=2"], &[]), [3, 3, 3, 1, 1, 1]);
    assert_eq!(order(&[], &["u=1", "u=2"], &[(3, "u=0")]), [3, 3, 3, 1, 1, 1]);
}

/// A client with wide windows that has asked on `streams` of them, first 1, then 3 and so on, and
/// waits for the answers.
fn asking(streams: u32, priority: &str) -> (Client, Vec<Key>) {
    let mut client = Client::new();
    client.content = None;
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 1 << 24)));
    client.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 24).to_be_bytes()));
    for stream in (1..).step_by(2).take(streams as usize) {
        let fields = get("/", &[("priority", priority)]);
        client.send(&frame(HEADERS, WHOLE, stream, &fields));
    }
    client.told();
    let keys = std::mem::take(&mut client.waiting);
    (client, keys)
}

/// The next part of a file that is to be read: its stream, and which bytes.
fn wanted(client: &mut Client) -> Option<(Key, std::ops::Range<u64>)> {
    client.http.next_wanted().map(|(key, part)| (key, part.range))
}

#[test]
fn what_has_to_wait_for_a_disk_waits_alone() {
    let (mut client, keys) = asking(3, "u=1");
    client.at_hand = 0;
    client.answer_by_file(keys[0], 300_000);
    client.answer_by_file(keys[1], 10);
    client.answer(keys[2], Status::OK, 20_000);
    let heads = "HEADERS+4 1 88; HEADERS+4 3 88; HEADERS+4 5 88; DATA 5 16384; DATA+1 5 3616";
    assert_eq!(client.told(), heads);
    // The oldest first, each once, and as much as is worth a read.
    assert_eq!(wanted(&mut client), Some((keys[0], 1000..263_144)));
    assert_eq!(wanted(&mut client), Some((keys[1], 1000..1010)));
    assert_eq!(wanted(&mut client), None);
    assert_eq!(client.told(), "");
    // Nobody but the disk is to blame.
    assert_eq!(client.http.deadline(client.now), Moment::NEVER);
    client.http.supply(keys[1], vec![b'x'; 10]);
    assert_eq!(client.told(), "DATA+1 3 10");
    client.http.supply(keys[0], vec![b'x'; 262_144]);
    let told = client.told();
    assert_eq!(told, "DATA 1 16384; ".repeat(16).trim_end_matches("; "));
    assert_eq!(wanted(&mut client), Some((keys[0], 263_144..301_000)), "the next part");
    client.http.supply(keys[0], vec![b'x'; 37_856]);
    assert_eq!(client.told(), "DATA 1 16384; DATA 1 16384; DATA+1 1 5088");
    assert!(client.http.is_idle());
}

/// A disk is waited for though the client has left, until that has been in vain.
#[test]
fn what_waits_for_a_disk_in_vain_is_given_up() {
    let (mut client, keys) = asking(3, "u=1");
    client.at_hand = 0;
    client.answer_by_file(keys[0], 300_000);
    assert_eq!(client.told(), "HEADERS+4 1 88");
    assert_eq!(wanted(&mut client), Some((keys[0], 1000..263_144)));
    client.answer_by_file(keys[1], 10);
    client.leave(false);
    assert_eq!(client.told(), "HEADERS+4 3 88; GOAWAY 0 5 0");
    client.leave(true);
    let given_up = "ended: the client has left; ended: the client has left; RST 1 8; RST 3 8";
    assert_eq!(client.told(), given_up);
    client.answer(keys[2], Status::OK, 10);
    assert_eq!(client.told(), "HEADERS+4 5 88; DATA+1 5 10");
    assert!(client.http.is_closing());
}

/// What is at hand goes without being asked for; of those that take turns, none is lost.
#[test]
fn what_is_at_hand_in_part_goes_in_part() {
    let (mut client, keys) = asking(2, "i");
    client.at_hand = 10_000;
    keys.iter().for_each(|&key| client.answer_by_file(key, 20_000));
    let expect = "HEADERS+4 1 88; HEADERS+4 3 88; \
                  DATA 1 10000; DATA 3 10000; DATA+1 1 10000; DATA+1 3 10000";
    assert_eq!(client.told(), expect);
}

/// Where too much waits for its disk already, others have their turn, and it is asked for again.
#[test]
fn who_cannot_even_wait_is_passed_over() {
    let (mut client, keys) = asking(6, "u=1");
    client.at_hand = 0;
    keys.iter().for_each(|&key| client.answer_by_file(key, 300_000));
    client.told();
    for &key in &keys[..5] {
        assert_eq!(wanted(&mut client), Some((key, 1000..263_144)));
        client.http.pass_over(key);
    }
    assert_eq!(wanted(&mut client), Some((keys[5], 1000..263_144)));
    assert_eq!(wanted(&mut client), None, "each once");
    client.http.want(keys[0]);
    assert_eq!(client.told(), "");
    assert_eq!(wanted(&mut client), Some((keys[0], 1000..263_144)));
}

#[test]
fn what_is_read_for_a_client_is_no_more_than_it_may_take() {
    let (mut client, keys) = asking(100, "i");
    client.at_hand = 0;
    keys.iter().for_each(|&key| client.answer_by_file(key, 1_000_000));
    client.told();
    let ask = |client: &mut Client| -> Vec<_> {
        std::iter::from_fn(|| wanted(client))
            .map(|(key, part)| (key, part.end - part.start))
            .collect()
    };
    let asked = ask(&mut client);
    assert_eq!(asked.iter().map(|(_, bytes)| bytes).sum::<u64>(), FETCHED_BYTES_MAX);
    assert_eq!(ask(&mut client), []);
    // Once some of it is sent, as much more is read.
    for (key, bytes) in &asked[..2] {
        client.http.supply(*key, vec![b'x'; *bytes as usize]);
    }
    client.told();
    assert_eq!(ask(&mut client).len(), 2);
    // The last part is no larger than what is left.
    let (mut client, keys) = asking(100, "i");
    client.at_hand = 0;
    keys.iter().for_each(|&key| client.answer_by_file(key, 200_000));
    client.told();
    let last = ask(&mut client).pop().unwrap();
    assert_eq!(last, (keys[5], FETCHED_BYTES_MAX - 5 * 200_000));
    // Of what goes at a pace no more than may go, but for what is not worth a read by itself.
    for (allowed, bytes) in [(50_000, 50_000), (10, 4096)] {
        let (mut client, keys) = asking(1, "i");
        client.at_hand = 0;
        client.answer_by_paced_file(keys[0], 1_000_000, true);
        client.http.allow(keys[0], allowed);
        client.told();
        assert_eq!(ask(&mut client), [(keys[0], bytes)]);
    }
    // Of narrow windows no more than they hold, but for what is not worth a read by itself.
    for (window, bytes) in [(50_000, 50_000), (1, 4096)] {
        let mut client = Client::new();
        client.content = None;
        client.send(&[frame(SETTINGS, 0, 0, &setting(4, window)), asks(1, "/")].concat());
        client.at_hand = 0;
        client.answer_by_file(client.waiting[0], 1_000_000);
        client.told();
        assert_eq!(ask(&mut client), [(client.waiting[0], bytes)]);
    }
}
