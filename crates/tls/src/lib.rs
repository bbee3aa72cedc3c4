//! TLS on the server's side: sealed bytes go in and plain ones come out, and the other way round.
//!
//! A [`Connection`] has neither socket nor clock nor buffer, as those of the protocol rooms. What
//! it has to say to its peer goes into an [`Outgoing`], whether it is of the handshake or content.
//!
//! ```text
//!   Hello ──the name that is asked for──► Shaking ──► Open ──► Over
//!     │ └─ no TLS at all: `Foreign`          │          │        ▲
//!     └──────────── nobody's, or faulty: an alert ──────┴────────┘
//! ```
//!
//! Which certificates and terms a name has is in [`Sites`], which all loops share. The keys of
//! tickets come from whoever starts the workers.

mod hello;
pub mod der;
pub mod subject;
mod provider;
mod pair;
pub mod diagnosis;
mod tickets;
mod terms;
mod sites;
mod visitor;
mod outgoing;
mod failure;
mod connection;

pub use connection::{Connection, Event, Received};
pub use failure::{Failure, Why};
pub use hello::{HELLO_BYTES_MAX, Hello, read_hello};
pub use outgoing::Outgoing;
pub use pair::{Fault, Pair, certificate_in, is_for, key_in, missing};
pub use sites::Sites;
pub use terms::authorities;
pub use visitor::{Trust, is_of_the_time};

/// Plain bytes that one record holds at most.
pub const RECORD_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a record at most as it is sent, with its head and all that TLS adds to it.
pub const SEALED_BYTES_MAX: usize = RECORD_BYTES_MAX + 256 + 5;

/// Sealed bytes that wait for what follows them at most: a record, or a message in several.
pub const UNREAD_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

/// The protocols that may be spoken within TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Chosen by ALPN.
    Http2,
    /// Chosen by ALPN, or by a client that chooses nothing.
    Http1,
}

impl Protocol {
    /// All of them, the preferred ones first.
    pub(crate) const ALL: [Self; 2] = [Self::Http2, Self::Http1];

    /// Its name in ALPN.
    pub(crate) const fn name(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 => b"http/1.1",
        }
    }
}
