//! One request on its way to its answer: what was asked, by whom, and what is looked for by now.

use crate::{
    path::{Path, PathError},
    request::Request,
    request_id::RequestId,
};
use std::net::IpAddr;

/// A request and what is known of it beside its bytes.
#[derive(Clone, Debug)]
pub struct Exchange<'h> {
    /// What was asked.
    pub request: &'h Request<'h>,
    /// The path in its normal form, as it was sent or as it was rewritten since.
    pub path: Result<Path<'h>, PathError>,
    /// The query of a rewrite; the request's own where there was none.
    pub query_rewritten: Option<String>,
    /// Who asks; `None` where the connection has no address (a Unix socket).
    pub client: Option<IpAddr>,
    /// The listener that the connection came in by: its place in the plan.
    pub listener: usize,
    /// Its id, where the plan gives ids.
    pub id: Option<RequestId>,
}

impl<'h> Exchange<'h> {
    /// The exchange that `request` begins.
    #[must_use]
    pub fn new(request: &'h Request<'h>, client: Option<IpAddr>, listener: usize) -> Self {
        let path = Path::parse(request.path);
        Self { request, path, query_rewritten: None, client, listener, id: None }
    }

    /// The path in its normal form; `/` where it has none.
    #[must_use]
    pub fn path_bytes(&self) -> &[u8] {
        self.path.as_ref().map_or(b"/", Path::as_bytes)
    }

    /// What follows the first `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query_rewritten.as_deref().or(self.request.query)
    }

    /// Looks for another path from now on, one that is decoded already, and perhaps with another
    /// query.
    pub fn rewrite(&mut self, path: &[u8], query: Option<String>) {
        self.path = Path::of_decoded(path);
        if query.is_some() {
            self.query_rewritten = query;
        }
    }
}
