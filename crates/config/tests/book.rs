//! The book has every setting, and its tables, which people wrote, have the defaults that hold.

use config::{Preset, page, plan::BLANKS, settings};
use std::{env, fs, path::Path};

const LOGS: &str = include_str!("../../../docs/book/logs.md");

const PAGES: [&str; 5] = [
    include_str!("../../../docs/book/config.md"),
    include_str!("../../../docs/book/https.md"),
    include_str!("../../../docs/book/limits.md"),
    include_str!("../../../docs/book/security.md"),
    LOGS,
];

/// A row's setting and its default, as they stand in the table.
fn rows(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        is_name.then_some((name, rest.split_once(" |")?.0))
    })
}

#[test]
fn tables_of_the_book_are_right() {
    let settings = settings();
    for (name, preset) in PAGES.into_iter().flat_map(rows) {
        let is_so = settings.iter().any(|setting| {
            let expect = match setting.preset {
                Preset::Value(value) => format!("`{value}`"),
                Preset::Words(words) => words.to_owned(),
            };
            setting.name == name && expect == preset
        });
        assert!(is_so, "there is no setting {name} with the default {preset}");
    }
}

#[test]
fn reference_is_what_settings_say_of_themselves() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/settings.md");
    if env::var_os("GANNET_REWRITE").is_some() {
        fs::write(&file, page()).unwrap();
    }
    let is_new = fs::read_to_string(&file).is_ok_and(|text| text == page());
    assert!(is_new, "settings.md is stale: GANNET_REWRITE=1 writes it");
}

#[test]
fn the_book_has_every_name_of_a_template() {
    for (name, ..) in BLANKS {
        assert!(LOGS.contains(&format!("| `{{{name}}}` |")), "{name}");
    }
}
