//! Every limit of time, one millisecond before and on the spot, as it comes and as it is set.

use crate::server::{Answers, Server};
use base::Moment;
use http1::{Expiry, Refusal};
use message::{Limits, Status, clock::Writing};
use std::time::Duration;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PUT: &[u8] = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

const HEAD_TIMEOUT: Expiry = Expiry::Refuse(Refusal::HeadTimeout);
const CONTENT_TIMEOUT: Expiry = Expiry::Refuse(Refusal::ContentTimeout);

/// The limits as they come, and all of them set to something else.
fn both(check: impl Fn(&Limits)) {
    check(&Limits::default());
    check(&Limits {
        head_time: Duration::from_millis(700),
        idle_time: Duration::from_millis(900),
        body_idle_time: Duration::from_millis(500),
        body_rate_min: 1000,
        write_stall_time: Duration::from_millis(1100),
        write_rate_min: 1000,
        linger_time: Duration::from_millis(300),
        ..Limits::default()
    });
}

fn ms(time: Duration) -> u64 {
    time.as_millis() as u64
}

fn server(answers: Answers, limits: &Limits, input: &[u8]) -> Server {
    let mut server = Server::with(answers, limits.clone());
    server.read(input);
    server
}

#[test]
fn defaults() {
    let limits = Limits::default();
    let seconds = |time: Duration| (time.as_secs(), time.subsec_nanos());
    assert_eq!(seconds(limits.head_time), (30, 0));
    assert_eq!(seconds(limits.idle_time), (60, 0));
    assert_eq!(seconds(limits.body_idle_time), (20, 0));
    assert_eq!(limits.body_rate_min, 240);
    assert_eq!(seconds(limits.write_stall_time), (30, 0));
    assert_eq!(limits.write_rate_min, 240);
    assert_eq!(seconds(limits.linger_time), (2, 0));
}

#[test]
fn a_first_head_is_due_from_the_accept() {
    both(|limits| {
        let mut silent = server(Answers::AtOnce, limits, b"");
        assert_eq!(silent.expire(ms(limits.head_time)), Expiry::Close);
        assert!(silent.connection.is_closing());

        let mut slow = server(Answers::AtOnce, limits, b"G");
        for _ in 0..5 {
            slow.now.0 += 100;
            slow.read(b"E");
        }
        assert_eq!(slow.expire(ms(limits.head_time) - 500), HEAD_TIMEOUT);
        slow.answer(Status::REQUEST_TIMEOUT, "");
        assert!(slow.written().contains("connection: close"));
        slow.read(GET);
        assert_eq!(slow.seen, ["closed"]);
    });
}

#[test]
fn a_next_head_is_due_from_its_first_byte() {
    both(|limits| {
        let mut idle = server(Answers::AtOnce, limits, GET);
        assert!(idle.connection.is_idle());
        assert_eq!(idle.expire(ms(limits.idle_time)), Expiry::Close);

        let mut slow = server(Answers::AtOnce, limits, GET);
        slow.now.0 += 600;
        slow.read(b"G");
        assert!(!slow.connection.is_idle());
        slow.now.0 += 100;
        slow.read(b"E");
        assert_eq!(slow.expire(ms(limits.head_time) - 100), HEAD_TIMEOUT);

        // What the one before was says nothing of this one.
        let head = b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        let mut unknown = server(Answers::AtOnce, limits, head);
        unknown.read(b"G");
        assert_eq!(unknown.expire(ms(limits.head_time)), HEAD_TIMEOUT);
        unknown.written();
        unknown.answer(Status::REQUEST_TIMEOUT, "too late");
        assert!(unknown.written().ends_with("\r\n\r\ntoo late"));

        // Pipelined behind the one before, its time begins when that one is answered.
        let mut pipelined = server(Answers::Never, limits, &[GET, b"GET /"].concat());
        assert_eq!(pipelined.connection.deadline(), Moment::NEVER);
        pipelined.now.0 += 100_000;
        pipelined.answer(Status::OK, "");
        pipelined.read(b"");
        assert_eq!(pipelined.expire(ms(limits.head_time)), HEAD_TIMEOUT);
    });
}

#[test]
fn idle_time_begins_after_the_answer() {
    both(|limits| {
        let mut server = server(Answers::Never, limits, GET);
        server.now.0 += 100_000;
        server.answer(Status::OK, "");
        assert_eq!(server.connection.deadline(), Moment::NEVER);
        server.read(b"");
        assert_eq!(server.expire(ms(limits.idle_time)), Expiry::Close);
    });
}

#[test]
fn content_must_not_pause() {
    both(|limits| {
        let mut server = server(Answers::AfterContent, limits, PUT);
        for _ in 0..5 {
            server.now.0 += 100;
            server.read(&[b'x'; 10_000]);
        }
        assert_eq!(server.expire(ms(limits.body_idle_time)), CONTENT_TIMEOUT);
        server.answer(Status::REQUEST_TIMEOUT, "");
        assert!(server.written().contains("connection: close"));
        server.read(GET);
        assert_eq!(server.seen.last().map(String::as_str), Some("closed"));
    });
}

#[test]
fn content_must_not_be_slow() {
    both(|limits| {
        // As much as the rate asks for, in steps that are never a pause.
        let step = limits.body_idle_time / 2;
        let fair = (limits.body_rate_min * ms(step)).div_ceil(1000) as usize;
        let mut server = server(Answers::AfterContent, limits, PUT);
        server.read(&vec![b'x'; fair * 2]);
        for _ in 0..20 {
            server.now.0 += ms(step);
            assert_eq!(server.connection.expire(server.now), Expiry::Nothing);
            server.read(&vec![b'x'; fair]);
        }
        // From here on a tenth of it: what was paid for in advance is soon used up.
        let mut expiry = Expiry::Nothing;
        for _ in 0..3 {
            server.now.0 += ms(step);
            expiry = server.connection.expire(server.now);
            if expiry != Expiry::Nothing {
                break;
            }
            server.read(&vec![b'x'; fair / 10]);
        }
        assert_eq!(expiry, CONTENT_TIMEOUT);
    });
}

#[test]
fn slow_content_is_given_its_idle_time_first() {
    both(|limits| {
        let mut server = server(Answers::AfterContent, limits, PUT);
        let patience = ms(limits.body_idle_time);
        server.now.0 += patience - 1;
        server.read(b"x");
        assert_eq!(server.expire(1), CONTENT_TIMEOUT);
    });
}

#[test]
fn content_that_nobody_asks_for_is_not_late() {
    both(|limits| {
        let head =
            b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
        let mut server = server(Answers::Never, limits, head);
        assert_eq!(server.connection.deadline(), Moment::NEVER);
        server.now.0 += 100_000;
        server.read(b"x");
        assert_eq!(server.expire(ms(limits.body_idle_time)), CONTENT_TIMEOUT);
    });
}

#[test]
fn content_that_is_thrown_away_is_waited_for_in_silence() {
    both(|limits| {
        let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
        let mut server = server(Answers::AtOnce, limits, head);
        assert!(!server.connection.is_idle());
        assert_eq!(server.expire(ms(limits.body_idle_time)), Expiry::Close);
    });
}

/// What pays for `time` in which an answer is waited to be taken.
fn fair(limits: &Limits, time: u64) -> u64 {
    limits.write_rate_min * time / 1000
}

#[test]
fn an_answer_has_to_be_taken() {
    both(|limits| {
        let stall = ms(limits.write_stall_time);
        let mut server = server(Answers::AtOnce, limits, GET);
        server.connection.note(Writing::Blocked, server.now);
        assert!(!server.connection.is_idle());
        server.now.0 += stall - 1;
        server.connection.note(Writing::Blocked, server.now);
        assert_eq!(server.connection.expire(server.now), Expiry::Nothing);
        // However much is taken at once, there is never more time than the limit.
        server.connection.note(Writing::Progress(1_000_000_000), server.now);
        assert_eq!(server.expire(stall), Expiry::Reset);
        assert!(server.connection.is_closing());
    });
}

#[test]
fn an_answer_must_not_be_taken_too_slowly() {
    both(|limits| {
        let stall = ms(limits.write_stall_time);
        let step = stall / 10;
        let expired_after = |bytes: u64| {
            let mut server = server(Answers::AtOnce, limits, GET);
            server.connection.note(Writing::Blocked, server.now);
            (1..1000_u64).find(|_| {
                server.now.0 += step;
                server.connection.note(Writing::Progress(bytes), server.now);
                server.connection.expire(server.now) == Expiry::Reset
            })
        };
        assert_eq!(expired_after(fair(limits, step) + 1), None, "just above the rate");
        let steps = expired_after(fair(limits, step) * 9 / 10);
        assert!(steps.is_some_and(|steps| (95..=110).contains(&steps)), "just below: {steps:?}");
        let steps = expired_after(1);
        assert_eq!(steps, Some(11), "a byte now and then");
    });
}

#[test]
fn an_answer_may_be_taken_as_slowly_as_you_like_where_no_rate_is_set() {
    both(|limits| {
        let limits = Limits { write_rate_min: 0, ..limits.clone() };
        let mut server = server(Answers::AtOnce, &limits, GET);
        server.connection.note(Writing::Blocked, server.now);
        for _ in 0..1000 {
            server.now.0 += ms(limits.write_stall_time) - 1;
            assert_eq!(server.connection.expire(server.now), Expiry::Nothing);
            server.connection.note(Writing::Progress(1), server.now);
        }
        server.connection.note(Writing::Progress(0), server.now);
        assert_eq!(server.expire(ms(limits.write_stall_time)), Expiry::Reset);
    });
}

#[test]
fn time_that_we_need_is_not_the_clients() {
    both(|limits| {
        let stall = ms(limits.write_stall_time);
        let mut server = server(Answers::AtOnce, limits, GET);
        server.connection.note(Writing::Held, server.now);
        assert!(!server.connection.is_idle());
        assert_eq!(server.connection.deadline(), Moment::NEVER);
        server.now.0 += 100_000;
        server.connection.note(Writing::Blocked, server.now);
        server.now.0 += 100;
        server.connection.note(Writing::Held, server.now);
        server.now.0 += 100_000;
        assert_eq!(server.connection.deadline(), Moment::NEVER);
        // What is taken meanwhile pays all the same.
        server.connection.note(Writing::Progress(fair(limits, 50)), server.now);
        server.connection.note(Writing::Blocked, server.now);
        assert_eq!(server.expire(stall - 50), Expiry::Reset);
    });
}

#[test]
fn who_still_reads_an_answer_is_not_idle() {
    both(|limits| {
        let stall = ms(limits.write_stall_time);
        let mut server = server(Answers::AtOnce, limits, GET);
        server.connection.note(Writing::Blocked, server.now);
        for _ in 0..20 {
            server.now.0 += stall - 1;
            assert_eq!(server.connection.expire(server.now), Expiry::Nothing);
            server.connection.note(Writing::Progress(fair(limits, stall)), server.now);
        }
        server.connection.note(Writing::Done, server.now);
        assert!(server.connection.is_idle());
        assert_eq!(server.expire(ms(limits.idle_time)), Expiry::Close);
    });
}

#[test]
fn lingering_ends() {
    both(|limits| {
        let mut server = server(Answers::AtOnce, limits, b"\n");
        assert!(server.connection.is_closing());
        assert_eq!(server.connection.deadline(), Moment::NEVER);
        assert!(server.connection.linger(server.now));
        server.now.0 += 100;
        server.read(GET);
        assert_eq!(server.seen, ["400 EmptyLine", "closed"]);
        assert_eq!(server.expire(ms(limits.linger_time) - 100), Expiry::Close);
    });
}
