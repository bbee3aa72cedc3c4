//! The book's tables hold every setting, with the default that holds, and no other.

use config::{Preset, plan::BLANKS, settings};
use std::collections::BTreeSet;

const LOGS: &str = include_str!("../../../docs/book/logs.md");

const PAGES: [&str; 3] = [
    include_str!("../../../docs/book/config.md"),
    include_str!("../../../docs/book/limits.md"),
    LOGS,
];

/// A row's setting and its default, as they stand in the table.
fn rows(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name, rest.split_once(" |")?.0))
    })
}

#[test]
fn the_book_has_every_setting_with_its_default_and_no_other() {
    let expect: BTreeSet<_> = settings()
        .iter()
        .map(|setting| match setting.preset {
            Preset::Value(value) => (setting.name.to_owned(), format!("`{value}`")),
            Preset::Words(words) => (setting.name.to_owned(), words.to_owned()),
        })
        .collect();
    let found: BTreeSet<_> = PAGES
        .into_iter()
        .flat_map(rows)
        .map(|(name, preset)| (name.to_owned(), preset.to_owned()))
        .collect();
    let missing: Vec<_> = expect.difference(&found).collect();
    let wrong: Vec<_> = found.difference(&expect).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "missing: {missing:#?}\nwrong: {wrong:#?}");
}

#[test]
fn the_book_has_every_name_of_a_template() {
    for (name, ..) in BLANKS {
        assert!(LOGS.contains(&format!("| `{{{name}}}` |")), "{name}");
    }
}
