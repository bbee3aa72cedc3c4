//! The text form of wire dialogues, read into steps.
//!
//! One file is one topic and is played against one server. This is all there is to write in it:
//!
//! ```text
//! # A comment; blank lines are skipped.
//! @ head-time = "300ms"       a line of [server.limits] in the config of this file's server
//! == 1, 7: both lengths       a case, on a connection of its own; numbers are those of threats
//! * 5                         a variant: the case is played once with each, `\{}` stands for it
//! > POST / HTTP/1.1           sent, CR LF behind it
//! >| abc                      sent as it stands
//! -- cut                      what follows is sent in another write
//! -- shut                     the client says that it will send no more
//! < 200                       the next response has this status
//! < 200 head                  the same, without content: it answers a HEAD
//! < content-type: text/css    it has this field; `*` stands for any value
//! < allow ~ GET               it has this field, and this is part of the value
//! < etag => tag               it has this field; `\{tag}` stands for the value from here on
//! < !location                 it does not have this field
//! < body is abc               it has this content
//! < body has abc              this is part of the content
//! < body lacks abc            this is not
//! < body length 10            the content has so many bytes
//! < open                      the connection is still good: one more request is answered
//! < close                     the server closes, as its last response said, and sends no more
//! < hangup                    the server closes without having said so, and sends no more
//! < gone                      the connection has ended in either way: the peer asked for trouble
//! < reset                     the server resets the connection
//! ```
//!
//! In what is sent or compared `\r \n \t \0 \\ \xHH` stand for bytes and `\{text*N}` for a text N
//! times. Every case ends in one of the last five lines.

use std::collections::HashMap;

/// A file of dialogues.
pub struct Script {
    /// Lines for the table of limits.
    pub limits: String,
    /// The cases in their order.
    pub cases: Vec<Case>,
}

/// One dialogue, or several that differ in one text.
pub struct Case {
    /// Where it begins, counted from 1.
    pub line: usize,
    /// What it is about.
    pub title: String,
    /// The rows of the threat list that it covers.
    pub rows: Vec<u16>,
    /// What `\{}` stands for, one after the other; one empty text where there are no variants.
    pub variants: Vec<String>,
    /// What happens, each step with its line.
    pub steps: Vec<(usize, Step)>,
}

/// Something that happens in a dialogue.
pub enum Step {
    /// The client sends this, still with escapes, in one write.
    Send(String),
    /// The client sends no more.
    Shut,
    /// A response comes. `is_bodiless` says that it answers a HEAD.
    Response {
        /// Its status.
        status: u16,
        /// Whether it has no content, whatever its fields say.
        is_bodiless: bool,
    },
    /// The last response has this field.
    Field(String, Value),
    /// The last response does not have this field.
    NoField(String),
    /// The last response has this content.
    Body(Value),
    /// The dialogue is over.
    End(End),
}

/// How a dialogue ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The connection is still good.
    Open,
    /// The server closes and has said so.
    Close,
    /// The server closes and has not said so: it could not know, or had nothing to say.
    Hangup,
    /// The connection is gone; a client that goes on sending after it asked for the end may get a
    /// reset (RFC 9112 section 9.6).
    Gone,
    /// The server resets.
    Reset,
}

/// What a value has to be; texts still have their escapes.
pub enum Value {
    /// Anything.
    Any,
    /// This.
    Is(String),
    /// Something with this in it.
    Has(String),
    /// Something without this in it.
    Lacks(String),
    /// Something of so many bytes.
    Length(usize),
    /// Anything; it gets this name.
    Named(String),
}

/// Texts by the names that a dialogue gave them; the variant has the empty name.
pub type Names = HashMap<String, String>;

impl Script {
    /// Reads a file; a mistake in it is a mistake of ours, so it panics.
    pub fn parse(text: &str) -> Self {
        let mut script = Self { limits: String::new(), cases: Vec::new() };
        let mut is_cut = true;
        for (number, line) in (1..).zip(text.lines()) {
            let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
            if mark == "@" {
                script.limits.push_str(&format!("{rest}\n"));
                continue;
            }
            if mark == "==" {
                script.cases.push(Case::titled(number, rest));
                continue;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let case = script.cases.last_mut().unwrap_or_else(|| panic!("{number}: no case yet"));
            let step = match (mark, rest) {
                ("*", variant) => {
                    case.variants.push(variant.to_owned());
                    continue;
                }
                ("--", "cut") => {
                    is_cut = true;
                    continue;
                }
                (">" | ">|", text) => {
                    let text = if mark == ">" { format!("{text}\\r\\n") } else { text.to_owned() };
                    match case.steps.last_mut() {
                        Some((_, Step::Send(before))) if !is_cut => {
                            before.push_str(&text);
                            continue;
                        }
                        _ => Step::Send(text),
                    }
                }
                ("--", "shut") => Step::Shut,
                ("<", expectation) => {
                    expect(expectation).unwrap_or_else(|| panic!("{number}: {line}"))
                }
                _ => panic!("{number}: what is this? {line}"),
            };
            is_cut = false;
            case.steps.push((number, step));
        }
        script.finished()
    }

    fn finished(mut self) -> Self {
        for case in &mut self.cases {
            let is_over = matches!(case.steps.last(), Some((_, Step::End(_))));
            assert!(is_over, "{}: how does it end? open, close, hangup, gone or reset", case.line);
            if case.variants.is_empty() {
                case.variants.push(String::new());
            }
        }
        self
    }
}

impl Case {
    fn titled(line: usize, title: &str) -> Self {
        let numbers = title.split_once(':').map_or("", |(numbers, _)| numbers);
        let rows: Result<Vec<u16>, _> =
            numbers.split(',').map(|number| number.trim().parse()).collect();
        Self {
            line,
            title: title.to_owned(),
            rows: rows.unwrap_or_default(),
            variants: Vec::new(),
            steps: Vec::new(),
        }
    }
}

/// What stands behind `<`.
fn expect(text: &str) -> Option<Step> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match word {
        "open" => Step::End(End::Open),
        "close" => Step::End(End::Close),
        "hangup" => Step::End(End::Hangup),
        "gone" => Step::End(End::Gone),
        "reset" => Step::End(End::Reset),
        "body" => Step::Body(body_value(rest)?),
        _ if word.starts_with('!') => Step::NoField(word[1..].to_owned()),
        _ if word.starts_with(|first: char| first.is_ascii_digit()) => {
            Step::Response { status: word.parse().ok()?, is_bodiless: rest == "head" }
        }
        _ => {
            let (sign, value) = rest.split_once(' ').unwrap_or(("", rest));
            match (word.strip_suffix(':'), sign) {
                (Some(name), _) if rest == "*" => Step::Field(name.to_owned(), Value::Any),
                (Some(name), _) => Step::Field(name.to_owned(), Value::Is(rest.to_owned())),
                (None, "~") => Step::Field(word.to_owned(), Value::Has(value.to_owned())),
                (None, "=>") => Step::Field(word.to_owned(), Value::Named(value.to_owned())),
                (None, _) => return None,
            }
        }
    })
}

fn body_value(text: &str) -> Option<Value> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Some(match word {
        "is" => Value::Is(rest.to_owned()),
        "has" => Value::Has(rest.to_owned()),
        "lacks" => Value::Lacks(rest.to_owned()),
        "length" => Value::Length(rest.parse().ok()?),
        _ => return None,
    })
}

/// The bytes that `text` stands for.
pub fn expand(text: &str, names: &Names) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut length = 1;
        match escape.as_bytes().first() {
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'0') => bytes.push(0),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                bytes.push(u8::from_str_radix(&escape[1..3], 16).unwrap());
                length = 3;
            }
            Some(b'{') => {
                let end = escape.find('}').unwrap_or_else(|| panic!("no }} in {text}"));
                bytes.extend_from_slice(&braced(&escape[1..end], names));
                length = end + 1;
            }
            _ => panic!("no such escape in {text}"),
        }
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The bytes that `\{inside}` stands for.
fn braced(inside: &str, names: &Names) -> Vec<u8> {
    if let Some((repeated, count)) = inside.rsplit_once('*')
        && let Ok(count) = count.parse()
    {
        return expand(repeated, names).repeat(count);
    }
    let meaning = names.get(inside).unwrap_or_else(|| panic!("nothing is named {inside:?}"));
    // A value that came from the server stands for itself; only a variant was written by us.
    if inside.is_empty() { expand(meaning, names) } else { meaning.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[u8]) {
        let names = [("", "v\\n"), ("tag", "\\x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(expand(text, &Names::from(names)), expect, "{text}");
    }

    #[test]
    fn escapes() {
        check("plain", b"plain");
        check("a\\r\\n\\t\\0\\\\\\xfFb", b"a\r\n\t\0\\\xffb");
        check("<\\{ab\\n*3}>", b"<ab\nab\nab\n>");
        check("\\{}-\\{tag}", b"v\n-\\x");
    }

    #[test]
    fn a_case() {
        let script = Script::parse(
            "@ head-time = \"1s\"\n== 1, 2: title\n> GET / HTTP/1.1\n>\n-- cut\n>| x\n\
             < 200\n< open\n",
        );
        assert_eq!(script.limits, "head-time = \"1s\"\n");
        assert_eq!(script.cases[0].rows, [1, 2]);
        assert_eq!(script.cases[0].steps.len(), 4);
        let Step::Send(head) = &script.cases[0].steps[0].1 else { panic!("something is sent") };
        assert_eq!(head, "GET / HTTP/1.1\\r\\n\\r\\n");
    }
}
