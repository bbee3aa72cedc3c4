//! What lines in the error log say of a request that an application has to do with, when its bytes
//! are gone.

use crate::{
    core::Core,
    log::{Incident, Kind},
    record::{About, Subject},
};
use control::trail::calls::Calling;
use fastcgi::Script;
use message::{Exchange, Fields, Length, Method, Request, RequestId, Version};
use std::net::IpAddr;

/// A request, as far as lines speak of it.
pub(crate) struct Asked {
    client: Option<IpAddr>,
    id: Option<RequestId>,
    /// The user who was let in.
    pub(crate) user: Option<Box<str>>,
    version: Version,
    method: Box<str>,
    host: Box<str>,
    port: Box<str>,
    path: Box<str>,
    query: Option<Box<str>>,
    /// The program that answers, as it lies on the disk.
    pub(crate) script: Box<str>,
}

impl Asked {
    /// What is asked in `exchange`, and of which program.
    pub(crate) fn of(exchange: &Exchange<'_>, script: &Script) -> Self {
        let request = exchange.request;
        Self {
            client: exchange.client,
            id: exchange.id.clone(),
            user: exchange.user.clone(),
            version: request.version,
            method: request.method.as_str().into(),
            host: request.host.into(),
            port: request.port.into(),
            path: request.path.into(),
            query: request.query.map(Into::into),
            script: String::from_utf8_lossy(&[&*script.root, &script.file].concat()).into(),
        }
    }

    /// Has it seen that this is asked, until what it returns is dropped.
    pub(crate) fn show(&self, core: &Core) -> Option<Calling> {
        let id = self.id.as_ref().map_or("", RequestId::as_str);
        let query = self.query.as_deref();
        let target = query.map(|query| format!("{}?{query}", self.path));
        let target = target.as_deref().unwrap_or(&self.path);
        core.trail.call(net::clock::now().0, [id, &self.method, target, &self.script])
    }

    /// Puts down in the error log what happened to the request.
    pub(crate) fn report(&self, core: &Core, kind: Kind, reason: &str) {
        let Self { client, id, user, version, method, host, port, path, query, .. } = self;
        let request = Request {
            version: *version,
            method: Method::parse(method),
            host,
            port,
            path,
            query: query.as_deref(),
            fields: Fields::of(&[]),
            length: Length::Known(0),
        };
        let subject = Subject::Request(&request);
        let (id, user) = (id.as_ref(), user.as_deref());
        let about = Some(About { client: *client, id, user, subject });
        core.report(&Incident { about, ..Incident::new(kind, reason) });
    }
}
