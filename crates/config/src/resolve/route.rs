//! Routes: their keys, what each inherits, and the tree that they are found by.

use super::{
    case,
    context::Context,
    key::Key,
    pages,
    past::{self, Known},
    policy,
};
use crate::{
    mistake::{Mistake, quote},
    plan::{self, Branch, Node, Route, Routes},
    source::Word,
    written::{NamedRoute, Policy},
};
use foldhash::HashMap;
use message::response::Line;

/// The routes of the site `site`, whose own settings are `own`.
pub(crate) fn resolve(
    site: &Word<String>,
    own: Policy,
    routes: Vec<NamedRoute>,
    is_sound: bool,
    context: &mut Context<'_>,
) -> Routes {
    let is_empty = routes.is_empty();
    let place = context.at(site.span);
    let rest_key = Key::everything();
    let policy = policy::resolve(&[&own], &rest_key, context);
    if is_empty {
        pages::check_listing(&[&own], context);
    }
    if is_empty && is_sound && matches!(policy.action, plan::Action::NotFound) {
        let cause = format!("the site {} has no root", quote(&site.value));
        context.mistakes.push(
            Mistake::new(site.span, cause, "nothing to send")
                .help("add the folder of its files: `root = \"/srv/site\"`"),
        );
    }
    let rest = Route { key: "/*".into(), place, policy, cases: Vec::new() };

    let mut keyed: Vec<(Key, NamedRoute)> = Vec::with_capacity(routes.len());
    for route in routes {
        match Key::parse(&route.key) {
            Ok(key) => keyed.push((key, route)),
            Err(mistake) => context.mistakes.push(*mistake),
        }
    }
    // Whoever covers another comes before it.
    keyed.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
    find_doubles(&keyed, context);
    let mut by_stem: HashMap<&[u8], Vec<usize>> = HashMap::default();
    for (at, (key, _)) in keyed.iter().enumerate() {
        by_stem.entry(key.stem()).or_default().push(at);
    }
    let mut top = Node::default();
    let mut known = vec![(&rest_key, site.span, Known::of(&rest.policy, context))];
    for (at, (key, route)) in keyed.iter().enumerate() {
        let candidates = key.stems().filter_map(|stem| by_stem.get(stem)).flatten();
        let mut covering: Vec<usize> = candidates
            .copied()
            .filter(|&other| other != at && keyed[other].0.covers(key))
            .collect();
        covering.sort_unstable();
        let covering = covering.iter().map(|&other| &keyed[other].1.words.policy);
        let chain: Vec<&Policy> =
            [&own].into_iter().chain(covering).chain([&route.words.policy]).collect();
        let policy = policy::resolve(&chain, key, context);
        if route.words.cases.is_empty() {
            check_method(key, &route.key, &policy, &chain, context);
        }
        let cases = case::resolve(&route.words.cases, &chain, key, context);
        let place = context.at(route.key.span);
        known.push((key, route.key.span, Known::of(&policy, context)));
        let route = Route { key: route.key.value.as_str().into(), place, policy, cases };
        insert(&mut top, key, route);
    }
    past::check(&known, context);
    Routes { top, rest }
}

/// Finds keys that are the same in their normal form; keys that are the same in letters TOML finds.
fn find_doubles(keyed: &[(Key, NamedRoute)], context: &mut Context<'_>) {
    for pair in keyed.windows(2) {
        let [(a, first), (b, again)] = pair else { continue };
        if a.order() == b.order() {
            let (first, again) = (first.key.span, again.key.span);
            let (first, again) = (first.min(again), first.max(again));
            context.mistakes.push(
                Mistake::new(again, "there are two routes for the same paths", "the same again")
                    .also(first, "first here")
                    .help("leave one of them out"),
            );
        }
    }
}

/// Notes that a route for one method has no other answer to it than 405.
fn check_method(
    key: &Key,
    word: &Word<String>,
    policy: &plan::Policy,
    chain: &[&Policy],
    context: &mut Context<'_>,
) {
    let Some(method) = key.method.as_deref().filter(|method| *method != "OPTIONS") else { return };
    let shut_out = policy.access.methods.as_ref().is_some_and(|methods| !methods.has(method));
    let methods = policy::last(chain, |words| words.methods.as_ref()).filter(|_| shut_out);
    if let Some(methods) = methods {
        let cause = format!("`methods` lets no {method} in, so this route never answers");
        let mistake = Mistake::new(word.span, cause, "never reached");
        let help = format!("add `{method}` to `methods`, here or there, or leave the route out");
        context.mistakes.push(mistake.also(methods.span, "those that may be used").help(help));
    } else if let (plan::Action::Files(_), None) = (&policy.action, &policy.rewrite)
        && !["GET", "HEAD"].contains(&method)
        // What a pattern says may be for the routes that it covers.
        && !key.is_prefix
    {
        let cause = format!("files are only read, so this route answers {method} with 405");
        let mistake = Mistake::new(word.span, cause, "never reached");
        context.mistakes.push(mistake.help("say what answers, such as `respond`, or leave it out"));
    }
}

/// Puts `route` where the paths that match its key lead.
fn insert(top: &mut Node, key: &Key, route: Route) {
    let mut node = top;
    for segment in key.segments() {
        node = node.children.entry(segment.into()).or_default();
    }
    let branch = match key {
        Key { suffix: None, is_prefix: true, .. } => node.prefix.get_or_insert_default(),
        Key { is_prefix: false, .. } if key.prefix().ends_with(b"/") => {
            node.exact_directory.get_or_insert_default()
        }
        Key { is_prefix: false, .. } => node.exact.get_or_insert_default(),
        Key { suffix: Some(suffix), .. } => {
            let at = node.suffixes.iter().position(|(other, _)| other == suffix);
            let at = at.unwrap_or_else(|| {
                let at = node.suffixes.partition_point(|(other, _)| other.len() >= suffix.len());
                node.suffixes.insert(at, (suffix.clone(), Branch::default()));
                at
            });
            &mut node.suffixes[at].1
        }
    };
    match &key.method {
        None => branch.any = Some(route),
        Some(method) => branch.methods.push((method.clone(), route)),
    }
    let keyed: Vec<&str> = branch.methods.iter().map(|(method, _)| &**method).collect();
    branch.allow = allow(keyed.iter().copied());
    // What the route for all other methods refuses may be answered by these.
    let any = branch.any.iter_mut().filter(|_| !keyed.is_empty());
    for policy in any.flat_map(|any| {
        [&mut any.policy].into_iter().chain(any.cases.iter_mut().map(|case| &mut case.policy))
    }) {
        let files = match &mut policy.action {
            plan::Action::Files(files) => Some(&mut files.allow),
            _ => None,
        };
        let methods = policy.access.methods.as_mut().map(|methods| &mut methods.allow);
        for line in files.into_iter().chain(methods) {
            *line = allow(line.value.split(", ").chain(keyed.iter().copied()));
        }
    }
}

/// The methods as `Allow` names them; HEAD comes with GET, and OPTIONS is answered anyway.
pub(crate) fn allow<'m>(methods: impl Iterator<Item = &'m str>) -> Line {
    let mut names: Vec<&str> = methods.collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    Line::new("allow", names.join(", "))
}
