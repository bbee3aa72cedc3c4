//! Name plates: the first line of a Rust file says its one purpose.

use super::{Complaint, tree::Tree};

/// Every Rust file opens with `//!` and a sentence.
pub(super) fn opening(tree: &Tree) -> Vec<Complaint> {
    let rust = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter(|file| !has_plate(&file.text))
        .map(|file| Complaint {
            file: file.path.clone(),
            line: 1,
            text: "open the file with `//! ` and a sentence that says its one purpose".to_owned(),
        })
        .collect()
}

fn has_plate(text: &str) -> bool {
    let block = text.lines().map_while(|line| line.strip_prefix("//! ")).map(str::trim);
    let sentence = block.collect::<Vec<_>>().join(" ");
    let words = sentence.split_whitespace().count();
    words >= 2 && sentence.ends_with(['.', ':', '!', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plate_is_a_sentence_on_the_first_line() {
        for (text, expect) in [
            ("//! The vocabulary.\n\nuse a;\n", true),
            ("//! The vocabulary\n//! of all.\n//!\n//! More", true),
            ("//! The vocabulary\n", false),
            ("//! Vocabulary.\n", false),
            ("\n//! The vocabulary.\n", false),
            ("// The vocabulary.\n", false),
            ("", false),
        ] {
            assert_eq!(has_plate(text), expect, "{text}");
        }
    }
}
