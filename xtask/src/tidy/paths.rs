//! The paths that a file's code names, spelt out: `use a::{b, c}` is `a::b` and `a::c`.

use super::source::{closing, is_name, line_of, places};
use std::collections::HashMap;

/// A path and the line it stands on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: String,
    pub(super) line: usize,
}

impl Named {
    /// Whether `name`'s segments stand in the path, one behind the other.
    pub(super) fn names(&self, name: &str) -> bool {
        let (all, wanted): (Vec<&str>, Vec<&str>) =
            (self.path.split("::").collect(), name.split("::").collect());
        all.windows(wanted.len()).any(|window| window == wanted)
    }
}

/// All paths of two or more segments in `code`, a view without comments and literals. A path that
/// begins with a name which a `use` of this file brought in is spelt out from there.
pub(super) fn named(code: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut rest = code.as_bytes().to_vec();
    let mut short: HashMap<String, String> = HashMap::new();
    for at in imports(code) {
        let end = at + code[at..].find(';').unwrap_or(code.len() - at);
        for (offset, path, alias) in tree(&code[at + 3..end], "") {
            found.push(Named { path: path.clone(), line: line_of(code, at + 3 + offset) });
            short.insert(alias, path);
        }
        rest[at..end].fill(b' ');
    }
    for (at, path) in chains(&rest) {
        let (first, tail) = path.split_once("::").unwrap_or((&path, ""));
        let path = match short.get(first) {
            Some(full) if full != first => format!("{full}::{tail}"),
            _ => path,
        };
        found.push(Named { path, line: line_of(code, at) });
    }
    found
}

/// Where the `use` items begin.
fn imports(code: &str) -> Vec<usize> {
    let starts_item = |at: &usize| {
        let before = code[..*at].trim_end();
        let before = before.strip_suffix("pub").unwrap_or(before).trim_end();
        // `impl Trait + use<'a>` is the other meaning of the word.
        !code[at + 3..].trim_start().starts_with('<')
            && (before.is_empty() || before.ends_with([';', '}', '{', ']', ')']))
    };
    places(code, "use").filter(starts_item).collect()
}

/// The leaves of a `use` tree: where each stands in `text`, its whole path, its name in the file.
fn tree(text: &str, above: &str) -> Vec<(usize, String, String)> {
    let mut leaves = Vec::new();
    let mut at = 0;
    for part in branches(text) {
        let (lead, part_at) = (part.len() - part.trim_start().len(), at);
        at += part.len() + 1;
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if let Some(open) = part.find('{') {
            let prefix = join(above, part[..open].trim_end_matches("::"));
            let inner = &part[open + 1..closing(part.as_bytes(), open) - 1];
            let inner_at = part_at + lead + open + 1;
            leaves.extend(
                tree(inner, &prefix)
                    .into_iter()
                    .map(|(at, path, name)| (inner_at + at, path, name)),
            );
            continue;
        }
        let (path, alias) = part.split_once(" as ").unwrap_or((part, ""));
        let path = match path.trim() {
            "self" => above.to_owned(),
            path => join(above, path),
        };
        let last = path.rsplit("::").next().unwrap_or_default().to_owned();
        let alias = if alias.is_empty() { last } else { alias.trim().to_owned() };
        leaves.push((part_at + lead, path, alias));
    }
    leaves
}

/// The parts between the commas that stand in no braces.
fn branches(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0usize, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

fn join(above: &str, below: &str) -> String {
    let below = below.trim().trim_start_matches("::");
    if above.is_empty() { below.to_owned() } else { format!("{above}::{below}") }
}

/// Every run of names joined by `::`, and where it begins.
fn chains(code: &[u8]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let start = at;
        let mut path = Vec::new();
        loop {
            let length = code[at..].iter().take_while(|byte| is_name(**byte)).count();
            if length == 0 {
                break;
            }
            path.push(String::from_utf8_lossy(&code[at..at + length]).into_owned());
            at += length;
            if !code[at..].starts_with(b"::") {
                break;
            }
            at += 2;
        }
        if path.len() > 1 {
            found.push((start, path.join("::")));
        }
        at = at.max(start + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelt_out() {
        for (code, expect) in [
            ("use a::b;", vec![("a::b", 1)]),
            ("use a::{self, b::{c,\n d as e}};", vec![("a", 1), ("a::b::c", 1), ("a::b::d", 2)]),
            ("pub use a::*;", vec![("a::*", 1)]),
            ("fn f() {\n std::fs::read() }", vec![("std::fs::read", 2)]),
            ("use std::fs;\nfn f() { fs::read() }", vec![("std::fs", 1), ("std::fs::read", 2)]),
            ("use a::b as c;\nfn f() { c::d() }", vec![("a::b", 1), ("a::b::d", 2)]),
            ("fn f() -> impl X + use<'a> { a::b }", vec![("a::b", 1)]),
        ] {
            let found = named(code);
            let found: Vec<(&str, usize)> =
                found.iter().map(|named| (named.path.as_str(), named.line)).collect();
            assert_eq!(found, expect, "{code}");
        }
    }

    #[test]
    fn names_are_whole_segments() {
        let named = Named { path: "std::time::Instant::now".to_owned(), line: 1 };
        assert!(named.names("Instant::now"));
        assert!(!named.names("time::now"));
        assert!(!named.names("ime::Instant"));
    }
}
