//! The only room that touches the kernel: clocks, sockets, files, and the walls of a root folder.
//!
//! Whatever may block says so. What never blocks is for an event loop, the rest for the pool.

pub mod clock;
pub mod failpoint;
pub mod process;

pub mod holder;
pub mod listener;
pub mod socket;

pub mod fault;
pub mod file;
pub mod root;
pub mod stat;

mod file_system;
mod links;
mod listing;
mod tree;

mod sys;

pub use fault::FindError;
pub use listing::{Entries, Entry};
pub use root::{Found, Patience, Root, RootError};
pub use stat::{Identity, Kind, Stat, Time};
