//! Routes: their keys, what each inherits, and the tree that they are found by.

use super::{
    case,
    circle::{self, Lead},
    context::Context,
    idle,
    key::{Key, Keys},
    pages, policy,
};
use crate::{
    mistake::{Mistake, quote},
    plan::{Action, Branch, Node, Route, Routes},
    source::Word,
    written::{NamedRoute, Policy},
};
use message::response::Line;

/// The routes of the site `site`, whose own settings are `own`.
pub(crate) fn resolve(
    site: &Word<String>,
    own: Policy,
    routes: Vec<NamedRoute>,
    context: &mut Context<'_>,
) -> Routes {
    let is_empty = routes.is_empty();
    let place = context.at(site.span);
    let rest_key = Key::everything();
    context.has_doors = routes.iter().any(|route| {
        let cases = route.words.cases.iter().map(|case| &case.then);
        [&route.words.policy].into_iter().chain(cases).any(Policy::guards)
    });
    let policy = policy::resolve(&[&own], &rest_key, context);
    if is_empty {
        pages::check_listing(&[&own], context);
    }
    match policy.action {
        _ if !is_empty => {}
        Action::NotFound if context.is_site_sound => {
            let cause = format!("the site {} has no root", quote(&site.value));
            context.mistakes.push(
                Mistake::new(site.span, cause, "nothing to send")
                    .help("add the folder of its files: `root = \"/srv/site\"`"),
            );
        }
        _ => idle::check(&[&own], &policy, &rest_key, context),
    }
    let rest = Route { key: "/*".into(), place, policy, cases: Vec::new(), label: 0 };

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
    let keys = Keys::new(keyed.iter().map(|(key, _)| key).collect());
    let covering = keyed.iter().enumerate().map(|(at, (key, _))| {
        keys.matching(key, Key::covers).filter(|&other| other != at).collect::<Vec<_>>()
    });
    let covering: Vec<Vec<usize>> = covering.collect();
    let mut has_heirs = vec![false; keyed.len()];
    covering.iter().flatten().for_each(|&at| has_heirs[at] = true);
    let mut leads = Vec::with_capacity(keyed.len() + 1);
    let mut top = Node::default();
    for (at, (key, route)) in keyed.iter().enumerate() {
        let wider = covering[at].iter().map(|&other| &keyed[other]);
        let typed = wider.clone().map(|(_, route)| &route.words.policy);
        let chain: Vec<&Policy> =
            [&own].into_iter().chain(typed).chain([&route.words.policy]).collect();
        context.segments = segments(wider.map(|(key, _)| key).chain([key]));
        let policy = policy::resolve(&chain, key, context);
        let cases = case::resolve(&route.words.cases, &chain, key, context);
        if cases.is_empty() && !has_heirs[at] {
            idle::check(&chain, &policy, key, context);
        }
        leads.push(cases.is_empty().then(|| Lead::of(&policy, &chain, key)).flatten());
        let (written, place) = (route.key.value.as_str().into(), context.at(route.key.span));
        let route = Route { key: written, place, policy, cases, label: 0 };
        insert(&mut top, key, route);
    }
    leads.push(Lead::of(&rest.policy, &[&own], &rest_key));
    circle::check(&leads, &keys, context);
    Routes { top, rest }
}

/// How many segments come before the `*` of each of a chain: of a site none, and then of `keys`.
fn segments<'k>(keys: impl Iterator<Item = &'k Key>) -> Vec<usize> {
    [0].into_iter().chain(keys.map(|key| key.segments().count())).collect()
}

/// Adds a route of the server's own, where nobody has written one for the same paths.
pub(crate) fn add(routes: &mut Routes, key: &Key, route: Route) {
    let mut node = Some(&routes.top);
    for segment in key.segments() {
        node = node.and_then(|node| node.children.get(segment));
    }
    if node.is_none_or(|node| node.prefix.is_none()) {
        insert(&mut routes.top, key, route);
    }
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
            Action::Files(files) => Some(&mut files.allow),
            _ => None,
        };
        let methods = policy.access.methods.as_mut().map(|methods| &mut methods.allow);
        for line in files.into_iter().chain(methods) {
            *line = allow(line.text().unwrap_or_default().split(", ").chain(keyed.iter().copied()));
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
