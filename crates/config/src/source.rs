//! The text of a config file and the places in it.

use crate::plan::Place;
use annotate_snippets::normalize_untrusted_str;
use std::{borrow::Cow, ops::Range, sync::Arc};

/// A stretch of the text, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A value, and where it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// Puts what was typed, if anything was, in the place of the default.
pub(crate) fn set<T>(place: &mut T, word: Option<Word<T>>) {
    if let Some(word) = word {
        *place = word.value;
    }
}

/// A config file: its name, its text, and where its lines start.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    name: Arc<str>,
    text: String,
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(name: &str, text: String) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect();
        Self { name: harmless(name).into(), text, lines }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The line that `offset` lies on, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    /// The character of its line that `offset` lies on, counted from 1.
    pub(crate) fn column(&self, offset: usize) -> usize {
        let start = self.line_start(self.line(offset));
        let end = self.text.floor_char_boundary(offset);
        1 + self.text.get(start..end).map_or(0, |before| before.chars().count())
    }

    /// Where line number `line`, counted from 1, starts; the end of the text after the last line.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        let index = line.saturating_sub(1);
        self.lines.get(index).copied().unwrap_or(self.text.len())
    }

    /// Where `span` begins, for the plan.
    pub(crate) fn at(&self, span: Span) -> Place {
        let (line, column) = (self.line(span.start), self.column(span.start));
        Place { file: Arc::clone(&self.name), line, column }
    }

    /// The place of `span` as editors and terminals understand it: `name:line:column`.
    pub(crate) fn place(&self, span: Span) -> String {
        format!("{}:{}:{}", self.name, self.line(span.start), self.column(span.start))
    }
}

/// `text` as it may stand in a message: on one line, and nothing in it acts on a terminal.
pub(crate) fn harmless(text: &str) -> String {
    normalize_untrusted_str(&without_c1(text)).replace('\n', "\u{240a}")
}

/// `text` without the control characters from U+0080 to U+009F, which the renderer lets through;
/// what stands in their place has the same length.
pub(crate) fn without_c1(text: &str) -> Cow<'_, str> {
    let is_c1 = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    match text.contains(is_c1) {
        true => Cow::Owned(text.replace(is_c1, "\u{b7}")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_lines_and_characters_from_one() {
        fn check(text: &str, offset: usize, expect: &str) {
            let source = Source::new("f", text.to_owned());
            assert_eq!(source.place(Span { start: offset, end: offset }), expect, "{text:?}");
        }
        check("", 0, "f:1:1");
        check("ab", 1, "f:1:2");
        check("ab\ncd", 2, "f:1:3");
        check("ab\ncd", 3, "f:2:1");
        check("ä\nöx", 5, "f:2:2");
        check("öx", 1, "f:1:1");
        check("ab\n", 3, "f:2:1");
    }
}
