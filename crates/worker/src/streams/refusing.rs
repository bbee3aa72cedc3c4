//! Requests that are turned down, and what was no request.

use super::{From, Streams};
use crate::{
    account::Account,
    log::{Incident, Kind},
    record::{About, End, On, Subject},
    refusal,
    turn::Turn,
};
use control::Counter;
use http2::Key;
use message::Status;

impl Streams {
    /// Answers a request that the protocol room turned down.
    pub(super) fn turn_down(
        &mut self,
        key: Key,
        refused: http2::Refusal,
        turn: &mut Turn<'_>,
        from: &From<'_>,
    ) {
        turn.core.trail.forget();
        let id = turn.core.id(None);
        let subject = Subject::Refused(b"");
        let certificate = from.certificate().map(|words| &**words);
        let (client, id) = (from.client, id.as_ref());
        let about = About { client, id, user: None, certificate, subject };
        let limit = refused.exceeded(&turn.core.plan.limits);
        let why = (refused.status(), refused.reason());
        let response = refusal::refuse(turn.core, why, limit, about);
        let (status, reason) = (response.status, Some(refused.reason()));
        let bytes = response.body.len().filter(|_| !self.http.is_head(key)).unwrap_or(0);
        let end = End { status, bytes, us: 0, reason };
        let date = turn.core.date(turn.tick);
        let how = (&date, turn.tick.now, false);
        let on = self.on(key, 0);
        // It is a few bytes; where even they have no room, the room keeps them until they have.
        let _ = self.http.respond(key, response, how, &mut turn.scratch.output);
        turn.core.record(Account::OF_SERVER, about, on, &end);
    }

    /// Has a client ask again whose requests take too much memory while they wait.
    pub(super) fn send_back(&mut self, key: Key, turn: &mut Turn<'_>, from: &From<'_>) {
        refuse(turn, from, "requests that wait take too much memory");
        if let Some(fault) = self.http.refuse(key, turn.tick.now, &mut turn.scratch.output) {
            refuse(turn, from, fault.reason);
            self.abandon(turn, from);
        }
    }
}

/// Counts and puts down what was no request, and is not answered as one.
pub(super) fn refuse(turn: &Turn<'_>, from: &From<'_>, reason: &'static str) {
    let core = turn.core;
    core.trail.forget();
    core.count(Counter::Refused);
    let subject = Subject::Refused(b"");
    let certificate = from.certificate().map(|words| &**words);
    let about = About { client: from.client, id: None, user: None, certificate, subject };
    let end = End { status: Status::BAD_REQUEST, bytes: 0, us: 0, reason: Some(reason) };
    let (is_secure, port) = (from.secure.is_some(), core.port(from.listener));
    let on = On { connection: from.name, stream: 0, began_us: 0, is_secure, port };
    core.record(Account::OF_SERVER, about, on, &end);
    core.report(&Incident { about: Some(about), ..Incident::new(Kind::Refused, reason) });
}
