//! The most exact pattern of a site that matches a path, in one walk along its segments.

use crate::trace::{Step, Trace};
use config::plan::{Branch, Node, Route};
use message::Method;
use std::ops::Range;

/// The branch of the most exact pattern, and which bytes of `path` its `*` stands for.
pub(crate) fn find<'p>(
    top: &'p Node,
    path: &[u8],
    trace: &mut impl Trace,
) -> Option<(&'p Branch, Range<usize>)> {
    let mut best = None;
    let mut node = top;
    // Behind the slash that ends what the node stands for.
    let mut at = 1.min(path.len());
    loop {
        let rest = at.min(path.len());
        if let Some(prefix) = &node.prefix {
            take(&mut best, prefix, rest..path.len(), trace);
        }
        // Longest first, so that the first to match is the one.
        let ends = |(ending, _): &&(Box<[u8]>, Branch)| path[rest..].ends_with(ending);
        if let Some((ending, branch)) = node.suffixes.iter().find(ends) {
            take(&mut best, branch, rest..path.len() - ending.len(), trace);
        }
        if at >= path.len() {
            break;
        }
        let segment = path[at..].split(|&byte| byte == b'/').next().unwrap_or_default();
        let Some(child) = node.children.get(segment) else { return best };
        node = child;
        at += segment.len() + 1;
    }
    let exact = match path.last() {
        Some(b'/') => &node.exact_directory,
        _ => &node.exact,
    };
    if let Some(exact) = exact {
        take(&mut best, exact, path.len()..path.len(), trace);
    }
    best
}

/// Takes what matches more exactly than what was found before.
fn take<'p>(
    best: &mut Option<(&'p Branch, Range<usize>)>,
    branch: &'p Branch,
    rest: Range<usize>,
    trace: &mut impl Trace,
) {
    if let Some((other, _)) = best.replace((branch, rest)) {
        for route in other.methods.iter().map(|(_, route)| route).chain(&other.any) {
            let text = || format!("{}: it matches, but less exactly", route.key);
            trace.note(|| Step::new("passed over", text(), &route.place));
        }
    }
}

/// Whether a preflight about `method` is for the route of that method: it says what other origins
/// may do, and no route is for OPTIONS itself.
pub(crate) fn answers_preflight(branch: &Branch, method: Method<'_>) -> bool {
    let is_taken = branch.methods.iter().any(|(name, _)| **name == *"OPTIONS");
    let route = for_method(branch, method, &mut ()).filter(|_| !is_taken);
    route.is_some_and(|route| route.policy.access.preflight.is_some())
}

/// The route of `branch` for `method`: HEAD is served as GET is, where nothing is said of it.
pub(crate) fn for_method<'p>(
    branch: &'p Branch,
    method: Method<'_>,
    trace: &mut impl Trace,
) -> Option<&'p Route> {
    if branch.methods.is_empty() {
        return branch.any.as_ref();
    }
    let named = |name: &str| {
        branch.methods.iter().find(|(method, _)| **method == *name).map(|(_, route)| route)
    };
    let found = match method {
        Method::Head => named("HEAD").or_else(|| named("GET")),
        method => named(method.as_str()),
    };
    for (_, route) in &branch.methods {
        if !found.is_some_and(|found| std::ptr::eq(found, route)) {
            let text = || format!("{}: it is for another method", route.key);
            trace.note(|| Step::new("passed over", text(), &route.place));
        }
    }
    found.or(branch.any.as_ref())
}
