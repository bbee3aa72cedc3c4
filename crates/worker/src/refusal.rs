//! Why a request was not answered as it was meant, and the answer to a message that is no request.

use crate::{
    admission,
    core::Core,
    ids::mark,
    log::{Incident, Kind},
    pool::POOL_IS_FULL,
    record::About,
};
use config::plan::{Action, Capacity, Php, Place, Policy, Upstream};
use control::Counter;
use message::{
    Body, Exchange, Length, Name, Path, Request, Response, Shared, Status, limits::Exceeded,
    response::Line,
};
use route::Found;

/// Why a request was not answered as it was meant.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    kind: Kind,
    pub(crate) reason: &'static str,
    setting: Option<(&'static str, &'static Place)>,
    /// Which application it is about, where it is about one.
    application: Option<&'static Upstream>,
}

impl Trouble {
    /// The fields of proxies name two clients.
    pub(crate) const CONTRADICTION: Self =
        Self::of(Kind::Refused, "Forwarded and X-Forwarded-For contradict each other");

    /// The client turned out to have as many connections as it may have.
    pub(crate) const ONE_TOO_MANY: Self = Self::of(Kind::TurnedAway, admission::TOO_MANY_OF_CLIENT);

    /// The connection was made for another name, whose certificate does not cover this one.
    pub(crate) const OTHER_NAME: Self =
        Self::of(Kind::Refused, "the connection was made for another name");

    /// The pool takes no more work.
    pub(crate) const BUSY: Self = Self::of(Kind::Busy, POOL_IS_FULL);

    /// The pool has lost its job.
    pub(crate) const LOST: Self =
        Self::of(Kind::Failed, "a fault of ours ended the work that the answer waited for");

    /// A fault of ours has ended the exchange.
    pub(crate) const PANIC: Self = Self::of(Kind::Failed, "a fault of ours ended the exchange");

    /// Too many requests are with the application already.
    pub(crate) const APPLICATION_BUSY: Self =
        Self::of(Kind::Busy, "too many requests wait for the application");

    /// The request's content is not waited for any longer.
    pub(crate) const LATE: Self = Self::of(
        Kind::Refused,
        "the content came more slowly than `body-idle-time` or `body-rate-min` allows",
    );

    /// The request's content finds no room.
    pub(crate) const NO_ROOM: Self =
        Self::of(Kind::Failed, "the content could not be written to /var/tmp");

    /// Nobody waits for the answer any more.
    pub(crate) const LEFT: Self =
        Self::of(Kind::Refused, "the client left before the application had answered");

    /// The server has ended, as it was told to, or makes room for the next one.
    pub(crate) const CUT: Self = Self::of(Kind::Failed, "the server ended before it was answered");

    /// The request's stream is over for this reason, and nobody waits for the answer any more.
    pub(crate) const fn left(reason: &'static str) -> Self {
        Self::of(Kind::Refused, reason)
    }

    /// The request's content is more than `php` takes.
    pub(crate) fn too_large(php: &'static Php) -> Self {
        let trouble = Self::of(Kind::Refused, "the content is larger than `upload-max` allows");
        Self { setting: Some(("php", &php.place)), ..trouble }
    }

    /// The same where the request says so itself, before anything of it has come.
    pub(crate) fn of_length(policy: &'static Policy, exchange: &Exchange<'_>) -> Option<Self> {
        let Action::Php(php) = &policy.action else { return None };
        let Length::Known(bytes) = exchange.request.length else { return None };
        (bytes > php.content_bytes_max).then(|| Self::too_large(php))
    }

    /// The application that `php` asks, or the way to it, is at fault.
    pub(crate) fn of_upstream(php: &'static Php, reason: &'static str) -> Self {
        let application = Some(&php.application.address);
        let setting = Some(("php", &php.place));
        Self { application, setting, ..Self::of_application(reason) }
    }

    /// What an application has done wrong.
    pub(crate) const fn of_application(reason: &'static str) -> Self {
        Self::of(Kind::Failed, reason)
    }

    const fn of(kind: Kind, reason: &'static str) -> Self {
        Self { kind, reason, setting: None, application: None }
    }

    /// The routes rewrite `exchange` again and again: in a circle, unless its path has become
    /// shorter, which ends. Who asks for `/x/x/x…` where `/x/*` leads to `/{rest}` means nothing.
    pub(crate) fn of_rewrites(exchange: &Exchange<'_>) -> (Status, Self) {
        let asked = Path::parse(exchange.request.path);
        let has_shrunk =
            asked.is_ok_and(|asked| asked.as_bytes().len() > exchange.path_bytes().len());
        match has_shrunk {
            true => (Status::NOT_FOUND, Self::of(Kind::Refused, "the path is rewritten too often")),
            false => {
                let circle = Self::of(Kind::Failed, "the rewrites lead in a circle");
                (Status::INTERNAL_SERVER_ERROR, circle)
            }
        }
    }

    /// Where the setting is written that says so, if one does.
    pub(crate) fn place(&self) -> Option<&'static Place> {
        self.setting.map(|(_, place)| place)
    }

    /// Whether it is not the sender's to mend.
    pub(crate) fn is_ours(self) -> bool {
        self.kind == Kind::Failed
    }

    /// Why an exchange is answered with `status`. What merely is not there is no trouble.
    #[inline]
    pub(crate) fn find(
        exchange: &Exchange<'_>,
        found: &Found<'static>,
        status: Status,
    ) -> Option<Self> {
        if status.is_error() { Self::of_error(exchange, found, status) } else { None }
    }

    fn of_error(exchange: &Exchange<'_>, found: &Found<'static>, status: Status) -> Option<Self> {
        let access = access::said(&found.policy.access, exchange, status);
        let setting = access.or_else(|| found.refused.map(|_| ("route", found.place())));
        // What the config itself answers was meant so.
        let is_meant = matches!(found.policy.action, Action::Respond(_)) && found.site.is_some();
        if is_meant && setting.is_none() {
            return None;
        }
        let has_tried = exchange.request.fields.contains(Name::Authorization);
        let (kind, reason) = match (status, access) {
            // Without a password it is only asked for.
            (Status::UNAUTHORIZED, _) if has_tried => {
                (Kind::Refused, "the user or the password is wrong")
            }
            (Status::BAD_REQUEST, _) => (Kind::Refused, "the path is malformed"),
            (Status::FORBIDDEN, None) => (Kind::Refused, "the file may not be read"),
            (Status::FORBIDDEN, _) => (Kind::Refused, "the client's address may not enter"),
            (Status::METHOD_NOT_ALLOWED, _) => (Kind::Refused, "the method may not be used"),
            (Status::MISDIRECTED_REQUEST, _) => (Kind::Refused, "no site claims the host"),
            (Status::TOO_MANY_REQUESTS, _) => (Kind::Refused, "the client asks too often"),
            (Status(500..), _) => (Kind::Failed, "the file could not be read"),
            _ => return None,
        };
        Some(Self { setting, ..Self::of(kind, reason) })
    }

    /// The same with who asked what, and the status that was answered.
    pub(crate) fn incident<'i>(
        &self,
        exchange: &'i Exchange<'_>,
        status: Status,
        capacity: &Capacity,
    ) -> Incident<'i> {
        let Self { kind, reason, setting, application } = *self;
        let limit = (kind == Kind::TurnedAway).then(|| admission::of_client(capacity));
        let incident = Incident::of(kind, reason, About::exchange(exchange), status);
        Incident { setting, limit, application, ..incident }
    }
}

/// The answer to a message that its protocol room refused, which is counted and told.
pub(crate) fn refuse(
    core: &Core,
    (status, reason): (Status, &'static str),
    limit: Option<Exceeded>,
    about: About<'_>,
) -> Response {
    core.count(Counter::Refused);
    core.report(&Incident { limit, ..Incident::of(Kind::Refused, reason, about, status) });
    let mut response = refusal(status, limit);
    mark(core.plan, about.id, &mut response);
    response
}

/// The answer to a message that its protocol room refused, as it went over that limit if one is
/// named.
pub(crate) fn refusal(status: Status, limit: Option<Exceeded>) -> Response {
    match (status, limit) {
        (Status::METHOD_NOT_ALLOWED, _) => {
            filter::error_page::apply(Response::empty(status).with(handle::ALLOW))
        }
        (status, Some(limit)) => filter::error_page::exceeded(status, limit),
        (status, None) => bare(status),
    }
}

/// Why a request in clear is not answered where TLS is spoken.
pub(crate) const IN_CLEAR: &str = "it came in clear, and TLS is spoken here";

/// The answer to what comes in clear where TLS is spoken: a request, if it is one.
pub(crate) fn in_clear(request: Option<&Request<'_>>) -> Response {
    let origin = request.filter(|request| !request.host.is_empty());
    let origin = origin.map(|Request { host, port, .. }| format!("{host}{port}/"));
    let origin = origin.unwrap_or_default();
    let text = format!("TLS is spoken here: ask by https://{origin} instead of http://\n");
    let mut response = Response::empty(Status::BAD_REQUEST);
    response.body = Body::Bytes(Shared::from(text.into_bytes()));
    response
        .with(Line::fixed("content-type", "text/plain; charset=utf-8"))
        .with(Line::fixed("x-content-type-options", "nosniff"))
}

/// An error without anything that a site adds.
pub(crate) fn bare(status: Status) -> Response {
    filter::error_page::apply(Response::empty(status))
}
