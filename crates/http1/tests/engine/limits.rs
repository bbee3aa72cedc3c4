//! Every limit that counts, just below and just above, as it comes and as it is set.

use crate::server::{Answers, Server};
use http1::{Chunk, Chunked};
use message::Limits;
use std::time::Duration;

/// With `limits`, `input` has `expect` as its last event, in one piece and byte by byte.
fn check(with: &Limits, input: &[u8], expect: &str) {
    let mut whole = Server::with(Answers::AtOnce, with.clone());
    whole.read(input);
    let mut bytewise = Server::with(Answers::AtOnce, with.clone());
    input.iter().for_each(|byte| bytewise.read(&[*byte]));
    for server in [whole, bytewise] {
        let told = server.seen.iter().rfind(|event| *event != "closed");
        assert_eq!(told.map(String::as_str), Some(expect), "{} bytes", input.len());
    }
}

fn padded_to(bytes: usize) -> Vec<u8> {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nx: \r\n\r\n";
    head.replace("x: ", &format!("x: {}", "y".repeat(bytes - head.len()))).into_bytes()
}

#[test]
fn head_bytes() {
    for head_bytes_max in [Limits::default().head_bytes_max, 1000] {
        let with = Limits { head_bytes_max, ..Limits::default() };
        check(&with, &padded_to(head_bytes_max), "GET a /");
        check(&with, &padded_to(head_bytes_max + 1), "431 HeadTooLong");
        // Its end need not come.
        check(&with, &padded_to(head_bytes_max * 2)[..head_bytes_max], "431 HeadTooLong");
    }
    assert_eq!(Limits::default().head_bytes_max, 32 * 1024);
}

#[test]
fn fields() {
    for fields_max in [Limits::default().fields_max, 5, Limits::FIELDS_CEILING, 1000] {
        let with = Limits { fields_max, ..Limits::default() };
        let fields_max = fields_max.min(Limits::FIELDS_CEILING);
        let head = |fields: usize| {
            let fields = "a:\r\n".repeat(fields - 1);
            format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}").into_bytes()
        };
        check(&with, &[&head(fields_max)[..], b"\r\n"].concat(), "GET a /");
        check(&with, &[&head(fields_max + 1)[..], b"\r\n"].concat(), "431 TooManyFields");
        check(&with, &[&head(fields_max * 2 + 1)[..], b"a"].concat(), "431 TooManyFields");
    }
    assert_eq!(Limits::default().fields_max, 100);
}

#[test]
fn target_bytes() {
    for target_bytes_max in [Limits::default().target_bytes_max, 10] {
        let with = Limits { target_bytes_max, ..Limits::default() };
        let target = |bytes: usize| format!("GET /{}", "a".repeat(bytes - 1)).into_bytes();
        let rest = b" HTTP/1.1\r\nHost: a\r\n\r\n";
        let fits = target(target_bytes_max);
        let expect = String::from_utf8_lossy(&fits).replace("GET ", "GET a ");
        check(&with, &[&fits[..], rest].concat(), &expect);
        let over = target(target_bytes_max + 1);
        check(&with, &[&over[..], rest].concat(), "414 TargetTooLong");
        check(&with, &over, "414 TargetTooLong");
        let mut server = Server::with(Answers::AtOnce, with.clone());
        over.iter().for_each(|byte| {
            assert!(server.seen.is_empty());
            server.read(&[*byte]);
        });
        assert_eq!(server.seen, ["414 TargetTooLong", "closed"], "the first byte too many tells");
    }
    check(&Limits::default(), &[b"GET /", &vec![b'a'; 1 << 20][..]].concat(), "414 TargetTooLong");
    assert_eq!(Limits::default().target_bytes_max, 8 * 1024);
}

/// What a decoder says of `input`, whole and byte by byte.
fn decoded(with: &Limits, input: &[u8]) -> Result<bool, String> {
    let of = |size: usize| {
        let mut chunked = Chunked::default();
        for mut piece in input.chunks(size) {
            while !piece.is_empty() {
                let (used, chunk) = chunked.decode(piece, with);
                piece = &piece[used..];
                if chunk.map_err(|refusal| format!("{refusal:?}"))? == Chunk::End {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    let whole = of(input.len());
    assert_eq!(whole, of(1));
    whole
}

#[test]
fn chunk_extension_bytes() {
    for chunk_extension_bytes_max in [Limits::default().chunk_extension_bytes_max, 12] {
        let with = Limits { chunk_extension_bytes_max, ..Limits::default() };
        // Two chunks share what is allowed.
        let half = chunk_extension_bytes_max / 2;
        let input =
            |last: usize| format!("1;{}\r\nx\r\n0;{}\r\n\r\n", "a".repeat(half), "b".repeat(last));
        assert_eq!(decoded(&with, input(half).as_bytes()), Ok(true));
        let over = decoded(&with, input(half + 1).as_bytes());
        assert_eq!(over, Err("ChunkExtensionsTooLong".to_owned()));
    }
    assert_eq!(Limits::default().chunk_extension_bytes_max, 16 * 1024);
}

#[test]
fn trailer_bytes() {
    for trailer_bytes_max in [Limits::default().trailer_bytes_max, 12] {
        let with = Limits { trailer_bytes_max, ..Limits::default() };
        // Extensions count for themselves.
        let input = |bytes: usize| format!("0;a=b\r\na: {}\r\n\r\n", "b".repeat(bytes - 5));
        assert_eq!(decoded(&with, input(trailer_bytes_max).as_bytes()), Ok(true));
        let over = decoded(&with, input(trailer_bytes_max + 1).as_bytes());
        assert_eq!(over, Err("TrailersTooLong".to_owned()));
    }
    let none = Limits { trailer_bytes_max: 0, ..Limits::default() };
    assert_eq!(decoded(&none, b"0\r\n\r\n"), Ok(true));
    assert_eq!(Limits::default().trailer_bytes_max, 8 * 1024);
}

#[test]
fn drain_bytes() {
    for drain_bytes_max in [Limits::default().drain_bytes_max, 100] {
        let with = Limits { drain_bytes_max, ..Limits::default() };
        let next = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
        let sized = |bytes: u64| {
            let content = "x".repeat(bytes as usize);
            let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
            format!("{head}{content}{next}").into_bytes()
        };
        check(&with, &sized(drain_bytes_max), "GET a /2");
        let over = format!("PUT a / {}", drain_bytes_max + 1);
        check(&with, &sized(drain_bytes_max + 1), &over);

        let head = "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunked = |bytes: u64| {
            let framing = format!("{bytes:x}\r\n\r\n0\r\n\r\n").len() as u64;
            let size = bytes - framing;
            let content = "x".repeat(size as usize);
            format!(
                "{head}{size:0width$x}\r\n{content}\r\n0\r\n\r\n{next}",
                width = format!("{bytes:x}").len()
            )
            .into_bytes()
        };
        check(&with, &chunked(drain_bytes_max), "GET a /2");
        check(&with, &chunked(drain_bytes_max + 1), "PUT a / chunked");
    }
    assert_eq!(Limits::default().drain_bytes_max, 64 * 1024);
}

#[test]
fn requests() {
    for requests_max in [1, 3, 100_000] {
        let with = Limits { requests_max, ..Limits::default() };
        let mut server = Server::with(Answers::AtOnce, with);
        for turn in 1..=requests_max {
            assert!(!server.connection.is_closing());
            server.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(server.written().contains("connection: close"), turn == requests_max);
        }
        assert!(server.connection.is_closing());
        assert!(server.connection.linger(server.now));
    }
    assert_eq!(Limits::default().requests_max, 100_000);
}

/// Who asks now and then, and never rests for long, stays for so long and no longer.
#[test]
fn age() {
    for seconds in [90, 3600] {
        let with = Limits { connection_time: Duration::from_secs(seconds), ..Limits::default() };
        let mut server = Server::with(Answers::AtOnce, with);
        let began = server.now;
        for second in (0..seconds).step_by(45).chain([seconds - 1, seconds]) {
            server.now = began.after(Duration::from_secs(second));
            server.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let is_last = second == seconds;
            assert_eq!(server.written().contains("connection: close"), is_last, "{second}");
        }
        assert!(server.connection.is_closing());
        assert!(server.connection.linger(server.now), "more may be on its way");
    }
    assert_eq!(Limits::default().connection_time, Duration::from_secs(3600));
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<http1::Connection>() <= 120, "{}", size_of::<http1::Connection>());
}
