//! Why a request was not answered as it was meant, for the error log: in words, with the setting
//! that says so.

use crate::{
    log::{Incident, Kind},
    record::About,
    steps,
};
use config::plan::{Action, Place};
use message::{Exchange, Name, Status};
use route::Found;

/// Why a request was not answered as it was meant.
pub(crate) struct Trouble {
    kind: Kind,
    reason: &'static str,
    setting: Option<(&'static str, &'static Place)>,
}

impl Trouble {
    /// The routes rewrite a request again and again.
    pub(crate) const CIRCLE: Self =
        Self { kind: Kind::Failed, reason: "the rewrites lead in a circle", setting: None };

    /// The fields of proxies name two clients.
    pub(crate) const CONTRADICTION: Self =
        Self { kind: Kind::Refused, reason: steps::CONTRADICTION, setting: None };

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
        Some(Self { kind, reason, setting })
    }

    /// The same with who asked what, and the status that was answered.
    pub(crate) fn incident<'i>(&self, exchange: &'i Exchange<'_>, status: Status) -> Incident<'i> {
        let Self { kind, reason, setting } = *self;
        let about = Some(About::exchange(exchange));
        Incident { kind, reason, about, status: Some(status), setting }
    }
}
