//! The page of differences, as far as programs read it: its tables.

use std::{collections::BTreeSet, fmt, fs};

/// Where it lies, below the root of the workspace.
pub(crate) const NAME: &str = "docs/book/differences.md";

/// How the head of each table begins.
const HEAD: &str = "| asked for |";

/// A row of a table, without the reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// What was asked for.
    pub(crate) group: String,
    /// What of the answer differs.
    pub(crate) what: String,
    /// What nginx says; `=` stands for the same as ours.
    pub(crate) nginx: String,
    /// What lighttpd says.
    pub(crate) lighttpd: String,
    /// What we say.
    pub(crate) gannet: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, what, nginx, lighttpd, gannet } = self;
        write!(f, "| {group} | {what} | {nginx} | {lighttpd} | {gannet} |")
    }
}

/// The group of a row that holds of answers in any.
const ANY: &str = "any";

impl Difference {
    /// Whether this row of the page speaks of `found`. A cell that ends in `…` has only the
    /// beginning of what it stands for.
    pub(crate) fn covers(&self, found: &Self) -> bool {
        let is_of = |cell: &str, text: &str| match cell.strip_suffix('…') {
            Some(start) => text.starts_with(start),
            None => cell == text,
        };
        (self.group == ANY || is_of(&self.group, &found.group))
            && self.what == found.what
            && is_of(&self.nginx, &found.nginx)
            && is_of(&self.lighttpd, &found.lighttpd)
            && is_of(&self.gannet, &found.gannet)
    }
}

/// All rows of the page.
pub(crate) fn differences() -> BTreeSet<Difference> {
    let path = e2e::binary::workspace().join(NAME);
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let rows = rows.filter(|line| !line.starts_with(HEAD) && !line.starts_with("|--"));
    let mut all = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [group, what, nginx, lighttpd, gannet, why] = cells[..] else {
            panic!("{NAME}: not six cells: {row}");
        };
        assert!(why.contains("RFC "), "{NAME}: by what right? {row}");
        let [group, what, nginx, lighttpd, gannet] =
            [group, what, nginx, lighttpd, gannet].map(str::to_owned);
        let is_new = all.insert(Difference { group, what, nginx, lighttpd, gannet });
        assert!(is_new, "{NAME}: twice: {row}");
    }
    all
}
