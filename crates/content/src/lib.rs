//! Content in its forms: what type it is, which coding a client likes best, and how it is put into
//! one. Nothing here reads, waits or looks at a clock.

pub mod media_type;
pub mod negotiation;
pub mod encoder;
pub mod range;

pub use encoder::{Effort, Encoder};
