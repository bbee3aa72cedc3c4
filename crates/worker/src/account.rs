//! Where an exchange is put down.

use config::plan::label::NO_SITE;
use route::Found;

/// The access log of what reaches no site.
pub(crate) const SERVER_LOG: usize = 0;

/// Where an exchange is put down.
#[derive(Clone, Copy)]
pub(crate) struct Account {
    /// The access log that has its line.
    pub(crate) log: usize,
    /// What it is counted by beside all others: a place in [`config::Plan::labels`].
    pub(crate) label: usize,
}

impl Account {
    /// Of what is no site's.
    pub(crate) const OF_SERVER: Self = Self { log: SERVER_LOG, label: NO_SITE };

    /// Of what the plan has for an exchange.
    #[inline]
    pub(crate) fn of(found: &Found<'_>) -> Self {
        Self { log: found.policy.log, label: found.route.label }
    }
}
