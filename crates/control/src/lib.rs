//! What processes and loops tell each other: notes, and the counters and the clients they share.

pub mod note;
pub mod counters;
pub mod clients;

pub use clients::{Clients, Seat};
pub use counters::{Counter, Row, Rows};
