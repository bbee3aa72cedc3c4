//! Rewrites and redirects that lead in a circle, as far as literal paths tell.
//!
//! Where a route leads to one path, whatever was asked for, each request that reaches it goes on to
//! the one route of that path: the routes are the points of a graph with one arrow each, and a
//! circle in it is one for every request.

use super::{
    context::Context,
    key::{Key, Keys},
    policy::last,
};
use crate::{
    mistake::Mistake,
    plan::{Action, Policy as Plan},
    source::Span,
    written::Policy,
};
use message::{Path, Status};

/// Where a route leads.
pub(crate) struct Lead {
    /// The path or the pattern, with the method that is used there, where only one is.
    to: Key,
    setting: &'static str,
    span: Span,
}

impl Lead {
    /// Where the policy that `chain` came to leads from `key`; `None` where it answers, or where
    /// that depends on the request.
    pub(crate) fn of(policy: &Plan, chain: &[&Policy], key: &Key) -> Option<Self> {
        let (phrase, setting, span, keeps_method) = match (&policy.rewrite, &policy.action) {
            (Some(rewrite), _) => {
                (&rewrite.path, "rewrite", chain.last()?.rewrite.as_ref()?.span, true)
            }
            (None, Action::Redirect(redirect)) if redirect.to.is_on_this_host() => {
                let span = last(chain, |words| words.redirect.to.as_ref())?.span;
                let keeping = [Status::TEMPORARY_REDIRECT, Status::PERMANENT_REDIRECT];
                (&redirect.to, "redirect", span, keeping.contains(&redirect.status))
            }
            _ => return None,
        };
        let is_itself = key.suffix.is_none() && phrase.is_rest_behind(key.prefix());
        let mut to = match (phrase.literal(), setting) {
            (None, _) => is_itself.then(|| key.clone())?,
            (Some(path), "rewrite") => Key::exactly(&Path::of_decoded(path.as_bytes()).ok()?),
            (Some(url), _) => {
                let path = url.split(['?', '#']).next().unwrap_or_default();
                Key::exactly(&Path::parse(path).ok()?)
            }
        };
        let is_safe = |method: &str| matches!(method, "GET" | "HEAD");
        let method = key.method.clone();
        let method = method.map(|method| match keeps_method || is_safe(&method) {
            true => method,
            false => "GET".into(),
        });
        to.method = method;
        Some(Self { to, setting, span })
    }

    /// The place of the route that it leads to; the place behind the last key is that of the site's
    /// own settings. `None` where that depends on the method, or where the answer is 405.
    fn next(&self, keys: &Keys<'_>) -> Option<usize> {
        let matching = || keys.matching(&self.to, Key::covers_paths);
        let Some(rank) = matching().map(|at| keys.all[at].rank()).max() else {
            return Some(keys.all.len());
        };
        let of_pattern = || matching().filter(|&at| keys.all[at].rank() == rank);
        let named =
            |name: &str| of_pattern().find(|&at| keys.all[at].method.as_deref() == Some(name));
        let any = of_pattern().find(|&at| keys.all[at].method.is_none());
        match self.to.method.as_deref() {
            None if of_pattern().any(|at| keys.all[at].method.is_some()) => None,
            None => any,
            Some("HEAD") => named("HEAD").or_else(|| named("GET")).or(any),
            Some(method) => named(method).or(any),
        }
    }
}

/// Notes each circle among `leads`, those of `keys` and then the one of the site itself.
pub(crate) fn check(leads: &[Option<Lead>], keys: &Keys<'_>, context: &mut Context<'_>) {
    let next = |at: usize| leads[at].as_ref().and_then(|lead| lead.next(keys));
    // The walk on which each was come by.
    let mut walks = vec![None; leads.len()];
    for start in 0..leads.len() {
        let mut at = Some(start);
        while let Some(here) = at.filter(|&here| walks[here].is_none()) {
            walks[here] = Some(start);
            at = next(here);
        }
        let Some(first) = at.filter(|&here| walks[here] == Some(start)) else { continue };
        let around =
            std::iter::successors(next(first), |&here| next(here).filter(|_| here != first));
        let mut circle: Vec<_> = around.filter_map(|at| leads[at].as_ref()).collect();
        circle.sort_by_key(|lead| lead.span);
        let [lead, others @ ..] = &*circle else { continue };
        let cause = format!("`{}` leads in a circle, to no answer", lead.setting);
        let label =
            if others.is_empty() { "back to this route" } else { "to a route that leads back" };
        let mistake = Mistake::new(lead.span, cause, label);
        let mistake = mistake.help("name a path that another route answers");
        context.mistakes.push(match others.first() {
            Some(other) if other.span != lead.span => mistake.also(other.span, "leads back"),
            _ => mistake,
        });
    }
}
