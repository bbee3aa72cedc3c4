//! Host and path to the one action that the plan has for them; a pure function that never fails.

use config::plan::{Action, Plan};

/// The action for a request to `host`. What no site claims is misdirected, which is an action too.
#[must_use]
pub fn find<'p>(plan: &'p Plan, host: &str) -> &'p Action {
    plan.site(host).map_or(&Action::Misdirected, |site| &site.action)
}
