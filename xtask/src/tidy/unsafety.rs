//! `unsafe` and `cfg`, which only the room of the kernel may hold.

use super::{
    Complaint,
    source::{line_of, places},
    tree::{Module, Tree},
};

/// The one room with `unsafe` in it.
const UNSAFE_ROOM: &str = "crates/net/";

/// The places that may differ from one build to another: the system's own, and the faults that
/// only tests may order.
const CFG_PLACES: [&str; 2] = ["crates/net/src/sys/", "crates/net/src/failpoint.rs"];

/// `unsafe` stands in its room only and says why it is sound; `cfg` stands in its place only.
pub(super) fn keywords(tree: &Tree) -> Vec<Complaint> {
    tree.modules
        .iter()
        .flat_map(|module| {
            let mut found = unsafe_in(module);
            found.extend(cfg_in(module));
            found
        })
        .collect()
}

fn unsafe_in(module: &Module) -> Vec<Complaint> {
    let complaint = |at, text: &str| Complaint {
        file: module.path.clone(),
        line: line_of(&module.views.code, at),
        text: text.to_owned(),
    };
    let is_home = module.path.starts_with(UNSAFE_ROOM);
    places(&module.views.code, "unsafe")
        .filter_map(|at| match is_home {
            false => Some(complaint(at, "`unsafe` belongs in `net`: ask it for a safe function")),
            true if is_explained(module, line_of(&module.views.code, at)) => None,
            true => Some(complaint(at, "say above it why this is sound: `// SAFETY: `")),
        })
        .collect()
}

/// Whether the comment above the statement around `line`, or the one on it, speaks of safety: why
/// it is given, or, above an `unsafe fn`, what the caller owes.
fn is_explained(module: &Module, line: usize) -> bool {
    let code: Vec<&str> = module.views.code.lines().collect();
    let comments: Vec<&str> = module.views.comments.lines().collect();
    let speaks = |comment: &str| comment.contains("SAFETY: ") || comment.contains("# Safety");
    let mut at = line - 1;
    if speaks(comments[at]) {
        return true;
    }
    let is_inside = |line: &str| !line.is_empty() && !line.ends_with([';', '{', '}', ',']);
    while at > 0 && is_inside(code[at - 1].trim()) {
        at -= 1;
    }
    let above = comments[..at].iter().zip(&code[..at]).rev();
    above
        .take_while(|(comment, code)| code.trim().is_empty() && !comment.trim().is_empty())
        .any(|(comment, _)| speaks(comment))
}

fn cfg_in(module: &Module) -> Vec<Complaint> {
    if CFG_PLACES.iter().any(|place| module.path.starts_with(place)) {
        return Vec::new();
    }
    let code = &module.views.code;
    let differs = |at: &usize| {
        let rest = &code[at + 3..];
        let is_attribute = code[..*at].ends_with('[');
        let is_harmless = rest.starts_with("(test)");
        rest.starts_with("!(") || (is_attribute && !is_harmless)
    };
    places(code, "cfg")
        .chain(places(code, "cfg_attr"))
        .filter(differs)
        .map(|at| Complaint {
            file: module.path.clone(),
            line: line_of(code, at),
            text: "one build for all: `cfg` stands in `net/src/sys` only, beside `cfg(test)`"
                .to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    #[test]
    fn unsafe_and_cfg_have_their_places() {
        const ROOT: &str = "crates/a/src/lib.rs";
        const NET: &str = "crates/net/src/lib.rs";
        for (path, text, expect) in [
            (ROOT, "// unsafe\n#[allow(unsafe_code)]\nfn f() {}\n", vec![]),
            (ROOT, "// SAFETY: no.\nunsafe { f() }\n", vec![2]),
            (NET, "// SAFETY: `f` is sound.\nunsafe { f() }\n", vec![]),
            (NET, "// SAFETY: `f` is sound.\n// Really.\nlet x =\n    unsafe { f() };\n", vec![]),
            (NET, "// SAFETY: `f` is sound.\nf();\nunsafe { f() }\n", vec![3]),
            (NET, "/// # Safety\n///\n/// `x` is whole.\nunsafe fn f(x: u8) {}\n", vec![]),
            (NET, "// It works.\nunsafe { f() }\n", vec![2]),
            (ROOT, "#[cfg(test)]\nmod tests {}\n", vec![]),
            (ROOT, "#[cfg(unix)]\nfn f() {}\n", vec![1]),
            (ROOT, "#![cfg_attr(docs, feature(x))]\n", vec![1]),
            (ROOT, "fn f() -> bool { cfg!(debug_assertions) }\n", vec![1]),
            (ROOT, "fn f(cfg: u8) { g(cfg) }\n", vec![]),
        ] {
            let found = keywords(&sample(&[(path, text)]));
            let found: Vec<usize> = found.iter().map(|complaint| complaint.line).collect();
            assert_eq!(found, expect, "{text}");
        }
    }

    #[test]
    fn the_system_may_differ() {
        let files =
            [("crates/net/src/lib.rs", "mod sys;"), ("crates/net/src/sys/mod.rs", "#[cfg(x)]")];
        assert_eq!(keywords(&sample(&files)), []);
    }
}
