//! What processes and loops tell each other: the counters they share.

pub mod counters;

pub use counters::{Counter, Row};
