//! Exchanges under way, as they are shown to whoever looks at the server: only while somebody does.

use crate::{
    core::Core,
    job::Suspended,
    record::{About, End, On, Record, Subject, Told},
    telling::told,
};
use control::lives::{Shown, UNANSWERED};
use message::{Request, Slots, Status};
use std::net::IpAddr;

/// An exchange that is shown, and whether as one whose answer has begun.
pub(crate) struct Showing {
    shown: Shown,
    has_begun: bool,
}

impl Core {
    /// Shows an exchange under way by its record, if its answer has begun, or by what it waits
    /// with, which can be read again; unless it is shown as it is.
    pub(crate) fn show(
        &self,
        place: &mut Option<Showing>,
        (record, waiting): (Option<&Record>, Option<&Suspended>),
        (client, on): (Option<IpAddr>, impl Fn(u64) -> On),
        reread: impl for<'b> FnOnce(&'b [u8], &'b mut Slots<'b>) -> Option<Request<'b>>,
    ) {
        let has_begun = record.is_some();
        if place.as_ref().is_some_and(|one| one.has_begun == has_begun) {
            return;
        }
        let mut slots = Slots::new();
        let mut put = |answer| match place {
            Some(one) => {
                one.shown.change(&answer);
                one.has_begun = has_begun;
            }
            None => *place = self.life.show(&answer).map(|shown| Showing { shown, has_begun }),
        };
        if let Some(record) = record {
            let (Told::Begun(_, later) | Told::Later(later)) = &record.told else { return };
            let Record { status, bytes, first_us, .. } = *record;
            let end = End { status, bytes, us: 0, reason: None };
            let site = self.site(record.account.label);
            let who = (later.client, later.asked(), later.trace, site);
            put(told(later.on, who, (first_us, None), &end));
        } else if let Some(Suspended { head, id, began_us, label, .. }) = waiting
            && let Some(request) = reread(head, &mut slots)
        {
            let subject = Subject::Request(&request);
            let about = About { client, id: id.as_ref(), user: None, certificate: None, subject };
            let end = End { status: Status(UNANSWERED), bytes: 0, us: 0, reason: None };
            let who = (client, about.asked(), about.trace(), self.site(*label));
            put(told(on(*began_us), who, (0, None), &end));
        }
    }
}
