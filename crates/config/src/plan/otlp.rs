//! Where spans of exchanges are sent.

use super::Secret;

/// The collector of spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otlp {
    /// The URL that they are sent to.
    pub url: String,
    /// Further fields of each request.
    pub fields: Vec<(String, Secret)>,
    /// What this server is called there.
    pub service: String,
    /// The user that sends them, where root has started the server and one is named.
    pub user: Option<String>,
}
