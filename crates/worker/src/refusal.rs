//! Why a request was not answered as it was meant, for the error log: in words, with the setting
//! that says so.

use crate::{
    core::Core,
    log::{Incident, Kind},
    record::About,
};
use config::plan::Action;
use message::{Exchange, Status};
use route::Found;

/// Puts down in the error log why a request is not answered as it was meant. What merely is not
/// there is no trouble.
pub(crate) fn tell(core: &Core, exchange: &Exchange<'_>, found: &Found<'_>, status: Status) {
    if !status.is_error() {
        return;
    }
    let access = access::said(&found.policy.access, exchange, status);
    let setting = access.or_else(|| found.refused.map(|_| ("route", found.place())));
    // What the config itself answers was meant so.
    let is_meant = matches!(found.policy.action, Action::Respond(_)) && found.site.is_some();
    if is_meant && setting.is_none() {
        return;
    }
    let (kind, reason) = match (status, access) {
        (Status::BAD_REQUEST, _) => (Kind::Refused, "the path is malformed"),
        (Status::FORBIDDEN, None) => (Kind::Refused, "the file may not be read"),
        (Status::FORBIDDEN, _) => (Kind::Refused, "the client's address may not enter"),
        (Status::METHOD_NOT_ALLOWED, _) => (Kind::Refused, "the method may not be used"),
        (Status::MISDIRECTED_REQUEST, _) => (Kind::Refused, "no site claims the host"),
        (Status(429), _) => (Kind::Refused, "the client asks too often"),
        (Status(500..), _) => (Kind::Failed, "the file could not be read"),
        _ => return,
    };
    let about = Some(About::exchange(exchange));
    core.report(&Incident { kind, reason, about, status: Some(status), setting });
}
