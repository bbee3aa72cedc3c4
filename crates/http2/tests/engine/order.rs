//! Whose turn it is (RFC 9218).

use crate::client::*;

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
