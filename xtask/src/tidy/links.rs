//! What pages point at is there: the targets of their links, and the files that they name.

use super::{
    Complaint,
    tree::{Text, Tree},
};
use std::collections::HashSet;

/// Every relative link of a page leads to a file or folder of the repository, and so does every
/// path in a code span that begins with one of its folders.
pub(super) fn targets(tree: &Tree) -> Vec<Complaint> {
    let mut there: HashSet<&str> = HashSet::new();
    for path in &tree.paths {
        there.insert(path);
        there.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    let pages = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    pages.flat_map(|page| targets_of(page, &there)).collect()
}

fn targets_of(page: &Text, there: &HashSet<&str>) -> Vec<Complaint> {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    let mut is_fenced = false;
    for (line, text) in (1..).zip(page.text.lines()) {
        is_fenced ^= text.trim_start().starts_with("```");
        if is_fenced {
            continue;
        }
        let links = links(text).map(|link| (link, resolve(folder, link)));
        let spans = spans(text).filter(|span| is_path(span, there));
        let spans = spans.map(|span| (span, span.trim_end_matches('/').to_owned()));
        for (written, path) in links.chain(spans) {
            if !path.is_empty() && !there.contains(path.as_str()) {
                let text = format!("`{written}` is not there: mend or remove what points at it");
                found.push(Complaint { file: page.path.clone(), line, text });
            }
        }
    }
    found
}

/// The targets of a line's links that lie in this repository, without the place on the page.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next());
    targets.filter(|target| !target.contains(':'))
}

/// The texts between backquotes.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a code span is meant as a path of this repository: it begins with one of its folders,
/// and no word of it stands for others, as capitals do.
fn is_path(span: &str, there: &HashSet<&str>) -> bool {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || "0123456789-_./".contains(letter);
    span.chars().all(is_plain) && span.split_once('/').is_some_and(|(top, _)| there.contains(top))
}

/// The path that `target` means on a page in `folder`; empty for the root itself.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    #[test]
    fn what_is_pointed_at_is_there() {
        for (text, expect) in [
            ("[a](b.md) and [c](../d/e.rs)", vec![]),
            ("[a](b.md#place), [b](#place), [c](https://x.example/y), [d](../d)", vec![]),
            ("[a](c.md)", vec![1]),
            ("\n[a](b.md) [b](../../docs/f.md) [c](e.rs)", vec![2, 2]),
            ("```\n[a](c.md)\n```\n[a](c.md)", vec![4]),
            ("`d/e.rs` `d/` `docs/NAME.md` `x/y.rs` `git log` `e.rs`", vec![]),
            ("`d/f.rs`", vec![1]),
        ] {
            let tree = sample(&[("docs/a.md", text), ("docs/b.md", ""), ("d/e.rs", "")]);
            let found: Vec<usize> = targets(&tree).iter().map(|one| one.line).collect();
            assert_eq!(found, expect, "{text}");
        }
    }
}
