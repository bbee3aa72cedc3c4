//! What `gannet help` and the book say of each setting.

use crate::{
    guess,
    shape::{Description, Layout, Preset},
    written,
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
    let layout = written::layout();
    let tables = layout.all();
    let word = path(word);
    let (table, name) = word.rsplit_once('.').unwrap_or(("", &word));
    let mut parts = Vec::new();
    for layout in tables.iter().filter(|layout| ends_with(&path(layout.title), table)) {
        // What sites and routes have in common is a table of its own where none is named.
        let common = layout.common.as_deref().filter(|_| !table.is_empty());
        for layout in [Some(*layout), common].into_iter().flatten() {
            let named = layout.describe().filter(|setting| setting.name == name);
            parts.extend(named.map(|setting| entry(&setting)));
        }
    }
    let named = tables.iter().filter(|layout| ends_with(&path(layout.title), &word));
    parts.extend(named.map(|layout| overview(layout)));
    if !parts.is_empty() {
        return Ok(parts.join("\n"));
    }
    let names = tables.iter().flat_map(|layout| &layout.members).map(|member| member.name);
    Err(guess::nearest(&word, names.chain(others.iter().copied())).map(str::to_owned))
}

/// The page of the book that has every setting.
#[must_use]
pub fn page() -> String {
    let mut page = PREFACE.to_owned();
    for layout in written::layout().all() {
        let _ = write!(page, "\n## {}\n", heading(layout.title));
        if let Some(common) = &layout.common {
            let title = heading(common.title);
            let anchor = title.to_lowercase().replace(' ', "-");
            let _ = write!(page, "\nAlso all settings of [{title}](#{anchor}).\n");
        }
        for Description { name, doc, kind, preset, example, .. } in layout.describe() {
            let preset = shown(preset, "`");
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
    let preset = shown(setting.preset, "");
    format!(
        "`{name}`, a setting of {section}\n\n{doc}\n\n  takes    {kind}\n  default  {preset}\n  \
         example  {name} = {example}\n"
    )
}

/// The settings that may stand in one table, each with what it does.
fn overview(layout: &Layout) -> String {
    let mut text = format!("Settings of {}\n", layout.title);
    for layout in [Some(layout), layout.common.as_deref()].into_iter().flatten() {
        for member in &layout.members {
            let _ = write!(text, "\n  {}\n{}\n", member.name, wrapped(member.doc, "    "));
        }
    }
    text
}

/// A setting's or table's name as a path: `site.route.when` for `[[site."HOST".route."KEY".when]]`.
fn path(title: &str) -> String {
    let title = title.replace(['[', ']', '"', '`'], "");
    let names = title.split('.').filter(|part| !matches!(*part, "HOST" | "KEY"));
    names.collect::<Vec<_>>().join(".")
}

/// Whether the last parts of `path` are those of `end`.
fn ends_with(path: &str, end: &str) -> bool {
    let before = path.strip_suffix(end);
    before.is_some_and(|before| end.is_empty() || before.is_empty() || before.ends_with('.'))
}

/// The title of a table as a title of the page.
fn heading(section: &str) -> String {
    match section.strip_prefix(|first: char| first.is_ascii_lowercase()) {
        Some(rest) => section[..section.len() - rest.len()].to_ascii_uppercase() + rest,
        None => format!("`{}`", section.trim_matches('`')),
    }
}

fn shown(preset: Preset, quote: &str) -> String {
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
