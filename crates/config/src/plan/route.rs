//! The routes of a site: which paths are told apart, and what is done for each.

use super::{Access, Action, Adjust, Phrase, Place};
use base::{Bucket, Network};
use foldhash::HashMap;
use message::response::Line;

/// The routes of one site, by the segments of their paths.
#[derive(Debug)]
pub struct Routes {
    /// The segment before the first one: `/`.
    pub top: Node,
    /// What is done where no other route matches: the site's own settings.
    pub rest: Route,
}

/// What is known of the paths that begin with the same segments. A branch is large and most nodes
/// have one at most, so that each lies by itself: a host has tens of thousands of nodes.
#[derive(Debug, Default)]
pub struct Node {
    /// The segments that may follow.
    pub children: HashMap<Box<[u8]>, Self>,
    /// The route of the path that ends here, without and with a slash.
    pub exact: Option<Box<Branch>>,
    /// The route of exactly the path with a slash at its end.
    pub exact_directory: Option<Box<Branch>>,
    /// The route of what begins so: `/a/*`.
    pub prefix: Option<Box<Branch>>,
    /// The routes of what begins so and ends in one of these: `/a/*.pdf`; longest ending first.
    pub suffixes: Vec<(Box<[u8]>, Branch)>,
}

/// The routes of one path pattern, told apart by method.
#[derive(Debug)]
pub struct Branch {
    /// For the methods of this name. HEAD goes with GET where it has none of its own.
    pub methods: Vec<(Box<str>, Route)>,
    /// For every other method.
    pub any: Option<Route>,
    /// The methods above as `Allow` names them, for a 405.
    pub allow: Line,
}

/// What is done for the requests that match one key.
#[derive(Debug)]
pub struct Route {
    /// The key as it was written, such as `POST /form`; `/*` for a site's own settings.
    pub key: Box<str>,
    /// Where.
    pub place: Place,
    /// What is done where no case applies.
    pub policy: Policy,
    /// Cases, of which at most one applies.
    pub cases: Vec<Case>,
    /// What its requests are counted by: a place in [`super::Plan::labels`].
    pub label: usize,
}

/// A case of a route: what is done instead where its conditions are met.
#[derive(Debug)]
pub struct Case {
    /// The client's address lies in one of these; `None` for anywhere.
    pub from: Option<Vec<Network>>,
    /// The request has these fields with these values, or with any value.
    pub fields: Vec<(Box<str>, Option<Box<str>>)>,
    /// Where it is written.
    pub place: Place,
    /// What is done.
    pub policy: Policy,
}

/// Everything that is done for a request that has found its route, in this order.
#[derive(Debug)]
pub struct Policy {
    /// Who may enter.
    pub access: Access,
    /// What is looked for instead.
    pub rewrite: Option<Rewrite>,
    /// What answers.
    pub action: Action,
    /// How the answer is adjusted.
    pub adjust: Adjust,
    /// The access log that has its line: a place in [`super::Logs::access`].
    pub log: usize,
    /// How fast it is sent.
    pub bandwidth: Option<Bandwidth>,
}

/// What is looked for instead of what was asked for.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The path.
    pub path: Phrase,
    /// The query; `None` keeps the one that was asked.
    pub query: Option<Phrase>,
    /// Whether it leads from a path with one more slash at its end to just that.
    pub keeps_slash: bool,
    /// Who said so.
    pub place: Place,
}

/// How fast answers are sent to one client.
#[derive(Clone, Debug)]
pub struct Bandwidth {
    /// Its number among all limits of the plan, from 1: whoever inherits it shares its buckets.
    pub number: u32,
    /// The bytes that each client may be sent.
    pub bucket: Bucket,
    /// The same for people: `1MiB/s`.
    pub text: Box<str>,
    /// The bytes that a connection asks for at a time, so that the client's others get their turn.
    pub step_bytes: u64,
    /// Who said so.
    pub place: Place,
}

impl Default for Branch {
    fn default() -> Self {
        Self { methods: Vec::new(), any: None, allow: Line::fixed("allow", "OPTIONS") }
    }
}

impl Route {
    /// A route without conditions or adjustments.
    pub(crate) fn plain(key: &str, place: Place, action: Action) -> Self {
        let (access, adjust) = (Access::default(), Adjust::default());
        let policy = Policy { access, rewrite: None, action, adjust, log: 0, bandwidth: None };
        Self { key: key.into(), place, policy, cases: Vec::new(), label: 0 }
    }
}
