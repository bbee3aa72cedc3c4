//! What is wrong with a config: where, why, and the way out.

use crate::source::{Source, Span, harmless, without_c1};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;

/// Mistakes that are shown in full; a file with more of them has one cause anyway.
pub(crate) const SHOWN_MAX: usize = 100;

/// Characters of what was typed that a message repeats.
const QUOTE_CHARS_MAX: usize = 60;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    span: Span,
    cause: String,
    /// What stands under the underlined text.
    label: String,
    /// A second place that the mistake is about.
    also: Option<(Span, &'static str)>,
    help: Option<String>,
}

impl Mistake {
    pub(crate) fn new(span: Span, cause: impl AsRef<str>, label: impl AsRef<str>) -> Self {
        let (cause, label) = (harmless(cause.as_ref()), harmless(label.as_ref()));
        Self { span, cause, label, also: None, help: None }
    }

    pub(crate) fn also(mut self, span: Span, label: &'static str) -> Self {
        self.also = Some((span, label));
        self
    }

    pub(crate) fn help(mut self, help: impl AsRef<str>) -> Self {
        self.help = Some(harmless(help.as_ref()));
        self
    }

    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Adds the lines that the mistake is about, underlined, and the way out.
    fn group<'m>(&'m self, source: &'m Source) -> Group<'m> {
        let group = Group::with_title(Level::ERROR.primary_title(self.cause.as_str()));
        let group = group.element(self.snippet(source));
        match &self.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// Only the lines in question are given away: the renderer reads all it gets.
    fn snippet<'m>(&'m self, source: &'m Source) -> Snippet<'m, Annotation<'m>> {
        let spans = [Some(self.span), self.also.map(|(span, _)| span)];
        let first = spans.iter().flatten().map(|span| span.start).min().unwrap_or(0);
        let last = spans.iter().flatten().map(|span| span.end).max().unwrap_or(0);
        let line = source.line(first);
        let from = source.line_start(line);
        let to = source.line_start(source.line(last) + 1);
        let text = source.text();
        let inside = |span: Span| {
            let start = text.floor_char_boundary(span.start);
            start - from..text.ceil_char_boundary(span.end).max(start) - from
        };
        let snippet = Snippet::source(without_c1(text.get(from..to).unwrap_or_default()));
        let primary = AnnotationKind::Primary.span(inside(self.span)).label(self.label.as_str());
        let snippet = snippet.line_start(line).path(source.name()).annotation(primary);
        match self.also {
            Some((span, label)) => {
                snippet.annotation(AnnotationKind::Context.span(inside(span)).label(label))
            }
            None => snippet,
        }
    }
}

/// Text that was typed, as a message repeats it.
pub(crate) fn quote(text: &str) -> String {
    let mut chars = text.chars();
    let shown: String = chars.by_ref().take(QUOTE_CHARS_MAX).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("`{shown}{rest}`")
}

/// Everything that is wrong with one config file, in the order of its lines; never empty.
#[derive(Clone, Debug)]
pub struct Errors {
    source: Source,
    mistakes: Vec<Mistake>,
}

/// One error, for a program to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem<'e> {
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
    pub(crate) fn new(source: Source, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.span);
        // What is inherited by several routes may be judged for each of them.
        mistakes.dedup_by(|again, first| (again.span, &again.cause) == (first.span, &first.cause));
        Self { source, mistakes }
    }

    /// The errors one by one, in the order of the lines.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = Problem<'_>> {
        self.mistakes.iter().map(|mistake| Problem {
            line: self.source.line(mistake.span.start),
            column: self.source.column(mistake.span.start),
            message: &mistake.cause,
            help: mistake.help.as_deref(),
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
            text.push_str(&renderer.render(&[mistake.group(&self.source)]));
            text.push_str("\n\n");
        }
        let name = self.source.name();
        match self.mistakes.len() {
            1 => text.push_str(&format!("{name}: 1 mistake")),
            count => text.push_str(&format!("{name}: {count} mistakes")),
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
