//! TLS in the bench: its rows, and how each server is told to speak it.
//!
//! It is spoken at an address of its own, so that what a case needs to know of a server can be
//! asked without it. All have one ECDSA certificate for P-256, and take the client's order of
//! ciphers.

use std::net::Ipv4Addr;
use std::path::Path;

use super::cases::{
    Case, Certificates, Clients, IDLE, Idle, Kind, Life, Load, PLAIN, Site, Variant,
};
use super::peers::Peer;

/// Where TLS is spoken, at the port of the server.
pub(super) const SECURE_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// How often hands are shaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hands {
    /// Once, on kept connections.
    Kept,
    /// For each request, all of it.
    Full,
    /// For each request, by a ticket.
    Resumed,
}

/// The rows about TLS.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "tls",
        what: "a file of 0.9 KB over TLS 1.3, 64 kept connections",
        kind: Kind::Load(Load {
            variant: Variant::Secure(Hands::Kept),
            peers: &[(Peer::Nginx, Some(0.72)), (Peer::Lighttpd, Some(0.75)), (Peer::H2o, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "tls-large",
        what: "a file of 1 MB over TLS 1.3, 64 kept connections",
        kind: Kind::Load(Load {
            site: Site::Single { bytes: 1024 * 1024 },
            variant: Variant::Secure(Hands::Kept),
            peers: &[(Peer::Nginx, Some(0.68)), (Peer::Lighttpd, Some(0.68)), (Peer::H2o, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "handshakes",
        what: "a whole handshake for each request of 0.9 KB, TLS 1.3, P-256 and X25519, 64 at a time",
        kind: Kind::Load(Load {
            variant: Variant::Secure(Hands::Full),
            peers: &[(Peer::Nginx, Some(0.6)), (Peer::Lighttpd, None), (Peer::H2o, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "handshakes",
        what: "the same by tickets",
        kind: Kind::Load(Load {
            variant: Variant::Secure(Hands::Resumed),
            // With lighttpd and h2o a third of these handshakes are whole ones.
            peers: &[(Peer::Nginx, Some(0.7))],
            ..PLAIN
        }),
    },
    Case {
        name: "tls-idle",
        what: "4,000 connections of TLS 1.3 that wait after one request each",
        kind: Kind::Idle(Idle {
            variant: Variant::Secure(Hands::Kept),
            connections: 4_000,
            bytes_each_max: Some(12.0 * 1024.0),
            ..IDLE
        }),
    },
    Case {
        name: "tls-reloads",
        what: "200 reloads and 20 upgrades while clients ask over TLS, on kept connections and on \
               new ones with tickets",
        kind: Kind::Life(Life::Reloads(Clients::Secure)),
    },
    Case {
        name: "certificates",
        what: "10,000 sites with a certificate each, beside one",
        kind: Kind::Certificates(Certificates {
            count: 10_000,
            milliseconds_max: 3_000.0,
            ratio_max: 1.05,
        }),
    },
];

/// What a server needs for TLS.
pub(super) struct Secure<'s> {
    pub(super) port: u16,
    pub(super) pem: &'s Path,
    pub(super) key: &'s Path,
}

impl Secure<'_> {
    /// A listener of gannet.
    pub(super) fn gannet_listener(&self) -> String {
        format!(", {{ address = \"{SECURE_ADDRESS}:{}\", tls = true }}", self.port)
    }

    /// The line of a site of gannet.
    pub(super) fn gannet_site(pem: &Path, key: &Path) -> String {
        let (pem, key) = (pem.display(), key.display());
        format!("tls = {{ cert = \"{pem}\", key = \"{key}\", redirect = false }}\n")
    }

    /// Lines of a server of nginx. Its tickets need no cache; experts have one for TLS 1.2.
    pub(super) fn nginx(&self) -> String {
        let Self { port, pem, key } = self;
        format!(
            "listen {SECURE_ADDRESS}:{port} ssl http2 deferred; ssl_protocols TLSv1.2 TLSv1.3;\n\
             ssl_session_cache shared:tls:10m; ssl_session_timeout 1d;\n\
             ssl_certificate {}; ssl_certificate_key {};\n",
            pem.display(),
            key.display()
        )
    }

    /// Lines of lighttpd.
    pub(super) fn lighttpd(&self) -> String {
        let Self { port, pem, key } = self;
        format!(
            "server.modules = (\"mod_openssl\")\n\
             ssl.pemfile = \"{}\"\nssl.privkey = \"{}\"\n\
             $SERVER[\"socket\"] == \"{SECURE_ADDRESS}:{port}\" {{ ssl.engine = \"enable\" }}\n",
            pem.display(),
            key.display()
        )
    }

    /// A listener of h2o.
    pub(super) fn h2o(&self) -> String {
        let Self { port, pem, key } = self;
        format!(
            "listen: {{host: {SECURE_ADDRESS}, port: {port}, \
             ssl: {{certificate-file: \"{}\", key-file: \"{}\"}}}}\n",
            pem.display(),
            key.display()
        )
    }
}
