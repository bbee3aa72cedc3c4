//! The look of a text: its width, its line ends, its one title.

use super::{
    Complaint,
    source::Views,
    tree::{Text, Tree},
};

/// Columns of a line, in characters.
const COLUMNS_MAX: usize = 100;

/// What we write by hand; data such as wire dialogues may need blanks and long lines.
const HAND_WRITTEN: [&str; 5] = [".rs", ".toml", ".md", ".sh", ".lua"];

/// No line is too wide, ends in blanks or holds a tab; the last one ends.
pub(super) fn lines(tree: &Tree) -> Vec<Complaint> {
    let written = |file: &&Text| HAND_WRITTEN.iter().any(|end| file.path.ends_with(end));
    tree.files.iter().filter(written).flat_map(lines_of).collect()
}

/// A page has one title.
pub(super) fn titles(tree: &Tree) -> Vec<Complaint> {
    tree.files.iter().filter(|file| file.path.ends_with(".md")).filter_map(title_of).collect()
}

fn lines_of(file: &Text) -> Vec<Complaint> {
    let is_page = file.path.ends_with(".md");
    let literals = match file.path.ends_with(".rs") {
        true => literals(&file.text),
        false => Vec::new(),
    };
    let mut found = Vec::new();
    let mut complain = |line, text: &str| {
        found.push(Complaint { file: file.path.clone(), line, text: text.to_owned() });
    };
    for (line, text) in (1..).zip(file.text.lines()) {
        // An address, a row of a table and what stands in a literal cannot well be broken.
        let is_whole = text.contains("://") || (is_page && text.starts_with('|'));
        let columns = text.chars().count() - literals.get(line - 1).unwrap_or(&0);
        if columns > COLUMNS_MAX && !is_whole {
            complain(line, "break the line: it has more than 100 columns");
        }
        if text.trim_end() != text {
            complain(line, "remove the blanks at the line's end");
        }
        if text.contains('\t') {
            complain(line, "indent with blanks, or write the tab as `\\t`");
        }
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        complain(0, "end the file with one line end");
    }
    found
}

/// How many characters of each line stand in literals, blanks left out.
fn literals(text: &str) -> Vec<usize> {
    let views = Views::of(text);
    let seen = views.code.lines().zip(views.comments.lines());
    let hidden = |(text, (code, comment)): (&str, (&str, &str))| {
        let is_blank = |view: &str, at: usize| view.as_bytes()[at] == b' ';
        let letters = text.char_indices().filter(|(_, letter)| *letter != ' ');
        letters.filter(|(at, _)| is_blank(code, *at) && is_blank(comment, *at)).count()
    };
    text.lines().zip(seen).map(hidden).collect()
}

fn title_of(file: &Text) -> Option<Complaint> {
    let mut is_fenced = false;
    let titles = file.text.lines().filter(|line| {
        is_fenced ^= line.trim_start().starts_with("```");
        !is_fenced && line.starts_with("# ")
    });
    let count = titles.count();
    (count != 1).then(|| Complaint {
        file: file.path.clone(),
        line: 0,
        text: format!("give the page one title (`# `); it has {count}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Text {
        Text { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn lines_are_narrow_and_clean() {
        let wide = "x".repeat(101);
        for (path, text, expect) in [
            ("a.rs", "fine\n", vec![]),
            ("a.rs", "é\n", vec![]),
            ("a.rs", "a \nb\n", vec![1]),
            ("a.rs", "a\n\tb\n", vec![2]),
            ("a.rs", "a\n\n", vec![0]),
            ("a.rs", "a", vec![0]),
            ("a.rs", &format!("{wide}\n"), vec![1]),
            ("a.rs", &format!("https://{wide}\n"), vec![]),
            ("a.rs", &format!("f(\"{wide}\");\n"), vec![]),
            ("a.rs", &format!("f(\"é\"); // {wide}\n"), vec![1]),
            ("a.md", &format!("| {wide}\n{wide}\n"), vec![2]),
        ] {
            let found = lines_of(&file(path, text));
            let found: Vec<usize> = found.iter().map(|complaint| complaint.line).collect();
            assert_eq!(found, expect, "{path}: {text}");
        }
    }

    #[test]
    fn pages_have_one_title() {
        for (text, is_good) in [
            ("# A\n\n## B\n", true),
            ("# A\n```sh\n# comment\n```\n", true),
            ("# A\n# B\n", false),
            ("text\n", false),
        ] {
            assert_eq!(title_of(&file("a.md", text)).is_none(), is_good, "{text}");
        }
    }
}
