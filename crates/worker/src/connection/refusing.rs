//! The answers to what is not answered as a request: each is the last of its connection.

use super::Connection;
use crate::{
    account::Account,
    admission::Admission,
    log::{Incident, Kind},
    record::{About, End, Subject},
    refusal,
    turn::{Turn, Work},
};
use control::Counter;
use http1::Refusal;
use message::{Request, RequestId};

impl Connection {
    /// Answers a request in clear where TLS is spoken: that it is.
    pub(super) fn refuse_clear(
        &mut self,
        request: &Request<'_>,
        id: Option<RequestId>,
        turn: &mut Turn<'_>,
    ) {
        let response = refusal::in_clear(Some(request));
        let subject = Subject::Request(request);
        let (client, id) = (self.client, id.as_ref());
        let about = About { client, id, user: None, certificate: None, subject };
        let bytes = response.body.len().unwrap_or(0);
        let reason = Some(refusal::IN_CLEAR);
        let end = End { status: response.status, bytes, us: 0, reason };
        self.http.close_after_answer();
        self.http.respond(response, &turn.core.date(turn.tick), &mut turn.scratch.output);
        turn.core.count(Counter::Refused);
        let on = self.on(0);
        turn.core.record(Account::OF_SERVER, about, on, &end);
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, unread: &[u8], turn: &mut Turn<'_>) {
        turn.core.trail.forget();
        (turn.pending.kept, turn.pending.shown) = (None, None);
        turn.pending.work = Work::Nothing;
        let id = turn.core.id(None);
        let subject = Subject::Refused(unread);
        let certificate = self.secure.as_ref().and_then(|one| one.certificate().cloned());
        let (client, certificate) = (self.client, certificate.as_deref());
        let about = About { client, id: id.as_ref(), user: None, certificate, subject };
        // Whatever it is, it is no TLS where that is spoken.
        let in_clear = matches!(self.admission, Admission::InClear);
        let reason = if in_clear { refusal::IN_CLEAR } else { refusal.reason() };
        let limit = refusal.exceeded(&turn.core.plan.limits).filter(|_| !in_clear);
        let response = refusal::refuse(turn.core, (refusal.status(), reason), limit, about);
        let response = if in_clear { refusal::in_clear(None) } else { response };
        let end = End {
            status: response.status,
            bytes: response.body.len().unwrap_or(0),
            us: 0,
            reason: Some(reason),
        };
        self.http.respond(response, &turn.core.date(turn.tick), &mut turn.scratch.output);
        let on = self.on(0);
        turn.core.record(Account::OF_SERVER, about, on, &end);
    }

    /// Counts and puts down that content is refused whose request has its answer.
    pub(super) fn tell_dropped(&self, refusal: Refusal, unread: &[u8], turn: &Turn<'_>) {
        turn.core.count(Counter::Refused);
        let subject = Subject::Refused(unread);
        let certificate = self.secure.as_ref().and_then(|one| one.certificate()).map(|one| &**one);
        let about = About { client: self.client, id: None, user: None, certificate, subject };
        let limit = refusal.exceeded(&turn.core.plan.limits);
        let incident = Incident::new(Kind::Refused, refusal.reason());
        turn.core.report(&Incident { about: Some(about), limit, ..incident });
    }
}
