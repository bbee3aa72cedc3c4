//! HTTP/1.1 on the server's side (RFC 9112): bytes and the time go in, events and output come out.
//!
//! A [`Connection`] has neither socket nor clock nor buffer. Its caller hands it every unread byte
//! with [`Connection::receive`] and drops as many as were used up; answers go into an
//! [`message::Output`].
//!
//! ```text
//!                     ┌──────────────── answered, content ended ────────────────┐
//!                     ▼                                                         │
//!   accept ────────► Head ──Request──► Content ──Content… End──────────────► Ended
//!                     │ │                 │ │                                   │
//!                     │ └─Request without content───────────────────────────────┤
//!                     │                   │ └─answered early: drained, ─► Head  │
//!                     │ Refused           │ Refused                             │ answered,
//!                     ▼                   ▼                                     ▼ to close
//!                    Deaf ◄───────────────┴──────────────────────────────────────
//!                     └─► once the answer is written: linger, then close
//! ```
//!
//! Where the answer has begun or been given, `Dropped` stands for `Refused`: nobody answers twice.
//!
//! The caller's part, apart from sockets: it stops calling `receive` while more than
//! `Limits::output_bytes_max` bytes wait to be written; it reports writes that are stuck; and when
//! the peer has closed its side, it closes an idle connection and gives up content without `End`,
//! but still answers a request that is complete.
//!
//! Whatever is ambiguous is refused, and nothing that follows a refusal is ever taken for a
//! request: `Deaf` has no way out.

mod connection;
mod head;
mod target;
mod chunked;
mod write;
mod refusal;
mod event;
mod content;

pub use chunked::{Chunk, Chunked};
pub use connection::Connection;
pub use event::{Event, Expiry};
pub use refusal::Refusal;
pub use write::Date29;
