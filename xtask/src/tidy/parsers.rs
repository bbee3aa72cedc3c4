//! Every parser of hostile bytes has a fuzz target.

use super::{Complaint, tree::Tree};

/// What is parsed, the room that does it, and the name of its target.
pub(super) const TARGETS: [(&str, &str, &str); 22] = [
    ("a request's head", "crates/http1", "head"),
    ("the chunked coding", "crates/http1", "chunked"),
    ("the bytes of a connection", "crates/http1", "connection"),
    ("the frames of HTTP/2", "crates/http2", "h2_frames"),
    ("field blocks of HTTP/2", "crates/http2", "hpack"),
    ("the PROXY protocol", "crates/proxy-protocol", "proxy_protocol"),
    ("the first message of TLS", "crates/tls", "tls_hello"),
    ("the subject of a certificate", "crates/tls", "subject"),
    ("the answers of applications", "crates/fastcgi", "fastcgi"),
    ("a path", "crates/message", "path"),
    ("X-Forwarded-For and Forwarded", "crates/message", "forwarded"),
    ("traceparent and tracestate", "crates/message", "trace_context"),
    ("Range", "crates/content", "range"),
    ("preconditions", "crates/filter", "preconditions"),
    ("Accept-Encoding", "crates/content", "accept_encoding"),
    ("a configuration", "crates/config", "config"),
    ("a file of passwords", "crates/config", "htpasswd"),
    ("Authorization", "crates/access", "authorization"),
    ("the routes of a path", "crates/route", "route"),
    ("the notes of processes", "crates/control", "note"),
    ("spans and what collectors say", "crates/otlp", "otlp"),
    ("what a supervisor leaves", "crates/supervisor", "state"),
];

/// Where the target `name` lies.
fn target_file(name: &str) -> String {
    format!("fuzz/src/{name}.rs")
}

/// A room that parses is there together with its targets, and with a corpus that the tests run.
pub(super) fn targets(tree: &Tree) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (what, room, name) in TARGETS {
        if !tree.packages.iter().any(|package| package.folder == room) {
            continue;
        }
        let target = target_file(name);
        if tree.text(&target).is_none() {
            let text = format!("{room} parses {what}: write its fuzz target");
            found.push(Complaint { file: target, line: 0, text });
        }
        let corpus = format!("fuzz/corpus/{name}/");
        if !tree.paths.iter().any(|path| path.starts_with(&corpus)) {
            let text = format!("{room} parses {what}: give its fuzz target some first inputs");
            found.push(Complaint { file: corpus, line: 0, text });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    #[test]
    fn a_parser_needs_a_target_and_a_corpus() {
        let room = ("crates/route/src/lib.rs", "");
        let target = ("fuzz/src/route.rs", "");
        let corpus = ("fuzz/corpus/route/empty", "");
        for (files, expect) in [
            (vec![room, target, corpus], vec![]),
            (vec![room, corpus], vec![target.0]),
            (vec![room, target], vec!["fuzz/corpus/route/"]),
            (vec![], vec![]),
        ] {
            let found = targets(&sample(&files));
            let found: Vec<&str> = found.iter().map(|complaint| complaint.file.as_str()).collect();
            assert_eq!(found, expect);
        }
    }
}
