//! The house rules as tests: text-based, quick, and each with the way out in its complaint.

mod budget;
mod layout;
mod links;
mod modules;
mod parsers;
mod paths;
mod plates;
mod requirements;
mod rooms;
mod sizes;
mod source;
mod tree;
mod unsafety;
mod words;

use std::fmt;
use tree::Tree;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    /// Relative to the repository's root.
    file: String,
    /// From 1; 0 stands for the file as a whole.
    line: usize,
    /// What is wrong and what to do instead.
    text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// The names of the fuzz targets, one for each parser.
pub(crate) fn fuzz_targets() -> impl Iterator<Item = &'static str> {
    parsers::TARGETS.iter().map(|(_, _, name)| *name)
}

/// A rule looks at the whole tree and says what breaks it.
type Rule = fn(&Tree) -> Vec<Complaint>;

const RULES: [Rule; 15] = [
    plates::opening,
    layout::lines,
    layout::titles,
    links::targets,
    words::banned,
    words::commented_out,
    rooms::levels,
    rooms::names,
    modules::undeclared,
    modules::cycles,
    sizes::ratchet,
    unsafety::keywords,
    parsers::targets,
    requirements::tests,
    budget::packages,
];

/// Checks every rule on the workspace around the current folder.
///
/// # Errors
/// Lists every place that breaks one.
pub(crate) fn run() -> Result<(), String> {
    let tree = Tree::read()?;
    let mut complaints: Vec<Complaint> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    complaints.sort();
    let (files, packages) = (tree.files.len(), budget::count(&tree).unwrap_or(0));
    if complaints.is_empty() {
        println!("tidy: {files} files in order; {packages} packages in Cargo.lock");
        return Ok(());
    }
    let mut list: String = complaints.iter().map(|one| format!("{one}\n")).collect();
    list.push_str(&format!("tidy: {} complaints", complaints.len()));
    Err(list)
}
