//! The life of one event loop: connections in, answers out. Start with `flow`.

mod accept;
mod clients;
mod connection;
mod core;
pub mod flow;
mod log;
mod pool;
mod record;
mod run;
mod sending;
mod watch;

pub use run::{StartError, Worker, start};
