//! What processes and loops tell each other: notes, and the counters and the clients they share.

pub mod note;
pub mod wish;
pub mod counters;
mod seats;
pub mod clients;

pub use clients::{Clients, Seat};
pub use counters::{Counter, Row, Rows};
pub use seats::Seats;
