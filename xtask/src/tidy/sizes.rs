//! Long functions and long files: a list of exceptions that may only shrink.

use super::{
    Complaint,
    source::{closing, is_name, line_of, places},
    tree::{Module, Tree},
};
use std::collections::{BTreeMap, BTreeSet};

/// Lines of a function, from its `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of a file that hold code and belong to no test.
const FILE_LINES_MAX: usize = 400;

const EXCEPTIONS: &str = "xtask/exceptions.txt";

/// What is longer than the rule allows stands in the list of exceptions, with its present length.
///
/// A line of the list is `PATH LINES REASON` or `PATH::FUNCTION LINES REASON`.
pub(super) fn ratchet(tree: &Tree) -> Vec<Complaint> {
    let mut sizes = BTreeMap::new();
    for module in tree.modules.iter().filter(|module| !module.is_test) {
        sizes.insert(module.path.clone(), (code_lines(module), FILE_LINES_MAX));
        for (name, lines) in functions(&module.views.shipped) {
            let size = sizes.entry(format!("{}::{name}", module.path)).or_default();
            *size = (lines.max(size.0), FUNCTION_LINES_MAX);
        }
    }
    compare(&sizes, tree.text(EXCEPTIONS).unwrap_or_default())
}

fn compare(sizes: &BTreeMap<String, (usize, usize)>, list: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut listed = BTreeSet::new();
    let mut complain = |file: &str, line, text| {
        found.push(Complaint { file: file.to_owned(), line, text });
    };
    let entries = (1..).zip(list.lines());
    for (line, entry) in entries.filter(|(_, entry)| !entry.is_empty() && !entry.starts_with('#')) {
        let mut words = entry.splitn(3, ' ');
        let (name, allowed) = (words.next().unwrap_or_default(), words.next());
        let Some(allowed) = allowed.and_then(|allowed| allowed.parse::<usize>().ok()) else {
            complain(EXCEPTIONS, line, "write `PATH LINES REASON`".to_owned());
            continue;
        };
        if words.next().is_none_or(|reason| reason.trim().is_empty()) {
            complain(EXCEPTIONS, line, "say why this may be long".to_owned());
        }
        listed.insert(name);
        match sizes.get(name) {
            Some((lines, max)) if lines > max && *lines > allowed => complain(
                EXCEPTIONS,
                line,
                format!("`{name}` has grown to {lines} lines: exceptions may only shrink"),
            ),
            Some((lines, max)) if lines > max && *lines < allowed => complain(
                EXCEPTIONS,
                line,
                format!("well done: `{name}` has {lines} lines now; write that number"),
            ),
            Some((lines, max)) if lines > max => {}
            _ => {
                complain(EXCEPTIONS, line, format!("`{name}` needs no exception: delete the line"))
            }
        }
    }
    for (name, (lines, max)) in sizes.iter().filter(|(_, (lines, max))| lines > max) {
        if !listed.contains(name.as_str()) {
            let file = name.split("::").next().unwrap_or(name);
            complain(file, 0, format!("`{name}` has {lines} lines, {max} are enough: split it"));
        }
    }
    found
}

fn code_lines(module: &Module) -> usize {
    module.views.shipped.lines().filter(|line| !line.trim().is_empty()).count()
}

/// The functions with a body, and their lines.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for at in places(code, "fn") {
        let rest = code[at + 2..].trim_start();
        let name: String = rest.bytes().take_while(|byte| is_name(*byte)).map(char::from).collect();
        // A type such as `fn(u8)` has no name, a declaration ends before any brace.
        let Some(open) = body(code, at) else { continue };
        if !name.is_empty() {
            let end = closing(code.as_bytes(), open);
            found.push((name, line_of(code, end) - line_of(code, at) + 1));
        }
    }
    found
}

fn body(code: &str, at: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut at = at;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' => at = closing(bytes, at),
            b'{' => return Some(at),
            b';' => return None,
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    #[test]
    fn functions_are_measured() {
        let code = "fn a() {}\nfn b(\n  x: [u8; 3],\n) {\n}\ntrait T { fn c(f: fn(u8)); }\n";
        assert_eq!(functions(code), [("a".to_owned(), 1), ("b".to_owned(), 4)]);
    }

    #[test]
    fn exceptions_may_only_shrink() {
        let sizes = BTreeMap::from([
            ("a.rs".to_owned(), (500, 400)),
            ("a.rs::f".to_owned(), (80, 70)),
            ("b.rs".to_owned(), (10, 400)),
        ]);
        for (list, expect) in [
            ("# why\na.rs 500 A table.\na.rs::f 80 A table.\n", vec![]),
            ("a.rs 500 A table.\n", vec![("a.rs", "split it")]),
            ("a.rs 499 A table.\na.rs::f 80 A table.", vec![(EXCEPTIONS, "has grown")]),
            ("a.rs 501 A table.\na.rs::f 80 A table.", vec![(EXCEPTIONS, "well done")]),
            ("a.rs 500\na.rs::f 80 A table.", vec![(EXCEPTIONS, "say why")]),
            ("a.rs 500 A.\na.rs::f 80 A.\nb.rs 10 A.", vec![(EXCEPTIONS, "delete the line")]),
            ("a.rs 500 A.\na.rs::f 80 A.\nc.rs 10 A.", vec![(EXCEPTIONS, "delete the line")]),
        ] {
            let found = compare(&sizes, list);
            assert_eq!(found.len(), expect.len(), "{found:?}");
            for (complaint, (file, text)) in found.iter().zip(expect) {
                assert!(complaint.file == file && complaint.text.contains(text), "{complaint}");
            }
        }
    }

    #[test]
    fn long_code_is_found_and_tests_are_not() {
        let body = "    f();\n".repeat(70);
        let long = format!("fn a() {{\n{body}}}\n");
        let test = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
        for (text, expect) in [(long.as_str(), 1), (test.as_str(), 0)] {
            assert_eq!(ratchet(&sample(&[("crates/a/src/lib.rs", text)])).len(), expect);
        }
    }
}
