//! HTTP/2 in the bench: its rows, without TLS and with it.

use super::cases::{Case, Clients, IDLE, Idle, Kind, Life, Load, PLAIN, Site, Variant};
use super::peers::Peer;

/// The rows about HTTP/2.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "streams",
        what: "a file of 0.9 KB over HTTP/2 without TLS, 32 at once on each of 8 connections",
        kind: Kind::Load(Load {
            variant: Variant::Streams { connections: 8, each: 32 },
            peers: &[(Peer::Nginx, Some(0.15)), (Peer::H2o, Some(1.1))],
            ..PLAIN
        }),
    },
    Case {
        name: "streams",
        what: "a file of 100 KB over HTTP/2 without TLS, 32 at once on each of 8 connections",
        kind: Kind::Load(Load {
            site: Site::Single { bytes: 100 * 1024 },
            variant: Variant::Streams { connections: 8, each: 32 },
            peers: &[(Peer::Nginx, Some(0.5)), (Peer::H2o, Some(1.0))],
            ..PLAIN
        }),
    },
    Case {
        name: "streams",
        what: "a file of 0.9 KB over HTTP/2 without TLS, one at a time on each of 64 connections",
        kind: Kind::Load(Load {
            variant: Variant::Streams { connections: 64, each: 1 },
            peers: &[(Peer::Nginx, Some(0.8)), (Peer::H2o, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "idle-http2",
        what: "9,000 connections of HTTP/2 that wait after one request each",
        kind: Kind::Idle(Idle {
            variant: Variant::Streams { connections: 9_000, each: 1 },
            bytes_each_max: Some(4_096.0),
            // lighttpd is asked without HTTP/2 only.
            peers: &[(Peer::Nginx, Some(1.0)), (Peer::H2o, None)],
            ..IDLE
        }),
    },
    Case {
        name: "tls-streams",
        what: "a file of 0.9 KB over HTTP/2 and TLS 1.3, 32 at once on each of 8 connections",
        kind: Kind::Load(Load {
            variant: Variant::SecureStreams { connections: 8, each: 32 },
            peers: &[(Peer::Nginx, Some(0.25)), (Peer::H2o, Some(1.1))],
            ..PLAIN
        }),
    },
    Case {
        name: "tls-streams",
        what: "a file of 100 KB over HTTP/2 and TLS 1.3, 32 at once on each of 8 connections",
        kind: Kind::Load(Load {
            site: Site::Single { bytes: 100 * 1024 },
            variant: Variant::SecureStreams { connections: 8, each: 32 },
            peers: &[(Peer::Nginx, Some(0.5)), (Peer::H2o, Some(1.0))],
            ..PLAIN
        }),
    },
    Case {
        name: "streams-reloads",
        what: "200 reloads and 20 upgrades while clients ask over HTTP/2, eight requests at once",
        kind: Kind::Life(Life::Reloads(Clients::Streams)),
    },
    Case {
        name: "tls-streams-reloads",
        what: "the same over TLS",
        kind: Kind::Life(Life::Reloads(Clients::SecureStreams)),
    },
];
