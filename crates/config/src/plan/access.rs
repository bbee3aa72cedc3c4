//! Who may enter, asked before anything is done for a request.

use super::{Password, Place};
use base::{Bucket, Network};
use message::response::Line;

/// The conditions for entering; each that there is must be met.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// By address.
    pub addresses: Option<Addresses>,
    /// By method.
    pub methods: Option<Methods>,
    /// What a preflight is answered with, before a password is asked for: methods, request fields,
    /// and how long that holds.
    pub preflight: Option<Vec<Line>>,
    /// By how often the client asks.
    pub limit: Option<Limit>,
    /// By password.
    pub password: Option<Password>,
    /// Who looks at the server itself.
    pub looking: Option<Looking>,
}

impl Access {
    /// Whether everybody may enter, so that nobody need be asked.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let Self { addresses, methods, preflight, limit, password, looking } = self;
        let is_anybody = addresses.is_none() && password.is_none() && looking.is_none();
        is_anybody && methods.is_none() && preflight.is_none() && limit.is_none()
    }
}

/// Who may look at the server itself: nobody whose browser is led there by another site.
#[derive(Clone, Debug)]
pub struct Looking {
    /// What has to be known; nothing where only this machine comes there.
    pub token: Option<Box<str>>,
}

/// Who may enter by address: whoever is in every list of those that may, and in none of those that
/// may not. Site, routes and case have a list each, in this order.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Those that may, and who said so; none for all.
    pub allow: Vec<(Vec<Network>, Place)>,
    /// Those that may not, and who said so.
    pub deny: Vec<(Vec<Network>, Place)>,
}

/// The methods that may be used.
#[derive(Clone, Debug)]
pub struct Methods {
    /// Their names.
    pub names: Vec<Box<str>>,
    /// What a 405 says of them, and an answer to OPTIONS.
    pub allow: Line,
    /// Who said so.
    pub place: Place,
}

impl Methods {
    /// Whether `method` is named; HEAD goes with GET.
    #[must_use]
    pub fn has(&self, method: &str) -> bool {
        let is_named = |method: &str| self.names.iter().any(|name| **name == *method);
        is_named(method) || (method == "HEAD" && is_named("GET"))
    }
}

/// How often a client may ask.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its number, from 1; no other limit of the plan has it. Whoever inherits the limit shares its
    /// buckets.
    pub number: u32,
    /// What each client has.
    pub bucket: Bucket,
    /// The same for people: `20/s, 2 at once`.
    pub text: Box<str>,
    /// Whether nobody is refused, but who would be is noted.
    pub is_dry_run: bool,
    /// Who said so.
    pub place: Place,
}
