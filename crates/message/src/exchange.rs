//! One request on its way to its answer: what was asked, by whom, and what is looked for by now.

use crate::{
    method::Method,
    name::Name,
    path::{Path, PathError},
    request::Request,
    request_id::RequestId,
};
use std::{net::IpAddr, sync::Arc};

/// A request and what is known of it beside its bytes.
#[derive(Clone, Debug)]
pub struct Exchange<'h> {
    /// What was asked.
    pub request: &'h Request<'h>,
    /// The path in its normal form, as it was sent or as it was rewritten since.
    pub path: Result<Path<'h>, PathError>,
    /// The query of a rewrite; the request's own where there was none.
    pub query_rewritten: Option<String>,
    /// Whether one more slash at the end of what was asked is one at the end of `path`.
    pub keeps_slash: bool,
    /// Who asks; `None` where the connection has no address (a Unix socket).
    pub client: Option<IpAddr>,
    /// The user who was let in, where a password was asked for.
    pub user: Option<Box<str>>,
    /// Whom the certificate is of that the client had to show, and that was verified.
    pub certificate: Option<Arc<str>>,
    /// The listener that the connection came in by: its place in the plan.
    pub listener: usize,
    /// Its id, where the plan gives ids.
    pub id: Option<RequestId>,
    /// Whether whoever sends the answer needs its bytes: the kernel cannot send a file by itself
    /// where there is something to be done to it, as with TLS, or put between its parts.
    pub needs_bytes: bool,
}

impl<'h> Exchange<'h> {
    /// The exchange that `request` begins.
    #[must_use]
    pub fn new(request: &'h Request<'h>, client: Option<IpAddr>, listener: usize) -> Self {
        let path = Path::parse(request.path);
        let (query_rewritten, keeps_slash, needs_bytes) = (None, true, false);
        let (user, certificate, id) = (None, None, None);
        Self {
            request,
            path,
            query_rewritten,
            keeps_slash,
            client,
            user,
            certificate,
            listener,
            id,
            needs_bytes,
        }
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

    /// The method that is asked about, where the request is a browser's question whether a page of
    /// another origin may use it (a preflight of CORS: section 3.2.2 of the Fetch standard).
    #[must_use]
    pub fn preflight(&self) -> Option<Method<'h>> {
        let Request { method, fields, .. } = self.request;
        if *method != Method::Options || !fields.contains(Name::Origin) {
            return None;
        }
        let asked = fields.get(Name::AccessControlRequestMethod)?;
        str::from_utf8(asked).ok().map(Method::parse)
    }

    /// Looks for another path from now on, one that is decoded already, and perhaps with another
    /// query. It may end as what was asked does, so that a slash there would be one here.
    pub fn rewrite(&mut self, path: &[u8], query: Option<String>, keeps_slash: bool) {
        self.path = Path::of_decoded(path);
        self.keeps_slash &= keeps_slash;
        if query.is_some() {
            self.query_rewritten = query;
        }
    }
}
