//! What requests are counted by: a label for each site and for each of its routes; and what
//! connections are, one for each address.

use super::{Action, Listen, Node, Route, Routes, Site};

/// Labels of a plan at most. Sites go first; what gets none is counted with others.
pub const LABELS_MAX: usize = 1_000;

/// Addresses that have a label beside those; connections to others are counted by none.
pub const LISTENERS_MAX: usize = 64;

/// Bytes of a key that are kept; routes whose keys begin with the same ones share a label.
const KEY_BYTES_MAX: usize = 200;

/// The label of what is no site's: a host that none claims, a message that is refused.
pub const NO_SITE: usize = 0;

/// The label of sites that have none of their own.
pub const OTHER_SITES: usize = 1;

/// What the labels are called that stand for several; no host is called so.
const NO_SITE_NAME: &str = "(none)";
const OTHERS_NAME: &str = "(other)";

/// What addresses have in the place of a site.
const LISTENER_NAME: &str = "(listener)";

/// What a label stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The name of the site, or what stands for several.
    pub site: Box<str>,
    /// The key of the route; that of a site itself stands for what has no label of its own there.
    pub route: Box<str>,
}

impl Label {
    fn of_site(name: &str) -> Self {
        Self { site: name.into(), route: OTHERS_NAME.into() }
    }

    /// The one of the address of that number: what was typed, and which of those it is that were
    /// typed so, as only port 0 can be several times.
    #[must_use]
    pub fn of_address(all: &[Listen], number: usize) -> Option<Self> {
        let (own, before) = all.get(..=number)?.split_last()?;
        let turn = before.iter().filter(|other| other.address == own.address).count();
        let more = if turn > 0 { format!(" {turn}") } else { String::new() };
        let route = format!("{}{more}", own.address).into();
        Some(Self { site: LISTENER_NAME.into(), route })
    }

    /// Whether it is that of an address.
    #[must_use]
    pub fn is_of_address(&self) -> bool {
        &*self.site == LISTENER_NAME
    }

    /// The one of sites that have none of their own.
    #[must_use]
    pub fn of_others() -> Self {
        Self::of_site(OTHERS_NAME)
    }
}

/// Gives labels to `sites` and their routes, the same ones each time; what the labels stand for.
pub(super) fn give(sites: &mut [Site]) -> Vec<Label> {
    let mut labels = vec![Label::of_site(NO_SITE_NAME), Label::of_others()];
    for site in &mut *sites {
        site.label = OTHER_SITES;
        if labels.len() < LABELS_MAX {
            site.label = labels.len();
            labels.push(Label::of_site(&site.name));
        }
    }
    for Site { name, label, routes, tls, .. } in sites {
        let mut all = all(routes);
        if labels.len() < LABELS_MAX {
            // The nodes of a tree come in any order.
            all.sort_by(|one, other| one.key.cmp(&other.key));
        }
        for route in all {
            let key = &route.key[..route.key.floor_char_boundary(KEY_BYTES_MAX)];
            let is_last = |last: &Label| last.site == *name && *last.route == *key;
            route.label = match labels.last() {
                // The site's own settings, and a route for everything.
                Some(last) if is_last(last) => labels.len() - 1,
                _ if labels.len() < LABELS_MAX => {
                    labels.push(Label { site: name.clone(), route: key.into() });
                    labels.len() - 1
                }
                _ => *label,
            };
            keep_by(*label, route);
        }
        let own = tls.iter_mut().flat_map(|tls| [&mut tls.plain, &mut tls.proof]).flatten();
        own.for_each(|route| put_down_as(route, &routes.rest));
    }
    labels
}

/// Has what a site does for all of its paths, or beside them, be counted and logged as what it does
/// where no route matches.
pub(super) fn put_down_as(route: &mut Route, rest: &Route) {
    route.label = rest.label;
    route.policy.log = rest.policy.log;
}

/// Gives labels to addresses behind those that there are; the place of each.
pub(super) fn give_listeners(listen: &[Listen], labels: &mut Vec<Label>) -> Vec<usize> {
    let first = labels.len();
    let own = (0..listen.len().min(LISTENERS_MAX)).filter_map(|at| Label::of_address(listen, at));
    labels.extend(own);
    (0..listen.len()).map(|at| (first + at).min(labels.len())).collect()
}

/// Has pages of PHP that are kept for a moment be counted by the label of their site.
fn keep_by(label: usize, route: &mut Route) {
    let cases = route.cases.iter_mut().map(|case| &mut case.policy);
    for policy in cases.chain([&mut route.policy]) {
        if let Action::Php(php) = &mut policy.action {
            let whole = php.whole.as_mut().and_then(|whole| whole.cache.as_mut());
            whole.into_iter().chain(&mut php.cache).for_each(|cache| cache.label = label);
        }
    }
}

/// All routes of a site.
fn all(routes: &mut Routes) -> Vec<&mut Route> {
    let mut all = vec![&mut routes.rest];
    let mut nodes = vec![&mut routes.top];
    while let Some(Node { children, exact, exact_directory, prefix, suffixes }) = nodes.pop() {
        let boxed = [exact, exact_directory, prefix].into_iter().flatten().map(Box::as_mut);
        for branch in boxed.chain(suffixes.iter_mut().map(|(_, branch)| branch)) {
            all.extend(branch.methods.iter_mut().map(|(_, route)| route).chain(&mut branch.any));
        }
        nodes.extend(children.values_mut());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Address, Branch, Place};

    fn route(key: &str) -> Route {
        Route::plain(key, Place::of("here"), Action::NotFound)
    }

    fn site(name: &str, keys: &[&str]) -> Site {
        let mut top = Node::default();
        for key in keys {
            let prefix = Some(Box::new(Branch { any: Some(route(key)), ..Branch::default() }));
            match key.strip_prefix("/") {
                Some("*") => top.prefix = prefix,
                _ => {
                    let node = Node { prefix, ..Node::default() };
                    top.children.insert(key.as_bytes().into(), node);
                }
            }
        }
        let routes = Routes { top, rest: route("/*") };
        let (place, listeners, tls) = (Place::of("here"), None, None);
        Site { name: name.into(), place, listeners, tls, routes, label: 0 }
    }

    /// What the site and its routes are counted by.
    fn given(site: &mut Site, labels: &[Label]) -> Vec<String> {
        let name = |label: usize| format!("{} {}", labels[label].site, labels[label].route);
        let mut keys: Vec<_> = all(&mut site.routes)
            .iter()
            .map(|route| format!("{}: {}", route.key, name(route.label)))
            .collect();
        keys.sort();
        keys.insert(0, name(site.label));
        keys
    }

    #[test]
    fn each_site_and_each_route_has_a_label() {
        let mut sites = [site("a", &["/b/*", "/a/*"]), site("b", &["/*"])];
        let labels = give(&mut sites);
        let first = ["a (other)", "/*: a /*", "/a/*: a /a/*", "/b/*: a /b/*"];
        assert_eq!(given(&mut sites[0], &labels), first);
        assert_eq!(given(&mut sites[1], &labels), ["b (other)", "/*: b /*", "/*: b /*"]);
        assert_eq!(labels[NO_SITE].site, "(none)".into());
        assert_eq!(labels.len(), 2 + 2 + 3 + 1);
    }

    #[test]
    fn each_address_has_a_label_behind_those_of_sites() {
        let listen = |port| Listen {
            address: Address::Tcp(([127, 0, 0, 1], port).into()),
            written: "here".into(),
            is_implied: false,
            proxy_protocol: false,
            http2: false,
            tls: false,
        };
        let mut labels = give(&mut [site("a", &[])]);
        let first = labels.len();
        let places = give_listeners(&[listen(0), listen(81), listen(0)], &mut labels);
        assert_eq!(places, [first, first + 1, first + 2]);
        let routes: Vec<_> = labels[first..].iter().map(|label| &*label.route).collect();
        assert_eq!(routes, ["127.0.0.1:0", "127.0.0.1:81", "127.0.0.1:0 1"]);
        assert!(labels[first].is_of_address() && !labels[0].is_of_address());
        let many: Vec<_> = (0..200).map(listen).collect();
        labels.truncate(first);
        let places = give_listeners(&many, &mut labels);
        // Those that have none point at none.
        assert_eq!((labels.len(), places[199]), (first + LISTENERS_MAX, first + LISTENERS_MAX));
    }

    #[test]
    fn what_finds_no_room_is_counted_with_others() {
        let names: Vec<_> = (0..LABELS_MAX - 4).map(|at| format!("s{at:04}")).collect();
        let mut sites: Vec<_> = names.iter().map(|name| site(name, &["/a/*", "/b/*"])).collect();
        let labels = give(&mut sites);
        assert_eq!(labels.len(), LABELS_MAX);
        let last = ["s0000 (other)", "/*: s0000 /*", "/a/*: s0000 /a/*", "/b/*: s0000 (other)"];
        assert_eq!(given(&mut sites[0], &labels), last);
        let none = ["s0001 (other)"; 3];
        let keys = given(&mut sites[1], &labels);
        let ends = keys.iter().map(|key| key.rsplit(": ").next().unwrap_or_default());
        assert_eq!(ends.skip(1).collect::<Vec<_>>(), none);
        let mut many: Vec<_> =
            (0..LABELS_MAX).map(|at| site(&format!("s{at}"), &["/a/*"])).collect();
        let labels = give(&mut many);
        assert_eq!(given(&mut many[LABELS_MAX - 1], &labels)[2], "/a/*: (other) (other)");
        assert_eq!(labels.len(), LABELS_MAX);
    }
}
