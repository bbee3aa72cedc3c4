//! The text of a config file and the places in it.

use crate::plan::Place;
use annotate_snippets::normalize_untrusted_str;
use std::{
    borrow::Cow,
    ops::Range,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// A stretch of a config's text, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// The same stretch, seen from a point that lies `bytes` before.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        Self { start: self.start + bytes, end: self.end + bytes }
    }
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

/// A list, if one was typed, and each of its items.
pub(crate) type Listed<T> = Option<Word<Vec<Word<T>>>>;

/// Puts what was typed, if anything was, in the place of the default.
pub(crate) fn set<T>(place: &mut T, word: Option<Word<T>>) {
    if let Some(word) = word {
        *place = word.value;
    }
}

/// All files of a config. A place in them is a place in the text that they would be one after the
/// other, so that a span says of itself which file it lies in.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    main: Source,
    /// The included files in the order they were read, each with where it starts.
    included: Vec<(usize, Source)>,
}

impl Sources {
    pub(crate) fn new(main: Source) -> Self {
        Self { main, included: Vec::new() }
    }

    /// Adds an included file.
    pub(crate) fn push(&mut self, source: Source) {
        let (start, last) = self.last();
        // One more than its length: the end of a file is not the start of the next one.
        let next = start + last.text.len() + 1;
        self.included.push((next, source));
    }

    /// The file that was read last, and where it starts.
    pub(crate) fn last(&self) -> (usize, &Source) {
        self.included.last().map_or((0, &self.main), |(start, source)| (*start, source))
    }

    pub(crate) fn main(&self) -> &Source {
        &self.main
    }

    /// The file that `span` lies in, and where in it.
    pub(crate) fn locate(&self, span: Span) -> (&Source, Span) {
        let before = self.included.partition_point(|(start, _)| *start <= span.start);
        let at = before.checked_sub(1).and_then(|last| self.included.get(last));
        let (start, source) = at.map_or((0, &self.main), |(start, source)| (*start, source));
        (source, Span { start: span.start - start, end: span.end - start })
    }

    /// Where the line starts that `span` starts on.
    pub(crate) fn line_start(&self, span: Span) -> usize {
        let (source, inside) = self.locate(span);
        span.start - inside.start + source.line_start(source.line(inside.start))
    }

    /// Where the files lie, each with the place at which it starts.
    pub(crate) fn files(&self) -> impl Iterator<Item = (PathBuf, Span)> {
        let all = [(0, &self.main)].into_iter();
        all.chain(self.included.iter().map(|(start, source)| (*start, source)))
            .map(|(start, source)| (source.path.clone(), Span { start, end: start }))
    }

    /// The path that `word` names, seen from the file it stands in.
    pub(crate) fn path(&self, word: &Word<String>) -> PathBuf {
        self.locate(word.span).0.path(&word.value)
    }

    /// Where `span` begins, for the plan.
    pub(crate) fn at(&self, span: Span) -> Place {
        let (source, span) = self.locate(span);
        let (line, column) = (source.line(span.start), source.column(span.start));
        Place { file: Arc::clone(&source.name), line, column }
    }
}

/// A config file: its name, where it lies, its text, and where its lines start.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    name: Arc<str>,
    path: PathBuf,
    text: String,
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(name: &str, path: PathBuf, text: String) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect();
        Self { name: harmless(name).into(), path, text, lines }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path that `text` names, seen from this file.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        // Put together by parts, it has no `.` and no doubled slash left, and no `..` at its start:
        // the folder has no links on its way, so that its parent is the one by name.
        let mut path = self.path.parent().unwrap_or(&self.path).to_owned();
        let mut is_above = true;
        for part in Path::new(text).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir if is_above => _ = path.pop(),
                part => {
                    is_above = false;
                    path.push(part);
                }
            }
        }
        path
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
            let sources = Sources::new(Source::new("f", "/".into(), text.to_owned()));
            let place = sources.at(Span { start: offset, end: offset });
            assert_eq!(place.to_string(), expect, "{text:?}");
        }
        check("", 0, "f:1:1");
        check("ab", 1, "f:1:2");
        check("ab\ncd", 2, "f:1:3");
        check("ab\ncd", 3, "f:2:1");
        check("ä\nöx", 5, "f:2:2");
        check("öx", 1, "f:1:1");
        check("ab\n", 3, "f:2:1");
    }

    #[test]
    fn a_path_starts_from_the_folder_of_its_file() {
        let source = Source::new("f", "/etc/gannet/f".into(), String::new());
        let check = |text: &str, expect: &str| {
            assert_eq!(source.path(text).to_str(), Some(expect), "{text:?}");
        };
        check("site", "/etc/gannet/site");
        check("./site//x/./", "/etc/gannet/site/x");
        check("../site", "/etc/site");
        check("./../../../srv", "/srv");
        check("/srv/x", "/srv/x");
        // It may be a link, whose parent is elsewhere.
        check("link/../x", "/etc/gannet/link/../x");
        check("/srv/link/../x", "/srv/link/../x");
    }

    #[test]
    fn a_place_is_in_one_file() {
        let file = |name: &str, text: &str| Source::new(name, "/".into(), text.to_owned());
        let mut sources = Sources::new(file("main", "a\nb"));
        sources.push(file("empty", ""));
        sources.push(file("last", "c\nd"));
        let check = |offset: usize, expect: &str| {
            let place = sources.at(Span { start: offset, end: offset });
            assert_eq!(place.to_string(), expect, "{offset}");
        };
        check(0, "main:1:1");
        check(3, "main:2:2");
        check(4, "empty:1:1");
        check(5, "last:1:1");
        check(7, "last:2:1");
        assert_eq!(sources.line_start(Span { start: 8, end: 8 }), 7);
    }
}
