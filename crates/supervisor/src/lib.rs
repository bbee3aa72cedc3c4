//! The process that owns the sockets: starts, watches and replaces the workers, which serve.
//!
//! ```text
//!   signals ─┐                           ┌─► a process that checks the config
//!   notes ───┼─► Event ─► Machine ─► Order ─► workers, told by notes
//!   time ────┘                           └─► sockets, log files, shared memory
//! ```
//!
//! [`machine`] decides and touches nothing; `shell` does what it orders. What a config says is
//! not known here but for a [`config::Blueprint`], and nothing that comes from the network is read.

pub mod machine;
pub mod state;
pub mod sockets;
mod logs;
mod tickets;
pub mod fpm;
mod pools;
mod child;
mod orphans;
mod keeper;
mod journal;
mod wishes;
mod shell;

pub use keeper::keep;
pub use shell::{Failure, Started, Succession, Voice, rehearse, run};
pub use sockets::{Fault, Sockets};
pub use tickets::Tickets;
