//! `${NAME}` and `${file:PATH}` in texts: what they stand for is put in their place, once, and is
//! never repeated in a message.

use crate::{
    limits::FILLED_BYTES_MAX,
    mistake::{Mistake, quote},
    source::{Source, Span, Word, harmless},
    world::World,
};
use std::{borrow::Cow, collections::BTreeSet, ffi::OsString, path::PathBuf};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// What introduces the path of a file.
const FILE: &str = "file:";

/// The shortest piece of what was filled in that a message must not hold. Less than this gives no
/// secret away, and is in too many messages by chance.
const PIECE_CHARS_MIN: usize = 4;

/// The shortest text that must not be in messages about other places. Shorter ones, such as ports,
/// are named there for reasons of their own.
const SECRET_CHARS_MIN: usize = 8;

/// A text in which something was filled in.
#[derive(Debug)]
pub(crate) struct Filled {
    span: Span,
    /// How it is written.
    written: String,
    /// What it has become, and what was put into it, each as a message would hold it.
    value: String,
    pieces: Vec<String>,
    /// What it has become, with the braces doubled in what was put into it.
    phrase: String,
    /// The files whose content was put into it.
    pub(crate) files: Vec<PathBuf>,
}

/// Fills in what is asked for in the texts of one file.
pub(crate) struct Filling<'f> {
    pub(crate) source: &'f Source,
    /// Where the file starts in the text of all files; the places that are filled in count from
    /// there, too.
    pub(crate) start: usize,
    pub(crate) world: &'f dyn World,
    pub(crate) filled: &'f mut Vec<Filled>,
    pub(crate) mistakes: &'f mut Vec<Mistake>,
}

impl Filling<'_> {
    /// `table` with everything filled in, and with its places in the text of all files.
    pub(crate) fn table<'t>(mut self, table: DeTable<'t>) -> DeTable<'t> {
        self.inside(table)
    }

    fn inside<'t>(&mut self, table: DeTable<'t>) -> DeTable<'t> {
        let entries = table.into_iter().map(|(key, value)| {
            let span = self.span(&key);
            (Spanned::new(span.start..span.end, key.into_inner()), self.value(value))
        });
        entries.collect()
    }

    fn value<'t>(&mut self, value: Spanned<DeValue<'t>>) -> Spanned<DeValue<'t>> {
        let span = self.span(&value);
        let value = match value.into_inner() {
            DeValue::Table(table) => DeValue::Table(self.inside(table)),
            DeValue::Array(list) => {
                DeValue::Array(list.into_iter().map(|item| self.value(item)).collect())
            }
            DeValue::String(text) if text.contains("${") => {
                DeValue::String(Cow::Owned(self.text(&text, span)))
            }
            other => other,
        };
        Spanned::new(span.start..span.end, value)
    }

    fn span<T>(&self, value: &Spanned<T>) -> Span {
        Span::from(value.span()).behind(self.start)
    }

    /// `written` with everything filled in; as it is, with a mistake noted, where that fails.
    fn text(&mut self, written: &str, span: Span) -> String {
        let mut value = String::new();
        let mut phrase = String::new();
        let (mut pieces, mut files) = (Vec::new(), Vec::new());
        let mut rest = written;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            let behind = from.get(2..).unwrap_or_default();
            if let Some(before) = before.strip_suffix('$') {
                value.extend([before, "${"]);
                phrase.extend([before, "${"]);
                rest = behind;
                continue;
            }
            value.push_str(before);
            phrase.push_str(before);
            let found = match behind.split_once('}') {
                Some((name, _)) => {
                    files.extend(name.strip_prefix(FILE).map(|path| self.source.path(path)));
                    self.find(name)
                }
                None => Err(Refusal {
                    cause: "`${` has no `}`".to_owned(),
                    help: "close the name with `}`, or write `$${` for `${` itself".to_owned(),
                }),
            };
            let end = behind.find('}').map_or(from.len(), |end| end + 3);
            match found {
                Ok(piece) => {
                    value.push_str(&piece);
                    phrase.push_str(&piece.replace('{', "{{").replace('}', "}}"));
                    pieces.push(harmless(&piece));
                }
                Err(refusal) => {
                    let span = self.part(span, from.get(..end).unwrap_or_default());
                    let mistake = Mistake::new(span, refusal.cause, "stands for nothing");
                    self.mistakes.push(mistake.help(refusal.help));
                    return written.to_owned();
                }
            }
            rest = from.get(end..).unwrap_or_default();
        }
        value.push_str(rest);
        phrase.push_str(rest);
        if !pieces.is_empty() {
            let (written, shown) = (harmless(written), harmless(&value));
            self.filled.push(Filled { span, written, value: shown, pieces, phrase, files });
        }
        value
    }

    /// Where `part` stands in the text at `span`; all of that where it is spelled otherwise there.
    fn part(&self, span: Span, part: &str) -> Span {
        let typed = span.start - self.start..span.end - self.start;
        let at = self.source.text().get(typed).and_then(|typed| typed.find(part));
        at.map_or(span, |at| Span { start: span.start + at, end: span.start + at + part.len() })
    }

    /// What `name` stands for.
    fn find(&self, name: &str) -> Result<String, Refusal> {
        match name.strip_prefix(FILE) {
            Some(path) => self.file(path),
            None => self.variable(name),
        }
    }

    fn variable(&self, name: &str) -> Result<String, Refusal> {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if name.is_empty() || !is_name {
            let cause = format!("{} names no variable", quote(&format!("${{{name}}}")));
            let help = "write `${NAME}` for a variable, `${file:PATH}` for the content of a file, \
                        or `$${` for `${` itself";
            return Err(Refusal { cause, help: help.to_owned() });
        }
        let Some(value) = self.world.variable(name) else {
            let cause = format!("the variable {} is not set", quote(name));
            let help = format!("start gannet with {name} in its environment, or correct the name");
            return Err(Refusal { cause, help });
        };
        value.into_string().map_err(|_: OsString| Refusal {
            cause: format!("the variable {} does not hold UTF-8", quote(name)),
            help: "set it to a text".to_owned(),
        })
    }

    fn file(&self, path: &str) -> Result<String, Refusal> {
        let refusal = |why: &str| Refusal {
            cause: format!("the file {} cannot be filled in: {why}", quote(path)),
            help: "correct the path, or make the file readable for gannet".to_owned(),
        };
        if path.is_empty() || path.chars().any(char::is_control) {
            return Err(refusal("that is not a path"));
        }
        let file = self.source.path(path);
        let content = self.world.read(&file, FILLED_BYTES_MAX).map_err(|why| refusal(&why))?;
        let mut text = String::from_utf8(content.bytes).map_err(|_| refusal("it is not UTF-8"))?;
        // Most editors end a file with a line end, which nobody counts as part of a secret.
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }
}

/// Why nothing can be filled in, and the way out.
struct Refusal {
    cause: String,
    help: String,
}

/// The text of `word` for one who looks for placeholders in it: braces that were filled in make
/// none. `filled` is ordered by place.
pub(crate) fn phrase<'w>(word: &'w Word<String>, filled: &'w [Filled]) -> &'w str {
    let found = filled.binary_search_by_key(&word.span, |filled| filled.span);
    found.ok().and_then(|at| filled.get(at)).map_or(&word.value, |filled| &filled.phrase)
}

/// Makes `mistakes` say how texts are written, and nothing of what was filled in. `filled` is
/// ordered by place.
pub(crate) fn hide(mistakes: &mut [Mistake], filled: &[Filled]) {
    let pieces = filled.iter().flat_map(|filled| &filled.pieces);
    let secrets: BTreeSet<_> =
        pieces.filter(|piece| piece.chars().count() >= SECRET_CHARS_MIN).collect();
    for mistake in mistakes {
        let spans: Vec<_> = mistake.spans().collect();
        for text in mistake.texts() {
            for span in &spans {
                let first = filled.partition_point(|filled| filled.span.end < span.start);
                let here = filled.iter().skip(first);
                for filled in here.take_while(|filled| filled.span.start <= span.end) {
                    *text = filled.hidden_in(text);
                }
            }
            // One that was inherited may be blamed elsewhere.
            for secret in &secrets {
                if text.contains(*secret) {
                    *text = text.replace(*secret, "…");
                }
            }
        }
    }
}

impl Filled {
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    fn hidden_in(&self, text: &str) -> String {
        // The whole value gets a stand-in that no message can hold, so that the way it is written
        // is not searched for pieces.
        const WRITTEN: &str = "\u{0}";
        let text = text.replace(&quote(&self.value), &format!("`{WRITTEN}`"));
        let is_long = self.value.chars().count() >= PIECE_CHARS_MIN;
        let text = if is_long { text.replace(&self.value, WRITTEN) } else { text };
        let text = self.pieces.iter().fold(text, |text, piece| without(&text, piece));
        text.replace(WRITTEN, &self.written)
    }
}

/// `text` with an ellipsis in the place of each part that is a part of `piece` too, in any case.
fn without(text: &str, piece: &str) -> String {
    let piece = piece.to_ascii_lowercase();
    let lower = text.to_ascii_lowercase();
    let mut left = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(first) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let ends = lower[at..].char_indices().map(|(end, _)| at + end).chain([lower.len()]);
        let shared = ends.skip(PIECE_CHARS_MIN).take_while(|end| piece.contains(&lower[at..*end]));
        match shared.last() {
            Some(end) => {
                left.push('…');
                at = end;
            }
            None => {
                left.push(first);
                at += first.len_utf8();
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_filled_in_is_in_no_message() {
        fn check(written: &str, piece: &str, text: &str, expect: &str) {
            let value = written.replace("${X}", piece);
            let span = Span { start: 0, end: 1 };
            let (written, pieces) = (written.to_owned(), vec![piece.to_owned()]);
            let phrase = value.clone();
            let filled = [Filled { span, written, value, pieces, phrase, files: Vec::new() }];
            let text = text.to_owned();
            let mut mistakes = [Mistake::new(span, text.clone(), text.clone()).help(text)];
            hide(&mut mistakes, &filled);
            assert!(mistakes[0].texts().all(|text| text == expect), "{mistakes:?}");
        }
        check("${X}", "s3cret", "`s3cret` is no host", "`${X}` is no host");
        check("${X}.org", "s3cret", "is `s3cret.org`", "is `${X}.org`");
        check("${X}", "S3CRET", "is s3cret in lower case", "is … in lower case");
        check("/a/${X}", "b/hidden", "stands for /a/b/hidden", "stands for /a/${X}");
        check("/a/${X}", "b/hidden/in", "/a/b/hidden is not there", "/a/… is not there");
        check("${X}", "80", "`80` is not 80", "`${X}` is not 80");
        let long = "long secret ".repeat(10);
        check("${X}", &long, &format!("it is {}", quote(&long)), "it is `${X}`");
        check("${X}", "äöüß", "not ÄÖÜß, but äöü", "not ÄÖÜß, but äöü");
        check("${X}", "äöüß", "xäöüßx", "x${X}x");
    }

    #[test]
    fn our_own_words_are_never_taken_for_a_secret() {
        let span = Span { start: 0, end: 1 };
        let secret = || "gannet hash-password".to_owned();
        let (written, pieces) = ("${X}".to_owned(), vec![secret()]);
        let filled = [Filled {
            span,
            written,
            value: secret(),
            pieces,
            phrase: secret(),
            files: Vec::new(),
        }];
        let mut mistakes = [Mistake::new(span, "a password", secret()).help("hash-password")];
        hide(&mut mistakes, &filled);
        let shown = format!("{mistakes:?}");
        assert!(shown.contains("a password") && shown.contains("hash-password"), "{shown}");
        assert!(!shown.contains("gannet"), "{shown}");
    }

    #[test]
    fn what_was_filled_in_is_in_no_message_about_another_place() {
        fn check(piece: &str, text: &str, expect: &str) {
            let filled = [Filled {
                span: Span { start: 0, end: 1 },
                written: "${X}".to_owned(),
                value: piece.to_owned(),
                pieces: vec![piece.to_owned()],
                phrase: piece.to_owned(),
                files: Vec::new(),
            }];
            let text = text.to_owned();
            let mut mistakes = [Mistake::new(Span { start: 8, end: 9 }, text, "")];
            hide(&mut mistakes, &filled);
            assert_eq!(mistakes[0].texts().next().map(|text| &**text), Some(expect));
        }
        check("s3cret s3cret", "is a s3cret s3cret", "is a …");
        check("8080", "port 8080 is taken", "port 8080 is taken");
    }
}
