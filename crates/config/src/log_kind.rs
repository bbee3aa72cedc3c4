//! The kinds of values that only logs have: how a line looks, which lines are written.

use crate::{
    guess,
    mistake::{Mistake, quote},
    plan::{BLANKS, LineTemplate, LogFormat, PhraseError, Statuses, line_template},
    setting::{Kind, Notes, Typed},
    shape::Shape,
};
use std::num::NonZero;
use toml::de::DeValue;

/// How a line of the access log looks: one of a few words, or a template.
pub(crate) struct LineFormat;

/// One line of so many: "1/10".
pub(crate) struct Share;

/// Status codes, one by one or by their class: "404", "5xx".
pub(crate) struct StatusList;

/// The name of a field, or whether there is one at all.
pub(crate) struct FieldOrFlag(pub(crate) &'static str);

/// Lines of which one is written, at most.
const SAMPLE_MAX: u32 = 1_000_000;

/// Bytes of a field's name that can be chosen.
const FIELD_NAME_BYTES_MAX: usize = 64;

const WORDS: [&str; 5] = ["pretty", "json", "combined", "common", "off"];

impl Kind for LineFormat {
    type Value = LogFormat;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<LogFormat> {
        let DeValue::String(text) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        let template = match text.as_ref() {
            "pretty" => return Some(LogFormat::Pretty),
            "json" => return Some(LogFormat::Json),
            "off" => return Some(LogFormat::Off),
            "common" => line_template::COMMON,
            "combined" => line_template::COMBINED,
            text if text.contains(['{', '}']) => text,
            text => {
                let cause = format!("takes {}, not {}", self.noun(), quote(text));
                let mistake = typed.mistake(typed.span(), &cause, "not one of these");
                notes.mistakes.push(match guess::nearest(text, WORDS) {
                    Some(guess) => mistake.help(format!("did you mean \"{guess}\"?")),
                    None => mistake,
                });
                return None;
            }
        };
        if template.contains(|c: char| c.is_control() && c != '\t') {
            let label = "a control character in here";
            let cause = "holds a control character, which could end a line";
            notes.mistakes.push(typed.mistake(typed.span(), cause, label));
            return None;
        }
        match LineTemplate::parse(template) {
            Ok(template) => Some(LogFormat::Template(template)),
            Err(error) => {
                notes.mistakes.push(no_template(typed, &error));
                None
            }
        }
    }

    fn noun(&self) -> String {
        let words = WORDS.map(|word| format!("\"{word}\"")).join(", ");
        format!("{words} or a template")
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::Words(WORDS.to_vec()), Shape::Like("[{}]".to_owned())])
    }
}

fn no_template(typed: &Typed<'_>, error: &PhraseError) -> Mistake {
    let names = BLANKS.iter().map(|(name, ..)| *name);
    match error {
        PhraseError::Open => typed
            .mistake(typed.span(), "has a `{` without its `}`", "not closed")
            .help("write `{{` for a brace of its own"),
        PhraseError::Close => typed
            .mistake(typed.span(), "has a `}` without its `{`", "not opened")
            .help("write `}}` for a brace of its own"),
        PhraseError::Unknown(name) => {
            let cause = format!("has no blank of the name {}", quote(name));
            let help = match guess::nearest(name, names.clone()) {
                Some(guess) => format!("did you mean `{{{guess}}}`?"),
                None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
            };
            typed.mistake(typed.span(), &cause, "in this template").help(help)
        }
    }
}

impl Kind for Share {
    type Value = NonZero<u32>;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<NonZero<u32>> {
        let text = typed.value.get_ref().as_str();
        let share = text.and_then(|text| text.strip_prefix("1/")).and_then(|number| {
            let number = number.parse::<NonZero<u32>>().ok()?;
            (number.get() <= SAMPLE_MAX).then_some(number)
        });
        if share.is_none() {
            notes.mistakes.push(match text {
                Some(text) => {
                    let cause = format!("takes {}, not {}", self.noun(), quote(text));
                    typed.mistake(typed.span(), &cause, "no such share")
                }
                None => typed.wrong_kind(typed.value, &self.noun()),
            });
        }
        share
    }

    fn noun(&self) -> String {
        format!("a share from \"1/1\" to \"1/{SAMPLE_MAX}\"")
    }

    fn shape(&self) -> Shape {
        Shape::Text
    }
}

impl Kind for StatusList {
    type Value = Statuses;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Statuses> {
        let list = typed.value.get_ref().as_array();
        let items = match list {
            Some(list) => list.iter().collect(),
            None => vec![typed.value],
        };
        let mut ranges = Vec::with_capacity(items.len());
        for item in &items {
            let Some(text) = item.get_ref().as_str() else {
                notes.mistakes.push(typed.wrong_kind(item, &self.noun()));
                continue;
            };
            match statuses(text) {
                Some(range) => ranges.push(range),
                None => {
                    let cause = format!("takes {}, not {}", self.noun(), quote(text));
                    notes.mistakes.push(typed.mistake(item.span().into(), &cause, "no status"));
                }
            }
        }
        (ranges.len() == items.len()).then_some(Statuses { ranges })
    }

    fn noun(&self) -> String {
        "status codes such as \"404\" or \"5xx\", one or a list".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::Text, Shape::List(Box::new(Shape::Text))])
    }
}

/// The first and the last code that `text` stands for.
fn statuses(text: &str) -> Option<(u16, u16)> {
    let class = |digit: u16| (digit * 100, digit * 100 + 99);
    match text.as_bytes() {
        [digit @ b'1'..=b'5', b'x', b'x'] => Some(class(u16::from(digit - b'0'))),
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => text.parse().ok().map(|code| (code, code)),
        _ => None,
    }
}

impl Kind for FieldOrFlag {
    type Value = Option<Box<str>>;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Option<Box<str>>> {
        match typed.value.get_ref() {
            DeValue::Boolean(false) => Some(None),
            DeValue::Boolean(true) => Some(Some(self.0.into())),
            DeValue::String(text) if is_field_name(text) => {
                Some(Some(text.to_ascii_lowercase().into()))
            }
            DeValue::String(text) => {
                let cause = format!("takes {}, not {}", self.noun(), quote(text));
                notes.mistakes.push(typed.mistake(typed.span(), &cause, "no name of a field"));
                None
            }
            _ => {
                notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
                None
            }
        }
    }

    fn noun(&self) -> String {
        "`true`, `false` or the name of a field".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![Shape::Flag, Shape::Text])
    }
}

fn is_field_name(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=FIELD_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_class() {
        let check = |text, expect| assert_eq!(statuses(text), expect, "{text}");
        check("404", Some((404, 404)));
        check("5xx", Some((500, 599)));
        check("1xx", Some((100, 199)));
        for text in ["", "6xx", "4x", "4XX", "40x", "099", "600", "4xxx", "200-299"] {
            check(text, None);
        }
    }
}
