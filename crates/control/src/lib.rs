//! What processes and loops tell each other: notes, the counters, the clients and the keys they
//! share, what each of them is at, and what it was asked last.

pub mod note;
pub mod status;
pub mod comparison;
pub mod trail;
pub mod asked;
pub mod wish;
pub mod finding;
pub mod delivery;
mod present;
pub mod counters;
mod seats;
mod slots;
pub mod lives;
mod tickets;
pub mod latency;
pub mod tally;
pub mod kept;
pub mod board;
pub mod recent;
pub mod clients;

pub use clients::{Clients, Seat};
pub use counters::{Counter, Row, Rows};
pub use lives::{Life, Lives};
pub use present::Present;
pub use recent::{Recent, Recents};
pub use seats::Seats;
pub use tally::{Tallies, Tally};
pub use tickets::{KEY_BYTES, TicketKey, TicketKeys};
pub use trail::{Trail, Trails};
