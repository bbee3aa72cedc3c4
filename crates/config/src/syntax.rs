//! Text → spanned words: TOML with all its syntax errors at once.

use crate::{
    mistake::{Mistake, SHOWN_MAX, quote},
    source::{Source, Span},
};
use std::cell::OnceCell;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Error},
};

/// What to do about the syntax errors that are made most, by the start of the parser's message.
const WAYS_OUT: [(&str, &str); 6] = [
    ("missing comma", "put a comma between two values"),
    (KEY_ALONE, "write `name = value`"),
    ("unclosed table", "close the name of the table with `]`"),
    ("invalid basic string", "end the text with `\"` on its line; write `\\\\` for a backslash"),
    ("invalid literal string", "end the text with `'` on its line"),
    ("unclosed array", "close the list with `]`"),
];

/// What the parser says of a key without a value; it reads nothing of what follows it.
const KEY_ALONE: &str = "key with no value";

/// Reads `source` as TOML. What comes after a syntax error is read as well as it can be, if need be
/// from `rest`, a copy of the text without the lines that hinder it.
pub(crate) fn parse<'s>(
    source: &'s Source,
    rest: &'s OnceCell<String>,
    mistakes: &mut Vec<Mistake>,
) -> DeTable<'s> {
    let (table, mut errors) = DeTable::parse_recoverable(source.text());
    let mut table = table.into_inner();
    let is_alone = |error: &Error| error.message().starts_with(KEY_ALONE);
    let alone: Vec<_> = errors.extract_if(.., |error| is_alone(error)).collect();
    if !alone.is_empty() {
        let text = rest.get_or_init(|| without_lines(source, &alone));
        let (rest, rest_errors) = DeTable::parse_recoverable(text);
        table = rest.into_inner();
        errors = alone.into_iter().chain(rest_errors).collect();
    }
    let mut errors: Vec<_> = errors.iter().map(|error| (span(error, source), error)).collect();
    errors.sort_by_key(|(span, _)| *span);
    let mut line = 0;
    for (span, error) in errors {
        // The first error of a line is the cause of the others on it.
        if source.line(span.start) > line {
            line = source.line(span.start);
            // To look for a first key takes a walk through all: not for what nobody will see.
            let table = (mistakes.len() < SHOWN_MAX).then_some(&table);
            mistakes.push(mistake(span, error.message(), source, table));
        }
    }
    table
}

/// The text with blanks instead of the lines of `errors`, so that all else keeps its place.
fn without_lines(source: &Source, errors: &[Error]) -> String {
    let mut text = String::with_capacity(source.text().len());
    for error in errors {
        let line = source.line(span(error, source).start);
        let (start, end) = (source.line_start(line), source.line_start(line + 1));
        text.push_str(source.text().get(text.len()..start).unwrap_or_default());
        let blank = source.text().get(text.len()..end).unwrap_or_default().bytes();
        text.extend(blank.map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
    }
    text.push_str(source.text().get(text.len()..).unwrap_or_default());
    text
}

fn span(error: &Error, source: &Source) -> Span {
    let last = source.text().len();
    let span = error.span().unwrap_or(last..last);
    let start = span.start.min(last);
    Span { start, end: span.end.clamp(start, last) }
}

fn mistake(span: Span, message: &str, source: &Source, table: Option<&DeTable<'_>>) -> Mistake {
    let typed = source.text().get(span.start..span.end).unwrap_or_default();
    if message.starts_with("duplicate key") {
        let mistake = Mistake::new(span, format!("{} is there twice", quote(typed)), "again here")
            .help("keep one of them");
        return match table.and_then(|table| first(table, span, source)) {
            Some(first) => mistake.also(first, "first here"),
            None => mistake,
        };
    }
    if message.starts_with("string values must be quoted") {
        if typed.is_empty() {
            return Mistake::new(span, "there is no value", "nothing after the `=`")
                .help("write a value, or leave the line out");
        }
        return Mistake::new(span, "a text stands in quotes", "no quotes").help(match typed {
            "yes" | "on" | "True" | "TRUE" => "write `true` if that is meant".to_owned(),
            "no" | "off" | "False" | "FALSE" => "write `false` if that is meant".to_owned(),
            _ => format!("write `\"{}\"`", typed.trim_matches(['"', '\''])),
        });
    }
    let line = source.line(span.start);
    let line = source.text().get(source.line_start(line)..source.line_start(line + 1));
    let line = line.unwrap_or_default().trim_end();
    if typed.starts_with(';') || typed.is_empty() && line.ends_with(';') {
        return Mistake::new(span, "there is a `;` behind the value", "one too many")
            .help("leave it out: a setting ends with its line");
    }
    if message.starts_with("invalid float") || message.starts_with("invalid integer") {
        let value = line.split_once('=').map(|(_, value)| value.trim()).unwrap_or_default();
        let value = value.split([',', '#', ']', '}']).next().unwrap_or_default().trim();
        if value.contains(['.', ':', '/']) && !value.contains(['"', '\'']) {
            let help = format!("write `\"{}\"`", value.trim_start_matches('['));
            return Mistake::new(span, "a text stands in quotes", "no quotes").help(help);
        }
    }
    let way_out = WAYS_OUT.iter().find(|(start, _)| message.starts_with(start));
    let help = way_out.map_or("the rules of TOML are at https://toml.io", |(_, help)| help);
    Mistake::new(span, message.to_owned(), "not understood").help(help)
}

/// Where the key was first that is there a second time at `again`.
fn first(table: &DeTable<'_>, again: Span, source: &Source) -> Option<Span> {
    let text = source.text();
    let line = source.line_start(source.line(again.start));
    let key = text.get(again.start..again.end)?;
    let header = text.get(line..again.end)?.trim_start();
    if !header.starts_with('[') {
        let name = key.trim_matches(['"', '\'']);
        return nearest(table, name, again, text);
    }
    // The parser has forgotten the first header by the second one, so it is looked for in the text.
    let mut from = 0;
    for line in text.get(..line)?.split_inclusive('\n') {
        if let Some(rest) = line.trim_start().strip_prefix(header)
            && rest.trim_start().starts_with(']')
        {
            let start = from + (line.len() - line.trim_start().len()) + header.len() - key.len();
            return Some(Span { start, end: start + key.len() });
        }
        from += line.len();
    }
    None
}

/// The last key `name` before `again` in any table that `again` may belong to.
fn nearest(table: &DeTable<'_>, name: &str, again: Span, text: &str) -> Option<Span> {
    let here = table.get_key_value(name).map(|(key, _)| Span::from(key.span()));
    let inside = table.values().filter_map(|value| nearest_inside(value, name, again, text));
    inside.chain(here).filter(|span| span.end <= again.start).max()
}

fn nearest_inside(
    value: &Spanned<DeValue<'_>>,
    name: &str,
    again: Span,
    text: &str,
) -> Option<Span> {
    let span = Span::from(value.span());
    // What stands in braces or brackets is seen from inside only.
    let is_closed = text.get(span.start..).is_some_and(|text| text.starts_with('{'));
    if is_closed && !(span.start..span.end).contains(&again.start) {
        return None;
    }
    match value.get_ref() {
        DeValue::Table(table) => nearest(table, name, again, text),
        DeValue::Array(list) => {
            list.iter().filter_map(|item| nearest_inside(item, name, again, text)).max()
        }
        _ => None,
    }
}
