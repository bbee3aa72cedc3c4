//! Spans as OTLP has them, and what a collector says to them: bytes, without a socket or a clock.
//!
//! A span is written where its exchange ends, and stays as it is until it is sent: messages of
//! Protocol Buffers that stand one behind the other in a list are a list, so whoever sends them
//! puts a head before them and knows no more of them than where each ends.

mod wire;
mod span;
mod export;

pub use export::{Answer, answer, request, whole};
pub use span::{About, Begun, End};
