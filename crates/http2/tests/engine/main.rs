//! The engine as its caller sees it: frames in, events and frames out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

mod client;
mod requests;
mod frames;
mod flow;
mod order;
mod threats;
mod time;
mod properties;
