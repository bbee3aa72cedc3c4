//! Words that have no place here: notes to self, switched-off tests, code in comments, and
//! traces of one person's machine.

use super::{
    Complaint,
    source::{line_of, places},
    tree::{Module, Text, Tree},
};

/// Where a banned word is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All texts, whatever they are.
    Anywhere,
    /// The code of Rust files; a literal may hold the word.
    Code,
    /// The comments of Rust files, and pages.
    Prose,
}

/// The banned words, where, and what to do instead. They are written in halves: this file is
/// checked too.
const BANNED: [(&str, Place, &str); 10] = [
    (concat!("TO", "DO"), Place::Anywhere, "do it, or open an issue"),
    (concat!("FIX", "ME"), Place::Anywhere, "fix it, or open an issue"),
    (concat!("XX", "X"), Place::Prose, "say in a sentence what is doubtful"),
    (concat!("for ", "now"), Place::Prose, "say what holds and why; nothing is only passing"),
    ("todo!", Place::Code, "write it; a stub has no place on the main branch"),
    ("unimplemented!", Place::Code, "write it; a stub has no place on the main branch"),
    ("#[ignore", Place::Code, "let the test run, or delete it; a long one goes to `--full`"),
    (concat!("/work", "/"), Place::Anywhere, "name no place of one machine"),
    (concat!("/tmp/", "bash"), Place::Anywhere, "name no place of one machine"),
    (concat!("pro", "mpt"), Place::Prose, "say `command line` or `question`"),
];

/// No text holds a banned word.
pub(super) fn banned(tree: &Tree) -> Vec<Complaint> {
    let texts = tree.files.iter().flat_map(|file| {
        let is_page = file.path.ends_with(".md");
        let wanted = move |place| place == Place::Anywhere || is_page && place == Place::Prose;
        let found = in_view(&file.path, &file.text, wanted);
        if is_data(file) { Vec::new() } else { found }
    });
    let modules = tree.modules.iter().flat_map(|module| {
        let mut found = in_view(&module.path, &module.views.code, |place| place == Place::Code);
        let comments = &module.views.comments;
        found.extend(in_view(&module.path, comments, |place| place == Place::Prose));
        found
    });
    texts.chain(modules).collect()
}

/// No comment holds code that someone switched off.
pub(super) fn commented_out(tree: &Tree) -> Vec<Complaint> {
    tree.modules.iter().flat_map(code_in_comments).collect()
}

/// Texts that other people wrote or that stand for what clients send.
fn is_data(file: &Text) -> bool {
    file.path == "Cargo.lock" || file.path.starts_with("fuzz/corpus/")
}

fn in_view(path: &str, view: &str, wanted: impl Fn(Place) -> bool) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (word, place, instead) in BANNED {
        if !wanted(place) {
            continue;
        }
        found.extend(places(view, word).map(|at| Complaint {
            file: path.to_owned(),
            line: line_of(view, at),
            text: format!("`{word}` is banned: {instead}"),
        }));
    }
    found
}

fn code_in_comments(module: &Module) -> Vec<Complaint> {
    let lines = (1..).zip(module.views.comments.lines());
    let is_code = |(_, line): &(usize, &str)| line.trim().strip_prefix("// ").is_some_and(is_code);
    lines
        .filter(is_code)
        .map(|(line, _)| Complaint {
            file: module.path.clone(),
            line,
            text: "delete the code in this comment: git remembers it".to_owned(),
        })
        .collect()
}

/// Whether a comment's line reads like a statement rather than like a sentence.
fn is_code(line: &str) -> bool {
    const MARKS: [&str; 8] = ["let ", "fn ", "use ", " = ", "::", "(", "=>", "return"];
    let line = line.trim();
    let is_bracket = !line.is_empty() && line.chars().all(|letter| "{}()[];,".contains(letter));
    let ends = line.ends_with([';', '{']) || line.ends_with("},");
    let is_quoted = line.contains('`');
    is_bracket || (ends && !is_quoted && MARKS.iter().any(|mark| line.contains(mark)))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn lines(found: &[Complaint]) -> Vec<usize> {
        found.iter().map(|complaint| complaint.line).collect()
    }

    #[test]
    fn words_are_banned_where_they_do_harm() {
        for (path, text, expect) in [
            ("a.md", concat!("# A\nTO", "DO: more\n"), vec![2]),
            ("a.md", concat!("It stays for ", "now.\n"), vec![1]),
            ("a.toml", concat!("path = \"/work", "/main\"\n"), vec![1]),
            ("crates/a/src/lib.rs", "fn f() { todo!() }\n", vec![1]),
            ("crates/a/src/lib.rs", "\n#[ignore = \"slow\"]\nfn f() {}\n", vec![2]),
            ("crates/a/src/lib.rs", concat!("// good for ", "now\n"), vec![1]),
            ("crates/a/src/lib.rs", "fn f() { for now in 0..9 {} }\n", vec![]),
            ("crates/a/src/lib.rs", "const A: &str = \"todo!\";\n", vec![]),
            ("crates/a/src/lib.rs", concat!("// it answers pro", "mptly\n"), vec![]),
        ] {
            assert_eq!(lines(&banned(&sample(&[(path, text)]))), expect, "{text}");
        }
    }

    #[test]
    fn comments_hold_sentences() {
        for (comment, expect) in [
            ("let x = y;", true),
            ("x.push(y);", true),
            ("if a == b(c) {", true),
            ("}", true),
            ("The peer is slow; it waits,", false),
            ("It is refused (RFC 9112);", true),
            ("`let x = y;` would copy;", false),
            ("so nothing is read;", false),
        ] {
            let text = format!("fn f() {{}}\n// {comment}\n");
            let found = commented_out(&sample(&[("crates/a/src/lib.rs", &text)]));
            assert_eq!(lines(&found), if expect { vec![2] } else { vec![] }, "{comment}");
        }
    }
}
