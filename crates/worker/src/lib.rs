//! The life of one event loop: connections in, answers out. Start with `flow`.

pub mod flow;
mod refusal;
mod steps;
mod explain;
mod connection;
mod turn;
mod sending;
mod accept;
mod turned_away;
mod watch;
mod clients;
mod core;
mod job;
mod pool;
mod ids;
mod record;
mod log;
mod run;

pub use explain::{Asked, Explanation, Field, explain};
pub use run::{Reopener, StartError, Stopper, Worker, start};
