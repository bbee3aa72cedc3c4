//! What `gannet help` and the book say of each setting.

use crate::{
    guess,
    shape::{Description, Preset},
    written::settings,
};
use std::fmt::Write;

/// Columns of a line; so many has every terminal.
const COLUMNS: usize = 80;

/// What there is to know about the settings called `word`, which may say of which table they are
/// (`server.limits.idle-time`), or about all settings of the table `word` (`server.limits`).
///
/// # Errors
///
/// There is none of that name: the one that may have been meant, if any, of the settings and of
/// `others`.
pub fn help(word: &str, others: &[&str]) -> Result<String, Option<String>> {
    let all = settings();
    let word = word.trim_matches(['[', ']', '`']);
    let is_named = |setting: &&Description| match word.rsplit_once('.') {
        Some((table, name)) => setting.name == name && path(setting.section).ends_with(table),
        None => setting.name == word,
    };
    let mut parts: Vec<_> = all.iter().filter(is_named).map(entry).collect();
    let is_table = |section: &str| {
        let before = section.strip_suffix(word);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let inside: Vec<_> = all.iter().filter(|setting| is_table(&path(setting.section))).collect();
    if !inside.is_empty() {
        parts.push(overview(&inside));
    }
    if !parts.is_empty() {
        return Ok(parts.join("\n"));
    }
    let known = all.iter().map(|setting| setting.name).chain(others.iter().copied());
    Err(guess::nearest(word, known).map(str::to_owned))
}

/// The page of the book that has every setting.
#[must_use]
pub fn page() -> String {
    let all = settings();
    let mut page = PREFACE.to_owned();
    let mut sections: Vec<&str> = Vec::new();
    for setting in &all {
        if !sections.contains(&setting.section) {
            sections.push(setting.section);
        }
    }
    for section in sections {
        let _ = write!(page, "\n## {}\n", heading(section));
        for setting in all.iter().filter(|setting| setting.section == section) {
            let Description { name, doc, kind, example, .. } = setting;
            let preset = preset(setting.preset, "`");
            let text = wrapped(&format!("{doc} Takes {kind}; default: {preset}."), "");
            let _ = write!(page, "\n### `{name}`\n\n{text}\n\n```toml\n{name} = {example}\n```\n");
        }
    }
    page
}

const PREFACE: &str = "\
# Settings

Every setting there is. `gannet help NAME` shows the same on the command line, and `gannet schema`
prints it as a JSON Schema. This page is written by a test from the one description that the server
itself reads its config by; `GANNET_REWRITE=1 cargo test -p gannet-config --test book` writes it.

## In an editor

Editors that know TOML check and complete a config when they know its schema. Save it once:

```sh
gannet schema > gannet.schema.json
```

and name it in the first line of the config:

```toml
#:schema ./gannet.schema.json
```

This is how [taplo](https://taplo.tamasfe.dev) and editors built on it understand it: Even Better
TOML for Visual Studio Code, and the language server for Vim, Emacs, Helix and Zed. `taplo check
gannet.toml` uses it on the command line. The schema knows names, kinds and words; what only the
machine knows, such as whether a folder is there, is for `gannet check`.
";

/// One setting, as a page of help.
fn entry(setting: &Description) -> String {
    let Description { section, name, doc, kind, example, .. } = setting;
    let doc = wrapped(doc, "  ");
    let preset = preset(setting.preset, "");
    format!(
        "`{name}`, a setting of {section}\n\n{doc}\n\n  takes    {kind}\n  default  {preset}\n  \
         example  {name} = {example}\n"
    )
}

/// The settings of one table, each with its name and what it does.
fn overview(settings: &[&Description]) -> String {
    let mut text = String::new();
    for setting in settings {
        let _ = write!(text, "{}\n{}\n", setting.name, wrapped(setting.doc, "    "));
    }
    text
}

/// The title of a table as a path: `site.HOST.route.KEY`.
fn path(section: &str) -> String {
    section.replace(['[', ']', '"', '`'], "")
}

/// The title of a table as a title of the page.
fn heading(section: &str) -> String {
    match section.strip_prefix(|first: char| first.is_ascii_lowercase()) {
        Some(rest) => section[..section.len() - rest.len()].to_ascii_uppercase() + rest,
        None => format!("`{}`", section.trim_matches('`')),
    }
}

fn preset(preset: Preset, quote: &str) -> String {
    match preset {
        Preset::Value(value) => format!("{quote}{value}{quote}"),
        Preset::Words(words) => words.to_owned(),
    }
}

/// `text` in lines of [`COLUMNS`], each with `indent` before it.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::from(indent);
    let mut width = indent.len();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width + 1 + length > COLUMNS {
            lines.push('\n');
            lines.push_str(indent);
            width = indent.len();
        } else if width > indent.len() {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}
