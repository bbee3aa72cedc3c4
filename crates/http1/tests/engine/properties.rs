//! What holds of every dialogue, however it is cut and whatever is broken in it.

use crate::server::{Answers, Server};
use base::Moment;
use http1::{Connection, Event};
use message::{Length, Limits, Request, Slots};
use proptest::prelude::*;
use std::fmt;

/// Bytes that can be read when a test fails.
#[derive(Clone)]
struct Wire(Vec<u8>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// One request on the wire.
fn request() -> impl Strategy<Value = String> {
    let method = prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("OPTIONS"), Just("X-y")];
    let target = "(/|/[a-z%/.]{0,12}(\\?[a-z=&?]{0,8})?|http://b(:80)?/x)";
    let field = "[A-Za-z-]{1,10}:[ \t]{0,2}([!-~]([ -~]{0,12}[!-~])?)?[ \t]{0,2}\r\n";
    let fields = prop::collection::vec(field, 0..5).prop_map(|fields| fields.concat());
    let sized = "[a-z\r\n]{0,40}".prop_map(|text| {
        let length = text.len();
        format!("Content-Length: {length}\r\n\r\n{text}")
    });
    let chunk = ("[a-z\r\n]{1,20}", "(;[a-z]{1,5}(=\"[a-z ]{0,3}\")?)?");
    let chunk = chunk.prop_map(|(text, extension)| {
        let size = text.len();
        format!("{size:x}{extension}\r\n{text}\r\n")
    });
    let chunked = prop::collection::vec(chunk, 0..4).prop_map(|chunks| {
        let chunks = chunks.concat();
        format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nt: x\r\n\r\n")
    });
    let content = prop_oneof![3 => Just("\r\n".to_owned()), 2 => sized, 2 => chunked];
    let line = ("(\r\n)?", method, target, prop_oneof![9 => Just("1.1"), 1 => Just("1.0")]);
    (line, fields, content).prop_map(|((before, method, target, version), fields, content)| {
        // HTTP/1.0 has no chunks.
        let version = if content.starts_with('T') { "1.1" } else { version };
        format!("{before}{method} {target} HTTP/{version}\r\nHost: a.example\r\n{fields}{content}")
    })
}

fn dialogue() -> impl Strategy<Value = Wire> {
    prop::collection::vec(request(), 1..4).prop_map(|requests| Wire(requests.concat().into_bytes()))
}

/// Dialogues with some bytes replaced, left out or doubled, mostly where it hurts.
fn broken_dialogue() -> impl Strategy<Value = Wire> {
    let byte = prop_oneof![
        prop::sample::select(b"\r\n\0 \t:;,\"\\0159aZ/#?*[]%\x7f\x80\xff".to_vec()),
        any::<u8>()
    ];
    let fault = (any::<prop::sample::Index>(), 0..4u8, byte);
    (dialogue(), prop::collection::vec(fault, 0..5)).prop_map(|(Wire(mut bytes), faults)| {
        for (at, kind, byte) in faults {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        Wire(bytes)
    })
}

/// Small limits are met more often.
fn tight() -> Limits {
    Limits {
        head_bytes_max: 150,
        fields_max: 4,
        target_bytes_max: 12,
        chunk_extension_bytes_max: 8,
        trailer_bytes_max: 10,
        drain_bytes_max: 30,
        ..Limits::default()
    }
}

/// The bytes of a request that has just these parts, its content aside.
fn written(request: &Request<'_>) -> Vec<u8> {
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    let origin = if request.host.is_empty() { "" } else { &format!("http://{}", request.host) };
    let path = if request.path == "*" && !origin.is_empty() { "" } else { request.path };
    let (method, version) = (request.method.as_str(), request.version.as_str());
    let mut bytes = format!("{method} {origin}{path}{query} {version}\r\n").into_bytes();
    for line in request.fields.lines() {
        bytes.extend_from_slice(line.name);
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(line.value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// All of the first request that `bytes` hold.
fn parsed(bytes: &[u8]) -> Option<(String, Length, Vec<u8>)> {
    let mut connection = Connection::new(Box::leak(Box::default()), Moment(0));
    let mut slots = Slots::new();
    match connection.receive(bytes, Moment(0), &mut slots) {
        (_, Event::Request(request)) => {
            Some((request.host.to_owned(), request.length, written(&request)))
        }
        _ => None,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn valid_dialogues_are_understood(Wire(bytes) in dialogue()) {
        let mut server = Server::new(Answers::AfterContent);
        server.read(&bytes);
        prop_assert_eq!(server.refused_at, None, "{:?}", server.seen);
    }

    #[test]
    fn cuts_change_nothing(
        Wire(bytes) in broken_dialogue(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        is_tight: bool,
        answers in prop_oneof![Just(Answers::AtOnce), Just(Answers::AfterContent)],
    ) {
        // A head that ends nowhere may be looked at later if it comes in pieces.
        let bytes = [&bytes[..], b"\r\n\r\n"].concat();
        let limits = if is_tight { tight() } else { Limits::default() };
        let mut whole = Server::with(answers, limits.clone());
        whole.read(&bytes);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut pieces = Server::with(answers, limits.clone());
        cuts.windows(2).for_each(|cut| pieces.read(&bytes[cut[0]..cut[1]]));

        let mut single = Server::with(answers, limits);
        bytes.iter().for_each(|byte| single.read(&[*byte]));

        prop_assert_eq!(&whole.seen, &pieces.seen);
        prop_assert_eq!(&whole.seen, &single.seen);
        let written = whole.written();
        prop_assert_eq!(&written, &pieces.written());
        prop_assert_eq!(&written, &single.written());
    }

    #[test]
    fn nothing_follows_a_refusal(Wire(bytes) in broken_dialogue(), is_tight: bool) {
        let limits = if is_tight { tight() } else { Limits::default() };
        let mut server = Server::with(Answers::AfterContent, limits);
        server.read(&bytes);
        server.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        if let Some(at) = server.refused_at {
            prop_assert_eq!(&server.seen[at + 1..], ["closed"]);
            prop_assert!(server.connection.is_closing());
        }
    }

    #[test]
    fn what_is_accepted_reads_the_same_when_written_again(Wire(bytes) in broken_dialogue()) {
        if let Some(first) = parsed(&bytes) {
            prop_assert_eq!(parsed(&first.2), Some(first));
        }
    }

    #[test]
    fn noise_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut server = Server::new(Answers::AtOnce);
        server.read(&bytes);
    }
}
