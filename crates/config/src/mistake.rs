//! What is wrong with a config: where, why, and the way out.

use crate::source::{Source, Sources, Span, harmless, without_c1};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use std::{borrow::Cow, fmt};

/// Mistakes that are shown in full; a file with more of them has one cause anyway.
pub(crate) const SHOWN_MAX: usize = 100;

/// Characters of what was typed that a message repeats.
const QUOTE_CHARS_MAX: usize = 60;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    span: Span,
    cause: Cow<'static, str>,
    /// What stands under the underlined text.
    label: Cow<'static, str>,
    /// A second place that the mistake is about.
    also: Option<(Span, &'static str)>,
    help: Option<Cow<'static, str>>,
}

impl Mistake {
    pub(crate) fn new(
        span: Span,
        cause: impl Into<Cow<'static, str>>,
        label: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (cause, label) = (words(cause), words(label));
        Self { span, cause, label, also: None, help: None }
    }

    pub(crate) fn also(mut self, span: Span, label: &'static str) -> Self {
        self.also = Some((span, label));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.help = Some(words(help));
        self
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Where it is, and where the second place is that it is about.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        [Some(self.span), self.also.map(|(span, _)| span)].into_iter().flatten()
    }

    /// What it says in other words than those of this program alone.
    pub(crate) fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let texts = [Some(&mut self.cause), Some(&mut self.label), self.help.as_mut()];
        texts.into_iter().flatten().filter_map(|text| match text {
            Cow::Borrowed(_) => None,
            Cow::Owned(text) => Some(text),
        })
    }

    /// The same mistake in a text that begins `bytes` later.
    pub(crate) fn behind(mut self, bytes: usize) -> Self {
        self.span = self.span.behind(bytes);
        self.also = self.also.map(|(span, label)| (span.behind(bytes), label));
        self
    }

    /// Adds the lines that the mistake is about, underlined, and the way out.
    fn group<'m>(&'m self, sources: &'m Sources) -> Group<'m> {
        let (source, span) = sources.locate(self.span);
        let primary = (span, &*self.label, AnnotationKind::Primary);
        let also = self.also.map(|(span, label)| {
            let (source, span) = sources.locate(span);
            (source, (span, label, AnnotationKind::Context))
        });
        let group = Group::with_title(Level::ERROR.primary_title(&*self.cause));
        let group = match also {
            None => group.element(snippet(source, &[primary])),
            Some((other, also)) if std::ptr::eq(source, other) => {
                group.element(snippet(source, &[primary, also]))
            }
            Some((other, also)) => {
                group.element(snippet(source, &[primary])).element(snippet(other, &[also]))
            }
        };
        match &self.help {
            Some(help) => group.element(Level::HELP.message(&**help)),
            None => group,
        }
    }
}

/// A text of a mistake; into one that was put together, something that was typed may have got.
fn words(text: impl Into<Cow<'static, str>>) -> Cow<'static, str> {
    match text.into() {
        Cow::Borrowed(own) => Cow::Borrowed(own),
        Cow::Owned(text) => Cow::Owned(harmless(&text)),
    }
}

/// The lines of `marks`, each of them underlined. Only the lines in question are given away: the
/// renderer reads all it gets.
fn snippet<'m>(
    source: &'m Source,
    marks: &[(Span, &'m str, AnnotationKind)],
) -> Snippet<'m, Annotation<'m>> {
    let first = marks.iter().map(|(span, ..)| span.start).min().unwrap_or(0);
    let last = marks.iter().map(|(span, ..)| span.end).max().unwrap_or(0);
    let line = source.line(first);
    let from = source.line_start(line);
    let to = source.line_start(source.line(last) + 1);
    let text = source.text();
    let snippet = Snippet::source(without_c1(text.get(from..to).unwrap_or_default()));
    let snippet = snippet.line_start(line).path(source.name());
    snippet.annotations(marks.iter().map(|(span, label, kind)| {
        let start = text.floor_char_boundary(span.start);
        let end = text.ceil_char_boundary(span.end).max(start);
        kind.span(start - from..end - from).label(*label)
    }))
}

/// Text that was typed, as a message repeats it.
pub(crate) fn quote(text: &str) -> String {
    let mut chars = text.chars();
    let shown: String = chars.by_ref().take(QUOTE_CHARS_MAX).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("`{shown}{rest}`")
}

/// Everything that is wrong with a config, file by file in the order of the lines; never empty.
#[derive(Clone, Debug)]
pub struct Errors {
    sources: Box<Sources>,
    mistakes: Vec<Mistake>,
}

/// One error, for a program to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem<'e> {
    /// The file, as it was named or found.
    pub file: &'e str,
    /// The line, counted from 1.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
    /// The cause, in a sentence without line breaks.
    pub message: &'e str,
    /// The way out.
    pub help: Option<&'e str>,
}

/// How errors are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Text only.
    Plain,
    /// With the colour codes of a terminal.
    Coloured,
}

impl Errors {
    pub(crate) fn new(sources: Sources, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by(|a, b| (a.span, &a.cause).cmp(&(b.span, &b.cause)));
        // What routes inherit is looked at once for each of them, and is wrong once.
        mistakes.dedup_by(|a, b| (a.span, &a.cause) == (b.span, &b.cause));
        Self { sources: Box::new(sources), mistakes }
    }

    /// The errors one by one, in the order of the lines.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = Problem<'_>> {
        self.mistakes.iter().map(|mistake| {
            let (source, span) = self.sources.locate(mistake.span);
            Problem {
                file: source.name(),
                line: source.line(span.start),
                column: source.column(span.start),
                message: &mistake.cause,
                help: mistake.help.as_deref(),
            }
        })
    }

    /// The errors for a person: each with its lines, what is wrong underlined, and the way out.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Coloured => Renderer::styled(),
        };
        let mut text = String::new();
        for mistake in self.mistakes.iter().take(SHOWN_MAX) {
            text.push_str(&renderer.render(&[mistake.group(&self.sources)]));
            text.push_str("\n\n");
        }
        let name = self.sources.main().name();
        match self.mistakes.len() {
            1 => text.push_str(&format!("{name}: 1 mistake")),
            count => text.push_str(&format!("{name}: {count} mistakes")),
        }
        // They are sorted, so those of one file stand together.
        let mut files: Vec<_> = self.problems().map(|problem| problem.file).collect();
        files.dedup();
        if files.len() > 1 {
            text.push_str(&format!(" in {} files", files.len()));
        }
        if self.mistakes.len() > SHOWN_MAX {
            text.push_str(&format!(", the first {SHOWN_MAX} are shown"));
        }
        text
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for Errors {}
