//! Host, path, method and client to what the plan has for them; a pure function that never fails.
//!
//! ```text
//!   host ─► site ─► the most exact pattern ─► its route for the method ─► the case that applies
//! ```
//!
//! Exact beats prefix, the longest prefix wins, an ending (`*.pdf`) within it, a method before
//! none.

mod case;
mod pattern;
mod trace;

pub use trace::{REFUSED, Step, Trace};

use config::plan::{Branch, Case, PROOF_PATH, Place, Plan, Policy, Route, Site};
use message::Exchange;
use std::ops::Range;

/// What the plan has for an exchange.
#[derive(Clone, Debug)]
pub struct Found<'p> {
    /// The site; `None` where no site claims the host.
    pub site: Option<&'p Site>,
    /// The route.
    pub route: &'p Route,
    /// The case of the route that applies, if one does.
    pub case: Option<&'p Case>,
    /// What is done.
    pub policy: &'p Policy,
    /// Where in the path that stands which the `*` of the route's key stands for.
    pub rest: Range<usize>,
    /// The routes of the pattern, where there are some but none for this method (405).
    pub refused: Option<&'p Branch>,
}

/// Finds what `plan` has for `exchange`, and tells `trace` what was weighed on the way.
#[inline]
pub fn find<'p>(plan: &'p Plan, exchange: &Exchange<'_>, trace: &mut impl Trace) -> Found<'p> {
    let all = 0..exchange.path_bytes().len();
    let Some((site, moved)) = plan.site(exchange.request.host, exchange.listener) else {
        trace.note(|| Step::new("site", "none", &plan.misdirected.place));
        return found(None, &plan.misdirected, all, exchange, trace);
    };
    trace.note(|| Step::new("site", &*site.name, &site.place));
    if let Some(route) = moved {
        // Who looks for a proof that the host is ours is not led elsewhere.
        let proof = site.tls.as_ref().and_then(|tls| tls.proof.as_deref());
        let proof = proof.filter(|_| exchange.path_bytes().starts_with(PROOF_PATH.as_bytes()));
        let rest = proof.map_or(0, |_| PROOF_PATH.len())..all.end;
        return found(Some(site), proof.unwrap_or(route), rest, exchange, trace);
    }
    // A path without a normal form is nobody's but the site's.
    if exchange.path.is_err() {
        return found(Some(site), &site.routes.rest, all, exchange, trace);
    }
    let path = exchange.path_bytes();
    let Some((branch, rest)) = pattern::find(&site.routes.top, path, trace) else {
        let rest = 1..path.len();
        return found(Some(site), &site.routes.rest, rest, exchange, trace);
    };
    let about = exchange.preflight().filter(|&method| pattern::answers_preflight(branch, method));
    let method = about.unwrap_or(exchange.request.method);
    match pattern::for_method(branch, method, trace) {
        Some(route) => found(Some(site), route, rest, exchange, trace),
        None => {
            let refused = Some(branch);
            let found =
                Found { refused, ..found(Some(site), &site.routes.rest, rest, exchange, trace) };
            let allow = branch.allow.text().unwrap_or_default();
            trace.note(|| Step::new(REFUSED, format!("only {allow}"), found.place()));
            found
        }
    }
}

fn found<'p>(
    site: Option<&'p Site>,
    route: &'p Route,
    rest: Range<usize>,
    exchange: &Exchange<'_>,
    trace: &mut impl Trace,
) -> Found<'p> {
    let case = case::find(&route.cases, exchange, trace);
    let policy = case.map_or(&route.policy, |case| &case.policy);
    trace.note(|| Step::new("route", &*route.key, &route.place));
    if let Some(case) = case {
        trace.note(|| Step::new("case", "its conditions are met", &case.place));
    }
    Found { site, route, case, policy, rest, refused: None }
}

impl<'p> Found<'p> {
    /// Where it is written what is done, or that nothing is for this method.
    #[must_use]
    pub fn place(&self) -> &'p Place {
        if let Some((_, route)) = self.refused.and_then(|branch| branch.methods.first()) {
            return &route.place;
        }
        self.case.map_or(&self.route.place, |case| &case.place)
    }
}
