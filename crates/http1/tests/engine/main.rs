//! What a client of the engine notices, from the outside.

mod server;

mod answers;
mod limits;
mod properties;
mod threats;
mod time;
