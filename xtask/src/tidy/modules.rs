//! The modules of a crate: every file belongs to one, and their arrows make no circle.

use super::{
    Complaint,
    paths::named,
    tree::{Module, Tree},
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Every Rust file is declared by some package.
pub(super) fn undeclared(tree: &Tree) -> Vec<Complaint> {
    let declared: HashSet<&str> = tree.modules.iter().map(|module| module.path.as_str()).collect();
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter(|file| !declared.contains(file.path.as_str()))
        .map(|file| Complaint {
            file: file.path.clone(),
            line: 0,
            text: "declare this module, or delete the file".to_owned(),
        })
        .collect()
}

/// The top-level modules of each crate use each other in one direction.
///
/// Tests may look anywhere. The crate's root only opens doors: what it hands on counts as what
/// it is, so `crate::Thing`, which the root takes from `shelf`, is an arrow to `shelf`.
pub(super) fn cycles(tree: &Tree) -> Vec<Complaint> {
    let mut crates: BTreeMap<&str, Vec<&Module>> = BTreeMap::new();
    for module in tree.modules.iter().filter(|module| !module.is_test) {
        crates.entry(&module.target).or_default().push(module);
    }
    let mut found = Vec::new();
    for (root, modules) in crates {
        let edges = edges(&modules);
        let edges: Vec<(&str, &str)> =
            edges.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
        found.extend(circles(&edges).into_iter().map(|circle| Complaint {
            file: root.to_owned(),
            line: 0,
            text: format!("break the circle of modules: {}", circle.join(", ")),
        }));
    }
    found
}

/// The groups of names from which arrows lead back to themselves; each in the order of the
/// alphabet.
pub(super) fn circles<'e>(edges: &[(&'e str, &'e str)]) -> Vec<Vec<&'e str>> {
    let names: BTreeSet<&str> = edges.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        names.iter().map(|name| (*name, reachable(edges, name))).collect();
    let mut circles = BTreeSet::new();
    for name in &names {
        let both =
            |other: &&&str| reached[*name].contains(**other) && reached[**other].contains(name);
        let circle: Vec<&str> = names.iter().filter(both).copied().collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reachable<'e>(edges: &[(&'e str, &'e str)], start: &'e str) -> BTreeSet<&'e str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(at) = waiting.pop() {
        let next = edges.iter().filter(|(from, _)| *from == at).map(|(_, to)| *to);
        waiting.extend(next.filter(|to| reached.insert(*to)));
    }
    reached
}

/// The arrows between the top-level modules of one crate.
fn edges(modules: &[&Module]) -> BTreeSet<(String, String)> {
    let tops: HashSet<&str> =
        modules.iter().filter_map(|module| module.names.first()).map(String::as_str).collect();
    let handed_on = handed_on(modules, &tops);
    let mut edges = BTreeSet::new();
    for module in modules {
        let Some(from) = module.names.first() else { continue };
        for named in named(&module.views.shipped) {
            let Some(name) = below_root(&named.path, &module.names) else { continue };
            let to = tops.get(name).map(|top| (*top).to_owned());
            let to = to.or_else(|| handed_on.get(name).cloned());
            edges.extend(to.filter(|to| to != from).map(|to| (from.clone(), to)));
        }
    }
    edges
}

/// The names that the root takes from a module, and the module.
fn handed_on(modules: &[&Module], tops: &HashSet<&str>) -> BTreeMap<String, String> {
    let root = modules.iter().filter(|module| module.names.is_empty());
    let paths = root.flat_map(|root| named(&root.views.shipped));
    let doors = paths.filter_map(|named| {
        let path = named.path.strip_prefix("crate::").unwrap_or(&named.path);
        let (module, name) = path.split_once("::")?;
        let name = name.rsplit("::").next().unwrap_or(name);
        tops.contains(module).then(|| (name.to_owned(), module.to_owned()))
    });
    doors.collect()
}

/// The first name of `path` below the crate's root, as seen from the module at `names`; `None`
/// for a path that does not go by way of the root.
fn below_root<'p>(path: &'p str, names: &[String]) -> Option<&'p str> {
    let mut segments = path.split("::");
    match segments.next()? {
        "crate" => segments.next(),
        "super" => {
            let mut climbed = 1;
            let first = segments.find(|segment| {
                climbed += usize::from(*segment == "super");
                *segment != "super"
            });
            (climbed == names.len()).then_some(first).flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn told(found: &[Complaint]) -> Vec<&str> {
        found.iter().map(|complaint| complaint.text.as_str()).collect()
    }

    #[test]
    fn a_stray_file_is_found() {
        let tree = sample(&[("crates/a/src/lib.rs", "mod b;"), ("crates/a/src/c.rs", "")]);
        assert_eq!(undeclared(&tree)[0].file, "crates/a/src/c.rs");
    }

    #[test]
    fn circles_are_found() {
        for (root, b, c, has_circle) in [
            ("mod b; mod c;", "use crate::c::X;", "use super::b::Y;", true),
            ("mod b; mod c;", "use crate::c::X;", "use super::Z;", false),
            ("mod b; mod c;", "use crate::c::X;", "fn f() { crate::b::g() }", true),
            ("mod b; mod c; pub use b::Y;", "use crate::c::X;", "use crate::Y;", true),
            ("mod b; mod c; pub use b::{Y, Z};", "use crate::c::X;", "", false),
            (
                "mod b; mod c;",
                "use crate::c::X;",
                "#[cfg(test)]\nmod t { use crate::b::Y; }",
                false,
            ),
            ("mod b; mod c;", "use crate::c::X;", "// crate::b::Y\n", false),
        ] {
            let tree = sample(&[
                ("crates/a/src/lib.rs", root),
                ("crates/a/src/b.rs", b),
                ("crates/a/src/c.rs", c),
            ]);
            let expect: &[&str] =
                if has_circle { &["break the circle of modules: b, c"] } else { &[] };
            assert_eq!(told(&cycles(&tree)), expect, "{root} / {b} / {c}");
        }
    }

    #[test]
    fn deep_modules_count_as_their_top() {
        let tree = sample(&[
            ("crates/a/src/lib.rs", "mod b; mod c;"),
            ("crates/a/src/b/mod.rs", "mod d;"),
            ("crates/a/src/b/d.rs", "use super::super::c::X; use super::Y;"),
            ("crates/a/src/c.rs", "use crate::b::d::Z;"),
        ]);
        assert_eq!(told(&cycles(&tree)), ["break the circle of modules: b, c"]);
    }
}
