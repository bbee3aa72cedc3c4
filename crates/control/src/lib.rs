//! What processes and loops tell each other: notes, the counters, the clients and the keys they
//! share, and what each of them is at.

pub mod note;
pub mod wish;
pub mod counters;
mod seats;
pub mod trail;
mod tickets;
pub mod clients;

pub use clients::{Clients, Seat};
pub use counters::{Counter, Row, Rows};
pub use seats::Seats;
pub use tickets::{KEY_BYTES, TicketKey, TicketKeys};
pub use trail::{Trail, Trails};
