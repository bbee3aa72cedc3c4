//! Which pages of other origins may read an answer (CORS).

use super::Place;
use message::response::Line;

/// What pages of other origins may do.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Whose pages.
    pub origins: Origins,
    /// What goes with the answers that they may read: whether credentials may be sent, and which
    /// fields they see.
    pub reading: Vec<Line>,
    /// Who said so.
    pub place: Place,
}

/// Origins of pages.
#[derive(Clone, Debug)]
pub enum Origins {
    /// All of them.
    Any,
    /// These, each as the field that lets it read: `Access-Control-Allow-Origin`.
    Listed(Vec<Line>),
}
