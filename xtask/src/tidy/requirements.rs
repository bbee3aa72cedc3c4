//! Each requirement of a standard that a page lists has a test, and the test is there.

use super::{
    Complaint,
    tree::{Text, Tree},
};
use std::collections::HashSet;

/// Whose tests the pages name.
const TESTED: [&str; 3] = ["crates/http2/", "e2e/tests/http2", "e2e/tests/tls"];

/// In the rows of `docs/book/rfcNNNN.md`, each code span of the last cell is the name of a test.
/// A row without one says in that cell why there is none: it begins with `not ours`.
pub(super) fn tests(tree: &Tree) -> Vec<Complaint> {
    let tested = tree.files.iter().filter(|file| {
        file.path.ends_with(".rs") && TESTED.iter().any(|start| file.path.starts_with(start))
    });
    let names: HashSet<&str> = tested.flat_map(|file| test_names(&file.text)).collect();
    let pages = tree.files.iter().filter(|file| is_list(&file.path));
    pages.flat_map(|page| untested(page, &names)).collect()
}

fn is_list(path: &str) -> bool {
    let number = path.strip_prefix("docs/book/rfc").and_then(|rest| rest.strip_suffix(".md"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The names of the functions that stand behind `#[test]`, or take what proptest makes.
fn test_names(text: &str) -> impl Iterator<Item = &str> {
    let lines = || text.lines().map(str::trim);
    let pairs = lines().zip(lines().skip(1));
    let tests = pairs.filter(|(attribute, _)| *attribute == "#[test]");
    tests.filter_map(|(_, line)| line.strip_prefix("fn ")?.split('(').next())
}

fn untested(page: &Text, names: &HashSet<&str>) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(page.text.lines()) {
        // The rows of a requirement begin with the number of a section.
        let Some(row) = text.strip_prefix("| ").filter(|row| row.starts_with(char::is_numeric))
        else {
            continue;
        };
        let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let mut tests = last.split('`').skip(1).step_by(2).peekable();
        let complain = |text: String| Complaint { file: page.path.clone(), line, text };
        if tests.peek().is_none() && !last.starts_with("not ours") {
            found.push(complain("a requirement without a test: write it and name it".to_owned()));
        }
        let missing = tests.filter(|name| !names.contains(name));
        found.extend(missing.map(|name| complain(format!("there is no test `{name}`"))));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::tidy::tree::sample;

    #[test]
    fn a_row_names_tests_that_are_there() {
        let page = "| section | requirement | test |\n|---|---|---|\n\
                    | 1 | a | `there` |\n\
                    | 2.1 | b | `there`, `gone` |\n\
                    | 3 | c | none |\n\
                    | 4 | d | not ours: we push nothing |\n";
        let tree = sample(&[
            ("docs/book/rfc9113.md", page),
            ("docs/book/other.md", "| 1 | a | none |\n"),
            ("crates/http2/tests/x.rs", "#[test]\nfn there() {}\nfn gone() {}\n"),
        ]);
        let lines: Vec<_> = super::tests(&tree).iter().map(|found| found.line).collect();
        assert_eq!(lines, [4, 5]);
    }
}
