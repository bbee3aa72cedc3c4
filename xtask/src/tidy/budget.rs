//! The number of packages in `Cargo.lock`, which grows by decision only.

use super::{Complaint, tree::Tree};

const BUDGET: &str = "xtask/budget.txt";

/// The packages that `Cargo.lock` names; `None` without the file.
pub(super) fn count(tree: &Tree) -> Option<usize> {
    // Right after a clone that has no lock file yet, git does not list the one cargo has written.
    let lock = std::fs::read_to_string(tree.root.join("Cargo.lock")).ok()?;
    Some(packages_in(&lock))
}

/// `Cargo.lock` stays within the committed budget.
pub(super) fn packages(tree: &Tree) -> Vec<Complaint> {
    let budget = tree.text(BUDGET).and_then(first_number);
    let text = match (count(tree), budget) {
        (Some(count), Some(budget)) => excess(count, budget),
        (_, None) => Some("write the number of packages that Cargo.lock may name".to_owned()),
        (None, _) => Some("Cargo.lock is missing: build once".to_owned()),
    };
    text.map(|text| Complaint { file: BUDGET.to_owned(), line: 0, text }).into_iter().collect()
}

fn packages_in(lock: &str) -> usize {
    lock.lines().filter(|line| *line == "[[package]]").count()
}

/// The first line that is no comment, as a number.
fn first_number(text: &str) -> Option<usize> {
    text.lines().find(|line| !line.starts_with('#'))?.trim().parse().ok()
}

fn excess(count: usize, budget: usize) -> Option<String> {
    (count > budget).then(|| {
        format!(
            "Cargo.lock names {count} packages, the budget is {budget}: do without the new ones, \
             or raise it with a reason in the commit"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_budget_is_too_much() {
        assert_eq!(packages_in("[[package]]\nname = \"a\"\n\n[[package]]\n"), 2);
        assert_eq!(first_number("# why\n12\n"), Some(12));
        assert!(excess(3, 2).is_some());
        assert!(excess(2, 2).is_none());
    }
}
