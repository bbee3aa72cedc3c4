//! HTTP/2 on the server's side (RFC 9113): bytes and the time go in, events and output come out.
//!
//! A [`Connection`] has neither socket nor clock nor buffer. Its caller hands it every unread byte
//! with [`Connection::receive`], which puts what the protocol itself has to say into an
//! [`message::Output`], and answers each request as soon as it can, in any order. Content that does
//! not fit the peer's windows waits in its stream until [`Connection::produce`] finds its turn.
//!
//! ```text
//!   Preface ──► Settings ──► Open ──► GOAWAY twice, streams end ──► Deaf ──► linger, close
//!                  │           │ Broken: GOAWAY                      ▲
//!                  └───────────┴─────────────────────────────────────┘
//!
//!   a stream:  HEADERS ──Request──► Due ──respond──► Sending ──END_STREAM──► Given ──► slot free
//!                 │ Malformed        │ Cut             │ Cut        its content ends, or
//!                 └─► RST_STREAM     └─► slot free     └─► free     RST_STREAM NO_ERROR
//! ```
//!
//! The caller's part, apart from sockets: it stops calling `receive` while more than
//! `Limits::output_bytes_max` bytes wait to be written; it reports writes that are stuck; it says
//! what content it has taken ([`Connection::took`]), and lets more in when its turn is over
//! ([`Connection::widen`]); it reads what is not in memory of a file ([`Connection::next_wanted`])
//! and hands it over ([`Connection::supply`]), while other streams go on; it puts down what
//! [`Connection::next_ended`] tells before it receives again; and it asks for the deadline when it
//! is about to wait.
//!
//! No content is kept: it is told as it comes. Answers compress without a table of their own, so
//! nothing but the client's table, at most 4 KiB, outlives an exchange.

mod connection;
mod request;
mod block;
mod hpack;
mod stream;
mod room;
mod priority;
mod frame;
mod calm;
mod fault;
mod event;
pub mod limits;

pub use block::Block;
pub use connection::Connection;
pub use event::{Ended, Event, Expiry, Given};
pub use fault::{Code, Fault, Refusal};
pub use frame::PREFACE;
pub use stream::Key;
