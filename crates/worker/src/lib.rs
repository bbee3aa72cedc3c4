//! The life of one event loop: connections in, answers out. Start with `flow`.

pub mod flow;
mod refusal;
mod doors;
mod steps;
mod answering;
mod explain;
mod connection;
mod streams;
mod socket;
mod records;
mod secure;
mod turn;
mod sending;
mod share;
mod accept;
mod turned_away;
mod admission;
mod watch;
mod signs;
mod account;
mod core;
mod job;
mod pool;
mod ids;
mod record;
mod log;
mod live;
mod start_error;
mod run;

pub use explain::{Asked, Explainer, Explanation, Field, explain};
pub use live::Live;
pub use log::LogFiles;
pub use run::{Listener, Renewer, Reopener, Setup, Stopper, Worker, start};
pub use signs::Signs;
pub use start_error::StartError;
