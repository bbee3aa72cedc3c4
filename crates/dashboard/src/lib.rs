//! How a server is, for those who look: figures for programs that gather them, JSON, and a page. No
//! sockets: what is known goes in, bytes come out.

mod json;
mod metrics;
mod lives;
mod commands;
mod tops;
mod sockets;
mod page;

pub use json::{json, push_certificate, push_list, push_text};
pub use lives::{Stories, told};
pub use metrics::{Format, metrics};
pub use page::page;
pub use sockets::{Line, Looks, Wanted, addresses, is_of, lines, sockets, untold};
pub use tops::Tops;

#[cfg(test)]
mod example;
