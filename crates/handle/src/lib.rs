//! Handlers: what answers a request, one file per action, and what they decide by.

pub mod media_type;
pub mod negotiation;

pub mod listing;
