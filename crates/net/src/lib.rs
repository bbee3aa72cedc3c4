//! The only room that touches the kernel: clocks, sockets, files, and the walls of a root folder.
//!
//! Whatever may block says so. What never blocks is for an event loop, the rest for the pool.

pub mod clock;
pub mod memory;
pub mod sealed;
pub mod channel;
pub mod listener;
pub mod queue;
pub mod diag;
pub mod unix;
pub mod peer;
pub mod holder;
pub mod socket;
pub mod root;
pub mod way;
mod tree;
mod links;
mod listing;
pub mod stat;
pub mod fault;
pub mod file;
mod file_system;
pub mod changes;
pub mod lookout;
pub mod folder;
pub mod lock;
pub mod shelf;
pub mod stream;
pub mod aside;
pub mod terminal;
pub mod random;
mod pages;
pub mod process;
pub mod usage;
pub mod environment;
pub mod succession;
pub mod systemd;
pub mod store;
pub mod layer;
pub mod identity;
pub mod permission;
pub mod sandbox;
pub mod selftest;
pub mod failpoint;
mod sys;

pub use fault::FindError;
pub use listing::{Entries, Entry};
pub use pages::Pages;
pub use root::{Found, Patience, Root, RootError};
pub use shelf::Shelf;
pub use stat::{Identity, Kind, Stat, Time};
