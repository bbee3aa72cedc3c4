//! Hostile and ambiguous messages, each with what a server makes of it.

use crate::server::{Answers, Server, seen};

/// Whatever follows a refusal must not be taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// What may follow.
const NEXT: &str = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";

/// `head` is refused with `expect` and the connection closes, whatever comes behind.
fn refused(head: impl AsRef<[u8]>, expect: &str) {
    let head = head.as_ref();
    let shown = String::from_utf8_lossy(head).into_owned();
    let (events, answer) = seen(&[head, SMUGGLED.as_bytes()].concat(), Answers::AfterContent);
    assert_eq!(events, [expect, "closed"], "{shown}");
    let status = &expect[..3];
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{shown}: {answer}");
}

/// As `refused`, of a request with these field lines besides a sound host.
fn refused_fields(fields: impl AsRef<[u8]>, expect: &str) {
    let head = [b"POST / HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n\r\n"].concat();
    refused(head, expect);
}

/// As `refused`, of this chunked content.
fn refused_chunks(chunks: &str, content: &str, expect: &str) {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let input = format!("{head}{chunks}{SMUGGLED}");
    let (events, answer) = seen(input.as_bytes(), Answers::AfterContent);
    let mut all = vec!["POST a / chunked".to_owned()];
    if !content.is_empty() {
        all.push(format!("content {content}"));
    }
    all.extend([expect.to_owned(), "closed".to_owned()]);
    assert_eq!(events, all, "{chunks}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{chunks}: {answer}");
}

fn accepted(input: impl AsRef<[u8]>, expect: &[&str]) {
    let (events, _) = seen(input.as_ref(), Answers::AfterContent);
    assert_eq!(events, expect, "{}", String::from_utf8_lossy(input.as_ref()));
}

#[test]
fn one_way_to_tell_the_length() {
    refused_fields("Content-Length: 5\r\nTransfer-Encoding: chunked", "400 LengthAndCoding");
    refused_fields("Transfer-Encoding: chunked\r\nContent-Length: 5", "400 LengthAndCoding");
    refused_fields("Content-Length: 5\r\nTransfer-Encoding: x", "400 LengthAndCoding");
    for coding in ["xchunked", "gzip", "identity", "chunke"] {
        refused_fields(format!("Transfer-Encoding: {coding}"), "501 CodingUnknown");
    }
    for coding in [
        ",chunked",
        "chunked,",
        "\"chunked\"",
        "chunked, identity",
        "chunked, chunked",
        "gzip, chunked",
        "chunked;q=1",
        "chunked chunked",
        "",
        " ",
        "chunked\t,",
    ] {
        refused_fields(format!("Transfer-Encoding: {coding}"), "400 Coding");
    }
    refused_fields(b"Transfer-Encoding: \xa0chunked", "400 Coding");
    refused_fields("Transfer-Encoding: \x0bchunked", "400 FieldValue");
    refused_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400 Coding");
    refused_fields("Transfer-Encoding: x\r\ntransfer-encoding: chunked", "400 Coding");
    refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "400 CodingIn10");
}

#[test]
fn one_number_for_the_length() {
    for length in [
        "+5",
        "-48",
        "0x10",
        "1_0",
        "5 5",
        "",
        "1Z",
        "5, 6",
        "5, 5",
        "5,5",
        "5;",
        "5.0",
        "1e3",
        "18446744073709551621",
        "18446744073709551615",
        "9223372036854775808",
        "00000000000000000005",
    ] {
        refused_fields(format!("Content-Length: {length}"), "400 Length");
    }
    refused_fields(format!("Content-Length: {}", "9".repeat(100)), "400 Length");
    refused_fields("Content-Length: \x0b5", "400 FieldValue");
    refused_fields(b"Content-Length: \xb25", "400 Length");
    refused_fields("Content-Length: 0\r\nContent-Length: 31", "400 Length");
    refused_fields("Content-Length: 5\r\nContent-Length: 5", "400 Length");
    accepted(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  \t005\t \r\n\r\nhello",
        &["POST a / 5", "content hello", "end"],
    );
}

#[test]
fn chunks_have_one_form() {
    for size in [
        "FFFFFFFFFFFFFFFFF\r\n",
        "00000000000000001\r\n",
        "0x1\r\n",
        "+1\r\n",
        "-0x0\r\n",
        " 1\r\n",
        "1_0\r\n",
        "\r\n",
        ";a\r\n",
        "Z\r\n",
        "1\nZ\r\n",
        "1 \r\n",
        "1 ;a\r\n",
        "INVALID!!!\r\n",
        "1\t\r\n",
        "1,\r\n",
    ] {
        refused_chunks(size, "", "400 ChunkSize");
    }
    refused_chunks("2\r\r;a\r\nab\r\n", "", "400 LineEnd");
    refused_chunks("2\rab", "", "400 LineEnd");
    refused_chunks("2;a\rb\r\nab\r\n", "", "400 LineEnd");
    for extension in ["a\nb", "a\x0bb", "\"a\r\n\"", "\"a\n\"", "a\0", "\"a\\\r\n\"", "a\u{e9}"] {
        refused_chunks(&format!("2;{extension}\r\nab\r\n"), "", "400 ChunkExtension");
    }
    for end in ["XX", "\n", "\rX", "lo"] {
        refused_chunks(&format!("5\r\nHELLO{end}0\r\n\r\n"), "HELLO", "400 ChunkEnd");
    }
    accepted(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
         3;a=b;c=\"d\r-\\\"\u{e9}\"\r\n"
            .replace("\r-", " ")
            + "abc\r\n00a\r\n0123456789\r\n0000000000000000;x\r\n\r\n"
            + NEXT,
        &["POST a / chunked", "content abc0123456789", "end", "GET a /2"],
    );
}

#[test]
fn trailers_are_held_to_the_rules_of_the_head_and_dropped() {
    for trailer in [
        " a: b",
        "a : b",
        ": b",
        "a",
        "a: b\n",
        "a: b\rc: d",
        "a: \0",
        "a: b\r\n c",
        "\u{e9}: b",
        "a: \x7f",
        "\n",
    ] {
        refused_chunks(&format!("0\r\n{trailer}\r\n\r\n"), "", "400 Trailer");
    }
    accepted(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nContent-Length: 50\r\nHost: evil\r\nAuthorization: \r\n\r\n"
            .to_owned()
            + NEXT,
        &["POST a / chunked", "end", "GET a /2"],
    );
}

#[test]
fn field_lines_have_one_form() {
    refused_fields("Content-Length : 5", "400 FieldName");
    refused_fields("a: b\r\n Transfer-Encoding: chunked", "400 FieldName");
    refused_fields("a: b\r\n\tfold", "400 FieldName");
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 FieldName");
    refused("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "400 FieldName");
    for name in ["", " ", "Content-Length 10", "a b", "a(b)", "a\0b", "a\"", "a/b", "a@b", "a\x7f"]
    {
        refused_fields(format!("{name}: x"), "400 FieldName");
    }
    refused_fields("Content-Length 10", "400 FieldName");
    refused_fields(":", "400 FieldName");
    refused_fields(b"Content-Length\x85: 10", "400 FieldName");
    refused_fields("X: a\rTransfer-Encoding: chunked", "400 FieldValue");
    refused_fields("X: a\r\r", "400 FieldValue");
    for byte in (0..0x20u8).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        refused_fields([&b"X: a"[..], &[byte], b"b"].concat(), "400 FieldValue");
        refused_fields([&b"X: "[..], &[byte]].concat(), "400 FieldValue");
    }
    refused("GET / HTTP/1.1\r\nHost: a\0.b\r\n\r\n", "400 FieldValue");
}

#[test]
fn lines_end_with_cr_lf() {
    refused("GET / HTTP/1.1\nHost: a\n\n", "400 LineEnd");
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", "400 LineEnd");
    refused("GET / HTTP/1.1\r\nHost: a\nb: c\r\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.1\r\nb:\nHost: a\r\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.0\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.1\rHost: a\r\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400 LineEnd");
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 LineEnd");
    refused("\n", "400 EmptyLine");
    refused("\r\r\n", "400 EmptyLine");
    refused("\r\n\r\n", "400 EmptyLine");
    refused("\r\n\n", "400 EmptyLine");
    accepted("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET a /"]);
}

#[test]
fn request_lines_have_one_form() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/9.1"] {
        refused(format!("GET / {version}\r\nHost: a\r\n\r\n"), "505 VersionMajor");
    }
    for version in [
        "HTTP/1.32",
        "HTTP/1.2",
        "HTTP/\r\r1.1",
        "http/1.1",
        "HTTP/1,1",
        "HTTP/",
        "HTTP/1",
        "x",
        " HTTP/1.1",
        "\tHTTP/1.1",
        "HTTP /1.1",
        "HTTP/4294967295.255",
        "/ HTTP/1.1",
    ] {
        refused(format!("GET / {version}\r\nHost: a\r\n\r\n"), "400 Version");
    }
    refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400 LineEnd");
    for method in ["G=\":<>(e)", "", " ", "G\tT", "GET\t", "\u{e9}", "G\0T", "[", &"A".repeat(33)] {
        refused(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"), "400 Method");
    }
    for target in [
        "!",
        "",
        " ",
        "/\tHTTP/1.1",
        "/a\tb",
        "/\0",
        "/a#b",
        "/\x7f",
        "/\u{e9}",
        "a:80",
        "*",
        "http:/a/",
    ] {
        refused(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), "400 Target");
    }
    refused("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400 Version");
    refused(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "400 Target");
    refused("GET /\r\n", "400 Target");
    refused("GET\r\n", "400 Method");
    refused("GET / \r\n\r\n", "400 Version");
    refused("\x16\x03\x01\x02\0\x01\0", "400 Method");
    accepted("m-!#$%&'*+.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n", &["m-!#$%&'*+.^_`|~9 a /"]);
    accepted("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", &["TRACE a /"]);
    accepted("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &["OPTIONS a *"]);
}

#[test]
fn one_host() {
    refused("GET / HTTP/1.1\r\n\r\n", "400 HostMissing");
    refused("GET http://a/ HTTP/1.1\r\n\r\n", "400 HostMissing");
    refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "400 HostRepeated");
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400 HostRepeated");
    for host in ["", "a b", "u@a", "a:99999", "[::1", "a, b", "a/b", ":", "a::", "%61"] {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400 Host");
        refused(format!("GET http://b/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400 Host");
    }
    accepted("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", &["GET a /"]);
    accepted("GET http://b:/ HTTP/1.1\r\nHost: a\r\n\r\n", &["GET b /"]);
    for authority in ["", "u@b", "b:0", "[b]"] {
        refused(format!("GET http://{authority}/ HTTP/1.1\r\nHost: a\r\n\r\n"), "400 Host");
    }
    accepted("GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", &["GET b /x?y"]);
    accepted("GET / HTTP/1.1\r\nHost: A.b:8080\r\n\r\n", &["GET A.b /"]);
    accepted("GET / HTTP/1.0\r\n\r\n", &["GET  /", "closed"]);
    for target in ["x:1", "/", "http://b/", "*"] {
        refused(format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n"), "405 Connect");
    }
}

#[test]
fn expectations() {
    let check = |fields: &str, content: &str, expect: &[&str]| {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{content}");
        accepted(input, expect);
    };
    for value in ["y", "100-continue, y", "100-continue;a", ""] {
        refused_fields(format!("Content-Length: 5\r\nExpect: {value}"), "417 Expectation");
    }
    refused_fields("Expect: 100-continue\r\nExpect: y", "417 Expectation");
    check(
        "Expect: 100-Continue\r\nContent-Length: 5",
        "hello",
        &["POST a / 5", "content hello", "end"],
    );
    check(
        "Upgrade: h2c\r\nHTTP2-Settings: AA\r\nConnection: upgrade",
        SMUGGLED,
        &["POST a /", "GET a /smuggled"],
    );
}

#[test]
fn an_early_answer_does_not_turn_content_into_requests() {
    let check = |fields: &str, content: &str, expect: &[&str]| {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{content}{SMUGGLED}");
        let (events, answer) = seen(input.as_bytes(), Answers::AtOnce);
        assert_eq!(events, expect, "{fields}");
        let closes = expect.last() == Some(&"closed");
        assert_eq!(answer.contains("connection: close"), closes, "{fields}: {answer}");
    };
    let inner = "GET /inner HTTP/1.1\r\n\r\n";
    let drained = ["POST a / 23", "GET a /smuggled"];
    check("Content-Length: 23", inner, &drained);
    check(
        "Transfer-Encoding: chunked",
        &format!("17\r\n{inner}\r\n0\r\n\r\n"),
        &["POST a / chunked", "GET a /smuggled"],
    );
    // The client may or may not send content it was not asked for: nobody could tell what follows.
    check("Content-Length: 23\r\nExpect: 100-continue", "", &["POST a / 23", "closed"]);
    check("Content-Length: 65537", "", &["POST a / 65537", "closed"]);
    check("Content-Length: 23\r\nConnection: close", inner, &["POST a / 23", "closed"]);
    // Chunks that turn out to be broken or endless: the answer has been given, so it only closes.
    let (events, _) = seen(
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n{SMUGGLED}")
            .as_bytes(),
        Answers::AtOnce,
    );
    assert_eq!(events, ["POST a / chunked", "dropped ChunkSize", "closed"]);
}

/// Who speaks something else waits for no head to end: however it comes, one line tells.
#[test]
fn a_wrong_first_line_is_refused_as_soon_as_it_is_there() {
    for line in ["GET /x\r\n", "EHLO x\r\n", "GET / HTTP/2.0\r\n", "SSH-2.0-x\r\n"] {
        let mut server = Server::new(Answers::AtOnce);
        line.bytes().for_each(|byte| server.read(&[byte]));
        assert!(server.refused_at.is_some(), "{line:?}: {:?}", server.seen);
    }
}
