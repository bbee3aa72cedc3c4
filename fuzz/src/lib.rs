//! What holds of each parser whatever bytes it gets: one target a file.
//!
//! A target has `run`, which takes any bytes and panics if the parser did what it must not do, and
//! `TOKENS`, the pieces that lead random bytes past the first check. The first inputs of a target
//! lie in `corpus`; `tests` mutates them, and `libfuzzer` hands the same `run` to a fuzzer that
//! watches which code its inputs reach.
//!
//! Where a rule is easy to say in another way, the target says it in that other way and compares:
//! two programs that are wrong seldom are so alike.

#![allow(clippy::panic, reason = "a target says what is wrong by panicking")]

mod limits;
mod machine;
mod text;

pub mod note;
pub mod state;
pub mod fastcgi;
pub mod otlp;
pub mod proxy_protocol;
pub mod tls_hello;
pub mod subject;

pub mod connection;
pub mod head;

pub mod h2_frames;
pub mod hpack;

pub mod chunked;

pub mod path;
pub mod forwarded;
pub mod trace_context;

pub mod preconditions;
pub mod range;

pub mod accept_encoding;

pub mod config;
pub mod route;

pub mod authorization;
pub mod htpasswd;
