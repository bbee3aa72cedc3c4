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
use std::{net::IpAddr, sync::Arc};

/// A request, as far as lines speak of it.
pub(crate) struct Asked {
    client: Option<IpAddr>,
    id: Option<RequestId>,
    /// The user who was let in.
    pub(crate) user: Option<Box<str>>,
    /// Whom the certificate of the client is of, where it had to show one.
    certificate: Option<Arc<str>>,
    version: Version,
    /// Method, host, port, path, query and program, one behind the other, and where each ends.
    text: String,
    ends: [u32; 6],
}

impl Asked {
    /// What is asked in `exchange`, and of which program.
    pub(crate) fn of(exchange: &Exchange<'_>, script: &Script) -> Self {
        let Request { version, method, host, port, path, query, .. } = *exchange.request;
        let (mark, query) = query.map_or(("", ""), |query| ("?", query));
        let program = &script.program;
        let [root, file] = [&program.root, &program.file].map(|part| String::from_utf8_lossy(part));
        let parts = [
            [method.as_str(), ""],
            [host, ""],
            [port, ""],
            [path, ""],
            [mark, query],
            [&root, &file],
        ];
        let bytes = parts.as_flattened().iter().map(|part| part.len()).sum();
        let mut text = String::with_capacity(bytes);
        let ends = parts.map(|part| {
            text.extend(part);
            text.len() as u32
        });
        Self {
            client: exchange.client,
            id: exchange.id.clone(),
            user: exchange.user.clone(),
            certificate: exchange.certificate.clone(),
            version,
            text,
            ends,
        }
    }

    /// From the part of that number to the end of another one.
    fn parts(&self, first: usize, last: usize) -> &str {
        let end = |number: usize| self.ends[number] as usize;
        let start = first.checked_sub(1).map_or(0, end);
        self.text.get(start..end(last)).unwrap_or_default()
    }

    /// The program that answers, as it lies on the disk.
    pub(crate) fn script(&self) -> &str {
        self.parts(5, 5)
    }

    /// Has it seen that this is asked, until what it returns is dropped.
    pub(crate) fn show(&self, core: &Core) -> Option<Calling> {
        let id = self.id.as_ref().map_or("", RequestId::as_str);
        let parts = [id, self.parts(0, 0), self.parts(1, 1), self.parts(3, 4), self.script()];
        core.trail.call(net::clock::now().0, parts)
    }

    /// Puts down in the error log what happened to the request.
    pub(crate) fn report(&self, core: &Core, kind: Kind, reason: &str) {
        let request = Request {
            version: self.version,
            method: Method::parse(self.parts(0, 0)),
            host: self.parts(1, 1),
            port: self.parts(2, 2),
            path: self.parts(3, 3),
            query: self.parts(4, 4).strip_prefix('?'),
            fields: Fields::of(&[]),
            length: Length::Known(0),
        };
        let subject = Subject::Request(&request);
        let (id, user) = (self.id.as_ref(), self.user.as_deref());
        let (client, certificate) = (self.client, self.certificate.as_deref());
        let about = Some(About { client, id, user, certificate, subject });
        core.report(&Incident { about, ..Incident::new(kind, reason) });
    }
}
